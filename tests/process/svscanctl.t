# lares-svscanctl: commands to a scanner, and the upgrade of a whole tree under running services:
# no process of a service changes, no line of a log is lost or doubled; what cannot work is
# refused and changes nothing.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

my @programs = qw(svscan supervise log);
sub copy_of { my ($name, $to) = @_; return write_file($to, file_text(bin($name)), 0755) }
my $dirs = 0;

# A directory with our programs under new inodes.
sub new_programs {
    my $dir = tmp('bin' . ++$dirs);
    mkdir $dir;
    copy_of($_, "$dir/lares-$_") for @programs;
    return $dir;
}
sub ctl { my @arguments = @_; return run([bin('svscanctl'), @arguments], timeout => 70) }
sub exe { return readlink("/proc/$_[0]/exe") || '' }

# name => pid of the supervisor, as lares-svscanctl has it.
sub listed { return { map { (split /\t/)[0, 1] } grep { /\t\d/ } split /\n/, ctl('list', $_[0])->{out} } }

# Counts into its log, 3 lines a time, until TERM; then says how far it came.
my $counter = <<'END';
#!/usr/bin/perl
$| = 1;
$SIG{TERM} = sub { $stop = 1 };
until ($stop) { print ++$n, "\n" for 1 .. 3; select undef, undef, undef, 0.005 }
open my $out, '>', 'last'; print $out $n; close $out;
END
sub counter {
    my ($dir) = @_;
    return make_service($dir, run => $counter, log => [bin('log'), 's1000000', 'n50', './main']);
}
sub logged {
    my ($dir) = @_;
    return map { split /\n/, file_text($_) } sort(glob "$dir/log/main/@*"), "$dir/log/main/current";
}

# 8 counters, running: the scanner's pid and all pids of services and loggers.
sub tree {
    my ($scan) = @_;
    counter("$scan/c$_") for 1 .. 8;
    my $scanner = scanner($scan);
    return ($scanner, pids($scan));
}
sub pids {
    my ($scan) = @_;
    return { map { my $n = $_; ($n => up("$scan/$n"), "$n/log" => up("$scan/$n/log")) } map { "c$_" } 1 .. 8 };
}
sub all_lines_ok {
    my ($scan, $what) = @_;
    my @wrong = grep {
        my $last = file_text("$scan/$_/last") || 'none';
        join(' ', logged("$scan/$_")) ne join(' ', 1 .. $last);
    } map { "c$_" } 1 .. 8;
    is("@wrong", '', $what);
}

