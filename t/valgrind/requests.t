# Under valgrind: every way that a request can take, with reloads, files that change and a clean end. No access to memory that
# is not right, no memory that is not freed, in the master and in each worker.

use v5.36;

use Canopy::Client;
use Canopy::DNS;
use Canopy::Test;
use Canopy::Valgrind;
use Test::More;

$ENV{RES_OPTIONS} = 'timeout:1 attempts:1';     # for the names that nginx asks libc for at start, in vain

my $t = Canopy::Valgrind->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $cert = $t->certificate('canopy', san => 'IP:127.0.0.1,DNS:*.canopy.test');
my $wrong = $t->certificate('wrong', san => 'DNS:canopy.example');
my $dns = Canopy::DNS->new($t, 'dns');

$dns->set('one.canopy.test', a => ['127.0.0.1'], ttl => 1);
$dns->set('two.canopy.test', a => ['127.0.0.2', '127.0.0.1'], ttl => 1);
$dns->set('silent.canopy.test', silent => 1);

$t->secret('token', 'valgrind-upstream-credential');
$t->secret('renewed', 'valgrind-credential-0');
$t->secret('expired', Canopy::Client::jwt(exp => 1, sub => 'gateway'));
$t->write('closed', '');
$t->write('page.html', "a page\n");

# name, server, and what else stands in its block
my @environments = (
    ['plain',    'http://127.0.0.1:%%PORT_plain%%/tasking',         'keepalive_timeout 60s;'],
    ['single',   'http://127.0.0.1:%%PORT_plain%%/tasking',         'keepalive 0;'],
    ['brief',    'http://127.0.0.1:%%PORT_plain%%/tasking',         'keepalive 1; keepalive_timeout 100ms;'],
    ['hasty',    'http://127.0.0.1:%%PORT_plain%%/tasking',         'read_timeout 2s;'],
    ['hurried',  'http://127.0.0.1:%%PORT_plain%%/tasking',         'exchange_timeout 500ms;'],
    ['small',    'http://127.0.0.1:%%PORT_plain%%/tasking',         'response_limit 100;'],
    ['unix',     'http://unix:%%DIR%%/canopy.sock:/tasking',        ''],
    ['gone',     'http://127.0.0.1:%%PORT_gone%%',                  ''],
    ['tls',      'https://127.0.0.1:%%PORT_tls%%',                  'keepalive_timeout 60s;'],
    ['mutual',   'https://127.0.0.1:%%PORT_mutual%%',               "ssl_certificate $cert->{cert}; ssl_certificate_key $cert->{key};"],
    ['fresh',    'https://127.0.0.1:%%PORT_tls%%',                  'keepalive 0; ssl_session_reuse off; ssl_protocols TLSv1.2;'],
    ['nobody',   'https://127.0.0.1:%%PORT_wrong%%',                ''],
    ['careless', 'https://127.0.0.1:%%PORT_wrong%%',                'ssl_verify off;'],
    ['not_tls',  'https://127.0.0.1:%%PORT_not_tls%%',              ''],
    ['mute',     'https://127.0.0.1:%%PORT_mute%%',                 'connect_timeout 500ms;'],
    ['one',      'https://one.canopy.test:%%PORT_tls%%',            ''],
    ['two',      'https://two.canopy.test:%%PORT_tls%%',            'keepalive 0;'],
    ['none',     'https://none.canopy.test:%%PORT_tls%%',           ''],
    ['silent',   'https://silent.canopy.test:%%PORT_tls%%',         ''],
    ['closed',   'http://127.0.0.1:%%PORT_plain%%/tasking',         'closed_file %%DIR%%/closed;'],
    ['expired',  'http://127.0.0.1:%%PORT_plain%%/tasking',         'bearer_token_file %%DIR%%/expired;'],
    ['renewed',  'http://127.0.0.1:%%PORT_plain%%/tasking',         'bearer_token_file %%DIR%%/renewed;'],
);

