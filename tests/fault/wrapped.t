#!/usr/bin/perl
# The fault ring can make every call fail that these programs can fail in: whatever they take from
# the C library is wrapped by tests/fault/inject/inject.c, or stands here with the reason why not.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Test::More;

my %no_call; # asks the system for nothing
$no_call{$_} = 1 for qw(__errno_location __gmon_start__ __libc_start_main __stack_chk_fail _exit dirfd
    free getauxval getenv qsort sigaddset sigdelset sigemptyset sigfillset strerror strtoull bcmp
    memchr memcmp memcpy memmem memmove memset memrchr strcasecmp strcat strchr strcmp strcpy strcspn strlen
    strncasecmp strncat strncmp strncpy strnlen strrchr strsep strspn strstr strtok_r environ unsetenv sysconf snprintf);
my %why = (
    (map { ($_ => 'cannot fail') } qw(getpriority getpid getppid getpgrp geteuid getuid getgid getegid umask sched_yield)),
    (map { ($_ => 'fails for wrong arguments only') } qw(munmap sigtimedwait posix_spawnattr_init posix_spawnattr_destroy posix_spawnattr_setflags posix_spawnattr_setsigmask posix_spawnattr_setsigdefault sigaction signal sigprocmask setitimer raise getrlimit prctl clock_getres)),
    (map { ($_ => 'fails by whom it is about, not for want of something') } qw(setpriority kill getpgid getsid setsid setpgid setrlimit isatty)),
    (map { ($_ => 'fails for a time that it cannot tell only') } qw(gmtime_r localtime_r mktime)),
    (map { ($_ => 'as malloc, inside the C library; in place of the program that is to be run') } qw(posix_spawn_file_actions_init posix_spawn_file_actions_adddup2 posix_spawn_file_actions_destroy)),
    (map { ($_ => 'as malloc, inside the C library; before anything is read, or the line does not match') } qw(regcomp regexec regerror)),
    closedir      => 'as close, whose failure changes nothing',
    setenv        => 'as malloc; only where there is no PATH',
    clock_gettime => 'wrapped to move the clock; cannot fail',
    syscall       => 'wrapped call by call',
    vfork         => 'a frame of ours would be gone when the child returns: child_start fails in its place',
    arc4random_buf => 'cannot fail',
);
my %wrapped = map { ($_ => 1) } fault_calls();
my ($nm) = grep { (-x) } map { "$_/nm" } split /:/, $ENV{PATH};
plan skip_all => 'nm is not installed' if !$nm;
plan skip_all => 'sanitizers bring calls of their own' if $ENV{LARES_SANITIZE};

for my $name (map { m{lares-(\w+)$} } glob build_dir() . '/fault/lares-*') {
    my $said = run([$nm, '-u', bin($name)], timeout => 30);
    my @open = grep { !$no_call{$_} && !$wrapped{$_} && !$why{$_} }
        map { /^\s*[UwV] ([^@\s]+)/ ? $1 : () } split /\n/, $said->{out};
    is("@open", '', "$name: every call can be made to fail");
}
note("not made to fail: $_, $why{$_}") for sort keys %why;
done_testing;
