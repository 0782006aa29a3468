/* st20p_*: MTL's pipeline of uncompressed video. */
#include "internal.h"

#define NO_SENDER                                                                                                      \
    (ST20P_TX_FLAG_USER_P_MAC | ST20P_TX_FLAG_USER_R_MAC | ST20P_TX_FLAG_USER_PACING | ST20P_TX_FLAG_USER_TIMESTAMP |  \
     ST20P_TX_FLAG_ENABLE_VSYNC | ST20P_TX_FLAG_EXACT_USER_PACING | ST20P_TX_FLAG_RTP_TIMESTAMP_EPOCH |                \
     ST20P_TX_FLAG_DROP_WHEN_LATE)
#define NO_RECEIVER                                                                                                    \
    (ST20P_RX_FLAG_DATA_PATH_ONLY | ST20P_RX_FLAG_ENABLE_VSYNC | ST20P_RX_FLAG_SIMULATE_PKT_LOSS |                     \
     ST20P_RX_FLAG_AUTO_DETECT | ST20P_RX_FLAG_TIMING_PARSER_STAT | ST20P_RX_FLAG_TIMING_PARSER_META |                 \
     ST20P_RX_FLAG_USE_GPU_DIRECT_FRAMEBUFFERS)
/* Frames that are put go on the wire one after another: so long after the last one it is there. */
#define FLUSH_PERIODS 3

#define ENTER(handle, otherwise) ENTER_KIND(handle, KIND_PIPELINE, otherwise)

static bool is_refused(const char *what, uint32_t flags, size_t transport_linesize) {
    if (flags == 0 && transport_linesize == 0)
        return false;
    say(MTL_LOG_LEVEL_ERR, "%s: flags 0x%x, or transport_linesize, are not supported", what, flags);
    return true;
}

struct stream *pipeline_create(mtl_handle mt, const struct wish *wish, bool blocks) {
    struct stream *stream;
    if (stream_open(mt, wish, &stream) < 0)
        return NULL;
    stream->blocks = blocks;
    atomic_store(&stream->block_ns, NS_PER_S);
    return stream;
}

void *pipeline_finish(struct stream *stream) {
    void *handle = handle_of(stream);
    const struct wish *wish = &stream->wish;
    bool needs_thread =
        wish->available != NULL || wish->done != NULL || wish->sound_done != NULL || wish->data_done != NULL;
    if (needs_thread && stream_start_notifier(stream) < 0) {
        stream_abort(stream);
        handle = NULL;
    }
    stream_release(stream);
    return handle;
}

void *pipeline_make(mtl_handle mt, const char *what, struct wish *wish, uint32_t refused, bool blocks) {
    if (refused != 0) {
        say(MTL_LOG_LEVEL_ERR, "%s: flags 0x%x, or a pattern of a test, are not supported", what, refused);
        return NULL;
    }
    wish->takes_incomplete = true; /* MTL's receivers of sound and data get each frame */
    struct stream *stream = pipeline_create(mt, wish, blocks);
    return stream != NULL ? pipeline_finish(stream) : NULL;
}

API st20p_tx_handle st20p_tx_create(mtl_handle mt, struct st20p_tx_ops *ops) {
    if (ops == NULL || is_refused("st20p_tx_create", ops->flags & NO_SENDER, ops->transport_linesize))
        return NULL;
    struct wish wish = {
        .sends = true,
        .tx = &ops->port,
        .name = ops->name,
        .width = ops->width,
        .height = ops->height,
        .fps = ops->fps,
        .interlaced = ops->interlaced,
        .app = ops->input_fmt,
        .wire = ops->transport_fmt,
        .packing = ops->transport_packing,
        .pacing = ops->transport_pacing,
        .count = ops->framebuff_cnt,
        .priv = ops->priv,
        .available = ops->notify_frame_available,
        .done = ops->notify_frame_done,
    };
    struct stream *stream = pipeline_create(mt, &wish, ops->flags & ST20P_TX_FLAG_BLOCK_GET);
    return stream != NULL ? pipeline_finish(stream) : NULL;
}

API st20p_rx_handle st20p_rx_create(mtl_handle mt, struct st20p_rx_ops *ops) {
    if (ops == NULL || is_refused("st20p_rx_create", ops->flags & NO_RECEIVER, ops->transport_linesize))
        return NULL;
    struct wish wish = {
        .rx = &ops->port,
        .name = ops->name,
        .width = ops->width,
        .height = ops->height,
        .fps = ops->fps,
        .interlaced = ops->interlaced,
        .app = ops->output_fmt,
        .wire = ops->transport_fmt,
        .count = ops->framebuff_cnt,
        .takes_incomplete = ops->flags & ST20P_RX_FLAG_RECEIVE_INCOMPLETE_FRAME,
        .priv = ops->priv,
        .available = ops->notify_frame_available,
    };
    struct stream *stream = pipeline_create(mt, &wish, ops->flags & ST20P_RX_FLAG_BLOCK_GET);
    if (stream == NULL)
        return NULL;
    stream->query_ext = ops->query_ext_frame;
    size_t count = ops->ext_frames != NULL ? ops->framebuff_cnt : 0;
    if (count > 0 && (stream->ext_frames = calloc(count, sizeof *stream->ext_frames)) != NULL) {
        memcpy(stream->ext_frames, ops->ext_frames, count * sizeof *stream->ext_frames);
        stream->ext_count = (uint32_t)count;
    }
    stream->uses_ext = ops->query_ext_frame != NULL || stream->ext_count > 0;
    return pipeline_finish(stream);
}

