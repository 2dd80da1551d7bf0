# Scanners of the fault ring, in which calls fail. One that gave up did so at its beginning and said
# why; it is followed by one without faults. use Lares; use Lares::Fault; use Lares::FaultedScan;
#
# $s has program, scan (the scan directory) and, where wanted: arguments and env (of the scanner, beside
# the faults), names (services of which there is to be one process at any time).

package Lares::FaultedScan;

use strict;
use warnings;
use Exporter 'import';
use Lares;
use Lares::Fault;

our @EXPORT = qw(start living begun get_there wait_up supervisor_of nobody_left);

sub start {
    my ($s, $env) = @_;
    $s->{pid} = spawn([ $s->{program}, '-b', $ENV{LARES_BUILD} || build_dir() . '/bin', @{ $s->{arguments} || [] }, $s->{scan} ],
        env => { %$env, %{ $s->{env} || {} } }, stderr => "$s->{scan}.err", quiet => 1);
    $s->{beginning} = 1;
}

sub living {
    my ($s, $name) = @_;
    return living_probe("$s->{scan}.$name");
}

# Past the point of no return: it has told that it is ready, or been asked and answered.
sub begun {
    my ($s) = @_;
    return 1 if (file_text("$s->{scan}.err") // '') =~ /stopping everything/;
    return grep { /inotify|\[signalfd\]/ } values %{ fds_of($s->{pid}) || {} };
}

sub get_there {
    my ($s, $name, $what) = @_;
    my $got = wait_for {
        if (!alive($s->{pid})) {
            die "the scanner is gone: $name\n" if !$s->{beginning};
            gave_up($s->{pid}, "$s->{scan}.err");
            start($s, { LARES_FAULT => undef });
        }
        living($s, $_) for @{ $s->{names} };
        $what->()
    } $name, 20;
    $s->{beginning} = 0;
    return $got;
}

# The one process of the service, shown by its status, its supervisor there.
sub wait_up {
    my ($s, $name, $what) = @_;
    return get_there($s, "$name: $what", sub {
        my $pid    = living($s, $name);
        my $status = eval { read_status("$s->{scan}/$name") };
        return $pid && $status && $status->{pid} == $pid && supervisor_of($s, $name) ? $pid : 0;
    });
}

# By the lock, as it holds it.
sub supervisor_of {
    my ($s, $name) = @_;
    my $record = file_text("$s->{scan}/$name/supervise/lock") // '';
    return 0 if $record !~ /^LI/;
    my $pid = unpack 'x8 l>', $record;
    my $info = process_info($pid) or return 0;
    return $info->{state} ne 'Z' && $info->{name} =~ /supervise/ ? $pid : 0;
}

# After the end of the scanner.
sub nobody_left {
    Lares::Process::reap_orphans();
    die 'left running: ' . join(', ', map { Lares::Proc::describe($_) } descendants()) . "\n" if descendants();
}

1;
