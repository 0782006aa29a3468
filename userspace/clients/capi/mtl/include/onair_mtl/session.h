/* MTL's draft of one session type for all media (pull request 1610, 14a1f80c). See onair_mtl.h. */
#ifndef ONAIR_MTL_SESSION_H
#define ONAIR_MTL_SESSION_H

#include <onair_mtl/st20p.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mtl_session mtl_session_t;
typedef struct mtl_dma_region mtl_dma_mem_t;

typedef enum { MTL_SESSION_TX, MTL_SESSION_RX } mtl_session_dir_t;
typedef enum { MTL_TYPE_VIDEO, MTL_TYPE_AUDIO, MTL_TYPE_ANCILLARY, MTL_TYPE_FASTMETA } mtl_media_type_t;
typedef enum { MTL_BUFFER_LIBRARY_OWNED, MTL_BUFFER_USER_OWNED } mtl_buffer_ownership_t;
typedef enum { MTL_VIDEO_MODE_FRAME, MTL_VIDEO_MODE_SLICE } mtl_video_mode_t;
typedef enum {
    MTL_FRAME_STATUS_COMPLETE,
    MTL_FRAME_STATUS_INCOMPLETE,
    MTL_FRAME_STATUS_CORRUPTED
} mtl_frame_status_t;

/* BUFFER_READY: of a receiver; with memory of the program's `ctx` is that of its post. BUFFER_DONE: a posted buffer is
 * the program's again; `status` is 0, or -ECANCELED if the session was stopped before it was used. VSYNC. ERROR: the
 * daemon is shutting down. The others are not posted. */
typedef enum {
    MTL_EVENT_NONE,
    MTL_EVENT_BUFFER_READY,
    MTL_EVENT_BUFFER_DONE,
    MTL_EVENT_ERROR,
    MTL_EVENT_VSYNC,
    MTL_EVENT_FRAME_LATE,
    MTL_EVENT_FORMAT_DETECTED,
    MTL_EVENT_TIMING_REPORT,
    MTL_EVENT_SLICE_READY
} mtl_event_type_t;

/* Refused: USER_PACING, USER_TIMESTAMP, DATA_PATH_ONLY, USER_P_MAC, USER_R_MAC, EXACT_USER_PACING,
 * RTP_TIMESTAMP_EPOCH, DROP_WHEN_LATE. No effect: the others but ENABLE_VSYNC and RECEIVE_INCOMPLETE_FRAME. */
#define MTL_SESSION_FLAG_EXT_BUFFER (1 << 0)
#define MTL_SESSION_FLAG_USER_PACING (1 << 1)
#define MTL_SESSION_FLAG_USER_TIMESTAMP (1 << 2)
#define MTL_SESSION_FLAG_ENABLE_VSYNC (1 << 3)
#define MTL_SESSION_FLAG_ENABLE_RTCP (1 << 4)
#define MTL_SESSION_FLAG_FORCE_NUMA (1 << 5)
#define MTL_SESSION_FLAG_DATA_PATH_ONLY (1 << 6)
#define MTL_SESSION_FLAG_RECEIVE_INCOMPLETE_FRAME (1 << 7)
#define MTL_SESSION_FLAG_DMA_OFFLOAD (1 << 8)
#define MTL_SESSION_FLAG_HDR_SPLIT (1 << 9)
#define MTL_SESSION_FLAG_BLOCK_GET (1 << 10)
#define MTL_SESSION_FLAG_USER_P_MAC (1 << 11)
#define MTL_SESSION_FLAG_USER_R_MAC (1 << 12)
#define MTL_SESSION_FLAG_EXACT_USER_PACING (1 << 13)
#define MTL_SESSION_FLAG_RTP_TIMESTAMP_EPOCH (1 << 14)
#define MTL_SESSION_FLAG_DISABLE_BULK (1 << 15)
#define MTL_SESSION_FLAG_STATIC_PAD_P (1 << 16)
#define MTL_SESSION_FLAG_USE_MULTI_THREADS (1 << 17)
#define MTL_SESSION_FLAG_DROP_WHEN_LATE (1 << 18)

#define MTL_BUF_FLAG_EXT (1 << 0)
#define MTL_BUF_FLAG_INCOMPLETE (1 << 1)

