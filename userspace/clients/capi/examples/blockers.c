/* Creates a session and tries to destroy it while it holds a frame: blockers SPEC-JSON. */
#include <errno.h>
#include <onair.h>
#include <stdio.h>

int main(int argc, char **argv) {
    onair_session session;
    int error = argc == 2 ? onair_session_create(NULL, argv[1], &session) : -EINVAL;
    if (error < 0) {
        char text[512];
        onair_last_error(text, sizeof text);
        fprintf(stderr, "%s SPEC-JSON: %s\n", argv[0], text);
        return 2;
    }
    onair_buffer buffer = {.size = sizeof buffer};
    error = onair_buffer_get(session, &buffer, 10000);
    onair_session_stop(session);
    if (error == 0)
        error = onair_session_destroy(session, 0);
    if (error != -EBUSY) {
        fprintf(stderr, "%s\n", onair_strerror(error));
        return 1;
    }
    onair_blocker blocker = {.size = sizeof blocker};
    for (uint32_t i = 0; onair_blocker_get(session, i, &blocker) == 0; i++)
        printf("pid %u, %u frames: %s\n", blocker.pid, blocker.held_frames, blocker.text);
    onair_buffer_put(session, &buffer);
    error = onair_session_destroy(session, 1000);
    printf("%s\n", onair_strerror(error));
    return error < 0;
}
