# The files an environment names: what is wrong with one is said by nginx -t with file and line, never with what is in it.

use strict;
use warnings;

use POSIX qw(mkfifo);
use Test::More;

use Canopy::Test;

my $t = Canopy::Test->new;
my $dir = $t->dir;
my $root = $> == 0;
my $group = (getpwnam 'www-data')[3];

my $conf = <<'EOC';
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment e { # BLOCK
        server http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file FILE; # HERE
        MORE
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location / { canopy_pass e; }
    }
}
EOC

# (status, messages without the place, places)
sub tested { my ($file, $more) = @_;
    $more //= '';
    my ($status, $output) = $t->test_conf($conf =~ s/FILE/$file/r =~ s/MORE/$more/r);
    unlike($output, qr/planted/, 'the content is not repeated');
    return ($status, $output =~ /(\[(?:warn|emerg|crit)\] .*)$/mg);
}

sub line { my ($mark) = @_;
    my ($before) = $t->read('conf-test.conf') =~ /^(.*)# $mark/s;
    return "$dir/conf-test.conf:" . (1 + ($before =~ tr/\n//));
}

sub refuses { my ($name, $file, $message) = @_;
    my ($status, @messages) = tested($file);
    s/\] \d+#\d+: /] / for @messages;
    my $where = line('HERE');
    is_deeply([$status, @messages], [1, "[emerg] secret file \"$dir/$file\" $message in $where"], "refused: $name");
}

sub accepts { my ($name, $file, @warnings) = @_;
    my ($status, @messages) = tested($file);
    s/\] \d+#\d+: /] / for @messages;
    my $where = line('HERE');
    is_deeply([$status, @messages], [0, map { "[warn] secret file \"$dir/$file\" $_ in $where" } @warnings], "accepted: $name");
}

