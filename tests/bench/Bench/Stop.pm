# The full stop of a service with 50 processes that do not want to end: each double forked, in a
# session of its own, TERM-proof. From the start of the command that waits (svc -wD -d) to its
# return, with nothing left alive; who leaves some alive has no figure. lares' timeout-kill is
# 1 ms: what is measured is the work, not the patience.

package Bench::Stop;

use strict;
use warnings;
use Exporter 'import';
use Lares;
use Bench::Measure;
use Bench::Suites;

our @EXPORT = qw(measure_stop);

my $COUNT = 50;

sub hostile { return ($ENV{LARES_TESTS} || build_dir() . '/tests') . '/probe/hostile' }

sub make_hostile_service {
    my ($dir, $suite) = @_;
    my $files = $suite->{files} || {};
    File::Path::remove_tree($dir);
    write_file("$dir/run", "#!/bin/sh\nexec " . hostile() . " $dir/report stray $COUNT\n", 0755);
    write_file("$dir/timeout-kill", "1\n");
    write_file("$dir/$_", $files->{$_}) for grep { $_ ne 'notification-fd' } keys %$files;
    return $dir;
}

# Microseconds, or a reason.
sub stop_once {
    my ($suite, $dir, $env) = @_;
    make_hostile_service($dir, $suite);
    spawn($suite->{supervise}->($dir), cwd => $dir, env => { %{ $suite->{env} || {} }, %$env });
    my $reason;
    if (!eval { wait_for { (file_text("$dir/report") || '') =~ /^ready/ } 'the hostile processes', 20 }) {
        $reason = 'the service did not start';
    }
    my $line = join("\t", 0, 'stop', @{ $suite->{down}->($dir) }) . "\n";
    my $out = $reason ? '' : eval { run([ helper('control'), 1, 1100 ], input => $line, timeout => 60)->{out} } || '';
    my $left = grep { $_->{name} =~ /^(?:stray|hostile)$/ } descendants();
    $reason ||= $left ? "leaves $left of $COUNT alive" : $out =~ /^stop (\d+)/m ? undef : 'the command failed';
    Lares::Process::end_everything();
    return $reason || $1 / 1e3;
}

# In a cgroup of its own below where cgroup2 is mounted; undef with a reason when that cannot be.
sub make_cgroup {
    my ($mount) = map { (split)[1] } grep { (split)[2] eq 'cgroup2' } split /\n/, file_text('/proc/mounts');
    return (undef, 'there is no cgroup2 file system') if !$mount;
    my $path = "$mount/lares-bench-$$";
    return mkdir($path) ? $path : (undef, "unable to make a cgroup in $mount: $!");
}

sub measure_stop {
    my ($rounds, $place, @suites) = @_;
    my @rows = map { { name => "stop of $COUNT hostile$_->[0]", key => $_->[1], unit => 'us', cells => {} } }
        ([ '', 'stop' ], [ ', cgroup', 'stop-cgroup' ]);
    my ($cgroup, $why) = make_cgroup();
    for my $round (1 .. $rounds) {
        for my $suite (sort { rand() <=> rand() } grep { $_->{down} && $_->{supervise} && $_->{name} ne 'floor' } @suites) {
            progress("stop of $COUNT hostile processes, round $round of $rounds: $suite->{name}") if !$suite->{reason};
            for my $row (@rows) {
                my $grouped = $row->{key} eq 'stop-cgroup';
                my $cell = \$row->{cells}{ $suite->{name} };
                next if $grouped && $suite->{name} ne 'lares' || defined $$cell && !ref $$cell;
                $$cell = $suite->{reason} and next if $suite->{reason};
                $$cell = $why and next if $grouped && !$cgroup;
                my $took = stop_once($suite, "$place->{dir}/stop/$suite->{name}", $grouped ? { LARES_CGROUP => $cgroup } : {});
                if ($took =~ /[a-z]/) { $$cell = $took }
                else                  { push @{ $$cell }, $took }
            }
        }
    }
    if ($cgroup) {
        rmdir $_ for glob("$cgroup/lares-*"), $cgroup;
    }
    return @rows;
}

1;
