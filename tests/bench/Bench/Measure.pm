# The measures. Each returns rows { name, unit, cells => { suite name => [values] or a reason } };
# candidates are interleaved within one run. Nothing here asserts anything about time.

package Bench::Measure;

use strict;
use warnings;
use Exporter 'import';
use Time::HiRes 'sleep';
use Lares;
use Bench::Suites;

our @EXPORT = qw(await_reports measure_restart measure_control measure_fleet measure_idle median progress);

# A service must have lived so long before it is killed or told something.
my $ALIVE_MS = 1100;

sub median {
    my @sorted = sort { $a <=> $b } @_;
    return @sorted % 2 ? $sorted[ $#sorted / 2 ] : ($sorted[ @sorted / 2 - 1 ] + $sorted[ @sorted / 2 ]) / 2;
}

sub progress { print STDERR "# @_\n" }

# Starts a program of ours and gives what it writes, line by line, to the caller.
sub lines_of {
    my ($argv, %opt) = @_;
    pipe my $out, my $in or die "pipe: $!\n";
    my $pid = spawn($argv, stdout => $in, %opt);
    close $in;
    return ($out, $pid);
}

# Waits until so many services have said that they live.
sub await_reports {
    my ($fifo, $count, $who) = @_;
    my ($got, $until) = (0, time + 30);
    while ($got < $count) {
        my $set = '';
        vec($set, fileno $fifo, 1) = 1;
        my $left = $until - time;
        die "bench: $who: only $got of $count services live\n" if $left <= 0;
        next if select($set, undef, undef, $left) < 1;
        my $read = sysread $fifo, my $bytes, 16 * 256;
        $got += $read / 16 if $read;
    }
}

# A supervisor started from elsewhere than the service's directory, but the floor's.
sub start_one {
    my ($suite, $dir) = @_;
    return spawn($suite->{supervise}->($dir), cwd => $dir);
}

sub usable {
    my ($cells, $key, @suites) = @_;
    my @usable;
    for my $suite (@suites) {
        if    ($suite->{reason})  { $cells->{ $suite->{name} } = $suite->{reason} }
        elsif (!$suite->{$key})   { $cells->{ $suite->{name} } = $suite->{without} if $suite->{without} }
        else                      { push @usable, $suite }
    }
    return @usable;
}

# --- restart: kill -9 to the first instruction of the successor ------------------------------

sub measure_restart {
    my ($rounds, $places, @suites) = @_;
    my (@candidates, @rows);
    for my $place (@$places) {
        my $row = { name => "restart, $place->{name}", key => 'restart', unit => 'us', cells => {} };
        push @rows, $row;
        for my $suite (usable($row->{cells}, 'supervise', @suites)) {
            my $dir = make_bench_service("$place->{dir}/restart/$suite->{name}", $suite);
            push @candidates, { suite => $suite, dir => $dir, row => $row };
        }
    }
    progress("restart: $rounds rounds of " . @candidates . ' candidates');
    my ($out) = lines_of([ helper('restart'), $rounds, $ALIVE_MS, map { "$_->{dir}/report" } @candidates ]);
    <$out>; # the FIFOs have a reader
    start_one($_->{suite}, $_->{dir}) for @candidates;
    while (my $line = <$out>) {
        my ($index, $ns) = split ' ', $line;
        my ($row, $name) = ($candidates[$index]{row}, $candidates[$index]{suite}{name});
        if ($ns eq '-') { $row->{cells}{$name} = 'did not come back in 5 s' }
        elsif (!defined $row->{cells}{$name} || ref $row->{cells}{$name}) {
            push @{ $row->{cells}{$name} }, $ns / 1e3;
        }
    }
    Lares::Process::end_everything();
    return @rows;
}

# --- control: down until really down, up until up --------------------------------------------

sub measure_control {
    my ($rounds, $place, @suites) = @_;
    my %rows = (
        down => { name => 'down until down', key => 'control', unit => 'us', cells => {} },
        up   => { name => 'up until up',     key => 'control-up', unit => 'us', cells => {} },
    );
    my ($group, $input, @running) = (0, '');
    make_fifo("$place->{dir}/control.report");
    open my $reports, '+<', "$place->{dir}/control.report" or die "control.report: $!\n";
    usable($rows{up}{cells}, 'up', @suites);
    for my $suite (usable($rows{down}{cells}, 'down', @suites)) {
        my $dir = make_bench_service("$place->{dir}/control/$suite->{name}", $suite,
            "$place->{dir}/control.report");
        if ($suite->{up}) { start_one($suite, $dir); push @running, $suite }
        for my $verb (grep { $suite->{$_} } qw(down up)) {
            $input .= join("\t", $group, "$suite->{name}:$verb", @{ $suite->{$verb}->($dir) }) . "\n";
        }
        $group++;
    }
    await_reports($reports, scalar @running, 'control');
    progress("control: $rounds rounds of $group candidates");
    my ($out) = lines_of([ helper('control'), $rounds, $ALIVE_MS ],
        stdin => write_file("$place->{dir}/control.input", $input));
    while (my $line = <$out>) {
        my ($name, $verb, $ns) = $line =~ /^(.+):(\w+) (\S+)/ or next;
        my $cells = $rows{$verb}{cells};
        if ($ns eq '-') { $cells->{$name} = 'the command failed' if !ref $cells->{$name} }
        else {
            $cells->{$name} = [] if !ref $cells->{$name};
            push @{ $cells->{$name} }, $ns / 1e3;
        }
    }
    $rows{up}{cells}{floor} = $rows{down}{cells}{floor}; # the same program, doing nothing
    Lares::Process::end_everything();
    return @rows{qw(down up)};
}

# --- many services ---------------------------------------------------------------------------

sub fleet_round {
    my ($suite, $dir, $count, $fifo, $new) = @_;
    my @dirs = map { "$dir/s$_" } 1 .. $count;
    if ($new) {
        File::Path::remove_tree($dir);
        make_bench_service($dirs[0], $suite, $fifo);
        for my $service (@dirs[ 1 .. $#dirs ]) {
            mkdir $service or die "mkdir $service: $!\n";
            link "$dirs[0]/run", "$service/run" or die "link: $!\n";
            symlink $fifo, "$service/report" or die "symlink: $!\n";
            write_file("$service/$_", $suite->{files}{$_}) for keys %{ $suite->{files} || {} };
        }
    }
    my ($signal, $start, $stop) = @{ $suite->{scan}->($dir, @dirs) };
    my %took;
    my ($out, $pid) = lines_of([ helper('fleet'), $fifo, $count, $signal, @$start, $stop ? ('--', @$stop) : () ],
        stderr => '/dev/null', env => $suite->{env});
    while (my $line = <$out>) {
        my ($what, $ns) = split ' ', $line;
        $took{$what} = $ns / 1e9 if $ns ne '-';
    }
    wait_exit($pid, 10);
    Lares::Process::end_everything();
    return \%took;
}

sub measure_fleet {
    my ($rounds, $count, $place, @suites) = @_;
    my %rows = map { $_->[0] => { name => "$count services $_->[1]", key => "$count-$_->[0]", unit => 's', cells => {} } }
        (['up', 'up, new'], ['again', 'up, again'], ['gone', 'stopped']);
    my (%skip, @usable);
    for my $suite (usable(\%skip, 'scan', @suites)) {
        if (!$suite->{most} || $count <= $suite->{most}) { push @usable, $suite }
        else { $skip{ $suite->{name} } = "takes at most $suite->{most} services" }
    }
    $_->{cells} = {%skip} for values %rows;
    for my $round (1 .. $rounds) {
        for my $suite (sort { rand() <=> rand() } @usable) {
            progress("$count services, round $round of $rounds: $suite->{name}");
            my $fifo = "$place->{dir}/fleet.report";
            unlink $fifo;
            make_fifo($fifo);
            for my $new (1, 0) {
                my $took = fleet_round($suite, "$place->{dir}/fleet", $count, $fifo, $new);
                my %found = ($new ? 'up' : 'again' => $took->{up}, gone => $took->{gone});
                for my $what (keys %found) {
                    my $cells = $rows{$what}{cells};
                    if (!defined $found{$what}) { $cells->{ $suite->{name} } ||= 'not within 30 s' }
                    else {
                        $cells->{ $suite->{name} } = [] if !ref $cells->{ $suite->{name} };
                        push @{ $cells->{ $suite->{name} } }, $found{$what};
                    }
                }
            }
        }
    }
    File::Path::remove_tree("$place->{dir}/fleet");
    return @rows{qw(up again gone)};
}

# --- idle wake-ups -----------------------------------------------------------------------------

sub switches {
    my $sum = 0;
    for my $process (@_) {
        for my $status (glob "/proc/$process->{pid}/task/*/status") {
            my $text = file_text($status) || '';
            $sum += $1 while $text =~ /^(?:non)?voluntary_ctxt_switches:\s+(\d+)/mg;
        }
    }
    return $sum;
}

# A scanner with ten services, half of them with a logger, left alone.
sub measure_idle {
    my ($seconds, $place, @suites) = @_;
    my $row = { name => "idle wake-ups in $seconds s", key => 'idle', unit => '', cells => {} };
    make_fifo("$place->{dir}/idle.report");
    open my $reports, '+<', "$place->{dir}/idle.report" or die "idle.report: $!\n";
    for my $suite (usable($row->{cells}, 'scan', @suites)) {
        next if $suite->{name} eq 'floor' || $suite->{name} eq 'static';
        progress("idle: $suite->{name}");
        my $scan = "$place->{dir}/idle/$suite->{name}";
        my @dirs = map { make_bench_service("$scan/s$_", $suite, "$place->{dir}/idle.report") } 1 .. 10;
        for my $dir (@dirs[ 0 .. 4 ]) {
            File::Path::make_path("$dir/log/main");
            write_file("$dir/log/run", "#!/bin/sh\n$suite->{logger}\n", 0755) if $suite->{logger};
        }
        my $pid = spawn($suite->{scan}->($scan, @dirs)->[1], cwd => $scan, env => $suite->{env});
        await_reports($reports, 10, $suite->{name});
        sleep 3; # daemontools sleeps a second after each start, runit looks round
        my @processes = ((process_info($pid)), descendants($pid));
        my $before = switches(@processes);
        sleep $seconds;
        $row->{cells}{ $suite->{name} } = [ switches(@processes) - $before ];
        Lares::Process::end_everything();
    }
    return $row;
}

1;
