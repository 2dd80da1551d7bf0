#!/usr/bin/perl
# lares-log with system calls failing: whatever fails, once or for a while, no line is lost, none is
# doubled, stamps rise, the bound holds, through rotations, a kill, an orderly end and the end of
# input. A logger that gave up did so at its beginning, with a message.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use POSIX ();
use Test::More;

use constant { LINES => 420, SIZE => 4096, FILES => 20 };

my $number = 0;

sub start {
    my ($s, $env) = @_;
    $s->{pid} = spawn([$s->{program}, 't', 's' . SIZE, 'n' . FILES, @{ $s->{words} }, $s->{dir}], env => { LARES_LOGBUF => 9, %$env },
        stdin => "$s->{dir}.pipe", fds => { 9 => "$s->{dir}.buf" }, stderr => "$s->{dir}.err", quiet => 1);
    $s->{beginning} = 1;
}

# Past the point of no return: what it reads has an own description.
sub begun {
    my ($s) = @_;
    return blocks_term($s->{pid});
}

sub get_there {
    my ($s, $name, $what) = @_;
    my $got = wait_for {
        if (!alive($s->{pid})) {
            die "the logger is gone: $name\n" if !$s->{beginning};
            gave_up($s->{pid}, "$s->{dir}.err");
            start($s, { LARES_FAULT => undef });
        }
        begun($s) && $what->()
    } $name, 20;
    $s->{beginning} = 0;
    return $got;
}

sub feed {
    my ($s, $from, $to) = @_;
    my $text = join '', map { "line $_ " . 'x' x ($_ % 90) . "\n" } $from .. $to;
    (syswrite($s->{write}, $text) // 0) == length $text or die "it does not read: $!\n";
}

# All lines so far are in the files, or so many. Of two files of one stamp the second is on its way to
# be the first.
sub written {
    my ($s) = @_;
    my %files = map { substr($_, 0, -2) => $_ } reverse sort glob "$s->{dir}/\@*";
    return join '', map { file_text($_) // '' } @files{ sort keys %files }, "$s->{dir}/current";
}
sub wait_line { my ($s, $n) = @_; get_there($s, "line $n", sub { written($s) =~ /^\S+ line $n x*$/m }) }

# Other words, where the scenario has a config. They may be refused, and said so; lines go on.
sub renew {
    my ($s, $text) = @_;
    return if !$s->{config};
    write_file("$s->{dir}/new", $text);
    rename "$s->{dir}/new", "$s->{dir}/config" or die "$s->{dir}/config: $!\n";
    signal($s->{pid}, 'HUP');
}

sub leave {
    my ($s, $what) = @_;
    my $end = wait_exit($s->{pid});
    die "$what: ended with " . (defined $end->{exit} ? $end->{exit} : "signal $end->{signal}") . "\n"
        if !defined $end->{exit} || $end->{exit};
}

sub check_files {
    my ($s) = @_;
    my ($next, $last) = (1, '');
    my $text = written($s);
    for my $line (split /\n/, $text) {
        my ($stamp, $n, $x) = $line =~ /^(\@[0-9a-f]{24}) line (\d+) (x*)$/ or die "not a line of ours: $line\n";
        die "line $n where $next was due\n" if $n != $next++ || length $x != $n % 90;
        die "stamps do not rise at line $n\n" if $stamp le $last;
        $last = $stamp;
    }
    die 'the last line is ' . ($next - 1) . "\n" if $next != LINES + 1;
    die length($text) . " bytes are over the bound\n" if length $text > SIZE * FILES;
}

# One that may drop does not wait for the disk at its end: what is left is in the buffer, for the next.
sub take_rest {
    my ($s) = @_;
    sysopen $s->{write}, "$s->{dir}.pipe", POSIX::O_RDWR() or die "$s->{dir}.pipe: $!\n";
    start($s, { LARES_FAULT => undef });
    get_there($s, 'ready for the rest', sub { 1 });
    close $s->{write};
    leave($s, 'with the rest');
}

sub live {
    my ($s, $env) = @_;
    my $third = LINES / 3;
    start($s, $env);
    get_there($s, 'ready', sub { -e "$s->{dir}/current" });
    feed($s, 1, $third);
    wait_line($s, $third - 1);
    renew($s, "s5000\nn9\n$s->{dir}.more\n");
    feed($s, $third + 1, $third + 30);
    # Without its buffer, as it said, a kill costs lines.
    if ((file_text("$s->{dir}.err") // '') !~ /going on without it/) {
        kill9($s->{pid});
        wait_exit($s->{pid});
        start($s, $env);
    }
    wait_line($s, $third + 30);
    renew($s, "y\nR1000\n$s->{dir}.more\n2\n");
    signal($s->{pid}, 'ALRM');
    feed($s, $third + 31, 2 * $third);
    wait_line($s, 2 * $third);
    renew($s, "n15\n=$s->{dir}.status\n");
    signal($s->{pid}, 'TERM');
    leave($s, 'told to end');
    start($s, $env);
    get_there($s, 'ready again', sub { 1 });
    feed($s, 2 * $third + 1, LINES);
    close $s->{write};
    leave($s, 'at the end');
    take_rest($s) if grep { $_ eq 'o' } @{ $s->{words} };
    check_files($s);
}

sub scenario {
    my ($words, $config, $program, $env) = @_;
    my $dir = tmp('log' . ++$number);
    my $s   = { dir => $dir, program => $program, words => $words, config => $config };
    if ($config) {
        mkdir $dir or die "$dir: $!\n";
        write_file("$dir/config", "# none yet\n");
    }
    make_fifo("$dir.pipe");
    sysopen $s->{write}, "$dir.pipe", POSIX::O_RDWR() or die "$dir.pipe: $!\n";
    write_file("$dir.buf", "\0" x (4096 + 2 * 65536));
    return account($dir, sub { live($s, $env) });
}

fault_campaign('log', seconds => 12, scenario => sub { scenario([], 0, @_) });
# With a deputy, which drops nothing here: the buffer has room.
fault_campaign('log', seconds => 8, scenario => sub { scenario(['r10', 'o'], 0, @_) });
# Programs at work on finished files.
fault_campaign('log', seconds => 8, scenario => sub { scenario(['r10', '!cat; cat <&4 >/dev/null; echo state >&5'], 0, @_) });
# Other words at HUP.
fault_campaign('log', seconds => 12, scenario => sub { scenario([], 1, @_) });
done_testing;
