/* MTL's draft of one session type, as its programs use it: mtl_session PORT-TX PORT-RX. Built with sanitizers. */
#include <mtl/mtl_session_api.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#define WIDTH 96
#define HEIGHT 32
#define BUFFERS 4
#define THREADS 4

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%d: %s\n", __LINE__, #what);                                                              \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static mtl_session_t *volatile rx;

static void on_signal(int number) {
    (void)number;
    mtl_session_stop(rx);
}

static void *blocked(void *result) {
    mtl_buffer_t *buffer;
    *(int *)result = mtl_session_buffer_get(rx, &buffer, UINT32_MAX);
    return NULL;
}

static void *polls(void *result) {
    mtl_event_t event;
    *(int *)result = mtl_session_event_poll(rx, &event, UINT32_MAX);
    return NULL;
}

static mtl_video_config_t config(const char *name, mtl_session_dir_t direction, const char *port) {
    mtl_video_config_t made;
    memset(&made, 0, sizeof made);
    made.base.direction = direction;
    made.base.num_buffers = BUFFERS;
    made.base.name = name;
    uint8_t *address = direction == MTL_SESSION_TX ? made.tx_port.dip_addr[0] : made.rx_port.ip_addr[0];
    inet_pton(AF_INET, "239.168.85.20", address);
    snprintf(direction == MTL_SESSION_TX ? made.tx_port.port[0] : made.rx_port.port[0], MTL_PORT_MAX_LEN, "%s", port);
    if (direction == MTL_SESSION_TX)
        made.tx_port.num_port = 1, made.tx_port.udp_port[0] = 20000, made.tx_port.payload_type = 112;
    else
        made.rx_port.num_port = 1, made.rx_port.udp_port[0] = 20000, made.rx_port.payload_type = 112;
    made.width = WIDTH;
    made.height = HEIGHT;
    made.fps = ST_FPS_P50;
    made.frame_fmt = ST_FRAME_FMT_UYVY;
    made.transport_fmt = ST20_FMT_YUV_422_8BIT;
    return made;
}

/* Callers that wait: each sees the stop once, also if the start follows at once. */
static void stop_wakes_all(void *(*wait)(void *), const char *told, int mode) {
    pthread_t threads[THREADS];
    int results[THREADS] = {0};
    int count = wait == polls ? 1 : THREADS; /* one consumer of events */
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, wait, &results[i]);
    puts(told);
    fflush(stdout);
    CHECK(getchar() == '\n');
    if (mode == 0) {
        raise(SIGINT);
    } else {
        CHECK(mtl_session_stop(rx) == 0 && mtl_session_start(rx) == 0);
        CHECK(!mtl_session_is_stopped(rx));
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        CHECK(results[i] == -EAGAIN);
    }
}

static _Atomic uint16_t filled; /* lines of the frame that was put last */
static _Atomic unsigned asked;

static int lines_filled(void *priv, uint16_t index, uint16_t *lines) {
    CHECK(priv == &filled && index < BUFFERS);
    *lines = filled;
    asked++;
    return 0;
}

