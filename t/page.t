# The page for a browser, in Chromium: it says what the JSON says, does nothing with texts but show them, fits a phone,
# and never shows what is old as if it were new.

use v5.36;

use Digest::SHA qw(sha256_base64);
use Encode qw(encode);
use JSON::PP;
use Test::More;

use Canopy::Browser;
use Canopy::Test;

# ---------------------------------------------------------------------------------------------------------- the page

my $program = 'build/unit/page';
{
    local $ENV{MAKEFLAGS};
    system('make', '-s', $program) == 0 or die "$program can't be built\n";
}
my ($page, $policy) = map { scalar `$program $_` } qw(page policy);

sub contrast ($one, $other) {
    my ($dark, $bright) = sort { $a <=> $b } map {
        my @linear = map { my $c = hex($_) / 255; $c <= 0.04045 ? $c / 12.92 : (($c + 0.055) / 1.055) ** 2.4 }
            map { length == 1 ? $_ x 2 : $_ } /^#(..?)(..?)(..?)$/;
        0.2126 * $linear[0] + 0.7152 * $linear[1] + 0.0722 * $linear[2];
    } $one, $other;
    return ($bright + 0.05) / ($dark + 0.05);
}

my ($light, $dark) = map { +{ /--([a-z-]+): (#[0-9a-f]+);/g } } $page =~ /:root \{(.*?)\}/sg;

for (['light', $light], ['dark', $dark]) {
    my ($scheme, $colours) = @$_;
    my @pale = grep { my $text = $_; grep { contrast($colours->{$text}, $colours->{$_}) < 4.5 } qw(page card) }
        qw(ink soft good warn bad);
    is("@pale", '', "$scheme: texts stand out (4.5:1)");
    @pale = grep { contrast($colours->{$_}, $colours->{card}) < 3 } qw(accepted rejected denied not-sent unknown);
    is("@pale", '', "$scheme: so do bars (3:1)");
}

# ---------------------------------------------------------------------------------------------- what there is to see

my $now = 1795608000.123;
my @outcomes = qw(accepted rejected denied not-sent unknown);
my @bounds = qw(0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 60 +Inf);
my ($true, $false, $null) = (JSON::PP::true, JSON::PP::false, JSON::PP::null);

sub outcomes (%some) { return { map { $_ => $some{$_} // 0 } @outcomes } }

# Minutes as minute => count, 59 is the running one.
sub history (%some) {
    my %minutes = map { my $o = $_; $o => [map { $some{$o}{$_} // 0 } 0 .. 59] } @outcomes;
    return { step => 60, end => 1795608060, %minutes };
}

sub latency ($sum, @buckets) {
    my %latency = (sum => $sum, count => 0);
    $latency{buckets}{$bounds[$_]} = $latency{count} += $buckets[$_] // 0 for 0 .. $#bounds;
    return \%latency;
}

sub file_credential (%some) {
    return { kind => 'bearer_token_file', usable => $true, refused => $false, age => 3600, expires_in => $null,
             sha256 => '00112233', last_error => $null, %some };
}

sub oauth2_credential (%some) {
    return file_credential(kind => 'oauth2', age => 1234.5, expires_in => 85000.2, sha256 => '1a2b3c4d', exchanges => 1,
                           budget => 20, %some);
}

sub environment (%some) {
    return { ready => $true, closed => $false, outcomes => outcomes(), answers => {}, repeats => 0, latency => latency(0),
             history => history(), credential => file_credential(), %some };
}

sub report (%environments) {
    return { version => '0.1.0', now => $now, since => 1795600000, switch => $null, environments => \%environments,
             unassigned => { outcomes => outcomes(), answers => {} } };
}

my $hostile = q{<script>document.title = "owned"</script><img src=x onerror="alert('1')">&amp;"'`} . "\x{202e}\n"
    . 'x' x 200;

my $full = report(
    aaa => environment(
        ready => $false, closed => $true, latency => latency(180, (0) x 13, 2),
        credential => file_credential(expires_in => 5000, age => 90000),
    ),
    live => environment(
        outcomes => outcomes(accepted => 51234, rejected => 803, unknown => 3), answers => { 204 => 51234, other => 2 },
        repeats => 4, latency => latency(12, 0, 0, 0, 50, 40, 0, 0, 9, 0, 0, 0, 0, 0, 1),
        history => history(accepted => { 59 => 2, 7 => 4 }, unknown => { 7 => 1 }),
        credential => oauth2_credential(last_error => { at => $now - 1000.1, ago => 1000.1, message => $hostile }),
    ),
);
$full->{switch} = 'aaa';
$full->{unassigned} = { outcomes => outcomes(denied => 12), answers => { 404 => 10, 405 => 2 } };

# What is said to the n-th question of each page: a report, or an answer's bytes.
my $ready = report(live => environment());
my %said = (
    full   => sub ($n) { $full },
    ready  => sub ($n) { $ready },
    none   => sub ($n) { report() },
    states => sub ($n) { report(
        __proto__ => environment(credential => oauth2_credential(budget => 10, exchanges => 8)),
        empty     => environment(ready => $false, credential => oauth2_credential(
            usable => $false, age => $null, expires_in => $null, sha256 => $null, exchanges => 20)),
        expired   => environment(ready => $false, credential => file_credential(
            usable => $false, age => 90000, expires_in => -125)),
        refused   => environment(credential => file_credential(refused => $true)),
        hour      => environment(credential => oauth2_credential(age => 600, expires_in => 3000)),
    ) },
    news   => sub ($n) { report(
        live => environment(outcomes => outcomes(accepted => 70 + $n)), $n == 1 ? (old => environment()) : (),
    ) },
    silent => sub ($n) { $n == 1 ? $ready : 'close' },
    status => sub ($n) { $n == 1 ? $ready : reply(503, '{}', 'Content-Type: application/json') },
    login  => sub ($n) { $n == 1 ? $ready : reply(200, '<p>Who are you?', 'Content-Type: text/html') },
    part   => sub ($n) { $n == 1 ? $ready : {} },
    never  => sub ($n) { 'close' },
);

# ---------------------------------------------------------------------------------------------------- who looks at it

my $t = Canopy::Test->new(module => 0);
my $browser = Canopy::Browser->new($t);

# A script of the test's own in front of the page's, which the policy then allows as well.
my %probes = (
    hidden => 'let hidden = false; Object.defineProperty(document, "hidden", { get: () => hidden });'
        . 'setTimeout(() => { hidden = true; document.dispatchEvent(new Event("visibilitychange")) }, 7500);',
    hangs  => 'const real = fetch; let n = 0; fetch = (url, o) => n++ === 0 ? real(url, o) : new Promise((done, failed) =>'
        . 'o.signal.addEventListener("abort", () => failed(o.signal.reason)));',
    markup => 'addEventListener("load", () => { document.body.innerHTML = "<p>markup</p>" });',
);

# No window is narrower than 500 pixels, so the page gets a width of its own: what goes beyond it?
$probes{"wide$_"} = "document.documentElement.style.width = '${_}px'; setInterval(() => {"
    . 'document.body.dataset.wide = [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right >'
    . "$_ || e.clientWidth && e.scrollWidth > e.clientWidth).map((e) => e.tagName + e.className) });" for 320, 360;

$t->upstream('page', handler => sub ($conn, $req, $) {
    my ($name, $probe) = $req->{target} =~ m{^/canopy/(\w+)(?:\?(\w+))?$} or return reply(404);
    my @always = ('Cache-Control: no-store', 'Vary: Accept');

    if ($req->header('Accept') eq 'application/json') {
        $t->append("asked-$name", '.');
        my $answer = $said{$name}->(-s $t->path("asked-$name"));
        return ref $answer ? reply(200, encode_json($answer), @always, 'Content-Type: application/json') : $answer;
    }

    my ($body, $allowed) = ($page, $policy);
    if (my $script = $probes{$probe // ''}) {
        $body =~ s{(?=<script>)}{<script>$script</script>};
        $allowed =~ s{(?<=script-src )}{"'sha256-" . sha256_base64($script) . "=' "}e;
    }
    return reply(200, $body, @always, 'Content-Type: text/html; charset=utf-8', "Content-Security-Policy: $allowed");
});

local $ENV{TZ} = 'UTC';

sub url ($name) { return 'http://127.0.0.1:' . $t->port('page') . "/canopy/$name" }
sub look ($name, %opt) { return $browser->look(url($name), %opt)->{dom} }

# What is to be read in a piece of the page.
sub text ($html) {
    $html =~ s{<(\w+)\b[^>]*\bhidden=""[^>]*>.*?</\1>}{}sg;
    $html =~ s{<[^>]*>}{ }g;
    $html =~ s{&(lt|gt|amp);}{ { lt => '<', gt => '>', amp => '&' }->{$1} }ge;
    return $html =~ s{\s+}{ }gr =~ s{^ | $}{}gr;
}

sub card ($dom, $name) {
    return $dom =~ m{<article\b[^>]*\bid="environment-$name"[^>]*>(.*?)</article>}s ? $1 : '';
}
sub cards ($dom)   { return join ' ', $dom =~ m{<article\b[^>]*\bid="environment-(\w+)"}g }
sub summary ($dom) { return text($dom =~ m{<section id="sum"[^>]*>(.*?)</section>}s ? $1 : '') }
sub title ($dom)   { return $dom =~ m{<title>(.*?)</title>}s ? $1 : '' }
sub stale ($dom)   { return $dom =~ m{<html\b[^>]*\bclass="stale"} ? 1 : 0 }

SKIP: {
    skip 'chromium is not installed', 1 unless $browser;

    # ------------------------------------------------------------------------------------------------ it says it all

    my $seen = $browser->look(url('full'), width => 360, height => 2000);
    my $dom = $seen->{dom};

    is($seen->{status}, 0, 'the browser ends well');
    is($seen->{console}, '', 'nothing on its console: the policy allows what the page does');
    is(cards($dom), 'live aaa', 'live stands first');

    is(text(card($dom, 'live')), join(' ',
        'live ready Credential 23 h 36 min left until Thu 11:36',
        'OAuth 2.0 exchange, 20 min old, SHA-256 1a2b3c4d... 1 of 20 exchanges in 24 h',
        'Last error, 16 min ago:', encode('UTF-8', $hostile =~ s/\s+/ /gr),
        'Outcomes, minute by minute an hour ago at most 5 a minute now outcome last hour total',
        'accepted 6 51,234 rejected 0 803 denied 0 0 not-sent 0 0 unknown 1 3',
        '3 unknown: sent, but no usable answer came. Look these tasks up: they may be cancelled, or not.',
        'Answers 204: 51,234, other: 2. Sent again: 4.',
        'Latency of Canopy, 100 sent p50 50 ms p95 778 ms p99 1.0 s mean 120 ms 5 ms over 60 s'), 'all of live');
    is(text(card($dom, 'aaa')), join(' ',
        'aaa closed the switch is here Credential 1 h 23 min left ends soon, Wed 13:23',
        'from a file, 25 h 0 min old, SHA-256 00112233...',
        'Outcomes, minute by minute an hour ago no requests now outcome last hour total',
        'accepted 0 0 rejected 0 0 denied 0 0 not-sent 0 0 unknown 0 0 Answers none. Sent again: 0.',
        'Latency of Canopy, 2 sent p50 over 60 s p95 over 60 s p99 over 60 s mean 90 s 5 ms over 60 s'), 'all of the other');
    is(summary($dom), '3 things to look at live: unknown outcomes in the last hour, look these tasks up '
        . 'aaa: its credential ends soon aaa: closed', 'what an operator has to look at, the worst first');
    is(title($dom), '3 things to look at - canopy', 'the title says so, too');
    like($dom, qr{<nav [^>]*>.*>live <span class="state good">ready</.*>aaa <span class="state closed">closed</.*</nav>},
         'a line of all environments with their states');
    like($dom, qr/>switch: aaa, as of \d\d:\d\d:\d\d</, 'the switch, and when all this was so');
    like($dom, qr/Without an environment: denied: 12 \(answers 404: 10, 405: 2\)/, 'requests without an environment');
    like($dom, qr/version 0\.1\.0, counting since Wed,? 09:46, for 2 h 13 min/, 'the version, and since when');

    my $card = card($dom, 'live');
    like($card, qr{<path class="accepted" d="M7 20\.00h\.8v80\.00h-\.8zM59 60\.00h\.8v40\.00h-\.8z">}, 'bars of an outcome');
    like($card, qr{<path class="unknown" d="M7 0\.00h\.8v20\.00h-\.8z">}, 'another one stands on top');
    like($card, qr{aria-label="In the last hour: accepted: 6, unknown: 1"}, 'the chart in words');
    like($card, qr{<path d="M3 0\.00h\.9V100h-\.9zM4 20\.00h\.9V100h-\.9zM7 82\.00h\.9V100h-\.9zM13 98\.00h}, 'latencies');
    like($card, qr{class="bar life"[^>]*><rect[^>]* class="good" width="98\.5}, 'a long life');
    like($card, qr{class="bar budget"[^>]*><rect[^>]* class="" width="5%"}, 'a small part of the budget');
    like(card($dom, 'aaa'), qr{class="bar life"[^>]*><rect[^>]* class="warn" width="5\.2}, 'a short life');

    unlike($dom, qr/<img/, 'a text is a text');
    is(() = $dom =~ /<script/g, 1, 'a text is no script');

    my @asked = map { join ' ', $_->{method}, $_->{target}, $_->header('Accept') =~ /^([^,]*)/ } $t->received('page');
    is("@asked[0, 1]", 'GET /canopy/full text/html GET /canopy/full application/json', 'the page, then the same as JSON');
    is((grep { $_ ne $asked[1] } @asked[1 .. $#asked]), 0, 'and nothing else') || diag("@asked");

    # ------------------------------------------------------------------------------------------- states of all kinds

    $dom = look('states');
    my %expected = (
        __proto__ => 'ready Credential 23 h 36 min left until Thu 11:36 OAuth 2.0 exchange, 20 min old, SHA-256 1a2b3c4d... '
            . '8 of 10 exchanges in 24 h few left',
        empty   => 'no credential Credential none OAuth 2.0 exchange 20 of 20 exchanges in 24 h none left',
        expired => 'no credential Credential expired 2 min ago since Wed 11:57 from a file, 25 h 0 min old, '
            . 'SHA-256 00112233...',
        refused => 'credential refused Credential no end known from a file, 1 h 0 min old, SHA-256 00112233..., '
            . 'refused by Canopy',
        hour    => 'ready Credential 50 min left until Wed 12:50 OAuth 2.0 exchange, 10 min old, SHA-256 1a2b3c4d... '
            . '1 of 20 exchanges in 24 h',
    );
    is(text(card($dom, $_)) =~ s/ Outcomes, .*//r, "$_ $expected{$_}", $_) for sort keys %expected;
    for my $todo ('empty: has no usable credential', 'empty: no exchanges left', 'expired: has no usable credential',
                  'refused: Canopy refuses its credential', '__proto__: few exchanges left') {
        like(summary($dom), qr/\Q$todo/, $todo);
    }
    like(summary($dom), qr/^5 things/, 'a young token of an hour is none of them');

    $dom = look('ready');
    is(summary($dom), 'Every environment is ready', 'all is well');
    is(title($dom), 'canopy', 'and the title is quiet');
    unlike($dom, qr/>switch: |class="switch">/, 'no word of a switch that is not there');

    is(summary(look('none')), 'No environment is configured', 'none');

    # ------------------------------------------------------------------------------------------------- old and new

    $dom = look('news', seconds => 8);
    like(text(card($dom, 'live')), qr/accepted 0 72 /, 'what is new is shown');
    is(cards($dom), 'live', 'what is gone is not');
    is(stale($dom), 0, 'it is fresh');

    my %why = (silent => 'Failed to fetch', status => 'it answered with status 503', login => 'Unexpected token \'<\'',
               part => 'Cannot ');
    for my $name (sort keys %why) {
        $dom = look($name, seconds => 8);
        like(summary($dom), qr/^No answer since \d\d:\d\d:\d\d \Q$why{$name}\E.* shown below: what was so then$/,
             "$name: no answer, since when, why");
        is(stale($dom), 1, "$name: what is there is marked as old");
        like(title($dom), qr/^No answer since .* - canopy$/, "$name: the title says so");
    }
    like(summary(look('never')), qr/^No answer since \d\d:\d\d:\d\d Failed to fetch$/, 'no answer at all');

    $dom = look('ready?hangs', seconds => 18);
    like(summary($dom), qr/^No answer since \S+ nothing came within 10 s/, 'an answer that does not come');

    $dom = look('ready?hidden', seconds => 60);
    my @hidden = grep { $_->{target} =~ /hidden/ } $t->received('page');
    is(@hidden, 3, 'a hidden page does not ask') || diag(scalar @hidden);
    like(summary($dom), qr/^Paused shown below: what was so then$/, 'it says so');
    is(stale($dom), 1, 'it is old');

    # ------------------------------------------------------------------------------------------------------- looks

    for my $width (320, 360) {
        my ($wide) = look("full?wide$width") =~ / data-wide="(.*?)"/;
        is($wide, '', "$width pixels: no sideways scrolling");
    }
    for (['phone', 360, 2400], ['desktop', 1280, 1300]) {
        my ($name, $width, $height) = @$_;
        is_deeply($browser->picture("$name-$_", url('full'), width => $width, height => $height, dark => $_ eq 'dark'),
                  { width => $width, height => $height, colour => { light => $light, dark => $dark }->{$_}{page} },
                  "a picture: $name, $_") for qw(light dark);
    }

    $seen = $browser->look(url('ready?markup'));
    like($seen->{console}, qr/TrustedHTML/, 'the policy lets no script make markup of a text');
}

$t->done;
