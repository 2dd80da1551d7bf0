# condition: asked before each start, a process like others, never waited for.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

sub service {
    my ($name, $condition, %files) = @_;
    return make_service(tmp($name), run => 'echo start >>ran; exec sleep 1000', condition => $condition,
        files => { answer => "0\n", hang => { fifo => 0600 }, %files });
}
my $ask = 'echo "asked $1" >>asked; exit "$(cat answer)"';
sub asked { my $text = file_text("$_[0]/asked"); return defined $text ? scalar(() = $text =~ /asked/g) : 0 }

{
    my $dir = service('web', $ask);
    my $pid = supervise($dir);
    wait_state($dir, state => 'up');
    is(file_text("$dir/asked"), "asked web\n", 'condition is asked, with the name of the service');
    my @h = read_history($dir);
    is_deeply([map { "$_->{event} $_->{state} $_->{role}" } @h[0, 1]],
        ['boot starting condition', 'condition-ok up run'], 'while it is asked the service is starting');
    write_file("$dir/answer", "7\n");
    signal(read_state($dir)->{pid}, 'KILL');
    my $s = wait_state($dir, state => 'down');
    is_deeply([@$s{qw(want reason detail deaths early)}], ['up', 'condition', 7, 1, 1],
        'no: down, with the reason; that is no death');
    like(run([bin('svstat'), $dir])->{out}, qr/, not wanted here: condition not met: 7,/, 'svstat says why');
    is(asked($dir), 2, 'it was asked at that start, too');
    control($dir, 'r');
    control($dir, 'u');
    wait_history($dir, 2, event => 'condition-no');
    wait_state($dir, state => 'down');
    is(read_state($dir)->{starts}, 1, 'nothing was started');
    write_file("$dir/answer", "0\n");
    control($dir, 'u');
    wait_state($dir, state => 'up');
    pass('yes again: up');
    control($dir, 'd');
    wait_state($dir, state => 'down', want => 'down');
    write_file("$dir/answer", "1\n");
    control($dir, 'o');
    wait_state($dir, state => 'down', want => 'once', reason => 'condition');
    control($dir, 'd');
    wait_state($dir, state => 'down', want => 'down');
    unlink "$dir/condition";
    control($dir, 'u');
    wait_state($dir, state => 'up');
    pass('without the file nothing is asked');
    leave_service($dir, $pid);
    no_processes_left();
}

# --- before start, with it ---
{
    my $dir = service('start', $ask, start => "#!/bin/sh\necho asked by start >>asked\n");
    my $pid = supervise($dir);
    wait_state($dir, state => 'up');
    is(file_text("$dir/asked"), "asked start\nasked by start\n", 'condition comes before start');
    leave_service($dir, $pid);
}

# --- one that fails, hangs, cannot be run ---
{
    my $dir = service('fails', 'kill -9 $$', 'restart-delays' => "100000\n");
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'backoff');
    is_deeply([@$s{qw(reason detail early)}], ['condition-failed', 137, 1], 'killed: that is no answer, it is asked again later');
    control($dir, 'd');
    wait_state($dir, state => 'down', want => 'down');
    write_file("$dir/condition", "#!/nonexistent\n", 0755);
    control($dir, 'u');
    is(wait_state($dir, state => 'backoff')->{reason}, 'condition-failed', 'no interpreter: the same');
    like(messages($dir), qr{unable to execute ./condition: the interpreter}, '... and it is said');
    chmod 0644, "$dir/condition";
    control($dir, 'u');
    wait_message($dir, qr{unable to execute ./condition: Permission denied});
    pass('not executable');
    write_file("$dir/condition", "#!/bin/sh\nread x <hang\n", 0755);
    write_file("$dir/timeout-start", "50\n");
    control($dir, 'u');
    $s = wait_state($dir, state => 'backoff', reason => 'condition-timeout');
    is($s->{starts}, 0, 'one that takes too long is ended');
    write_file("$dir/timeout-start", "0\n");
    control($dir, 'u');
    $s = wait_state($dir, state => 'starting', role => 'condition');
    ok($s->{next_in} > 5 && $s->{next_in} <= 10, 'without timeout-start it has ten seconds') or diag $s->{next_in};
    like(run([bin('svstat'), $dir])->{out}, qr/, starting: condition runs/, 'svstat says what it does');
    control($dir, 'd');
    wait_state($dir, state => 'down', want => 'down');
    pass('d does not wait for it');
    control($dir, 'u');
    wait_state($dir, state => 'starting', role => 'condition');
    is(leave_service($dir, $pid), 0, 'nor does x');
    no_processes_left();
}

# --- its supervisor is killed ---
{
    my $dir = service('killed', 'echo asked >>asked; read x <hang; exit "$x"');
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'starting', role => 'condition', pid => qr/^[1-9]/);
    wait_for { asked($dir) } 'condition';
    kill9($pid);
    wait_exit($pid);
    $pid = supervise($dir);
    wait_state($dir, state => 'starting', role => 'condition', adopted => 1, pid => $s->{pid});
    open my $hang, '+<', "$dir/hang" or die;
    syswrite $hang, "0\n";
    # Nobody reaps for the dead one here: where the answer stays unknown it is asked for again.
    my $after = wait_for { my $now = read_state($dir); $now->{state} =~ /up|backoff/ && $now } 'its end';
    syswrite $hang, "0\n" if $after->{state} eq 'backoff';
    is(wait_state($dir, state => 'up')->{starts}, 1, 'a condition is adopted like other processes');
    leave_service($dir, $pid);
    no_processes_left();
}
done_testing;
