# What a stop could not give to the logger comes first next time, once, whoever is killed while it
# is put back. And outside a stop lares-log does not end with its pipe.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Lares::Drain;
use Fcntl qw(O_RDWR O_NONBLOCK);
use POSIX ();
use Time::HiRes ();
use Test::More;

my $seed = $ENV{LARES_SEED} || time ^ $$;
srand $seed;
diag("seed $seed");
my $log = 'exec lares-log s1000000 n1000 ./main';

# Lines of a life before the first, as a service would have written them.
sub old_lines { my ($name, $count) = @_; return map { "$name old $_" . '.' x ($_ % 70) } 1 .. $count }

sub with_rest {
    my ($count, %opt) = @_;
    my ($scan) = new_scan();
    my $dir = make_pair($scan, 'web', log => $log, pause => 1, %opt);
    mkdir "$dir/$_", 0700 for 'log/supervise';
    my @old = old_lines('web', $count);
    write_file("$dir/log/supervise/rest", join('', map { "$_\n" } @old), 0600);
    return ($scan, $dir, \@old);
}

# The log begins with these and goes on with the lines of the lives.
sub is_all_there {
    my ($dir, $old, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @lines = log_lines($dir);
    my @new   = splice @lines, scalar @$old;
    my $wrong = grep { ($lines[$_] // '') ne $old->[$_] } 0 .. $#$old;
    my @wrote = unpack 'Q*', file_text($dir =~ s{/scan/}{/scan/../}r . '.tally') // '';
    my @want  = map { my $life = $_; map { "web $life $_" } 0 .. $wrote[$life] - 1 } 0 .. $#wrote;
    # A life that was killed may have written one line more than it could note.
    my %noted = map { $_ => 1 } @want;
    @new = grep { $noted{$_} || !/^web \d+ \d+$/ } @new;
    is("$wrong of " . @$old . ' wrong, then ' . @new . ' lines', '0 of ' . @$old . ' wrong, then ' . @want . ' lines', "$what: old lines first");
    is(join("\n", @new), join("\n", @want), '... then the new ones, in their order');
    ok(!-e "$dir/log/supervise/rest", '... and the file is gone');
    return;
}

sub runs_and_stops {
    my ($what, $scan, $dir, $old) = @_;
    my $scanner = scanner($scan);
    wait_for { grep { /^web \d+ \d+$/ } log_lines($dir) } 'a new line';
    is(stop_scanner($scanner), 0, "$what: stopped");
    no_processes_left();
    is_all_there($dir, $old, $what);
    return;
}

for my $count (1, 1500, 12_000) {
    runs_and_stops("$count lines", with_rest($count));
}

# Whoever was killed while it put them back has left the beginning in the pipe, which others hold.
for my $part ('nothing', 'a part', 'all') {
    my ($scan, $dir, $old) = with_rest(1500);
    my $text = file_text("$dir/log/supervise/rest");
    make_fifo("$dir/log/supervise/pipe", 0622);
    sysopen my $fifo, "$dir/log/supervise/pipe", O_RDWR | O_NONBLOCK or die;
    my $fed = $part eq 'nothing' ? 0 : $part eq 'all' ? length $text : 8192;
    fcntl $fifo, 1031, 1 << 20; # F_SETPIPE_SZ
    is(syswrite($fifo, substr $text, 0, $fed) // 0, $fed, "$part of it is in the pipe");
    runs_and_stops("killed when $part was put back", $scan, $dir, $old);
}

# Everything of the suite is killed again and again while it begins.
for my $round (1 .. ($ENV{LARES_LONG} ? 40 : 4)) {
    my ($scan, $dir, $old) = with_rest(12_000);
    make_fifo("$dir/log/supervise/pipe", 0622);
    sysopen my $fifo, "$dir/log/supervise/pipe", O_RDWR | O_NONBLOCK or die;
    my $scanner = scanner($scan);
    my $kills   = 0;
    my $until   = Lares::Process::now() + 0.3;
    while (Lares::Process::now() < $until) {
        my @pids = grep { $_->{pid} != $scanner && $_->{command} =~ /^lares-(?:supervise|log)/ } descendants();
        $kills++ if @pids && eval { kill9($pids[rand @pids]{pid}) };
        Time::HiRes::sleep(rand 0.01);
    }
    wait_for { grep { /^web \d+ \d+$/ } log_lines($dir) } 'a new line', 40;
    is(stop_scanner($scanner), 0, "round $round, $kills kills: stopped");
    no_processes_left();
    is_all_there($dir, $old, "round $round, $kills kills");
}

# More than a pipe may hold for this user.
SKIP: {
    skip 'not root: nobody to become', 1 if $>;
    my ($scan, $dir, $old) = with_rest(40_000);
    my $size = -s "$dir/log/supervise/rest";
    my $most = file_text('/proc/sys/fs/pipe-max-size') + 0;
    skip "a pipe may have $most bytes here", 1 if $most >= $size;
    system('chown', '-R', '65534:65534', dirname_of($scan)) == 0 or die;
    my $scanner = scanner($scan, { uid => 65534, gid => 65534, groups => '' });
    wait_for { grep { /^web \d+ \d+$/ } log_lines($dir) } 'a new line';
    is(stop_scanner($scanner), 0, 'too much: stopped');
    no_processes_left();
    like(said_text($scan), qr{a pipe does not hold all that was left for the logger: from byte (\d+) on it stays in (?:log/)?supervise/rest\.1}, '... it is said where the remainder is');
    my ($from) = said_text($scan) =~ /from byte (\d+) on/;
    my $text = join '', map { "$_\n" } log_lines($dir);
    my $rest = file_text("$dir/log/supervise/rest.1");
    is(length $rest, $size, '... all of it is there');
    is(substr($text, 0, $from), substr($rest, 0, $from), '... and the logger has had what fits');
    ok(!-e "$dir/log/supervise/rest", '... once');
}

# --- the end of a pipe that is no stop -------------------------------------------------------

# The scanner and both supervisors are dead when the service ends. The next service comes before
# another log supervisor, and goes the same way.
{
    my ($scan) = new_scan();
    my $dir = make_pair($scan, 'web', log => $log, pause => 1);
    my $scanner = scanner($scan);
    my ($service, $logger) = both_up($dir);
    wait_for { log_lines($dir) > 5 } 'lines';
    kill9($scanner);
    wait_exit($scanner);
    kill9($_) for grep { $_ } map { supervisor($_) } 'web', 'web/log';
    kill9($service);
    wait_for { !alive($service) } 'the service to end';
    for my $life (1 .. 3) {
        my $supervisor = spawn([bin('supervise'), '-s', 'web'], cwd => $scan, stderr => "$scan/../said", stdout => "$scan/../out");
        my $next = wait_for { my $pid = service_pid($dir); $pid && $pid != $service && $pid } "life $life";
        wait_for { grep { /^web $life \d+$/ } log_lines($dir) } "lines of life $life";
        signal($logger, 'STOP');
        wait_for { (unpack 'Q*', file_text("$scan/../web.tally"))[$life] > 20 } 'more';
        kill9($supervisor);
        wait_exit($supervisor);
        kill9($next);
        wait_for { !alive($next) } 'the service to end';
        $service = $next;
        signal($logger, 'CONT');
        ok(alive($logger), "life $life: the logger lives on");
    }
    $scanner = scanner($scan);
    wait_for { grep { /^web 4 \d+$/ } log_lines($dir) } 'lines of the last life';
    is(service_pid("$dir/log"), $logger, 'the logger is the one it was');
    is(stop_scanner($scanner), 0, 'TERM of the scanner');
    Lares::Process::reap_orphans();
    no_processes_left();
    is_all_there($dir, [], 'lives without a log supervisor');
}

# A logger of another user holds its pipe, too.
SKIP: {
    skip 'not root: nobody to become', 1 if $>;
    my ($scan) = new_scan();
    my $dir = make_pair($scan, 'web', log => "exec lares-setuidgid nobody " . ($log =~ s/^exec //r), pause => 1);
    mkdir "$dir/log/main";
    system('chown', 'nobody', "$dir/log/main") == 0 or die;
    my $scanner = scanner($scan);
    my (undef, $logger) = both_up($dir);
    wait_for { log_lines($dir) > 5 } 'lines';
    wait_for { 2 == grep { (readlink($_) // '') eq "$dir/log/supervise/pipe" } glob "/proc/$logger/fd/*" } 'both ends in the logger';
    is(stop_scanner($scanner), 0, 'a logger of another user');
    no_processes_left();
    is_all_there($dir, [], 'a logger of another user');
}

# Where no supervisor says so, the end of input is the end.
{
    my $dir = tmp('plain');
    mkdir $dir;
    make_fifo("$dir/fifo");
    sysopen my $buffer, "$dir/buf", O_RDWR | POSIX::O_CREAT() or die;
    truncate $buffer, 4096 + 2 * 65536;
    sysopen my $fifo, "$dir/fifo", O_RDWR or die;
    my $pid = spawn([bin('log'), './main'], cwd => $dir, stdin => "$dir/fifo", fds => { 9 => $buffer }, env => { LARES_LOGBUF => 9 });
    syswrite $fifo, "a line\n";
    wait_for { file_text("$dir/main/current") } 'the line';
    close $fifo;
    is(wait_exit($pid)->{exit}, 0, 'a logger without a supervisor ends with its pipe');
}

sub dirname_of { my ($path) = @_; return $path =~ s{/[^/]*$}{}r }

done_testing();
