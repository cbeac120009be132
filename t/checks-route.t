# The route: PATCH <prefix>/tasks/{id}/cancel and nothing else, whatever kind of location it is in.

use strict;
use warnings;

use Test::More;

use Canopy::Expect;
use Canopy::Test;

my $t = Canopy::Test->new;
$t->secret('token', 'upstream-secret-1');
$t->upstream('canopy');

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment sandbox { server http://127.0.0.1:%%PORT_canopy%%/box; bearer_token_file %%DIR%%/token; }
    canopy_environment live { server http://127.0.0.1:%%PORT_canopy%%/live/; bearer_token_file %%DIR%%/token; }

    error_page 403 404 405 422 /page;

    server {
        listen 127.0.0.1:%%PORT_http%%;

        location /page { return 200 page; }
        location /sandbox/ { canopy_pass sandbox; }
        location /bare { canopy_pass sandbox; }
        location ^~ /prior/ { canopy_pass sandbox; }
        location "/with space/" { canopy_pass sandbox; }
        location /tasks/ { canopy_pass sandbox; }
        location /outer/ { canopy_pass live; location /outer/inner/ { canopy_pass sandbox; } }
        location /closed/ { return 403; location /closed/inner { canopy_pass sandbox; } }
        location = /exact/tasks/3f2504e0-4f89-41d3-9a0c-0305e82c3301/cancel { canopy_pass sandbox; }
        location = /exact { canopy_pass sandbox; }

        location ~ ^/regex/(?<named>[a-z]+)/ { canopy_pass $named; }
        location ~* ^/nocase { canopy_pass sandbox; }

        location /try/ { try_files /nowhere @gateway; }
        location /error/ { error_page 418 = @gateway; return 418; }
        location /errorstatus/ { error_page 418 @gateway; return 418; }
        location @gateway { canopy_pass sandbox; }

        location /tryuri/ { try_files /nowhere /sandbox/tasks/3f2504e0-4f89-41d3-9a0c-0305e82c3301/cancel; }
        location /erroruri/ { error_page 418 = /sandbox/tasks/3f2504e0-4f89-41d3-9a0c-0305e82c3301/cancel; return 418; }
        location /mirror/ { mirror /sandbox/tasks/11111111-2222-3333-4444-555555555555/cancel; canopy_pass sandbox; }
        location /internal/ { internal; canopy_pass sandbox; }
        location /auth/ { auth_request /sandbox/tasks/11111111-2222-3333-4444-555555555555/cancel; canopy_pass sandbox; }

        location /if/ { canopy_pass sandbox; if ($http_x_live) { canopy_pass live; } }
        location /ifset/ { canopy_pass sandbox; if ($http_x_live) { set $x 1; } }
        location /onlyif/ { if ($http_x_live) { canopy_pass live; } }

        location /break/ { rewrite ^/break/(.*) /any/tasks/$1/cancel break; canopy_pass sandbox; }
        location /broken/ { rewrite ^ /any/where break; canopy_pass sandbox; }
        location /last/ { rewrite ^/last/(.*) /sandbox/tasks/$1/cancel last; }

        location /only/ { limit_except PATCH { deny all; } canopy_pass sandbox; }
        location /except/ { limit_except GET { allow all; } canopy_pass sandbox; }
    }

    server {
        listen 127.0.0.1:%%PORT_root%%;
        location / { canopy_pass sandbox; }
    }

    server {
        listen 127.0.0.1:%%PORT_slashes%%;
        merge_slashes off;
        location / { canopy_pass sandbox; }
    }
}
EOC
$t->start;

my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $target = "/box/tasks/$id/cancel";
my @token = (headers => [['Authorization', 'Bearer ' . $t->client_token]]);
my %not_found = (status => 404, loc => ['path'], type => 'not_found');
my %not_allowed = (status => 405, loc => ['method'], type => 'method_not_allowed', Allow => 'PATCH');
my %no_uuid = (status => 422, loc => ['path', 'id'], type => 'uuid_parsing', environment => 'sandbox');
my %gateway = (loc => ['gateway'], type => 'gateway_refused');

sub route     { my ($path, $to, %with) = @_; passes($t, $path, $to // $target, path => $path, @token, %with) }
sub no_route  { my ($path, %with) = @_; refused($t, $path, \%not_found, path => $path, @token, %with) }

# Prefixes

route("/sandbox/tasks/$id/cancel");
route("/bare/tasks/$id/cancel");
route("/prior/tasks/$id/cancel");
route("/with%20space/tasks/$id/cancel");
route("/tasks/tasks/$id/cancel");
route("/outer/tasks/$id/cancel", "/live/tasks/$id/cancel");
route("/outer/inner/tasks/$id/cancel");
route("/closed/inner/tasks/$id/cancel");
route("/tasks/$id/cancel", $target, port => 'root');

no_route($_) for
    "/sandbox/x/tasks/$id/cancel", "/sandbox/tasks/x/tasks/$id/cancel", "/sandbox/tasks/$id/cancel/tasks/$id/cancel",
    "/baretasks/$id/cancel", "/bareX/tasks/$id/cancel", '/bare', "/bare/x/tasks/$id/cancel", "/tasks/$id/cancel",
    "/outer/other/tasks/$id/cancel", "/outer/inner/x/tasks/$id/cancel", "/closed/inner2/tasks/$id/cancel", '/exact';
no_route($_, port => 'root') for '/', "/x/tasks/$id/cancel", "/sandbox/tasks/$id/cancel", '/tasks', "tasks/$id/cancel" =~ s{^}{/.}r;

# What is not the route

no_route("/sandbox/$_") for
    '', 'tasks', 'tasks/', 'tasks/cancel', 'tasks//cancel', "tasks/$id", "tasks/$id/", "tasks/$id/cancel/", "tasks/$id/cancel/x",
    "tasks/$id/cancels", "tasks/$id/cance", "tasks/$id/CANCEL", "Tasks/$id/cancel", "task/$id/cancel", "xtasks/$id/cancel", "tasks$id/cancel",
    "tasks/${id}cancel", "tasks/$id/x/cancel", "tasks/$id/cancel%0A", "tasks/$id/cancel%20", "tasks/$id/%0Acancel", "%0Atasks/$id/cancel",
    "tasks/$id/cancel%3Fx", "tasks/$id/cancel%23", "tasks/$id/cancel;x", "tasks/$id/cancel.json", 'openapi.json', "tasks/$id/cancel%ff",
    "tasks/$id%2Fx/cancel", "tasks/%2F/cancel", "tasks/$id/cancel%2F", "tasks/$id/cancel/..", "tasks/$id/cancel/.", 'tasks/../cancel',
    "tasks/$id/cancel/%2e%2e/%2e%2e", 'tasks/%2e%2e/%2e%2e/sandbox/', "tasks/$id%252Fcancel", '..%2Fsandbox/x', 'x' x 2000;

is($t->request(path => "/SANDBOX/tasks/$id/cancel", @token)->header('Canopy-Outcome'), '', 'another case is not the location');

# The path is nginx's normalized one

route("/sandbox/$_") for
    "/tasks//$id///cancel", "./tasks/./$id/cancel", "x/../tasks/$id/cancel", "tasks/$id/x/../cancel", "tasks/x/../$id/cancel",
    "%74asks/$id/%63ancel", "tasks/%33f2504e0-4f89-41d3-9a0c-0305e82c3301/cancel", "tasks%2F$id%2Fcancel", "tasks/%2e%2e/tasks/$id/cancel",
    "tasks/$id%2fcancel", 'tasks/' . uc($id) . '/cancel', 'tasks/3F2504e0-4f89-41d3-9A0c-0305e82c3301/cancel',
    'tasks/' . join('', map { sprintf '%%%02x', ord } split //, uc $id) . '/cancel';
route("/x/../sandbox/tasks/$id/cancel");
route("/%73andbox%2ftasks%2f$id%2fcancel");
route("http://localhost/sandbox/tasks/$id/cancel");
no_route($_, port => 'slashes') for "//tasks/$id/cancel", "/tasks//$id/cancel", "/tasks/$id//cancel", '/tasks//cancel';

# The query string is neither looked at nor forwarded

route("/sandbox/tasks/$id/cancel?$_") for '', 'x=1', "/tasks/$id/cancel", 'a?b', '%0d%0aX:1', '../../x';
no_route("/sandbox/?/tasks/$id/cancel");
refused($t, 'an id cut off by a query', \%not_found, path => "/sandbox/tasks/3f2504e0?/cancel", @token);

# Regular expressions, names: whatever stands before the last /tasks/

my $other = '11111111-2222-3333-4444-555555555555';
route("/regex/sandbox/$_") for "tasks/$id/cancel", "a/b/c/tasks/$id/cancel", "tasks/x/tasks/$id/cancel", "tasks/$other/cancel/tasks/$id/cancel",
    "tasks/tasks/$id/cancel";
route("/regex/live/tasks/$id/cancel", "/live/tasks/$id/cancel");
route("/NoCase$_/tasks/$id/cancel") for '', 'x', '/x';
no_route("/regex/sandbox/$_") for "tasks/$id/cancel/tasks/", "tasks/$id/cancel/tasks", "tasks/$id/cancel/", "tasks/$id/cancel/x/cancel",
    "tasks/$id/Tasks/$id/cancel", 'x', "xtasks/$id/cancel";
no_route("/regex/sandboxtasks/$id/cancel");
no_route("/nocase$_") for '', 'tasks/x/cancel', "tasks/$id/cancel", "/tasks/$id/CANCEL";

route("/exact/tasks/$id/cancel");
route("/$_/tasks/$id/cancel") for qw(try error try/x/tasks error/tasks/x);
no_route("/$_") for 'try/', 'error/x', "try/tasks/$id", "error/tasks/$id/cancel/";

# error_page without "=" keeps its status elsewhere; a gateway's answer has its own

route("/errorstatus/tasks/$id/cancel");
refused($t, 'error_page without =', \%no_uuid, path => '/errorstatus/tasks/x/cancel', @token);
no_route('/errorstatus/x');

# An internal redirect is a request as any other; nginx makes a GET of it for error_page. A subrequest sends nothing.

route('/tryuri/x');
refused($t, 'error_page to a URI', \%not_allowed, path => "/erroruri/tasks/$id/cancel", @token);
route("/mirror/tasks/$id/cancel");
refused($t, 'auth_request into the gateway', { %gateway, status => 403 }, path => "/auth/tasks/$id/cancel", @token);
refused($t, 'an internal location', { %gateway, status => 404 }, path => "/internal/tasks/$id/cancel", @token);

# if, rewrite, limit_except

my @live = (headers => [@{$token[1]}, ['X-Live', 1]]);
route("/if/tasks/$id/cancel");
route("/if/tasks/$id/cancel", "/live/tasks/$id/cancel", @live);
route("/ifset/tasks/$id/cancel");
route("/ifset/tasks/$id/cancel", $target, @live);
route("/onlyif/tasks/$id/cancel", "/live/tasks/$id/cancel", @live);
no_route("/$_/x/tasks/$id/cancel", @live) for qw(if ifset);
refused($t, 'an if alone, another path', { %not_found }, path => "/onlyif/x/tasks/$id/cancel", @live);
is($t->request(path => "/onlyif/tasks/$id/cancel", @token)->header('Canopy-Outcome'), '', 'without the if it is no gateway');

route("/break/$id");
route("/last/$id");
refused($t, 'rewrite to another id', \%no_uuid, path => '/break/x', @token);
no_route("/break/$id/x");
no_route("/broken/tasks/$id/cancel");

route("/only/tasks/$id/cancel");
route("/except/tasks/$id/cancel");
no_route("/except/x/tasks/$id/cancel");
refused($t, 'limit_except PATCH', { %gateway, status => 403 }, path => "/only/tasks/$id/cancel", method => 'GET', @token);
refused($t, 'limit_except GET', \%not_allowed, path => "/except/tasks/$id/cancel", method => 'GET', @token);

# Methods

my @methods = qw(GET POST PUT DELETE OPTIONS PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK PURGE PATCHX PATC);
for my $method (@methods) {
    refused($t, $method, \%not_allowed, path => "/sandbox/tasks/$id/cancel", method => $method, @token);
}
refused($t, 'a method on another path', \%not_found, path => '/sandbox/x', method => 'GET', @token);
refused($t, 'GET on a bad id', \%not_allowed, path => '/sandbox/tasks/x/cancel', method => 'GET');
refused($t, 'POST with a body', \%not_allowed, path => "/sandbox/tasks/$id/cancel", method => 'POST', body => 'x' x 70000, @token);
refused($t, 'X-HTTP-Method-Override', \%not_allowed, path => "/sandbox/tasks/$id/cancel", method => 'POST',
        headers => [['X-HTTP-Method-Override', 'PATCH']]);

my $get = $t->request(path => "/sandbox/tasks/$id/cancel", method => 'GET', headers => [['X-Request-ID', 'one']]);
for (1, 2) {
    my $head = $t->request(path => "/sandbox/tasks/$id/cancel", method => 'HEAD', headers => [['X-Request-ID', 'one']]);
    is($head->headers_raw =~ s/^Date:.*//mr, $get->headers_raw =~ s/^Date:.*//mr, 'HEAD has the head of GET');
    is($head->raw, $head->headers_raw, 'and no body');
}
for my $method (qw(TRACE CONNECT patch)) {
    my $res = $t->request(path => "/sandbox/tasks/$id/cancel", method => $method, @token);
    like($res->status, qr/^40[05]$/, "$method is refused");
    is($res->header('Canopy-Outcome'), '', 'by nginx itself');
}
ends_with_all_sent($t);
$t->stop;
clients_mistakes($t, 'client sent request for an unknown path', 'client sent invalid task id: Input should be a valid UUID, '
    . 'invalid length: expected 36 characters, found 1', map { "client sent method \"$_\" instead of PATCH" } @methods, 'HEAD');

$t->done;
