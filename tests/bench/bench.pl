# usage: tests/bench/bench.pl [quick | full] [restart control fleet memory idle log logtail adopt upgrade stop events needs]...
# Measures lares beside its peers and beside the floor, in one run, and prints one table. `make
# bench` runs it; BENCH="quick memory" passes arguments.
#
# quick takes few rounds (4 minutes) and shows orders of magnitude; full (20 minutes) is what may
# be quoted, with the facts of the machine that are printed with it. Nothing fails on a figure:
# targets are printed as met or missed. Progress goes to standard error.

use strict;
use warnings;
use File::Basename 'dirname';
use FindBin;
use lib "$FindBin::Bin", "$FindBin::Bin/../lib";
BEGIN { $ENV{LARES_LIMIT} ||= 4 * 3600 }
use Lares;
use Bench::Suites;
use Bench::Measure;
use Bench::Memory;
use Bench::Log;
use Bench::Logtail;
use Bench::Survive;
use Bench::Stop;
use Bench::Events;
use Bench::Needs;
use Bench::Table;

my %SIZES = (
    quick => { restart => 7, control => 5, fleet => [ [ 500, 1 ], [ 2000, 1 ] ], memory => [ 1, 60 ],
        idle => 5, log => [ 1, 24 ], logtail => [ 1, 128 ], adopt => 7, upgrade => [ 1, 500 ], stop => 3, events => [ 1, 10_000 ], needs => 3 },
    full => { restart => 150, control => 25, fleet => [ [ 500, 3 ], [ 2000, 3 ] ], memory => [ 5, 200 ],
        idle => 10, log => [ 5, 96 ], logtail => [ 5, 1100 ], adopt => 40, upgrade => [ 5, 500 ], stop => 20, events => [ 5, 50_000 ], needs => 10 },
);
my @MEASURES = qw(restart control idle memory fleet log logtail adopt upgrade stop events needs);
my ($size, %wanted) = ('full');
for my $word (@ARGV) {
    if ($SIZES{$word}) { $size = $word }
    elsif (grep { $_ eq $word } @MEASURES) { $wanted{$word} = 1 }
    else { die "bench: what is $word? One of quick, full, @MEASURES\n" }
}
%wanted = map { $_ => 1 } @MEASURES if !%wanted;
my $take = $SIZES{$size};

sub file_system { return (split ' ', `df --output=fstype '$_[0]' 2>&1`)[-1] }

my @places = ({ name => file_system(tmp()), dir => tmp('bench') });
File::Path::make_path(tmp('bench'));
my $memory;
if (-d '/dev/shm' && -w _ && file_system('/dev/shm') eq 'tmpfs') {
    $memory = "/dev/shm/lares-bench.$$";
    mkdir $memory, 0755 or die "unable to make $memory: $!\n";
    unshift @places, { name => 'tmpfs', dir => $memory };
}
END {
    if ($memory) {
        local $?; # the exit code, which waiting for processes would change
        Lares::Process::end_everything();
        File::Path::remove_tree($memory);
    }
}

sub facts {
    my ($model) = (file_text('/proc/cpuinfo') || '') =~ /^model name\s*:\s*(.*)/m;
    my $cpus    = () = (file_text('/proc/cpuinfo') || '') =~ /^processor\s*:/mg;
    my ($load)  = split ' ', file_text('/proc/loadavg') || '?';
    my $limits  = join ' ', map { my $n = `bash -c 'ulimit -$_ -n'`; chomp $n; $n } qw(S H);
    my $peers   = dirname(peers_root());
    my @have    = map { my $version = file_text("$peers/have/$_"); chomp $version; "$_ $version" }
        grep { -f "$peers/have/$_" } qw(daemontools runit s6 busybox-static supervisor);
    return join "\n",
        'machine      ' . join(' ', (POSIX::uname())[ 0, 2, 4 ]) . ", $cpus x " . ($model || 'processor') . ", load $load",
        "work         $places[-1]{dir} is on $places[-1]{name}" . ($memory ? ', /dev/shm on tmpfs' : ', there is no tmpfs'),
        "descriptors  ulimit -n: soft and hard $limits",
        'peers        ' . (join(', ', @have) || 'none: make peers'),
        "rounds       $size: restart $take->{restart}, control $take->{control}, memory $take->{memory}[0] of "
        . "$take->{memory}[1], services " . join(' and ', map { "$_->[0] x $_->[1]" } @{ $take->{fleet} })
        . ", log $take->{log}[0] x $take->{log}[1] MiB, logtail $take->{logtail}[0] x $take->{logtail}[1] MiB, adopt $take->{adopt}, upgrade $take->{upgrade}[1] x $take->{upgrade}[0], stop $take->{stop}, "
        . "events $take->{events}[1] x $take->{events}[0], needs $take->{needs}",
        '';
}

srand 1;
my $facts  = facts();
my @suites = suites();
my @others = grep { $_->{name} ne 'static' } @suites;
my $first  = $places[0];
my (@rows, @log);
push @rows, measure_restart($take->{restart}, \@places, @suites)          if $wanted{restart};
push @rows, measure_control($take->{control}, $first, @others)            if $wanted{control};
push @rows, measure_idle($take->{idle}, $first, @others)                  if $wanted{idle};
push @rows, measure_memory(@{ $take->{memory} }, $first, @suites)         if $wanted{memory};
if ($wanted{fleet}) { push @rows, measure_fleet($_->[1], $_->[0], $first, @others) for @{ $take->{fleet} } }
push @log,  measure_log(@{ $take->{log} }, @places)                       if $wanted{log};
push @log,  measure_logtail(@{ $take->{logtail} }, $first)                if $wanted{logtail};
push @rows, measure_adopt($take->{adopt}, \@places, @suites)              if $wanted{adopt};
push @rows, measure_upgrade(@{ $take->{upgrade} }, $first, @suites)       if $wanted{upgrade};
push @rows, measure_stop($take->{stop}, $first, @suites)                  if $wanted{stop};
push @rows, measure_events(@{ $take->{events} }, $first, @suites)         if $wanted{events};
push @rows, measure_needs($take->{needs}, $first, @suites)                if $wanted{needs};
print "$facts\n";
print_table('median, ratio to floor', @rows);
print_table('median, ratio to floor, processor time a line', @log);
