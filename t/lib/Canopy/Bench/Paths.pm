package Canopy::Bench::Paths;

# What is measured, and what each contestant must do with it before that is worth a figure.
#
#     for my $path (Canopy::Bench::Paths::all($tokens)) { $path->{title}; $path->{against}; $path->{limits} ... }
#     $path->{requests}->('canopy');                                              # Canopy::Bench::Requests
#     my @faults = Canopy::Bench::Paths::faults($path, $nginx, \my $body);            # empty: it does its job

use v5.36;

use Exporter qw(import);

use Canopy::Bench::Requests;
use Canopy::Client;
use Canopy::Test;

our @EXPORT_OK = qw($credential $rejection);

our $credential = 'bench-upstream-credential-0123456789';

my $accepted = 'a0f4c3d1-8e2b-4f6a-9c7d-5b1e3f8a2d64';
my $rejected = 'b7a4e8c2-1d5f-4b3a-8e9c-6f2d4a7b1c35';
my $invalid  = 'a0f4c3d1-8e2b-4f6a-9c7d-5b1e3f8a2d6';
my $seen = 64;

# As FastAPI and pydantic 2 write it.
our $rejection = '{"detail":[{"type":"uuid_version","loc":["path","task_id"],"msg":"UUID version 4 expected",'
    . qq("input":"$rejected","ctx":{"expected_version":4},"url":"https://errors.pydantic.dev/2.6/v/uuid_version"},)
    . '{"type":"string_too_short","loc":["body","reason","text"],"msg":"String should have at least 3 characters",'
    . '"input":"no","ctx":{"min_length":3},"url":"https://errors.pydantic.dev/2.6/v/string_too_short"}]}';

# A path: name, title; against: who sets the limit; limits: of instructions and of CPU time; status, type: the answer's;
# answers: the upstream's status, where it is asked; without => 1: Lua does not take part; warm: how many requests until the
# module's zone is full.
my @paths = (
    { name => 'seen', title => 'accepted, 204, token seen before, shape only', against => 'proxy', limits => [1.00, 1.05],
      status => 204, answers => 204, token => 'signed', id => $accepted },
    { name => 'verified', title => 'accepted, 204, token seen before, verified', against => 'proxy', limits => [1.00, 1.05],
      status => 204, answers => 204, token => 'signed', id => $accepted, prefix => 'keys', without => 1 },
    { name => 'different', title => 'accepted, 204, every token different, shape only', against => 'proxy',
      limits => [2.00, 1.40], status => 204, answers => 204, token => 'different', id => $accepted, warm => 10_000 },
    { name => 'rejected', title => 'upstream 422, normalized', against => 'proxy', limits => [2.00, 1.30],
      status => 422, answers => 422, type => 'uuid_version', entries => 2, token => 'signed', id => $rejected },
    { name => 'invalid', title => 'invalid UUID, refused', against => 'return', limits => [1.40, 1.15],
      status => 422, type => 'uuid_parsing', token => 'signed', id => $invalid },
    { name => 'missing', title => 'no token, refused', against => 'return', limits => [1.20, 1.10],
      status => 401, type => 'missing', token => 'none', id => $accepted },
    { name => 'cut', title => 'malformed token (cut off), refused', against => 'return', limits => [1.20, 1.10],
      status => 401, type => 'token_malformed', token => 'cut', id => $accepted },
    { name => 'malformed', title => 'malformed token (a claim is no JSON), refused', against => 'return', limits => [1.20, 1.10],
      status => 401, type => 'token_malformed', token => 'malformed', id => $accepted },
);

sub names () { return map { $_->{name} } @paths }

# With requests: a sub that has them for a contestant; more are headers to be dropped.
sub all ($tokens) {
    my @signed = map { $tokens->signed($_) } 1 .. $seen;
    my %texts = (
        signed    => [tokens => \@signed],
        different => [around => [$tokens->around]],
        none      => [],
        cut       => [tokens => [map { substr $_, 0, 500 } @signed]],
        malformed => [tokens => [map { $tokens->broken($_) } @signed]],
    );
    return map {
        my $path = $_;
        my $new = sub ($name, @more) {
            return Canopy::Bench::Requests->new($texts{$path->{token}}->@*, id => $path->{id}, more => \@more,
                                                prefix => $name eq 'canopy' ? $path->{prefix} : undef);
        };
        +{ %$path, requests => $new };
    } @paths;
}

