# What svstat prints in every state: daemontools' line to the letter, what lares adds, the forms
# for programs; and that the patterns of those who read the line still see what they should.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fake;
use Test::More;
use JSON::PP ();

my $dir = fake_start(tmp('web'));

sub svstat {
    my (@args) = @_;
    my $result = run([ bin('svstat'), @args ], cwd => tmp());
    is("$result->{exit} $result->{err}", '0 ', "svstat @args: exit 0, nothing on stderr");
    return $result->{out};
}

# What the patterns of Ansible's, Puppet's and Salt's modules make of a line.
sub clients {
    my ($line) = @_;
    my @pids    = $line =~ /\(pid (\d+)\)/g;
    my @seconds = $line =~ /(\d+) seconds/g;
    my $ansible = $line =~ / up / ? 'start' : $line =~ / down / ? 'stopp' : '?';
    $ansible .= $line =~ / want / ? 'ing' : 'ed';
    return {
        ansible => $ansible,
        ups     => scalar(() = $line =~ / up /g),
        downs   => scalar(() = $line =~ / down /g),
        wants   => scalar(() = $line =~ / want /g),
        pids    => "@pids",
        seconds => scalar @seconds,
        puppet  => scalar(() = $line =~ /:\s+up \(/g),
        salt_s6 => scalar(() = $line =~ /up \(pid (\d+)\)/g),
        runit   => scalar(() = $line =~ / (\d+)s/g),
    };
}

my %down = (ansible => 'stopped', ups => 0, downs => 1, wants => 0, pids => '', seconds => 1,
    puppet => 0, salt_s6 => 0, runit => 0);
my %up = (%down, ansible => 'started', ups => 1, downs => 0, pids => '77', puppet => 1, salt_s6 => 1);
sub is_seen {
    my ($line, $want, $name) = @_;
    is_deeply(clients($line), $want, "$name: clients see it") or diag($line);
}

my $running = 'flags=0 state=up role=run want=up pid=77 starts=1';
my $resting = 'flags=0 pid=0 role=none state=down want=down';
my @lines = (
    [   'never started', 'age=5 state', 'down 5 seconds, normally up, never started', \%down ],
    [   'running', "$running reason=1 detail=117 state", 'up (pid 77) 5 seconds', \%up ],
    [   'running and ready', 'flags=4 marks=8 state', 'up (pid 77) 5 seconds, ready 5 s', \%up ],
    [   'paused', 'flags=1 marks=0 state', 'up (pid 77) 5 seconds, paused', \%up ],
    [   'not ready yet', 'flags=0 marks=8 state=starting state',
        'up (pid 77) 5 seconds, starting: not ready yet', \%up ],
    [   'start runs', 'role=start marks=0 state', 'up (pid 77) 5 seconds, starting: start runs', \%up ],
    [   'once', 'role=run state=up want=once state', 'up (pid 77) 5 seconds, want down, once',
        { %up, wants => 1, ansible => 'starting' } ],
    [   'adopted', 'want=up marks=1 starts=3 deaths=2 wstat=9 state',
        'up (pid 77) 5 seconds, adopted, restarts 2, last run killed by SIGKILL 5 s ago', \%up ],
    [   'being stopped', 'marks=0 want=down state=stopping stop=1 deadline=-1 state',
        'up (pid 77) 5 seconds, want down, stopping, since 5 s, restarts 2, last run killed by SIGKILL 5 s ago',
        { %up, wants => 1, ansible => 'starting' } ],
    [   'what keeps it from stopping', 'rest=3 awaited=77 name=we_up.42.down state',
        'up (pid 77) 5 seconds, want down, stopping: waiting for pid 77 (we_up.42.down) and 3 more, since 5 s, '
            . 'restarts 2, last run killed by SIGKILL 5 s ago, processes left behind 3',
        { %up, wants => 1, ansible => 'starting' } ],
    [   'what it left is being stopped', 'role=none pid=0 rest=2 awaited=0 state',
        'down 5 seconds, normally up, stopping what it left behind, since 5 s, restarts 2, '
            . 'last run killed by SIGKILL 5 s ago, processes left behind 2', \%down ],
    [   'what it left is being killed', 'awaited=79 name=worker flags=16 state',
        'down 5 seconds, normally up, stopping: waiting for pid 79 (worker) and 1 more, since 5 s, KILL sent, '
            . 'restarts 2, last run killed by SIGKILL 5 s ago, processes left behind 2', \%down ],
    [   'strays that may be its', 'rest=0 awaited=0 flags=0 stop=0 unattributed=2 state=down state',
        'down 5 seconds, normally up, stopped: told to by command u, restarts 2, last run killed by SIGKILL 5 s ago, '
            . 'strays of unknown origin 2', \%down ],
    [   'finish runs', 'role=finish pid=78 rest=0 unattributed=0 stop=0 flags=8 state=finishing wstat=256 state',
        'down 5 seconds, normally up, finishing as pid 78, restarts 2, last run exited 1 5 s ago',
        \%down ],
    [   'gave up', "$resting state=failed want=up reason=12 detail=5 state",
        'down 5 seconds, normally up, failed: too many deaths: 5, restarts 2, last run exited 1 5 s ago',
        \%down ],
    [   'completed', 'state=done reason=2 detail=0 wstat=0 starts=1 deaths=1 state',
        'down 5 seconds, normally up, done, last run exited 0 5 s ago', \%down ],
    [   'stopped on purpose', 'state=down want=down reason=1 detail=100 wstat=15 state',
        'down 5 seconds, normally up, stopped: told to by command d, last run killed by SIGTERM 5 s ago',
        \%down ],
    [   'killed by a signal', 'reason=3 detail=11 wstat=11 state',
        'down 5 seconds, normally up, ended: killed by SIGSEGV, last run killed by SIGSEGV 5 s ago',
        \%down ],
    [   'no run file', 'starts=0 deaths=0 reason=5 state=backoff want=up state',
        'down 5 seconds, normally up, want up, backoff: no run file',
        { %down, wants => 1, ansible => 'stopping' } ],
);

for my $case (@lines) {
    my ($name, $words, $want, $seen) = @$case;
    fake_tell($dir, "age=5 $words"); # the stamps have to be fresh for each
    my $line = svstat('web');
    # A second may pass between the fake and us.
    (my $plain = $line) =~ s/\b[5-9] (s\b|seconds)/5 $1/g;
    is($plain, "web: $want\n", $name);
    is_seen($line, $seen, $name);
}

# Every reason in every state: nothing that is added may look like the classic part.
my (%kinds, $bad);
for my $state (qw(down waiting starting up stopping finishing backoff failed done)) {
    my $role = { starting => 'run', up => 'run', stopping => 'run', finishing => 'finish' }->{$state} || 'none';
    my $pid = $role eq 'none' ? 0 : 77;
    for my $reason (0 .. 15) {
        my $stop = $state eq 'stopping' ? 1 : 0;
        my $flags = $state eq 'finishing' ? 8 : 0;
        fake_tell($dir, "flags=$flags starts=2 deaths=1 rest=3 deadline=3000 stop=$stop state=$state role=$role pid=$pid "
                . "want=up reason=$reason detail=100 marks=1 state");
        my $line = svstat('web');
        my $seen = clients($line);
        $bad .= "$state $reason: $line" if $line !~ /, restarts 1,/; # the record was read
        my $up   = $pid && $role ne 'finish';
        $bad .= "$state $reason; " if $seen->{ups} + $seen->{downs} != 1 || $seen->{seconds} != 1
            || $seen->{pids} ne ($up ? 77 : '') || $seen->{puppet} != ($up ? 1 : 0)
            || $seen->{runit};
    }
}
is($bad, undef, 'no reason in no state misleads a client');

fake_tell($dir, 'state=backoff role=none pid=0 want=up reason=2 detail=1 deadline=3600000 rest=0 marks=0 state');
like(svstat('web'), qr/, backoff: exited 1, next start in (?:3599\.9|3600\.0|359\d\.\d) s,/, 'crashed: when it starts again');
write_file("$dir/down", '');
like(svstat('web'), qr/^web: down \d+ seconds, want up, /, 'a down file: not normally up');
fake_tell($dir, "$running state");
like(svstat('web'), qr/^web: up \(pid 77\) \d+ seconds, normally down, /, 'and normally down when up');

# --- several, and what cannot be asked ----------------------------------------------------------
mkdir tmp('empty');
is(svstat('nowhere', 'web/down', 'empty', 'web') =~ s/^web: up.*\n\z//mr,
    "nowhere: unable to chdir: No such file or directory\nweb/down: unable to chdir: Not a directory\n"
        . "empty: supervise not running\n", 'what cannot be asked, in the order given');
like(svstat("$dir/", '.'), qr/^\Q$dir\E\/: up .*\n\.: supervise not running\n\z/, 'the directory as given');

# --- programs ----------------------------------------------------------------------------------
my $decoder = JSON::PP->new->utf8;
fake_tell($dir, 'flags=4 marks=8 starts=4 deaths=3 wstat=9 reason=3 detail=9 deadline=-1 publish');
my $text = svstat('--json', 'web', 'nowhere', 'empty');
my $list = $decoder->decode($text);
is(scalar @$list, 3, '--json: an object each');
my ($web, $nowhere, $empty) = @$list;
is_deeply([ map { $_->{version} } @$list ], [ 1, 1, 1 ], 'of version 1');
is_deeply([ map { $_->{directory} } @$list ], [qw(web nowhere empty)], 'named');
is("$web->{state} $web->{want} $web->{process} $web->{pid} $web->{starts} $web->{restarts} $web->{deaths}",
    'up up run 77 4 3 3', 'the record');
is("$web->{reason} $web->{reason_text} $web->{last_exit_signal}", 'killed killed by SIGKILL 9', 'the reason');
is($web->{last_exit_code}, undef, 'killed: no exit code');
ok($web->{ready} && $web->{notifies} && !$web->{normally_up} && !$web->{adopted}, 'the marks');
ok($web->{supervised} && !$empty->{supervised} && $empty->{normally_up}, 'who is supervised');
like($web->{since}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'times as ISO 8601');
is($nowhere->{error}{text} . ': ' . $nowhere->{error}{why},
    'unable to chdir: No such file or directory', 'what failed');
my $odd = "q\"\\\n\t\x01\xc3\xa4\x7f";
my $bad_bytes = "bad\xff\xc3(\xed\xa0\x80";
$text = svstat('--json', $odd, $bad_bytes);
$list = $decoder->decode($text);
is($list->[0]{directory}, "q\"\\\n\t\x01\x{e4}\x7f", 'any name is valid JSON');
unlike($text, qr/[\x00-\x09\x0b-\x1f\x7f]/, 'without control bytes');
is($list->[1]{directory}, "bad\x{fffd}\x{fffd}(\x{fffd}\x{fffd}\x{fffd}", 'bytes that are no UTF-8 are replaced');
is($list->[1]{directory_hex}, unpack('H*', $bad_bytes), 'and given in hexadecimal');

like(svstat('-o', 'up,pid,exitcode,wantedup', 'web'), qr/^true 77 -1 true$/, '-o');
like(svstat('-o', 'updownsince', 'web'), qr/^\@[0-9a-f]{24}$/, '-o with a label');
fake_tell($dir, "$resting wstat=9 flags=0 state");
is(svstat('-o', 'up,pid,signal,signum,exitcode,ready,readyfor,readysince', 'web'),
    "false -1 SIGKILL 9 -1 false -1 NA\n", '-o of a killed one');
is(svstat('-o', 'up', 'empty'), "empty: supervise not running\n", '-o of an unsupervised one');

# --- what the service says of itself ------------------------------------------------------------
sub texts {
    my ($words) = @_;
    fake_tell($dir, "$words text state");
    my $line = svstat('web');
    my $one  = $decoder->decode(svstat('--json', 'web'))->[0];
    return ($line, $one->{status_text}, $one->{waiting_for});
}
{
    my ($line, $status, $waiting) = texts("$running flags=4 marks=8 starts=3 start=3 deaths=0 status-text=serving%203%20of%20%c3%a4ll waiting-for=db");
    like($line, qr/^web: up \(pid 77\) \d+ seconds, normally down, ready \d+ s, "serving 3 of \xc3\xa4ll", restarts 2$/, 'its words are shown');
    is("$status " . ($waiting // 'null'), "serving 3 of \xe4ll null", '--json has them; what it waits for only while it does');
    ($line, $status) = texts("$running starts=4");
    unlike($line, qr/serving/, 'what another start said is not');
    is($status, undef, '--json: null');
    for my $words ('I%20am%20up%20now', 'was%20down%20for%205%20seconds', 'child%20(pid%2078)', 'I%20want%20it', 'in%205s', '%22,%20up%20(pid%203)') {
        ($line, $status) = texts("$running starts=4 start=4 status-text=$words");
        is_seen($line, \%up, "words like $words");
        (my $plain = $words) =~ s/%(..)/chr hex $1/ge;
        is($status, $plain, '--json has them as they are');
    }
    ($line, $status, $waiting) = texts("$resting state=waiting want=up starts=4 start=4 waiting-for=db%20main");
    like($line, qr/, waiting \(db main\), restarts 3$/, 'waiting: for whom');
    is(($status // 'null') . " $waiting", 'null db main', '--json: and nothing of what runs no more');
    fake_tell($dir, 'state=down want=down state');
    unlike(svstat('web'), qr/waiting/, 'not waiting any more');
    write_file("$dir/supervise/text", 'garbage');
    unlike(svstat('web'), qr/waiting|"/, 'a damaged text: nothing is shown');
    unlink "$dir/supervise/text";
    fake_tell($dir, "$resting starts=1 wstat=9 flags=0 state");
}

# --- damaged files -----------------------------------------------------------------------------
write_file("$dir/supervise/state", 'garbage');
like(svstat('web'), qr/^web: down \d+ seconds$/, 'a damaged state: the classic line remains');
write_file("$dir/supervise/status", 'short');
is(svstat('web'), "web: unable to read supervise/status: bad format\n", 'a damaged status');
unlink "$dir/supervise/status";
is(svstat('web'), "web: unable to open supervise/status: No such file or directory\n", 'none');
fake_tell($dir, "$running marks=0 deaths=0 foreign state");
like(svstat('web'), qr/^web: up \(pid 77\) \d+ seconds, normally down$/, "daemontools' 18 bytes");
is($decoder->decode(svstat('--json', 'web'))->[0]{suite}, 'daemontools', 'are told in --json');

# It said "No such file or directory": errno of the next question.
SKIP: {
    skip 'not root: nobody else', 1 if $>;
    my $result = run([ bin('svstat'), 'web' ], cwd => tmp(), uid => 65534, gid => 65534);
    is($result->{out}, "web: unable to open supervise/ok: Permission denied\n", 'of somebody else');
}

# --- usage -------------------------------------------------------------------------------------
for my $case ([ [], qr/no service directory/ ], [ ['-z', 'web'], qr/-z/ ], [ [ '-o', 'up,foo', 'web' ], qr/foo/ ]) {
    my $result = run([ bin('svstat'), @{ $case->[0] } ]);
    is($result->{exit}, 100, "svstat @{ $case->[0] }: 100");
    like($result->{err}, $case->[1], 'and why');
}
like(run([ bin('svstat'), '--help' ])->{out}, qr/^usage: /, '--help');

fake_end($dir);
is(svstat('web'), "web: supervise not running\n", 'without its supervisor');
no_processes_left();
done_testing();
