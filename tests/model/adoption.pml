/* The adoption protocol (doc/DESIGN.md section 6): one service, a scanner that may be killed,
 * supervisors that may be killed before any step or upgraded in place, instances of the service
 * that may die at any time, also half-way to being it. One system call is one atomic step; what
 * happens between two of them is what is explored.
 *
 * Instances are numbered: the even ones are `run`, the odd ones the `finish` of the one before. The
 * machine of the real supervisor is not in here (machine.pml has it), only what it is told.
 *
 * Claims: never two instances at once; each that ran is told to the machine, once and in order,
 * with its status (unless a stranger reaped it while no scanner lived); what follows it is started
 * once, for each `run` its `finish`; never two supervisors inside; nobody waits for ever.
 *
 * Compile with one of these to take something out; each must be refuted:
 *   NO_R1       the lock is not shared by a half-born child (a POSIX lock)
 *   NO_R2       the parent writes the record after the vfork, not the child before its exec
 *   NO_R3       reap, then record
 *   NO_R4       the scanner reaps orphans without leaving a note
 *   NO_LAST     `child` has no second record, of the last that ended
 *   NO_KEEPING  the lock is let go over the exec of an upgrade
 */

#ifndef KILLS
#define KILLS 2 /* of supervisors */
#endif
#ifndef FALLS
#define FALLS 1 /* kills of the scanner */
#endif
#ifndef UPGRADES
#define UPGRADES 1
#endif
#ifndef LIVES
#define LIVES 3 /* instances */
#endif
#define RIVAL (KILLS + 1) /* a supervisor that somebody has started by hand: it waits for the lock */
#define SUPERVISORS (KILLS + 2)
#define NOBODY 255
#define SCANNER 254
#define INIT 253 /* reaps and knows nothing */

/* instances, by number */
#define UNBORN 0
#define HALF 1 /* vforked, has not become its program yet */
#define RUNS 2
#define ZOMBIE 3
#define REAPED 4
byte process[LIVES];
byte parent[LIVES];
bool ran[LIVES];
bool lost[LIVES]; /* reaped by a stranger: its status may be unknown */
byte told[LIVES]; /* how often its death was told */
byte born;        /* so many have been made */

/* the lock: open file description of which supervisor, and how many hold it */
byte lock_owner = NOBODY;
byte lock_holders;
byte inside; /* supervisors that think it is theirs */

/* supervise/child, both records; supervise/exit; the journal: whom the machine believes in */
#define NONE 0
#define RUNNING 1
#define EXITED 2
byte record_state = NONE, record_who = NOBODY;
bool record_known; /* with EXITED: the status is in it */
byte last_who = NOBODY;
bool last_known;
byte note_who = NOBODY;
byte belief = NOBODY;

bool killed[SUPERVISORS], alive[SUPERVISORS], in_it[SUPERVISORS];
bool scanner_alive, scanner_killed;
byte kills, falls, upgrades;
byte next_supervisor = 1;
byte missing; /* supervisors to be started */

/* one of somebody's children that has ended, to be chosen */
#define ENDED(i, of_whom) (parent[i] == of_whom && process[i] == ZOMBIE)
#if LIVES > 3
#define SOME_ENDED(of_whom) (ENDED(0, of_whom) || ENDED(1, of_whom) || ENDED(2, of_whom) || ENDED(3, of_whom))
#else
#define SOME_ENDED(of_whom) (ENDED(0, of_whom) || ENDED(1, of_whom) || ENDED(2, of_whom))
#endif
inline choose_ended(i, of_whom) {
  i = 0;
  do
  :: ENDED(i, of_whom) -> break
  :: !ENDED(i, of_whom) -> i++
  od
}

inline check_single(i) {
  byte j;
  for (j : 0 .. LIVES - 1) {
    assert(!(j != i && process[j] == RUNS))
  }
  j = 0
}

inline let_lock_go(holder) {
  if
  :: lock_owner == holder && lock_holders > 0 ->
     lock_holders--;
     if :: lock_holders == 0 -> lock_owner = NOBODY :: else fi
  :: else
  fi
}

/* what the kernel does with the children of who dies */
inline hand_on(me) {
  byte k;
  for (k : 0 .. LIVES - 1) {
    if
    :: parent[k] == me -> parent[k] = (scanner_alive -> SCANNER : INIT)
    :: else
    fi
  }
  k = 0
}

