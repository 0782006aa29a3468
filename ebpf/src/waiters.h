/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the BPF program and user space say to each other. `layout.rs` mirrors
 * every struct and `stat.rs` the counters: change both together.
 *
 * Every `tgid`/`tid` without a prefix is the kernel's own, as seen from the
 * first pid namespace. `ns_*` is the same task as the loader's namespace
 * numbers it (0: not visible from there). `own_tid` is what the thread itself
 * gets from gettid().
 */
#ifndef ONAIR_WAITERS_H
#define ONAIR_WAITERS_H

/* The session value that a canary passes through its site. */
#define ONAIR_CANARY_SESSION 0xffffffffffffffffULL

/* Entries of `blocked`: sessions that can be counted at the same time. */
#define ONAIR_BLOCKED_SLOTS 1024

/* A thread between wait_begin and wait_end. Key of `waiters`: tgid << 32 | tid. */
struct onair_waiter {
	__u64 session;
	__u64 attachment;
	__u64 since;		/* CLOCK_MONOTONIC, ns */
	__u64 start_boottime;	/* of the thread, CLOCK_BOOTTIME, ns */
	__u64 cookie;		/* inode number of the file that holds the site */
	__u32 tgid;
	__u32 tid;
	__u32 ns_tgid;
	__u32 ns_tid;
	__u32 own_tid;
	__u32 index;		/* into `blocked` */
	char comm[16];
};

struct onair_attachment_key {
	__u32 tgid;
	__u32 pad;
	__u64 session;
};

struct onair_attachment {
	__u64 attachment;
	__u64 start_boottime;	/* of the group leader; 0 = do not compare */
	__u64 lost;		/* threads inside that found no room in `waiters` */
	__u64 inside;		/* threads in `waiters` under this attachment */
	__u32 index;
	__u32 pad;
};

/* Key of `clients`: tgid (with watch_all: ns_tgid). */
struct onair_client {
	__u64 start_boottime;	/* of the group leader; 0 = do not compare */
};

/* Key of `canaries`: the token. `filled` stands before what it vouches for. */
struct onair_canary {
	__u64 hits;
	__u32 filled;
	__u32 own_tid;
	__u64 start_boottime;	/* of the group leader */
	__u64 cookie;
	__u32 tgid;
	__u32 tid;
	__u32 ns_tgid;
	__u32 ns_tid;
};

enum onair_event_kind {
	ONAIR_EVENT_EXIT = 1,	/* a thread ended; session 0 if it was not inside */
	ONAIR_EVENT_EXEC = 2,	/* the process replaced its image */
};

/* The last thread of the process has passed the point of no return. */
#define ONAIR_EVENT_LAST 1

struct onair_event {
	__u32 kind;
	__u32 flags;
	__u32 tgid;
	__u32 tid;
	__u32 ns_tgid;
	__u32 ns_tid;
	__u32 own_tid;
	__u32 pad;
	__u64 session;
	__u64 attachment;
	__u64 since;		/* CLOCK_MONOTONIC, ns; 0 if it was not inside */
	__u64 at;		/* CLOCK_MONOTONIC, ns */
	char comm[16];
};

/* Set by the loader before the programs are loaded. */
struct onair_settings {
	__u32 pidns_inum;	/* loader's pid namespace; 0 = the first one */
	__u32 watch_all;	/* 1: any session of a tgid in `clients` counts */
};

enum onair_stat {
	ONAIR_STAT_BEGIN,	/* waits that were recorded */
	ONAIR_STAT_END,		/* recorded waits that returned */
	ONAIR_STAT_UNKNOWN,	/* begins of nobody that is registered */
	ONAIR_STAT_FULL,	/* begins that found `waiters` full */
	ONAIR_STAT_RING_FULL,	/* events that found no room */
	ONAIR_STAT_END_NONE,	/* ends without a recorded begin */
	ONAIR_STAT_BEGIN_AGAIN,	/* begins that replaced one of the same thread */
	ONAIR_STAT_EXIT,	/* threads of clients that ended */
	ONAIR_STAT_RESIDUE,	/* recorded waits ended by an exit or an exec */
	ONAIR_STAT_ERROR,	/* map operations that failed for another reason */
	ONAIR_STAT_STALE,	/* begins of a process that only shares a registered pid */
	ONAIR_STAT_CANARY,	/* canaries that came through */
	ONAIR_STATS = 16
};

_Static_assert(sizeof(struct onair_waiter) == 80, "layout.rs: WAITER_SIZE");
_Static_assert(sizeof(struct onair_attachment_key) == 16, "layout.rs: ATTACHMENT_KEY_SIZE");
_Static_assert(sizeof(struct onair_attachment) == 40, "layout.rs: ATTACHMENT_SIZE");
_Static_assert(sizeof(struct onair_client) == 8, "layout.rs: CLIENT_SIZE");
_Static_assert(sizeof(struct onair_canary) == 48, "layout.rs: CANARY_SIZE");
_Static_assert(sizeof(struct onair_event) == 80, "layout.rs: EVENT_SIZE");
_Static_assert(sizeof(struct onair_settings) == 8, "layout.rs: SETTINGS_SIZE");
_Static_assert(ONAIR_STAT_CANARY == 11, "stat.rs: Stat::ALL");

#endif
