# The harness tests itself: what it claims to detect it must detect.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Test::More;
no warnings 'portable'; # masks of 64 bits

my $probe_file = tmp('report');

# A script run as a test of its own; its failures must be seen in its exit code.
sub inner_test {
    my ($text, %opt) = @_;
    my $file = write_file(tmp('inner.t'), <<"END" . $text);
use lib '@{[source_dir()]}/tests/lib';
use Lares;
use Test::More;
no warnings 'portable'; # masks of 64 bits
END
    return run([$^X, $file], timeout => 30, env => { LARES_SLOW => 0.2 }, %opt);
}

my $r = run(['sh', '-c', 'cat; echo err >&2; exit 3'], input => "hello\n");
is_deeply([@$r{qw(exit signal out err)}], [3, 0, "hello\n", "err\n"], 'run: exit, output');
$r = run(['sh', '-c', 'kill -9 $$']);
is_deeply([@$r{qw(exit signal)}], [undef, 9], 'run: signal');
ok(!eval { run(['sleep', '1000'], timeout => 0.2); 1 }, 'run: a program that hangs is a failure');
like($@, qr/waited in vain.*sleep 1000/s, '... and is named');
ok(!eval { spawn(['/nonexistent/program']); 1 }, 'spawn: a missing program is a failure');
like($@, qr/No such file/, '... with its reason');

ok(!eval { wait_for { 0 } 'what never comes', 0.1; 1 }, 'a wait that never comes fails');
like($@, qr/waited in vain for: what never comes\nprocesses of the test:/, '... with a diagnostic');
is((wait_for { 42 } 'now'), 42, 'wait_for returns the value');

# What the probe says and how spawn sets a process up.
spawn([probe($probe_file, 'sleep')], env => { LARES_TEST => "a\nb\\" }, cwd => '/', umask => 027,
    ignore => ['HUP'], block => ['USR1']);
my ($run) = wait_for { probe_runs($probe_file) } 'the report of the probe';
my $pid = $run->{pid};
is($run->{env}{LARES_TEST}, "a\nb\\", 'probe: environment, with newline');
is($run->{ppid}, $$, 'probe: parent');
is("$run->{cwd} $run->{umask}", '/ ' . 027, 'probe: directory, umask');
is(hex($run->{SigIgn}) & 0x7fffffff, 1, 'probe: ignored signals');
is(hex($run->{SigBlk}), 1 << 9, 'probe: blocked signals');
is_deeply($run->{argv}, [probe($probe_file, 'sleep')], 'probe: arguments');
same_fds($run, [0, 1, 2], 'probe: descriptors');
same_fds($pid, [0, 1, 2], 'fds_of');
ok(alive($pid), 'alive');
ok(!eval { signal(1, 'CONT'); 1 }, 'a process that is not ours is not signalled');
ok(!eval { signal($$, 'KILL'); 1 }, 'nor the test itself');
ok(!eval { signal(0, 'KILL'); 1 }, 'nor a group');
kill9($pid);
is_deeply(wait_exit($pid), { exit => undef, signal => 9 }, 'kill9, wait_exit');
ok(!alive($pid), 'not alive');
no_processes_left();

unlink $probe_file;
run([probe($probe_file)], close => [0, 1, 2]);
($run) = probe_runs($probe_file);
same_fds($run, [], 'spawn: descriptors 0 to 2 closed');
clean_signals($run);
open my $extra, '<', '/dev/null' or die;
unlink $probe_file;
run([probe($probe_file)], fds => { 7 => '/dev/zero', 9 => $extra });
($run) = probe_runs($probe_file);
same_fds($run, [0, 1, 2, 7, 9], 'spawn: further descriptors');

# Signals, children and strays of the probe.
unlink $probe_file;
$pid = spawn([probe($probe_file, 'trap', 15, 'child', 'stray', 'event', 'set', 'sleep')]);
wait_for { ($run) = probe_runs($probe_file); $run && @{ $run->{events} } == 3 } 'child and stray';
is(scalar(descendants()), 3, 'child and stray are found');
my ($stray) = map { /^stray (\d+)/ } @{ $run->{events} };
is(process_info($stray)->{ppid}, $$, 'the double forked stray came to us');
signal($pid, 'TERM');
wait_for { ($run) = probe_runs($probe_file); $run->{events}[-1] eq 'signal 15' } 'the signal';
pass('a trapped signal is reported and survived');
kill9($_->{pid}) for descendants();
wait_exit($pid);
no_processes_left();
no_zombies();

