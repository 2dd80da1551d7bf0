# A supervisor that does only what the test says (tests/probe/fakesv.c): fake_start makes a
# service directory and begins it, fake_tell gives it words and waits until they are carried out.

package Lares::Fake;

use strict;
use warnings;
use Exporter 'import';
use Lares::Process;

our @EXPORT = qw(fake_start fake_tell fake_end);

my %of; # by directory
my $serial = 0;

sub path { return ($ENV{LARES_TESTS} || Lares::build_dir() . '/tests') . '/probe/fakesv' }

sub fake_start {
    my ($dir) = @_;
    File::Path::make_path($dir);
    pipe my $out, my $in or die "pipe: $!\n";
    my $log = Lares::tmp('.fake.' . ++$serial);
    $of{$dir}{pid} = spawn([ path(), $dir ], stdin => $out, stdout => $log);
    $in->autoflush(1);
    $of{$dir}{in}  = $in;
    $of{$dir}{log} = $log;
    wait_for { Lares::file_text($log) =~ /^begun$/m } 'the fake supervisor';
    return $dir;
}

# Returns what it printed meanwhile.
sub fake_tell {
    my ($dir, $words, %opt) = @_;
    my $fake = $of{$dir};
    my $mark = 'done' . ++$serial;
    my $seen = length Lares::file_text($fake->{log});
    print { $fake->{in} } "$words\nsay=$mark\n";
    return if $opt{later};
    wait_for { Lares::file_text($fake->{log}) =~ /^$mark$/m } "the fake supervisor to do: $words";
    my $text = substr Lares::file_text($fake->{log}), $seen;
    $text =~ s/^done\d+\n//mg;
    return $text;
}

sub fake_end {
    my ($dir) = @_;
    my $fake = delete $of{$dir} or return;
    close $fake->{in};
    wait_exit($fake->{pid});
    unlink $fake->{log};
}

1;
