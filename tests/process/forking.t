# Daemons that go into the background (`type` forking): the one process that remains is the
# service. The probe plays all kinds of them; what it reports names the instance.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Lares::Scan;
use Test::More;
use POSIX qw(WNOHANG);

my @double = (qw(launch 0 detach launch 0));

# A forking service: its directory, and the probe's report.
sub daemon {
    my ($name, $actions, %files) = @_;
    my $report = tmp("$name.report");
    my $dir = make_service(tmp($name), run => [ probe($report, @$actions) ],
        files => { type => "forking\n", 'restart-delays' => "0 300\n", %files });
    return ($dir, $report);
}

# What a report says of KEY, in order.
sub told {
    my ($report, $key) = @_;
    my $text = file_text($report) // '';
    my @told = $text =~ /^\d+ event \Q$key\E ?(.*)$/mg;
    return @told;
}

# The processes of a service that live: those that bear its report's name.
sub living { my ($report) = @_; return grep { $_->{command} =~ m{/probe \Q$report\E } } descendants() }

sub starts { my ($report) = @_; return scalar(() = (file_text($report) // '') =~ /^\d+ start\b/mg) }

sub ended_well {
    my ($dir, $pid, $what) = @_;
    is(leave_service($dir, $pid), 0, "$what: left in order");
    no_processes_left("$what: no process left");
}

sub ended_well2 {
    my ($dir, $pid, $what, $but) = @_;
    is(leave_service($dir, $pid), 0, "$what: left in order");
    is(join(' ', map { $_->{pid} } descendants()), $but, "$what: nobody else is left");
}

subtest 'forks once, twice, quickly, slowly' => sub {
    my %kinds = (
        once    => [ qw(launch 0 detach sleep) ],
        plain   => [ qw(launch 0 sleep) ],
        twice   => [ @double, 'sleep' ],
        slowly  => [ qw(after 150 launch 0 detach after 50 launch 0 after 50 sleep) ],
        thrice  => [ qw(launch 0 launch 0 launch 0 sleep) ],
        late    => [ qw(launch 0 detach after 300 launch 0 sleep) ], # longer than it is waited for quiet
        wiping  => [ 'wipe', @double, 'sleep' ],
    );
    for my $kind (sort keys %kinds) {
        my $expected = $kind eq 'late' ? 'forked forking forked' : 'forked';
        my $launches = grep { $_ eq 'launch' } @{ $kinds{$kind} };
        my ($dir, $report, $pid, $main, $s, $events);
        # One that is held up by a busy machine for 100 ms is waited for no more: it tries again.
        for my $try (1 .. 5) {
            ($dir, $report) = daemon("$kind$try", $kinds{$kind});
            $pid = supervise($dir);
            wait_for { told($report, 'launched') == $launches } "$kind to fork";
            $main = (told($report, 'launched'))[-1];
            $s = wait_state($dir, state => 'up', pid => $main);
            $events = join ' ', map { $_->{event} } grep { $_->{event} ne 'boot' } read_history($dir);
            last if $events eq $expected || $try == 5;
            leave_service($dir, $pid);
        }
        is("$s->{starts} $s->{deaths} $s->{adopted}", '1 0 0', "$kind: up as the one that remains");
        is(shown_status($dir)->{pid}, $main, "$kind: status names it");
        is(read_child($dir)->{pid}, $main, "$kind: so does the record");
        is(process_info($main)->{ppid}, $pid, "$kind: it is a child of the supervisor");
        is(scalar(living($report)), 1, "$kind: and alone");
        is($events, $expected, "$kind: what is on record");
        kill9($main);
        $s = wait_state($dir, state => 'up', starts => 2);
        is("$s->{deaths} $s->{wstat}", '1 9', "$kind: its death is known, with its status, and it is started again");
        control($dir, 't');
        $s = wait_state($dir, state => 'up', starts => 3);
        is($s->{wstat}, 15, "$kind: a signal by command goes to it");
        control($dir, 'p');
        wait_for { process_info($s->{pid})->{state} eq 'T' } 'it to pause';
        control($dir, 'c');
        wait_for { process_info($s->{pid})->{state} eq 'S' } 'it to go on';
        control($dir, 'd');
        wait_state($dir, state => 'down');
        is(scalar(living($report)), 0, "$kind: down is down");
        ended_well($dir, $pid, $kind);
    }
};

# The main process is the one that the pid file names, others may stay beside it.
subtest 'pid file' => sub {
    my @worker = (qw(child));
    my %kinds = (
        relative => [ [ 'pidfile', 'run.pid' ], 'run.pid' ],
        absolute => [ [ 'pidfile', tmp('absolute.pid') ], tmp('absolute.pid') ],
        late     => [ [ 'after', 300, 'pidfile', 'run.pid' ], 'run.pid' ],
    );
    for my $kind (sort keys %kinds) {
        my ($act, $file) = @{ $kinds{$kind} };
        # A second process is left beside the main one; a pid file of the run before is there.
        my ($dir, $report) = daemon("pid-$kind", [ 'child', @double, @$act, 'child', 'sleep' ], 'pid-file' => "$file\n");
        write_file($file =~ m{^/} ? $file : "$dir/$file", "1\n");
        my $pid = supervise($dir);
        wait_for { told($report, 'launched') == 2 } 'it to launch';
        my $main = (told($report, 'launched'))[1];
        wait_state($dir, state => 'up', pid => $main);
        wait_for { 3 == living($report) } "$kind: one named, two others";
        control($dir, 'd');
        wait_state($dir, state => 'down');
        is(scalar(living($report)), 0, "$kind: a stop ends all of them");
        ended_well($dir, $pid, $kind);
    }
};

# Its first thread ends (pthread_exit in main) and it lives on: it was taken for dead, refused, and
# never got the KILL that it was waited for.
subtest 'a daemon that has lost its first thread' => sub {
    for my $kind (qw(alone named late)) {
        my @named = $kind eq 'alone' ? () : qw(pidfile run.pid);
        # late: its pid file is missing, and it is taken when the time is over.
        my ($dir, $report) = daemon("headless-$kind", [ 'ignore', 15, @double, @named, 'headless' ],
            'timeout-start' => $kind eq 'late' ? "300\n" : "60000\n", 'timeout-kill' => "200\n",
            @named ? ('pid-file' => $kind eq 'late' ? "none.pid\n" : "run.pid\n") : ());
        my $pid = supervise($dir);
        my $s = wait_state($dir, state => 'up');
        my $main = (told($report, 'launched'))[1];
        is("$s->{pid} $s->{deaths}", "$main 0", "$kind: it is the service");
        wait_for { (file_text("/proc/$main/status") // '') =~ /^State:\tZ/m } 'its first thread to end';
        control($dir, 'd');
        wait_state($dir, state => 'down');
        ok(!alive($main), "$kind: down is down");
        ended_well($dir, $pid, "headless-$kind");
    }

    # Nobody of them is it: all are ended, at once with KILL in the end.
    my ($dir, $report) = daemon('headless-two', [ 'ignore', 15, 'child', @double, 'headless' ],
        'timeout-start' => "300\n", 'timeout-kill' => "200\n", 'restart-delays' => "60000\n");
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'backoff');
    is($s->{deaths}, 1, 'two are left: a start that failed, and not for ever');
    ended_well($dir, $pid, 'headless-two');
};

# What a pid file says counts only if it is true; a daemon is not ended for a wrong one.
subtest 'wrong pid files' => sub {
    my $stranger = spawn([ 'sleep', 1000 ]);
    my %kinds = (
        stranger  => [ "$stranger\n", qr{names pid $stranger, no living process of this service} ],
        one       => [ "1\n", qr{names pid \d+, no living process of this service} ],
        dead      => [ undef, qr{names pid \d+, no living process of this service} ],
        garbage   => [ "nginx\n", qr{does not begin with a pid} ],
        huge      => [ "99999999999999999999\n", qr{does not begin with a pid} ],
        negative  => [ "-1\n", qr{does not begin with a pid} ],
        nothing   => [ '', qr{does not begin with a pid} ],
        fifo      => [ { fifo => 0600 }, qr{is not a regular file} ],
        directory => [ { dir => 0755 }, qr{is not a regular file} ],
        absent    => [ 'absent', qr{cannot be looked at: No such file} ],
        device    => [ { link => '/dev/tty' }, qr{is not a regular file} ],
        loop      => [ { link => 'run.pid' }, qr{cannot be looked at: Too many levels} ],
    );
    for my $kind (sort keys %kinds) {
        my ($what, $said) = @{ $kinds{$kind} };
        my $named = defined $what && $what ne 'absent';
        my @own = $kind eq 'dead' ? qw(pidfile run.pid) : ();
        my ($dir, $report) = daemon("wrong-$kind", [ @own, @double, 'sleep' ], 'pid-file' => "run.pid\n",
            'timeout-start' => "400\n", $named ? ('run.pid' => $what) : ());
        my $pid = supervise($dir);
        my $s = wait_state($dir, state => 'up');
        is($s->{pid}, (told($report, 'launched'))[1], "$kind: the only one there is");
        like(messages($dir), qr/warning supervise wrong-$kind pid-file: run\.pid $said.*; using the one process that is left/,
            '... and it is said');
        is(scalar(() = messages($dir) =~ /pid-file/g), 1, '... once');
        ok(alive($stranger), '... the stranger lives');
        ended_well2($dir, $pid, $kind, $stranger);
    }
    kill9($stranger);
    wait_exit($stranger);
    no_processes_left();
};

# It was killed again and again, and the scanner's messages had nothing of it.
subtest 'a launch that is too late is told of' => sub {
    my %early = ('restart-delays' => "0\n", 'timeout-start' => "100\n", 'timeout-kill' => "200\n");
    my %kinds = (
        foreground => [ ['sleep'], qr/`run' has not ended; it is ended now/ ],
        several    => [ [qw(child launch 0 sleep)], qr/`run' has ended, processes left: 2, and which of them is the service is not known/ ],
    );
    for my $kind (sort keys %kinds) {
        my ($actions, $why) = @{ $kinds{$kind} };
        my ($dir, $report) = daemon("late-$kind", $actions, %early);
        my $pid = supervise($dir);
        wait_message($dir, qr/warning supervise late-$kind not in the background within timeout-start: $why/);
        wait_for { starts($report) > 3 } 'further starts';
        is(scalar(() = messages($dir) =~ /not in the background/g), 1, "$kind: said once, of many starts");
        # From the next start on one that gets there, and then does not.
        write_file("$dir/run.new", "#!/bin/sh\n[ ! -e good ] || { setsid sleep 1000 & exit 0; }\nexec ./bad\n", 0755);
        rename "$dir/run", "$dir/bad";
        write_file("$dir/good", '');
        rename "$dir/run.new", "$dir/run";
        my $s = wait_state($dir, state => 'up', pid => qr/^[1-9]/);
        unlink "$dir/good";
        kill9($s->{pid});
        wait_for { (() = messages($dir) =~ /not in the background/g) == 2 } 'it to be said again';
        pass("$kind: and again after a good start");
        ended_well($dir, $pid, $kind);
    }
};

subtest 'failures' => sub {
    # What has failed and left nothing is an early death like any other.
    my ($dir, $report) = daemon('fails', [qw(exit 3)], 'restart-delays' => "0 60000\n");
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'backoff');
    is("$s->{reason} $s->{detail} $s->{deaths}", 'exited 3 1', 'a launcher that fails: an early death');
    ended_well($dir, $pid, 'fails');

    # What it left is stopped before there is a second.
    ($dir, $report) = daemon('strews', [qw(trap 15 child launch 3 sleep)], 'restart-delays' => "0 60000\n",
        'timeout-kill' => "200\n");
    $pid = supervise($dir);
    $s = wait_state($dir, state => 'backoff');
    is("$s->{reason} $s->{detail} $s->{deaths} $s->{wstat}", 'exited 3 1 768', '... and left others: the same');
    is(scalar(living($report)), 0, '... they have been ended');
    is(scalar(() = told($report, 'signal 15')), 2, '... asked first, killed then');
    is(join(' ', map { $_->{event} } read_history($dir)), 'boot misforked run-died', '... and on record');
    ended_well($dir, $pid, 'strews');

    # More than one process for ever.
    ($dir, $report) = daemon('many', [qw(child launch 0 sleep)], 'restart-delays' => "0 60000\n",
        'timeout-start' => "60000\n");
    $pid = supervise($dir);
    wait_for { living($report) == 2 } 'two processes';
    is(wait_state($dir, state => 'starting', pid => 0)->{pid}, 0, 'no main process among two');
    like(run([ bin('svstat'), $dir ])->{out}, qr/starting: going into the background/, '... as svstat says');
    ended_well($dir, $pid, 'two');
    write_file("$dir/timeout-start", "300\n");
    $pid = supervise($dir);
    $s = wait_state($dir, state => 'backoff');
    is("$s->{reason} $s->{deaths}", 'fork-timeout 1', '... not in the background in time');
    is(scalar(living($report)), 0, '... both have been ended');
    ended_well($dir, $pid, 'many');

    # The launcher does not end.
    ($dir, $report) = daemon('stays', ['sleep'], 'restart-delays' => "0 60000\n", 'timeout-start' => "200\n");
    $pid = supervise($dir);
    $s = wait_state($dir, state => 'backoff');
    is("$s->{reason} $s->{deaths} $s->{wstat}", 'fork-timeout 1 15', 'a launcher that stays in the foreground');
    ended_well($dir, $pid, 'stays');

    # It ends before it is there, in its own way.
    ($dir, $report) = daemon('dies', [qw(launch 0 exit 5)], 'restart-delays' => "0 60000\n");
    $pid = supervise($dir);
    $s = wait_state($dir, state => 'backoff');
    like("$s->{deaths} $s->{reason} $s->{detail}", qr/^1 exited [05]$/, 'a daemon that dies at once');
    ended_well($dir, $pid, 'dies');

    ($dir, $report) = daemon('dies-later', [qw(launch 0 after 50 die 11)], 'restart-delays' => "0 60000\n");
    $pid = supervise($dir);
    $s = wait_state($dir, state => 'backoff');
    is("$s->{deaths} $s->{reason} $s->{detail}", '1 killed 11', '... a moment later: its own status');
    ended_well($dir, $pid, 'dies-later');
};

subtest 'stopped on its way' => sub {
    my %kinds = (
        launching => [ 'sleep' ],
        left      => [ qw(child launch 0 sleep) ],
        stubborn  => [ qw(ignore 15 child launch 0 sleep) ],
        hopping   => [ qw(ignore 15 launch 0 child after 20 launch 0 child after 20 launch 0 child sleep) ],
    );
    for my $kind (sort keys %kinds) {
        for my $letter (qw(d r)) {
            my $name = "$kind-$letter";
            my ($dir, $report) = daemon($name, $kinds{$kind}, 'timeout-kill' => "300\n", 'kill-mode' => "process\n");
            my $pid = supervise($dir);
            wait_for { living($report) >= ($kind eq 'launching' ? 1 : 2) } "$name to be there";
            control($dir, $letter);
            if ($letter eq 'd') {
                wait_state($dir, state => 'down');
                is(scalar(living($report)), 0, "$name: down, and none is left");
            }
            else {
                my $before = starts($report);
                wait_state($dir, starts => 2);
                my @h = map { "$_->{event}" } read_history($dir);
                is(scalar(grep { $_ eq 'run-died' } @h), 1, "$name: one death, then the next");
            }
            ended_well($dir, $pid, $name);
        }
    }
};

subtest 'ready' => sub {
    my %kinds = (
        early => [ qw(ready 3), @double, 'sleep' ], # before it is in the background
        late  => [ @double, qw(after 300 ready 3 sleep) ],
    );
    for my $kind (sort keys %kinds) {
        my ($dir, $report) = daemon("ready-$kind", $kinds{$kind}, 'notification-fd' => "3\n",
            'timeout-ready' => "10000\n");
        my $pid = supervise($dir);
        my $s = wait_state($dir, state => 'up', ready => 1);
        is($s->{pid}, (told($report, 'launched'))[1], "$kind: ready as the one that remains");
        my @h = map { $_->{event} } read_history($dir);
        is("@h", 'boot forked ready', "$kind: first there, then ready");
        ended_well($dir, $pid, "ready-$kind");
    }
    my ($dir, $report) = daemon('ready-never', [ @double, 'sleep' ], 'notification-fd' => "3\n",
        'timeout-ready' => "200\n", 'restart-delays' => "0 60000\n");
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'backoff');
    is("$s->{reason} $s->{deaths}", 'ready-timeout 1', 'never ready');
    is(scalar(living($report)), 0, '... and ended');
    ended_well($dir, $pid, 'ready-never');
};

# What an earlier run left behind is none of the next one, whether it says so or has wiped that.
# With kill-mode process it outlives a failed start too.
subtest 'leftovers' => sub {
    for my $kind (qw(bearing wiped)) {
        my @wipe = $kind eq 'wiped' ? 'wipe' : ();
        my ($dir, $report) = daemon("left-$kind", [ @wipe, @double, 'child', 'sleep' ], 'kill-mode' => "process\n",
            'restart-reset' => "0\n"); # each run is a good one
        my $pid = supervise($dir);
        wait_for { told($report, 'child') == 1 } 'a child';
        wait_state($dir, state => 'up', pid => (told($report, 'launched'))[1]);
        for my $life (1, 2) {
            kill9((told($report, 'launched'))[-1]);
            wait_for { told($report, 'child') == $life + 1 } 'the child of the next';
            my $s = wait_state($dir, state => 'up', pid => (told($report, 'launched'))[-1]);
            is("$s->{starts} $s->{deaths}", $life + 1 . " $life", "$kind: the next is up beside $life left");
        }
        write_file("$dir/run", "#!/bin/sh\nsleep 1000 & sleep 1001 & exit 3\n", 0755);
        kill9((told($report, 'launched'))[-1]);
        wait_state($dir, deaths => 4, reason => 'exited');
        my @left = grep { $_->{command} =~ /\Q$report\E|^sleep/ } descendants();
        is(join(' ', sort map { $_->{pid} } @left), join(' ', sort { $a cmp $b } told($report, 'child')),
            "$kind: a start that fails takes its own with it, and no others");
        is(leave_service($dir, $pid), 0, "$kind: left in order");
        kill9($_->{pid}) for @left;
        no_processes_left();
    }
};

# Those that a launcher had left while its supervisor was killed were said to have ended as the
# launcher had, with 0: not started again (`restart` on-failure). And after an upgrade in place their
# ends, all told to the new program, were waited for until timeout-start.
subtest 'ended on their way, after another supervisor' => sub {
    my %ended = (none => 'killed 14', upgraded => 'killed 14', killed => 'unknown-death 0');
    for my $how (sort keys %ended) {
        for my $named (0, 1) {
            next if $named && $how eq 'killed'; # its pid file might tell of one that is not seen
            my ($dir, $report) = daemon("$how-$named", [ 'child', qw(launch 0 sleep) ], restart => "on-failure\n",
                'restart-delays' => "60000\n", 'timeout-start' => "60000\n", $named ? ('pid-file' => "run.pid\n") : ());
            my $pid = supervise($dir);
            wait_state($dir, state => 'starting', pid => 0);
            my @left = map { $_->{pid} } living($report);
            is(scalar(@left), 2, "$how: two are left");
            if ($how eq 'killed') {
                kill9($pid);
                wait_exit($pid);
                $pid = supervise($dir);
                wait_state($dir, state => 'starting', orphaned => 1);
            } elsif ($how eq 'upgraded') {
                control($dir, 'Z');
                wait_for { process_info($pid)->{command} =~ / -r/ } 'the upgrade';
                wait_for { run([ bin('svok'), $dir ])->{exit} == 0 } 'it to supervise';
            }
            kill 'ALRM', @left; # not SEGV, which a sanitizer takes for itself
            my $s = wait_state($dir, state => 'backoff');
            is("$s->{reason} $s->{detail} $s->{deaths}", "$ended{$how} 1", "$how: as it was, or nobody knows, and to be started again");
            ended_well($dir, $pid, $how);
        }
    }
};

# nginx exchanges its program so: the old master goes when the new one is there.
subtest 'moves on' => sub {
    my ($dir, $report) = daemon('moves', [ @double, qw(pidfile run.pid after 1500 hand 200 pidfile run.pid sleep) ],
        'pid-file' => "run.pid\n");
    my $pid = supervise($dir);
    wait_for { told($report, 'launched') == 3 } 'it to move on';
    my $main = (told($report, 'launched'))[2];
    my $s = wait_state($dir, state => 'up', pid => $main);
    is("$s->{starts} $s->{deaths}", '1 0', 'another process named by the pid file: the same run');
    ended_well($dir, $pid, 'moves');
};

# --- killed on the way ---
# What goes on while supervisors die, and at what moment they do.
my %ways = (
    plain  => { act => [ qw(hand 300 detach sleep) ] },
    double => { act => [ qw(hand 300 detach after 50 launch 0 sleep) ] },
    named  => { act => [ qw(hand 300 detach launch 0 after 300 pidfile run.pid sleep) ], file => 1 },
    wiping => { act => [ qw(wipe hand 300 detach launch 0 after 300 pidfile run.pid sleep) ], file => 1 },
    worker => { act => [ qw(child hand 300 detach launch 0 after 300 pidfile run.pid child sleep) ], file => 1, beside => 2 },
);
# Each waits for its moment; the state of the service is looked at by who lives.
my %moments = (
    launching => sub { my ($report) = @_; wait_for { starts($report) } 'the launcher' },
    launched  => sub { # the launcher is over, and no main process chosen, if that takes long
        my ($report) = @_;
        my ($launcher) = file_text($report) =~ /^(\d+) start/m;
        wait_for { (process_info($launcher) // { state => 'Z' })->{state} eq 'Z' } 'the launcher to end';
    },
    settled => sub { my ($report, $dir) = @_; wait_state($dir, state => 'up') },
);

sub launches { my ($kind) = @_; return scalar grep { /^(?:launch|hand)$/ } @{ $ways{$kind}{act} } }

sub is_through {
    my ($dir, $report, $kind) = @_;
    return told($report, 'launched') == launches($kind) && (!$ways{$kind}{file} || -s "$dir/run.pid");
}

sub check_kept {
    my ($dir, $report, $kind, $what) = @_;
    wait_for { told($report, 'launched') == launches($kind) } "$what: all launches";
    my $main = (told($report, 'launched'))[-1];
    my $s = wait_state($dir, state => 'up', pid => $main);
    is("$s->{starts} $s->{deaths} " . starts($report), '1 0 1', "$what: the same daemon, no second one");
    is(scalar(living($report)), 1 + ($ways{$kind}{beside} // 0), "$what: ... and nobody else");
    kill9($main);
    return;
}

sub check_restarted {
    my ($dir, $report, $what) = @_;
    my $s = wait_state($dir, state => 'up', starts => 2);
    is("$s->{deaths} $s->{wstat} " . starts($report), '1 9 2', "$what: its death is learned, and it is started again");
    return;
}

sub forking_service {
    my ($place, $report, $kind) = @_;
    my $way = $ways{$kind};
    return make_service($place, run => [ probe($report, @{ $way->{act} }) ], files => { type => "forking\n",
        'restart-delays' => "0 300\n", $way->{file} ? ('pid-file' => "run.pid\n") : () });
}

# gap: is the next one there only when all has been done?
for my $moment (sort keys %moments) {
    for my $gap (0, 1) {
        my $what = "supervisors killed when $moment" . ($gap ? ', a gap' : '');
        subtest $what => sub {
            my (%dir, %report, %pid);
            for my $kind (sort keys %ways) {
                my $name = "k-$kind-$moment-$gap";
                $report{$kind} = tmp("$name.report");
                $dir{$kind} = forking_service(tmp($name), $report{$kind}, $kind);
                $pid{$kind} = supervise($dir{$kind});
            }
            for my $kind (sort keys %ways) {
                $moments{$moment}->($report{$kind}, $dir{$kind});
                kill9($pid{$kind});
                wait_exit($pid{$kind});
                $pid{$kind} = supervise($dir{$kind}) if !$gap;
            }
            for my $kind (sort keys %ways) {
                last if !$gap;
                wait_for { is_through($dir{$kind}, $report{$kind}, $kind) } 'all of it';
                $pid{$kind} = supervise($dir{$kind});
            }
            check_kept($dir{$_}, $report{$_}, $_, "$_ $what") for sort keys %ways;
            check_restarted($dir{$_}, $report{$_}, "$_ $what") for sort keys %ways;
            for my $kind (sort keys %ways) {
                is(leave_service($dir{$kind}, $pid{$kind}), 0, "$kind $what: left in order");
            }
            no_processes_left();
        };
    }
}

# The same below a scanner, which may be killed as well: what was left is then somebody else's.
for my $moment (sort keys %moments) {
    for my $scanner_too (0, 1) {
        my $what = ($scanner_too ? 'scanner and ' : '') . "supervisors killed when $moment";
        subtest $what => sub {
            my ($scan) = new_scan();
            my (%dir, %report);
            for my $kind (sort keys %ways) {
                $report{$kind} = tmp("s-$kind-$moment-$scanner_too.report");
                $dir{$kind} = forking_service("$scan/$kind", $report{$kind}, $kind);
            }
            my $scanner = scanner($scan);
            wait_for { starts($_) } 'the launcher' for values %report;
            if ($scanner_too) {
                kill9($scanner);
                wait_exit($scanner);
            }
            for my $kind (sort keys %ways) {
                $moments{$moment}->($report{$kind}, $dir{$kind});
                kill9(supervisor($kind));
            }
            $scanner = scanner($scan) if $scanner_too;
            check_kept($dir{$_}, $report{$_}, $_, "$_, $what") for sort keys %ways;
            check_restarted($dir{$_}, $report{$_}, "$_, $what") for sort keys %ways;
            is(stop_scanner($scanner), 0, 'the scanner stops everything');
            no_processes_left('a stop ends everything');
            is(said($scan, qr/impossible|unable/), 0, 'nothing went wrong') or diag(said_text($scan));
        };
    }
}

done_testing();
