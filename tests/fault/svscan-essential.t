#!/usr/bin/perl
# lares-svscan -d with system calls failing: services are built from definitions, an instance from its
# template, one that appears is taken up, one that vanishes is stopped and taken away, another
# scanner goes on, whoever asked for it is told that it is ready, and the end of an essential
# service ends everything with its code.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Lares::FaultedScan;
use IO::Socket::UNIX ();
use Socket 'SOCK_DGRAM';
use Test::More;

my $number = 0;

sub definition {
    my ($s, $name, %more) = @_;
    my $files = { 'restart-delays' => "0 50\n", 'timeout-kill' => "1000\n", %{ delete $more{files} || {} } };
    make_service("$s->{scan}.d/$name", run => "exec @{[ probe(\"$s->{scan}.\$LARES_NAME\", 'sleep') ]}", files => $files, %more);
}
sub is_there { my ($s, @names) = @_; push @{ $s->{names} }, @names }

sub live {
    my ($s, $env) = @_;
    my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$s->{scan}.n") or die "socket: $!\n";
    definition($s, $_) for qw(a t@);
    symlink 't@', "$s->{scan}.d/t\@x" or die "symlink: $!\n";
    is_there($s, 'a', 't@x');
    start($s, $env);
    my %pid = map { ($_ => wait_up($s, $_, 'the first start')) } qw(a t@x);
    told_ready($s, $socket);
    definition($s, 'c');
    is_there($s, 'c');
    rescan($s);
    wait_up($s, 'c', 'the new definition');
    kill9($s->{pid});
    wait_exit($s->{pid});
    1 while defined $socket->recv(my $old, 4096); # a rescan is told, too
    start($s, $env);
    told_ready($s, $socket);
    wait_up($s, $_, 'another scanner') == $pid{$_} or die "the service $_ was not kept\n" for qw(a t@x);
    system "rm -rf '$s->{scan}.d/c'";
    rescan($s);
    get_there($s, 'the end of what has vanished', sub { !living($s, 'c') && (!-e "$s->{scan}/c" || (file_text("$s->{scan}.err") // '') =~ /unable to take `c' away/) });
    definition($s, 'last', run => 'exit 7', files => { essential => '', type => "oneshot\n", restart => "never\n" });
    rescan($s);
    my $end = eval { wait_for { !alive($s->{pid}) } 'the end of everything'; wait_exit($s->{pid}) } or die $@;
    die 'ended with ' . ($end->{exit} // "signal $end->{signal}") . "\n" if ($end->{exit} // -1) != 7;
    nobody_left();
}

# Who asked for it is told, once it has begun; or it has said why not.
sub told_ready {
    my ($s, $socket) = @_;
    my $told = '';
    $socket->blocking(0);
    get_there($s, 'READY=1', sub {
        while (defined $socket->recv(my $got, 4096)) { $told .= $got }
        $told =~ /READY=1/ || (begun($s) && (file_text("$s->{scan}.err") // '') =~ /NOTIFY_SOCKET|unable to tell/)
    });
}

sub rescan {
    my ($s) = @_;
    get_there($s, 'somebody to ask for a rescan', sub { begun($s) && signal($s->{pid}, 'HUP') });
}

sub scenario {
    my ($program, $env) = @_;
    my $scan = tmp('scan' . ++$number);
    my $s    = { program => $program, scan => $scan, names => [], arguments => [ '-d', "$scan.d" ], env => { NOTIFY_SOCKET => "$scan.n" } };
    mkdir $_ or die "mkdir $_: $!\n" for $scan, "$scan.d";
    return account($scan, sub { live($s, $env) });
}

# A rescan that was asked for says anew what is wrong: two scanners and three rescans.
fault_campaign('svscan', seconds => 8, most_said => 5, scenario => \&scenario);
done_testing;
