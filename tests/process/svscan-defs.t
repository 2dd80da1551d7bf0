# lares-svscan -d: services built in the scan directory from definitions elsewhere, also read-only
# ones; templates and their instances.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Mounts;
use Lares::Scan;
use Lares::State;
use Test::More;

sub gone { my ($name) = @_; wait_for { !supervisor($name) && !supervisor("$name/log") } "$name gone" }
sub missing { my ($path) = @_; wait_for { !lstat $path } "$path taken away"; return 1 }
sub names { my ($dir) = @_; return join ' ', sort map { s{.*/}{}r } glob "$dir/* $dir/.def*" }
sub svstat { my @args = @_; chomp(my $line = run([bin('svstat'), @args])->{out}); return $line }

# What a service has written, as soon as it has.
sub says { my ($file, $want, $name) = @_; wait_for { -s $file } "$file"; is(file_text($file), $want, $name) }

# Says who it is, and sleeps.
my $run = 'echo "$1 $LARES_NAME ${LARES_INSTANCE-none}" >>said; exec sleep 1000';
sub definition { my ($dir, %opt) = @_; return make_service($dir, run => $run, %opt) }

subtest 'built' => sub {
    my ($scan, $defs) = new_scan();
    definition("$defs/web", log => 'exec cat >/dev/null', files => { 'env/A' => "1\n", 'timeout-kill' => "3000\n", '.hidden' => '', 'log/timeout-kill' => "3000\n" });
    definition("$defs/off", files => { down => '' });
    symlink 'web', "$defs/two";
    write_file("$defs/README", "no definition\n");
    definition("$defs/.not");
    my $scanner = scanner($scan, '-d', $defs);
    my ($web, $weblog) = both_up("$scan/web");
    my ($two, $twolog) = both_up("$scan/two");
    isnt($web, $two, 'two names of one definition are two services');
    isnt($weblog, $twolog, '... with two loggers');
    is(said($scan, qr/another name/), 0, '... and no aliases');
    wait_state("$scan/off", state => 'down');
    is(names($scan), 'off two web', 'nothing else is built');
    is(names("$scan/web"), '.definition env log run said supervise timeout-kill', 'of links to all files, but for dots');
    is(names("$scan/web/log"), '.definition run supervise timeout-kill', 'in log/ too');
    is(readlink "$scan/web/run", "$defs/web/run", 'absolute ones');
    is(readlink "$scan/web/.definition", "$defs/web", 'it says from what');
    ok(!-l "$scan/web/supervise" && !-l "$scan/web/log", 'supervise and log are real');
    is(names("$defs/web"), 'env log run timeout-kill', 'the definition is as it was');
    says("$scan/web/said", "web web none\n", 'run is told its name');
    is(recorded($scan), 'off two web', 'all are recorded');
    # What is remembered is remembered here.
    control("$scan/off", 'U');
    up("$scan/off");
    ok(!-e "$scan/off/down" && -e "$defs/off/down", 'U: taken away here alone');
    control("$scan/two", 'D');
    wait_state("$scan/two", state => 'down');
    ok(-f "$scan/two/down" && !-l "$scan/two/down" && !-e "$defs/web/down", 'D: made here alone');
    is(stop_scanner($scanner), 0, 'stopped');
    $scanner = scanner($scan, '-d', $defs);
    up("$scan/$_") for qw(off web);
    wait_state("$scan/two", state => 'down', starts => 0);
    pass('another scanner minds what was remembered');
    is(said($scan, qr/warning|error/), 0, 'nothing was complained of') or diag said_text($scan);
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'definitions come, go and change' => sub {
    my ($scan, $defs) = new_scan();
    definition("$defs/web");
    my $scanner = scanner($scan, '-d', $defs);
    my $web = up("$scan/web");
    sleeper("$defs/new", files => { 'needs/web' => '' });
    both_up("$scan/new");
    pass('a new definition is a new service');
    # Copied in, file by file; run last.
    mkdir "$defs/slow";
    write_file("$defs/slow/timeout-kill", "1000\n");
    wait_for { -l "$scan/slow/timeout-kill" } 'the first file linked';
    ok(!supervisor('slow'), 'one that is on its way is waited for');
    write_file("$defs/slow/run", "#!/bin/sh\nexec sleep 1000\n", 0755);
    up("$scan/slow");
    pass('until it can run');
    # A file more, one less.
    is(svstat('-o', 'outdated', "$scan/web"), 'false', 'what runs is as it is defined');
    write_file("$defs/web/finish", "#!/bin/sh\necho finish >>said\n", 0755);
    wait_for { -l "$scan/web/finish" } 'a file more';
    is(svstat('-o', 'outdated', "$scan/web"), 'true', 'what runs is older than that');
    unlink "$defs/web/finish";
    missing("$scan/web/finish");
    is(svstat('-o', 'outdated', "$scan/web"), 'false', 'a file less: the link is taken away');
    write_file("$scan/web/own", '');
    write_file("$defs/web/own", '');
    write_file("$defs/web/last", '');
    wait_for { -l "$scan/web/last" } 'the next file';
    ok(!-l "$scan/web/own", 'a file of the service is left alone');
    # log/ added, written to.
    make_service(tmp('log'), run => 'exec cat >>kept');
    rename tmp('log'), "$defs/web/log";
    my $logger = up("$scan/web/log");
    pass('a log/ that comes later');
    is(service_pid("$scan/web"), $web, 'the service is as it was');
    # Exchanged: the same service, from other files.
    definition("$defs/.next", files => { 'restart-delays' => "5\n" });
    rename "$defs/web", "$defs/.old";
    rename "$defs/.next", "$defs/web";
    wait_for { -l "$scan/web/restart-delays" } 'the other definition';
    is(service_pid("$scan/web"), $web, 'an exchanged definition: the service goes on');
    is(svstat('-o', 'outdated', "$scan/web"), 'true', '... is older than it');
    like(svstat("$scan/web"), qr/, older than its definition/, '... which is shown');
    control("$scan/web", 'r');
    wait_state("$scan/web", state => 'up', starts => 2);
    unlike(svstat("$scan/web"), qr/older than its definition/, '... until it is started again');
    $web = up("$scan/web");
    # Exchanged by two renames, between which the scanner has looked: what is built then shows it. It
    # stopped the service. Only a quick exchange can be told from a removal.
    my $took;
    for my $try (1 .. 20) {
        definition("$defs/.next", files => { 'restart-delays' => "$try\n" });
        my $began = Lares::Process::now();
        rename "$defs/web", "$defs/.before$try";
        symlink '.old', "$defs/.link";
        rename "$defs/.link", "$defs/seen$try";
        wait_for { -l "$scan/seen$try/.definition" } 'the scanner to look';
        rename "$defs/.next", "$defs/web";
        $took = Lares::Process::now() - $began;
        my @seen = both_up("$scan/seen$try");
        wait_for { 2 == grep { (process_info($_) || {})->{name} =~ /^(?:sleep|cat)$/ } @seen } 'its files to be read';
        unlink "$defs/seen$try";
        gone("seen$try");
        last if $took < 0.15;
        $web = up("$scan/web");
    }
    cmp_ok($took, '<', 0.15, 'an exchange in time for it');
    wait_for { readlink("$scan/web/restart-delays") && svstat('-o', 'outdated', "$scan/web") eq 'true' } 'the definition after that';
    is(service_pid("$scan/web"), $web, 'a definition that is away for a moment: the service goes on');
    # Gone.
    rename "$defs/new", tmp('away');
    gone('new');
    missing("$scan/new");
    pass('a definition that goes: stopped, and taken away');
    write_file("$scan/web/log/kept", "a line\n");
    rename "$defs/web", tmp('away2');
    gone('web');
    wait_for { said($scan, qr/`web' is not defined any more: what was left in it stays/) } 'said';
    is(names("$scan/web"), '.definition+ log own said', 'what was written there stays');
    is(file_text("$scan/web/log/kept"), "a line\n", '... the log above all');
    is(recorded($scan), 'slow', 'it is not recorded any more');
    rename tmp('away2'), "$defs/web";
    up("$scan/web");
    ok(-e "$scan/web/log/kept", 'it comes back where it was');
    is(said($scan, qr/warning|error/) - said($scan, qr/waiting for `slow': it has no `run'/), 0, 'nothing was complained of') or diag said_text($scan);
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest "somebody's own" => sub {
    my ($scan, $defs) = new_scan();
    definition("$defs/$_") for qw(dir link);
    make_service("$scan/dir", run => 'exec sleep 2000');
    make_service(tmp('elsewhere'), run => 'exec sleep 2000');
    symlink tmp('elsewhere'), "$scan/link";
    my $scanner = scanner($scan, '-d', $defs);
    up("$scan/$_") for qw(dir link);
    is(names("$scan/$_"), 'run supervise', "a $_ of somebody's own is left alone") for qw(dir link);
    run([bin('svscanctl'), 'rescan', $scan]);
    is(said($scan, qr/`$_' is not built from its definition: the scan directory has its own/), 1, "$_: said once") for qw(dir link);
    unlink "$scan/link";
    wait_for { -l "$scan/link/.definition" && service_pid("$scan/link") } 'the own one taken away: built';
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'templates' => sub {
    my ($scan, $defs) = new_scan();
    definition("$defs/tty@", log => 'exec cat >/dev/null');
    symlink 'tty@', "$defs/tty\@one";
    mkdir "$scan/tty\@two";
    my $scanner = scanner($scan, '-d', $defs);
    my ($one) = both_up("$scan/tty\@one");
    my ($two) = both_up("$scan/tty\@two");
    says("$scan/tty\@one/said", "tty\@one tty\@one one\n", 'an instance asked for in the definitions');
    says("$scan/tty\@two/said", "tty\@two tty\@two two\n", 'one asked for in the scan directory');
    ok(!-e "$scan/tty@", 'the template itself is none');
    mkdir "$scan/tty\@three\@x";
    up("$scan/tty\@three\@x");
    says("$scan/tty\@three\@x/said", "tty\@three\@x tty\@three\@x three\@x\n", 'one more, while it runs');
    write_file("$defs/tty@/timeout-kill", "2000\n");
    wait_for { 3 == grep { -l "$scan/tty\@$_/timeout-kill" } qw(one two three@x) } 'instances follow their template';
    is(svstat('-o', 'outdated', map { "$scan/tty\@$_" } qw(one two)), "true\ntrue", 'and are older than it');
    run(['rm', '-r', "$scan/tty\@two"]);
    gone('tty@two');
    ok(!alive($two), 'one that is removed is stopped');
    rename "$defs/tty@", tmp('template');
    gone("tty\@$_") for qw(one three@x);
    wait_for { names("$scan/tty\@one") eq '.definition+ said' } 'all but what it wrote';
    wait_for { names("$scan/tty\@three\@x") eq 'said' } 'all but what it wrote';
    unlink "$scan/tty\@three\@x/said";
    rename tmp('template'), "$defs/tty@";
    up("$scan/tty\@one");
    up("$scan/tty\@three\@x");
    pass('they come back with their template');
    is(stop_scanner($scanner), 0, 'stopped');

    # Instances that leave nothing behind. One whose link was taken away went on, built from the template;
    # one whose template went and came back did not come back.
    ($scan, $defs) = new_scan();
    make_service("$defs/quiet@", run => 'exec sleep 3000');
    make_service("$defs/@", run => 'exec sleep 3000');
    symlink 'quiet@', "$defs/quiet\@$_" for 1, 2;
    $scanner = scanner($scan, '-d', $defs);
    up("$scan/quiet\@$_") for 1, 2;
    unlink "$defs/quiet\@2";
    gone('quiet@2');
    wait_for { !-e "$scan/quiet\@2" } 'what was built to be taken away';
    is(state_is("$scan/quiet\@1", state => 'up') ? 'up' : 'not up', 'up', 'the other instance stays');
    rename "$defs/quiet@", tmp('template');
    gone('quiet@1');
    wait_for { !-e "$scan/quiet\@1" } 'the same without its template';
    rename tmp('template'), "$defs/quiet@";
    up("$scan/quiet\@1");
    ok(!-e "$scan/quiet\@2", 'back is what is asked for');
    ok(!-e "$scan/@", 'a name that is only @ is a template, as the manual has it');
    is(run([bin('svscanctl'), '-T', 20000, 'rescan', $scan])->{exit}, 0, '... and no rescan waits for it');
    is(stop_scanner($scanner), 0, 'stopped');

    # Without -d: a template in the scan directory itself.
    ($scan) = new_scan();
    definition("$scan/job@");
    mkdir "$scan/job\@1";
    make_service("$scan/job\@2", run => 'exec sleep 3000');
    $scanner = scanner($scan);
    up("$scan/job\@$_") for 1, 2;
    says("$scan/job\@1/said", "job\@1 job\@1 1\n", 'a template in a plain scan directory');
    ok(!-l "$scan/job\@2/run", 'a directory of its own is no instance');
    ok(!supervisor('job@'), 'the template is not run');
    is(said($scan, qr/`job\@' is a template/), 1, 'said');
    write_file("$scan/job@/finish", "#!/bin/sh\n", 0755);
    wait_for { -l "$scan/job\@1/finish" } 'followed';
    mkdir "$scan/none\@1";
    wait_for { said($scan, qr/waiting for `none\@1': it has no `run', and there is no template `none\@'$/) } 'an empty directory without a template';
    pass('is waited for');
    my $ctl = run([bin('svscanctl'), 'rescan', $scan]);
    is("$ctl->{exit} $ctl->{err}", "1 lares-svscanctl: warning: none\@1 is not supervised: it has no `run', and there is no template `none\@'\n", '... and named by rescan');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'kept over deaths of the scanner' => sub {
    my ($scan, $defs) = new_scan();
    definition("$defs/$_") for qw(web mail);
    definition("$defs/half", files => { down => '' });
    mkdir "$scan/half";
    symlink "$defs/half", "$scan/half/.definition+"; # begun, and killed
    my $scanner = scanner($scan, '-d', $defs);
    my ($web, $mail) = map { up("$scan/$_") } qw(web mail);
    wait_state("$scan/half", state => 'down', starts => 0);
    is(names("$scan/half"), '.definition down run supervise', 'what was half built is finished');
    kill9($scanner);
    wait_exit($scanner);
    rename "$defs/mail", tmp('away.mail');
    $scanner = scanner($scan, '-d', $defs);
    gone('mail');
    ok(!alive($mail), 'what lost its definition meanwhile is stopped');
    missing("$scan/mail") if !-e "$scan/mail/said";
    is(service_pid("$scan/web"), $web, 'the other is as it was');
    # Upgraded: it goes on with its definitions.
    is(run([bin('svscanctl'), '-b', Cwd::abs_path(build_dir() . '/bin'), 'upgrade', $scan], timeout => 70)->{exit}, 0, 'upgraded');
    definition("$defs/after");
    up("$scan/after");
    is(service_pid("$scan/web"), $web, 'untouched');
    is(stop_scanner($scanner), 0, 'stopped');
    # Other definitions.
    definition(tmp('other/web'), files => { 'restart-delays' => "5\n" });
    $scanner = scanner($scan, '-d', tmp('other'));
    up("$scan/web");
    is(readlink "$scan/web/run", tmp('other/web/run'), 'another -d: the links lead there');
    ok(!supervisor('after'), 'what is not defined there does not run');
    wait_for { names("$scan/after") eq '.definition+ said' } 'nor is there more than it wrote';
    my $r = run([bin('svscanctl'), 'rescan', $scan], timeout => 70);
    is("$r->{exit} $r->{err}", '0 ', 'rescan neither waits for it nor complains of it');
    like(run([bin('svscanctl'), 'list', $scan])->{out}, qr/^after\t.*not defined any more$/m, 'list says why');
    is(stop_scanner($scanner), 0, 'stopped');
    # A log/ that is not defined any more, and again.
    make_service(tmp('other/logs'), run => 'exec sleep 1000', log => "echo begun >>kept\nexec cat");
    $scanner = scanner($scan, '-d', tmp('other'));
    both_up("$scan/logs");
    wait_for { -s "$scan/logs/log/kept" } 'something logged';
    rename tmp('other/logs/log'), tmp('log');
    run([bin('svscanctl'), 'rescan', $scan]);
    ok(supervisor('logs/log'), 'a log/ that is not defined any more: its logger goes on');
    is(stop_scanner($scanner), 0, 'stopped');
    $scanner = scanner($scan, '-d', tmp('other'));
    up("$scan/logs");
    run([bin('svscanctl'), 'rescan', $scan]);
    ok(!-e "$scan/logs/log" && !supervisor('logs/log'), 'started anew it has none');
    is(file_text("$scan/logs/.log/kept"), "begun\n", 'what was logged is kept');
    rename tmp('log'), tmp('other/logs/log');
    up("$scan/logs/log");
    wait_for { file_text("$scan/logs/log/kept") eq "begun\nbegun\n" } 'defined again it goes on where it was';
    is(stop_scanner($scanner), 0, 'stopped');
    # And none.
    $scanner = scanner($scan);
    up("$scan/web");
    pass('without -d it is a directory like others');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'the definitions are gone' => sub {
    my ($scan, $defs) = new_scan();
    definition("$defs/$_") for qw(a b);
    my $scanner = scanner($scan, '-d', $defs);
    my ($a, $b) = map { up("$scan/$_") } qw(a b);
    rename $defs, "$defs.away";
    wait_for { said($scan, qr/the definitions in \Q$defs\E are gone/) } 'said';
    is(service_pid("$scan/a"), $a, 'what runs goes on');
    mkdir $defs;
    rmdir $defs;
    rename "$defs.away", $defs;
    signal($scanner, 'HUP');
    wait_for { said($scan, qr/the definitions in \Q$defs\E are there again/) } 'there again';
    is(service_pid("$scan/$_->[0]"), $_->[1], "$_->[0] is as it was") for [ a => $a ], [ b => $b ];
    rename "$defs/b", "$defs/c";
    up("$scan/c");
    gone('b');
    pass('changes are seen again');
    # An empty one in its place is not believed, until HUP.
    is(stop_scanner($scanner, 'QUIT'), 0, 'left');
    rename $defs, "$defs.away";
    mkdir $defs;
    $scanner = scanner($scan, '-d', $defs);
    wait_for { said($scan, qr/found supervisor of `a'/) } 'found';
    is(service_pid("$scan/a"), $a, 'an empty one, as an unmount leaves it, ends nothing');
    signal($scanner, 'HUP');
    gone($_) for qw(a c);
    pass('but on HUP it does');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'read-only definitions' => sub {
    my ($scan, $defs) = new_scan();
    definition("$defs/web", log => 'exec cat >/dev/null');
    mount_readonly($defs) or plan skip_all => $Lares::Mounts::why;
    my $scanner = scanner($scan, '-d', $defs);
    both_up("$scan/web");
    control("$scan/web", 'D');
    wait_state("$scan/web", state => 'down');
    ok(-e "$scan/web/down", 'D is remembered');
    is(stop_scanner($scanner), 0, 'stopped');
    unmount($defs);
    no_processes_left();
};

subtest 'usage' => sub {
    my ($scan, $defs) = new_scan();
    write_file("$defs/file", '');
    for my $case ([ "$defs/none", qr/unable to use definitions \S+none: No such file/ ], [ "$defs/file", qr/definitions \S+file: Not a directory/ ],
        [ $scan, qr/option -d: \S+ is the scan directory itself/ ]) {
        my $r = run([bin('svscan'), '-d', $case->[0], $scan]);
        is($r->{exit}, 100, "-d $case->[0]: exit code 100");
        like($r->{err}, $case->[1], '... and why');
    }
    like(run([bin('svscan'), '-d'])->{err}, qr/option -d needs an argument/, '-d alone');
    # lares-init hands it on; relative to where it was started.
    definition("$defs/web");
    my $init = spawn([bin('init'), '-d', 'def', 'scan'], cwd => $scan =~ s{/scan$}{}r, stderr => tmp('init.err'));
    up("$scan/web");
    is(readlink "$scan/web/run", "$defs/web/run", 'lares-init -d');
    signal($init, 'TERM');
    is(wait_exit($init)->{exit}, 0, 'stopped');
    no_processes_left();
};
no_zombies();
done_testing;