int pipeline_end(const void *handle, enum kind kind) {
    ENTER_KIND(handle, kind, -EINVAL);
    if (stream->wish.sends) {
        uint64_t frames = stream->wish.count + FLUSH_PERIODS;
        onair_session_flush(stream->session, (uint32_t)(frames * stream->period_ns / 1000000), NULL);
    }
    int error = stream_abort(stream);
    stream_release(stream);
    return error;
}

API int st20p_tx_free(st20p_tx_handle handle) { return pipeline_end(handle, KIND_PIPELINE); }
API int st20p_rx_free(st20p_rx_handle handle) { return pipeline_end(handle, KIND_PIPELINE); }

/* Moves a received frame into memory of the program. False: it gave none that fits. */
static bool into_ext(struct stream *stream, struct slot *slot) {
    struct st_frame *frame = &slot->frame;
    struct st_ext_frame ext = {0};
    if (stream->query_ext != NULL) {
        struct st20_rx_frame_meta meta = {
            .width = frame->width,
            .height = st_frame_data_height(frame),
            .fps = stream->wish.fps,
            .fmt = stream->wish.wire,
            .tfmt = frame->tfmt,
            .timestamp = frame->timestamp,
            .status = frame->status,
            .frame_total_size = stream->bytes,
            .frame_recv_size = stream->bytes,
            .second_field = frame->second_field,
            .rtp_timestamp = frame->rtp_timestamp,
            .pkts_total = frame->pkts_total,
            .pkts_recv = {frame->pkts_recv[0]},
        };
        if (stream->query_ext(stream->wish.priv, &ext, &meta) < 0)
            return false;
    } else {
        pthread_mutex_lock(&stream->lock);
        ext = stream->ext_frames[stream->next_ext++ % stream->ext_count];
        pthread_mutex_unlock(&stream->lock);
    }
    if (ext.addr[0] == NULL || (ext.size != 0 && ext.size < stream->bytes))
        return false;
    for (unsigned i = 1; i < stream->format->planes; i++)
        if (ext.addr[i] == NULL)
            ext.addr[i] = (unsigned char *)ext.addr[i - 1] + stream->linesize[i - 1] * stream->lines[i - 1];
    copy_planes(stream, ext.addr, ext.linesize, frame->addr, frame->linesize);
    for (unsigned i = 0; i < stream->format->planes; i++) {
        frame->addr[i] = ext.addr[i];
        frame->iova[i] = ext.iova[i];
        frame->linesize[i] = ext.linesize[i] != 0 ? ext.linesize[i] : stream->linesize[i];
    }
    frame->opaque = ext.opaque;
    frame->flags |= ST_FRAME_FLAG_EXT_BUF;
    return true;
}

struct slot *pipeline_get(const void *handle, enum kind kind) {
    ENTER_KIND(handle, kind, NULL);
    uint64_t ns = stream->blocks ? atomic_load(&stream->block_ns) : 0, ms = ns / 1000000 + (ns % 1000000 != 0);
    struct slot *slot;
    if (frame_get(stream, ms < ONAIR_FOREVER ? (uint32_t)ms : ONAIR_FOREVER, &slot) < 0) {
        slot = NULL;
    } else if (stream->uses_ext && !into_ext(stream, slot)) {
        frame_put(stream, slot, true);
        slot = NULL;
        say(MTL_LOG_LEVEL_WARNING, "a frame is lost: the program gave no memory that it fits in");
    }
    stream_release(stream);
    return slot;
}

static struct st_frame *get(const void *handle) {
    struct slot *slot = pipeline_get(handle, KIND_PIPELINE);
    return slot != NULL ? &slot->frame : NULL;
}

API struct st_frame *st20p_tx_get_frame(st20p_tx_handle handle) { return get(handle); }
API struct st_frame *st20p_rx_get_frame(st20p_rx_handle handle) { return get(handle); }

int pipeline_put(const void *handle, enum kind kind, const void *frame, bool unsent) {
    ENTER_KIND(handle, kind, -EINVAL);
    struct slot *slot;
    int error = frame_claim(stream, frame, &slot);
    return leave(stream, error == 0 ? frame_put(stream, slot, unsent) : error);
}

API int st20p_tx_put_frame(st20p_tx_handle handle, struct st_frame *frame) {
    return pipeline_put(handle, KIND_PIPELINE, frame, false);
}
API int st20p_rx_put_frame(st20p_rx_handle handle, struct st_frame *frame) {
    return pipeline_put(handle, KIND_PIPELINE, frame, false);
}
API int st20p_tx_put_frame_abort(st20p_tx_handle handle, struct st_frame *frame) {
    return pipeline_put(handle, KIND_PIPELINE, frame, true);
}
API int st20p_rx_put_frame_abort(st20p_rx_handle handle, struct st_frame *frame) {
    return pipeline_put(handle, KIND_PIPELINE, frame, true);
}

