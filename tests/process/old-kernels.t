# What older kernels lack is done without: adoption, the statuses of adopted services, stopping.
# The programs are those of build/kill, where LARES_TEST_WITHOUT takes the calls away.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Lares::Hostile;
use File::Basename 'dirname';
use Test::More;

my $programs = build_dir() . '/kill/a';

sub old { my ($scan, $without) = @_; return scanner($scan, { program => "$programs/lares-svscan", env => { LARES_TEST_WITHOUT => $without } }) }

# Runs until somebody writes into its FIFO, and ends with what is written there.
sub obedient {
    my ($dir) = @_;
    return make_service($dir, run => 'read code <>end; exit "$code"', files => { end => { fifo => 0600 },
        'restart-delays' => "0\n" });
}
sub end { my ($dir, $code) = @_; append_file("$dir/end", "$code\n") }
sub pidfds { my ($pid) = @_; my $fds = fds_of($pid); return scalar grep { /pidfd/ } values %$fds }

# Kills the supervisor; its successor has adopted the service.
sub adopted {
    my ($scan, $dir) = @_;
    my $pid = up($dir);
    my $old = supervisor('s');
    kill9($old);
    my $new = wait_for { my $s = read_state($dir); my $p = supervisor('s'); $s && $s->{adopted} && $p && $p != $old && $p } 'the successor';
    is(service_pid($dir), $pid, 'the service is kept');
    return ($pid, $new);
}

# The end of this life, with 7, and the next one.
sub restarted {
    my ($dir, $pid) = @_;
    end($dir, 7);
    return wait_for { my $p = service_pid($dir); $p && $p != $pid } 'the next life';
}

sub last_end { my ($dir) = @_; return (grep { $_->{event} eq 'run-died' } read_history($dir))[-1] }

my %has_pidfd = map { $_ => 1 } '', 'exit-info', 'pidfs', 'subreaper', 'inotify', 'children';
for my $without ('', 'exit-info', 'pidfs', 'pidfd', 'subreaper', 'pidfd,subreaper', 'inotify', 'children') {
    subtest 'without ' . ($without || 'nothing taken away') => sub {
        my ($scan) = new_scan();
        my $dir     = obedient("$scan/s");
        my $scanner = old($scan, $without);
        my ($pid, $supervisor) = adopted($scan, $dir);
        is(pidfds($supervisor), $has_pidfd{$without} ? 1 : 0, 'pidfds of its supervisor');
        my $child = read_child($dir);
        is(!!$child->{inode}, $without !~ /pidfd|pidfs/, 'is it known by an inode?');
        if ($without eq 'pidfd') {
            # It looks every second, and is told by whoever reaps: what ends just after a look is back before the next.
            my $took;
            for (1 .. 10) {
                my $looks = wait_for { my $slept = slept($supervisor); length $slept && "$slept times" } 'it to sleep';
                wait_for { my $slept = slept($supervisor); length $slept && "$slept times" ne $looks } 'a look';
                my $from = Lares::Process::now();
                restarted($dir, $pid);
                $took = Lares::Process::now() - $from;
                last if $took < 0.5;
                ($pid, $supervisor) = adopted($scan, $dir);
            }
            cmp_ok($took, '<', 0.5, sprintf 'the end is told before it would look (%.3f s)', $took);
        } else {
            ok(eval { sleeps_for($supervisor, 1.5) }, 'it sleeps until it is told') if $without ne 'pidfd,subreaper';
            ok(restarted($dir, $pid), 'and learns of the end');
        }
        # Without a subreaper the test reaps, sooner or later: nobody need know how it ended.
        my $status = last_end($dir)->{wstat};
        like($status, $without =~ /subreaper/ ? qr/^(?:-1|1792)$/ : qr/^1792$/, 'its status');
        # Adopted again, and stopped.
        ($pid) = adopted($scan, $dir);
        is(run([bin('svc'), '-wD', '-d', $dir])->{exit}, 0, 'an adopted service is stopped');
        ok(!alive($pid), '... and dead');
        # A zombie that nobody has reaped yet is of the test.
        Lares::Process::reap_orphans();
        is(stop_scanner($scanner), 0, 'TERM');
        no_processes_left();
    };
}

