# What nginx's own modules refuse in a gateway's location comes in the gateway's schema, and nothing is sent.

use strict;
use warnings;

use Test::More;

use Canopy::Expect;
use Canopy::Test;

my $t = Canopy::Test->new;
$t->secret('token', 'upstream-secret-1');
$t->upstream('canopy');
$t->write('users', "user:{PLAIN}password\n");

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment sandbox { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/token; }

    limit_req_zone $arg_k zone=slow:32k rate=1r/m;
    limit_conn_zone $arg_k zone=one:32k;
    client_body_timeout 300ms;
    error_page 400 401 403 404 413 429 500 503 /page;

    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /page { return 200 page; }

        location /deny/     { canopy_pass sandbox; deny all; }
        location /basic/    { canopy_pass sandbox; auth_basic "Canopy"; auth_basic_user_file %%DIR%%/users; }
        location /ask/      { canopy_pass sandbox; auth_request /asked; }
        location = /asked   { internal; if ($http_x_s = 401) { return 401; } if ($http_x_s = 403) { return 403; } return 500; }
        location /any/      { canopy_pass sandbox; satisfy any; deny all; auth_basic "Canopy"; auth_basic_user_file %%DIR%%/users; }
        location /req/      { canopy_pass sandbox; limit_req zone=slow; }
        location /req429/   { canopy_pass sandbox; limit_req zone=slow; limit_req_status 429; }
        location /body/     { canopy_pass sandbox; client_max_body_size 10; }
        location /internal/ { canopy_pass sandbox; internal; }
        location /if/       { canopy_pass sandbox; if ($arg_s = 400) { return 400; } if ($arg_s = 403) { return 403; }
                              if ($arg_s = 410) { return 410; } if ($arg_s = 422) { return 422 "a text"; } if ($arg_s = 451) { return 451; }
                              if ($arg_s = 429) { return 429; } if ($arg_s = 500) { return 500; } if ($arg_s = 503) { return 503; } }
        location /shown/    { canopy_pass sandbox; deny all; add_header X-Added yes always; }
        location /sandbox/  { canopy_pass sandbox; }
    }
}
EOC
$t->start;

my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my @token = ['Authorization', 'Bearer ' . $t->client_token];
my %refused = (loc => ['gateway'], type => 'gateway_refused', msg => qr/^The gateway refused the request/);

sub gateway { my ($name, $status, %request) = @_;
    my %with = (WWW => delete $request{www} // '', environment => delete $request{environment} // '');
    return refused($t, $name, { %refused, status => $status, outcome => $status == 429 || $status >= 500 ? 'not-sent' : 'denied',
                                'WWW-Authenticate' => $with{WWW}, environment => $with{environment} },
                   headers => [@token], %request, path => "$request{path}tasks/$id/cancel" . ($request{query} // ''));
}

gateway('deny all', 403, path => '/deny/');
gateway('deny all, another method', 403, path => '/deny/', method => 'GET');
gateway('deny all, with a body', 403, path => '/deny/', body => 'x' x 70000);
gateway('auth_basic', 401, path => '/basic/', www => 'Basic realm="Canopy"');
gateway('satisfy any', 401, path => '/any/', www => 'Basic realm="Canopy"');
gateway("auth_request $_", $_, path => '/ask/', headers => [@token, ['X-S', $_]]) for 401, 403, 500;
gateway("return $_", $_, path => '/if/', query => "?s=$_") for 400, 403, 410, 422, 429, 451, 500, 503;
gateway('internal', 404, path => '/internal/');
is(gateway('add_header', 403, path => '/shown/')->header('X-Added'), 'yes', 'add_header works');

for my $case (['req', 503], ['req429', 429]) {
    my ($where, $status) = @$case;
    my %at = (path => "/$where/tasks/$id/cancel?k=$where", headers => [@token]);
    is($t->request(%at)->status, 204, 'the first one within limit_req');
    gateway("limit_req, $status", $status, path => "/$where/", query => "?k=$where");
}

# Bodies: too large by their length, too large in chunks, malformed; one that does not come ends without an answer

my @chunked = (headers => [@token, ['Transfer-Encoding', 'chunked']]);
is($t->request(path => "/body/tasks/$id/cancel", headers => [@token], body => 'x' x 10)->status, 204, 'a body within client_max_body_size');
gateway('a large body', 413, path => '/body/', body => 'x' x 11);
gateway('a large body in chunks', 413, path => '/body/', @chunked, body => "b\r\nxxxxxxxxxxx\r\n0\r\n\r\n", environment => 'sandbox');
gateway('a malformed chunk', 400, path => '/sandbox/', @chunked, body => "zz\r\n", environment => 'sandbox');

for my $path ("/sandbox/tasks/$id/cancel", '/sandbox/x') {
    my $before = $t->received('canopy');
    my $res = $t->request(path => $path, headers => [@token, ['Content-Length', 100]], body => 'x');
    is($t->received('canopy') - $before, 0, "a body that does not come: nothing is sent ($path)");
    ok($t->wait_for(sub { $t->access_log =~ m{^PATCH \Q$path\E (?:408|404) outcome=denied }m }), 'and the log says so') || diag($t->access_log =~ /(.*)\n\z/);
    isnt($res->end, 'timeout', 'in time');
}

# HEAD: the head without the body

my $head = $t->request(path => '/deny/x', method => 'HEAD');
is($head->status . $head->raw, 403 . $head->headers_raw, 'HEAD has no body');
is($head->header('Canopy-Outcome'), 'denied', 'but the outcome');
is($head->header('Content-Type'), 'application/json', 'and the type');

# What is refused before there is a location is nginx's own answer.

for my $raw ("PATCH /sandbox/tasks/$id/cancel HTTP/1.1\r\n\r\n", "PATCH /sandbox/tasks/%00/cancel HTTP/1.1\r\nHost: x\r\n\r\n",
             "PATCH /sandbox/../../x HTTP/1.1\r\nHost: x\r\n\r\n", "PATCH /sandbox/ HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
             "PATCH /sandbox/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n") {
    my $res = $t->request(raw => $raw);
    is($res->status . $res->header('Canopy-Outcome'), 400, 'nginx refuses: ' . $raw =~ s/\r\n.*//sr);
}

is(scalar $t->received('canopy'), 3, 'only what was within the limits has been sent');

$t->done;
