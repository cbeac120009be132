# Alerts and dashboard of examples/: promtool takes them, each alert comes when it should, and they ask for nothing that the
# gateway does not tell.

use v5.36;

use JSON::PP;
use Test::More;

use Canopy::Process qw(run);
use Canopy::Test;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $rules = 'examples/prometheus/canopy.rules.yml';
my $cases = 't/cases/prometheus/canopy.test.yml';

sub text ($file) { local (@ARGV, $/) = $file; return scalar <> }

sub promtool ($name, @command) {
    my ($status, $output) = run('promtool', @command);
    is($status, 0, "promtool @command[0, 1]: $name") || diag($output);
}

# -------------------------------------------------------------------------------------------------------------- alerts

promtool('the alerts', 'check', 'rules', $rules);
promtool('what to add to Prometheus', 'check', 'config', 'examples/prometheus/prometheus.yml');
promtool('when they come', 'test', 'rules', $cases);

my @alerts = text($rules) =~ /- alert: (\w+)/g;
my %comes = map { $_ => 1 } text($cases) =~ /- eval_time: \w+\n +alertname: (\w+)\n +exp_alerts:\n/g;
my %stays = map { $_ => 1 } text($cases) =~ /alertname: (\w+), exp_alerts: \[\]/g;
cmp_ok(scalar @alerts, '>=', 13, 'there are alerts');
is_deeply([grep { !$comes{$_} || !$stays{$_} } @alerts], [], 'for each there is a case in which it comes, and one in which it does not');

# Each is one paragraph of YAML: what to do is said with it.
my @paragraphs = split /(?=- alert: )/, text($rules);
shift @paragraphs;
is_deeply([grep { !/severity: (?:page|ticket)\n.*summary: ".*description: >-\n/s } @paragraphs], [], 'each says how urgent it is and what to do');

# ----------------------------------------------------------------------------------------------------------- dashboard

my $dashboard = JSON::PP->new->utf8->decode(text('examples/grafana/canopy.json'));
my @panels = grep { $_->{type} ne 'row' } $dashboard->{panels}->@*;
my @targets = map { $_->{targets}->@* } @panels;
my %variables = map { $_->{name} => $_ } $dashboard->{templating}{list}->@*;

is($variables{datasource}{type}, 'datasource', 'the data source is a variable');
is_deeply([grep { ($_->{datasource}{uid} // '') ne '${datasource}' } @panels, @targets, map { $variables{$_} } qw(instance environment)], [],
          'which is everywhere');
cmp_ok(scalar @targets, '>=', scalar @panels, 'each panel shows something');
is(scalar(keys { map { $_->{id} => 1 } $dashboard->{panels}->@* }->%*), scalar $dashboard->{panels}->@*, 'each panel has its id');
is_deeply([map { $_->{title} } grep { !length($_->{title} // '') || !length($_->{description} // '') } @panels], [], 'and says what it shows');

my (%taken, @overlaps);
for my $panel ($dashboard->{panels}->@*) {
    my ($x, $y, $w, $h) = $panel->{gridPos}->@{qw(x y w h)};
    push @overlaps, $panel->{title} if $x + $w > 24 || grep { $taken{$_}++ } map { my $row = $_; map { "$_,$row" } $x .. $x + $w - 1 } $y .. $y + $h - 1;
}
is_deeply(\@overlaps, [], 'no panel lies upon another one or beyond the edge');

# What Grafana would send to Prometheus.
my %values = (instance => '.+', environment => '.+', __rate_interval => '1m', __range => '6h');
my @queries = map { $_->{expr} =~ s/\$(\w+)/$values{$1} \/\/ "\$$1"/ger } @targets;
$t->write('dashboard.rules.yml', JSON::PP->new->canonical->encode({ groups => [{ name => 'dashboard', rules =>
    [map { +{ record => "panel:$_", expr => $queries[$_] } } 0 .. $#queries] }] }));
promtool('the queries of the dashboard', 'check', 'rules', $t->path('dashboard.rules.yml'));

# --------------------------------------------------------------------------------------------- what the gateway tells

$t->secret('live.secret', 'monitoring-client-secret');
$t->secret('sandbox.token', 'monitoring-sandbox-credential');
$t->write('switch', "live\n");
$t->sandbox('canopy', client => ['monitoring', 'monitoring-client-secret'], tokens => ['monitoring-sandbox-credential']);

$t->conf(<<'EOC');
%%HEAD%%
http {
    %%HTTP%%
    canopy_state_path  %%DIR%%/state;
    canopy_switch_file %%DIR%%/switch;
    canopy_environment live {
        server                    http://127.0.0.1:%%PORT_canopy%%/tasking;
        oauth2_token_url          http://127.0.0.1:%%PORT_canopy%%/oauth/token;
        oauth2_audience           https://api.canopy.prod.umbra-sandbox.space;
        oauth2_client_id          monitoring;
        oauth2_client_secret_file %%DIR%%/live.secret;
    }
    canopy_environment sandbox {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/sandbox.token;
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/(?<environment>\w+)/ { canopy_pass $environment; }
        location = /metrics { canopy_status prometheus; }
    }
}
EOC
$t->start;

# all that can be told: an answer, and an error with a credential
is($t->cancel($id, prefix => "/$_")->status, 404, "$_: a cancel") for qw(live sandbox);
$t->write('sandbox.token', "\n");
my $metrics = '';
ok($t->wait_for(sub {
    $t->cancel($id);
    $metrics = $t->request(path => '/metrics', method => 'GET')->body;
    return $metrics =~ /^canopy_credential_error_timestamp_seconds\{environment="sandbox"\}/m;
}), 'the metrics tell of an error') || diag($metrics);

my %families = $metrics =~ /^# TYPE (\w+) (\w+)$/mg;
my %samples = map { my $name = $_; map { $_ => 1 } $families{$name} eq 'histogram' ? map { "${name}_$_" } qw(bucket sum count) : $name } keys %families;
my %labels = map { $_ => 1 } qw(job instance), $metrics =~ /[{,](\w+)="/g;

my @expressions = (@queries, map { s/"[^"]*"/""/gr } map { /expr: (?:>-\n)?(.*?)\n {8}\w/s } @paragraphs);
push @expressions, map { $variables{$_}{definition} } qw(instance environment);
is(scalar @expressions, @targets + @alerts + 2, 'all expressions');

my %asked = map { $_ => 1 } map { s/"[^"]*"/""/gr =~ /\b(canopy_\w+)/g } @expressions;
cmp_ok(scalar keys %asked, '>=', 12, 'they ask for much');
is_deeply([grep { !$samples{$_} } sort keys %asked], [], 'they ask for nothing that is not told');

my @used = map { s/"[^"]*"/""/gr } @expressions;
my %selected = map { $_ => 1 } map { (/[{,](\w+)[!=]/g, map { split /[ ,]+/ } /\b(?:by|on) \(([\w, ]+)\)/g) } @used;
is_deeply([grep { !$labels{$_} } sort keys %selected], [], 'nor by a label that is not there');

$t->done;
