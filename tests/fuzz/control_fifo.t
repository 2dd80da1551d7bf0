# lares-supervise under garbage in its control FIFO: all bytes, long bursts, several writers. It
# must stay, answer, keep at most one instance, leak nothing, and have told a journal without a gap.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;
use Fcntl qw(O_WRONLY O_NONBLOCK);
use POSIX ();

srand(my $seed = $ENV{LARES_SEED} || time);
note "seed $seed (LARES_SEED)";
my $rounds = $ENV{LARES_ROUNDS} || 60;

# without x and e, which end it, and K, k with TERM-like letters all allowed
my @harmless = grep { !/[uUdDoOxeQrRpcPCkKhaitq12wyb]/ } map { chr } 0 .. 255;
my @letters = split //, 'uUdDoOQrRpcPCkKhaitq12wyblL+=Z';
my @all = map { chr } 0 .. 255;

my $dir = make_service(tmp('fuzz'), run => <<END, finish => 'exit 0', files => { 'restart-delays' => "0\n", 'timeout-kill' => "20\n" });
exec @{[bin('setlock')]} -n only sh -c 'echo start >>starts; sleep 1000 & exec sleep 1000' || echo double >>double
END
my $pid = supervise($dir);
wait_state($dir, state => 'up');

sub write_all {
    my ($bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    sysopen my $fifo, "$dir/supervise/control", O_WRONLY | O_NONBLOCK or return 0;
    while (length $bytes) {
        my $put = syswrite $fifo, $bytes;
        if (!defined $put) {
            return 0 if $! != POSIX::EAGAIN();
            wait_for { vec(my $w = '', fileno $fifo, 1) = 1; select undef, $w, undef, 0.05 } 'room in the FIFO';
            next;
        }
        substr($bytes, 0, $put) = '';
    }
    return 1;
}

# Has it read everything, and does it still do what it is told? What comes after the garbage is read when all of
# that has been acted on: until then it may be down for a moment, with an `u' yet to come.
sub answers {
    my ($name) = @_;
    for my $letters ('lc', 'c') {
        control($dir, $letters);
        wait_for { pending() == 0 } 'the garbage to be read', 20;
    }
    ok(alive($pid), "$name: it is there");
    control($dir, 'd');
    wait_state($dir, state => 'down');
    is(scalar(grep { $_->{name} =~ /sleep|setlock/ } descendants()), 0, '... d is obeyed, nothing is left');
    control($dir, 'u');
    wait_state($dir, state => 'up');
    ok(!-e "$dir/double", '... never two at once');
}

sub pending {
    open my $fifo, '+<', "$dir/supervise/control" or die;
    my $count = pack 'i', 0;
    ioctl $fifo, 0x541B, $count or die "FIONREAD: $!";
    return unpack 'i', $count;
}

my %fds = %{ fds_of($pid) };
write_all(join '', @harmless);
is(read_state($dir)->{starts}, 1, 'what has no meaning does nothing');
answers('all bytes without a meaning');
write_all(join '', map { $harmless[rand @harmless] } 1 .. 300_000);
answers('300 000 of them');
write_all(join '', grep { !/[xe]/ } @all);
answers('all bytes but x and e');
for my $round (1 .. $rounds) {
    write_all(join '', map { $letters[rand @letters] } 1 .. 1 + int rand 40);
    select undef, undef, undef, rand 0.01 if $round % 2;
}
answers("$rounds random strings of letters");
write_all(join '', map { my $c = $all[rand @all]; $c =~ /[xe]/ ? 'h' : $c } 1 .. 20_000);
answers('20 000 random bytes at once');

my @writers;
for my $writer (1 .. 4) {
    my $seed_here = int rand 2**31;
    my $child = fork;
    if (!$child) {
        srand $seed_here;
        $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP);
        write_all(join '', map { $letters[rand @letters] } 1 .. 1 + int rand 20) for 1 .. 50;
        POSIX::_exit(0);
    }
    push @writers, $child;
}
waitpid $_, 0 for @writers;
answers('four writers at once');

# What a start has open for a moment is no leak, which stays.
my $leaked = sub { join ' ', grep { !$fds{$_} } sort keys %{ fds_of($pid) } };
wait_for { $leaked->() eq '' } 'descriptors of a moment to be closed', 10;
is($leaked->(), '', 'no descriptor is leaked');
my @history = read_history($dir);
is_deeply([map { $_->{sequence} } @history], [$history[0]{sequence} .. $history[-1]{sequence}], 'the journal has no gap');
is_deeply([grep { $_->{event} eq 'run-died' && $_->{wstat} == -1 } @history], [], 'no death unknown');
unlike(messages($dir), qr/ error | impossible/, 'nothing impossible happened') or diag messages($dir);

# With x and e too: it may leave, in order; then a new one goes on.
for my $round (1 .. 10) {
    write_all(join '', map { $all[rand @all] } 1 .. 200);
    # What comes after the garbage is read when all of that has been acted on.
    for (1, 2) { wait_for { !alive($pid) || control($dir, $_ == 1 ? '' : 'c') && pending() == 0 } 'it to read or leave' }
    wait_for { !alive($pid) || !(read_state($dir)->{leaving}) } 'it to leave, if it does';
    next if alive($pid);
    is(wait_exit($pid)->{exit}, 0, 'it left in order');
    is(scalar(grep { $_->{name} eq 'sleep' } descendants()), 0, '... with everything');
    unlink "$dir/down";
    $pid = supervise($dir);
    wait_state($dir, state => 'up');
}
answers('random bytes with x and e');
ok(!-e "$dir/double", 'never two at once');
is(leave_service($dir, $pid), 0, 'exit 0');
no_processes_left();
no_zombies();
no_stray_files($dir);
done_testing;
