/*
 * A hostile peer: tries every way to send a descriptor to the listening socket
 * at PATH, of KIND "stream" or "seqpacket". Prints for each way a JSON line: its
 * name, and 0 if the kernel took it, or the errno.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int kind;
/* What is sent. */
static int descriptor = 1;

/* SCM_MAX_FD of the kernel. */
enum { MANY = 253 };

struct message {
	struct msghdr header;
	struct iovec part;
	char control[CMSG_SPACE(MANY * sizeof(int))];
};

/* A byte, and the descriptor so often. */
static struct msghdr *build(struct message *m, int with)
{
	static char byte = 'x';
	struct cmsghdr *c;

	memset(m, 0, sizeof(*m));
	m->part = (struct iovec){ &byte, 1 };
	m->header.msg_iov = &m->part;
	m->header.msg_iovlen = 1;
	if (!with)
		return &m->header;
	m->header.msg_control = m->control;
	m->header.msg_controllen = CMSG_SPACE(with * sizeof(int));
	c = CMSG_FIRSTHDR(&m->header);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(with * sizeof(int));
	for (int i = 0; i < with; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &descriptor, sizeof(int));
	return &m->header;
}

static int unconnected(void)
{
	return socket(AF_UNIX, kind, 0);
}

static int connected(void)
{
	int s = unconnected();

	if (connect(s, (struct sockaddr *)&address, sizeof(address))) {
		perror("connect");
		exit(1);
	}
	return s;
}

static void say(const char *way, long result)
{
	printf("[\"%s\",%d]\n", way, result < 0 ? errno : 0);
	fflush(stdout);
}

/* Two messages to an address; the second has a descriptor. Its error, or that of the first. */
static long second_of_two(int s)
{
	struct message one, two;
	struct mmsghdr both[2] = { { *build(&one, 0), 0 }, { *build(&two, 1), 0 } };
	int sent;

	for (int i = 0; i < 2; i++) {
		both[i].msg_hdr.msg_name = &address;
		both[i].msg_hdr.msg_namelen = sizeof(address);
	}
	sent = sendmmsg(s, both, 2, 0);
	if (sent == 1) {
		errno = EPERM;
		return -1;
	}
	return sent < 0 ? -1 : 0;
}

static long by_io_uring(int s)
{
	struct io_uring_params p = { 0 };
	struct message m;
	int ring = syscall(SYS_io_uring_setup, 1, &p);
	char *sq, *cq;
	struct io_uring_sqe *entries;
	struct io_uring_cqe *done;
	int result;

	if (ring < 0)
		return ring;
	sq = mmap(0, p.sq_off.array + 64, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	cq = mmap(0, p.cq_off.cqes + 64, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	entries = mmap(0, sizeof(*entries), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	memset(entries, 0, sizeof(*entries));
	entries->opcode = IORING_OP_SENDMSG;
	entries->flags = IOSQE_ASYNC;
	entries->fd = s;
	entries->addr = (unsigned long)build(&m, 1);
	entries->len = 1;
	((unsigned *)(sq + p.sq_off.array))[0] = 0;
	__atomic_store_n((unsigned *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) < 0)
		return -1;
	done = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	result = done->res;
	close(ring);
	errno = result < 0 ? -result : 0;
	return result;
}

static void *connects(void *s)
{
	connect(*(int *)s, (struct sockaddr *)&address, sizeof(address));
	return 0;
}

/* Sends while another thread connects. Whether a descriptor went through in any of the rounds. */
static long amid_connect(void)
{
	for (int round = 0; round < 1000; round++) {
		struct message m;
		struct msghdr *header = build(&m, 1);
		pthread_t thread;
		int s = unconnected();
		long sent;

		pthread_create(&thread, 0, connects, &s);
		do
			sent = sendmsg(s, header, MSG_NOSIGNAL | MSG_DONTWAIT);
		while (sent < 0 && errno == ENOTCONN);
		pthread_join(thread, 0);
		close(s);
		if (sent >= 0)
			return 0;
	}
	errno = EPERM;
	return -1;
}

/* A TCP connection to this process, with bytes that its close waits for. */
static int lingering(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger wait = { .l_onoff = 1, .l_linger = 60 };
	socklen_t length = sizeof(here);
	int listener = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0);
	static char bytes[1 << 16];

	bind(listener, (struct sockaddr *)&here, sizeof(here));
	listen(listener, 1);
	getsockname(listener, (struct sockaddr *)&here, &length);
	if (connect(s, (struct sockaddr *)&here, sizeof(here)))
		return -1;
	setsockopt(s, SOL_SOCKET, SO_LINGER, &wait, sizeof(wait));
	while (send(s, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return s;
}

static int ring(void)
{
	struct io_uring_params p = { 0 };

	return syscall(SYS_io_uring_setup, 1, &p);
}

/* Descriptors whose close can wait, or which keep memory; and the last one as often as a message can have it. */
static void kinds(void)
{
	struct { const char *name; int descriptor; } all[] = {
		{ "lingering socket", lingering() },
		{ "/dev/fuse", open("/dev/fuse", O_RDWR) },
		{ "userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC) },
		{ "io_uring instance", ring() },
		{ "unix socket", unconnected() },
	};
	struct message m;

	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
		descriptor = all[i].descriptor;
		if (descriptor < 0) {
			perror(all[i].name);
			exit(1);
		}
		say(all[i].name, sendmsg(connected(), build(&m, 1), MSG_NOSIGNAL));
	}
	say("many", sendmsg(connected(), build(&m, MANY), MSG_NOSIGNAL));
	descriptor = 1;
}

int main(int count, char **arguments)
{
	struct message m;
	int pair[2];

	if (count != 3)
		return 2;
	strncpy(address.sun_path, arguments[1], sizeof(address.sun_path) - 1);
	kind = strcmp(arguments[2], "stream") ? SOCK_SEQPACKET : SOCK_STREAM;
	say("nothing", sendmsg(connected(), build(&m, 0), MSG_NOSIGNAL));
	say("descriptor", sendmsg(connected(), build(&m, 1), MSG_NOSIGNAL));
	kinds();
	say("not_connected", sendmsg(unconnected(), build(&m, 1), MSG_NOSIGNAL));
	say("second_of_two", second_of_two(connected()));
	say("io_uring", by_io_uring(connected()));
	say("amid_connect", amid_connect());
	socketpair(AF_UNIX, kind, 0, pair);
	say("to_another", sendmsg(pair[0], build(&m, 1), MSG_NOSIGNAL));
	return 0;
}
