#!/usr/bin/perl
# Tools that wait, with system calls failing: svc -w, svlisten, svscanctl upgrade and setlock either do what
# they were asked to and say 0, or say what was wrong and another code; never a hang, never a
# success that is none, and what they talk to is none the worse for it.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Lares::Scan qw(new_scan scanner stop_scanner service_pid);
use Lares::State;
use POSIX ();
use Test::More;

my $number = 0;

# Runs it: 1 when it said that all is well, 0 when it said what is wrong.
sub outcome {
    my ($argv, $env, $said, @codes) = @_;
    my $r = run($argv, env => $env);
    $$said .= $r->{err};
    die "killed by signal $r->{signal}\n" if !defined $r->{exit};
    return 1 if $r->{exit} == 0;
    die "ended with $r->{exit}\n" if !grep { $_ == $r->{exit} } @codes;
    die "ended with $r->{exit} and without a word\n" if $r->{err} !~ /\S/ && ($env->{LARES_FAULT} // '') !~ /^write/;
    return 0;
}

sub scenario_of {
    my ($live) = @_;
    return sub {
        my ($program, $env) = @_;
        my $said  = '';
        my $good  = eval { $live->($program, $env, \$said); 1 };
        my $wrong = $good ? undef : ($@ || 'unknown') . "its messages:\n" . ($said || "none\n");
        return ($wrong, $said);
    };
}

sub copy_programs {
    my ($to) = @_;
    write_file("$to/lares-$_", file_text(bin($_)), 0755) for qw(svscan supervise);
}

# --- svc -w ---------------------------------------------------------------------------------

my $dir = make_service(tmp('web'), run => [probe(tmp('web.report'), 'sleep')], files => { 'restart-delays' => "0\n", 'restart-reset' => "0\n" });
my $supervisor = supervise($dir);
wait_state($dir, state => 'up');

fault_campaign('svc', seconds => 5, scenario => scenario_of(sub {
    my ($program, $env, $said) = @_;
    my %goal = (d => 'down', u => 'up');
    for my $letter (qw(d u)) {
        my $well = outcome([$program, '-T', 15000, $letter eq 'd' ? '-wD' : '-wu', "-$letter", $dir], $env, $said, 1, 102, 111);
        die "said to be $goal{$letter}, and is not\n" if $well && !state_is($dir, state => $goal{$letter});
    }
    control($dir, 'u'); # also wakes, which removes what a subscriber could not
    wait_state($dir, state => 'up');
    wait_for { control($dir, 'u'); !glob "$dir/supervise/event/ftrig1*" } 'no subscriber to be left';
}));

# --- svlisten -------------------------------------------------------------------------------

# Without a fault, so that what is waited for comes whenever the program could be run.
my $svc = bin('svc');
fault_campaign('svlisten', seconds => 4, scenario => scenario_of(sub {
    my ($program, $env, $said) = @_;
    for my $case (['-D', '-d', 'down'], ['-u', '-u', 'up']) {
        my ($goal, $letter, $state) = @$case;
        my $well = outcome([$program, $goal, '-t', 15000, '{', $dir, '}', 'env', '-u', 'LARES_FAULT', $svc, $letter, $dir], $env, $said, 1, 102, 111, 126);
        die "said to be $state, and is not\n" if $well && !state_is($dir, state => $state);
    }
    control($dir, 'u');
    wait_state($dir, state => 'up');
    wait_for { control($dir, 'u'); !glob "$dir/supervise/event/ftrig1*" } 'no subscriber to be left';
}));
leave_service($dir, $supervisor);

# --- svscanctl upgrade ----------------------------------------------------------------------

{
    my ($scan, $def) = new_scan();
    my @bins = map { my $bin = tmp("bin$_"); copy_programs($bin); $bin } 1, 2;
    make_service("$def/web", run => [probe(tmp('tree.report'), 'sleep')]);
    symlink "$def/web", "$scan/web" or die "symlink: $!\n";
    my $scanner = scanner($scan);
    my $pid     = wait_for { service_pid("$scan/web") } 'web';
    my $turn    = 0;
    fault_campaign('svscanctl', seconds => 6, scenario => scenario_of(sub {
        my ($program, $env, $said) = @_;
        my $bin = $bins[$turn++ % 2];
        my $well = outcome([$program, '-T', 15000, '-b', $bin, 'upgrade', $scan], $env, $said, 1, 99, 100, 102, 111);
        die "said to be upgraded, and is not\n" if $well && readlink("/proc/$scanner/exe") ne "$bin/lares-svscan";
        outcome([$program, '-T', 15000, 'list', $scan], $env, $said, 100, 102, 111);
        die "the service was not kept\n" if service_pid("$scan/web") != $pid;
        my $text = file_text("$scan/.lares/bindir") // '';
        die "bindir says nothing that is there: $text\n" if length $text && !grep { $text eq "$_\n" } @bins;
    }));
    is(stop_scanner($scanner), 0, 'the scanner stops in order');
}

# --- setlock --------------------------------------------------------------------------------

fault_campaign('setlock', seconds => 3, scenario => scenario_of(sub {
    my ($program, $env, $said) = @_;
    my ($lock, $out) = (tmp('lock'), tmp('out' . ++$number));
    open my $held, '>>', $lock or die "$lock: $!\n";
    flock $held, 2;
    my $waits = spawn([$program, '-t', 5000, $lock, 'sh', '-c', 'echo got'], env => $env, stdout => $out, stderr => "$out.err");
    wait_for { !alive($waits) || grep { ($_ // '') eq $lock } values %{ fds_of($waits) || {} } } 'it to wait';
    die "it has what another one holds\n" if length(file_text($out) // '');
    close $held;
    my $end = wait_exit($waits);
    $$said .= file_text("$out.err") // '';
    die "killed by signal $end->{signal}\n" if !defined $end->{exit};
    die "ended with 0 and has done nothing\n" if $end->{exit} == 0 && (file_text($out) // '') ne "got\n";
    die "ended with $end->{exit} and without a word\n" if $end->{exit} && !length $$said && ($env->{LARES_FAULT} // '') !~ /^write/;
    unlink $out, "$out.err";
}));

no_processes_left();
done_testing;
