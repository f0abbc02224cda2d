/* tests/model/lock.pml: the protocol of a lock, from claim to settle, for one
 * record key, and what the promises of DESIGN.md section 2 mean for it. spin
 * goes through every order of events (check.sh runs it):
 *
 *   - attempts of clients, one transaction of HAProxy each, begin at any time;
 *   - the store answers, or its answer is lost (a killed agent is that too):
 *     then it has done what it was asked, does it later, or never;
 *   - HAProxy, upstream and clients give up at any point;
 *   - notices come late, twice, or never;
 *   - the clock runs on meanwhile.
 *
 * "mirrors", then a file and names in it, says what a part stands for; check.sh
 * looks that they are there. A sabotage breaks one rule (the list is in check.sh),
 * and then spin has to find a broken promise.
 *
 * The variants are settings, read from the environment: one compilation serves
 * them all. */

byte hold;              /* on-lock-expiry: 1 hold, 0 retry */
byte on_unknown;        /* on-unknown-outcome: 0 hold, 1 release, 2 seal */
byte noticed;           /* HAProxy's log is read */
byte waits;             /* who finds something may ask again */
byte late;              /* the store may be late */
byte attempts;          /* 2 or 3 */
byte lock_ttl;
byte response_ttl;      /* above the horizon: records do not expire */
byte horizon;           /* the last tick of the clock */
byte sabotage;

#define SETTING(name, otherwise) (getenv(name) ? atoi(getenv(name)) : otherwise)

inline read_settings() {
	c_code {
		now.hold = SETTING("HOLD", 1);
		now.on_unknown = SETTING("ON_UNKNOWN", 0);
		now.noticed = SETTING("NOTICED", 1);
		now.waits = SETTING("WAITS", 0);
		now.late = SETTING("LATE", 1);
		now.attempts = SETTING("ATTEMPTS", 2);
		now.lock_ttl = SETTING("LOCK_TTL", 1);
		now.response_ttl = SETTING("RESPONSE_TTL", 9);
		now.horizon = SETTING("HORIZON", 3);
		now.sabotage = SETTING("SABOTAGE", 0);
	}
}

mtype = { NONE, LOCKED, STORED, PENDING, SEALED };         /* record_state */
mtype = { GRANTED, FOUND, SETTLED, LOST, FAILED };         /* record_result */
mtype = { UNANSWERED, OUT_PENDING, OUT_ERROR, OUT_OTHER }; /* notice.outcome */
mtype = { ENDED_WELL, CUT, NEVER_SAW, MAY_HAVE_RUN };      /* notice.state */
mtype = { DO_NOTHING, DO_RELEASE, DO_SEAL, DO_CONFIRM };   /* notice_action */

/* mirrors agent/core/record.h: struct record
 * The response is told apart by its owner; `whole` is what only the upstream
 * knows. */
typedef record {
	mtype state = NONE;
	byte owner;
	byte deadline;
	byte expires;
	bool whole;
};

/* mirrors agent/core/record_op.h: struct record_op
 * One that was answered `FAILED` and is executed all the same, later. */
typedef op {
	bool waits;
	bool claims;
	byte at;
	mtype from = NONE;
	mtype to = NONE;
	bool whole;
};

record rec;
byte time_now;
byte started;                     /* attempts are numbered as they start */
op late_op[4];                    /* of a claim or a completion */
mtype notices[4] = DO_NOTHING;

/* --- what is promised, seen from outside -------------------------------- */

byte until[4];                    /* nobody else before this time */
bool told[4];                     /* HAProxy was told to proceed */
bool executed[4];
bool repeatable[4];               /* the policy lets it run again */
bool released[4];

#define NOBODY_ELSE(me, time) \
	((me == 1 || until[1] <= time) && (me == 2 || until[2] <= time) && \
	 (me == 3 || until[3] <= time))
#define NOT_DONE_BY(j, me) \
	(me == j || !executed[j] || repeatable[j] || until[j] <= time_now)
#define NOT_DONE(me) \
	(NOT_DONE_BY(1, me) && NOT_DONE_BY(2, me) && NOT_DONE_BY(3, me))

/* A stored response and a seal stay what they are for their time, and what is
 * pending stays its owner's. Whoever writes the record passes here. */
#define BEFORE_WRITE(me, time) \
	(time >= rec.expires || rec.state == NONE || rec.state == LOCKED || \
	 (rec.state == PENDING && rec.owner == me))

