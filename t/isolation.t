# A credential goes to its own environment's server and to no other, whatever clients send, however environments share
# hosts, ports and connections, and whatever upstreams answer.

use v5.36;

use Canopy::Client;
use Canopy::Test;
use Canopy::Wire;
use Test::More;

my $seed = $ENV{CANOPY_TEST_SEED} // 1;
srand $seed;

my $t = Canopy::Test->new(workers => 2);
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $cert = $t->certificate('canopy', san => 'DNS:one.example,DNS:two.example,IP:127.0.0.1');

# [upstream, server, more]: "a" and "b" have a server each, "c" has that of "a"; "d", "e" and "f" share one over TLS, of
# which "f" has a name that the certificate does not know; "g" is where nobody listens.
my %environments = (
    a => ['one', 'http://127.0.0.1:%%PORT_one%%/a'], b => ['two', 'http://127.0.0.1:%%PORT_two%%/b'], c => ['one', 'http://127.0.0.1:%%PORT_one%%/c'],
    d => ['tls', 'https://127.0.0.1:%%PORT_tls%%/d', 'server_name one.example;'], e => ['tls', 'https://127.0.0.1:%%PORT_tls%%/e', 'server_name two.example;'],
    f => ['tls', 'https://127.0.0.1:%%PORT_tls%%/f', 'server_name other.example;'], g => ['none', 'http://127.0.0.1:%%PORT_none%%/g'],
);
my @names = sort keys %environments;
my %generation = map { $_ => 1 } @names;
sub credential ($name) { return "isolated-credential-$name-$generation{$name}" }
$t->secret("$_.token", credential($_)) for @names;

$t->conf("%%HEAD%%\nhttp {\n    %%HTTP%%\n" . join('', map { <<"EOC" } @names) . <<'EOC');
    canopy_environment $_ {
        server            $environments{$_}[1];
        bearer_token_file %%DIR%%/$_.token;
        keepalive_timeout 60s;
        ssl_trusted_certificate %%DIR%%/ca.pem;
        @{[$environments{$_}[2] // '']}
    }
EOC
    map $http_x_map $mapped { default a; ~b b; "~*^c$" c; }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /a/ { canopy_pass a; }
        location /b/ { canopy_pass b; }
        location /c/ { canopy_pass c; }
        location /d/ { canopy_pass d; }
        location /e/ { canopy_pass e; }
        location /f/ { canopy_pass f; }
        location /g/ { canopy_pass g; }
        location /a/b/         { canopy_pass b; }
        location ~ ^/re/(\w)/  { canopy_pass $1; }
        location /arg/         { canopy_pass $arg_e; }
        location /header/      { canopy_pass $http_x_e; }
        location /cookie/      { canopy_pass $cookie_e; }
        location /map/         { canopy_pass $mapped; }
        location /host/        { canopy_pass $host; }
        location /mixed/       { canopy_pass $arg_e$http_x_e; }
        location /if/          { canopy_pass a; if ($http_x_e = b) { canopy_pass b; } }
        location /page/        { canopy_pass a; error_page 404 422 502 = @b; }
        location /deny/        { canopy_pass a; deny all; error_page 403 = @b; }
        location @b            { canopy_pass b; }
        location /rewritten/   { rewrite ^/rewritten/(.*) /b/$1 last; }
        location /break/       { rewrite ^/break/(.*) /b/$1 break; canopy_pass a; }
    }
}
EOC

# An upstream would like to send the gateway elsewhere.
my $handler = sub ($conn, $req, $n) {
    my $elsewhere = 'http://127.0.0.1:' . $t->port('two') . "/b/tasks/$id/cancel";
    my ($case) = $req->header('X-Request-ID') =~ /^(\w+)-/;
    return $case eq 'moved'   ? reply(307, '', "Location: $elsewhere", 'X-Accel-Redirect: /b/', "Refresh: 0; url=$elsewhere")
         : $case eq 'refused' ? reply(401, '', "WWW-Authenticate: Bearer realm=\"$elsewhere\"")
         : $case eq 'named'   ? reply(503, '', 'Canopy-Environment: b', 'Alt-Svc: h2="127.0.0.1:' . $t->port('two') . '"')
         : $case eq 'closes'  ? 'close'
         :                      reply(204);
};
$t->upstream($_, handler => $handler) for qw(one two);
$t->upstream('tls', tls => $cert, handler => $handler);
$t->start;

