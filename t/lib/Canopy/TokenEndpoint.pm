package Canopy::TokenEndpoint;

# A scripted token endpoint: it counts exchanges, looks at each of their requests, and answers as it is told to. Every
# token it issues is another one, and none may show in a log.
#
#     my $endpoint = Canopy::TokenEndpoint->new($t, 'auth', clients => { 'client-1' => 'client-secret-1' });
#     # in nginx.conf: oauth2_token_url http://127.0.0.1:%%PORT_auth%%/oauth/token;
#     $endpoint->answers({ status => 503 }, { expires_in => 4 }, {});     # the next exchanges; the last one stays
#     $endpoint->answers_at('/other', { end => 'hang' });                 # at another path
#     $endpoint->count;                                                   # exchanges so far, of all paths
#     $endpoint->is_sound;                                                # one test: each request was as it must be

use v5.36;

use Carp qw(croak);
use JSON::PP;
use Test::More ();
use Time::HiRes ();

use Canopy::Client;
use Canopy::Process qw(wait_until);
use Canopy::Upstream qw(reply);

my $json = JSON::PP->new->ascii->canonical;
my $unauthorized = { status => 401, body => '{"error":"access_denied","error_description":"Unauthorized"}' };
my $exact = JSON::PP->new->utf8->allow_nonref;

# Options: clients ({id => secret}, whoever else asks gets 401), audience (any), and Canopy::Upstream's tls.
sub new ($class, $t, $name, %opt) {
    my $mark = sprintf 'issued-token-%s-%08x', $name, rand 2**32;
    my $self = bless { t => $t, name => $name, mark => $mark, %opt }, $class;
    $t->plant($self->{mark});
    $t->plant($_) for values(($self->{clients} // {})->%*);
    $self->answers({});
    $self->start;
    return $self;
}

sub start ($self) {
    $self->{t}->upstream($self->{name}, tls => $self->{tls},
                         handler => sub ($conn, $req, $n) { $self->_answer($conn, $req) });
}

sub stop ($self) { $self->{t}->stop_upstream($self->{name}) }

# How the next exchanges are answered, one after the other; the last one stays. A step, all of it optional:
#
#     delay       seconds before the answer
#     expires_in  (86400) what JSON can hold
#     exp         the token is a JWT with this "exp", or with none (undef)
#     body        instead of the usual object; %TOKEN% is a new token, as it is in raw
#     status      (200), headers ([...]), chunked (the body comes in chunks of so many bytes)
#     raw         all bytes of the answer, instead of the above
#     cut         so many bytes of it are sent
#     end         then "hang", "reset" or "close"
#
# A client that is not known is refused in any case.
sub answers ($self, @steps) { $self->answers_at('', @steps) }

sub answers_at ($self, $path, @steps) {
    my $script = $self->_script($path);
    my $version = ++$self->{versions}{$path};
    my $file = $self->{t}->write("$script.new", $json->encode({ version => $version, steps => \@steps }));
    rename $file, $self->{t}->path($script) or croak "$file: $!";
}

# The exchanges' requests so far, at a path or at all: see Canopy::Upstream; besides ->{asked}, the decoded body.
sub exchanges ($self, $path = undef) {
    return map { $_->{asked} = eval { $exact->decode($_->{body}) }; $_ }
        grep { !defined $path || $_->{target} eq $path } $self->{t}->received($self->{name});
}

sub count ($self, $path = undef) { return scalar $self->exchanges($path) }

# How often somebody has connected.
sub connections ($self) { return scalar grep { $_->{event} eq 'accept' } $self->{t}->events($self->{name}) }

# The numbers of the tokens that an upstream has received, "1" or "1 1 2"; "other" for what was not issued here.
sub tokens_at ($self, $upstream) {
    return join ' ', map { $self->number_of($_->header('Authorization')) } $self->{t}->received($upstream);
}

sub number_of ($self, $authorization) { return $authorization =~ /^Bearer \Q$self->{mark}\E\.(\d+)\z/ ? $1 : 'other' }

# One test: there were so many exchanges. It waits for them, and then for one that must not come.
sub made ($self, $wanted, $name, $path = undef, $quiet = 0.3) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    wait_until(sub { $self->count($path) >= $wanted });
    Time::HiRes::sleep($quiet);
    return Test::More::is($self->count($path), $wanted, $name);
}

# One test: every request so far is an exchange as the endpoint knows it, and has nothing else in it.
sub is_sound ($self) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @faults = map { $self->request_faults($_) } $self->exchanges;
    return Test::More::is_deeply(\@faults, [], "each request to $self->{name} is an exchange, byte for byte");
}

