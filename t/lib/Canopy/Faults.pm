package Canopy::Faults;

# The fault machine: an upstream that does one thing wrong, at one point of an exchange, and knows what it did.
#
#     machine($t, 'canopy', plan => sub ($task, $copy_no, $conn_no, $req_no) { 'reset-in-head=422' }, tls => $cert);
#     ... $t->cancel($id) ...
#     my $truth = truth($t, 'canopy');       # {$id => [copy, ...], '' => [connection, ...]}
#
# The plan names the fault, "name" or "name=status"; a bare status is the answer as it should be. It is asked twice: for a
# connection, with undef instead of a task (undef or '' from it: no fault), and for each copy of a request that comes
# over it (undef: 204). It runs in a process of each connection, so it can only know what it is told and what was there
# at the start. $copy_no counts the copies of a task over all machines of the test, from 1.
#
# fault_names('connection') and fault_names('request') are the names for either question, fault($name) is what such a
# fault is: {point, does, what, ...}, "what" being the ground truth. They are in Canopy::FaultTable.
#
# Options: tls (a certificate, see Canopy::Test), wrong (bad certificates as well, for the certificate faults), address,
# port, unix, stall (20 seconds, of a stall), late (2 seconds, of a late answer), before (a sub that gets each copy
# before it is answered), refuses (a sub that gets the credential of a request that was read, and the copy: it may name a
# fault that is done instead of the planned one).
# deaf($t, $name), full($t, $name), listens($t, $name): from then on new connections are refused, are not answered
# because the listener's queue is full, are taken again.
#
# A copy: task, copy_no, machine, conn_no, req_no (above 1: on a kept connection), fault, credential,
#     received  whole; part (it began to come, and the rest was not read); unread (it came, and nobody read it)
#     said      nothing; part (a head that does not end, interim answers); garbage (what can't be a head); head
#     status, type, length  of a complete final head, else undef; length 0: announced as empty
#     late      1: the gateway may have given up before the answer was there
# It is noted before it is answered, so when the client has its answer, the truth is there (but for what is answered before
# it came: early-connected).
#
# What is sent into a connection that is closed just then comes to nobody, and no machine knows of it: such connections are
# in the list '', if it was a fault that closed them; a kept connection may be closed behind its last answer, too.

use v5.36;

use Carp qw(croak);
use Exporter qw(import);
use Fcntl qw(O_APPEND O_CREAT O_WRONLY);

use Canopy::FaultTable qw(fault fault_names);
use Canopy::Upstream;

our @EXPORT = qw(machine truth connections deaf full listens fault fault_names);

sub machine ($t, $name, %opt) {
    my %m = (stall => 20, late => 2, name => $name, copies => $t->path('copies'), %opt);
    mkdir $m{copies};
    $m{contexts} = _contexts($t, %m) if $m{tls};
    $t->upstream($name, serve => sub ($upstream, $conn, $conn_no) { _serve(\%m, $upstream, $conn, $conn_no) },
                 map { defined $m{$_} ? ($_ => $m{$_}) : () } qw(address port unix));
}

sub listens ($t, $name) { return $t->{upstreams}{$name}->turn('open') }
sub deaf ($t, $name)    { return $t->{upstreams}{$name}->turn('deaf') }
sub full ($t, $name)    { return $t->{upstreams}{$name}->turn('full') }

# What is known of each task's copies, in the order in which they came; of a machine, or of several that serve the same.
sub truth ($t, @names) {
    my %truth;
    for my $event (map { $t->events($_) } @names) {
        push $truth{''}->@*, { %$event } if $event->{event} eq 'broken';
        next if $event->{event} ne 'copy';
        my $copy = $truth{$event->{task}}[$event->{copy_no} - 1] //= {};
        %$copy = (%$copy, map { $_ => $event->{$_} } grep { $_ ne 'event' } keys %$event);
    }
    return \%truth;
}

# How many connections were accepted.
sub connections ($t, $name) { return scalar grep { $_->{event} eq 'accept' } $t->events($name) }

# ------------------------------------------------------------------------------------------------------- listening

# Certificates and contexts are the same for all machines of a test.
sub _contexts ($t, %m) {
    my %certificates = (good => $m{tls});
    if ($m{wrong}) {
        $t->{wrong_certificates} //= {
            name    => $t->certificate('wrong-name', san => 'DNS:other.example'),
            expired => $t->certificate('wrong-expired', expired => 1),
            unknown => $t->certificate('wrong-unknown', self_signed => 1),
        };
        my %demand = ($m{tls}->%*, client_ca => $m{tls}{ca});
        %certificates = (%certificates, $t->{wrong_certificates}->%*, demand => \%demand,
                         demand12 => { %demand, SSL_version => 'TLSv1_2' });
    }
    my $contexts = $t->{fault_contexts} //= {};
    return { map { my $certificate = $certificates{$_};
                   $_ => $contexts->{"$_ $certificate->{cert}"} //= Canopy::Upstream::tls_context($certificate) }
             keys %certificates };
}

# ------------------------------------------------------------------------------------------------------ a connection

