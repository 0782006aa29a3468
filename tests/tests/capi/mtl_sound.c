/* Sends and receives with MTL's st30p calls, as its programs do: mtl_sound PORT-TX PORT-RX. Built with sanitizers. */
#include <mtl/st30_pipeline_api.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define CHANNELS 2
#define FRAMES 20

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%d: %s\n", __LINE__, #what);                                                              \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static struct mtl_init_params params;
static st30p_tx_handle tx;
static st30p_rx_handle rx;
static size_t bytes;
static _Atomic int available, done, submitted;
static _Atomic bool enough;

static int frame_available(void *priv) {
    CHECK(priv == &params);
    available++;
    return 0;
}

static int frame_done(void *priv, struct st30_frame *frame) {
    CHECK(priv == &params && frame->data_size == bytes && frame->channel == CHANNELS);
    done++;
    return 0;
}

/* A byte of the frame with this number. */
static uint8_t byte(unsigned number, size_t at) { return (uint8_t)(at == 0 ? number : at * 7 + number * 131); }

static void *send_frames(void *unused) {
    for (unsigned number = 0; !enough; number++) {
        struct st30_frame *frame = st30p_tx_get_frame(tx);
        CHECK(frame != NULL && frame->fmt == ST30_FMT_PCM24 && frame->buffer_size == bytes);
        uint8_t *samples = frame->addr;
        if (number == 3) {
            CHECK(st30p_tx_put_frame_abort(tx, frame) == 0);
            frame = st30p_tx_get_frame(tx);
            samples = frame->addr;
        }
        for (size_t at = 0; at < bytes; at++)
            samples[at] = byte(number, at);
        submitted++;
        CHECK(st30p_tx_put_frame(tx, frame) == 0);
        CHECK(st30p_tx_put_frame(tx, frame) < 0);
    }
    return unused;
}

/* Takes blocks until enough were whole. A sender without a core leaves out a block: the receiver gives it as silence, and
 * says so. Returns how many were not whole. */
static unsigned receive(void) {
    unsigned last = UINT8_MAX, whole = 0, others = 0;
    while (whole < FRAMES) {
        struct st30_frame *frame = st30p_rx_get_frame(rx);
        CHECK(frame != NULL && frame->data_size == bytes && others < 100);
        CHECK(frame->tfmt == ST10_TIMESTAMP_FMT_MEDIA_CLK && frame->timestamp == frame->rtp_timestamp);
        if (st_is_frame_complete(frame->status)) {
            const uint8_t *samples = frame->addr;
            unsigned number = samples[0];
            CHECK((uint8_t)(number - last - 1) < 100 && frame->pkts_total == 10 && frame->pkts_recv[0] == 10);
            for (size_t at = 0; at < bytes; at++)
                CHECK(samples[at] == byte(number, at));
            last = number;
            whole++;
        } else {
            CHECK(frame->pkts_recv[0] < 10);
            others++;
        }
        CHECK(st30p_rx_put_frame(rx, frame) == 0 && st30p_rx_put_frame(rx, frame) == -EALREADY);
    }
    enough = true;
    return others;
}

static void *blocked(void *result) {
    *(struct st30_frame **)result = st30p_rx_get_frame(rx);
    return NULL;
}

static mtl_handle init(char **argv) {
    memset(&params, 0, sizeof params);
    snprintf(mtl_p_port(&params), MTL_PORT_MAX_LEN, "kernel:%s", argv[1]);
    snprintf(mtl_r_port(&params), MTL_PORT_MAX_LEN, "%s", argv[2]);
    params.num_ports = 2;
    params.flags = MTL_FLAG_DEV_AUTO_START_STOP;
    CHECK(mtl_para_sip_set(&params, MTL_PORT_R, (char *)"10.77.0.2") == 0);
    return mtl_init(&params);
}

