# The audit log, as README.md and examples/nginx.conf have it: a line of each cancel says who, what, where, when and with
# which end, and it is JSON in UTF-8 whatever a client signs, writes into its path or its headers.

use v5.36;

use Crypt::JWT qw(encode_jwt);
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);

use Canopy::Client;
use Canopy::Jose;
use Canopy::Test;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $key = Canopy::Jose->new('HS256', kid => 'a');

$t->secret('token', 'audit-upstream-credential');
$t->write('clients.jwks', Canopy::Jose::set($key));

my %file = (readme => 'README.md', example => 'examples/nginx.conf');
my %format = map {
    my $name = $_;
    my ($format) = do { local (@ARGV, $/) = $file{$name}; <> } =~ /^ *(log_format canopy\w* .*?;)$/ms or BAIL_OUT("no log_format in $file{$name}");
    $name => $format =~ s/log_format \K\w+/$name/r;
} keys %file;

$t->conf(<<'EOC' =~ s/FORMATS/join "\n", map { $format{$_} } sort keys %format/er);
%%HEAD%%
http {
    %%HTTP%%
    FORMATS
    large_client_header_buffers 4 16k;
    canopy_environment live {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        require_claim     scope cancel;
    }
    canopy_environment nobody {
        server            http://127.0.0.1:%%PORT_nobody%%/tasking;
        bearer_token_file %%DIR%%/token;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        canopy_client_jwks     %%DIR%%/clients.jwks;
        canopy_client_audience gateway;
        access_log             %%DIR%%/readme.log readme;
        access_log             %%DIR%%/example.log example;
        location /live/   { canopy_pass live; }
        location /nobody/ { canopy_pass nobody; }
        location ~ (?s)^/choice/(.*?)/ { canopy_pass $1; }
    }
}
EOC

