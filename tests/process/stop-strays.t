# A stop is complete, whatever the service has done: double forks, sessions of their own, TERM
# ignored, forks for ever; also after the supervisor was killed, when what the service leaves
# goes to the scanner and is known by LARES_ID only. And nobody else is ever hit.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::KillMap;
use Lares::State;
use Lares::Hostile;
use Test::More;
use POSIX ();

# --- our own descendants ---
for my $case ([ stray => 20 ], [ deep => 40 ], [ forker => 3 ], [ hopper => 3 ], [ threaded => 3 ], [ headless => 3 ],
    [ stray => 5, deep => 20, forker => 2, child => 5, wiped => 5, bare => 2, 'proof' ]) {
    my $dir = service(tmp(join '', @$case), $case);
    my $pid = supervise($dir);
    ready($dir);
    control($dir, 'd');
    wait_state($dir, state => 'down');
    is(left(), '', "@$case: down, and nothing is left");
    leave_service($dir, $pid);
}
no_processes_left();

# --- what holds a stop up is named ---
{
    my $dir = service(tmp('named'), [ stray => 3 ], 'timeout-kill' => "60000\n");
    my $pid = supervise($dir);
    ready($dir);
    my ($main) = map { $_->{pid} } grep { $_->{name} eq 'hostile' } descendants($pid);
    control($dir, 'd');
    my $s = wait_state($dir, state => 'stopping', awaited_name => 'stray', rest => 3);
    ok(!$s->{pid} && alive($s->{awaited}), 'the state names one that is left');
    my $line = run([ bin('svstat'), $dir ])->{out};
    like($line, qr/, stopping: waiting for pid $s->{awaited} \(stray\) and 2 more, since \d+ s, KILL in \d+\.\d s,/, 'so does svstat');
    my $json = run([ bin('svstat'), '--json', $dir ])->{out};
    like($json, qr/"awaited_pid":$s->{awaited},"awaited_command":"stray","awaited":3,/, 'and --json');
    kill9($s->{awaited});
    my $next = wait_state($dir, state => 'stopping', rest => 2);
    isnt($next->{awaited}, $s->{awaited}, 'another when that one has ended');
    # No deadline and nothing to look for: it waits to be told.
    kill9($_->{pid}) for grep { $_->{name} eq 'stray' } descendants($pid);
    $s = wait_state($dir, state => 'down');
    is("$s->{awaited} $s->{awaited_name}", '0 ', 'nobody when it is over');
    write_file("$dir/timeout-kill", "60000\n");
    leave_service($dir, $pid);
}
{
    my $dir = service(tmp('namedmain'), [ child => 1, 'proof' ], 'timeout-kill' => "60000\n");
    my $pid = supervise($dir);
    ready($dir);
    control($dir, 'd');
    my $s = wait_state($dir, state => 'stopping', awaited_name => 'hostile', rest => 0);
    is($s->{awaited}, $s->{pid}, 'the main process, while it lives');
    control($dir, 'k');
    wait_state($dir, state => 'stopping', awaited_name => 'child', rest => 1);
    kill9($_->{pid}) for grep { $_->{name} eq 'child' } descendants($pid);
    wait_state($dir, state => 'down');
    leave_service($dir, $pid);
}
no_processes_left();

# --- adopted: what it leaves comes to the scanner ---

for my $case ([ stray => 10 ], [ deep => 20 ], [ child => 3 ], [ forker => 2 ], [ hopper => 2 ],
    [ bare => 3 ], [ meek => 3 ], [ threaded => 3 ], [ headless => 3 ], [ stray => 5, deep => 10, forker => 1, child => 5, 'proof' ]) {
    my ($scan, $def, $scanner) = adopted_scan({ web => $case });
    control("$scan/web", 'd');
    my $s = wait_state("$scan/web", state => 'down');
    is(left(), '', "adopted, @$case: down, and nothing is left");
    is("$s->{unattributed} $s->{orphaned}", '0 0', '... and nothing doubtful') if "@$case" !~ /forker|hopper/;
    leave_scan($scanner);
}

