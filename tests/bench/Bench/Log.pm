# Throughput of the log writers, and what a line costs them in processor time: for lines of 20, 100
# and 1000 bytes in writes of 64 KiB and for a write a line, with TAI64N, with a time for people,
# with none and as JSON, on a disk and in memory, one and fifty at once. lares is crash-safe: it has
# a buffer that outlives it. All keep to four files of 16 MB but where it says unbounded; the floor
# is cat into a file. All candidates of a row run in turn, in a new order each round; the slow ones
# get less to do. tests/bench/log.c measures.

package Bench::Log;

use strict;
use warnings;
use Exporter 'import';
use List::Util 'shuffle';
use Lares;
use Bench::Measure;
use Bench::Suites;

our @EXPORT = qw(measure_log);

my $SIZE  = 16_777_215;
my $SHARE = 12;            # of what the fast ones get
my @FAST  = qw(floor lares);

# The words of each for a form of stamps; what is missing it cannot do.
my %WORDS = (
    lares       => { TAI64N => ['t'], time => ['T'], plain => [], JSON => ['j'] },
    daemontools => { TAI64N => ['t'], plain => [] },
    s6          => { TAI64N => ['t'], time => ['T'], plain => [] },
    runit       => { TAI64N => ['-t'], time => ['-tt'], plain => [] },
    busybox     => { TAI64N => ['-t'], time => ['-tt'], plain => [] },
);
my %PROGRAM = (daemontools => ['multilog'], s6 => ['s6-log'], runit => ['svlogd'], busybox => [ 'busybox', 'svlogd' ]);

# The command; or the reason why there is none.
sub command {
    my ($name, $form, $size) = @_;
    return [ 'sh', '-c', 'exec cat >out' ] if $name eq 'floor';
    my $words = $WORDS{$name}{$form} or return undef;
    return [ bin('log'), @$words, "s$size", 'n4', './main' ] if $name eq 'lares';
    my ($program, @first) = @{ $PROGRAM{$name} };
    my ($path) = grep { -x } map { peers_root() . "/$_/$program" } qw(usr/bin usr/sbin bin sbin);
    return 'not installed' if !$path;
    return "Debian's busybox has no svlogd" if @first && `$path --list` !~ /^svlogd$/m;
    return [ $path, @first, @$words, $program =~ /svlogd|busybox/ ? () : ("s$size", 'n4'), './main' ];
}

sub rows {
    my ($place) = @_;
    my @rows;
    my $row = sub { push @rows, { place => $place, count => 1, length => 100, form => 'TAI64N', key => '', @_ } };
    for my $length (20, 100, 1000) {
        $row->(length => $length, key => "log-$length");
        $row->(length => $length, key => "log-unbounded-$length", size => 2**34, only => \@FAST, title => ', unbounded');
        $row->(length => $length, form => $_) for qw(time plain);
        $row->(length => $length, form => 'JSON', key => $length == 100 ? 'log-json' : '');
    }
    $row->(lines => 1, key => 'log-lines', title => ', a write a line');
    $row->(lines => 1, form => $_, title => ', a write a line') for qw(time plain JSON);
    $row->(count => 50, key => 'log-50', title => ', fifty at once');
    for my $made (@rows) {
        $made->{name} = "log, $made->{length} bytes, $made->{form}" . ($made->{title} || '') . ", $place->{name}";
        $made->{unit} = 'MB/s';
        $made->{$_} = {} for qw(cells cpu);
    }
    return @rows;
}

# MB/s and nanoseconds a line, or what went wrong.
sub once {
    my ($row, $name, $command, $bytes) = @_;
    my $base = "$row->{place}{dir}/log";
    for my $i (0 .. $row->{count} - 1) {
        File::Path::make_path("$base/$i" . ($name =~ /runit|busybox/ ? '/main' : ''));
        write_file("$base/$i/main/config", "s$SIZE\nn4\n") if -d "$base/$i/main";
    }
    my $done = run([ helper('log'), $base, $row->{count}, $row->{length}, int $bytes, $row->{lines} ? 'lines' : 'blocks',
            $name eq 'lares' ? 'buffer' : 'none', @$command ], timeout => 120);
    File::Path::remove_tree($base);
    my ($written, $lines, $ns, $cpu) = split ' ', $done->{out};
    return "failed: $done->{err}" if $done->{exit} || $done->{signal} || !$cpu;
    return (undef, $written / $ns * 1000, $cpu / $lines);
}

sub measure_row {
    my ($row, $rounds, $mib) = @_;
    my %commands;
    for my $name (@FAST, sort keys %PROGRAM) {
        next if $row->{only} && !grep { $_ eq $name } @{ $row->{only} };
        my $command = command($name, $row->{form}, $row->{size} || $SIZE);
        if (!ref $command) { $row->{cells}{$name} = $command if defined $command }
        else               { $commands{$name} = $command }
    }
    for (1 .. $rounds) {
        for my $name (shuffle sort keys %commands) {
            my $share = $row->{lines} || $name !~ /^(floor|lares)$/ ? $SHARE : 1;
            my ($error, $speed, $cpu) = once($row, $name, $commands{$name}, $mib * 1048576 / $share);
            if (defined $error) { $row->{cells}{$name} = $error; delete $commands{$name}; last }
            push @{ $row->{cells}{$name} }, $speed;
            push @{ $row->{cpu}{$name} },   $cpu;
        }
    }
}

sub measure_log {
    my ($rounds, $mib, @places) = @_;
    my @rows = map { rows($_) } @places;
    for my $i (0 .. $#rows) {
        progress("log: row " . ($i + 1) . " of " . @rows . ", $rounds rounds of $mib MiB") if $i % 10 == 0;
        measure_row($rows[$i], $rounds, $mib);
    }
    return @rows;
}

1;
