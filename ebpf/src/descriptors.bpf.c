// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Descriptors that a peer of the daemon's sockets sends are refused as it sends
 * them, for kernels without SO_PASSRIGHTS (Linux 6.16 has it).
 *
 * The last close of a descriptor that a hostile peer chose waits as long as the
 * peer likes, in the thread that closes it: also if it was never received. So
 * it must not be queued. sendmsg(2) asks security_socket_sendmsg first, on
 * every way into it (compat and io_uring, too), and an answer other than zero is
 * the answer to the caller. The control data lies in the kernel by then: it
 * cannot change between the look and the send.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define AF_UNIX 1
#define SOCK_DGRAM 2
#define TCP_ESTABLISHED 1
#define EPERM 1
#define ENOTCONN 107

/* Kernel types, only what is read; offsets come from the running kernel's BTF. */
#define KERNEL __attribute__((preserve_access_index))
struct ns_common { unsigned int inum; } KERNEL;
struct pid_namespace { struct ns_common ns; } KERNEL;
struct upid { int nr; struct pid_namespace *ns; } KERNEL;
struct pid { unsigned int level; struct upid numbers[1]; } KERNEL;
struct sock_common {
	unsigned short skc_family;
	volatile unsigned char skc_state;
} KERNEL;
struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
	struct pid *sk_peer_pid;
} KERNEL;
struct socket { struct sock *sk; } KERNEL;
struct msghdr { int msg_namelen; unsigned long msg_controllen; } KERNEL;
struct task_struct { struct pid *thread_pid; struct task_struct *group_leader; } KERNEL;

/* The number of a process in its own pid namespace, and that namespace: as the cookie has it. */
static __always_inline __u64 identity(struct pid *pid)
{
	unsigned int level = BPF_CORE_READ(pid, level);
	/* Array of upid in the kernel: step by the kernel's size of it, not ours. */
	char *first = (char *)&pid->numbers[0];
	struct upid *own = (struct upid *)(first + level * bpf_core_type_size(struct upid));
	__u64 inum = BPF_CORE_READ(own, ns, ns.inum);

	return inum << 32 | (__u32)BPF_CORE_READ(own, nr);
}

/*
 * Arguments of security_socket_sendmsg: the socket, the message, its size. The
 * cookie names the daemon. Returns zero, or the error of sendmsg(2).
 */
SEC("fentry/security_socket_sendmsg")
int refuse_descriptors(__u64 *arguments)
{
	struct socket *socket = (struct socket *)arguments[0];
	struct msghdr *message = (struct msghdr *)arguments[1];
	__u64 daemon = bpf_get_attach_cookie(arguments);
	unsigned long control = BPF_CORE_READ(message, msg_controllen);
	struct task_struct *task;
	struct sock *sk;

	/*
	 * An address has no meaning on these sockets; but sendmmsg(2) asks once for
	 * all messages to the same one, and the second may have descriptors.
	 */
	if (!control && !BPF_CORE_READ(message, msg_namelen))
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_family) != AF_UNIX ||
	    BPF_CORE_READ(sk, sk_type) == SOCK_DGRAM)
		return 0;
	/* It may become the daemon's peer before it sends; the kernel would refuse it now, too. */
	if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_ESTABLISHED)
		return control ? -ENOTCONN : 0;
	/* Whose listen(2) its connection met: set before it is established, for ever. */
	if (identity(BPF_CORE_READ(sk, sk_peer_pid)) != daemon)
		return 0;
	task = (struct task_struct *)bpf_get_current_task();
	if (identity(BPF_CORE_READ(task, group_leader, thread_pid)) == daemon)
		return 0;
	return -EPERM;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
