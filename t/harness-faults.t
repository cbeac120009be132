# The fault machine does what it says, and the judge knows the truth from a lie: shown without nginx.

use v5.36;

use IO::Select;
use IO::Socket::SSL;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes qw(time);

use Canopy::Client;
use Canopy::Faults;
use Canopy::FaultTable;
use Canopy::Test;
use Canopy::Truth qw(allowed lies);

$SIG{PIPE} = 'IGNORE';                          # the machine closes while we write

my $t = Canopy::Test->new(module => 0);
my $no = 0;
my %planned;

sub id () { return sprintf '00000000-0000-4000-8000-%012d', ++$no }

# One task for each fault of a request, over TLS and not

my @names = map { ($_, /^(?:reset|early|twice|trickle|chunked|answer)/ ? ("$_=422", "$_=503") : ()) } fault_names('request');
my %task = map { my $name = $_; map { ("$_ $name" => id()) } $name =~ /^raw/ ? 'tls' : qw(plain tls) } @names;
$planned{$task{$_}} = s/^\S+ //r for keys %task;

my $cert = $t->certificate('canopy');
my %machine = (late => 0.1, plan => sub ($task, @) { $task && $planned{$task} });
machine($t, 'plain', %machine);
machine($t, 'tls', %machine, tls => $cert);

my $client = IO::Socket::SSL::SSL_Context->new(SSL_verify_mode => 0);

sub reached ($name) { return Canopy::Client::open_socket(port => $t->port($name), timeout => 0.3) }

sub text ($id) {
    return Canopy::Client::request_text(path => "/tasks/$id/cancel", keep => 1,
                                        headers => [['Authorization', 'Bearer credential'], ['Content-Length', 0]]);
}

# What comes, until so many bytes are there and nothing more comes for a moment; and how it ends
sub all_of ($socket, $length, $moment) {
    my $ssl = $socket->isa('IO::Socket::SSL') && $socket->_get_ssl_object;
    my $bytes = '';
    $socket->blocking(0);
    while (1) {
        my $patience = length $bytes < $length ? 30 : $moment;
        my $pending = $ssl && $socket->pending;
        return ($bytes, 'open') if !$pending && !IO::Select->new($socket)->can_read($patience);
        my $read = sysread $socket, $bytes, 65536, length $bytes;
        next if $read || $ssl && !defined $read && $IO::Socket::SSL::SSL_ERROR == IO::Socket::SSL::SSL_WANT_READ();
        return ($bytes, 'reset') if $!{ECONNRESET};
        return ($bytes, $ssl && !(Net::SSLeay::get_shutdown($ssl) & 2) ? 'cut' : 'closed');
    }
}

sub send_task ($case) {
    my ($way) = split / /, $case;
    my $socket = $t->connect(port => $way, tls => $way eq 'tls' && { SSL_reuse_ctx => $client });
    $socket->syswrite(text($task{$case}));
    return $socket;
}

sub is_done ($case, $socket) {
    my ($way, $name) = split / /, $case;
    my $fault = fault($name);
    my $open = $fault->{then} =~ /^(?:stall|keep)$/;
    my ($bytes, $end) = all_of($socket, length $fault->{bytes}, $open ? 0.01 : 5);
    is($bytes, $fault->{bytes}, "$case: what it says");

    my $final = $bytes =~ s/^(?:HTTP\S+ 10[03] .*?\r\n\r\n)*//sr;
    my ($status) = $final =~ m{^HTTP/1\.[01] (\d{3}) .*?\r?\n\r?\n}s;
    if ($fault->{said} ne 'garbage') {
        is($status, $fault->{status}, "$case: the status");
        is($fault->{said}, $bytes eq '' ? 'nothing' : $status ? 'head' : 'part', "$case: as it says");
    }
    my %ends = (raw => 'cut', stall => 'open', keep => 'open', half => 'closed', cut => 'closed');
    my $ends = $way eq 'tls' && $fault->{then} =~ /^(?:cut|half)$/ ? 'cut'
             : $way eq 'plain' && $fault->{received} ne 'whole' && $fault->{then} =~ /^(?:close|cut)$/ ? 'reset'
             : $ends{$fault->{then}} // "$fault->{then}d" =~ s/resetd/reset/r;
    is($end, $ends, "$case: how it ends");
    ok(heard($socket), "$case: and still listens") if $fault->{then} eq 'half' && $way eq 'plain';
}

# Is there someone who takes our bytes? A closed socket answers the first one with a reset.
sub heard ($socket) {
    $socket->syswrite('x');
    select undef, undef, undef, 0.05;
    return defined $socket->syswrite('x');
}

my $began = time;
is_done('plain late', send_task('plain late'));
cmp_ok(time - $began, '>=', 0.1, 'a late answer is late');
delete $task{'plain late'};

