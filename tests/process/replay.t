# The supervisor's history is the machine's: services of several kinds are driven through a tour of all
# that their kind can do, then by random commands while they are born, get ready, die and finish as a
# script says, and while their supervisors are killed and others adopt them; and every record has to
# be what the pure machine makes of the one before (tests/probe/replay.c). No letter is lost but those
# that a killed supervisor had not obeyed, none is obeyed twice, none out of order. replay-world.t has
# the kinds that depend on what others do.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Replay;
use Test::More;

# --- a plain one -------------------------------------------------------------------------------------
my %quick = ('restart-delays' => "0\n", 'restart-reset' => "0\n");
begin('plain', files => {%quick}, plan => [ ('sleep') x 6, map { pick('sleep', 'sleep', 'after 5 exit 0', 'after 3 exit 1', 'die 9', 'ignore 15 sleep', 'ignore 15 after 40 exit 3') } 1 .. 2000 ]);
leads_to('', state => 'up');
leads_to('p', paused => 1);
leads_to('c', paused => 0);
told($_) for qw(u r);
leads_to('', state => 'up', starts => 2);
leads_to('k', starts => 3, state => 'up');
leads_to('h', starts => 4, state => 'up');
leads_to('o', want => 'once');
leads_to('O', want => 'down', state => 'up');
leads_to('u', want => 'up');
leads_to('d', state => 'down');
told($_) for qw(d r t k O);
leads_to('o', state => 'up', want => 'once');
leads_to('t', state => 'down');
leads_to('u', state => 'up');
finish('uuudoorrptcckhU1ODZ');

# --- with finish, readiness and delays ---------------------------------------------------------------------
begin('full', scripts => [ 'start', 'finish' ], plans => { start => [ 0, 0, 1, (0) x 12, map { pick(0, 0, 0, 1) } 1 .. 2000 ] }, facts => [ 'start', 'finish', 'slow', 'later', 'early' ],
    files => { 'restart-delays' => "60000\n", 'restart-reset' => "600000\n", 'notification-fd' => "3\n", 'timeout-ready' => "0\n", 'retry-failed' => "0\n" },
    plan => [ ('ready 3 sleep') x 5, 'sleep', ('ready 3 sleep') x 3, map { pick('ready 3 sleep', 'sleep', 'after 2 ready 3 after 4 exit 1', 'after 4 exit 0', 'ignore 15 ready 3 sleep') } 1 .. 2000 ]);
leads_to('', state => 'up', ready => 1);
leads_to('k', state => 'backoff');
told($_) for qw(c p h);
leads_to('o', state => 'up', want => 'once');
leads_to('d', state => 'down');
leads_to('u', state => 'backoff');    # its third start fails
leads_to('r', state => 'up');
leads_to('r', state => 'up', starts => 4);
lines('finish.plan', 125, 0, 0, 125, 125, map { pick(0, 0, 0, 125) } 1 .. 2000);
leads_to('k', state => 'failed');
told($_) for qw(h c);
leads_to('u', state => 'up');
leads_to('d', state => 'down');
leads_to('u', state => 'starting', role => 'run'); # this one never gets ready
leads_to('p', paused => 1);
leads_to('c', paused => 0);
leads_to('O', want => 'down');
leads_to('o', want => 'once');
leads_to('u', want => 'up');
leads_to('d', state => 'down');
leads_to('u', state => 'up');
leads_to('k', state => 'failed');
leads_to('r', state => 'up');
leads_to('k', state => 'failed');
leads_to('o', state => 'up', want => 'once');
finish('uuuuudorpckhtrO');

# --- not to be restarted, or on failure only -----------------------------------------------------------------
begin('lasting', scripts => ['finish'], files => { %quick, restart => "on-failure\n", 'restart-delays' => "60000\n" }, facts => [ 'finish', 'later', 'restart=on-failure' ],
    plan => [ 'sleep', 'exit 0', 'sleep', 'exit 1', ('sleep') x 2, map { pick('sleep', 'after 2 exit 0', 'after 2 exit 1', 'die 11') } 1 .. 2000 ]);
leads_to('', state => 'up');
leads_to('r', state => 'done');
told($_) for qw(h k);
leads_to('u', state => 'up', starts => 3);
leads_to('r', state => 'backoff');
leads_to('d', state => 'down');
leads_to('u', state => 'up');
finish('uuudortkpcO');

# --- a oneshot ----------------------------------------------------------------------------------------------
begin('oneshot', scripts => ['finish'], files => { 'type' => "oneshot\n", 'restart-delays' => "60000\n", 'timeout-ready' => "0\n", 'restart' => "on-failure\n" },
    facts => [ 'finish', 'slow', 'oneshot', 'early', 'later', 'restart=on-failure' ],
    plan => [ 'exit 0', 'exit 0', 'sleep', map { pick('exit 0', 'after 3 exit 0', 'exit 1', 'sleep') } 1 .. 2000 ]);
leads_to('', state => 'done');
told('u');
leads_to('r', state => 'done', starts => 2);
leads_to('d', state => 'down');
leads_to('u', state => 'starting');
leads_to('d', state => 'down');
finish('uuuddorktpc');

# --- with a condition, and descendants that a stop has to end --------------------------------------------------
begin('asked', scripts => ['condition'], files => { %quick, 'kill-mode' => "tree\n", down => "\n" }, facts => [ 'condition', 'rest?' ],
    plan => [ 'child sleep', 'stray sleep', map { pick('child ignore 15 sleep', 'child sleep', 'stray after 4 exit 0', 'sleep', 'child after 5 exit 1') } 1 .. 2000 ]);
lines('condition.plan', 0, 1, 0, map { pick(0, 0, 0, 1) } 1 .. 2000);
leads_to('', state => 'down');
leads_to('u', state => 'up');
leads_to('d', state => 'down');
leads_to('u', state => 'down', want => 'up', reason => 'condition');
leads_to('u', state => 'up');
finish('uuuuddorkptc');

my @cells = toured();
my @states = qw(down starting up stopping finishing backoff failed done);
is(join(' ', grep { my $state = $_; !grep { /^$state / } @cells } @states), '', 'every state that needs no other service was left by some event');
cmp_ok(scalar @cells, '>=', 30, 'the tours alone go through at least 30 cells');
no_processes_left();
done_testing();
