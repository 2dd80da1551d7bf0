# A supervisor under test: start it, command it, read what it says in supervise/. Part of the
# harness, but not exported by Lares: `use Lares; use Lares::State;`. The formats are those of
# src/status/state.c, history.c and identity.c, read here a second time on purpose.

package Lares::State;

use strict;
use warnings;
use Exporter 'import';
use Fcntl qw(O_RDWR O_WRONLY O_NONBLOCK);
use Lares ();
use Lares::Process;

our @EXPORT = qw(supervise control read_state wait_state wait_obeyed state_is read_history wait_history
    read_child messages leave_service starts_of wait_message shown_status);

our @states = qw(down waiting starting up stopping finishing backoff failed done);
our @wants  = qw(down up once);
our @roles  = ('', 'start', 'run', 'finish', 'condition');
our @events = qw(boot up down once exit restart unwant signal pause continue kill leave upgrade
    start-ok start-bad run-died finish-done unborn ready unready empty needs-met needs-lost
    deadline forked forking misforked lapse condition-ok condition-no);
our @reasons = qw(none command exited killed unknown-death no-run no-exec no-fork start-failed
    start-timeout ready-timeout gave-up too-many-deaths condition needs down-file rest
    fork-timeout watchdog ending condition-failed condition-timeout);
my %marks = (adopted => 1, termed => 2, normally_down => 4, notifies => 8, has_log => 16,
    is_log => 32, left => 64, orphaned => 256, needed => 512, held => 1024, deliberate => 2048, oneshot => 4096, over => 16384,
    said_lost => 32768);
my %flags = (paused => 1, leaving => 2, ready => 4, owed => 8, killed => 16);
my %messages; # file of the messages, by directory

sub machine_of {
    my ($state, $want, $role, $stop, $flags, undef, $early) = unpack 'C6n', $_[0];
    return (state => $states[$state], want => $wants[$want], role => $roles[$role], stop => $stop,
        early => $early, map { ($_ => $flags & $flags{$_} ? 1 : 0) } keys %flags);
}

sub stamp_of {
    my ($tai, $nano) = unpack 'Q>N', $_[0];
    return $tai ? ($tai ^ 1 << 62) - 10 + $nano / 1e9 : 0; # 2**62 would be a float
}

# supervise/state as a hash, undef when it is not there, not 256 bytes of version 1 to 4, or blank.
# Every field of the record; marks and flags as 0 or 1 under their names; next_in: seconds to
# the deadline or undef.
sub read_state {
    my ($dir) = @_;
    my $bytes = Lares::file_text("$dir/supervise/state");
    return undef if !defined $bytes || $bytes !~ /^LS[\x01-\x04]/ || length $bytes != 256;
    my %r = (machine_of(substr $bytes, 8, 8), reason => $reasons[ ord substr $bytes, 3 ],
        detail => unpack('N', substr $bytes, 4));
    @r{qw(marks pad pid wstat rest boot sequence starts deaths)} = unpack 'nnl>l>NQ>Q>Q>Q>', substr $bytes, 16;
    $r{$_} = $r{marks} & $marks{$_} ? 1 : 0 for keys %marks;
    my $at = 64;
    $r{$_} = stamp_of(substr $bytes, ($at += 12) - 12, 12) for qw(since changed ready_at last_exit defined);
    $r{definition} = unpack 'N', substr $bytes, 124, 4;
    @r{qw(deadline died began inode start)} = unpack 'q>q>q>Q>Q>', substr $bytes, 128;
    @r{qw(awaited awaited_name unattributed draining)} = unpack 'l>Z16NQ>', substr $bytes, 168;
    $r{draining} &&= 1;
    @r{qw(pending custom)} = unpack 'Z24Z1', substr $bytes, 200;
    @r{qw(group session reaper until)} = unpack 'l>l>l>Q>', substr $bytes, 228;
    return undef if !$r{sequence}; # made room for, but nothing has happened yet
    $r{next_in} = $r{deadline} == 2**63 - 1 ? undef : $r{deadline} / 1e9 - Lares::Process::now();
    return \%r;
}

# Starts lares-supervise on a directory; returns its pid. With wait => 0 it does not wait until
# it has taken over what it finds, and sleeps. Its messages go to a file of its own, see messages().
sub supervise {
    my ($dir, %opt) = @_;
    my $wait = exists $opt{wait} ? delete $opt{wait} : 1;
    my @args = @{ delete $opt{args} || [] };
    my @before = @{ delete $opt{before} || [] }; # a program that becomes it
    (my $file = "$dir.messages") =~ s{/\.messages}{.messages};
    $messages{$dir} = $file;
    my $pid = spawn([@before, Lares::bin('supervise'), @args, $dir], stderr => $file, stdout => "$dir.out", %opt);
    if ($wait) {
        wait_for { read_state($dir) && control($dir, '') && slept($pid) ne '' || !alive($pid) } "supervise of $dir to begin";
    }
    return $pid;
}

# What supervisors of this directory have said so far.
sub messages {
    my ($dir) = @_;
    my $text = Lares::file_text($messages{$dir});
    return defined $text ? $text : '';
}

sub wait_message {
    my ($dir, $pattern, $seconds) = @_;
    return wait_for { messages($dir) =~ $pattern } "the message $pattern", $seconds;
}

# Writes control letters; 0 when nobody reads.
sub control {
    my ($dir, $letters) = @_;
    local $SIG{PIPE} = 'IGNORE';
    sysopen my $fifo, "$dir/supervise/control", O_WRONLY | O_NONBLOCK or return 0;
    return 1 if !length $letters;
    my $put = syswrite $fifo, $letters;
    return defined $put && $put == length $letters ? 1 : 0;
}

