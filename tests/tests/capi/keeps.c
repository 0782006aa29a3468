/* Keeps a buffer until the session is gone: keeps SESSION LAYOUT. */
#include <errno.h>
#include <onair.h>
#include <stdio.h>

int main(int argc, char **argv) {
    onair_session session;
    onair_buffer kept = {.size = sizeof kept}, next = {.size = sizeof next};
    if (argc != 3 || onair_session_attach(NULL, argv[1], argv[2], &session) < 0)
        return 2;
    if (onair_buffer_get(session, &kept, 20000) < 0)
        return 3;
    puts("kept");
    fflush(stdout);
    int error = 0;
    while (error == 0 || error == -EAGAIN) {
        error = onair_buffer_get(session, &next, 20000);
        if (error == 0)
            error = onair_buffer_put(session, &next);
        else if (error == -EAGAIN)
            error = onair_session_wait_started(session, 20000);
    }
    /* Its bytes stay. */
    volatile unsigned char last = ((const unsigned char *)kept.data)[kept.bytes - 1];
    (void)last;
    if (error != -ESTALE)
        fprintf(stderr, "%d\n", error);
    return error == -ESTALE ? 0 : 4;
}
