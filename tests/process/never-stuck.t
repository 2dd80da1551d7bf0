#!/usr/bin/perl
# The real programs, short of processes, descriptors, memory or disk, each for a while: it is said
# once, nothing is lost, nobody spins, and when there is enough again everything is in order by
# itself. Limits are lowered softly, on the process under test alone.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Mounts;
use Lares::Scan;
use Lares::State;
use Test::More;

plan skip_all => 'prlimit is not installed' if !grep { -x "$_/prlimit" } split /:/, $ENV{PATH};

use constant { WHILE => 1.2, MOST_CPU => 0.1, MOST_LINES => 6 };

sub now { return Lares::Process::now() }

# The soft limit; the hard one stays, so that it can be lifted again.
sub limit {
    my ($pid, $what, $soft) = @_;
    my $uid = (stat "/proc/$pid")[4]; # only the user itself may, without special rights
    return if !defined $uid; # it has ended
    my $r = run(['prlimit', '--pid', $pid, "--$what=$soft:"], $uid == $> ? () : (uid => $uid, gid => $uid));
    die "prlimit: $r->{err}" if $r->{exit};
}

# Up to the hard limit, as /proc/PID/limits has it.
sub lift {
    my ($pid, $what, $name) = @_;
    my $limits = file_text("/proc/$pid/limits") // return; # it has ended
    limit($pid, $what, $limits =~ /^$name\s+\S+\s+(\S+)/m);
}

