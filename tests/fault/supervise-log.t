#!/usr/bin/perl
# A service's and its logger's supervisor with system calls failing in both: whatever fails, once or
# for a while, both are started, restarted, adopted and stopped in order, and no line the service wrote
# is lost or doubled, but where the supervisor has said that it went elsewhere.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Lares::State;
use Test::More;

use constant LINES => 30;

my $number = 0;

sub start {
    my ($s, $which, $env) = @_;
    $s->{pid}{$which} = spawn([$s->{program}, '-s', $which], cwd => $s->{scan}, env => { LARES_SCANDIR => $s->{scan}, %$env },
        stderr => "$s->{scan}.err", stdout => "$s->{scan}.out", quiet => 1);
    $s->{beginning}{$which} = 1;
}

# A logger's supervisor opens the writing end of its pipe last of all.
sub begun {
    my ($s, $which) = @_;
    my $open = supervisor_begun($s->{pid}{$which}) or return 0;
    return $which eq 'web' || 2 <= grep { m{/log/supervise/pipe$} } @$open;
}

sub get_there {
    my ($s, $name, $what) = @_;
    my $got = wait_for {
        for my $which (qw(web web/log)) {
            next if alive($s->{pid}{$which});
            die "the supervisor of $which is gone: $name\n" if !$s->{beginning}{$which};
            gave_up($s->{pid}{$which}, "$s->{scan}.err");
            start($s, $which, { LARES_FAULT => undef });
        }
        living_probe("$s->{scan}.report");
        begun($s, 'web') && begun($s, 'web/log') && $what->()
    } $name, 20;
    $s->{beginning} = {};
    return $got;
}

sub main_of {
    my ($s, $which, $not) = @_;
    my $state = read_state("$s->{scan}/$which");
    return $state && $state->{state} eq 'up' && $state->{pid} != ($not || 0) && alive($state->{pid}) ? $state->{pid} : 0;
}

sub logged { my ($s) = @_; return join '', map { file_text($_) // '' } (sort glob "$s->{scan}/web/log/main/\@*"), "$s->{scan}/web/log/main/current" }
sub elsewhere { my ($s) = @_; return (file_text("$s->{scan}.err") // '') =~ /output goes to the scanner's/ }

# A life of the service: up, and all it says is in the log.
sub wait_life {
    my ($s, $name, $not) = @_;
    return get_there($s, $name, sub {
        my $pid = living_probe("$s->{scan}.report") or return 0;
        my $end = LINES;
        return $pid != ($not || 0) && main_of($s, 'web') == $pid && (elsewhere($s) || logged($s) =~ /^\S+ $pid $end$/m) ? $pid : 0;
    });
}

sub check_lines {
    my ($s) = @_;
    return if elsewhere($s);
    my %next;
    for my $line (split /\n/, logged($s)) {
        my ($pid, $n) = $line =~ /^\@[0-9a-f]{24} (\d+) (\d+)$/ or die "not a line of ours: $line\n";
        die "line $n of $pid, due was " . (($next{$pid} // 0) + 1) . "\n" if $n != ($next{$pid} // 0) + 1;
        $next{$pid} = $n;
    }
}

sub leave {
    my ($s, $which) = @_;
    signal($s->{pid}{$which}, 'TERM');
    my $end = wait_exit($s->{pid}{$which});
    die "$which left with " . (defined $end->{exit} ? $end->{exit} : "signal $end->{signal}") . "\n"
        if !defined $end->{exit} || $end->{exit};
}

sub live {
    my ($s, $env) = @_;
    start($s, $_, $env) for qw(web web/log);
    my $pid = wait_life($s, 'the first life');
    kill9($pid);
    $pid = wait_life($s, 'the second life', $pid);
    my $logger = get_there($s, 'the logger', sub { main_of($s, 'web/log') });
    kill9($logger);
    get_there($s, 'another logger', sub { main_of($s, 'web/log', $logger) });
    wait_recorded("$s->{scan}.err");
    kill9($s->{pid}{'web/log'});
    wait_exit($s->{pid}{'web/log'});
    start($s, 'web/log', $env);
    get_there($s, 'adoption', sub { main_of($s, 'web/log') });
    kill9($pid);
    wait_life($s, 'the third life', $pid);
    leave($s, $_) for qw(web web/log);
    check_lines($s);
    Lares::Process::reap_orphans();
    die 'left running: ' . join(', ', map { Lares::Proc::describe($_) } descendants()) . "\n" if descendants();
}

sub scenario {
    my ($program, $env) = @_;
    my $scan = tmp('s' . ++$number);
    my $s    = { program => $program, scan => $scan, pid => {}, beginning => {} };
    make_service("$scan/web", run => [probe("$scan.report", 'lines', LINES, 'sleep')],
        log => [bin('log'), 't', 's1000000', 'n10', './main'],
        files => { 'restart-delays' => "0 50\n", 'timeout-kill' => "1000\n", 'log/restart-delays' => "0 50\n", 'log/timeout-kill' => "3000\n" });
    return account($scan, sub { live($s, $env) });
}

fault_campaign('supervise', seconds => 15, scenario => \&scenario);
done_testing;
