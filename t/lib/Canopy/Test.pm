package Canopy::Test;

# The harness of the integration tests: a directory per test, nginx in it, scripted upstreams, the sandbox, and a look
# through all logs at the end. A test reads:
#
#     use Test::More;
#     use Canopy::Test;
#
#     my $t = Canopy::Test->new;
#     $t->secret('sandbox.token', 'upstream-secret-1');
#     $t->upstream('canopy', handler => sub { my ($conn, $req, $n) = @_; return reply(204) });
#     $t->conf(<<'EOC');
#     %%HEAD%%
#     http {
#         %%HTTP%%
#         canopy_environment sandbox {
#             server http://127.0.0.1:%%PORT_canopy%%/tasking;
#             bearer_token_file %%DIR%%/sandbox.token;
#         }
#         server {
#             listen 127.0.0.1:%%PORT_http%%;
#             location /sandbox/ { canopy_pass sandbox; }
#         }
#     }
#     EOC
#     $t->start;
#     is($t->cancel('3f2504e0-4f89-41d3-9a0c-0305e82c3301')->status, 204, 'a cancel');
#     $t->done;

use v5.36;

use Carp qw(croak);
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Spec;
use File::Temp;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Test::More ();
use Time::HiRes ();

use Canopy::Cert;
use Canopy::Client;
use Canopy::Process qw(run spawn end_process alive title children processes wait_until);
use Canopy::Upstream qw(reply);

our @EXPORT = qw(reply);

my $sandbox_app = abs_path(dirname(__FILE__) . '/../../sandbox/app.py');
my $owner = $> == 0 ? getpwnam('www-data') : undef;
my @tests;

require Canopy::Valgrind if $ENV{CANOPY_TEST_VALGRIND};

# ---------------------------------------------------------------------------------------------- directory and files

