package Canopy::Bench;

# What all measurements have in common: a fast upstream, client tokens, and the contestants, each an nginx of its own with
# nothing else in it.
#
#     my $bench = Canopy::Bench->new(sub ($progress) { warn $progress });
#     my $nginx = $bench->nginx('proxy', LISTEN => 'ssl');
#     $bench->start_upstream;

use v5.36;

use Canopy::Bench::Nginx;
use Canopy::Bench::Paths qw($credential $rejection);
use Canopy::Bench::Tokens;
use Canopy::Process qw(run);

# What is missing on this machine, as sentences.
sub missing () {
    my %command = (valgrind => 'valgrind', wrk => 'wrk', taskset => 'util-linux');
    my %file = (
        Canopy::Bench::Nginx::modules() . '/ngx_http_lua_module.so' => 'libnginx-mod-http-lua',
        '/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so' => 'lua-cjson',
    );
    my $found = sub ($name) { grep { -x "$_/$name" } split /:/, $ENV{PATH} };
    my @packages = ((map { $command{$_} } grep { !$found->($_) } sort keys %command),
                    (map { $file{$_} } grep { !-e $_ } sort keys %file));
    return map { "$_ is missing, run \"make deps\"" } @packages;
}

# The conditions that a reader has to know.
sub machine () {
    open my $fh, '<', '/proc/cpuinfo' or return '';
    my ($cpu) = map { /^model name\s*:\s*(.*?)\s*$/ } <$fh>;
    my ($nginx) = (run('/usr/sbin/nginx', '-v'))[1] =~ m{(nginx/\S+)};
    my ($valgrind) = (run('valgrind', '--version'))[1] =~ /^(\S+)/m;
    my ($wrk) = (run('wrk', '-v'))[1] =~ m{^wrk (?:debian/)?(\S+)}m;
    return sprintf "%s, %d cores; %s, wrk %s, %s.\n", $cpu // 'unknown CPU', Canopy::Bench::Nginx::cpus(), $nginx, $wrk, $valgrind;
}

# Options: progress, a sub that is told what is being done; locations: more of the upstream's.
sub new ($class, %opt) {
    my $self = bless { progress => sub { }, tokens => Canopy::Bench::Tokens->new, %opt }, $class;

    my $upstream = Canopy::Bench::Nginx->new('upstream', cpu => 1, connections => 8192, BODY => $rejection);
    my $certificate = $upstream->certificate('upstream', san => 'DNS:localhost,IP:127.0.0.1');
    $upstream->set(CHAIN => $certificate->{chain}, KEY => $certificate->{key}, LOCATIONS => $opt{locations} // '');
    @$self{qw(upstream certificate)} = ($upstream, $certificate);
    $self->{port} = { map { $_ => $upstream->port($_) } qw(upstream upstream_tls) };
    return $self;
}

sub tokens ($self) { return $self->{tokens} }

sub progress ($self, $text) { $self->{progress}->($text) }

# Options: tls => 1 (on both sides), connections, and values for its configuration.
sub nginx ($self, $name, %opt) {
    my %tls = delete $opt{tls}
        ? (LISTEN => 'ssl', SCHEME => 'https',
           SETTINGS => "ssl_certificate $self->{certificate}{chain}; ssl_certificate_key $self->{certificate}{key};") : ();
    my $port = { upstream => $tls{LISTEN} ? $self->{port}{upstream_tls} : $self->{port}{upstream} };

    my $nginx = Canopy::Bench::Nginx->new($name, CREDENTIAL => $credential, CA => $self->{certificate}{ca}, PORT => $port,
                                          %tls, %opt);
    $nginx->write('keys.jwks', $self->{tokens}->jwks);
    return $nginx;
}

sub start_upstream ($self) { $self->{upstream}->start }

# What was wrong with the upstream; it ends.
sub stop_upstream ($self) {
    $self->{upstream}->stop;
    return $self->{upstream}->faults;
}

1;