my $blocks = join '', map { my ($name, $server, $rest) = @$_;
    $rest .= ' bearer_token_file %%DIR%%/token;' if $rest !~ /bearer_token_file/;
    $rest .= ' ssl_trusted_certificate %%DIR%%/ca.pem;' if $name ne 'nobody' && $name ne 'careless';
    "canopy_environment $name { server $server; $rest }\n    ";
} @environments;

$t->conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    resolver 127.0.0.1:%%PORT_dns%%;
    resolver_timeout 1s;
    $blocks
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\\w+)/ { canopy_pass \$environment; }
        location ^~ /fixed/ { canopy_pass plain; add_header X-Task \$canopy_task_id always; }
        location ^~ /deny/  { canopy_pass plain; deny all; }
        location ^~ /own/   { canopy_pass plain; deny all; error_page 403 /page.html; }
        location ^~ /body/  { canopy_pass plain; client_max_body_size 10; }
        location = /page.html { root %%DIR%%; }
    }
}
EOC

# What the upstream does stands in X-Request-ID: one of these, or a status. "A-B" is A on a connection's later requests and B
# on its first.
my $json = 'Content-Type: application/json';
my $detail = '{"detail":[{"loc":["path","id"],"msg":"because of %s","type":"done","input":"x"},"text",7]}';
my $head = "HTTP/1.1 422 No\r\n$json\r\n";