my @cases = sort keys %task;
while (my @some = splice @cases, 0, 40) {
    my @sent = map { [$_, send_task($_)] } grep { !fault(s/^\S+ //r)->{turns} } @some;
    select undef, undef, undef, 0.1;
    is_done(@$_) for @sent;
}
for my $case (grep { fault(s/^\S+ //r)->{turns} } sort keys %task) {
    my ($way) = split / /, $case;
    is_done($case, send_task($case));
    ok(!reached($way), "$case: nobody is reached");
    listens($t, $way);
    ok(reached($way), "$case: and now again");
}

my %truth = (truth($t, 'plain')->%*, truth($t, 'tls')->%*);
for my $case (sort keys %task) {
    my ($way, $name) = split / /, $case;
    my $fault = fault($name);
    my $received = $name =~ /^early(?:=|$)/ ? 'whole' : $fault->{received};
    my @copies = ($truth{$task{$case}} // [])->@*;
    is_deeply([map { [@$_{qw(fault machine req_no received said status late credential)}] } @copies],
              [[$name, $way, 1, $received, @$fault{qw(said status late)}, $received eq 'whole' ? 'credential' : undef]],
              "$case: the truth of it");
}

# A client that is gone before its answer: it may not have seen it

my $gone = id();
machine($t, 'gone', plan => sub ($task, @) { $task && 'trickle' },
        before => sub ($copy) { $t->wait_for(sub { -e $t->path('left') }) });
my $client_gone = $t->connect(port => 'gone');
$client_gone->syswrite(text($gone));
ok($t->wait_for(sub { truth($t, 'gone')->{$gone} }), 'an answer is on its way');
setsockopt $client_gone, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
close $client_gone;
$t->write('left', '');
ok($t->wait_for(sub { truth($t, 'gone')->{$gone}[0]{late} }), 'and comes too late');

# ------------------------------------------------------------------------------------------- what a plan is asked

my ($one, $two) = (id(), id());
my %asked = ("$one 1 1 1" => 204, "$two 1 1 2" => 422, "$one 2 1 3" => 'close-wait', "$one 3 2 1" => 503);
machine($t, 'asked', plan => sub ($task, @ids) { $task && ($asked{"$task @ids"} // die "asked for $task @ids\n") });

my $socket = $t->connect(port => 'asked');
for my $case ([$one, 204], [$two, 422], [$one, 0], [$one, 503]) {
    my ($id, $status) = @$case;
    $socket = $t->connect(port => 'asked') if $status == 503;
    $socket->syswrite(text($id));
    is($t->response($socket)->status, $status, 'as the plan says');
}
my $truth = truth($t, 'asked');
is_deeply([map { "$_->{copy_no} $_->{conn_no}/$_->{req_no} $_->{fault}" } $truth->{$one}->@*],
          ['1 1/1 204', '2 1/3 close-wait', '3 2/1 503'], 'the copies of a task, in order');
is(scalar $truth->{$two}->@*, 1, 'and of another');
is(connections($t, 'asked'), 2, 'over two connections');

# ------------------------------------------------------------------------------------------- faults of a connection

for my $way ('broken', 'broken_tls') {
    my @names = grep { $way eq 'broken_tls' || fault($_)->{point} ne 'handshake' } fault_names('connection');
    machine($t, $way, plan => sub ($task, $copy_no, $conn_no, $req_no) { $task ? 204 : $names[$conn_no - 1] },
            $way eq 'broken_tls' ? (tls => $cert, wrong => 1) : ());

    for my $name (@names) {
        my ($fault, $id) = (fault($name), id());
        my $before = (truth($t, $way)->{''} // [])->@*;
        my $handshake = $way eq 'broken' || $fault->{point} eq 'connected' || $name eq 'demand-handshake';
        is(broken($way, $fault, $id, $handshake), $handshake ? $fault->{bytes} : 'no handshake', "$way: $name");
        ok($t->wait_for(sub {
            my $truth = truth($t, $way);
            return $fault->{attributed} ? $truth->{$id} : ($truth->{''} // [])->@* > $before;
        }), "$way: $name: the truth of it");
    }
}

# What comes over such a connection.
sub broken ($way, $fault, $id, $handshake) {
    # a reset may come before our connect has ended
    my $socket = Canopy::Client::open_socket(port => $t->port($way));
    return 'no handshake' if $way eq 'broken_tls' && !($socket && IO::Socket::SSL->start_SSL($socket, Timeout => $handshake ? 30 : 0.3,
        SSL_ca_file => $t->path('ca.pem'), SSL_verifycn_name => 'localhost', SSL_verifycn_scheme => 'http'));

    return '' if !$socket;
    $socket->syswrite(text($id));
    return (all_of($socket, length $fault->{bytes}, $fault->{then} =~ /keep|stall/ ? 0.1 : 30))[0];
}

# --------------------------------------------------------------------------------------------------- not listening

deaf($t, 'plain');
ok(!reached('plain'), 'refused');
listens($t, 'plain');
ok(reached('plain'), 'and taken again');
full($t, 'plain');
ok(!reached('plain'), 'a full queue');
listens($t, 'plain');
ok(reached('plain'), 'and taken again');

# ------------------------------------------------------------------------------------------------------- the judge

# the copies, by what a machine did to each, and the words that are true of them
my @judged = (
    ['',                      'denied not-sent'],
    ['204',                   'accepted'],
    ['empty=200',             'accepted'],
    ['202',                   'accepted'],
    ['html',                  'unknown'],
    (map { [$_, 'rejected'] } 401, 403, 404, 409, 410, 418, 422, 429),
    (map { [$_, 'unknown'] } 101, 201, 302, 408, 500, 502, 503, 504, 520, 600),
    ['close-request',         'unknown'],
    ['reset-unread',          'unknown'],
    ['early-part=422',        'rejected'],
    ['reset-body',            'rejected'],
    ['stall-head',            'unknown'],
    ['late',                  'accepted unknown'],
    ['late=422',              'rejected unknown'],
    ['two-lengths',           'unknown'],
    ['401 204',               'accepted'],
    ['401 422',               'rejected'],
    ['401 close-wait',        'unknown'],
    ['401 503',               'unknown'],
    ['close-wait 204',        'accepted'],
    ['close-wait 422',        'unknown'],
    ['close-unread 401',      'unknown'],
    ['close-unread late=204', 'accepted unknown'],
);

sub copies ($faults) {
    my $n = 0;
    return [map { my $fault = fault($_); +{ %$fault, fault => $_, copy_no => ++$n, conn_no => $n, req_no => $n == 1 ? 2 : 1,
                                            credential => "credential-$n" } } split / /, $faults];
}

for my $case (@judged) {
    my ($faults, $words) = @$case;
    is(join(' ', sort keys allowed(copies($faults))->%*), $words, "what is true of $faults");
    my @lies = grep { lies($_, copies($faults)) } qw(accepted rejected denied not-sent unknown);
    is(@lies + split(/ /, $words), 5, 'and all else is a lie');
}
is(join(' ', sort keys allowed(copies('422'), unseen => 1)->%*), 'rejected unknown', 'what the upstream can\'t know');

sub answer ($status, $outcome, $proxy_status = '') {
    return Canopy::Client::Response->new(status => $status, headers => [['Canopy-Outcome', $outcome],
                                                                        ['Proxy-Status', $proxy_status]]);
}
sub faults_of ($faults, @answer) { return join '; ', Canopy::Truth::faults(answer(@answer), copies($faults)) }

is(faults_of('204', 204, 'accepted'), '', 'an answer that is true');
is(faults_of('401 422', 422, 'rejected', 'ngx_canopy; received-status=422'), '', 'another');
like(faults_of('204', 200, 'accepted'), qr/outcome accepted with status 200/, 'a status that is not the word\'s');
like(faults_of('', 429, 'denied'), qr/outcome denied with status 429/, 'another');
like(faults_of('', 422, 'not-sent'), qr/outcome not-sent with status 422/, 'and another');
like(faults_of('401', 401, 'rejected'), qr/401 is not/, 'a 401 of the upstream');
like(faults_of('401 503', 502, 'unknown', 'x; received-status=401'), qr/received-status=401/, 'the status of another copy');
like(faults_of('', 503, 'not-sent', 'x; received-status=503'), qr/received-status=503/, 'a status from nowhere');
like(faults_of('401 close-wait 204', 204, 'accepted'), qr/more than one repeat/, 'three copies');
like(faults_of('503 204', 204, 'accepted'), qr/a repeat for no reason/, 'a copy that was answered is sent again');
like(faults_of('stall-head 204', 204, 'accepted'), qr/a repeat for no reason/, 'or had the beginning of an answer');

sub repeats_of ($faults, $no, %more) {
    my $copies = copies($faults);
    $copies->[$no - 1] = { $copies->[$no - 1]->%*, %more };
    return join '; ', Canopy::Truth::repeats($copies);
}
is(repeats_of('close-wait 204', 1, req_no => 2), '', 'a repeat with a reason');
like(repeats_of('close-wait 204', 1, req_no => 1), qr/a repeat for no reason/, 'closed, and it was a new connection');
like(repeats_of('close-wait 204', 2, req_no => 2), qr/on a kept connection/, 'a repeat on a kept connection');
like(repeats_of('401 204', 2, credential => 'credential-1'), qr/same credential/, 'the credential that was refused');

$t->done;
