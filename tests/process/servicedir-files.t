# Every file of a service directory: what it does, what is without it, and what is said when it is
# malformed. Each case is run here, and says of which file it is; a file of the tables in the code
# (tests/probe/svdirnames.c) or of lares-servicedir(5) for which one of the three is missing fails
# this test. What every value says to each kind of content is in tests/unit/svdir_malformed.c.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::Sd;
use Lares::State;
use Test::More;

my (@cases, %proved, %services);

# A service of its own for a case. Everything is started first and looked at then.
sub service {
    my ($name, $run, %opt) = @_;
    my $dir = make_service(tmp($name), defined $run ? (run => $run) : (), %opt);
    $services{$dir} = supervise($dir, wait => 0);
    return $dir;
}
# effect($file, $what, $dir, sub { assertions of $dir }); absence and malformed alike.
sub effect    { push @cases, [ 'effect',    @_ ] }
sub absence   { push @cases, [ 'absence',   @_ ] }
sub malformed { push @cases, [ 'malformed', @_ ] }
sub prove {
    my ($kind, $file, $what, $dir, $code) = @{ $_[0] };
    my $before = Test::More->builder->current_test;
    eval { $code->($dir); 1 } or fail("$file, $kind: $what") or diag($@);
    $proved{$file}{$kind} += grep { $_ } (Test::More->builder->summary)[ $before .. Test::More->builder->current_test - 1 ];
}
# What a file lacks of the three.
sub lacking { my ($file) = @_; return grep { !$proved{$file}{$_} } qw(effect absence malformed) }

