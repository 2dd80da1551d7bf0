# What /proc says about processes. Part of the harness; see Lares.pm.

package Lares::Proc;

use strict;
use warnings;
use Exporter 'import';
use POSIX ();

our @EXPORT = qw(descendants process_info fds_of fds_at_rest slept blocks_term duplicate_fd epoll_targets);

# A hash of pid ppid pgid sid state start name command, or undef when there is no such process.
sub process_info {
    my ($pid) = @_;
    open my $in, '<', "/proc/$pid/stat" or return undef;
    my $line = <$in>;
    return undef if !defined $line || $line !~ /^\d+ \((.*)\) (\S) (.*)/s;
    my ($name, $state, @f) = ($1, $2, split ' ', $3);
    $state = 'S' if $state eq 'Z' && $f[16] > 1; # only its first thread has ended
    my $command = $name;
    if (open my $cmd, '<', "/proc/$pid/cmdline") {
        local $/;
        my $words = <$cmd>;
        ($command = $words) =~ tr/\0/ / if defined $words && length $words;
    }
    return { pid => $pid, ppid => $f[0], pgid => $f[1], sid => $f[2], state => $state,
        start => $f[18], name => $name, command => $command };
}

sub proc_pids {
    opendir my $dir, '/proc' or return ();
    return grep { /^\d+$/ } readdir $dir;
}

# All live descendants of a process (default: of the test) as process_info hashes.
sub descendants {
    my ($root, %opt) = @_;
    $root = $$ if !defined $root;
    my (%children, @found);
    for my $info (grep { defined } map { process_info($_) } proc_pids()) {
        push @{ $children{ $info->{ppid} } }, $info;
    }
    my @todo = ($root);
    while (defined(my $pid = shift @todo)) {
        for my $info (@{ $children{$pid} || [] }) {
            push @todo, $info->{pid};
            push @found, $info if $opt{zombies} || $info->{state} ne 'Z';
        }
    }
    return @found;
}

sub describe {
    my ($p) = @_;
    return "pid $p->{pid} parent $p->{ppid} group $p->{pgid} session $p->{sid} $p->{state} $p->{command}";
}

# Open descriptors of a process: { 0 => '/dev/null', ... }.
sub fds_of {
    my ($pid) = @_;
    opendir my $dir, "/proc/$pid/fd" or return undef;
    my %fds = map { $_ => readlink("/proc/$pid/fd/$_") } grep { /^\d+$/ } readdir $dir;
    return { map { $_ => $fds{$_} } grep { defined $fds{$_} } keys %fds };
}

# Is SIGTERM kept for the process to read? A program of ours is past its beginning then. (So it is
# while perl forks.)
sub blocks_term {
    my ($pid) = @_;
    open my $status, '<', "/proc/$pid/status" or return 0;
    my ($blocked) = join('', <$status>) =~ /^SigBlk:\s*(\S+)/m;
    return $blocked && hex(substr $blocked, -4) & 1 << POSIX::SIGTERM() - 1;
}

# Another process' descriptor, open here, too, as it is in a child that has not got past execve();
# undef where the kernel does not give it (before 5.6, or not root).
use constant { SYS_pidfd_open => 434, SYS_pidfd_getfd => 438 };
sub duplicate_fd {
    my ($pid, $fd) = @_;
    my $process = syscall SYS_pidfd_open, 0 + $pid, 0;
    return undef if $process < 0;
    my $copy = syscall SYS_pidfd_getfd, $process, 0 + $fd, 0; # a string would be passed by its address
    POSIX::close($process);
    return $copy < 0 ? undef : $copy;
}

# How many descriptors the epoll instances of a process listen to.
sub epoll_targets {
    my ($pid) = @_;
    my $fds = fds_of($pid) || {};
    my $count = 0;
    for my $fd (grep { $fds->{$_} =~ /eventpoll/ } keys %$fds) {
        open my $info, '<', "/proc/$pid/fdinfo/$fd" or next;
        $count += grep { /^tfd:/ } <$info>;
    }
    return $count;
}

# Asleep, and how often it has been; '' when it is not.
sub slept {
    my ($pid) = @_;
    open my $status, '<', "/proc/$pid/status" or return '';
    my $text = join '', <$status>;
    return $text =~ /^State:\s+S.*^voluntary_ctxt_switches:\s+(\d+)/ms ? $1 : '';
}

# The same of one that was waiting all the while they were read, and had none open in passing;
# undef when it was not.
sub fds_at_rest {
    my ($pid) = @_;
    my $before = slept($pid);
    my $fds = fds_of($pid);
    return $before ne '' && $before eq slept($pid) ? $fds : undef;
}

1;
