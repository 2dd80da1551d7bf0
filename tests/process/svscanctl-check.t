# lares-svscanctl check: slips in definitions are told before something runs by them.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Test::More;

sub check { return run([bin('svscanctl'), 'check', @_]) }
sub warned { my ($said) = @_; return join '', map { "$_\n" } sort $said =~ /^lares-svscanctl: warning: (.*)$/mg }

subtest 'nothing is wrong' => sub {
    my ($scan) = new_scan();
    make_service("$scan/db", run => 'exec sleep 1000', log => 'exec cat');
    make_service("$scan/web", run => 'exec sleep 1000', finish => 'exit 0',
        files => { 'timeout-kill' => "500\n", 'needs/db' => '', 'data/x' => '', seed => '', env => '', root => '' });
    write_file("$scan/README", "to whom it concerns\n");
    write_file("$scan/web/.Type", '');
    my $r = check($scan);
    is("$r->{exit} $r->{out}$r->{err}", '0 ', 'nothing is said');
    is(check("$scan/web")->{exit}, 0, 'of one service either');
    my $examples = source_dir() . '/examples';
    my %wrong = map { ($_ => 1) } grep { check($_)->{exit} } grep { -e "$_/run" } glob "$examples/*";
    is(join(' ', %wrong), '', 'nor of our examples');
};

subtest 'each slip is told' => sub {
    my ($scan) = new_scan();
    make_service("$scan/web", run => 'exec sleep 1000', log => 'exec cat',
        files => { 'timeout-kill' => "10s\n", timeout_kill => "5\n", 'kill-timeout' => "5\n", Type => "oneshot\n", chek => '',
            'restart-delay' => "5\n", 'needs/db' => '', finish => "#!/bin/sh\n", 'log/down_signal' => "INT\n" });
    chmod 0644, "$scan/web/finish";
    make_service("$scan/mail", run => 'exec sleep 1000');
    chmod 0644, "$scan/mail/run";
    make_service("$scan/hello", run => 'exec sleep 1000');
    write_file("$scan/hello/run", "#!/bin/sh\r\nexec sleep 1000\r\n", 0755);
    mkdir "$scan/empty";
    symlink 'nowhere', "$scan/lost";
    my $r = check($scan);
    is($r->{exit}, 1, 'exit code 1');
    is(warned($r->{err}), <<'END', 'all of them');
empty: cannot run: it has no `run'
hello/run: the interpreter `/bin/sh\r' does not exist (line ends of DOS)
lost: a link that leads nowhere
mail/run: is not executable
web/Type: means nothing; is `type' meant?
web/chek: means nothing; is `check' meant?
web/finish: is not executable
web/kill-timeout: means nothing; is `timeout-kill' meant?
web/log/down_signal: means nothing; is `down-signal' meant?
web/needs/db: there is no such service here
web/restart-delay: means nothing; is `restart-delays' meant?
web/timeout-kill: "10s" is not a decimal number; in effect: 10000
web/timeout_kill: means nothing; is `timeout-kill' meant?
END
    $r = check("$scan/mail");
    is("$r->{exit} " . warned($r->{err}), "1 $scan/mail/run: is not executable\n", 'a service by itself');
    chmod 0755, "$scan/mail/run";
    write_file("$scan/mail/check", "#!/bin/sh\n", 0644);
    $r = check("$scan/mail");
    is(warned($r->{err}), "$scan/mail/check: is not executable; in effect: nothing, as if it were not there\n", 'a check that is none is named once');
    is(check("$scan/none")->{exit}, 100, 'no such directory');
};

subtest 'what the scanner is to run' => sub {
    my ($scan) = new_scan();
    make_service("$scan/web", run => 'exec sleep 1000');
    mkdir "$scan/.lares";
    write_file("$scan/.lares/$_", "#!/bin/sh\n", 0755) for qw(SIGTERM finish bindir);
    is(check($scan)->{exit}, 0, 'hooks that can be run');
    write_file("$scan/.lares/SIGHUP", "#!/bin/sh\n", 0644);
    write_file("$scan/.lares/SIGUSR1", "#!/no/such/sh\n", 0755);
    write_file("$scan/.lares/$_", "#!/bin/sh\n", 0755) for qw(SIGusr2 TERM Notify SIGALRM);
    my $r = check($scan);
    is("$r->{exit} " . warned($r->{err}), "1 " . <<'END', 'each slip is told');
.lares/Notify: means nothing; is `notify' meant?
.lares/SIGHUP: is no executable file
.lares/SIGUSR1: the interpreter `/no/such/sh' does not exist
.lares/SIGusr2: means nothing; is `SIGUSR2' meant?
.lares/TERM: means nothing; is `SIGTERM' meant?
END
};

no_processes_left();
done_testing();
