# lares-supervise: damaged, short, newer and strange files in supervise/. The live service is
# never started a second time, and what is wrong is said.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

srand(my $seed = $ENV{LARES_SEED} || time);
note "seed $seed (LARES_SEED)";

my $n = 0;

# A service that is up, without a supervisor: its directory and its state.
sub orphaned {
    (my $name = shift) =~ tr/ /-/;
    my $dir = make_service(tmp("$name." . ++$n), run => 'echo start >>starts; exec sleep 1000',
        files => { 'restart-delays' => "0\n" });
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'up');
    wait_for { starts_of("$dir/starts") } 'the service';
    kill9($pid);
    wait_exit($pid);
    return ($dir, $s);
}

my %damage = (
    garbage   => sub { my $b = $_[0]; join '', map { chr int rand 256 } 1 .. length $b },
    'a zero, then garbage' => sub { "\0" . substr $_[0], 1 },
    'a bit'   => sub { my $b = $_[0]; substr($b, length $b > 60 ? 60 : 10, 1) ^= "\x01"; $b },
    short     => sub { substr $_[0], 0, 20 },
    empty     => sub { '' },
    long      => sub { "$_[0]more" x 3 },
    zeros     => sub { "\0" x length $_[0] },
    newer     => sub { my $b = $_[0]; substr($b, 2, 1) = "\x63"; $b },
);
my %words = (
    child => qr{supervise/child}, state => qr{supervise/state}, history => qr{supervise/history}
);

for my $file (qw(child state history status lock)) {
    for my $how (sort keys %damage) {
        next if $file eq 'status' && $how eq 'newer'; # has no version
        my ($dir, $before) = orphaned("$file-$how");
        my $path = "$dir/supervise/$file";
        my $bytes = file_text($path);
        my $written = unpack 'H*', substr file_text("$dir/supervise/child"), 0, 64;
        my $bad = $damage{$how}->($bytes);
        write_file($path, $bad);
        my $pid = supervise($dir);
        my $s = wait_for { control($dir, '') && state_is($dir, state => 'up', adopted => 1) } 'supervise to begin';
        my $what = "$file: $how";
        is("$s->{pid} $s->{state} " . starts_of("$dir/starts"), "$before->{pid} up 1",
            "$what: the live service is kept, not started again");
        my $silent = $file =~ /status|lock/ || $how =~ /empty|zeros|long/;
        like(messages($dir), qr/warning supervise \S+ $words{$file}.* (?:damaged|newer|lost|copy)/, "$what: said") if !$silent;
        my $status = wait_for { my $r = eval { read_status($dir) }; $r && $r->{pid} && $r } "status";
        is($status->{pid}, $before->{pid}, "$what: status is right again");
        is(unpack('H*', substr file_text("$dir/supervise/child"), 0, 64), $written, "$what: child is right");
        kill9($before->{pid});
        wait_for { starts_of("$dir/starts") >= 2 } 'the next run';
        wait_state($dir, state => 'up', deaths => qr/^[1-9]/, starts => qr/./);
        is(starts_of("$dir/starts"), 2, "$what: its death is seen, it is restarted")
            or diag(messages($dir), map { "$_->{sequence} $_->{event}:$_->{state} $_->{reason} $_->{pid} $_->{wstat}\n" } read_history($dir));
        my @h = read_history($dir);
        ok($h[-1]{sequence} > ($file eq 'state' ? 0 : $before->{sequence}), "$what: the journal's numbers go on") or diag $h[-1]{sequence};
        leave_service($dir, $pid);
    }
}
no_processes_left();

# One after the other: child was not written anew from its copy, and when that was lost, too, a
# second copy of the service was started without a word.
for my $how (sort keys %damage) {
    my ($dir, $before) = orphaned("twice $how");
    for my $file (qw(child state)) {
        my $path = "$dir/supervise/$file";
        write_file($path, $damage{$how}->(file_text($path)));
        my $pid = supervise($dir);
        wait_for { control($dir, '') && state_is($dir, state => 'up', adopted => 1) } "supervise to begin, $file: $how";
        is(read_state($dir)->{pid} . ' ' . starts_of("$dir/starts"), "$before->{pid} 1", "child, later state: $how: $file is damaged, the service kept");
        if ($file eq 'state') {
            leave_service($dir, $pid);
        } else {
            kill9($pid);
            wait_exit($pid);
        }
    }
}
no_processes_left();

