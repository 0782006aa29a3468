// SPDX-License-Identifier: MIT OR Apache-2.0
// A client with the two probe sites, told what to do on stdin. Answers each line with one line.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SITE(name, session, argument)                                                          \
	__asm__ volatile("990: nop\n"                                                          \
			 ".pushsection .note.stapsdt, \"?\", \"note\"\n"                        \
			 ".balign 4\n.4byte 992f-991f, 994f-993f, 3\n"                         \
			 "991: .asciz \"stapsdt\"\n992: .balign 4\n"                           \
			 "993: .8byte 990b\n.8byte _.stapsdt.base\n.8byte 0\n"                 \
			 ".asciz \"onair\"\n.asciz \"" name "\"\n.asciz \"8@%%rdi 8@%%rsi\"\n"  \
			 "994: .balign 4\n.popsection\n"                                       \
			 ".ifndef _.stapsdt.base\n"                                            \
			 ".pushsection .stapsdt.base, \"aGR\", \"progbits\", .stapsdt.base, comdat\n" \
			 ".weak _.stapsdt.base\n.hidden _.stapsdt.base\n"                      \
			 "_.stapsdt.base: .space 1\n.size _.stapsdt.base, 1\n.popsection\n.endif\n" \
			 ::"D"(session), "S"(argument) : "memory")

// In a page of the file, so that a checker finds it by the file.
static uint32_t word __attribute__((section(".data")));
// Of the breakpoints in wait_in.
static int sites[2];

// Aligned so that the whole function lies in one page.
__attribute__((noinline, aligned(512))) static void wait_in(uint64_t session, uint64_t attachment, int really)
{
	// As the library marks its stack (site.rs); cleared at the end.
	volatile uint64_t mark[4] = { 0x696177726961ull << 16 | 0x6e6f, (uint64_t)mark, session, attachment };

	SITE("wait_begin", session, attachment);
	if (really)
		while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 0)
			syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
	SITE("wait_end", session, attachment);
	// A byte that is never executed, beside the sites.
	mark[0] = 0;
	__asm__ volatile("jmp 1f\nspare: .byte 0x90\n1:");
}
extern unsigned char spare[];

struct job { uint64_t session, attachment; int number; };

static void *sleeper(void *argument)
{
	struct job job = *(struct job *)argument;
	char name[16];

	free(argument);
	snprintf(name, sizeof(name), "sleeper%d", job.number);
	prctl(PR_SET_NAME, name);
	printf("tid %ld\n", syscall(SYS_gettid));
	fflush(stdout);
	wait_in(job.session, job.attachment, 1);
	return NULL;
}

static void exit_thread(int number) { (void)number; syscall(SYS_exit, 0); }
static void exec_sleep(int number) { (void)number; execl("/bin/sleep", "sleep", "60", NULL); _exit(9); }

static pthread_t threads[1024];
static int count;

static void start(uint64_t session, uint64_t attachment)
{
	struct job *job = malloc(sizeof(*job));

	*job = (struct job){ session, attachment, count };
	pthread_create(&threads[count++], NULL, sleeper, job);
}

static void *idle(void *unused) { (void)unused; syscall(SYS_exit, 0); return NULL; }

int main(void)
{
	char line[256];
	unsigned long long a, b;
	int n;

	signal(SIGUSR1, exit_thread);
	signal(SIGUSR2, exec_sleep);
	printf("pid %d\n", getpid());
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "block %llu %llu %d", &a, &b, &n) == 3) {
			while (n-- > 0) start(a, b); // each answers with its tid
			continue;
		} else if (!strncmp(line, "wake", 4)) {
			__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
			syscall(SYS_futex, &word, FUTEX_WAKE, 1 << 30, NULL, NULL, 0);
			for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
			count = 0;
			__atomic_store_n(&word, 0, __ATOMIC_RELEASE);
		} else if (sscanf(line, "canary %llu", &a) == 1) {
			wait_in(~0ull, a, 0);
		} else if (sscanf(line, "pass %llu %llu", &a, &b) == 2) {
			wait_in(a, b, 0);
		} else if (sscanf(line, "exit-inside %d", &n) == 1) {
			pthread_kill(threads[n], SIGUSR1);
			pthread_join(threads[n], NULL);
			threads[n] = threads[--count];
		} else if (sscanf(line, "exec-inside %d", &n) == 1) {
			// Answers first: the exec ends this thread.
			printf("ok\n");
			fflush(stdout);
			pthread_kill(threads[n], SIGUSR2);
			continue;
		} else if (!strncmp(line, "exit-outside", 12)) {
			pthread_t thread;
			pthread_create(&thread, NULL, idle, NULL);
			pthread_join(thread, NULL);
		} else if (!strncmp(line, "leader-exit", 11)) {
			printf("ok\n");
			fflush(stdout);
			syscall(SYS_exit, 0);
		} else if (sscanf(line, "fork %llu %llu", &a, &b) == 2) {
			pid_t child = fork();
			int status = 0;
			if (child == 0) {
				for (int i = 0; i < 1000; i++) wait_in(a, b, 0);
				_exit(7);
			}
			waitpid(child, &status, 0);
			printf("child %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
			fflush(stdout);
			continue;
		} else if (!strncmp(line, "restore", 7)) {
			// What a client that wants to hide would do: a nop over the breakpoint, in its own text.
			unsigned char *text = (unsigned char *)wait_in;
			mprotect((void *)((uintptr_t)text & ~4095ul), 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
			for (int i = 0, found = 0; i < 256 && found < 2; i++)
				if (text[i] == 0xcc) {
					text[i] = 0x90;
					sites[found++] = i;
				}
		} else if (!strncmp(line, "rearm", 5)) {
			// After "restore": what stood there.
			unsigned char *text = (unsigned char *)wait_in;
			for (int i = 0; i < 256; i++)
				if (i == sites[0] || i == sites[1]) text[i] = 0xcc;
			mprotect((void *)((uintptr_t)text & ~4095ul), 4096, PROT_READ | PROT_EXEC);
		} else if (!strncmp(line, "beside", 6)) {
			void *page = (void *)((uintptr_t)wait_in & ~4095ul);
			mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
			*spare ^= 0xff;
			mprotect(page, 4096, PROT_READ | PROT_EXEC);
		} else if (!strncmp(line, "writable", 8)) {
			mprotect((void *)((uintptr_t)wait_in & ~4095ul), 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
		} else if (!strncmp(line, "copy", 4)) {
			// A page of its own, with the breakpoints in it.
			static char bytes[4096];
			void *page = (void *)((uintptr_t)wait_in & ~4095ul);
			memcpy(bytes, page, 4096);
			void *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			memcpy(own, bytes, 4096);
			mprotect(own, 4096, PROT_READ | PROT_EXEC);
			mremap(own, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, page);
		} else if (!strncmp(line, "quit", 4)) {
			return 0;
		}
		printf("ok\n");
		fflush(stdout);
	}
	return 0;
}
