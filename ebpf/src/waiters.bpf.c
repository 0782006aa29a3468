// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Who is blocked in buffer_get, by the kernel's word.
 *
 * A client executes the site wait_begin(session, attachment) before it sleeps
 * and wait_end(session, attachment) after it. Both are one-byte nops until a
 * loader attaches these programs. A wait counts only for a registered
 * {tgid, session} whose process start time agrees, so another process can neither
 * invent nor hide a waiter.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "waiters.h"

/* The ABI of the uprobe context on x86-64: no relocation needed. */
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx;
	unsigned long si, di, orig_ax, ip, cs, flags, sp, ss;
};

/* Kernel types, only what is read; offsets come from the running kernel's BTF. */
#define KERNEL __attribute__((preserve_access_index))
struct ns_common { unsigned int inum; } KERNEL;
struct pid_namespace { struct ns_common ns; } KERNEL;
struct upid { int nr; struct pid_namespace *ns; } KERNEL;
struct pid { unsigned int level; struct upid numbers[1]; } KERNEL;
typedef struct { int counter; } __attribute__((preserve_access_index)) atomic_t;
struct signal_struct { atomic_t live; } KERNEL;
struct task_struct {
	__u64 start_boottime;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct signal_struct *signal;
} KERNEL;

/* The deepest pid namespace that the kernel allows is 32 below the first. */
#define PID_LEVELS 33

#define HASH(name, entries, key_type, value_type)		\
	struct {						\
		__uint(type, BPF_MAP_TYPE_HASH);		\
		__uint(max_entries, entries);			\
		__type(key, key_type);				\
		__type(value, value_type);			\
	} name SEC(".maps")

#define ARRAY(name, entries)					\
	struct {						\
		__uint(type, BPF_MAP_TYPE_ARRAY);		\
		__uint(max_entries, entries);			\
		__type(key, __u32);				\
		__type(value, __u64);				\
	} name SEC(".maps")

HASH(waiters, 16384, __u64, struct onair_waiter);
HASH(attachments, 4096, struct onair_attachment_key, struct onair_attachment);
HASH(clients, 4096, __u32, struct onair_client);
HASH(canaries, 1024, __u64, struct onair_canary);
ARRAY(blocked, ONAIR_BLOCKED_SLOTS);
ARRAY(stats, ONAIR_STATS);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

/*
 * The session of a thread that is inside but found `waiters` full. It lives in
 * the thread itself, so it cannot run out of room the same way, and exactly
 * that thread lowers `lost` again: an unrelated wait_end must not.
 */
struct lost_mark { __u64 session; __u64 set; };
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct lost_mark);
} lost_marks SEC(".maps");

const volatile struct onair_settings settings = {};

struct numbers { __u32 tgid, tid, own_tid; };

static __always_inline void stat(__u32 which)
{
	__u64 *p = bpf_map_lookup_elem(&stats, &which);

	if (p)
		__sync_fetch_and_add(p, 1);
}

static __always_inline void count(__u32 index, __s64 by)
{
	__u64 *p = bpf_map_lookup_elem(&blocked, &index);

	if (p)
		__sync_fetch_and_add(p, by);
}

static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

static __always_inline __u64 leader_start(struct task_struct *task)
{
	return BPF_CORE_READ(task, group_leader, start_boottime);
}

/* Number `level` of a task: the namespace's inode too when `inum` is given. */
static __always_inline __u32 number_at(struct pid *pid, __u32 level, __u32 *inum)
{
	/* Array of upid in the kernel: step by the kernel's size of it, not ours. */
	char *first = (char *)&pid->numbers[0];
	struct upid *u = (struct upid *)(first + level * bpf_core_type_size(struct upid));

	if (inum)
		*inum = BPF_CORE_READ(u, ns, ns.inum);
	return BPF_CORE_READ(u, nr);
}

/* What the loader's pid namespace calls this task; 0 = it is not visible there. */
static __always_inline __u32 number_for_loader(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 deepest = BPF_CORE_READ(pid, level);

	for (__u32 level = 0; level < PID_LEVELS; level++) {
		__u32 inum = 0, nr;

		if (level > deepest)
			break;
		nr = number_at(pid, level, &inum);
		if (inum == settings.pidns_inum)
			return nr;
	}
	return 0;
}

static __always_inline struct numbers numbers_of(struct task_struct *task, __u64 id)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	struct numbers n = { .tgid = id >> 32, .tid = (__u32)id };
	__u32 deepest = BPF_CORE_READ(pid, level);

	n.own_tid = deepest < PID_LEVELS ? number_at(pid, deepest, 0) : 0;
	if (settings.pidns_inum) {
		n.tgid = number_for_loader(BPF_CORE_READ(task, group_leader));
		n.tid = number_for_loader(task);
	}
	return n;
}

