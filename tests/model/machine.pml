/* The state machine in its world, for spin. The step is the C of src/machine itself
 * (machine_world.h); what is here is the world: commands, a process that may ignore everything but
 * KILL, descendants it leaves behind, deadlines, needs that come and go, processes that cannot be
 * made.
 *
 * Shown for all interleavings: the assertions (world_judge), and with weak fairness (what can always
 * happen happens): down ends in down, a stop always ends, leaving always ends, starting ends, and a
 * service that is wanted comes, again and again, to be up, waiting, in backoff with a date, failed,
 * done, or down for its condition. (That with delays before a restart: one without any that is never
 * ready in its time is started and stopped for ever.) Before BOOT and after GONE nothing happens.
 */

#include "names.pml"

#ifndef COMMANDS
#define COMMANDS 2  /* how many commands there are in a run */
#define ACCIDENTS 1 /* how often something ends by itself */
#endif

c_decl {
  \#include "machine_world.h"
}

byte state, want, role, stop, flags;     /* the record; the early count is not of interest */
byte process;                            /* role of the process that lives */
bool process_killed, rest, rest_killed;  /* rest: descendants live */
bool armed;
bool gone = true;                        /* no supervisor: not yet, or not any more */
bool has_start, has_finish, is_slow, is_forking; /* the definition, chosen at the beginning */
bool has_condition, is_oneshot, has_nothing;
bool settled;                            /* `run` is in the background */
byte commands = COMMANDS, unborn = 1, accidents = ACCIDENTS, lost = 1;
bool ordered; /* told to be down, and not yet */
byte event, broken, choice, choices;

c_code {
  static uint32_t world_facts(void) {
    return world_bound(now.event) | (now.has_start ? FACT_START : 0) |
        (now.has_finish ? FACT_FINISH : 0) | (now.is_slow ? FACT_SLOW : 0) |
        (now.is_forking ? FACT_FORKING : 0) | (now.has_condition ? FACT_CONDITION : 0) |
        (now.is_oneshot ? FACT_ONESHOT | FACT_SLOW : 0) | (now.has_nothing ? FACT_NOTHING : 0) |
        (now.rest ? FACT_REST : 0);
  }

  static struct choices *world_now(void) {
    struct machine m = {now.state, now.want, now.role, now.stop, now.flags, 0};
    unsigned process = event_ends_process(now.event) ? ROLE_NONE : now.process;

    return world_choices(&m, now.event, world_facts(), process);
  }

  /* The step, and what the deeds do to the world. */
  static void world_step(void) {
    struct machine m = {now.state, now.want, now.role, now.stop, now.flags, 0};
    uint32_t facts = world_facts() | world_now()->facts[now.choice];
    machine_deeds deeds = machine_step(&m, now.event, facts);
    unsigned before = now.state;

    if (event_ends_process(now.event)) {
      now.process = ROLE_NONE;
      now.process_killed = 0;
    }
    now.broken = world_judge(before, now.want, &m, now.event, deeds, now.process, now.rest);
    if (now.event == EVENT_FORKED)
      now.settled = 1;
    else if (now.event == EVENT_FORKING || now.process != ROLE_RUN)
      now.settled = 0;
    if (now.event == EVENT_DEADLINE) now.armed = 0;
    if (deeds & ARMS)
      now.armed = 1;
    else if (m.state != before)
      now.armed = 0;
    if (deeds & (DO_SEND_KILL | DO_REST_KILL) && now.process != ROLE_NONE) now.process_killed = 1;
    if (deeds & DO_REST_KILL && now.rest) now.rest_killed = 1;
    if (deeds & SPAWNS) now.process = m.role;
    if (m.state == STATE_DOWN) now.ordered = 0;
    if (deeds & DO_GONE) now.gone = 1;
    now.state = m.state;
    now.want = m.want;
    now.role = m.role;
    now.stop = m.stop;
    now.flags = m.flags;
    world_visited[m.state] = 1;
    now.choice = now.choices = 0;
    now.event = 0;
  }
};

#define ENDING (state == STATE_STOPPING || state == STATE_FINISHING)
#define SETTLED (state == STATE_UP || state == STATE_WAITING || (state == STATE_BACKOFF && armed) || \
                 state == STATE_FAILED || state == STATE_DONE || state == STATE_DOWN)
#define step() c_code { world_step(); }; assert(broken == 0)

/* What may come of it. */
inline observe() {
  c_code { now.choices = world_now()->count - 1; };
  do :: choice < choices -> choice++ :: break od
}

