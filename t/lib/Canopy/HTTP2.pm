package Canopy::HTTP2;

# HTTP/2 by hand, frame by frame: what no client would send, and what each stream is answered.
#
#     my $socket = $t->connect(port => 'h2');
#     syswrite $socket, preface() . headers(1, END_STREAM, [[':method', 'PATCH'], ...]);
#     my %answers = stream_answers($socket, 1);      # (1 => '204')

use v5.36;

use Exporter qw(import);
use IO::Select;
use Time::HiRes qw(time);

our @EXPORT = qw(frame preface headers field stream_answers DATA HEADERS RST_STREAM SETTINGS PING GOAWAY CONTINUATION
                 END_STREAM END_HEADERS);

use constant { DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4, PING => 6, GOAWAY => 7, CONTINUATION => 9 };
use constant { END_STREAM => 1, END_HEADERS => 4 };

sub frame ($type, $flags, $stream, $payload) {
    return substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $stream) . $payload;
}

sub preface () { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(SETTINGS, 0, 0, '') }

# A whole block of fields in one frame.
sub headers ($stream, $flags, $fields) {
    return frame(HEADERS, END_HEADERS | $flags, $stream, join '', map { field(@$_) } @$fields);
}

# A field as a literal, without index or Huffman coding.
sub field ($name, $value) { return "\0" . _text($name) . _text($value) }

sub _text ($text) {
    my $length = length $text;
    return chr($length) . $text if $length < 127;
    my $prefix = "\x7f";
    for ($length -= 127; $length >= 128; $length >>= 7) {
        $prefix .= chr($length & 127 | 128);
    }
    return $prefix . chr($length) . $text;
}

# What these streams come to: a status, with the "type" of an error's body behind it, or "reset CODE". The stream 0 is the
# connection, where it does not live as long: "goaway CODE", "closed". It is an answer if a stream is left without one.
sub stream_answers ($socket, @streams) {
    my ($bytes, $deadline, %answers, %bodies) = ('', time + 20);
    my %open = map { $_ => 1 } @streams;

    while (%open && !exists $answers{0}) {
        my $left = $deadline - time;
        if ($left <= 0 || !IO::Select->new($socket)->can_read($left)) {
            $answers{0} = 'silent';
        } elsif (!sysread $socket, $bytes, 65536, length $bytes) {
            $answers{0} = 'closed';
        }

        while (length $bytes >= 9) {
            my ($length, $type, $flags, $stream) = (unpack('N', "\0" . substr $bytes, 0, 3), unpack 'x3 CCN', $bytes);
            last if length $bytes < 9 + $length;
            my $payload = substr substr($bytes, 0, 9 + $length, ''), 9;

            $answers{0} = 'goaway ' . unpack 'x4 N', $payload if $type == GOAWAY;
            $answers{$stream} = 'reset ' . unpack 'N', $payload if $type == RST_STREAM && $open{$stream};
            $answers{$stream} = _status($payload) if $type == HEADERS;
            $bodies{$stream} .= $payload if $type == DATA;
            delete $open{$stream} if $type == RST_STREAM || ($type == HEADERS || $type == DATA) && $flags & END_STREAM;
        }
    }

    for my $stream (keys %bodies) {
        $answers{$stream} .= " $1" if $bodies{$stream} =~ /^\{"detail":.*"type":"(\w+)"\}\]\}$/;
    }
    return %answers;
}

# nginx says the status first: as an index of the static table, or as three digits.
sub _status ($block) {
    $block =~ s/^(?:\x3f..?|\x20)//s;
    my $indexed = ord($block) - 0x88;
    return (200, 204, 206, 304, 400, 404, 500)[$indexed] if $indexed >= 0 && $indexed < 7;
    return $block =~ /^[\x08\x48]\x03(\d{3})/ ? $1 : 'no status';
}

1;
