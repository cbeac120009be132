package Canopy::Example;

# A configuration of examples/ with what an operator has to change, changed for a test.
#
#     my $example = Canopy::Example->new('examples/nginx.conf');
#     $example->change(qr{listen +\K8081}, '127.0.0.1:%%PORT_status%%', 1);
#     $t->conf($example->text);

use v5.36;

use Carp qw(croak);
use File::Spec;

sub new ($class, $file) {
    open my $fh, '<', $file or croak "$file: $!";
    local $/;
    return bless { file => $file, text => scalar <$fh> }, $class;
}

sub text ($self) { return $self->{text} }

# Each of them has to be there so often: a change that finds nothing would leave the test with another file than it thinks.
sub change ($self, $from, $to, $times) {
    my $changed = $self->{text} =~ s/$from/$to/g || 0;
    croak "$self->{file} has $from $changed times, not $times" if $changed != $times;
}

# What nginx needs to run in a test instead of the line $from: its user, and the module.
sub main ($self, $from) {
    my @env = map { "env $_;" } grep { defined $ENV{$_} } qw(ASAN_OPTIONS UBSAN_OPTIONS);
    $self->change($from, join(' ', $> == 0 ? 'user www-data;' : '', @env), 1);
}

sub load ($self, $from) { $self->change($from, _load(), 1) }

# Where files that nginx makes by itself go.
sub paths ($self) {
    $self->change(qr{^http \{}m, join(' ', 'http {', map { "${_}_temp_path %%DIR%%/temp_$_;" } qw(client_body proxy fastcgi uwsgi scgi)), 1);
}

sub _load () {
    my $module = $ENV{CANOPY_MODULE} // 'build/ngx_canopy_module.so';      # empty: it is built in
    return length $module ? 'load_module ' . File::Spec->rel2abs($module) . ';' : '';
}

1;