inline before_write(me, time) {
	assert(sabotage == 15 || BEFORE_WRITE(me, time))
}

/* The upstream executes. HAProxy is done before the lock's time is over, as
 * README.md demands of lock-ttl (with `hold` it is the record's time). */
inline execute(me) {
	assert(told[me]);
	assert(!released[me]);
	assert(NOT_DONE(me));           /* never twice */
	executed[me] = true
}

/* --- store -------------------------------------------------------------- */

/* mirrors agent/store/lmdb_tree.c: lmdb_tree_claim(), claim_again()
 * mirrors agent/core/record.h: record_alive()
 * mirrors agent/core/idem.c: idem_lock() */
#define IN_THE_WAY(time) (rec.state != NONE && time < rec.expires && \
	!(sabotage == 3 && rec.state == LOCKED && time >= rec.deadline) && \
	!(sabotage == 4 && rec.state != LOCKED))

inline insert(me, time) {
	before_write(me, time);
	assert(NOBODY_ELSE(me, time_now));      /* one owner */
	rec.state = LOCKED;
	rec.owner = (sabotage == 12 && rec.owner != 0 -> rec.owner : me);
	rec.deadline = time + lock_ttl;
	rec.expires = (hold -> time + response_ttl : time + lock_ttl);
	rec.whole = false;
	until[me] = rec.expires
}

/* mirrors agent/core/idem.c: idem_decide(), decide_running(), decide_pending(),
 * decide_stored()
 * What counts here: only a whole response is replayed. */
inline is_found() {
	assert(rec.state != STORED || (rec.whole && executed[rec.owner]))
}

inline claim(me, time, result) {
	if
	:: IN_THE_WAY(time) ->
		is_found();
		result = FOUND
	:: else ->
		insert(me, time);
		result = GRANTED
	fi
}

/* mirrors agent/core/record_op.h: record_op_may_settle()
 * mirrors agent/core/record.c: record_owned() */
#define MAY_SETTLE(me, time, from_) \
	((rec.owner == me || sabotage == 1) && \
	 (from_ == NONE || from_ == rec.state || sabotage == 2) && \
	 (rec.state == LOCKED || rec.state == PENDING || \
	  (rec.state != NONE && (sabotage == 13 || sabotage == 15))) && \
	 (time < rec.expires || sabotage == 11))

/* mirrors agent/store/lmdb_tree.c: lmdb_tree_settle(), replace(), release()
 * mirrors agent/core/idem.c: idem_settle() */
inline settle(me, time, from_, to_, whole_, result) {
	if
	:: MAY_SETTLE(me, time, from_) ->
		before_write(me, time);
		assert(time < until[me]);               /* fenced */
		assert(until[me] == rec.expires);
		if
		:: to_ == NONE ->
			/* Nothing that may have run is let go. */
			assert(rec.state == LOCKED);
			assert(!executed[me] || repeatable[me]);
			released[me] = true;
			until[me] = 0;
			rec.state = NONE;
			rec.owner = 0;
			rec.deadline = 0;
			rec.expires = 0
		:: else ->
			/* What HAProxy was not told of did not run. */
			assert(executed[me]);
			rec.state = to_;
			rec.whole = (from_ == PENDING -> rec.whole : whole_);
			rec.expires = time + response_ttl;
			until[me] = rec.expires;
			assert(to_ != STORED || rec.whole)  /* exact or not at all */
		fi;
		result = SETTLED
	:: else -> result = LOST
	fi
}

/* What the store was asked for and has answered as failed (or its agent was
 * killed), and does now. */
inline do_late(me, o) {
	if
	:: o.claims -> claim(me, o.at, ignored)
	:: else -> settle(me, o.at, o.from, o.to, o.whole, ignored)
	fi;
	o.waits = false;
	o.claims = false;
	o.at = 0;
	o.from = NONE;
	o.to = NONE;
	o.whole = false
}

proctype store_is_late() {
	mtype ignored;
end:	do
	:: d_step { late_op[1].waits -> do_late(1, late_op[1]); ignored = 0 }
	:: d_step { late_op[2].waits -> do_late(2, late_op[2]); ignored = 0 }
	:: d_step { late_op[3].waits -> do_late(3, late_op[3]); ignored = 0 }
	od
}

