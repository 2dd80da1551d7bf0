/* lares-supervise: one service kept as its directory says.
 *
 * setup.c   takes the directory: lock, FIFOs, records (before the point of no return)
 * begin.c   beginning after an upgrade, failing to begin
 * copy.c    a supervise/ that came with a copied directory
 * records.c what the one before left in writing
 * resume.c  what a new supervisor finds; untold.c: what had been done and not written down
 * loop.c    waits, and turns what happens into events
 * facts.c   what is true at the moment of an event
 * deeds.c   carries out what the machine says
 * rest.c    whom a stop has to end besides the main process; session.c: whose they are
 * reason.c  why a service is where it is
 * spawn.c   condition, start, run and finish
 * custom.c  scripts of the service that take the place of commands
 * over.c    telling the scanner that an essential service has ended
 * helper.c  programs that are run beside the service
 * forking.c daemons that go into the background
 * left.c    and which of what they leave is the service
 * pidfile.c the file in which one says who it is
 * wiring.c  the descriptors they are given
 * sd.h      how ready it is: socket.c sd.c watchdog.c, and check.c
 * publish.c journal, state, status, wake-ups
 * texts.c   what it says of itself and waits for
 * needs.h   what it needs and who needs it: needs.c need.c enrol.c await.c cycle.c hold.c
 * drain.c   the end of a logger, not before it has all that there is
 * leftover.c  what it could not be given by then, kept for the next one
 * upgrade.c becoming a newer program
 *
 * Nothing but the machine decides. Nothing is allocated after setup; after it nothing ends the
 * program but the machine's word.
 */

#ifndef LARES_SUPERVISE_H
#define LARES_SUPERVISE_H

#include <stdint.h>

#include <skalibs/types.h>

#include <lares/channel.h>
#include <lares/child.h>
#include <lares/clock.h>
#include <lares/control.h>
#include <lares/machine.h>
#include <lares/status.h>
#include <lares/svdir.h>

#include "forking.h"
#include "needs.h"
#include "sd.h"

/* The service directory is the working directory; all names are relative to it. */
#define FILE_LOCK "supervise/lock"
#define FILE_CHILD "supervise/child"
#define FILE_EXIT "supervise/exit"
#define FILE_CONTROL "supervise/control"
#define FILE_OK "supervise/ok"
#define FILE_STATE "supervise/state"
#define FILE_TEXT "supervise/text"
#define FILE_HISTORY "supervise/history"
#define FILE_HISTORY_NEWER "supervise/history.newer"
#define FILE_STATUS "supervise/status"
#define FILE_STATUS_SPARE "supervise/status.spare"
#define FILE_NOTIFY "supervise/notify"
#define DIR_EVENT "supervise/event"
#define FILE_PIPE "supervise/pipe"  /* of a logger: what it reads */
#define FILE_BUFFER "supervise/buf" /* of a logger: what it has read and not yet written */
#define FILE_TOLD "supervise/told"  /* how far lares-svnotify has told of it */
#define FILE_REST "supervise/rest"  /* of a logger: left in the pipe at a stop */
#define FILE_LOG_PIPE "log/supervise/pipe" /* of a service: what it writes */
#define FILE_LOG_REST "log/supervise/rest"

/* Name of a service and of its supervisor in messages: "web" or "web/log". */
#define NAME_MAX_LENGTH 260
#define RETRY_MS 1000       /* first wait after something that cannot be had just now */
#define RETRY_MOST_MS 15000 /* and the longest */

#define PROGRAM "lares-supervise"
#define PROGRAM_SIZE 512 /* of the path of a program of ours */
#define COMPLAINTS 16
/* Two halves of 64 KiB and a head, as src/logdir/buffer.h lays them out; the logger takes what
 * it finds. Space is taken beforehand: a store into a hole on a full disk is a SIGBUS. */
#define BUFFER_SIZE (4096 + 2 * 65536)
#define BUFFER_FD 9        /* in the logger; above what people and s6 use for readiness */
#define BUFFER_FD_OTHER 10 /* when readiness is said on 9 */
#define MORE_VARIABLES 7   /* LARES_NAME, _ID, _LOGBUF, _INSTANCE, and three of sd_notify */
#define FEW_VARIABLES 128  /* of the environment; only the used part becomes memory */

/* What could not be written to `child`: who lives, or the end of the last. */
enum owes { OWES_NOTHING, OWES_START, OWES_END };

/* An event as the journal has it. */
struct event_told {
  enum machine_event event;
  uint8_t reason;
  uint32_t detail;
  machine_deeds deeds; /* DO_DEATH */
  uint8_t is_set;
};

