# Load for real servers and the account of what their logs hold. use Lares; use Lares::Load;
#
# http_load: clients that send numbered requests to nginx, many at a time on each connection.
# tally: reads a log line by line and counts by who wrote it, with a digest of the lines of each
# writer in their order, and which numbers came. Two logs of the same are equal when these are.

package Lares::Load;

use strict;
use warnings;
use Digest::MD5 ();
use Exporter 'import';
use IO::Socket::INET ();
use POSIX ();
use Lares;

our @EXPORT = qw(http_load tally tally_aside same_tally);

my $BATCH = 50; # requests on their way on a connection
my $filler = 'abcdefghijklmnopqrstuvwxyz0123456789' x 4;

# Every hundredth asks for what is not there, which nginx says in its error log.
sub request {
    my ($number) = @_;
    my $path = $number % 100 ? '/item/' . substr $filler, $number % 60, 20 + $number % 64 : '/missing/page';
    return "GET $path?n=$number HTTP/1.1\r\nHost: localhost\r\nReferer: http://localhost/" . substr($filler, 0, $number % 90)
        . "\r\nUser-Agent: load/1.0 (numbered requests; client of a test)\r\n\r\n";
}

sub answered {
    my ($socket, $wanted) = @_;
    my $answer = '';
    while ((my $count = () = $answer =~ m{HTTP/1\.1 (?:204|404) }g) < $wanted || $answer !~ m{(?:\r\n\r\n|</html>\r\n)\z}) {
        sysread $socket, $answer, 65536, length $answer or die "the server ended a connection\n";
    }
}

# One client: the numbers $first .. $last over four connections.
sub http_client {
    my ($port, $first, $last) = @_;
    my @sockets = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die "no server: $!\n" } 1 .. 4;
    for (my $number = $first; $number <= $last;) {
        my @sent;
        for my $socket (@sockets) {
            my $until = $number + $BATCH - 1 < $last ? $number + $BATCH - 1 : $last;
            next if $number > $until;
            my $text = join '', map { request($_) } $number .. $until;
            syswrite($socket, $text) == length $text or die "unable to send: $!\n";
            push @sent, [$socket, $until - $number + 1];
            $number = $until + 1;
        }
        answered(@$_) for @sent;
    }
}

# Starts two clients, which send the numbers 1 .. $requests; their pids.
sub http_load {
    my ($port, $requests) = @_;
    my $half = int $requests / 2;
    return map { aside(sub { http_client($port, @$_) }, $_) } [1, $half], [$half + 1, $requests];
}

# A child of the test that does this and ends.
sub aside {
    my ($work) = @_;
    my $pid = fork // die "unable to fork: $!\n";
    return $pid if $pid;
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP ALRM);
    eval { $work->(); 1 } or do { print STDERR "# $@"; POSIX::_exit(1) };
    POSIX::_exit(0);
}

# tally($handle, $key, %how): $key->(line) is (who wrote it, number or undef), or nothing when the
# line does not count. stamped: lines have TAI64N labels, which are cut off and never go back;
# end: stop behind a line like that. { lines, bytes, writers => { who => "count digest" },
# numbers, doubled, backwards, first, last }
sub tally {
    my ($in, $key, %how) = @_;
    my %t = (lines => 0, bytes => 0, doubled => 0, numbers => 0, backwards => 0, ended => 0);
    my ($seen, $label, %digest, %count) = ('', '');
    while (defined(my $line = <$in>)) {
        if ($how{stamped}) {
            my $now = substr $line, 0, 26, '';
            $t{backwards}++ if $now le $label || $now !~ /^\@[0-9a-f]{24} \z/;
            $label = $now;
            $t{first} //= $now;
        }
        if (my ($who, $number) = $key->($line)) {
            $t{lines}++;
            $t{bytes} += length $line;
            $count{$who}++;
            ($digest{$who} //= Digest::MD5->new)->add($line);
            if (defined $number) {
                vec($seen, $number, 1) ? $t{doubled}++ : $t{numbers}++;
                vec($seen, $number, 1) = 1;
            }
            $t{middle} = $label if $t{lines} == ($how{middle} // 0);
        }
        if ($how{end} && $line =~ $how{end}) { $t{ended} = 1; last }
    }
    $t{writers} = { map { $_ => "$count{$_} lines " . $digest{$_}->hexdigest } keys %digest };
    return \%t;
}

# The same by a child, which writes the account to $file: its pid. tally_of($file) reads it.
sub tally_aside {
    my ($in, $file, @how) = @_;
    require JSON::PP;
    return aside(sub {
        write_file("$file.new", JSON::PP->new->canonical->encode(tally($in, @how)));
        rename "$file.new", $file or die "rename: $!\n";
    });
}

# Equal but for lines whose writers the second does not know.
sub same_tally {
    my ($t, $other) = @_;
    my @differ = grep { ($t->{writers}{$_} // 'none') ne $other->{writers}{$_} } sort keys %{ $other->{writers} };
    push @differ, grep { !$other->{writers}{$_} } sort keys %{ $t->{writers} };
    return join '; ', map { "$_: " . ($t->{writers}{$_} // 'none') . ', but ' . ($other->{writers}{$_} // 'none') } @differ;
}

1;