/* Puts a frame whose lines are not there yet, and fills them while it is sent. */
static void fill_after_put(mtl_session_t *tx, int value) {
    const size_t line = WIDTH * 2;
    mtl_buffer_t *buffer;
    CHECK(mtl_session_buffer_get(tx, &buffer, UINT32_MAX) == 0);
    unsigned char *data = buffer->data;
    memset(data, 0xee, HEIGHT * line); /* which must not be sent */
    filled = 0;
    CHECK(mtl_session_buffer_put(tx, buffer) == 0 && mtl_session_buffer_put(tx, buffer) == -EALREADY);
    for (int i = 0; i < HEIGHT; i++) {
        unsigned before = asked;
        while (i == HEIGHT / 2 && asked == before)
            sched_yield();
        memset(data + i * line, value, line);
        filled = (uint16_t)(i + 1);
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    signal(SIGINT, on_signal);
    struct mtl_init_params params;
    memset(&params, 0, sizeof params);
    snprintf(mtl_p_port(&params), MTL_PORT_MAX_LEN, "%s", "0000:af:01.0"); /* ONAIR_MTL_PORTS renames it */
    params.num_ports = 1;
    mtl_handle mt = mtl_init(&params);
    CHECK(mt != NULL);
    mtl_video_config_t rx_config = config("rx", MTL_SESSION_RX, argv[2]);
    mtl_video_config_t tx_config = config("tx", MTL_SESSION_TX, params.port[0]);
    mtl_session_t *made, *tx;
    CHECK(mtl_video_session_create(mt, &rx_config, &made) == 0);
    rx = made;
    rx_config.enable_auto_detect = true;
    CHECK(mtl_video_session_create(mt, &rx_config, &made) == -ENOTSUP);
    CHECK(mtl_audio_session_create(mt, &(mtl_audio_config_t){0}, &made) == -ENOTSUP);
    size_t bytes = mtl_session_get_frame_size(rx);
    CHECK(bytes == WIDTH * HEIGHT * 2);

    /* Stop, by a signal and as a pulse. */
    mtl_buffer_t *buffer;
    mtl_event_t event;
    CHECK(mtl_session_buffer_get(rx, &buffer, 0) == -ETIMEDOUT && mtl_session_event_poll(rx, &event, 0) == -ETIMEDOUT);
    stop_wakes_all(blocked, "4 in get", 0);
    CHECK(mtl_session_is_stopped(rx) && mtl_session_buffer_get(rx, &buffer, UINT32_MAX) == -EAGAIN);
    CHECK(mtl_session_event_poll(rx, &event, UINT32_MAX) == -EAGAIN && mtl_session_start(rx) == 0);
    stop_wakes_all(blocked, "4 in get", 1);
    stop_wakes_all(polls, "1 in poll", 1);

    /* A sender with memory of the program. */
    tx_config.base.ownership = MTL_BUFFER_USER_OWNED;
    CHECK(mtl_video_session_create(mt, &tx_config, &tx) == 0);
    unsigned char *memory = mtl_hp_zmalloc(mt, BUFFERS * bytes, MTL_PORT_P);
    mtl_dma_mem_t *region;
    CHECK(mtl_session_mem_register(tx, memory, BUFFERS * bytes, &region) == 0);
    CHECK(mtl_session_buffer_get(tx, &buffer, 0) == -EINVAL);
    CHECK(mtl_session_buffer_post(tx, memory, bytes - 1, NULL) == -EINVAL);
    int posted = 0, completed = 0, fd = mtl_session_get_event_fd(rx);
    CHECK(fd >= 0);
    for (int i = 0; i < BUFFERS; i++) {
        memset(memory + i * bytes, 16 + i, bytes);
        CHECK(mtl_session_buffer_post(tx, memory + i * bytes, bytes, memory + i * bytes) == 0);
        posted++;
    }
    for (int received = 0; received < 10; received++) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        while (mtl_session_buffer_get(rx, &buffer, 0) == -ETIMEDOUT) {
            while (mtl_session_event_poll(tx, &event, 0) == 0) {
                CHECK(event.type == MTL_EVENT_BUFFER_DONE && event.status == 0);
                completed++;
                CHECK(mtl_session_buffer_post(tx, event.ctx, bytes, event.ctx) == 0);
                posted++;
            }
            poll(&readable, 1, 10);
        }
        const unsigned char *data = buffer->data;
        for (size_t at = 0; at < bytes; at++)
            CHECK(data[at] == data[0] && data[0] >= 16 && data[0] < 16 + BUFFERS);
        CHECK(buffer->status == MTL_FRAME_STATUS_COMPLETE && buffer->data_size == bytes);
        CHECK(mtl_session_buffer_put(tx, buffer) == -EINVAL);
        CHECK(mtl_session_buffer_put(rx, buffer) == 0 && mtl_session_buffer_put(rx, buffer) == -EALREADY);
    }
    CHECK(mtl_session_buffer_flush(tx, 5000) == 0);

    /* Each accepted buffer has one completion, also after the stop. */
    for (int result = 0; result == 0; posted += result == 0)
        result = mtl_session_buffer_post(tx, memory, bytes, memory);
    CHECK(mtl_session_stop(tx) == 0 && mtl_session_buffer_post(tx, memory, bytes, memory) == -EAGAIN);
    while (mtl_session_event_poll(tx, &event, 0) == 0) {
        CHECK(event.type == MTL_EVENT_BUFFER_DONE && (event.status == 0 || event.status == -ECANCELED));
        completed++;
    }
    CHECK(completed == posted && mtl_session_event_poll(tx, &event, UINT32_MAX) == -EAGAIN);
    CHECK(mtl_session_mem_unregister(tx, region) == 0 && mtl_session_mem_unregister(tx, region) == -EINVAL);
    mtl_hp_free(mt, memory);
    CHECK(mtl_session_destroy(tx) == 0 && mtl_session_destroy(tx) == -EINVAL);

    /* A receiver with an event for each frame, and one with memory of the program. */
    tx_config.base.ownership = MTL_BUFFER_LIBRARY_OWNED;
    CHECK(mtl_video_session_create(mt, &tx_config, &tx) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(mtl_session_buffer_get(tx, &buffer, UINT32_MAX) == 0);
        memset(buffer->data, 40, buffer->size);
        CHECK(mtl_session_buffer_put(tx, buffer) == 0);
    }
    mtl_buffer_t *told;
    do
        CHECK(mtl_session_event_poll(rx, &event, UINT32_MAX) == 0);
    while (event.type != MTL_EVENT_BUFFER_READY);
    told = event.ctx;
    CHECK(mtl_session_buffer_get(rx, &buffer, 0) == 0 && buffer == told);
    CHECK(mtl_session_destroy(rx) == -EBUSY && mtl_session_is_stopped(rx));
    CHECK(mtl_session_buffer_put(rx, buffer) == 0);
    mtl_session_stats_t stats;
    CHECK(mtl_session_stats_get(rx, &stats) == 0 && stats.buffers_processed >= 11);
    CHECK(mtl_session_destroy(rx) == 0);
    CHECK(mtl_session_start(rx) == -EINVAL && mtl_session_is_stopped(rx));

    rx_config = config("rx", MTL_SESSION_RX, argv[2]);
    rx_config.base.ownership = MTL_BUFFER_USER_OWNED;
    rx_config.base.flags = MTL_SESSION_FLAG_ENABLE_VSYNC;
    CHECK(mtl_video_session_create(mt, &rx_config, &made) == 0);
    rx = made;
    unsigned char own[WIDTH * HEIGHT * 2] = {0};
    CHECK(mtl_session_buffer_post(rx, own, sizeof own, own) == 0);
    CHECK(mtl_session_buffer_get(tx, &buffer, UINT32_MAX) == 0);
    memset(buffer->data, 41, buffer->size);
    CHECK(mtl_session_slice_ready(rx, buffer, HEIGHT) == -EINVAL);
    CHECK(mtl_session_slice_ready(tx, buffer, HEIGHT) == 0 && mtl_session_slice_ready(tx, buffer, HEIGHT) == 0);
    CHECK(mtl_session_buffer_put(tx, buffer) == 0 && mtl_session_slice_ready(tx, buffer, HEIGHT) == -EALREADY);
    bool has_vsync = false, has_frame = false;
    while (!has_vsync || !has_frame) {
        CHECK(mtl_session_event_poll(rx, &event, UINT32_MAX) == 0);
        has_vsync |= event.type == MTL_EVENT_VSYNC;
        if (event.type == MTL_EVENT_BUFFER_READY) {
            CHECK(event.ctx == own && event.buffer.buf->data == own);
            has_frame |= own[sizeof own - 1] == 41;
            CHECK(has_frame || own[sizeof own - 1] == 40); /* of before */
            CHECK(mtl_session_buffer_post(rx, own, sizeof own, own) == 0);
        }
    }
    CHECK(mtl_session_stop(rx) == 0 && mtl_session_destroy(rx) == 0 && mtl_session_destroy(tx) == 0);

    /* A sender in slices that is asked for its lines. A frame for which this process is too slow has a hole, and is not
     * given to the receiver. */
    tx_config.mode = MTL_VIDEO_MODE_SLICE;
    tx_config.query_lines_ready = lines_filled;
    tx_config.base.priv = (void *)&filled;
    rx_config = config("rx", MTL_SESSION_RX, argv[2]);
    CHECK(mtl_video_session_create(mt, &rx_config, &made) == 0 && mtl_video_session_create(mt, &tx_config, &tx) == 0);
    rx = made;
    for (int frame = 0; frame < 3; frame++) {
        do
            fill_after_put(tx, 50 + frame);
        while (mtl_session_buffer_get(rx, &buffer, 2000) == -ETIMEDOUT);
        const unsigned char *data = buffer->data;
        for (size_t at = 0; at < bytes; at++)
            CHECK(data[at] == 50 + frame);
        CHECK(mtl_session_buffer_put(rx, buffer) == 0);
    }
    CHECK(mtl_session_slice_query(tx, buffer, &(uint16_t){0}) == -ENOTSUP);
    filled = 0;
    CHECK(mtl_session_buffer_get(tx, &buffer, UINT32_MAX) == 0 && mtl_session_buffer_put(tx, buffer) == 0);
    CHECK(mtl_session_destroy(tx) == 0 && mtl_session_destroy(rx) == 0);
    CHECK(mtl_uninit(mt) == 0);
    puts("all as the draft says");
    return 0;
}
