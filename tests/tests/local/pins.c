/* A filler that keeps its frames' pages: pins SESSION. Answers each line of its input with a number: `submit` (a frame),
 * `pin` (registers all frames with io_uring), `seal` (the file against later writers), `leave`, `write` (zeros into what
 * is registered). Negative: an errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <onair.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static onair_session session;
static unsigned long begin, end;
static int ring = -1, zero;
static char *sq, *cq;
static struct io_uring_params p;
static struct io_uring_sqe *entry;

static long result(long of) { return of < 0 ? -errno : of; }

static long find(void) {
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, "onair-frames") != NULL && sscanf(line, "%lx-%lx", &begin, &end) == 2)
            return fclose(maps);
    return -ENOENT;
}

static long submit(void) {
    onair_buffer buffer = {.size = sizeof buffer};
    long error = onair_buffer_get(session, &buffer, 20000);
    return error < 0 ? error : onair_buffer_submit(session, &buffer);
}

static long pin(void) {
    struct iovec all = {(void *)begin, end - begin};
    int prot = PROT_READ | PROT_WRITE;
    ring = syscall(SYS_io_uring_setup, 1, &p);
    if (ring < 0)
        return -errno;
    sq = mmap(0, p.sq_off.array + 64, prot, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    cq = mmap(0, p.cq_off.cqes + 64, prot, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    entry = mmap(0, sizeof *entry, prot, MAP_SHARED, ring, IORING_OFF_SQES);
    return result(syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &all, 1));
}

static long seal(void) {
    char path[128];
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", begin, end);
    int file = open(path, O_RDWR);
    long sealed = file < 0 ? -errno : result(fcntl(file, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    close(file);
    return sealed;
}

/* The addresses tell the kernel the place in the registered buffer, whatever is mapped there now. */
static long write_all(void) {
    unsigned tail = *(unsigned *)(sq + p.sq_off.tail), mask = *(unsigned *)(cq + p.cq_off.ring_mask);
    unsigned *head = (unsigned *)(cq + p.cq_off.head);
    memset(entry, 0, sizeof *entry);
    entry->opcode = IORING_OP_READ_FIXED;
    entry->flags = IOSQE_ASYNC;
    entry->fd = zero;
    entry->addr = begin;
    entry->len = end - begin;
    ((unsigned *)(sq + p.sq_off.array))[0] = 0;
    __atomic_store_n((unsigned *)(sq + p.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) < 0)
        return -errno;
    long read = ((struct io_uring_cqe *)(cq + p.cq_off.cqes))[*head & mask].res;
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    return read;
}

int main(int argc, char **argv) {
    char word[64];
    zero = open("/dev/zero", O_RDONLY);
    long said = argc == 2 ? onair_session_attach_to_fill(NULL, argv[1], &session) : -EINVAL;
    if (said == 0)
        said = find();
    for (;;) {
        printf("%ld\n", said);
        fflush(stdout);
        if (scanf("%63s", word) != 1)
            return 0;
        said = !strcmp(word, "submit")  ? submit()
               : !strcmp(word, "pin")   ? pin()
               : !strcmp(word, "seal")  ? seal()
               : !strcmp(word, "leave") ? onair_session_detach(session)
               : !strcmp(word, "write") ? write_all()
                                        : -EINVAL;
    }
}