static __always_inline struct onair_attachment *attachment_of(__u32 tgid, __u64 session)
{
	struct onair_attachment_key key = { .tgid = tgid, .session = session };

	return bpf_map_lookup_elem(&attachments, &key);
}

/* Lowers `lost` if this very thread raised it. */
static __always_inline void forgive_lost(__u32 tgid)
{
	struct lost_mark *mark =
		bpf_task_storage_get(&lost_marks, bpf_get_current_task_btf(), 0, 0);
	struct onair_attachment *a;

	if (!mark || !mark->set)
		return;
	mark->set = 0;
	a = attachment_of(tgid, mark->session);
	if (a && (__s64)a->lost > 0)
		__sync_fetch_and_add(&a->lost, -1);
}

static __always_inline void mark_lost(struct onair_attachment *a, __u64 session)
{
	struct lost_mark *mark;

	/* Without memory for the mark `lost` stays up: blind, never wrong. */
	__sync_fetch_and_add(&a->lost, 1);
	mark = bpf_task_storage_get(&lost_marks, bpf_get_current_task_btf(), 0,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!mark) {
		stat(ONAIR_STAT_ERROR);
		return;
	}
	mark->session = session;
	mark->set = 1;
}

/*
 * One thread less under the attachment of `was`. If the process has another one
 * there by now, that one's count never included it.
 */
static __always_inline void leave_attachment(const struct onair_waiter *was)
{
	struct onair_attachment *a = attachment_of(was->tgid, was->session);

	if (a && a->attachment == was->attachment && (__s64)a->inside > 0)
		__sync_fetch_and_add(&a->inside, -1);
}

static __always_inline void canary(struct pt_regs *ctx, struct task_struct *task, __u64 id)
{
	__u64 token = ctx->si;
	struct onair_canary *c = bpf_map_lookup_elem(&canaries, &token);
	struct numbers n;

	/* Only tokens that the loader armed: nobody else can make us write. */
	if (!c) {
		stat(ONAIR_STAT_UNKNOWN);
		return;
	}
	stat(ONAIR_STAT_CANARY);
	/* The first to come is the one that was asked. */
	if (__sync_fetch_and_add(&c->hits, 1) != 0)
		return;
	n = numbers_of(task, id);
	c->start_boottime = leader_start(task);
	c->cookie = bpf_get_attach_cookie(ctx);
	c->tgid = id >> 32;
	c->tid = (__u32)id;
	c->ns_tgid = n.tgid;
	c->ns_tid = n.tid;
	c->own_tid = n.own_tid;
	barrier();
	c->filled = 1;
}

SEC("uprobe")
int wait_begin(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid(), session = ctx->di;
	struct task_struct *task = current_task();
	struct onair_attachment *a;
	struct onair_waiter w = {}, *old;
	struct numbers n;
	long err;

	if (session == ONAIR_CANARY_SESSION) {
		canary(ctx, task, id);
		return 0;
	}
	a = attachment_of(id >> 32, session);
	if (a) {
		if (a->start_boottime && a->start_boottime != leader_start(task)) {
			stat(ONAIR_STAT_STALE);
			return 0;
		}
		w.attachment = a->attachment;
		w.index = a->index;
		n = numbers_of(task, id);
	} else {
		n = numbers_of(task, id);
		if (!settings.watch_all || !bpf_map_lookup_elem(&clients, &n.tgid)) {
			stat(ONAIR_STAT_UNKNOWN);
			return 0;
		}
		w.attachment = ctx->si;
	}
	w.session = session;
	w.since = bpf_ktime_get_ns();
	w.start_boottime = BPF_CORE_READ(task, start_boottime);
	w.cookie = bpf_get_attach_cookie(ctx);
	w.tgid = id >> 32;
	w.tid = (__u32)id;
	w.ns_tgid = n.tgid;
	w.ns_tid = n.tid;
	w.own_tid = n.own_tid;
	bpf_get_current_comm(w.comm, sizeof(w.comm));

	/* Only this thread, or its end, touches its key: lookup and update cannot race. */
	forgive_lost(id >> 32);
	old = bpf_map_lookup_elem(&waiters, &id);
	/* Raised before the insert, lowered after the delete: never below the truth. */
	count(w.index, 1);
	if (a)
		__sync_fetch_and_add(&a->inside, 1);
	if (old) {
		struct onair_waiter was = *old;

		err = bpf_map_update_elem(&waiters, &id, &w, BPF_EXIST);
		if (!err) {
			count(was.index, -1);
			leave_attachment(&was);
		}
		stat(ONAIR_STAT_BEGIN_AGAIN);
	} else {
		err = bpf_map_update_elem(&waiters, &id, &w, BPF_NOEXIST);
	}
	if (err) {
		count(w.index, -1);
		if (a) {
			leave_attachment(&w);
			mark_lost(a, session);
		}
		stat(err == -7 /* E2BIG */ ? ONAIR_STAT_FULL : ONAIR_STAT_ERROR);
		return 0;
	}
	stat(ONAIR_STAT_BEGIN);
	return 0;
}

