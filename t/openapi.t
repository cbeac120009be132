# The gateway's answers are those of docs/openapi.yaml, judged by a program that knows nothing but the document.

use v5.36;

use Test::More;

use JSON::PP;

use Canopy::Client;
use Canopy::Test;
use Canopy::Upstream qw(reply);

my $t = Canopy::Test->new;
$t->secret('token', 'upstream-secret-1');
$t->secret('expired', Canopy::Client::jwt(exp => time - 1, sub => 'upstream'));

# the task's last four digits are the status
my $json = JSON::PP->new->canonical;
my $detail = $json->encode({ detail => [{ loc => ['path', 'id'], msg => 'Task is not cancelable', type => 'value_error', input => 'x' }] });
$t->upstream('canopy', handler => sub ($conn, $req, $n) {
    my ($what) = $req->{target} =~ m{(\w{4})/cancel$};
    return 'close' if $what eq '0000';
    return reply(204) if $what eq '0204';
    return reply($what + 0, $detail, 'Content-Type: application/json', 'Retry-After: 7');
});

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment sandbox { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/token; }
    canopy_environment closed  { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/token; closed_file %%DIR%%/token; }
    canopy_environment expired { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/expired; }
    canopy_environment limited { server http://127.0.0.1:%%PORT_canopy%%; bearer_token_file %%DIR%%/token; rate_limit 1r/h; }
    canopy_environment away    { server http://127.0.0.1:%%PORT_away%%; bearer_token_file %%DIR%%/token; }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        client_max_body_size 10;
        location ~ ^/(?<environment>\w+)/tasks/ { canopy_pass $environment; }
        location /forbidden/ { canopy_pass sandbox; deny all; }
    }
}
EOC
$t->start;

my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c';
my $good = Canopy::Client::jwt(sub => 'x');
my @answers;

sub answered ($name, %args) {
    my ($path) = $args{path} =~ m{^/\w+(/tasks/.*)};
    for my $round (1, 2) {
        my $res = $t->request(%args);
        my %headers = map { /^([^:]+):\s*(.*?)\r?$/ ? ($1 => $2) : () } split /\n/, $res->headers_raw;
        push @answers, { name => "$name, $round", method => $args{method} // 'PATCH', documented => 'PATCH', path => $path,
                         status => $res->status + 0, headers => \%headers, body => $res->body };
    }
}

sub canceled ($name, $environment, $task, %args) {
    my $token = exists $args{token} ? delete $args{token} : $good;
    answered($name, path => "/$environment/tasks/$task/cancel", headers => [defined $token ? ['Authorization', "Bearer $token"] : ()], %args);
}

canceled('accepted', 'sandbox', "${id}0204");
canceled("upstream's $_", 'sandbox', "$id$_") for qw(0200 0202 0400 0401 0403 0404 0408 0409 0410 0418 0422 0429 0301 0500 0501 0502 0503 0504 0520);
canceled('closed without an answer', 'sandbox', "${id}0000");
canceled('not there', 'away', "${id}0204");
canceled('closed', 'closed', "${id}0204");
canceled('no credential', 'expired', "${id}0204");
canceled('limited', 'limited', "${id}0204");
canceled('no such environment', 'nowhere', "${id}0204");
canceled('no token', 'sandbox', "${id}0204", token => undef);
canceled('a token that is none', 'sandbox', "${id}0204", token => 'x');
canceled('an expired token', 'sandbox', "${id}0204", token => Canopy::Client::jwt(exp => 1));
canceled('no UUID', 'sandbox', 'x');
canceled('another method', 'sandbox', "${id}0204", method => 'POST');
canceled('a body that is too long', 'sandbox', "${id}0204", body => 'x' x 100);
canceled('denied by nginx', 'forbidden', "${id}0204");
answered('another environment in mind', path => "/sandbox/tasks/${id}0204/cancel",
         headers => [['Authorization', "Bearer $good"], ['Canopy-Environment', 'live']]);

sub check (@of) {
    $t->write('answers.jsonl', join '', map { $json->encode($_) . "\n" } @of);
    my $document = $ENV{CANOPY_OPENAPI} // 'docs/openapi.yaml';
    my $file = $t->path('answers.jsonl');
    return scalar qx{/usr/bin/python3 t/openapi-check "$document" < "$file"};
}

is(check(@answers), '', scalar(@answers) . ' answers are as the document says, and each status in it was seen');

# It would tell.
my ($accepted, $rejected) = map { my $name = $_; grep { $_->{name} eq $name } @answers } 'accepted, 1', "upstream's 0422, 1";
my @wrong = (
    [qr/a body where there is none/,           { %$accepted, body => '{}' }],
    [qr/Canopy-Outcome: .*expected/,           { %$accepted, headers => { $accepted->{headers}->%*, 'Canopy-Outcome' => 'unknown' } }],
    [qr/Canopy-Outcome is missing/,            { %$rejected, headers => { $rejected->{headers}->%*, 'Canopy-Outcome' => undef } }],
    [qr/x-upstream is not in the document/,    { %$rejected, headers => { $rejected->{headers}->%*, 'X-Upstream' => '1' } }],
    [qr/the body: .*'input' was unexpected/,   { %$rejected, body => $detail }],
    [qr/the body: .*should be non-empty|the body: .*too short/, { %$rejected, body => '{"detail":[]}' }],
    [qr/the body: Expecting/,                  { %$rejected, body => 'x' }],
    [qr/Content-Type 'text\/html'/,            { %$rejected, headers => { $rejected->{headers}->%*, 'Content-Type' => 'text/html' } }],
    [qr/no operation/,                         { %$rejected, path => '/tasks' }],
);
for my $case (@wrong) {
    my ($finding, $answer) = @$case;
    delete $answer->{headers}{$_} for grep { !defined $answer->{headers}{$_} } keys $answer->{headers}->%*;
    like(check(@answers, $answer), $finding, "what is wrong is found: $finding");
}
like(check(grep { $_->{status} != 410 } @answers), qr/^no answer had status 410$/m, '... and what was never seen');

$t->done;
