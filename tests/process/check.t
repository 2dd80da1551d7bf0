# lares-supervise: `check`, asked until it says that the service is ready.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

# What `check` does: a line in `asked` each time, with its pid, and then what the test says.
sub service {
    my ($name, $check, %files) = @_;
    my $dir = tmp($name);
    return make_service($dir, run => delete $files{run} || 'exec sleep 1000', check => "echo \$\$ \$1 \$(date +%s.%N) >>asked\n$check",
        files => { 'restart-delays' => "100000\n", %files });
}
sub asked { my ($dir) = @_; return map { [split] } split /\n/, file_text("$dir/asked") || '' }
sub wait_asked { my ($dir, $n) = @_; return wait_for { my @a = asked($dir); @a >= $n && $a[-1] } "$dir to be asked" }
sub events { return join ' ', map { $_->{event} } read_history($_[0]) }

subtest 'until it says yes' => sub {
    my $dir = service('yes', '[ -e ready ] || exit 1');
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'starting', role => 'run');
    is("$s->{notifies} $s->{ready}", '1 0', 'not ready before that');
    my $began = $s->{changed};
    is(wait_asked($dir, 5)->[1], 'yes', 'asked again and again, with the name of the service');
    is(read_state($dir)->{state}, 'starting', 'no is no');
    my @at = map { $_->[2] } asked($dir);
    my @gaps = map { $at[$_] - ($_ ? $at[$_ - 1] : $began) } 0 .. 4;
    my @least = (0.1, 0.1, 0.2, 0.4, 0.8);
    is((grep { $gaps[$_] < $least[$_] - 0.02 } 0 .. 4) ? "@gaps" : '', '', 'every 100, 200, 400, 800 ms at the earliest');
    write_file("$dir/ready", '');
    wait_state($dir, state => 'up', ready => 1);
    my $asked = asked($dir);
    select undef, undef, undef, 1.3;
    is(scalar(my @now = asked($dir)), $asked, 'and then no more');
    is(events($dir), 'boot ready', 'the journal');
    like(run([bin('svstat'), $dir])->{out}, qr/, ready \d+ s/, 'shown');
    unlink "$dir/ready";
    signal(read_state($dir)->{pid}, 'KILL');
    wait_state($dir, state => qr/starting|backoff/);
    control($dir, 'u');
    wait_state($dir, state => 'starting', starts => 2);
    wait_asked($dir, $asked + 1);
    is(read_state($dir)->{ready}, 0, 'the next run is asked anew');
    leave_service($dir, $pid);
};

subtest 'one that does not end' => sub {
    my $dir = service('hangs', "sleep 1001 &\necho \$! >sleeper\nwait; [ -e ready ]");
    my $pid = supervise($dir);
    my $first = wait_asked($dir, 1)->[0];
    my $sleeper = wait_for { (file_text("$dir/sleeper") || '') =~ /^(\d+)$/ && $1 } 'what it has started';
    my $fds = run([bin('svstat'), '--json', $dir])->{out};
    like($fds, qr/"left_behind":0,/, 'it is not counted as left behind');
    select undef, undef, undef, 1.5;
    is(scalar(my @a = asked($dir)), 1, 'never two at once');
    control($dir, 'd');
    my $s = wait_state($dir, state => 'down');
    is($s->{wstat}, 15, 'the stop of the service does not wait for it');
    wait_for { !alive($first) && !alive($sleeper) } 'it and what it has started to be ended, too';
    is(read_state($dir)->{rest}, 0, 'nothing is left behind');
    # The service dies by itself.
    control($dir, 'u');
    my $second = wait_asked($dir, 2)->[0];
    signal(read_state($dir)->{pid}, 'KILL');
    wait_state($dir, state => qr/starting|backoff/, deaths => 2);
    wait_for { !alive($second) } 'it to go with the service';
    pass('it goes with the service');
    is(read_state($dir)->{ready}, 0, 'and what it would have said is not heard');
    leave_service($dir, $pid);
};

subtest 'killed after ten seconds' => sub {
    plan skip_all => 'takes ten seconds; set LARES_LONG' if !$ENV{LARES_LONG};
    my $dir = service('late', '[ -e ready ] || exec sleep 1001');
    my $pid = supervise($dir);
    my $first = wait_asked($dir, 1)->[0];
    write_file("$dir/ready", '');
    wait_state($dir, state => 'up', ready => 1, seconds => 30);
    ok(!alive($first), 'and another one is asked');
    like(messages($dir), qr/warning .* check has not ended within 10 seconds and was killed; trying again/, 'said');
    leave_service($dir, $pid);
};

subtest 'not ready in time' => sub {
    my $dir = service('never', 'exit 1', 'timeout-ready' => "300\n");
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'backoff');
    is("$s->{reason} $s->{early}", 'ready-timeout 1', 'ended after timeout-ready');
    leave_service($dir, $pid);
};