# Sorts what the upstreams have received: {REQUEST-ID => ENVIRONMENT}. The environment is the one whose upstream, path and
# credential it is; else all of what was sent stands there.
sub received () {
    my %environment;
    for my $upstream (qw(one two tls)) {
        for my $event ($t->news($upstream)) {
            $environment{'a rest'} = $event->{bytes} if $event->{event} eq 'rest';
            next if $event->{event} ne 'request';
            my ($name) = $event->{target} =~ m{^/(\w)/tasks/\Q$id\E/cancel$};
            my $own = $name && $environments{$name}[0] eq $upstream && $event->header('Authorization') eq 'Bearer ' . credential($name)
                && (() = $event->{raw} =~ /isolated-credential/g) == 1 && (!$event->{sni} || $environments{$name}[2] eq "server_name $event->{sni};");
            $environment{$event->header('X-Request-ID')} = $own ? $name : printable($event->{raw});
        }
    }
    return \%environment;
}

# --------------------------------------------------------------------------------------------------- what clients choose

my $no = 0;
sub is_sent_to ($environment, $path, %args) {
    my $case = delete $args{case} // 'x';
    for my $round (1, 2) {
        my $request = "$case-" . ++$no;
        my $res = $t->request(path => $path =~ s/ID/$id/r, headers => [['Authorization', 'Bearer ' . $t->client_token], ['X-Request-ID', $request],
                                                                   ($args{headers} // [])->@*]);
        my $answered = $res->header('Canopy-Environment');
        my $name = join ', ', $path, $case eq 'x' ? () : $case, map { "$_->[0]: $_->[1]" } ($args{headers} // [])->@*;
        is_deeply({ sent => received(), answered => $answered || undef },
                  { sent => $environment ? { $request => $environment } : {}, answered => $environment // $args{answered} },
                  ($environment ? "to $environment" : 'to nobody') . ": $name ($round)") || diag($res->raw);
    }
}
sub header ($name, $value) { return (headers => [[$name, $value]]) }

is_sent_to($_, "/$_/tasks/ID/cancel") for qw(a b c d e);
is_sent_to(undef, "/$_/tasks/ID/cancel", answered => $_) for qw(f g);
is_sent_to('b', $_) for '/a/b/tasks/ID/cancel', '/a/../b/tasks/ID/cancel', '/a/%2e%2e/b/tasks/ID/cancel', '/a/..%2fb/tasks/ID/cancel', '/%62/tasks/ID/cancel',
    '//b//tasks/ID/cancel', 'http://a/b/tasks/ID/cancel', '/rewritten/tasks/ID/cancel', '/b/tasks/ID/cancel?/a/tasks/ID/cancel', '/b/tasks/ID/cancel#/a/';
is_sent_to('a', $_) for '/b/../a/tasks/ID/cancel', '/a/tasks/ID/cancel?e=b', '/break/tasks/ID/cancel', '/a/b/../tasks/ID/cancel';
is_sent_to(undef, $_, answered => undef) for '/a/tasks/../../b/tasks/x/ID/cancel', '/a/b/c/tasks/ID/cancel', '/a/c/tasks/ID/cancel', '/a/tasks/b/tasks/ID/cancel';

is_sent_to('b', '/b/tasks/ID/cancel', header('Canopy-Environment', 'b'));
is_sent_to(undef, '/a/tasks/ID/cancel', header('Canopy-Environment', $_), answered => 'a') for 'b', 'A', 'a, b', 'a b', 'b, a', '';
is_sent_to(undef, '/a/tasks/ID/cancel', headers => [['Canopy-Environment', 'a'], ['Canopy-Environment', 'b']], answered => 'a');
is_sent_to('a', '/a/tasks/ID/cancel', headers => [map { [$_, 'b'] } 'Canopy_Environment', 'X-Canopy-Environment', 'Canopy-Environment2', 'X-E', 'Host', 'X-Original-URL',
    'X-Rewrite-URL', 'X-Forwarded-Prefix', 'X-Forwarded-Host', 'Cookie', 'X-Accel-Redirect', 'Forwarded', 'Destination']);

for my $name (qw(a b c d e)) {
    is_sent_to($name, "/re/$name/tasks/ID/cancel");
    is_sent_to($name, "/arg/tasks/ID/cancel?e=$name");
    is_sent_to($name, '/header/tasks/ID/cancel', header('X-E', $name));
    is_sent_to($name, '/cookie/tasks/ID/cancel', header('Cookie', "e=$name"));
    is_sent_to($name, "/mixed/tasks/ID/cancel?e=$name");
}
is_sent_to($_->[0], '/map/tasks/ID/cancel', header('X-Map', $_->[1])) for ['a', ''], ['b', 'abc'], ['c', 'C'], ['a', 'x'];
is_sent_to($_->[0], '/if/tasks/ID/cancel', header('X-E', $_->[1])) for ['a', 'a'], ['b', 'b'], ['a', 'B'], ['a', 'b b'];
is_sent_to($_, '/host/tasks/ID/cancel', header('Host', $_)) for qw(a b);
is_sent_to('b', '/arg/tasks/ID/cancel?e=b&e=a');
is_sent_to(undef, "/arg/tasks/ID/cancel?e=$_") for '', 'ab', 'a%00', 'a/', '%61', 'a,b', 'A', '/a', 'a%20', '$arg_e', 'http://127.0.0.1/';
is_sent_to(undef, '/mixed/tasks/ID/cancel?e=a', header('X-E', 'b'));
is_sent_to(undef, '/header/tasks/ID/cancel', header('X-E', $_)) for '', 'a, b', 'a b', '"a"', "a\tb", "\xc3\xa4";

# An error page may be another environment's gateway, for what nginx refuses in front of the first one.
is_sent_to('b', '/deny/tasks/ID/cancel');
is_sent_to(undef, '/page/x/tasks/ID/cancel');
is_sent_to('a', '/page/tasks/ID/cancel', case => $_) for qw(moved refused);

# ------------------------------------------------------------------------------------------------- what upstreams answer

for my $case (qw(moved refused named closes)) {
    is_sent_to($_, "/$_/tasks/ID/cancel", case => $case) for qw(a c d e);
}

# ---------------------------------------------------------------------------------------------- all of them at one time

# Many connections, many requests on each, the environments in any order; then new credentials for all, and again.
for my $round (1 .. 4) {
    my (%chosen, @sockets);
    for my $connection (1 .. 12) {
        my $bytes = '';
        for my $i (1 .. 20) {
            my $name = $names[rand @names];
            my $request = "m$round-$connection-$i";
            $chosen{$request} = $name;
            my @how = (["/$name/tasks/$id/cancel"], ["/re/$name/tasks/$id/cancel"], ["/arg/tasks/$id/cancel?e=$name"], ["/header/tasks/$id/cancel", ['X-E', $name]]);
            my ($path, @headers) = $how[rand @how]->@*;
            $bytes .= Canopy::Client::request_text(keep => 1, path => $path,
                headers => [['Authorization', 'Bearer ' . $t->client_token], ['X-Request-ID', $request], @headers]);
        }
        push @sockets, my $socket = $t->connect;
        syswrite $socket, $bytes;
    }

    my %answered;
    for my $socket (@sockets) {
        for (1 .. 20) {
            my $res = $t->response($socket, timeout => 60);
            $answered{$res->header('X-Request-ID')} = $res->header('Canopy-Environment') . ' ' . $res->header('Canopy-Outcome');
        }
    }
    my %expected = map { $_ => $chosen{$_} . ($chosen{$_} =~ /[fg]/ ? ' not-sent' : ' accepted') } keys %chosen;
    is_deeply(\%answered, \%expected, "240 requests at once, each answered for its environment ($round, seed $seed)");
    is_deeply(received(), { map { $_ => $chosen{$_} } grep { $chosen{$_} !~ /[fg]/ } keys %chosen }, 'and sent to it, with its credential');

    # each environment's next credential, which the workers look for once a second
    $generation{$_}++ for @names;
    $t->secret("$_.token", credential($_)) for @names;
    select undef, undef, undef, 1.2;
}

$t->done;
