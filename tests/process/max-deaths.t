# max-deaths, retry-failed, max-death-tally: giving up, and trying again. The long schedules are
# in tests/unit/schedule.c, by a simulated clock.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

# go is what a life waits for: a line, the end of the writer of before is none.
sub crashing {
    my ($name, %files) = @_;
    return make_service(tmp($name), run => 'echo start >>ran; until read x <go; do :; done; exit 3',
        files => { go => { fifo => 0600 }, 'restart-delays' => "0\n", 'max-deaths' => "3 600000\n", %files });
}
sub die_once {
    my ($dir, $deaths) = @_;
    open my $go, '>', "$dir/go" or die;
    syswrite $go, "\n";
    close $go;
    return wait_for { my $s = read_state($dir); $s && $s->{deaths} == $deaths && $s } "death $deaths of $dir";
}

{
    my $dir = crashing('three');
    my $pid = supervise($dir);
    is(die_once($dir, $_)->{state}, 'up', "death $_: started again") for 1, 2;
    kill9($pid);
    wait_exit($pid);
    $pid = supervise($dir);
    wait_state($dir, state => 'up', adopted => 1);
    my $s = die_once($dir, 3);
    $s = wait_state($dir, state => 'failed');
    is_deeply([@$s{qw(reason detail want deaths starts)}], ['too-many-deaths', 3, 'up', 3, 3],
        'the third, which another supervisor saw, is one too many');
    is($s->{next_in}, undef, 'without retry-failed for ever');
    like(run([bin('svstat'), $dir])->{out}, qr/, failed: too many deaths: 3, /, 'svstat says why');
    control($dir, 'u');
    wait_state($dir, state => 'up', starts => 4);
    is(die_once($dir, $_)->{state}, 'up', "u forgives: death $_") for 4, 5;
    control($dir, 'r');
    wait_state($dir, state => 'up', starts => 7);
    is(die_once($dir, $_)->{state}, 'up', "r too: death $_") for 7, 8;
    unlink "$dir/max-deaths";
    is(die_once($dir, $_)->{state}, 'up', "without the file: death $_") for 9 .. 12;
    write_file("$dir/max-deaths", "three\n");
    is(die_once($dir, 13)->{state}, 'up', 'a malformed one is none');
    wait_message($dir, qr/max-deaths: "three" is not a decimal number; using none/);
    write_file("$dir/max-deaths", "3 1\n");
    is(die_once($dir, $_)->{state}, 'up', "not so many in a millisecond: $_") for 14 .. 16;
    is(leave_service($dir, $pid), 0, 'x');
    no_processes_left();
}

# --- retry-failed ---
{
    my $dir = crashing('retry', 'max-deaths' => "1 1\n", 'retry-failed' => "100000\n");
    my $pid = supervise($dir);
    die_once($dir, 1);
    my $s = wait_state($dir, state => 'failed');
    ok($s->{next_in} > 50 && $s->{next_in} <= 100, 'retry-failed: it has a date') or diag $s->{next_in};
    like(run([bin('svstat'), $dir])->{out}, qr/, failed: too many deaths: 1, next start in [5-9]\d\.\d s/, 'which svstat shows');
    write_file("$dir/retry-failed", "50\n");
    control($dir, 'u');
    wait_state($dir, state => 'up', starts => 2);
    die_once($dir, 2);
    wait_state($dir, state => 'up', starts => 3);
    is(scalar(grep { $_->{state} eq 'failed' } read_history($dir)), 2, 'it has failed and is tried again by itself');
    write_file("$dir/retry-failed", "0\n");
    die_once($dir, 3);
    is(wait_state($dir, state => 'failed')->{next_in}, undef, '0 is never');
    leave_service($dir, $pid);
}

# --- finish, start ---
{
    my $dir = crashing('finish', finish => "#!/bin/sh\necho finish >>ran\n", 'max-deaths' => "2 600000\n");
    my $pid = supervise($dir);
    die_once($dir, 1);
    wait_state($dir, state => 'up', starts => 2);
    die_once($dir, 2);
    wait_state($dir, state => 'failed', reason => 'too-many-deaths');
    is(file_text("$dir/ran"), "start\nfinish\n" x 2, 'finish is run before it has failed');
    write_file("$dir/start", "#!/bin/sh\nexit 1\n", 0755);
    control($dir, 'u');
    is(wait_state($dir, state => 'failed', deaths => 2, sequence => qr/^(?:[89]|1\d)$/)->{detail}, 2, 'a start that fails counts')
        or diag map { "$_->{sequence} $_->{event} $_->{state}\n" } read_history($dir);
    leave_service($dir, $pid);
}

# --- max-death-tally ---
{
    my $dir = make_service(tmp('tally'), run => 'exit 1', files => { 'restart-delays' => "0\n",
        'max-deaths' => "150 600000\n", 'max-history' => "64\n", 'max-death-tally' => "20\n" });
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'failed');
    is($s->{deaths}, 150, 'the history has room for as many as are counted');
    leave_service($dir, $pid);
    $dir = make_service(tmp('room'), run => 'exit 1', finish => 'exit 0', files => { 'restart-delays' => "0\n",
        'max-deaths' => "50 1\n", 'max-history' => "64\n", 'max-death-tally' => "60\n" });
    $pid = supervise($dir);
    wait_for { read_state($dir)->{deaths} > 300 } 'deaths enough';
    control($dir, 'd');
    wait_state($dir, state => 'down');
    my $kept = grep { $_->{event} eq 'run-died' } read_history($dir);
    ok($kept >= 60, 'max-death-tally: so many are kept') or diag $kept;
    is(-s "$dir/supervise/history", 240 * 64, '... in four records each');
    leave_service($dir, $pid);
    no_processes_left();
}
done_testing;
