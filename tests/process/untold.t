# What a supervisor has done or been told, and was killed before it had written it down: the next one
# knows it, and the journal has it. Each was found by tests/process/replay.t; here it dies at the point
# in question (lares/killpoint.h).
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::KillMap;
use Lares::Scan;
use Lares::State;
use Test::More;

my $map = kill_map(tmp('map'));
sub mortal {
    my ($dir, %opt) = @_;
    local $ENV{LARES_BUILD} = build_dir() . '/kill/a';
    return supervise($dir, env => { LARES_TEST_KILL_MAP => $map->file }, %opt);
}
# It dies when it passes this point after the letter; its successor.
sub dies_at {
    my ($dir, $pid, $point, $letter) = @_;
    $map->arm('supervise', $point, 'self');
    ref $letter ? $letter->() : control($dir, $letter);
    is(wait_exit($pid)->{signal}, 9, "it dies at $point");
    $map->disarm;
    return mortal($dir);
}
sub last_records { my ($dir, $count) = @_; my @all = read_history($dir); splice @all, 0, -$count; return join ", ", map { "$_->{event} $_->{state}" } @all }
sub service { my ($name, $run, %opt) = @_; return make_service(tmp($name), run => $run, %opt) }
my @now = ('restart-delays' => "100000\n");

subtest 'a start by command was not on record' => sub {
    my $dir = service('down', 'exec sleep 1000', files => { down => '' });
    my $pid = dies_at($dir, mortal($dir), 'JOURNAL', 'u');
    my $s = wait_state($dir, state => 'up', adopted => 1);
    is(last_records($dir, 2), 'boot down, up up', 'up is told');
    is("$s->{starts} $s->{want} $s->{reason}", '1 up command', 'and why');
    control($dir, 'd');
    wait_state($dir, state => 'down');
    $pid = dies_at($dir, $pid, 'JOURNAL', 'o');
    wait_state($dir, state => 'up', starts => 2);
    is(last_records($dir, 1), 'up up', 'one for once is told as what it is taken for');
    leave_service($dir, $pid);

    $dir = service('failed', '[ -e good ] && exec sleep 1000', files => { restart => "never\n" });
    $pid = mortal($dir);
    is(wait_state($dir, state => 'failed')->{early}, 1, 'failed after an early death');
    write_file("$dir/good", '');
    $pid = dies_at($dir, $pid, 'JOURNAL', 'u');
    is(wait_state($dir, state => 'up')->{early}, 0, 'and forgotten by the command to start');
    is(last_records($dir, 1), 'up up', '... which is told');
    leave_service($dir, $pid);

    $dir = service('backoff', '[ -e good ] && exec sleep 1000', files => {@now});
    $pid = mortal($dir);
    wait_state($dir, state => 'backoff');
    write_file("$dir/good", '');
    $pid = dies_at($dir, $pid, 'JOURNAL', 'u');
    wait_state($dir, state => 'up');
    is(last_records($dir, 1), 'up up', 'before its time has come it was a command');
    leave_service($dir, $pid);
};

subtest 'a start of what had been waiting' => sub {
    my $scan = tmp('scan');
    make_service("$scan/base", run => 'exec sleep 1000', files => { down => '' });
    my $dir = make_service("$scan/needy", run => 'exec sleep 1000', files => { 'needs/base' => '' });
    my @where = (args => [ '-n', $scan ]);
    my $base = supervise("$scan/base", @where);
    my $pid = mortal($dir, @where);
    wait_state($dir, state => 'waiting');
    $map->arm('supervise', 'JOURNAL', 'self');
    control("$scan/base", 'u');
    wait_exit($pid);
    $map->disarm;
    control("$scan/base", 'd'); # nobody is there who would have to go first
    wait_state("$scan/base", state => qr/stopping|down/);
    $pid = mortal($dir, @where);
    wait_history($dir, 1, event => 'needs-met', state => 'up');
    pass('its start is told, whatever has become of its need');
    wait_state($dir, state => 'waiting');
    wait_state("$scan/base", state => 'down');
    leave_service($dir, $pid);
    leave_service("$scan/base", $base);
};

