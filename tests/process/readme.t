# The tour of README.md as a reader types it: each command is run, one after the other, in one
# shell, and says what the README says it does (numbers, stamps and blanks aside). A command that
# only looks is asked again until it does; the others are run once.
use FindBin;
use lib "$FindBin::Bin/../lib";
use IPC::Open2;
use Lares;
use Test::More;

my $tour = tmp('tour');
my ($text) = file_text(source_dir() . '/README.md') =~ /^## Five minutes$(.*?)^## /ms;

# [command, output shown], in order. A here document belongs to its command.
my (@steps, $until);
for (grep { /^    / } split /\n/, $text) {
    my $line = substr $_, 4;
    if (defined $until) {
        $steps[-1][0] .= "\n$line";
        undef $until if $line eq $until;
    } elsif ($line =~ /^\$ (.*)/) {
        push @steps, [$1, ''];
        $until = $1 if $line =~ /<<'?(\w+)/;
    } else {
        $steps[-1][1] .= "$line\n";
    }
}
cmp_ok(scalar @steps, '>', 20, 'the tour has its commands');
my @first = map { $_->[0] } splice @steps, 0, 2;
is("@first", q{make PATH=$PWD/build/bin:$PATH}, q{it begins with building, which is done});

# What differs from time to time.
sub masked {
    my ($said) = @_;
    $said =~ s/\Q$tour\E/\/tmp\/tour/g;
    $said =~ s/\@[0-9a-f]{24}/LABEL/g;
    $said =~ s/\d{4}-\d\d-\d\dT[\d:.]+Z/STAMP/g;
    $said =~ s/\d+(?:\.\d+)?/N/g;
    $said =~ s/[ \t]+/ /g;
    $said =~ s/^ //mg;
    return join '', sort map { "$_\n" } split /\n/, $said;
}

$ENV{PATH} = build_dir() . "/bin:$ENV{PATH}";
my $shell = open2(my $from, my $to, 'sh');
my $mark = 0;

sub type {
    my ($command) = @_;
    $command =~ s{/tmp/tour}{$tour}g;
    $mark++;
    my $file = tmp("said.$mark");
    print $to "{ $command\n} </dev/null >$file 2>&1\necho done $mark \$?\n";
    $to->flush;
    my $answer = <$from>;
    my ($code) = ($answer // '') =~ /^done $mark (\d+)/ or die "the shell ended at: $command\n";
    return ($code, file_text($file));
}

for my $step (@steps) {
    my ($command, $shown) = @$step;
    my $looks = $command =~ /^(?:lares-svstat|tail|cat (?!>)|ps )/;
    my ($code, $said);
    my $fits = sub {
        ($code, $said) = type($command);
        return !$looks || masked($said) eq masked($shown);
    };
    eval { wait_for { $fits->() } $command, 15; 1 };
    my ($name) = split /\n/, $command;
    is($code, 0, $name);
    is(masked($said), masked($shown), '... says what the README shows') if length $shown || length $said;
}

close $to;
waitpid $shell, 0;
ok(!-e $tour, 'nothing is left of it');
no_processes_left();
done_testing;
