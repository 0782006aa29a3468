/* mtl_session_*: MTL's draft of one session type. Its events and posted buffers: events.c. */
#include "internal.h"

#define REFUSED                                                                                                        \
    (MTL_SESSION_FLAG_USER_PACING | MTL_SESSION_FLAG_USER_TIMESTAMP | MTL_SESSION_FLAG_DATA_PATH_ONLY |                \
     MTL_SESSION_FLAG_USER_P_MAC | MTL_SESSION_FLAG_USER_R_MAC | MTL_SESSION_FLAG_EXACT_USER_PACING |                  \
     MTL_SESSION_FLAG_RTP_TIMESTAMP_EPOCH | MTL_SESSION_FLAG_DROP_WHEN_LATE)

#define ENTER(handle, otherwise) ENTER_KIND(handle, KIND_SESSION, otherwise)

API int mtl_video_session_create(mtl_handle mt, const mtl_video_config_t *config, mtl_session_t **session) {
    if (config == NULL || session == NULL)
        return -EINVAL;
    const mtl_session_base_config_t *base = &config->base;
    bool in_slices = config->mode == MTL_VIDEO_MODE_SLICE;
    if (config->compressed || config->enable_timing_parser || config->enable_auto_detect ||
        (base->flags & REFUSED) != 0 || base->query_ext_frame != NULL)
        return -ENOTSUP;
    if (config->mode != MTL_VIDEO_MODE_FRAME && !in_slices)
        return -EINVAL;
    if (in_slices && base->ownership == MTL_BUFFER_USER_OWNED)
        return -ENOTSUP;
    struct wish wish = {
        .kind = KIND_SESSION,
        .sends = base->direction == MTL_SESSION_TX,
        .tx = &config->tx_port,
        .rx = &config->rx_port,
        .name = base->name,
        .width = config->width,
        .height = config->height,
        .fps = config->fps,
        .interlaced = config->interlaced,
        .app = config->frame_fmt,
        .wire = config->transport_fmt,
        .packing = config->packing,
        .pacing = config->pacing,
        .count = base->num_buffers,
        .takes_incomplete = base->flags & MTL_SESSION_FLAG_RECEIVE_INCOMPLETE_FRAME,
        .in_slices = in_slices,
        .lines = in_slices && base->direction == MTL_SESSION_TX ? config->query_lines_ready : NULL,
        .priv = base->priv,
        .available = base->notify_buffer_ready,
    };
    struct stream *stream;
    int error = stream_open(mt, &wish, &stream);
    if (error < 0)
        return error;
    /* Lines that are converted as a frame are there when it is. */
    if (in_slices && stream->format->layout != NULL) {
        stream_abort(stream);
        return leave(stream, -ENOTSUP);
    }
    stream->is_user_owned = base->ownership == MTL_BUFFER_USER_OWNED;
    stream->has_vsync = base->flags & MTL_SESSION_FLAG_ENABLE_VSYNC;
    stream->next_vsync = tai_ns() / stream->period_ns + 1;
    error = onair_event_fd(stream->session);
    if (error >= 0 && (wish.available != NULL || wish.lines != NULL))
        error = stream_start_notifier(stream);
    if (error < 0)
        stream_abort(stream);
    else
        *session = handle_of(stream);
    return leave(stream, error < 0 ? error : 0);
}

API int mtl_audio_session_create(mtl_handle mt, const mtl_audio_config_t *config, mtl_session_t **session) {
    (void)mt;
    return config != NULL && session != NULL ? -ENOTSUP : -EINVAL;
}
API int mtl_ancillary_session_create(mtl_handle mt, const mtl_ancillary_config_t *config, mtl_session_t **session) {
    (void)mt;
    return config != NULL && session != NULL ? -ENOTSUP : -EINVAL;
}

/* A handle that was released or is made up is -EINVAL here. */
static int of_handle(int result) { return result == -ESTALE ? -EINVAL : result; }

API int mtl_session_start(mtl_session_t *session) { return of_handle(onair_session_start(session_of(session))); }

API int mtl_session_stop(mtl_session_t *session) {
    stream_stopped(session);
    return of_handle(onair_session_stop(session_of(session)));
}

API bool mtl_session_is_stopped(mtl_session_t *session) { return onair_session_is_stopped(session_of(session)) != 0; }

API int mtl_session_destroy(mtl_session_t *session) {
    ENTER(session, -EINVAL);
    if (stream_is_own_callback(stream))
        return leave(stream, -EDEADLK);
    mtl_session_stop(session);
    /* Frames that only an event was made of. */
    struct slot *slot;
    while ((slot = frame_next_ready(stream)) != NULL)
        frame_put(stream, slot, true);
    frame_end_filling(stream);
    int error = onair_session_destroy(stream->session, 0);
    if (error == 0 || error == -ESTALE)
        error = stream_forget(stream) ? 0 : -EINVAL;
    return leave(stream, error);
}

API mtl_media_type_t mtl_session_get_type(mtl_session_t *session) {
    (void)session;
    return MTL_TYPE_VIDEO;
}

