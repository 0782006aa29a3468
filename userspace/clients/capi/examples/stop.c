/* Threads that get frames until Ctrl-C, which stops them from a signal handler: stop SESSION. */
#include <errno.h>
#include <onair.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define THREADS 4

static onair_session session;

static void on_signal(int number) {
    (void)number;
    onair_session_stop(session);
}

static void *work(void *frames) {
    for (;;) {
        onair_buffer buffer = {.size = sizeof buffer};
        if (onair_buffer_get(session, &buffer, ONAIR_FOREVER) < 0)
            return NULL; /* -EAGAIN: stopped */
        ++*(long *)frames;
        onair_buffer_put(session, &buffer);
    }
}

int main(int argc, char **argv) {
    int error = argc == 2 ? onair_session_attach(NULL, argv[1], NULL, &session) : -EINVAL;
    if (error < 0) {
        fprintf(stderr, "%s SESSION: %s\n", argv[0], onair_strerror(error));
        return 2;
    }
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    pthread_t threads[THREADS];
    long frames[THREADS] = {0}, all = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, &frames[i]);
    puts("running");
    fflush(stdout);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        all += frames[i];
    }
    printf("%ld frames\n", all);
    return onair_session_detach(session) < 0;
}
