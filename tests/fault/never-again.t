#!/usr/bin/perl
# Faults that the ring has found and that cost something, each where it was found. (That a directory of
# children which could not be listed was taken for an empty one is in never-stuck.t of the process
# ring: down was told while a descendant lived.)

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Lares::Scan qw(new_scan);
use Lares::Sd;
use Lares::State;
use POSIX ();
use Test::More;
use Time::HiRes ();

my $number = 0;

# A program with one fault; and that it came to it.
sub faults {
    my ($fault) = @_;
    my ($call, $n, $error, $how) = split /:/, $fault, 4;
    no strict 'refs';
    my $board = new_board('board' . ++$number);
    return ($board, { LARES_FAULT => join(':', $call, $n, &{"POSIX::$error"}(), $how), LARES_FAULT_FILE => $board });
}

sub service {
    my (%more) = @_;
    my $name = tmp('service' . ++$number);
    return (make_service($name, run => [probe("$name.report", 'sleep')],
            files => { 'restart-delays' => "0\n", 'timeout-kill' => "2000\n", %{ delete $more{files} || {} } }, %more), "$name.report");
}
sub supervisor_of { my ($dir, $env) = @_; return spawn([faulty('supervise'), $dir], env => $env, stderr => "$dir.err", quiet => 1) }
sub ends { my ($pid, $dir) = @_; wait_for { !alive($pid) } 'its end'; return gave_up($pid, "$dir.err") }
# For a moment, as far as its calls tell.
sub be_idle {
    my ($board) = @_;
    my ($calls, $since) = (0, 0);
    wait_for {
        my $now = board($board)->{traced};
        ($calls, $since) = ($now, Lares::Process::now()) if $now != $calls;
        Lares::Process::now() - $since > 0.2
    } 'it to be idle';
}
sub no_fault { return { LARES_FAULT => undef, LARES_FAULT_FILE => undef } }
sub is_kept {
    my ($dir, $report, $main, $pid, $what) = @_;
    my $state = wait_state($dir, state => 'up', adopted => 1);
    is($state->{pid}, $main, $what);
    is(living_probe($report), $main, '... and there is one');
    is(leave_service($dir, $pid), 0, '... which is stopped in order');
}

# A successor that cannot learn the boot's id or its own pidfd's kind does not begin.
for my $fault ('read:1:EIO:times:1', 'open:1:EMFILE:times:1', 'pidfd_open:1:EMFILE:times:1', 'fstatfs:1:ENOMEM:times:1') {
    my ($dir, $report) = service();
    my $pid  = supervisor_of($dir, no_fault());
    my $main = wait_state($dir, state => 'up')->{pid};
    wait_for { living_probe($report) } 'it to tell';
    kill9($pid);
    wait_exit($pid);
    my ($board, $env) = faults($fault);
    my $next = supervisor_of($dir, $env);
    ok(ends($next, $dir), "$fault: a supervisor that cannot tell processes from each other does not begin");
    is(board($board)->{failed}, 1, '... as it should not');
    is_kept($dir, $report, $main, supervisor_of($dir, no_fault()), 'a service was started twice because its record was taken for one of another boot');
}

# An interrupted read of the boot's id made all records those of no boot.
{
    my ($board, $env) = faults('read:1:EINTR:times:3');
    my ($dir, $report) = service();
    my $pid  = supervisor_of($dir, $env);
    my $main = wait_state($dir, state => 'up')->{pid};
    wait_for { living_probe($report) } 'it to tell';
    is(board($board)->{failed}, 3, 'interrupted');
    kill9($pid);
    wait_exit($pid);
    is_kept($dir, $report, $main, supervisor_of($dir, no_fault()), 'records made after an interrupted read are believed');
}

