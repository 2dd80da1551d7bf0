#!/usr/bin/perl
# lares-logtail -f with system calls failing, over archives, a compressed one, a rotation and a new
# directory: lines are shown once and in order, and all of them, or it says what it could not read.
# Never a hang.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Lares::Faulted;
use Test::More;

sub name_of { return sprintf '@%016x%08x.s', 4611686018427387914 + 1795168800 + $_[0], 0 }
sub append { my ($file, $text) = @_; open my $out, '>>', $file or die "$file: $!\n"; print {$out} $text; close $out }

fault_campaign('logtail', seconds => 5, scenario => scenario_of(sub {
    my ($s) = @_;
    my ($log, $out, $err) = ("$s->{base}.log", "$s->{base}.out", "$s->{base}.err");
    mkdir $log or die "$log: $!\n";
    append("$log/" . name_of(1), "1\n2\n");
    append("$log/" . name_of(2), "3\n4\n");
    system "gzip '$log/" . name_of(2) . "'";
    append("$log/current", "5\n6\n");
    my $pid = spawn([ $s->{program}, '-afF', $log ], env => $s->{env}, stdout => $out, stderr => $err, quiet => 1);
    my $shown = sub { return split /\n/, file_text($out) // '' };
    my $comes = sub { my ($last) = @_; wait_for { !alive($pid) || grep { $_ eq $last } $shown->() } "$last to be shown", 20 };
    $comes->(6);
    append("$log/current", "7\n");
    rename "$log/current", "$log/" . name_of(3) or die;
    append("$log/current", "8\n");
    $comes->(8);
    rename $log, "$log.old" or die;
    mkdir $log or die;
    append("$log/current", "9\n10\n");
    $comes->(10);
    my $own = !alive($pid);
    signal($pid, 'TERM') if !$own;
    my $end  = wait_exit($pid);
    my $said = file_text($err) // '';
    $s->{said} .= $said;
    judge($s, $end, $said, 111) if $own || $end->{signal} != 15;
    die "ended by itself with 0\n" if $own && $end->{exit} == 0;
    my @shown = $shown->();
    my $last = 0;
    for my $line (@shown) {
        die "shown: " . substr("@shown", 0, 200) . "\n" if $line !~ /^\d+$/ || $line <= $last;
        $last = $line;
    }
    die "shown: @shown, and nothing said\n" if !$own && @shown != 10 && $said eq '';
}));

no_processes_left();
done_testing;
