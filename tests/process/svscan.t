# lares-svscan: entries appear, vanish, are replaced, renamed, copied in; names; stops.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use File::Copy ();
use Test::More;

sub gone { my ($name) = @_; wait_for { !supervisor($name) && !supervisor("$name/log") } "$name gone" }

subtest 'appears and vanishes' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, 'first');
    my $scanner = scanner($scan);
    my ($first) = both_up("$scan/first");
    ok($first, 'what is there at the start is started, with its logger');
    link_service($scan, $def, 'second');
    my ($second) = both_up("$scan/second");
    ok($second, 'a link that appears is started');
    is(recorded($scan), 'first second', 'both are recorded');
    like(readlink("$scan/.lares/run/first"), qr{^\d+:\d+:/.*/def/first$}, 'with number and path');
    my $logger = service_pid("$scan/second/log");
    unlink "$scan/second";
    gone('second');
    ok(!alive($second) && !alive($logger), 'a vanished one is stopped, its logger too');
    is(service_pid("$scan/first"), $first, 'the other is as it was');
    wait_for { recorded($scan) eq 'first' } 'record gone';
    pass('its record is removed');
    is(stop_scanner($scanner), 0, 'TERM: exit 0');
    ok(!-l "$scan/.lares/stopping", 'the stop is over');
    no_processes_left();
    no_stray_files($scan, 'nothing but .lares left in the scan directory', 'first', '.lares/',
        '.lares/lock', '.lares/control', '.lares/event/', '.lares/run/', '.lares/n/', '.lares/store',
        '.lares/program');
};

subtest 'replaced and renamed' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, 'a');
    sleeper("$scan/real");
    my $scanner = scanner($scan);
    my $old = up("$scan/a");
    my $real = up("$scan/real");
    sleeper("$def/other");
    symlink '../def/other', "$scan/.new";
    rename "$scan/.new", "$scan/a";
    my $new = wait_for { my $p = service_pid("$def/other"); $p } 'the new one';
    ok(!alive($old), 'a link that leads elsewhere: the old service is stopped first');
    ok(!service_pid("$def/a"), '... and stays so');
    my $before = supervisor('a');
    rename "$scan/a", "$scan/b";
    wait_for { my $p = service_pid("$def/other"); supervisor('b') && $p && $p != $new } 'renamed';
    ok(!alive($new) && !alive($before), 'a renamed link is another service');
    is(said($scan, qr/another name/), 0, '... and not its own alias');
    rename "$scan/real", "$scan/moved";
    wait_for { supervisor('moved') && service_pid("$scan/moved") } 'moved';
    ok(!alive($real), 'a renamed directory, too');
    rename "$def/other", "$def/away";
    gone('b');
    pass('the target of a link moved away: stopped');
    rename "$def/away", "$def/other";
    ok(up("$scan/b"), 'moved back: started');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# ln makes the link under another name and renames it: in every second case a supervisor was
