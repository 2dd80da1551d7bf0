# Files of a lares that is newer than this one (fabricated: the version byte raised): nothing that
# lives is lost or started twice, what the newer one wrote is kept for it, and the message says what
# it is about. (The formats themselves, and files of versions before: tests/unit/formats.c.)
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan ();
use Lares::State;
use Test::More;

sub raised { my ($bytes, $at) = @_; substr($bytes, $at, 1) = "\x7f"; return $bytes }
# In place, as a supervisor writes it.
sub raise {
    my ($path, $at) = @_;
    open my $file, '+<', $path or die "$path: $!\n";
    sysseek $file, defined $at ? $at : 2, 0;
    syswrite $file, "\x7f";
    close $file;
    return file_text($path);
}
sub service {
    my ($dir) = @_;
    return make_service($dir, run => 'echo start >>starts; exec sleep 1000', files => { 'restart-delays' => "0\n" });
}
# A running service whose supervisor is gone.
sub orphaned {
    my ($name) = @_;
    my $dir = service(tmp($name));
    my $pid = supervise($dir);
    my $main = wait_state($dir, state => 'up')->{pid};
    kill9($pid);
    wait_exit($pid);
    return ($dir, $main);
}

subtest 'child, and no copy of it' => sub {
    my ($dir, $main) = orphaned('child');
    my %before = map { $_ => raise("$dir/supervise/$_") } qw(child state);
    write_file("$dir/supervise/child", $before{child} .= 'more than this version has', 0600);
    my $r = run([bin('supervise'), $dir]);
    is($r->{exit}, 100, 'it does not begin');
    like($r->{err}, qr{unable to use \S+/child/supervise/child: it was written by a newer lares than this one; let that one supervise it, or}, 'and says why');
    is(file_text("$dir/supervise/$_"), $before{$_}, "$_ is as it was") for sort keys %before;
    is(starts_of("$dir/starts") . ' ' . (alive($main) ? 'alive' : 'dead'), '1 alive', 'the service goes on, once');
    kill9($main);
    unlink "$dir/supervise/child";
    my $pid = supervise($dir);
    wait_for { starts_of("$dir/starts") == 2 } 'once the file is gone it begins';
    is(leave_service($dir, $pid), 0, 'leaves');
    no_processes_left();
};

subtest 'child, and a copy in state' => sub {
    my ($dir, $main) = orphaned('copy');
    raise("$dir/supervise/child");
    my $pid = supervise($dir);
    wait_state($dir, state => 'up', adopted => 1, pid => $main);
    like(messages($dir), qr{supervise/child was written by a newer lares; using the copy in supervise/state}, 'the copy is used, and it is said');
    is(starts_of("$dir/starts"), 1, 'the service is kept');
    is(leave_service($dir, $pid), 0, 'leaves');
    no_processes_left();
};

# Nothing of then can be left, whoever wrote it.
subtest 'child of a boot before' => sub {
    my $dir = service(tmp('boot'));
    my $pid = supervise($dir);
    wait_for { starts_of("$dir/starts") } 'its first start';
    is(leave_service($dir, $pid), 0, 'left in order');
    for my $name (qw(child state)) {
        my $bytes = raised(file_text("$dir/supervise/$name"), 2);
        substr($bytes, 32, 8) = 'otherone';
        write_file("$dir/supervise/$name", $bytes);
    }
    $pid = supervise($dir);
    wait_state($dir, state => 'up');
    ok(wait_for(sub { starts_of("$dir/starts") == 2 }, 'the second start'), 'is no obstacle');
    is(leave_service($dir, $pid), 0, 'leaves');
    no_processes_left();
};

subtest 'state' => sub {
    my ($dir, $main) = orphaned('state');
    raise("$dir/supervise/state");
    my $pid = supervise($dir);
    wait_state($dir, state => 'up', adopted => 1, pid => $main);
    like(messages($dir), qr{supervise/state was written by a newer lares; what it says is not used}, 'said');
    is(starts_of("$dir/starts"), 1, 'the service is kept');
    is(leave_service($dir, $pid), 0, 'leaves');
    no_processes_left();
};

