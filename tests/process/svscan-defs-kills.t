# A scanner that builds services from definitions is killed at random moments while these come, go
# and change: the next one finishes what was begun, what runs is left alone, and in the end
# everything is as it is defined. LARES_SEED repeats a run, LARES_LONG makes it long.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

my $seed   = $ENV{LARES_SEED} || time;
my $rounds = $ENV{LARES_LONG} ? 400 : 40;
srand $seed;
my ($scan, $defs) = new_scan();
my @pool = map { "s$_" } 1 .. 8;
my %defined;

sub define {
    my ($name) = @_;
    # `off` is never to be started: its `down` must not be lost while it is built.
    sleeper("$defs/.new", files => { map({ ("f$_" => '') } 1 .. 6), $name =~ /[78]/ ? (down => '') : () });
    rename "$defs/.new", "$defs/$name" or die "$name: $!\n";
    $defined{$name} = 1;
}
sub undefine {
    my ($name) = @_;
    run(['rm', '-rf', "$defs/.old"]);
    rename "$defs/$name", "$defs/.old" or die "$name: $!\n";
    delete $defined{$name};
}
sub mutate {
    my $name = $pool[ rand @pool ];
    return define($name) if !$defined{$name};
    return undefine($name) if rand() < 0.3;
    my $file = "$defs/$name/f" . int rand 12;
    return -e $file ? unlink $file : write_file($file, '');
}

my $kept;
define('kept');
define($_) for @pool[ 0, 1, 6 ];
for my $round (1 .. $rounds) {
    my $scanner = scanner($scan, '-d', $defs);
    $kept ||= up("$scan/kept");
    for (1 .. 1 + int rand 4) {
        mutate();
        select undef, undef, undef, rand 0.008;
    }
    kill9($scanner);
    wait_exit($scanner);
    mutate() if rand() < 0.5;
}
my $scanner = scanner($scan, '-d', $defs);
wait_for { listens($scan) } 'the last scanner';
my $r = run([bin('svscanctl'), 'rescan', $scan], timeout => 70);
is("$r->{exit} $r->{err}", '0 ', "$rounds kills: the last scanner has nothing left to do (seed $seed)") or diag join '', grep { defined } (split /^/, said_text($scan))[-60 .. -1];
is(service_pid("$scan/kept"), $kept, 'what was never touched runs as at first');

sub names { my ($dir) = @_; return join ' ', sort grep { !/^(?:supervise|main|said)$/ } map { s{.*/}{}r } glob "$dir/* $dir/log/*" }
my @wrong;
my %there = map { (s{.*/}{}r => 1) } glob "$scan/*";
# (What the built-in logger wrote, for one that had no run any more, stays.)
push @wrong, "$_ is there" for grep { !$defined{$_} && !-d "$scan/$_/log/main" } sort keys %there;
push @wrong, "$_ has more than its log" for grep { !$defined{$_} && names("$scan/$_") ne 'log' } sort keys %there;
for my $name (sort keys %defined) {
    my ($is, $should) = (names("$scan/$name"), names("$defs/$name"));
    # Once it was stopped and built anew, or not: only where nobody has said U.
    push @wrong, "$name: $is, not $should" if $is ne $should;
    push @wrong, "$name: unfinished" if -l "$scan/$name/.definition+" || !-l "$scan/$name/.definition";
    if ($name =~ /[78]/) {
        my $s = read_state("$scan/$name");
        push @wrong, "$name was started" if !$s || $s->{starts};
    } else {
        wait_for { service_pid("$scan/$name") } "$name up";
    }
}
is_deeply(\@wrong, [], 'everything is as it is defined, and nothing else');
my $running = grep { !/[78]/ } keys %defined;
is(scalar(grep { $_->{command} =~ /^sleep 1000/ } descendants()), $running, 'each runs once');
is(stop_scanner($scanner), 0, 'stopped');
is(said($scan, qr{unable to (?:build|take)}), 0, 'nothing that could not be done') or diag said_text($scan);
no_processes_left();
no_zombies();
done_testing;
