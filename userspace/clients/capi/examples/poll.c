/* An event loop: frames and events of a session for some frames: poll SESSION FRAMES. */
#include <errno.h>
#include <onair.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* Takes all that is there; 0, or the error that ends the loop. */
static int take(onair_session session, long *left) {
    for (;;) {
        onair_event event = {.size = sizeof event};
        int error = onair_event_poll(session, &event, 0);
        if (error < 0)
            break;
        printf("event %u, %llu\n", event.kind, (unsigned long long)event.argument);
    }
    for (;;) {
        onair_buffer buffer = {.size = sizeof buffer};
        int error = onair_buffer_get(session, &buffer, 0);
        if (error == -ETIMEDOUT || error == -EAGAIN)
            return 0;
        if (error < 0)
            return error;
        printf("frame %llu\n", (unsigned long long)buffer.number);
        onair_buffer_put(session, &buffer);
        --*left;
    }
}

int main(int argc, char **argv) {
    onair_session session;
    if (argc != 3 || onair_session_attach(NULL, argv[1], NULL, &session) < 0) {
        fprintf(stderr, "usage: %s SESSION FRAMES, and a daemon\n", argv[0]);
        return 2;
    }
    long left = atol(argv[2]);
    struct pollfd ready = {.fd = onair_event_fd(session), .events = POLLIN};
    while (ready.fd >= 0 && left > 0) {
        if (poll(&ready, 1, -1) < 0 && errno != EINTR)
            return 1;
        onair_event_clear(session); /* before the check, never after */
        int error = take(session, &left);
        if (error < 0) {
            fprintf(stderr, "%s\n", onair_strerror(error));
            return 1;
        }
    }
    return onair_session_detach(session) < 0;
}
