# The fault machine does what it says, and the judge knows the truth from a lie: shown without nginx.

use v5.36;

use IO::Select;
use IO::Socket::SSL;
use Test::More;

use Canopy::Client;
use Canopy::Faults;
use Canopy::FaultTable;
use Canopy::Test;
use Canopy::Truth qw(allowed lies);

my $t = Canopy::Test->new(module => 0);
my $no = 0;
my %planned;

sub id () { return sprintf '00000000-0000-4000-8000-%012d', ++$no }

# One task for each fault of a request, over TLS and not

my @names = map { ($_, /^(?:close|reset|early|twice|trickle|chunked|answer)/ ? ("$_=422", "$_=503") : ()) } fault_names('request');
my %task = map { my $name = $_; map { ("$_ $name" => id()) } qw(plain tls) } @names;
$planned{$task{$_}} = s/^\S+ //r for keys %task;

my $cert = $t->certificate('canopy');
my %machine = (stall => 5, late => 0.1, plan => sub ($task, @) { $task && $planned{$task} });
machine($t, 'plain', %machine);
machine($t, 'tls', %machine, tls => $cert);

sub text ($id) {
    return Canopy::Client::request_text(path => "/tasks/$id/cancel", keep => 1,
                                        headers => [['Authorization', 'Bearer credential'], ['Content-Length', 0]]);
}

# All that comes within a moment, and how it ends
sub all_of ($socket, $patience) {
    my $ssl = $socket->isa('IO::Socket::SSL') && $socket->_get_ssl_object;
    my $bytes = '';
    $socket->blocking(0);
    while (1) {
        my $pending = $ssl && $socket->pending;
        return ($bytes, 'open') if !$pending && !IO::Select->new($socket)->can_read($patience);
        my $read = sysread $socket, $bytes, 65536, length $bytes;
        next if $read || $ssl && !defined $read && $IO::Socket::SSL::SSL_ERROR == IO::Socket::SSL::SSL_WANT_READ();
        return ($bytes, 'reset') if $!{ECONNRESET};
        return ($bytes, $ssl && !(Net::SSLeay::get_shutdown($ssl) & 2) ? 'cut' : 'closed');
    }
}

for my $case (sort keys %task) {
    my ($way, $name) = split / /, $case;
    my $fault = fault($name);
    my $socket = $t->connect(port => $way, tls => $way eq 'tls');
    $socket->syswrite(text($task{$case}));

    my ($bytes, $end) = all_of($socket, $fault->{then} =~ /^(?:stall|half|keep)$/ ? 0.15 : 5);
    is($bytes, $fault->{bytes}, "$case: what it says");
    close $socket;
    listens($t, $way) if $fault->{deaf};

    my $final = $bytes =~ s/^(?:HTTP\S+ 10[03] .*?\r\n\r\n)*//sr;
    my ($status) = $final =~ m{^HTTP/1\.[01] (\d{3}) .*?\r?\n\r?\n}s;
    is($status, $fault->{status}, "$case: the status") if $fault->{said} =~ /^(?:head|part|nothing)$/;
    is($fault->{said}, $bytes eq '' ? 'nothing' : $status ? 'head' : 'part', "$case: as it says") if $fault->{said} ne 'garbage';

    my %ends = (close => qr/^closed$/, cut => $way eq 'tls' ? qr/^cut$/ : qr/^closed$/, reset => qr/^reset$/,
                stall => qr/^open$/, keep => qr/^open$/, half => qr/^closed|cut$/);
    my $ends = $way eq 'plain' && $fault->{received} ne 'whole' && $fault->{then} =~ /^(?:close|cut)$/ ? qr/^reset$/
             : $ends{$fault->{then}};
    like($end, $ends, "$case: how it ends");
}

my %truth = (truth($t, 'plain')->%*, truth($t, 'tls')->%*);
for my $case (sort keys %task) {
    my ($way, $name) = split / /, $case;
    my $fault = fault($name);
    my $received = $name =~ /^early(?:=|$)/ ? 'whole' : $fault->{received};
    my @copies = ($truth{$task{$case}} // [])->@*;
    is_deeply([map { [@$_{qw(fault machine req_no received said status credential)}] } @copies],
              [[$name, $way, 1, $received, $fault->{said}, $fault->{status}, $received eq 'whole' ? 'credential' : undef]],
              "$case: the truth of it");
}

$t->done;
