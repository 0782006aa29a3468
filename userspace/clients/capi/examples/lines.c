/* Gets frames while they are received, a tenth of the lines after the other: lines SESSION FRAMES. */
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
    onair_video video = {.size = sizeof video};
    error = onair_video_view(session, &video);
    if (error < 0)
        return failed("view", error);
    uint32_t tenth = (video.height + 9) / 10;
    for (long left = atol(argv[2]); left > 0; left--) {
        onair_buffer buffer = {.size = sizeof buffer};
        error = onair_buffer_get_open(session, &buffer, tenth, ONAIR_FOREVER);
        if (error < 0)
            return failed("get", error);
        unsigned parts = 0, sum = 0;
        for (uint32_t lines = 0; buffer.is_open || lines < buffer.lines; parts++) {
            const unsigned char *bytes = buffer.data;
            for (size_t at = lines * (buffer.bytes / buffer.lines); at < buffer.bytes; at++)
                sum += bytes[at]; /* what a program does with the new lines */
            lines = buffer.lines;
            error = onair_buffer_wait_lines(session, &buffer, lines + tenth, ONAIR_FOREVER);
            if (error < 0)
                return failed("wait", error);
        }
        printf("frame %llu: %u lines in %u parts, sum %u%s\n", (unsigned long long)buffer.number, buffer.lines, parts,
               sum, buffer.is_complete ? "" : ", incomplete");
        error = onair_buffer_put(session, &buffer);
        if (error < 0)
            return failed("put", error);
    }
    error = onair_session_detach(session);
    return error < 0 ? failed("detach", error) : 0;
}
