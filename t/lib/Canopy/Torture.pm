package Canopy::Torture;

# The randomized truth run: many clients cancel, each a task of its own, through an upstream with faults at every point, while the
# gateway is reloaded and its workers are killed. At the end everything that was said is compared with what happened.
#
#     my $run = Canopy::Torture->new(seed => 42, seconds => 15, cancels => 2000);    # at least so long and so many
#     $run->run;
#     $run->lies;         # sentences: the task, what its client was told, what the upstream knows
#     $run->faults;       # what else must not be
#     $run->report;       # {cancels, accepted, ..., copies, repeats, reloads, kills, ...}

use v5.36;

use Carp qw(croak);
use JSON::PP;
use Time::HiRes qw(time);

use Canopy::Cancels;
use Canopy::Chance;
use Canopy::Client;
use Canopy::Crowd;
use Canopy::DNS;
use Canopy::Descriptors qw(descriptors);
use Canopy::Disturbances;
use Canopy::Faults;
use Canopy::Process qw(alive children spawn title wait_until);
use Canopy::Test;
use Canopy::Verdict;

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    resolver         127.0.0.1:%%PORT_dns%%;
    resolver_timeout 1s;
    canopy_environment plain {
        server            http://127.0.0.1:%%PORT_plain%%/tasking;
        bearer_token_file %%DIR%%/token;
        connect_timeout   1s;
        read_timeout      1500ms;
        exchange_timeout  2500ms;
        keepalive_timeout 1s;
    }
    canopy_environment single {
        server            http://127.0.0.1:%%PORT_plain%%/tasking;
        bearer_token_file %%DIR%%/token;
        closed_file       %%DIR%%/closed;
        connect_timeout   1s;
        read_timeout      1500ms;
        exchange_timeout  2500ms;
        keepalive         0;
    }
    canopy_environment secure {
        server            https://canopy.test:%%PORT_secure%%/tasking;
        bearer_token_file %%DIR%%/token;
        connect_timeout   1s;
        read_timeout      1500ms;
        exchange_timeout  2500ms;
        keepalive_timeout 1s;
        ssl_trusted_certificate %%DIR%%/ca.pem;
    }
    log_format truth '$http_x_request_id $canopy_task_id $status $canopy_outcome $request_time "$upstream_connect_time" $upstream_bytes_sent';
    server {
        listen 127.0.0.1:%%PORT_http%%;
        access_log            %%DIR%%/truth.log truth;
        client_header_timeout 8s;
        client_body_timeout   8s;
        location ~ ^/(?<environment>\w+)/ { canopy_pass $environment; }
    }
}
EOC

my @environments = (plain => 5, single => 1, secure => 4);
my $credential = 'truth-run-upstream-credential';
my $calm = '00000000-0000-4000-8000-%012d';     # tasks that nothing happens to

# What the upstream says without a fault, and how often.
my @answers = (204 => 70, 200 => 3, 202 => 3, 'empty' => 2, map { $_ => 1 } qw(
    422 422 422 404 404 409 409 410 403 429 429 401 400 408 418 500 502 503 503 504 520 201 301 304));

# With a fault it is one of these; stalls are rare, as they take long.
my @faults = map { $_ => /^(?:stall|half)|^late$/ ? 1 : 4 } grep { !fault($_)->{turns} } fault_names('request');
my @statuses = (204 => 3, 422 => 3, 503 => 1, 401 => 1, 404 => 1);
my @breaks = map { $_ => /^(?:stall|half)/ ? 1 : 4 } fault_names('connection');
my @refusals = (401 => 6, 'close-answer=401' => 1, 'reset-answer=401' => 1, 'close-body=401' => 1);

# A kept connection that is found closed.
my @stale = map { $_ => 1 } qw(close-wait reset-wait cut-wait close-unread reset-unread cut-request);

# One copy and one connection in so many.
my %one_in = (fault => 4, stale => 8, break => 12);

sub new ($class, %self) {
    my $self = bless { crowd => 40, seconds => 15, cancels => 2000, every => 0.5, %self }, $class;
    $self->{chance} = Canopy::Chance->new($self->{seed});
    $self->{cancels_of} = Canopy::Cancels->new(chance => $self->{chance}, environments => \@environments);
    return $self;
}

sub lies ($self)   { return $self->{lies}->@* }
sub faults ($self) { return $self->{faults}->@* }
sub report ($self) { return $self->{report} }

sub run ($self) {
    $self->_start;
    my $before = $self->_descriptors;
    my $crowd = $self->_crowd;

    while (!wait_until(sub { !alive($crowd) }, 0.02)) {
        $self->{disturbances}->tick;
    }
    waitpid $crowd, 0;
    push $self->{faults}->@*, "the clients end with $?" if $?;

    $self->_calm_down($before);
    $self->_end;
    $self->_judge;
}

