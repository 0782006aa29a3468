/* MTL's pipeline of uncompressed video, ST 2110-20. See onair_mtl.h. */
#ifndef ONAIR_MTL_ST20P_H
#define ONAIR_MTL_ST20P_H

#include <onair_mtl/formats.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct st20p_tx_ctx *st20p_tx_handle;
typedef struct st20p_rx_ctx *st20p_rx_handle;

/* One port: `num_port` of 2 (ST 2022-7) is refused. */
struct st_tx_port {
    uint8_t dip_addr[MTL_SESSION_PORT_MAX][MTL_IP_ADDR_LEN];
    char port[MTL_SESSION_PORT_MAX][MTL_PORT_MAX_LEN];
    uint8_t num_port;
    uint16_t udp_port[MTL_SESSION_PORT_MAX];
    uint8_t payload_type; /* 96 to 127; 0: 96 */
    uint16_t udp_src_port[MTL_SESSION_PORT_MAX]; /* 0: as udp_port; another one needs mtl_init's sip_addr */
    uint32_t ssrc; /* not used */
};
struct st_rx_port {
    union {
        uint8_t ip_addr[MTL_SESSION_PORT_MAX][MTL_IP_ADDR_LEN]; /* a group, or the sender's address */
        uint8_t sip_addr[MTL_SESSION_PORT_MAX][MTL_IP_ADDR_LEN];
    };
    uint8_t num_port;
    char port[MTL_SESSION_PORT_MAX][MTL_PORT_MAX_LEN];
    uint16_t udp_port[MTL_SESSION_PORT_MAX];
    uint8_t payload_type; /* 96 to 127; 0: 96, not any */
    uint32_t ssrc; /* not checked */
    uint8_t mcast_sip_addr[MTL_SESSION_PORT_MAX][MTL_IP_ADDR_LEN];
};
struct st_tx_dest_info {
    uint8_t dip_addr[MTL_SESSION_PORT_MAX][MTL_IP_ADDR_LEN];
    uint16_t udp_port[MTL_SESSION_PORT_MAX];
};
struct st_rx_source_info {
    union {
        uint8_t ip_addr[MTL_SESSION_PORT_MAX][MTL_IP_ADDR_LEN];
        uint8_t sip_addr[MTL_SESSION_PORT_MAX][MTL_IP_ADDR_LEN];
    };
    uint16_t udp_port[MTL_SESSION_PORT_MAX];
    uint8_t mcast_sip_addr[MTL_SESSION_PORT_MAX][MTL_IP_ADDR_LEN];
};
struct st_pcap_dump_meta {
    char file_name[MTL_SESSION_PORT_MAX][MTL_PCAP_FILE_MAX_LEN];
    uint32_t dumped_packets[MTL_SESSION_PORT_MAX];
};
struct st_queue_meta {
    uint8_t num_port;
    uint8_t queue_id[MTL_PORT_MAX];
};
struct st_tx_rtcp_ops {
    uint16_t buffer_size;
};
struct st_rx_rtcp_ops {
    uint32_t nack_interval_us;
    uint16_t seq_bitmap_size;
    uint16_t seq_skip_window;
    bool burst_loss_max;
    float sim_loss_rate;
};

/* Memory of the program. A sender's is copied when it is put, a receiver's is filled before it is got. */
struct st_ext_frame {
    void *addr[ST_MAX_PLANES];
    mtl_iova_t iova[ST_MAX_PLANES];
    size_t linesize[ST_MAX_PLANES];
    size_t size;
    void *opaque;
};

#define ST_FRAME_FLAG_EXT_BUF MTL_BIT32(0)
struct st20_rx_tp_meta;

/* A frame, or a field if interlaced: then `height` is that of both. A receiver's memory is read-only where the format
 * is the wire's. */
struct st_frame {
    void *addr[ST_MAX_PLANES];
    mtl_iova_t iova[ST_MAX_PLANES];
    size_t linesize[ST_MAX_PLANES];
    enum st_frame_fmt fmt;
    bool interlaced;
    bool second_field;
    size_t buffer_size;
    size_t data_size;
    uint32_t width;
    uint32_t height;
    enum st10_timestamp_fmt tfmt; /* receive: MEDIA_CLK */
    uint64_t timestamp;
    uint64_t epoch; /* receive: frames since the SMPTE Epoch; 0: unknown */
    uint32_t rtp_timestamp;
    uint32_t flags;
    enum st_frame_status status;
    const void *user_meta; /* is not sent */
    size_t user_meta_size;
    uint32_t pkts_total;
    uint32_t pkts_recv[MTL_SESSION_PORT_MAX];
    void *priv; /* the library's */
    void *opaque;
    struct st20_rx_tp_meta *tp[MTL_SESSION_PORT_MAX];
    uint64_t receive_timestamp; /* of the first packet: TAI, ns */
};

