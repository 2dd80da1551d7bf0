# lares-supervise becomes a newer program in the same pid, its service untouched; a new program
# that cannot start is refused with the reason and changes nothing.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;
use Time::HiRes ();

my $scan = tmp('scan');
mkdir $scan;
mkdir "$scan/.lares", 0700;

# A directory with a program in place of lares-supervise, and the scan directory pointing to it.
sub new_program {
    my ($name, $make) = @_;
    my $dir = tmp("bin-$name");
    mkdir $dir;
    $make->("$dir/lares-supervise");
    write_file("$scan/.lares/bindir", "$dir\n");
    return "$dir/lares-supervise";
}
sub copy_of_ours { my ($to) = @_; write_file($to, file_text(bin('supervise')), 0755) }
sub program_of { return readlink "/proc/$_[0]/exe" }

my $report = tmp('report');
my $dir    = make_service(tmp('web'), run => [probe($report, 'sleep')],
    files => { 'restart-delays' => "0\n", 'timeout-kill' => "2000\n" });
my $messages   = tmp('messages');
my $supervisor = spawn([bin('supervise'), $dir], stderr => $messages, env => { LARES_SCANDIR => $scan });
my $service    = wait_state($dir, state => 'up')->{pid};
my $fds        = resting_fds($supervisor);

my $there = new_program(good => \&copy_of_ours);
control($dir, 'Z');
wait_for { program_of($supervisor) eq $there } 'the new program';
my $state = wait_for { my $s = read_state($dir); run([bin('svok'), $dir])->{exit} == 0 && $s } 'it to supervise';
is($state->{pid}, $service, 'the service keeps its pid');
ok(!$state->{adopted}, '... and is still its own child');
is($state->{starts}, 1, '... and was not started again');
is(join(' ', sort keys %{ resting_fds($supervisor) }), join(' ', sort keys %$fds), 'no descriptor more or less');

# A service killed at the very moment is restarted like any other, its status known.
for (1 .. 20) {
    my $before = wait_state($dir, state => 'up');
    control($dir, 'Z');
    kill9($before->{pid});
    my $after = wait_state($dir, state => 'up', starts => $before->{starts} + 1);
    is($after->{wstat}, 9, 'killed while upgrading: the status is known') if $after->{wstat} != 9;
}
is(read_state($dir)->{deaths}, 20, '20 deaths around 20 upgrades, each counted and restarted once');
# The last of them may be under way still, and would be refused, too, by what is to be tried next.
wait_for {
    my $before = slept($supervisor);
    !grep({ $_->{command} =~ /^lares-supervise -p / } descendants($supervisor)) && $before ne '' && $before eq slept($supervisor)
} 'the last upgrade to be over';

my $long = file_text(bin('supervise'));
my %bad  = (
    missing          => [sub { }, qr/unable to execute .*: No such file/],
    'not-executable' => [sub { write_file($_[0], $long, 0644) }, qr/unable to execute .*: Permission denied/],
    'not-a-program'  => [sub { write_file($_[0], "text\n", 0755) }, qr/unable to execute .*: Exec format error/],
    truncated        => [sub { write_file($_[0], substr($long, 0, 9000), 0755) }, qr/was killed by signal|unable to execute|ended with/],
    'says-no'        => [sub { write_file($_[0], "#!/bin/sh\nexit 3\n", 0755) }, qr/ended with 3 when it was tried/],
    # A program that has nothing to say against it is not one of ours for that: it was taken for the new one.
    'is-another'     => [sub { write_file($_[0], "#!/bin/sh\n", 0755) }, qr/ended with 0 when it was tried: it is another program/],
    # "ended with 127" was all that it said.
    'finds-no-library' => [sub { write_file($_[0], "#!/bin/sh\nexit 127\n", 0755) }, qr/ended with 127 when it was tried: a library or an interpreter that it needs is missing/],
    directory        => [sub { mkdir $_[0] }, qr/unable to execute .*: Permission denied/],
);
$service = read_state($dir)->{pid};
for my $how (sort keys %bad) {
    new_program($how, $bad{$how}[0]);
    my $said = length file_text($messages);
    control($dir, 'Z');
    wait_for { substr(file_text($messages), $said) =~ /upgrade refused/ } "$how: the refusal";
    like(substr(file_text($messages), $said), $bad{$how}[1], "$how: refused, with the reason");
    is(program_of($supervisor), $there, "$how: the old program goes on");
}
is(read_state($dir)->{pid}, $service, 'the service knows nothing of it');

