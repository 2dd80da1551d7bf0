#!/usr/bin/perl
# What follows the journals of services, with system calls failing: svwait and svlisten say 0 only
# when it is so and otherwise what was wrong; svhist -f prints every change once and in order, or says
# why it cannot; svnotify's hook is told every change, in order, also of what happened while it could
# not be run or was not there. Never a hang, and the service is none the worse for it.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Lares::Faulted;
use Lares::State;
use Test::More;

my $dir = make_service(tmp('web'), run => [probe(tmp('web.report'), 'sleep')],
    files => { 'restart-delays' => "0\n", 'restart-reset' => "0\n", 'max-history' => "100000\n" });
my $supervisor = supervise($dir);
wait_state($dir, state => 'up');

sub shared { my ($live) = @_; return scenario_of(sub { my ($s) = @_; $s->{shared} = 1; $live->($s) }) }
sub back_up { control($dir, 'u'); wait_obeyed($dir); wait_state($dir, state => 'up') }
sub nobody_follows { wait_for { control($dir, 'u'); !glob "$dir/supervise/event/ftrig1*" } 'no subscriber to be left' }

# It waits for something, or is gone.
sub waits {
    my ($pid, $board) = @_;
    wait_for { my $info = process_info($pid); !$info || $info->{state} eq 'Z' || ($info->{state} eq 'S' && board($board)->{counts}{ppoll}) } 'it to wait';
    return alive($pid);
}

# --- svwait, svlisten -----------------------------------------------------------------------

fault_campaign('svwait', seconds => 3, scenario => shared(sub {
    my ($s) = @_;
    my $pid = spawn([$s->{program}, '-t', 15000, '-D', $dir], env => $s->{env}, stderr => "$s->{base}.err", quiet => 1);
    waits($pid, $s->{env}{LARES_FAULT_FILE});
    my $well = !alive($pid) && wait_exit($pid)->{exit} == 0;
    die "said to be down, and is up\n" if $well;
    control($dir, 'd');
    $well = judge($s, wait_exit($pid), file_text("$s->{base}.err"), 111);
    die "said to be down, and is not\n" if $well && !state_is($dir, state => 'down');
    back_up();
    nobody_follows();
}));

fault_campaign('svlisten', seconds => 3, scenario => shared(sub {
    my ($s) = @_;
    my $argv = [$s->{program}, '-t', 15000, '-D', $dir, bin('svc'), '-d', $dir];
    my $well = outcome($s, $argv, 111, 126);
    die "said to be down, and is not\n" if $well && !state_is($dir, state => 'down', want => 'down');
    back_up();
    nobody_follows();
}));

# --- svhist -f ------------------------------------------------------------------------------

fault_campaign('svhist', seconds => 4, scenario => shared(sub {
    my ($s) = @_;
    my ($out, $err) = ("$s->{base}.out", "$s->{base}.err");
    my $from = read_state($dir)->{sequence};
    my $pid = spawn([$s->{program}, '-j', '-f', '-s', $from, $dir], env => $s->{env}, stdout => $out, stderr => $err, quiet => 1);
    waits($pid, $s->{env}{LARES_FAULT_FILE});
    control($dir, 'd');
    my $seen = sub { return (file_text($out) // '') =~ /"sequence":(\d+)/g };
    my $last = wait_state($dir, state => 'down')->{sequence};
    wait_for { !alive($pid) || grep { $_ == $last } $seen->() } "$last to be told";
    back_up();
    $last = read_state($dir)->{sequence};
    wait_for { !alive($pid) || grep { $_ == $last } $seen->() } "$last to be told";
    my $own = !alive($pid);
    signal($pid, 'TERM') if !$own;
    my $end = wait_exit($pid);
    judge($s, $end, file_text($err), 111) if $own || $end->{signal} != 15;
    die "ended by itself with 0\n" if $own && $end->{exit} == 0;
    my @seen = $seen->();
    my $most = $own ? $from + $#seen : $last;
    die "told: @seen, not $from to $most\n" if "@seen" ne join ' ', $from .. $most;
    nobody_follows();
}));

# --- svnotify -------------------------------------------------------------------------------

# A scan directory as its scanner leaves it. The hook knows more than one journal.
my $scan = tmp('scan');
mkdir $_, 0700 or die "$_: $!\n" for $scan, "$scan/.lares", "$scan/.lares/run";
symlink "mark/$dir", "$scan/.lares/run/web" or die "symlink: $!\n";
my $told = tmp('told');
write_file("$scan/.lares/notify", "#!/bin/sh\necho \"\$2\" >>$told\n", 0755);

fault_campaign('svnotify', seconds => 5, scenario => shared(sub {
    my ($s) = @_;
    my $err = "$s->{base}.err";
    write_file($told, '');
    unlink "$dir/supervise/told";
    back_up();
    utime undef, undef, "$scan/.lares/notify"; # what came before it is not told
    my $from = read_state($dir)->{sequence} + 1;
    my ($pid, $input, $beginnings);
    my $start = sub {
        my ($env) = @_;
        pipe my $read, my $write or die "pipe: $!\n";
        $input = $write;
        $pid = spawn([$s->{program}, $scan], env => $env, stdin => $read, stderr => $err, quiet => 1);
    };
    # Whoever gives up is followed by another, as the scanner does.
    my $comes_to = sub {
        my ($last) = @_;
        wait_for {
            if (!alive($pid)) {
                my $end = wait_exit($pid);
                die 'ended with ' . ($end->{exit} // "signal $end->{signal}") . "\n" if ($end->{exit} // 0) != 111;
                die "gave up without a word\n" if !-s $err && ($s->{env}{LARES_FAULT} // '') !~ /^write/;
                $start->({ LARES_FAULT => undef });
            }
            (file_text($told) // '') =~ /^$last$/m
        } "$last to be told", 20;
    };
    $start->($s->{env});
    control($dir, 'd');
    wait_state($dir, state => 'down');
    back_up();
    $comes_to->(read_state($dir)->{sequence});
    kill9($pid);
    wait_exit($pid);
    $start->($s->{env});
    control($dir, 'd');
    my $last = wait_state($dir, state => 'down')->{sequence};
    $comes_to->($last);
    close $input;
    my $end = wait_exit($pid);
    $s->{said} .= file_text($err);
    die 'ended with ' . ($end->{exit} // "signal $end->{signal}") . "\n" if ($end->{exit} // 1) != 0;
    my @told = grep { length && $_ >= $from } split /\n/, file_text($told);
    my %times;
    $times{$_}++ for @told;
    my @missing = grep { !$times{$_} } $from .. $last;
    die "not told: @missing of $from to $last\n" if @missing;
    my $sorted = join ' ', sort { $a <=> $b } keys %times;
    my %seen;
    die "not in order: @told\n" if $sorted ne join ' ', grep { !$seen{$_}++ } @told;
    back_up();
    nobody_follows();
}));

leave_service($dir, $supervisor);
no_processes_left();
done_testing;