/* The process ends, leaving descendants behind or not. */
inline die() {
  if :: process == ROLE_CONDITION ->
          if :: event = EVENT_CONDITION_OK :: event = EVENT_CONDITION_NO :: event = EVENT_START_BAD fi
     :: process == ROLE_START -> if :: event = EVENT_START_OK :: event = EVENT_START_BAD fi
     :: process == ROLE_RUN -> event = EVENT_RUN_DIED
     :: process == ROLE_FINISH -> event = EVENT_FINISH_DONE fi;
  if :: rest = true :: skip fi;
  observe(); step()
}

active proctype user() {
  do
  :: atomic { !gone && commands > 0 -> commands--;
       if :: event = EVENT_WANT_UP :: event = EVENT_WANT_DOWN :: event = EVENT_ONCE
          :: event = EVENT_EXIT :: event = EVENT_RESTART :: event = EVENT_UNWANT
          :: event = EVENT_PAUSE :: event = EVENT_CONTINUE :: event = EVENT_KILL
          :: event = EVENT_SIGNAL :: event = EVENT_UPGRADE fi;
       if :: event == EVENT_WANT_DOWN -> ordered = true
          :: event == EVENT_WANT_UP || event == EVENT_ONCE || event == EVENT_RESTART -> ordered = false
          :: else fi;
       observe(); step() }
  :: atomic { !gone && lost > 0 -> lost--; event = EVENT_NEEDS_LOST; observe(); step() }
  :: atomic { !gone && state == STATE_WAITING -> event = EVENT_NEEDS_MET; observe(); step() }
  :: atomic { !gone && is_forking && !settled && process == ROLE_RUN && state != STATE_STOPPING ->
       event = EVENT_FORKED; observe(); step() }
  :: atomic { !gone && process == ROLE_RUN && (settled || !is_forking) && !(flags & FLAG_READY) &&
       state != STATE_STOPPING -> event = EVENT_READY; observe(); step() }
  od
}

/* What KILL does, sooner or later. */
active proctype kernel() {
  do :: atomic { !gone && process != ROLE_NONE && process_killed -> die() } od
}
active proctype reaper() {
  do :: atomic { !gone && rest && rest_killed ->
          rest = false; rest_killed = false; event = EVENT_EMPTY; observe(); step() } od
}
active proctype clock() {
  do :: atomic { !gone && armed -> event = EVENT_DEADLINE; observe(); step() } od
}

/* What may happen and need not: an end by itself, a run that lapses, a process that cannot be made. */
active proctype accident() {
  do
  :: atomic { !gone && accidents > 0 && process != ROLE_NONE -> accidents--; die() }
  :: atomic { !gone && accidents > 0 && rest -> accidents--;
       rest = false; rest_killed = false; event = EVENT_EMPTY; observe(); step() }
  :: atomic { !gone && unborn > 0 && process != ROLE_NONE && state != STATE_STOPPING &&
       !(flags & FLAG_PAUSED) -> unborn--; event = EVENT_UNBORN; observe(); step() }
  :: atomic { !gone && accidents > 0 && process == ROLE_RUN && state != STATE_STOPPING ->
       accidents--;
       if :: is_forking && settled -> event = EVENT_FORKING
          :: is_forking && !settled -> event = EVENT_MISFORKED
          :: event = EVENT_LAPSE fi;
       observe(); step() }
  :: accidents > 0 -> accidents-- /* it does not happen */
  :: unborn > 0 -> unborn--
  od
}

init {
  atomic {
    c_code { world_begin(); };
    if :: has_start = true; has_finish = true :: has_start = true :: has_finish = true
       :: is_forking = true :: has_condition = true; has_finish = true
       :: is_oneshot = true; has_finish = true :: is_oneshot = true; has_nothing = true; has_finish = true
       :: skip fi; /* together: longer, and nothing new */
    if :: !is_oneshot -> is_slow = true :: skip fi;
    state = STATE_DOWN; want = WANT_DOWN;
    gone = false;
    event = EVENT_BOOT; observe(); step()
  }
}

ltl down_ends { [] (ordered -> <> !ordered) }
ltl stop_ends { [] (ENDING -> <> (!ENDING)) }
ltl leaving_ends { [] ((flags & FLAG_LEAVING) -> <> gone) }
ltl starting_ends { [] (state == STATE_STARTING -> <> (state != STATE_STARTING)) }
ltl wanted_settles { [] (want != WANT_DOWN -> <> (SETTLED || want == WANT_DOWN || gone)) }
