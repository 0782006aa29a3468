/* MTL's pipeline of audio, ST 2110-30 and -31. See onair_mtl.h. */
#ifndef ONAIR_MTL_ST30P_H
#define ONAIR_MTL_ST30P_H

#include <onair_mtl/st20p.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct st30p_tx_ctx *st30p_tx_handle;
typedef struct st30p_rx_ctx *st30p_rx_handle;

/* Samples as on the wire, the channels in turn, the highest byte first. A receiver's memory is read-only; what is
 * lost is silence. */
struct st30_frame {
    void *addr;
    enum st30_fmt fmt;
    uint16_t channel;
    enum st30_sampling sampling;
    enum st30_ptime ptime;
    size_t buffer_size;
    size_t data_size;
    enum st10_timestamp_fmt tfmt; /* receive: MEDIA_CLK */
    uint64_t timestamp;
    uint64_t epoch; /* receive: frames since the SMPTE Epoch; 0: unknown */
    uint32_t rtp_timestamp;
    uint32_t pkts_total;
    uint32_t pkts_recv[MTL_SESSION_PORT_MAX];
    uint64_t receive_timestamp; /* of the first packet: TAI, ns */
    enum st_frame_status status;
    void *priv; /* the library's */
};

/* Refused: USER_P_MAC, USER_R_MAC, USER_PACING, DROP_WHEN_LATE. No effect: the others but BLOCK_GET. */
#define ST30P_TX_FLAG_USER_P_MAC MTL_BIT32(0)
#define ST30P_TX_FLAG_USER_R_MAC MTL_BIT32(1)
#define ST30P_TX_FLAG_USER_PACING MTL_BIT32(3)
#define ST30P_TX_FLAG_DEDICATE_QUEUE MTL_BIT32(7)
#define ST30P_TX_FLAG_FORCE_NUMA MTL_BIT32(8)
#define ST30P_TX_FLAG_BLOCK_GET MTL_BIT32(15)
#define ST30P_TX_FLAG_DROP_WHEN_LATE MTL_BIT32(16)

/* Refused: DATA_PATH_ONLY, SIMULATE_PKT_LOSS. No effect: FORCE_NUMA. */
#define ST30P_RX_FLAG_DATA_PATH_ONLY MTL_BIT32(0)
#define ST30P_RX_FLAG_FORCE_NUMA MTL_BIT32(2)
#define ST30P_RX_FLAG_SIMULATE_PKT_LOSS MTL_BIT32(3)
#define ST30P_RX_FLAG_BLOCK_GET MTL_BIT32(15)

struct st30p_tx_ops {
    struct st_tx_port port;
    enum st30_fmt fmt; /* PCM8 is refused */
    uint16_t channel;
    enum st30_sampling sampling;
    enum st30_ptime ptime;
    enum st30_tx_pacing_way pacing_way; /* no effect */
    uint16_t framebuff_cnt;
    uint32_t framebuff_size; /* whole packets, of 1 ms to 1 s together */
    const char *name;
    void *priv;
    uint32_t flags;
    int (*notify_frame_available)(void *priv);
    int (*notify_frame_done)(void *priv, struct st30_frame *frame); /* the frame is handed over, maybe not yet sent */
    int (*notify_frame_late)(void *priv, uint64_t epoch_skipped);   /* is not called */
    /* No effect from here on. */
    int32_t rtp_timestamp_delta_us;
    uint16_t fifo_size;
    uint8_t tx_dst_mac[MTL_SESSION_PORT_MAX][MTL_MAC_ADDR_LEN];
    uint32_t rl_accuracy_ns;
    int32_t rl_offset_ns;
    int socket_id;
};

struct st30p_rx_ops {
    struct st_rx_port port;
    enum st30_fmt fmt; /* PCM8 is refused */
    uint16_t channel;
    enum st30_sampling sampling;
    enum st30_ptime ptime;
    uint16_t framebuff_cnt;
    uint32_t framebuff_size; /* whole packets, of 1 ms to 1 s together */
    const char *name;
    void *priv;
    uint32_t flags;
    int (*notify_frame_available)(void *priv);
    int socket_id; /* no effect */
};

/* Of `common` as of st20p; the rest stays 0. */
struct st30_tx_user_stats {
    struct st_tx_user_stats common;
    uint64_t stat_epoch_late, stat_pkts_burst, stat_pad_pkts_burst, stat_warmup_pkts_burst, stat_mismatch_sync_point,
        stat_recalculate_warmup, stat_hit_backup_cp;
};
struct st30_rx_user_stats {
    struct st_rx_user_stats common;
    uint64_t stat_pkts_dropped, stat_pkts_len_mismatch_dropped, stat_slot_get_frame_fail;
};

st30p_tx_handle st30p_tx_create(mtl_handle mt, struct st30p_tx_ops *ops);
int st30p_tx_free(st30p_tx_handle handle);
struct st30_frame *st30p_tx_get_frame(st30p_tx_handle handle);
int st30p_tx_put_frame(st30p_tx_handle handle, struct st30_frame *frame);
int st30p_tx_put_frame_abort(st30p_tx_handle handle, struct st30_frame *frame);
size_t st30p_tx_frame_size(st30p_tx_handle handle);
int st30p_tx_get_session_stats(st30p_tx_handle handle, struct st30_tx_user_stats *stats);
int st30p_tx_reset_session_stats(st30p_tx_handle handle);
int st30p_tx_update_destination(st30p_tx_handle handle, struct st_tx_dest_info *dst);
int st30p_tx_wake_block(st30p_tx_handle handle);
int st30p_tx_set_block_timeout(st30p_tx_handle handle, uint64_t timedwait_ns);

st30p_rx_handle st30p_rx_create(mtl_handle mt, struct st30p_rx_ops *ops);
int st30p_rx_free(st30p_rx_handle handle);
struct st30_frame *st30p_rx_get_frame(st30p_rx_handle handle);
int st30p_rx_put_frame(st30p_rx_handle handle, struct st30_frame *frame);
int st30p_rx_put_frame_abort(st30p_rx_handle handle, struct st30_frame *frame);
size_t st30p_rx_frame_size(st30p_rx_handle handle);
int st30p_rx_get_session_stats(st30p_rx_handle handle, struct st30_rx_user_stats *stats);
int st30p_rx_reset_session_stats(st30p_rx_handle handle);
int st30p_rx_wake_block(st30p_rx_handle handle);
int st30p_rx_set_block_timeout(st30p_rx_handle handle, uint64_t timedwait_ns);

double st30_get_packet_time(enum st30_ptime ptime); /* ns */
int st30_get_sample_size(enum st30_fmt fmt);        /* bytes */
int st30_get_sample_num(enum st30_ptime ptime, enum st30_sampling sampling);
int st30_get_sample_rate(enum st30_sampling sampling);
int st30_get_packet_size(enum st30_fmt fmt, enum st30_ptime ptime, enum st30_sampling sampling, uint16_t channel);
int st30_calculate_framebuff_size(enum st30_fmt fmt, enum st30_ptime ptime, enum st30_sampling sampling,
                                  uint16_t channel, uint64_t desired_frame_time_ns, double *fps);

static inline bool st30_frame_is_late(mtl_handle mt, struct st30_frame *frame) {
    return frame->tfmt == ST10_TIMESTAMP_FMT_TAI && (int64_t)(frame->timestamp - mtl_ptp_read_time(mt)) < 0;
}

#ifdef __cplusplus
}
#endif

#endif
