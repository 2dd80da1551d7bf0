# Services that do not want to end (tests/probe/hostile.c), alone or under a scanner whose
# supervisors have been killed. use Lares; use Lares::Hostile;

package Lares::Hostile;

use strict;
use warnings;
use Exporter 'import';
use POSIX ();
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More ();

our @EXPORT = qw(hostile hostile_ones left pids_of ready service adopted_scan adopt leave_scan take_pid);

# The command line: hostile($report, word => count ...).
sub hostile {
    my ($report, @words) = @_;
    return (($ENV{LARES_TESTS} || build_dir() . '/tests') . '/probe/hostile', $report, @words);
}

# Those that live; left(): their names, each after its word, or of these words ('stray|deep').
my $all = 'hostile|child|stray|deep|forker|hopper|wiped|bare|meek|threaded|below|headless';
sub hostile_ones {
    my ($words) = @_;
    $words ||= $all;
    return grep { $_->{name} =~ /^(?:$words)$/ } descendants();
}
sub left { return join ' ', sort map { $_->{name} } hostile_ones(@_) }

# The pids of those that were started with this service's report as argument: a service that was
# hit and started again has other ones, though left() is the same.
sub pids_of {
    my ($dir) = @_;
    return join ' ', sort map { $_->{pid} } grep { $_->{command} =~ m{ \Q$dir\E\.report } } hostile_ones();
}

sub ready {
    my ($dir, $times) = @_;
    wait_for { starts_like("$dir.report") >= ($times || 1) } "$dir: all of the tree";
}
sub starts_like { my $text = file_text($_[0]); return defined $text ? scalar(() = $text =~ /^ready /mg) : 0 }

sub service {
    my ($dir, $words, %files) = @_;
    return make_service($dir, run => [ hostile("$dir.report", @$words) ],
        files => { 'restart-delays' => "0\n", 'timeout-kill' => "100\n", %files });
}

# A scan directory with a scanner and services that were adopted.
sub adopted_scan {
    my ($words_by_name, %files) = @_;
    my @arguments = @{ delete $files{arguments} || [] };
    my ($scan, $def) = new_scan();
    for my $name (sort keys %$words_by_name) {
        service("$def/$name", $words_by_name->{$name}, %files);
        symlink "../def/$name", "$scan/$name" or die "$scan/$name: $!\n";
    }
    my $scanner = scanner($scan, @arguments);
    ready("$def/$_") for sort keys %$words_by_name;
    adopt("$scan/$_", $_) for sort keys %$words_by_name;
    return ($scan, $def, $scanner);
}
sub adopt {
    my ($dir, $name) = @_;
    my $pid = wait_for { supervisor($name) } 'its supervisor';
    kill9($pid);
    return wait_state($dir, adopted => 1);
}
sub leave_scan {
    my ($scanner) = @_;
    Test::More::is(stop_scanner($scanner), 0, 'the scanner stops');
    no_processes_left();
}

# The child of one that is killed and reaped.
sub orphan_of {
    my ($pid) = @_;
    my $child = wait_for { (grep { $_->{ppid} == $pid } descendants())[0] } 'its child';
    kill 'KILL', $pid;
    waitpid $pid, 0;
    return $child->{pid};
}

# A process with just this pid, leader of a session, by way of ns_last_pid. $orphaned: that ends, and it is a
# child of it that is in its group.
sub take_pid {
    my ($want, $orphaned) = @_;
    for (1 .. 50) {
        open my $last, '>', '/proc/sys/kernel/ns_last_pid' or return 0;
        syswrite $last, $want - 1 or return 0;
        close $last;
        my $pid = fork;
        return 0 if !defined $pid;
        if (!$pid) { $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP ALRM); POSIX::setsid(); $orphaned && fork; sleep 1000 while 1 }
        if ($pid == $want) {
            wait_for { process_info($pid)->{sid} == $pid } 'its session';
            Lares::Process::known_anew($pid);
            return orphan_of($pid) if $orphaned;
            return $pid;
        }
        kill 'KILL', $pid;
        waitpid $pid, 0;
    }
    return 0;
}

1;