my @now = ('restart-delays' => "100000\n"); # one life, and then a long rest
my $sleep = 'exec sleep 1000';
sub executable { return { text => "#!/bin/sh\n$_[0]\n", mode => 0755 } }
sub text_of { my ($path) = @_; return scalar wait_for { my $text = file_text($path); length($text // '') && $text } $path }
sub comes(&$) { my ($condition, $text) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; return ok(scalar(&wait_for($condition, $text)), $text) }
sub events { my ($dir) = @_; return join ' ', map { $_->{event} } read_history($dir) }
sub probed { my ($dir) = @_; return scalar wait_for { (probe_runs("$dir.report"))[-1] } "the probe of $dir" }
sub probing { my ($name, @rest) = @_; return service($name, [ probe(tmp("$name.report"), @rest ? @{ shift @rest } : 'sleep') ], @rest) }
# The deadline was set so many seconds after something that happened between then and now.
sub due_after {
    my ($seconds, $then, $dir, $what) = @_;
    my ($due, $now) = (read_state($dir)->{deadline} / 1e9, Lares::Process::now());
    ok($due >= $then + $seconds && $due <= $now + $seconds, $what) or diag("due $due, between $then and $now");
}

# One without any file but `run`, and one that ends at once: most absences.
my $plain = service('plain', "echo \"\$1\" >ran; $sleep");
my $ends = service('ends', 'exit 3', files => { restart => "never\n" });

# --- programs ---------------------------------------------------------------------------------------------
effect('run', 'becomes the service', $plain, sub { my ($dir) = @_;
    is(text_of("$dir/ran"), "plain\n", 'run: executed, with the name of the service') });
absence('run', 'is awaited', service('norun', undef, files => {@now}), sub { my ($dir) = @_;
    is(wait_state($dir, state => 'backoff')->{reason}, 'no-run', 'run: without it nothing is started') });
effect('start', 'comes first', service('start', "echo run >>order; $sleep", start => 'echo start >>order'), sub { my ($dir) = @_;
    wait_state($dir, state => 'up');
    comes { text_of("$dir/order") eq "start\nrun\n" } 'start: before run' });
absence('start', 'nothing comes first', $plain, sub { my ($dir) = @_;
    wait_state($dir, state => 'up');
    is(events($dir), 'boot', 'start: without it run comes first') });
for my $name (qw(finish stop)) {
    effect($name, 'after a death', service("with-$name", 'exit 3', files => { restart => "never\n", $name => executable('echo "$1 $2 $3" >got') }), sub { my ($dir) = @_;
        wait_state($dir, state => 'failed');
        is(file_text("$dir/got"), "3 0 with-$name\n", "$name: with the exit code, after the death") });
    absence($name, 'nothing', $ends, sub { my ($dir) = @_;
        wait_state($dir, state => 'failed');
        is(events($dir), 'boot run-died', "$name: without it nothing follows a death") });
}
effect('check', 'says when', service('check', $sleep, check => '[ -e good ]'), sub { my ($dir) = @_;
    is(wait_state($dir, state => 'starting', role => 'run')->{notifies}, 1, 'check: not ready before it says so');
    write_file("$dir/good", '');
    is(wait_state($dir, state => 'up')->{ready}, 1, 'check: and ready then') });
absence('check', 'up by running', $plain, sub { my ($dir) = @_;
    my $s = wait_state($dir, state => 'up');
    is("$s->{ready} $s->{notifies}", '0 0', 'check: without it up by running') });
effect('condition', 'no', service('condition', 'touch ran', condition => 'exit 4'), sub { my ($dir) = @_;
    my $s = wait_state($dir, state => 'down', want => 'up', reason => 'condition');
    is("$s->{starts} $s->{detail}", '0 4', 'condition: no is down, with the reason') });
absence('condition', 'unasked', $plain, sub { my ($dir) = @_;
    is(wait_state($dir, state => 'up')->{starts}, 1, 'condition: without it nothing is asked') });

# --- values -----------------------------------------------------------------------------------------------
effect('type', 'oneshot', service('oneshot', 'exit 0', files => { type => "oneshot\n" }), sub { my ($dir) = @_;
    is(wait_state($dir, state => 'done')->{starts}, 1, 'type: a oneshot is done') });
effect('type', 'forking', probing('forking', [ qw(launch 0 sleep) ], files => { type => "forking\n", @now }), sub { my ($dir) = @_;
    my $s = wait_state($dir, state => 'up');
    is("$s->{starts} $s->{deaths}", '1 0', 'type: what a forking one leaves is the service') });
absence('type', 'longrun', service('longrun', 'exit 0', files => {@now}), sub { my ($dir) = @_;
    is(wait_state($dir, state => 'backoff')->{deaths}, 1, 'type: without it an end is a death') });
effect('restart', 'never', $ends, sub { my ($dir) = @_; is(wait_state($dir, state => 'failed')->{starts}, 1, 'restart: never is never') });
effect('restart', 'on-failure', service('onfailure', 'exit 0', files => { restart => "on-failure\n" }), sub { my ($dir) = @_;
    is(wait_state($dir, state => 'done')->{starts}, 1, 'restart: on-failure is content with a success') });
absence('restart', 'always', service('always', 'exit 0', files => { 'restart-delays' => "0\n" }), sub { my ($dir) = @_;
    comes { read_state($dir)->{starts} > 2 } 'restart: without it always' });
sub delay_of { my ($dir) = @_; my $s = wait_state($dir, state => 'backoff'); return ($s->{deadline} - $s->{died}) / 1e6 }
effect('restart-delays', 'the second of two', service('delays', 'exit 1', files => { 'restart-delays' => "60000 70000\n", 'restart-reset' => "600000\n" }), sub { my ($dir) = @_;
    is(delay_of($dir), 70000, 'restart-delays: after one early death the second') });
absence('restart-delays', 'a second', service('nodelays', 'exit 1', files => { 'restart-reset' => "600000\n" }), sub { my ($dir) = @_;
    is(delay_of($dir), 1000, 'restart-delays: without it a second after one early death') });
effect('restart-reset', 'every run is good', service('reset', 'exit 1', files => { 'restart-delays' => "0 100000\n", 'restart-reset' => "0\n" }), sub { my ($dir) = @_;
    comes { my $s = read_state($dir); $s->{starts} > 2 && !$s->{early} } 'restart-reset: 0 makes every run good' });
absence('restart-reset', 'an early death', service('noreset', 'exit 1', files => { 'restart-delays' => "0 100000\n" }), sub { my ($dir) = @_;
    is(wait_state($dir, state => 'backoff')->{early}, 1, 'restart-reset: without it a run of less than a second is an early death') });
effect('max-deaths', 'failed', service('maxdeaths', 'exit 1', files => { 'restart-delays' => "0\n", 'max-deaths' => "3 60000\n" }), sub { my ($dir) = @_;
    my $s = wait_state($dir, state => 'failed');
    is("$s->{deaths} $s->{reason}", '3 too-many-deaths', 'max-deaths: the third is one too many') });
absence('max-deaths', 'for ever', service('manydeaths', 'exit 1', files => { 'restart-delays' => "0\n" }), sub { my ($dir) = @_;
    comes { read_state($dir)->{deaths} > 5 } 'max-deaths: without it there is no limit' });
effect('retry-failed', 'tried again', service('retry', 'exit 1', files => { restart => "never\n", 'retry-failed' => "20\n" }), sub { my ($dir) = @_;
    comes { read_state($dir)->{starts} > 2 } 'retry-failed: tried again and again' });
absence('retry-failed', 'never', $ends, sub { my ($dir) = @_; is(wait_state($dir, state => 'failed')->{next_in}, undef, 'retry-failed: without it never') });
for my $size ([ 'max-history', {}, 1024 ], [ 'max-history', { 'max-history' => "100\n" }, 100 ], [ 'max-death-tally', { 'max-history' => "100\n", 'max-deaths' => "3 1\n" }, 400 ],
    [ 'max-death-tally', { 'max-history' => "100\n", 'max-deaths' => "3 1\n", 'max-death-tally' => "50\n" }, 200 ]) {
    my ($file, $files, $room) = @$size;
    my $how = $files->{$file} ? \&effect : \&absence;
    $how->($file, "$room records", service("$file-$room", $sleep, files => $files), sub { my ($dir) = @_;
        wait_state($dir, state => 'up');
        control($dir, 'pc' x ($room / 2 + 1));
        wait_for { read_state($dir)->{sequence} > $room } 'so many changes';
        is(-s "$dir/supervise/history", $room * 64, "$file: room for $room records") });
}
my @two = qw(child launch 0 detach pidfile run.pid sleep);
effect('pid-file', 'names one of two', probing('pidfile', \@two, files => { type => "forking\n", 'pid-file' => "run.pid\n" }), sub { my ($dir) = @_;
    my $pid = text_of("$dir/run.pid");
    is(wait_state($dir, state => 'up')->{pid}, $pid + 0, 'pid-file: whom it names is the service') });
absence('pid-file', 'two are left', probing('nopidfile', \@two, files => { type => "forking\n", 'timeout-start' => "1000000\n" }), sub { my ($dir) = @_;
    text_of("$dir/run.pid");
    is(wait_state($dir, state => 'starting', pid => 0)->{deaths}, 0, 'pid-file: without it none of two is chosen') });
effect('notification-fd', 'a newline', probing('ready', [ qw(ready 7 sleep) ], files => { 'notification-fd' => "7\n" }), sub { my ($dir) = @_;
    is(wait_state($dir, state => 'up')->{ready}, 1, 'notification-fd: ready by a newline on it') });
absence('notification-fd', 'no descriptor', probing('bare'), sub { my ($dir) = @_;
    is_deeply([ sort keys %{ probed($dir)->{fds} } ], [ 0, 1, 2 ], 'notification-fd: without it no descriptor but 0 to 2') });
effect('lock-fd', 'is open', probing('lockfd', ['sleep'], files => { 'lock-fd' => "7\n" }), sub { my ($dir) = @_;
    is(probed($dir)->{fds}{7}, $dir, 'lock-fd: open, and locks nothing') });
absence('lock-fd', 'is not', tmp('bare'), sub { my ($dir) = @_; ok(!exists probed($dir)->{fds}{7}, 'lock-fd: without it not open') });
sub sd_case { my ($name, %files) = @_; my $dir = sd_service(tmp($name), files => { @now, %files }); $services{$dir} = supervise($dir, wait => 0); return $dir }
my $sd = sd_case('sd');
effect('notify', 'sd', $sd, sub { my ($dir) = @_;
    sd_born($dir);
    is(wait_state($dir, state => 'starting', role => 'run')->{ready}, 0, 'notify: sd waits for a word');
    sd_tell($dir, 'send READY=1');
    is(wait_state($dir, state => 'up')->{ready}, 1, 'notify: ... which is heard') });
absence('notify', 'no socket', tmp('bare'), sub { my ($dir) = @_; ok(!exists probed($dir)->{env}{NOTIFY_SOCKET}, 'notify: without it no socket') });
effect('timeout-watchdog', 'silence', sd_case('watchdog', 'timeout-watchdog' => "50\n"), sub { my ($dir) = @_;
    sd_born($dir);
    sd_tell($dir, 'send READY=1');
    is(wait_state($dir, state => 'backoff')->{reason}, 'watchdog', 'timeout-watchdog: who is silent for longer is ended') });
absence('timeout-watchdog', 'unasked', $sd, sub { my ($dir) = @_;
    is((grep { /^variables / } sd_tell($dir, 'variables'))[0] =~ / - -$/ ? 1 : 0, 1, 'timeout-watchdog: without it no sign of life is asked for') });
for my $signal ([ 'down-signal', 'd', 'INT', 'TERM' ], [ 'reload-signal', 'R', 'USR1', 'HUP' ]) {
    my ($file, $letter, $other, $standard) = @$signal;
    for my $name ($other, $standard) {
        my $dir = service("$file-$name", "for s in $other $standard; do trap \"echo \$s >got; exit 0\" \$s; done; echo >ready; while :; do sleep 0.02; done",
            files => { @now, $name eq $other ? ($file => "$name\n") : () });
        ($name eq $other ? \&effect : \&absence)->($file, $name, $dir, sub {
            text_of("$dir/ready");
            control($dir, $letter);
            is(text_of("$dir/got"), "$name\n", "$file: it gets $name") });
    }
}
for my $mode ('process', '') {
    my $dir = service("mode$mode", "sleep 1000 & echo \$! >other; $sleep", files => { $mode ? ('kill-mode' => "$mode\n") : () });
    ($mode ? \&effect : \&absence)->('kill-mode', 'whom a stop ends', $dir, sub {
        chomp(my $other = text_of("$dir/other"));
        control($dir, 'd');
        wait_state($dir, state => 'down');
        is(alive($other), $mode ? 1 : 0, $mode ? 'kill-mode: process leaves the others' : 'kill-mode: without it a stop ends all');
        signal($other, 'KILL') if $mode });
}
my %hangs = (start => 'exec sleep 1001');
effect('timeout-start', 'start hangs', service('slowstart', $sleep, %hangs, files => { @now, 'timeout-start' => "50\n" }), sub { my ($dir) = @_;
    is(wait_state($dir, state => 'backoff')->{reason}, 'start-timeout', 'timeout-start: a start that takes longer is ended') });
absence('timeout-start', 'no limit', service('longstart', $sleep, %hangs), sub { my ($dir) = @_;
    is(wait_state($dir, state => 'starting', role => 'start')->{next_in}, undef, 'timeout-start: without it there is no limit') });
effect('timeout-ready', 'never ready', service('slowready', $sleep, files => { @now, 'notification-fd' => "3\n", 'timeout-ready' => "50\n" }), sub { my ($dir) = @_;
    is(wait_state($dir, state => 'backoff')->{reason}, 'ready-timeout', 'timeout-ready: who is not ready by then is ended') });
absence('timeout-ready', 'no limit', service('longready', $sleep, files => { 'notification-fd' => "3\n" }), sub { my ($dir) = @_;
    is(wait_state($dir, state => 'starting', role => 'run')->{next_in}, undef, 'timeout-ready: without it there is no limit') });
my $deaf = "trap '' TERM; echo >ready; $sleep";
sub told_to_end { my ($dir) = @_; text_of("$dir/ready"); my $then = Lares::Process::now(); control($dir, 'd'); return $then }
effect('timeout-kill', 'KILL', service('deaf', $deaf, files => { 'timeout-kill' => "50\n" }), sub { my ($dir) = @_;
    told_to_end($dir);
    is(wait_state($dir, state => 'down')->{wstat}, 9, 'timeout-kill: KILL after it') });
effect('timeout-kill', 'ten minutes', service('deafest', $deaf, files => { 'timeout-kill' => "600000\n" }), sub { my ($dir) = @_;
    my $then = told_to_end($dir);
    wait_state($dir, state => 'stopping');
    due_after(600, $then, $dir, 'timeout-kill: so long after the signal');
    control($dir, 'k') });
absence('timeout-kill', 'ten seconds', service('deafer', $deaf), sub { my ($dir) = @_;
    my $then = told_to_end($dir);
    wait_state($dir, state => 'stopping');
    due_after(10, $then, $dir, 'timeout-kill: without it after ten seconds');
    control($dir, 'k') });
my %slow = (finish => 'echo >finishing; exec sleep 1001');
effect('timeout-finish', 'ten minutes', service('longerend', "echo >ready; $sleep", %slow, files => { 'timeout-finish' => "600000\n" }), sub { my ($dir) = @_;
    my $then = told_to_end($dir);
    wait_state($dir, state => 'finishing');
    due_after(600, $then, $dir, 'timeout-finish: so long after its start');
    control($dir, 'k') });
effect('timeout-finish', 'KILL', service('slowend', "echo >ready; $sleep", %slow, files => { 'timeout-finish' => "50\n" }), sub { my ($dir) = @_;
    told_to_end($dir);
    wait_state($dir, state => 'down');
    is((wait_history($dir, 1, event => 'finish-done'))[0]{wstat}, 9, 'timeout-finish: a finish that takes longer is killed') });
absence('timeout-finish', 'five seconds', service('longend', "echo >ready; $sleep", %slow), sub { my ($dir) = @_;
    my $then = told_to_end($dir);
    wait_state($dir, state => 'finishing');
    due_after(5, $then, $dir, 'timeout-finish: without it after five seconds');
    control($dir, 'k') });

# --- marks and directories -----------------------------------------------------------------------------------
effect('down', 'not started', service('down', 'touch ran', files => { down => '' }), sub { my ($dir) = @_;
    my $s = wait_state($dir, state => 'down');
    is("$s->{want} $s->{starts} $s->{normally_down}", 'down 0 1', 'down: not started by itself') });
absence('down', 'started', $plain, sub { my ($dir) = @_; is(wait_state($dir, state => 'up')->{normally_down}, 0, 'down: without it started') });
for my $flag (1, 0) {
    my $dir = service("group$flag", 'sleep 1000 & echo $! >other; trap "" TERM; echo $$ >ready; while :; do sleep 1000 & wait; done',
        files => { 'kill-mode' => "process\n", 'timeout-kill' => "50\n", $flag ? ('flag-timeout-killpg' => '') : () });
    ($flag ? \&effect : \&absence)->('flag-timeout-killpg', 'whom KILL ends', $dir, sub {
        told_to_end($dir);
        wait_state($dir, state => 'down');
        chomp(my $other = text_of("$dir/other"));
        if ($flag) { comes { !alive($other) } 'flag-timeout-killpg: KILL goes to the group' }
        else { ok(alive($other), 'flag-timeout-killpg: without it to the main process alone') }
        signal($_->{pid}, 'KILL') for grep { $_->{command} =~ /^sleep/ } descendants($services{$dir}) });
}
absence('flag-newpidns', 'our own', service('ourspace', "echo \$\$ >self; $sleep"), sub { my ($dir) = @_;
    is(text_of("$dir/self"), wait_state($dir, state => 'up')->{pid} . "\n", 'flag-newpidns: without it in our namespace') });
effect('flag-newpidns', 'pid 1', service('space', "echo \$\$ >self; $sleep", files => { 'flag-newpidns' => '', 'timeout-kill' => "50\n" }), sub { my ($dir) = @_;
    my $s = wait_state($dir, state => 'up');
    my $self = text_of("$dir/self");
    if (messages($dir) =~ /flag-newpidns: unable to make a pid namespace, the service runs without/) {
        diag('no pid namespaces can be made here: what is said then is tested instead');
        return is($self, "$s->{pid}\n", 'flag-newpidns: no namespace can be made here, and it runs without');
    }
    is($self, "1\n", 'flag-newpidns: pid 1 of a namespace');
    is(process_info($s->{pid})->{ppid}, $services{$dir}, '... the state has its pid outside');
    kill9($services{$dir});
    wait_exit($services{$dir});
    $services{$dir} = supervise($dir);
    is(wait_state($dir, state => 'up', adopted => 1)->{pid}, $s->{pid}, '... and a new supervisor adopts it by that') });
effect('control', 'its own answer', service('answers', $sleep, files => { 'control/h' => executable('echo "$1 $2" >got') }), sub { my ($dir) = @_;
    my $s = wait_state($dir, state => 'up');
    control($dir, 'h');
    is(text_of("$dir/got"), "answers $s->{pid}\n", 'control: the script is run');
    is(wait_state($dir, pending => '')->{pid}, $s->{pid}, '... instead of the signal') });
absence('control', 'a signal', service('signalled', $sleep, files => {@now}), sub { my ($dir) = @_;
    wait_state($dir, state => 'up');
    control($dir, 'h');
    is(wait_state($dir, state => 'backoff')->{wstat}, 1, 'control: without it the signal is sent') });

# What only a scanner makes of a directory.
my ($scan) = new_scan();
make_service("$scan/base", run => $sleep, files => { down => '' });
make_service("$scan/needy", run => $sleep, files => { 'needs/base' => '' });
make_service("$scan/first", run => $sleep, start => 'read x <gate', files => { gate => { fifo => 0600 } });
make_service("$scan/second", run => $sleep, files => { 'after/first' => '' });
make_service("$scan/logged", run => "echo said by logged; $sleep", log => 'exec cat >../got');
make_service("$scan/free", run => "echo said by free; $sleep", files => { 'command/hello' => executable('echo "hello $1"'), 'command/text' => 'no program' });
make_service("$scan/ended", run => 'exit 7', files => { restart => "never\n" });
my ($essential) = new_scan();
make_service("$essential/main", run => 'exit 7', files => { restart => "never\n", essential => '' });
my ($scanner, $last) = (scanner($scan), scanner($essential));
effect('essential', 'all is over', $essential, sub { is(wait_exit($last)->{exit}, 7, 'essential: its end ends the scanner, with its code') });
absence('essential', 'nothing', "$scan/ended", sub { my ($dir) = @_;
    wait_state($dir, state => 'failed');
    ok(alive($scanner), 'essential: without it the others go on') });
effect('needs', 'waits', "$scan/needy", sub { my ($dir) = @_;
    is(wait_state($dir, state => 'waiting')->{starts}, 0, 'needs: waits for what it needs');
    wait_state("$scan/base", state => 'down');
    control("$scan/base", 'u');
    is(wait_state($dir, state => 'up')->{starts}, 1, '... and starts then') });
effect('after', 'order', "$scan/second", sub { my ($dir) = @_;
    is(wait_state($dir, state => 'waiting')->{starts}, 0, 'after: waits for who is about to be there');
    write_file("$scan/first/gate", "\n");
    is(wait_state($dir, state => 'up')->{starts}, 1, '... and starts then') });
for my $file (qw(needs after)) {
    absence($file, 'at once', "$scan/free", sub { my ($dir) = @_; wait_state($dir, state => 'up'); is(events($dir), 'boot', "$file: without it nobody is waited for") });
}
effect('log', 'a logger', "$scan/logged", sub { my ($dir) = @_; is(text_of("$dir/got"), "said by logged\n", 'log: gets what the service writes') });
absence('log', 'none', $scan, sub { comes { (file_text(Lares::Scan::beside($scan, 'out')) // '') =~ /^said by free$/m } 'log: without it output is the scanner\'s' });
sub command { return run([ build_dir() . '/bin/lares', 'run', '-s', $scan, 'free', @_ ]) }
effect('command', 'is run', "$scan/free", sub { my ($dir) = @_; wait_state($dir, state => 'up'); is(command('hello', 'you')->{out}, "hello you\n", 'command: is run') });
absence('command', 'is not there', "$scan/free", sub { is(command('none')->{exit}, 100, 'command: one that is not there is no command') });
malformed('command', 'no program', "$scan/free", sub { like(command('text')->{err}, qr/command\/text.*Permission denied/, 'command: one that cannot be executed is named') });

# --- each kind of damage, in all of them at once ---------------------------------------------------------------
my $names = run([ ($ENV{LARES_TESTS} || build_dir() . '/tests') . '/probe/svdirnames' ])->{out};
my %of;
push @{ $of{ (split)[0] } }, (split)[1] for split /\n/, $names;
my @programs = grep { $_ ne 'run' } @{ $of{program} }; # tests/process/badinput.t has more of that
my @all = (@{ $of{value} }, @programs, @{ $of{directory} }, @{ $of{mark} });
sub sees_damage {
    my ($kind, $what, @files) = @_;
    (my $name = "bad $kind") =~ s/ /-/g;
    my $dir = service($name, $sleep, files => { map { ($_ => $what) } @files });
    for my $file (@files) {
        malformed($file, $kind, $dir, sub {
            wait_state($dir, state => 'up');
            like(messages($dir), qr/^\S+ warning supervise \S+ \Q$file\E: [^\n]+; using [^\n]+$/m, "$file, $kind: named, with what is wrong and what is used") });
    }
}
my %content = ('empty' => '', 'blank' => " \n\n", 'garbage' => "\x01\xff none of it\n", 'NUL' => "1\0\n",
    'two lines' => "1\n2\n", 'too long' => '1' x 1100, 'negative' => "-1\n", 'unit' => "10s\n");
for my $kind (sort keys %content) {
    sees_damage($kind, $content{$kind}, grep { $_ ne 'pid-file' || $kind !~ /garbage|negative|unit/ } @{ $of{value} });
}
sees_damage('a directory', { dir => 0755 }, @{ $of{value} }, @programs);
sees_damage('a FIFO', { fifo => 0600 }, @{ $of{value} }, @programs, @{ $of{directory} });
sees_damage('a file', '', @{ $of{directory} });
sees_damage('a link to nowhere', { link => 'nowhere' }, @all);
my $nothing = service('nothing', undef, files => { run => { dir => 0755 } });
malformed('run', 'a directory', $nothing, sub { my ($dir) = @_;
    wait_message($dir, qr/ run: is a directory, a file is expected; using nothing/);
    is(wait_state($dir, state => 'backoff')->{reason}, 'no-run', 'run, a directory: named, and nothing is started') });
my %unexecutable = (start => 'backoff', finish => 'down', stop => 'down', check => 'up', condition => 'backoff', run => 'backoff');
for my $file (sort keys %unexecutable) {
    my $dir = service("text-$file", $file eq 'run' ? undef : $sleep, files => { $file => { text => "no program\n", mode => 0644 }, @now });
    malformed($file, 'not executable', $dir, sub {
        if ($unexecutable{$file} eq 'down') { wait_state($dir, state => 'up'); control($dir, 'd') }
        ok(wait_message($dir, $file eq 'check' ? qr{ check: is not executable; using nothing} : qr{unable to execute \./$file: Permission denied}), "$file, not executable: named");
        is(wait_state($dir, state => $unexecutable{$file})->{state}, $unexecutable{$file}, "... and the service is $unexecutable{$file}") });
}
if ($> == 0) {
    my $dir = make_service(tmp('unreadable'), run => $sleep, files => { map { ($_ => { text => "1\n", mode => 0 }) } @{ $of{value} } });
    my ($uid, $gid) = (getpwnam 'nobody')[2, 3];
    chown 0, $gid, $dir and chmod 0775, $dir and mkdir "$dir/supervise" and chown $uid, $gid, "$dir/supervise" and chmod 0700, "$dir/supervise" or die "$dir: $!\n";
    write_file("$dir.messages", '', 0666);
    write_file("$dir.out", '', 0666);
    $services{$dir} = supervise($dir, wait => 0, uid => $uid, gid => $gid);
    for my $file (@{ $of{value} }) {
        malformed($file, 'unreadable', $dir, sub {
            wait_state($dir, state => 'up');
            like(messages($dir), qr/ \Q$file\E: cannot be opened: Permission denied; using /, "$file, unreadable: named") });
    }
}
else { diag('not root: files that may not be read are tested in tests/unit/svdir_malformed.c alone') }

# --- all of it, and that nothing is missing --------------------------------------------------------------------------
prove($_) for @cases;
cmp_ok(scalar @all, '>', 30, 'the tables have their files');
my $page = file_text(source_dir() . '/doc/man/lares-servicedir.5');
my ($listed) = $page =~ /^\.Ss Programs(.*?)^\.Pp\nThe column$/ms;
my %listed = map { s{[ ,/].*}{}sr => 1 } $listed =~ /^\.It Pa ([^\n]+)/mg;
delete @listed{qw(supervise event)}; # the supervisor's, not of a definition
is_deeply([ sort keys %listed ], [ sort @all, 'run', 'command' ], 'the page has the files of the tables, and no other but command/');
for my $file (sort keys %listed) { is(join(' ', lacking($file)), '', "$file: effect, absence and malformed content were shown") }
is(join(' ', lacking('another')), 'effect absence malformed', 'a file without cases would be noticed');

control($_, 'x') for sort keys %services;
is(join(' ', grep { (wait_exit($services{$_})->{exit} // 'killed') ne '0' } sort keys %services), '', 'all leave in order');
is(stop_scanner($scanner), 0, 'so does the scanner');
no_processes_left();
done_testing;
