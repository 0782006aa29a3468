/* Sends and receives with MTL's st20p calls, as its programs do: mtl_pipeline PORT-TX PORT-RX. Built with sanitizers. */
#include <mtl/st_pipeline_api.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define WIDTH 96
#define HEIGHT 32
#define FRAMES 20

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%d: %s\n", __LINE__, #what);                                                              \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static struct mtl_init_params params;
static st20p_tx_handle tx;
static st20p_rx_handle rx;
static _Atomic int done;

struct condition {
    pthread_mutex_t lock;
    pthread_cond_t wake;
};
static struct condition free_frame = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};

/* As programs bridge the callback to their own condition. */
static int available(void *priv) {
    struct condition *condition = priv;
    pthread_mutex_lock(&condition->lock);
    pthread_cond_signal(&condition->wake);
    pthread_mutex_unlock(&condition->lock);
    return 0;
}

static int frame_done(void *priv, struct st_frame *frame) {
    (void)priv;
    CHECK(frame->width == WIDTH);
    done++;
    return 0;
}

static struct st_frame *wait_free(void) {
    struct st_frame *frame;
    pthread_mutex_lock(&free_frame.lock);
    while ((frame = st20p_tx_get_frame(tx)) == NULL)
        pthread_cond_wait(&free_frame.wake, &free_frame.lock);
    pthread_mutex_unlock(&free_frame.lock);
    return frame;
}

/* A sample of 10 bits of the frame with this number. */
static uint16_t sample(unsigned number, size_t at) { return (uint16_t)(4 + (at * 7 + number * 131) % 1000); }

static void fill(uint16_t *to, unsigned number) {
    for (size_t at = 0; at < WIDTH * HEIGHT * 2; at++)
        to[at] = sample(number, at);
}

/* Which frame it is, if all of it is there: its first sample says it. */
static int number_of(const struct st_frame *frame) {
    const uint16_t *plane = frame->addr[0];
    for (unsigned number = 0; number < FRAMES; number++) {
        if (plane[0] != sample(number, 0))
            continue;
        for (size_t at = 0; at < WIDTH * HEIGHT * 2; at++)
            CHECK(plane[at] == sample(number, at));
        return (int)number;
    }
    CHECK(!"a frame that was not sent");
}

static void *send_frames(void *own) {
    uint16_t *memory = own;
    for (unsigned number = 0; number < FRAMES; number++) {
        struct st_frame *frame = wait_free();
        CHECK(frame->fmt == ST_FRAME_FMT_YUV422PLANAR10LE && frame->linesize[1] == WIDTH);
        if (number % 2 == 0) {
            fill(frame->addr[0], number);
            CHECK(st20p_tx_put_frame(tx, frame) == 0);
        } else {
            struct st_ext_frame ext = {.size = st20p_tx_frame_size(tx)};
            fill(memory, number);
            ext.addr[0] = memory;
            for (uint8_t plane = 0; plane < st_frame_fmt_planes(frame->fmt); plane++) {
                ext.linesize[plane] = st_frame_least_linesize(frame->fmt, frame->width, plane);
                if (plane > 0)
                    ext.addr[plane] = (uint8_t *)ext.addr[plane - 1] + ext.linesize[plane - 1] * frame->height;
            }
            CHECK(st20p_tx_put_ext_frame(tx, frame, &ext) == 0);
        }
        CHECK(st20p_tx_put_frame(tx, frame) < 0);
    }
    return NULL;
}

