package Canopy::Cancels;

# The n-th cancel of a randomized run: a task of its own, and what its client does. All of it follows from the seed and n.
#
#     my $cancels = Canopy::Cancels->new(chance => $chance, environments => [plain => 3, secure => 2]);
#     my $cancel = $cancels->cancel(7);           # {n, id, environment, manner, whole, refused, left, script, kept, keep}
#
# whole: the request is complete, so that it may be sent; refused: but the gateway has to refuse it; left: the client does not wait
# for an answer.

use v5.36;

use Canopy::Client;

# What clients do, and how often.
my @manners = (
    plain => 60, body => 8, chunks => 6, slow_head => 5, slow_body => 4, half_closed => 4,
    gone_by_close => 6, gone_by_reset => 6,
    cut_head => 5, cut_body => 5, cut_chunks => 3, stalled => 1,
    bad_chunk => 1, no_token => 1, bad_token => 1, old_token => 1, other_method => 1, other_environment => 1,
    unknown_environment => 1, bad_id => 1,
);

my %refused = map { $_ => 1 } qw(bad_chunk no_token bad_token old_token other_method other_environment
                                 unknown_environment bad_id);

sub new ($class, %self) {
    return bless { %self, token => Canopy::Client::jwt(exp => time + 1e6), old => Canopy::Client::jwt(exp => 1) }, $class;
}

sub cancel ($self, $n) {
    my $chance = $self->{chance};
    my $manner = $chance->pick(\@manners, 'manner', $n);
    my $cancel = {
        n => $n, id => $chance->uuid('task', $n), manner => $manner, request_id => "cancel-$n",
        environment => $chance->pick($self->{environments}, 'environment', $n),
        whole => $manner =~ /^(?:cut|stalled)/ ? 0 : 1, refused => $refused{$manner} // 0,
        left => $manner =~ /^(?:gone|cut)/ ? 1 : 0,
        kept => $chance->one_in(2, 'kept', $n), keep => $chance->one_in(2, 'keep', $n),
    };
    $cancel->{script} = $self->_script($cancel);
    return $cancel;
}

sub _script ($self, $cancel) {
    my ($chance, $n, $manner) = ($self->{chance}, @$cancel{qw(n manner)});
    my $pause = [pause => $chance->between(0, 0.3, 'pause', $n)];

    my $body = 'x' x $chance->between(1, 3000, 'body', $n);
    my $chunks = join '', map { sprintf "%x\r\n%s\r\n", length, $_ } $body =~ /(.{1,700})/gs;
    my ($name, $bytes) = $manner =~ /chunks/    ? ('Transfer-Encoding', $chunks . "0\r\n\r\n")
                       : $manner eq 'bad_chunk' ? ('Transfer-Encoding', "${chunks}what\r\n")
                       : $manner =~ /body/      ? ('Content-Length', $body)
                       :                          (undef, '');
    my $head = $self->_head($cancel, $name ? [$name, $name eq 'Content-Length' ? length $body : 'chunked'] : ());

    # cut at a place of its own, from the first byte to the one before the last
    my $cut = int $chance->between(1, ($manner =~ /body|chunks/ ? length $bytes : length $head) - 1, 'cut', $n);
    my $end = $manner eq 'gone_by_close' ? 'close' : $manner eq 'gone_by_reset' ? 'reset'
            : $chance->pick([close => 1, reset => 1], 'end', $n);

    return $manner =~ /^gone/                    ? [[send => $head], ($chance->one_in(2, 'at once', $n) ? () : $pause), [$end]]
         : $manner eq 'half_closed'              ? [[send => $head], ['shut']]
         : $manner eq 'cut_head'                 ? [[send => substr $head, 0, $cut], $pause, [$end]]
         : $manner eq 'stalled'                  ? [[send => substr $head, 0, $cut]]
         : $manner =~ /^cut/                     ? [[send => $head . substr $bytes, 0, $cut], $pause, [$end]]
         : $manner eq 'slow_head'                ? [[send => substr $head, 0, $cut], $pause, [send => substr $head, $cut]]
         : $manner eq 'slow_body'                ? [[send => $head . substr $bytes, 0, $cut], $pause, [send => substr $bytes, $cut]]
         :                                         [[send => $head . $bytes]];
}

sub _head ($self, $cancel, @headers) {
    my ($manner, $n) = @$cancel{qw(manner n)};

    my $id = $self->{chance}->one_in(2, 'case', $n) ? uc $cancel->{id} : $cancel->{id};
    $id =~ tr/-//d if $manner eq 'bad_id';
    my $environment = $manner eq 'unknown_environment' ? 'unknown' : $cancel->{environment};
    my $token = $manner eq 'bad_token' ? 'not-a-token' : $manner eq 'old_token' ? $self->{old} : $self->{token};

    unshift @headers, ['Authorization', "Bearer $token"] if $manner ne 'no_token';
    push @headers, ['Canopy-Environment', 'another'] if $manner eq 'other_environment';
    push @headers, ['Connection', 'close'] if !$cancel->{keep};

    return Canopy::Client::request_text(method => $manner eq 'other_method' ? 'POST' : 'PATCH', keep => 1,
        path => "/$environment/tasks/$id/cancel", headers => [@headers, ['X-Request-ID', $cancel->{request_id}]]);
}

1;
