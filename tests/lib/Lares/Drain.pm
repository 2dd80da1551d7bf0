# Stops of services with much behind them: a service that writes numbered lines as fast as they
# are read, loggers that wait at a gate until the test opens it, and the account of the lines.
# use Lares; use Lares::Scan; use Lares::Drain;

package Lares::Drain;

use strict;
use warnings;
use Exporter 'import';
use Fcntl qw(O_RDWR O_NONBLOCK);
use Lares;
use Lares::Scan;
use Lares::State qw(read_state);

our @EXPORT = qw(make_pair full gated open_gate draining supervisor_of log_lines account rest_of
    good_logger goes_on);

# SCAN/NAME, a service whose lives are counted beside SCAN, with log => text of log/run.
sub make_pair {
    my ($scan, $name, %opt) = @_;
    my $tally = (probe('-'))[0] =~ s{[^/]*\z}{tally}r;
    my $dir   = make_service("$scan/$name", run => [$tally, "$scan/..", $name, 0, $opt{pause} || 0],
        log   => $opt{log},
        files => { 'log/restart-delays' => "0\n", %{ $opt{files} || {} } });
    make_fifo("$dir/log/gate");
    return $dir;
}

# The service has filled the pipe and waits. Returns its pid.
sub full {
    my ($dir) = @_;
    my $pid = up($dir);
    wait_for { (file_text("/proc/$pid/wchan") || '') =~ /pipe/ } 'a full pipe';
    return $pid;
}

# log/run: the logger proper begins when the gate is open.
sub gated { return "read go <gate\n$_[0]" }

# For who waits at it now and for all who come.
sub open_gate {
    my ($dir) = @_;
    my $gate = "$dir/log/gate";
    sysopen my $fifo, $gate, O_RDWR | O_NONBLOCK or die "$gate: $!\n";
    write_file("$gate.open", "go\n");
    rename "$gate.open", $gate or die "$gate: $!\n";
    syswrite $fifo, "go\n" x 10;
    push @Lares::Drain::kept, $fifo;
    return;
}

sub draining { my $s = read_state("$_[0]/log"); return $s && $s->{draining} ? $s : undef }

# The pid of the logger's supervisor, when it has begun.
sub supervisor_of {
    my ($scan, $name) = @_;
    return scalar wait_for { supervisor($name) } "the supervisor of $name";
}

# All lines of a log, oldest first.
sub log_lines {
    my ($dir) = @_;
    return map { split /\n/, file_text($_) // '' } (sort glob "$dir/log/main/\@*"), "$dir/log/main/current";
}

# "N lines, M missing, D doubled, W out of place" of the lives of a service; and the lines of that
# account when nothing was lost. What else the log holds is out of place.
sub account {
    my ($dir) = @_;
    my ($scan, $name) = $dir =~ m{(.*)/([^/]+)$};
    my @wrote = unpack 'Q*', file_text("$scan/../$name.tally") // '';
    my @have  = log_lines($dir);
    my %seen;
    $seen{$_}++ for @have;
    # One that was killed can have written a line that it had no time to count.
    $seen{"$name $_ $wrote[$_]"} and $wrote[$_]++ for 0 .. $#wrote;
    my @want  = map { my $life = $_; map { "$name $life $_" } 0 .. $wrote[$life] - 1 } 0 .. $#wrote;
    my $missing = grep { !$seen{$_} } @want;
    my $doubled = grep { $_ > 1 } values %seen;
    # Those that are there, in their order.
    my @due   = grep { $seen{$_} } @want;
    my %first = ();
    my @got   = grep { !$first{$_}++ } @have;
    my $wrong = abs(@got - @due) + grep { defined $got[$_] && $got[$_] ne $due[$_] } 0 .. $#due;
    return (@have . " lines, $missing missing, $doubled doubled, $wrong out of place",
        @want . ' lines, 0 missing, 0 doubled, 0 out of place');
}

sub rest_of { my ($dir) = @_; return -s "$dir/log/supervise/rest" || 0 }

# A logger of ours, instead of what there was.
sub good_logger {
    my ($dir) = @_;
    write_file("$dir/log/run.new", "#!/bin/sh\nexec lares-log s1000000 n1000 ./main\n", 0755);
    rename "$dir/log/run.new", "$dir/log/run" or die "$dir/log/run: $!\n";
    return;
}

# Once more, with a good logger, until new lines have come; and the orderly stop of it.
sub goes_on {
    my ($scan, @dirs) = @_;
    good_logger($_) for @dirs;
    my %lives = map { ($_ => (-s "$scan/../" . s{.*/}{}r . '.lives') / 40) } @dirs; # tally's entries
    my $scanner = scanner($scan);
    for my $dir (@dirs) {
        my $name = $dir =~ s{.*/}{}r;
        wait_for { grep { /^\Q$name\E $lives{$dir} \d+$/ } log_lines($dir) } "lines of the next life of $name";
    }
    return stop_scanner($scanner);
}

1;
