/* Gets frames of a session and waits out each pause: receive SESSION FRAMES. */
#include <errno.h>
#include <onair.h>
#include <stdio.h>
#include <stdlib.h>

static int failed(const char *what, int error) {
    char text[512];
    onair_last_error(text, sizeof text);
    fprintf(stderr, "%s: %s: %s\n", what, onair_strerror(error), text);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s SESSION FRAMES\n", argv[0]);
        return 2;
    }
    onair_session session;
    int error = onair_session_attach(NULL, argv[1], NULL, &session);
    if (error < 0)
        return failed("attach", error);
    for (long left = atol(argv[2]); left > 0;) {
        onair_buffer buffer = {.size = sizeof buffer};
        error = onair_buffer_get(session, &buffer, ONAIR_FOREVER);
        if (error == -EAGAIN)
            error = onair_session_wait_started(session, ONAIR_FOREVER);
        else if (error == 0) {
            const unsigned char *bytes = buffer.data;
            printf("frame %llu: %zu bytes%s, the first one %02x\n", (unsigned long long)buffer.number, buffer.bytes,
                   buffer.is_complete ? "" : ", incomplete", bytes[0]);
            error = onair_buffer_put(session, &buffer);
            left--;
        }
        if (error < 0)
            return failed("get", error);
    }
    error = onair_session_detach(session);
    return error < 0 ? failed("detach", error) : 0;
}
