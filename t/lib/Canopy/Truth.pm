package Canopy::Truth;

# Is what the client was told true? Judged from what the upstream did (see Canopy::Faults) and from the contract alone:
#
#     accepted   a copy was answered so, and it is the last that was answered
#     rejected   every copy that came was answered, and the last with a refusal
#     denied, not-sent    not a byte of a copy came
#     unknown    a copy came, or may have come, and had no usable answer
#
#     my @lies = lies($word, \@copies);       # sentences, none if the word is true
#     my @faults = faults($res, \@copies);    # the same, and what else of an answer can't be
#
# Option: unseen => 1 if a copy may have been sent that the upstream knows nothing of, because its connection broke before
# it was looked at (a kept connection that was closed, a reset at once): then "unknown" is always true.

use v5.36;

use Exporter qw(import);

our @EXPORT_OK = qw(lies faults effects allowed);

# The answer's table of the contract: what a status, with such a body, says of the cancellation.
sub effect ($status, $type, $length) {
    return 'accepted' if $status == 204;
    return !$length || $type =~ m{^application/(?:[^;]+\+)?json\s*(?:;|$)}i ? 'accepted' : 'unknown'
        if $status == 200 || $status == 202;
    return 'unknown' if $status == 408;
    return 'rejected' if $status >= 400 && $status <= 499;
    return 'unknown';
}

# What the gateway may know of a copy: one word, or two if nobody can say whether the answer was in time.
sub effects ($copy) {
    return ('unknown') if $copy->{said} ne 'head';
    my $effect = effect(@$copy{qw(status type length)});
    return $copy->{late} && $effect ne 'unknown' ? ($effect, 'unknown') : $effect;
}

# The words that would be true of these copies, as a hash.
sub allowed ($copies, %opt) {
    return { 'denied' => 1, 'not-sent' => 1, $opt{unseen} ? (unknown => 1) : () } if !@$copies;

    my %states = ('' => 1);
    for my $copy (@$copies) {
        my %next;
        for my $state (keys %states) {
            $next{_both($state, $_)} = 1 for effects($copy);
        }
        %states = %next;
    }
    $states{unknown} = 1 if $opt{unseen};
    return \%states;
}

# One copy without a usable answer makes it unknown, unless a later one was accepted; else the last one decides.
sub _both ($before, $effect) {
    return $effect if $effect eq 'accepted' || $effect eq 'unknown';
    return $before eq 'unknown' || $before eq 'accepted' ? $before : $effect;
}

sub lies ($word, $copies, %opt) {
    my $allowed = allowed($copies, %opt);
    return if $allowed->{$word};
    return "\"$word\" is not true, but " . join(' or ', sort keys %$allowed) . ': ' . story($copies);
}

sub story ($copies) {
    return 'no copy came' if !@$copies;
    return join '; ', map {
        "copy $_->{copy_no} ($_->{fault}) came over connection $_->{conn_no}/$_->{req_no}: $_->{received}, said: $_->{said}"
            . (defined $_->{status} ? " $_->{status}" : '') . ($_->{late} ? ', late' : '')
    } @$copies;
}

# What can't be in an answer of the gateway, for whatever reason, if these are the copies of its request.
sub faults ($res, $copies, %opt) {
    my ($word, $status) = ($res->header('Canopy-Outcome'), $res->status);
    my @faults = lies($word, $copies, %opt);
    my ($received) = $res->header('Proxy-Status') =~ /received-status=(\d+)/;

    push @faults, "outcome $word with status $status"
        if ($status == 204) != ($word eq 'accepted')
        || $word eq 'denied' && ($status == 429 || $status >= 500)
        || $word eq 'not-sent' && $status != 429 && $status < 500;
    push @faults, "received-status=$received, but " . story($copies)
        if defined $received && (!@$copies || ($copies->[-1]{status} // 0) != $received);
    push @faults, '401 is not the client\'s: ' . story($copies) if $status == 401 && @$copies;
    return (@faults, repeats($copies));
}

# A request is sent twice at most, and only if the first copy was answered 401, or not at all on a kept connection.
sub repeats ($copies) {
    my @faults;
    push @faults, 'more than one repeat: ' . story($copies) if @$copies > 2;

    for my $no (1 .. $#$copies) {
        my ($first, $repeat) = @$copies[$no - 1, $no];
        my $refused = ($first->{status} // 0) == 401;
        my $stale = $first->{req_no} > 1 && $first->{said} eq 'nothing' && $first->{fault} !~ /^stall/;
        push @faults, 'a repeat for no reason: ' . story($copies) if !$refused && !$stale;
        push @faults, 'the same credential was sent again: ' . story($copies)
            if $refused && defined $first->{credential} && defined $repeat->{credential}
            && $first->{credential} eq $repeat->{credential};
        push @faults, 'a repeat on a kept connection: ' . story($copies) if $repeat->{req_no} != 1;
    }
    return @faults;
}

1;
