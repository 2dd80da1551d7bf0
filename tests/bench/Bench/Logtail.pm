# Reading logs: all archives of a directory of 16 MB files and 100-byte lines through a pipe, as they
# are beside cat; with their stamps turned to local time beside daemontools' and s6's filters behind
# cat; the lines with a text; and four directories merged. MB/s of what is read, the first lines'
# directory in the page cache.

package Bench::Logtail;

use strict;
use warnings;
use Exporter 'import';
use Lares;
use Bench::Measure;
use Bench::Suites;

our @EXPORT = qw(measure_logtail);

sub make_log {
    my ($dir, $mib) = @_;
    my $lines = int $mib * 1048576 / 126;    # 26 bytes are the stamp
    my $print = 'print join("", map { sprintf "%08d %s\n", $_, "x" x 90 } $_ * 1000 + 1 .. $_ * 1000 + 1000) for 0 .. ' . int($lines / 1000);
    my $done = run([ 'sh', '-c', '"$0" -e "$1" | "$2" t s16777215 n1000 "$3"', $^X, $print, bin('log'), $dir ], timeout => 600);
    die "bench: lares-log failed: $done->{err}\n" if $done->{exit};
    my $bytes = 0;
    $bytes += -s $_ for glob("$dir/\@*"), "$dir/current";
    return $bytes;
}

sub seconds {
    my ($command, $base) = @_;
    my $began = Lares::Process::now();
    my $done  = run([ 'sh', '-c', "{ $command; } | cat >/dev/null" ], cwd => $base, timeout => 600);
    return "$command failed: $done->{err}" if $done->{exit} || $done->{err} ne '';
    return Lares::Process::now() - $began;
}

sub measure_logtail {
    my ($rounds, $mib, $place) = @_;
    my $base = "$place->{dir}/logtail";
    File::Path::make_path($base);
    my $bytes   = make_log("$base/all", $mib);
    my $quarter = 0;
    $quarter += make_log("$base/part$_", $mib / 4) for 1 .. 4;
    my $tail  = bin('logtail');
    my $peers = peers_root() . '/usr/bin';
    my $cat   = 'cat all/@* all/current';
    my @parts = map { "part$_" } 1 .. 4;
    my @rows  = map { { %$_, unit => 'MB/s', cells => {} } } (
        { name => 'logtail, all', key => 'logtail-all', bytes => $bytes, commands => { floor => $cat, lares => "$tail -a all" } },
        { name => 'logtail, JSON', key => 'logtail-json', bytes => $bytes, commands => { floor => $cat, lares => "$tail -aj all" } },
        { name => 'logtail, local time', key => 'logtail-local', bytes => $bytes,
            commands => { floor => $cat, lares => "$tail -a -t local all", daemontools => "$cat | $peers/tai64nlocal", s6 => "$cat | $peers/s6-tai64nlocal" } },
        { name => 'logtail, a text', key => 'logtail-text', bytes => $bytes, commands => { floor => "$cat | grep -F 99999", lares => "$tail -a -e 99999 all" } },
        { name => 'logtail, 4 merged', key => 'logtail-merged', bytes => $quarter,
            commands => { floor => 'cat ' . join(' ', map { "$_/\@* $_/current" } @parts), lares => "$tail -aq @parts" } },
    );
    for my $round (1 .. $rounds) {
        progress("logtail: round $round of $rounds, $mib MiB");
        for my $row (@rows) {
            for my $name (sort keys %{ $row->{commands} }) {
                my ($program) = $row->{commands}{$name} =~ m{(\Q$peers\E/\S+)};
                if ($program && !-x $program) { $row->{cells}{$name} = 'not installed'; next }
                my $took = seconds($row->{commands}{$name}, $base);
                if ($took =~ /failed/) { $row->{cells}{$name} = $took }
                else { push @{ $row->{cells}{$name} }, $row->{bytes} / $took / 1e6 }
            }
        }
    }
    File::Path::remove_tree($base);
    return @rows;
}

1;