subtest 'a oneshot that was started is not up' => sub {
    my $dir = service('oneshot', 'read x <gate', files => { type => "oneshot\n", down => '', gate => { fifo => 0600 } });
    my $pid = dies_at($dir, mortal($dir), 'JOURNAL', 'u');
    is(wait_state($dir, role => 'run')->{state}, 'starting', 'it is starting');
    write_file("$dir/gate", "\n");
    wait_state($dir, state => 'done');
    is(last_records($dir, 2), 'up starting, run-died done', 'and then done');
    leave_service($dir, $pid);
};

subtest 'a oneshot is to be done again' => sub {
    my $dir = service('again', 'echo done >>did', finish => 'read x <gate', files => { type => "oneshot\n", gate => { fifo => 0600 } });
    my $pid = mortal($dir);
    wait_state($dir, state => 'done');
    $pid = dies_at($dir, $pid, 'FORKED', 'r');
    wait_state($dir, state => 'finishing');
    write_file("$dir/gate", "\n");
    wait_state($dir, state => 'done', starts => 2);
    is(file_text("$dir/did"), "done\ndone\n", 'undone, and done again');
    write_file("$dir/finish", "#!/bin/sh\n", 0755);
    leave_service($dir, $pid);
};

subtest 'up while finish runs' => sub {
    my $dir = service('finishing', 'exec sleep 1000', finish => 'read x <gate', files => { restart => "never\n", gate => { fifo => 0600 } });
    my $pid = mortal($dir);
    signal(wait_state($dir, state => 'up')->{pid}, 'KILL');
    wait_state($dir, state => 'finishing');
    control($dir, 'u');
    wait_state($dir, stop => 2);
    kill9($pid);
    wait_exit($pid);
    $pid = mortal($dir);
    write_file("$dir/gate", "\n");
    is(wait_state($dir, state => 'up')->{starts}, 2, 'it is obeyed by the next one');
    write_file("$dir/finish", "#!/bin/sh\n", 0755);
    leave_service($dir, $pid);
};

subtest 'what a daemon left is told to end' => sub {
    my $dir = tmp('left');
    make_service($dir, run => [ probe("$dir.report", qw(ignore 15 launch 3 sleep)) ], files => { type => "forking\n", 'restart-delays' => "0\n", 'timeout-kill' => "0\n" });
    my $pid = mortal($dir);
    wait_state($dir, state => 'stopping', pid => 0);
    my ($deaf) = wait_for { file_text("$dir.report") =~ / event launched (\d+)/ } 'what is left';
    control($dir, 'd');
    wait_state($dir, want => 'down');
    $pid = dies_at($dir, $pid, 'RECORDED', sub { signal($deaf, 'KILL') });
    is(wait_state($dir, deaths => 1)->{state}, 'down', 'it is down and stays it');
    is(read_state($dir)->{starts}, 1, '... not started again');
    leave_service($dir, $pid);
};

subtest 'an early death stays one' => sub {
    my $dir = service('early', 'exec sleep 1000', files => { 'restart-delays' => "0 100000\n", 'restart-reset' => "600000\n" });
    my $pid = mortal($dir);
    my $first = wait_state($dir, state => 'up')->{pid};
    $pid = dies_at($dir, $pid, 'RECORDED', sub { signal($first, 'KILL') });
    is(wait_state($dir, deaths => 1)->{state}, 'backoff', 'recorded, and told by the next supervisor');
    is(read_state($dir)->{early}, 1, 'it ran less than restart-reset');
    leave_service($dir, $pid);
};

subtest 'readiness on record, and not in the state' => sub {
    my $dir = service('ready', 'read x <gate; echo >&3; exec sleep 1000', files => { 'notification-fd' => "3\n", gate => { fifo => 0600 }, @now });
    my $pid = mortal($dir);
    wait_state($dir, state => 'starting', role => 'run');
    $pid = dies_at($dir, $pid, 'JOURNALLED', sub { write_file("$dir/gate", "\n") });
    my $s = wait_state($dir, state => 'up', ready => 1);
    is($s->{ready_at}, (wait_history($dir, 1, event => 'ready'))[0]{at}, 'since when, too');
    leave_service($dir, $pid);
};
no_processes_left();
done_testing;
