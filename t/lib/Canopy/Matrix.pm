package Canopy::Matrix;

# The fault matrix: does the cases of a table (t/cases/faults/) and compares what came of them with the table, and with
# the truth. See run_cases().
#
# A row is  where | what happens | answer | came :
#     where   plain, tls or both; new (connection), kept, or either; hurried: exchange_timeout is the short one.
#             "both" and "either" make two cases of a row each
#     what    the faults of Canopy::FaultTable in their order, one for each copy of the request and one for each connection
#             that does not get so far; deaf or full: the listener, from the beginning. In brackets: what would happen,
#             but nothing more is to be sent. With two addresses each step has a number: "1:" is the one that is connected
#             to first, "2:" the other, which also has the kept connection.
#             A 401 comes when another credential is in the file, if it is followed by something
#     answer  status, type, outcome and Proxy-Status without its name; "-" is none
#     came    how much of each copy the upstream has received: whole, part, unread; "-" if none came
# A row that begins with "or" is another answer that is as good for the row before.

use v5.36;

use Carp qw(croak);
use Exporter qw(import);
use List::Util qw(sum);
use Test::More;

use Canopy::Client;
use Canopy::DNS;
use Canopy::Faults;
use Canopy::Truth;

our @EXPORT = qw(run_cases);

my @credentials = ('matrix-credential-A', 'matrix-credential-B');

# Stalls end by these; all else is not to be cut short when the machine pauses.
my %tempo = (
    steady  => '',
    hasty   => 'connect_timeout 3s; read_timeout 3s;',
    hurried => 'exchange_timeout 4s;',
);

# ----------------------------------------------------------------------------------------------------------- tables