/* Whom a stop has to end besides the main process, as far as they are no descendants of ours.
 */
struct rest {
  int stray;               /* pidfd of one that a stop waits for, owned; -1 */
  uint8_t killing;         /* KILL goes to all that a stop ends, until none is left */
  uint8_t polled;          /* nobody will tell of their end: look again */
  uint8_t unrest;          /* so often in a row nothing was found in a list that changed */
  uint8_t none;            /* nobody at all was seen for the event under way */
  uint8_t touched;         /* a signal was sent since it was last settled what will wake us */
  uint8_t named;           /* the state says what is waited for */
  uint8_t stale;           /* and may not be true any more */
  uint8_t unknown;         /* our children could not be listed: asked again */
  uint8_t untold;          /* a signal that could not be sent to them therefore, 0 */
  struct deadline name_at; /* when to find out */
};

/* helper.c: a program that is run to its end beside the service. */
enum helper_use { HELPER_CONTROL, HELPER_CHECK, HELPER_USES };
/* It has ended; late: it was killed because its time was over. */
typedef void helper_ended(struct supervisor *, int32_t wstat, int late);
struct helper {
  pid_t pid;             /* 0 none */
  struct deadline until; /* when it gets KILL */
  helper_ended *ended;   /* 0: nobody asks any more */
  int said;              /* errno of its exec that was said last, until it works */
  uint8_t late;
};

/* check.c */
struct check {
  struct deadline next; /* the next one, or the first; not while one runs */
  uint32_t ms;          /* to wait after that */
  uint8_t on;           /* the present run is asked */
  uint8_t said_late;
};

struct supervisor {
  char name[NAME_MAX_LENGTH];
  uint8_t wired;         /* started by lares-svscan: log FIFOs by name */
  uint8_t is_log;        /* supervises the logger of another service */
  uint8_t drain_started; /* a logger that was down was started to drain */
  uint8_t leftover_due;  /* `rest` may be there: nothing is started before it is fed */
  uint8_t told;          /* the state last recorded, whose time is `since` */
  uint8_t unshown;       /* state, status or wake-up could not be written: to be repeated */
  uint8_t more_deaths;   /* a life ended that was not looked at yet */
  uint8_t said_no_poll;
  uint8_t said_no_write; /* once, until it works again */
  uint8_t said_log_moved;
  uint8_t said_no_rest;
  uint8_t said_no_birth; /* the reason last said for there being no process */
  uint8_t said_no_cgroup;
  uint8_t said_no_space; /* a pid namespace */
  uint8_t said_no_look;  /* whom a stop waits for */
  uint8_t quit;          /* leave the loop */
  uint8_t going;         /* a stop is noted: what is found dead is not started again */
  uint8_t no_addressee;  /* the stop is of one that has ended */
  uint8_t forking;       /* enum forking, of the present `run` */
  uint8_t said_no_fork;  /* the one in which a launch was not in time, FORKING_NOT */
  uint8_t no_orphans;    /* what a process of ours leaves goes elsewhere */
  uint8_t came_after;    /* what it left may be somebody else's child */
  uint8_t over_untold;   /* it has ended for good, and the scanner does not know */
  uint8_t said_no_read;  /* of the service directory */
  uint8_t said_no_text;
  uint8_t child_lost; /* `child` was damaged, and its copy is used */

  char const *resumed; /* the argument of -r, 0 */

  struct child_abilities abilities;
  struct svdir definition;
  struct svdir_names names;  /* of the files it is made of */
  struct state_record state; /* state.machine is the machine */
  struct child child;        /* the process of state.machine.role */
  struct rest rest;
  struct needs needs;
  struct hold hold;
  struct cgroup cgroup;
  struct sd sd;
  struct check check;
  char const *cgroup_parent;               /* the directory that was delegated, 0 none */
  int said_no_exec[ROLE_COUNT];            /* errno last said */
  int exec_error;                          /* errno: the process never became its program */
  struct identity_record const *successor; /* while a death is told anew: what it led to */
  pid_t unreaped;                          /* our dead child whose end is on record, 0 */
  struct identity launcher;                /* forking: the process that was started */
  int32_t launch_wstat;                    /* how it ended */
  int32_t left_wstat;                      /* how the last of what it left did */
  struct launch_rest left;     /* at the last look, and since when it has not changed */
  struct deadline quiet, look; /* plus QUIET_MS; the next look */
  uint32_t look_ms;
  uint32_t complaints[2][COMPLAINTS]; /* said of the definition, at the last and this reading */
  uint32_t retry_ms;                  /* the next wait of that kind */
  struct deadline reshow;             /* when to repeat what was unshown */
  struct deadline save_again;         /* when to try to keep what is left in the pipe */