subtest 'a tree is upgraded' => sub {
    my ($scan) = new_scan();
    my ($scanner, $before) = tree($scan);
    my $over = listed($scan);
    is(join(' ', sort keys %$over), join(' ', sort keys %$before), 'list names every supervisor');
    for my $round (1 .. 3) {
        my $new = new_programs();
        my $fds = join ' ', sort keys %{ resting_fds($scanner) };
        my $r = ctl('-b', $new, 'upgrade', $scan);
        is($r->{exit}, 0, 'exit code 0') or diag($r->{out} . $r->{err} . said_text($scan));
        like($r->{out}, qr/^16 of 16 supervisors upgraded$/m, 'and says what was done');
        is(exe($scanner), "$new/lares-svscan", 'the scanner is the new program');
        is_deeply(listed($scan), $over, 'supervisors keep their pids');
        is(scalar(grep { exe($_) ne "$new/lares-supervise" } values %$over), 0, 'and are new too');
        is_deeply(pids($scan), $before, 'services and loggers are untouched');
        is(join(' ', sort keys %{ resting_fds($scanner) }), $fds, 'no descriptor more or less');
    }
    # The file replaced at the path they were started from.
    my $dir = file_text("$scan/.lares/bindir");
    chomp $dir;
    unlink "$scan/.lares/bindir";
    rename copy_of($_, "$dir/.new"), "$dir/lares-$_" for @programs;
    is(ctl('upgrade', $scan)->{exit}, 0, 'without bindir: the file that is there now');
    is(exe($scanner), "$dir/lares-svscan", 'the scanner runs it');
    is_deeply(pids($scan), $before, 'services and loggers are untouched');
    # Supervisors started from now on are new ones, and a supervisor that dies is noticed.
    my $new = new_programs();
    is(ctl('-b', $new, 'upgrade', $scan)->{exit}, 0, 'upgraded once more');
    my $supervisor = listed($scan)->{c1};
    kill9($supervisor);
    my $next = wait_for { my $p = listed($scan)->{c1}; $p && $p != $supervisor && $p } 'another supervisor of c1';
    wait_for { exe($next) eq "$new/lares-supervise" } 'of the new program';
    is_deeply(pids($scan), $before, 'its service is the same');
    is(said($scan, qr/stray/), 0, 'nothing is taken for a stray');
    # Asked for after the probe of another: it was taken for what had just been done, kept as the place
    # of all programs though nobody had tried them, and its own upgrade called refused.
    my ($held, $broken) = (new_programs(), new_programs());
    write_file("$broken/lares-$_", "text\n", 0755) for @programs;
    rename "$held/lares-svscan", "$held/real" or die;
    write_file("$held/lares-svscan", <<"END", 0755);
#!/bin/sh
case \$1 in -r) echo '$broken' >$scan/.lares/later && mv $scan/.lares/later $scan/.lares/bindir.next ;; esac
exec $held/real "\$@"
END
    my $kept = file_text("$scan/.lares/bindir");
    write_file("$scan/.lares/bindir.next", "$held\n", 0600);
    append_file("$scan/.lares/control", 'Z');
    wait_for { exe($scanner) eq "$held/real" && listens($scan) } 'another program';
    wait_for { slept($scanner) ne '' } 'it to have begun';
    is(file_text("$scan/.lares/bindir"), $kept, 'what was asked for meanwhile is not the place of the programs yet');
    is(file_text("$scan/.lares/bindir.next"), "$broken\n", '... and still asked for');
    unlink "$scan/.lares/bindir.next";
    is(ctl('stop', $scan)->{exit}, 0, 'stop');
    is(wait_exit($scanner)->{exit}, 0, 'the scanner has gone');
    no_processes_left();
    all_lines_ok($scan, 'no line was lost or doubled');
    no_stray_files($scan);
};

