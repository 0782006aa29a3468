/* MTL's pipeline of ancillary data, ST 2110-40. See onair_mtl.h. */
#ifndef ONAIR_MTL_ST40P_H
#define ONAIR_MTL_ST40P_H

#include <onair_mtl/st20p.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct st40p_tx_ctx *st40p_tx_handle;
typedef struct st40p_rx_ctx *st40p_rx_handle;

/* An ANC packet: its user data are udw_size bytes at udw_offset of the frame's buffer, the low 8 bits of each word. */
struct st40_meta {
    uint16_t c;
    uint16_t line_number;
    uint16_t hori_offset;
    uint16_t s;
    uint16_t stream_num;
    uint16_t did;
    uint16_t sdid;
    uint16_t udw_size;
    uint16_t udw_offset;
};

#define ST40_MAX_META (20)

/* The ANC packets of a frame or field. Send: fill `meta`, the buffer, `meta_num` and `udw_buffer_fill`. Receive: the
 * packets whose parity and checksum are right, as many as fit. */
struct st40_frame_info {
    struct st40_meta *meta; /* of ST40_MAX_META */
    uint32_t meta_num;
    uint8_t *udw_buff_addr;
    size_t udw_buffer_size;
    uint32_t udw_buffer_fill;
    enum st10_timestamp_fmt tfmt; /* receive: MEDIA_CLK */
    uint64_t timestamp;
    uint64_t epoch; /* stays 0 */
    uint32_t rtp_timestamp;
    uint32_t pkts_total;
    uint32_t pkts_recv[MTL_SESSION_PORT_MAX];
    uint32_t port_seq_lost[MTL_SESSION_PORT_MAX];
    bool port_seq_discont[MTL_SESSION_PORT_MAX];
    bool rtp_marker; /* receive: the frame is complete */
    bool seq_discont;
    uint32_t seq_lost;
    uint64_t receive_timestamp; /* of the first packet: TAI, ns */
    bool second_field;
    bool interlaced;
    enum st_frame_status status;
    void *priv; /* the library's */
};

/* Refused: USER_P_MAC, USER_R_MAC, USER_PACING, USER_TIMESTAMP, DROP_WHEN_LATE, EXACT_USER_PACING. No effect: the others
 * but BLOCK_GET. */
#define ST40P_TX_FLAG_USER_P_MAC MTL_BIT32(0)
#define ST40P_TX_FLAG_USER_R_MAC MTL_BIT32(1)
#define ST40P_TX_FLAG_USER_PACING MTL_BIT32(3)
#define ST40P_TX_FLAG_USER_TIMESTAMP MTL_BIT32(4)
#define ST40P_TX_FLAG_ENABLE_RTCP MTL_BIT32(5)
#define ST40P_TX_FLAG_DEDICATE_QUEUE MTL_BIT32(6)
#define ST40P_TX_FLAG_DROP_WHEN_LATE MTL_BIT32(7)
#define ST40P_TX_FLAG_FORCE_NUMA MTL_BIT32(8)
#define ST40P_TX_FLAG_EXACT_USER_PACING MTL_BIT32(9)
#define ST40P_TX_FLAG_SPLIT_ANC_BY_PKT MTL_BIT32(10)
#define ST40P_TX_FLAG_BLOCK_GET MTL_BIT32(15)

/* Refused: DATA_PATH_ONLY. No effect: ENABLE_RTCP, FORCE_NUMA, and DISABLE_AUTO_DETECT: frames and fields are taken
 * anyhow. */
#define ST40P_RX_FLAG_DATA_PATH_ONLY MTL_BIT32(0)
#define ST40P_RX_FLAG_ENABLE_RTCP MTL_BIT32(1)
#define ST40P_RX_FLAG_FORCE_NUMA MTL_BIT32(2)
#define ST40P_RX_FLAG_DISABLE_AUTO_DETECT MTL_BIT32(3)
#define ST40P_RX_FLAG_BLOCK_GET MTL_BIT32(15)

