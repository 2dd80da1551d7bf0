#!/usr/bin/perl
# lares-svscan -d with system calls failing: whatever fails, once or for a while, every definition
# has its service in the end, built of all its files; nothing is stopped because something could not
# be looked at, nothing that is to be down is started, one whose definition goes is stopped and taken
# away, and a stop stops everything.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Lares::State ();
use Test::More;

my $number = 0;

sub start {
    my ($s, $env) = @_;
    $s->{pid} = spawn([$s->{program}, '-b', $ENV{LARES_BUILD} || build_dir() . '/bin', '-d', $s->{defs}, $s->{scan}],
        env => $env, stderr => "$s->{scan}.err", quiet => 1);
    $s->{beginning} = 1;
}

sub get_there {
    my ($s, $name, $what) = @_;
    my $got = wait_for {
        if (!alive($s->{pid})) {
            die "the scanner is gone: $name\n" if !$s->{beginning};
            gave_up($s->{pid}, "$s->{scan}.err");
            start($s, { LARES_FAULT => undef });
        }
        $what->()
    } $name, 25;
    $s->{beginning} = 0;
    return $got;
}

sub define {
    my ($s, $name, %more) = @_;
    return make_service("$s->{defs}/$name", run => [probe("$s->{scan}.$name", 'sleep')],
        files => { map({ ("f$_" => '') } 1 .. 3), 'timeout-kill' => "1000\n", %{ delete $more{files} || {} } }, %more);
}

# The one process of the service, shown by its status.
sub wait_up {
    my ($s, $name, $what) = @_;
    return get_there($s, "$name: $what", sub {
        my $pid    = living_probe("$s->{scan}.$name");
        my $status = eval { read_status("$s->{scan}/$name") };
        return $pid && $status && $status->{pid} == $pid ? $pid : 0;
    });
}

sub links { my ($dir) = @_; return join ' ', sort map { s{.*/}{}r } grep { -l } glob "$dir/*" }
sub files { my ($dir) = @_; return join ' ', sort map { s{.*/}{}r } grep { !-d } glob "$dir/*" }

sub live {
    my ($s, $env) = @_;
    start($s, $env);
    my %pid = map { ($_ => wait_up($s, $_, 'the first start')) } qw(a b);
    define($s, 'c');
    wait_up($s, 'c', 'a new definition');
    write_file("$s->{defs}/a/f4", '');
    get_there($s, 'a file more', sub { -l "$s->{scan}/a/f4" });
    unlink "$s->{defs}/a/f1";
    get_there($s, 'a file less', sub { !-l "$s->{scan}/a/f1" });
    rename "$s->{defs}/c", "$s->{scan}.away";
    get_there($s, 'the end of what is not defined any more', sub { !living_probe("$s->{scan}.c") && !-e "$s->{scan}/c/run" });
    kill9($s->{pid});
    wait_exit($s->{pid});
    start($s, $env);
    rename "$s->{scan}.away", "$s->{defs}/c";
    wait_up($s, 'c', 'defined again');
    get_there($s, 'all that is linked', sub { 4 == grep { links("$s->{scan}/$_") eq files("$s->{defs}/$_") } qw(a b c off) });
    for my $name (qw(a b)) {
        die "the service $name was not kept\n" if wait_up($s, $name, 'in the end') != $pid{$name};
    }
    my $off = get_there($s, 'the one that is down', sub { Lares::State::read_state("$s->{scan}/off") });
    die "what is to be down was started\n" if $off->{starts};
    signal($s->{pid}, 'TERM');
    my $end = wait_exit($s->{pid}, 30);
    die 'left with ' . (defined $end->{exit} ? $end->{exit} : "signal $end->{signal}") . "\n" if !defined $end->{exit} || $end->{exit};
    Lares::Process::reap_orphans();
    die 'left running: ' . join(', ', map { Lares::Proc::describe($_) } descendants()) . "\n" if descendants();
}

sub scenario {
    my ($program, $env) = @_;
    my $scan = tmp('scan' . ++$number);
    my $s    = { program => $program, scan => $scan, defs => "$scan.d" };
    mkdir $_ or die "mkdir $_: $!\n" for $scan, $s->{defs};
    define($s, 'a', log => [bin('log'), 't', './main']);
    define($s, 'b');
    define($s, 'off', files => { down => '' });
    my $good  = eval { live($s, $env); 1 };
    my $wrong = $good ? undef : $@ || 'unknown';
    my $said  = file_text("$scan.err") // '';
    $wrong .= "its messages:\n" . ($said || "none\n") if defined $wrong;
    Lares::Process::end_everything();
    alarm 240;
    system "rm -rf '$scan' '$scan'.*";
    return ($wrong, $said);
}

fault_campaign('svscan', seconds => 16, scenario => \&scenario);
done_testing;