sub file { my ($content, $mode) = @_;
    unlink $t->path('secret');
    my $path = $t->write('secret', $content, $mode // 0640);
    chown 0, $group, $path if $root;
    return 'secret';
}

$t->plant('planted-secret');

# What a content may be

accepts('one line', file('planted-secret'));
accepts('a line end', file("planted-secret\n"));
accepts('a line end of Windows', file("planted-secret\r\n"));
accepts('white space around', file(" \t\n\r\n planted-secret \t\r\n\n\n \x0b\x0c"));
accepts('one character', file('x'));
accepts('all that is visible', file(join '', map { chr } 0x21 .. 0x7e));
accepts('16k', file('planted-secret' . 'x' x (16384 - 14)));
accepts('16k with the line end', file('planted-secret' . 'x' x (16384 - 15) . "\n"));
accepts('white space up to 16k', file('planted-secret' . "\n" x (16384 - 14)));

# and what not

refuses('empty', file(''), 'is empty');
refuses("only white space: $_->[0]", file($_->[1]), 'is empty')
    for ['a line end', "\n"], ['spaces', '   '], ['of all kinds', " \t\r\n\x0b\x0c"], ['16k', "\n" x 16384];
refuses('two lines', file("planted-secret\nplanted-secret\n"), 'holds more than one line');
refuses('two lines, an empty one between', file("planted-secret\n\nplanted-secret"), 'holds more than one line');
refuses('a name and a value', file("token:\nplanted-secret\n"), 'holds more than one line');
refuses('a space inside', file("Bearer planted-secret\n"), 'holds a space inside');
refuses('a space, then a line', file("Bearer planted-secret\nplanted-secret\n"), 'holds a space inside');
refuses('16k and one', file('planted-secret' . 'x' x (16384 - 13)), 'is longer than 16k');
refuses('16k and a line end', file('planted-secret' . 'x' x (16384 - 14) . "\n"), 'is longer than 16k');
refuses('a megabyte of white space', file(" \n" x 524288), 'is longer than 16k');
refuses(sprintf('the byte %02x', $_), file("planted-secret" . chr($_) . 'planted-secret'), 'holds a control character inside')
    for 0, 1, 7, 8, 9, 0x0b, 0x0c, 0x0d, 0x1b, 0x1f, 0x7f;
refuses('NUL at the end', file("planted-secret\0"), 'holds a control character inside');
refuses('NUL at the begin', file("\0planted-secret"), 'holds a control character inside');
refuses('only NUL', file("\0" x 20), 'holds a control character inside');
refuses("not ASCII: $_->[0]", file($_->[1]), 'holds a character that is not ASCII')
    for ['UTF-8', "planted-secret\xc3\xa4"], ['a byte order mark', "\xef\xbb\xbfplanted-secret\n"], ['UTF-16', "\xff\xfep\0l\0"],
        ['a space that does not break', "planted-secret\xc2\xa0"];

# What a file may be

refuses('missing', 'nowhere', 'cannot be opened (2: No such file or directory)');
refuses('below a file', 'secret/nowhere', 'cannot be opened (20: Not a directory)');
mkdir $t->path('directory');
refuses('a directory', 'directory', 'is not a regular file');
mkfifo($t->path('fifo'), 0640);
refuses('a FIFO: nginx does not wait for a writer', 'fifo', 'is not a regular file');
symlink 'nowhere', $t->path('dangling');
refuses('a link to nothing', 'dangling', 'cannot be opened (2: No such file or directory)');
symlink 'link-b', $t->path('link-a');
symlink 'link-a', $t->path('link-b');
refuses('a link to itself', 'link-a', 'cannot be opened (40: Too many levels of symbolic links)');
file('planted-secret');
symlink 'secret', $t->path('link');
accepts('a link', 'link');
($t->test_conf($conf =~ s/FILE/\/dev\/null/r =~ s/MORE//r))[1] =~ /secret file "\/dev\/null" (.*?) in/;
is($1, 'is not a regular file', 'a device');

# Who may read it

my $public = 'is accessible to all users, its mode should be 0640 or less';
accepts('mode ' . sprintf('%04o', $_), file('planted-secret', $_), $public) for 0644, 0641, 0642, 0777;
accepts('mode ' . sprintf('%04o', $_), file('planted-secret', $_)) for 0640, 0660, 0440;

SKIP: {
    skip 'only root can ask for www-data', 16 unless $root;

    my $denied = sub { my ($name, $file) = @_;
        my ($status, @messages) = tested($file);
        s/\] \d+#\d+: /] / for @messages;
        is_deeply([$status, @messages], [1, "[emerg] secret file \"$dir/$file\" can't be read by the workers' user \"www-data\", "
            . "who reads it again when it changes; give it that user's group and mode 0640, environment \"e\" in "
            . line('BLOCK') . ' (13: Permission denied)'], "refused: $name");
    };

    $denied->('of root alone', file('planted-secret', 0600));
    chown 0, 0, $t->path('secret');
    chmod 0640, $t->path('secret');
    $denied->('of another group', 'secret');
    chown scalar(getpwnam 'www-data'), 0, $t->path('secret');
    chmod 0040, $t->path('secret');
    $denied->('of www-data, who may not', 'secret');
    chmod 0400, $t->path('secret');
    accepts('of www-data alone', 'secret');

    mkdir $t->path('private');
    chmod 0700, $t->path('private');
    chown 0, $group, $t->write('private/secret', 'planted-secret', 0640);
    $denied->('in a directory of root alone', 'private/secret');
    chown 0, $group, $t->path('private');
    chmod 0710, $t->path('private');
    accepts('in a directory that www-data may search', 'private/secret');
    symlink 'private/secret', $t->path('link-c');
    chmod 0700, $t->path('private');
    $denied->('a link into a directory of root alone', 'link-c');

    $t->write('open', 'planted-secret', 0640);
    chown 0, $group, $t->path('open');
    my ($status, @messages) = tested('open', 'closed_file private/closed;');
    s/\] \d+#\d+: /] / for @messages;
    is_deeply([$status, @messages], [1, "[emerg] closed_file \"$dir/private/closed\" can't be looked for by the workers' user "
        . '"www-data"; let that user search its directory, environment "e" in ' . line('BLOCK') . ' (13: Permission denied)'],
        'refused: a closed_file in a directory of root alone');
}

# closed_file may be there or not, be anything, and its directory may be missing.

$t->write('closed', '');
my $good = file('planted-secret');
for my $more ('closed_file closed;', 'closed_file nowhere/closed;', 'closed_file directory;', 'closed_file fifo;', 'closed_file secret/x;') {
    is_deeply([tested($good, $more)], [0], "accepted: $more");
}

# Several environments: each has its own; the faulty one is named.

my $two = $conf =~ s/(server \{)/canopy_environment f { server http:\/\/127.0.0.1:1; bearer_token_file FILE2; }\n    $1/r;
$t->write('bad', "planted-secret\nplanted-secret\n", 0640);
my ($status, $output) = $t->test_conf($two =~ s/FILE2/bad/r =~ s/FILE/secret/r =~ s/MORE//r);
like($output, qr/\[emerg\] (?:\d+#\d+: )?secret file "\Q$dir\E\/bad" holds more than one line in /, 'the bad one of two');

# A reload with a bad file leaves the old configuration at work.

$t->upstream('canopy');
$t->conf($conf =~ s/FILE/secret/r =~ s/MORE//r);
$t->start;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
is($t->cancel($id, prefix => '')->status, 204, 'before');
file('');
$t->expect_alert(qr/secret file ".*\/secret" is empty in/);
$t->signal('HUP');
ok($t->wait_for(qr/\[emerg\] .*secret file ".*\/secret" is empty in .*nginx\.conf:\d+\n/), 'a reload with an empty file is refused');
is($t->cancel($id, prefix => '')->status, 204, 'and the last good secret still serves');
is(($t->received('canopy'))[-1]->header('Authorization'), 'Bearer planted-secret', 'as it was');

file('planted-secret');
unlike([$t->dump]->[1], qr/planted/, 'nginx -T does not show it');

$t->done;
