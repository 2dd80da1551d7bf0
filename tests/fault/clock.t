#!/usr/bin/perl
# The wall clock is set forward and back under programs that run: delays and deadlines are not
# moved, what is shown stays sensible, names of archives stay unique and in order, stamps rise.
# (The machine's clock is never set: these builds read time through a function that is wrong by as
# much as the test says.)

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Lares::Scan qw(new_scan);
use Lares::State;
use POSIX ();
use Test::More;

use constant DAY => 86400;

sub env_of { my ($board) = @_; return { LARES_FAULT => undef, LARES_FAULT_FILE => $board, LARES_LOGBUF => undef } }
sub now { return Lares::Process::now() }

# Of svstat's line, whose clock is right: "NAME: up (pid N) N seconds".
sub shown_seconds {
    my ($dir) = @_;
    my $line = run([bin('svstat'), $dir])->{out};
    return $line =~ / (-?\d+) seconds/ ? $1 : "none in: $line";
}

# --- a supervisor ---------------------------------------------------------------------------

for my $step (DAY, -(DAY)) {
    my $how   = $step > 0 ? 'a day forward' : 'a day back';
    my $board = new_board('board');
    my $dir   = make_service(tmp($step > 0 ? 'forward' : 'back'),
        run   => [probe(tmp("report$step"), 'ignore', 15, 'event', 'set', 'sleep')],
        files => { 'restart-delays' => "0 600\n", 'restart-reset' => "100000\n", 'timeout-kill' => "700\n" });
    my $pid  = spawn([faulty('supervise'), $dir], env => env_of($board));
    my $main = wait_state($dir, state => 'up')->{pid};
    kill9($main);
    my $second = wait_state($dir, state => 'up', starts => 2)->{pid};
    kill9($second); # the second early death: 600 ms
    my $died = now();
    wait_state($dir, state => 'backoff');
    step_clock($board, $step);
    my $third = wait_state($dir, state => 'up', starts => 3)->{pid};
    my $took  = now() - $died;
    ok($took > 0.5 && $took < 5, "$how: the next start comes in its time") or diag($took);
    my $shown = shown_seconds($dir);
    ok($shown =~ /^\d+$/ && $shown < DAY + 100, "... and it is shown as up for no absurd time") or diag($shown);
    ok(abs(read_status($dir)->{time} - time - $step) < 100, '... the classic status has the time of the clock it has');
    wait_for { my ($r) = grep { $_->{pid} == $third } probe_runs(tmp("report$step")); $r && @{ $r->{events} } } 'TERM ignored';
    control($dir, 'd');
    my $told = now();
    wait_state($dir, state => 'stopping');
    step_clock($board, -$step);
    wait_state($dir, state => 'down');
    $took = now() - $told;
    ok($took > 0.6 && $took < 5, '... set the other way while it stops: KILL comes in its time') or diag($took);
    $shown = shown_seconds($dir);
    ok($shown =~ /^\d+$/ && $shown < DAY + 100, '... down for no absurd time') or diag($shown);
    my @h = read_history($dir);
    is(join(' ', map { $_->{sequence} } @h), join(' ', 1 .. @h), '... the journal goes on in order');
    is(leave_service($dir, $pid), 0, '... it leaves');
}

# A record of tomorrow, left by a supervisor that was killed before the clock was set right.
{
    my $board = new_board('board');
    my $dir   = make_service(tmp('tomorrow'), run => [probe(tmp('tomorrow.report'), 'sleep')]);
    step_clock($board, DAY);
    my $pid  = spawn([faulty('supervise'), $dir], env => env_of($board));
    my $main = wait_state($dir, state => 'up')->{pid};
    kill9($pid);
    wait_exit($pid);
    step_clock($board, 0);
    $pid = spawn([faulty('supervise'), $dir], env => env_of($board));
    is(wait_state($dir, adopted => 1)->{pid}, $main, 'a service that begins tomorrow is adopted');
    is(shown_seconds($dir), 0, '... and shown as up for 0 seconds');
    is(leave_service($dir, $pid), 0, '... and stopped');
}

# --- a logger -------------------------------------------------------------------------------

{
    my $board = new_board('board');
    my $dir   = tmp('main');
    pipe my $read, my $write or die "pipe: $!\n";
    my $pid = spawn([faulty('log'), 't', 's4096', 'n50', $dir], env => env_of($board), stdin => $read);
    close $read;
    $write->autoflush(1);
    my ($n, $last) = (0, 0);
    my $text = sub { join '', map { file_text($_) // '' } (sort glob "$dir/\@*"), "$dir/current" };
    for my $step (0, -3600, 7200, -(DAY), 1, DAY, 0, -(DAY)) {
        step_clock($board, $step);
        for (1 .. 2) {
            syswrite $write, join '', map { sprintf "line %d %s\n", ++$n, 'x' x 60 } 1 .. 30;
            wait_for { $text->() =~ /^\S+ line $n x/m } "line $n";
            signal($pid, 'ALRM');
        }
    }
    close $write;
    is(wait_exit($pid)->{exit}, 0, 'the logger ends in order');
    my @lines = split /\n/, $text->();
    is(join(' ', map { / line (\d+) / } @lines), join(' ', 1 .. $n), 'files in the order of their names have the lines in theirs');
    my @stamps = map { /^(\@\S+)/ } @lines;
    is(scalar(grep { $stamps[$_] le $stamps[$_ - 1] } 1 .. $#stamps), 0, 'stamps rise, however the clock is set');
    cmp_ok(scalar(() = glob "$dir/\@*"), '>=', 15, 'each rotation left a file of its own');
}

# --- a scanner ------------------------------------------------------------------------------

for my $step (DAY, -(DAY)) {
    my $board = new_board('board');
    my ($scan, $def) = new_scan();
    my $pid = spawn([faulty('svscan'), '-b', $ENV{LARES_BUILD} || build_dir() . '/bin', $scan], env => env_of($board));
    step_clock($board, $step);
    make_service("$def/web", run => [probe(tmp("scan$step"), 'sleep')]);
    is(run(['cp', '-r', "$def/web", $scan])->{exit}, 0, 'a directory is copied in');
    wait_for { my $s = read_state("$scan/web"); $s && $s->{state} eq 'up' } 'it to be started';
    pass('with a clock that is ' . ($step > 0 ? 'a day ahead' : 'a day behind') . ' it is started');
    signal($pid, 'TERM');
    is(wait_exit($pid)->{exit}, 0, 'the scanner stops in order');
}
no_processes_left();
done_testing;
