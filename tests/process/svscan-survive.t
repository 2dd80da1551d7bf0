# lares-svscan: what its death, a supervisor's death and a second scanner do to services: nothing.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State ();
use Test::More;

sub starts { my ($report) = @_; return scalar(my @runs = probe_runs($report)) }

# Services a, b, c, each with a logger; everything as hash name => pid.
sub three {
    my ($scan, $def) = new_scan();
    for my $name (qw(a b c)) {
        sleeper("$def/$name", run => 'exec ' . join(' ', probe("$scan/../report-$name", 'sleep')));
        symlink "../def/$name", "$scan/$name";
    }
    return ($scan, $def);
}
sub everything {
    my ($scan) = @_;
    return { map { ("$_" => up("$scan/$_"), "$_/log" => up("$scan/$_/log")) } qw(a b c) };
}

for my $how (qw(QUIT KILL)) {
    subtest "the scanner ends by $how" => sub {
        my ($scan, $def) = three();
        my $scanner = scanner($scan);
        my $before  = everything($scan);
        my $over    = supervisors();
        signal($scanner, $how);
        is_deeply(wait_exit($scanner), $how eq 'QUIT' ? { exit => 0, signal => 0 } : { exit => undef, signal => 9 },
            'it has gone');
        is_deeply(everything($scan), $before, 'services and loggers run on');
        is_deeply(supervisors(), $over, 'and their supervisors');
        is(recorded($scan), 'a b c', 'they are on record');
        is(run([bin('svc'), '-c', "$scan/a"])->{exit}, 0, 'and can be controlled');
        # While nobody looks: one leaves by x, one crashes, one of the entries goes.
        link_service($scan, $def, 'd');
        unlink "$scan/c";
        my $second = scanner($scan);
        wait_for { said($scan, qr/found supervisor of `[abc].*running/) >= 6 } 'all found';
        up("$scan/d");
        wait_for { !supervisor('c') && !supervisor('c/log') } 'c gone';
        ok(!alive($before->{c}) && !alive($before->{'c/log'}), 'an entry that vanished meanwhile is stopped');
        delete @$before{qw(c c/log)};
        is_deeply({ map { $_ => service_pid("$scan/$_") } sort keys %$before }, $before,
            'a new scanner takes over: nothing is restarted');
        is(supervisor($_), $over->{$_}, "same supervisor of $_") for qw(a b/log);
        is(starts("$scan/../report-a"), 1, 'started once');
        # A found supervisor dies: another takes its place and adopts.
        kill9(supervisor('b'));
        wait_for { (supervisor('b') || $over->{b}) != $over->{b} } 'another supervisor of b';
        is(run([bin('svc'), '-c', "$scan/b"])->{exit}, 0, 'it answers') if wait_for {
            run([bin('svok'), "$scan/b"])->{exit} == 0 } 'b supervised';
        is(service_pid("$scan/b"), $before->{b}, 'its service is the same');
        # One found leaves by x.
        run([bin('svc'), '-x', "$scan/a"]);
        wait_for { said($scan, qr/`a', pid \d+, left/) } 'a left';
        ok(!supervisor('a'), 'a found supervisor that leaves on purpose is not replaced');
        is(stop_scanner($second), 0, 'TERM stops what was found as well');
        no_processes_left();
        no_zombies();
        is(recorded($scan), '', 'nothing is on record any more');
    };
}

subtest 'kill -9 of supervisors' => sub {
    my ($scan, $def) = three();
    my $scanner = scanner($scan);
    my $before  = everything($scan);
    my $over    = supervisors();
    kill9($_) for values %$over;
    wait_for {
        my $now = supervisors();
        6 == grep { $now->{$_} && $now->{$_} != $over->{$_} && run([bin('svok'), "$scan/$_"])->{exit} == 0 }
            keys %$over
    } 'six new supervisors';
    is_deeply(everything($scan), $before, 'every service keeps its pid');
    # The service of an adopting supervisor dies while that looks away: the scanner, whose child
    # the service is by now, leaves the status.
    signal(supervisor('a'), 'STOP');
    signal($before->{a}, 'USR1');
    wait_for { reaped($before->{a}) } 'reaped by the scanner';
    ok(-s "$def/a/supervise/exit", 'the scanner leaves a note');
    signal(supervisor('a'), 'CONT');
    my $next = wait_for { my $p = service_pid("$scan/a"); $p && $p != $before->{a} && $p } 'a again';
    wait_for { starts("$scan/../report-a") >= 2 } 'its report';
    is(starts("$scan/../report-a"), 2, 'an adopted service that dies is started again');
    my $stat = run([bin('svstat'), '--json', "$scan/a"])->{out};
    like($stat, qr/"last_exit_signal":10,/, 'and how it ended is known')
        or diag($stat);
    is(said($scan, qr/stray/), 0, 'it was no stray to the scanner');
    no_zombies();
    # Again and again: once at once, then no tight loop.
    my $killed = supervisor('b');
    kill9($killed);
    wait_for { my $p = supervisor('b'); $p && $p != $killed } 'third supervisor of b';
    wait_for { said($scan, qr/`b'.*in 1000 ms/) || service_pid("$scan/b") } 'b';
    is(service_pid("$scan/b"), $before->{b}, 'still the same service');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'found without a pidfd' => sub {
    my ($scan, $def) = three();
    my $scanner = scanner($scan);
    my $before  = everything($scan);
    stop_scanner($scanner, 'QUIT');
    # Descriptors for itself and to spare, but not for each of six supervisors.
    $scanner = spawn(['sh', '-c', 'ulimit -n 20; exec "$@"', 'sh', bin('svscan'), $scan],
        stderr => "$scan/../said");
    wait_for { said($scan, qr/found supervisor of `[abc].*running/) >= 6 } 'all found';
    is_deeply({ map { $_ => service_pid("$scan/$_") } sort keys %$before }, $before, 'nothing is restarted');
    my @pidfds = grep { /pidfd/ } values %{ fds_of($scanner) };
    ok(@pidfds && @pidfds < 6, 'some are waited for, for some there is no descriptor') or diag(scalar @pidfds);
    my $over = supervisors();
    kill9($_) for values %$over;
    wait_for {
        my $now = supervisors();
        !grep { !$now->{$_} || $now->{$_} == $over->{$_} || run([bin('svok'), "$scan/$_"])->{exit} } keys %$over
    } 'six other supervisors';
    is_deeply({ map { $_ => service_pid("$scan/$_") } sort keys %$before }, $before, 'all that die are missed');
    stop_scanner($scanner, 'QUIT');
    # The supervisors of a scanner that has few have few themselves, too few to see that nobody of an
    # adopted service is left: others take over before the stop.
    kill9($_) for values %{ supervisors() };
    $scanner = scanner($scan);
    is_deeply(everything($scan), $before, 'and kept by others');
    wait_for { !grep { run([bin('svok'), "$scan/$_"])->{exit} } keys %$before } 'six that listen';
    stop_scanner($scanner, 'QUIT');
    $scanner = spawn(['sh', '-c', 'ulimit -n 20; exec "$@"', 'sh', bin('svscan'), $scan],
        stderr => "$scan/../said");
    wait_for { said($scan, qr/found supervisor of `[abc].*running/) >= 12 } 'all found again';
    is(stop_scanner($scanner), 0, 'all are stopped');
    no_processes_left();
};

# Between a child's birth and its execve(), which can be long on a busy machine, it has a copy of each of the
# scanner's descriptors: epoll goes on telling of one that the scanner has only closed.
subtest 'the end of a found supervisor is not told again and again while a child has its pidfd' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, 'a');
    my $scanner = scanner($scan);
    my @before  = both_up("$scan/a");
    stop_scanner($scanner, 'QUIT');
    $scanner = scanner($scan);
    wait_for { said($scan, qr/found supervisor of `a.*running/) >= 2 } 'both found';
    my $fds  = fds_of($scanner);
    my @copy = map { duplicate_fd($scanner, $_) } grep { $fds->{$_} =~ /pidfd/ } keys %$fds;
    if (@copy == 2 && defined $copy[0]) {
        is(epoll_targets($scanner), 2, 'their ends are listened to');
        my $over = supervisors();
        kill9($_) for values %$over;
        wait_for { my $now = supervisors(); !grep { ($now->{$_} // $over->{$_}) == $over->{$_} } keys %$over } 'two others';
        is(epoll_targets($scanner), 0, 'no more, though somebody has what the scanner had');
        POSIX::close($_) for @copy;
    } else { diag('skipped: no pidfd, or no pidfd_getfd(2), here') }
    is_deeply([both_up("$scan/a")], \@before, 'nothing is restarted');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'found of daemontools' => sub {
    my ($root, $reason) = unpacked_peer('daemontools');
    plan skip_all => $reason if !$root;
    my ($scan, $def) = new_scan();
    make_service("$def/web", run => 'exec sleep 1000');
    symlink '../def/web', "$scan/web";
    my $foreign = spawn(["$root/usr/bin/supervise", "$def/web"]);
    my $pid = wait_for { my $s = file_text("$def/web/supervise/status"); $s && unpack 'x12V', $s } 'up';
    my $scanner = scanner($scan);
    wait_for { said($scan, qr/found supervisor of `web' running$/) } 'found';
    ok(alive($pid) && !supervisor('web'), 'what daemontools supervises is left to it');
    is(stop_scanner($scanner), 0, 'a stop');
    ok(!alive($pid), '... stops it');
    is(wait_exit($foreign)->{exit}, 0, 'and its supervise leaves');
    no_processes_left();
};

subtest 'strays' => sub {
    my ($scan, $def) = new_scan();
    my $report = tmp('stray');
    sleeper("$def/a", run => 'exec ' . join(' ', probe($report, 'stray', 'sleep')),
        files => { 'kill-mode' => "process\n" });
    symlink '../def/a', "$scan/a";
    my $scanner = scanner($scan);
    up("$scan/a");
    my ($stray) = wait_for { map { /^stray (\d+)/ ? $1 : () } map { @{ $_->{events} } } probe_runs($report) } 'stray';
    my $old = supervisor('a');
    kill9($old);
    wait_for { my $p = process_info($stray); $p && $p->{ppid} == $scanner } 'it came to the scanner';
    kill9($stray);
    wait_for { said($scan, qr/reaped a stray process, pid $stray: killed by signal 9/) } 'reaped';
    pass('a stray is reaped and told of');
    no_zombies();
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'a stop that was interrupted' => sub {
    my ($scan, $def) = new_scan();
    make_service("$def/slow", run => "trap 'while [ ! -e $scan/../go ]; do sleep 0.02; done; exit' TERM\n"
            . 'while :; do sleep 0.02; done', files => { 'timeout-kill' => "0\n" });
    link_service($scan, $def, 'quick');
    symlink '../def/slow', "$scan/slow";
    my $scanner = scanner($scan);
    up("$scan/slow");
    both_up("$scan/quick");
    my $old = supervisor('slow');
    signal($scanner, 'TERM');
    wait_for { !supervisor('quick/log') && -l "$scan/.lares/stopping" } 'stopping';
    kill9($scanner);
    wait_exit($scanner);
    $scanner = scanner($scan);
    wait_for { said($scan, qr/going on with that/) } 'second scanner';
    # The supervisor dies in the middle of a stop: another one has to end it.
    kill9($old);
    wait_for { my $p = supervisor('slow'); $p && $p != $old } 'another supervisor';
    ok(!supervisor('quick'), 'what had stopped is not started again');
    write_file("$scan/../go", '');
    is(wait_exit($scanner)->{exit}, 0, 'the new scanner ends the stop');
    ok(!-l "$scan/.lares/stopping", 'and forgets it');
    no_processes_left();
    $scanner = scanner($scan);
    ok(both_up("$scan/quick"), 'the next scanner starts everything');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'stop while everything starts' => sub {
    for my $delay (0, 0.002, 0.005, 0.01, 0.02, 0.04) {
        my ($scan, $def) = new_scan();
        link_service($scan, $def, "s$_") for 1 .. 20;
        my $scanner = scanner($scan);
        wait_for { said($scan, qr/./) || -e "$scan/.lares/lock" } 'scanner';
        select undef, undef, undef, $delay;
        is(stop_scanner($scanner), 0, "after $delay s");
        no_processes_left();
    }
};

subtest 'a second scanner' => sub {
    my ($scan, $def) = three();
    my $scanner = scanner($scan);
    my $before  = everything($scan);
    my $second  = run([bin('svscan'), $scan]);
    is($second->{exit}, 100, 'refused');
    like($second->{err}, qr/another scanner, pid $scanner, runs in \Q$scan\E$/, 'and told whose it is');
    is_deeply(everything($scan), $before, 'nothing happened');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# It left what the main process had left: nobody started another supervisor for that.
for my $how ('the entry vanishes', 'all is stopped') {
    subtest "a supervisor is killed in the middle of a stop: $how" => sub {
        my ($scan, $def) = new_scan();
        make_service("$def/s", run => "sh -c 'trap \"\" TERM; echo \$\$ >stray; while :; do sleep 1; done' &\nexec sleep 1000",
            files => { 'timeout-kill' => "1500\n", finish => "#!/bin/sh\necho >>finished\n" });
        symlink "../def/s", "$scan/s" or die;
        my $scanner = scanner($scan);
        up("$scan/s");
        my $stray = wait_for { (file_text("$def/s/stray") || '') =~ /^(\d+)$/ && $1 } 'what it leaves';
        my $before = supervisor('s');
        $how =~ /entry/ ? unlink "$scan/s" : signal($scanner, 'TERM');
        wait_for { my $s = read_status("$def/s"); !$s->{pid} } 'the main process to end';
        kill9($before);
        wait_for { !alive($stray) } 'what it left to be ended';
        wait_for { -s "$def/s/finished" } 'finish';
        $how =~ /entry/ ? is(stop_scanner($scanner), 0, 'stopped') : is(wait_exit($scanner)->{exit}, 0, 'stopped');
        no_processes_left();
        is(-s "$def/s/finished", 1, 'finish was run, once');
    };
}

# Kills its supervisor until the scanner puts the next one off: it has reaped and waits, and there is none.
sub put_off {
    my ($scanner, $name) = @_;
    for (1 .. 300) {
        my $pid = supervisor($name) or return;
        kill9($pid);
        wait_for { reaped($pid) && slept($scanner) ne '' } 'its end to be seen';
    }
    die "the supervisor of $name is never put off\n";
}

# A stop asked only whether the main process lives: it was over in a millisecond.
for my $leaves (0, 1) {
    subtest 'a stop while the supervisor is put off and the main process dead: ' . ($leaves ? 'a child in a session of its own lives' : 'nobody lives') => sub {
        my ($scan) = new_scan();
        my $child = $leaves ? bin('setsid') . " sleep 1000 &\necho \$! >child\n" : '';
        my $dir   = make_service("$scan/web", run => "${child}exec sleep 1000", finish => "#!/bin/sh\necho \$2 >>finished\n");
        my $scanner = scanner($scan);
        my $main    = up($dir);
        my $left    = $leaves && wait_for { (file_text("$dir/child") // '') =~ /^(\d+)$/ && $1 } 'its child';
        put_off($scanner, 'web');
        kill9($main);
        wait_for { reaped($main) } 'its end';
        is(stop_scanner($scanner), 0, 'stopped');
        ok(!alive($left), 'what it left is ended') if $leaves;
        like(file_text("$dir/finished") // '', qr/^9$/m, 'finish was run for that death');
        ok((grep { $_->{event} eq 'run-died' } Lares::State::read_history($dir)), 'the journal tells of it');
        ok(Lares::State::state_is($dir, state => 'down', left => 1), 'it is down, its supervisor has left');
        no_processes_left();
    };
}

# Nobody read for as long as the stop took: the service waited in write() for its KILL.
for my $how ('all is stopped', 'the entry vanishes') {
    subtest "a stop while the supervisor of the logger is put off and the logger dead: $how" => sub {
        my ($scan, $def) = new_scan();
        # More than a pipe holds, when it is told to end.
        my $dir = make_service("$def/web", run => [$^X, '-MPOSIX', '-e', '$SIG{TERM} = sub { $told = 1 }; $| = 1; '
                . 'sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGTERM)); open my $f, ">", "ready"; '
                . 'sigsuspend(POSIX::SigSet->new) until $told; print "x" x 999, "\n" for 1 .. 1000; print "the last line\n"; open $f, ">", "ended"'],
            log => 'exec cat >>lines', files => { 'timeout-kill' => "10000\n" });
        symlink $dir, "$scan/web" or die "symlink: $!\n";
        my $scanner = scanner($scan);
        my ($main, $logger) = both_up($dir);
        wait_for { -e "$dir/ready" } 'the service to listen';
        put_off($scanner, 'web/log');
        kill9($logger);
        wait_for { reaped($logger) } 'its end';
        $how =~ /entry/ ? unlink "$scan/web" : signal($scanner, 'TERM');
        wait_for { !alive($main) } 'the service to end';
        ok(-e "$dir/ended", 'it has ended by itself: somebody has read');
        wait_for { said($scan, qr/`web' has gone/) } 'web to go' if $how =~ /entry/;
        $how =~ /entry/ ? is(stop_scanner($scanner), 0, 'stopped') : is(wait_exit($scanner)->{exit}, 0, 'stopped');
        is(length(file_text("$dir/log/lines") // ''), 1_000_014, 'and read all');
        no_processes_left();
    };
}

# A thousand times a second, and a message each: in a stop no death of a supervisor that had hardly begun counted.
subtest 'a supervisor that cannot be run while it is needed for a stop is tried by its delays' => sub {
    my ($scan) = new_scan();
    my $bins = tmp('bins');
    write_file("$bins/lares-$_", file_text(bin($_)), 0755) for qw(svscan supervise log);
    my $dir     = make_service("$scan/web", run => 'exec sleep 1000');
    my $scanner = scanner($scan, '-b', $bins);
    my $main    = up($dir);
    my $old     = supervisor('web');
    rename "$bins/lares-supervise", "$bins/away" or die "rename: $!\n";
    signal($scanner, 'STOP');
    kill9($old);
    signal($scanner, $_) for qw(TERM CONT);
    wait_for { said($scan, qr/`web', pid \d+, exited 127; starting another in 1000 ms/) || said($scan, qr/`web', pid \d+, exited/) > 100 } 'it to be put off';
    ok(alive($main) && said($scan, qr/`web', pid \d+, exited/) <= 2, 'put off after the second death');
    rename "$bins/away", "$bins/lares-supervise" or die "rename: $!\n";
    is(wait_exit($scanner)->{exit}, 0, 'stopped when it can be run again');
    no_processes_left();
};

# A supervisor ended because the scanner before had told it so, which was taken for a person's command: what was
# there again was not started any more. back => how it is there again, when the scanner has been killed.
sub vanishes_and_is_back {
    my ($what, %opt) = @_;
    subtest "back while it is stopped, and the scanner killed: $what" => sub {
        my ($scan, $def) = new_scan();
        my $name = $opt{name} || 'web';
        my $dir  = $opt{directory} ? "$scan/$name" : "$def/web";
        make_service($dir, run => "test -e trapped && exec sleep 1000\ntrap '' TERM\n: >trapped\nread go <gate", files => { 'timeout-kill' => "60000\n", gate => { fifo => 0666 } });
        symlink $dir, "$scan/$name" or die "symlink: $!\n" if !$opt{directory};
        my $scanner = scanner($scan);
        my $pid     = up("$scan/$name");
        wait_for { -e "$dir/trapped" } 'it to ignore TERM';
        if ($opt{directory}) { rename $dir, "$scan/../away" or die "rename: $!\n"; $dir = "$scan/../away" }
        else                 { unlink "$scan/$name" }
        wait_for { Lares::State::state_is($dir, state => 'stopping') } 'it to be told';
        # Dead before the next scanner comes, and perhaps one more seen to die by this one: nobody is found then.
        if ($opt{earlier}) {
            my $before = supervisor($name);
            kill9($before);
            wait_for { grep { $_->{pid} != $before && $_->{command} =~ m{^lares-supervise .*/def/web $} } descendants() } 'another supervisor';
        }
        if ($opt{both}) {
            signal($scanner, 'STOP');
            my ($before) = grep { $_->{command} =~ m{^lares-supervise -q?s (?:\S+/def/web|$name) $} } descendants();
            kill9($before->{pid});
            wait_for { !alive($before->{pid}) } 'the supervisor to be dead';
        }
        kill9($scanner);
        wait_exit($scanner);
        my $now = "$scan/" . ($opt{now} || $name);
        if ($opt{directory}) { rename $dir, $now or die "rename: $!\n"; $dir = $now }
        else                 { symlink $dir, $now or die "symlink: $!\n" }
        my $second = scanner($scan, @{ $opt{words} || [] });
        if ($opt{both}) { wait_for { supervisor($opt{now} || $name) } 'a supervisor' }
        else            { wait_for { said($scan, qr/found supervisor of/) } 'the next scanner to find it' }
        if ($opt{supervisor}) {
            my $before = supervisor($opt{now} || $name);
            kill9($before);
            wait_for { my $p = supervisor($opt{now} || $name); $p && $p != $before } 'another supervisor';
        }
        open my $gate, '>', "$dir/gate" or die "open: $!\n"; # when it reads there
        close $gate;
        my $new = wait_for { my $p = service_pid($now); $p && $p != $pid && $p } 'another life';
        ok(!alive($pid), 'the old life is over, and it is up again');
        is(said($scan, qr/a scanner before this one had told it/), 1, '... as the scanner says');
        is(join(' ', map { s{.*/}{}r } glob "$scan/.lares/run/{*,.[0-9]*}"), $opt{now} || $name, '... which keeps no note of it');
        # From now on it is a person's word again.
        is(run([bin('svc'), '-x', $now])->{exit}, 0, 'x');
        wait_for { said($scan, qr/, pid \d+, left/) } 'its supervisor to leave';
        is(stop_scanner($second), 0, 'stopped');
        no_processes_left();
    };
}
vanishes_and_is_back('a link');
vanishes_and_is_back('255 bytes', name => 'w' x 255);
vanishes_and_is_back('a directory under another name', directory => 1, now => 'web2');
vanishes_and_is_back('-k', words => ['-k']);
vanishes_and_is_back('its supervisor killed, too', supervisor => 1);
# The note was of a supervisor's pid: of one that was dead by then it was forgotten, and the service stayed down.
vanishes_and_is_back('both killed', both => 1);
vanishes_and_is_back('its supervisor killed, and then both', earlier => 1, both => 1);

subtest 'a note of another boot, or by a pid as they were once, says nothing' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, 'web');
    my $scanner = scanner($scan);
    both_up("$scan/web");
    kill9($scanner);
    wait_exit($scanner);
    my $pid = supervisor('web');
    my $now = join(':', (stat "$scan/web")[ 0, 1 ]) . ':s';
    symlink '0123456789abcdef', "$scan/.lares/run/.$now" or die "symlink: $!\n";
    symlink '0123456789abcdef:0123456789abcdef', "$scan/.lares/run/.$_" or die "symlink: $!\n" for $pid, 2;
    my $second = scanner($scan);
    wait_for { said($scan, qr/found supervisor of/) >= 2 } 'the next scanner to find it';
    wait_for { !grep { -l "$scan/.lares/run/.$_" } $now, $pid, 2 } 'the notes to go';
    is(run([bin('svc'), '-x', "$scan/web"])->{exit}, 0, 'x');
    wait_for { said($scan, qr/`web', pid \d+, left/) } 'it to leave';
    ok(!supervisor('web'), 'who was told by a person is not replaced');
    is(stop_scanner($second), 0, 'stopped');
    no_processes_left();
};

# The next supervisor was started by the name, which led to the new directory already: the old service ran on beside
# the new one, also after the stop, and was said to have gone.
sub replaced_as_it_dies {
    my ($what, %opt) = @_;
    subtest "$what as its supervisor dies" . ($opt{both} ? ", and its logger's" : '') => sub {
        for my $turn (1 .. 12) {
            my ($scan, $def) = new_scan();
            my $old = $opt{directory} ? "$scan/w" : "$def/old";
            my $new = $opt{new} ? $opt{directory} ? "$scan/../new" : "$def/new" : '';
            sleeper($_) for $old, $new ? $new : ();
            symlink '../def/old', "$scan/w" or die "symlink: $!\n" if !$opt{directory};
            my $scanner = scanner($scan);
            my @before  = both_up($old);
            my ($supervisor, $logs) = map { wait_for { supervisor($_) } $_ } 'w', 'w/log';
            if ($opt{directory}) {
                my $away = "$scan/../away";
                my @steps = (["$scan/w", $away], $new ? [$new, "$scan/w"] : ());
                kill 9, $supervisor, $opt{both} ? $logs : ();
                rename $_->[0], $_->[1] or die "rename: $!\n" for @steps;
                ($old, $new) = ($away, $new && "$scan/w");
            } else {
                symlink '../def/new', "$scan/.w" or die "symlink: $!\n";
                kill 9, $supervisor, $opt{both} ? $logs : ();
                rename "$scan/.w", "$scan/w" or die "rename: $!\n";
            }
            my $ended = eval { wait_for { !grep { alive($_) } @before } 'the old service and its logger to end'; 1 };
            ok($ended, "turn $turn: the old service is stopped, and its logger") or diag($@, said_text($scan));
            ok(both_up($new), '... and the new one is up') if $new;
            is(stop_scanner($scanner), 0, '... until the stop');
            if (!$ended) { kill9($_) for grep { alive($_) } @before; last }
            no_processes_left();
        }
    };
}
replaced_as_it_dies('a link replaced', new => 1);
replaced_as_it_dies('a link replaced', new => 1, both => 1);
replaced_as_it_dies('a directory replaced', directory => 1, new => 1);
replaced_as_it_dies('a directory moved away', directory => 1);
replaced_as_it_dies('a directory moved away', directory => 1, both => 1);

# Started by the name already, it comes to the new directory when the link has been replaced, and was stopped for the old.
subtest 'a link replaced between the start of a supervisor and its coming there' => sub {
    for my $which ('w', 'w/log') {
        my ($scan, $def) = new_scan();
        sleeper("$def/$_") for qw(old new);
        symlink '../def/old', "$scan/w" or die "symlink: $!\n";
        mkdir "$scan/../bin" or die "mkdir: $!\n";
        write_file("$scan/../bin/lares-supervise", <<"EOT", 0755);
#!/usr/bin/perl
if (-p '$scan/../gate' && \$ARGV[1] eq '$which') {
    open my \$waits, '>', '$scan/../waits';
    open my \$gate, '<', '$scan/../gate'; # until somebody opens the other end
}
exec { '${\ bin('supervise')}' } 'lares-supervise', \@ARGV;
EOT
        my $scanner = scanner($scan, '-b', "$scan/../bin");
        my @before  = both_up("$def/old");
        wait_for { 2 == keys %{ supervisors() } } 'both supervisors';
        make_fifo("$scan/../gate");
        kill9(supervisor($which));
        wait_for { -e "$scan/../waits" } 'the next supervisor to be started';
        symlink '../def/new', "$scan/.w" or die "symlink: $!\n";
        rename "$scan/.w", "$scan/w" or die "rename: $!\n";
        wait_for { said($scan, qr/`w' is another directory now/) } 'that to be seen';
        open my $gate, '>', "$scan/../gate" or die "gate: $!\n";
        unlink "$scan/../gate";
        my $ended = eval { wait_for { !grep { alive($_) } @before } 'the old service and its logger to end'; 1 };
        ok($ended, "$which: the old service is stopped, and its logger") or diag($@, said_text($scan));
        ok(both_up("$scan/w"), '... and the new one is up');
        is(stop_scanner($scanner), 0, '... until the stop');
        kill9($_) for grep { alive($_) } @before;
        no_processes_left();
    }
};

# Nobody is in the directory that could tell where it is. It was said to have gone.
subtest 'a directory moved away as its supervisor dies, of a service that works elsewhere' => sub {
    my ($scan, $def) = new_scan();
    make_service("$scan/w", run => "cd /\nexec sleep 1000");
    my $scanner = scanner($scan);
    my $pid = up("$scan/w");
    wait_for { (readlink "/proc/$pid/cwd" || '') eq '/' } 'it to have left the directory';
    my $supervisor = wait_for { supervisor('w') } 'its supervisor';
    signal($scanner, 'STOP');
    wait_for { process_info($scanner)->{state} eq 'T' } 'the scanner to stand still';
    kill9($supervisor);
    wait_for { process_info($supervisor)->{state} eq 'Z' } 'its end, or it tells where it is';
    rename "$scan/w", "$scan/../away" or die "rename: $!\n";
    signal($scanner, 'CONT');
    wait_for { said($scan, qr/that `w' was is not found any more: (?:process $pid|what its supervisor left, if anything,) goes on$/) } 'that to be said';
    ok(alive($pid), 'it goes on, as the scanner says');
    is(said($scan, qr/has gone/), 0, '... which does not say that it has gone');
    is(stop_scanner($scanner), 0, 'stopped');
    kill9($pid);
    no_processes_left();
};

done_testing();
