# type oneshot: run is executed to its end, what it did stays until finish undoes it.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Lares::Hostile;
use Test::More;

# A service that notes what is run, with arguments, in `ran`; run ends with the code in `code`.
sub oneshot {
    my ($name, %files) = @_;
    return make_service(tmp($name),
        run => 'echo "start $1" >>ran; exit "$(cat code 2>/dev/null || echo 0)"',
        finish => 'echo "finish $1 $2 $3" >>ran; [ ! -e wait ] || read x <wait',
        files => { type => "oneshot\n", %files });
}
sub ran { my $text = file_text("$_[0]/ran"); return defined $text ? $text : '' }

{
    my $dir = oneshot('mount');
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'done');
    is(ran($dir), "start mount\n", 'run is run to its end, and finish is not');
    is_deeply([@$s{qw(want starts deaths wstat pid)}], ['up', 1, 1, 0, 0], 'done is wanted up');
    is(run([bin('svc'), '-wU', '-T', '5000', '-u', $dir])->{exit}, 0, 'up is what it is already');
    is(run([bin('svc'), '-wu', '-T', '5000', '-u', $dir])->{exit}, 0, '... for -wu too');
    is(ran($dir), "start mount\n", '... and is not done again');
    like(run([bin('svstat'), $dir])->{out}, qr/, done, last run exited 0 /, 'svstat says done');
    is(run([bin('svc'), '-wD', '-T', '5000', '-d', $dir])->{exit}, 0, 'down');
    is(ran($dir), "start mount\nfinish 0 0 mount\n", 'd undoes it: finish is run');
    $s = wait_state($dir, state => 'down', want => 'down');
    control($dir, 'd');
    control($dir, 'u');
    wait_state($dir, state => 'done', starts => 2);
    is(ran($dir), "start mount\nfinish 0 0 mount\nstart mount\n", 'undone once, and u does it again');
    control($dir, 'r');
    wait_state($dir, state => 'done', starts => 3);
    like(ran($dir), qr/finish 0 0 mount\nstart mount\n\z/, 'r undoes it and does it again');
    control($dir, 'o');
    wait_state($dir, state => 'done', starts => 4, want => 'up');
    like(ran($dir), qr/(?:finish 0 0 mount\nstart mount\n){2}\z/, 'o too');
    control($dir, 'O');
    wait_state($dir, state => 'down');
    unlike(ran($dir), qr/finish[^\n]*\n\z/, 'O leaves what it did');
    control($dir, 'u');
    wait_state($dir, state => 'done', starts => 5);
    is(leave_service($dir, $pid), 0, 'x');
    like(ran($dir), qr/start mount\nfinish 0 0 mount\n\z/, 'x undoes it');
    no_processes_left();
}

# --- failures ---
{
    my $dir = oneshot('fails', 'restart-delays' => "0 20*3 100000\n", code => "3\n");
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'backoff', early => 4);
    is($s->{reason}, 'exited', 'one that fails is tried again by restart-delays');
    is(ran($dir), "start fails\nfinish 3 0 fails\n" x 4, 'finish is told of each failure');
    write_file("$dir/code", "0\n");
    control($dir, 'u');
    wait_state($dir, state => 'done');
    control($dir, 'd');
    wait_state($dir, state => 'down');
    write_file("$dir/restart", "never\n");
    write_file("$dir/code", "4\n");
    control($dir, 'u');
    $s = wait_state($dir, state => 'failed');
    is_deeply([@$s{qw(reason detail)}], ['exited', 4], 'restart never: failed at once');
    control($dir, 'o');
    wait_state($dir, state => 'down', want => 'down', starts => 7);
    pass('once: it has failed and is down');
    unlink "$dir/code";
    control($dir, 'o');
    wait_state($dir, state => 'done', want => 'up', starts => 8);
    pass('once: it is done');
    leave_service($dir, $pid);
}

