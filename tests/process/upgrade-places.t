# Where the programs to upgrade to, and those to start, are found: beside what was started by a
# link, by a relative path, in a directory that is gone; and what an upgrade is refused for that
# only its supervisors' program is to blame for.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

sub ctl { my @arguments = @_; return run([bin('svscanctl'), @arguments], timeout => 70) }
sub exe { return readlink("/proc/$_[0]/exe") || '' }
sub put_programs {
    my ($dir) = @_;
    mkdir $dir;
    write_file("$dir/lares-$_", file_text(bin($_)), 0755) for qw(svscan supervise log svnotify);
    return $dir;
}
sub lead {
    my ($to, $link) = @_;
    symlink $to, "$link.new" or die;
    rename "$link.new", $link or die;
}

# Two versions and a link to the first; a scanner started by the link.
my $count = 0;
sub by_link {
    my $base = tmp('v' . ++$count);
    mkdir $base;
    put_programs("$base/$_") for qw(v1 v2);
    lead('v1', "$base/current");
    my ($scan, $def) = new_scan();
    link_service($scan, $def, 'a');
    my $scanner = scanner($scan, { program => "$base/current/lares-svscan" });
    return ($base, $scan, $scanner, both_up("$scan/a"));
}

# The scanner became the new one, all supervisors remained the old, and "1 of 1" were called upgraded.
subtest 'programs behind a link that leads to another version' => sub {
    my ($base, $scan, $scanner, @pids) = by_link();
    my $over = supervisors();
    lead('v2', "$base/current");
    my $r = ctl('upgrade', $scan);
    is($r->{exit}, 0, 'upgraded') or diag($r->{err} . said_text($scan));
    like($r->{out}, qr/^2 of 2 supervisors upgraded$/m, 'both supervisors');
    is(exe($scanner), "$base/v2/lares-svscan", 'the scanner is the new one');
    is(exe($_), "$base/v2/lares-supervise", 'a supervisor too') for values %$over;
    lead('v1', "$base/current");
    is(ctl('upgrade', $scan)->{exit}, 0, 'and back');
    is(exe($_), "$base/v1/lares-supervise", 'a supervisor too') for values %$over;
    is_deeply([both_up("$scan/a")], \@pids, 'service and logger are the same');
    is(stop_scanner($scanner), 0, 'TERM stops it');
    no_processes_left();
};

# Dead supervisors were not replaced any more.
subtest 'the version that was started is removed' => sub {
    my ($base, $scan, $scanner, @pids) = by_link();
    lead('v2', "$base/current");
    unlink "$base/v1/lares-$_" for qw(svscan supervise log svnotify);
    my $old = supervisors()->{a};
    kill9($old);
    my $new = wait_for { my $pid = supervisors()->{a}; $pid && $pid != $old && $pid } 'another supervisor';
    wait_for { exe($new) eq "$base/v2/lares-supervise" } 'of the other version';
    wait_for { run([bin('svok'), "$scan/a"])->{exit} == 0 } 'it to supervise';
    is(service_pid("$scan/a"), $pids[0], 'the service is the same');
    is(ctl('upgrade', $scan)->{exit}, 0, 'and there can be an upgrade');
    is(exe($_), "$base/v2/lares-supervise", 'a supervisor followed') for values %{ supervisors() };
    is(stop_scanner($scanner), 0, 'TERM stops it');
    no_processes_left();
};

# A directory for each version and no link: the next scanner is told where it is by its own path.
subtest 'supervisors of a scanner that was started elsewhere' => sub {
    my ($base, $scan, $scanner, @pids) = by_link();
    is(ctl('leave', $scan)->{exit}, 0, 'it leaves');
    wait_exit($scanner);
    $scanner = scanner($scan, { program => "$base/v2/lares-svscan" });
    wait_for { listens($scan) } 'another one';
    my $r = ctl('upgrade', $scan);
    is($r->{exit}, 0, 'upgraded') or diag($r->{err});
    is(exe($_), "$base/v2/lares-supervise", 'supervisors became those of the scanner') for values %{ supervisors() };
    is_deeply([both_up("$scan/a")], \@pids, 'service and logger are the same');
    is(stop_scanner($scanner), 0, 'TERM stops it');
    no_processes_left();
};