/* --- notices ------------------------------------------------------------ */

/* mirrors agent/core/notice.c: notice_decide(), ask()
 * mirrors agent/core/notice_rule.def: NOTICE_RULE */
#define AS_POLICY_SAYS (on_unknown == 1 -> DO_RELEASE : \
	(on_unknown == 2 -> DO_SEAL : DO_NOTHING))

inline decide(outcome_, state_, retried_, action) {
	if
	:: outcome_ == OUT_OTHER -> action = DO_NOTHING
	:: outcome_ == OUT_ERROR -> action = DO_SEAL
	:: outcome_ == OUT_PENDING && state_ == ENDED_WELL ->
		action = DO_CONFIRM
	:: outcome_ == OUT_PENDING && state_ != ENDED_WELL ->
		action = (sabotage == 8 -> DO_CONFIRM : DO_SEAL)
	:: outcome_ == UNANSWERED && state_ == NEVER_SAW ->
		action = (!retried_ || sabotage == 7 ->
			DO_RELEASE : AS_POLICY_SAYS)
	:: outcome_ == UNANSWERED && state_ == MAY_HAVE_RUN ->
		action = AS_POLICY_SAYS
	:: outcome_ == UNANSWERED && (state_ == ENDED_WELL || state_ == CUT) ->
		action = (sabotage == 14 -> DO_RELEASE : DO_SEAL)
	fi
}

/* mirrors agent/notices.c: act(), settle()
 * mirrors agent/core/exchange.c: notice() */
inline do_notice(me) {
	if
	:: notices[me] == DO_RELEASE ->
		settle(me, time_now, LOCKED, NONE, false, ignored)
	:: notices[me] == DO_SEAL ->
		settle(me, time_now, NONE, SEALED, false, ignored)
	:: notices[me] == DO_CONFIRM ->
		settle(me, time_now, PENDING, STORED, false, ignored)
	fi;
	ignored = 0
}

/* Late, twice, or never. */
proctype log_lines() {
	mtype ignored;
end:	do
	:: d_step { notices[1] != DO_NOTHING -> do_notice(1) }
	:: d_step { notices[2] != DO_NOTHING -> do_notice(2) }
	:: d_step { notices[3] != DO_NOTHING -> do_notice(3) }
	od
}

inline notify(me, outcome_, state_, retried_) {
	if
	:: noticed -> decide(outcome_, state_, retried_, notices[me])
	:: !noticed
	fi
}

/* --- an attempt --------------------------------------------------------- */

/* Asks the store: it answers, or the answer is a failure, and then what was
 * asked for waits in late_op: done at once, later or never. */
inline ask_claim(me, time, result) {
	if
	:: d_step { sabotage != 9 -> claim(me, time, result) }
	:: d_step { late ->
		late_op[me].waits = true;
		late_op[me].claims = true;
		late_op[me].at = time;
		result = FAILED }
	:: atomic { sabotage == 9 ->
		result = (IN_THE_WAY(time) -> FOUND : GRANTED) };
		if
		:: d_step { result == GRANTED -> insert(me, time) }
		:: result == FOUND
		fi
	fi
}

inline ask_settle(me, time, from_, to_, whole_, result) {
	if
	:: d_step { true -> settle(me, time, from_, to_, whole_, result) }
	:: d_step { late && !late_op[me].waits ->
		late_op[me].waits = true;
		late_op[me].at = time;
		late_op[me].from = from_;
		late_op[me].to = to_;
		late_op[me].whole = whole_;
		result = FAILED }
	fi
}

/* mirrors agent/core/exchange.c: release()
 * mirrors agent/service.c: pending_do() */
inline give_back(me) {
	at = time_now;
	if
	:: d_step { true -> settle(me, at, LOCKED, NONE, false, result) }
	:: true         /* it fails as well */
	fi
}

/* The response rules: what becomes of a response, then HAProxy passes it on.
 * mirrors agent/core/idem.c: idem_dispose(), dispose_body(),
 * dispose_unconfirmed()
 * mirrors agent/core/exchange.c: complete(), dispose(), settle_answered()
 * mirrors agent/service.c: start_complete() */
