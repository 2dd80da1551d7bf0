# A service that speaks sd_notify as it is told (tests/probe/sdprobe.c): sd_service makes its
# directory, sd_tell gives it a line and waits until that is done.

package Lares::Sd;

use strict;
use warnings;
use Exporter 'import';
use Lares ();
use Lares::Process;

our @EXPORT = qw(sd_service sd_tell sd_said sd_born);

sub path { return ($ENV{LARES_TESTS} || Lares::build_dir() . '/tests') . '/probe/sdprobe' }

# sd_service($dir, run => shell text before it, files => ...): with `notify` sd unless that is given.
sub sd_service {
    my ($dir, %opt) = @_;
    my $before = delete $opt{before};
    my %files = (notify => "sd\n", gate => { fifo => 0666 }, %{ delete $opt{files} || {} });
    delete $files{$_} for grep { !defined $files{$_} } keys %files;
    return Lares::make_service($dir, run => ($before || '') . "exec " . path(), files => \%files, %opt);
}

# What it has done: [pid, line] each.
sub sd_said {
    my ($dir) = @_;
    my $text = Lares::file_text("$dir/said");
    return map { /^(\d+) (.*)/ ? [$1, $2] : () } split /\n/, defined $text ? $text : '';
}

# Waits until $n of it have begun; the pid of the last.
sub sd_born {
    my ($dir, $n) = @_;
    my @born;
    wait_for { @born = grep { $_->[1] eq 'born' } sd_said($dir); @born >= ($n || 1) } "$dir to be born";
    return $born[-1][0];
}

# The lines of what it has done since, up to this one; wait => 0: it is not waited for.
sub sd_tell {
    my ($dir, $line, %opt) = @_;
    my $seen = () = sd_said($dir);
    open my $gate, '+<', "$dir/gate" or die "unable to open $dir/gate: $!\n";
    syswrite $gate, "$line\n";
    my @new;
    if (!exists $opt{wait} || $opt{wait}) {
        wait_for { @new = sd_said($dir); splice @new, 0, $seen; grep { $_->[1] eq $line } @new } "$dir: $line";
    }
    close $gate;
    return map { $_->[1] } @new;
}

1;
