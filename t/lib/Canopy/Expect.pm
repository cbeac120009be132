package Canopy::Expect;

# What a request comes to, as one test per copy: each is sent twice, so that state left by the first one shows.
#
#     passes($t, 'a cancel', '/tasking/tasks/<uuid>/cancel', path => ...);
#     refused($t, 'no token', { status => 401, loc => ['header', 'authorization'], type => 'missing' }, path => ...);
#
# The upstream is the one named canopy. A refusal has one entry, the headers of every answer, and sends nothing; what it
# has besides is said: environment, outcome (denied), WWW-Authenticate, Allow, Retry-After, msg (a pattern).

use v5.36;

use Exporter qw(import);
use JSON::PP;
use Test::More;

use Canopy::Client;

our @EXPORT = qw(passes refused ends_with_all_sent clients_mistakes);

my $passed = 0;
my $json = JSON::PP->new;

sub passes ($t, $name, $target, %request) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $res;
    for my $copy (1, 2) {
        my $before = _length($t);
        $res = $t->request(%request);
        $passed++;
        is_deeply({ status => $res->status, outcome => $res->header('Canopy-Outcome'), body => $res->body,
                    sent => [_sent($t, $before)] },
                  { status => 204, outcome => 'accepted', body => '', sent => ["PATCH $target"] }, "passes: $name")
            || diag($res->raw);
    }
    return $res;
}

sub refused ($t, $name, $wanted, %request) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my %wanted = (outcome => 'denied', environment => '', faults => [], sent => [], entries => 1,
                  'WWW-Authenticate' => '', Allow => '', 'Retry-After' => '', 'Proxy-Status' => '', %$wanted);
    my $msg = delete $wanted{msg};
    my $res;
    for my $copy (1, 2) {
        my $before = _length($t);
        $res = $t->request(%request);
        my $detail = (eval { $res->json } // {})->{detail} // [];
        my $text = $detail->[0]{msg} // '';
        is_deeply({ status => $res->status, loc => $detail->[0]{loc}, type => $detail->[0]{type}, entries => scalar @$detail,
                    outcome => $res->header('Canopy-Outcome'), environment => $res->header('Canopy-Environment'),
                    (map { $_ => $res->header($_) } qw(WWW-Authenticate Allow Retry-After Proxy-Status)),
                    faults => [Canopy::Client::schema_faults($res), $msg && $text !~ $msg ? "msg: $text" : ()],
                    sent => [_sent($t, $before)] },
                  \%wanted, "refused: $name")
            || diag($res->raw);
    }
    return $res;
}

# One test: the upstream has received what passes() has let through, and nothing late.
sub ends_with_all_sent ($t, $others = 0) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(scalar $t->received('canopy'), $passed + $others, 'the upstream has received nothing else');
}

# Two tests: refusals are logged at info, in the module's own words; these must be all of them. What nginx itself has to
# say, and what speaks of the configuration, is left out.
sub clients_mistakes ($t, @wanted) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my (%levels, %messages);
    for my $line (split /\n/, $t->log) {
        my ($level, $message) = $line =~ /^\S+ \S+ \[(\w+)\] \S+ (?:\*\d+ )?(.*)/ or next;
        next if $message =~ /^access forbidden by rule|^canopy_pass does not serve subrequests| while reading client request/;
        $levels{$level}++;
        $messages{$message =~ s/, client: .*//r}++ if $message =~ /^client sent/;
        diag($line) if $level =~ /^(?:warn|error|crit|alert|emerg)$/;
    }
    is_deeply([grep { !/^(?:debug|info|notice)$/ } sort keys %levels], [], 'nothing is logged above notice');
    is_deeply([sort keys %messages], [sort @wanted], 'what the log says of clients');
}

# What the upstream has received since its log had that length: reading all of it for every request would take long.
sub _length ($t) { return -s $t->path('upstream-canopy.jsonl') // 0 }

sub _sent ($t, $length) {
    open my $fh, '<', $t->path('upstream-canopy.jsonl') or return;
    seek $fh, $length, 0;
    return map { "$_->{method} $_->{target}" } grep { $_->{event} eq 'request' } map { $json->decode($_) } grep { /\n\z/ } <$fh>;
}

1;
