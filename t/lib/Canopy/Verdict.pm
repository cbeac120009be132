package Canopy::Verdict;

# A whole run before the judge: each answer that a client got and each line of the access log is held against what the upstream
# knows of that task (see Canopy::Truth), and against what the client did.
#
#     my $verdict = Canopy::Verdict->new(truth => $truth, kills => [[$before, $after], ...], patience => 1.4,
#                                        pauses => [[$since, $until], ...]);
#     my @lies = $verdict->on($cancel, $visit, \@lines);       # sentences, for each cancel of the run
#
# truth: of Canopy::Faults; cancel: of Canopy::Cancels; visit: of Canopy::Crowd. A line: {task, status, outcome, reached (so many
# connections), sent (over so many of them), time}. patience: what took longer may have run into a timeout.
# pauses: when the machine may have stood still, so that what was to come in some seconds came later.

use v5.36;

use List::Util qw(sum0);

use Canopy::Client;
use Canopy::Truth;

use constant {
    SLACK  => 0.1,  # seconds that one process may be late to see what another one did
    AFTER  => 4,    # seconds in which an exchange ends whose client is gone
    LOGGED => 1,    # seconds from an answer to its line in the log: behind a body nginx lingers until the client has closed
};

sub new ($class, %self) { return bless { %self, doubts => 0 }, $class }

# How often "unknown" was let pass only because nobody can know better.
sub doubts ($self) { return $self->{doubts} }

sub on ($self, $cancel, $visit, $lines) {
    my $copies = $self->{truth}{$cancel->{id}} // [];
    my $took = $visit->{ended} - $visit->{began};
    my $until = $visit->{ended} + ($cancel->{left} ? AFTER : $visit->{answer} ? LOGGED : 0);
    my $killed = $self->_killed($visit->{began}, $until + $self->_paused($visit->{began}, $until));

    # copies that broke on their way, which the gateway knows of and the upstream does not; or nobody knows who was in time
    my $unseen = @$lines ? grep { $_->{reached} > @$copies } @$lines : $killed;
    my $slow = grep { $_ > $self->{patience} } $took, map { $_->{time} } @$lines;
    my %lenient = (unseen => $unseen || $slow ? 1 : 0);

    my @words = (map({ $_->header('Canopy-Outcome') } $visit->{answer} // ()), map { $_->{outcome} } @$lines);
    $self->{doubts}++ if $lenient{unseen} && (grep { $_ eq 'unknown' } @words) && Canopy::Truth::lies('unknown', $copies);

    my @faults = $visit->{answer} ? (_heard($cancel, $visit->{answer}, $copies, %lenient), _agree($visit->{answer}, $lines))
               :                    Canopy::Truth::repeats($copies);
    push @faults, 'a request that was cut off was sent: ' . Canopy::Truth::story($copies) if !$cancel->{whole} && @$copies;
    push @faults, 'a wrong request was sent: ' . Canopy::Truth::story($copies) if $cancel->{refused} && @$copies;
    push @faults, "no answer within $took s" if $visit->{end} eq 'timeout';
    push @faults, _missing($cancel, $visit, $copies, $lines) if !$killed;
    push @faults, scalar(@$lines) . ' lines in the log' if @$lines > 1;
    push @faults, map { _logged($cancel, $_, $copies, %lenient) } @$lines;
    return @faults;
}

sub _killed ($self, $since, $until) {
    return scalar grep { $_->[1] >= $since - SLACK && $_->[0] <= $until + SLACK } $self->{kills}->@*;
}

sub _paused ($self, $since, $until) {
    return sum0(map { $_->[1] - $_->[0] } grep { $_->[1] >= $since && $_->[0] <= $until } ($self->{pauses} // [])->@*);
}

# What the client was told.
sub _heard ($cancel, $res, $copies, %lenient) {
    my ($status, $word, $environment) = ($res->status, map { $res->header("Canopy-$_") } qw(Outcome Environment));
    my @faults = Canopy::Truth::faults($res, $copies, %lenient);

    push @faults, $status != 204 ? Canopy::Client::schema_faults($res) : length $res->body ? 'a body behind 204' : ();
    push @faults, 'bytes behind the answer' if $res->{extra};
    push @faults, 'X-Request-ID of another request' if $res->header('X-Request-ID') ne $cancel->{request_id};
    push @faults, "environment is \"$environment\"" if $word ne 'denied' && $environment ne $cancel->{environment};
    return map { "told $status $word: $_" } @faults, _right($cancel, $word);
}

# What the log says, also of requests whose client is gone.
sub _logged ($cancel, $line, $copies, %lenient) {
    my $word = $line->{outcome};
    my @faults = !$cancel->{whole} ? ($word =~ /^(?:denied|not-sent|-?)$/ ? () : 'the request was cut off')
               :                     (Canopy::Truth::lies($word, $copies, %lenient), _right($cancel, $word));
    push @faults, "it was sent $line->{sent} times: " . Canopy::Truth::story($copies)
        if $line->{sent} > @$copies && $word !~ /^(?:accepted|unknown)$/;
    push @faults, "the task is $line->{task}" if $line->{task} !~ /^(?:$cancel->{id}|-?)$/;
    return map { "logged $line->{status} $word: $_" } @faults;
}

# Only wrong requests are denied.
sub _right ($cancel, $word) {
    return $cancel->{refused} == ($word eq 'denied') ? () : 'the request is ' . ($cancel->{refused} ? 'wrong' : 'right');
}

# The log has what the client was told.
sub _agree ($res, $lines) {
    my $told = $res->status . ' ' . $res->header('Canopy-Outcome');
    return map { "told $told: logged $_" } grep { $_ ne $told } map { "$_->{status} $_->{outcome}" } @$lines;
}

# Nothing gets lost. (But a client's kept connection may be closed in the moment in which it is used again, and of a client that
# resets its connection nothing may be left to be read.)
sub _missing ($cancel, $visit, $copies, $lines) {
    return if !$cancel->{whole};
    my $unread = !@$lines && !@$copies && !$visit->{answer} && ($visit->{reused} || $cancel->{manner} eq 'gone_by_reset');

    return $unread ? () : ($visit->{answer} || $cancel->{left} || $visit->{end} eq 'timeout' ? () : "no answer: $visit->{end}",
                           @$lines ? () : 'no line in the log: ' . Canopy::Truth::story($copies));
}

1;
