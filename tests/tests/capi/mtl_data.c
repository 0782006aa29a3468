/* Sends and receives with MTL's st40p calls, as its programs do: mtl_data PORT-TX PORT-RX. Built with sanitizers. */
#include <mtl/st40_pipeline_api.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define FRAMES 20
#define UDW_BYTES 300

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%d: %s\n", __LINE__, #what);                                                              \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static struct mtl_init_params params;
static st40p_tx_handle tx;
static st40p_rx_handle rx;
static _Atomic int available, done;

static int frame_available(void *priv) {
    CHECK(priv == &params);
    available++;
    return 0;
}

static int frame_done(void *priv, struct st40_frame_info *frame) {
    CHECK(priv == &params && frame->meta_num > 0);
    done++;
    return 0;
}

/* Packets of the frame with this number: two captions of 255 bytes at most together with the number in front. */
static void fill(struct st40_frame_info *frame, unsigned number) {
    CHECK(frame != NULL && frame->meta_num == 0 && frame->udw_buffer_size == UDW_BYTES);
    frame->meta[0] = (struct st40_meta){
        .c = 1, .line_number = 9, .hori_offset = 4, .s = 1, .stream_num = 5, .did = 0x61, .sdid = 0x02, .udw_size = 255};
    frame->meta[1] =
        (struct st40_meta){.line_number = 10, .did = 0x41, .sdid = 0x05, .udw_size = 8, .udw_offset = 255};
    for (unsigned at = 0; at < 263; at++)
        frame->udw_buff_addr[at] = (uint8_t)(at == 0 ? number : at + number);
    frame->meta_num = 2;
    frame->udw_buffer_fill = 263;
}

static void *send_frames(void *unused) {
    for (unsigned number = 0; number < FRAMES; number++) {
        struct st40_frame_info *frame = st40p_tx_get_frame(tx);
        if (number == 3) {
            CHECK(st40p_tx_put_frame_abort(tx, frame) == 0);
            frame = st40p_tx_get_frame(tx);
        }
        fill(frame, number);
        CHECK(st40p_tx_put_frame(tx, frame) == 0);
        CHECK(st40p_tx_put_frame(tx, frame) < 0);
    }
    return unused;
}

/* What cannot be sent gives its buffer back: more of them than there are buffers. */
static void refused_frames(void) {
    for (unsigned i = 0; i < 12; i++) {
        struct st40_frame_info *frame = st40p_tx_get_frame(tx);
        fill(frame, 0);
        if (i % 4 == 0)
            frame->meta[0].udw_size = 256;
        else if (i % 4 == 1)
            frame->meta[1].udw_offset = UDW_BYTES - 7;
        else if (i % 4 == 2)
            frame->meta_num = ST40_MAX_META + 1;
        else
            frame->meta[0].did = 0x161;
        CHECK(st40p_tx_put_frame(tx, frame) == -EINVAL);
    }
}