# state_is($dir, state => 'up', ready => 1): does the record agree? The state, if so.
sub state_is {
    my ($dir, %want) = @_;
    my $s = read_state($dir) or return 0;
    for my $key (keys %want) {
        return 0 if ref $want{$key} ? $s->{$key} !~ $want{$key} : $s->{$key} ne $want{$key};
    }
    return $s;
}

# Waits until it does, and the classic status, which is written behind it, shows the same: who
# asks others' programs next is answered from that. shown => 0: it cannot be written.
sub wait_state {
    my ($dir, %want) = @_;
    my $seconds = delete $want{seconds};
    my $shown   = exists $want{shown} ? delete $want{shown} : 1;
    my $text = join ' ', map { "$_=$want{$_}" } sort keys %want;
    my $found = eval {
        my $state = wait_for { state_is($dir, %want) } "$dir: $text", $seconds;
        wait_for { !$shown || is_shown($dir) } "$dir: the classic status to show it";
        $state;
    };
    return $found if $found;
    my $s = read_state($dir) || {};
    die $@ . "state: " . join(' ', map { "$_=" . (defined $s->{$_} ? $s->{$_} : '-') } sort keys %$s) . "\n";
}

# The journal, oldest first: hashes of sequence at event reason detail pid wstat moment and the machine.
sub read_history {
    my ($dir) = @_;
    my $bytes = Lares::file_text("$dir/supervise/history");
    my @found;
    for (my $at = 0; $at + 64 <= length $bytes; $at += 64) {
        my $record = substr $bytes, $at, 64;
        next if $record !~ /^LH[\x01\x02]/;
        my %r = (machine_of(substr $record, 24, 8), event => $events[ ord substr $record, 3 ],
            sequence => unpack('Q>', substr $record, 4), at => stamp_of(substr $record, 12, 12),
            reason => $reasons[ ord substr $record, 32 ]);
        @r{qw(detail pid wstat moment)} = unpack 'Nl>l>q>', substr $record, 36;
        push @found, \%r;
    }
    return sort { $a->{sequence} <=> $b->{sequence} } @found;
}

sub wait_history {
    my ($dir, $count, %want) = @_;
    my @found;
    wait_for {
        @found = grep {
            my $r = $_;
            !grep { $r->{$_} ne $want{$_} } keys %want
        } read_history($dir);
        @found >= $count;
    } "$count records of " . join ' ', %want;
    return @found;
}

# supervise/child: undef or state role pid wstat inode.
sub read_child {
    my ($dir) = @_;
    my $bytes = Lares::file_text("$dir/supervise/child");
    return undef if !defined $bytes || $bytes !~ /^LI/;
    my ($state, $role) = unpack 'C2', substr $bytes, 3;
    my ($pid, $wstat, $inode, $start) = unpack 'l>l>Q>Q>', substr $bytes, 8;
    return { state => (qw(none running exited forking))[$state], role => $roles[$role], pid => $pid,
        wstat => $wstat, inode => $inode, start => $start };
}

# How many lines "start" or "start ..." a service wrote into a file.
sub starts_of {
    my ($file) = @_;
    my $text = Lares::file_text($file);
    return defined $text ? scalar(() = $text =~ /^start\b/mg) : 0;
}

# Stops service and supervisor in order; the supervisor's exit code.
sub leave_service {
    my ($dir, $pid) = @_;
    control($dir, 'x') or die "unable to tell $dir to leave\n";
    return wait_exit($pid)->{exit};
}

# Who has signed the lock, while it lives.
sub supervisor_of {
    my ($dir) = @_;
    my $record = Lares::file_text("$dir/supervise/lock") // q{};
    my $pid = length $record >= 12 && $record =~ /^LI/ ? unpack 'x8 l>', $record : 0;
    my $info = $pid && process_info($pid);
    return $info && $info->{name} =~ /^lares-supervise?/ && alive($pid) ? $pid : 0;
}

# All letters that were written have been read and acted on: what is waited for then is not what
# was there before them.
sub wait_obeyed {
    my ($dir) = @_;
    sysopen my $fifo, "$dir/supervise/control", O_RDWR | O_NONBLOCK or die "$dir/supervise/control: $!\n";
    my $pid  = supervisor_of($dir) or die "nobody supervises $dir\n";
    my $left = pack 'i', 0;
    return wait_for { ioctl($fifo, 0x541B, $left) && !unpack('i', $left) && slept($pid) ne '' } "$dir to obey"; # FIONREAD
}

# Does supervise/status say what supervise/state does? Nobody will make it when no supervisor is there.
sub is_shown {
    my ($dir) = @_;
    return 1 if !supervisor_of($dir);
    my $shown = Lares::file_text("$dir/supervise/status") // q{};
    my $s     = read_state($dir) or return 0;
    my $want  = $s->{want} eq 'up' && $s->{state} !~ /^(?:failed|done)$/ ? 'u' : 'd';
    my $runs  = !$s->{pid} ? 0 : $s->{role} eq 'finish' ? 2 : 1;
    return length $shown == 20 && stamp_of(substr $shown, 0, 12) == $s->{changed}
        && substr($shown, 12) eq pack 'VCaCC', $s->{pid}, $s->{paused}, $want, $s->{pid} ? $s->{termed} : 0, $runs;
}

# The classic status when it shows what the state says, which is written first: the supervisor
# waits.
sub shown_status {
    my ($dir) = @_;
    my $pid = supervisor_of($dir);
    resting_fds($pid) if $pid;
    return Lares::Check::read_status($dir);
}

1;
