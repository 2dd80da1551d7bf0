# The chain tools: what they change, what they leave alone, what they say; beside daemontools'
# own where Debian's package is unpacked.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Test::More;
no warnings 'portable'; # masks of 64 bits

my $report = tmp('report');
my ($peer, $no_peer) = unpacked_peer('daemontools');

# The probe's report after a command line that ends in it.
sub born {
    my ($chain, %opt) = @_;
    unlink $report;
    my $r = run([@$chain, probe($report)], %opt);
    my ($run) = probe_runs($report);
    diag("@$chain: exit $r->{exit}: $r->{err}") if !$run;
    $run->{result} = $r;
    return $run;
}

# Exit code, message, and that the program did not run.
sub refused {
    my ($chain, $exit, $message, %opt) = @_;
    my $r = run([@$chain, 'echo', 'it runs'], %opt);
    my $name = join ' ', map { my $word = $_; $word =~ s{^.*/}{}; $word } @$chain;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    subtest "refused: $name" => sub {
        is($r->{exit}, $exit, 'exit code');
        like($r->{err}, $message, 'message');
        is($r->{out}, '', 'the program did not run');
    };
}

# The same command line with our tool and with daemontools': the same output and exit code.
sub same_as_peer {
    my ($ours, $theirs, $words, %opt) = @_;
SKIP: {
        skip $no_peer, 1 if !$peer;
        my @got = map { run([$_, @$words], %opt) } bin($ours), "$peer/usr/bin/$theirs";
        my @seen = map { { exit => $_->{exit}, out => $_->{out}, silent => $_->{err} eq '' } } @got;
        local $Test::Builder::Level = $Test::Builder::Level + 1;
        is_deeply($seen[0], $seen[1], "as daemontools: $theirs @$words");
    }
}

# --- all of them: usage, exec, transparency ------------------------------------------------

