# Real daemons that go into the background: nginx by its pid file, Redis as the one process that
# remains. Both wipe their environment to write a title there. Killed, their supervisors and the
# scanner killed, exchanged by themselves, stopped.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::Daemons;
use Test::More;

$SIG{PIPE} = 'IGNORE';
my ($there, $why) = daemons_there();
my @names = grep { $_ ne 'postgres' } @$there;
plan skip_all => join '; ', values %$why if !@names;
diag("without $_: $why->{$_}") for grep { $_ ne 'postgres' } sort keys %$why;
my ($scan) = new_scan();
my $scanner;

my %answer = (nginx => sub { http('/page') }, redis => sub { redis('get', 'kept') });
my %expected = (nginx => "first\n", redis => 'a value');

sub serves {
    my ($name, $when) = @_;
    wait_for { my $is = $answer{$name}->(); defined $is && $is eq $expected{$name} } "$name to serve $when";
    return pass("$name serves what it had $when");
}

# In the background, up, and another one than before.
sub main_of {
    my ($name, $old) = @_;
    return scalar wait_for { my $pid = main_pid("$scan/$name"); $pid && $pid != ($old // 0) && $pid } "$name up";
}

sub good_run { my ($name) = @_; wait_for { status_of("$scan/$name")->{since_seconds} >= 2 } 'a good run'; return }

# Everybody who is that daemon: its masters, when there is one.
sub masters {
    my ($name) = @_;
    my $is = $name eq 'nginx' ? qr{^nginx: master } : qr{^\S*redis-server };
    return grep { $_->{command} =~ $is } descendants();
}

for my $name (@names) {
    make_daemon("$scan/$name", $name);
    my $pid_file = send_to_background("$scan/$name", $name);
    write_file("$scan/$name/pid-file", "$pid_file\n") if $name eq 'nginx';
}
$scanner = scanner($scan);
for my $name (@names) {
    subtest $name => sub {
        my $pid = main_of($name);
        wait_for { redis('set', 'kept', 'a value') } 'Redis to take a value' if $name eq 'redis';
        serves($name, 'in the background');
        my @all = masters($name);
        is(join(' ', map { $_->{pid} } @all), $pid, 'the main process is the master, and there is one');
        is($all[0]{ppid}, supervisor($name), '... a child of its supervisor');
        wait_for { file_text("$scan/nginx/log/main/current") =~ m{GET /page} } 'a page logged' if $name eq 'nginx';

        good_run($name);
        kill9($pid);
        my $next = main_of($name, $pid);
        wait_for { defined $answer{$name}->() } "$name to serve again";
        serves($name, 'after kill -9');
        like(status_of("$scan/$name")->{last_exit_text}, qr/SIGKILL/, 'its death is known') if $name eq 'redis';

        $pid = main_of($name);
        kill9(supervisor($name));
        wait_for { status_of("$scan/$name")->{adopted} } 'it to be adopted';
        is(main_pid("$scan/$name"), $pid, 'the supervisor killed: the same one');
        kill9(supervisor($name));
        kill9($scanner);
        wait_exit($scanner);
        serves($name, 'without any supervision');
        $scanner = scanner($scan);
        wait_for { supervisor($name) && status_of("$scan/$name")->{adopted} } 'it to be adopted again';
        is(main_pid("$scan/$name"), $pid, 'the scanner too: the same one');
        is(scalar(masters($name)), 1, 'and no second one');
        kill9($pid);
        $pid = main_of($name, $pid);
        serves($name, 'after kill -9 of an adopted one');
    };
}

# The supervisor dies while the daemon launches. nginx wipes its environment, and only its pid
# file tells who it is.
subtest 'killed while it launches' => sub {
    plan skip_all => 'no nginx' if !grep { $_ eq 'nginx' } @names;
    for my $try (1 .. 5) {
        my $pid = main_of('nginx');
        good_run('nginx');
        my $restarts = status_of("$scan/nginx")->{starts};
        my $supervisor = supervisor('nginx');
        kill9($pid);
        wait_for { status_of("$scan/nginx")->{starts} > $restarts } 'the next start';
        kill9($supervisor);
        my $next = main_of('nginx', $pid);
        is(scalar(masters('nginx')), 1, "one nginx ($try)");
        is(status_of("$scan/nginx")->{starts}, $restarts + 1, '... from one start');
    }
    serves('nginx', 'after that');
};

# nginx exchanges its program: a new master is forked by the old one, which goes.
subtest 'nginx exchanges itself' => sub {
    plan skip_all => 'no nginx' if !grep { $_ eq 'nginx' } @names;
    my $old = main_of('nginx');
    my $starts = status_of("$scan/nginx")->{starts};
    my $pid_file = file_text("$scan/nginx/pid-file") =~ s/\n//r;
    is(run([bin('svc'), '-2', "$scan/nginx"])->{exit}, 0, 'svc -2: USR2');
    wait_for { -e "$pid_file.oldbin" && masters('nginx') == 2 && -s $pid_file } 'a new master';
    my ($new) = file_text($pid_file) =~ /(\d+)/;
    is(run([bin('svc'), '-q', "$scan/nginx"])->{exit}, 0, 'svc -q: QUIT to the old one');
    wait_for { !alive($old) } 'the old one to go';
    wait_for { (main_pid("$scan/nginx") // 0) == $new } 'the new one to be the main process';
    is(status_of("$scan/nginx")->{starts}, $starts, 'which is no restart');
    serves('nginx', 'with its new program');
};

subtest 'stopped' => sub {
    is(run([bin('svc'), '-T', 20000, '-wD', '-d', map { "$scan/$_" } @names], timeout => 25)->{exit}, 0, 'svc -wD -d');
    is(join(' ', map { $_->{command} } grep { $_->{command} =~ /nginx: |redis-server/ } descendants()), '', 'nothing of them is left');
    is(stop_scanner($scanner), 0, 'the scanner stops');
    no_processes_left();
    no_zombies();
    is(said($scan, qr/impossible|unable|warning supervise|error/), 0, 'no complaint') or diag(said_text($scan));
};

done_testing();