sub cases ($file) {
    open my $fh, '<', $file or croak "$file: $!";
    my (@cases, @row);
    while (my $line = <$fh>) {
        next if $line =~ /^\s*(?:#.*)?$/;
        my ($where, $does, $answer, $came) = map { s/^\s+|\s+$//gr } split /\|/, $line;
        croak "$file:$.: not a row" if !defined $came;
        my $wanted = { answer => $answer =~ s/\s+/ /gr, came => $came eq '-' ? [] : [split ' ', $came] };
        if ($where eq 'or') {
            push $_->{wanted}->@*, $wanted for @row;
            next;
        }
        my ($ways, $connections, $tempo) = split ' ', $where;
        @row = map { my $way = $_; map { _case($way, $_, $tempo, $does, $wanted) }
                     $connections eq 'either' ? qw(new kept) : $connections } $ways eq 'both' ? qw(plain tls) : $ways;
        push @cases, @row;
    }
    return @cases;
}

sub _case ($way, $connection, $tempo, $does, $wanted) {
    my @steps = map { _step($_) } split ' ', $does;
    for my $no (0 .. $#steps) {
        my $step = $steps[$no];
        $step->{changes} = ($step->{status} // 0) == 401 && ($no < $#steps || $step->{turns});
    }
    my $stalls = grep { $_->{then} eq 'stall' || $_->{late} || ($_->{turns} // '') eq 'full' } @steps;
    $tempo //= $stalls ? 'hasty' : 'steady';

    my $own = grep { $_->{kind} ne 'request' || $_->{turns} || $_->{changes} } @steps;
    my $two = $does =~ /[12]:/;
    return {
        name => join(' ', $way, $connection, $tempo eq 'hurried' ? $tempo : (), $does), way => $way, tempo => $tempo,
        connection => $connection, wanted => [$wanted], steps => \@steps, two => $two, parallel => $tempo ne 'steady',
        copies => [grep { $_->{kind} eq 'request' || $_->{attributed} } @steps],
        # with an environment and machines of its own
        alone => $two || $tempo ne 'steady' && ($own || $connection eq 'kept'),
        # the machine may know nothing of a request that was sent
        unseen => scalar(grep { ($_->{unseen} // '') =~ ($way eq 'plain' ? qr/plain|always/ : qr/always/) } @steps),
    };
}

sub _step ($text) {
    my ($at, $open, $name) = $text =~ /^(?:([12]):)?(\(?)([\w.=-]+)\)?$/ or croak "$text is no step";
    my %step = (at => $at // 1, never => $open ne '');
    return { kind => 'listener', name => $name, then => '', turns => $name, %step } if $name =~ /^(?:deaf|full)$/;
    return { fault($name)->%*, %step };
}

# --------------------------------------------------------------------------------------------------- nginx, machines

my ($t, %case_of, @cases);

# Does all cases of these tables, as the tests of $test: those with stalls all at once, the others one by one meanwhile.
sub run_cases ($test, @files) {
    $t = $test;
    @cases = map { cases($_) } @files;
    my $no = 0;
    for my $case (@cases) {
        $case->{no} = ++$no;
        $case->{id} = _id(0, $case);
        $case_of{$case->{id}} = $case;
    }

    my $cert = $t->certificate('canopy', san => 'DNS:two.canopy.test,IP:127.0.0.1');
    my $dns = Canopy::DNS->new($t, 'dns');
    $dns->set('two.canopy.test', a => ['127.0.0.1', '127.0.0.2'], ttl => 3600);
    $ENV{RES_OPTIONS} = 'attempts:0';           # libc, which nginx asks at start, asks nobody
    _conf();

    my %shared = map { $_->{machine} => $_ } grep { !$_->{alone} } @cases;
    _machine($_, $shared{$_}{way}, $cert) for sort keys %shared;
    $t->start;

    my @parallel = grep { $_->{parallel} } @cases;
    _begin($cert, @parallel);
    _one($cert, $_) for grep { !$_->{parallel} } @cases;
    for my $case (@parallel) {
        $case->{res} = _answer(delete $case->{socket});
        _disarm($case);
    }

    my $truth = truth($t, sort keys $t->{upstreams}->%*);
    _check($_, $truth->{$_->{id}} // []) for @cases;
}

# 0: the case's own task; 1: one before it that makes the connection to be kept; 2 and 3: a pair of them
sub _id ($kind, $case) { return sprintf '%08d-0000-4000-8000-%012d', $kind, $case->{no} }

# The environments: shared by all cases of a kind, or of one case alone.
sub _conf () {
    my %blocks;
    for my $case (@cases) {
        $case->{environment} = $case->{alone} ? "alone$case->{no}" : join '_', @$case{qw(way connection tempo)};
        $case->{machine} = $case->{alone} ? $case->{environment} : join '_', @$case{qw(way tempo)};
        $blocks{$case->{environment}} //= _environment($case);
    }
    my $blocks = join '', map { $blocks{$_} } sort keys %blocks;

    $t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    resolver 127.0.0.1:%%PORT_dns%%;
    $blocks
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
    }
}
EOC
}

sub _environment ($case) {
    my $name = $case->{environment};
    my $scheme = $case->{way} eq 'tls' ? 'https' : 'http';
    my $trust = $case->{way} eq 'tls' ? 'ssl_trusted_certificate %%DIR%%/ca.pem;' : '';
    my $host = $case->{two} ? 'two.canopy.test' : '127.0.0.1';
    my $keepalive = $case->{connection} eq 'kept' ? 16 : 0;
    $t->secret("token-$name", $credentials[0]);
    return <<"EOC";
    canopy_environment $name {
        server $scheme://$host:%%PORT_$case->{machine}%%/tasking;
        bearer_token_file %%DIR%%/token-$name;
        keepalive $keepalive; keepalive_timeout 300s;
        $trust $tempo{$case->{tempo}}
    }
EOC
}

# A machine that knows all cases by their tasks. What its next connections are to meet stands in a file, one word for each.
sub _machine ($name, $way, $cert, %opt) {
    $t->write("connections-$name", '');
    machine($t, $name, late => 6, $way eq 'tls' ? (tls => $cert, wrong => 1) : (), %opt,
        plan => sub ($task, $copy_no, @) {
            return _connection($name) if !defined $task;
            my $case = $case_of{$task} // return '204';
            my $step = $case->{copies}[$copy_no - 1];
            return $step ? $step->{name} : '500';       # one copy too many
        },
        before => sub ($copy) {
            my $case = $case_of{$copy->{task}};
            return $case->{copies}[$copy->{copy_no} - 1]{changes} && _change_credential($case) if $case;

            # two of a pair are answered when both are there, so that they need a connection each
            my $other = $copy->{task} =~ s/^0{7}\K([23])/5 - $1/er;
            $t->wait_for(sub { -e $t->path("copies/$other") }, 20);
        });
}

sub _connection ($name) {
    my ($first, @rest) = split ' ', $t->read("connections-$name");
    $t->write("connections-$name", "@rest");
    return !defined $first || $first eq '-' ? undef : $first;
}

sub _change_credential ($case) {
    my $file = "token-$case->{environment}";
    my ($other) = grep { "$_\n" ne $t->read($file) } @credentials;
    $t->secret($file, $other);
}

# ------------------------------------------------------------------------------------------------------------- a case

sub _request ($case, $id) {
    return Canopy::Client::request_text(path => "/$case->{environment}/tasks/$id/cancel",
                                        headers => [['Authorization', 'Bearer ' . $t->client_token]]);
}

sub _send ($case, $id) {
    my $socket = $t->connect;
    $socket->syswrite(_request($case, $id));
    return $socket;
}

sub _answer ($socket) { return $t->response($socket, keep => 0, timeout => 30) }

# One case after the other.
sub _one ($cert, $case) {
    _arm($cert, $case);
    $case->{res} = _answer(_send($case, $case->{id}));
    _disarm($case);
}

# Stalls: all are sent before an answer is waited for.
sub _begin ($cert, @parallel) {
    _arm($cert, $_) for grep { $_->{alone} } @parallel;
    $_->{socket} = _send_seen($_, $_->{id}) for @parallel;
}

# Waits until a machine deals with it, so that they need not do so all at once.
sub _send_seen ($case, $id) {
    my @logs = map { $t->path("upstream-$_.jsonl") } $case->{role} ? values $case->{role}->%* : $case->{machine};
    my $noted = sub { sum(map { -s $_ // 0 } @logs) };
    my $before = $noted->();
    my $socket = _send($case, $id);
    my $first = $case->{steps}[0]{kind};
    $t->wait_for(sub { -e $t->path("copies/$id") || $first eq 'connection' && $noted->() > $before })
        if $first ne 'listener';
    return $socket;
}

# Before a request: machines of its own, a kept connection, what the next connections will meet.
sub _arm ($cert, $case) {
    my ($name, $way, $two) = (@$case{qw(machine way)}, $case->{two});
    my @machines = $two ? ("$name-a", "$name-b") : $name;
    if ($case->{alone}) {
        _machine($machines[$_ - 1], $way, $cert, port => $t->port($name), address => "127.0.0.$_") for 1 .. @machines;
    }
    $t->write("connections-$_", '') for @machines;
    if ($two || $case->{connection} eq 'kept') {

        # one connection more than the request needs: its repeat is not to take it
        my @primes = map { _send($case, _id($_, $case)) } $case->{alone} ? 1 : (2, 3);
        $case->{left} = 'not primed' if grep { _answer($_)->status != 204 } @primes;
        @machines = reverse @machines if $two && truth($t, $machines[0])->{_id(1, $case)};
    }

    # the address that was not used is the next
    $case->{role} = { 1 => $machines[0], 2 => $machines[-1] };
    my %meets = map { $_ => [] } @machines;
    for my $step ($case->{steps}->@*) {
        my $machine = $case->{role}{$step->{at}};
        $case->{turned}{$machine} = 1 if $step->{turns};
        if ($step->{kind} eq 'listener') {
            $t->{upstreams}{$machine}->turn($step->{turns});
        } elsif (!$step->{never} && ($case->{connection} ne 'kept' || $step != $case->{copies}[0])) {
            push $meets{$machine}->@*, $step->{kind} eq 'connection' ? $step->{name} : '-';
        }
    }
    $t->write("connections-$_", join ' ', $meets{$_}->@*) for @machines;
}

sub _disarm ($case) {
    my @machines = $case->{role} ? keys { reverse $case->{role}->%* }->%* : return;
    $case->{left} = join ' ', grep { length } $case->{left} // '', map { $t->read("connections-$_") } @machines;
    return map { $t->stop_upstream($_) } @machines if $case->{alone};
    $t->{upstreams}{$_}->turn('open') for keys $case->{turned}->%*;
}

# ---------------------------------------------------------------------------------------------------------- the result

sub _facts ($res) {
    my $type = $res->status && length $res->body ? $res->json->{detail}[0]{type} : '-';
    my $proxy_status = $res->header('Proxy-Status') =~ s/^ngx_canopy; //r =~ s/; /;/gr;
    return join ' ', $res->status, $type, $res->header('Canopy-Outcome'), $proxy_status || '-';
}

# One test: the answer is the table's, it is true, and what came is what was to come.
sub _check ($case, $copies) {
    my $res = $case->{res};
    my $answer = _facts($res);
    my ($wanted) = ((grep { $_->{answer} eq $answer } $case->{wanted}->@*), $case->{wanted}[0]);
    my @came = $wanted->{came}->@*;
    my @steps = $case->{copies}->@[0 .. $#came];

    my @faults = Canopy::Truth::faults($res, $copies, unseen => $case->{unseen});
    push @faults, Canopy::Client::schema_faults($res) if $res->status != 204;
    push @faults, 'the message does not tell of the uncertainty'
        if $answer =~ /^\S+ (?!upstream_error|value_error)\S+ unknown/ && $res->body !~ /unknown.*status/;
    push @faults, "left: $case->{left}" if length($case->{left} // '');
    my $at = sub ($copy) { !$case->{two} || $copy->{machine} eq $case->{role}{1} ? 1 : 2 };

    local $Test::Builder::Level = $Test::Builder::Level + 2;
    is_deeply({ answer => $answer, faults => \@faults, at => [map { $at->($_) } @$copies],
                came => [map { $_->{received} } @$copies], does => [map { $_->{fault} } @$copies],
                connections => [map { $_->{req_no} > 1 ? 'kept' : 'new' } @$copies] },
              { %$wanted, faults => [], at => [map { $_->{at} } @steps], does => [map { $_->{name} } @steps],
                connections => [map { $_ == 0 ? $case->{connection} : 'new' } 0 .. $#came] },
              $case->{name}) || diag($res->raw);
}

1;
