package Canopy::Steady;

# Clients that go on asking while the test does something else, and requests that wait for their answers.
#
#     my $load = Canopy::Steady->new($t, prefix => '/live');        # one cancel after the other, about 50 a second
#     ...
#     my @answers = $load->stop;                                  # {at, status, outcome, type} of each

use v5.36;

use Carp qw(croak);
use Exporter qw(import);
use JSON::PP;
use Time::HiRes qw(sleep time);

use Canopy::Client;
use Canopy::Process qw(spawn wait_until);

our @EXPORT = qw(begin_cancel);

my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $json = JSON::PP->new;
my $no = 0;

# Sends a cancel without waiting for its answer; $t->response($socket) reads it.
sub begin_cancel ($t, $prefix, @headers) {
    my $socket = $t->connect;
    $socket->syswrite(Canopy::Client::request_text(
        path => "$prefix/tasks/$id/cancel", headers => [['Authorization', 'Bearer ' . $t->client_token], @headers]));
    return $socket;
}

# Arguments of $t->cancel; pause (0.02 seconds) between two of them.
sub new ($class, $t, %args) {
    my $pause = delete $args{pause} // 0.02;
    my $self = bless { name => 'load-' . ++$no, t => $t }, $class;
    my $stop = $t->path("$self->{name}.stop");
    $t->write($self->{name}, '');

    $self->{pid} = spawn(sub {
        while (!-e $stop) {
            my $at = time;
            my $res = $t->cancel($id, %args);
            my $type = (eval { $res->json } // {})->{detail}[0]{type} // '';
            $t->append($self->{name}, $json->encode({ at => $at, status => $res->status, type => $type,
                                                      outcome => $res->header('Canopy-Outcome') }) . "\n");
            sleep $pause;
        }
    });
    return $self;
}

# A line that is just being written comes the next time.
sub answers ($self) { return map { $json->decode($_) } $self->{t}->read($self->{name}) =~ /^(.*)\n/mg }

# True when so many answers have come since.
sub goes_on ($self, $count = 3) {
    my $before = $self->answers;
    return wait_until(sub { $self->answers >= $before + $count });
}

sub stop ($self) {
    $self->{t}->write("$self->{name}.stop", '');
    waitpid $self->{pid}, 0;
    return $self->answers;
}

1;
