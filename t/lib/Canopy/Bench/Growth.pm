package Canopy::Bench::Growth;

# How the instructions of a request grow with what there is much of. Each table has a row for each size, and behind the
# figures what one more costs: that stays the same where the cost is linear, and is nothing where it is constant.
#
#     print Canopy::Bench::Growth::tables(sub ($progress) { ... }, 'environments');         # without names: all

use v5.36;

use Canopy::Bench;
use Canopy::Bench::Callgrind;
use Canopy::Bench::Requests;
use Canopy::Bench::Table qw(table number ratio);
use Canopy::Process qw(sockets wait_until);

my $id = 'a0f4c3d1-8e2b-4f6a-9c7d-5b1e3f8a2d64';
my $large = 'large_client_header_buffers 4 16k;';
my @rules = map { "claim_$_" } 'a' .. 'p';

my @all = (
    ['token-size',   'Size of the client\'s token, bytes', \&_token_size],
    ['tokens',       'Different tokens that are in use', \&_tokens],
    ['connections',  'Idle connections kept to the upstream', \&_connections],
    ['environments', 'Environments (the last one is used, by a variable)', \&_environments],
    ['rules',        'require_claim rules', \&_rules],
    ['entries',      'Entries of the upstream\'s 422', \&_entries],
);

sub tables ($progress, @names) {
    my %wanted = map { $_ => 1 } @names ? @names : map { $_->[0] } @all;
    my @unknown = grep { my $name = $_; !grep { $_->[0] eq $name } @all } sort keys %wanted;
    die "there is no table of @unknown, but of: @{[map { $_->[0] } @all]}\n" if @unknown;

    my $bench = Canopy::Bench->new(progress => $progress, locations => join '', map { _many_entries($_) } _entry_counts());
    $bench->start_upstream;
    my @tables = map {
        my ($name, $title, $code) = @$_;
        "### $title\n\n" . join '', $code->($bench, $name);
    } grep { $wanted{$_->[0]} } @all;
    my @faults = $bench->stop_upstream;
    die map { "$_\n" } @faults if @faults;
    return @tables;
}

