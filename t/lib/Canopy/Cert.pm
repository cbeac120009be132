package Canopy::Cert;

# Certificates for tests, made with the openssl command: one authority per directory, EC keys.

use v5.36;

use Carp qw(croak);
use Canopy::Process qw(run);

sub new ($class, $dir) { return bless { dir => $dir }, $class }

# A leaf certificate. Options: san ('DNS:localhost,IP:127.0.0.1'), expired => 1, self_signed => 1, intermediates => N.
# Returns the files: cert, key, ca (what a client is to trust), chain (cert and its intermediates, what a server sends).
sub certificate ($self, $name, %opt) {
    my $san = $opt{san} // 'DNS:localhost,IP:127.0.0.1';
    my $extensions = "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n";
    $extensions .= "subjectAltName=$san\n" if length $san;
    my @days = $opt{expired} ? (expired => 1) : ();

    if ($opt{self_signed}) {
        my $leaf = $self->_issue($name, undef, $extensions, @days);
        return { %$leaf, ca => $leaf->{cert}, chain => $leaf->{cert} };
    }

    my $ca = $self->{ca} //= $self->_issue('ca', undef, "basicConstraints=critical,CA:TRUE\n");
    my ($issuer, @between) = $ca;
    for my $n (1 .. $opt{intermediates} // 0) {
        $issuer = $self->_issue("$name-intermediate$n", $issuer, "basicConstraints=critical,CA:TRUE\n");
        unshift @between, $issuer;
    }

    my $leaf = $self->_issue($name, $issuer, $extensions, @days);
    my $chain = "$self->{dir}/$name.chain.pem";
    _write($chain, join '', map { _read($_->{cert}) } $leaf, @between);
    return { %$leaf, ca => $ca->{cert}, chain => $chain };
}

sub _issue ($self, $name, $issuer, $extensions, %opt) {
    my ($key, $request, $ext, $cert) = map { "$self->{dir}/$name.$_" } qw(key csr ext pem);

    _openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
             '-keyout', $key, '-out', $request, '-subj', "/CN=$name");
    _write($ext, $extensions);
    _openssl('x509', '-req', '-in', $request, '-extfile', $ext, '-out', $cert,
             $opt{expired} ? _yesterday() : ('-days', 2),
             $issuer ? ('-CA', $issuer->{cert}, '-CAkey', $issuer->{key}, '-CAcreateserial') : ('-signkey', $key));

    chmod 0644, $key, $cert;
    return { cert => $cert, key => $key };
}

# From OpenSSL 3.4 on a certificate can't end before it begins, but it may begin long ago.
sub _yesterday () {
    my (undef, $version) = run('openssl', 'version');
    my ($major, $minor) = $version =~ /^OpenSSL (\d+)\.(\d+)/ or croak "openssl version: $version";
    return ('-days', -1) if $major == 3 && $minor < 4;
    return ('-not_before', '20200101000000Z', '-not_after', '20200102000000Z');
}

sub _openssl (@args) {
    my ($status, $output) = run('openssl', @args);
    croak "openssl @args: $output" if $status != 0;
}

sub _write ($file, $text) {
    open my $fh, '>', $file or croak "$file: $!";
    print $fh $text;
    close $fh or croak "$file: $!";
}

sub _read ($file) {
    open my $fh, '<', $file or croak "$file: $!";
    local $/;
    return <$fh>;
}

1;
