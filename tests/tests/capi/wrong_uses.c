/* Each wrong use is an errno: wrong_uses SESSION SPEC-JSON SOCKET-OF-ANOTHER-PROTOCOL. Built with sanitizers. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <onair.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int failures;

#define IS(call, wanted)                                                                                               \
    do {                                                                                                               \
        int got = (call);                                                                                              \
        if (got != (wanted)) {                                                                                         \
            char text[512];                                                                                            \
            onair_last_error(text, sizeof text);                                                                       \
            fprintf(stderr, "%d: %s: %d instead of %d (%s)\n", __LINE__, #call, got, wanted, text);                    \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

static onair_session created;
static int results[2];

static void *destroy(void *result) {
    *(int *)result = onair_session_destroy(created, 0);
    return NULL;
}

static void every_call(onair_session session, int wanted) {
    onair_buffer buffer = {.size = sizeof buffer, .session = session, .loan = 1};
    onair_event event = {.size = sizeof event};
    onair_video video = {.size = sizeof video};
    onair_blocker blocker = {.size = sizeof blocker};
    uint64_t sent;
    IS(onair_session_stop(session), wanted);
    IS(onair_session_start(session), wanted);
    IS(onair_session_is_stopped(session), wanted);
    IS(onair_session_is_ending(session), wanted);
    IS(onair_session_quota(session), wanted);
    IS(onair_session_wait_started(session, 0), wanted);
    IS(onair_session_flush(session, 0, &sent), wanted);
    IS(onair_session_detach(session), wanted);
    IS(onair_session_destroy(session, 0), wanted);
    IS(onair_session_abort(session), wanted);
    IS(onair_buffer_get(session, &buffer, 0), wanted);
    IS(onair_buffer_put(session, &buffer), wanted);
    IS(onair_buffer_submit(session, &buffer), wanted);
    IS(onair_buffer_submit_open(session, &buffer), wanted);
    IS(onair_buffer_lines_ready(session, &buffer, 1), wanted);
    IS(onair_event_poll(session, &event, 0), wanted);
    IS(onair_event_fd(session), wanted);
    IS(onair_event_clear(session), wanted);
    IS(onair_format_kind(session), wanted);
    IS(onair_video_view(session, &video), wanted);
    IS(onair_video_view_as(session, "v210", &video), wanted);
    IS(onair_video_field(session, &buffer), wanted);
    IS(onair_video_unpack(session, &buffer, "v210", &sent, sizeof sent), wanted);
    IS(onair_video_pack(session, &buffer, "v210", ONAIR_FIELD_NONE, &sent, sizeof sent), wanted);
    onair_audio audio = {.size = sizeof audio};
    IS(onair_audio_view(session, &audio), wanted);
    IS(onair_audio_unpack(session, &buffer, 0, ONAIR_SAMPLE_S16, &sent, sizeof sent), wanted);
    IS(onair_audio_pack(session, &buffer, ONAIR_SAMPLE_S16, &sent, sizeof sent), wanted);
    onair_anc anc = {.size = sizeof anc};
    onair_anc_packet packet = {.size = sizeof packet};
    IS(onair_anc_view(session, &anc), wanted);
    IS(onair_anc_unpack(session, &buffer, &packet, 1), wanted);
    IS(onair_anc_pack(session, &buffer, &packet, 1), wanted);
    IS(onair_blocker_get(session, 0, &blocker), wanted);
}

/* Pixels of a held buffer: out, and into one of a sender. */
static void pixels(onair_session session, const onair_buffer *buffer, int packed) {
    onair_video view = {.size = sizeof view};
    static unsigned char memory[1 << 22];
    IS(onair_video_view(session, &view), 0);
    const char *layout = view.depth == 8 ? "uyvy422" : "yuv422p10le";
    IS(onair_video_view_as(session, layout, &view), 0);
    IS(strcmp(view.layout, layout), 0);
    IS(view.buffer_bytes <= sizeof memory, 1);
    IS(onair_video_view_as(session, "gray", &view), -EINVAL);
    IS(onair_video_view_as(session, NULL, &view), -EINVAL);
    IS(onair_video_unpack(session, buffer, "no such", memory, sizeof memory), -EINVAL);
    IS(onair_video_unpack(session, buffer, "gray", memory, sizeof memory), -EINVAL);
    IS(onair_video_unpack(session, buffer, layout, memory, 1), -EINVAL);
    IS(onair_video_unpack(session, buffer, layout, NULL, sizeof memory), -EINVAL);
    IS(onair_video_unpack(session, buffer, layout, memory, view.buffer_bytes), 0);
    IS(onair_video_pack(session, buffer, layout, 7, memory, view.buffer_bytes), -EINVAL);
    IS(onair_video_pack(session, buffer, layout, ONAIR_FIELD_NONE, memory, 1), -EINVAL);
    IS(onair_video_pack(session, buffer, layout, ONAIR_FIELD_NONE, memory, view.buffer_bytes), packed);
}