static void *blocked(void *result) {
    *(struct st40_frame_info **)result = st40p_rx_get_frame(rx);
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

static void create(mtl_handle mt, bool interlaced) {
    struct st40p_rx_ops rx_ops;
    memset(&rx_ops, 0, sizeof rx_ops);
    rx_ops.name = "mtl_data_rx";
    rx_ops.port.num_port = 1;
    /* Unicast: the sender's address. */
    inet_pton(AF_INET, "10.77.0.1", rx_ops.port.ip_addr[MTL_SESSION_PORT_P]);
    memcpy(rx_ops.port.port[MTL_SESSION_PORT_P], params.port[MTL_PORT_R], MTL_PORT_MAX_LEN);
    rx_ops.port.udp_port[MTL_SESSION_PORT_P] = interlaced ? 20004 : 20002;
    rx_ops.port.payload_type = 113;
    rx_ops.interlaced = interlaced;
    rx_ops.framebuff_cnt = 3;
    rx_ops.max_udw_buff_size = UDW_BYTES;
    rx_ops.rtp_ring_size = 1024;
    rx_ops.priv = &params;
    rx_ops.notify_frame_available = frame_available;
    struct st40p_rx_ops no_rx = rx_ops;
    no_rx.flags = ST40P_RX_FLAG_DATA_PATH_ONLY;
    CHECK(st40p_rx_create(mt, &no_rx) == NULL && st40p_rx_create(mt, NULL) == NULL);
    rx_ops.flags = ST40P_RX_FLAG_BLOCK_GET | ST40P_RX_FLAG_DISABLE_AUTO_DETECT;
    rx = st40p_rx_create(mt, &rx_ops);
    CHECK(rx != NULL);

    struct st40p_tx_ops tx_ops;
    memset(&tx_ops, 0, sizeof tx_ops);
    tx_ops.name = "mtl_data_tx";
    tx_ops.priv = &params;
    tx_ops.port.num_port = 1;
    inet_pton(AF_INET, "10.77.0.2", tx_ops.port.dip_addr[MTL_SESSION_PORT_P]);
    memcpy(tx_ops.port.port[MTL_SESSION_PORT_P], params.port[MTL_PORT_P], MTL_PORT_MAX_LEN);
    tx_ops.port.udp_port[MTL_SESSION_PORT_P] = interlaced ? 20004 : 20002;
    tx_ops.port.payload_type = 113;
    tx_ops.fps = ST_FPS_P50; /* fields a second if interlaced */
    tx_ops.interlaced = interlaced;
    tx_ops.framebuff_cnt = 3;
    tx_ops.max_udw_buff_size = UDW_BYTES;
    tx_ops.notify_frame_available = frame_available;
    tx_ops.notify_frame_done = frame_done;
    struct st40p_tx_ops wrong = tx_ops;
    wrong.flags = ST40P_TX_FLAG_USER_TIMESTAMP;
    CHECK(st40p_tx_create(mt, &wrong) == NULL && st40p_tx_create(mt, NULL) == NULL);
    wrong = tx_ops, wrong.test.pattern = ST40_TX_TEST_BAD_PARITY;
    CHECK(st40p_tx_create(mt, &wrong) == NULL);
    wrong = tx_ops, wrong.fps = ST_FPS_MAX;
    CHECK(st40p_tx_create(mt, &wrong) == NULL);
    tx_ops.flags = ST40P_TX_FLAG_BLOCK_GET | ST40P_TX_FLAG_SPLIT_ANC_BY_PKT;
    tx = st40p_tx_create(mt, &tx_ops);
    CHECK(tx != NULL);
    CHECK(st40p_tx_max_udw_buff_size(tx) == UDW_BYTES && st40p_rx_max_udw_buff_size(rx) == UDW_BYTES);
}

/* Takes all frames that were sent; those without a packet keep the stream alive. Returns how many there were. */
static unsigned receive(bool interlaced) {
    int last = -1, was_second = -1;
    unsigned received = 0;
    while (last != FRAMES - 1) {
        struct st40_frame_info *frame = st40p_rx_get_frame(rx);
        CHECK(frame != NULL && frame->pkts_recv[0] > 0);
        received++;
        if (frame->meta_num > 0) {
            const struct st40_meta *first = &frame->meta[0], *second = &frame->meta[1];
            CHECK(frame->meta_num == 2 && frame->udw_buffer_fill == 263 && frame->interlaced == interlaced);
            CHECK(first->c == 1 && first->line_number == 9 && first->hori_offset == 4 && first->s == 1);
            CHECK(first->stream_num == 5 && first->did == 0x61 && first->sdid == 2 && first->udw_size == 255);
            CHECK(second->line_number == 10 && second->did == 0x41 && second->sdid == 5 && second->s == 0);
            const uint8_t *data = frame->udw_buff_addr;
            int number = data[first->udw_offset];
            CHECK(number > last && number < FRAMES && second->udw_size == 8 && second->udw_offset == 255);
            for (unsigned at = 1; at < 263; at++)
                CHECK(data[at] == (uint8_t)(at + (unsigned)number));
            /* Fields take turns. */
            if (interlaced && number == last + 1 && was_second >= 0)
                CHECK(frame->second_field == !was_second);
            was_second = frame->second_field;
            CHECK(interlaced || !frame->second_field);
            last = number;
        }
        CHECK(frame->tfmt == ST10_TIMESTAMP_FMT_MEDIA_CLK && frame->timestamp == frame->rtp_timestamp);
        CHECK(st40p_rx_put_frame(rx, frame) == 0 && st40p_rx_put_frame(rx, frame) == -EALREADY);
    }
    return received;
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    mtl_handle mt = init(argv);
    CHECK(mt != NULL);
    create(mt, false);

    st40p_rx_set_block_timeout(rx, UINT64_MAX);
    struct st40_frame_info *frame;
    pthread_t waiter, sender;
    CHECK(st40p_tx_set_block_timeout(tx, UINT64_MAX) == 0);
    refused_frames();
    pthread_create(&sender, NULL, send_frames, NULL);
    unsigned received = receive(false);
    pthread_join(sender, NULL);
    struct st40_tx_user_stats sent;
    struct st40_rx_user_stats got;
    CHECK(st40p_tx_get_session_stats(tx, &sent) == 0 && sent.common.stat_frames_sent == FRAMES);
    CHECK(st40p_rx_get_session_stats(rx, &got) == 0 && got.common.stat_frames_received == received);
    CHECK(st40p_rx_reset_session_stats(rx) == 0 && st40p_rx_get_session_stats(rx, &got) == 0);
    CHECK(got.common.stat_frames_received == 0 && available > 0);

    /* A handle of another kind. */
    CHECK(st30p_rx_get_frame((st30p_rx_handle)rx) == NULL && st20p_rx_free((st20p_rx_handle)rx) == -EINVAL);
    CHECK(st40p_rx_put_frame(rx, (struct st40_frame_info *)&params) == -EINVAL);
    CHECK(st40p_tx_update_destination(tx, &(struct st_tx_dest_info){0}) == -ENOTSUP);
    CHECK(st40p_rx_update_source(rx, NULL) == -EINVAL);
    CHECK(st40p_tx_free(tx) == 0 && done == FRAMES && st40p_tx_free(tx) == -EINVAL);
    CHECK(st40p_tx_get_frame(tx) == NULL && st40p_rx_get_frame((st40p_rx_handle)&params) == NULL);
    /* What came between the last packets and the end. */
    st40p_rx_set_block_timeout(rx, 200000000);
    while ((frame = st40p_rx_get_frame(rx)) != NULL)
        CHECK(st40p_rx_put_frame(rx, frame) == 0);
    st40p_rx_set_block_timeout(rx, UINT64_MAX);
    frame = (struct st40_frame_info *)&params;
    pthread_create(&waiter, NULL, blocked, &frame);
    /* The test sees it wait, and writes back. */
    puts("1 in get");
    fflush(stdout);
    CHECK(getchar() == '\n');
    CHECK(st40p_rx_wake_block(rx) == 0);
    pthread_join(waiter, NULL);
    CHECK(frame == NULL && st40p_rx_free(rx) == 0);

    create(mt, true);
    st40p_rx_set_block_timeout(rx, UINT64_MAX);
    st40p_tx_set_block_timeout(tx, UINT64_MAX);
    pthread_create(&sender, NULL, send_frames, NULL);
    receive(true);
    pthread_join(sender, NULL);
    /* It frees both. */
    CHECK(mtl_uninit(mt) == 0 && st40p_rx_free(rx) == -EINVAL && st40p_tx_free(tx) == -EINVAL);
    puts("all that came whole are equal");
    return 0;
}