# It waited until the time was over and said "has not followed", with the reason in .lares/refused.
subtest 'the scanner is as it was, lares-supervise is broken, no -b' => sub {
    my ($base, $scan, $scanner, @pids) = by_link();
    write_file("$base/v1/.new", "#!/bin/sh\nexit 3\n", 0755);
    rename "$base/v1/.new", "$base/v1/lares-supervise" or die;
    my $r = ctl('upgrade', $scan);
    is($r->{exit}, 1, 'exit code 1') or diag($r->{err});
    like($r->{err}, qr{refused by the scanner: .*lares-supervise ended with 3 when it was tried$}, 'and why');
    is_deeply([both_up("$scan/a")], \@pids, 'service and logger are the same');
    is(stop_scanner($scanner), 0, 'TERM stops it');
    no_processes_left();
};

# It was looked for in the directory that lares was configured for.
subtest 'lares-supervise started by a relative path' => sub {
    my $bin = put_programs(tmp('relative'));
    my $dir = make_service(tmp('web'), run => 'exec sleep 1000');
    my $said = tmp('web.said');
    my $pid = spawn(['sh', '-c', "cd $bin && exec ./lares-supervise $dir"], stderr => $said);
    my $main = wait_state($dir, state => 'up')->{pid};
    rename put_programs(tmp('relative.new')) . '/lares-supervise', "$bin/lares-supervise" or die;
    control($dir, 'Z');
    wait_for { exe($pid) eq "$bin/lares-supervise" } 'the new program';
    is(wait_state($dir, state => 'up')->{pid}, $main, 'the service is the same');
    is(leave_service($dir, $pid), 0, 'leaves');
    no_processes_left();
};

# The new scanner looked where the directory had been and knew nobody: "everything has stopped", said it
# to TERM, and services lived.
subtest 'the scan directory was moved away' => sub {
    my ($scan, $def) = new_scan();
    sleeper("$def/a") && symlink "$def/a", "$scan/a";
    my $scanner = scanner($scan);
    my @pids = both_up("$scan/a");
    rename $scan, "$scan.moved" or die;
    for my $time (1 .. 2) { # noticed by the upgrade itself, and known already
        my $r = ctl('upgrade', "$scan.moved");
        is($r->{exit}, 1, 'refused');
        like($r->{err}, qr{refused by the scanner: the scan directory \Q$scan\E is not the one that it was}, 'and why');
    }
    is(exe($scanner), bin('svscan'), 'nothing has changed');
    rename "$scan.moved", $scan or die;
    signal($scanner, 'HUP');
    wait_for { said($scan, qr/is there again/) } 'it is back';
    is(ctl('upgrade', $scan)->{exit}, 0, 'then there is an upgrade');
    is_deeply([both_up("$scan/a")], \@pids, 'service and logger are the same');
    is(stop_scanner($scanner), 0, 'TERM stops it');
    no_processes_left();
};

# What the directory before it had was still being stopped, and forgotten.
subtest 'another scan directory is in its place' => sub {
    my ($scan, $def) = new_scan();
    my $gate = make_fifo(tmp('gate'));
    make_service("$def/slow", run => "end() { trap '' TERM; read x <$gate; exit; }\ntrap end TERM; : >ready; while :; do sleep 0.01; done",
        files => { 'timeout-kill' => "0\n" });
    symlink "$def/slow", "$scan/slow";
    my $scanner = scanner($scan);
    my $slow = up("$scan/slow");
    wait_for { -e "$def/slow/ready" } 'it to listen';
    sleeper("$def/b");
    mkdir "$scan.new";
    symlink "$def/b", "$scan.new/b";
    rename $scan, "$scan.moved" or die;
    rename "$scan.new", $scan or die;
    signal($scanner, 'HUP');
    up("$scan/b");
    is(ctl('upgrade', $scan)->{exit}, 0, 'upgraded');
    signal($scanner, 'TERM');
    wait_for { said($scan, qr/stopping everything/) && !supervisors()->{b} } 'the others to end';
    ok(alive($slow) && alive($scanner), 'it is waited for');
    append_file($gate, "\n");
    is(wait_exit($scanner)->{exit}, 0, 'then the scanner ends');
    ok(!alive($slow), 'after it');
    no_processes_left();
};

done_testing();