static void create(mtl_handle mt) {
    double fps;
    int size = st30_calculate_framebuff_size(ST30_FMT_PCM24, ST30_PTIME_1MS, ST30_SAMPLING_48K, CHANNELS, 10000000,
                                             &fps);
    CHECK(size == 480 * CHANNELS * 3 && fps > 99.9 && fps < 100.1);
    struct st30p_rx_ops rx_ops;
    memset(&rx_ops, 0, sizeof rx_ops);
    rx_ops.name = "mtl_sound_rx";
    rx_ops.port.num_port = 1;
    /* Unicast: the sender's address. */
    inet_pton(AF_INET, "10.77.0.1", rx_ops.port.ip_addr[MTL_SESSION_PORT_P]);
    memcpy(rx_ops.port.port[MTL_SESSION_PORT_P], params.port[MTL_PORT_R], MTL_PORT_MAX_LEN);
    rx_ops.port.udp_port[MTL_SESSION_PORT_P] = 20002;
    rx_ops.port.payload_type = 111;
    rx_ops.fmt = ST30_FMT_PCM24;
    rx_ops.channel = CHANNELS;
    rx_ops.sampling = ST30_SAMPLING_48K;
    rx_ops.ptime = ST30_PTIME_1MS;
    rx_ops.framebuff_cnt = 3;
    rx_ops.framebuff_size = (uint32_t)size;
    rx_ops.flags = ST30P_RX_FLAG_BLOCK_GET;
    rx = st30p_rx_create(mt, &rx_ops);
    CHECK(rx != NULL);

    struct st30p_tx_ops tx_ops;
    memset(&tx_ops, 0, sizeof tx_ops);
    tx_ops.name = "mtl_sound_tx";
    tx_ops.priv = &params;
    tx_ops.port.num_port = 1;
    inet_pton(AF_INET, "10.77.0.2", tx_ops.port.dip_addr[MTL_SESSION_PORT_P]);
    memcpy(tx_ops.port.port[MTL_SESSION_PORT_P], params.port[MTL_PORT_P], MTL_PORT_MAX_LEN);
    tx_ops.port.udp_port[MTL_SESSION_PORT_P] = 20002;
    tx_ops.port.payload_type = 111;
    tx_ops.fmt = ST30_FMT_PCM24;
    tx_ops.channel = CHANNELS;
    tx_ops.sampling = ST30_SAMPLING_48K;
    tx_ops.ptime = ST30_PTIME_1MS;
    tx_ops.framebuff_cnt = 3;
    tx_ops.framebuff_size = (uint32_t)size;
    tx_ops.notify_frame_available = frame_available;
    tx_ops.notify_frame_done = frame_done;
    struct st30p_tx_ops wrong = tx_ops;
    wrong.flags = ST30P_TX_FLAG_USER_PACING;
    CHECK(st30p_tx_create(mt, &wrong) == NULL && st30p_tx_create(mt, NULL) == NULL);
    wrong = tx_ops, wrong.framebuff_size = (uint32_t)size - 1;
    CHECK(st30p_tx_create(mt, &wrong) == NULL);
    wrong = tx_ops, wrong.fmt = ST30_FMT_PCM8;
    CHECK(st30p_tx_create(mt, &wrong) == NULL);
    wrong = tx_ops, wrong.ptime = ST31_PTIME_1_09MS;
    CHECK(st30p_tx_create(mt, &wrong) == NULL);
    tx_ops.flags = ST30P_TX_FLAG_BLOCK_GET;
    tx = st30p_tx_create(mt, &tx_ops);
    CHECK(tx != NULL);
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    CHECK(st30_get_packet_size(ST31_FMT_AM824, ST31_PTIME_0_14MS, ST31_SAMPLING_44K, 8) == 6 * 4 * 8);
    CHECK(st30_get_sample_num(ST30_PTIME_4MS, ST30_SAMPLING_96K) == 384);
    CHECK(st30_get_sample_num(ST30_PTIME_MAX, ST30_SAMPLING_96K) == -EINVAL && st30_get_sample_rate(9) == -EINVAL);
    CHECK(st30_get_sample_size(ST30_FMT_MAX) == -EINVAL && st30_get_packet_time(ST30_PTIME_125US) == 125000);
    mtl_handle mt = init(argv);
    CHECK(mt != NULL);
    create(mt);
    bytes = st30p_tx_frame_size(tx);
    CHECK(bytes == 480 * CHANNELS * 3 && st30p_rx_frame_size(rx) == bytes);

    /* A caller that waits is woken, and gets nothing. */
    st30p_rx_set_block_timeout(rx, UINT64_MAX);
    struct st30_frame *frame = (struct st30_frame *)&params;
    pthread_t waiter, sender;
    pthread_create(&waiter, NULL, blocked, &frame);
    /* The test sees it wait, and writes back. */
    puts("1 in get");
    fflush(stdout);
    CHECK(getchar() == '\n');
    CHECK(st30p_rx_wake_block(rx) == 0);
    pthread_join(waiter, NULL);
    CHECK(frame == NULL);

    pthread_create(&sender, NULL, send_frames, NULL);
    unsigned others = receive();
    pthread_join(sender, NULL);
    struct st30_tx_user_stats sent;
    struct st30_rx_user_stats got;
    CHECK(st30p_tx_get_session_stats(tx, &sent) == 0 && sent.common.stat_frames_sent == (unsigned)submitted);
    CHECK(st30p_rx_get_session_stats(rx, &got) == 0 && got.common.stat_frames_received == FRAMES + others);
    CHECK(got.common.stat_frames_corrupted == others);
    CHECK(st30p_rx_reset_session_stats(rx) == 0 && st30p_rx_get_session_stats(rx, &got) == 0);
    CHECK(got.common.stat_frames_received == 0 && available > 0);

    /* A handle of another kind. */
    CHECK(st20p_rx_get_frame((st20p_rx_handle)rx) == NULL && st20p_rx_free((st20p_rx_handle)rx) == -EINVAL);
    CHECK(st30p_rx_put_frame(rx, (struct st30_frame *)&params) == -EINVAL);
    CHECK(st30p_tx_update_destination(tx, &(struct st_tx_dest_info){0}) == -ENOTSUP);
    CHECK(st30p_tx_free(tx) == 0 && done == submitted && st30p_tx_free(tx) == -EINVAL);
    CHECK(st30p_tx_get_frame(tx) == NULL && st30p_rx_get_frame((st30p_rx_handle)&params) == NULL);
    /* It frees the receiver, too. */
    CHECK(mtl_uninit(mt) == 0 && st30p_rx_free(rx) == -EINVAL);
    puts("all that came whole are equal");
    return 0;
}