# Waited for by its pidfd; nobody looks every now and then.
{
    my ($scan, $def, $scanner) = adopted_scan({ web => [ stray => 2 ] }, 'timeout-kill' => "0\n");
    control("$scan/web", 'd');
    my $s = wait_state("$scan/web", state => 'stopping', awaited_name => 'stray', rest => 2);
    my $supervisor = supervisor('web');
    my $call;
    wait_for { $call = file_text("/proc/$supervisor/syscall"); defined $call && $call =~ /^\d+ / } 'it to wait';
    SKIP: {
        my @args = split ' ', $call;
        skip 'not x86_64', 1 if (POSIX::uname())[4] ne 'x86_64';
        # poll(fds, n, -1) or ppoll(fds, n, NULL, ...)
        like("$args[0] $args[3]", qr/^(?:7 0xffffffff(?:ffffffff)?|271 0x0)$/, 'adopted: a stop that waits for strays has no timer');
    }
    kill9($_->{pid}) for grep { $_->{name} eq 'stray' } descendants();
    wait_state("$scan/web", state => 'down');
    leave_scan($scanner);
}

# Environment wiped and out of the session: nobody's. Left alone, counted, shown; and not killed
# by another service's stop.
{
    my ($scan, $def, $scanner) = adopted_scan({ web => [ stray => 2, wiped => 2 ], other => [ stray => 1 ] });
    control("$scan/web", 'd');
    my $s = wait_state("$scan/web", state => 'down');
    is(left(), 'hostile stray wiped wiped', 'adopted: what nothing gives to a service is left alone');
    is("$s->{unattributed} $s->{orphaned}", '2 1', '... and counted');
    like(run([ bin('svstat'), "$scan/web" ])->{out}, qr/, strays of unknown origin 2$/, '... and shown');
    like(run([ bin('svstat'), '--json', "$scan/web" ])->{out}, qr/"unattributed":2,"orphaned":true,/, '... by --json too');
    control("$scan/other", 'd');
    wait_state("$scan/other", state => 'down', unattributed => 2);
    is(left(), 'wiped wiped', 'no other service kills them');
    is(scalar(keys %{ supervisors() }), 2, '... nor the supervisors');
    kill9($_->{pid}) for grep { $_->{name} eq 'wiped' } descendants();
    wait_for { !left('wiped') } 'them to go';
    control("$scan/web", 'u');
    ready("$def/web", 2);
    control("$scan/web", 'd');
    wait_state("$scan/web", state => 'down', starts => 2, orphaned => 0, unattributed => 0);
    is(left(), '', 'of its own child nothing is left, and nothing is doubtful any more');
    leave_scan($scanner);
}

# What an earlier instance left, that crashed and was started again.
{
    my ($scan, $def, $scanner) = adopted_scan({ web => [ stray => 2 ] });
    my $before = read_state("$scan/web");
    kill9($before->{pid});
    ready("$def/web", 2);
    my $s = wait_state("$scan/web", starts => 2, adopted => 0, orphaned => 1);
    is(left('stray'), 'stray stray stray stray', 'adopted, crashed, started again: two left by each');
    my ($one) = grep { $_->{name} eq 'stray' && $_->{ppid} == $scanner } descendants();
    kill9($one->{pid});
    ok(wait_state("$scan/web", rest => 3), 'the count follows');
    control("$scan/web", 'd');
    wait_state("$scan/web", state => 'down', orphaned => 0);
    is(left(), '', '... and a stop ends what the earlier instance left, too');
    leave_scan($scanner);
}

# Another service's strays, a supervisor's helper, an upgrade in between.
{
    my ($scan, $def, $scanner) = adopted_scan({ web => [ stray => 3 ], other => [ stray => 2, deep => 3 ] });
    my $before = pids_of("$def/other");
    control("$scan/web", 'dZ');
    wait_state("$scan/web", state => 'down');
    is(pids_of("$def/other"), $before, 'adopted: no process of another service is hit');
    is(left(), 'deep deep deep hostile stray stray', 'adopted: another service is not hit, nor what belongs to it');
    ok(!-l "$scan/web/supervise/refused", 'nor the helper that tries a new program');
    leave_scan($scanner);
}