/* Wrong packets for tests: any pattern but NONE is refused. */
enum st40_tx_test_pattern {
    ST40_TX_TEST_NONE = 0,
    ST40_TX_TEST_NO_MARKER,
    ST40_TX_TEST_SEQ_GAP,
    ST40_TX_TEST_BAD_PARITY,
    ST40_TX_TEST_PACED,
};
struct st40_tx_test_config {
    enum st40_tx_test_pattern pattern;
    uint16_t frame_count;
    uint16_t paced_pkt_count;
    uint32_t paced_gap_ns;
};

struct st40p_tx_ops {
    struct st_tx_port port;
    enum st_fps fps;
    bool interlaced;
    uint16_t framebuff_cnt;
    uint32_t max_udw_buff_size;
    const char *name;
    void *priv;
    uint32_t flags;
    struct st40_tx_test_config test;
    int (*notify_frame_available)(void *priv);
    int (*notify_frame_done)(void *priv, struct st40_frame_info *frame_info); /* it is handed over, maybe not yet sent */
    int (*notify_frame_late)(void *priv, uint64_t epoch_skipped);             /* is not called */
    uint8_t tx_dst_mac[MTL_SESSION_PORT_MAX][MTL_MAC_ADDR_LEN];               /* no effect */
};

/* MTL's receiver does not know the rate of frames: the daemon is told 59.94, which only its report of timing uses. */
struct st40p_rx_ops {
    struct st_rx_port port;
    bool interlaced;
    uint16_t framebuff_cnt;
    uint32_t max_udw_buff_size;
    uint32_t rtp_ring_size; /* no effect */
    const char *name;
    void *priv;
    uint32_t flags;
    int (*notify_frame_available)(void *priv);
};

/* Of `common` as of st20p; the rest stays 0. */
struct st40_tx_user_stats {
    struct st_tx_user_stats common;
    uint64_t stat_interlace_first_field, stat_interlace_second_field;
};
struct st40_rx_user_stats {
    struct st_rx_user_stats common;
    uint64_t stat_pkts_dropped, stat_pkts_enqueue_fail, stat_interlace_first_field, stat_interlace_second_field,
        stat_pkts_wrong_interlace_dropped;
};

st40p_tx_handle st40p_tx_create(mtl_handle mt, struct st40p_tx_ops *ops);
int st40p_tx_free(st40p_tx_handle handle);
struct st40_frame_info *st40p_tx_get_frame(st40p_tx_handle handle);
int st40p_tx_put_frame(st40p_tx_handle handle, struct st40_frame_info *frame_info);
int st40p_tx_put_frame_abort(st40p_tx_handle handle, struct st40_frame_info *frame_info);
size_t st40p_tx_max_udw_buff_size(st40p_tx_handle handle);
int st40p_tx_get_session_stats(st40p_tx_handle handle, struct st40_tx_user_stats *stats);
int st40p_tx_reset_session_stats(st40p_tx_handle handle);
int st40p_tx_update_destination(st40p_tx_handle handle, struct st_tx_dest_info *dst);
int st40p_tx_wake_block(st40p_tx_handle handle);
int st40p_tx_set_block_timeout(st40p_tx_handle handle, uint64_t timedwait_ns);

st40p_rx_handle st40p_rx_create(mtl_handle mt, struct st40p_rx_ops *ops);
int st40p_rx_free(st40p_rx_handle handle);
struct st40_frame_info *st40p_rx_get_frame(st40p_rx_handle handle);
int st40p_rx_put_frame(st40p_rx_handle handle, struct st40_frame_info *frame_info);
int st40p_rx_put_frame_abort(st40p_rx_handle handle, struct st40_frame_info *frame_info);
size_t st40p_rx_max_udw_buff_size(st40p_rx_handle handle);
int st40p_rx_get_session_stats(st40p_rx_handle handle, struct st40_rx_user_stats *stats);
int st40p_rx_reset_session_stats(st40p_rx_handle handle);
int st40p_rx_update_source(st40p_rx_handle handle, struct st_rx_source_info *src);
int st40p_rx_wake_block(st40p_rx_handle handle);
int st40p_rx_set_block_timeout(st40p_rx_handle handle, uint64_t timedwait_ns);

#ifdef __cplusplus
}
#endif

#endif
