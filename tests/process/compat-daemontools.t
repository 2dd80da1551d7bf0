# Debian's own svc, svstat and svok (daemontools) drive a lares supervisor.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

my ($root, $why) = unpacked_peer('daemontools');
plan skip_all => $why if !$root;
my ($svc, $svstat, $svok) = map { "$root/usr/bin/$_" } qw(svc svstat svok);

my $dir = tmp('web');
make_service($dir, run => [probe("$dir.report", 'trap', 14, 'event', 'set', 'sleep')], files => { 'restart-delays' => "0\n" });

sub ask {
    my ($want, $name) = @_;
    my $r = run([$svstat, $dir]);
    like($r->{out}, qr/^\Q$dir\E: $want\n\z/, "svstat: $name");
    is("$r->{exit} $r->{err}", '0 ', '... exit 0 and nothing else');
    # What Ansible, Salt and Puppet look for.
    my %look = (pid => qr/\(pid (\d+)\)/, up => qr/( up )/, down => qr/( down )/, want => qr/( want )/, running => qr/(:\s+up \()/);
    return join ' ', map { $r->{out} =~ $look{$_} ? $_ eq 'pid' ? "pid=$1" : $_ : () } qw(pid up down want running);
}

sub told {
    my $r = run([$svc, @_, $dir]);
    is("$r->{exit} $r->{out}$r->{err}", '0 ', "svc @_");
}

is(run([$svok, $dir])->{exit}, 100, 'svok: never supervised');
ask('unable to open supervise/ok: file does not exist', 'never supervised');
my $pid = supervise($dir);
my $s = wait_state($dir, state => 'up');
is(run([$svok, $dir])->{exit}, 0, 'svok: supervised');
my $seen = ask("up \\(pid $s->{pid}\\) \\d seconds", 'up, without leap seconds');
is($seen, "pid=$s->{pid} up running", 'as configuration tools read it');

told('-p');
wait_state($dir, paused => 1);
ask("up \\(pid $s->{pid}\\) \\d+ seconds, paused", 'paused');
told('-c');
wait_state($dir, paused => 0);
told('-a');
wait_for { (probe_runs("$dir.report"))[0]{events}[-1] eq 'signal 14' } 'ALRM';
my $starts = 1;
for my $letter (qw(t k h i)) {
    told("-$letter");
    $s = wait_state($dir, state => 'up', starts => ++$starts);
    ask("up \\(pid $s->{pid}\\) \\d seconds", "after -$letter another pid");
    wait_for { my @r = probe_runs("$dir.report"); @r == $starts && @{ $r[-1]{events} } } 'the new run';
}
told('-u');
ask("up \\(pid $s->{pid}\\) \\d+ seconds", '-u on one that is up: nothing');
told('-d');
wait_state($dir, state => 'down');
$seen = ask('down \\d seconds, normally up', 'down');
is($seen, 'down', 'as configuration tools read it');
told('-o');
$s = wait_state($dir, state => 'up', want => 'once');
ask("up \\(pid $s->{pid}\\) \\d seconds, want down", 'once');
told('-t');
wait_state($dir, state => 'down');
write_file("$dir/down", '');
told('-u');
wait_state($dir, state => 'up');
ask('up \(pid \d+\) \\d seconds, normally down', 'up with a file down');
told('-du');
wait_state($dir, state => 'up', starts => $starts + 3);
told('-d');
wait_state($dir, state => 'down');
ask('down \\d seconds', 'down with a file down');
unlink "$dir/down";

# A service that dies again and again, and one that gave up.
write_file("$dir/restart-delays", "100000\n");
write_file("$dir/run", "#!/bin/sh\nexit 1\n", 0755);
told('-u');
wait_state($dir, state => 'backoff');
ask('down \\d seconds, normally up, want up', 'waiting for its restart');
write_file("$dir/finish", "#!/bin/sh\nexit 125\n", 0755);
told('-u');
wait_state($dir, state => 'failed');
ask('down \\d seconds, normally up', 'failed');

told('-dx');
is(wait_exit($pid)->{exit}, 0, '-dx: it leaves');
is(run([$svok, $dir])->{exit}, 100, 'svok: not supervised any more');
ask('supervise not running', 'nor any more');
like(run([$svc, '-u', $dir])->{err}, qr{^svc: warning: unable to control \Q$dir\E: supervise not running\n\z}, 'svc says so too');

# Debian's supervise is kept out, as it keeps us out.
$pid = supervise($dir);
my $r = run(["$root/usr/bin/supervise", $dir]);
is($r->{exit}, 111, "daemontools' supervise on a directory of ours: 111");
like($r->{err}, qr{^supervise: fatal: unable to acquire \Q$dir\E/supervise/lock: temporary failure}, 'it sees our lock');
leave_service($dir, $pid);
write_file("$dir/run", "#!/bin/sh\nexec sleep 1000\n", 0755);
unlink "$dir/supervise/lock";
$pid = spawn(["$root/usr/bin/supervise", $dir]);
wait_for { !run([$svok, $dir])->{exit} } 'it to supervise';
$r = run([bin('supervise'), $dir]);
is("$r->{exit} $r->{err}", "111 lares-supervise: fatal: already supervised: $dir\n", 'and we see its lock');
run([$svc, '-dx', $dir]);
wait_exit($pid);
ok($pid = supervise($dir), 'then the directory can be ours again');
wait_state($dir, state => 'up');
is(leave_service($dir, $pid), 0, 'with what daemontools left in supervise/');
no_processes_left();
no_zombies();
done_testing;
