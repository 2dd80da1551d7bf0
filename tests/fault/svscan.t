#!/usr/bin/perl
# lares-svscan with system calls failing: whatever fails, once or for a while, each service ends up
# with one supervisor and one process, a supervisor that dies is replaced while its service lives on,
# an entry that appears is taken up, as a link or copied in, one that vanishes is stopped, or is
# replaced at the instant its supervisor dies, another scanner and a newer one take over without
# touching a service, and a stop stops everything. A scanner that gives up does so at its beginning,
# with a message.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Lares::FaultedScan;
use POSIX ();
use Test::More;

my $number = 0;

# As a link: a directory made in place is left alone for 200 ms.
sub definition {
    my ($s, $name, %more) = @_;
    return make_service(
        "$s->{scan}.d/$name",
        run   => [probe("$s->{scan}.$name", 'sleep')],
        files => { 'restart-delays' => "0 50\n", 'timeout-kill' => "1000\n" },
        %more
    );
}
sub add_service {
    my ($s, $name, %more) = @_;
    definition($s, $name, %more);
    symlink "$s->{scan}.d/$name", "$s->{scan}/$name" or die "symlink: $!\n";
    push @{ $s->{names} }, $name;
}

sub new_supervisor {
    my ($s, $name, $old) = @_;
    get_there($s, "a new supervisor of $name", sub { my $pid = supervisor_of($s, $name); $pid && $pid != $old });
}

sub upgraded { my ($s) = @_; return (readlink("/proc/$s->{pid}/exe") // '') =~ /\.bin/ }

sub upgrade {
    my ($s) = @_;
    sysopen my $fifo, "$s->{scan}/.lares/control", POSIX::O_WRONLY() | POSIX::O_NONBLOCK() or return; # it could not make it
    syswrite $fifo, 'Z';
    close $fifo;
    get_there($s, 'the upgrade or its refusal', sub {
        upgraded($s) || -l "$s->{scan}/.lares/refused" || (file_text("$s->{scan}.err") // '') =~ /upgrade refused/
    });
}

sub live {
    my ($s, $env) = @_;
    start($s, $env);
    my %pid = map { ($_ => wait_up($s, $_, 'the first start')) } qw(a b);
    add_service($s, 'c');
    wait_up($s, 'c', 'the new entry');
    my $old = supervisor_of($s, 'b');
    kill9($old);
    new_supervisor($s, 'b', $old);
    upgrade($s);
    $old = supervisor_of($s, 'a');
    kill9($old);
    new_supervisor($s, 'a', $old);
    definition($s, 'f');
    symlink "$s->{scan}.d/f", "$s->{scan}/.c" or die "symlink: $!\n";
    kill 9, get_there($s, 'a supervisor of c', sub { supervisor_of($s, 'c') });
    rename "$s->{scan}/.c", "$s->{scan}/c" or die "rename: $!\n";
    get_there($s, 'what has taken the place of another', sub { !living($s, 'c') && living($s, 'f') });
    unlink "$s->{scan}/c";
    get_there($s, 'the end of what has vanished', sub { !living($s, 'f') });
    kill9($s->{pid});
    wait_exit($s->{pid});
    start($s, $env);
    definition($s, 'e');
    system('cp', '-r', "$s->{scan}.d/e", "$s->{scan}/e") == 0 or die "cp\n";
    push @{ $s->{names} }, 'e';
    wait_up($s, 'e', 'what was copied in');
    for my $name (qw(a b)) {
        die "the service $name was not kept\n" if wait_up($s, $name, 'in the end') != $pid{$name};
    }
    signal($s->{pid}, 'TERM');
    my $end = wait_exit($s->{pid}, 30);
    die 'left with ' . (defined $end->{exit} ? $end->{exit} : "signal $end->{signal}") . "\n"
        if !defined $end->{exit} || $end->{exit};
    nobody_left();
}

sub scenario {
    my ($program, $env) = @_;
    my $scan = tmp('scan' . ++$number);
    my $s    = { program => $program, scan => $scan, names => [] };
    mkdir $_ or die "mkdir $_: $!\n" for $scan, "$scan.bin";
    mkdir "$scan/.lares", 0700;
    link $program, "$scan.bin/lares-svscan" or die "link: $!\n";
    link bin('supervise'), "$scan.bin/lares-supervise" or die "link: $!\n";
    write_file("$scan/.lares/bindir", "$scan.bin\n", 0600);
    add_service($s, 'a', log => [bin('log'), 't', './main']);
    add_service($s, 'b');
    return account($scan, sub { live($s, $env) });
}

fault_campaign('svscan', seconds => 18, scenario => \&scenario);
done_testing;
