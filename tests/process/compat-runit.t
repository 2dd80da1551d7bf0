# Debian's own sv (runit) drives a lares supervisor, and its LSB form does.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

my ($root, $why) = unpacked_peer('runit');
plan skip_all => $why if !$root;
my $sv = "$root/usr/bin/sv";

my $dir = tmp('scan/web');
make_service($dir, run => [probe("$dir.report", 'trap', 1, 'trap', 2, 'trap', 3, 'trap', 10, 'trap', 12, 'trap', 14, 'event', 'set', 'sleep')],
    files => { 'restart-delays' => "0\n" });

# sv('status'), with what it has to print on stdout; nothing else, and exit 0 or as told.
sub sv {
    my ($words, $want, %opt) = @_;
    my $r = run([$opt{as} || $sv, split(' ', $words), $opt{as} ? () : $opt{dir} || $dir], env => { SVDIR => tmp('scan'), SVWAIT => 25 });
    my $exit = $opt{exit} || 0;
    like($r->{out}, qr/^$want\z/, ($opt{as} ? 'LSB ' : '') . "sv $words: " . ($want || 'nothing to say'));
    is("$r->{exit} $r->{err}", "$exit ", "... exit $exit");
    return $r->{out};
}
my $d = quotemeta $dir;
my $starts = 1;

sub up_again {
    my $s = wait_state($dir, state => 'up', starts => ++$starts);
    wait_for { my @r = probe_runs("$dir.report"); @r == $starts && @{ $r[-1]{events} } } 'the new run';
    return $s;
}

sub got {
    my ($signal) = @_;
    wait_for { (probe_runs("$dir.report"))[-1]{events}[-1] eq "signal $signal" } "signal $signal";
    pass("signal $signal arrived");
}

sv('status', "warning: $d: unable to open supervise/ok: file does not exist\n", exit => 1);
my $pid = supervise($dir);
my $s = wait_state($dir, state => 'up');
wait_for { my ($r) = probe_runs("$dir.report"); $r && @{ $r->{events} } } 'the service';
sv('status', "run: $d: \\(pid $s->{pid}\\) \\ds\n");
sv('up', '');
sv('start', "ok: run: $d: \\(pid $s->{pid}\\) \\d+s\n");
sv('check', "ok: run: $d: \\(pid $s->{pid}\\) \\d+s\n");
sv('pause', '');
wait_state($dir, paused => 1);
sv('status', "run: $d: \\(pid $s->{pid}\\) \\d+s, paused\n");
sv('cont', '');
wait_state($dir, paused => 0);
my %signal = (hup => 1, interrupt => 2, quit => 3, 1 => 10, 2 => 12, alarm => 14);
for my $word (sort keys %signal) { sv($word, ''); got($signal{$word}) }
sv('reload', "ok: run: $d: \\(pid $s->{pid}\\) \\d+s\n");
got(1);
sv('term', '');
$s = up_again();
sv('status', "run: $d: \\(pid $s->{pid}\\) \\ds\n");
sv('kill', '');
up_again();
for my $word (qw(restart force-restart try-restart force-reload)) {
    sv("-v $word", "ok: run: $d: \\(pid \\d+\\) \\ds\n");
    $s = up_again();
}
sv('stop', "ok: down: $d: \\ds, normally up\n");
is(read_state($dir)->{state}, 'down', 'and down it is');
sv('status', "down: $d: \\ds, normally up\n");
sv('check', "ok: down: $d: \\d+s, normally up\n");
sv('once', '');
$s = up_again();
sv('status', "run: $d: \\(pid $s->{pid}\\) \\ds, want down\n");
sv('down', '');
wait_state($dir, state => 'down');
sv('start', "ok: run: $d: \\(pid \\d+\\) \\ds\n");
up_again();
write_file("$dir/down", '');
sv('status', "run: $d: \\(pid \\d+\\) \\ds, normally down\n");
unlink "$dir/down";
sv('force-stop', "ok: down: $d: \\ds, normally up\n");

# TERM-proof
write_file("$dir/run", "#!/bin/sh\ntrap '' TERM\necho >ready\nexec sleep 1000\n", 0755);
sv('up', '');
$s = wait_state($dir, state => 'up');
wait_for { (-e "$dir/ready") && process_info($s->{pid})->{name} eq 'sleep' } 'the TERM-proof service';
sv('term', '');
wait_for { read_status($dir)->{got_term} } 'TERM to be sent';
sv('status', "run: $d: \\(pid $s->{pid}\\) \\ds, got TERM\n");
sv('-w 1 stop', "timeout: run: $d: \\(pid $s->{pid}\\) [0-9]s, want down, got TERM\n", exit => 1);
sv('-w 1 force-stop', "kill: run: $d: \\(pid $s->{pid}\\) [0-9]s, want down, got TERM\n", exit => 1);
wait_state($dir, state => 'down');

# finish
write_file("$dir/run", "#!/bin/sh\nexit 1\n", 0755);
write_file("$dir/finish", "#!/bin/sh\nexec sleep 1000\n", 0755);
write_file("$dir/timeout-finish", "0\n");
sv('up', '');
$s = wait_state($dir, state => 'finishing', role => 'finish');
wait_for { read_status($dir)->{state} == 2 } 'finish to show';
sv('status', "finish: $d: \\(pid $s->{pid}\\) \\ds\n");
control($dir, 'd');
control($dir, 'k');
wait_state($dir, state => 'down');
unlink "$dir/finish";

# log/
write_file("$dir/run", "#!/bin/sh\nexec sleep 1000\n", 0755);
mkdir "$dir/log";
write_file("$dir/log/run", "#!/bin/sh\nexec sleep 1000\n", 0755);
my $log = supervise("$dir/log");
sv('start', "ok: run: $d: \\(pid \\d+\\) \\ds\n");
sv('status', "run: $d: \\(pid \\d+\\) \\ds; run: log: \\(pid \\d+\\) \\d+s\n");
is(leave_service("$dir/log", $log), 0, 'the logger leaves');
File::Path::remove_tree("$dir/log");

# by name, in the LSB form
symlink $sv, tmp('web');
my $web = tmp('web');
sv('status', "run: web: \\(pid \\d+\\) \\d+s\n", as => $web);
sv('restart', "ok: run: web: \\(pid \\d+\\) \\ds\n", as => $web);
sv('stop', "ok: down: web: \\ds, normally up\n", as => $web);
sv('status', "down: web: \\ds, normally up\n", as => $web, exit => 3);
sv('start', "ok: run: web: \\(pid \\d+\\) \\ds\n", as => $web);
sv('force-reload', "ok: run: web: \\(pid \\d+\\) \\ds\n", as => $web);

sv('exit', '');
is(wait_exit($pid)->{exit}, 0, 'exit: it leaves');
sv('status', "fail: $d: runsv not running\n", exit => 1);
for my $word (qw(shutdown force-shutdown)) {
    $pid = supervise($dir);
    wait_state($dir, state => 'up');
    sv($word, "ok: $d: runsv not running\n");
    is(wait_exit($pid)->{exit}, 0, 'it left');
}
sv('status', "fail: web: runsv not running\n", as => $web, exit => 1);
no_processes_left();
no_zombies();
done_testing;