static void *blocked(void *result) {
    *(struct st_frame **)result = st20p_rx_get_frame(rx);
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
    struct st20p_rx_ops rx_ops;
    memset(&rx_ops, 0, sizeof rx_ops);
    rx_ops.name = "mtl rx";
    rx_ops.port.num_port = 1;
    /* Unicast: the sender's address. */
    inet_pton(AF_INET, "10.77.0.1", rx_ops.port.ip_addr[MTL_SESSION_PORT_P]);
    memcpy(rx_ops.port.port[MTL_SESSION_PORT_P], params.port[MTL_PORT_R], MTL_PORT_MAX_LEN);
    rx_ops.port.udp_port[MTL_SESSION_PORT_P] = 20000;
    rx_ops.port.payload_type = 112;
    rx_ops.width = WIDTH;
    rx_ops.height = HEIGHT;
    rx_ops.fps = ST_FPS_P50;
    rx_ops.transport_fmt = ST20_FMT_YUV_422_10BIT;
    rx_ops.output_fmt = ST_FRAME_FMT_YUV422PLANAR10LE;
    rx_ops.framebuff_cnt = 3;
    rx_ops.flags = ST20P_RX_FLAG_BLOCK_GET;
    rx = st20p_rx_create(mt, &rx_ops);
    CHECK(rx != NULL);

    struct st20p_tx_ops tx_ops;
    memset(&tx_ops, 0, sizeof tx_ops);
    tx_ops.name = "mtl_tx";
    tx_ops.priv = &free_frame;
    tx_ops.port.num_port = 1;
    inet_pton(AF_INET, "10.77.0.2", tx_ops.port.dip_addr[MTL_SESSION_PORT_P]);
    memcpy(tx_ops.port.port[MTL_SESSION_PORT_P], params.port[MTL_PORT_P], MTL_PORT_MAX_LEN);
    tx_ops.port.udp_port[MTL_SESSION_PORT_P] = 20000;
    tx_ops.port.payload_type = 112;
    tx_ops.width = WIDTH;
    tx_ops.height = HEIGHT;
    tx_ops.fps = ST_FPS_P50;
    tx_ops.transport_fmt = ST20_FMT_YUV_422_10BIT;
    tx_ops.input_fmt = ST_FRAME_FMT_YUV422PLANAR10LE;
    tx_ops.framebuff_cnt = 3;
    tx_ops.flags = ST20P_TX_FLAG_EXT_FRAME;
    tx_ops.notify_frame_available = available;
    tx_ops.notify_frame_done = frame_done;
    tx_ops.flags |= ST20P_TX_FLAG_USER_PACING;
    CHECK(st20p_tx_create(mt, &tx_ops) == NULL);
    tx_ops.flags = ST20P_TX_FLAG_EXT_FRAME;
    tx = st20p_tx_create(mt, &tx_ops);
    CHECK(tx != NULL);
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    mtl_handle mt = init(argv);
    CHECK(mt != NULL && mtl_uninit(mt) == 0 && mtl_uninit(mt) < 0);
    mt = init(argv);
    create(mt);
    size_t bytes = st20p_tx_frame_size(tx);
    CHECK(bytes == WIDTH * HEIGHT * 4 && st20p_rx_frame_size(rx) == bytes);
    CHECK(bytes == st_frame_size(ST_FRAME_FMT_YUV422PLANAR10LE, WIDTH, HEIGHT, false));

    /* A caller that waits is woken, and gets nothing. */
    st20p_rx_set_block_timeout(rx, UINT64_MAX);
    struct st_frame *frame = (struct st_frame *)&params;
    pthread_t waiter, sender;
    pthread_create(&waiter, NULL, blocked, &frame);
    /* The test sees it wait, and writes back. */
    puts("1 in get");
    fflush(stdout);
    CHECK(getchar() == '\n');
    CHECK(st20p_rx_wake_block(rx) == 0);
    pthread_join(waiter, NULL);
    CHECK(frame == NULL);

    mtl_dma_mem_handle memory = mtl_dma_mem_alloc(mt, bytes);
    pthread_create(&sender, NULL, send_frames, mtl_dma_mem_addr(memory));
    int last = -1;
    unsigned received = 0;
    while (last != FRAMES - 1) {
        frame = st20p_rx_get_frame(rx);
        CHECK(frame != NULL && st_is_frame_complete(frame->status));
        int number = number_of(frame);
        CHECK(number > last && frame->data_size == bytes && frame->pkts_total == frame->pkts_recv[0]);
        CHECK(st20p_rx_put_frame(rx, frame) == 0 && st20p_rx_put_frame(rx, frame) == -EALREADY);
        last = number;
        received++;
    }
    pthread_join(sender, NULL);
    struct st20_tx_user_stats sent;
    struct st20_rx_user_stats got;
    CHECK(st20p_tx_get_session_stats(tx, &sent) == 0 && sent.common.stat_frames_sent == FRAMES);
    CHECK(st20p_rx_get_session_stats(rx, &got) == 0 && got.common.stat_frames_received == received);
    CHECK(received == FRAMES || got.common.stat_frames_dropped > 0);

    CHECK(st20p_rx_put_frame(rx, (struct st_frame *)&params) == -EINVAL);
    CHECK(st20p_tx_update_destination(tx, &(struct st_tx_dest_info){0}) == -ENOTSUP);
    CHECK(st20p_tx_free(tx) == 0 && done == FRAMES && st20p_tx_free(tx) == -EINVAL);
    CHECK(st20p_tx_get_frame(tx) == NULL && st20p_rx_get_frame((st20p_rx_handle)&params) == NULL);
    mtl_dma_mem_free(mt, memory);
    /* It frees the receiver, too. */
    CHECK(mtl_uninit(mt) == 0 && st20p_rx_free(rx) == -EINVAL);
    puts("all that came whole are equal");
    return 0;
}
