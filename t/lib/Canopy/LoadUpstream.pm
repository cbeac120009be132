package Canopy::LoadUpstream;

# A fast upstream for many cancels: an nginx of its own, without the module. It accepts a task whose id begins with a and
# refuses the others with 422.
#
#     my $upstream = Canopy::LoadUpstream->new($t);   # in nginx.conf: %%PORT_plain%%, %%PORT_tls%%, %%DIR%%/upstream-ca.pem
#     $upstream->arrived($count);                     # { '204' => [ids], '422' => [ids] }, in the order they came
#     $upstream->done;                                # one test: there was nothing wrong with it

use v5.36;

use Canopy::Process qw(wait_until);
use Canopy::Test;
use Test::More;

sub new ($class, $gateway) {
    my $t = Canopy::Test->new(module => 0, log_level => 'notice');
    my $certificate = $t->certificate('upstream', san => 'IP:127.0.0.1');

    $gateway->{ports}{$_} = $t->port($_) for qw(plain tls);
    $gateway->write('upstream-ca.pem', $t->read('ca.pem'));

    $t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    log_format arrived '\$status \$request_uri';
    server {
        listen 127.0.0.1:%%PORT_plain%%;
        listen 127.0.0.1:%%PORT_tls%% ssl;
        ssl_certificate     $certificate->{chain};
        ssl_certificate_key $certificate->{key};
        keepalive_requests  20;
        access_log          %%DIR%%/arrived.log arrived;
        location / {
            default_type application/json;
            return 422 '{"detail":[{"loc":["path","task_id"],"msg":"This task is done","type":"value_error"}]}';
        }
        location /tasking/tasks/a { return 204; }
    }
}
EOC
    $t->start;
    return bless { t => $t, certificate => $certificate }, $class;
}

# For more upstreams with the same authority.
sub certificate ($self) { return $self->{certificate} }

# Waits until $count requests are in the log: an answer leaves before its line is written.
sub arrived ($self, $count) {
    my %arrived;
    wait_until(sub {
        my $total = 0;
        %arrived = ();
        open my $fh, '<', $self->{t}->path('arrived.log') or return;
        while (my $line = <$fh>) {
            my ($status, $id) = $line =~ m{^(\d+) /tasking/tasks/([^/]+)/cancel$} or return;
            push $arrived{$status}->@*, $id;
            $total++;
        }
        return $total >= $count;
    });
    return \%arrived;
}

sub done ($self) {
    $self->{t}->stop;
    is_deeply([$self->{t}->faults], [], 'nothing was wrong with the upstream');
}

1;
