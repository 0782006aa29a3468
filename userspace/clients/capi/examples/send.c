/* Creates a session, sends frames into it and destroys it: send SPEC-JSON FRAMES. */
#include <errno.h>
#include <onair.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char *what, int error) {
    char text[512];
    onair_last_error(text, sizeof text);
    fprintf(stderr, "%s: %s: %s\n", what, onair_strerror(error), text);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s SPEC-JSON FRAMES\n", argv[0]);
        return 2;
    }
    onair_session session;
    int error = onair_session_create(NULL, argv[1], &session);
    if (error < 0)
        return failed("create", error);
    for (long left = atol(argv[2]); left > 0;) {
        onair_buffer buffer = {.size = sizeof buffer};
        error = onair_buffer_get(session, &buffer, ONAIR_FOREVER);
        if (error == -EAGAIN)
            error = onair_session_wait_started(session, ONAIR_FOREVER);
        else if (error == 0) {
            memset(buffer.data, 0x80, buffer.bytes);
            error = onair_buffer_submit(session, &buffer);
            left--;
        }
        if (error < 0)
            return failed("send", error);
    }
    uint64_t sent;
    error = onair_session_flush(session, 5000, &sent);
    if (error < 0)
        return failed("flush", error);
    onair_session_stop(session);
    error = onair_session_destroy(session, 1000);
    if (error < 0)
        return failed("destroy", error);
    puts("destroyed");
    return 0;
}