subtest 'a supervisor is killed' => sub {
    my $dir = service('adopted', '[ -e ready ] && exit; [ -e hang ] && exec sleep 1001; exit 1');
    my $pid = supervise($dir);
    write_file("$dir/hang", '');
    my $last = wait_for { my @a = asked($dir); my $p = @a && process_info($a[-1][0]); $p && $p->{name} eq 'sleep' && $p->{pid} } 'one that hangs';
    my $main = read_state($dir)->{pid};
    kill9($pid);
    wait_exit($pid);
    wait_for { !alive($last) } 'it to go with its supervisor';
    unlink "$dir/hang";
    write_file("$dir/ready", '');
    $pid = supervise($dir);
    my $s = wait_state($dir, state => 'up', ready => 1);
    is("$s->{pid} $s->{starts}", "$main 1", 'the next one goes on asking');
    leave_service($dir, $pid);
    # In place.
    $dir = service('upgraded', '[ -e ready ]');
    $pid = supervise($dir);
    wait_asked($dir, 1);
    control($dir, 'Z');
    wait_for { (file_text("/proc/$pid/cmdline") || '') =~ /-r/ } 'an upgrade';
    write_file("$dir/ready", '');
    wait_state($dir, state => 'up', ready => 1);
    pass('so does one that was upgraded');
    leave_service($dir, $pid);
};

subtest 'a daemon in the background' => sub {
    my $dir = service('forking', '[ -e ready ]', run => 'setsid sleep 1000 >/dev/null 2>&1 & exit 0', type => "forking\n");
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'starting', role => 'run', pid => qr/^[1-9]/);
    wait_asked($dir, 1);
    write_file("$dir/ready", '');
    wait_state($dir, state => 'up', ready => 1);
    is(events($dir), 'boot forked ready', 'it is asked when it is there');
    leave_service($dir, $pid);
};

subtest 'where readiness is declared, and what is no program' => sub {
    my $dir = service('declared', 'exit 0', 'notification-fd' => "3\n", run => 'read x <gate; echo >&3; exec sleep 1000', gate => { fifo => 0600 });
    my $pid = supervise($dir);
    wait_state($dir, state => 'starting', role => 'run');
    select undef, undef, undef, 0.4;
    is(scalar(my @a = asked($dir)), 0, 'with notification-fd it is not asked');
    write_file("$dir/gate", "\n");
    wait_state($dir, state => 'up', ready => 1);
    leave_service($dir, $pid);

    # It can be executed, but not be run.
    $dir = make_service(tmp('closed'), run => 'exec sleep 1000', files => { check => { text => "#!/no/such/interpreter\n", mode => 0755 } });
    $pid = supervise($dir);
    wait_message($dir, qr{error .* unable to execute \./check: No such file});
    select undef, undef, undef, 0.5;
    is(scalar(() = messages($dir) =~ /unable to execute/g), 1, 'one that cannot be executed: said once');
    is(read_state($dir)->{state}, 'starting', 'it is no yes');
    chmod 0644, "$dir/check";
    wait_message($dir, qr{error .* unable to execute \./check: Permission denied});
    is(read_state($dir)->{state}, 'starting', 'nor is one that has lost its x bit since the start');
    write_file("$dir/check.new", "#!/bin/sh\n", 0755);
    rename "$dir/check.new", "$dir/check";
    wait_state($dir, state => 'up', ready => 1);
    leave_service($dir, $pid);

    $dir = make_service(tmp('directory'), run => 'exec sleep 1000', files => { 'check/x' => '' });
    $pid = supervise($dir);
    wait_message($dir, qr/warning .* check: is a directory, a file is expected; using nothing, as if it were not there/);
    is(wait_state($dir, state => 'up')->{notifies}, 0, 'a directory: as if it were not there');
    leave_service($dir, $pid);
};

# It was not ready for ever, and neither was what needs it; runit warns and goes on.
subtest 'a check without the x bit' => sub {
    my ($scan) = new_scan();
    make_service("$scan/db", run => 'exec sleep 1000', files => { check => { text => "#!/bin/sh\nexit 1\n", mode => 0644 } });
    make_service("$scan/web", run => 'exec sleep 1000', files => { 'needs/db' => '' });
    my $scanner = scanner($scan);
    up("$scan/web");
    is(wait_state("$scan/db", state => 'up')->{notifies}, 0, 'is no check: it is up, and so is what needs it');
    is(said($scan, qr/warning supervise db check: is not executable; using nothing, as if it were not there$/), 1, 'said');
    chmod 0755, "$scan/db/check";
    control("$scan/db", 't');
    is(wait_state("$scan/db", state => 'starting', starts => 2)->{notifies}, 1, 'from the next start on it is one, when it has the bit');
    stop_scanner($scanner);
};

no_processes_left();
no_zombies();
done_testing;
