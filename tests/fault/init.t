#!/usr/bin/perl
# lares-init with one system call failing at a time: whatever fails, a scanner that dies is replaced,
# what it left is reaped, its services keep their pids, and a stop ends everything with exit code 0.
# An init that gives up does so before it has started anything, with a message.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Test::More;

my $number = 0;

sub children { my ($pid) = @_; return split ' ', file_text("/proc/$pid/task/$pid/children") // '' }
sub named { my ($pid, $name) = @_; return grep { (file_text("/proc/$_/cmdline") // '') =~ /^lares-$name\0/ } children($pid) }
sub living { my ($scan) = @_; return map { $_->{pid} } grep { alive($_->{pid}) } probe_runs("$scan.runs") }

# The one process of the service, shown by its status.
sub wait_up {
    my ($scan, $what, $not) = @_;
    return wait_for {
        my @living = living($scan);
        die "runs twice: $what\n" if @living > 1;
        my $status = eval { read_status("$scan/web") };
        @living && $status && $status->{pid} == $living[0] && $living[0] != ($not // 0) ? $living[0] : 0
    } $what, 20;
}

sub start {
    my ($program, $env, $scan) = @_;
    return spawn([$program, '-b', $ENV{LARES_BUILD} || build_dir() . '/bin', $scan], env => $env, stderr => "$scan.err", quiet => 1);
}

# 1 when up, 0 when it gave up in an orderly manner.
sub begin {
    my ($init, $scan) = @_;
    wait_for { !alive($init) || living($scan) } 'up or gone';
    return 1 if alive($init) && wait_up($scan, 'the first start');
    my $end = wait_exit($init);
    die 'ended with ' . ($end->{exit} // "signal $end->{signal}") . "\n" if !defined $end->{exit} || $end->{exit} !~ /^(?:100|111|126)$/;
    die "gave up without a word\n" if !-s "$scan.err";
    return 0;
}

sub live {
    my ($program, $env, $scan) = @_;
    my $init = start($program, $env, $scan);
    if (!begin($init, $scan)) {
        die "gave up after it had started something\n" if living($scan) || descendants();
        $init = start($program, { LARES_FAULT => undef }, $scan);
        begin($init, $scan) or die "gave up without a fault\n";
    }
    my $web = wait_up($scan, 'the service');
    for (1 .. 2) {
        my ($old) = wait_for { named($init, 'svscan') } 'a scanner';
        kill9($old);
        wait_for { my ($new) = named($init, 'svscan'); $new && $new != $old } 'another scanner';
    }
    die "the service was not kept\n" if wait_up($scan, 'after the scanner') != $web;
    my ($supervisor) = wait_for { named($init, 'supervise') } 'the orphaned supervisor';
    kill9($supervisor);
    wait_for { reaped($supervisor) } 'it reaped';
    kill9($web);
    wait_up($scan, 'another service', $web);
    wait_for { reaped($web) } 'the service reaped';
    signal($init, 'HUP');
    signal($init, 'TERM');
    my $end = wait_exit($init, 30);
    die 'left with ' . ($end->{exit} // "signal $end->{signal}") . "\n" if !defined $end->{exit} || $end->{exit};
    Lares::Process::reap_orphans();
    die 'left running: ' . join(', ', map { Lares::Proc::describe($_) } descendants()) . "\n" if descendants();
}

sub scenario {
    my ($program, $env) = @_;
    my $scan = tmp('scan' . ++$number);
    mkdir $scan or die "mkdir $scan: $!\n";
    make_service("$scan.d/web", run => [probe("$scan.runs", 'sleep')], files => { 'restart-delays' => "0 50\n", 'timeout-kill' => "1000\n" });
    symlink "$scan.d/web", "$scan/web" or die "symlink: $!\n";
    return account($scan, sub { live($program, $env, $scan) });
}

fault_campaign('init', seconds => 10, scenario => \&scenario);
done_testing;