/* The program has closed the session's descriptor, and its number is a file's now. */
static int closed_by_mistake(onair_session session, FILE *file) {
    int number = onair_event_fd(session);
    IS(onair_event_fd(session), number);
    IS(dup2(fileno(file), number), number);
    onair_buffer buffer = {.size = sizeof buffer};
    for (int i = 0; i < 5; i++) {
        IS(onair_event_clear(session), 0);
        IS(onair_buffer_get(session, &buffer, 10000), 0);
        IS(onair_buffer_put(session, &buffer), 0);
    }
    struct pollfd again = {.fd = onair_event_fd(session), .events = POLLIN};
    IS(again.fd == number, 0);
    IS(onair_event_fd(session), again.fd);
    IS(poll(&again, 1, 10000), 1);
    IS((int)lseek(number, 0, SEEK_END), 0);
    return again.fd;
}

/* The program has closed all descriptors, the library's and that of its thread too, and their numbers are files' now. */
static void closed_all(onair_session session) {
    int files[64];
    onair_buffer buffer = {.size = sizeof buffer};
    IS(onair_event_fd(session) >= 0, 1);
    IS(onair_event_clear(session), 0);
    IS(close_range(3, ~0u, 0), 0);
    for (int i = 0; i < 64; i++)
        files[i] = memfd_create("theirs", 0);
    int error;
    while ((error = onair_buffer_get(session, &buffer, 10000)) == 0)
        IS(onair_buffer_put(session, &buffer), 0);
    /* A call that waits is told of the stop, the next one of the end. */
    if (error == -EAGAIN)
        error = onair_buffer_get(session, &buffer, 10000);
    IS(error, -ESTALE);
    IS(onair_event_clear(session) <= 0, 1);
    IS(onair_session_detach(session), -ESTALE);
    every_call(session, -ESTALE);
    for (int i = 0; i < 64; i++) {
        IS((int)lseek(files[i], 0, SEEK_END), 0);
        IS(close(files[i]), 0);
    }
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 2;
    onair_session first, second;
    char text[8];
    IS(onair_connect(NULL), 0);
    IS(onair_session_attach(NULL, NULL, NULL, &first), -EINVAL);
    IS(onair_session_attach(NULL, "\xff", NULL, &first), -EINVAL);
    IS(onair_session_attach(NULL, argv[1], "no such", &first), -EINVAL);
    IS(onair_session_attach(NULL, argv[1], NULL, NULL), -EINVAL);
    IS(onair_session_attach(NULL, "nobody", NULL, &first), -ENOENT);
    static char long_name[70000];
    memset(long_name, 'a', sizeof long_name - 1);
    IS(onair_session_attach(NULL, long_name, NULL, &first), -EINVAL);
    onair_daemon none = {.size = sizeof none, .socket = "/nowhere"}, unset = {0};
    IS(onair_connect(&none), -ENOENT);
    IS(onair_connect(&unset), -EINVAL);
    onair_daemon other = {.size = sizeof other, .socket = argv[3]};
    char why[256];
    IS(onair_connect(&other), -EPROTO);
    IS(onair_session_create(&other, argv[2], &first), -EPROTO);
    IS(onair_session_attach(&other, argv[1], NULL, &first), -EPROTO);
    IS(onair_last_error(why, sizeof why), 0);
    IS(strstr(why, "protocol 3, this daemon 4: install both from one release") != NULL, 1);
    IS(onair_session_create(NULL, "{", &first), -EINVAL);
    IS(onair_last_error(text, sizeof text), 0);
    IS((int)strlen(text), 7);
    IS(onair_last_error(NULL, 1), -EINVAL);
    const onair_session made_up[] = {0, 1, 1ull << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof made_up / sizeof *made_up; i++)
        every_call(made_up[i], -EINVAL);

    IS(onair_session_attach(NULL, argv[1], NULL, &first), 0);
    IS(onair_session_attach(NULL, argv[1], NULL, &second), -EDQUOT); /* once in each process */
    IS(onair_session_create(NULL, argv[2], &second), 0);
    IS(onair_session_quota(first), 4);
    onair_buffer buffer = {.size = sizeof buffer}, small = {.size = 4}, forged;
    IS(onair_buffer_get(first, NULL, 0), -EINVAL);
    IS(onair_buffer_get(first, &small, 0), -EINVAL);
    IS(onair_buffer_get(first, (onair_buffer *)((char *)&small + 1), 0), -EINVAL);
    IS(onair_buffer_put(first, NULL), -EINVAL);
    IS(onair_buffer_put(first, &buffer), -EINVAL);
    IS(onair_event_clear(first), -EINVAL);
    IS(onair_buffer_get(first, &buffer, 10000), 0);
    pixels(first, &buffer, -EINVAL);
    IS(onair_buffer_put(second, &buffer), -EINVAL);
    forged = buffer, forged.session = second;
    IS(onair_buffer_put(second, &forged), -EINVAL);
    forged = buffer, forged.loan += 1ull << 32;
    IS(onair_buffer_put(first, &forged), -EINVAL);
    forged = buffer, forged.loan += 1000;
    IS(onair_buffer_put(first, &forged), -EINVAL);
    IS(onair_buffer_submit(first, &buffer), -EINVAL);
    IS(onair_buffer_submit_open(first, &buffer), -EINVAL);
    IS(onair_buffer_lines_ready(first, &buffer, 1), -EINVAL);
    IS(onair_session_detach(first), -EBUSY);
    IS(onair_session_destroy(first, 0), -EACCES);
    IS(onair_buffer_put(first, &buffer), 0);
    IS(onair_buffer_put(first, &buffer), -EALREADY);
    IS(onair_video_field(first, &buffer), -EALREADY);
    IS(onair_video_unpack(first, &buffer, "v210", text, sizeof text), -EALREADY);
    onair_buffer open = {.size = sizeof open};
    IS(onair_buffer_get(second, &open, 10000), 0);
    IS(onair_buffer_lines_ready(second, &open, 1), -EINVAL);
    IS(onair_buffer_submit_open(second, &open), 0);
    IS(onair_buffer_submit_open(second, &open), -EALREADY);
    IS(onair_buffer_lines_ready(second, &open, UINT32_MAX), 0);
    IS(onair_buffer_lines_ready(second, &open, 0), 0);
    IS(onair_session_detach(second), -EBUSY);
    IS(onair_buffer_submit(second, &open), 0);
    IS(onair_buffer_lines_ready(second, &open, 1), -EALREADY);
    FILE *file = tmpfile();
    int number = onair_event_fd(first), again = closed_by_mistake(first, file);
    IS(onair_session_stop(first), 0);
    IS(onair_buffer_get(first, &buffer, ONAIR_FOREVER), -EAGAIN);
    IS(onair_session_detach(first), 0);
    IS(fcntl(number, F_GETFD) >= 0, 1);
    IS(fcntl(again, F_GETFD), -1);
    fclose(file);
    every_call(first, -ESTALE);
    IS(onair_session_stop(second), 0);
    IS(onair_session_certificate(second, text, sizeof text), -ENOENT);
    IS(onair_session_destroy(second, 1000), 0);
    char certificate[1 << 16];
    int length = onair_session_certificate(second, NULL, 0);
    IS(length > 100 && length < (int)sizeof certificate, 1);
    IS(onair_session_certificate(second, certificate, sizeof certificate), length);
    IS((int)strlen(certificate), length);
    IS(certificate[0] == '{' && certificate[length - 1] == '}', 1);
    IS(onair_session_certificate(second, text, sizeof text), length);
    IS((int)strlen(text), 7);
    IS(onair_session_certificate(second, NULL, 1), -EINVAL);
    IS(onair_session_certificate(first, text, sizeof text), -ENOENT);

    /* Two destroys at once, and one while a buffer is held. */
    IS(onair_session_create(NULL, argv[2], &created), 0);
    IS(onair_session_destroy(created, 0), -EINVAL);
    IS(onair_buffer_get(created, &buffer, 10000), 0);
    memset(buffer.data, 1, buffer.bytes);
    pixels(created, &buffer, 0);
    onair_session_stop(created);
    IS(onair_session_destroy(created, 0), -EBUSY);
    onair_blocker blocker = {.size = sizeof blocker};
    IS(onair_blocker_get(created, 0, &blocker), 0);
    IS(onair_blocker_get(created, 100, &blocker), -ENOENT);
    IS(onair_buffer_put(created, &buffer), 0);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, destroy, &results[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    IS(results[0] + results[1], -ESTALE);
    every_call(created, -ESTALE);

    /* An abort while a buffer is held: it stays readable, and is put once. */
    IS(onair_session_create(NULL, argv[2], &created), 0);
    IS(onair_buffer_get(created, &buffer, 10000), 0);
    memset(buffer.data, 7, buffer.bytes);
    IS(onair_session_abort(created), 0);
    IS(((unsigned char *)buffer.data)[buffer.bytes - 1], 7);
    IS(onair_buffer_put(created, &buffer), -ESTALE);
    every_call(created, -ESTALE);

    /* The program closes all descriptors, the library's too: the daemon takes the attachment back. */
    IS(onair_session_attach(NULL, argv[1], NULL, &first), 0);
    IS(onair_buffer_get(first, &buffer, 10000), 0);
    IS(close_range(3, ~0u, 0), 0);
    IS(onair_buffer_put(first, &buffer), 0);
    IS(onair_session_detach(first), -ESTALE);
    every_call(first, -ESTALE);
    IS(onair_session_attach(NULL, argv[1], NULL, &first), 0);
    IS(onair_session_detach(first), 0);
    IS(onair_session_attach(NULL, argv[1], NULL, &first), 0);
    closed_all(first);
    IS(onair_session_attach(NULL, argv[1], NULL, &first), 0);
    IS(onair_session_detach(first), 0);
    puts(failures == 0 ? "all are errnos" : "failed");
    return failures != 0;
}