/* Refused: USER_P_MAC, USER_R_MAC, USER_PACING, DROP_WHEN_LATE, USER_TIMESTAMP, EXACT_USER_PACING,
 * RTP_TIMESTAMP_EPOCH, ENABLE_VSYNC. No effect: the others but EXT_FRAME and BLOCK_GET. */
#define ST20P_TX_FLAG_USER_P_MAC MTL_BIT32(0)
#define ST20P_TX_FLAG_USER_R_MAC MTL_BIT32(1)
#define ST20P_TX_FLAG_EXT_FRAME MTL_BIT32(2)
#define ST20P_TX_FLAG_USER_PACING MTL_BIT32(3)
#define ST20P_TX_FLAG_USER_TIMESTAMP MTL_BIT32(4)
#define ST20P_TX_FLAG_ENABLE_VSYNC MTL_BIT32(5)
#define ST20P_TX_FLAG_ENABLE_STATIC_PAD_P MTL_BIT32(6)
#define ST20P_TX_FLAG_ENABLE_RTCP MTL_BIT32(7)
#define ST20P_TX_FLAG_EXACT_USER_PACING MTL_BIT32(8)
#define ST20P_TX_FLAG_RTP_TIMESTAMP_EPOCH MTL_BIT32(9)
#define ST20P_TX_FLAG_DISABLE_BULK MTL_BIT32(10)
#define ST20P_TX_FLAG_FORCE_NUMA MTL_BIT32(11)
#define ST20P_TX_FLAG_DROP_WHEN_LATE MTL_BIT32(12)
#define ST20P_TX_FLAG_EXT_FRAME_MANUAL_RELEASE MTL_BIT32(13)
#define ST20P_TX_FLAG_BLOCK_GET MTL_BIT32(15)

/* Refused: DATA_PATH_ONLY, ENABLE_VSYNC, AUTO_DETECT, TIMING_PARSER_*, USE_GPU_DIRECT_FRAMEBUFFERS,
 * SIMULATE_PKT_LOSS. No effect: the others but EXT_FRAME, BLOCK_GET and RECEIVE_INCOMPLETE_FRAME. */
#define ST20P_RX_FLAG_DATA_PATH_ONLY MTL_BIT32(0)
#define ST20P_RX_FLAG_ENABLE_VSYNC MTL_BIT32(1)
#define ST20P_RX_FLAG_EXT_FRAME MTL_BIT32(2)
#define ST20P_RX_FLAG_PKT_CONVERT MTL_BIT32(3)
#define ST20P_RX_FLAG_ENABLE_RTCP MTL_BIT32(4)
#define ST20P_RX_FLAG_SIMULATE_PKT_LOSS MTL_BIT32(5)
#define ST20P_RX_FLAG_FORCE_NUMA MTL_BIT32(6)
#define ST20P_RX_FLAG_BLOCK_GET MTL_BIT32(15)
#define ST20P_RX_FLAG_RECEIVE_INCOMPLETE_FRAME MTL_BIT32(16)
#define ST20P_RX_FLAG_DMA_OFFLOAD MTL_BIT32(17)
#define ST20P_RX_FLAG_AUTO_DETECT MTL_BIT32(18)
#define ST20P_RX_FLAG_HDR_SPLIT MTL_BIT32(19)
#define ST20P_RX_FLAG_DISABLE_MIGRATE MTL_BIT32(20)
#define ST20P_RX_FLAG_TIMING_PARSER_STAT MTL_BIT32(21)
#define ST20P_RX_FLAG_TIMING_PARSER_META MTL_BIT32(22)
#define ST20P_RX_FLAG_USE_MULTI_THREADS MTL_BIT32(23)
#define ST20P_RX_FLAG_USE_GPU_DIRECT_FRAMEBUFFERS MTL_BIT32(24)
/* As MTL's FFmpeg plug-in writes it. */
#define ST20_RX_FLAG_DMA_OFFLOAD MTL_BIT32(17)