# What the upstream says, by the client's X-Request-ID.
my $json = 'Content-Type: application/json';
my @bytes = ("\xff", "\xfe\xff", "\x80", "\xc0\xaf", "\xc1\x8a", "\xe2\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "a\xe9b");
my %says = (
    slow => sub ($conn) { $conn->sleep(0.3); return reply(204, undef, 'x-request-id: upstream-1') },
    422  => sub ($) { reply(422, '{"detail":[{"loc":["path"],"msg":"m","type":"task_status"}]}', $json) },
    cut  => sub ($) { 'close' },
    map { my $bytes = $bytes[$_]; ("type-$_" => sub ($) { reply(422, qq({"detail":[{"loc":["a"],"msg":"m","type":"$bytes"}]}), $json) },
                                   "id-$_" => sub ($) { reply(204, undef, "x-request-id: $bytes") }) } 0 .. $#bytes,
);
$t->upstream('canopy', handler => sub ($conn, $req, $) { ($says{ $req->header('X-Request-ID') } // sub ($) { reply(204) })->($conn) });
$t->start;

# Signed as it is: what an issuer's users can write into their names.
sub signed ($payload) { return encode_jwt(key => $key->{key}, alg => 'HS256', payload => $payload, extra_headers => { kid => 'a' }) }

sub token (%claims) { return signed(JSON::PP->new->utf8->encode({ sub => 'ann', aud => 'gateway', scope => 'cancel', exp => int(time) + 3600, %claims })) }

sub cancel ($name, %args) {
    my $token = delete $args{token} // token();
    my $path = delete $args{path} // '/live/tasks/' . (delete $args{id} // $id) . '/cancel';
    return $t->request(path => $path, headers => [['Authorization', "Bearer $token"], ['X-Request-ID', $name], (delete $args{headers} // [])->@*], %args);
}

# Perl's own UTF-8 has surrogates and more than Unicode, its strict one has no U+FFFF.
sub text ($bytes) {
    utf8::decode($bytes) or die "not UTF-8\n";
    $bytes =~ /([\x{d800}-\x{dfff}]|[^\0-\x{10ffff}])/ and die "not Unicode\n";
    return $bytes;
}

# Lines of both logs, in order; each has to be text in UTF-8 and JSON with the keys of its format.
sub lines ($log) {
    my @keys = sort $format{$log} =~ /"(\w+)":/g;
    my @lines = split /\n/, $t->read("$log.log"), -1;
    pop @lines;
    return map {
        my $line = eval { JSON::PP->new->decode(text($_)) } // {};
        join(' ', sort keys %$line) eq "@keys" ? $line : { broken => $_ };
    } @lines;
}

sub count ($log) { return scalar(() = $t->read("$log.log") =~ /\n/g) }

# ------------------------------------------------------------------------------------------------------ what a line says

my @told = (
    [cancel('slow'), { outcome => 'accepted', error => '', status => 204, upstream_status => 204, upstream_request_id => 'upstream-1' }],
    [cancel('422'), { outcome => 'rejected', error => 'task_status', status => 422, upstream_status => 422 }],
    [cancel('cut'), { outcome => 'unknown', error => 'connection_terminated', status => 502, upstream_status => '' }],
    [cancel('nobody', path => "/nobody/tasks/$id/cancel"), { outcome => 'not-sent', error => 'connection_refused', status => 502,
                                                             environment => 'nobody', upstream_status => '' }],
    [cancel('claim', token => token(scope => 'read')), { outcome => 'denied', error => 'token_claim', status => 403, upstream => '' }],
    [cancel('else', path => "/choice/else/tasks/$id/cancel"), { outcome => 'denied', error => 'unknown_environment', status => 422,
                                                                environment => '' }],
    [cancel('upper', id => uc $id), { outcome => 'accepted', task => $id }],
    [cancel('stranger', token => Canopy::Jose->new('HS256', kid => 'a')->token(aud => 'gateway')),
     { outcome => 'denied', error => 'token_signature', status => 401, sub => '' }],
);
ok($t->wait_for(sub { count('readme') == @told && count('example') == @told }), 'each request has a line');

for my $log (sort keys %format) {
    my @missing = grep { $format{$log} !~ /"$_":/ } qw(time client sub environment task status outcome error upstream upstream_status
                                                       request_id upstream_request_id time_upstream time_total);
    is_deeply(\@missing, [], "$file{$log}: who, what, where, when and its end are there");

    my @lines = lines($log);
    for my $i (0 .. $#told) {
        my ($res, $wanted) = $told[$i]->@*;
        my %wanted = (client => '127.0.0.1', sub => 'ann', environment => 'live', task => $id, request_id => $res->header('X-Request-ID'), %$wanted);
        is_deeply({ map { $_ => $lines[$i]{$_} } keys %wanted }, \%wanted, "$file{$log}: the line of $wanted{request_id}") || diag($res->raw);
    }
    my $slow = $lines[0];
    ok($slow->{$_} >= 0.25 && $slow->{$_} < 10, "$file{$log}: $_ is a time") || diag($slow->{$_}) for qw(time_upstream time_total);
    is($lines[4]{time_upstream}, '', "$file{$log}: what was not sent took no time there");
    like($slow->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$/, "$file{$log}: when it was");
}

# ---------------------------------------------------------------------------------------------------------- hostile names

# Names of clients, as JSON has them, and what they are in the log: themselves, or none.
my $forged = '"},{"outcome":"accepted","sub":"somebody-else"';
my @names = (
    ['ann "the planner" \\ ops', 1], [$forged, 1], ['\\', 1], ['"', 1], ['\\"', 1], ['\u0022', 1], ['${canopy_outcome} $request', 1],
    ["\x{e9}\x{4e2d}\x{1f600}", 1], ["\x{2028}\x{2029}", 1], ["\x{feff}\x{202e}", 1], ["\x{ffff}\x{fffe}\x{fdd0}", 1], ["\x{7ff}\x{800}\x{10ffff}", 1],
    ['x' x 256, 1], ['"' x 256, 1], ["\x{e9}" x 128, 1],
    ['x' x 257, 0], ["\x{e9}" x 129, 0], ["a\n{$forged", 0], ["a\r\n", 0], ["\0", 0], ["a\tb", 0], ["\x{1b}[2Jx", 0], ["\x7f", 0], ["\x{85}x", 0], ["\x{9b}31m", 0],
    ['', 0],
);
my $before = count('readme');
for my $name (@names) {
    is(cancel('name', token => token(sub => $name->[0]))->status, 204, 'a name is no reason to refuse') for 1, 2;
}
is(cancel('name', token => signed(sprintf '{"sub":%s,"aud":"gateway","scope":"cancel","exp":%d}', $_, time + 3600))->status, 204, "sub is $_")
    for '1', 'null', '["ann"]', '{"a":"b"}', 'true';

# A name that is no text at all makes the token none.
my @no_text = ((map { "\"$_\"" } @bytes), '"\ud800"', '"\udc00\ud800"', "\"a\nb\"", '"\x41"');
like(cancel('name', token => signed(sprintf '{"sub":%s,"aud":"gateway","scope":"cancel","exp":%d}', $_, time + 3600))->status, qr/^(?:401|204)$/, 'a name that is no text')
    for @no_text;
my $asked = 2 * @names + 5 + @no_text;
ok($t->wait_for(sub { count('readme') == $before + $asked && count('example') == $before + $asked }), 'each has a line');

for my $log (sort keys %format) {
    my @lines = map { $_->{sub} // $_->{broken} } (lines($log))[$before .. $before + $asked - 1];
    is_deeply([splice @lines, 0, 2 * @names], [map { my $logged = $_->[1] ? $_->[0] : ''; ($logged) x 2 } @names], "$file{$log}: names are themselves, or none");
    is_deeply(\@lines, [('') x @lines], "$file{$log}: what is no name is none");
}

# -------------------------------------------------------------------------------------------- hostile paths, headers, answers

$before = count('readme');
my @responses;
for my $i (0 .. $#bytes) {
    my $bytes = $bytes[$i];
    my $encoded = join '', map { sprintf '%%%02x', ord } split //, $bytes;
    push @responses, map { cancel('path', path => $_) } "/live/tasks/$bytes/cancel", "/live/tasks/$encoded/cancel", "/live/tasks/$id$bytes/cancel",
        "/live/$bytes", "/choice/$bytes/tasks/$id/cancel", "/choice/live$encoded/tasks/$id/cancel", "/live/tasks/$id/cancel?$bytes";
    push @responses, map { cancel($bytes, headers => [[$_, $bytes]]) } qw(Canopy-Environment Referer User-Agent X-Forwarded-For Cookie);
    push @responses, cancel('header', token => $bytes), cancel("type-$i"), cancel("id-$i"),
        map { cancel('head', path => "/live/tasks/$_/cancel") } "%0a$encoded", "%22%7d%0d%0a%7b%22outcome%22:%22accepted%22%7d$encoded", "%00$encoded", "%5c$encoded";
}
is_deeply([grep { !$_->status } @responses], [], 'all are answered');
ok($t->wait_for(sub { count('readme') == $before + @responses }), 'each has a line, and no more');

for my $log (sort keys %format) {
    my @lines = lines($log);
    is_deeply([map { $_->{broken} // () } @lines], [], "$file{$log}: all " . @lines . ' lines are JSON in UTF-8 with their keys and no others');
    my @wrong = grep { $lines[$before + $_]{outcome} ne $responses[$_]->header('Canopy-Outcome') } 0 .. $#responses;
    is_deeply(\@wrong, [], "$file{$log}: each has the outcome of its answer");
    is_deeply([grep { $_ !~ /^(?:live|nobody|)$/ } map { $_->{environment} } @lines], [], "$file{$log}: no environment is made up");
}

$t->done;
