# Nothing that a client writes into its task id, fields, query or prefix becomes a line or a byte of the upstream's
# request, a line of the answer's head, or a part of its JSON.

use v5.36;

use Canopy::Client;
use Canopy::Test;
use Canopy::Wire;
use Test::More;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $credential = 'injection-upstream-credential';

$t->secret('token', $credential);
$t->upstream('canopy', handler => sub { reply(204) });

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    large_client_header_buffers 4 16k;
    canopy_environment live {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        keepalive_timeout 60s;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/              { canopy_pass live; }
        location ~ (?s)^/regex/(.*)/ { canopy_pass live; }
        location ~ (?s)^/choice/(.*?)/  { canopy_pass $1; }
        location /break/             { rewrite (?s)^/break/(.*)$ /x/tasks/$1/cancel break; canopy_pass live; }
        location /header/            { canopy_pass $http_x_environment; }
    }
}
EOC
$t->start;

my $authorization = ['Authorization', 'Bearer ' . $t->client_token];

# Everything that is wrong about a request's answer and what was sent for it: its status, its head, its body, a word of
# what was written into the request. $expected: a status, and the request id that goes upstream with 204.
sub faults ($expected, %request) {
    my ($status, $name) = split / /, $expected;
    my $res = $t->request(%request);
    my @sent = sent($t, 'canopy', $credential);

    my @faults;
    push @faults, 'the status is ' . ($res->status || $res->end) if $res->status != $status;
    push @faults, "sent: @sent" if "@sent" ne ($name // '');
    push @faults, 'the answer has: ' . printable($1) if $res->raw =~ /(.{0,20}(?:injected|%0d|%0a|\\u000|evil).{0,20})/si;
    if (length $res->header('Canopy-Outcome')) {
        push @faults, head_faults($res);
        push @faults, Canopy::Client::schema_faults($res) if $res->status != 204;
        push @faults, 'the answer is of another request' if $name && $name ne 'own' && $res->header('X-Request-ID') ne $name;
    } elsif ($res->status != 400) {
        push @faults, 'the answer is not the gateway\'s';
    }
    return map { printable($request{path} // '') . ": $_" } @faults;
}

sub is_harmless ($name, $expected, %request) {
    $request{headers} = [$authorization, ['X-Request-ID', 'one'], ($request{headers} // [])->@*];
    is_deeply([map { faults($expected, %request) } 1, 2], [], $name);
}

# --------------------------------------------------------------------------------------------------- the task's id, the path

# What is written into a path, as nginx decodes it once.
my @written = (
    '%0d%0aX-Injected:%20injected', '%0d%0a%0d%0ainjected', '%0aX-Injected:injected', '%0dX-Injected:injected', '%0D%0AHost:%20injected',
    '%20HTTP/1.1%0d%0aX-Injected:%20injected%0d%0a%0d%0aPATCH%20/injected', '%250d%250aX-Injected:injected', '%25250d%25250ainjected',
    '%u000d%u000ainjected' =~ s/%u/%25u/gr, '%5cr%5cninjected', '%5cu000d%5cu000ainjected', '%E5%98%8D%E5%98%8Ainjected',
    '%c4%8d%c4%8ainjected', '%c0%8d%c0%8ainjected', '%e2%80%a8injected', '%c2%85injected', '%0b%0cinjected', '%1b%5b31minjected', '%7finjected',
    '%22%7d%5d%7dinjected', '%22,%22type%22:%22injected', '%5c%22injected', '%5cinjected', '%3c/script%3e%3cscript%3einjected', "'injected", '%60injected',
    ';injected', '%3binjected', '%3finjected', '%23injected', '%26injected', '&injected=1', '%25injected', '%24%7binjected%7d', '$injected',
    '%ff%feinjected', '%80injected', '%ed%a0%80injected', '%f0%9f%98%80injected', '%ef%bb%bfinjected', '@injected', ':injected', '*injected',
);
for my $text (@written) {
    my $status = $text =~ m{/} ? 404 : 422;          # a slash ends an id
    is_harmless("the id: $_", $status, path => "/live/tasks/$_/cancel") for $text, "$id$text", "$text$id", substr($id, 0, 9) . $text . substr($id, 9);
    is_harmless("the id in other locations: $text", $status, path => $_) for "/regex/x/tasks/$id$text/cancel", "/break/$id$text";
    is_harmless("the path: $text", '404', path => $_) for "/live/$text/tasks/$id/cancel", "/live/tasks/$id/cancel$text", "/live/tasks$text/$id/cancel";

    # whatever stands in front of the last /tasks/ of a regular expression's location
    is_harmless("the prefix: $text", '204 one', path => $_) for "/regex/$text/tasks/$id/cancel", "/regex/x/tasks/$text/tasks/$id/cancel";
    is_harmless("the environment: $text", 422, path => $_) for "/choice/$text/tasks/$id/cancel", "/choice/live$text/tasks/$id/cancel";
}
is_harmless("the id: $_", '404', path => "/live/tasks/$_/cancel") for "$id%2finjected", "..%2finjected", "$id%2f..%2finjected/x", "%2f$id%2finjected";
is_harmless("the id: $_", '400', path => "/live/tasks/$_/cancel") for "%00", "$id%00", "$id%00injected", "%zz", "$id%", "$id%0", "\0", "$id\0", "$id ", " $id", "\t", "\x01";
is_harmless("the id: $_", '404', path => "/live/tasks/$_/cancel") for "$id?injected", "$id#injected", "?$id", "#$id";
is_harmless("an encoded slash: $_", '204 one', path => "/live/$_") for "tasks%2f$id%2fcancel", "x%2f..%2ftasks/$id/cancel", "tasks/injected/..%2f$id/cancel";
is_harmless("the query: $_", '204 one', path => "/live/tasks/$id/cancel?$_") for @written, '%00injected', 'injected', '?injected', '/injected', "a=\xff\x80", 'x' x 7000;
is_harmless("the query: $_", '400', path => "/live/tasks/$id/cancel?$_") for "\0", "injected injected", "\tinjected", "\x01", "\x7f", "injected\x1b";

# ---------------------------------------------------------------------------------------------------------- X-Request-ID

# The last line of a head: where LF is a line's end for nginx, nothing else follows.
sub with_id ($value) {
    return "PATCH /live/tasks/$id/cancel HTTP/1.1\r\nHost: x\r\nAuthorization: $authorization->[1]\r\nConnection: close\r\nX-Request-ID: $value\r\n\r\n";
}

my %places = (start => sub ($byte) { "${byte}one" }, middle => sub ($byte) { "o${byte}ne" }, end => sub ($byte) { "one$byte" });
for my $place (sort keys %places) {
    my @faults;
    for my $byte (map { chr } 0 .. 255) {
        my $value = $places{$place}->($byte);
        my $expected = $byte eq "\0" || $byte eq "\r" && $place ne 'end' ? '400'
                     : $byte eq "\n" ? { start => '204 own', middle => '204 o', end => '204 one' }->{$place}
                     : $byte =~ /^[A-Za-z0-9._:-]$/                      ? "204 $value"
                     : $byte =~ /^[ \r]$/ && $place ne 'middle'          ? '204 one'
                     :                                                     '204 own';
        push @faults, map { sprintf 'byte 0x%02x%s', ord $byte, $_ } faults($expected, raw => with_id($value));
    }
    is_deeply(\@faults, [], "X-Request-ID: every byte at its $place");
}

my $longest = 'x' x 128;
is_deeply([faults($_->[1], raw => with_id($_->[0]))], [], 'X-Request-ID: ' . printable(substr $_->[0], 0, 60)) for
    [$longest, "204 $longest"], ["${longest}x", '204 own'], ["$longest\r", "204 $longest"], ["$longest ", "204 $longest"], [' ' x 500 . $longest, "204 $longest"],
    ["one\nX-Injected: injected", '204 one'], ["one\r\nX-Injected: injected", '204 one'], ["one\r\n injected", '400'], ["one\r\n\tinjected", '400'],
    ["one\rX-Injected: injected", '400'], ["one\r\nX-Request-ID: injected", '204 own'], ["one\nx-request-id: one", '204 own'],
    ["one\r\nX_Request_ID: injected", '204 one'], ["\r\nX-Request-ID: injected", '204 own'], ["one, injected", '204 own'], ["one;injected", '204 own'],
    ['one%0d%0aX-Injected: injected', '204 own'], ['one\r\nX-Injected: injected', '204 own'], ["one\xe5\x98\x8d\xe5\x98\x8ainjected", '204 own'],
    ['"injected"', '204 own'], ['{"injected":1}', '204 own'], ['injected' x 1000, '204 own'], ['$request_id', '204 own'], ["\x{c2}\x{85}injected", '204 own'];

# A refusal carries it as well.
for my $value ("in\xffjected", 'injected"', "injected\\", "injected\x01") {
    is_deeply([faults('422', raw => with_id($value) =~ s/tasks/TASKS/r =~ s/TASKS/tasks\/x/r =~ s{x/$id}{x}r)], [], 'X-Request-ID of a refusal');
}

# ------------------------------------------------------------------------------------------------------ token, other fields

my $token = $t->client_token;
for my $place (sort keys %places) {
    my @faults;
    for my $byte (map { chr } 0 .. 255) {
        my ($first, @rest) = split /\./, $token;
        my $value = join '.', $first, $rest[0], $places{$place}->($byte);
        my $expected = $byte eq "\0" || $byte eq "\r" && $place ne 'end' ? '400'
                     : $byte eq "\n"                                     ? ($place eq 'end' ? '204 own' : '401')
                     : $byte =~ /^[A-Za-z0-9_-]$/                        ? '204 own'
                     : $byte =~ /^[ \r]$/ && $place eq 'end'             ? '204 own'
                     :                                                     '401';
        my $raw = "PATCH /live/tasks/$id/cancel HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer $value\r\n\r\n";
        push @faults, map { sprintf 'byte 0x%02x%s', ord $byte, $_ } faults($expected, raw => $raw);
    }
    is_deeply(\@faults, [], "the token: every byte at the $place of its signature");
}

my @values = map { s/%(..)/chr hex $1/ger =~ s/[\0\r\n]//gr } @written;
for my $value (@values, 'injected', 'live, injected', '"live"', 'live;injected') {
    my $name = printable($value);
    is_harmless("Canopy-Environment: $name", '421', path => "/live/tasks/$id/cancel", headers => [['Canopy-Environment', $value]]);
    is_harmless("a variable environment: $name", '422', path => "/header/tasks/$id/cancel", headers => [['X-Environment', $value]]);
    is_harmless("other fields: $name", '204 one', path => "/live/tasks/$id/cancel",
                headers => [map { [$_, $value] } 'X-Injected', 'Referer', 'User-Agent', 'Cookie', 'Content-Type', 'Accept', 'Via', 'Forwarded', 'X-Forwarded-For']);
    is_deeply([faults('401', path => "/live/tasks/$id/cancel", headers => [['Authorization', $_]])], [], "Authorization: $name")
        for $value, "Bearer $value", "Bearer $value.$value.$value", "Bearer \"$token$value";
}
is_harmless("Host: $_", '204 one', path => "/live/tasks/$id/cancel", headers => [['Host', $_]]) for
    'injected', 'injected.example:99', '127.0.0.1', 'live', 'injected.', '[::1]:80', 'a' x 300, "inj\xffected", 'injected"', "injected'", '<injected>', '%0d%0ainjected';
is_harmless("Host: $_", '400', path => "/live/tasks/$id/cancel", headers => [['Host', $_]]) for
    '', "injected\0", 'injected/x', "x\rX-Injected: injected", '..', 'injected..example';
is_deeply([faults('400', raw => with_id('one') =~ s/PATCH/$_/r)], [], 'method ' . printable($_)) for
    "PATCH\rX-Injected: injected", "injected", "PATCH\0", '"', "PA\x{ff}TCH", '<INJECTED>';
is_deeply([faults('405', raw => with_id('one') =~ s/PATCH/$_/r)], [], "method $_") for 'INJECTED', 'INJECTED-X', 'X_INJECTED';

$t->done;