# started under that name, and now and then the service.
subtest 'ln -sfn' => sub {
    my ($scan, $def) = new_scan();
    for my $version (1, 2) {
        make_service("$def/v$version", run => "echo \"\$1\" >>$def/starts\nexec sleep 1000\n");
    }
    symlink "$def/v1", "$scan/web";
    my $scanner = scanner($scan);
    my $pid = up("$scan/web");
    my %late; # the name has stayed as long as that of a service; only on a busy machine
    for my $i (1 .. 20) {
        my $began = Lares::Process::now();
        symlink "$def/v" . (1 + $i % 2), "$scan/new$i" or die "symlink: $!\n";
        rename "$scan/new$i", "$scan/web" or die "rename: $!\n";
        $late{"new$i"} = 1 if Lares::Process::now() - $began > 0.04;
        my $old = $pid;
        $pid = wait_for { my $p = service_pid("$scan/web"); $p && $p != $old && $p } 'the other version';
    }
    run(['ln', '-sfn', "$def/v1", "$scan/web"]);
    cmp_ok(scalar(keys %late), '<', 20, 'links that stayed for a moment only');
    is_deeply([grep { $_ ne 'web' && !$late{$_} } split /\n/, file_text("$def/starts")], [], 'the service bears no name but its own');
    my @other = grep { !$late{$_} } said_text($scan) =~ /`(?!web')([^']*)'/g;
    is("@other", '', '... and nothing is said of any other');
    is(service_pid("$scan/web"), $pid, 'a link that leads where it led: nothing');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'copied in' => sub {
    my ($scan, $def) = new_scan();
    my $scanner = scanner($scan);
    my $report = tmp('copied');
    sleeper("$def/web");
    # What stands still for 200 ms is complete: a busy machine tries again.
    my $longest;
    for my $try (1 .. 20) {
        my $last = Lares::Process::now();
        $longest = 0;
        my $step = sub {
            my $now = Lares::Process::now();
            $longest = $now - $last if $now - $last > $longest;
            $last = $now;
        };
        my $slow = "$scan/slow$try";
        my $said = length(said_text($scan) // '');
        unlink $report;
        # Slowly, the way cp -r does it, run half written and executable for a while, log/ last.
        mkdir $slow;
        write_file("$slow/run", "#!/bin/sh\n", 0755);
        for my $part (1 .. 4) {
            $step->();
            select undef, undef, undef, 0.1; # the pace of the copy
            append_file("$slow/data$part", 'x');
        }
        $step->();
        append_file("$slow/run", 'exec ' . join(' ', probe($report, 'sleep')) . "\n");
        write_file("$slow/log/run", "#!/bin/sh\nexec cat >/dev/null\n", 0755);
        $step->();
        both_up($slow);
        $last = Lares::Process::now();
        run(['cp', '-r', "$def/web", "$scan/web$try"]);
        $step->();
        both_up("$scan/web$try");
        if ($longest < 0.18) {
            is(scalar(my @runs = wait_for { probe_runs($report) } 'its run'), 1, 'it was started once, when it was complete');
            unlike(substr(said_text($scan) // '', $said), qr/waiting for/, 'no complaint on the way');
            last;
        }
    }
    cmp_ok($longest, '<', 0.18, 'a copy without a rest');
    mkdir "$scan/late";
    wait_for { said($scan, qr/waiting for `late': it has no `run'/) } 'complaint';
    write_file("$scan/late/run", "#!/bin/sh\nexec sleep 1000\n", 0644);
    wait_for { said($scan, qr/`late'.*not executable/) || said($scan, qr/`late'/) } 'complaint 2';
    chmod 0755, "$scan/late/run";
    my $late = up("$scan/late");
    is(said($scan, qr/`late'/), 1, 'a directory without run is complained of once and awaited');
    ok(!supervisor('late/log'), 'no log, no supervisor for it');
    mkdir "$scan/late/.log";
    write_file("$scan/late/.log/run", "#!/bin/sh\nexec cat >/dev/null\n", 0755);
    rename "$scan/late/.log", "$scan/late/log";
    up("$scan/late/log");
    is(service_pid("$scan/late"), $late, 'a log/ added later gets its supervisor, the service stays');
    is(stop_scanner($scanner, 'INT'), 0, 'INT: exit 0');
    no_processes_left();
};

# cp -r of a service that runs takes its supervise/ along. The copy adopted the other's process,
# and killed it when it was stopped itself.
subtest 'copy of a running service keeps its hands off the original' => sub {
    my ($scan, $def) = new_scan();
    my $scanner = scanner($scan);
    sleeper("$scan/web");
    my ($pid, $log) = both_up("$scan/web");
    is(run(['cp', '-r', "$scan/web", "$scan/copy"])->{exit}, 0, 'copied');
    my ($own, $own_log) = map {
        my ($dir, $other) = @$_;
        wait_for { my $p = service_pid($dir); $p && $p != $other && $p } "$dir has its own";
    } ["$scan/copy", $pid], ["$scan/copy/log", $log];
    ok($own && $own_log, 'the copy and its logger have processes of their own');
    unlike(run([bin('svstat'), "$scan/copy"])->{out}, qr/adopted|restarts/, 'it begins anew');
    is(said($scan, qr/was copied from another service/), 2, 'which is said, of both');
    signal(supervisor('copy'), 'KILL');
    wait_for { run([bin('svstat'), "$scan/copy"])->{out} =~ /adopted/ } 'adopted';
    is(service_pid("$scan/copy"), $own, 'what is its own it adopts');
    is(run([bin('svc'), '-wD', '-d', "$scan/copy"])->{exit}, 0, 'the copy is stopped');
    is(service_pid("$scan/web"), $pid, 'the original runs on');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# The path of its FIFO was gone, and with it every further start: "unable to execute run".
subtest 'log/ moved away while the service runs, which is then restarted' => sub {
    my ($scan, $def) = new_scan();
    my $scanner = scanner($scan);
    my $lines = tmp('moved-lines');
    make_service("$scan/web", run => 'echo "line of $$"; exec sleep 1000', log => "exec cat >>$lines");
    my ($pid, $log) = both_up("$scan/web");
    rename "$scan/web/log", "$scan/.moved" or die "rename: $!\n";
    signal($pid, 'KILL');
    my $next = wait_for { my $p = service_pid("$scan/web"); $p && $p != $pid && $p } 'it is started again';
    wait_for { (file_text($lines) // '') =~ /^line of $next$/m } 'its line';
    pass('its output still goes to the logger that runs');
    is(said($scan, qr/output still goes to the logger/), 1, 'which is said');
    rename "$scan/.moved", "$scan/web/log" or die "rename: $!\n";
    is(service_pid("$scan/web/log"), $log, 'the logger was not disturbed');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# One supervisor stood in the slots of both; its end was told to one, and the scanner waited for
# the other for ever.
subtest 'two log/ that are links to one directory' => sub {
    my ($scan, $def) = new_scan();
    make_service("$def/shared", run => 'exec cat >/dev/null');
    for my $name (qw(a b)) {
        make_service("$scan/.$name", run => "exec sleep 1000");
        symlink '../../def/shared', "$scan/.$name/log" or die "symlink: $!\n";
        rename "$scan/.$name", "$scan/$name" or die "rename: $!\n";
    }
    my $scanner = scanner($scan);
    ok(both_up("$scan/$_"), "$_ and its logger run") for qw(a b);
    signal($scanner, 'HUP');
    wait_for { said($scan, qr/looking at everything/) } 'HUP';
    my $logger = supervisor('a/log') || supervisor('b/log');
    signal($logger, 'KILL');
    wait_for { my $p = supervisor('a/log') || supervisor('b/log'); $p && $p != $logger } 'another one';
    is(stop_scanner($scanner), 0, 'the scanner stops');
    no_processes_left();
};

# A supervisor that somebody had stopped (SIGSTOP) kept the scanner from ending for ever.
subtest 'a stopped supervisor' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, 'web');
    my $scanner = scanner($scan);
    both_up("$scan/web");
    my $supervisor = supervisor('web');
    signal($supervisor, 'STOP');
    wait_for { process_info($supervisor)->{state} eq 'T' } 'it is stopped';
    is(stop_scanner($scanner), 0, 'the scanner stops all the same');
    no_processes_left();
};

subtest 'aliases and bad names' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, 'one');
    my $long = 'n' x 255;
    my $scanner = scanner($scan);
    my ($pid) = both_up("$scan/one");
    symlink '../def/one', "$scan/two";
    wait_for { said($scan, qr/`two' is another name of `one'/) } 'alias';
    pass('a second link to one directory is reported as alias');
    symlink '../def/one', "$scan/bad\nname";
    symlink '../def/one', "$scan/esc\e[2J";
    write_file("$scan/file", '');
    symlink '../def/nowhere', "$scan/dangling";
    symlink 'loop', "$scan/loop";
    symlink '..', "$scan/...";
    wait_for { said($scan, qr/loop/) } 'all seen';
    is(said($scan, qr/`bad\\x0aname': a service cannot/), 1, 'newline: reported, escaped');
    is(said($scan, qr/`esc\\x1b\[2J': a service cannot/), 1, 'escape character, too');
    is(said($scan, qr/`file': not a directory/), 1, 'a file');
    is(said($scan, qr/`dangling': the link leads nowhere/), 1, 'a dangling link');
    is(said($scan, qr/`\.\.\.'/), 0, 'names that start with a dot are not looked at');
    sleeper("$def/long");
    symlink '../def/long', "$scan/$long";
    ok(up("$def/long"), 'a name of 255 bytes is one');
    make_service("$def/nowhere", run => 'exec sleep 1000');
    ok(up("$scan/dangling"), 'a dangling link whose target appears is started');
    signal($scanner, 'HUP');
    wait_for { said($scan, qr/`file': not a directory/) == 2 } 'complaints again';
    is(service_pid("$scan/one"), $pid, 'HUP: says it all again and restarts nothing');
    unlink "$scan/one";
    wait_for { supervisor('two') } 'two';
    my $next = wait_for { my $p = service_pid("$def/one"); $p && $p != $pid && $p } 'its service';
    ok($next, 'when the first name vanishes the alias becomes the service');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'a name that looks like an option' => sub {
    my ($scan, $def) = new_scan();
    my %pid;
    my @names = qw(-h -q -dash);
    link_service($scan, $def, $_) for @names;
    my $scanner = scanner($scan);
    ($pid{$_}) = both_up("$scan/$_") for @names;
    my $old = supervisor('-h');
    kill 'KILL', $old;
    wait_for { my $new = supervisor('-h'); $new && $new != $old && run([bin('svok'), "$scan/-h"])->{exit} == 0 } 'another supervisor';
    is(run([bin('svscanctl'), '-b', $ENV{LARES_BUILD} || build_dir() . '/bin', 'upgrade', $scan])->{exit}, 0, 'upgraded like others');
    is(service_pid("$scan/$_"), $pid{$_}, "$_: runs on") for @names;
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'left on purpose' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, 'web');
    my $scanner = scanner($scan);
    my ($pid, $logger) = both_up("$scan/web");
    is(run([bin('svc'), '-x', "$scan/web"])->{exit}, 0, 'svc -x');
    wait_for { !supervisor('web') } 'left';
    wait_for { said($scan, qr/`web', pid \d+, left/) } 'told';
    ok(!alive($pid) && alive($logger), 'the service is down, the logger stays');
    write_file("$def/web/x", ''); # changes nothing that counts
    link_service($scan, $def, 'other');
    up("$scan/other");
    ok(!supervisor('web'), 'it is not restarted');
    signal($scanner, 'HUP');
    ok(up("$scan/web"), 'HUP starts it again');
    run([bin('svc'), '-x', "$scan/web"]);
    wait_for { said($scan, qr/`web', pid \d+, left/) == 2 } 'left again';
    rename "$scan/web", "$scan/.web";
    wait_for { !supervisor('web/log') } 'entry gone';
    rename "$scan/.web", "$scan/web";
    ok(up("$scan/web"), 'and so does taking the entry away and back');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'order of a stop, -T, -k, scripts' => sub {
    my ($scan, $def) = new_scan();
    my $order = tmp('order');
    make_service("$def/web", run => "trap 'echo service >>$order; exit' TERM; echo a line\n"
            . 'while :; do sleep 0.01; done',
        log => "cat >>$order.log; echo logger >>$order", files => { 'timeout-kill' => "0\n" });
    symlink '../def/web', "$scan/web";
    my $report = tmp('usr1');
    my $scanner = scanner($scan);
    both_up("$scan/web");
    write_file("$scan/.lares/SIGUSR1", "#!/bin/sh\npwd >$report\n", 0755);
    write_file("$scan/.lares/finish", "#!/bin/sh\necho \"\$1\" >$report.finish\nexit 7\n", 0755);
    wait_for { -s "$order.log" } 'a line';
    signal($scanner, $_) for qw(USR1 USR2 WINCH);
    wait_for { -s $report } 'script';
    is(file_text($report), "$scan\n", '.lares/SIGUSR1 is run in the scan directory');
    is(stop_scanner($scanner), 7, 'TERM: the scanner becomes .lares/finish');
    is(file_text("$report.finish"), "0\n", '... which gets its exit code');
    is(file_text($order), "service\nlogger\n", 'first the service stops, then its logger');
    is(file_text("$order.log"), "a line\n", 'the logger had everything');
    no_processes_left();
    unlink "$scan/.lares/finish", "$scan/web";

    make_service("$def/stubborn", run => "trap '' TERM; : >ready; while :; do sleep 0.01; done",
        files => { 'timeout-kill' => "0\n" });
    symlink '../def/stubborn', "$scan/stubborn";
    $scanner = scanner($scan, '-T', '1000');
    up("$scan/stubborn");
    wait_for { -e "$def/stubborn/ready" } 'it to ignore TERM';
    is(stop_scanner($scanner), 0, '-T: what does not end is killed in time');
    is(said($scan, qr/nearly over/), 1, '... and that is said');
    no_processes_left();

    $scanner = scanner($scan, '-k');
    my $pid = up("$scan/stubborn");
    unlink "$scan/stubborn";
    wait_for { said($scan, qr/`stubborn' has vanished: its supervisors are not/) } 'noticed';
    my $supervisor = supervisor('stubborn');
    ok(alive($pid) && $supervisor, '-k: what vanishes goes on');
    symlink '../def/stubborn', "$scan/stubborn";
    wait_for { recorded($scan) eq 'stubborn' } 'taken back';
    is(supervisor('stubborn'), $supervisor, '-k: and is the same when it comes back');
    unlink "$scan/stubborn";
    wait_for { said($scan, qr/has vanished/) == 2 } 'noticed';
    kill9($supervisor);
    signal($pid, 'KILL');
    wait_for { !alive($pid) } 'dead';
    symlink '../def/stubborn', "$scan/stubborn";
    ok(up("$scan/stubborn") != $pid, '-k: it was not restarted, and starts when it is back');
    write_file("$def/stubborn/run", "#!/bin/sh\nexec sleep 1000\n", 0755);
    run([bin('svc'), '-k', "$scan/stubborn"]);
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

done_testing();