  int lock, record, state_fd;  /* owned: supervise/lock, child, state */
  int text_fd;                 /* owned: text, -1 as long as there is nothing to keep */
  struct identity_record owed; /* what `child` lacks, as owes says */
  uint8_t owes;
  uint64_t service; /* what LARES_ID calls it */
  struct history_writer history;
  char shown[CLASSIC_STATUS_SIZE]; /* what `status` holds */
  struct channel control;          /* owned, as all here */
  int ok;
  int notify;              /* the present instance's readiness FIFO, -1 */
  uint8_t notify_reopened; /* of one that a supervisor before us has started */
  uint8_t notify_mute;     /* it has none, or has closed it without a word */
  struct channel pipe;
  char pipe_by_number[sizeof "/proc/self/fd/" + UINT_FMT]; /* its path when log/ is elsewhere */
  int buffer;                                              /* of a logger, -1 */

  /* The event under way. */
  struct control_letter const *command; /* 0: none */
  int32_t wstat;                        /* of the process that died */
  int event_signal;                     /* that it sends to the process, 0 none */
  uint8_t reason;                       /* enum status_reason, and its detail */
  uint32_t detail;
  uint32_t many;            /* deaths, when they are too many */
  uint32_t known_deaths;    /* of late, at the last one */
  struct event_told untold; /* led to a start that failed: told together with that */

  struct helper helpers[HELPER_USES];
  uint64_t custom_starts;  /* `starts` when the script of a letter began */
  uint8_t custom_stage;    /* of a stop: the next script */
  uint8_t custom_replaced; /* one of them has done it */
  pid_t probe;             /* of an upgrade: the child that tries the new program, 0 */
  int probe_error;
  uint8_t probe_again;
  struct deadline probe_until;
  char *program; /* the one to become */
  char *logger;  /* the built-in logger's program, for a logger without run */
  char const *few_variables[FEW_VARIABLES];
  char const **environment; /* of the service, with LARES_NAME and LARES_ID */
  size_t environment_end;   /* of what all programs get; there is room for more */
  char name_variable[sizeof "LARES_NAME=" + NAME_MAX_LENGTH];
  char buffer_variable[sizeof "LARES_LOGBUF=10"];
  char id_variable[sizeof "LARES_ID=" + SERVICE_ID_LENGTH];
  char instance_variable[sizeof "LARES_INSTANCE=" + NAME_MAX_LENGTH];
};

/* begin.c: what keeps us from beginning ends us with a message; after an upgrade, when a
 * service depends on us already, it is said, and we begin again in a moment. The arguments say
 * what is impossible; errno says why. */
#define cannot_begin(s, ...)                                                                   \
  do {                                                                                         \
    if (!(s)->resumed) strerr_diefusys(EXIT_SYSTEM, __VA_ARGS__);                              \
    strerr_warnwusys(__VA_ARGS__, ", trying again");                                           \
    begin_again(s);                                                                            \
  } while (0)
extern void begin_again(struct supervisor *) __attribute__((noreturn));
/* Become this program, as `-r`; back with errno when that is impossible. */
extern void begin_as(struct supervisor *, char const *program, int quiet);
/* -r: take over what was kept. */
extern void begin_take_descriptors(struct supervisor *, char const *given);

extern void setup(struct supervisor *, char const *dir);
/* With the lock held: forget what another service's supervisor wrote. */
extern void begin_anew_if_copied(struct supervisor *, char const *dir);
extern void resume(struct supervisor *);
/* Tell the machine what led to the start of which `child` tells. */
extern void untold_tell(struct supervisor *, struct identity_record const *, int have_state);
/* From when on a good run is counted, by the record of the instance or of its end. */
extern void untold_began(struct supervisor *, struct identity_record const *);
/* It has closed its readiness descriptor, and nobody knows whether it has said so. */
extern void take_for_ready(struct supervisor *);
/* A state in which nothing has happened yet. */
extern void state_begin(struct supervisor *);
extern void loop(struct supervisor *, int selfpipe);
/* All that have ended, but for one life of the service: how many. */
extern unsigned reap(struct supervisor *);

/* Feed the machine and carry out what it says. */
extern void happen(struct supervisor *, enum machine_event);
/* The process of the present role has ended: record it (R3), reap it, tell the machine. */
extern void process_ended(struct supervisor *, int32_t wstat);
/* Where a stop is noted (going): obey it before anything is made of what has ended. */
extern void go_first(struct supervisor *);
/* Reap the one whose end is on record, unless that has been done. */
extern void reap_recorded(struct supervisor *);
/* How a process ended that is not our child, WSTAT_UNKNOWN if nobody knows. */
extern int32_t end_of_stranger(struct child const *);