# --- told to end while it runs ---
{
    my $dir = make_service(tmp('slow'), run => 'trap "exit 0" TERM; echo start >>ran; read x <never & wait',
        finish => 'echo "finish $1 $2" >>ran', files => { type => "oneshot\n", never => { fifo => 0600 }, "timeout-kill" => "1000\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'starting', starts => 1);
    wait_for { ran($dir) } 'run';
    control($dir, 'd');
    wait_state($dir, state => 'down');
    is(ran($dir), "start\nfinish 0 0\n", 'stopped before it was done: undone whatever it says');
    write_file("$dir/timeout-ready", "100\n");
    write_file("$dir/restart-delays", "100000\n");
    control($dir, 'u');
    my $s = wait_state($dir, state => 'backoff');
    is($s->{reason}, 'ready-timeout', 'timeout-ready: one that takes too long has failed')
        or diag ran($dir);
    is(leave_service($dir, $pid), 0, '... and leaves');
    no_processes_left();
}

# --- nothing to run ---
{
    my $dir = make_service(tmp('nothing'), finish => 'echo "finish $1 $2 $3" >>ran', files => { type => "oneshot\n" });
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'done');
    is_deeply([@$s{qw(starts deaths)}], [0, 0], 'without run there is nothing to be done');
    control($dir, 'd');
    wait_state($dir, state => 'down');
    is(ran($dir), "finish 256 0 nothing\n", 'but there may be something to be undone');
    write_file("$dir/start", "#!/bin/sh\necho start >>ran\nexit 1\n", 0755);
    write_file("$dir/restart-delays", "100000\n");
    control($dir, 'u');
    is(wait_state($dir, state => 'backoff')->{reason}, 'start-failed', 'a start that fails');
    write_file("$dir/start", "#!/bin/sh\necho start >>ran\n", 0755);
    control($dir, 'o');
    wait_state($dir, state => 'done', want => 'up');
    pass('a start alone is enough');
    leave_service($dir, $pid);
    like(ran($dir), qr/start\nfinish 256 0 nothing\n\z/, 'x undoes it');
}

# --- restart always ---
{
    my $dir = oneshot('always', restart => "always\n", 'restart-delays' => "1\n");
    my $pid = supervise($dir);
    wait_history($dir, 3, event => 'run-died');
    like(ran($dir), qr/^(start always\nfinish 0 0 always\n){2}/, 'restart always: done again and again');
    leave_service($dir, $pid);
}

# --- the supervisor is killed ---
{
    my $dir = oneshot('killed');
    my $pid = supervise($dir);
    wait_state($dir, state => 'done');
    kill9($pid);
    wait_exit($pid);
    $pid = supervise($dir);
    is(wait_state($dir, state => 'done')->{starts}, 1, 'what is done is not done again by the next supervisor');
    make_fifo("$dir/wait");
    control($dir, 'd');
    my $s = wait_state($dir, state => 'finishing', role => 'finish', pid => qr/^[1-9]/);
    kill9($pid);
    wait_exit($pid);
    $pid = supervise($dir);
    wait_state($dir, state => 'finishing', adopted => 1, pid => $s->{pid});
    write_file("$dir/wait", "\n");
    wait_state($dir, state => 'down', want => 'down');
    is(ran($dir), "start killed\nfinish 0 0 killed\n", 'undoing goes on, once');
    leave_service($dir, $pid);
    no_processes_left();
}

# --- the process group that finish is told of: hours later it may be another's ---
for my $how (qw(taken orphaned left)) {
    my $left = $how eq 'left' ? 'sleep 1000 & ' : '';
    my $dir = make_service(tmp($how), run => "${left}echo \$\$ >group", finish => 'echo "$#:$4" >told',
        files => { type => "oneshot\n", $left ? ('kill-mode' => "process\n") : () });
    my $pid = supervise($dir);
    wait_state($dir, state => 'done');
    chomp(my $group = file_text("$dir/group"));
    my $stranger = $left ? 0 : take_pid($group, $how eq 'orphaned');
    SKIP: {
        skip "no process could be given the number $group again", 1 if !$left && !$stranger;
        control($dir, 'd');
        wait_state($dir, state => 'down');
        is(file_text("$dir/told"), $left ? "4:$group\n" : "4:\n",
            $left ? 'somebody is left in it: its number' : 'a stranger has the number' . ($how eq 'orphaned' ? ', whose leader has ended' : '') . ': finish is not told of it');
        ok(!$stranger || alive($stranger), 'who goes on');
    }
    kill9($stranger), waitpid $stranger, 0 if $stranger;
    leave_service($dir, $pid);
    kill9($_->{pid}) for descendants();
    no_processes_left();
}
done_testing;