struct st20p_tx_ops {
    struct st_tx_port port;
    uint32_t width;
    uint32_t height;
    enum st_fps fps;
    bool interlaced;
    enum st_frame_fmt input_fmt;
    enum st21_pacing transport_pacing;
    enum st20_packing transport_packing;
    enum st20_fmt transport_fmt;
    enum st_plugin_device device;
    uint16_t framebuff_cnt;
    const char *name;
    void *priv;
    uint32_t flags;
    int (*notify_frame_available)(void *priv);
    int (*notify_frame_done)(void *priv, struct st_frame *frame); /* the frame is handed over, maybe not yet sent */
    int (*notify_frame_late)(void *priv, uint64_t epoch_skipped); /* is not called */
    size_t transport_linesize;
    struct st_tx_rtcp_ops rtcp;
    uint8_t tx_dst_mac[MTL_SESSION_PORT_MAX][MTL_MAC_ADDR_LEN];
    uint16_t start_vrx;
    uint16_t pad_interval;
    int32_t rtp_timestamp_delta_us;
    uint32_t tx_hang_detect_ms;
    int (*notify_event)(void *priv, enum st_event event, void *args); /* is not called */
    int socket_id;
};

/* What a receiver knows when it asks for the program's memory. */
struct st20_rx_frame_meta {
    uint32_t width;
    uint32_t height;
    enum st_fps fps;
    enum st20_fmt fmt;
    enum st10_timestamp_fmt tfmt;
    uint64_t timestamp;
    enum st_frame_status status;
    size_t frame_total_size;
    size_t uframe_total_size;
    bool second_field;
    size_t frame_recv_size;
    void *opaque;
    uint64_t timestamp_first_pkt;
    uint64_t timestamp_last_pkt;
    int64_t fpt;
    uint32_t rtp_timestamp;
    const void *user_meta;
    size_t user_meta_size;
    uint32_t pkts_total;
    uint32_t pkts_recv[MTL_SESSION_PORT_MAX];
    struct st20_rx_tp_meta *tp[MTL_SESSION_PORT_MAX];
};
struct st20_ext_frame {
    void *buf_addr;
    mtl_iova_t buf_iova;
    size_t buf_len;
    void *opaque;
};
struct st20_detect_meta;
struct st20_detect_reply;

struct st20p_rx_ops {
    struct st_rx_port port;
    uint32_t width;
    uint32_t height;
    enum st_fps fps;
    bool interlaced;
    enum st20_fmt transport_fmt;
    enum st_frame_fmt output_fmt;
    enum st_plugin_device device;
    uint16_t framebuff_cnt;
    const char *name;
    void *priv;
    uint32_t flags;
    uint16_t rx_burst_size;
    int (*notify_frame_available)(void *priv);
    size_t transport_linesize;
    struct st_ext_frame *ext_frames; /* framebuff_cnt of them */
    struct st_rx_rtcp_ops rtcp;
    int (*query_ext_frame)(void *priv, struct st_ext_frame *ext_frame, struct st20_rx_frame_meta *meta);
    int (*notify_event)(void *priv, enum st_event event, void *args); /* is not called */
    int (*notify_detected)(void *priv, const struct st20_detect_meta *meta, struct st20_detect_reply *reply);
    int socket_id;
    void *gpu_context;
};

/* What this process knows: port[0]'s frames, packets and bytes, and the common counters of frames; lost packets. The
 * rest stays 0. */