# A line for each figure.
sub figures ($self) {
    my $report = $self->{report};
    my @figures = (
        cancels => 'cancels', (map { ("answered $_" => $_) } qw(accepted rejected unknown not-sent denied)),
        'unknown, nobody knows better' => 'doubts', 'gone before the answer' => 'gone', 'cut off' => 'cut', 'without an answer' => 'unanswered', 'copies' => 'copies',
        repeats => 'repeats', reloads => 'reload', 'workers killed' => 'kill', 'workers frozen' => 'freeze',
        'new credentials' => 'credential', 'upstreams away' => 'listener', 'names changed' => 'name', 'environment closed' => 'closure',
    );
    return map { sprintf "%-28s %7d", $figures[2 * $_], $report->{$figures[2 * $_ + 1]} // 0 } 0 .. @figures / 2 - 1;
}

# ------------------------------------------------------------------------------------------------------------- the stage

sub _start ($self) {
    my $t = $self->{t} = Canopy::Test->new(workers => 2, log_level => $self->{log_level} // 'info');
    $self->{faults} = [];

    my $dns = Canopy::DNS->new($t, 'dns');
    $dns->set('canopy.test', a => ['127.0.0.1', '127.0.0.2'], ttl => 1);

    my $cert = $t->certificate('canopy', san => 'DNS:canopy.test');
    my %machine = (stall => 5, late => 0.5, plan => sub (@of) { $self->_plan(@of) },
                   refuses => sub ($credential, $copy) { $self->_refusal($credential, $copy) });
    my %secure = (%machine, tls => $cert, wrong => 1, port => $t->port('secure'));
    machine($t, 'plain', %machine);
    machine($t, 'secure1', %secure);
    machine($t, 'secure2', %secure, address => '127.0.0.2');

    $t->plant($credential);
    $t->secret_file('token', "$credential-0001");
    $t->conf($conf);
    $t->start;

    $t->write('calm', '');
    $self->_plain_cancels(1);
    wait_until(sub { $self->_descriptors !~ /connection/ }) or croak 'connections are kept for too long';
    unlink $t->path('calm');

    $self->{disturbances} = Canopy::Disturbances->new(
        t => $t, chance => $self->{chance}, every => $self->{every}, dns => $dns, name => 'canopy.test',
        listeners => [qw(plain secure1 secure2)],
        token => 'token', accepted => 'accepted', closed => 'closed', credential => $credential,
    );
}

# The fault of a connection (without a task) or of a copy.
sub _plan ($self, $task, $copy_no, $conn_no, $req_no) {
    my $chance = $self->{chance};
    my $calm = -e $self->{t}->path('calm');

    if (!defined $task) {
        return $calm || !$chance->one_in($one_in{break}, 'break', $conn_no) ? '' : $chance->pick(\@breaks, 'which break', $conn_no);
    }
    return '204' if $task =~ /^00000000-/;

    my @of = ($task, $copy_no);
    return $chance->pick(\@stale, 'stale', @of) if $req_no > 1 && $chance->one_in($one_in{stale}, 'is stale', @of);
    return $chance->pick(\@answers, 'answer', @of) if !$chance->one_in($one_in{fault}, 'fault', @of);
    my $name = $chance->pick(\@faults, 'which fault', @of);
    my $status = $chance->pick(\@statuses, 'status', @of);
    return $name eq 'html' || $name eq 'empty' || $chance->one_in(2, 'its own', @of) ? $name : "$name=$status";
}

# For a while only the newest credential is taken.
sub _refusal ($self, $sent, $copy) {
    open my $fh, '<', $self->{t}->path('accepted') or return;
    chomp(my $accepted = <$fh> // '');
    return if $accepted eq $sent || $copy->{task} =~ /^00000000-/;
    return $self->{chance}->pick(\@refusals, 'refusal', @$copy{qw(task copy_no)});
}

# --------------------------------------------------------------------------------------------------------------- clients

# A process of its own: no descriptor of a client is held open by the processes that are started meanwhile.
sub _crowd ($self) {
    my $crowd = Canopy::Crowd->new(port => $self->{t}->port('http'));
    my $json = JSON::PP->new->ascii;

    return spawn(sub {
        open my $told, '>', $self->{t}->path('told.jsonl') or die "told.jsonl: $!\n";
        my $until = time + $self->{seconds};
        my $n = 0;

        while ($crowd->size || $n < $self->{cancels} || time < $until) {
            while ($crowd->size < $self->{crowd} && ($n < $self->{cancels} || time < $until)) {
                my $cancel = $self->{cancels_of}->cancel(++$n);
                $crowd->enter((map { $_ => $cancel->{$_} } qw(script kept keep)), done => sub ($visit) {
                    my $answer = delete $visit->{answer};
                    print $told $json->encode({ n => $cancel->{n}, %$visit, $answer ? (extra => $answer->{extra} ? 1 : 0,
                        head => $answer->headers_raw, body => $answer->body) : () }), "\n";
                });
            }
            $crowd->turn(0.05);
        }
        close $told or die "told.jsonl: $!\n";
    });
}

# A cancel for each environment, which has to be accepted.
sub _plain_cancels ($self, $no) {
    my @environments = grep { /\D/ } @environments;
    for my $n (0 .. $#environments) {
        my $id = sprintf $calm, 10 * $no + $n;
        my $res;
        # a name may have been asked for while nobody answered
        wait_until(sub { $res = $self->{t}->cancel($id, prefix => "/$environments[$n]");
                         $res->header('Canopy-Outcome') ne 'not-sent' });
        push $self->{faults}->@*, "a plain cancel of $environments[$n] is answered " . $res->raw if $res->status != 204;
        push $self->{calm}->@*, $id;
    }
}

# --------------------------------------------------------------------------------------------------------------- the end

# When all is well again, nothing is left of what has happened.
sub _calm_down ($self, $before) {
    my $t = $self->{t};
    $self->{disturbances}->settle;
    $t->write('calm', '');

    wait_until(sub { my @workers = $self->_workers; @workers == 2 && @workers == $t->workers })
        or push $self->{faults}->@*, 'workers do not leave: ' . join ', ', map { title($_) } $self->_workers;
    $self->_plain_cancels(2);

    my $after;
    wait_until(sub { $after = $self->_descriptors; $after eq $before });
    $after eq $before
        or push $self->{faults}->@*, "a worker's descriptors before: $before; after: $after";
}

sub _workers ($self) {
    my $master = $self->{t}->master or return;
    return grep { title($_) =~ /^nginx: worker/ } children($master);
}

sub _descriptors ($self) {
    my %different = map { descriptors($_) => 1 } $self->{t}->workers;
    return join ' or ', sort keys %different;
}

sub _end ($self) {
    my $t = $self->{t};
    $t->stop;
    $t->expect_alert(qr/worker process \d+ exited on signal 9/);
    push $self->{faults}->@*, $t->faults;

    my $died = () = $t->log =~ /exited on signal 9/g;
    my $killed = () = $self->{disturbances}->kills;
    push $self->{faults}->@*, "$killed workers were killed, but $died died" if $died > $killed;
}

sub _judge ($self) {
    my $t = $self->{t};
    my $truth = truth($t, qw(plain secure1 secure2));
    my $lines = $self->_lines;
    my $verdict = Canopy::Verdict->new(truth => $truth, kills => [$self->{disturbances}->kills],
                                       pauses => [$self->{disturbances}->pauses], patience => 1.4);
    my (%report, @lies);

    my $json = JSON::PP->new->ascii;
    open my $told, '<', $t->path('told.jsonl') or croak "told.jsonl: $!";
    while (<$told>) {
        my $visit = $json->decode($_);
        my $cancel = $self->{cancels_of}->cancel($visit->{n});
        if (defined(my $head = $visit->{head})) {
            $visit->{answer} = Canopy::Client::Response->new(body => $visit->{body}, extra => $visit->{extra});
            $visit->{answer}->parse_head($head);
        }
        push @lies, map { "task $cancel->{id} (no. $cancel->{n}, $cancel->{manner}, $cancel->{environment}): $_" }
            $verdict->on($cancel, $visit, $lines->{$cancel->{request_id}} // []);

        $report{cancels}++;
        $report{  $visit->{answer}  ? $visit->{answer}->header('Canopy-Outcome')
                : !$cancel->{left}  ? 'unanswered'
                : $cancel->{whole}  ? 'gone'
                :                     'cut'}++;
    }
    push @lies, map { "the upstream was sent a request without a task: $_->{fault}" } ($truth->{'?'} // [])->@*;
    push @lies, map { "the plain cancel $_ was not sent once" } grep { ($truth->{$_} // [])->@* != 1 } $self->{calm}->@*;

    my @copies = map { scalar $truth->{$_}->@* } grep { length > 1 && !/^00000000-/ } keys %$truth;
    $report{copies} += $_ for @copies;
    $report{repeats} = grep { $_ > 1 } @copies;
    $report{$_} = $self->{disturbances}->count($_) for qw(reload kill freeze credential listener name closure);
    $report{doubts} = $verdict->doubts;
    $self->{lies} = \@lies;
    $self->{report} = \%report;
}

# The access log, by the clients' ids.
sub _lines ($self) {
    my %lines;
    for my $line (split /\n/, $self->{t}->read('truth.log')) {
        my ($request, $task, $status, $outcome, $time, $connected, $bytes) = $line =~ /^(\S*) (\S*) (\S*) (\S*) (\S*) "([^"]*)" (.*)/;
        my $reached = () = $connected =~ /[\d.]+/g;
        my $sent = () = $bytes =~ /[1-9]\d*/g;
        push $lines{$request}->@*,
            { task => $task, status => $status, outcome => $outcome, time => $time, reached => $reached, sent => $sent };
    }
    return \%lines;
}

1;
