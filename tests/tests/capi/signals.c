/* Signals at random in all threads; the handler stops and starts the session. The library is opened with dlopen, so
 * that a thread's first use of its thread-local memory would allocate: signals SESSION LIBRARY. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <onair.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 6
#define SIGNALS 20000

extern __thread int in_handler __attribute__((tls_model("initial-exec")));

static onair_session session;
static int ends, handled;
static __typeof__(onair_session_stop) *stop, *start, *is_stopped, *detach;
static __typeof__(onair_session_attach) *attach;
static __typeof__(onair_buffer_get) *get;
static __typeof__(onair_buffer_put) *put;
static __typeof__(onair_session_wait_started) *wait_started;

static void on_signal(int number) {
    (void)number;
    int before = errno;
    errno = 77;
    in_handler++;
    int results = stop(session) | stop(session + 1) | (is_stopped(session) < 0) | start(session);
    in_handler--;
    /* The other handle is not one: its -EINVAL is the result. */
    if (results != -EINVAL || errno != 77)
        _exit(98);
    errno = before;
    __atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

static void *work(void *kind) {
    while (!__atomic_load_n(&ends, __ATOMIC_SEQ_CST)) {
        onair_buffer buffer = {.size = sizeof buffer};
        int error;
        switch (*(int *)kind % 3) {
        case 0: /* gets; its first call may come after the first signals */
            error = get(session, &buffer, 20);
            if (error == 0)
                error = put(session, &buffer);
            break;
        case 1: /* only allocates: it holds the allocator's lock most of the time */
            free(malloc(1 + (size_t)rand() % 5000));
            error = 0;
            break;
        default:
            error = stop(session) | start(session);
            if (error == 0)
                error = wait_started(session, 20);
        }
        if (error != 0 && error != -EAGAIN && error != -ETIMEDOUT)
            _exit(97);
    }
    return NULL;
}

int main(int argc, char **argv) {
    void *library = argc == 3 ? dlopen(argv[2], RTLD_NOW) : NULL;
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
#define FIND(name) (__typeof__(onair_##name) *)dlsym(library, "onair_" #name)
    stop = FIND(session_stop), start = FIND(session_start), is_stopped = FIND(session_is_stopped);
    detach = FIND(session_detach), attach = FIND(session_attach), wait_started = FIND(session_wait_started);
    get = FIND(buffer_get), put = FIND(buffer_put);
    int error = attach(NULL, argv[1], NULL, &session);
    if (error < 0) {
        fprintf(stderr, "attach: %d\n", error);
        return 2;
    }
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    pthread_t threads[THREADS];
    int kinds[THREADS];
    for (int i = 0; i < THREADS; i++) {
        kinds[i] = i;
        pthread_create(&threads[i], NULL, work, &kinds[i]);
    }
    for (int i = 0; i < SIGNALS; i++) {
        pthread_kill(threads[rand() % THREADS], rand() % 2 ? SIGUSR1 : SIGUSR2);
        if (i % 10 == 0)
            usleep(1000);
    }
    __atomic_store_n(&ends, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%d handled\n", handled);
    return handled == 0 || detach(session) < 0;
}