# Those who are measured; the limit comes first.
sub contestants ($path) { return ($path->{against}, 'canopy', $path->{without} ? () : 'lua') }

# A scripted upstream takes the place of the fast one meanwhile. $body is what return has to send, and where what the module
# sends is left.
sub faults ($path, $nginx, $body) {
    my $name = $nginx->name;
    my $json = 'Content-Type: application/json';
    unlink $nginx->path('upstream-check.jsonl');
    $nginx->upstream('check', port => $nginx->port('upstream'), handler => sub {
        ($path->{answers} // 204) == 204 ? reply(204) : reply($path->{answers}, $rejection, $json);
    });
    $nginx->start;

    my (@answers, @texts);
    for my $n (0 .. 2) {
        my $requests = $path->{requests}->($name, 'X-Client: mine', 'Cookie: mine', 'X-Request-ID: check-1');
        push @texts, $requests->text($n);
        push @answers, $nginx->request(raw => $texts[-1] =~ s/\r\n\r\n\z/\r\nConnection: close\r\n\r\n/r);
    }
    $nginx->stop;
    my @sent = $nginx->news('check');
    $nginx->stop_upstream('check');

    $$body = $answers[0]->body if $name eq 'canopy';
    return ((map { _answer_faults($path, $name, $_, $$body) } @answers),
            _sent_faults($path, $name, \@texts, [grep { $_->{event} eq 'request' } @sent]),
            $nginx->faults);
}

sub _answer_faults ($path, $name, $res, $body) {
    return 'status ' . $res->status . ", not $path->{status}: " . $res->raw if $res->status != $path->{status};
    return 'a 204 with a body' if $res->status == 204 && length $res->body;

    if ($name eq 'proxy' || $name eq 'return') {
        my $wanted = $name eq 'return' ? $body : $path->{status} == 204 ? '' : $rejection;
        return $res->body eq $wanted ? () : 'another body: ' . $res->body;
    }

    my $outcome = $path->{status} == 204 ? 'accepted' : $path->{answers} ? 'rejected' : 'denied';
    return 'outcome ' . $res->header('Canopy-Outcome') if $res->header('Canopy-Outcome') ne $outcome;
    return 'no request id' if $res->header('X-Request-ID') ne 'check-1' && $path->{answers};
    return if $path->{status} == 204;

    my @faults = Canopy::Client::schema_faults($res);
    my $detail = (eval { $res->json } // {})->{detail} // [];
    push @faults, 'the first error is ' . ($detail->[0]{type} // 'none') if ($detail->[0]{type} // '') ne $path->{type};
    push @faults, 'there are ' . @$detail . ' errors' if @$detail != ($path->{entries} // 1);
    push @faults, 'no WWW-Authenticate' if $path->{status} == 401 && $res->header('WWW-Authenticate') !~ /^Bearer /;
    return @faults;
}

# The proxy passes on what it gets, apart from Authorization.
sub _sent_faults ($path, $name, $texts, $sent) {
    my $wanted = $path->{answers} ? @$texts : 0;
    return 'the upstream has got ' . @$sent . " requests, not $wanted" if @$sent != $wanted;

    return map {
        my $req = $_;
        my $raw = $req->{raw};
        ($req->{method} eq 'PATCH' ? () : "sent: $req->{method}",
         $req->{target} eq "/tasking/tasks/$path->{id}/cancel" ? () : "sent to $req->{target}",
         $req->header('Authorization') eq "Bearer $credential" ? () : 'another credential was sent',
         $name ne 'proxy' && $raw =~ /mine/ ? "a header of the client's was sent" : (),
         length $req->{body} ? 'a body was sent' : ());
    } @$sent;
}

1;