my $empty = make_service(tmp('empty'));
my %chain = (
    setsid => [], softlimit => [ '-c', '0' ], envdir => [$empty], setlock => [ tmp('lock') ],
    setuidgid => [ $> . ':' . ($) + 0) ],
);
for my $tool (sort keys %chain) {
    my $bin = bin($tool);
    my @chain = ($bin, @{ $chain{$tool} });
    my $r = run([$bin]);
    is($r->{exit}, 100, "$tool: usage: exit code");
    like($r->{err}, qr/^lares-$tool: fatal: no program given\nlares-$tool: usage: lares-$tool .*program/, "$tool: usage: text");
    is(run(\@chain)->{exit}, 100, "$tool: no program");
    $r = run([$bin, '-Y', @chain[ 1 .. $#chain ], 'true']);
    is($r->{exit}, 100, "$tool: unknown option");
    like($r->{err}, qr/unknown option -Y\n.*usage:/, "$tool: unknown option is named");
    is(run([@chain, '/nonexistent/program'])->{exit}, 127, "$tool: missing program");
    is(run([@chain, '/etc/passwd'])->{exit}, 126, "$tool: program without permission");
    like(run([@chain, '/etc/passwd'])->{err}, qr{/etc/passwd: Permission denied}, "$tool: ... is named");
    is(run([@chain, 'sh', '-c', 'exit 42'])->{exit}, 42, "$tool: exit code of the program");
    is(run([@chain, 'sh', '-c', 'kill -9 $$'])->{signal}, 9, "$tool: signal of the program");
    is(run([ $bin, $tool eq 'softlimit' ? @chain[ 1, 2 ] : (), '--', $tool eq 'softlimit' ? () : @chain[ 1 .. $#chain ],
            'true'])->{exit}, 0, "$tool: --");

    my $run = born(\@chain, env => { MINE => "a b\n", EMPTY => '' });
    is($run->{pid}, $run->{result}{pid}, "$tool: same pid");
    is("$run->{env}{MINE}|$run->{env}{EMPTY}", "a b\n|", "$tool: environment kept");
    is_deeply($run->{argv}, [probe($report)], "$tool: arguments kept");
    same_fds($run, $tool eq 'setlock' ? [0 .. 3] : [0 .. 2], "$tool: no descriptor added or lost");
    clean_signals($run, "$tool: signals as they were");
    $run = born(\@chain, ignore => [ 'CHLD', 'ALRM' ], block => [ 'ALRM', 'CHLD' ]);
    is($run->{SigBlk}, sprintf('%016x', 1 << 13 | 1 << 16), "$tool: blocked signals as they were");
    is(hex($run->{SigIgn}) & 0x7fffffff, 1 << 13 | 1 << 16, "$tool: ignored signals as they were");
    $run = born(\@chain, close => [ 0, 1, 2 ]);
    same_fds($run, $tool eq 'setlock' ? [3] : [], "$tool: 0 to 2 closed stay closed");
}

# --- setuidgid ----------------------------------------------------------------------------

my $setuidgid = bin('setuidgid');
refused([$setuidgid, 'no-such-account'], 111, qr/unknown account no-such-account/);
refused([$setuidgid, '12345'], 111, qr/unknown account 12345 \(numbers: UID:GID\)/);
refused([$setuidgid, ''],      111, qr/unknown account/);
refused([$setuidgid, $_], 100, qr/\Q`$_' is neither an account nor numbers UID:GID/)
    for ':', '1:', ':1', '1:2:', '1:x', 'root:1', '4294967295:1', '1:4294967295', '4294967296:1',
    ' 1:1', '1:1:' . '1:' x 2000;
refused([$setuidgid, '-s', '1:1'], 100, qr/option -s needs an account's name/);

SKIP: {
    skip 'not root: becoming another user is not tested', 12 if $>;
    my ($nobody_uid, $nobody_gid) = (getpwnam 'nobody')[ 2, 3 ];
    chmod 0777, tmp();
    my $run = born([$setuidgid, 'nobody'], groups => '4 5', gid => 0);
    is($run->{uids}, join("\t", ($nobody_uid) x 4), 'setuidgid: all four user ids');
    is($run->{gids}, join("\t", ($nobody_gid) x 4), 'setuidgid: all four group ids');
    is("@{ $run->{groups} }", $nobody_gid, 'setuidgid: no other group');
    is($run->{CapEff}, '0' x 16, 'setuidgid: no capability');
    for my $numbers ('4321:4322:7:8', ':4321:4322:7:8') {
        $run = born([$setuidgid, $numbers]);
        is(join(' ', $run->{uids}, $run->{gids}, sort { $a <=> $b } @{ $run->{groups} }),
            join("\t", (4321) x 4) . ' ' . join("\t", (4322) x 4) . ' 7 8 4322',
            "setuidgid: $numbers, without an account");
    }

    # An account with supplementary groups, if the system has one.
    my ($member) = map { (split ' ', $_->[3])[0] } grep { length $_->[3] && $_->[2] }
        map { [ getgrnam $_ ] } all_groups();
SKIP: {
        skip 'no account has a supplementary group here', 2 if !defined $member || !getpwnam $member;
        my @want = sort { $a <=> $b } (getpwnam $member)[3],
            map { $_->[2] } grep { " $_->[3] " =~ / \Q$member\E / } map { [ getgrnam $_ ] } all_groups();
        my %once = map { $_ => 1 } @want;
        $run = born([$setuidgid, '-s', $member]);
        is(join(' ', sort { $a <=> $b } @{ $run->{groups} }),
            join(' ', sort { $a <=> $b } keys %once), "setuidgid -s: the groups of $member");
        is(scalar @{ born([$setuidgid, $member])->{groups} }, 1, 'setuidgid: without -s they are left');
    }

    # Not root: the same user is no change, another is refused, a group is never kept silently.
    my %nobody = (uid => $nobody_uid, gid => $nobody_gid);
    is(born([$setuidgid, 'nobody'], %nobody)->{result}{exit}, 0, 'setuidgid: nobody to nobody');
    refused([$setuidgid, 'root'], 111, qr/unable to set the groups of root: Operation not permitted/, %nobody);
    refused([$setuidgid, "0:$nobody_gid"], 111, qr/unable to become user 0:/, %nobody);
    refused([$setuidgid, "$nobody_uid:1"], 111, qr/unable to set the group/, %nobody);
    refused([$setuidgid, 'nobody'], 111, qr/unable to set the groups of nobody/, %nobody,
        groups => "$nobody_gid 4");
    same_as_peer('setuidgid', 'setuidgid', $_, cwd => '/')
        for [ 'nobody', 'id' ], [ 'no-such', 'id' ], ['nobody'], [ 'nobody', 'sh', '-c', 'exit 3' ];
}

sub all_groups {
    my @names;
    setgrent;
    while (my $name = getgrent) { push @names, $name }
    endgrent;
    return @names;
}

# --- envdir -------------------------------------------------------------------------------

my $envdir = bin('envdir');
my $dir = make_service(tmp('env'), files => {
        PLAIN => "value\n", NOLINE => 'value', TRAIL => "v \t \t\nsecond line\n", LEAD => "  \tv\n",
        EMPTYLINE => "\n", GONE => '', NUL => "a\0b\0\n", '.hidden' => "x\n", EQUALS => "a=b\n",
        CR => "v\r\n", BLANKS => " \t \n", 'odd name' => "v\n", LONG => 'x' x 100_000,
        HIGH => "\xff\xfe\n", LINK => { link => 'PLAIN' }, DANGLING => { link => 'nowhere' },
        NULLDEV => { link => '/dev/null' } });
my %before = (GONE => 'was', DANGLING => 'was', NULLDEV => 'was', PLAIN => 'old', STAYS => 'here');
my $env = born([$envdir, $dir], env => \%before)->{env};
my %want = (PLAIN => 'value', NOLINE => 'value', TRAIL => 'v', LEAD => "  \tv", EMPTYLINE => '',
    GONE => undef, NUL => "a\nb\n", '.hidden' => undef, EQUALS => 'a=b', CR => "v\r", BLANKS => '',
    'odd name' => 'v', LONG => 'x' x 100_000, HIGH => "\xff\xfe", LINK => 'value', DANGLING => undef,
    NULLDEV => undef, STAYS => 'here');
is($env->{$_}, $want{$_}, "envdir: $_") for sort keys %want;
unlink "$dir/LONG";
unlink "$dir/DANGLING"; # daemontools gives it the value of the file it read before
same_as_peer('envdir', 'envdir', [ $dir, $^X, '-e', 'print map { "$_=$ENV{$_}\0" } sort keys %ENV' ],
    env => \%before, clear_env => 1);
same_as_peer('envdir', 'envdir', $_) for [ tmp('nowhere'), 'true' ], [ "$dir/PLAIN", 'true' ];

refused([$envdir, tmp('nowhere')], 111, qr{unable to open directory .*/nowhere: No such file});
refused([$envdir, "$dir/PLAIN"],   111, qr{unable to open directory .*/PLAIN: Not a directory});
for my $case (
    [ 'BAD=NAME', "x\n",                    qr{/BAD=NAME: a variable's name cannot contain =} ],
    [ 'FOLDER',   { dir => 0755 },          qr{unable to read .*/FOLDER: Is a directory} ],
    [ 'FIFO',     { fifo => 0600 },         qr{unable to read .*/FIFO: is a FIFO} ],
    [ 'LOOP',     { link => 'LOOP' },       qr{unable to read .*/LOOP: Too many levels} ],
    [ 'ZERO',     { link => '/dev/zero' },  qr{unable to read .*/ZERO: File too large} ],
    )
{
    my ($name, $what, $message) = @$case;
    my $bad = make_service(tmp("bad-$name"), files => { GOOD => "v\n", $name => $what });
    refused([$envdir, $bad], 111, $message);
}
SKIP: {
    skip 'not root: cannot become another user', 2 if $>;
    my $closed = make_service(tmp('closed'), files => { SECRET => { text => "x\n", mode => 0600 } });
    refused([$envdir, $closed], 111, qr{unable to read .*/SECRET: Permission denied}, uid => 65534, gid => 65534);
    chmod 0700, $closed;
    refused([$envdir, $closed], 111, qr{unable to open directory .*/closed: Permission denied}, uid => 65534, gid => 65534);
}

# --- softlimit ----------------------------------------------------------------------------

my $softlimit = bin('softlimit');
my @names = ('Max address space', 'Max core file size', 'Max data size', 'Max file size',
    'Max locked memory', 'Max open files', 'Max processes', 'Max resident set', 'Max stack size',
    'Max cpu time');

sub limits {
    my ($chain, %opt) = @_;
    my $out = run([@$chain, 'cat', '/proc/self/limits'], %opt)->{out};
    return { map { my $name = $_; $out =~ /^\Q$name\E\s+(\S+)\s+(\S+)/m ? ($name => "$1 $2") : () } @names };
}
my $now = limits([]);
my %hard = map { $_ => (split ' ', $now->{$_})[1] } @names;
my $big = 3_000_000_000;
for my $case (
    [ 'a', $big,   'Max address space' ],
    [ 'c', 4096,   'Max core file size' ],
    [ 'd', $big,   'Max data size' ],
    [ 'f', 100000, 'Max file size' ],
    [ 'l', 8192,   'Max locked memory' ],
    [ 'o', 50,     'Max open files' ],
    [ 'p', 2000,   'Max processes' ],
    [ 'r', 100000, 'Max resident set' ],
    [ 's', 4194304, 'Max stack size' ],
    [ 't', 50,     'Max cpu time' ],
    )
{
    my ($letter, $n, $name) = @$case;
    my $got = limits([$softlimit, "-$letter", $n]);
    is_deeply($got, { %$now, $name => "$n $hard{$name}" }, "softlimit -$letter: that one, soft only");
    is(limits([$softlimit, "-$letter$n", "-$letter", '='])->{$name}, "$hard{$name} $hard{$name}",
        "softlimit -$letter =: the hard limit");
    same_as_peer('softlimit', 'softlimit', [ "-$letter$n", 'cat', '/proc/self/limits' ]);
}
is_deeply(limits([$softlimit, '-m', $big]),
    { %$now, (map { $_ => "$big $hard{$_}" } 'Max address space', 'Max data size'),
        (map { $_ => ($hard{$_} eq 'unlimited' || $hard{$_} > $big ? $big : $hard{$_}) . " $hard{$_}" }
            'Max locked memory', 'Max stack size') },
    'softlimit -m: all four');
same_as_peer('softlimit', 'softlimit', [ '-m', $big, '-o', 10, 'cat', '/proc/self/limits' ]);
is(limits([$softlimit, '-o', '18446744073709551615'])->{'Max open files'},
    "$hard{'Max open files'} $hard{'Max open files'}", 'softlimit: more than the hard limit is the hard limit');
is(limits([$softlimit, '-o', 20, '-o', 30])->{'Max open files'}, "30 $hard{'Max open files'}", 'softlimit: the last wins');
refused([$softlimit, '-o', $_], 100, qr/option -o: \Q`$_' is neither a number from 0 to 18446744073709551615 nor =/)
    for '', 'x', '-1', '+1', '10x', ' 10', '1k', '0x10', '1.5', '18446744073709551616', '==';
refused([$softlimit, '-t', 'long', '-o', '10'], 100, qr/option -t/);
is(run([$softlimit, '-o'])->{exit}, 100, 'softlimit: missing number');
like(run([$softlimit, '-o'])->{err}, qr/option -o needs an argument/, 'softlimit: ... is said');

# --- setlock ------------------------------------------------------------------------------

my $setlock = bin('setlock');
my $lock = tmp('a-lock');
my $run = born([$setlock, $lock]);
is($run->{fds}{3}, $lock, 'setlock: the program has the lock on its first free descriptor');
is(sprintf('%o', (stat $lock)[2] & 07777), '600', 'setlock: mode of a new file');
append_file($lock, 'kept');
born([$setlock, $lock]);
is(file_text($lock), 'kept', 'setlock: content is kept');
same_fds(born([$setlock, $lock], close => [0]), [ 1, 2, 3 ], 'setlock: never a standard descriptor');

# Somebody holds it; ours and daemontools' locks exclude each other.
my @tools = ([ 'ours', $setlock ], $peer ? [ 'daemontools', "$peer/usr/bin/setlock" ] : ());
diag("setlock beside daemontools' not tested: $no_peer") if !$peer;
for my $tool (@tools) {
    my ($whose, $path) = @$tool;
    unlink $report;
    my $holder = spawn([$path, $lock, probe($report, 'sleep')]);
    wait_for { probe_runs($report) } "the lock held by $whose";
    refused([$setlock, '-n', $lock], 111, qr/unable to lock .*: another process has the lock/);
    refused([$setlock, '-N', '-n', '-t', 1, $lock], 99, qr/unable to lock .* within 1 ms/);
    refused([$setlock, '-t', 50, '-n', $lock], 111, qr/another process has/);
    refused([$setlock, '-t', 50, $lock], 99, qr/within 50 ms: another process has the lock/,
        ignore => ['ALRM'], block => ['ALRM']);
    refused([$setlock, $_, $lock], 0, qr/^$/) for '-nx', '-xt5';
    refused([$setlock, '-nxX', $lock], 111, qr/another process/);
    is(run(["$peer/usr/bin/setlock", '-n', $lock, 'true'])->{exit}, 111, "setlock: daemontools' waits for $whose")
        if $peer;
    # Waiting ends as soon as the holder does, with and without a limit.
    my @waiters = map { spawn([@$_, $lock, 'true']) } [$setlock], [ $setlock, '-t', '100000' ];
    wait_for { 2 == grep { waits_with($_, $lock) } @waiters } 'both to wait for the lock';
    ok(alive($_), "setlock: waits for $whose") for @waiters;
    kill9($holder);
    wait_exit($holder);
    is(wait_exit($_)->{exit}, 0, "setlock: gets the lock of $whose when it ends") for @waiters;
}

# With the file open, the lock is all that setlock can be sleeping for.
sub waits_with {
    my ($pid, $file) = @_;
    my $fds = fds_of($pid) || {};
    return ($fds->{3} || '') eq $file && process_info($pid)->{state} eq 'S';
}

# The lock lives in the descriptor: a child that inherited it holds it on.
unlink $report;
my $leader = spawn([$setlock, $lock, probe($report, 'child', 'event', 'done', 'sleep')]);
my ($child) = wait_for {
    my ($p) = probe_runs($report);
    $p && map { /^child (\d+)/ ? $1 : () } @{ $p->{events} };
} 'the child';
kill9($leader);
wait_exit($leader);
refused([$setlock, '-n', $lock], 111, qr/another process has/);
kill9($child);
is(run([$setlock, '-t', 10000, $lock, 'true'])->{exit}, 0, 'setlock: free when the last has ended');
$run = born([$setlock, '-t', 1000, $lock], ignore => ['ALRM'], block => ['ALRM']);
is("$run->{SigBlk} " . (hex($run->{SigIgn}) & 0x7fffffff), sprintf('%016x %d', 1 << 13, 1 << 13),
    'setlock -t: signals as they were');
is(run([$setlock, '-t', 20, $lock, 'sleep', '0.1'])->{exit}, 0, 'setlock -t: no alarm is left behind');

refused([$setlock, tmp('nowhere/lock')], 111, qr{unable to open .*/nowhere/lock: No such file});
refused([$setlock, '-x', tmp('nowhere/lock')], 0, qr/^$/);
refused([$setlock, tmp()], 111, qr/unable to open .*: Is a directory/);
refused([$setlock, make_fifo(tmp('a-fifo'))], 111, qr/unable to open .*a-fifo: No such device/);
refused([$setlock, '-t', $_, $lock], 100, qr/option -t: \Q`$_' is no number of milliseconds/)
    for '', '-1', 'x', '1s', '2147483648', '99999999999999999999';
same_as_peer('setlock', 'setlock', $_, cwd => tmp())
    for [ 'l', 'echo', 'x' ], [ '-n', 'l', 'echo', 'x' ], [ '/nowhere/l', 'true' ], [ '-x', '/nowhere/l', 'true' ],
    [ '-X', '/nowhere/l', 'true' ], ['l'];

# --- setsid -------------------------------------------------------------------------------

my $setsid = bin('setsid');
my @ways = ([ 'a member of a group' ], [ 'a group leader', setpgid => 1 ], [ 'a session leader', setsid => 1 ]);
for my $way (@ways) {
    my ($who, %opt) = @$way;
    my $r = born([$setsid], %opt);
    is("$r->{pgid} $r->{sid}", "$r->{pid} $r->{pid}", "setsid: $who leads a session");
    is($r->{result}{pid}, $r->{pid}, "setsid: $who keeps its pid");
    is($r->{result}{err}, '', "setsid: $who is told nothing");
}
# The groups of its session are outside its pid namespace: it makes one.
SKIP: {
    my @apart = ('unshare', '--pid', '--fork');
    skip 'no pid namespace can be made here', 2 if run([@apart, 'true'])->{exit};
    my $r = run([@apart, $^X, '-e', 'setpgrp 0, 0; exec @ARGV', $setsid, 'echo', 'it runs']);
    is($r->{err}, '', 'setsid: a group leader in a new pid namespace is told nothing');
    is($r->{out}, "it runs\n", '... and goes on');
}
# A group leader whose group has other members cannot; it runs all the same, and says so.
unlink $report;
my $r = run([ $^X, '-e', <<'END', $setsid, probe($report) ], setpgid => 1);
pipe my $in, my $out; # the member ends when the probe does
if (!fork) { close $out; sysread $in, my $x, 1; exit }
require Fcntl; fcntl $out, Fcntl::F_SETFD(), 0;
exec @ARGV
END
($run) = probe_runs($report);
is($r->{exit}, 0, 'setsid: runs where a new session is impossible');
is($run->{pgid}, $run->{pid}, 'setsid: ... still leading its group');
like($r->{err}, qr/^lares-setsid: warning: unable to start a new session: Operation not permitted$/, 'setsid: ... and says so');

no_processes_left();
no_zombies();
no_stray_files(tmp());
done_testing;
