# lares-svstat of a whole scan directory: -s, and --failed with its exit code.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use JSON::PP ();
use Test::More;

my ($scan) = new_scan();
sub svstat { my @args = @_; return run([bin('svstat'), @args]) }
sub failed { my @args = @_; my $r = svstat('--failed', @args); return "$r->{exit} " . join ' ', map { s{^\Q$scan\E/}{}r =~ s/: .*//r } split /\n/, $r->{out} }

my $r = svstat('--failed', $scan);
is("$r->{exit} $r->{out}$r->{err}", '0 ', 'an empty scan directory: nothing has failed');
sleeper("$scan/$_") for qw(web run supervise);
make_service("$scan/bad", run => "exit 3\n", finish => "exit 125\n");
make_service("$scan/.hidden", run => "exit 3\n");
mkdir "$scan/template@" or die;
write_file("$scan/README", "no service\n");
my $scanner = scanner($scan);
both_up("$scan/$_") for qw(web run supervise);
wait_state("$scan/bad", state => 'failed');

$r = svstat('-s', $scan);
is($r->{exit}, 0, '-s: exit 0');
is(join(' ', map { s{^\Q$scan\E/}{}r =~ s/: .*//r } split /\n/, $r->{out}),
    'bad run run/log supervise supervise/log web web/log', 'every service and its logger, by name');
is(svstat('-s', "$scan/web")->{out} =~ s/\d+ s.*//sr, svstat("$scan/web")->{out} =~ s/\d+ s.*//sr, '-s of a service is that service');
my $list = JSON::PP->new->decode(svstat('--json', '-s', $scan)->{out});
is(join(' ', map { $_->{state} } @$list), 'failed up up up up up up', '-s --json');
is(scalar @{ JSON::PP->new->decode(svstat('-s', '--json', $scan)->{out} || '[]') }, 7, '-s --json: a long option behind a short one');
is(run([bin('svstat'), '-so', 'state', '.'], cwd => $scan)->{out}, "failed\n" . "up\n" x 6, '-s -o, of a relative directory');

is(failed($scan), '1 bad', '--failed: the one, exit 1');
like(svstat('--failed', $scan)->{out}, qr{^\Q$scan\E/bad: down \d+ seconds, normally up, failed: finish gave up}, 'with what is known of it');
is(failed("$scan/web", "$scan/run"), '0 ', '--failed of services that have not');
is(failed("$scan/web", "$scan/bad"), '1 bad', '... of some of which one has');
is(JSON::PP->new->decode(svstat('--json', '--failed', $scan)->{out})->[0]{state}, 'failed', '--failed --json');
is(svstat('--failed', '--json', "$scan/web")->{out}, "[]\n", '... of none');
is(svstat('--failed', '-o', 'reason', $scan)->{out}, "gave-up\n", '--failed -o');

# Left on purpose, and dead.
run([bin('svc'), '-x', "$scan/web"]);
wait_for { said($scan, qr/`web', pid \d+, left/) } 'web left';
is(failed($scan), '1 bad', 'one that was told to leave has not failed');
write_file("$scan/bad/run", "#!/bin/sh\nexec sleep 1000\n", 0755);
run([bin('svc'), '-u', "$scan/bad"]);
up("$scan/bad");
is(failed($scan), '0 ', 'one that is up again has not either');
mkdir "$scan/new" or die;
is(failed($scan), '1 new', 'one that nobody supervises has');
rmdir "$scan/new";

# A link to a disk that is not mounted was passed over in silence.
symlink 'nowhere', "$scan/$_" for 'dangling', 'template2@', '.hidden2';
symlink 'circle', "$scan/circle";
symlink 'README', "$scan/file";
is(failed($scan), '1 circle dangling', 'a link that leads nowhere has failed');
$r = svstat('-s', $scan);
is("$r->{exit} " . join(' ', grep { /circle|dangling|template|hidden|file/ } map { s{^\Q$scan\E/}{}r } $r->{out} =~ /^(.*)\n/mg),
    '0 circle: unable to chdir: a link that leads in a circle dangling: unable to chdir: a link that leads nowhere', '-s shows it, with the reason');
is_deeply([ grep { $_->{error} } @{ JSON::PP->new->decode(svstat('-s', '--json', $scan)->{out}) } ],
    [ map { { version => 1, directory => "$scan/$_->[0]", error => { text => 'unable to chdir', why => "a link that leads $_->[1]" } } }
        [ circle => 'in a circle' ], [ dangling => 'nowhere' ] ], '... --json too');
is(failed("$scan/dangling"), '1 dangling', '... asked alone');
unlink "$scan/$_" for 'dangling', 'template2@', '.hidden2', 'circle', 'file';

is(failed("$scan/nowhere"), "111 nowhere", 'one that cannot be asked: exit 111');
is(failed("$scan/bad", "$scan/nowhere"), "111 nowhere", '... whatever the others');
SKIP: {
    skip 'not root: nobody else', 3 if $>;
    $r = run([bin('svstat'), '--failed', $scan], uid => 65534, gid => 65534);
    is($r->{exit}, 111, 'by somebody who may not ask: exit 111');
    like($r->{out}, qr{^\Q$scan\E/bad: unable to open supervise/ok: Permission denied$}m, '... and why');
    mkdir tmp('closed');
    chmod 0700, tmp('closed');
    $r = run([bin('svstat'), '-s', tmp('closed')], uid => 65534, gid => 65534);
    is("$r->{exit} $r->{err}", '111 lares-svstat: warning: unable to list the services of ' . tmp('closed') . ": Permission denied\n", 'a scan directory that cannot be listed');
}
is(stop_scanner($scanner), 0, 'stopped');
is(failed($scan), '0 ', 'after a stop everything was told to leave');
for my $case ([ ['--failed'], qr/no service directory/ ], [ ['--fail', 'x'], qr/--fail/ ], [ ['-o'], qr/-o needs/ ], [ ['--json', '-o', 'up', 'x'], qr/not both/ ]) {
    $r = svstat(@{ $case->[0] });
    is($r->{exit}, 100, "@{ $case->[0] }: 100");
    like($r->{err}, $case->[1], 'and why');
}
$r = run([bin('svstat'), $scan]);
is($r->{out}, "$scan: supervise not running, it is a scan directory: -s shows its services\n", 'without -s it is told of');
no_processes_left();
done_testing;
