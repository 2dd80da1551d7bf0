# What survival takes: from the death of a supervisor until its successor has adopted the service,
# and the upgrade of a whole tree under its services. No peer does either, and there is no floor.

package Bench::Survive;

use strict;
use warnings;
use Exporter 'import';
use File::Basename 'dirname';
use Time::HiRes ();
use Lares;
use Bench::Suites;
use Bench::Measure;

our @EXPORT = qw(measure_adopt measure_upgrade);

my %PEERS = map { $_ => 'starts a second copy, or none, and knows nothing of the first' } qw(daemontools runit s6 busybox);
$PEERS{supervisor} = 'its services end with it';

sub ours { return grep { $_->{name} =~ /^(?:lares|static)$/ } @_ }

# A scanner of the suite's own for each place, with one service.
sub measure_adopt {
    my ($rounds, $places, @suites) = @_;
    my (@candidates, @rows);
    for my $place (@$places) {
        my $row = { name => "adopted, $place->{name}", key => 'adopt', unit => 'us', cells => {%PEERS} };
        push @rows, $row;
        for my $suite (ours(@suites)) {
            if ($suite->{reason}) { $row->{cells}{ $suite->{name} } = $suite->{reason}; next }
            my $scan = "$place->{dir}/adopt/$suite->{name}";
            my $dir  = make_bench_service("$scan/one", $suite);
            open my $fifo, '+<', "$dir/report" or die "$dir/report: $!\n";
            push @candidates, { suite => $suite, scan => $scan, dir => $dir, row => $row, fifo => $fifo };
        }
    }
    for my $c (@candidates) {
        spawn($c->{suite}{scan}->($c->{scan}, $c->{dir})->[1], stderr => '/dev/null');
        await_reports($c->{fifo}, 1, "$c->{suite}{name} in $c->{scan}");
    }
    progress("adopted: $rounds rounds of " . @candidates . ' candidates');
    my $done = run([ helper('adopt'), $rounds, 1100, map { $_->{dir} } @candidates ], timeout => 60 + 5 * $rounds * @candidates);
    die "bench: adopt: $done->{err}\n" if $done->{exit} // 1;
    for my $line (split /\n/, $done->{out}) {
        my ($index, $ns) = split ' ', $line;
        my ($row, $name) = ($candidates[$index]{row}, $candidates[$index]{suite}{name});
        if ($ns eq '-') { $row->{cells}{$name} = 'not adopted within 5 s' }
        elsif (!defined $row->{cells}{$name} || ref $row->{cells}{$name}) { push @{ $row->{cells}{$name} }, $ns / 1e3 }
    }
    Lares::Process::end_everything();
    return @rows;
}

# Copies of the programs take over from each other; from the command to its end.
sub measure_upgrade {
    my ($rounds, $count, $place, @suites) = @_;
    my $row = { name => "$count services upgraded", key => 'upgrade', unit => 's', cells => { map { $_ => 'restarts its services' } keys %PEERS } };
    for my $suite (ours(@suites)) {
        if ($suite->{reason}) { $row->{cells}{ $suite->{name} } = $suite->{reason}; next }
        progress("$count services upgraded: $suite->{name}, $rounds rounds");
        my $base = "$place->{dir}/upgrade";
        File::Path::remove_tree($base);
        File::Path::make_path("$base/scan");
        my $from = dirname($suite->{scan}->('', '')->[1][0]);
        my @bins = map {
            my $dir = "$base/bin$_";
            write_file("$dir/lares-$_", file_text("$from/lares-$_"), 0755) for qw(svscan supervise log);
            $dir;
        } 1 .. 2;
        my $fifo = make_fifo("$base/report");
        open my $reports, '+<', $fifo or die "$fifo: $!\n";
        make_bench_service("$base/scan/s1", $suite, $fifo);
        for my $n (2 .. $count) {
            mkdir "$base/scan/s$n" or die "mkdir: $!\n";
            link "$base/scan/s1/run", "$base/scan/s$n/run" or die "link: $!\n";
            symlink $fifo, "$base/scan/s$n/report" or die "symlink: $!\n";
        }
        spawn([ "$bins[0]/lares-svscan", "$base/scan" ], stderr => '/dev/null');
        await_reports($reports, $count, $suite->{name});
        for my $round (1 .. $rounds) {
            Time::HiRes::sleep(1.5); # what was started has settled
            my $began = Lares::Process::now();
            my $done = run([ "$from/lares-svscanctl", '-b', $bins[ $round % 2 ], 'upgrade', "$base/scan" ], timeout => 90);
            if (($done->{exit} // 1) || $done->{out} ne "$count of $count supervisors upgraded\n") { $row->{cells}{ $suite->{name} } = "failed: $done->{out}$done->{err}"; last }
            push @{ $row->{cells}{ $suite->{name} } }, Lares::Process::now() - $began;
        }
        Lares::Process::end_everything();
        File::Path::remove_tree($base);
    }
    return $row;
}

1;
