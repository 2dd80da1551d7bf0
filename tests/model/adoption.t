#!/usr/bin/perl
# The adoption protocol explored by spin: no two instances, no death untold or told twice, no status
# unknown, whatever is killed or upgraded when. With one of its rules taken out spin has to find a
# fault.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Test::More;

plan skip_all => 'spin is not installed: make deps' if !grep { -x "$_/spin" } split /:/, $ENV{PATH};

# What pan says: errors found, states stored, search complete.
sub explore {
    my ($name, @defines) = @_;
    my $dir = tmp($name =~ s/\W+/-/gr);
    mkdir $dir;
    my $r = run(['spin', '-a', @defines, source_dir() . '/tests/model/adoption.pml'], cwd => $dir, timeout => 60);
    is($r->{exit}, 0, "$name: spin reads it") or diag("$r->{out}$r->{err}");
    # Compiling takes longer than finding a fault.
    my $level = $name =~ /^without/ ? '-O0' : '-O2';
    $r = run(['gcc', $level, '-w', '-DSAFETY', '-DCOLLAPSE', '-DMEMLIM=6000', '-o', 'pan', 'pan.c'], cwd => $dir, timeout => 120);
    is($r->{exit}, 0, "$name: the verifier compiles") or diag($r->{err});
    $r = run(['./pan', '-E', '-m200000'], cwd => $dir, timeout => 3000);
    unlink "$dir/pan", "$dir/pan.c";
    my ($errors) = $r->{out} =~ /errors: (\d+)/;
    my ($states) = $r->{out} =~ /(\d+) states, stored/;
    my $whole = $r->{out} !~ /max search depth too small|Search not completed|reached -DMEMLIM/;
    diag($r->{out}) if !defined $errors;
    return ($errors, $states, $whole, $r->{out});
}

# Kills of supervisors, of the scanner, upgrades, instances.
my @sizes = ([2, 0, 0, 3], [1, 1, 0, 3], [1, 0, 1, 3]);
push @sizes, [3, 0, 0, 3], [2, 1, 0, 4], [2, 0, 1, 3], [1, 1, 1, 3] if $ENV{LARES_LONG};
alarm 0 if $ENV{LARES_LONG};
for my $size (@sizes) {
    my ($kills, $falls, $upgrades, $lives) = @$size;
    my $name = "$kills kills, $falls of the scanner, $upgrades upgrades, $lives lives";
    my ($errors, $states, $whole, $out) = explore($name, "-DKILLS=$kills", "-DFALLS=$falls", "-DUPGRADES=$upgrades", "-DLIVES=$lives");
    is($errors, 0, "$name: no fault in $states states") or diag($out);
    ok($whole, "$name: all of them were explored");
}
for my $rule (qw(R1 R2 R3 R4 LAST KEEPING)) {
    my ($errors) = explore("without-$rule", "-DNO_$rule", '-DKILLS=1', '-DFALLS=0', '-DUPGRADES=1');
    isnt($errors, 0, "without $rule spin finds a fault");
}
no_processes_left();
done_testing;
