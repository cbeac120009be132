package Canopy::Wire;

# Both ends of the gateway to the byte: what a client sends and all that it is answered, and what an upstream is sent.
#
#     my $bytes = cancel_bytes('/live', 'one', 'Content-Length: 5') . 'abcde' . cancel_bytes('/live', 'two');
#     my @answers = converse($t, $bytes);                    # ('204 one', '204 two')
#     my @sent = sent($t, 'canopy', 'the-credential');       # ('one', 'two')

use v5.36;

use Exporter qw(import);
use Socket qw(IPPROTO_TCP TCP_NODELAY);

our @EXPORT = qw(cancel_bytes converse answers sent head_faults printable);

my $task = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $token = 'eyJhbGciOiJ4In0.e30.c2ln';         # the shortest there is: {"alg":"x"}, {}, sig

# The head of a cancel that calls itself $id, with more lines.
sub cancel_bytes ($prefix, $id, @lines) {
    return join "\r\n", "PATCH $prefix/tasks/$task/cancel HTTP/1.1", 'Host: x', "Authorization: Bearer $token",
                        "X-Request-ID: $id", @lines, '', '';
}

# Sends bytes on a connection of their own, in pieces of that length if there is one, says that no more will come, and
# returns all answers.
sub converse ($t, $bytes, %args) {
    my $socket = $t->connect(%args);
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    local $SIG{PIPE} = 'IGNORE';

    my $length = $args{pieces} // length $bytes;
    for (my $at = 0; $at < length $bytes; $at += $length) {
        syswrite $socket, substr $bytes, $at, $length or last;
    }
    shutdown $socket, 1;
    return answers($t, $socket);
}

# Each answer until the connection is closed: its status, the word of an outcome that is not the one to be expected, and
# the id of the gateway's answers (own: made by nginx). What is no answer comes last, as it is.
sub answers ($t, $socket) {
    my @answers;
    while (1) {
        my $res = $t->response($socket, timeout => 20);
        if (!$res->status) {
            push @answers, grep { length } printable($res->raw), $res->end eq 'timeout' ? 'not closed' : '';
            return @answers;
        }

        my ($outcome, $id) = map { $res->header($_) } 'Canopy-Outcome', 'X-Request-ID';
        my $expected = $res->status == 204 ? 'accepted' : $res->status == 503 ? 'not-sent' : 'denied';
        push @answers, join ' ', grep { length } $res->status, $outcome eq $expected ? '' : $outcome, _name($id);
        return (@answers, $res->end) if $res->end ne 'complete';
    }
}

# What an upstream has been sent since the last call: the id of each request that is the gateway's own lines and nothing
# else (and the task, if it is another one); everything else as it is.
sub sent ($t, $upstream, $credential, $base = '/tasking') {
    my $port = $t->port($upstream);
    my @sent;
    for my $event ($t->news($upstream)) {
        push @sent, 'a rest: ' . printable($event->{bytes}) if $event->{event} eq 'rest';
        next if $event->{event} ne 'request';

        my ($id) = map { /^X-Request-ID: ([A-Za-z0-9._:-]{1,128})$/ } split /\r\n/, $event->{raw};
        my ($uuid) = $event->{raw} =~ m{/tasks/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/cancel };
        my @lines = ("PATCH $base/tasks/" . ($uuid // '') . '/cancel HTTP/1.1', "Host: 127.0.0.1:$port",
                     "Authorization: Bearer $credential", 'Accept: application/json', 'User-Agent: ngx_canopy/0.1.0',
                     'X-Request-ID: ' . ($id // ''), 'Content-Length: 0');
        push @sent, !defined $id || !defined $uuid || _sorted($event->{raw}) ne _sorted(join "\r\n", @lines, '', '')
            ? printable($event->{raw}) : $uuid eq $task ? _name($id) : _name($id) . " $uuid";
    }
    return @sent;
}

# What is in the head of an answer of the gateway's that nobody put there: a list of sentences.
sub head_faults ($res) {
    my ($status_line, @lines) = split /\r\n/, $res->headers_raw;
    my %names;
    return ((map { "the head has a line '" . printable($_) . "'" } grep { !_known($_) } @lines),
            (map { "the head has $_ twice" } grep { $names{$_}++ == 1 } map { lc s/:.*//r } @lines),
            $status_line =~ m{^HTTP/1\.1 [2-5]\d\d [A-Za-z -]+$} ? () : "the status line is '" . printable($status_line) . "'");
}

my %known = (
    'Server' => qr{nginx(?:/[\d.]+)?}, 'Date' => qr/\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT/, 'Connection' => qr/close|keep-alive/,
    'Content-Length' => qr/\d+/, 'Content-Type' => qr{application/json}, 'Cache-Control' => qr/no-store/,
    'X-Request-ID' => qr/[A-Za-z0-9._:-]{1,128}/, 'Canopy-Environment' => qr/[\w-]{1,64}/,
    'Canopy-Outcome' => qr/accepted|rejected|denied|not-sent|unknown/, 'Allow' => qr/PATCH/,
    'WWW-Authenticate' => qr/Bearer realm="canopy"(?:, error="invalid_token", error_description="[^"\\[:cntrl:]]+")?/,
    'Proxy-Status' => qr/ngx_canopy(?:; error=[a-z_]+)?(?:; received-status=\d{3})?/,
    'Retry-After' => qr/\d{1,5}|\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT/,
);

sub _known ($line) {
    my ($name, $value) = split /: /, $line, 2;
    return defined $value && $known{$name} && $value =~ /^(?:$known{$name})\z/;
}

# The lines behind the first one in any order.
sub _sorted ($raw) {
    my ($first, @lines) = split /\r\n/, $raw, -1;
    return join "\r\n", $first, sort @lines;
}

sub _name ($id) { return $id =~ s/^[0-9a-f]{32}$/own/r }

sub printable ($bytes) { return $bytes =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger }

1;