# That the journal is lost was said again by each supervisor, until there was a next record.
{
    my ($dir, $before) = orphaned('history-said');
    my $loss = qr{supervise/history is damaged, newer or shortened};
    my $begin = sub {
        my $pid = supervise($dir);
        wait_state($dir, state => 'up', pid => $before->{pid}, said_lost => $_[0]);
        return $pid;
    };
    my $said = sub { return scalar(() = messages($dir) =~ /$loss/g) };
    my $end = sub { kill9($_[0]); wait_exit($_[0]) };
    for my $lost (1, 2) {
        unlink "$dir/supervise/history" or die;
        my $pid;
        for my $begun (1 .. 4) {
            $end->($pid) if $pid;
            $pid = $begin->(1);
        }
        is($said->(), $lost, 'a lost journal is said once, whoever begins');
        control($dir, 'p');
        my $next = wait_state($dir, paused => 1, said_lost => 0);
        is($next->{sequence}, $before->{sequence} + 1, '... and the numbers go on');
        control($dir, 'c');
        $before = wait_state($dir, paused => 0);
        $end->($pid);
        $end->($begin->(0));
        is($said->(), $lost, 'nor is it said when there are records again');
    }
    kill9($before->{pid});
    leave_service($dir, supervise($dir));
    no_processes_left();
}

# Both copies of the identity are lost at the same time: nobody can know; but then nothing is hidden either.
{
    my ($dir, $before) = orphaned('both');
    write_file("$dir/supervise/$_", 'nonsense' x 32) for qw(child state);
    my $pid = supervise($dir);
    wait_message($dir, qr{supervise/state.*damaged});
    like(messages($dir), qr{supervise/child.*damaged.*may}s, 'both records damaged: the message says what that may mean');
    kill9($_->{pid}) for grep { $_->{name} eq 'sleep' && $_->{ppid} == $$ } descendants();
    leave_service($dir, $pid);
}

# --- something else in the place of a file ---
for my $case (
    [lock => 'fifo', qr/unable to lock \S+\/supervise\/lock/], [lock => 'dir', qr/unable to lock/],
    [lock => 'link', qr/unable to lock/],
    [child => 'fifo', qr{\S+supervise/child is not a regular file; remove it}],
    [child => 'dir', qr{unable to open \S+/supervise/child: Is a directory}],
    [state => 'fifo', qr{\S+supervise/state is not a regular file; remove it}],
    [state => 'link', qr{unable to open \S+/supervise/state}],
    [history => 'fifo', qr{\S+supervise/history is not a regular file; remove it}],
    [history => 'dir', qr{unable to open \S+/supervise/history: Is a directory}],
    [control => 'file', qr{\S+supervise/control is not a FIFO of ours; remove it}],
    [ok => 'dir', qr{\S+supervise/ok is not a FIFO of ours; remove it}],
    [event => 'file', qr{unable to make directory \S+/supervise/event: Not a directory}],
) {
    my ($file, $what, $message) = @$case;
    my ($dir, $before) = orphaned("$file-$what");
    my $path = "$dir/supervise/$file";
    rename $path, tmp("moved." . ++$n) or die if -e $path;
    $what eq 'fifo' ? make_fifo($path) : $what eq 'dir' ? mkdir $path
        : $what eq 'link' ? symlink "../victim", $path : write_file($path, 'text');
    my $r = run([bin('supervise'), $dir]);
    like("$r->{exit} $r->{err}", qr/^1(?:00|11) lares-supervise: fatal: $message/, "$file is a $what: refused, said");
    ok(alive($before->{pid}) && starts_of("$dir/starts") == 1 && !-e "$dir/victim", '... nothing touched');
    unlink $path or rmdir $path;
    my $pid = supervise($dir);
    is(wait_state($dir, state => 'up')->{pid}, $before->{pid}, '... and mended: the service is found again');
    leave_service($dir, $pid);
}

# status as something else: replaced, and everything else goes on.
for my $what ('dir', 'fifo', 'link', 'full') {
    my ($dir, $before) = orphaned("status-$what");
    my $path = "$dir/supervise/status";
    unlink $path;
    $what eq 'fifo' ? make_fifo($path) : $what eq 'link' ? symlink '../victim', $path : mkdir $path;
    write_file("$path/file", '') if $what eq 'full';
    my $pid = supervise($dir);
    for my $n (2 .. 4) {
        kill9(read_state($dir)->{pid});
        wait_state($dir, starts => $n, shown => $what ne 'full');
    }
    pass("status is a $what: the service is restarted all the same");
    if ($what eq 'full') {
        wait_message($dir, qr{warning .* unable to write supervise/status, the service goes on; trying again: });
        unlink "$dir/supervise/$_/file" for qw(status status.spare);
        wait_message($dir, qr/info .* writing in supervise\/ works again/);
        is(scalar(() = messages($dir) =~ /unable to write/g), 1, 'the trouble was said once, and its end');
    }
    my $status = wait_for { -l $path || !-f $path ? 0 : read_status($dir) } 'a status';
    wait_for { read_status($dir)->{pid} == read_state($dir)->{pid} } 'the right status';
    pass('and status is a file again, and right');
    ok(!-e "$dir/victim", '... nothing was written through a link') if $what eq 'link';
    leave_service($dir, $pid);
}
no_processes_left();
no_zombies();
done_testing;