struct st_tx_port_stats {
    uint64_t packets;
    uint64_t bytes;
    uint64_t build;
    uint64_t frames;
};
struct st_rx_port_stats {
    uint64_t packets;
    uint64_t bytes;
    uint64_t frames;
    uint64_t err_packets;
    uint64_t lost_packets;
    uint64_t reordered_packets;
    uint64_t duplicates_same_port;
};
struct st_tx_user_stats {
    struct st_tx_port_stats port[MTL_SESSION_PORT_MAX];
    uint64_t stat_epoch_drop, stat_epoch_onward, stat_exceed_frame_time, stat_error_user_timestamp,
        stat_epoch_mismatch, stat_recoverable_error, stat_unrecoverable_error, stat_frames_sent, stat_frames_dropped;
};
struct st_rx_user_stats {
    struct st_rx_port_stats port[MTL_SESSION_PORT_MAX];
    uint64_t stat_pkts_received, stat_lost_packets, stat_pkts_unrecovered, stat_pkts_wrong_ssrc_dropped,
        stat_pkts_wrong_pt_dropped, stat_pkts_redundant, stat_frames_received, stat_frames_dropped,
        stat_frames_corrupted;
};
struct st20_tx_user_stats {
    struct st_tx_user_stats common;
    uint64_t stat_pkts_dummy, stat_epoch_troffset_mismatch, stat_trans_troffset_mismatch,
        stat_trans_recalculate_warmup, stat_user_busy, stat_lines_not_ready, stat_vsync_mismatch,
        stat_pkts_chain_realloc_fail, stat_user_meta_cnt, stat_user_meta_pkt_cnt, stat_interlace_first_field,
        stat_interlace_second_field;
};
struct st20_rx_user_stats {
    struct st_rx_user_stats common;
    uint64_t stat_bytes_received, stat_slices_received, stat_pkts_idx_dropped, stat_pkts_offset_dropped,
        stat_pkts_idx_oo_bitmap, stat_pkts_rtp_ring_full, stat_pkts_no_slot, stat_pkts_wrong_interlace_dropped,
        stat_pkts_wrong_len_dropped, stat_pkts_enqueue_fallback, stat_pkts_dma, stat_pkts_slice_fail,
        stat_pkts_slice_merged, stat_pkts_multi_segments_received, stat_pkts_not_bpm,
        stat_pkts_wrong_payload_hdr_split, stat_mismatch_hdr_split_frame, stat_pkts_copy_hdr_split,
        stat_vsync_mismatch, stat_slot_get_frame_fail, stat_slot_query_ext_fail, stat_pkts_simulate_loss,
        stat_pkts_user_meta, stat_pkts_user_meta_err, stat_pkts_retransmit, stat_interlace_first_field,
        stat_interlace_second_field, stat_st22_boxes;
};

st20p_tx_handle st20p_tx_create(mtl_handle mt, struct st20p_tx_ops *ops);
int st20p_tx_free(st20p_tx_handle handle);
struct st_frame *st20p_tx_get_frame(st20p_tx_handle handle);
int st20p_tx_put_frame(st20p_tx_handle handle, struct st_frame *frame);
int st20p_tx_put_frame_abort(st20p_tx_handle handle, struct st_frame *frame);
int st20p_tx_put_ext_frame(st20p_tx_handle handle, struct st_frame *frame, struct st_ext_frame *ext_frame);
int st20p_tx_notify_ext_frame_free(st20p_tx_handle handle, struct st_frame *frame);
size_t st20p_tx_frame_size(st20p_tx_handle handle);
int st20p_tx_get_session_stats(st20p_tx_handle handle, struct st20_tx_user_stats *stats);
int st20p_tx_reset_session_stats(st20p_tx_handle handle);
int st20p_tx_update_destination(st20p_tx_handle handle, struct st_tx_dest_info *dst);
int st20p_tx_wake_block(st20p_tx_handle handle);
int st20p_tx_set_block_timeout(st20p_tx_handle handle, uint64_t timedwait_ns);

st20p_rx_handle st20p_rx_create(mtl_handle mt, struct st20p_rx_ops *ops);
int st20p_rx_free(st20p_rx_handle handle);
struct st_frame *st20p_rx_get_frame(st20p_rx_handle handle);
int st20p_rx_put_frame(st20p_rx_handle handle, struct st_frame *frame);
int st20p_rx_put_frame_abort(st20p_rx_handle handle, struct st_frame *frame);
size_t st20p_rx_frame_size(st20p_rx_handle handle);
int st20p_rx_get_session_stats(st20p_rx_handle handle, struct st20_rx_user_stats *stats);
int st20p_rx_reset_session_stats(st20p_rx_handle handle);
int st20p_rx_update_source(st20p_rx_handle handle, struct st_rx_source_info *src);
int st20p_rx_pcapng_dump(st20p_rx_handle handle, uint32_t max_dump_packets, bool sync, struct st_pcap_dump_meta *meta);
int st20p_rx_wake_block(st20p_rx_handle handle);
int st20p_rx_set_block_timeout(st20p_rx_handle handle, uint64_t timedwait_ns);

static inline uint32_t st_frame_data_height(struct st_frame *frame) {
    return frame->interlaced ? frame->height / 2 : frame->height;
}
static inline size_t st_frame_plane_size(struct st_frame *frame, uint8_t plane) {
    return frame->linesize[plane] * st_frame_data_height(frame);
}
static inline void *st_frame_addr(struct st_frame *frame, uint8_t plane) { return frame->addr[plane]; }
static inline mtl_iova_t st_frame_iova(struct st_frame *frame, uint8_t plane) { return frame->iova[plane]; }

#ifdef __cplusplus
}
#endif

#endif
