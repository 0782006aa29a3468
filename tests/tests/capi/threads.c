/* Four threads fill buffers of one session at once, and put them: threads SPEC-JSON LAYOUT. */
#include <onair.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, BUFFERS = 500 };

static onair_session session;
static const char *layout;
static size_t bytes;

static void *fills(void *unused) {
    unsigned char *pixels = calloc(1, bytes);
    int error = pixels == NULL;
    for (int i = 0; i < BUFFERS && error == 0; i++) {
        onair_buffer buffer = {.size = sizeof buffer};
        error = onair_buffer_get(session, &buffer, 20000);
        if (error == 0)
            error = onair_video_pack(session, &buffer, layout, ONAIR_FIELD_NONE, pixels, bytes);
        if (error == 0)
            error = onair_buffer_put(session, &buffer);
    }
    free(pixels);
    (void)unused;
    return (void *)(intptr_t)error;
}

int main(int argc, char **argv) {
    onair_video view = {.size = sizeof view};
    if (argc != 3 || onair_session_create(NULL, argv[1], &session) < 0)
        return 2;
    layout = argv[2];
    if (onair_video_view_as(session, layout, &view) < 0)
        return 3;
    bytes = view.buffer_bytes;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, fills, NULL);
    int failed = 0;
    for (int i = 0; i < THREADS; i++) {
        void *error;
        pthread_join(threads[i], &error);
        if (error != NULL)
            fprintf(stderr, "%d\n", (int)(intptr_t)error), failed = 1;
    }
    return failed || onair_session_abort(session) < 0;
}