# Nobody reaps and nobody pokes: looking once a second finds the zombie, and its status.
# (It was taken for alive as long as it was a zombie.)
{
    my ($scan) = new_scan();
    my $dir     = obedient("$scan/s");
    my $scanner = old($scan, 'pidfd');
    up($dir);
    kill9($scanner);
    wait_exit($scanner);
    my $supervisor = supervisor('s');
    kill9($supervisor);
    wait_for { waitpid($supervisor, POSIX::WNOHANG()) == $supervisor } 'the end of the supervisor';
    my $again = spawn(["$programs/lares-supervise", '-s', 's'], cwd => $scan, env => { LARES_TEST_WITHOUT => 'pidfd' });
    my $pid = (wait_state($dir, adopted => 1))->{pid};
    end($dir, 9);
    wait_for { my $p = service_pid($dir); $p && $p != $pid } 'the next life';
    is(last_end($dir)->{wstat}, 9 * 256, 'without pidfds the end of an adopted service that stays a zombie is learned');
    is(process_info($pid)->{state}, 'Z', '... which it still is');
    Lares::Process::reap_orphans();
    kill 'TERM', $again;
    wait_exit($again);
    no_processes_left();
}

# A missing list of children was taken for an empty one: down was said with descendants alive.
for my $adopted (0, 1) {
    my ($scan, $def) = new_scan();
    service("$def/s", [ stray => 3, deep => 5, child => 2, 'proof' ]);
    symlink '../def/s', "$scan/s" or die "$scan/s: $!\n";
    my $scanner = old($scan, 'children');
    ready("$def/s");
    adopt("$scan/s", 's') if $adopted;
    is(run([bin('svc'), '-wD', '-d', "$scan/s"])->{exit}, 0, 'without lists of children a service' . ($adopted ? ' that was adopted' : '') . ' is stopped');
    is(left(), '', '... and no descendant of it is alive');
    is(said($scan, 'unable to see the descendants'), 0, '... nor is it said that they could not be seen');
    leave_scan($scanner);
}

# Without /proc nobody can be seen: a stop that is not complete is not passed over in silence.
for my $case ([ 'without /proc', 'mount -t tmpfs none /proc || exit 99' ], [ "with another pid namespace's /proc", ':' ]) {
    my ($what, $first) = @$case;
    SKIP: {
        my @apart = ('unshare', '--mount', '--pid', '--fork', '--kill-child', 'sh', '-c');
        # Its leak checker is told by /proc/self/environ to be quiet, and fails.
        skip 'AddressSanitizer does not work without /proc', 4 if $ENV{LARES_SANITIZE} && $what eq 'without /proc';
        my $try = eval { run([ @apart, $first ]) };
        skip "no namespaces, or mounting is refused: " . ($try ? $try->{err} : $@), 4 if !$try || $try->{exit} // 1;
        my ($scan) = new_scan();
        sleeper("$scan/s");
        my $unshare = spawn([ @apart, "$first; exec \"\$@\"", 'sh', bin('svscan'), '-b', dirname(bin('svscan')), $scan ], stderr => "$scan/../said");
        wait_for { said($scan, qr/warning supervise s unable to see the descendants of the service, .* a stop neither ends them nor waits for them/) }
            "$what: it to be said";
        pass("$what it is said that descendants are not seen");
        wait_state("$scan/s", state => 'up');
        is(run([bin('svc'), '-wD', '-d', "$scan/s"])->{exit}, 0, '... a stop ends all the same');
        is(said($scan, qr/ supervise s unable to see/), 1, '... and it is said once');
        my ($inner) = grep { $_->{ppid} == $unshare } descendants();
        signal($inner->{pid}, 'TERM');
        is(wait_exit($unshare)->{exit}, 0, 'TERM');
        no_processes_left();
    }
}

# What is installed knows nothing of that variable.
{
    my ($scan) = new_scan();
    my $dir     = obedient("$scan/s");
    my $scanner = scanner($scan, { env => { LARES_TEST_WITHOUT => 'pidfd,subreaper,inotify' } });
    my (undef, $supervisor) = adopted($scan, $dir);
    is(pidfds($supervisor), 1, 'the programs that are installed do not hear of LARES_TEST_WITHOUT');
    is(stop_scanner($scanner), 0, 'TERM');
    no_processes_left();
}
done_testing;
