# Real daemons in one scan directory: PostgreSQL, Redis and nginx, each with a logger and as an
# unprivileged account. Started, watched, killed, restarted, controlled, stopped.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::Daemons;
use Test::More;
use Time::HiRes ();

$SIG{PIPE} = 'IGNORE';
my ($there, $why) = daemons_there();
plan skip_all => join '; ', values %$why if !@$there;
diag("without $_: $why->{$_}") for sort keys %$why;
diag('not root: the daemons run as the account of the test') if $> != 0;
my %have = map { $_ => 1 } @$there;
my ($scan) = new_scan();
my $scanner;

sub dirs { return map { "$scan/$_" } @$there }

sub svc_ok {
    my ($name, @words) = @_;
    my $r = run([bin('svc'), '-T', 20000, @words], timeout => 25);
    is($r->{exit}, 0, $name) or diag($r->{err});
}

# One that is ready, not the one before.
sub next_pid {
    my ($name, $old) = @_;
    return scalar wait_for { my $pid = main_pid("$scan/$name"); $pid && $pid != $old && $pid } "another $name";
}

sub logged { my ($name) = @_; return join '', map { file_text($_) // '' } glob "$scan/$name/log/main/{\@*,current}" }

sub uids_of { my ($pid) = @_; return [ file_text("/proc/$pid/status") =~ /^Uid:\s+(\d+)\s+(\d+)\s+(\d+)/m ] }

my %data = (
    postgres => sub { sql('select count(*), sum(length(what)) from kept') },
    redis    => sub { redis('get', 'kept') },
    nginx    => sub { http('/page') },
);
my %expected = (postgres => '1000|100000', redis => 'a value', nginx => "first\n");

sub serves {
    my ($when) = @_;
    is($data{$_}->(), $expected{$_}, "$_ serves what it had $when") for @$there;
}

subtest 'started' => sub {
    make_daemon("$scan/$_", $_) for @$there;
    $scanner = scanner($scan);
    up("$scan/$_") for @$there;
    svc_ok('each becomes ready', '-wU', dirs());
    my @account = account_ids();
    for my $name (@$there) {
        my $pid = main_pid("$scan/$name");
        is_deeply(uids_of($pid), [ ($account[0]) x 3 ], "$name runs as the account");
        my @wrong = grep { $_->{ppid} != supervisor($name) } process_info($pid);
        is(scalar @wrong, 0, "$name is its supervisor's child");
        up("$scan/$name/log");
        wait_for { -s "$scan/$name/log/main/current" } "$name logs" if $name ne 'nginx';
    }
    if ($have{postgres}) {
        is(sql('create table kept (what text)'), '', 'PostgreSQL takes a table');
        sql("insert into kept select repeat('x', 100) from generate_series(1, 1000)");
    }
    is(redis('set', 'kept', 'a value'), 'OK', 'Redis takes a value') if $have{redis};
    serves('in the beginning');
    wait_for { file_text("$scan/nginx/log/main/current") =~ m{GET /page} } 'a page logged' if $have{nginx};
};

# -9 to the main process. A backend of PostgreSQL that computes does not notice at once and keeps
# the shared memory: a new postmaster refuses to start, and is started again until it can.
subtest 'killed' => sub {
    my (%old, %left);
    my $busy = $have{postgres} && pg_session();
    if ($busy) {
        wait_for { status_of("$scan/postgres")->{since_seconds} >= 2 } 'a good run';
        pg_send($busy, q{do $$ begin raise warning 'computing'; loop exit when }
                . q{(pg_stat_file('enough', true)).size is not null; end loop; end $$});
        pg_answer($busy, qr/computing/);
    }
    for my $name (@$there) {
        $old{$name} = main_pid("$scan/$name");
        $left{$name} = [ descendants($old{$name}) ];
        # Good runs only: the delay after an early death is another test's.
        wait_for { status_of("$scan/$name")->{since_seconds} >= 2 } 'a good run';
        kill9($old{$name});
    }
    if ($busy) {
        wait_for { logged('postgres') =~ /pre-existing shared memory block/ } 'a refusal';
        pass('a new PostgreSQL is refused while an old backend has its memory');
        write_file(tmp('data/postgres/enough'), '');
    }
    next_pid($_, $old{$_}) for @$there;
    wait_for { defined $data{$_}->() } "$_ serving" for @$there;
    serves('when killed with -9');
    for my $name (@$there) {
        is((grep { my $i = process_info($_->{pid}); $i && $i->{start} == $_->{start} } @{ $left{$name} })[0], undef,
            "of the $name before nothing is left");
        note("$name: " . status_of("$scan/$name")->{deaths} . ' deaths until it was ready again');
        like(status_of("$scan/$name")->{last_exit_text}, qr/\S/, "$name: its death is on record");
    }
    if ($have{postgres}) {
        like(logged('postgres'), qr/was not properly shut down; automatic recovery in progress/, 'PostgreSQL recovered');
        cmp_ok(status_of("$scan/postgres")->{deaths}, '>=', 2, '... which took more than one start');
    }
};

# The suite's own processes die; no daemon notices.
subtest 'supervisors, loggers and the scanner killed' => sub {
    my %pid = map { $_ => main_pid("$scan/$_") } @$there;
    my $session = $have{postgres} && pg_session();
    for my $name (@$there) {
        kill9(supervisor($name));
        kill9(service_pid("$scan/$name/log"));
    }
    kill9($scanner);
    is(wait_exit($scanner)->{signal}, 9, 'the scanner is dead');
    is($data{$_}->(), $expected{$_}, "$_ serves without a scanner") for @$there;
    $scanner = scanner($scan);
    for my $name (@$there) {
        wait_for { supervisor($name) && status_of("$scan/$name")->{adopted} } "the state to say that $name is adopted";
        is(main_pid("$scan/$name"), $pid{$name}, "$name is the same and still ready");
        up("$scan/$name/log");
    }
    serves('after all that');
    if ($session) {
        pg_send($session, 'select 6*7');
        like(pg_answer($session, qr{Z\0\0\0\x05I\z}), qr{\0\0\0\x0242}, 'an open session of PostgreSQL goes on');
        close $session;
    }
};

subtest 'controlled' => sub {
    my %old = map { $_ => main_pid("$scan/$_") } @$there;
    svc_ok('svc -wR -r: all of them anew', '-wR', '-r', dirs());
    isnt(main_pid("$scan/$_"), $old{$_}, "$_ was restarted") for @$there;
    serves('after a restart');
    if ($have{nginx}) {
        my $master  = main_pid("$scan/nginx");
        my @workers = map { $_->{pid} } descendants($master);
        is(scalar @workers, 2, 'nginx has its workers');
        write_file(tmp('data/nginx/www/page'), "second\n");
        write_file(tmp('data/nginx/nginx.conf'),
            file_text(tmp('data/nginx/nginx.conf')) =~ s/worker_processes 2/worker_processes 3/r);
        svc_ok('svc -h: nginx reloads', '-h', "$scan/nginx");
        wait_for { !grep { alive($_) } @workers } 'old workers gone';
        wait_for { descendants($master) == 3 } 'three new ones';
        is(main_pid("$scan/nginx"), $master, 'by the same master');
        is(http('/page'), $expected{nginx} = "second\n", 'and serves the new page');
    }
    if ($have{redis}) {
        my $pid = main_pid("$scan/redis");
        svc_ok('svc -p: Redis stands still', '-p', "$scan/redis");
        wait_for { process_info($pid)->{state} eq 'T' } 'stopped';
        like(run([bin('svstat'), "$scan/redis"])->{out}, qr/, paused/, 'svstat says so');
        svc_ok('svc -c: it goes on', '-c', "$scan/redis");
        is(redis('get', 'kept'), 'a value', 'and answers');
    }
};

subtest 'down and up' => sub {
    my %all = map { my $main = main_pid("$scan/$_"); ($_ => [ process_info($main), descendants($main) ]) } @$there;
    svc_ok('svc -wD -d: all down', '-wD', '-d', dirs());
    my @left = grep { my $i = process_info($_->{pid}); $i && $i->{start} == $_->{start} } map { @$_ } values %all;
    is(scalar @left, 0, 'every process of theirs has ended') or diag(map { Lares::Proc::describe($_) . "\n" } @left);
    for my $name (@$there) {
        is($data{$name}->(), undef, "$name serves no more");
        like(run([bin('svstat'), "$scan/$name"])->{out}, qr/: down \d+ seconds, normally up/, "svstat of $name");
        ok(service_pid("$scan/$name/log"), "its logger is up");
    }
    svc_ok('svc -wU -u: up and ready', '-wU', '-u', dirs());
    wait_for { defined $data{$_}->() } "$_ serving" for @$there;
    serves('after a stop');
};

subtest 'stopped' => sub {
    is(stop_scanner($scanner), 0, 'the scanner stops everything and exits 0');
    no_processes_left();
    no_zombies();
    my %last = (postgres => qr/database system is shut down/, redis => qr/bye bye/, nginx => qr/: exit$/m);
    for my $name (@$there) {
        like(file_text("$scan/$name/log/main/current"), $last{$name}, "the last word of $name was logged");
    }
    # What was said, and that it was said once.
    my $said = file_text("$scan/../said");
    my @lines = map { s{^\S+ }{}r } split m{\n}, $said;
    # A scanner that is killed while it starts a supervisor leaves that on its way to the lock; the next
    # scanner, which has not seen it there, starts one more, which gives up.
    my @odd = grep { !m{^info |^warning svscan supervisor of `\w+', pid \d+, was killed by signal 9; starting another at once$}
        && !m{^fatal: already supervised by pid \d+: \w+$} } @lines;
    is("@odd", '', 'no complaint on standard error but of the kills');
    my %times;
    $times{$_}++ for @lines;
    is(join("; ", grep { $times{$_} > 1 } sort keys %times), '', 'and nothing is said twice');
    note($said);
};

done_testing();
