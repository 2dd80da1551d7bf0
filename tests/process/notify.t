# SCAN/.lares/notify: run for each change of each service, in order, with what it needs to know; its
# failure, its hanging and a flood cost the services nothing and the hook only what it is told as a
# range; whatever is killed, it goes on where it was. Without it there is nothing.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan qw(new_scan scanner said_text);
use Lares::State;
use Test::More;

my $serial = 0;
my ($scan, $pid, $told);

# A hook that notes what it is told: arguments and the variables of a change, in one append.
sub hook {
    my ($more) = @_;
    return write_file("$scan/.lares/notify.new", <<"END" . ($more // ''), 0755) && rename("$scan/.lares/notify.new", "$scan/.lares/notify");
#!/bin/sh
echo "\$*|\$LARES_NAME|\$LARES_WANT|\$LARES_READY|\$LARES_PID|\$LARES_REASON|\$LARES_EXIT_CODE|\$LARES_EXIT_SIGNAL|\$LARES_LOST_FROM|\$LARES_LOST_TO|\$PWD|\$LARES_DIRECTORY|\$LARES_AT" >>$told
END
}
sub begin {
    ($scan) = new_scan();
    $told = tmp('told' . ++$serial);
    mkdir "$scan/.lares", 0700;
}
sub service {
    my ($name, %files) = @_;
    return make_service("$scan/$name", run => [ probe(tmp("$name.report"), 'sleep') ],
        files => { 'restart-delays' => "0\n", 'restart-reset' => "0\n", 'timeout-kill' => "10000\n", %files });
}
my @fields = qw(arguments name want ready pid reason code signal from to pwd directory at);
sub notices { my ($name) = @_; return grep { !defined $name || $_->{name} eq $name } map { my %n; @n{@fields} = split /\|/, $_, -1; \%n } (file_text($told) // '') =~ /^(.*)\n/mg }
sub numbers { my ($name) = @_; return map { (split ' ', $_->{arguments})[1] } notices($name) }
# Everything up to the last change was told, each once, in order, from a number on.
sub all_told {
    my ($name, $from, $why) = @_;
    my ($last, @n);
    eval {
        wait_for {
            $last = read_state("$scan/$name")->{sequence};
            @n = numbers($name);
            @n && $n[-1] == $last
        } "$why: the last to be told"
    };
    is(join(' ', @n), join(' ', $from .. $last), $why);
    return $last;
}
# Told to stop; its end.
sub stop_scanner {
    signal($_[0], 'TERM');
    return wait_exit($_[0]);
}
sub notifier { return grep { $_->{command} =~ /lares-svnotify/ } descendants($pid) }

# --- what it is told ------------------------------------------------------------------------------
begin();
hook();
my $web = service('web', 'log/run' => { text => "#!/bin/sh\nexec cat >/dev/null\n", mode => 0755 });
$pid = scanner($scan);
wait_state($web, state => 'up');
wait_state("$web/log", state => 'up');
all_told('web', 1, 'a service from its first change on');
all_told('web/log', 1, 'its logger, too');
my ($first) = notices('web');
is($first->{arguments}, 'web 1 boot up', 'arguments: name, number, event, state');
is("$first->{want} $first->{ready} $first->{reason} $first->{code}$first->{signal}", 'up 0 none ', 'variables: what it is now');
is($first->{pid}, read_state($web)->{pid}, 'variables: the pid');
is($first->{pwd}, $scan, 'it is run in the scan directory');
is($first->{directory}, $web, 'variables: the directory');
like($first->{at}, qr/^\d{4}-\d\d-\d\dT/, 'variables: the time');
kill9(read_state($web)->{pid});
wait_state($web, deaths => 1, state => 'up');
my $last = all_told('web', 1, 'a death');
my ($death) = grep { $_->{arguments} =~ /run-died/ } notices('web');
is("$death->{reason} $death->{signal} $death->{code}", 'killed 9 ', 'and how it died');
control($web, 'pcpcpcpc');
wait_state($web, sequence => $last + 8);
all_told('web', 1, 'many at once, in order');
my $db = service('db');
wait_for { read_state($db) } 'a service that is added';
wait_state($db, state => 'up');
all_told('db', 1, 'one that appears');
my ($notifier) = notifier();
unlink "$scan/nothing";

# --- killed, started again, upgraded -------------------------------------------------------------------
kill9($notifier->{pid});
control($web, 'pcpc');
$last = read_state($web)->{sequence};
wait_for { my ($new) = notifier(); $new && $new->{pid} != $notifier->{pid} } 'another notifier';
all_told('web', 1, 'the notifier killed: the next one goes on');
kill9($pid);
wait_exit($pid);
control($web, 'pc');
$pid = scanner($scan);
control($db, 'pc');
wait_for { notifier() } 'a notifier of the new scanner';
all_told('web', 1, 'the scanner killed: what happened meanwhile is told');
all_told('db', 1, 'and what comes');
is(run([ bin('svscanctl'), 'upgrade', $scan ])->{exit}, 0, 'an upgrade of the whole tree');
wait_for { said_text($scan) =~ /upgraded in place/ && 3 == grep { $_->{command} =~ /lares-supervise -r/ } descendants() } 'everything to be upgraded';
control($web, 'pcpc');
control($db, 'pc');
all_told($_, 1, "$_ after the upgrade") for qw(web db);

# --- a service that goes, and a stop -----------------------------------------------------------------------
rename $db, tmp('db.away');
my $there = wait_for { my $s = read_state(tmp('db.away')); $s && $s->{left} ? $s : undef } 'its supervisor to leave';
eval { wait_for { my @n = numbers('db'); @n && $n[-1] == $there->{sequence} } 'its last words' };
is(join(' ', numbers('db')), join(' ', 1 .. $there->{sequence}), 'a service that is moved away is told of to its end');
my $end = stop_scanner($pid);
is($end->{exit}, 0, 'the scanner stops');
$last = read_state($web)->{sequence};
is(join(' ', numbers('web')), join(' ', 1 .. $last), 'and all that happened was told before it ended');
like((notices('web'))[-1]{arguments}, qr/^web $last \S+ down$/, 'to the last');
no_processes_left();

# --- fails, hangs, flood -------------------------------------------------------------------------------------
begin();
hook("exit 3\n");
$web = service('web');
$pid = scanner($scan);
wait_state($web, state => 'up');
control($web, 'pcpc');
wait_state($web, sequence => 5);
all_told('web', 1, 'a hook that fails: each change is told once all the same');
wait_for { said_text($scan) =~ m{notify for `web' exited 3} } 'a message';
is(scalar(() = said_text($scan) =~ /exited 3/g), 1, 'said once');
stop_scanner($pid);

begin();
write_file("$scan/.lares/notify", "#!/bin/sh\necho \"\$*\" >>$told\ntrap '' TERM INT HUP\nwhile :; do sleep 100; done\n", 0755);
$web = service('web', 'max-history' => "64\n");
$pid = scanner($scan);
wait_state($web, state => 'up');
wait_for { (file_text($told) // '') =~ /^web 1 boot/ } 'the hook to hang';
my $hung = Lares::Process::now();
for (1 .. 10) {
    my $before = read_state($web)->{sequence};
    control($web, 'pc' x 50);
    wait_for { read_state($web)->{sequence} == $before + 100 } 'the changes';
}
pass('a hook that hangs: the service goes on changing');
ok(run([ bin('svc'), '-wD', '-d', '-T', 10000, $web ])->{exit} == 0, 'and is stopped');
is(stop_scanner($pid)->{exit}, 0, 'the scanner stops although the hook hangs');
my $in_time = Lares::Process::now() - $hung < 9;
no_processes_left();
# What it missed, with what it had not been told to the end, the next scanner's is told as one range.
$last = read_state($web)->{sequence};
unlink $told;
write_file("$web/down", '');
hook();
$pid = scanner($scan);
wait_for { my $s = read_state($web); $s->{sequence} > $last && (numbers('web'))[-1] == $s->{sequence} } 'the rest to be told' if wait_for { -s $told } 'something to be told';
my @rest = notices('web');
my $lost = $rest[0]{to};
is($rest[0]{arguments}, "web $lost lost unknown", 'overtaken: told as lost');
SKIP: {
    skip 'this machine was slow: the run had its ten seconds and was killed', 1 if !$in_time;
    is($rest[0]{from}, 1, 'from the first that it had not been told to the end');
}
ok($lost >= $last - 64 && $lost <= read_state($web)->{sequence} - 64, 'to the last that the journal did not hold any more');
my @numbers = map { (split ' ', $_->{arguments})[1] } @rest;
is(scalar(grep { $numbers[$_] != $lost + $_ } 0 .. $#rest), 0, 'and then what it holds');
stop_scanner($pid);

# --- time-out, by hand -----------------------------------------------------------------------------------
begin();
$web = service('web');
$pid = scanner($scan);
wait_state($web, state => 'up');
write_file("$scan/.lares/notify", "#!/bin/sh\necho \"\$*\" >>$told\n[ \$3 != pause ] || { sleep 1000 & sleep 1000; }\n", 0755);
pipe my $reader, my $input or die;
my $by_hand = spawn([ bin('svnotify'), '-t', 50, $scan ], stdin => $reader, stderr => tmp('.slow'));
close $reader;
wait_for { glob "$web/supervise/event/*" } 'it to listen';
control($web, 'pc');
wait_for { (file_text($told) // '') =~ /^web 3 continue up$/m } 'the run after the one that hung';
like(file_text(tmp('.slow')), qr{notify for `web' took too long: killed}, 'a run that takes too long is killed');
wait_for { !grep { $_->{command} =~ /^sleep 1000/ } descendants() } 'with all that it started';
close $input;
is(wait_exit($by_hand)->{exit}, 0, 'it ends with its input');
stop_scanner($pid);
no_processes_left();

# --- its input, its interpreter, and -T ----------------------------------------------------------------------
begin();
write_file("$scan/.lares/notify", "#!/no/such/interpreter\n", 0755);
$web = service('web');
$pid = scanner($scan, '-T', 1000);
wait_for { said_text($scan) =~ m{unable to run .lares/notify} } 'a hook that cannot be run to be told';
write_file("$scan/.lares/notify.new", "#!/bin/sh\ncat >/dev/null\necho \"\$*\" >>$told\ntrap '' TERM\n[ \$2 = 1 ] || while :; do sleep 100; done\n", 0755);
rename "$scan/.lares/notify.new", "$scan/.lares/notify" or die;
wait_for { (file_text($told) // '') =~ /^web 1 boot up$/m } 'one that can be to be run; it has nothing to read';
control($web, 'p');
wait_for { (file_text($told) // '') =~ /^web 2 pause up$/m } 'the next run, which hangs';
my $began = Lares::Process::now();
is(stop_scanner($pid)->{exit}, 0, 'the scanner stops');
# Much less than the ten that a run may take.
cmp_ok(Lares::Process::now() - $began, '<', 7, 'in the time it has for a stop, whatever the hook does') if !$ENV{LARES_SANITIZE};
no_processes_left();

# --- without a hook, with one that comes and goes ------------------------------------------------------------
begin();
$web = service('web');
$pid = scanner($scan);
wait_state($web, state => 'up');
is(scalar(notifier()), 0, 'without a hook there is no notifier');
is(join(' ', glob "$web/supervise/event/*"), '', 'and nobody listens');
control($web, 'pcpc');
wait_state($web, sequence => 5);
hook();
signal($pid, 'HUP');
wait_for { notifier() } 'the notifier after a rescan';
wait_for { glob "$web/supervise/event/*" } 'it to listen';
control($web, 'pc');
wait_state($web, sequence => 7);
all_told('web', 6, 'what happened before the hook was there is not told');
unlink "$scan/.lares/notify";
control($web, 'pc');
wait_for { !notifier() } 'the notifier to end with its hook';
ok(!-e "$web/supervise/told", 'and to forget');
control($web, 'pc');
wait_state($web, sequence => 11);
write_file("$scan/.lares/notify", "no program\n", 0644);
signal($pid, 'HUP');
hook();
signal($pid, 'HUP');
wait_for { glob "$web/supervise/event/*" } 'a notifier again';
control($web, 'pc');
wait_state($web, sequence => 13);
wait_for { (numbers('web'))[-1] == 13 } 'it to be told';
is(join(' ', numbers('web')), '6 7 12 13', 'nor what happened in between');

# Asleep when nothing happens.
my ($idle) = notifier();
ok(eval { sleeps_for($idle->{pid}, 1.2) }, 'an idle tree does not wake it') if !$ENV{LARES_SANITIZE};
stop_scanner($pid);
no_processes_left();
for my $case ([['-t', 'soon'], qr/-t: milliseconds are expected, 0 to \d+, not soon/], [[tmp('scan'), 'b'], qr/more than one scan directory: b/],
    [[$FindBin::Bin], qr/no \.lares in \Q$FindBin::Bin\E: no scanner has ever run there/]) {
    my $r = run([ bin('svnotify'), @{ $case->[0] } ]);
    is($r->{exit}, 100, "svnotify @{ $case->[0] }: wrong usage");
    like($r->{err}, $case->[1], 'says what is wrong');
}
done_testing();
