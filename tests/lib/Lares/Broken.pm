# Directories of programs that cannot be upgraded to. use Lares; use Lares::Broken;

package Lares::Broken;

use strict;
use warnings;
use Exporter 'import';
use Lares ();

our @EXPORT = qw(broken_builds);

# What is wrong with the one program that is broken: text and mode of its file.
my %ways = (
    'missing'        => sub { return },
    'not-executable' => sub { return ($_[0], 0644) },
    'not-a-program'  => sub { return ("no program\n" x 1000, 0755) },
    'truncated'      => sub { return (substr($_[0], 0, 9000), 0755) },
    'another'        => sub { return ("#!/bin/sh\n", 0755) },
    # By another name of the same length: no such library.
    'no-library'     => sub { (my $text = $_[0]) =~ s/libc\.so\.6\0/libq.so.6\0/g; return ($text, 0755) },
    # The one format that it knows is older than what stands in the records.
    'older'          => sub { return (Lares::file_text(Lares::build_dir() . '/kill/older/lares-supervise'), 0755) },
);

# One directory for each way and program, the other programs being good: their paths.
sub broken_builds {
    my $good = Lares::build_dir() . '/kill/a';
    my @dirs;
    for my $program (qw(supervise svscan)) {
        for my $way (sort keys %ways) {
            next if $way eq 'older' && $program ne 'supervise';
            my $dir = Lares::tmp("broken-$program-$way");
            for my $file (glob "$good/lares-*") {
                my $name = $file =~ s{.*/}{}r;
                my ($text, $mode) = (Lares::file_text($file), 0755);
                ($text, $mode) = $ways{$way}->($text) if $name eq "lares-$program";
                Lares::write_file("$dir/$name", $text, $mode) if defined $text;
            }
            push @dirs, $dir;
        }
    }
    return @dirs;
}

1;
