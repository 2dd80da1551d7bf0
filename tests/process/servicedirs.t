# Service directories as people wrote them for daemontools, runit and s6 run unchanged, with the
# tools of those suites in their run scripts.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

my $root_user = $> == 0;
my $peers = peer_env();

# --- daemontools ---
SKIP: {
    my ($root, $why) = unpacked_peer('daemontools');
    skip $why, 1 if !$root;
    my $dir = make_service(tmp('djb'), run => <<'END', files => { 'env/GREETING' => "hello\n", 'env/GONE' => '', 'env/TWO' => "a b  \nc\n" });
#!/bin/sh
exec 2>&1
exec envdir ./env \
  softlimit -o 20 \
  sh -c 'echo "$GREETING [$GONE] $TWO $(ulimit -n) $1" >out; exec sleep 1000'
END
    my $pid = supervise($dir, env => { %$peers, GONE => 'still' });
    wait_for { file_text("$dir/out") } 'the daemontools service';
    is(file_text("$dir/out"), "hello [] a b 20 \n", 'daemontools: run with envdir and softlimit');
    leave_service($dir, $pid);
    SKIP: {
        skip 'not root: setuidgid', 1 if !$root_user;
        $dir = make_service(tmp('uid'), run => "#!/bin/sh\nexec setuidgid nobody sleep 1000\n");
        $pid = supervise($dir, env => $peers);
        my $s = wait_state($dir, state => 'up');
        wait_for { process_info($s->{pid})->{name} eq 'sleep' } 'setuidgid';
        is((stat "/proc/$s->{pid}")[4], scalar getpwnam('nobody'), 'setuidgid');
        control($dir, 'd');
        ok(wait_state($dir, state => 'down'), 'a service of another uid is stopped');
        leave_service($dir, $pid);
    }
    # fghack: a daemon that puts itself into the background
    $dir = make_service(tmp('fghack'), run => "#!/bin/sh\nexec fghack sh -c '(sleep 1000 & echo \$! >daemon) & exit 0'\n");
    $pid = supervise($dir, env => $peers);
    chomp(my $daemon = wait_for { file_text("$dir/daemon") } 'the daemon');
    control($dir, 'd');
    wait_state($dir, state => 'down');
    ok(!alive($daemon), 'fghack: d ends the daemon in the background too (classic supervise does not)');
    leave_service($dir, $pid);
    no_processes_left();
}

# --- runit ---
SKIP: {
    my ($root, $why) = unpacked_peer('runit');
    skip $why, 1 if !$root;
    my $dir = make_service(tmp('runit'), run => <<'END', finish => <<'FINISH', files => { 'conf' => "WHAT=service\n", 'env/ONE' => "1\n", down => '' });
#!/bin/sh
exec 2>&1
. ./conf
export WHAT
exec chpst -e ./env -o 30 -P sh -c 'echo "$WHAT $ONE $(ulimit -n)" >out; exec sleep 1000'
END
#!/bin/sh
echo "finish $1 $2" >>out
FINISH
    my $pid = supervise($dir, env => $peers);
    wait_state($dir, state => 'down');
    ok(!-e "$dir/out", 'runit: a file down is heeded');
    is(run(["$root/usr/bin/sv", 'start', $dir])->{exit}, 0, 'sv start');
    wait_for { file_text("$dir/out") } 'the runit service';
    is(file_text("$dir/out"), "service 1 30\n", 'run with chpst');
    is(run(["$root/usr/bin/sv", 'stop', $dir])->{exit}, 0, 'sv stop');
    is(file_text("$dir/out"), "service 1 30\nfinish 256 15\n", 'finish');
    leave_service($dir, $pid);

    # check: sv's own waiting for a service to be available
    $dir = make_service(tmp('check'), run => "#!/bin/sh\nrm -f ok\nsleep 0.3\n>ok\nexec sleep 1000\n",
        check => "#!/bin/sh\nexec test -e ok\n");
    $pid = supervise($dir);
    my $r = run(["$root/usr/bin/sv", '-w', '7', 'start', $dir]);
    like($r->{out}, qr/^ok: run: /, 'sv start waits for check');
    ok(-e "$dir/ok", 'until it says yes');
    leave_service($dir, $pid);

    # svlogd as a service of its own, fed by a FIFO
    make_fifo(tmp('feed'));
    $dir = make_service(tmp('svlogd'), run => "#!/bin/sh\nexec svlogd -tt ./main\n", files => { main => { dir => 0755 } });
    open my $feed, '+<', tmp('feed') or die;
    $pid = supervise($dir, env => $peers, stdin => $feed);
    wait_state($dir, state => 'up');
    syswrite $feed, "a line\n";
    wait_for { (file_text("$dir/main/current") || '') =~ /a line/ } 'the line';
    like(file_text("$dir/main/current"), qr/^\d{4}-\d\d-\d\d_\S+ a line\n\z/, 'svlogd logs what comes in');
    signal(read_state($dir)->{pid}, 'KILL');
    wait_state($dir, state => 'up', starts => 2);
    syswrite $feed, "another\n";
    wait_for { file_text("$dir/main/current") =~ /another/ } 'the next line';
    pass('and after its death');
    leave_service($dir, $pid);
    no_processes_left();
}