# A service that runs a scanner of its own: what that supervises is the service's as well.
{
    my ($scan, $def, $scanner) = adopted_scan({ plain => [ child => 1 ] });
    my ($inner, $inner_def) = new_scan();
    service("$inner_def/deep", [ stray => 2, 'proof' ], 'timeout-kill' => "0\n");
    symlink "../def/deep", "$inner/deep";
    make_service("$def/nest", run => [ bin('svscan'), $inner ], files => { 'timeout-kill' => "200\n" });
    symlink "../def/nest", "$scan/nest";
    ready("$inner_def/deep");
    adopt("$scan/nest", 'nest');
    control("$scan/nest", 'd');
    wait_state("$scan/nest", state => 'down');
    is(left('hostile|stray'), 'hostile', 'a scanner run as a service: all below it ends with it'); # plain's
    is(join(' ', sort keys %{ supervisors() }), 'nest plain', 'and its supervisors, not ours');
    leave_scan($scanner);
}

# --- kill-mode, adopted ---
{
    my @kinds = (child => 1, stray => 1, bare => 1);
    my ($scan, $def, $scanner) = adopted_scan({ web => \@kinds }, 'kill-mode' => "group\n");
    control("$scan/web", 'd');
    wait_state("$scan/web", state => 'down');
    is(left(), 'stray', 'kill-mode group, adopted: the group and nobody else, also without an environment');
    kill9($_->{pid}) for grep { $_->{name} eq 'stray' } descendants();
    leave_scan($scanner);
    ($scan, $def, $scanner) = adopted_scan({ web => \@kinds }, 'kill-mode' => "process\n");
    control("$scan/web", 'd');
    wait_state("$scan/web", state => 'down');
    is(left(), 'bare child stray', 'kill-mode process, adopted: nobody else');
    is(stop_scanner($scanner), 0, 'the scanner stops');
    kill9($_->{pid}) for hostile_ones();
    wait_for { !left() } 'them to go';
    no_processes_left();
}

# A stranger that has got the number of an adopted service's session and group, which are gone.
for my $mode (qw(tree group)) {
    my ($scan, $def, $scanner) = adopted_scan({ web => [ meek => 1 ] }, 'kill-mode' => "$mode\n", 'restart-delays' => "100000\n");
    my $number = read_state("$scan/web")->{pid};
    kill9($number);
    wait_state("$scan/web", state => 'backoff');
    my $over = (split ' ', file_text('/proc/uptime'))[0];
    wait_for { (split ' ', file_text('/proc/uptime'))[0] ne $over } 'the next tick of the clock processes are dated by';
    my $stranger = take_pid($number);
    SKIP: {
        skip "no process could be given the number $number again", 1 if !$stranger;
        control("$scan/web", 'd');
        wait_state("$scan/web", state => 'down');
        ok(alive($stranger), "kill-mode $mode, adopted: a stranger with the number of the session is not hit");
        kill9($stranger);
        waitpid $stranger, 0;
    }
    kill9($_->{pid}) for grep { $_->{name} eq 'meek' } descendants();
    leave_scan($scanner);
}

# --- a kernel without pidfds (before Linux 5.3) ---
SKIP: {
    skip 'not x86_64', 3 if (POSIX::uname())[4] ne 'x86_64';
    my ($scan, $def) = new_scan();
    for my $name (qw(other web)) {
        service("$def/$name", [ stray => 2, deep => 2 ]);
        symlink "../def/$name", "$scan/$name";
    }
    my $scanner = spawn([ ($ENV{LARES_TESTS} || build_dir() . '/tests') . '/probe/without', '434,424', bin('svscan'), $scan ]);
    ready("$def/$_") for qw(other web);
    adopt("$scan/$_", $_) for qw(other web);
    my $before = pids_of("$def/other");
    control("$scan/web", 'd');
    wait_state("$scan/web", state => 'down', orphaned => 0);
    is(pids_of("$def/other"), $before, 'without pidfds: no process of another service is hit');
    is(left(), 'deep deep hostile stray stray', 'without pidfds: what it left is ended, and nobody else');
    leave_scan($scanner);
}

