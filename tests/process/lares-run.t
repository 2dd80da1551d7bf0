# lares run: commands of a service's own.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

my $lares = build_dir() . '/bin/lares';
$lares = "$ENV{LARES_BUILD}/lares" if $ENV{LARES_BUILD};
my ($scan) = new_scan();
my $dir = make_service("$scan/web", run => 'echo "$ONLY_SUPERVISOR" >env; exec sleep 1000', log => 'exec cat >/dev/null',
    files => { 'command/configtest' => "#!/bin/sh\npwd; echo \"\$# \$1|\$2 \$LARES_NAME \$ONLY_SUPERVISOR \${ONLY_CLIENT-no} \${LARES_ID-no}\"; cat; exit 42\n",
        'command/other' => "#!/bin/sh\n", 'command/text' => "no program\n", 'command/.hidden' => "#!/bin/sh\n",
        'command/broken' => "#!/nonexistent\n", 'command/two words' => "#!/bin/sh\n" });
chmod 0755, "$dir/command/broken", "$dir/command/two words";
mkdir "$dir/command/folder";
my $pid = scanner($scan, { env => { ONLY_SUPERVISOR => 'yes' } });
wait_state($dir, state => 'up');
my $got = run([$lares, 'run', '-s', $scan, 'web', 'configtest', 'one two', '-x'], env => { ONLY_CLIENT => 'yes' }, input => "input\n");
is($got->{exit}, 42, 'the exit code is the command\'s');
is($got->{out}, "$dir\n2 one two|-x web yes no no\ninput\n", 'in the directory, with arguments, input, and the environment that run has');
$got = run([$lares, 'run', 'web', 'other'], env => { LARES_SCANDIR => $scan });
is($got->{exit}, 0, 'the scan directory from the environment');
$got = run([$lares, 'run', '-s', $scan, 'web']);
is_deeply([$got->{exit}, [sort split /\n/, $got->{out}]], [0, ['broken', 'configtest', 'other', 'two words']], 'without a command those that there are');
for my $case (
    [['web', 'nope'], 100, qr/web has no command nope; it has:(?= .*configtest)(?= .*other)/],
    [['web', '../run'], 100, qr/no command/], [['web', '.hidden'], 100, qr/no command/], [['web', ''], 100, qr/no command/],
    [['web/log', 'x'], 100, qr/web\/log has no commands/], [['nope', 'x'], 4, qr/no such service: nope/],
    [['../scan/web', 'x'], 4, qr/no such service/], [['.', 'x'], 4, qr/no such service/],
    [['web', 'text'], 126, qr/Permission denied/], [['web', 'folder'], 126, qr/Permission denied/],
    [['web', 'broken'], 127, qr/unable to run command\/broken of web: the interpreter/], [[], 100, qr/no service given.*usage: lares run/s],
) {
    my ($words, $code, $pattern) = @$case;
    $got = run([$lares, 'run', '-s', $scan, @$words]);
    is($got->{exit}, $code, "lares run @$words: $code");
    like($got->{err}, $pattern, '... and it says why');
}
$got = run([$lares, 'run', '-s', "$scan/none", 'web']);
is($got->{exit}, 4, 'no scan directory');
like($got->{err}, qr/there is no scan directory \Q$scan\E\/none/, '... and it says so');
for my $case ([['run', '-x'], qr/unknown option -x/], [['run', '-s'], qr/needs an argument: -s/], [['fly'], qr/unknown subcommand fly/],
    # It named none of those that there are, nor what to use instead.
    [['status'], qr/unknown subcommand status; subcommands: run; lares-svstat shows .* lares-svc .* lares-svscanctl /], [[], qr/no subcommand; subcommands: run; /],
    [['-q'], qr/unknown option -q/], [[], qr/no subcommand/]) {
    my ($words, $pattern) = @$case;
    $got = run([$lares, @$words]);
    is($got->{exit}, 100, "lares @$words");
    like($got->{err}, $pattern, '... says what is wrong');
}
SKIP: {
    skip 'not root', 1 if $>;
    my @nobody = (getpwnam 'nobody')[2, 3];
    $got = run([$lares, 'run', '-s', $scan, 'web', 'other'], uid => $nobody[0], gid => $nobody[1]);
    ok($got->{exit} == 111 || $got->{exit} == 4 || $got->{exit} == 102, 'not for others') or diag $got->{exit};
}
is(stop_scanner($pid), 0, 'TERM');
is(run([$lares, 'run', '-s', $scan, 'web', 'configtest'])->{exit}, 102, 'not supervised any more: 102');
is(run([$lares, 'run', '-s', $scan, 'web'])->{exit}, 0, '... but its commands can be listed');
no_processes_left();
done_testing;
