# Ten thousand changes under eight subscribers, two of them stalled (one with its FIFO full), one
# killed and begun again in the middle: every one that comes back has every change exactly once. With a
# smaller ring one that is overtaken is told exactly which range it lost.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Fcntl qw(O_RDWR O_NONBLOCK);
use Lares;
use Lares::State;
use Test::More;

my $EVENTS = $ENV{LARES_EVENTS} || 10_000;

sub service {
    my ($name, $ring) = @_;
    my $dir = make_service(tmp($name), run => [ probe(tmp("$name.report"), 'sleep') ], files => { 'max-history' => "$ring\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'up');
    return ($dir, $pid);
}

# So many changes: pause and continue, as fast as the supervisor reads them.
sub change {
    my ($dir, $count) = @_;
    my $goal = read_state($dir)->{sequence} + $count;
    my $pairs = $count / 2;
    while ($pairs > 0) {
        my $some = $pairs < 100 ? $pairs : 100;
        my $until = $goal - 2 * ($pairs - $some);
        control($dir, 'pc' x $some) or die "unable to write to control of $dir: $!\n";
        wait_for { (read_state($dir) || { sequence => 0 })->{sequence} >= $until } "change $until";
        $pairs -= $some;
    }
    return $goal;
}

my $serial = 0;
sub listen_to {
    my ($dir, @args) = @_;
    my $had = () = glob "$dir/supervise/event/ftrig1*";
    my %s = (dir => $dir, out => tmp('.out' . ++$serial));
    $s{pid} = spawn([ bin('svhist'), '-f', @args, $dir ], stdout => $s{out});
    wait_for { $had < (() = glob "$dir/supervise/event/ftrig1*") && slept($s{pid}) ne '' } 'svhist to listen';
    return \%s;
}

# The numbers told: ranges of those that came without a gap, and "lost A-B". Whole lines only.
sub told {
    my ($subscriber) = @_;
    my (@ranges, $from, $to);
    for my $line ((file_text($subscriber->{out}) // '') =~ /^(.*)\n/mg) {
        my ($number, $a, $b) = $line =~ /^\S+Z (\d+) |^lost (\d+) to (\d+)$/ or return "nonsense: $line";
        if (defined $number && defined $to && $number == $to + 1) { $to = $number; next }
        push @ranges, "$from-$to" if defined $from;
        ($from, $to) = ($number, $number);
        push @ranges, "lost $a-$b" if !defined $number;
    }
    push @ranges, "$from-$to" if defined $from;
    return join ' ', @ranges;
}
sub is_told {
    my ($subscriber, $want, $name) = @_;
    eval { wait_for { told($subscriber) eq $want } $name };
    is(told($subscriber), $want, $name);
}
sub end_listening {
    for my $subscriber (@_) {
        signal($subscriber->{pid}, 'TERM');
        wait_exit($subscriber->{pid});
    }
}

# A subscriber whose FIFO is soon full, and who never reads it.
sub stall {
    my ($dir) = @_;
    my $name = 'ftrig1:@' . ('4' x 24) . ':stalls';
    my $path = make_fifo("$dir/supervise/event/.$name", 0622);
    sysopen my $fifo, $path, O_RDWR | O_NONBLOCK or die "$path: $!\n";
    rename $path, "$dir/supervise/event/$name" or die "rename: $!\n";
    fcntl $fifo, 1031, 4096 or diag("F_SETPIPE_SZ: $!");
    return $fifo;
}

# --- ten thousand ------------------------------------------------------------------------------------
my ($dir, $supervisor) = service('wide', 16384);
my $before = descriptors($supervisor);
my $full    = stall($dir);
my @well    = map { listen_to($dir) } 1 .. 5;
my $stopped = listen_to($dir);
my $killed  = listen_to($dir);
signal($stopped->{pid}, 'STOP');

my $began = Lares::Process::now();
change($dir, $EVENTS / 2);
wait_for { told($killed) =~ /^1-\d{3}/ } 'the one to be killed to be told something';
kill9($killed->{pid});
wait_exit($killed->{pid});
my ($last) = told($killed) =~ /^1-(\d+)$/;
my $end = change($dir, $EVENTS - $EVENTS / 2);
my $took = Lares::Process::now() - $began;
my $again = listen_to($dir, '-s', $last + 1);
signal($stopped->{pid}, 'CONT');

is(read_state($dir)->{sequence}, $EVENTS + 1, "$EVENTS changes, and the one of the beginning");
diag(sprintf '%d changes to 8 subscribers in %.2f s', $EVENTS, $took);
is_told($_, "1-$end", "subscriber $_->{pid}: each once, in order") for @well;
is_told($stopped, "1-$end", 'the one that was stopped: each once, in order');
is_told($again, $last + 1 . "-$end", 'the one that was killed: all the others when it is back');
SKIP: {
    skip 'fewer changes than a FIFO holds', 1 if $EVENTS < 4096;
    my $held = 0;
    while (my $got = sysread $full, my $letters, 65536) { $held += $got }
    is($held, 4096, 'the full FIFO got no more letters than it holds');
}
my @records = read_history($dir);
is(scalar @records, $end, 'whoever missed letters finds every change in the journal');
is(scalar(grep { $records[$_]{sequence} != $_ + 1 } 0 .. $#records), 0, 'by its number');
is(scalar(grep { $_->{event} ne ($_->{sequence} == 1 ? 'boot' : $_->{sequence} % 2 ? 'continue' : 'pause') } @records), 0, 'in the order of the commands');
is(descriptors($supervisor), $before, 'the supervisor has no more descriptors');
end_listening(@well, $stopped, $again);
close $full;
change($dir, 2);
wait_for { !glob "$dir/supervise/event/*" } 'what dead subscribers left to be removed';
leave_service($dir, $supervisor);

# --- a ring that is too small ----------------------------------------------------------------------------
my $RING = 1000;
($dir, $supervisor) = service('narrow', $RING);
my @slow = map { listen_to($dir) } 1 .. 3;
my @mark;
for my $subscriber (@slow) {
    push @mark, change($dir, 100);
    is_told($subscriber, "1-$mark[-1]", 'up to date');
    signal($subscriber->{pid}, 'STOP');
}
$end = change($dir, 3000);
my $kept = $end - ringsize($dir);
signal($_->{pid}, 'CONT') for @slow;
is_told($slow[$_], sprintf('1-%d lost %d-%d %d-%d', $mark[$_], $mark[$_] + 1, $kept, $kept + 1, $end),
    "overtaken at $mark[$_]: exactly the range it lost") for 0 .. 2;
is_told(my $late = listen_to($dir, '-s', 5), "lost 5-$kept " . ($kept + 1) . "-$end", 'one that comes late is told the same');
end_listening(@slow, $late);
leave_service($dir, $supervisor);

sub descriptors { return scalar keys %{ resting_fds($_[0]) } }
sub ringsize { return (-s "$_[0]/supervise/history") / 64 }
no_processes_left();
done_testing();
