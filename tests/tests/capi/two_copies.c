/* Two copies of the library in one process: a handle of one is -EINVAL for the other, and each has a user that blocks:
 * two_copies LIBRARY SESSION LIBRARY SESSION. Waits for a line on standard input before it ends. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <onair.h>
#include <pthread.h>
#include <stdio.h>

struct copy {
    __typeof__(onair_session_attach) *attach;
    __typeof__(onair_session_stop) *stop;
    __typeof__(onair_session_detach) *detach;
    __typeof__(onair_event_poll) *poll;
    onair_session session;
    pthread_t thread;
};

static void *blocks(void *of) {
    struct copy *copy = of;
    onair_event event = {.size = sizeof event};
    int error;
    while ((error = copy->poll(copy->session, &event, ONAIR_FOREVER)) == 0)
        continue;
    return error == -EAGAIN ? NULL : of;
}

int main(int argc, char **argv) {
    struct copy copies[2];
    for (int i = 0; i < 2 && argc == 5; i++) {
        void *library = dlopen(argv[1 + 2 * i], RTLD_NOW | RTLD_LOCAL);
        if (library == NULL)
            return 2;
        copies[i].attach = (__typeof__(onair_session_attach) *)dlsym(library, "onair_session_attach");
        copies[i].stop = (__typeof__(onair_session_stop) *)dlsym(library, "onair_session_stop");
        copies[i].detach = (__typeof__(onair_session_detach) *)dlsym(library, "onair_session_detach");
        copies[i].poll = (__typeof__(onair_event_poll) *)dlsym(library, "onair_event_poll");
        if (copies[i].attach(NULL, argv[2 + 2 * i], NULL, &copies[i].session) < 0)
            return 3;
        pthread_create(&copies[i].thread, NULL, blocks, &copies[i]);
    }
    if (copies[0].stop(copies[1].session) != -EINVAL || copies[1].stop(copies[0].session) != -EINVAL)
        return 4;
    puts("blocked");
    fflush(stdout);
    getchar();
    for (int i = 0; i < 2; i++) {
        void *failed;
        copies[i].stop(copies[i].session);
        pthread_join(copies[i].thread, &failed);
        if (failed != NULL || copies[i].detach(copies[i].session) < 0)
            return 5;
    }
    return 0;
}