my %script = (
    close    => sub ($conn, $req) { 'close' },
    reset    => sub ($conn, $req) { $conn->reset; return },
    stall    => sub ($conn, $req) { $conn->wait_closed(20); 'close' },
    later    => sub ($conn, $req) { $conn->sleep(1); reply(204) },
    half     => sub ($conn, $req) { $conn->print("HTTP/1.1 204 No"); 'close' },
    garbage  => sub ($conn, $req) { $conn->print("what?\r\n\r\n"); 'close' },
    lengths  => sub ($conn, $req) { $conn->print("${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"); 'close' },
    early    => sub ($conn, $req) { "HTTP/1.1 103 Early Hints\r\n\r\n" . reply(204) },
    chunks   => sub ($conn, $req) { "${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{\"det\r\nf;x=y\r\nail\":\"because\"}\r\n0\r\nX: y\r\n\r\n" },
    cut      => sub ($conn, $req) { $conn->print("${head}Content-Length: 100\r\n\r\n{\"detail\""); 'close' },
    slowbody => sub ($conn, $req) { $conn->print("${head}Content-Length: 100\r\n\r\n{"); $conn->wait_closed(20); 'close' },
    until    => sub ($conn, $req) { $conn->print("$head\r\n{\"detail\":\"because\"}"); 'close' },
    big      => sub ($conn, $req) { reply(422, '{"detail":"' . 'x' x 60_000 . '"}', $json) },
    many     => sub ($conn, $req) { reply(422, '{"detail":[' . join(',', ('{"msg":"m"}') x 150) . ']}', $json) },
    deep     => sub ($conn, $req) { reply(422, '[' x 5000, $json) },
    latin    => sub ($conn, $req) { reply(422, "{\"detail\":\"\xe9\"}", $json) },
    text     => sub ($conn, $req) { reply(422, "  because \n", 'Content-Type: text/plain') },
    html     => sub ($conn, $req) { reply(422, '<p>because</p>', 'Content-Type: text/html') },
    twice    => sub ($conn, $req) { reply(422, '{}', $json) . reply(204) },
    bytes    => sub ($conn, $req) { $conn->print($_) && $conn->sleep(0.002) for split //, reply(422, '{"detail":"because"}', $json); return },
    # a first copy is refused, and the second one goes with what the file has by then
    renew    => sub ($conn, $req) {
        my $last = $req->header('Authorization') =~ /(\d+)$/ ? $1 : 0;
        return unlink($t->path('renewing')) ? reply(204) : do {
            $t->write('renewing', '');
            $t->secret('renewed', 'valgrind-credential-' . ($last + 1));
            reply(401);
        };
    },
);

my $handler = sub ($conn, $req, $n) {
    my ($later, $first) = split /-/, $req->header('X-Request-ID');
    my $case = $req->{req_no} == 1 && $first ? $first : $later;
    return $script{$case} ? $script{$case}->($conn, $req)
         : $case eq '204' ? reply(204)
         : reply($case, sprintf($detail, $req->header('Authorization')), $json, 'Retry-After: 7', 'CF-Ray: 8f-FRA');
};
$t->upstream('plain', handler => $handler);
$t->upstream('unix', unix => $t->path('canopy.sock'), handler => $handler);
$t->upstream('tls', tls => $cert, handler => $handler);
$t->upstream('mutual', tls => { %$cert, client_ca => $cert->{ca} }, handler => $handler);
$t->upstream('wrong', tls => $wrong, handler => $handler);
$t->upstream('not_tls', hook => sub ($conn, $no) { $conn->print("HTTP/1.1 400 What\r\n\r\n"); 'close' });
$t->upstream('mute', hook => sub ($conn, $no) { $conn->wait_closed(20); 'close' });
$t->start;

# ----------------------------------------------------------------------------------------------------------- requests

my @authorization = (['Authorization', 'Bearer ' . $t->client_token]);

sub facts ($res) { return $res->status . ' ' . $res->header('Canopy-Outcome') }

sub cancel ($environment, $case, %args) {
    return $t->request(path => "/$environment/tasks/$id/cancel", timeout => 60, %args,
                       headers => [($args{headers} // \@authorization)->@*, ['X-Request-ID', $case]]);
}

# environment, what the upstream does, what comes of it
my @cases = (
    (map { my ($environment) = @$_; [$environment, '204', '204 accepted'] }
        grep { $_->[0] =~ /^(?:plain|single|brief|hasty|small|unix|tls|mutual|fresh|careless|one|two|renewed)$/ } @environments),
    ['plain',   'early',    '204 accepted'],
    (map { ['plain', $_, "$_ rejected"] } 403, 404, 409, 410, 422, 429),
    (map { ['plain', $_, "$_ unknown"] } 500, 502, 503, 504),
    ['plain',   '200',      '204 accepted'],
    ['plain',   '201',      '502 unknown'],
    ['plain',   '302',      '502 unknown'],
    ['plain',   '418',      '502 rejected'],
    ['plain',   '408',      '504 unknown'],
    ['plain',   '520',      '502 unknown'],
    ['plain',   '401',      '502 rejected'],
    (map { ['plain', $_, '422 rejected'] } qw(chunks cut until big many deep latin text html twice bytes)),
    ['small',   '422',      '422 rejected'],
    ['unix',    '422',      '422 rejected'],
    ['plain',   'slowbody', '422 rejected'],
    (map { ['single', $_, '502 unknown'] } qw(close reset half garbage lengths)),
    ['hasty',   'stall',    '504 unknown'],
    ['hurried', 'stall',    '504 unknown'],
    (map { my $environment = $_; ([$environment, '204', '204 accepted'], [$environment, 'close-204', '204 accepted'],
        [$environment, '204', '204 accepted'], [$environment, 'close-422', '422 unknown'],
        [$environment, 'half-204', '502 unknown'], [$environment, 'twice', '422 rejected']) } qw(plain tls)),
    ['renewed', 'renew',    '204 accepted'],
    ['gone',    '204',      '502 not-sent'],
    ['nobody',  '204',      '502 not-sent'],
    ['not_tls', '204',      '502 not-sent'],
    ['mute',    '204',      '504 not-sent'],
    ['none',    '204',      '502 not-sent'],
    ['silent',  '204',      '504 not-sent'],
    ['closed',  '204',      '503 not-sent'],
    ['expired', '204',      '503 not-sent'],
    ['unknown', '204',      '422 denied'],
    ['fixed',   '204',      '204 accepted'],
    ['deny',    '204',      '403 denied'],
    ['plain',   '204',      '204 accepted', body => 'x' x 100_000],
    ['body',    '204',      '413 denied',   body => 'x' x 100],
    ['plain',   '204',      '401 denied',   headers => []],
    (map { ['plain', '204', '401 denied', headers => [['Authorization', $_]]] }
        'Basic x', 'Bearer x', 'Bearer a.b.c', 'Bearer ' . $t->client_token(exp => 1), 'Bearer ' . 'x.' x 2000,
        'Bearer ' . $t->client_token(header => { alg => 'none' })),
    ['plain',   '204',      '421 denied',   headers => [@authorization, ['Canopy-Environment', 'tls']]],
    ['plain',   '204',      '405 denied',   method => 'GET'],
    ['plain',   '204',      '404 denied',   path => '/plain/tasks'],
    ['plain',   '204',      '422 denied',   path => '/plain/tasks/1/cancel'],
    ['plain',   '204',      '422 denied',   path => "/plain/tasks/%7b$id%7d/cancel"],
);

sub all_cases ($round) {
    my @wrong;
    for my $case (@cases) {
        my ($environment, $word, $wanted, %args) = @$case;
        my $facts = facts(cancel($environment, $word, %args));
        push @wrong, "$environment $word: $facts instead of $wanted" if $facts ne $wanted;
    }
    is_deeply(\@wrong, [], scalar(@cases) . " requests ($round)");
    like(cancel('own', '204')->body, qr/a page/, "an error page ($round)");
}

# A client that sends this much and goes away.
sub leaves (@bytes) {
    my $socket = $t->connect;
    syswrite $socket, $_ for @bytes;
    close $socket;
}

sub text ($environment, $case, %args) {
    return Canopy::Client::request_text(path => "/$environment/tasks/$id/cancel", keep => 1, %args,
                                        headers => [@authorization, ['X-Request-ID', $case], ($args{headers} // [])->@*]);
}

sub the_rude ($round) {
    my $before = $t->received('plain');
    leaves(substr text('plain', '204'), 0, 100);
    leaves(text('plain', '204', headers => [['Content-Length', 10]]), 'x');
    leaves(text('plain', 'later'));
    leaves(text('single', 'later'));
    leaves(text('plain', '204', headers => [['Transfer-Encoding', 'chunked']]), "zz\r\n");
    ok($t->wait_for(sub { $t->received('plain') >= $before + 2 }, 60), "clients that leave ($round)");
}

# Exchanges at every stage, which a worker that is told to leave has to finish.
my @open;
sub under_way () { return scalar map { $t->events($_) } qw(plain tls mute) }
sub open_exchanges () {
    my $before = under_way();
    @open = map { my $socket = $t->connect; syswrite $socket, text(@$_); $socket }
        ['plain', 'later'], ['tls', 'later'], ['single', 'slowbody'], ['hasty', 'stall'], ['silent', '204'], ['mute', '204'];
    $t->wait_for(sub { under_way() >= $before + 5 }, 60) or die "not under way\n";
}

sub are_finished ($round) {
    is_deeply([map { facts($t->response($_, timeout => 60)) } @open],
              ['204 accepted', '204 accepted', '422 rejected', '504 unknown', '504 not-sent', '504 not-sent'],
              "what was on its way is finished ($round)");
    close $_ for splice @open;
}

# What a file has is no credential, and then another one.
sub files_change ($round) {
    $t->write('token', "two\nlines\n");
    select undef, undef, undef, 1.1;
    is(facts(cancel('plain', '204')), '204 accepted', "a bad content of the token's file ($round)");
    $t->secret('token', "valgrind-upstream-credential-$round");
    select undef, undef, undef, 1.1;
    is(facts(cancel($_, '204')), '204 accepted', "a new credential, $_ ($round)") for qw(plain tls);
}

for my $round (1, 2) {
    $t->plant("valgrind-credential-$_") for $round * 2 - 1, $round * 2;
    all_cases($round);
    the_rude($round);
    files_change($round);
    open_exchanges();
    $t->reload;
    are_finished($round);
}

# Reloads one after the other, some before the last one is done, and the end.
$t->reload for 1 .. 2;
$t->signal('HUP');
select undef, undef, undef, 0.5;
$t->reload;
is(facts(cancel($_, '204')), '204 accepted', "$_ after some reloads") for qw(plain tls one);
open_exchanges();
$t->signal('QUIT');
are_finished('the end');

$t->done;
note($t->processes . ' processes');
