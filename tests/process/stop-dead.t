# A stop that comes when a supervisor is dead, and perhaps more: another supervisor ends what is
# left and runs what is still to be run, once, and starts nothing. (It heard of the stop when it had
# begun the service once more; or none came, as nothing was known to be left to do.)
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::KillMap;
use Lares::Scan;
use Lares::State;
use Test::More;

# The scanner does not see both die before it hears of the stop: it is stopped meanwhile.
sub at_once {
    my ($scanner, @doings) = @_;
    kill 'STOP', $scanner;
    wait_for { process_state($scanner) eq 'T' } 'the scanner to stand still';
    $_->() for @doings;
    kill 'CONT', $scanner;
}
sub process_state { return (process_info($_[0]) || {})->{state} // '' }
# Dead, also where nobody reaps it yet.
sub both_dead {
    my @pids = @_;
    kill9($_) for @pids;
    wait_for { !grep { my $s = process_state($_); $s ne '' && $s ne 'Z' } @pids } 'both to be dead';
}
sub lines_of { return scalar(() = (file_text($_[0]) // '') =~ /\n/g) }

my %left = (
    'nothing' => '',
    'one in a session of its own' => "setsid sh -c 'trap \"\" TERM; echo \$\$ >stray; while :; do sleep 0.1; done' &\nuntil [ -s stray ]; do sleep 0.01; done\n",
);
for my $left (sort keys %left) {
    for my $how ('the scanner', 'the service alone') {
        subtest "$left is left, $how is told to stop" => sub {
            my ($scan, $def) = new_scan();
            make_service("$def/a",
                run    => "echo x >>runs\n$left{$left}exec sleep 1000",
                finish => 'echo "$1 $2" >>finishes',
                log    => "exec cat >>$def/log",
                files  => { 'timeout-kill' => "100\n", 'restart-delays' => "0\n" });
            make_service("$def/a/control/t", run => 'echo t >>asked');
            rename "$def/a/control/t/run", "$def/a/control/run" and rmdir "$def/a/control/t" and rename "$def/a/control/run", "$def/a/control/t" or die;
            symlink "$def/a", "$scan/a" or die;
            my $scanner = scanner($scan);
            my ($service) = both_up("$scan/a");
            wait_for { lines_of("$def/a/runs") == 1 } 'it to be what it becomes';
            wait_for { -s "$def/a/stray" } 'the one that stays' if $left{$left};
            my $supervisor = supervisors()->{a};
            at_once($scanner, sub { both_dead($supervisor, $service) },
                sub { $how eq 'the scanner' ? kill 'TERM', $scanner : unlink "$scan/a" });
            wait_for { !%{ supervisors() } } 'no supervisor', 20;
            is(lines_of("$def/a/runs"), 1, 'it was not started again');
            is(file_text("$def/a/finishes"), "256 9\n", 'finish was run, with how it ended') or diag(file_text("$scan.err"));
            ok(!-e "$def/a/asked", 'nobody was asked to end who had ended');
            my $stray = file_text("$def/a/stray");
            ok(!alive($stray =~ s/\s//gr), 'what was left has been ended') if defined $stray;
            is(read_state("$def/a")->{wstat}, 9, 'and how it ended is on record');
            like(run([bin('svhist'), "$def/a"])->{out}, qr/ run-died -> /, '... and in its history');
            is($how eq 'the scanner' ? wait_exit($scanner)->{exit} : stop_scanner($scanner), 0, 'the scanner ends');
            no_processes_left();
        };
    }
}

my $map = kill_map(tmp('map'));
sub mortal_scanner { return scanner($_[0], { program => build_dir() . '/kill/a/lares-svscan', env => { LARES_TEST_KILL_MAP => $map->file } }) }
# The supervisor dies when it passes this point next; the scanner stands still, and hears of the stop with its end.
sub stop_at {
    my ($scanner, $supervisor, $point, $doing) = @_;
    at_once($scanner, sub { $map->arm('supervise', $point, 'self') }, $doing,
        sub { wait_for { process_state($supervisor) eq 'Z' } "it to die at $point"; $map->disarm; kill 'TERM', $scanner });
    is(wait_exit($scanner, 40)->{exit}, 0, 'everything has stopped');
    no_processes_left();
}

# What is told once more of a death that has had its consequences is no reason to believe that nobody lives.
for my $with ('', 'finish') {
    subtest 'the supervisor had not written down that it has started ' . ($with || 'it again') => sub {
        my ($scan, $def) = new_scan();
        my $dir = make_service("$def/a", run => "echo \$\$ >>runs\nsetsid sh -c 'trap \"\" TERM; echo \$\$ >>strays; while :; do sleep 0.1; done' &\n"
                . "trap 'echo told >>log; exit' TERM\n: >ready\nwhile :; do sleep 0.05; done",
            ($with ? (finish => 'echo "$1 $2" >>log') : ()), files => { 'timeout-kill' => "300\n", 'restart-delays' => "0\n" });
        symlink $dir, "$scan/a";
        my $scanner = mortal_scanner($scan);
        my $pid = up("$scan/a");
        wait_for { -e "$dir/ready" && -s "$dir/strays" } 'it to be ready';
        unlink "$dir/ready";
        stop_at($scanner, supervisor('a'), 'JOURNAL', sub {
            kill9($pid);
            wait_for { -e "$dir/ready" && 2 == lines_of("$dir/strays") } 'the next one' if !$with;
        });
        is(file_text("$dir/log"), $with ? "256 9\n" : "told\n", $with ? 'finish was run, once' : 'it was told to end, once');
        is(lines_of("$dir/runs"), $with ? 1 : 2, 'and not started again');
        my @deaths = grep { $_->{event} eq 'run-died' } read_history($dir);
        is(join(' ', map { $_->{wstat} } @deaths), $with ? '9' : '9 0', 'each death is told, with how it ended');
    };
}

# What undoes it was taken for dead and got TERM: it takes a moment, in which that comes.
subtest 'the supervisor had not written down that a oneshot is done' => sub {
    my ($scan, $def) = new_scan();
    my $dir = make_service("$def/a", run => 'echo up >>log; read x <gate', finish => "trap 'echo told >>log; exit 1' TERM; echo begun >>log; sleep 0.3; echo ended >>log",
        files => { type => "oneshot\n", gate => { fifo => 0600 } });
    symlink $dir, "$scan/a";
    my $scanner = mortal_scanner($scan);
    wait_for { -s "$dir/log" } 'it to begin';
    stop_at($scanner, supervisor('a'), 'JOURNALLED', sub { write_file("$dir/gate", "\n") });
    is(file_text("$dir/log"), "up\nbegun\nended\n", 'it is undone, once, and that comes to its end');
};

# Nothing was said to be left to do.
my %rests = (
    done => { run => 'echo up >>log', finish => 'echo undone >>log', files => { type => "oneshot\n" } },
    backoff => { run => "setsid sh -c 'echo \$\$ >stray; exec sleep 1000' &\nuntil [ -s stray ]; do sleep 0.01; done; exit 1", files => { 'restart-delays' => "60000\n", 'timeout-kill' => "1000\n" } },
);
for my $state (sort keys %rests) {
    subtest "the supervisor of one that is $state is dead" => sub {
        my ($scan, $def) = new_scan();
        my $dir = make_service("$def/a", %{ $rests{$state} });
        symlink $dir, "$scan/a";
        my $scanner = scanner($scan);
        wait_state("$scan/a", state => $state, $state eq 'backoff' ? (rest => 1) : ());
        my $supervisor = supervisor('a');
        at_once($scanner, sub { both_dead($supervisor) }, sub { kill 'TERM', $scanner });
        is(wait_exit($scanner)->{exit}, 0, 'everything has stopped');
        is(file_text("$dir/log"), "up\nundone\n", 'what it did is undone') if $state eq 'done';
        no_processes_left(); # what it had left has been ended, too
    };
}
subtest 'the supervisor of a oneshot dies while it is held for those that need it' => sub {
    my ($scan, $def) = new_scan();
    make_service("$scan/net", run => 'echo up >>log', finish => 'echo undone >>log', files => { type => "oneshot\n" });
    make_service("$scan/web", run => "trap '' TERM\n: >ready\nwhile [ ! -e go ]; do sleep 0.02; done", files => { 'needs/net' => '' });
    my $scanner = scanner($scan);
    up("$scan/web");
    wait_for { -e "$scan/web/ready" } 'web to ignore TERM';
    kill 'TERM', $scanner;
    wait_state("$scan/web", state => 'stopping');
    wait_for { run([bin('svstat'), "$scan/net"])->{out} =~ /first those that need it \(web\)/ } 'net to be held';
    my $supervisor = supervisor('net');
    kill9($supervisor);
    wait_for { !alive($supervisor) } 'its supervisor to be dead';
    write_file("$scan/web/go", '');
    is(wait_exit($scanner)->{exit}, 0, 'everything has stopped');
    is(file_text("$scan/net/log"), "up\nundone\n", 'what it did is undone, once');
    no_processes_left();
};

# The record was dropped: what was left lived on, and finish was not run.
subtest 'one that vanished: scanner and supervisor die while others of it are waited for' => sub {
    my ($scan, $def) = new_scan();
    my $dir = make_service("$def/a", run => "setsid sh -c 'trap \"\" TERM; echo \$\$ >stray; while :; do sleep 0.1; done' &\nuntil [ -s stray ]; do sleep 0.01; done\nexec sleep 1000",
        finish => 'echo "$1 $2 $3" >>finishes', files => { 'timeout-kill' => "1500\n" });
    symlink $dir, "$scan/one\@two";
    my $scanner = scanner($scan);
    up("$scan/one\@two");
    chomp(my $stray = wait_for { file_text("$dir/stray") } 'the stray');
    my $supervisor = supervisor('one@two');
    unlink "$scan/one\@two";
    wait_state($dir, state => 'stopping', pid => 0);
    kill 'STOP', $scanner;
    kill9($supervisor);
    kill9($scanner);
    wait_exit($scanner);
    $scanner = scanner($scan);
    wait_for { !alive($stray) } 'it to be ended';
    wait_for { said($scan, qr/has gone/) } 'the service to have gone';
    is(file_text("$dir/finishes"), "256 15 one\@two\n", 'finish was run, once, and told the name');
    is(recorded($scan), '', 'there is no record of it any more');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# "name too long": for ever, the service went on, and the scanner could not end.
subtest 'one that vanished as its supervisor died, and was a link to a long path' => sub {
    my ($scan, $def) = new_scan();
    my $dir = make_service("$def/" . join('/', ('x' x 120) x 3), run => 'echo "$LARES_NAME $LARES_INSTANCE" >>../runs; exec sleep 1000', finish => 'echo "$LARES_NAME $LARES_INSTANCE $LARES_ENTRY" >>../runs');
    symlink $dir, "$scan/one\@two";
    my $scanner = scanner($scan);
    my $pid = up("$scan/one\@two");
    my $supervisor = supervisor('one@two');
    at_once($scanner, sub { both_dead($supervisor) }, sub { unlink "$scan/one\@two" });
    wait_for { !alive($pid) && said($scan, qr/has gone/) } 'it to be stopped';
    is(file_text("$dir/../runs"), "one\@two two\none\@two two \n", 'what is run then has the same name and instance');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# After a boot in which .lares cannot be written nothing would ever have been started.
subtest 'notes of another boot' => sub {
    my ($scan) = new_scan();
    my $dir = make_service("$scan/a", run => 'exec sleep 1000');
    mkdir "$scan/.lares";
    mkdir "$scan/.lares/run";
    symlink '00000000deadbeef:0', "$scan/.lares/stopping" or die;
    symlink '00000000deadbeef', "$scan/.lares/run/." . join(':', (stat $dir)[ 0, 1 ]) . ':s' or die;
    my $pid = spawn([bin('supervise'), '-s', 'a'], cwd => $scan, env => { LARES_SCANDIR => $scan }, quiet => 1);
    wait_state($dir, state => 'up');
    pass('it is started all the same');
    is(leave_service($dir, $pid), 0, 'leaves');
    no_processes_left();
};

# It was noted as told to go: what a person told it later was undone.
subtest 'the scan directory was away as a supervisor died' => sub {
    my ($scan, $def) = new_scan();
    make_service("$def/a", run => 'exec sleep 1000');
    symlink '../def/a', "$scan/a";
    my $scanner = scanner($scan);
    my $pid = up("$scan/a");
    my $supervisor = supervisor('a');
    rename $scan, "$def/away";
    wait_for { said($scan, qr/is gone/) } 'said';
    kill9($supervisor);
    wait_for { grep { $_->{pid} != $supervisor && $_->{command} =~ /^lares-supervise -q?s / } descendants() } 'another one';
    rename "$def/away", $scan;
    wait_for { said($scan, qr/is there again/) } 'there again';
    is(run([bin('svscanctl'), 'rescan', $scan], timeout => 70)->{exit}, 0, 'looked at');
    is(join(' ', glob "$scan/.lares/run/.[0-9]*"), '', 'nobody was told to go');
    is(service_pid("$scan/a"), $pid, 'and it is as it was');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};
done_testing();