# Seconds on a processor.
sub cpu_of { my ($pid) = @_; return ((split ' ', file_text("/proc/$pid/schedstat") // '0')[0]) / 1e9 }
# Of ours, not of what we run.
sub lines_of { my ($file) = @_; return scalar(() = (file_text($file) // '') =~ /^\d{4}-\S+ \w+ (?:supervise|svscan|log)\b/mg) }

# No descriptor more than there are.
sub without_descriptors {
    my ($pid) = @_;
    my $fds = fds_of($pid);
    my $n = 0;
    $n++ while exists $fds->{$n};
    limit($pid, nofile => $n);
}
sub without_memory {
    my ($pid) = @_;
    my ($kib) = file_text("/proc/$pid/status") =~ /^VmSize:\s*(\d+)/m;
    limit($pid, as => 1024 * $kib);
}

# Under the shortage: $meanwhile->() happens, it is said, and for a while nobody burns the processor
# or fills the log.
sub endure {
    my ($pid, $messages, $what, $begin, $end, $meanwhile, $said) = @_;
    my $before = lines_of($messages);
    $begin->();
    my $cpu   = cpu_of($pid);
    my $until = now() + WHILE;
    my $good  = eval {
        $meanwhile->();
        wait_for { (file_text($messages) // '') =~ $said } "$what: a message like $said" if $said;
        wait_for { now() > $until } 'a while';
        1;
    };
    my $why   = $@;
    my $used  = cpu_of($pid) - $cpu;
    my $lines = lines_of($messages) - $before;
    $end->();
    die $why if !$good;
    cmp_ok($used, '<', MOST_CPU * ($ENV{LARES_SLOW} || 1), "$what: nobody spins") or diag(file_text($messages));
    cmp_ok($lines, '<=', MOST_LINES, "$what: it is not said again and again") or diag(file_text($messages));
    ok(alive($pid), "$what: it goes on");
}

sub main_of { my ($dir, $not) = @_; my $s = read_state($dir); return $s && $s->{state} eq 'up' && $s->{pid} != ($not || 0) && alive($s->{pid}) ? $s->{pid} : 0 }
sub one_service { my ($report) = @_; return grep { alive($_->{pid}) } probe_runs($report) }

# The sanitizers' own memory is more than any limit would leave.
my @memory = $ENV{LARES_SANITIZE} ? () : ('memory');

# --- a supervisor: its service is killed in the middle of the shortage ------------------------

my %shortages = (
    processes => {
        begin => sub { limit($_[0], nproc => 1) },
        end   => sub { lift($_[0], nproc => 'Max processes') },
        said  => qr/unable to fork; trying again/,
    },
    descriptors => { begin => \&without_descriptors, end => sub { lift($_[0], nofile => 'Max open files') }, said => qr/Too many open files/ },
    memory      => { begin => \&without_memory, end => sub { lift($_[0], as => 'Max address space') } },
);
for my $what (qw(processes descriptors), @memory) {
    my ($begin, $end, $said) = @{ $shortages{$what} }{qw(begin end said)};
    subtest "supervisor short of $what" => sub {
        my @user = $what eq 'processes' && !$> ? (uid => 54321, gid => 54321) : ();
        my ($dir, $report) = (tmp("web-$what"), tmp("report-$what"));
        make_service($dir, run => [probe($report, 'stray', 'sleep')],
            files => { 'restart-delays' => "0 200\n", 'restart-reset' => "60000\n", 'timeout-kill' => "1000\n" });
        write_file($report, '');
        if (@user) { chown 54321, 54321, $dir, $report or plan skip_all => "chown: $!" }
        my $pid  = supervise($dir, @user);
        my $main = wait_state($dir, state => 'up')->{pid};
        endure($pid, "$dir.messages", $what, sub { $begin->($pid) }, sub { $end->($pid) }, sub {
            write_file("$dir/changed", ''); # else its names would be known, and no descriptor needed
            kill9($main);
        }, $said);
        wait_for { main_of($dir, $main) } 'the next';
        pass("$what: the service is started again by itself");
        $main = main_of($dir);
        wait_for { my @runs = one_service($report); die "twice\n" if @runs > 1; @runs } "$what: it to tell";
        endure($pid, "$dir.messages", "$what, while stopping", sub { $begin->($pid) }, sub { $end->($pid) }, sub { control($dir, 'd') });
        wait_state($dir, state => 'down');
        my @strays = grep { alive($_) } (file_text($report) =~ /event stray (\d+)/g);
        is("@strays", '', "$what: down, and nothing is left of it");
        control($dir, 'u');
        wait_for { main_of($dir) } 'up';
        pass("$what: commands are obeyed");
        my @h = read_history($dir);
        is(scalar(grep { $h[$_]{sequence} != $h[$_ - 1]{sequence} + 1 } 1 .. $#h), 0, "$what: every change is on record");
        is(leave_service($dir, $pid), 0, "$what: it leaves");
        no_processes_left();
    };
}

# --- a scanner: a supervisor is killed, an entry appears, one vanishes --------------------------

for my $what (qw(processes descriptors), @memory) {
    my ($begin, $end, $said) = @{ $shortages{$what} }{qw(begin end)};
    subtest "scanner short of $what" => sub {
        my @user = $what eq 'processes' && !$> ? ({ uid => 54321, gid => 54321 }) : ();
        my ($scan, $def) = new_scan();
        for my $name (qw(web old new)) {
            make_service("$def/$name", run => 'exec sleep 1000', files => { 'timeout-kill' => "1000\n" });
        }
        if (@user) { chown 54321, 54321, $scan, glob "$def/*" or plan skip_all => "chown: $!" }
        symlink "$def/$_", "$scan/$_" for qw(web old);
        my $messages = Lares::Scan::beside($scan, 'said');
        write_file($messages, '', 0666);
        my $scanner = scanner($scan, @user);
        my ($web, $old) = map { up("$scan/$_") } qw(web old);
        my $killed  = supervisor('web');
        # What it starts meanwhile inherits the limit, and would be short for good.
        my $lift = sub {
            $end->($scanner);
            eval { $end->($_) } for map { $_->{pid} } descendants($scanner);
        };
        endure($scanner, $messages, $what, sub { $begin->($scanner) }, $lift, sub {
            kill9($killed);
            symlink "$def/new", "$scan/new";
            unlink "$scan/old";
            wait_for { !alive($killed) } 'its end';
        });
        wait_for { my $s = supervisor('web'); $s && $s != $killed } 'a new supervisor';
        is(service_pid("$scan/web"), $web, "$what: the service was not touched");
        wait_for { service_pid("$scan/new") } 'new';
        pass("$what: what has come is taken up by itself");
        wait_for { !alive($old) } 'the end of what has vanished';
        pass("$what: what has vanished is stopped");
        is(stop_scanner($scanner), 0, "$what: it stops in order");
        no_processes_left();
    };
}

# --- a logger -----------------------------------------------------------------------------------

sub feed_and_check {
    my ($what, $begin, $end, $said, $place) = @_;
    my $dir = "$place/main";
    pipe my $read, my $write or die "pipe: $!\n";
    my $messages = tmp("log-$what");
    my $pid = spawn([bin('log'), 't', 's4096', 'n40', $dir], stdin => $read, stderr => $messages);
    close $read;
    $write->autoflush(1);
    my $n    = 0;
    my $feed = sub { syswrite $write, join '', map { sprintf "line %d %s\n", ++$n, 'x' x 60 } 1 .. $_[0] };
    my $text = sub { join '', map { file_text($_) // '' } (sort glob "$dir/\@*"), "$dir/current" };
    $feed->(20);
    wait_for { $text->() =~ / line $n x/ } 'the first lines';
    endure($pid, $messages, $what, sub { $begin->($pid) }, sub { $end->($pid) }, sub { $feed->(200) }, $said);
    $feed->(20);
    wait_for { $text->() =~ / line $n x/ } 'the last line';
    close $write;
    is(wait_exit($pid)->{exit}, 0, "$what: it ends in order");
    is(join(' ', $text->() =~ /^\@\S+ line (\d+) x+$/mg), join(' ', 1 .. $n), "$what: each line is there once, in order");
}

for my $what (descriptors => @memory) {
    my ($begin, $end, $said) = @{ $shortages{$what} }{qw(begin end)}; # it can do with what it has
    subtest "logger short of $what" => sub {
        my $place = tmp("log-of-$what");
        mkdir $place;
        feed_and_check($what, $begin, $end, $said, $place);
    };
}

subtest 'logger without room on its disk' => sub {
    my $place = tmp('small');
    mount_tmpfs($place, 'size=64k') or plan skip_all => $Lares::Mounts::why;
    my $fill = sub {
        open my $out, '>', "$place/filler" or die "$place/filler: $!\n";
        for my $size (4096, 1) { 1 while syswrite $out, 'x' x $size }
    };
    feed_and_check('disk', $fill, sub { unlink "$place/filler" }, qr/No space left/, $place);
    unmount($place);
};
no_processes_left();
done_testing;
