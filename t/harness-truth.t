# The randomized run can be believed: its judge finds every kind of lie, its clients do what they are told, and a seed decides.

use v5.36;

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

use Canopy::Cancels;
use Canopy::Chance;
use Canopy::Client;
use Canopy::Crowd;
use Canopy::Descriptors qw(descriptors);
use Canopy::Test;
use Canopy::Verdict;

my $t = Canopy::Test->new(module => 0);

# --------------------------------------------------------------------------------------------------------------- the judge

my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my %cancel = (n => 1, id => $id, manner => 'plain', request_id => 'cancel-1', environment => 'live',
              whole => 1, refused => 0, left => 0);

# Copies as the upstream knows them: of a new connection and answered, if nothing else is said.
sub copies (@copies) {
    my $no = 0;
    return [map { { copy_no => ++$no, conn_no => $no, req_no => 1, received => 'whole', said => 'head', status => 204, type => '',
                    length => 0, fault => 'answer', credential => 'a', %$_ } } @copies];
}
my %silent = (said => 'nothing', status => undef);
my %stale = (%silent, req_no => 2, fault => 'close-wait');
my %refusal = (status => 422, type => 'application/json', length => 20);

sub answer ($status, $word, %more) {
    my %headers = ('X-Request-ID' => 'cancel-1', 'Canopy-Outcome' => $word, 'Canopy-Environment' => 'live',
                   $status == 204 ? () : ('Content-Type' => 'application/json'), 'Cache-Control' => 'no-store', %more);
    my $body = $status == 204 ? '' : '{"detail":[{"loc":["upstream"],"msg":"m","type":"t"}]}';
    my $res = Canopy::Client::Response->new(body => delete $headers{body} // $body);
    $res->parse_head(join "\r\n", "HTTP/1.1 $status X", (map { "$_: $headers{$_}" } sort keys %headers), '', '');
    return $res;
}

# What the judge says of a cancel: it is answered 204 after one copy if nothing else is said.
my $judge;
sub verdict (%case) {
    my $copies = $case{copies} // copies({});
    my $answer = exists $case{answer} ? $case{answer} : answer(204, 'accepted');
    my ($status, $word) = $answer ? ($answer->status, $answer->header('Canopy-Outcome')) : (499, 'unknown');
    my %line = (task => $id, status => $status, outcome => $word, reached => scalar @$copies, sent => scalar @$copies, time => 0.01, ($case{line} // {})->%*);

    $judge = Canopy::Verdict->new(truth => { $id => $copies }, kills => $case{kills} // [], pauses => $case{pauses} // [],
                                   patience => 1);
    return $judge->on(
        { %cancel, ($case{cancel} // {})->%* },
        { answer => $answer, end => 'complete', reused => 0, began => 100, ended => 100.1, ($case{visit} // {})->%* },
        $case{lines} // [\%line]);
}

my @rejected = (answer => answer(422, 'rejected'));
my @unknown = (answer => answer(502, 'unknown'));
my @away = (answer => undef, visit => { end => 'left' });
my @unheard = (answer => undef, visit => { end => 'closed' });

my @true = (
    ['accepted'],
    ['rejected',                    copies => copies(\%refusal), @rejected],
    ['unknown',                     copies => copies(\%silent), @unknown],
    ['not sent',                    copies => [], answer => answer(502, 'not-sent')],
    ['denied',                      copies => [], answer => answer(401, 'denied'), cancel => { refused => 1 }],
    ['a kept connection, closed',   copies => copies(\%stale, {})],
    ['the same, then refused',      copies => copies(\%stale, \%refusal), answer => answer(422, 'unknown')],
    ['another credential',          copies => copies({ %refusal, status => 401 }, { credential => 'b' })],
    ['connected, nothing sent',     copies => [], answer => answer(503, 'not-sent'), line => { reached => 1 }],
    ['a copy nobody saw',           copies => copies(\%refusal), line => { reached => 2, sent => 2 }, answer => answer(422, 'unknown')],
    ['a timeout',                   line => { time => 1.5 }, @unknown],
    ['a client that is slow',       visit => { ended => 102 }, @unknown],
    ['gone',                        cancel => { left => 1 }, @away, line => { outcome => 'accepted' }],
    ['cut off',                     copies => [], cancel => { left => 1, whole => 0 }, @away, line => { outcome => 'denied' }],
    ['cut off before a line',       copies => [], cancel => { left => 1, whole => 0 }, @away, lines => []],
    ['the worker was killed',       copies => copies({}), @unheard, kills => [[99, 99], [100.05, 100.06]], lines => []],
    ['killed before it was logged', copies => copies({}), lines => [], kills => [[100.8, 100.8]]],
    ['killed after a pause',        copies => copies({}), lines => [], kills => [[103, 103]], pauses => [[100.5, 102.8]]],
    ['gone, and killed after that', cancel => { left => 1 }, @away, kills => [[102, 102]], lines => []],
    ['reset before it was read',    copies => [], cancel => { left => 1, manner => 'gone_by_reset' }, @away, lines => []],
    ['a kept connection of a client', copies => [], answer => undef, visit => { reused => 1, end => 'closed' }, lines => []],
);
my @doubts;
for my $case (@true) {
    my ($name, @case) = @$case;
    is_deeply([verdict(@case)], [], "true: $name");
    push @doubts, $name if $judge->doubts;
}
is(join(', ', @doubts), 'a copy nobody saw, a timeout, a client that is slow', 'where nobody knows better');

my @lies = (
    ['accepted, but refused',       qr/told 204 accepted: "accepted" is not true/, copies => copies(\%refusal)],
    ['accepted, but not answered',  qr/told 204 accepted: "accepted" is not true/, copies => copies(\%silent)],
    ['accepted, but never sent',    qr/told 204 accepted: "accepted" is not true/, copies => []],
    ['rejected, but accepted',      qr/told 422 rejected: "rejected" is not true/, @rejected],
    ['rejected, but not answered',  qr/told 422 rejected: "rejected" is not true/, copies => copies(\%silent), @rejected],
    ['rejected, one not answered',  qr/told 422 rejected: "rejected" is not true/, copies => copies(\%stale, \%refusal), @rejected],
    ['rejected, one nobody saw',    qr/it was sent 2 times/, copies => copies(\%refusal), line => { reached => 2, sent => 2 }, @rejected],
    ['not sent, nobody saw it',     qr/it was sent 1 times/, copies => [], answer => answer(502, 'not-sent'), line => { reached => 1, sent => 1 }],
    ['not sent, but it came',       qr/"not-sent" is not true/, copies => copies(\%silent), answer => answer(502, 'not-sent')],
    ['not sent, but it began to',   qr/"not-sent" is not true/, copies => copies({ %silent, received => 'part' }), answer => answer(502, 'not-sent')],
    ['denied, but it came',         qr/"denied" is not true/, answer => answer(401, 'denied'), cancel => { refused => 1 }],
    ['denied, but it is right',     qr/the request is right/, copies => [], answer => answer(401, 'denied')],
    ['not denied, but it is wrong', qr/the request is wrong/, copies => [], answer => answer(502, 'not-sent'), cancel => { refused => 1 }],
    ['unknown, but accepted',       qr/"unknown" is not true/, @unknown],
    ['unknown, but refused',        qr/"unknown" is not true/, copies => copies(\%refusal), answer => answer(422, 'unknown')],
    ['unknown, but never sent',     qr/"unknown" is not true/, copies => [], @unknown],
    ['no word',                     qr/told 204 : "" is not true/, answer => answer(204, '')],
    ['three copies',                qr/more than one repeat/, copies => copies(\%stale, \%stale, {})],
    ['a repeat on a kept one',      qr/a repeat on a kept connection/, copies => copies(\%stale, { req_no => 2 })],
    ['a repeat after a new one',    qr/a repeat for no reason/, copies => copies({ %stale, req_no => 1 }, {})],
    ['a repeat after a timeout',    qr/a repeat for no reason/, copies => copies({ %stale, fault => 'stall-wait' }, {})],
    ['a repeat after a part',       qr/a repeat for no reason/, copies => copies({ %stale, said => 'part' }, {})],
    ['a repeat after a refusal',    qr/a repeat for no reason/, copies => copies(\%refusal, {})],
    ['a repeat, client gone',       qr/a repeat for no reason/, copies => copies(\%refusal, {}), cancel => { left => 1 }, @away],
    ['the same credential',         qr/the same credential/, copies => copies({ %refusal, status => 401 }, {})],
    ['cut off, but sent',           qr/a request that was cut off was sent/, cancel => { whole => 0, left => 1 }, @away],
    ['cut off, but logged as sent', qr/logged 499 unknown: the request was cut off/, copies => [], cancel => { whole => 0, left => 1 }, @away],
    ['wrong, but sent',             qr/a wrong request was sent/, cancel => { refused => 1 }],
    ['logged otherwise',            qr/told 204 accepted: logged 204 unknown/, line => { outcome => 'unknown' }],
    ['logged with another status',  qr/told 204 accepted: logged 200 accepted/, line => { status => 200 }],
    ['gone, logged otherwise',      qr/logged 499 rejected: "rejected" is not true/, cancel => { left => 1 }, @away, line => { outcome => 'rejected' }],
    ['another task in the log',     qr/the task is 0/, line => { task => '0' }],
    ['twice in the log',            qr/2 lines/, lines => [({ task => $id, status => 204, outcome => 'accepted', reached => 1, sent => 1, time => 0 }) x 2]],
    ['not in the log',              qr/no line in the log/, lines => []],
    ['not in the log, killed later', qr/no line in the log/, lines => [], kills => [[102, 102]]],
    ['killed after a short pause',  qr/no line in the log/, lines => [], kills => [[103, 103]], pauses => [[100.5, 101]]],
    ['killed long after a pause',   qr/no line in the log/, lines => [], kills => [[103, 103]], pauses => [[90, 95]]],
    ['gone, not in the log',        qr/no line in the log/, cancel => { left => 1 }, @away, lines => []],
    ['reset, sent, not in the log', qr/no line in the log/, cancel => { left => 1, manner => 'gone_by_reset' }, @away, lines => []],
    ['not answered',                qr/no answer: closed/, @unheard, line => { outcome => 'accepted' }],
    ['killed much earlier',         qr/no answer: closed/, @unheard, line => { outcome => 'accepted' }, kills => [[90, 91]]],
    ['killed later',                qr/no answer: closed/, @unheard, line => { outcome => 'accepted' }, kills => [[101, 101]]],
    ['not answered in time',        qr/no answer within/, answer => undef, visit => { end => 'timeout' }, line => { outcome => 'accepted' }],
    ['another\'s answer',           qr/X-Request-ID of another/, answer => answer(204, 'accepted', 'X-Request-ID' => 'cancel-2')],
    ['another environment',         qr/environment is "test"/, answer => answer(204, 'accepted', 'Canopy-Environment' => 'test')],
    ['another status received',     qr/received-status=409/, copies => copies(\%refusal), answer => answer(422, 'rejected', 'Proxy-Status' => 'x; received-status=409')],
    ['a status for another word',   qr/outcome accepted with status 422/, answer => answer(422, 'accepted')],
    ['a body behind 204',           qr/a body behind 204/, answer => answer(204, 'accepted', body => 'x')],
    ['a body that is no JSON',      qr/is not JSON/, copies => copies(\%refusal), answer => answer(422, 'rejected', body => 'x')],
);
for my $lie (@lies) {
    my ($name, $finding, @case) = @$lie;
    like(join("\n", verdict(@case)), $finding, "a lie: $name");
}

# -------------------------------------------------------------------------------------------------------------- the clients

$t->upstream('server', handler => sub ($conn, $req, $n) {
    my ($does) = $req->{target} =~ m{^/(\w+)};
    return $does eq 'close' ? 'close'
         : $does eq 'reset' ? $conn->reset
         : $does eq 'stall' ? do { $conn->wait_closed(20); 'close' }
         : $does eq 'part'  ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"
         : $does eq 'extra' ? reply(204) . 'more'
         :                    reply(200, "$n", "X-Body: $req->{body}");
});

# A visit of one client, from its script; %n% is a request.
sub visit (%client) {
    my $crowd = $client{crowd} // Canopy::Crowd->new(port => $t->port('server'));
    my $visit;
    $crowd->enter(%client, done => sub ($done) { $visit = $done });
    $crowd->turn(0.05) while !$visit;
    return $visit;
}
sub text ($does, $body = undef) { return Canopy::Client::request_text(path => "/$does", body => $body, keep => 1) }

my $visit = visit(script => [[send => text('answer')]]);
is_deeply([map { $visit->{answer}->$_ } qw(status body)], [200, '1'], 'an answer');
is_deeply([@$visit{qw(end reused sent)}], ['complete', 0, 1], 'complete');

my $request = text('answer', 'abcdef');
my $since = time;
$visit = visit(script => [[send => substr $request, 0, -3], [pause => 0.3], [send => substr $request, -3], ['shut']]);
is($visit->{answer}->header('X-Body'), 'abcdef', 'a request in two parts');
cmp_ok(time - $since, '>=', 0.3, 'with a pause between them');

my $received = $t->received('server');
for my $end (qw(close reset)) {
    $visit = visit(script => [[send => substr $request, 0, -3], [pause => 0.05], [$end]]);
    is_deeply([$visit->{end}, $visit->{answer}], ['left', undef], "$end in a request");
    $visit = visit(script => [[send => $request], [pause => 1.5], [$end]]);
    is_deeply([$visit->{end}, $visit->{answer}], ['left', undef], "$end after a request");
}
ok($t->wait_for(sub { $t->received('server') == $received + 2 }), 'two of the four were whole');

my %ends = (close => 'closed', reset => 'reset', stall => 'timeout', part => 'timeout');
for my $does (sort keys %ends) {
    $visit = visit(script => [[send => text($does)]], limit => $ends{$does} eq 'timeout' ? 1 : 30);
    is_deeply([$visit->{end}, $visit->{answer}], [$ends{$does}, undef], "the server's \"$does\"");
}
ok(visit(script => [[send => text('extra')]])->{answer}{extra}, 'bytes behind an answer');

my $crowd = Canopy::Crowd->new(port => $t->port('server'));
is_deeply([map { visit(crowd => $crowd, script => [[send => text('answer')]], keep => 1, kept => 1)->{reused} } 1 .. 3], [0, 1, 1],
          'a connection is kept');
is(visit(crowd => $crowd, script => [[send => text('answer')]])->{reused}, 0, 'and not used by those who want a new one');

my (@done, $done);
$since = time;
$crowd->enter(script => [[pause => 0.5], [send => text('answer')]], done => sub ($visit) { push @done, $visit->{end} }) for 1 .. 20;
$crowd->turn while $crowd->size;
is("@done", join(' ', ('complete') x 20), 'twenty at once');
cmp_ok(time - $since, '<', 8, 'are not one after the other');

$t->stop_upstream('server');
is(visit(script => [[send => text('answer')]])->{end}, 'not connected', 'nobody listens');

# ------------------------------------------------------------------------------------------------- a seed, and descriptors

my ($one, $same, $other) = map { Canopy::Chance->new($_) } 7, 7, 8;
my @questions = map { [$_ % 3, "question $_"] } 1 .. 100;
is_deeply([map { $one->number(@$_) } @questions], [map { $same->number(@$_) } @questions], 'the same seed, the same numbers');
my %numbers = map { $_ => 1 } map { ($one->number(@$_), $other->number(@$_)) } @questions;
is(scalar keys %numbers, 200, 'every question and seed has its own');
my %picked;
$picked{$one->pick([a => 1, b => 0, c => 3], $_)}++ for 1 .. 1000;
is(join(' ', sort keys %picked), 'a c', 'picked is what has a weight');
cmp_ok($picked{c}, '>', 2 * $picked{a}, 'the heavier more often');

my ($first, $second, $third) = map { Canopy::Cancels->new(chance => $_, environments => [live => 1]) } $one, $same, $other;
my $uuid = qr/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
my @cancels = map { $first->cancel($_) } 1 .. 300;
is_deeply([map { $_->{script} } @cancels], [map { $second->cancel($_)->{script} } 1 .. 300], 'the same seed, the same requests');
my %ids = map { $_->{id} => 1 } @cancels, map { $third->cancel($_) } 1 .. 300;
is(scalar(grep { $_ =~ $uuid } keys %ids), 600, 'each with a task of its own');

# What is cut off lacks something, and what is whole does not: a parser of its own tells.
sub whole ($bytes) {
    my ($head, $rest) = $bytes =~ /^(.*?\r\n\r\n)(.*)$/s or return 0;
    return length $rest == $1 if $head =~ /^Content-Length: (\d+)/mi;
    return $rest =~ /^(?:[1-9a-f][0-9a-f]*\r\nx+\r\n)+0\r\n\r\n$/ ? 1 : 0 if $head =~ /^Transfer-Encoding/mi;
    return $rest eq '' ? 1 : 0;
}
sub sent ($cancel) { return join '', map { $_->[1] } grep { $_->[0] eq 'send' } $cancel->{script}->@* }
my @other = grep { $_->{manner} ne 'bad_chunk' && whole(sent($_)) != $_->{whole} } @cancels;
is_deeply([map { "$_->{manner}: " . sent($_) } @other], [], 'whole or cut off, as they should be');

my $before = descriptors($$);
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1);
my $connection = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $listener->sockport);
open my $file, '<', $0 or die "$0: $!\n";
my $during = descriptors($$);
sub count ($text, $kind) { return $text =~ /\b$kind (\d+)/ ? $1 : 0 }
is(count($during, $_), count($before, $_) + 1, "one more: $_") for qw(listening connection file);
close $_ for $listener, $connection, $file;
is(descriptors($$), $before, 'and none');

$t->done;