sub _serve ($m, $upstream, $conn, $conn_no) {
    my $about = { machine => $m->{name}, conn_no => $conn_no };
    my $fault = _planned($m, 'connection', undef, undef, $conn_no, undef);
    my $point = $fault ? $fault->{point} : '';

    return _broken($m, $upstream, $conn, $about, $fault)
        if $point eq 'accept' || $point eq 'handshake' && $m->{tls} && !$fault->{shows};

    if ($m->{tls}) {
        my $context = $m->{contexts}{$fault && $fault->{shows} || 'good'} // croak "no certificate for $fault->{name}";
        $conn->start_tls($context)
            or return $upstream->note({ event => 'broken', %$about, fault => $fault ? $fault->{name} : 'none',
                                        message => IO::Socket::SSL::errstr() });
    }
    if ($point eq 'connected') {
        return _broken($m, $upstream, $conn, $about, $fault) if !$fault->{attributed};
        $conn->print($fault->{bytes});
    }

    for (my $req_no = 1; defined(my $line = $conn->peek_line); $req_no++) {
        my $task = $line =~ m{/tasks/([0-9a-f-]{36})/cancel} ? $1 : '?';
        my $copy = { event => 'copy', %$about, req_no => $req_no, task => $task, copy_no => _copy_no($m, $task) };
        my $does = $req_no == 1 && $point eq 'connected' ? { %$fault, bytes => '' }
                 : _planned($m, 'request', $task, $copy->{copy_no}, $conn_no, $req_no) // fault('204');
        _copy($m, $upstream, $conn, $copy, $does) or return;
    }
    $conn->close;
}

sub _planned ($m, $kind, @ids) {
    my $name = $m->{plan}->(@ids);
    return if !defined $name || $name eq '';
    my $fault = fault($name);
    croak "$name is no fault of a $kind" if $fault->{kind} ne $kind;
    return $fault;
}

# Ends a connection of which no task is known.
sub _broken ($m, $upstream, $conn, $about, $fault) {
    $upstream->note({ event => 'broken', %$about, fault => $fault->{name} });
    $conn->read if $fault->{point} eq 'handshake';
    $conn->print($fault->{bytes});
    _end($m, $conn, $fault);
}

# One copy of a request; true if the connection is kept.
sub _copy ($m, $upstream, $conn, $copy, $fault) {
    my $req;
    if ($fault->{received} eq 'whole') {
        $req = $conn->read_request;
    } elsif ($fault->{received} eq 'part') {
        $conn->read_bytes(30);
    }
    my $refusal = $req && $m->{refuses} && $m->{refuses}->(_credential($req), $copy);
    $fault = fault($refusal) if $refusal;
    %$copy = (%$copy, (map { $_ => $fault->{$_} } qw(received said status type length late)), fault => $fault->{name},
              credential => $req && _credential($req));

    if ($fault->{received} eq 'whole' && !$req) {       # the client is the one who broke it off
        $upstream->note({ %$copy, received => 'part', said => 'nothing', status => undef });
        return $conn->close;
    }
    $upstream->note({ %$copy });

    $m->{before}->($copy) if $m->{before};
    $upstream->turn($fault->{turns}) if $fault->{turns};
    $conn->sleep($m->{late}) if $fault->{late};
    my $written = $fault->{trickle} ? _trickle($conn, $fault->{bytes}) : $conn->print($fault->{bytes});
    if (!$written) {
        $copy->{late} = 1;
        $upstream->note({ %$copy });
    }
    if ($fault->{then} eq 'keep') {
        return 1 if $req;
        $req = $conn->read_request or return;
        $upstream->note({ %$copy, received => 'whole', credential => _credential($req) });
        return 1;
    }
    _end($m, $conn, $fault);
    return;
}

sub _end ($m, $conn, $fault) {
    my $then = $fault->{then};
    $conn->flush if $then =~ /^(?:reset|cut|raw)$/;
    $then eq 'reset' ? $conn->reset
        : $then eq 'cut'   ? $conn->cut
        : $then eq 'raw'   ? ($conn->raw("what is this?\r\n\r\n"), $conn->cut)
        : $then eq 'half'  ? ($conn->half_close, $conn->wait_closed($m->{stall}))
        : $then eq 'stall' ? $conn->wait_closed($m->{stall})
        : ();
    $conn->close if !$conn->{closed};
}

sub _trickle ($conn, $bytes) {
    for my $byte (split //, $bytes) {
        $conn->print($byte) or return;
        $conn->sleep(0.0005);
    }
    return 1;
}

sub _credential ($req) {
    my ($value) = map { $_->[1] } grep { lc $_->[0] eq 'authorization' } $req->{headers}->@*;
    return ($value // '') =~ s/^Bearer //r;
}

# A file per task, one byte longer with each copy.
sub _copy_no ($m, $task) {
    sysopen my $fh, "$m->{copies}/" . ($task =~ tr/?/_/r), O_WRONLY | O_APPEND | O_CREAT or croak "$m->{copies}: $!";
    syswrite $fh, '.';
    return -s $fh;
}

1;
