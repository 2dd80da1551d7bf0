# lares-supervise: `timeout-watchdog`, and what a service says of it by sd_notify(3).
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Sd;
use Lares::State;
use Test::More;

sub reasons { my ($dir, $event) = @_; return map { $_->{reason} } grep { $_->{event} eq $event } read_history($dir) }

subtest 'missed' => sub {
    my $dir = sd_service(tmp('missed'), files => { 'timeout-watchdog' => "1500\n", 'restart-delays' => "100000\n" });
    my $pid = supervise($dir);
    my $main = sd_born($dir);
    my ($variables) = grep { /^variables / } sd_tell($dir, 'variables');
    like($variables, qr/^variables \S+ 1500000 us$/, 'the service is told of it');
    # Not ready yet, nothing is due: this takes longer than the time.
    select undef, undef, undef, 2;
    is(read_state($dir)->{state}, 'starting', 'before it is ready nothing is due');
    sd_tell($dir, 'send READY=1');
    wait_state($dir, state => 'up', ready => 1);
    sd_tell($dir, 'ping 50');
    select undef, undef, undef, 2;
    is(read_state($dir)->{state}, 'up', 'with a sign of life in time it goes on');
    sd_tell($dir, 'send STATUS=silent', wait => 0); # which ends the pings
    my $s = wait_state($dir, state => 'backoff');
    is("$s->{reason} $s->{wstat}", 'watchdog ' . ($s->{wstat} & 128 | 6), 'without one it gets ABRT, and that is the reason');
    is_deeply([ reasons($dir, 'lapse') ], ['watchdog'], 'on record, too');
    like(run([bin('svstat'), $dir])->{out}, qr/backoff: no sign of life in time.*last run killed by SIGABRT/, 'and shown');
    leave_service($dir, $pid);
};

subtest 'it does not end' => sub {
    my $dir = sd_service(tmp('stuck'), before => "trap '' ABRT\n",
        files => { 'timeout-watchdog' => "100\n", 'timeout-kill' => "100\n", 'restart-delays' => "0 100000\n" });
    my $pid = supervise($dir);
    sd_born($dir);
    sd_tell($dir, 'send READY=1');
    my $s = wait_state($dir, state => 'backoff');
    is("$s->{reason} $s->{wstat}", 'watchdog 9', 'KILL after timeout-kill');
    leave_service($dir, $pid);
};

subtest 'what the service asks for' => sub {
    my $dir = sd_service(tmp('asks'), files => { 'restart-delays' => "100000\n" });
    my $pid = supervise($dir);
    sd_born($dir);
    is((grep { /^variables / } sd_tell($dir, 'variables'))[0] =~ / - -$/ ? 1 : 0, 1, 'no time-out, no variables');
    sd_tell($dir, 'send READY=1;WATCHDOG=1');
    sd_tell($dir, 'send WATCHDOG_USEC=500000000');
    sd_tell($dir, 'barrier');
    kill9($pid);
    wait_exit($pid);
    $pid = supervise($dir);
    is(wait_state($dir, state => 'up', adopted => 1)->{starts}, 1, 'adopted');
    sd_tell($dir, 'send WATCHDOG_USEC=0');
    sd_tell($dir, 'barrier');
    select undef, undef, undef, 0.2;
    is(read_state($dir)->{state}, 'up', 'it may want none');
    sd_tell($dir, 'send WATCHDOG_USEC=100000', wait => 0);
    is(wait_state($dir, state => 'backoff')->{reason}, 'watchdog', 'and another time');
    leave_service($dir, $pid);
};

subtest 'a change of supervisor' => sub {
    my $dir = sd_service(tmp('adopted'), files => { 'restart-delays' => "100000\n" });
    my $pid = supervise($dir);
    my $main = sd_born($dir);
    sd_tell($dir, 'send READY=1;WATCHDOG_USEC=2000000');
    sd_tell($dir, 'barrier');
    kill9($pid);
    wait_exit($pid);
    $pid = supervise($dir);
    wait_state($dir, state => 'up', adopted => 1);
    my $s = wait_state($dir, state => 'backoff');
    is("$s->{reason} $s->{starts}", 'watchdog 1', 'the new one remembers the time that was asked for');
    control($dir, 'u');
    sd_born($dir, 2);
    sd_tell($dir, 'send READY=1');
    select undef, undef, undef, 2.3;
    is(read_state($dir)->{state}, 'up', 'which is not asked of the next run');
    leave_service($dir, $pid);
};

subtest 'trigger, paused, and at other times' => sub {
    my $dir = sd_service(tmp('trigger'), files => { 'restart-delays' => "100000\n", 'timeout-watchdog' => "1500\n" });
    my $pid = supervise($dir);
    my $main = sd_born($dir);
    sd_tell($dir, 'send READY=1');
    control($dir, 'p');
    wait_for { read_state($dir)->{paused} } 'the pause';
    select undef, undef, undef, 2;
    is(read_state($dir)->{state}, 'up', 'who is told to pause cannot say anything');
    control($dir, 'c');
    sd_tell($dir, 'send WATCHDOG=trigger', wait => 0);
    is(wait_state($dir, state => 'backoff')->{reason}, 'watchdog', 'WATCHDOG=trigger is as if it had been silent');
    leave_service($dir, $pid);
};

for my $bad (['x', '"x" is not a decimal number'], ['-1', '"-1" is not a decimal number'], ['2147483648', '"2147483648" is more than 2147483647']) {
    my $dir = sd_service(tmp('bad'), files => { 'timeout-watchdog' => "$bad->[0]\n" });
    my $pid = supervise($dir);
    sd_born($dir);
    like(messages($dir), qr/warning .* timeout-watchdog: \Q$bad->[1]\E; using 0/, "`$bad->[0]': said");
    leave_service($dir, $pid);
    system 'rm', '-rf', $dir;
}
{
    my $dir = sd_service(tmp('alone'), files => { notify => undef, 'timeout-watchdog' => "50\n" });
    my $pid = supervise($dir);
    sd_born($dir);
    is((grep { /^variables / } sd_tell($dir, 'variables'))[0], 'variables - - -', 'without a socket there is no watchdog');
    leave_service($dir, $pid);
}
no_processes_left();
no_zombies();
done_testing;