sub request_faults ($self, $req) {
    my $asked = $req->{asked};
    return "not an object: $req->{raw}" if ref $asked ne 'HASH';

    my ($head, $body) = split /\r\n\r\n/, $req->{raw}, 2;
    my ($first, @headers) = split /\r\n/, $head, -1;
    my $host = $self->{host} // '127.0.0.1:' . $self->{t}->port($self->{name});
    my @wanted = ('Accept: application/json', 'Connection: close', 'Content-Length: ' . length $body,
                  'Content-Type: application/json', "Host: $host", 'User-Agent: ngx_canopy/' . version());

    my ($id, $secret, $audience) = map { $exact->encode($_ // '') } @$asked{qw(client_id client_secret audience)};
    my $text = qq({"client_id":$id,"client_secret":$secret,"audience":$audience,"grant_type":"client_credentials"});

    my @faults;
    push @faults, "the request line is $first" if $first ne "POST $req->{target} HTTP/1.1";
    push @faults, "the headers are @headers" if "@{[sort @headers]}" ne "@{[sort @wanted]}";
    push @faults, "the body is $body" if $body ne $text;
    push @faults, "the audience is $audience" if defined $self->{audience} && $asked->{audience} ne $self->{audience};
    return @faults;
}

# The module's own, from its source.
sub version () {
    open my $fh, '<', 'src/nginx/ngx_canopy.h' or croak "ngx_canopy.h: $!";
    my ($version) = map { /NGX_CANOPY_VERSION +"(.*)"/ } <$fh>;
    return $version;
}

# ------------------------------------------------------------------------------------- in the connection's own process

sub _answer ($self, $conn, $req) {
    my $step = $self->_next_step($req->{target});
    $conn->sleep($step->{delay}) if $step->{delay};

    $step = $unauthorized if !$self->_knows($req);
    my $bytes = $self->_bytes($step, $req->{n});
    $bytes = substr $bytes, 0, $step->{cut} if defined $step->{cut};
    $conn->print($bytes);
    my $end = $step->{end} // 'close';
    $conn->wait_closed(30) if $end eq 'hang';
    $conn->reset if $end eq 'reset';
    return 'close';
}

sub _knows ($self, $req) {
    my $asked = eval { $exact->decode($req->{body}) };
    return 0 if ref $asked ne 'HASH';
    return !$self->{clients} || ($self->{clients}{$asked->{client_id}} // '') eq $asked->{client_secret};
}

sub _next_step ($self, $path) {
    my $t = $self->{t};
    my ($script) = grep { -e $t->path($_) } map { $self->_script($_) } $path, '';
    my $told = $json->decode($t->read($script));
    my $count = "$script.$told->{version}";
    $t->append($count, '.');
    my $no = -s $t->path($count);
    return $told->{steps}[$no > $told->{steps}->@* ? -1 : $no - 1];
}

sub _script ($self, $path) { return "$self->{name}.script" . ($path =~ s/\W/_/gr) }

sub _bytes ($self, $step, $n) {
    my $token = "$self->{mark}.$n";
    $token = Canopy::Client::jwt(jti => $token, exp => $step->{exp}) if exists $step->{exp};
    return $step->{raw} =~ s/%TOKEN%/$token/gr if defined $step->{raw};

    my $expires_in = exists $step->{expires_in} ? $step->{expires_in} : 86400;
    my $body = $step->{body}
        // $json->encode({ access_token => '%TOKEN%', token_type => 'Bearer', expires_in => $expires_in });
    $body =~ s/%TOKEN%/$token/g;
    my @headers = ($step->{headers} // ['Content-Type: application/json'])->@*;
    if (my $size = $step->{chunked}) {
        push @headers, 'Transfer-Encoding: chunked';
        $body = join '', map { sprintf "%x\r\n%s\r\n", length, $_ } $body =~ /(.{1,$size})/gs, '';
    }
    return reply($step->{status} // 200, $body, @headers);
}

1;
