package Canopy::Browser;

# Chromium without a window, once per question: what a page is after some seconds of its own clock, which runs as fast as
# it can.

use v5.36;

use Compress::Zlib qw(uncompress);

use Canopy::Process qw(run);

# undef if there is no Chromium.
sub new ($class, $t) {
    my ($program) = grep { -x } map { "$_/chromium" } split /:/, $ENV{PATH};
    return $program && bless { t => $t, program => $program, n => 0 }, $class;
}

# {dom, console, status}: the page as text, what it left on the console, and the browser's exit status. Options: width,
# height, dark, seconds.
sub look ($self, $url, %opt) {
    my ($status, $dom, $errors) = $self->_run('--dump-dom', $url, %opt);
    return { status => $status, dom => $dom, console => join "\n", $errors =~ /^.*CONSOLE.*$/mg };
}

# {width, height, colour} of a picture of the page; colour is that of its first pixel, "#rrggbb". It is left in the test's
# directory as NAME.png.
sub picture ($self, $name, $url, %opt) {
    my $file = $self->{t}->path("$name.png");
    $self->_run("--screenshot=$file", $url, %opt);
    return if !-s $file;

    my $png = $self->{t}->read("$name.png");
    my ($width, $height) = unpack 'x16 N N', $png;
    my $data = '';
    for (my $at = 8; $at < length $png; ) {
        my ($length, $type) = unpack "x$at N a4", $png;
        $data .= substr $png, $at + 8, $length if $type eq 'IDAT';
        $at += 12 + $length;
    }

    # the first pixel is what it is with any of PNG's filters
    return { width => $width, height => $height, colour => sprintf '#%02x%02x%02x', unpack 'x C3', uncompress($data) };
}

sub _run ($self, $what, $url, %opt) {
    my $t = $self->{t};
    my $n = ++$self->{n};
    my @files = map { $t->path("browser-$n.$_") } qw(out err);
    my @options = (
        '--headless', '--disable-gpu', '--hide-scrollbars', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--enable-logging=stderr', '--lang=en',
        '--user-data-dir=' . $t->path("browser-$n"), '--window-size=' . join(',', $opt{width} // 1280, $opt{height} // 800),
        '--blink-settings=preferredColorScheme=' . ($opt{dark} ? 0 : 1),
        '--virtual-time-budget=' . 1000 * ($opt{seconds} // 3),
        $> == 0 ? '--no-sandbox' : (),      # it can't have one as root, and sees nothing but this test's pages
    );
    my ($status) = run('sh', '-c', 'out=$1; err=$2; shift 2; exec "$@" > "$out" 2> "$err"', 'sh', @files,
                       $self->{program}, @options, $what, $url);
    return ($status, map { $t->read("browser-$n.$_") } qw(out err));
}

1;
