/* Prints the ANC packets of each frame or field: anc SESSION BUFFERS. */
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

/* Prints the packets of a buffer. */
static int print(onair_session session, const onair_buffer *buffer) {
    static onair_anc_packet packets[64];
    size_t room = sizeof packets / sizeof *packets;
    packets[0].size = sizeof packets[0];
    int count = onair_anc_unpack(session, buffer, packets, room);
    printf("buffer %llu: %d ANC packets\n", (unsigned long long)buffer->number, count);
    for (size_t i = 0; i < room && (int)i < count; i++) {
        const onair_anc_packet *it = &packets[i];
        printf("  line %u: %02x/%02x%s", it->line, it->did, it->sdid,
               it->is_parity_wrong || it->is_checksum_wrong ? ", damaged:" : ":");
        for (uint32_t word = 0; word < it->word_count; word++)
            printf(" %02x", it->words[word] & 0xff);
        puts("");
    }
    return count;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s SESSION BUFFERS\n", argv[0]);
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
            int printed = print(session, &buffer);
            error = onair_buffer_put(session, &buffer);
            error = printed < 0 ? printed : error;
            left--;
        }
        if (error < 0)
            return failed("get", error);
    }
    error = onair_session_detach(session);
    return error < 0 ? failed("detach", error) : 0;
}