inline bury(me) {
  d_step {
    hand_on(me);
    let_lock_go(me);
    inside = inside - in_it[me];
    in_it[me] = false;
    alive[me] = false;
    missing = missing + (me != RIVAL)
  }
}

/* The child between vfork and exec; then its program, which may end at any time. The lock's
 * descriptor is closed by the exec, or when it dies. */
inline let_go_at_exec(lock) {
#ifndef NO_R1
  let_lock_go(lock)
#else
  skip
#endif
}

proctype instance(byte i; byte lock) {
  if
  :: atomic { process[i] == HALF -> process[i] = ZOMBIE; let_go_at_exec(lock); goto ended } /* killed here */
  :: atomic { process[i] == HALF ->
#ifndef NO_R2
       record_state = RUNNING; record_who = i; record_known = false
#endif
     }
  fi;
  if
  :: atomic { process[i] == HALF -> process[i] = ZOMBIE; let_go_at_exec(lock); goto ended } /* or here */
  :: atomic {
       process[i] == HALF -> check_single(i);
       process[i] = RUNS;
       ran[i] = true;
       let_go_at_exec(lock)
     }
  fi;
  atomic { process[i] == RUNS -> process[i] = ZOMBIE };
ended:
  skip
}

/* One record of the journal: a death, and what it led to. */
inline tell(i, known, next) {
  atomic {
    if
    :: i != NOBODY ->
       told[i]++;
       assert(told[i] == 1);
       assert(known || lost[i]);
       assert(i == 0 || told[i - 1] == 1 || !ran[i - 1])
    :: else
    fi;
    belief = next
  }
}

inline reap_late() {
  if
  :: atomic { late != NOBODY -> process[late] = REAPED; late = NOBODY }
  :: late == NOBODY -> skip
  fi
}

proctype supervisor(byte me) {
  byte child = NOBODY, dead = NOBODY, was; /* dead: recorded, and not told yet */
  byte late = NOBODY;                      /* recorded, and not reaped yet */
  bool adopted, known;

  {
    /* R1: whoever gets the lock knows that no half-started child is left */
    atomic {
      lock_owner == NOBODY -> lock_owner = me;
      lock_holders = 1;
      in_it[me] = true;
      inside++;
      assert(inside == 1)
    };
resume:
    /* What is on record. Nobody but us writes it now, so reading all of it is one step. */
    atomic {
      was = belief;
      if
      :: record_state == RUNNING -> child = record_who
      :: record_state == EXITED && was == record_who ->
         dead = record_who; known = record_known; child = NOBODY
      :: else -> child = NOBODY
      fi
    };
    if
    :: child != NOBODY && was != child ->
       /* It was started and not told, nor what led to it. */
       if
#ifndef NO_LAST
       :: was != NOBODY && last_who == was -> tell(was, last_known, child)
       :: was != NOBODY && last_who != was -> tell(was, false, child)
#else
       :: was != NOBODY -> tell(was, false, child)
#endif
       :: was == NOBODY -> tell(NOBODY, false, child)
       fi
    :: else
    fi;
    was = 0;
    adopted = (child != NOBODY && parent[child] != me);
    do
    :: child == NOBODY && born < LIVES ->
       /* The next one. What is to come after what is not told would come twice. */
       atomic {
         assert(born == 0 || dead == born - 1 || told[born - 1] == 1 || !ran[born - 1]);
         child = born;
         born++;
         process[child] = HALF;
         parent[child] = me;
         adopted = false;
#ifndef NO_R1
         lock_holders++;
#endif
         run instance(child, me)
       };
       /* vfork: we go on when it has become its program (or died) */
       (process[child] != HALF);
#ifdef NO_R2
       atomic { record_state = RUNNING; record_who = child; record_known = false };
#endif
       if
       :: atomic { record_state != RUNNING || record_who != child ->
            record_state = RUNNING; record_who = child; record_known = false }
       :: record_state == RUNNING && record_who == child -> skip
       fi;
       reap_late();
       tell(dead, known, child);
       dead = NOBODY;
       known = false
    :: child == NOBODY && born == LIVES && dead != NOBODY ->
       tell(dead, known, NOBODY);
       dead = NOBODY;
       known = false
    :: child == NOBODY && born == LIVES && dead == NOBODY -> break
    :: child != NOBODY && !adopted && process[child] == ZOMBIE ->
       /* R3: peek, record, reap; at once, or behind the next start */
#ifdef NO_R3
       process[child] = REAPED;
#endif
       atomic { record_state = EXITED; record_who = child; record_known = true;
                last_who = child; last_known = true };
#ifndef NO_R3
       if
       :: process[child] = REAPED
       :: born < LIVES -> late = child
       fi;
#endif
       dead = child;
       known = true;
       child = NOBODY
    :: child != NOBODY && adopted && (process[child] == ZOMBIE || process[child] == REAPED) ->
       /* The status of a zombie is in /proc; else there is a note. (A kernel that tells it of
        * one that was reaped only makes this easier.) */
       known = (process[child] == ZOMBIE);
       if :: !known -> known = (note_who == child) :: else fi;
       atomic { record_state = EXITED; record_who = child; record_known = known;
                last_who = child; last_known = known };
       dead = child;
       child = NOBODY
    :: dead == NOBODY && upgrades < UPGRADES ->
       /* Another program in the same process: nothing is kept but the lock. */
       atomic {
         upgrades++;
         child = NOBODY;
         adopted = false;
         known = false
#ifdef NO_KEEPING
         ;
         let_lock_go(me)
#endif
       };
       goto resume
    od;
    /* It leaves. */
    atomic { let_lock_go(me); in_it[me] = false; inside--; alive[me] = false }
  } unless { killed[me] };
  if
  :: killed[me] && alive[me] -> bury(me)
  :: else
  fi
}