subtest 'refused' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/$_") for qw(web mail);
    my $scanner = scanner($scan);
    both_up("$scan/$_") for qw(web mail);
    my $over = listed($scan);
    my $old  = exe($scanner);
    my $long = file_text(bin('svscan'));
    my %bad  = (
        missing          => [sub { unlink $_[0] }, 100, qr/cannot be executed: No such file/],
        'not executable' => [sub { chmod 0644, $_[0] }, 100, qr/cannot be executed: Permission denied/],
        'a directory'    => [sub { unlink $_[0]; mkdir $_[0] }, 100, qr/cannot be executed: Permission denied/],
        # Of lares-supervise it was said of all these that it "cannot be run".
        'not a program'  => [sub { write_file($_[0], "text\n") }, 1, qr/refused by the scanner: .*: Exec format error$/],
        truncated        => [sub { write_file($_[0], substr $long, 0, 9000) }, 1,
            qr/refused by the scanner: .*lares-\w+(?: was killed by signal \d+ when it was tried|.*: (?:Exec format|Input.output) error)$/],
        # And of both nothing but that it ended with 127.
        'finds no library' => [sub { write_file($_[0], "#!/bin/sh\nexit 127\n") }, 1,
            qr{refused by the scanner: .*lares-\w+ ended with 127 when it was tried: a library or an interpreter that it needs is missing}],
        # Supervisors and scanner became it, which was the end of them: "0 of 0 supervisors upgraded".
        'does nothing'   => [sub { write_file($_[0], "#!/bin/sh\n") }, 1,
            qr{refused by the scanner: .*lares-\w+ ended with 0 when it was tried: it is another program, or an older one$}],
        'exits 3'        => [sub { write_file($_[0], "#!/bin/sh\nexit 3\n") }, 1,
            qr{refused by the scanner: .*lares-\w+ ended with 3 when it was tried$}],
    );
    for my $how (sort keys %bad) {
        for my $program (qw(svscan supervise)) {
            my $new = new_programs();
            my ($break, $code, $reason) = @{ $bad{$how} };
            $break->("$new/lares-$program");
            my $r = ctl('-b', $new, 'upgrade', $scan);
            is($r->{exit}, $code, "$program: $how: exit code $code");
            like($r->{err}, $reason, "$program: $how: with the reason");
            ok(!-e "$scan/.lares/bindir", "$program: $how: bindir is not kept");
        }
    }
    is(exe($scanner), $old, 'the old program goes on');
    is_deeply(listed($scan), $over, 'with its supervisors');
    no_stray_files($scan);
    # One supervisor that cannot: named, with the reason.
    my $new = new_programs();
    my $child = "$scan/web/supervise/child";
    my $good  = file_text($child);
    write_file($child, substr($good, 0, 2) . "\x7f" . substr $good, 3);
    my $r = ctl('-b', $new, 'upgrade', $scan);
    is($r->{exit}, 1, 'a supervisor that refuses: exit code 1');
    like($r->{err}, qr{web, supervisor pid $over->{web}, refused: $new/lares-supervise: unable to use supervise/child: it was written by a newer lares},
        'it is named, with the reason');
    is(exe($over->{'mail/log'}), "$new/lares-supervise", 'the others have followed');
    write_file($child, $good);
    is(ctl('upgrade', $scan)->{exit}, 0, 'once it can, it follows');
    is(exe($over->{web}), "$new/lares-supervise", 'it has');
    no_stray_files($scan);
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# How far it is can be followed: held up by one supervisor that is stopped.
subtest 'a large tree' => sub {
    my $count  = 210;
    my ($scan, $def) = new_scan();
    make_service("$def/one", run => 'exec sleep 1000');
    for my $n (1 .. $count) {
        mkdir "$scan/s$n";
        link "$def/one/run", "$scan/s$n/run" or die "link: $!\n";
    }
    my $scanner = scanner($scan);
    my $over    = wait_for { my $l = listed($scan); $count == keys %$l && $l } 'all supervisors', 30;
    my $up = sub { join ' ', map { service_pid("$scan/s$_") // '' } 1 .. $count };
    my $services = wait_for { my $pids = $up->(); $count == (() = $pids =~ /\d+/g) && $pids } 'all services', 30;
    my $new = new_programs();
    my $r   = ctl('-b', $new, 'upgrade', $scan);
    is($r->{exit}, 0, "$count supervisors") or diag($r->{err});
    is($r->{out}, "$count of $count supervisors upgraded\n", 'in the end it says so');
    is_deeply(listed($scan), $over, 'in the same processes');
    is($up->(), $services, 'their services too');
    kill 'STOP', $over->{s7};
    my $err = tmp('progress.err');
    my $ctl = spawn([bin('svscanctl'), '-b', new_programs(), 'upgrade', $scan], stderr => $err);
    my $said = qr/\A(?:\d+ of $count supervisors upgraded\n)+\z/;
    wait_for { (file_text($err) // '') =~ /^@{[$count - 1]} of $count/m } 'the progress';
    like(file_text($err), $said, 'progress, a line a second');
    kill 'CONT', $over->{s7};
    is(wait_exit($ctl)->{exit}, 0, 'it goes on');
  SKIP: {
        skip 'no script(1)', 2 if !eval { run(['script', '-qec', 'true', '/dev/null'])->{exit} == 0 };
        $new = new_programs();
        $r = run(['script', '-qec', bin('svscanctl') . " -b '$new' upgrade '$scan'", '/dev/null'], timeout => 70);
        is($r->{exit}, 0, 'on a terminal');
        like($r->{out}, qr/\A(?:\r\d+ of $count supervisors upgraded)+\r\n\z/, 'in one line, written over');
    }
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'what left on purpose stays away' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/$_") for qw(web mail);
    my $scanner = scanner($scan);
    both_up("$scan/$_") for qw(web mail);
    run([bin('svc'), '-x', "$scan/web"]);
    wait_for { said($scan, qr/`web', pid \d+, left/) } 'web left';
    for (1 .. 2) {
        is(ctl('-b', new_programs(), 'upgrade', $scan)->{exit}, 0, 'upgraded');
        is(join(' ', sort keys %{ listed($scan) }), 'mail mail/log web/log', 'web is not supervised');
    }
    is(read_state("$scan/web")->{starts}, 1, 'nor was it started');
    is(ctl('rescan', $scan)->{exit}, 0, 'rescan');
    my $web = up("$scan/web");
    is(ctl('-b', new_programs(), 'upgrade', $scan)->{exit}, 0, 'upgraded');
    is(service_pid("$scan/web"), $web, 'what the rescan started stays as it is');
    is(join(' ', sort keys %{ listed($scan) }), 'mail mail/log web web/log', 'and supervised');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# Exit code 0 and "2 of 2 supervisors upgraded" before the scanner had looked, which then refused.
subtest 'to the file that runs already, and refused' => sub {
    my ($scan) = new_scan();
    make_service("$scan/slow", run => [probe('-', 'ignore', 15, 'sleep')], files => { 'timeout-kill' => "0\n" });
    my $new     = new_programs();
    my $scanner = scanner($scan);
    my $slow    = up("$scan/slow");
    for my $again (1 .. 3) {
        my $r = ctl($again < 3 ? ('-b', $new) : (), 'upgrade', $scan);
        is("$r->{exit} $r->{out}", "0 1 of 1 supervisors upgraded\n", "upgraded, $again");
        is(exe($scanner), "$new/lares-svscan", '... the scanner too');
        ok(!-e "$scan/.lares/bindir.next", '... which has looked');
    }
    signal($scanner, 'TERM');
    wait_for { -l "$scan/.lares/stopping" } 'the stop to begin';
    for my $how ([], ['-b', $new]) {
        signal($scanner, 'STOP');
        wait_for { process_info($scanner)->{state} eq 'T' } 'the scanner to be held';
        my ($out, $err) = (tmp('ctl.out'), tmp('ctl.err'));
        unlink $out, $err;
        my $ctl = spawn([bin('svscanctl'), @$how, 'upgrade', $scan], stdout => $out, stderr => $err);
        wait_for { -e "$scan/.lares/bindir.next" || (file_text($out) // '') ne '' } 'it to ask';
        wait_for { !alive($ctl) || slept($ctl) ne '' } 'it to wait or end';
        signal($scanner, 'CONT');
        is(wait_exit($ctl)->{exit}, 1, "@$how: refused while everything is being stopped: exit code 1");
        is(file_text($out), '', '... and no supervisor is called upgraded');
        like(file_text($err), qr/refused by the scanner: everything is being stopped$/, '... with the reason');
    }
    kill9($slow);
    is(wait_exit($scanner)->{exit}, 0, 'stopped');
    no_processes_left();
};

# TERM at any moment of an upgrade.
subtest 'TERM during an upgrade' => sub {
    for my $delay (map { $_ * 0.002 } 0 .. 11) {
        my ($scan) = new_scan();
        sleeper("$scan/web");
        my $scanner = scanner($scan);
        both_up("$scan/web");
        write_file("$scan/.lares/bindir", new_programs() . "\n", 0600);
        write_file("$scan/.lares/control", 'Z');
        select undef, undef, undef, $delay;
        my $code = stop_scanner($scanner);
        is($code, 0, sprintf 'TERM %.1f ms after Z: stopped', $delay * 1000) if $code || !$delay;
        # A supervisor's probe dies with it, a moment later.
        wait_for { !grep { $_->{command} !~ /^perl/ } descendants() } 'nothing to be left';
    }
    no_processes_left();
};

subtest 'upgrades under kill -9' => sub {
    my ($scan) = new_scan();
    my ($scanner, $before) = tree($scan);
    my @dirs  = map { new_programs() } 1 .. 2;
    my $seed  = $ENV{LARES_SEED} || time;
    my ($kills, $exits) = (0, '');
    srand $seed;
    for my $round (1 .. 50) {
        my $new = $dirs[ $round % 2 ];
        my $ctl = spawn([bin('svscanctl'), '-T', 8000, '-b', $new, 'upgrade', $scan], quiet => 1,
            stderr => tmp('ctl.err'));
        for (1 .. 2) {
            my @pids = values %{ listed($scan) };
            select undef, undef, undef, rand 0.03;
            my $pid = $pids[ rand @pids ] or next;
            $kills++ if eval { kill9($pid) };
        }
        my $r = wait_exit($ctl, 70);
        $exits .= "$round: $r->{exit} " . file_text(tmp('ctl.err')) if $r->{exit};
        last if !alive($scanner);
    }
    is($exits, '', "50 upgrades and $kills kills: each upgrade ends well (seed $seed)") or diag(said_text($scan));
    wait_for { my $l = listed($scan); 16 == keys %$l && !grep { exe($_) ne "$dirs[0]/lares-supervise" } values %$l } 'all to run the last program';
    is_deeply(pids($scan), $before, 'no service and no logger was restarted');
    my @counters = grep { $_->{command} =~ m{perl \./run} } descendants();
    my @loggers  = grep { $_->{command} =~ m{lares-log s1000000} } descendants();
    is(scalar(@counters) . ' ' . scalar @loggers, '8 8', 'none runs twice');
    # Probes end with their supervisor, or as probes do (90), with 111 one that had not yet become its program.
    is(join('', grep { /stray/ && !/stray.*: (?:exited (?:90|111)|killed by signal 9)$/ } split /^/m, said_text($scan)), '', 'no other strays');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
    no_zombies();
    all_lines_ok($scan, 'no line was lost or doubled');
    no_stray_files($scan);
};

subtest 'commands' => sub {
    my ($scan) = new_scan();
    is(ctl($_, $scan)->{exit}, 102, "$_: no scanner: exit code 102") for qw(rescan stop leave upgrade);
    like(ctl('stop', $scan)->{err}, qr/no scanner runs in \Q$scan\E$/, '... and where');
    is(ctl('list', $scan)->{out}, '', 'list: nothing');
    is(ctl('dance', $scan)->{exit}, 100, 'an unknown command');
    like(ctl('')->{err}, qr/unknown command `'/, '... even an empty one');
    is(ctl('-b', '/', 'stop', $scan)->{exit}, 100, '-b is for upgrade');
    is(ctl('stop', "$scan/none")->{exit}, 100, 'no such directory');
    make_service("$scan/slow", run => "trap '' TERM\nwhile :; do sleep 1; done", files => { 'timeout-kill' => "1500\n" });
    my $scanner = scanner($scan);
    my $pid     = up("$scan/slow");
    is(sprintf('%o', (stat "$scan/.lares/control")[2]), '10600', 'the control FIFO is for its user alone');
    SKIP: {
        skip 'not root: cannot become somebody else', 4 if $>;
        # It said "no scanner runs here", and listed nothing.
        for my $command ('stop', 'list') {
            my $r = run([bin('svscanctl'), $command, $scan], uid => 65534, gid => 65534);
            is($r->{exit}, 111, "$command by another user: refused");
            like($r->{err}, $command eq 'stop' ? qr{\Q$scan\E/.lares/lock: Permission denied} : qr/supervise: permission denied/, '... for the right reason');
        }
    }
    # It gave up at once on a scanner that had just begun and did not read yet.
    unlink "$scan/.lares/control";
    my $early = spawn([bin('svscanctl'), 'rescan', $scan], quiet => 1);
    wait_for { (process_info($early) // { state => '' })->{state} =~ /[SZ]/ } 'it to wait';
    signal($scanner, 'HUP');
    is(wait_exit($early)->{exit}, 0, 'a scanner that does not read yet is waited for');
    write_file("$scan/.lares/control", "?!\0x");
    is(ctl('leave', $scan)->{exit}, 0, 'leave');
    is(wait_exit($scanner)->{exit}, 0, 'the scanner has gone');
    is(service_pid("$scan/slow"), $pid, 'the service has not');
    $scanner = scanner($scan);
    wait_for { said($scan, qr/found supervisor/) } 'found';
    is(ctl('-b', new_programs(), 'upgrade', $scan)->{exit}, 0, "supervisors of a scanner before are upgraded too");
    # Nothing told for whom a stop waits.
    my $r = ctl('-T', '500', 'stop', $scan);
    is($r->{exit}, 99, 'stop: the time is over');
    like($r->{err}, qr/^lares-svscanctl: warning: waiting for slow, supervisor pid \d+: stopping$/m, '... and what holds it up');
    is(ctl('stop', $scan)->{exit}, 0, 'stop waits');
    is(wait_exit($scanner)->{exit}, 0, 'everything has stopped');
    no_processes_left();
};

done_testing;
