# Memory of one supervisor of an idle service, the kernel's included, in KiB: what a memory cgroup
# (version 1 or 2, one made for this) is charged for `count` of them, mean, median of the rounds.
# They join it after their fork, so their task and kernel stack are added: 24. Their files were
# made before, so that no page of those is charged; what stays is what a running one costs.
#
# Needs root and a memory controller; without them the row is n/a.

package Bench::Memory;

use strict;
use warnings;
use Exporter 'import';
use Time::HiRes 'sleep';
use Lares;
use Bench::Suites;
use Bench::Measure;

our @EXPORT = qw(measure_memory);

use constant TASK => 24; # task, signal and stack, see above

# The folder of a cgroup of our own, the files' names and where to go back to; or nothing.
sub make_cgroup {
    for my $way (
        [ '/sys/fs/cgroup/memory', 'memory.usage_in_bytes' ],
        [ '/sys/fs/cgroup', 'memory.current' ],
        [ '/sys/fs/cgroup/unified', 'memory.current' ],
        )
    {
        my ($root, $usage) = @$way;
        my $dir = "$root/lares-bench-$$";
        next if !mkdir $dir;
        return { dir => $dir, usage => "$dir/$usage" } if -r "$dir/$usage" && -w "$dir/cgroup.procs";
        rmdir $dir;
    }
    return;
}

# Starts `count`, with plain forks: no pipe or descriptor of ours may count. KiB each.
sub take {
    my ($suite, $count, $place, $group) = @_;
    my @dirs = map { "$place->{dir}/memory/$suite->{name}/s$_" } 1 .. $count;
    for my $dir (@dirs) {
        next if -d $dir;
        File::Path::make_path($dir);
        write_file("$dir/run", "#!/bin/sh\nexec sleep 1000\n", 0755);
        write_file("$dir/down", '');
    }
    system 'sync';
    my $before = file_text($group->{usage});
    my @pids;
    for my $dir (@dirs) {
        my $argv = $suite->{supervise}->($dir);
        my $pid  = fork;
        die "unable to fork: $!\n" if !defined $pid;
        if (!$pid) {
            write_file("$group->{dir}/cgroup.procs", "$$\n");
            chdir $dir;
            open STDERR, '>', '/dev/null';
            { no warnings 'exec'; exec { $argv->[0] } @$argv }
            POSIX::_exit(127);
        }
        push @pids, $pid;
    }
    for my $dir (@dirs) {
        wait_for { -e "$dir/supervise/status" } "a supervisor of $suite->{name}", 20;
    }
    sleep 1.2; # what is done after that is over
    my $each = (file_text($group->{usage}) - $before) / $count / 1024;
    Lares::Process::end_everything();
    return $each;
}

sub measure_memory {
    my ($rounds, $count, $place, @suites) = @_;
    my $row = { name => 'memory of a supervisor', key => 'memory', unit => 'KiB', cells => {} };
    my (%each, @usable);
    for my $suite (@suites) {
        next if $suite->{name} =~ /^(?:floor|session)$/ || $suite->{name} eq 'supervisor';
        if   ($suite->{reason}) { $row->{cells}{ $suite->{name} } = $suite->{reason} }
        else                    { push @usable, $suite }
    }
    $row->{cells}{supervisor} = 'one process for all services';
    my $group = make_cgroup();
    if (!$group) {
        $row->{cells}{ $_->{name} } = 'no memory cgroup can be made here' for @usable;
        return $row;
    }
    take($_, $count, $place, $group) for @usable; # makes all files
    for my $round (1 .. $rounds) {
        progress("memory, round $round of $rounds");
        push @{ $each{ $_->{name} } }, take($_, $count, $place, $group) for @usable;
    }
    rmdir $group->{dir};
    $row->{cells}{$_} = [ median(@{ $each{$_} }) + TASK ] for map { $_->{name} } @usable;
    File::Path::remove_tree("$place->{dir}/memory");
    return $row;
}

1;