subtest 'history' => sub {
    my ($dir, $main) = orphaned('history');
    my @before = read_history($dir);
    my $newer  = raise("$dir/supervise/history", 2 + 64 * $#before);
    my $pid = supervise($dir);
    wait_state($dir, state => 'up', adopted => 1, pid => $main);
    like(messages($dir), qr{supervise/history was written by a newer lares: kept as supervise/history\.newer, begun anew}, 'said');
    is(file_text("$dir/supervise/history.newer"), $newer, 'it is kept as it was');
    kill9($main);
    my ($died) = wait_history($dir, 1, event => 'run-died');
    is($died->{sequence}, $before[-1]{sequence} + 1, 'the numbers go on');
    is(leave_service($dir, $pid), 0, 'leaves');
    no_processes_left();
};

subtest 'the note of an orphan' => sub {
    my ($dir, $main) = orphaned('note');
    write_file("$dir/supervise/exit", raised(file_text("$dir/supervise/child"), 2), 0600);
    kill9($main);
    wait_for { Lares::Process::reap_orphans(); reaped($main) } 'the service reaped';
    my $pid = supervise($dir);
    wait_state($dir, state => 'up', deaths => 1);
    is(read_state($dir)->{wstat}, -1, 'is not believed: nobody knows how it ended');
    is(leave_service($dir, $pid), 0, 'leaves');
    no_processes_left();
};

subtest 'an older program is no upgrade' => sub {
    my $dir = service(tmp('older'));
    my $pid = supervise($dir);
    my $main = wait_state($dir, state => 'up')->{pid};
    # (Its state it writes at every command, so that is asked of the probe itself.)
    for my $file (qw(child history)) {
        my $good = file_text("$dir/supervise/$file");
        raise("$dir/supervise/$file");
        my $newer = file_text("$dir/supervise/$file");
        unlink "$dir/supervise/refused";
        control($dir, 'Z');
        my $why = wait_for { readlink "$dir/supervise/refused" } 'the refusal';
        is($why, bin('supervise') . ": unable to use supervise/$file: it was written by a newer lares", "$file: refused, with the reason");
        is(file_text("$dir/supervise/$file"), $newer, "$file: nothing is changed");
        write_file("$dir/supervise/$file", $good);
    }
    unlink "$dir/supervise/refused";
    raise("$dir/supervise/state");
    my $r = run([bin('supervise'), '-p', 'older'], cwd => $dir);
    is($r->{exit}, 111, 'state: the probe does not take it');
    like($r->{err}, qr{take over: unable to use supervise/state: it was written by a newer lares}, 'state: and says why');
    # svscanctl looked between the two and took what the probe had left, without the program's name.
    ok(!-l "$dir/supervise/refused", 'what the probe leaves is not taken for the refusal');
    is(readlink "$dir/supervise/untaken", 'unable to use supervise/state: it was written by a newer lares', 'it is left for the supervisor');
    unlink "$dir/supervise/untaken";
    ok(alive($pid) && alive($main), 'both go on');
    is(leave_service($dir, $pid), 0, 'leaves');
    no_processes_left();
};

subtest 'clients' => sub {
    my $dir = service(tmp('clients'));
    my $pid = supervise($dir);
    my $main = wait_state($dir, state => 'up')->{pid};
    # It writes the state twice when it begins; after a command it has done so.
    for my $want ([ O => 'down' ], [ u => 'up' ]) {
        control($dir, $want->[0]);
        wait_state($dir, want => $want->[1]);
    }
    my $good = file_text("$dir/supervise/state");
    raise("$dir/supervise/state");
    my $r = run([bin('svstat'), $dir]);
    like($r->{out}, qr/: up \(pid $main\) \d+ seconds$/, 'svstat: what is in status');
    like($r->{err}, qr{supervise/state: it was written by a newer lares than this one; only what is in status is known}, 'and says so');
    like(run([bin('svstat'), '--json', $dir])->{out}, qr/"suite":"lares","up":true/, '--json: the same');
    $r = run([bin('svc'), '-wD', '-d', $dir]);
    is($r->{exit}, 111, 'svc: exit code 111');
    like($r->{err}, qr{unable to use \S+/supervise/state: it was written by a newer lares}, 'and says why');
    ok(alive($main), 'nothing is sent');
    write_file("$dir/supervise/state", $good);
    is(leave_service($dir, $pid), 0, 'leaves');
    no_processes_left();
};

subtest 'locks' => sub {
    my ($scan) = Lares::Scan::new_scan();
    Lares::Scan::sleeper("$scan/web");
    my $scanner = Lares::Scan::scanner($scan);
    my ($web) = Lares::Scan::both_up("$scan/web");
    raise("$scan/.lares/lock");
    raise("$scan/web/supervise/lock");
    my $r = run([bin('svscan'), $scan]);
    is($r->{exit}, 100, 'a second scanner does not begin');
    like($r->{err}, qr/another scanner, pid unknown, runs in/, 'who holds the lock it cannot tell');
    signal($scanner, 'QUIT');
    is(wait_exit($scanner)->{exit}, 0, 'the first leaves');
    $scanner = Lares::Scan::scanner($scan);
    wait_for { Lares::Scan::said($scan, qr/found supervisor of `web' running$/) } 'another one, which finds the supervisor by its lock alone';
    is(Lares::Scan::service_pid("$scan/web"), $web, 'and starts nothing');
    is(Lares::Scan::stop_scanner($scanner), 0, 'it is told to stop all the same');
    no_processes_left();
};

subtest "a logger's buffer" => sub {
    my $dir = tmp('logger');
    mkdir $dir;
    my $buf = write_file("$dir/buf", 'LARESLB2' . "\0" x (16384 - 8));
    my $r = run([bin('log'), "$dir/main"], env => { LARES_LOGBUF => 5 }, fds => { 5 => $buf }, input => "line\n");
    is($r->{exit}, 100, 'is not used and not dropped: exit code 100');
    like($r->{err}, qr/the buffer in LARES_LOGBUF was written by a newer lares-log; run that one, or/, 'said');
    is(file_text($buf), 'LARESLB2' . "\0" x (16384 - 8), 'it is as it was');
    ok(!-s "$dir/main/current", 'nothing was read past it');
};

done_testing;