API int mtl_session_buffer_get(mtl_session_t *session, mtl_buffer_t **buffer, uint32_t timeout_ms) {
    ENTER(session, -EINVAL);
    if (buffer == NULL || stream->is_user_owned)
        return leave(stream, -EINVAL);
    if (onair_session_is_stopped(stream->session) == 1)
        return leave(stream, -EAGAIN);
    struct slot *slot = frame_next_ready(stream);
    int error = 0;
    if (slot == NULL)
        error = frame_get(stream, timeout_ms, &slot);
    if (error == -ETIMEDOUT && stream->has_fd) {
        clear_fd(stream);
        error = frame_get(stream, 0, &slot);
    }
    if (error == 0) {
        *buffer = &slot->buffer;
        if (stream->has_fd)
            stream_wake(stream); /* maybe there are more */
    }
    return leave(stream, error);
}

API int mtl_session_buffer_put(mtl_session_t *session, mtl_buffer_t *buffer) {
    ENTER(session, -EINVAL);
    struct slot *slot;
    int error = frame_claim(stream, buffer, &slot);
    return leave(stream, error == 0 ? frame_put(stream, slot, false) : error);
}

API int mtl_session_stats_get(mtl_session_t *session, mtl_session_stats_t *stats) {
    ENTER(session, -EINVAL);
    if (stats == NULL)
        return leave(stream, -EINVAL);
    pthread_mutex_lock(&stream->lock);
    uint32_t used = 0;
    for (struct slot *it = stream->slots; it != NULL; it = it->next)
        used += it->state != SLOT_FREE;
    *stats = (mtl_session_stats_t){
        .buffers_processed = stream->counters.frames,
        .bytes_processed = stream->counters.bytes,
        .buffers_dropped = stream->counters.dropped,
        .buffers_free = used < stream->wish.count ? stream->wish.count - used : 0,
        .buffers_in_use = used,
        .pkts_received = stream->counters.packets,
    };
    pthread_mutex_unlock(&stream->lock);
    return leave(stream, 0);
}

API int mtl_session_stats_reset(mtl_session_t *session) {
    ENTER(session, -EINVAL);
    pthread_mutex_lock(&stream->lock);
    stream->counters = (struct counters){0};
    pthread_mutex_unlock(&stream->lock);
    return leave(stream, 0);
}

API size_t mtl_session_get_frame_size(mtl_session_t *session) {
    ENTER(session, 0);
    size_t bytes = stream->bytes;
    stream_release(stream);
    return bytes;
}

API int mtl_session_io_stats_get(mtl_session_t *session, void *stats, size_t stats_size) {
    ENTER(session, -EINVAL);
    size_t needed = stream->wish.sends ? sizeof(struct st20_tx_user_stats) : sizeof(struct st20_rx_user_stats);
    if (stats == NULL || stats_size < needed)
        return leave(stream, -EINVAL);
    pthread_mutex_lock(&stream->lock);
    if (stream->wish.sends)
        *(struct st20_tx_user_stats *)stats = tx_stats(&stream->counters);
    else
        *(struct st20_rx_user_stats *)stats = rx_stats(&stream->counters);
    pthread_mutex_unlock(&stream->lock);
    return leave(stream, 0);
}

API int mtl_session_io_stats_reset(mtl_session_t *session) { return mtl_session_stats_reset(session); }

/* What no session has. */
static int refuse(const void *session, const void *argument) {
    ENTER(session, -EINVAL);
    return leave(stream, argument != NULL ? -ENOTSUP : -EINVAL);
}

API int mtl_session_pcap_dump(mtl_session_t *session, uint32_t max_dump_packets, bool sync,
                              struct st_pcap_dump_meta *meta) {
    (void)max_dump_packets, (void)sync, (void)meta;
    return refuse(session, session);
}
API int mtl_session_update_destination(mtl_session_t *session, const struct st_tx_dest_info *dst) {
    return refuse(session, dst);
}
API int mtl_session_update_source(mtl_session_t *session, const struct st_rx_source_info *src) {
    return refuse(session, src);
}
API int mtl_session_slice_ready(mtl_session_t *session, mtl_buffer_t *buffer, uint16_t lines_ready) {
    ENTER(session, -EINVAL);
    return leave(stream, frame_lines_ready(stream, buffer, lines_ready));
}
API int mtl_session_slice_query(mtl_session_t *session, mtl_buffer_t *buffer, uint16_t *lines_ready) {
    ENTER(session, -EINVAL);
    if (lines_ready == NULL)
        return leave(stream, -EINVAL);
    if (!stream->wish.in_slices || stream->wish.sends)
        return leave(stream, -ENOTSUP);
    struct slot *slot;
    int error = frame_claim(stream, buffer, &slot);
    if (error < 0)
        return leave(stream, error);
    int lines = frame_look(stream, slot);
    if (lines >= 0)
        *lines_ready = (uint16_t)lines;
    return leave(stream, lines < 0 ? lines : 0);
}
API int mtl_session_get_plugin_info(mtl_session_t *session, mtl_plugin_info_t *info) { return refuse(session, info); }
API int mtl_session_get_queue_meta(mtl_session_t *session, struct st_queue_meta *meta) { return refuse(session, meta); }

API int mtl_session_set_block_timeout(mtl_session_t *session, uint64_t timeout_us) {
    (void)timeout_us;
    ENTER(session, -EINVAL);
    return leave(stream, 0);
}
