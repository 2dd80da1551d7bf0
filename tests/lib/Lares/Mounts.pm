# Mounts of a test's own: `use Lares; use Lares::Mounts;` runs the test again in a mount namespace
# of its own, where that is allowed, so that nothing it mounts is seen outside or left.
# mount_tmpfs, mount_image and mount_readonly return 1, or 0 with the reason in $Lares::Mounts::why.

package Lares::Mounts;

use strict;
use warnings;
use Exporter 'import';

our @EXPORT = qw(mount_tmpfs mount_image mount_readonly unmount);
our $why    = '';
my %mounted;

BEGIN {
    if (!defined $ENV{LARES_MOUNTS}) {
        my $said = `unshare --mount true 2>&1`;
        $ENV{LARES_MOUNTS} = $? == 0 ? '' : "no mount namespace: $said";
        if ($? == 0) { exec 'unshare', '--mount', $^X, $0, @ARGV or die "unshare: $!\n" }
    }
}

sub mount_with {
    my (@words) = @_;
    my $said = $ENV{LARES_MOUNTS};
    if (!$said) {
        my $pid = open my $out, '-|';
        die "fork: $!\n" if !defined $pid;
        if (!$pid) {
            open STDERR, '>&', \*STDOUT;
            exec @words or die "$words[0]: $!\n";
        }
        $said = do { local $/; <$out> } // '';
        return 1 if close $out;
    }
    ($why = "mounting is refused: $said") =~ s/\s+\z//;
    return 0;
}

sub mount_tmpfs {
    my ($dir, $options) = @_;
    mkdir $dir;
    return mount_with('mount', '-t', 'tmpfs', '-o', "mode=755,$options", 'none', $dir) && ++$mounted{$dir};
}

# A file system of that type and so many KiB, in a file beside the directory.
sub mount_image {
    my ($dir, $type, $kib) = @_;
    mkdir $dir;
    open my $image, '>', "$dir.image" or return !($why = "$dir.image: $!");
    truncate $image, $kib * 1024;
    close $image;
    my $said = `mkfs.$type -q "$dir.image" 2>&1`;
    if ($?) { $why = "no mkfs.$type: $said"; return 0 }
    return mount_with('mount', '-o', 'loop', "$dir.image", $dir) && ++$mounted{$dir};
}

# The directory again, read-only.
sub mount_readonly {
    my ($dir) = @_;
    return mount_with('mount', '--bind', $dir, $dir) && ++$mounted{$dir} && mount_with('mount', '-o', 'remount,bind,ro', $dir);
}
sub unmount {
    my ($dir) = @_;
    return delete $mounted{$dir} && mount_with('umount', '--lazy', $dir);
}

# Before Lares removes the directory: what is loaded last ends first.
my $owner = $$;

END {
    if ($$ == $owner) {
        my $status = $?;
        unmount($_) for keys %mounted;
        $? = $status;
    }
}

1;