# A table with a row for each size: $figures->($size) is what stands in its columns. The difference is that of the first
# column to the row before, per unit.
sub _grow ($bench, $name, $columns, $sizes, $figures) {
    my @rows;
    for my $size (@$sizes) {
        push @rows, [$size, $figures->($size)];
        $bench->progress("growth: $name, " . join ' ', $rows[-1]->@*);
    }
    return table(['', @$columns, 'one more'], map {
        my ($row, $before) = ($rows[$_], $_ ? $rows[$_ - 1] : undef);
        [number($row->[0]), (map { /\./ && $_ < 100 ? ratio($_) : number($_) } $row->@[1 .. $#$row]),
         $before ? number(($row->[1] - $before->[1]) / ($row->[0] - $before->[0]), 1) : '']
    } 0 .. $#rows);
}

sub _count ($nginx, $requests, %opt) {
    my $ir = Canopy::Bench::Callgrind::per_request($nginx, $requests, status => 204, %opt);
    my @faults = $nginx->faults;
    die map { "$_\n" } @faults if @faults;
    return $ir;
}

# As a figure of the table: the ratio has a point.
sub _with_ratio ($mine, $limit) { return ($mine, $limit, sprintf '%.4f', $mine / $limit) }

sub _token_size ($bench, $name) {
    my ($proxy, $canopy) = map { $bench->nginx($_, SETTINGS => $large) } qw(proxy canopy);
    my @columns = ('known', 'proxy_pass', 'ratio', 'seen first', 'ratio');
    return _grow($bench, $name, \@columns, [200, 500, 900, 2000, 4000, 8192], sub ($size) {
        my @around = (around => [$bench->tokens->around(size => $size)]);
        my $known = Canopy::Bench::Requests->new(id => $id, @around, cycle => 64);
        my $limit = _count($proxy, $known);
        my $new = _count($canopy, Canopy::Bench::Requests->new(id => $id, @around));
        return (_with_ratio(_count($canopy, $known), $limit), $new, sprintf '%.4f', $new / $limit);
    });
}

# Each was seen once before anything is counted.
sub _tokens ($bench, $name) {
    my $canopy = $bench->nginx('canopy', SETTINGS => 'canopy_zone 20m;');
    my @around = (around => [$bench->tokens->around]);
    return _grow($bench, $name, ['known'], [1, 10, 100, 1_000, 10_000, 100_000], sub ($size) {
        return _count($canopy, Canopy::Bench::Requests->new(id => $id, @around, cycle => $size), warm => $size);
    });
}

sub _connections ($bench, $name) {
    my %nginx = map { $_ => $bench->nginx($_) } qw(canopy proxy);
    my @around = (around => [$bench->tokens->around], cycle => 64);
    return _grow($bench, $name, ['ngx_canopy', 'proxy_pass', 'ratio'], [1, 16, 64, 256], sub ($size) {
        return _with_ratio(map {
            $nginx{$_}->set(KEEPALIVE => "$size; keepalive_timeout 600s");
            _count($nginx{$_}, Canopy::Bench::Requests->new(id => $id, @around),
                   prepare => sub ($run) { _keep($run, $size) });
        } qw(canopy proxy));
    });
}

# So many requests at once have so many connections opened: all clients' bytes are there before nginx looks for any.
sub _keep ($run, $count) {
    $run->send(1);
    my $own = sockets($run->pid) - 1;
    my @clients = map { $run->open_connection } 1 .. $count;
    for my $client (@clients) {
        $run->write($client);
        $run->read($client);
    }
    kill 'STOP', $run->pid;
    $run->write($_) for @clients;
    kill 'CONT', $run->pid;
    $run->read($_) for @clients;
    close $_ for @clients;

    my $kept = 0;
    wait_until(sub { ($kept = sockets($run->pid) - $own) == $count }, 20)
        or die "$kept connections are kept, not $count\n";
}

sub _environments ($bench, $name) {
    my $canopy = $bench->nginx('canopy');
    my @around = (around => [$bench->tokens->around], cycle => 64, prefix => 'many');
    return _grow($bench, $name, ['known'], [1, 10, 100], sub ($size) {
        $canopy->set(
            SETTINGS => join('', map { "canopy_environment e$_ { server http://127.0.0.1:%%PORT_upstream%%/tasking; "
                                     . "bearer_token_file %%DIR%%/credential; }\n" } 1 .. $size),
            LOCATIONS => "location /many/ { set \$environment e$size; canopy_pass \$environment; }");
        return _count($canopy, Canopy::Bench::Requests->new(id => $id, @around));
    });
}

# All claims are in all tokens. Those seen first are verified, by HS256: RS256 alone is as much as the rest.
sub _rules ($bench, $name) {
    my $canopy = $bench->nginx('canopy');
    my @token = (alg => 'HS256', size => 1500, claims => { map { $_ => "value of $_" } @rules });
    my @tokens = map { $bench->tokens->signed($_, @token) } 1 .. 4000;
    return _grow($bench, $name, ['known', 'seen first'], [0, 1, 2, 4, 8, 16], sub ($size) {
        my $rules = join ' ', map { qq(require_claim $_ "another value" "value of $_";) } @rules[0 .. $size - 1];
        $canopy->set(
            SETTINGS => "$large canopy_environment rules { server http://127.0.0.1:%%PORT_upstream%%/tasking; "
                      . "bearer_token_file %%DIR%%/credential; $rules }",
            LOCATIONS => 'location /rules/ { canopy_pass rules; canopy_client_jwks %%DIR%%/keys.jwks; '
                       . 'canopy_client_audience canopy-gateway; canopy_client_issuer https://login.example/; }');
        return map { _count($canopy, Canopy::Bench::Requests->new(id => $id, prefix => 'rules', tokens => $_)) }
            [@tokens[0 .. 63]], \@tokens;
    });
}

sub _entries ($bench, $name) {
    my %nginx = map { $_ => $bench->nginx($_) } qw(canopy proxy);
    my @around = (around => [$bench->tokens->around], cycle => 64);
    return _grow($bench, $name, ['ngx_canopy', 'proxy_pass', 'ratio'], [_entry_counts()], sub ($size) {
        my $requests = Canopy::Bench::Requests->new(id => _entries_id($size), @around);
        my $count = $size < 20 ? 500 : 100;
        return _with_ratio(map {
            _count($nginx{$_}, $requests, status => 422, count => $count, warm => $count)
        } qw(canopy proxy));
    });
}

sub _entry_counts () { return (1, 2, 5, 10, 20, 50, 100) }

sub _entries_id ($count) { return sprintf 'c0000000-0000-4000-8000-%012d', $count }

# The upstream's location that answers with so many entries. A parameter in nginx.conf is at most 4k long.
sub _many_entries ($count) {
    my $body = '{"detail":[' . join(',', map {
        qq({"type":"string_too_short","loc":["body","items",$_,"text"],"msg":"String should have at least 3 characters",)
        . qq("input":"no","ctx":{"min_length":3},"url":"https://errors.pydantic.dev/2.6/v/string_too_short"})
    } 1 .. $count) . ']}';
    my @pieces = $body =~ /(.{1,3000})/g;
    return 'location /tasking/tasks/' . _entries_id($count) . " {\n"
         . join('', map { "set \$piece$_ '$pieces[$_]';\n" } 0 .. $#pieces)
         . 'return 422 "' . join('', map { "\${piece$_}" } 0 .. $#pieces) . "\";\n}\n";
}

1;
