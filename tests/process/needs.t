# needs/ and after/: who waits for whom, who goes before whom, and what is said of it.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

my ($scan, $def, $order, $scanner);

sub begin {
    ($scan, $def) = new_scan();
    $order = "$scan/../order";
    write_file($order, '');
}

# A service that writes down when it starts, is told to end, and ends. (With `wait' for a sleep in the
# background a TERM just before that would be lost.) needs => [...], after => [...]
sub service {
    my ($name, %opt) = @_;
    my %files = %{ $opt{files} || {} };
    $files{"needs/$_"} = '' for @{ $opt{needs} || [] };
    $files{"after/$_"} = '' for @{ $opt{after} || [] };
    my $slow  = $opt{slow} ? "sleep $opt{slow};" : '';
    my $ready = $opt{ready} ? "while [ ! -e $scan/../ready.$name ]; do sleep 0.01; done" : '';
    $files{'notification-fd'} = "3\n" if !$opt{run};
    make_service("$scan/$name", files => \%files, run => $opt{run} // <<"END");
trap 'echo $name told >>$order; $slow echo $name ended >>$order; exit 0' TERM
echo $name start >>$order
echo \$\$ >$scan/../live.$name
$ready
echo >&3
exec 3>&-
while :; do sleep 0.05; done
END
    return "$scan/$name";
}

sub told { my ($n, $what) = @_; return scalar(() = file_text($order) =~ /^\Q$n $what\E$/mg) }
sub all_of { my ($what) = @_; return join ' ', file_text($order) =~ /^(\S+) $what$/mg }
sub forget { write_file($order, '') }
sub svc { return run([bin('svc'), '-T', 8000, @_], timeout => 15) }
sub svstat { return run([bin('svstat'), "$scan/$_[0]"])->{out} }
# Up, and far enough to write down its end.
sub is_up {
    my ($name) = @_;
    my $live = "$scan/../live.$name";
    return scalar wait_for {
        my $s = state_is("$scan/$name", state => 'up');
        $s && (!-e $live || file_text($live) eq "$s->{pid}\n") && $s
    } "$name up";
}
sub waits {
    my ($name, $for, $what) = @_;
    my $line = eval { wait_for { my $l = svstat($name); $l =~ $for && $l } "$name to wait: $for" };
    ok($line, $what) or diag($@, svstat($name));
}
sub finish { is(stop_scanner($scanner), 0, 'stopped'); no_processes_left() }
sub links { my ($dir) = @_; return join ' ', sort map { s{.*/}{}r } glob "$dir/*" }

subtest 'in order, and back' => sub {
    begin();
    service('db', ready => 1);
    service('app', needs => ['db'], slow => 0.05);
    service('web', needs => ['app'], slow => 0.05);
    service('cron', needs => ['db'], slow => 0.05);
    service('alone');
    $scanner = scanner($scan);
    is_up('alone');
    waits('app', qr/, waiting \(db is starting\)/, 'not before what it needs is ready');
    waits('web', qr/, waiting \(app is waiting\)/, '... nor who needs that');
    is(told('app', 'start'), 0, 'nothing was started');
    my $json = run([bin('svstat'), '--json', "$scan/app"])->{out};
    like($json, qr/"waiting_for":"db is starting"/, 'so does --json');
    like($json, qr/"reason_text":"needs not met: one is starting"/, '... and gives the reason');
    write_file("$scan/../ready.db", '');
    is_up($_) for qw(app web cron);
    like(all_of('start'), qr/^(?:alone )?db (?:alone )?(?:app (?:web )?cron|cron (?:alone )?app|app)/, 'in order');
    is(links("$scan/db/supervise/dependents"), 'app cron', 'it knows who needs it');
    is(links("$scan/web/supervise/needs"), 'app', '... and they whom they need');
    is(svc('-wD', '-d', "$scan/db")->{exit}, 0, 'down');
    is(join(' ', map { read_state("$scan/$_")->{state} } qw(web app cron db alone)), 'waiting waiting waiting down up', 'who needs it went, others did not');
    my $ends = all_of('ended');
    like($ends, qr/\bweb .*\bapp .*\bdb$/, 'each before what it needs');
    like($ends, qr/\bcron .*\bdb$/, '... those on one level side by side');
    is(told('db', 'told'), 1, 'it was told once');
    waits('app', qr/, waiting \(db is down\)/, 'they wait for it');
    waits('web', qr/, waiting \(app is waiting in vain\)/, '... and who needs them knows that it will take somebody to end that');
    is(links("$scan/db/supervise/dependents"), '', 'and nobody is registered any more');
    is(svc('-wU', '-u', "$scan/db")->{exit}, 0, 'up');
    is_up($_) for qw(app web cron);
    is(join(' ', map { read_state("$scan/$_")->{starts} } qw(db app web cron alone)), '2 2 2 2 1', 'all are back');
    forget();
    finish();
    like(all_of('ended'), qr/\bweb .*\bapp .*\bdb$/, 'the scanner stops them in reverse order');
};

subtest 'what is no reason to go' => sub {
    begin();
    service('db', files => { 'restart-delays' => "0\n" });
    service('app', needs => ['db'], files => { 'restart-delays' => "0\n" });
    $scanner = scanner($scan);
    my $pid = is_up('app')->{pid};
    for my $how ('-r', '-t', '-k') {
        my $before = read_state("$scan/db")->{pid};
        is(svc($how, "$scan/db")->{exit}, 0, "svc $how");
        wait_for { my $s = read_state("$scan/db"); $s->{state} eq 'up' && $s->{pid} != $before } 'another db';
    }
    my $before = read_state("$scan/db")->{pid};
    signal($before, 'KILL');
    wait_for { my $s = read_state("$scan/db"); $s->{state} eq 'up' && $s->{pid} != $before } 'another db';
    svc('-O', "$scan/db");
    wait_state("$scan/db", want => 'down');
    signal(read_state("$scan/db")->{pid}, 'KILL');
    wait_state("$scan/db", state => 'down');
    is(read_state("$scan/app")->{pid}, $pid, 'restart, TERM, KILL, a crash and -O: who needs it stays');
    signal($pid, 'KILL');
    waits('app', qr/, waiting \(db is down\)/, 'but when it dies itself, it waits');
    svc('-o', "$scan/db");
    is_up('app');
    wait_state("$scan/db", state => 'up', want => 'once');
    signal(read_state("$scan/db")->{pid}, 'KILL');
    wait_state("$scan/db", state => 'down');
    is(read_state("$scan/app")->{state}, 'up', 'a once that is over is no reason either');
    finish();
};

subtest 'x, removal, and back' => sub {
    begin();
    service('db');
    service('app', needs => ['db'], slow => 0.05);
    $scanner = scanner($scan);
    is_up('app');
    is(svc('-wD', '-x', "$scan/db")->{exit}, 0, 'svc -x');
    is(all_of('ended'), 'app db', 'first who needs it');
    waits('app', qr/, waiting \(db is down\)/, 'which waits');
    signal($scanner, 'HUP');
    is_up('app');
    forget();
    rename "$scan/db", "$scan/.db" or die "$!\n";
    wait_state("$scan/app", state => 'waiting');
    wait_for { !supervisor('db') } 'db gone';
    is(all_of('ended'), 'app db', 'taken out of the scan directory: the same');
    waits('app', qr/, waiting \(db is missing\)/, 'which is said');
    wait_for { said($scan, qr/supervise app waiting: db is missing/) } 'a message';
    pass('... also in a message');
    rename "$scan/.db", "$scan/db" or die "$!\n";
    is_up('app');
    pass('it comes back: so does the other');
    rename "$scan/db", "$scan/.db" or die "$!\n";
    waits('app', qr/, waiting \(db is missing\)/, 'gone again');
    service('db');
    is_up('app');
    is(scalar(split ' ', all_of('start')), 4, 'another one of the name will do');
    is(svc('-wD', '-d', "$scan/db")->{exit}, 0, '... and is followed');
    is(read_state("$scan/app")->{state}, 'waiting', 'like the one before');
    finish();
};

subtest 'after: order, nothing else' => sub {
    begin();
    service('net', ready => 1, slow => 0.1);
    service('web', after => ['net', 'nothing', 'stuck'], slow => 0.05, files => { 'restart-delays' => "0\n" });
    service('stuck', needs => ['nothing']);
    $scanner = scanner($scan);
    waits('web', qr/, waiting \(net is starting\)/, 'what is about to be there is waited for');
    is(told('web', 'start'), 0, 'indeed');
    write_file("$scan/../ready.net", '');
    my $pid = is_up('web')->{pid};
    is(svc('-wD', '-d', "$scan/net")->{exit}, 0, 'net goes');
    is(read_state("$scan/web")->{pid}, $pid, '... which is nothing to who comes after it');
    signal($pid, 'KILL');
    wait_for { my $s = read_state("$scan/web"); $s->{state} eq 'up' && $s->{pid} != $pid } 'web again';
    pass('nor is what is down waited for');
    is(svc('-wU', '-u', "$scan/net")->{exit}, 0, 'net comes back');
    forget();
    finish();
    is(all_of('ended'), 'web net', 'the scanner stops it first');
};

subtest 'circles' => sub {
    begin();
    service('self', needs => ['self']);
    service('a', needs => ['b']);
    service('b', needs => ['c']);
    service('c', needs => ['a']);
    service('d', needs => ['a']);
    service('m', needs => ['n']);
    service('n', after => ['m']);
    $scanner = scanner($scan);
    waits('self', qr/, waiting \(self needs self\)/, 'one that needs itself');
    waits('a', qr/, waiting \(a needs b needs c needs a\)/, 'three');
    waits('c', qr/, waiting \(c needs a needs b needs c\)/, 'each says so');
    waits('d', qr/, waiting \(a is waiting in vain\)/, 'who needs one of them is none of them');
    wait_for { said($scan, qr/supervise b waiting: b needs c needs a needs b/) } 'a message';
    pass('... also in a message');
    is_up('m');
    pass('an order that would be one is ignored');
    is(told($_, 'start'), 0, "$_ was not started") for qw(self a b c d);
    unlink "$scan/c/needs/a";
    signal(supervisor('c'), 'HUP');
    is_up($_) for qw(c b a d);
    like(all_of('start'), qr/c b a d$/, 'the link is taken away, the supervisor told to read again: all start, in order');
    write_file("$scan/c/needs/a", '');
    svc('-r', "$scan/c");
    waits('c', qr/, waiting \(c needs a needs b needs c\)/, 'a circle closed while they run: refused at the next start');
    unlink "$scan/c/needs/a";
    svc('-u', "$scan/c");
    is_up('c');
    finish();
};

subtest 'links come and go' => sub {
    begin();
    service('one');
    service('two');
    service('web', needs => ['one']);
    $scanner = scanner($scan);
    my $pid = is_up('web')->{pid};
    unlink "$scan/web/needs/one";
    write_file("$scan/web/needs/two", '');
    is(svc('-wD', '-d', "$scan/two")->{exit}, 0, 'a link made while it runs counts at the next start');
    is(read_state("$scan/web")->{pid}, $pid, '... not now');
    is(svc('-wD', '-d', "$scan/one")->{exit}, 0, 'one that was taken away, until then');
    waits('web', qr/, waiting \(two is down\)/, '... which is the case now');
    is(links("$scan/one/supervise/dependents"), '', 'it has withdrawn');
    svc('-u', "$scan/two");
    is_up('web');
    is(links("$scan/web/supervise/needs"), 'two', 'it needs the other one now');
    unlink "$scan/web/needs/two";
    rmdir "$scan/web/needs";
    svc('-r', "$scan/web");
    wait_for { !-l "$scan/two/supervise/dependents/web" } 'withdrawn';
    wait_for { links("$scan/web/supervise/needs") eq '' } 'the note gone';
    pass('and none any more');
    finish();
};

subtest 'failed, down, held' => sub {
    begin();
    service('bad', run => 'exit 3', files => { restart => "never\n" });
    service('web', needs => ['bad', 'off']);
    service('off', files => { down => '' });
    service('db');
    service('stubborn', needs => ['db'], files => { 'timeout-kill' => "400\n" },
        run => "trap '' TERM; echo stubborn start >>$order; while :; do sleep 0.02; done");
    $scanner = scanner($scan);
    waits('web', qr/, waiting \((?:bad has failed, off is down|off is down, bad has failed)\)/, 'a need that has failed is named');
    wait_for { said($scan, qr/supervise web waiting: .*bad has failed/) } 'a message';
    is_up('stubborn');
    wait_for { told('stubborn', 'start') == 1 } 'it to ignore TERM';
    control("$scan/db", 'd');
    my $s = wait_state("$scan/db", state => 'stopping', held => 1);
    ok(alive($s->{pid}), 'a stop that waits has signalled nobody');
    like(svstat('db'), qr/, stopping: first those that need it \(stubborn\), since \d+ s/, 'and says for whom');
    wait_state("$scan/db", state => 'down');
    is(read_state("$scan/stubborn")->{state}, 'waiting', 'it ends when the other has been killed');
    svc('-wU', '-u', "$scan/db");
    is_up($_) for qw(db stubborn);
    wait_for { told('stubborn', 'start') == 2 } 'it to ignore TERM again';
    control("$scan/db", 'd');
    wait_state("$scan/db", state => 'stopping', held => 1);
    control("$scan/$_", 'Z') for qw(db stubborn);
    wait_for { 2 == grep { / -r / } map { (process_info(supervisor($_) || 0) || {})->{command} // '' } qw(db stubborn) } 'both upgraded';
    wait_state("$scan/db", state => 'down');
    is(read_state("$scan/stubborn")->{state}, 'waiting', 'both supervisors upgraded meanwhile: the same');
    svc('-wU', '-u', "$scan/db");
    is_up($_) for qw(db stubborn);
    wait_for { told('stubborn', 'start') == 3 } 'it to ignore TERM again';
    control("$scan/db", 'd');
    wait_state("$scan/db", state => 'stopping', held => 1);
    control("$scan/db", 'k');
    wait_state("$scan/db", state => 'down');
    pass('the command kill waits for nobody');
    finish();
};

# Of links that were changed while all ran, nobody is refused; a stop is not to wait for itself.
subtest 'circles of those that run' => sub {
    begin();
    service($_) for qw(b z);
    service('a', needs => ['b']);
    service('y', needs => ['z']);
    service('x', needs => ['y']);
    $scanner = scanner($scan);
    is_up($_) for qw(a b x y z);
    unlink "$scan/a/needs/b", "$scan/x/needs/y";
    mkdir "$scan/$_/needs" for qw(b z);
    write_file("$scan/$_", '') for 'b/needs/a', 'z/needs/x';
    for my $name (qw(b z)) {
        my $pid = read_state("$scan/$name")->{pid};
        svc('-r', "$scan/$name");
        wait_for { my $s = read_state("$scan/$name"); $s->{state} eq 'up' && $s->{pid} != $pid } "$name again";
    }
    is(join(' ', links("$scan/a/supervise/dependents"), links("$scan/b/supervise/dependents")), 'b a', 'two that wait for each other');
    is(svc('-wD', '-d', "$scan/a")->{exit}, 0, '... and still stop');
    is(svc('-wD', '-d', "$scan/x")->{exit}, 0, 'and so do three');
    wait_for { said($scan, qr/supervise [xyz] stopping without waiting for [xyz]: it waits for this one/) } 'a message';
    pass('... which is said');
    finish();
};

subtest 'dependents without a supervisor, and -T' => sub {
    begin();
    my $db  = supervise(service('db'));
    my $dir = service('app', needs => ['db']);
    my $app = supervise($dir, args => ['-n', $scan]);
    my $pid = is_up('app')->{pid};
    signal($app, 'KILL');
    wait_exit($app);
    is(svc('-wD', '-d', "$scan/db")->{exit}, 0, 'who has lost its supervisor is waited for no longer than a second');
    ok(alive($pid), '... and is left alone');
    is(links("$scan/db/supervise/dependents"), '', 'its registration is removed');
    $app = supervise($dir, args => ['-n', $scan]);
    waits('app', qr/, waiting \(db is down\)/, 'its next supervisor makes up for it');
    ok(!alive($pid), '... it has gone');
    control("$scan/db", 'u');
    $pid = is_up('app')->{pid};
    if ($ENV{LARES_LONG}) {
        signal($app, 'STOP');
        is(svc('-wD', '-d', "$scan/db")->{exit}, 0, 'a supervisor that does not react is waited for, for five seconds');
        like(messages("$scan/db"), qr/stopping without waiting any longer for app, which needs this one/, '... which is said');
        signal($app, 'CONT');
        wait_state($dir, state => 'waiting');
    }
    is(leave_service($dir, $app), 0, 'left');
    is(leave_service("$scan/db", $db), 0, 'left');
    service('stubborn', needs => ['db'], files => { 'timeout-kill' => "0\n" }, run => "trap '' TERM; echo stubborn start >>$order; while :; do sleep 0.02; done");
    $scanner = scanner($scan, '-T', 1000);
    wait_for { told('stubborn', 'start') } 'it to ignore TERM';
    finish();
};

subtest 'a oneshot' => sub {
    begin();
    make_service("$scan/setup", run => "echo setup start >>$order; sleep 0.2; echo setup ended >>$order", files => { type => "oneshot\n" });
    service('app', needs => ['setup']);
    $scanner = scanner($scan);
    is_up('app');
    is(file_text($order), "setup start\nsetup ended\napp start\n", 'one that is done is ready');
    control("$scan/setup", 'd');
    waits('app', qr/, waiting \(setup is down\)/, 'told to be down, it is a need no more');
    control("$scan/setup", 'u');
    is_up('app');
    is(told('setup', 'start'), 2, 'it is run again first');
    finish();

    begin();
    service('db');
    make_service("$scan/mount", run => "echo mount start >>$order", finish => "echo mount ended >>$order",
        files => { type => "oneshot\n", 'needs/db' => '' });
    service('app', needs => ['mount'], slow => 0.1);
    $scanner = scanner($scan);
    is_up('app');
    forget();
    is(svc('-wD', '-d', "$scan/mount")->{exit}, 0, 'one with something to undo');
    is(all_of('ended'), 'app mount', '... undoes it when those that need it have gone');
    is(svc('-wU', '-u', "$scan/mount")->{exit}, 0, 'done again');
    is_up('app');
    forget();
    is(svc('-wD', '-d', "$scan/db")->{exit}, 0, 'what it needs goes itself');
    is(all_of('ended'), 'app mount db', '... after both');
    waits('app', qr/, waiting \(mount is waiting in vain\)/, 'both wait');
    is(svc('-wU', '-u', "$scan/db")->{exit}, 0, 'and come back');
    is_up('app');
    forget();
    finish();
    is(all_of('ended'), 'app mount db', 'the same when all is stopped');
};

subtest 'malformed' => sub {
    begin();
    service('db');
    service('file', files => { needs => "db\n", after => '' });
    service('odd', needs => ['db', "a\tb", '.hidden'], after => ['odd']);
    service('link', files => { 'needs/db' => { link => '../../nowhere' }, 'after/x' => { link => '/' } });
    service('lacks', files => { map { ("needs/absent$_" => '') } 10 .. 49 });
    service('many', files => { map { ("after/x$_" => '') } 1 .. 70 });
    make_service("$scan/logged", run => 'exec sleep 1000', log => 'exec cat', files => { 'log/needs/nothing' => '' });
    $scanner = scanner($scan);
    is_up($_) for qw(file odd link many);
    up("$scan/logged/log");
    my %said = (
        'file needs: is a file, a directory is expected' => 'needs is a file',
        'file after: is a file, a directory is expected' => 'so is after',
        'odd needs: has an entry with a name that no service can bear; using only the others' => 'a name that cannot be one',
        'odd after: names the service itself; using only the others' => 'after itself',
        'many after: has more entries than 64, both directories together; using the 64 that were found first' => 'too many',
        'logged/log needs: is not for a logger' => 'a logger needs nothing',
    );
    is(said($scan, qr/supervise \Q$_\E/), 1, $said{$_}) for sort keys %said;
    waits('lacks', qr/, waiting \((?:absent\d\d is missing, )+absent\d\d is missing and \d\d more\)$/, 'a list that is too long is not cut in a word');
    is(svc('-wD', '-d', "$scan/db")->{exit}, 0, 'db goes');
    is(join(' ', map { read_state("$scan/$_")->{state} } qw(file odd link)), 'up waiting waiting', 'of a link the name counts, wherever it leads');
    svc('-r', "$scan/many");
    finish();
};

subtest 'without a scanner' => sub {
    begin();
    my $dir = service('web', needs => ['db']);
    my $pid = supervise($dir);
    waits('web', qr/, waiting \(db is missing\)/, 'nobody says where to look: it waits');
    wait_message($dir, qr/needs: names services, and nobody says in which directory \(option -n\); using nothing: it waits/);
    is(leave_service($dir, $pid), 0, 'and leaves');
    $pid = supervise($dir, args => ['-n', $scan]);
    waits('web', qr/, waiting \(db is missing\)/, '-n: there it looks');
    my $db = supervise(service('db'));
    is_up('web');
    control($dir, 'Z');
    wait_for { process_info($pid)->{command} =~ / -r / && state_is($dir, state => 'up') } 'upgrade';
    control("$scan/db", 'd');
    wait_state("$scan/db", state => 'down');
    is(all_of('ended'), 'web db', 'it goes on following it after an upgrade in place');
    is(leave_service($dir, $pid), 0, 'left');
    is(leave_service("$scan/db", $db), 0, 'left');
    no_processes_left();
};

# The name beside the link, under which the new one is made, was a byte too long.
subtest 'a name of 255 bytes whose registration says something else' => sub {
    begin();
    my $long = 'n' x 255;
    service('db');
    mkdir "$scan/db/$_" or die "mkdir: $!\n" for qw(supervise supervise/dependents);
    chmod 0700, "$scan/db/supervise";
    symlink '/nowhere', "$scan/db/supervise/dependents/$long" or die "symlink: $!\n";
    rename service('app', needs => ['db']), "$scan/$long" or die "rename: $!\n";
    $scanner = scanner($scan);
    is_up($long);
    like(readlink "$scan/db/supervise/dependents/$long", qr{^n/.*/n{255}$}, 'is exchanged');
    opendir my $all, "$scan/db/supervise/dependents" or die;
    is(join(' ', grep { !/^\.\.?$/ } readdir $all), $long, '... and nothing left beside it');
    finish();
};

# Between a child's birth and its execve() it has a copy of each of the supervisor's descriptors.
subtest 'what is waited for no more does not wake while a child has its FIFO' => sub {
    begin();
    service('db');
    service('app', needs => [qw(db late)]);
    $scanner = scanner($scan);
    is_up('db');
    my $over = wait_for { supervisor('app') } 'a supervisor';
    my ($arrivals) = wait_for {
        my $fds = fds_of($over);
        grep { $fds->{$_} =~ m{/\.lares/event/} } keys %$fds
    } 'it to wait for what is not there';
    my $copy = duplicate_fd($over, $arrivals);
    if (defined $copy) {
        is(epoll_targets($over), 2, 'db is listened to, and the scanner');
        service('late');
        is_up('app');
        is(epoll_targets($over), 2, 'db and late, though somebody has what the supervisor had of the scanner');
        POSIX::close($copy);
    } else { diag('skipped: no pidfd_getfd(2) here') }
    finish();
};

subtest 'who needs nothing pays nothing' => sub {
    begin();
    service('alone');
    $scanner = scanner($scan);
    is_up('alone');
    svc('-wR', '-r', "$scan/alone");
    svc('-wD', '-d', "$scan/alone");
    ok(!-e "$scan/alone/supervise/$_", "no $_ is made") for qw(needs dependents text);
    finish();
};

done_testing();
