#!/usr/bin/perl
# lares-supervise with system calls failing, and a service that says when it is ready, is asked whether
# it is, is asked whether it is wanted, answers commands itself, is run to its end, or dies too often:
# whatever fails, it comes to be what it would have come to be, once, also under the next supervisor.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Lares::Faulted;
use Lares::Sd;
use Lares::State;
use Test::More;

my %quick = ('restart-delays' => "0 50\n", 'restart-reset' => "60000\n", 'timeout-kill' => "1000\n");

sub lines { my ($file) = @_; return split /\n/, file_text($file) // '' }
# Its supervisor is followed by another, with the same faults.
sub succeed { my ($s, $dir) = @_; kill_supervisor($s, $dir); begin_service($s, $dir) }
sub is_now {
    my ($s, $dir, $name, %want) = @_;
    return reach($s, $dir, $name, sub { state_is($dir, %want) });
}

# Or it has said that it takes something for what it is not.
sub reach {
    my ($s, $dir, $name, $what) = @_;
    return get_there($s, $name, sub {
        die "misread\n" if said($dir) =~ /: cannot be (?:looked at|read): /;
        $what->()
    });
}

# A file of the directory that could not be read was said to be taken for another, and then it is
# another service: what can be asked of any is that it stops and leaves.
sub life {
    my ($live) = @_;
    return scenario_of(sub {
        my ($s) = @_;
        return if eval { $live->($s); 1 };
        die $@ if $@ ne "misread\n";
        for my $dir (grep { $s->{services}{$_}{pid} } sort keys %{ $s->{services} }) {
            order($s, $dir, 'd');
            get_there($s, 'down', sub { state_is($dir, state => 'down', pid => 0) });
            end_service($s, $dir);
        }
    });
}

sub said { my ($dir) = @_; return file_text("$dir.err") // '' }

# --- sd_notify ------------------------------------------------------------------------------

# A new run, told to say that it is ready.
sub born {
    my ($s, $dir, $name, $count) = @_;
    my @born;
    my $state = reach($s, $dir, $name, sub {
        my $state = read_state($dir);
        @born = grep { $_->[1] eq 'born' } sd_said($dir);
        $state && @born >= $count && $state->{state} eq 'starting' && $state->{pid} == $born[-1][0] && $state
    });
    # What fails before the run begins may cost a start, but no life.
    die "started without need\n" if @born > $count;
    return $state->{pid};
}

# It says so, again where nobody could listen at first, and is believed.
sub says {
    my ($s, $dir, $line, $name, %want) = @_;
    sd_tell($dir, "send $line");
    my $again = Lares::Process::now() + 0.5;
    reach($s, $dir, $name, sub {
        return 1 if state_is($dir, %want);
        return 0 if Lares::Process::now() < $again || said($dir) !~ /unable to listen/;
        sd_tell($dir, "send $line");
        $again += 0.5;
        return 0;
    });
}

sub live_sd {
    my ($s) = @_;
    my $dir = sd_service("$s->{base}.sd", files => { %quick, 'timeout-watchdog' => "60000\n" });
    begin_service($s, $dir);
    my $first = born($s, $dir, 'the first start', 1);
    says($s, $dir, 'STATUS=loading;READY=1', 'ready', state => 'up', ready => 1, pid => $first);
    says($s, $dir, 'RELOADING=1', 'reloading', state => 'up', ready => 0);
    sd_tell($dir, 'barrier');
    succeed($s, $dir);
    is_now($s, $dir, 'adoption', state => 'up', ready => 0, pid => $first, adopted => 1);
    says($s, $dir, 'READY=1', 'ready again', state => 'up', ready => 1, pid => $first);
    kill9($first);
    my $second = born($s, $dir, 'the restart', 2);
    says($s, $dir, 'READY=1', 'ready after the restart', state => 'up', ready => 1, pid => $second);
    order($s, $dir, 'd');
    is_now($s, $dir, 'down', state => 'down', pid => 0);
    die "down, and living\n" if alive($second);
    order($s, $dir, 'u');
    born($s, $dir, 'up again', 3);
    end_service($s, $dir);
}

# --- check, condition, control/C ------------------------------------------------------------

# Why nobody was asked about an order, which is followed then.
my $unasked = qr{unable to (?:run|look at) control/|unable to execute control/|unable to read the service directory|control: cannot be looked at};

my $condition = 'test ! -e unwanted';
my $check     = 'test -e ready';
my $control   = "#!/bin/sh\necho \"\$1 \$2\" >>asked\n";

sub live_check {
    my ($s) = @_;
    my $dir = "$s->{base}.check";
    my $report = "$dir.report";
    make_service($dir, run => [probe($report, 'sleep')], condition => $condition, check => $check,
        files => { %quick, 'control/d' => { text => "${control}exit 1\n", mode => 0755 }, 'control/c' => { text => $control, mode => 0755 }, unwanted => '' });
    begin_service($s, $dir);
    is_now($s, $dir, 'not wanted here', state => 'down', reason => 'condition', want => 'up');
    die "started, and not wanted\n" if probe_runs($report);
    unlink "$dir/unwanted";
    order($s, $dir, 'u');
    my $first = is_now($s, $dir, 'started', state => 'starting', ready => 0, role => 'run')->{pid};
    write_file("$dir/ready", '');
    is_now($s, $dir, 'ready', state => 'up', ready => 1, pid => $first);
    order($s, $dir, 'c'); # what is not answered is CONT, which changes nothing
    reach($s, $dir, 'the answer to c', sub { grep({ /^\S+ $first$/ } lines("$dir/asked")) || said($dir) =~ $unasked });
    succeed($s, $dir);
    is_now($s, $dir, 'adoption', state => 'up', ready => 1, pid => $first, adopted => 1);
    kill9($first);
    my $second = reach($s, $dir, 'the restart', sub { my $now = state_is($dir, state => 'up', ready => 1); $now && $now->{pid} != $first && living_probe($report) });
    order($s, $dir, 'd');
    is_now($s, $dir, 'down', state => 'down', pid => 0);
    die "down, and living\n" if living_probe($report);
    # An order that cannot be answered is followed all the same.
    die "nobody was asked about the stop\n" if !grep({ /^\S+ $second$/ } lines("$dir/asked")) && said($dir) !~ $unasked;
    end_service($s, $dir);
}

# --- oneshot, max-deaths --------------------------------------------------------------------

sub live_oneshot {
    my ($s) = @_;
    my $dir = make_service("$s->{base}.once", run => 'echo start >>ran', finish => 'echo finish >>ran', files => { %quick, type => "oneshot\n" });
    my $bad = make_service("$s->{base}.bad", run => 'echo start >>ran; exit 3', files => { 'restart-delays' => "0\n", 'max-deaths' => "3 600000\n" });
    begin_service($s, $dir);
    is_now($s, $dir, 'done', state => 'done');
    succeed($s, $dir);
    is_now($s, $dir, 'still done', state => 'done', want => 'up');
    die 'done more than once: ' . join(' ', lines("$dir/ran")) . "\n" if "@{[lines(\"$dir/ran\")]}" ne 'start';
    order($s, $dir, 'd');
    is_now($s, $dir, 'undone', state => 'down', pid => 0);
    order($s, $dir, 'u');
    is_now($s, $dir, 'done again', state => 'done', want => 'up');
    end_service($s, $dir);
    my $undone = (file_text("$dir.err") // '') =~ m{unable to (?:execute|start|open)[^\n]*finish} ? qr/finish ?/ : qr/(?!)/;
    my $ran = join ' ', lines("$dir/ran");
    die "misread\n" if said($dir) =~ /: cannot be (?:looked at|read): /;
    die "has run: $ran\n" if $ran !~ /^start (?:finish |$undone)?start(?: finish)?$/ || ($ran ne 'start finish start finish' && (file_text("$dir.err") // '') !~ /finish/);

    # What cannot be read is not counted.
    my $uncounted = ($s->{env}{LARES_FAULT} // '') =~ /^pread:/;
    begin_service($s, $bad);
    is_now($s, $bad, 'given up', state => 'failed', reason => 'too-many-deaths');
    my $starts = lines("$bad/ran");
    die "given up after $starts starts\n" if $starts > 3 && !$uncounted;
    succeed($s, $bad);
    is_now($s, $bad, 'still given up', state => 'failed', want => 'up');
    die "started by a successor\n" if lines("$bad/ran") != $starts;
    order($s, $bad, 'u');
    my $again = is_now($s, $bad, 'given up again', state => 'failed', deaths => qr/^(?!3$)/);
    die "given up again after $again->{deaths} deaths\n" if $again->{deaths} != 6 && !$uncounted;
    end_service($s, $bad);
}

my %lives = (sd => \&live_sd, check => \&live_check, oneshot => \&live_oneshot);
for my $kind (sort keys %lives) {
    note($kind);
    fault_campaign('supervise', seconds => 5, scenario => life($lives{$kind}));
}
no_processes_left();
# A read-only file system refuses to remove what is not there, too: a service that has no readiness
# descriptor was not started any more for that.
{
    my $dir = make_service(tmp('plain'), run => 'exec sleep 1000');
    my $file = new_board('plain.board');
    my $pid = spawn([faulty('supervise'), $dir], stderr => tmp('plain.err'),
        env => { LARES_FAULT => 'unlink:1:' . POSIX::EROFS() . ':ms:600000', LARES_FAULT_FILE => $file });
    my $first = wait_state($dir, state => 'up')->{pid};
    kill9($first);
    ok((wait_for { my $s = state_is($dir, state => 'up'); $s && $s->{pid} != $first } 'another run'), 'started where nothing can be removed');
    control($dir, 'dx');
    is(wait_exit($pid)->{exit}, 0, 'left in order');
    no_processes_left();
}

done_testing;