/* Why, for state and history: of an event, and of a process' end. */
extern void reason_of_event(struct supervisor *, enum machine_event);
extern void reason_of_wait(struct supervisor *);
/* After the step. */
extern void reason_of_failure(struct supervisor *, struct machine const *before);
extern void reason_of_end(struct supervisor *, enum machine_role, int32_t wstat);

/* Is `run` not up before it says so? */
extern int declares_readiness(struct supervisor const *);
extern uint32_t facts_now(struct supervisor *, enum machine_event);
extern struct deadline next_start(struct supervisor const *);

#define FINISH_GIVE_UP 125 /* finish's exit code for: do not start it again (s6) */

/* check.c: does it decide on readiness? At the beginning; when the machine has made a step; at
 * each turn. */
extern int check_is_used(struct supervisor const *);
extern void check_begin(struct supervisor *);
extern void check_follow(struct supervisor *, machine_deeds deeds);
extern void check_look(struct supervisor *, struct deadline now);

/* 1, or 0 when there is no process (the machine is to be told: unborn). */
extern int spawn(struct supervisor *, enum machine_role);
/* 0 when nothing can be read just now; what was known goes on to hold. */
extern int read_definition(struct supervisor *);
/* Say once what is wrong with a file of the definition. */
extern void complain(void *supervisor, char const *file, char const *wrong,
                     char const *instead);
/* The state's marks that say what the definition says. */
extern void mark_definition(struct supervisor *);
/* access.c: modes of FIFOs that are made anew */
extern mode_t access_ok(void);
extern mode_t access_control(void);
extern mode_t access_pipe(char const *directory);
extern void open_log_pipe(struct supervisor *);
extern void give_log(struct supervisor *, struct child_plan *);
extern void give_buffer(struct supervisor *, struct child_plan *);
extern void give_lock_fd(struct supervisor *, struct child_plan *);
extern int open_notify(struct supervisor *, struct child_plan *);

/* custom.c. The down-signal is due: 1 when a script of the service decides about it. */
extern int custom_stop(struct supervisor *);
/* A command: 1 when it is put off until a script has ended. */
extern int custom_command(struct supervisor *, struct control_letter const *);
/* How many letters more can be put off. */
extern size_t custom_room(struct supervisor const *);
extern void custom_go_on(struct supervisor *);
extern void custom_resume(struct supervisor *);
extern void send_down_signal(struct supervisor *);
/* Carry a command out now. */
extern void obey_command(struct supervisor *, struct control_letter const *);

/* over.c. After the step: has it ended for good? And when that is on record: tell the scanner,
 * if it is essential. */
extern void over_follow(struct supervisor *, struct machine const *before, machine_deeds);
extern void over_tell(struct supervisor *);

/* helper.c. Start argv[0] with these arguments, in the service's environment, for at most ms:
 * 1, or 0 with errno when there is no process (EBUSY: one of this use runs). One that cannot be
 * executed ends like others, with 126 or 127. */
extern int helper_start(struct supervisor *, enum helper_use, char const *const *argv,
                        uint32_t ms, helper_ended *);
/* Its answer is of no interest any more: it gets KILL, and nobody is told of its end. */
extern void helper_stop(struct supervisor *, enum helper_use);
/* KILL to all of them; who asked is told. */
extern void helper_end_all(struct supervisor *);
extern int helper_runs(struct supervisor const *, enum helper_use);
/* A child of ours has ended: 1 when it was a helper, reaped now and told. */
extern int helper_reap(struct supervisor *, pid_t, int32_t wstat);
/* Those whose time is over, and when the next one's is. */
extern void helper_look(struct supervisor *);
extern struct deadline helper_deadline(struct supervisor const *);

/* Open the journal and find its last record; then, knowing the state, go on with its numbers.
 */
extern void journal_open(struct supervisor *, struct history_record *last);
extern void journal_number(struct supervisor *, uint64_t last);
/* As much as the definition asks for by now. */
extern void journal_make_room(struct supervisor *);
/* upgrade.c: the letter Z, the probe's end and its time-out; on the new side -p and -r. */
extern void upgrade_begin(struct supervisor *);
extern void upgrade_probed(struct supervisor *, int32_t wstat);
extern void upgrade_late(struct supervisor *);
extern int upgrade_probe(void);