# What is left behind is detected.
$r = inner_test(<<'END');
spawn([probe('-', 'sleep')]);
pass('all is well');
done_testing;
END
isnt($r->{exit}, 0, 'a process left behind fails the test');
like($r->{out}, qr/^not ok .*every process was stopped/m, '... with a line of its own');

$r = inner_test(<<'END');
run([probe('-', 'stray')]);
no_processes_left('nothing left');
done_testing;
END
isnt($r->{exit}, 0, 'no_processes_left finds a double forked stray');
like($r->{out}, qr/^not ok 1 - nothing left/m, '... says so');
like($r->{err}, qr/parent \d+ group \d+ session \d+ . .*probe/, '... and names it');

$r = inner_test(<<'END');
my $pid = spawn(['perl', '-e', 'if (!fork) { exit } sleep 1000']);
wait_for { grep { $_->{state} eq 'Z' } descendants(undef, zombies => 1) } 'a zombie';
no_zombies();
kill9($pid);
wait_exit($pid);
no_processes_left();
done_testing;
END
is($r->{exit}, 1, 'no_zombies finds a zombie');
like($r->{out}, qr/^not ok 1 - no zombie\nok 2/m, '... and only that fails');

$r = inner_test(<<'END', env => { LARES_LIMIT => 1 });
sleep 100;
END
isnt($r->{exit}, 0, 'a whole test is bounded');
like($r->{err}, qr/the whole test took too long/, '... and says so');

my $inner = write_file(tmp('ended.t'), <<"END");
use lib '@{[source_dir()]}/tests/lib';
use Lares;
use Test::More;
no warnings 'portable'; # masks of 64 bits
write_file(tmp('x'), '');
spawn([probe('$probe_file.2', 'sleep')]);
sleep 1000;
END
$pid = spawn([$^X, $inner], env => { TMPDIR => tmp('inner') });
wait_for { probe_runs("$probe_file.2") } 'the inner probe';
signal($pid, 'TERM');
isnt(wait_exit($pid)->{exit}, 0, 'a test ended from outside fails');
no_processes_left('... and leaves no process');
is_deeply([files_in(tmp('inner'))], [], '... nor a temporary directory');

# Files.
my $dir = make_service(tmp('scan/web'), run => 'exec sleep 1', finish => ['/bin/echo', "it's"],
    files => { 'timeout-kill' => "2000\n", 'log/run' => "#!/bin/sh\n", down => '',
        command => { dir => 0700 }, env => { link => '/etc' }, 'supervise/x' => { fifo => 0600 } });
is_deeply([files_in($dir)], [qw(command/ down env finish log/ log/run run supervise/ supervise/x
    timeout-kill)], 'make_service');
is(run(["$dir/finish"])->{out}, "it's\n", 'make_service: list');
ok(-x "$dir/run" && -x "$dir/log/run" && !-x "$dir/timeout-kill" && -p "$dir/supervise/x",
    'make_service: modes');
no_stray_files($dir);
write_file("$dir/supervise/status.new", '');
{
    my $ok = inner_test("no_stray_files('$dir');\nno_stray_files('$dir', 'all', qr/./);\ndone_testing;\n");
    like($ok->{out}, qr/^not ok 1 .*\nok 2/m, 'no_stray_files finds a .new');
}

write_file("$dir/supervise/status",
    pack('N N N V C a C C', 0x40000000, 1700000010, 5, 77, 0, 'u', 1, 2));
my $status = read_status($dir);
is_deeply([@$status{qw(time nano pid paused want got_term state)}], [1700000000, 5, 77, 0, 'u', 1, 2],
    'read_status');
append_file("$dir/supervise/status", 'x');
ok(!eval { read_status($dir); 1 }, 'read_status: 21 bytes are refused');
is(read_status(tmp('nowhere')), undef, 'read_status: no file');

my ($peer, $why) = unpacked_peer('no-such-package');
ok(!$peer && $why, 'unpacked_peer: a reason when there is none');
done_testing;