# What cannot be read at the beginning was taken for what it normally is.
{
    my ($dir, $report) = service(files => { down => '', 'notification-fd' => "3\n" });
    my ($board, $env) = faults('openat:1:EMFILE:ms:300');
    my $pid = supervisor_of($dir, $env);
    ok(ends($pid, $dir), 'a supervisor that cannot read the directory does not begin');
    ok(!defined living_probe($report), '... and a service that is to stay down was not started');
}

# A record of the journal that the disk did not take was lost.
{
    my $done = 0;
    for my $n (6 .. 40) { # which of them are the journal's is not our business: some are
        my ($other, $told) = service();
        my ($board, $env) = faults("pwrite:$n:EIO:ms:100");
        my $second = supervisor_of($other, $env);
        wait_for { !alive($second) || read_state($other) } 'up or gone';
        my $state = alive($second) ? wait_for { my $s = read_state($other); $s && $s->{state} eq 'up' && $s } 'up' : undef;
        if ($state) {
            kill9($state->{pid});
            wait_state($other, state => 'up', starts => 2);
            wait_recorded("$other.err");
            my @h = read_history($other);
            my @missing = grep { $h[$_]{sequence} != $h[$_ - 1]{sequence} + 1 } 1 .. $#h;
            fail("pwrite $n: the journal has gaps") if @missing || $h[0]{sequence} != 1;
            $done += board($board)->{failed} > 0;
            leave_service($other, $second);
        }
        else { ends($second, $other) }
        last if $done >= 3;
    }
    cmp_ok($done, '>=', 3, 'what the disk did not take at once is in the journal later');
}

# A signal descriptor that cannot be read was asked and complained of 250,000 times a second.
for my $program (qw(supervise svscan)) {
    my ($dir)  = service();
    my ($scan) = new_scan();
    my ($board, $env) = faults('read:1000000:EIO:times:1'); # for the board
    my $where = $program eq 'supervise' ? $dir : $scan;
    my $said  = "$where.said";
    my $pid   = spawn([faulty($program), $program eq 'svscan' ? ('-b', $ENV{LARES_BUILD} || build_dir() . '/bin') : (), $where], env => $env, stderr => $said);
    wait_for { my %fds = %{ fds_of($pid) || {} }; grep { /signalfd/ } values %fds } 'it to listen';
    wait_for { $program eq 'svscan' ? -p "$scan/.lares/control" : state_is($dir, state => 'up') } 'it to begin';
    be_idle($board);
    my $reads = board($board)->{counts}{read};
    signal($pid, 'TERM');
    is(wait_exit($pid)->{exit}, 0, "$program: without a fault");
    my $shown = Test::More->builder->current_test;
    # A scanner's reads depend on what inotify tells at once: the last that comes is meant.
    for (my $n = $reads + 1; $n >= $reads - 3; $n--) {
        ($board, $env) = faults("read:$n:EIO:ms:500");
        ($dir)  = service();
        ($scan) = new_scan();
        $where = $program eq 'supervise' ? $dir : $scan;
        $said  = "$where.said";
        $pid = spawn([faulty($program), $program eq 'svscan' ? ('-b', $ENV{LARES_BUILD} || build_dir() . '/bin') : (), $where], env => $env, stderr => $said);
        wait_for { $program eq 'svscan' ? -p "$scan/.lares/control" : state_is($dir, state => 'up') } 'it to begin';
        wait_for { my %fds = %{ fds_of($pid) || {} }; grep { /signalfd/ } values %fds } 'it to listen';
        signal($pid, 'TERM');
        my $exit = wait_exit($pid)->{exit};
        my $failed = board($board)->{failed};
        next if !$failed;
        is($exit, 0, "$program: it is stopped when it can read again");
        ok($failed >= 1 && $failed < 100, '... and did not spin') or diag($failed);
        cmp_ok(scalar(() = file_text($said) =~ /unable to read/g), '<=', 1, '... nor say so each time');
        last;
    }
    is(Test::More->builder->current_test, $shown + 3, '... which was seen');
}