typedef struct mtl_buffer {
    void *data;
    mtl_iova_t iova;
    size_t size;
    size_t data_size;
    uint64_t timestamp; /* receive: TAI, ns; the RTP timestamp if `tfmt` is MEDIA_CLK */
    uint64_t epoch;
    uint32_t rtp_timestamp;
    uint32_t flags;
    mtl_frame_status_t status;
    void *priv; /* the library's */
    void *user_data;
    void *user_meta; /* is not sent */
    size_t user_meta_size;
    enum st10_timestamp_fmt tfmt;
    union {
        struct {
            void *planes[ST_MAX_PLANES];
            size_t linesize[ST_MAX_PLANES];
            uint32_t width;
            uint32_t height;
            enum st_frame_fmt fmt;
            bool interlaced;
            bool second_field;
            uint32_t pkts_total;
            uint32_t pkts_recv[MTL_SESSION_PORT_MAX];
        } video;
        struct {
            uint32_t samples;
            uint16_t channels;
            enum st30_fmt fmt;
            enum st30_sampling sampling;
            enum st30_ptime ptime;
            size_t frame_recv_size;
        } audio;
        struct {
            uint16_t line_number;
            uint8_t did, sdid;
            uint32_t meta_num;
            bool second_field;
        } ancillary;
        uint8_t _reserved[96];
    };
} mtl_buffer_t;

typedef struct mtl_event {
    mtl_event_type_t type;
    int status;
    uint64_t timestamp; /* TAI, ns */
    void *ctx;
    union {
        struct {
            uint64_t epoch;
            uint64_t ptp_time;
        } vsync;
        struct {
            uint64_t epoch_skipped;
        } frame_late;
        struct {
            uint32_t width;
            uint32_t height;
            enum st_fps fps;
            enum st20_packing packing;
            bool interlaced;
        } format_detected;
        struct {
            enum st_rx_tp_compliant compliant;
            int32_t vrx_max, vrx_min;
            int32_t ipt_max, ipt_min;
            int32_t latency;
            uint32_t pkts_cnt;
        } timing;
        struct {
            uint16_t lines_ready;
            uint16_t lines_total;
            void *buffer;
        } slice;
        struct {
            int code;
        } error;
        struct {
            struct mtl_buffer *buf; /* valid until the next poll */
        } buffer;
        uint8_t _reserved[64];
    };
} mtl_event_t;

typedef struct mtl_session_base_config {
    mtl_session_dir_t direction;
    mtl_buffer_ownership_t ownership;
    uint16_t num_buffers;
    const char *name;
    void *priv;
    uint32_t flags;
    int socket_id;
    int (*notify_buffer_ready)(void *priv);
    int (*notify_event)(void *priv, mtl_event_t *event); /* is not called, nor by MTL */
    int (*query_ext_frame)(void *priv, struct st_ext_frame *ext_frame, struct mtl_buffer *frame_meta); /* refused */
} mtl_session_base_config_t;

typedef struct mtl_video_config {
    mtl_session_base_config_t base;
    union {
        struct st_tx_port tx_port;
        struct st_rx_port rx_port;
    };
    uint32_t width;
    uint32_t height;
    enum st_fps fps;
    bool interlaced;
    enum st_frame_fmt frame_fmt;
    enum st20_fmt transport_fmt;
    enum st21_pacing pacing;
    enum st20_packing packing;
    uint32_t linesize; /* 0, or without padding */
    mtl_video_mode_t mode; /* FRAME; in a format of the wire: SLICE, too */
    /* SLICE, sender: how many lines are there of a frame that was put before all are, and of which
     * mtl_session_slice_ready did not tell; asked every 200 us by a thread of the library. Frames are numbered as
     * they are first got, from 0 on. */
    int (*query_lines_ready)(void *priv, uint16_t frame_idx, uint16_t *lines_ready);
    bool compressed; /* false */
    enum st22_codec codec;
    size_t codestream_size;
    enum st_plugin_device plugin_device;
    enum st22_quality_mode quality;
    uint32_t codec_thread_cnt;
    uint8_t tx_dst_mac[MTL_SESSION_PORT_MAX][MTL_MAC_ADDR_LEN];
    uint32_t start_vrx;
    uint32_t pad_interval;
    int32_t rtp_timestamp_delta_us;
    uint32_t rx_burst_size;
    bool enable_timing_parser; /* false */
    bool enable_auto_detect;   /* false */
} mtl_video_config_t;

typedef struct mtl_audio_config {
    mtl_session_base_config_t base;
    union {
        struct st_tx_port tx_port;
        struct st_rx_port rx_port;
    };
    enum st30_fmt fmt;
    uint16_t channels;
    enum st30_sampling sampling;
    enum st30_ptime ptime;
    uint32_t framebuff_size;
    enum st30_tx_pacing_way pacing_way;
    bool enable_timing_parser;
} mtl_audio_config_t;