# --- s6 ---
SKIP: {
    my ($execlineb) = grep { (-x) } map { "$_/execlineb" } split /:/, "$ENV{PATH}:/usr/bin";
    skip 'no execlineb on this system', 1 if !$execlineb;
    my $dir = make_service(tmp('s6'), run => <<"END", finish => <<"FINISH",
#!$execlineb -P
fdmove -c 2 1
foreground { redirfd -a 1 out echo "started" }
foreground { fdmove 1 4 echo }
fdclose 4
trap { USR1 { redirfd -a 1 out echo "told" } }
sleep 1000
END
#!$execlineb -S0
redirfd -a 1 out
echo finish \${#} \${1} \${2} \${3}
FINISH
        files => { 'notification-fd' => "4\n", 'timeout-kill' => "100\n", 'timeout-finish' => "3000\n", 'down-signal' => "SIGUSR1\n",
            'max-death-tally' => "50\n", 'data/rules' => '', 'env/X' => '', type => "longrun\n" });
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'up', ready => 1);
    pass('s6: execline run with notification-fd is ready');
    wait_for { file_text("$dir/out") } 'its start';
    wait_for { grep { $_->{name} eq 'sleep' } descendants($pid) } 'trap and sleep';
    control($dir, 'd');
    wait_state($dir, state => 'down');
    my @lines = split /\n/, file_text("$dir/out");
    is($lines[0], 'started', 'run ran');
    ok(scalar(grep { $_ eq 'told' } @lines), 'down-signal by its name');
    like($lines[-1], qr/^finish 4 (256 \d+|\d+ 0) s6$/, 'timeout-kill, then an execline finish with four arguments');
    leave_service($dir, $pid);
    unlike(messages($dir), qr/warning|error/, 'and there is nothing to complain about') or diag messages($dir);

    my ($root, $why) = unpacked_peer('s6');
    SKIP: {
        skip $why, 1 if !$root;
        # (s6-notifyoncheck is a client of s6-supervise: it asks for an fcntl lock and for ./event, and
        # refuses to work under any other supervisor.)
        # s6's chain tools
        $dir = make_service(tmp('s6tools'), run => "#!$execlineb -P\ns6-envdir env\ns6-softlimit -o 25\nredirfd -w 1 out\nforeground { importas X X sh -c \"echo \$X; ulimit -n\" }\nsleep 1000\n",
            files => { 'env/X' => "value\n" });
        $pid = supervise($dir, env => $peers);
        wait_for { (file_text("$dir/out") || '') =~ /\d/ } 'the s6 service';
        is(file_text("$dir/out"), "value\n25\n", 's6-envdir, s6-softlimit');
        leave_service($dir, $pid);
    }
    no_processes_left();
}
no_zombies();
done_testing;
