# The fuzz targets driven by clang's libFuzzer, with the address and undefined behaviour
# sanitizers: it sees which inputs reach new code, which our own driver does not. A second each
# (LARES_FUZZ_SECONDS); what it found beyond the kept inputs is thrown away, what it found wrong
# is kept beside the targets.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use Test::More;

plan skip_all => 'the sanitizer build runs the targets itself' if $ENV{LARES_SANITIZE};
my $source = $ENV{LARES_SOURCE} // "$FindBin::Bin/../..";
my $make = $ENV{LARES_MAKE} // 'make';
my $seconds = $ENV{LARES_FUZZ_SECONDS} || ($ENV{LARES_LONG} ? 60 : 1);
my $seed = $ENV{LARES_SEED} // time;
my $temporary = tempdir(CLEANUP => 1, DIR => $ENV{TMPDIR} // '/tmp');
my $fast = -w '/dev/shm' ? tempdir(CLEANUP => 1, DIR => '/dev/shm') : $temporary; # for the targets' files

sub write_file {
  my ($path, $content) = @_;
  open my $file, '>', $path or die "unable to write $path: $!\n";
  print $file $content;
  close $file or die "unable to write $path: $!\n";
}

write_file("$temporary/try.c", "#include <stddef.h>\nint LLVMFuzzerTestOneInput(char const *in, size_t n);\n"
    . "int LLVMFuzzerTestOneInput(char const *in, size_t n) {\n  return n > 9 && *in == 1;\n}\n");
my $said = `cd '$temporary' && clang -fsanitize=fuzzer,address,undefined -o try try.c 2>&1 && ./try -runs=1 2>&1`;
plan skip_all => "clang with libFuzzer is not here: @{[(split /\n/, $said)[0] // 'it says nothing']}" if $?;

my $built = `'$make' -s -C '$source' libfuzzer 2>&1`;
if (!is($?, 0, 'the targets can be built')) {
  diag($built);
  done_testing;
  exit;
}
note "seed $seed (LARES_SEED), $seconds s each (LARES_FUZZ_SECONDS)";

# A driver that misses what is wrong would be worth nothing.
write_file("$temporary/bad.c", <<'END');
#include <stdlib.h>
int LLVMFuzzerTestOneInput(unsigned char const *in, size_t n);
int LLVMFuzzerTestOneInput(unsigned char const *in, size_t n) {
  if (n == 2 && in[0] == 'b' && in[1] == 'd') abort();
  return 0;
}
END
`cd '$temporary' && clang -O1 -fsanitize=fuzzer -o bad bad.c 2>&1 && ./bad -seed=1 -runs=1000000 2>&1`;
isnt($?, 0, 'a fault is found where there is one');

my $saved = "$source/build/fuzz";
for my $path (glob "'$source/tests/fuzz/*.c'") {
  my ($name) = $path =~ m{([^/]+)\.c$};
  my $corpus = "$source/tests/fuzz/corpus/$name";
  mkdir "$temporary/$name" or die;
  mkdir "$fast/tmp-$name" or die;
  my $output = do {
    local $ENV{TMPDIR} = "$fast/tmp-$name";
    `'$saved/tests/fuzz/$name' -seed=$seed -max_total_time=$seconds -max_len=4096 -timeout=30 -artifact_prefix='$saved/$name-' -print_final_stats=1 '$temporary/$name' '$corpus' 2>&1`;
  };
  my ($runs) = $output =~ /number_of_executed_units: (\d+)/;
  my $kept = () = glob "'$corpus/*'";
  note "$name: ", $runs // 'no', ' inputs';
  ok(!$?, "$name") or diag(join "\n", grep { defined } (split /\n/, $output)[-60 .. -1]);
  cmp_ok($runs // 0, '>=', $kept, '... with the kept inputs');
}
done_testing;