/* It starts supervisors, and as subreaper reaps orphans: peek, note, reap (R4). A new one finds
 * what is missing as the one before did. */
proctype scanner() {
  byte i = NOBODY;

  {
    do
    :: atomic {
         missing > 0 -> missing--;
         alive[next_supervisor] = true;
         run supervisor(next_supervisor);
         next_supervisor++
       }
    :: atomic { SOME_ENDED(SCANNER) -> choose_ended(i, SCANNER) };
#ifndef NO_R4
       if
       :: record_state == RUNNING && record_who == i -> note_who = i
       :: record_state != RUNNING || record_who != i -> skip
       fi;
#endif
       atomic { process[i] = REAPED; i = NOBODY }
    od
  } unless { scanner_killed };
  d_step {
    scanner_alive = false;
    hand_on(SCANNER);
    scanner_killed = false
  }
}

/* Somebody else's init: it starts another scanner, and reaps. */
proctype first() {
  byte i;

end:
  do
  :: atomic { !scanner_alive -> scanner_alive = true; run scanner() }
  :: atomic {
       SOME_ENDED(INIT) -> choose_ended(i, INIT);
       process[i] = REAPED;
       lost[i] = true;
       i = 0
     }
  od
}

inline strike() {
  kills++;
  killed[me] = true;
  me = 0
}

/* kill -9 of a supervisor or the scanner, before any of their steps */
proctype killer() {
  byte me;

  do
  :: atomic { kills < KILLS && alive[0] && !killed[0] -> me = 0; strike() }
  :: atomic { kills < KILLS && alive[1] && !killed[1] -> me = 1; strike() }
#if KILLS > 1
  :: atomic { kills < KILLS && alive[2] && !killed[2] -> me = 2; strike() }
#endif
#if KILLS > 2
  :: atomic { kills < KILLS && alive[3] && !killed[3] -> me = 3; strike() }
#endif
  :: atomic { falls < FALLS && scanner_alive && !scanner_killed -> falls++; scanner_killed = true }
  :: break
  od
}

init {
  byte k;

  atomic {
    for (k : 0 .. LIVES - 1) {
      parent[k] = NOBODY
    }
    k = 0;
    alive[0] = true;
    scanner_alive = true;
#ifdef NO_KEEPING
    alive[RIVAL] = true;
    run supervisor(RIVAL);
#endif
    run supervisor(0);
    run scanner();
    run first();
    run killer()
  };
  /* At rest every instance that ran is dead, and its death was told. */
  timeout;
  assert(born == LIVES); /* nobody waits for ever */
  for (k : 0 .. LIVES - 1) {
    assert(!ran[k] || told[k] == 1)
  }
}