inline respond(me) {
	atomic {
		if
		:: true -> to = STORED; whole = true    /* it has its length */
		:: noticed -> to = PENDING; whole = true
		:: noticed -> to = PENDING; whole = false
		:: true -> to = SEALED
		:: true -> to = NONE; repeatable[me] = true     /* a 500, say */
		fi;
		at = time_now
	};
	ask_settle(me, at, LOCKED, to, whole, result);
	atomic {
		if
		:: result == FAILED -> outcome = OUT_ERROR
		:: result == SETTLED && to == PENDING -> outcome = OUT_PENDING
		:: result == SETTLED && to != PENDING -> outcome = OUT_OTHER
		:: result == LOST -> outcome = OUT_OTHER
		:: outcome = UNANSWERED         /* the ACK did not come */
		fi;
		if
		:: outcome == UNANSWERED ->
			/* the client gone while it was asked, say */
			repeatable[me] =
				(repeatable[me] || on_unknown == 1);
			notify(me, outcome, MAY_HAVE_RUN, false)
		:: to != PENDING || whole ->
			notify(me, outcome, ENDED_WELL, false)
		:: to != PENDING || !whole -> notify(me, outcome, CUT, false)
		fi
	}
}

/* mirrors haproxy/haproxy.cfg: idem-complete
 * What HAProxy does after `proceed`. */
inline forward(me) {
	if
	/* refused, queue, a later rule, client gone before */
	:: atomic { true -> notify(me, UNANSWERED, NEVER_SAW, false) }
	/* an attempt that got through, and another that did not */
	:: atomic { time_now < patience -> execute(me);
		repeatable[me] = (on_unknown == 1);
		notify(me, UNANSWERED, NEVER_SAW, true) }
	/* 502, 504, reset, client gone */
	:: atomic { time_now < patience -> execute(me);
		repeatable[me] = (on_unknown == 1);
		notify(me, UNANSWERED, MAY_HAVE_RUN, false) }
	:: d_step { time_now < patience -> execute(me) };
		respond(me)
	/* HAProxy gives up, or is killed */
	:: true
	:: d_step { time_now < patience -> execute(me) }
	fi
}

/* mirrors agent/core/exchange.c: check(), claim(), claim_answered(),
 * claim_granted(), claim_found(), claim_failed(), may_wait(), wait(),
 * timed_out(), gone()
 * mirrors agent/service.c: start_check(), on_tick(), service_gone() */
proctype attempt(byte me) {
	mtype result, to, outcome;
	bool replied, whole, proceed;
	byte at, deadline, patience;

	started == me - 1;
again:	atomic {
		started = (started < me -> me : started);
		at = time_now;
		deadline = at + lock_ttl;
		patience = (hold -> at + response_ttl : deadline)
	};
	ask_claim(me, at, result);
	atomic {
		/* EXCHANGE_TIMEOUT or EXCHANGE_GONE came first: `error` is
		 * answered already, or nobody is there. */
		if
		:: replied = true
		:: true
		fi;
		if
		:: result == FOUND
		/* `wait`: it asks again, by and by */
		:: waits && result == FOUND && !replied -> goto again
		:: result == GRANTED ->
			proceed = !replied &&
				(time_now < deadline || sabotage == 5)
		:: result == FAILED -> proceed = !replied && sabotage == 6
		fi;
		if
		:: proceed ->
			assert(rec.owner == me && time_now < rec.deadline);
			told[me] = true
		:: else
		fi
	};
	if
	:: proceed ->
		if
		/* as if the connection had closed before the ACK */
		:: sabotage == 10 -> give_back(me)
		:: true
		fi;
		forward(me)
	:: !proceed && result != FOUND -> give_back(me)
	:: !proceed && result == FOUND
	fi;
	d_step {
		result = 0; to = 0; outcome = 0; at = 0; deadline = 0;
		patience = 0; replied = false; whole = false; proceed = false
	}
}

proctype clock() {
end:	do
	:: time_now < horizon -> time_now++
	od
}

init {
	atomic {
		read_settings();
		run clock();
		run store_is_late();
		run log_lines();
		run attempt(1);
		run attempt(2);
		if
		:: attempts == 3 -> run attempt(3)
		:: attempts == 2
		fi
	}
}

/* Where records do not expire within the horizon: once the first attempt's
 * response is stored, every later one finds it. */
#define FIRST_IS_STORED (rec.state == STORED && rec.owner == 1)
ltl stays {
	[] (FIRST_IS_STORED -> [] (FIRST_IS_STORED && rec.whole))
}
