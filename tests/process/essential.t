# essential: when such a service has ended for good the scanner stops everything, and its exit
# code is the service's.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

# A scan directory with a service `other` that runs and notes its end, and `main`.
sub tree {
    my ($run, %files) = @_;
    my ($scan) = new_scan();
    make_service("$scan/other", run => 'trap "exit 0" TERM; echo start >>ran; while :; do sleep 1000 & wait; done',
        finish => 'echo finish >>ran');
    make_service("$scan/main", run => $run, files => { essential => '', go => { fifo => 0600 },
        'restart-delays' => "0\n", %files });
    return $scan;
}
# Runs the tree to its end: the scanner's exit code.
sub code_of { my ($scan, $how) = @_; return wait_exit($how || scanner($scan), 20)->{exit} }

my %never = (restart => "never\n");
my @cases = (
    ['a oneshot that is done', 0, 'exit 0', type => "oneshot\n"],
    ['a oneshot that has failed', 7, 'exit 7', type => "oneshot\n", %never],
    ['killed by a signal', 128 + 9, 'kill -9 $$', %never],
    ['a success that restart leaves', 0, 'exit 0', restart => "on-failure\n"],
    ['too many deaths', 3, 'exit 3', 'max-deaths' => "4 100000\n"],
    ['finish with 125', 101, 'exit 101', finish => { text => "#!/bin/sh\nexit 125\n", mode => 0755 }],
    ['a start that fails', 9, 'exit 0', start => { text => "#!/bin/sh\nexit 9\n", mode => 0755 }, %never],
    ['nothing to run it with', 126, '#!/nonexistent/interpreter', %never],
);
for my $case (@cases) {
    my ($what, $code, $run, %files) = @$case;
    my $scan = tree($run, %files);
    $code = 127 if $what =~ /^nothing/;
    is(code_of($scan), $code, "$what: $code");
    like(file_text("$scan/other/ran") || '', qr/^((start\n)?finish\n)?$/, '... and everything is stopped in order');
    is(said($scan, qr/essential service `main' has ended for good/), 1, '... and it is said once');
    no_processes_left();
}

# --- what is no end for good ---
{
    my $scan = tree('read x <go; exit 5', 'max-deaths' => "1 1\n", 'retry-failed' => "100\n");
    my $pid = scanner($scan);
    my $dir = "$scan/main";
    wait_state($dir, state => 'up');
    my $go = sub { open my $go, '>', "$dir/go" or die; syswrite $go, "\n" };
    $go->();
    wait_state($dir, state => 'up', starts => 2);
    is(read_state($dir)->{over}, 0, 'failed, but tried again by retry-failed: no end');
    control($dir, 'd');
    is(wait_state($dir, state => 'down', want => 'down')->{over}, 0, 'nor is a stop');
    make_service("$scan/off", run => 'exit 0', condition => 'exit 1', files => { essential => '' });
    wait_state("$scan/off", state => 'down', reason => 'condition');
    unlink "$dir/essential", "$dir/max-deaths";
    control($dir, 'o');
    wait_state($dir, state => 'up', want => 'once');
    $go->();
    is(wait_state($dir, state => 'down', want => 'down')->{over}, 1, 'a once that is over is one');
    ok(alive($pid), '... of a service that is not essential: nothing happens');
    write_file("$dir/essential", '');
    control($dir, 'o');
    wait_state($dir, state => 'up', want => 'once');
    $go->();
    is(code_of($scan, $pid), 5, '... and ends everything with its code when it is');
    no_processes_left();
}

# --- two of them ---
{
    my $scan = tree('exit 11', %never);
    make_service("$scan/late", run => 'trap "exit 12" TERM; while :; do sleep 1000 & wait; done', files => { essential => '', %never });
    is(code_of($scan), 11, 'the first to end decides');
}

# --- scanner and supervisors are killed ---
{
    my $scan = tree('read x <go; exit 6', %never);
    my $pid = scanner($scan);
    wait_state("$scan/main", state => 'up');
    kill9($pid);
    wait_exit($pid);
    { open my $go, '>', "$scan/main/go" or die; syswrite $go, "\n" }
    wait_state("$scan/main", state => 'failed', over => 1);
    is(code_of($scan), 6, 'a scanner that comes after the end acts on it');
    $scan = tree('read x <go; exit 6', %never);
    $pid = scanner($scan);
    wait_state("$scan/main", state => 'up');
    my $supervisor = supervisor('main');
    signal($pid, 'STOP');
    { open my $go, '>', "$scan/main/go" or die; syswrite $go, "\n" }
    wait_state("$scan/main", state => 'failed', over => 1);
    kill9($supervisor);
    signal($pid, 'CONT');
    is(code_of($scan, $pid), 6, 'its supervisor is killed when it has told: the same');
    no_processes_left();
}

# --- codes that lares-init knows as failures of a scanner ---
for my $code (111, 42) {
    my $scan = tree("exit $code", %never);
    my $init = spawn([bin('init'), $scan], stderr => "$scan/../said");
    is(wait_exit($init)->{exit}, $code, "lares-init ends with $code, too");
    is(said($scan, qr/starting another/), 0, '... without another scanner');
    no_processes_left();
}
done_testing;
