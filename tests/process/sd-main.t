# lares-supervise: MAINPID of sd_notify(3): another process of the service is the main one.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Sd;
use Lares::State;
use Test::More;

sub moved { my ($dir, $from) = @_; return wait_for { my $s = read_state($dir); $s->{pid} && $s->{pid} != $from && $s } 'another main process' }
sub events { return join ' ', map { $_->{event} } read_history($_[0]) }

for my $parent_ends (0, 1) {
    subtest $parent_ends ? 'the parent ends' : 'the parent stays' => sub {
        my $dir = sd_service(tmp("move$parent_ends"), files => { 'restart-delays' => "100000\n", 'timeout-kill' => "3000\n" });
        my $pid = supervise($dir);
        my $first = sd_born($dir);
        sd_tell($dir, 'send READY=1');
        wait_state($dir, state => 'up', ready => 1);
        sd_tell($dir, $parent_ends ? 'hand' : 'main');
        my $s = moved($dir, $first);
        is("$s->{state} $s->{ready} $s->{starts} $s->{deaths}", 'up 1 1 0', 'MAINPID: another process of it is the main one');
        is(shown_status($dir)->{pid}, $s->{pid}, 'for classic clients, too');
        is(read_child($dir)->{pid}, $s->{pid}, 'and on record');
        wait_for { !$parent_ends == !!alive($first) } 'the parent';
        my $second = $s->{pid};
        # Its supervisor is killed: the next one keeps it.
        kill9($pid);
        wait_exit($pid);
        $pid = supervise($dir);
        $s = wait_state($dir, adopted => 1, state => 'up');
        is("$s->{pid} $s->{ready} $s->{starts}", "$second 1 1", 'adopted');
        sd_tell($dir, 'send STATUS=second');
        sd_tell($dir, 'barrier');
        like(run([bin('svstat'), $dir])->{out}, qr/"second"/, 'and heard')
            or diag(messages($dir), join(' ', map { "@$_;" } sd_said($dir)), run([bin('svstat'), $dir])->{out});
        # It moves on once more.
        sd_tell($dir, 'main');
        $s = moved($dir, $second);
        my $third = $s->{pid};
        kill9($third);
        $s = wait_state($dir, state => 'backoff');
        is("$s->{deaths} $s->{wstat} $s->{reason}", '1 9 killed', 'its death is the death of the service, with the status');
        control($dir, 'u');
        my $next = sd_born($dir, 2);
        sd_tell($dir, 'send READY=1');
        sd_tell($dir, 'main');
        moved($dir, $next);
        control($dir, 'd');
        $s = wait_state($dir, state => 'down');
        ok(!alive($next), 'a stop ends all of them');
        leave_service($dir, $pid);
    };
}

subtest 'before it is ready' => sub {
    my $dir = sd_service(tmp('early'));
    my $pid = supervise($dir);
    my $first = sd_born($dir);
    sd_tell($dir, 'hand');
    my $s = moved($dir, $first);
    is("$s->{state} $s->{deaths}", 'starting 0', 'it is not ready by that');
    sd_tell($dir, 'send READY=1');
    wait_state($dir, state => 'up', ready => 1);
    is(events($dir), 'boot forked ready', 'the journal');
    leave_service($dir, $pid);
};

subtest 'nobody else' => sub {
    my $dir = sd_service(tmp('wrong'));
    my $pid = supervise($dir);
    my $main = sd_born($dir);
    my $other = spawn(['sleep', '1000']);
    sd_tell($dir, "send MAINPID=$other;READY=1");
    wait_state($dir, state => 'up', ready => 1);
    is(read_state($dir)->{pid}, $main, 'a process that is not of the service does not become its main one');
    like(messages($dir), qr/warning .* MAINPID=$other is no living process of this service besides the present one: ignored/, 'which is said');
    sd_tell($dir, "send MAINPID=$main");
    sd_tell($dir, "send MAINPID=$pid");
    sd_tell($dir, "send MAINPID=2147483647");
    sd_tell($dir, 'barrier');
    is(read_state($dir)->{pid}, $main, 'nor the supervisor, nor nobody');
    is(events($dir), 'boot ready', 'the journal says nothing of that');
    kill9($other);
    wait_exit($other);
    leave_service($dir, $pid);
};

subtest 'into the background' => sub {
    # What `type` forking finds out by itself is told at once.
    my $dir = sd_service(tmp('forking'), files => { type => "forking\n" });
    my $pid = supervise($dir);
    my $first = sd_born($dir);
    sd_tell($dir, 'send STATUS=launching');
    sd_tell($dir, 'barrier');
    like(run([bin('svstat'), $dir])->{out}, qr/"launching"/, 'heard on the way');
    sd_tell($dir, 'send READY=1');
    sd_tell($dir, 'hand');
    my $s = wait_state($dir, state => 'up', ready => 1);
    isnt($s->{pid}, $first, 'the process it names is the service');
    is(events($dir), 'boot forked ready', 'ready, which it has said before, when it is there');
    kill9($pid);
    wait_exit($pid);
    $pid = supervise($dir);
    is(wait_state($dir, adopted => 1, state => 'up')->{pid}, $s->{pid}, 'adopted');
    leave_service($dir, $pid);
};

no_processes_left();
no_zombies();
done_testing;
