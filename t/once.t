# One client request is one exchange, whatever nginx does around it, and its
# outcome is not forgotten; an exchange that ends at once ends properly.

use strict;
use warnings;

use Test::More;

use Canopy::Test;

my $t = Canopy::Test->new;
$t->secret('token', 'upstream-secret-1');
$t->upstream('canopy', handler => sub { reply(204) });

$t->upstream('mirror', handler => sub { reply(204) });

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%

    canopy_environment one {
        server http://127.0.0.1:%%PORT_canopy%%/one;
        bearer_token_file %%DIR%%/token;
    }

    canopy_environment two {
        server http://127.0.0.1:%%PORT_canopy%%/two;
        bearer_token_file %%DIR%%/token;
    }

    canopy_environment nowhere {
        server http://unix:%%DIR%%/nowhere:/tasking;
        bearer_token_file %%DIR%%/token;
    }

    server {
        listen 127.0.0.1:%%PORT_http%%;

        location /plain/ { canopy_pass one; post_action /after; }
        location /again/ { canopy_pass one; post_action @two; }
        location /nowhere/ { canopy_pass nowhere; }

        location /redirected/ {
            canopy_pass one;
            error_page 403 @two;
            deny all;
        }

        location /mirrored/ { canopy_pass one; mirror /m; }
        location = /m { internal; proxy_pass http://127.0.0.1:%%PORT_mirror%%; }

        location /page/ {
            canopy_pass one;
            error_page 403 /own;
            deny all;
            if ($arg_a) { set $b 1; }
        }

        location /own { return 200 "own page"; }
        location @two { canopy_pass two; }
        location /after { return 204; }
    }
}
EOC
$t->start;

my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $n = 0;

sub sent { scalar $t->received('canopy') }

# what comes after the answer does not make it forgotten

for (1 .. 2) {
    my $res = $t->cancel($id, prefix => '/plain');
    is($res->status, 204, 'accepted');
    is($res->header('Canopy-Outcome'), 'accepted', '... the word');
    $n++;
}

ok($t->wait_for(sub { 2 == (() = $t->access_log =~ /outcome=accepted env=one task=$id/g) }),
    'a post_action leaves the outcome in the log');

# ... and sends nothing a second time

for (1 .. 2) {
    is($t->cancel($id, prefix => '/again')->header('Canopy-Outcome'), 'accepted',
        'accepted, with the gateway as post_action');
    $n++;
}

ok($t->wait_for(qr/canopy_pass does not serve subrequests/), 'the second way is refused');
is(sent(), $n, 'nothing was sent twice');

# a refusal may lead to another gateway, since nothing was sent

for (1 .. 2) {
    my $res = $t->cancel($id, prefix => '/redirected');
    is($res->status, 204, 'refused by nginx, sent on by its error_page');
    is($res->header('Canopy-Outcome'), 'accepted', '... accepted');
    is($res->header('Canopy-Environment'), 'two', '... by the other environment');
    $n++;
}

is(sent(), $n, 'each was sent once');

# what the operator put around it works: a mirror has the body, an error_page of
# the location itself is obeyed, in its "if" blocks as well

for (1 .. 2) {
    is($t->cancel($id, prefix => '/mirrored', body => 'hello')->status, 204, 'mirrored');
    $n++;
}

ok($t->wait_for(sub { 2 == $t->received('mirror') }), 'the mirror has its requests');
is_deeply([map { $_->{body} } $t->received('mirror')], ['hello', 'hello'], '... with their bodies');

for my $query ('', '?a=1') {
    is($t->request(path => "/page/tasks/$id/cancel$query")->body, 'own page', "an error_page of its own$query");
}

is(sent(), $n, 'nothing else was sent');

# an exchange that ends within the content handler, for a client that is gone

my $worker = join ' ', $t->workers;

for (1 .. 10) {
    my $socket = $t->connect;
    my $token = $t->client_token;
    print $socket "PATCH /nowhere/tasks/$id/cancel HTTP/1.1\r\nHost: x\r\n"
        . "Authorization: Bearer $token\r\n\r\n" for 1 .. 3;
    close $socket;
}

for (1 .. 2) {
    my $res = $t->cancel($id, prefix => '/nowhere');
    is($res->status, 502, 'nobody listens');
    is($res->header('Canopy-Outcome'), 'not-sent', '... not sent');
}

is(join(' ', $t->workers), $worker, 'the worker is the same');
is(sent(), $n, 'nothing was sent');

$t->done;
