# A service that speaks sd_notify, its supervisor killed again and again, at any moment and at any
# system call: nothing of what was said is lost, nothing is heard in another order. After each word the
# service waits until it was acted on (BARRIER=1); then the state has to be what was said.
# LARES_LONG: many more kills.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::Sd;
use Lares::State ();
use JSON::PP ();
use Test::More;
use Time::HiRes ();
use List::Util qw(shuffle);

srand(my $seed = $ENV{LARES_SEED} || time);
note "seed $seed (LARES_SEED)";
my $kills = $ENV{LARES_LONG} ? 400 : 20;
my $calls = $ENV{LARES_LONG} ? 200 : 12;

sub svstat { return JSON::PP->new->utf8->decode(run([bin('svstat'), '--json', $_[0]])->{out})->[0] }

# What it is to be, as it has said; pid: of the main process.
my ($dir, %want);
sub begin { $dir = $_[0]; %want = (ready => 0, status => undef, main => sd_born($dir)) }
sub say_something {
    my $word = (qw(READY=1 RELOADING=1 STATUS MAINPID STATUS))[rand 5];
    if ($word eq 'MAINPID') {
        my ($line) = grep { /^main/ } sd_tell($dir, 'main');
        my ($pid) = map { $_->[0] } (grep { $_->[1] eq 'main' } sd_said($dir))[-1];
        $want{main} = $pid;
        return 'MAINPID';
    }
    $word = "STATUS=number " . ($want{status} = 'number ' . int rand 1e6) =~ s/number //r if $word eq 'STATUS';
    sd_tell($dir, "send $word");
    $want{ready} = 1 if $word eq 'READY=1';
    $want{ready} = 0 if $word eq 'RELOADING=1';
    return $word;
}
sub is_as_said {
    my ($when) = @_;
    sd_tell($dir, 'barrier');
    my $s = Lares::State::read_state($dir);
    my $found = join ' ', $s->{ready}, svstat($dir)->{status_text} // '-', $s->{pid}, $s->{starts}, $s->{deaths};
    my $wanted = join ' ', $want{ready}, $want{status} // '-', $want{main}, 1, 0;
    return 1 if $found eq $wanted;
    diag "$when: found $found, wanted $wanted";
    return 0;
}

subtest 'at any moment' => sub {
    my ($scan, $def) = new_scan();
    sd_service("$def/sd");
    symlink "../def/sd", "$scan/sd" or die;
    my $scanner = scanner($scan);
    begin("$def/sd");
    my $bad = 0;
    for my $n (1 .. $kills) {
        my $pid = wait_for { supervisor('sd') } 'a supervisor';
        my $killer = fork // die "fork: $!";
        if (!$killer) { Time::HiRes::usleep(rand 6000); kill 'KILL', $pid; POSIX::_exit(0) }
        my @words = map { say_something() } 0 .. rand 3;
        waitpid $killer, 0;
        $bad += !is_as_said("kill $n, @words");
        last if $bad;
        Time::HiRes::usleep(1_050_000) if $n % 20 == 0; # more in a row without a second of life wait
    }
    is($bad, 0, "$kills kills: the state is always what was said last");
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'at any system call' => sub {
    plan skip_all => 'sanitizers do not work under strace' if $ENV{LARES_SANITIZE};
    my ($strace) = grep { (-x) } map { "$_/strace" } split /:/, $ENV{PATH};
    plan skip_all => 'strace is not installed' if !$strace;
    my $try = run([$strace, '-D', '-o', '/dev/null', '-e', 'inject=getppid:signal=KILL:when=1', 'sh', '-c', 'exit 0']);
    plan skip_all => "strace cannot trace or inject here: $try->{err}" if $try->{err} =~ /ptrace|inject|invalid/i;
    my ($scan, $def) = new_scan();
    my $bin = tmp('bin');
    mkdir $bin or die;
    # A supervisor that is killed at the call whose number is in the file `call`, once.
    my $call = tmp('call');
    write_file("$bin/lares-supervise", "#!/bin/sh\nif mv $call $call.now 2>/dev/null; then read n <$call.now\n"
        . "exec $strace -D -qq -o /dev/null -e inject=all:signal=KILL:when=\$n " . bin('supervise') . " \"\$@\"\nfi\nexec "
        . bin('supervise') . " \"\$@\"\n", 0755);
    sd_service("$def/sd");
    symlink "../def/sd", "$scan/sd" or die;
    my $scanner = scanner($scan, '-b', $bin);
    begin("$def/sd");
    sub real { return (grep { $_->{name} eq 'lares-supervise' && $_->{command} =~ / -q?s sd $/ } descendants())[0] }
    my $bad = 0;
    my @numbers = (shuffle(1 .. 160))[0 .. $calls - 1];
    my $n = 0;
    for my $number (@numbers) {
        my $now = wait_for { real() } 'a supervisor';
        write_file($call, "$number\n");
        kill9($now->{pid});
        my @words = map { say_something() } 0 .. 2;
        $bad += !is_as_said("call $number, @words");
        last if $bad;
        unlink $call;
        Time::HiRes::usleep(1_050_000) if ++$n % 14 == 0;
    }
    is($bad, 0, "killed at calls @numbers: the state is always what was said last");
    is(stop_scanner($scanner), 0, 'stopped');
    diag(join "", (split /^/, said_text($scan))[-14 .. -1]) if descendants();
    no_processes_left();
};

no_processes_left();
no_zombies();
done_testing;