/* drain.c. Told to leave: 1 when the machine is to be told later, by drain_step. */
extern int drain_begin(struct supervisor *);
/* At each turn of the loop. */
extern void drain_step(struct supervisor *);
extern struct deadline drain_deadline(struct supervisor const *);
extern void drain_give_up(struct supervisor *);
/* Of a logger, once the state is known: open the writing end of its pipe, or not. */
extern void drain_take_pipe(struct supervisor *);
/* What the one before us had begun. */
extern void drain_go_on(struct supervisor *);
extern void drain_set_time(struct supervisor *);
/* Around the start of a logger, when it has a buffer, and of any process. */
extern void drain_prepare_logger(struct supervisor *);
extern int drain_hold_for_start(struct supervisor *);
/* The process has died, and nobody has been told. */
extern void drain_before_end(struct supervisor *, int32_t wstat);
extern int drain_may_leave(struct supervisor *);
extern size_t pipe_waiting(struct supervisor const *);
extern int pipe_has_writers(struct supervisor const *);

/* rest.c. Both 1, or 0 and it is to be tried again. */
extern int leftover_save(struct supervisor *);
extern int leftover_feed(struct supervisor *);

/* Write `child`; what the disk does not take is written later. */
extern void record_child(struct supervisor *, struct identity_record const *, enum owes);
/* Record what happened: the journal first, then the state. */
extern void journal(struct supervisor *, enum machine_event, machine_deeds deeds);
/* The letters of s6's fifodir for what happened; at most 6. How many. */
extern size_t wake_letters(struct supervisor const *, struct machine const *before,
                           machine_deeds deeds, char *letters);
/* Show it: the classic status and the wake-up, letters being s6's. */
extern void show(struct supervisor *, char const *letters, size_t len);

/* texts.c: what is there; make it with its space: 1, or 0. Whoever changes something reads,
 * changes, writes; what a start before has said is not read. */
extern void texts_begin(struct supervisor *);
extern int texts_reserve(struct supervisor *);
extern void texts_read(struct supervisor *, struct text_record *);
extern void texts_write(struct supervisor *, struct text_record const *);
/* Shown in the state waiting: whom for; to be set before that state is published. */
extern void texts_wait_for(struct supervisor *, char const *what);
/* What the present run says as its status. */
extern void texts_say(struct supervisor *, char const *text, size_t len);

/* Set the state's deadline as the DO_ARM_ deeds say. */
extern void arm(struct supervisor *, machine_deeds deeds);

/* Read state, and mend it by the journal: 1 when there is something to go on with. */
extern int load_records(struct supervisor *);
/* Does `child` say that a process lives? */
extern int says_running(struct supervisor const *);
/* What `child` says, or its copy in state: 1, or 0 when there is nothing. */
extern int read_child(struct supervisor *, struct identity_record *);
/* Set the deadline that belongs to the state, counted from now. */
extern void arm_anew(struct supervisor *);

/* With the cgroup that is to be the service's, if there is to be one. */
extern void open_cgroup(struct supervisor *);
/* rest.c */
extern void rest_begin(struct supervisor *);
/* Where a stop cannot be complete, that is said. */
extern void rest_say_unseen(struct supervisor const *);
/* To what the main process left, as far as kill-mode says. */
extern void rest_signal(struct supervisor *, int sig);
/* KILL, again and again until none is left. */
extern void rest_kill(struct supervisor *);
/* Is somebody left whom a stop has to end? */
extern int rest_lives(struct supervisor *);
/* Is there a process group of its own, whose number is not somebody else's by now? */
extern int rest_knows_group(struct supervisor *);
/* How many there are beside the main process. */
extern uint32_t rest_count(struct supervisor *);
/* Once a turn: a stop goes on until nobody is left. */
extern void rest_look(struct supervisor *);
/* When to look at the latest. */
extern struct deadline rest_next(struct supervisor const *);
/* Some of what the service left have ended; one did that is no child of ours. */
extern void rest_recount(struct supervisor *);
extern void rest_ended(struct supervisor *);
/* The descriptor that tells (POLLPRI) of the cgroup's end, -1; it has told. */
extern int rest_events(struct supervisor const *);
extern void rest_cgroup_changed(struct supervisor *);
/* The machine has made a step: a stop has begun, goes on, or none is under way any more. */
extern void rest_follow(struct supervisor *);

/* session.c: a `run` was started; the process was adopted; and: it may still be there (a zombie
 * is), to be looked at as long as its session can be told. */
extern void session_born(struct supervisor *);
extern void session_adopted(struct supervisor *);
extern void session_witness(struct supervisor *);
/* Does the number of the main process mean that one for certain? */
extern int main_is_there(struct supervisor const *);
/* The down-signal and CONT to the main process. */
extern void send_down(struct supervisor *);
extern int signal_of(struct supervisor const *, struct control_letter const *);

#endif