typedef struct mtl_ancillary_config {
    mtl_session_base_config_t base;
    union {
        struct st_tx_port tx_port;
        struct st_rx_port rx_port;
    };
    enum st_fps fps;
    bool interlaced;
    uint32_t framebuff_size;
} mtl_ancillary_config_t;

typedef struct mtl_session_stats {
    uint64_t buffers_processed;
    uint64_t bytes_processed;
    uint64_t buffers_dropped;
    uint32_t buffers_free;
    uint32_t buffers_in_use;
    uint64_t epochs_missed; /* 0 */
    uint64_t pkts_received;
    uint64_t pkts_redundant; /* 0 */
} mtl_session_stats_t;

typedef struct mtl_plugin_info {
    char name[64];
    char version[32];
    enum st_plugin_device device;
    enum st22_codec codec;
    bool supports_interlaced;
    uint32_t max_threads;
} mtl_plugin_info_t;

/* The session runs from here on. */
int mtl_video_session_create(mtl_handle mt, const mtl_video_config_t *config, mtl_session_t **session);
int mtl_audio_session_create(mtl_handle mt, const mtl_audio_config_t *config, mtl_session_t **session);
int mtl_ancillary_session_create(mtl_handle mt, const mtl_ancillary_config_t *config, mtl_session_t **session);

/* As onair_session_stop and _start: a pulse is not lost, and a signal handler may call them. */
int mtl_session_start(mtl_session_t *session);
int mtl_session_stop(mtl_session_t *session);
bool mtl_session_is_stopped(mtl_session_t *session);

/* Stops it, and frees it if it has no user. Else -EBUSY, and only the stop has happened. */
int mtl_session_destroy(mtl_session_t *session);
mtl_media_type_t mtl_session_get_type(mtl_session_t *session);

/* The program's memory or the library's, as `ownership` says; else -EINVAL. UINT32_MAX ms has no limit. */
int mtl_session_buffer_get(mtl_session_t *session, mtl_buffer_t **buffer, uint32_t timeout_ms);
int mtl_session_buffer_put(mtl_session_t *session, mtl_buffer_t *buffer);

/* 0: exactly one BUFFER_DONE or BUFFER_READY follows; less: none does. Copies happen here and in event_poll, in the
 * caller's thread: a post goes on when the program polls. -ENOSPC: 32 are waiting. */
int mtl_session_buffer_post(mtl_session_t *session, void *data, size_t size, void *user_ctx);
int mtl_session_buffer_flush(mtl_session_t *session, uint32_t timeout_ms);

/* Any memory may be posted; these only count to 8. */
int mtl_session_mem_register(mtl_session_t *session, void *addr, size_t size, mtl_dma_mem_t **handle);
int mtl_session_mem_unregister(mtl_session_t *session, mtl_dma_mem_t *handle);

/* For one thread. Completions that are due come before a stop's -EAGAIN. */
int mtl_session_event_poll(mtl_session_t *session, mtl_event_t *event, uint32_t timeout_ms);
int mtl_session_get_event_fd(mtl_session_t *session);

int mtl_session_stats_get(mtl_session_t *session, mtl_session_stats_t *stats);
int mtl_session_stats_reset(mtl_session_t *session);
size_t mtl_session_get_frame_size(mtl_session_t *session);
int mtl_session_io_stats_get(mtl_session_t *session, void *stats, size_t stats_size);
int mtl_session_io_stats_reset(mtl_session_t *session);

/* Receive, with a mode of SLICE and a format of the wire: a buffer is got from its first line on. How many of its lines stand
 * now; buffer->status is COMPLETE when all do. */
int mtl_session_slice_query(mtl_session_t *session, mtl_buffer_t *buffer, uint16_t *lines_ready);

/* -ENOTSUP. */
int mtl_session_pcap_dump(mtl_session_t *session, uint32_t max_dump_packets, bool sync, struct st_pcap_dump_meta *meta);
int mtl_session_update_destination(mtl_session_t *session, const struct st_tx_dest_info *dst);
int mtl_session_update_source(mtl_session_t *session, const struct st_rx_source_info *src);
int mtl_session_slice_ready(mtl_session_t *session, mtl_buffer_t *buffer, uint16_t lines_ready);
int mtl_session_get_plugin_info(mtl_session_t *session, mtl_plugin_info_t *info);
int mtl_session_get_queue_meta(mtl_session_t *session, struct st_queue_meta *meta);

/* No effect, as in the draft: each call has its own time-out. */
int mtl_session_set_block_timeout(mtl_session_t *session, uint64_t timeout_us);

#ifdef __cplusplus
}
#endif

#endif