# --- a second supervisor dies in the middle of the stop: the next one goes on with it ---
{
    my ($scan, $def, $scanner) = adopted_scan({ web => [ stray => 3 ] }, 'timeout-kill' => "60000\n");
    control("$scan/web", 'd');
    wait_state("$scan/web", state => 'stopping', awaited_name => 'stray');
    kill9(supervisor('web'));
    wait_for { supervisor('web') && control("$scan/web", '') } 'another supervisor';
    is(left(), 'stray stray stray', 'killed while it waits for strays: they are still there');
    kill9($_->{pid}) for grep { $_->{name} eq 'stray' } descendants();
    ok(wait_state("$scan/web", state => 'down'), '... and awaited by the next one');
    leave_scan($scanner);
}

# --- the proof by session outlives the supervisor that saw the main process end ---
for my $case ([ adopted => 'an upgrade' ], [ adopted => 'a kill' ], [ own => 'a kill' ], [ own => 'an upgrade and a kill' ]) {
    my ($whose, $how) = @$case;
    my ($scan, $def, $scanner);
    if ($whose eq 'adopted') { ($scan, $def, $scanner) = adopted_scan({ web => [ bare => 1 ] }, 'timeout-kill' => "60000\n") }
    else {
        ($scan, $def) = new_scan();
        service("$def/web", [ bare => 1 ], 'timeout-kill' => "60000\n");
        symlink "../def/web", "$scan/web";
        $scanner = scanner($scan);
        ready("$def/web");
    }
    control("$scan/web", 'd');
    my ($bare) = map { $_->{pid} } hostile_ones('bare');
    wait_state("$scan/web", state => 'stopping', awaited => $bare);
    my $supervisor = supervisor('web');
    if ($how =~ /upgrade/) {
        control("$scan/web", 'Z');
        wait_for { process_info($supervisor)->{command} =~ / -r / } 'the new image';
    }
    if ($how =~ /kill/) {
        kill9($supervisor);
        $supervisor = wait_for { my $next = supervisor('web'); $next && $next != $supervisor && control("$scan/web", '') && $next } 'another supervisor';
    }
    my $s = wait_for { my $s = read_state("$scan/web"); $s && ($s->{state} eq 'down' || ($s->{awaited} == $bare && slept($supervisor))) && $s } 'it to have looked';
    is("$s->{state} " . left(), 'stopping bare', "$whose, $how in its stop: who is of its session is waited for");
    kill9($bare);
    wait_state("$scan/web", state => 'down', unattributed => 0);
    is(left(), '', '... until it has ended');
    leave_scan($scanner);
}
no_zombies();
# It was taken for the service's, and what else is in that session was ended by a later stop: whatever
# the shell had started that started the scanner.
subtest 'the session of a child that died before it had one of its own' => sub {
    my $map = kill_map(tmp('map'));
    my $dir = make_service(tmp('early'), run => 'exec sleep 1000', files => { 'restart-delays' => "60000\n" });
    $map->arm('supervise', 'SIGNED_IN', 'self');
    my $pid = spawn([build_dir() . '/kill/a/lares-supervise', $dir], env => { LARES_TEST_KILL_MAP => $map->file }, quiet => 1);
    my $s = wait_state($dir, state => 'backoff');
    is("$s->{deaths} $s->{reason} $s->{session}", '1 killed 0', 'is not on record');
    control($dir, 'dx');
    is(wait_exit($pid)->{exit}, 0, 'left in order');
    no_processes_left();
};

done_testing;