# A service that was never started: the space of its record is reserved, and nothing stands there.
{
    my $never = make_service(tmp('never'), run => [probe('-', 'sleep')], files => { down => '' });
    my $pid   = spawn([bin('supervise'), $never], stderr => tmp('never.messages'), env => { LARES_SCANDIR => $scan });
    wait_state($never, state => 'down');
    my $new = new_program(never => \&copy_of_ours);
    control($never, 'Z');
    ok(eval { wait_for { program_of($pid) eq $new } 'the new program' }, 'a service that was never started is upgraded')
        or diag(file_text(tmp('never.messages')));
    wait_for { control($never, '') } 'it to begin';
    leave_service($never, $pid);
}

# A stop that is under way goes on after the upgrade, with its deadline.
{
    my $slow = make_service(tmp('slow'), run => [probe(tmp('slow.report'), 'ignore', 15, 'event', 'set', 'sleep')],
        files => { 'timeout-kill' => "700\n" });
    new_program(again => \&copy_of_ours);
    my $pid = spawn([bin('supervise'), $slow], env => { LARES_SCANDIR => $scan });
    wait_for { my ($r) = probe_runs(tmp('slow.report')); $r && @{ $r->{events} } } 'the service';
    wait_state($slow, state => 'up');
    control($slow, 'dZ');
    is(wait_state($slow, state => 'down')->{wstat}, 9, 'KILL comes after timeout-kill all the same');
    leave_service($slow, $pid);
}

# Who asked in the midst of an upgrade was told that nobody supervises: `ok` was opened anew.
{
    my $asked = make_service(tmp('asked'), run => [probe('-', 'sleep')]);
    my $ours = bin('supervise');
    my ($began, $go) = (tmp('began'), tmp('go'));
    my $pid = spawn([$ours, $asked], stderr => tmp('asked.messages'), env => { LARES_SCANDIR => $scan });
    wait_state($asked, state => 'up');
    my $holds = join ' ', sort keys %{ resting_fds($pid) };
    new_program(held => sub { write_file($_[0], <<"END", 0755) });
#!/bin/sh
case \$1 in -r) echo >$began; while [ ! -e $go ]; do sleep 0.01; done ;; esac
exec $ours "\$@"
END
    control($asked, 'Z');
    wait_for { -e $began } 'the new program to begin';
    is(run([bin('svok'), $asked])->{exit}, 0, 'the service is supervised while the supervisor becomes the new program');
    write_file($go, '');
    wait_for { program_of($pid) eq $ours } 'the new program';
    is(join(' ', sort keys %{ resting_fds($pid) }), $holds, '... which holds what the old one did');
    leave_service($asked, $pid);
}

# A TERM that comes in the middle, at whatever moment, is not lost, does not end the new program
# before it listens, and a supervisor that has left does not come back in place of leaving.
for my $round (0 .. 39) {
    my $last = make_service(tmp("last$round"), run => [probe(tmp('last.report'), 'sleep')]);
    my $pid  = spawn([bin('supervise'), $last], quiet => 1);
    my $main = wait_state($last, state => 'up')->{pid};
    control($last, 'Z');
    Time::HiRes::sleep($round * 0.00015); # the moment is what is varied
    signal($pid, 'TERM');
    my $end = eval { wait_exit($pid) } || { exit => 'never left' };
    my $leaving = (read_history($last))[-1]{leaving};
    next if defined $end->{exit} && $end->{exit} eq '0' && !alive($main) && $leaving;
    fail("TERM $round * 0.15 ms into an upgrade: exit " . explain_end($end) . ", leaving $leaving");
    last;
}
sub explain_end { my ($end) = @_; return defined $end->{exit} ? $end->{exit} : "by signal $end->{signal}" }
signal($supervisor, 'TERM');
is(wait_exit($supervisor)->{exit}, 0, 'TERM: stopped and left');
ok(!alive($service), 'the service is gone');
no_processes_left();
done_testing;
