# control/C: a service's own answers to commands.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

# A probe that notes signals, with scripts: each reads `code`, notes its arguments, and ends with
# that code, once `gate` has been read where there is one.
sub service {
    my ($name, $scripts, %files) = @_;
    my $dir = tmp($name);
    my $script = "#!/bin/sh\nread code <code\necho \"\${0#control/} \$1 \$2\" >>scripts\n[ ! -e gate ] || read x <gate\nexit \"\$code\"\n";
    $script =~ s/\$\{0#control\/\}/\${0##*\/}/;
    return make_service($dir, run => [probe("$dir.report", 'trap', 1, 'trap', 10, 'sleep')],
        files => { code => "0\n", 'timeout-kill' => "60000\n",
            (map { ("control/$_" => { text => $script, mode => 0755 }) } split //, $scripts), %files });
}
sub scripts { my $text = file_text("$_[0]/scripts"); return defined $text ? $text : '' }
sub signals { my @r = probe_runs("$_[0].report"); return join ' ', map { s/signal //r } grep { /signal/ } @{ $r[-1]{events} } }
sub code { write_file("$_[0]/code", "$_[1]\n") }
sub up { my ($dir) = @_; my $s = wait_state($dir, state => 'up'); wait_for { my @r = probe_runs("$dir.report"); @r && $r[-1]{pid} == $s->{pid} } 'the probe'; return $s->{pid} }

# --- signals ---
{
    my $dir = service('signals', 'h1p');
    my $pid = supervise($dir);
    my $main = up($dir);
    control($dir, 'h');
    wait_for { scripts($dir) eq "h signals $main\n" } 'the script';
    wait_state($dir, pending => '');
    code($dir, 1);
    control($dir, '1');
    wait_for { signals($dir) =~ /10/ } 'USR1';
    is(scripts($dir), "h signals $main\n1 signals $main\n", 'a script is run before the signal is sent, with name and pid');
    unlike(signals($dir), qr/\b1\b/, 'exit 0 replaced HUP');
    code($dir, 0);
    control($dir, 'p');
    wait_for { scripts($dir) =~ /^p/m } 'pause';
    wait_state($dir, pending => '');
    control($dir, 'h');
    wait_for { (() = scripts($dir) =~ /^h/mg) == 2 } 'the next script';
    wait_state($dir, pending => '');
    is(read_state($dir)->{paused}, 0, 'a pause that is replaced is none');
    unlink "$dir/control/h";
    control($dir, 'h');
    wait_for { signals($dir) =~ /\b1$/ } 'HUP: without the script it is sent';
    write_file("$dir/control/h", "not executable\n", 0644);
    control($dir, 'h');
    wait_message($dir, qr{control/h is no executable file; it is not run});
    wait_for { signals($dir) =~ /\b1 1$/ } 'HUP: one that cannot be executed counts for nothing';
    write_file("$dir/control/h", "#!/nonexistent\n", 0755);
    control($dir, 'h');
    wait_for { signals($dir) =~ /\b1 1 1$/ } 'HUP: nor does one without interpreter';
    wait_message($dir, qr{unable to execute control/h: });
    pass('scripts that cannot be run');
    is(leave_service($dir, $pid), 0, 'x is not theirs');
    no_processes_left();
}

# --- order, and nothing waits ---
{
    my $dir = service('order', '1h', gate => { fifo => 0600 });
    code($dir, 1);
    my $pid = supervise($dir);
    my $main = up($dir);
    control($dir, '1h');
    wait_for { scripts($dir) =~ /^1/ } 'the script';
    control($dir, 'c' x 100);
    is(run([bin('svok'), $dir])->{exit}, 0, 'the supervisor does not wait, whatever is sent');
    wait_for { length read_state($dir)->{pending} == 23 } 'what comes behind is put off';
    is(signals($dir), '', 'nothing is sent before the script has ended');
    like(run([bin('svstat'), $dir])->{out}, qr{, running control/1, then hc{21}$}, 'svstat says what the letters wait for');
    like(run([bin('svstat'), '--json', $dir])->{out}, qr/"control_letters":"1hc{21}"/, '... and --json');
    write_file("$dir/gate", "\n");
    wait_for { signals($dir) eq '10' } 'USR1';
    wait_for { scripts($dir) eq "1 order $main\nh order $main\n" } 'the next script';
    write_file("$dir/gate", "\n");
    wait_for { signals($dir) eq '10 1' } 'HUP';
    wait_state($dir, pending => '');
    pass('the order of commands is kept');
    control($dir, '1d');
    wait_for { (() = scripts($dir) =~ /^1/mg) == 2 } 'the script again';
    is(read_state($dir)->{state}, 'up', 'a stop behind it waits, too');
    write_file("$dir/gate", "\n");
    wait_state($dir, state => 'down', want => 'down');
    leave_service($dir, $pid);
    no_processes_left();
}

# --- a letter behind a stop that has a script ---
# It was forgotten, and a scanner that had sent it waited for ever.
{
    my $dir = service('behind', '1d', gate => { fifo => 0600 });
    code($dir, 1);
    my $pid = supervise($dir);
    up($dir);
    control($dir, '1dx');
    wait_for { scripts($dir) =~ /^1/ } 'the script of a signal';
    write_file("$dir/gate", "\n");
    wait_for { scripts($dir) =~ /^d/m } 'the script of the stop';
    wait_state($dir, pending => 'x');
    pass('x waits for it');
    write_file("$dir/gate", "\n");
    is(wait_exit($pid)->{exit}, 0, 'and is obeyed when that has ended');
    no_processes_left();
}

# --- stops ---
{
    my $dir = service('stops', 'td');
    my $pid = supervise($dir);
    my $main = up($dir);
    code($dir, 1);
    control($dir, 'd');
    wait_state($dir, state => 'down');
    is(scripts($dir), "t stops $main\nd stops $main\n", 'd: control/t, then control/d');
    is(read_state($dir)->{wstat}, 15, 'neither exited 0: TERM');
    write_file("$dir/control/d", "#!/bin/sh\necho d >>scripts; kill -9 \$2\n", 0755);
    control($dir, 'u');
    up($dir);
    control($dir, 'd');
    my $s = wait_state($dir, state => 'down');
    is($s->{wstat}, 9, 'control/d: a stop of your own, without TERM');
    control($dir, 'u');
    $main = up($dir);
    write_file("$dir/control/d", "#!/bin/sh\nexit 0\n", 0755);
    write_file("$dir/timeout-kill", "200\n");
    signal($pid, 'HUP');
    control($dir, 'u');
    control($dir, 'd');
    $s = wait_state($dir, state => 'down');
    my ($stopping) = grep { $_->{state} eq 'stopping' } reverse read_history($dir);
    is($stopping->{want}, 'down', 'told to be down it is stopping whatever the script does');
    is($s->{wstat}, 9, 'one that does nothing: KILL after timeout-kill');
    write_file("$dir/control/r", "#!/bin/sh\necho r >>scripts; exit 1\n", 0755);
    write_file("$dir/control/x", "#!/bin/sh\necho x >>scripts; exit 1\n", 0755);
    code($dir, 1);
    write_file("$dir/timeout-kill", "60000\n");
    unlink "$dir/scripts";
    control($dir, 'u');
    up($dir);
    my $starts = read_state($dir)->{starts};
    control($dir, 'r');
    wait_state($dir, state => 'up', starts => $starts + 1);
    up($dir);
    signal($pid, 'TERM');
    is(wait_exit($pid)->{exit}, 0, 'told to leave by signal');
    is(join(' ', map { /^(.)/ } split /\n/, scripts($dir)), 't r t x', 'r: t and r; x: t and x');
    no_processes_left();
}

# --- u, o ---
{
    my $dir = service('up', 'uo', down => '');
    my $pid = supervise($dir);
    wait_state($dir, state => 'down');
    control($dir, 'u');
    wait_for { scripts($dir) =~ /^u up 0$/m } 'control/u';
    wait_state($dir, pending => '');
    code($dir, 1);
    control($dir, 'o');
    wait_state($dir, state => 'up', want => 'once');
    is(read_state($dir)->{starts}, 1, 'u was replaced, o was not');
    leave_service($dir, $pid);
}

# --- time-outs, kills ---
{
    my $dir = service('killed', 'd', gate => { fifo => 0600 });
    my $pid = supervise($dir);
    my $main = up($dir);
    code($dir, 1);
    control($dir, 'd');
    wait_for { scripts($dir) } 'the script';
    wait_state($dir, state => 'stopping'); # a command that is not on record dies with its supervisor
    my ($script) = grep { $_->{command} =~ m{control/d} } descendants($pid);
    kill9($pid);
    wait_exit($pid);
    wait_for { !alive($script->{pid}) } 'a script dies with its supervisor';
    $pid = supervise($dir);
    wait_for { (() = scripts($dir) =~ /^d/mg) == 2 } 'the next one runs it again';
    is(read_state($dir)->{state}, 'stopping', 'the stop goes on');
    write_file("$dir/gate", "\n");
    wait_state($dir, state => 'down');
    is(read_state($dir)->{wstat}, 15, 'and TERM is sent when the script has not replaced it');
    leave_service($dir, $pid);

    $dir = service('pending', '1', gate => { fifo => 0600 });
    $pid = supervise($dir);
    $main = up($dir);
    code($dir, 1);
    control($dir, '1h');
    wait_for { scripts($dir) } 'the script';
    control($dir, 'Z');
    wait_for { (() = scripts($dir) =~ /^1/mg) == 2 } 'over an upgrade it is begun anew';
    kill9($pid);
    wait_exit($pid);
    $pid = supervise($dir);
    wait_for { (() = scripts($dir) =~ /^1/mg) == 3 } 'and by the next supervisor';
    write_file("$dir/gate", "\n");
    wait_for { signals($dir) =~ /^(?:10 1|1 10)$/ } 'the letters that waited are not lost';
    is(read_state($dir)->{pid}, $main, 'the service has lived through it');
    control($dir, '1');
    wait_for { (() = scripts($dir) =~ /^1/mg) == 4 } 'the script';
    signal($main, 'KILL');
    wait_state($dir, state => 'up', starts => 2);
    up($dir);
    write_file("$dir/gate", "\n");
    control($dir, 'h');
    wait_for { signals($dir) eq '1' } 'a signal for a process that has ended is dropped';
    write_file("$dir/control/d", "#!/bin/sh\nkill -STOP \$\$\n", 0755);
    write_file("$dir/timeout-kill", "200\n");
    signal($pid, 'HUP');
    control($dir, 'd');
    is(wait_state($dir, state => 'down')->{wstat}, 9, 'a script that hangs holds up no stop');
    wait_message($dir, qr{control/d took too long and was killed});
    control($dir, 'u');
    up($dir);
    if ($ENV{LARES_LONG}) {
        write_file("$dir/control/1", "#!/bin/sh\nkill -STOP \$\$\n", 0755);
        control($dir, '1h');
        wait_for { signals($dir) =~ /\b1\b/ } 'HUP';
        pass('a script that hangs has ten seconds');
    }
    leave_service($dir, $pid);
    no_processes_left();
}
done_testing;
