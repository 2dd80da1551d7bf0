# The supervisor's history is the machine's, as in replay.t, for services that go into the background,
# speak sd_notify, are asked whether they are ready, and need others.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Replay;
use Lares::State;
use Test::More;

# --- into the background ------------------------------------------------------------------------------------
my %early = ('restart-delays' => "0\n", 'restart-reset' => "600000\n");
begin('forking', files => { %early, type => "forking\n", 'timeout-start' => "1000\n" }, facts => [ 'forking', 'early' ],
    plan => [ ('launch 0 sleep') x 2, 'launch 0 after 150 launch 0 sleep', 'launch 3 sleep', ('launch 0 launch 0 sleep') x 2, 'sleep', 'launch 0 sleep',
        map { pick('launch 0 sleep', 'launch 0 launch 0 sleep', 'hand 5 after 5 exit 1', 'launch 0 after 130 launch 0 sleep', 'launch 3 sleep', 'exit 1', 'launch 0 exit 0', 'sleep', 'launch 0 ignore 15 sleep') } 1 .. 2000 ]);
leads_to('', state => 'up');
leads_to('p', paused => 1);
leads_to('c', paused => 0);
leads_to('r', state => 'up', starts => 2);
leads_to('k', state => 'up', starts => 3);
wait_history(dir(), 1, event => 'forking'); # it moves on
leads_to('', state => 'up', starts => 3);
leads_to('d', state => 'down');
leads_to('u', state => 'up', starts => 5); # its fourth start fails
leads_to('o', want => 'once');
leads_to('d', state => 'down');
leads_to('u', state => 'up', starts => 6);
leads_to('k', state => 'up', starts => 8); # its seventh never gets there
finish('uuudorrptckhO');

# --- speaking sd_notify -------------------------------------------------------------------------------------
begin('sd', files => { %early, notify => "sd\n" }, facts => [ 'slow', 'early' ],
    plan => [ ('notify READY=1 sleep') x 2, 'notify READY=1 after 5 notify STOPPING=1 after 5 exit 0', 'notify WATCHDOG_USEC=20000 notify READY=1 sleep', 'notify READY=1 notify RELOADING=1 sleep', 'sleep', 'notify READY=1 sleep',
        map { pick('notify READY=1 sleep', 'after 3 notify READY=1 after 3 notify STOPPING=1 after 3 exit 0', 'notify READY=1 after 2 notify RELOADING=1 after 2 notify READY=1 after 2 exit 1',
            'notify WATCHDOG=trigger sleep', 'notify WATCHDOG_USEC=10000 notify READY=1 sleep', 'sleep', 'after 2 exit 1', 'ignore 6 notify READY=1 notify WATCHDOG=trigger sleep') } 1 .. 2000 ]);
leads_to('', state => 'up', ready => 1);
leads_to('k', state => 'up', ready => 1, starts => 2);
leads_to('k', state => 'up', ready => 0, starts => 5); # the third ends by its own word, the fourth for its silence
leads_to('d', state => 'down');
leads_to('u', state => 'starting', role => 'run');
leads_to('p', paused => 1);
leads_to('c', paused => 0);
leads_to('o', want => 'once');
leads_to('r', state => 'up', starts => 7);
finish('uuudorrptckhO');

# --- asked whether it is ready ---------------------------------------------------------------------------------
begin('checked', scripts => ['check'], plans => { check => [ 0, 1, 0, map { pick(0, 0, 1) } 1 .. 2000 ] }, files => {%early}, facts => [ 'slow', 'early' ],
    plan => [ ('sleep') x 3, map { pick('sleep', 'sleep', 'after 150 exit 1', 'exit 0') } 1 .. 2000 ]);
leads_to('', state => 'up', ready => 1);
leads_to('k', state => 'up', ready => 1, starts => 2);
leads_to('d', state => 'down');
leads_to('u', state => 'starting', role => 'run');
leads_to('o', want => 'once');
finish('uuudorptckO');

# --- needing another one -----------------------------------------------------------------------------------------
my $scan = tmp('scan');
my @lives = map { pick('sleep', 'sleep', 'after 5 exit 0', 'after 3 exit 1', 'ignore 15 after 20 exit 3') } 1 .. 2000;
begin('base', scan => $scan, files => { %early, 'notification-fd' => "3\n" }, facts => [ 'slow', 'early' ], plan => [ ('ready 3 sleep') x 4, map { "after 2 ready 3 $_" } @lives ]);
leads_to('', state => 'up');
turn();
begin('needy', scan => $scan, scripts => ['finish'], files => { 'restart-delays' => "0\n", 'restart-reset' => "0\n", 'needs/base' => '' }, facts => [ 'finish', 'unmet?' ], plan => [ ('sleep') x 3, @lives ]);
leads_to('', state => 'up');
turn();
leads_to('d', state => 'down');
turn();
leads_to('', state => 'waiting');
turn();
leads_to('u', state => 'up');
turn();
leads_to('', state => 'up', starts => 2);
for (1 .. $Lares::Replay::rounds / 5) {
    wander(3, split //, 'uuudorptk');
    turn();
    wander(2, split //, 'uuuddorptk');
    turn();
}
# By the journals: for each start there was a moment since the record before at which base was ready.
my @base = map { [ $_->{moment}, $_->{ready} ] } read_history("$scan/base");
sub was_ready {
    my ($since, $until) = @_;
    return grep { $base[$_][1] && $base[$_][0] <= $until && ($_ == $#base || $base[ $_ + 1 ][0] >= $since) } 0 .. $#base;
}
my @records = read_history(dir());
my @starts = grep { $records[$_]{role} eq 'run' && $records[$_]{pid} != $records[ $_ - 1 ]{pid} } 1 .. $#records;
is(join(' ', map { $records[$_]{sequence} } grep { !was_ready(map { $_->{moment} } @records[ $_ - 1, $_ ]) } @starts), '', 'needy: never started but where base was ready');
cmp_ok(scalar(grep { $_->{state} eq 'waiting' } @records), '>', 2, 'needy: it was waiting now and then');
leave();
turn();
leave();

my @cells = toured();
for my $cell ('starting forked', 'up forking', 'starting misforked', 'up lapse', 'up unready', 'starting ready', 'starting deadline') {
    ok((grep { $_ eq $cell } @cells), "the tours went through $cell");
}
no_processes_left();
done_testing();
