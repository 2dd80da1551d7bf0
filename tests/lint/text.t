# What every text file has to keep to: no path of somebody's own machine, no trailing blanks, no
# tabs in C, an opening comment, functions that fit a screen.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lint;
use Test::More;

my $binary = qr{\.(?:png|gz)$|^tests/fuzz/corpus/};

# Folders where people work. Put together here so that this file passes itself.
my @private = (map({ "/$_/" } 'work', 'home/[a-z]\w*', 'Users'), quotemeta(source_root()) . '/');
my $private = join '|', @private;

sub check_paths {
  my ($root) = @_;
  my @problems;
  for my $path (files($root, qr/./)) {
    next if $path =~ $binary;
    my $number = 0;
    for my $line (split /\n/, slurp("$root/$path")) {
      $number++;
      push @problems, "$path:$number: a path of one machine: $1" if $line =~ m{(?<![\w.\x7d\x24\x29])($private)};
    }
  }
  return @problems;
}

sub check_blanks {
  my ($root) = @_;
  my @problems;
  for my $path (files($root, qr/./)) {
    next if $path =~ $binary;
    my $content = slurp("$root/$path");
    push @problems, "$path: trailing blanks" if $content =~ /[ \t]$/m;
    push @problems, "$path: a carriage return" if $content =~ /\r/;
    push @problems, "$path: no newline at the end" if length $content && $content !~ /\n\z/;
    push @problems, "$path: a tab" if $path =~ /\.[ch]$/ && $content =~ /\t/;
  }
  return @problems;
}

# 3 to 15 lines that say what the file is for are wanted; with more than 30 it belongs in doc/.
sub check_opening {
  my ($root) = @_;
  my @problems;
  for my $path (files($root, qr{^(?:src|tests)/.*\.[ch]$})) {
    my $content = slurp("$root/$path");
    if ($content !~ m{\A/\*(.*?)\*/}s) {
      push @problems, "$path does not open with a comment";
    } elsif ((my $lines = () = $1 =~ /\n/g) > 30) {
      push @problems, "$path: the opening comment is longer than 30 lines";
    }
  }
  return @problems;
}

# With our format a function's last line is a lone } in the first column, and its first the last
# line before that which starts in the first column and ends in {.
sub function_lengths {
  my ($content) = @_;
  my ($number, $start, $name, @found) = (0);
  for my $line (split /\n/, $content) {
    $number++;
    if ($line =~ /^[A-Za-z_].*\b(\w+)\(/) { ($start, $name) = ($number, $1) }
    if ($line =~ /^[A-Za-z_].*=\s*\{$/ || $line =~ /^(?:struct|union|enum)[^()]*\{$/) { $start = undef }
    if ($line eq '}' && defined $start) { push @found, [$name, $start, $number - $start + 1]; $start = undef }
  }
  return @found;
}

sub check_functions {
  my ($root) = @_;
  my @problems;
  for my $path (files($root, qr{^(?:src|tests)/.*\.c$})) {
    for my $function (function_lengths(slurp("$root/$path"))) {
      my ($name, $start, $length) = @$function;
      push @problems, "$path:$start: $name has $length lines, 60 are allowed" if $length > 60;
    }
  }
  return @problems;
}

sub check_shell {
  my ($root) = @_;
  my @problems;
  for my $path (files($root, qr{^(?:configure|\.ci/run|package/[^/]+|tests/.*|examples/.*)$})) {
    next if slurp("$root/$path") !~ m{\A#!/bin/sh\b};
    my $said = `sh -n '$root/$path' 2>&1`;
    push @problems, "$path: $said" if $?;
    push @problems, "$path is a script but not executable" if !-x "$root/$path";
  }
  return @problems;
}

my $long = "/* x */\nstatic int f(int x) {\n" . "  x++;\n" x 57 . "  return x;\n}\n";
my $place = join '/', '', 'work', 'me', 'file';
my $house = join '/', '', 'home', 'me', 'file';
finds(\&check_paths, made_tree('a' => "first\nsee $place\n"), qr{a:2: a path}, 'a path of one machine');
finds(\&check_paths, made_tree('doc/a' => "\"$house\"\n"), qr{doc/a:1}, 'the home of somebody');
clean(\&check_paths, made_tree('a' => "x/work/y ./work/y /usr/bin /home /service/work\n"), 'other paths are fine');
finds(\&check_blanks, made_tree('a' => "x \n"), qr{trailing}, 'trailing blanks');
finds(\&check_blanks, made_tree('a' => "x"), qr{no newline}, 'a last line without newline');
finds(\&check_blanks, made_tree('src/a.c' => "\tx\n"), qr{tab}, 'a tab');
finds(\&check_opening, made_tree('src/a.c' => "int x;\n"), qr{comment}, 'a file that does not say what it is for');
finds(\&check_functions, made_tree('src/a.c' => $long . "\n" . ($long =~ s/f\(/g(/r) =~ s/return x;/x++;\n  return x;/r),
  qr{a.c:\d+: g has 61 lines}, 'a function of 61 lines, not the one of 60');
finds(\&check_functions, made_tree('src/a.c' => "static int g(int a,\n             int b) {\n" . "  a++;\n" x 60 . "}\n"),
  qr{a.c:1: g has 63 lines}, 'one with two lines of parameters');
clean(\&check_functions, made_tree('src/a.c' => "int const f(void);\nstatic int table[] = {\n" . "  1,\n" x 90 . "};\nstruct x {\n" . "int y;\n" x 90 . "};\n"),
  'tables and structs may be long');

{
  my $tree = made_tree('configure' => "#!/bin/sh\nif\n");
  chmod 0755, "$tree/configure";
  finds(\&check_shell, $tree, qr{configure: }, 'a script that does not parse');
  finds(\&check_shell, made_tree('configure' => "#!/bin/sh\n"), qr{not executable}, 'a script that cannot be run');
}

my $root = source_root();
clean(\&check_paths, $root, 'no path of one machine');
clean(\&check_blanks, $root, 'no trailing blanks, carriage returns, missing newlines');
clean(\&check_opening, $root, 'every C file says what it is for');
clean(\&check_functions, $root, 'no function has more than 60 lines');
clean(\&check_shell, $root, 'shell scripts parse and are executable');

# Not a mistake in itself, but to be known.
for my $path (files($root, qr{^src/.*\.[ch]$})) {
  my $lines = () = slurp("$root/$path") =~ /\n/g;
  diag("$path has $lines lines, 250 are wanted") if $lines > 250;
}
done_testing;