API int st20p_tx_put_ext_frame(st20p_tx_handle handle, struct st_frame *frame, struct st_ext_frame *ext_frame) {
    if (ext_frame == NULL)
        return -EINVAL;
    ENTER(handle, -EINVAL);
    struct slot *slot;
    int error = frame_claim(stream, frame, &slot);
    if (error != 0)
        return leave(stream, error);
    void *to[ST_MAX_PLANES];
    plane_pointers(stream, slot->pixels != NULL ? slot->pixels : slot->held.data, to);
    copy_planes(stream, to, stream->linesize, ext_frame->addr, ext_frame->linesize);
    slot->frame.opaque = ext_frame->opaque;
    slot->frame.flags |= ST_FRAME_FLAG_EXT_BUF;
    return leave(stream, frame_put(stream, slot, false));
}

/* The memory was copied when it was put. */
API int st20p_tx_notify_ext_frame_free(st20p_tx_handle handle, struct st_frame *frame) {
    ENTER(handle, -EINVAL);
    stream_release(stream);
    return frame != NULL ? 0 : -EINVAL;
}

size_t pipeline_frame_size(const void *handle, enum kind kind) {
    ENTER_KIND(handle, kind, 0);
    size_t bytes = stream->bytes;
    stream_release(stream);
    return bytes;
}

API size_t st20p_tx_frame_size(st20p_tx_handle handle) { return pipeline_frame_size(handle, KIND_PIPELINE); }
API size_t st20p_rx_frame_size(st20p_rx_handle handle) { return pipeline_frame_size(handle, KIND_PIPELINE); }

int pipeline_wake(const void *handle) {
    int error = onair_session_stop(session_of(handle));
    return error < 0 ? -EINVAL : onair_session_start(session_of(handle));
}

API int st20p_tx_wake_block(st20p_tx_handle handle) { return pipeline_wake(handle); }
API int st20p_rx_wake_block(st20p_rx_handle handle) { return pipeline_wake(handle); }

int pipeline_set_block(const void *handle, enum kind kind, uint64_t ns) {
    ENTER_KIND(handle, kind, -EINVAL);
    atomic_store(&stream->block_ns, ns);
    stream_release(stream);
    return 0;
}

API int st20p_tx_set_block_timeout(st20p_tx_handle handle, uint64_t timedwait_ns) {
    return pipeline_set_block(handle, KIND_PIPELINE, timedwait_ns);
}
API int st20p_rx_set_block_timeout(st20p_rx_handle handle, uint64_t timedwait_ns) {
    return pipeline_set_block(handle, KIND_PIPELINE, timedwait_ns);
}

int pipeline_count(const void *handle, enum kind kind, struct counters *to) {
    ENTER_KIND(handle, kind, -EINVAL);
    pthread_mutex_lock(&stream->lock);
    if (to != NULL)
        *to = stream->counters;
    else
        stream->counters = (struct counters){0};
    pthread_mutex_unlock(&stream->lock);
    stream_release(stream);
    return 0;
}

int pipeline_move(const void *handle, enum kind kind, const void *address) {
    ENTER_KIND(handle, kind, -EINVAL);
    return leave(stream, address != NULL ? -ENOTSUP : -EINVAL);
}

API int st20p_tx_get_session_stats(st20p_tx_handle handle, struct st20_tx_user_stats *stats) {
    struct counters counters;
    int error = stats != NULL ? pipeline_count(handle, KIND_PIPELINE, &counters) : -EINVAL;
    if (error == 0)
        *stats = tx_stats(&counters);
    return error;
}

API int st20p_rx_get_session_stats(st20p_rx_handle handle, struct st20_rx_user_stats *stats) {
    struct counters counters;
    int error = stats != NULL ? pipeline_count(handle, KIND_PIPELINE, &counters) : -EINVAL;
    if (error == 0)
        *stats = rx_stats(&counters);
    return error;
}

API int st20p_tx_reset_session_stats(st20p_tx_handle handle) { return pipeline_count(handle, KIND_PIPELINE, NULL); }
API int st20p_rx_reset_session_stats(st20p_rx_handle handle) { return pipeline_count(handle, KIND_PIPELINE, NULL); }

API int st20p_tx_update_destination(st20p_tx_handle handle, struct st_tx_dest_info *dst) {
    return pipeline_move(handle, KIND_PIPELINE, dst);
}

API int st20p_rx_update_source(st20p_rx_handle handle, struct st_rx_source_info *src) {
    return pipeline_move(handle, KIND_PIPELINE, src);
}

API int st20p_rx_pcapng_dump(st20p_rx_handle handle, uint32_t max_dump_packets, bool sync,
                             struct st_pcap_dump_meta *meta) {
    (void)max_dump_packets, (void)sync, (void)meta;
    ENTER(handle, -EINVAL);
    stream_release(stream);
    return -ENOTSUP;
}
