#!/usr/bin/perl
# lares-supervise with system calls failing: whatever fails, once or for a while, the service is
# started, restarted, stopped with all it has left behind, started again, adopted by a new
# supervisor, kept through an upgrade, and never runs twice. A supervisor that gave up did so at a
# beginning and said why; the next one finds everything in order.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Lares::State;
use POSIX ();
use Test::More;

my $number = 0;

# The supervisor of the moment: {pid}, and whether it may still give up.
sub start {
    my ($s, $env) = @_;
    $s->{pid} = spawn([$s->{program}, $s->{dir}], env => { LARES_SCANDIR => "$s->{dir}.scan", %$env },
        stderr => "$s->{dir}.err", quiet => 1);
    $s->{beginning} = 1;
}

sub living {
    my ($s) = @_;
    return living_probe("$s->{dir}.report");
}

# Waits for $what->(); a supervisor that gives up at its beginning is followed by one without faults.
sub get_there {
    my ($s, $name, $what) = @_;
    my $got = wait_for {
        if (!alive($s->{pid})) {
            die "the supervisor is gone: $name\n" if !$s->{beginning};
            gave_up($s->{pid}, "$s->{dir}.err");
            start($s, { LARES_FAULT => undef });
        }
        living($s);
        supervisor_begun($s->{pid}) && $what->()
    } $name, 20;
    $s->{beginning} = 0;
    return $got;
}

# Up with one process, ready, and told so.
sub wait_up {
    my ($s, $name, $not) = @_;
    return get_there($s, $name, sub {
        my $state = read_state($s->{dir});
        my $pid   = living($s);
        return $pid && $pid != $not && $state && $state->{state} eq 'up'
            && $state->{pid} == $pid && shown_pid($s->{dir}) == $pid ? $pid : 0
    });
}

sub shown_pid {
    my ($dir) = @_;
    my $status = eval { read_status($dir) } or return 0;
    return $status->{pid};
}

sub command {
    my ($s, $letters) = @_;
    get_there($s, "somebody to read $letters", sub { control($s->{dir}, $letters) });
}

sub strays {
    my ($s) = @_;
    my $text = file_text("$s->{dir}.report") // '';
    return grep { my $info = process_info($_); $info && $info->{command} =~ /\Q$s->{dir}.report\E / }
        $text =~ /^\d+ event stray (\d+)/mg;
}

sub upgraded { my ($s) = @_; return (readlink("/proc/$s->{pid}/exe") // '') =~ /\.bin/ }

sub upgrade {
    my ($s, $pid) = @_;
    my $said = -s "$s->{dir}.err" || 0;
    command($s, 'Z');
    get_there($s, 'the upgrade or its refusal', sub {
        upgraded($s) || -l "$s->{dir}/supervise/refused"
            || substr(file_text("$s->{dir}.err") // '', $said) =~ /upgrade refused/
    });
    die "the upgrade cost the service its life\n" if wait_up($s, 'up after the upgrade', 0) != $pid;
}

sub live {
    my ($s, $env) = @_;
    start($s, $env);
    my $pid = wait_up($s, 'the first start', 0);
    my $finished = starts_of("$s->{dir}.finishes");
    kill9($pid);
    $pid = wait_up($s, 'the restart', $pid);
    die "finish did not run\n" if starts_of("$s->{dir}.finishes") <= $finished
        && (file_text("$s->{dir}.err") // '') !~ m{unable to (?:execute|open \S+ for) \./finish};
    command($s, 'd');
    get_there($s, 'down', sub { !living($s) && !shown_pid($s->{dir}) && state_is($s->{dir}, state => 'down') });
    die 'down, and left behind: ' . join(' ', strays($s)) . "\n" if strays($s);
    command($s, 'u');
    $pid = wait_up($s, 'up again', $pid);
    wait_recorded("$s->{dir}.err");
    kill9($s->{pid});
    wait_exit($s->{pid});
    start($s, $env);
    die "the service of a killed supervisor was not kept\n" if wait_up($s, 'adoption', 0) != $pid;
    upgrade($s, $pid);
    kill9($pid);
    wait_up($s, 'the restart of one adopted', $pid);
    command($s, 'x');
    my $end = wait_exit($s->{pid});
    die 'left with ' . (defined $end->{exit} ? $end->{exit} : "signal $end->{signal}") . "\n"
        if !defined $end->{exit} || $end->{exit};
    die "left a process\n" if living($s);
    my @h = read_history($s->{dir});
    my @missing = grep { $h[$_]{sequence} != $h[$_ - 1]{sequence} + 1 } 1 .. $#h;
    die "the journal has a gap\n" if @missing;
}

sub scenario {
    my ($program, $env) = @_;
    my $dir = tmp('s' . ++$number);
    my $s   = { program => $program, dir => $dir };
    make_service(
        $dir,
        run    => [probe("$dir.report", 'stray', 'ready', 3, 'sleep')],
        finish => "echo start \$1 \$2 >>$dir.finishes",
        files  => { 'restart-delays' => "0 50\n", 'restart-reset' => "60000\n", 'timeout-kill' => "1000\n",
            'notification-fd' => "3\n" },
    );
    mkdir "$dir.$_" for qw(scan bin);
    mkdir "$dir.scan/.lares", 0700;
    link $program, "$dir.bin/lares-supervise" or die "link: $!\n";
    write_file("$dir.scan/.lares/bindir", "$dir.bin\n", 0600);
    return account($dir, sub { live($s, $env) });
}

fault_campaign('supervise', seconds => 18, scenario => \&scenario);
done_testing;