# Options: workers (1), worker_connections (512), log_level (debug), module => 0 (nginx without the module), http_port
# ('http': the port name requests go to), slowness (1: how much more time nginx needs to start and end).
sub new ($class, %opt) {
    return Canopy::Valgrind->new(%opt) if $class eq __PACKAGE__ && $ENV{CANOPY_TEST_VALGRIND} && ($opt{module} // 1);

    my $t = bless {
        workers => 1, worker_connections => 512, log_level => 'debug', module => 1, http_port => 'http', slowness => 1, %opt,
        pid => $$, dir => File::Temp::tempdir('canopy-test-' . 'X' x 8, TMPDIR => 1),
        ports => {}, secrets => {}, upstreams => {}, sandboxes => {}, expected => [], faults => [],
    }, $class;

    chmod 0755, $t->{dir};
    $t->{cert} = Canopy::Cert->new($t->{dir});
    $t->_guard;
    push @tests, $t;
    return $t;
}

sub dir ($t)         { return $t->{dir} }
sub path ($t, $file) { return "$t->{dir}/$file" }

sub write ($t, $file, $content, $mode = 0644) {
    my $path = $t->path($file);
    open my $fh, '>:raw', $path or croak "$path: $!";
    print $fh $content;
    close $fh or croak "$path: $!";
    chmod $mode, $path;
    return $path;
}

sub read ($t, $file) {
    open my $fh, '<:raw', $t->path($file) or croak $t->path($file) . ": $!";
    local $/;
    return <$fh> // '';
}

# A file with a secret, readable for nginx's workers and replaced in one step. The secret must not show in any log.
sub secret ($t, $file, $secret) {
    $t->plant($secret);
    return $t->secret_file($file, $secret);
}

# The same, where the secret itself or a part of it is planted already.
sub secret_file ($t, $file, $secret) {
    my $new = $t->write("$file.new", "$secret\n", 0640);
    chown 0, (getpwnam 'www-data')[3], $new if defined $owner;
    rename $new, $t->path($file) or croak "$file: $!";
    return $t->path($file);
}

sub plant ($t, $secret) {
    croak 'a planted secret needs 8 bytes or more, or it is found by chance' if length $secret < 8;
    my $no = 1 + keys $t->{secrets}->%*;
    $t->{secrets}{$secret} //= $no;
}

# The same port for the same name. A UDP socket on it keeps other tests away from it as long as this one runs.
sub port ($t, $name) {
    return $t->{ports}{$name} if $t->{ports}{$name};
    for (1 .. 100) {
        my %at = (LocalAddr => '127.0.0.1', LocalPort => 10000 + int rand 20000);
        my $reserved = IO::Socket::INET->new(%at, Proto => 'udp') or next;
        IO::Socket::INET->new(%at, Proto => 'tcp', Listen => 1) or next;
        push $t->{reserved}->@*, $reserved;
        return $t->{ports}{$name} = $at{LocalPort};
    }
    croak 'no free port found';
}

sub certificate ($t, $name, %opt) { return $t->{cert}->certificate($name, %opt) }

# ------------------------------------------------------------------------------------------------------------ nginx

sub conf ($t, $text) { return $t->write('nginx.conf', $t->expand($text, 'error.log')) }

sub expand ($t, $text, $error_log) {
    my $module = $ENV{CANOPY_MODULE} // 'build/ngx_canopy_module.so';
    my @load = $t->{module} && length $module ? 'load_module ' . File::Spec->rel2abs($module) . ';' : ();
    my $canopy = !$t->{module} ? '' : ' outcome=$canopy_outcome env=$canopy_environment task=$canopy_task_id'
        . ' error=$canopy_error us=$upstream_status ua=$upstream_addr urid=$canopy_upstream_request_id';

    my $head = join "\n",
        @load,
        'daemon on;', 'master_process on;', "worker_processes $t->{workers};",
        defined $owner ? 'user www-data;' : (),
        (map { "env $_;" } grep { defined $ENV{$_} } qw(ASAN_OPTIONS UBSAN_OPTIONS)),      # for a new binary
        $error_log eq 'error.log' ? 'pid %%DIR%%/nginx.pid;' : 'pid %%DIR%%/conf-test.pid;',
        "error_log %%DIR%%/$error_log $t->{log_level};",
        "events { worker_connections $t->{worker_connections}; }";

    my $http = join "\n    ",
        (map { "${_}_temp_path %%DIR%%/temp_$_;" } qw(client_body proxy fastcgi uwsgi scgi)),
        "log_format canopy_test '\$request_method \$uri \$status$canopy';",
        'access_log %%DIR%%/access.log canopy_test;';

    $text =~ s/%%HEAD%%/$head/g;
    $text =~ s/%%HTTP%%/$http/g;
    $text =~ s/%%DIR%%/$t->{dir}/g;
    $text =~ s/%%PORT_(\w+)%%/$t->port($1)/ge;
    return $text;
}

sub start ($t) {
    my ($status, $output) = $t->_nginx('nginx.conf', 'error.log');
    croak "nginx does not start:\n$output" if $status != 0;
    $t->{started} = 1;
    wait_until(sub { $t->workers == $t->{workers} }, 30 * $t->{slowness})
        or croak "nginx's workers do not start:\n" . $t->_tail;
}

# Ends nginx as an operator would: what then does not end, or has ended before, is a fault.
sub stop ($t) {
    return unless delete $t->{started};
    my $pid = $t->master;
    kill 'QUIT', $pid if $pid;
    return if $pid && wait_until(sub { !alive($pid) }, 30 * $t->{slowness});

    push $t->{faults}->@*, $pid ? 'nginx did not end in time after SIGQUIT' : 'nginx had ended by itself';
    $t->_kill_nginx;
}

# HUP, then wait until new workers are there and the old ones take no more connections.
sub reload ($t) {
    my %old = map { $_ => 1 } $t->workers;
    $t->signal('HUP');
    wait_until(sub { my @now = $t->workers; @now == $t->{workers} && !grep { $old{$_} } @now }, 30 * $t->{slowness})
        or croak "nginx does not reload:\n" . $t->_tail;
}

sub signal ($t, $signal) { kill $signal, $t->master }

# The pid in nginx.pid, if such a process runs and is the nginx of this test.
sub master ($t, $file = 'nginx.pid') {
    open my $fh, '<', $t->path($file) or return;
    my ($pid) = (<$fh> // '') =~ /^(\d+)/ or return;
    return alive($pid) && index(title($pid), $t->{dir}) >= 0 ? $pid : undef;
}

# The pids of the workers that take connections.
sub workers ($t) {
    my $master = $t->master or return;
    return grep { title($_) =~ /^nginx: worker process *$/ } children($master);
}

# (exit status, output) of nginx -t with another configuration. Its log is conf-test.log.
sub test_conf ($t, $text) {
    $t->write('conf-test.conf', $t->expand($text, 'conf-test.log'));
    return $t->_nginx('conf-test.conf', 'conf-test.log', '-t');
}

# (exit status, output) of nginx -T with the test's configuration.
sub dump ($t) { return $t->_nginx('nginx.conf', 'conf-test.log', '-T') }

# All that nginx prints is kept in a log of its own, so that secrets are looked for there as well.
sub _nginx ($t, $conf, $error_log, @options) {
    my $nginx = $t->{nginx} // $ENV{CANOPY_NGINX} // '/usr/sbin/nginx';
    my ($status, $output) = run($nginx, '-p', $t->{dir}, '-c', $t->path($conf), '-e', $t->path($error_log), @options);
    $t->append('output.log', $output);
    return ($status, $output);
}

# Whatever is left of this test's nginx, workers without a master included: their stderr is a file of this directory.
sub _kill_nginx ($t) {
    my $left = sub {
        grep { $t->_is_nginx($_) && index(readlink("/proc/$_/fd/2") // '', "$t->{dir}/") == 0 } processes();
    };
    for my $signal (qw(TERM KILL)) {
        kill $signal, $left->();
        return if wait_until(sub { !$left->() }, 3);
    }
}

sub _is_nginx ($t, $pid) { return title($pid) =~ /^nginx:/ }

# ------------------------------------------------------------------------------------------------ clients and peers

# See Canopy::Client: method, path, headers, body, raw, port (a name or a number), socket, keep, tls, timeout.
sub request ($t, %args) { return Canopy::Client::request($t->_at(%args)) }

sub connect ($t, %args) { return Canopy::Client::open_socket($t->_at(%args)) || croak "connect: $!" }

# The next answer on an open connection.
sub response ($t, $socket, %args) { return Canopy::Client::read_response($socket, keep => 1, %args) }

# PATCH /sandbox/tasks/$id/cancel with a client token; prefix, token (undef: none) and all of request's arguments.
sub cancel ($t, $id, %args) {
    my $prefix = delete $args{prefix} // '/sandbox';
    my $token = exists $args{token} ? delete $args{token} : $t->client_token;
    my @headers = ((defined $token ? ['Authorization', "Bearer $token"] : ()), (delete $args{headers} // [])->@*);
    return $t->request(path => "$prefix/tasks/$id/cancel", headers => \@headers, %args);
}

sub client_token ($t, %claims) { return Canopy::Client::jwt(%claims) }

# One test: the answer is an error answer as the gateway promises them.
sub ensures_schema ($t, $res, $name = 'an HTTPValidationError with the gateway\'s headers') {
    my @faults = Canopy::Client::schema_faults($res);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::ok(!@faults, $name) || Test::More::diag(join "\n", @faults, $res->raw);
}

sub _at ($t, %args) {
    return %args if $args{socket} || $args{unix};
    my $port = $args{port} // $t->{http_port};
    return (%args, port => $port =~ /^\d+$/ ? $port : $t->port($port));
}

# See Canopy::Upstream: handler, hook, tls, unix. It listens when this returns; again after stop_upstream, if wished.
sub upstream ($t, $name, %opt) {
    $opt{port} //= $t->port($name) unless $opt{unix};
    $t->{upstreams}{$name} = Canopy::Upstream->new(log => $t->path("upstream-$name.jsonl"), %opt);
}

sub stop_upstream ($t, $name) { $t->{upstreams}{$name}->stop }

# What a scripted upstream has received so far; events: its connections and TLS failures as well; news: those since the
# last time news was asked for.
sub received ($t, $name) { return grep { $_->{event} eq 'request' } $t->events($name) }
sub events ($t, $name)   { return $t->{upstreams}{$name}->events }
sub news ($t, $name)     { return $t->{upstreams}{$name}->news }

# The Canopy sandbox. Options: tokens => [...] it accepts, client => [id, secret] that may have some, certificate => what
# certificate() returned.
sub sandbox ($t, $name, %opt) {
    my @command = ('/usr/bin/python3', $sandbox_app, '--port', $t->port($name));
    push @command, '--ssl-certfile', $opt{certificate}{chain}, '--ssl-keyfile', $opt{certificate}{key}
        if $opt{certificate};

    open my $out, '>', $t->path("sandbox-$name.out") or croak "sandbox-$name.out: $!";
    my $pid = spawn(sub {
        $ENV{CANOPY_SANDBOX_TOKENS} = join ',', ($opt{tokens} // [])->@*;
        @ENV{qw(CANOPY_SANDBOX_CLIENT_ID CANOPY_SANDBOX_CLIENT_SECRET)} = ($opt{client} // ['', ''])->@*;
        exec { $command[0] } @command or die "$command[0]: $!\n";
    }, $out);
    $t->{sandboxes}{$name} = { pid => $pid, tls => $opt{certificate} ? 1 : 0 };

    wait_until(sub { $t->read("sandbox-$name.out") =~ /listening/ || !alive($pid) }, 60);
    croak "the sandbox does not start:\n" . $t->read("sandbox-$name.out") if !alive($pid);
}

sub sandbox_requests ($t, $name) { return $t->_sandbox($name, 'GET', '/_sandbox/requests')->json->@* }

sub sandbox_task ($t, $name, $id, $status) {
    my $body = JSON::PP->new->utf8->encode({ id => $id, status => $status });
    my $res = $t->_sandbox($name, 'POST', '/_sandbox/tasks', $body);
    croak 'sandbox_task: ' . $res->raw if $res->status != 200;
}

sub _sandbox ($t, $name, $method, $path, $body = undef) {
    return $t->request(port => $name, tls => $t->{sandboxes}{$name}{tls}, method => $method, path => $path,
                       body => $body, headers => [['Content-Type', 'application/json']]);
}

# -------------------------------------------------------------------------------------------------------- logs, end

sub log ($t)        { return -e $t->path('error.log') ? $t->read('error.log') : '' }
sub access_log ($t) { return -e $t->path('access.log') ? $t->read('access.log') : '' }

# True as soon as the condition (code) holds, or the error log matches (a pattern).
sub wait_for ($t, $condition, $timeout = 30) {
    return wait_until(ref $condition eq 'CODE' ? $condition : sub { $t->log =~ $condition }, $timeout);
}

# An alert, emerg or worker exit that this test brings about.
sub expect_alert ($t, $pattern) { push $t->{expected}->@*, $pattern }

sub append ($t, $file, $text) {
    open my $fh, '>>:raw', $t->path($file) or croak "$file: $!";
    print $fh $text;
}

# What no test may leave behind: a list of sentences, empty if all is well.
sub faults ($t) {
    my @faults = $t->{faults}->@*;
    my $log = $t->log;
    my %killed = map { $_ => 1 } $log =~ /worker process (\d+) exited on signal 9\b/g;

    for my $line (split /\n/, $log) {
        # whoever is killed may have had a lock, which nginx then takes from him
        next if $line =~ /shared memory zone "[^"]*" was locked by (\d+)/ && $killed{$1};
        next unless $line =~ /\[(?:alert|emerg)\]/ || $line =~ /process \d+ exited (?:on signal|with code [1-9])/;
        push @faults, $line unless grep { $line =~ $_ } $t->{expected}->@*;
    }

    for my $path (glob "$t->{dir}/*.log") {
        my $file = substr $path, 1 + length $t->{dir};
        my $text = $t->read($file);
        push @faults, "$file: $1"
            if $text =~ /^(.*(?:(?:Address|Leak|Memory|Thread|UndefinedBehavior)Sanitizer|runtime error:).*)$/m;
        push @faults, map { "planted secret no. $t->{secrets}{$_} is in $file" }
            grep { $text =~ _traces($_) } sort keys $t->{secrets}->%*;
    }

    for my $name (sort keys $t->{upstreams}->%*) {
        push @faults, map { "the handler of upstream $name died: $_->{message}" }
            grep { $_->{event} eq 'died' } $t->events($name);
    }
    return @faults;
}

# A secret as it is and, at any of the three offsets, in base64 or base64url.
sub _traces ($secret) {
    my @traces = ($secret);
    for my $before (0 .. 2) {
        my $code = encode_base64(("\0" x $before) . $secret, '');
        substr $code, 0, (0, 2, 3)[$before], '';
        my $after = (length($secret) + $before) % 3;
        substr $code, -(0, 3, 2)[$after], (0, 3, 2)[$after], '' if $after;
        push @traces, $code, $code =~ tr{+/}{-_}r;
    }
    my $any = join '|', map { quotemeta } @traces;
    return qr/$any/;
}

# Every test's last call.
sub done ($t) {
    $t->stop;
    my @faults = $t->faults;
    Test::More::ok(!@faults, 'no alert, crash or secret in the logs')
        || Test::More::diag(join "\n", splice @faults, 0, 20);
    Test::More::done_testing();
    $t->_clean_up;
}

sub _tail ($t) {
    my @lines = split /\n/, $t->log;
    return join "\n", grep { defined } @lines[-20 .. -1];
}

# nginx is a daemon: a process that only waits for this test's end, however it comes, ends it and removes the directory.
sub _guard ($t) {
    pipe my $reader, my $writer or croak "pipe: $!";
    my $pid = fork() // croak "fork: $!";
    if ($pid) {
        @$t{qw(guard alive)} = ($pid, $writer);
        return;
    }

    $SIG{$_} = 'IGNORE' for qw(INT TERM HUP PIPE);
    close $writer;
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    sysread $reader, my $nothing, 1;
    eval { $t->_kill_nginx; remove_tree($t->{dir}) unless $ENV{CANOPY_TEST_LEAVE} };
    POSIX::_exit(0);
}

sub _clean_up ($t) {
    return if $$ != $t->{pid} || !$t->{guard};
    $_->stop for values $t->{upstreams}->%*;
    end_process($_->{pid}, 'TERM') for values $t->{sandboxes}->%*;
    Test::More::diag("left: $t->{dir}") if $ENV{CANOPY_TEST_LEAVE};
    syswrite $t->{alive}, '.';
    waitpid delete $t->{guard}, 0;
}

END {
    local $?;
    $_->_clean_up for @tests;
}

1;