/* Takes a thread out; `was` is what stood there. */
static __always_inline bool leave(__u64 id, struct onair_waiter *was)
{
	struct onair_waiter *w = bpf_map_lookup_elem(&waiters, &id);

	if (!w)
		return false;
	__builtin_memcpy(was, w, sizeof(*was));
	if (bpf_map_delete_elem(&waiters, &id)) {
		stat(ONAIR_STAT_ERROR);
		return false;
	}
	count(was->index, -1);
	leave_attachment(was);
	return true;
}

SEC("uprobe")
int wait_end(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct onair_waiter was;

	if (ctx->di == ONAIR_CANARY_SESSION)
		return 0;
	forgive_lost(id >> 32);
	stat(leave(id, &was) ? ONAIR_STAT_END : ONAIR_STAT_END_NONE);
	return 0;
}

static __always_inline struct onair_event *event(__u32 kind, __u64 id)
{
	struct onair_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		stat(ONAIR_STAT_RING_FULL);
		return 0;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->tgid = id >> 32;
	e->tid = (__u32)id;
	e->at = bpf_ktime_get_ns();
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	return e;
}

static __always_inline void tell_residue(__u64 id, const struct onair_waiter *was, bool last)
{
	struct onair_event *e;

	stat(ONAIR_STAT_RESIDUE);
	if (settings.watch_all)
		return;
	e = event(ONAIR_EVENT_EXIT, id);
	if (!e)
		return;
	e->flags = last ? ONAIR_EVENT_LAST : 0;
	e->ns_tgid = was->ns_tgid;
	e->ns_tid = was->ns_tid;
	e->own_tid = was->own_tid;
	e->session = was->session;
	e->attachment = was->attachment;
	e->since = was->since;
	bpf_ringbuf_submit(e, 0);
}

/* A registered process, and not one that only got its pid. */
static __always_inline bool is_client(struct task_struct *task, __u32 tgid)
{
	struct onair_client *c = bpf_map_lookup_elem(&clients, &tgid);

	return c && (!c->start_boottime || c->start_boottime == leader_start(task));
}

static __always_inline void tell(__u32 kind, struct task_struct *task, __u64 id, bool last)
{
	struct numbers n = numbers_of(task, id);
	struct onair_event *e = event(kind, id);

	if (!e)
		return;
	e->flags = last ? ONAIR_EVENT_LAST : 0;
	e->ns_tgid = n.tgid;
	e->ns_tid = n.tid;
	e->own_tid = n.own_tid;
	bpf_ringbuf_submit(e, 0);
}

SEC("raw_tp/sched_process_exit")
int on_exit(void *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct task_struct *task = current_task();
	/* Already counted down for this thread; two that leave together may both see 0. */
	bool last = BPF_CORE_READ(task, signal, live.counter) == 0;
	struct onair_waiter was;

	forgive_lost(id >> 32);
	if (leave(id, &was)) {
		stat(ONAIR_STAT_EXIT);
		tell_residue(id, &was, last);
		return 0;
	}
	if (settings.watch_all || !is_client(task, id >> 32))
		return 0;
	stat(ONAIR_STAT_EXIT);
	tell(ONAIR_EVENT_EXIT, task, id, last);
	return 0;
}

/*
 * Arguments: task, old pid, bprm. A thread that execs becomes the leader and
 * takes its number, without an exit event: its entry stands under the old one.
 */
SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 id = bpf_get_current_pid_tgid(), before;
	struct task_struct *task = current_task();
	struct onair_waiter was;

	before = (id >> 32 << 32) | (__u32)ctx->args[1];
	forgive_lost(id >> 32);
	if (leave(id, &was))
		tell_residue(id, &was, false);
	if (before != id && leave(before, &was))
		tell_residue(before, &was, false);
	if (!settings.watch_all && is_client(task, id >> 32))
		tell(ONAIR_EVENT_EXEC, task, id, false);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