# A message that could not be taken from its socket was heard 100,000 times, until it could.
{
    my $seen = 0;
    for my $n (1 .. 3) {
        my $dir = sd_service(tmp("untaken$n"), files => { 'timeout-kill' => "2000\n" });
        my ($board, $env) = faults("recv:$n:ENOMEM:ms:400");
        my $pid = supervisor_of($dir, $env);
        sd_born($dir);
        sd_tell($dir, 'send READY=1');
        wait_state($dir, state => 'up', ready => 1);
        sd_tell($dir, 'send RELOADING=1');
        wait_state($dir, state => 'up', ready => 0);
        my $failed = board($board)->{failed};
        $seen++ if $failed;
        cmp_ok($failed, '<', 20, "recv:$n: did not spin");
        is(leave_service($dir, $pid), 0, '... and leaves in order');
    }
    ok($seen, '... which was seen');
}

# The same of lares-log, which has its own loop.
{
    my ($seen, $dir) = (0, tmp('main'));
    for my $n (1 .. 8) {
        my ($board, $env) = faults("read:$n:EIO:ms:400");
        pipe my $read, my $write or die "pipe: $!\n";
        my $said = "$dir.said";
        my $pid  = spawn([faulty('log'), 't', $dir], env => $env, stdin => $read, stderr => $said);
        close $read;
        wait_for { my %fds = %{ fds_of($pid) || {} }; grep { /signalfd/ } values %fds } 'it to listen';
        wait_for { !alive($pid) || -e "$dir/current" } 'it to begin';
        signal($pid, 'TERM') if alive($pid);
        wait_exit($pid);
        next if (file_text($said) // '') !~ /unable to read signals/;
        $seen++;
        my $failed = board($board)->{failed};
        cmp_ok($failed, '<', 100, 'log: it did not spin');
        unlink $said;
        last;
    }
    is($seen, 1, 'log: a signal descriptor that cannot be read');
}

# An entry that a new scanner could not look at was left running by a stop that came before it looked
# again, and for ever when it vanished before that.
for my $how (qw(stop vanish)) {
    my ($scan, $def) = new_scan();
    my $report = tmp("$how.report");
    make_service("$def/web", run => [probe($report, 'sleep')], files => { 'timeout-kill' => "2000\n" });
    symlink "$def/web", "$scan/web" or die "symlink: $!\n";
    my @words   = ('-b', $ENV{LARES_BUILD} || build_dir() . '/bin', $scan);
    my $scanner = spawn([faulty('svscan'), @words], env => no_fault());
    my $main    = wait_for { living_probe($report) } 'web';
    kill9($scanner);
    wait_exit($scanner);
    for my $n (1 .. 6) { # one of the first is the entry's
        my ($board, $env) = faults("lstat:$n:ENOMEM:times:1");
        my $next = spawn([faulty('svscan'), @words], env => $env, stderr => "$scan.said");
        wait_for { !alive($next) || (file_text("$scan.said") // '') =~ /found supervisor|unable to look/ } 'it to look';
        next if !alive($next);
        my $ignored = (file_text("$scan.said") // '') =~ /ignoring `web'/;
        if (!$ignored) {
            kill9($next);
            wait_exit($next);
            unlink "$scan.said";
            next;
        }
        unlink "$scan/web" if $how eq 'vanish';
        wait_for { !alive($main) } 'the end of what has vanished' if $how eq 'vanish';
        signal($next, 'TERM');
        is(wait_exit($next)->{exit}, 0, "$how: the scanner stops");
        ok(!alive($main), '... and what it could not look at at first has ended');
        last;
    }
    ok(!alive($main), "$how: it came to that");
}
# A definition that had gone was asked for twice, and when the second answer was none nobody asked again; nor when
# it could not be read of what something is built.
for my $call (qw(stat readlink)) {
    my ($quiet, $until);
    my $away = sub {
        my ($fault) = @_;
        my ($scan, $def) = new_scan();
        my $report = tmp('away' . ++$number . '.report');
        make_service("$def/web", run => [probe($report, 'sleep')], files => { 'timeout-kill' => "2000\n" });
        my ($board, $env) = faults($fault);
        my $scanner = spawn([faulty('svscan'), '-b', $ENV{LARES_BUILD} || build_dir() . '/bin', '-d', $def, $scan], env => $env);
        my $main    = wait_for { living_probe($report) } 'web';
        wait_for { my $s = eval { read_status("$scan/web") }; $s && $s->{pid} == $main } 'its status';
        be_idle($board); # what it does of its own accord comes to look again, too
        $quiet = board($board)->{counts}{$call};
        rename "$def/web", tmp("away$number") or die "rename: $!\n";
        my $ended = eval { wait_for { !alive($main) && !-e "$scan/web/run" } 'the end of what is not defined'; 1 };
        $until = board($board)->{counts}{$call};
        signal($scanner, 'TERM');
        wait_exit($scanner);
        return $ended;
    };
    $away->("$call:60000:EIO:times:1");
    my ($from, $to, @stays) = ($quiet + 1, $until);
    # The first of them are those of the event; all with LARES_LONG.
    my $last = $ENV{LARES_LONG} || $to < $from + 4 ? $to : $from + 4;
    for my $n ($from .. $last) { push @stays, $n if !$away->("$call:$n:EIO:times:1") }
    cmp_ok($to - $from, '>', 3, "$call: a definition that goes is looked for");
    is("@stays", '', '... and what was built from it ends, whichever look fails');
}

# What could not be read of a journal for a moment was told after the next change only, which might
# never come; a service there was no memory for when it was listed, never.
{
    my ($dir) = service();
    my $pid   = supervise($dir);
    my $scan  = tmp('notified');
    mkdir $_, 0700 or die "$_: $!\n" for $scan, "$scan/.lares", "$scan/.lares/run";
    symlink "mark/$dir", "$scan/.lares/run/web" or die "symlink: $!\n";
    my $out = tmp('told');
    write_file("$scan/.lares/notify", "#!/bin/sh\necho \"\\\"sequence\\\":\$2\" >>$out\n", 0755);
    my $follow = sub {
        my ($tool, $fault) = @_;
        my ($board, $env) = faults($fault);
        write_file($out, '');
        unlink "$dir/supervise/told";
        pipe my $read, my $write or die "pipe: $!\n";
        my $follower = spawn([faulty($tool), $tool eq 'svhist' ? ('-j', '-f', $dir) : $scan],
            env => $env, stdin => $read, stderr => "$out.err", $tool eq 'svhist' ? (stdout => $out) : ());
        my $idle = 0;
        wait_for { $idle = (process_info($follower) // { state => '' })->{state} eq 'S' && board($board)->{counts}{ppoll} ? $idle + 1 : 0; $idle > 10 } "$tool to wait";
        my $calls  = board($board)->{counts}{fstat};
        my $letter = state_is($dir, state => 'down') ? 'u' : 'd';
        control($dir, $letter);
        my $last = wait_state($dir, state => $letter eq 'u' ? 'up' : 'down', pid => $letter eq 'u' ? qr/^[1-9]/ : 0)->{sequence};
        ok(eval { wait_for { file_text($out) =~ /"sequence":$last\b/ } "$last to be told" }, "$tool, $fault: everything is told") or diag($@);
        my $failed = board($board)->{failed};
        kill9($follower);
        wait_exit($follower);
        return ($calls, $failed);
    };
    wait_state($dir, state => 'up');
    for my $tool (qw(svhist svnotify)) {
        my ($calls) = $follow->($tool, 'read:1000000:EIO:times:1');
        my (undef, $failed) = $follow->($tool, 'fstat:' . ($calls + 1) . ':ENOMEM:ms:300');
        cmp_ok($failed, '>=', 1, '... and something could not be read');
    }
    my (undef, $failed) = $follow->('svnotify', 'calloc:1:ENOMEM:times:1');
    is($failed, 1, '... there was no memory');
    # It gave up when its standard input could not be read (this file can always be read, and never is).
    write_file($out, '');
    unlink "$dir/supervise/told";
    my $follower = spawn([bin('svnotify'), $scan], stdin => "/proc/$$/mem", stderr => "$out.err");
    my $complaint = qr/ unable to read standard input; trying again: Input.output error$/m;
    wait_for { (file_text("$out.err") // '') =~ $complaint } 'it to complain';
    my $up = state_is($dir, state => 'up');
    control($dir, $up ? 'd' : 'u');
    my $last = wait_state($dir, state => $up ? 'down' : 'up', pid => $up ? 0 : qr/^[1-9]/)->{sequence};
    wait_for { file_text($out) =~ /"sequence":$last\b/ } "$last to be told";
    is(scalar(() = file_text("$out.err") =~ /$complaint/g), 1, 'input that cannot be read: said once, and everything is told');
    signal($follower, 'TERM');
    is(wait_exit($follower)->{exit}, 0, '... it ends when told to');
    leave_service($dir, $pid);
}
# A supervisor that could not listen to a service it had found was deaf to it for ever.
{
    my $dir = sd_service(tmp('deaf'), files => { 'timeout-kill' => "2000\n" });
    my $pid = supervisor_of($dir, no_fault());
    my $main = sd_born($dir);
    sd_tell($dir, 'send READY=1');
    wait_state($dir, state => 'up', ready => 1);
    kill9($pid);
    wait_exit($pid);
    my ($board, $env) = faults('socket:1:EMFILE:times:2');
    $pid = supervisor_of($dir, $env);
    wait_state($dir, state => 'up', adopted => 1);
    wait_for { board($board)->{counts}{socket} == 3 } 'it to listen again';
    wait_for { sd_tell($dir, 'send RELOADING=1'); state_is($dir, ready => 0) } 'it to hear';
    is(read_state($dir)->{pid}, $main, 'what a service says is heard when it can be');
    is(leave_service($dir, $pid), 0, '... and it stops in order');
}

# A service whose needs/ could not be read at its first start waited for ever, and one whose need could
# not be looked at by a new supervisor forgot it.
{
    my $scan = tmp('needs');
    mkdir $scan;
    my %files = ('timeout-kill' => "2000\n");
    my ($db, $web) = ("$scan/db", "$scan/web");
    make_service($db, run => [probe("$db.report", 'sleep')], files => {%files});
    make_service($web, run => [probe("$web.report", 'sleep')], files => { %files, 'needs/db' => '' });
    my $needed = supervise($db);
    my $start = sub { my ($env) = @_; return spawn([faulty('supervise'), '-n', $scan, $web], env => $env, stderr => "$web.err", quiet => 1) };
    # $call number 1, 2 and so on, until the message shows that it was the one.
    my $until = sub {
        my ($call, $error, $message, $before) = @_;
        for my $n (1 .. 60) {
            $before->();
            unlink "$web.err";
            my ($board, $env) = faults("$call:$n:$error:times:1");
            my $pid = $start->($env);
            wait_for { !alive($pid) || state_is($web, state => 'up') && control($web, '') || (file_text("$web.err") // '') =~ $message } 'up or gone';
            return $pid if (file_text("$web.err") // '') =~ $message;
            # It may give up at any moment; the state may be the one of before.
            wait_for {
                if (!alive($pid)) {
                    wait_exit($pid);
                    $pid = $start->(no_fault());
                }
                state_is($web, state => 'up') && control($web, '')
            } 'it to listen';
            leave_service($web, $pid);
        }
        die "never: $message\n";
    };
    my $pid = $until->('open', 'EIO', qr{unable to read needs/}, sub { });
    ok(eval { wait_state($web, state => 'up') }, 'needs that could not be read are read again') or diag($@);
    leave_service($web, $pid);
    $pid = $until->('open', 'EMFILE', qr{unable to (?:look at db|read supervise/needs)}, sub {
        my $first = $start->(no_fault());
        wait_state($web, state => 'up');
        wait_for { -l "$db/supervise/dependents/web" } 'it to be known';
        kill9($first);
        wait_exit($first);
    });
    wait_state($web, state => 'up', adopted => 1);
    control($db, 'd');
    ok(eval { wait_state($web, state => 'waiting') }, 'a need that could not be looked at is not forgotten') or diag($@);
    wait_state($db, state => 'down');
    leave_service($web, $pid);
    leave_service($db, $needed);
}

# A registration that could not be read was removed and made anew: a need that looked in between ended first.
{
    my $scan = tmp('registered');
    my ($db, $web) = ("$scan/db", "$scan/web");
    my %files = ('restart-delays' => "0\n", 'timeout-kill' => "2000\n");
    make_service($db, run => [probe("$db.report", 'sleep')], files => \%files);
    make_service($web, run => [probe("$web.report", 'sleep')], files => { %files, 'needs/db' => '' });
    my $start = sub {
        my ($dir, $env) = @_;
        return spawn([faulty('supervise'), '-n', $scan, $dir =~ s{.*/}{}r], cwd => $scan, env => $env, stderr => "$dir.err", quiet => 1);
    };
    my $needed = $start->($db, no_fault());
    my $first  = $start->($web, no_fault());
    wait_state($web, state => 'up');
    my $link = sub { (Time::HiRes::lstat("$db/supervise/dependents/web"))[10] }; # when it was made
    my $made = wait_for { $link->() } 'it to be known';
    kill9($first);
    wait_exit($first);
    my ($board, $env) = faults('readlinkat:1:ENOMEM:ms:300');
    my $next = $start->($web, $env);
    wait_state($web, state => 'up', adopted => 1);
    wait_for { board($board)->{failed} > 1 } 'it not to know whether it is registered';
    control($web, 'p');
    wait_state($web, paused => 1); # so it is through with that
    is($link->() // 'gone', $made, 'a registration that cannot be read stays');
    control($web, 'c');
    control($db, 'd');
    wait_state($db, state => 'down');
    my ($end, $before) = map { (grep { $_->{event} eq 'run-died' } read_history($_))[-1] } $db, $web;
    ok($before && $before->{at} <= $end->{at}, '... and counts');
    leave_service($web, $next);
    leave_service($db, $needed);
}

# What a logger that was killed had left in its buffer was lost when there was no memory for that as the next
# one began, which went on without.
{
    my $dir = tmp('short');
    make_fifo("$dir.pipe");
    sysopen my $pipe, "$dir.pipe", POSIX::O_RDWR() or die "$dir.pipe: $!\n";
    write_file("$dir.buf", "\0" x (4096 + 2 * 65536));
    my $start = sub {
        my ($env) = @_;
        return spawn([faulty('log'), $dir], env => { LARES_LOGBUF => 9, %$env }, stdin => "$dir.pipe", fds => { 9 => "$dir.buf" },
            stderr => "$dir.err", quiet => 1);
    };
    my ($board, $env) = faults('write:1:ENOSPC:ms:60000');
    my $first = $start->($env);
    syswrite $pipe, "a line\n";
    wait_for { board($board)->{failed} } 'it to find that it cannot write';
    kill9($first);
    wait_exit($first);
    is(wait_exit($start->((faults('mmap:1:ENOMEM:times:2'))[1]))->{exit}, 111, 'no memory for the buffer: it does not begin');
    my $last = $start->(no_fault());
    ok(eval { wait_for { (file_text("$dir/current") // '') eq "a line\n" } 'the line' }, '... and the next one has what was in it') or diag($@);
    signal($last, 'TERM');
    is(wait_exit($last)->{exit}, 0, '... and ends in order');
}

no_processes_left();
done_testing;
