/* st40p_*: MTL's pipeline of ancillary data. */
#include "internal.h"

#define NO_SENDER                                                                                                      \
    (ST40P_TX_FLAG_USER_P_MAC | ST40P_TX_FLAG_USER_R_MAC | ST40P_TX_FLAG_USER_PACING | ST40P_TX_FLAG_USER_TIMESTAMP |  \
     ST40P_TX_FLAG_DROP_WHEN_LATE | ST40P_TX_FLAG_EXACT_USER_PACING)
#define NO_RECEIVER ST40P_RX_FLAG_DATA_PATH_ONLY

int data_json(const struct wish *wish, char *json, size_t bytes) {
    const struct fps *fps = fps_of(wish->fps);
    if (fps == NULL || wish->data.bytes > INT32_MAX)
        return -EINVAL;
    snprintf(json, bytes, "\"ancillary\": {\"frame_rate\": \"%u/%u\", \"fields\": %s}", fps->numerator,
             fps->denominator * (wish->interlaced ? 2 : 1), wish->interlaced ? "true" : "false");
    return 0;
}

void data_describe(struct stream *stream, struct slot *slot, uint64_t received_ns) {
    const onair_buffer *held = &slot->held;
    bool sends = stream->wish.sends;
    struct st40_frame_info frame = {
        .meta = slot->meta,
        .meta_num = sends ? 0 : slot->data.meta_num,
        .udw_buff_addr = slot->pixels,
        .udw_buffer_size = stream->bytes,
        .udw_buffer_fill = sends ? 0 : slot->data.udw_buffer_fill,
        .tfmt = sends ? ST10_TIMESTAMP_FMT_TAI : ST10_TIMESTAMP_FMT_MEDIA_CLK,
        .timestamp = held->rtp_timestamp,
        .rtp_timestamp = held->rtp_timestamp,
        .pkts_total = held->packets + held->packets_lost,
        .pkts_recv = {held->packets},
        .port_seq_lost = {held->packets_lost},
        .port_seq_discont = {held->packets_lost != 0},
        .rtp_marker = !sends && held->is_complete,
        .seq_discont = held->packets_lost != 0,
        .seq_lost = held->packets_lost,
        .receive_timestamp = received_ns,
        .second_field = slot->is_second,
        .interlaced = stream->wish.interlaced || slot->is_second,
        .status = sends || held->is_complete ? ST_FRAME_STATUS_COMPLETE : ST_FRAME_STATUS_CORRUPTED,
        .priv = slot,
    };
    slot->data = frame;
}

int data_unpack(struct stream *stream, struct slot *slot) {
    onair_anc_packet none = {.size = sizeof none};
    int count = onair_anc_unpack(stream->session, &slot->held, &none, 0);
    onair_anc_packet *packets = count > 0 ? calloc((size_t)count, sizeof *packets) : NULL;
    if (count > 0 && packets == NULL)
        return -ENOMEM;
    if (count > 0) {
        packets[0].size = sizeof *packets;
        count = onair_anc_unpack(stream->session, &slot->held, packets, (size_t)count);
    }
    struct st40_frame_info *frame = &slot->data;
    frame->meta_num = frame->udw_buffer_fill = 0;
    slot->is_second = count > 0 && packets[0].field == ONAIR_FIELD_SECOND;
    for (int i = 0; i < count && frame->meta_num < ST40_MAX_META; i++) {
        const onair_anc_packet *packet = &packets[i];
        if (packet->is_parity_wrong || packet->is_checksum_wrong ||
            frame->udw_buffer_fill + packet->word_count > stream->bytes || frame->udw_buffer_fill > UINT16_MAX)
            continue;
        slot->meta[frame->meta_num++] = (struct st40_meta){
            .c = (uint16_t)packet->is_chroma,
            .line_number = (uint16_t)packet->line,
            .hori_offset = (uint16_t)packet->offset,
            .s = (uint16_t)packet->has_stream,
            .stream_num = (uint16_t)packet->stream,
            .did = (uint16_t)packet->did,
            .sdid = (uint16_t)packet->sdid,
            .udw_size = (uint16_t)packet->word_count,
            .udw_offset = (uint16_t)frame->udw_buffer_fill,
        };
        for (uint32_t at = 0; at < packet->word_count; at++)
            slot->pixels[frame->udw_buffer_fill++] = (unsigned char)packet->words[at];
    }
    free(packets);
    return count < 0 ? count : 0;
}

int data_pack(struct stream *stream, struct slot *slot) {
    const struct st40_frame_info *frame = &slot->data;
    if (frame->meta_num > ST40_MAX_META)
        return -EINVAL;
    onair_anc_packet *packets = calloc(ST40_MAX_META, sizeof *packets);
    int error = packets == NULL ? -ENOMEM : 0;
    for (uint32_t i = 0; error == 0 && i < frame->meta_num; i++) {
        const struct st40_meta *meta = &slot->meta[i];
        if (meta->udw_size > 255 || (size_t)meta->udw_offset + meta->udw_size > stream->bytes) {
            error = -EINVAL;
            break;
        }
        packets[i] = (onair_anc_packet){
            .size = sizeof *packets,
            .line = meta->line_number,
            .offset = meta->hori_offset,
            .is_chroma = meta->c,
            .has_stream = meta->s,
            .stream = meta->stream_num,
            .did = meta->did,
            .sdid = meta->sdid,
            .word_count = meta->udw_size,
        };
        for (uint32_t at = 0; at < meta->udw_size; at++)
            packets[i].words[at] = slot->pixels[meta->udw_offset + at];
    }
    if (error == 0)
        error = onair_anc_pack(stream->session, &slot->held, packets, frame->meta_num);
    free(packets);
    return error;
}

API st40p_tx_handle st40p_tx_create(mtl_handle mt, struct st40p_tx_ops *ops) {
    if (ops == NULL)
        return NULL;
    struct wish wish = {
        .kind = KIND_DATA,
        .sends = true,
        .tx = &ops->port,
        .name = ops->name,
        .fps = ops->fps,
        .interlaced = ops->interlaced,
        .data = {ops->max_udw_buff_size},
        .count = ops->framebuff_cnt,
        .priv = ops->priv,
        .available = ops->notify_frame_available,
        .data_done = ops->notify_frame_done,
    };
    uint32_t refused = (ops->flags & NO_SENDER) | (ops->test.pattern != ST40_TX_TEST_NONE ? MTL_BIT32(31) : 0);
    return pipeline_make(mt, "st40p_tx_create", &wish, refused, ops->flags & ST40P_TX_FLAG_BLOCK_GET);
}

API st40p_rx_handle st40p_rx_create(mtl_handle mt, struct st40p_rx_ops *ops) {
    if (ops == NULL)
        return NULL;
    struct wish wish = {
        .kind = KIND_DATA,
        .rx = &ops->port,
        .name = ops->name,
        .fps = ST_FPS_P59_94,
        .interlaced = ops->interlaced,
        .data = {ops->max_udw_buff_size},
        .count = ops->framebuff_cnt,
        .priv = ops->priv,
        .available = ops->notify_frame_available,
    };
    return pipeline_make(mt, "st40p_rx_create", &wish, ops->flags & NO_RECEIVER, ops->flags & ST40P_RX_FLAG_BLOCK_GET);
}

static struct st40_frame_info *get(const void *handle) {
    struct slot *slot = pipeline_get(handle, KIND_DATA);
    return slot != NULL ? &slot->data : NULL;
}

API struct st40_frame_info *st40p_tx_get_frame(st40p_tx_handle handle) { return get(handle); }
API struct st40_frame_info *st40p_rx_get_frame(st40p_rx_handle handle) { return get(handle); }

API int st40p_tx_put_frame(st40p_tx_handle handle, struct st40_frame_info *frame_info) {
    return pipeline_put(handle, KIND_DATA, frame_info, false);
}
API int st40p_tx_put_frame_abort(st40p_tx_handle handle, struct st40_frame_info *frame_info) {
    return pipeline_put(handle, KIND_DATA, frame_info, true);
}
API int st40p_rx_put_frame_abort(st40p_rx_handle handle, struct st40_frame_info *frame_info) {
    return pipeline_put(handle, KIND_DATA, frame_info, true);
}
API int st40p_rx_put_frame(st40p_rx_handle handle, struct st40_frame_info *frame_info) {
    return pipeline_put(handle, KIND_DATA, frame_info, false);
}

API int st40p_tx_free(st40p_tx_handle handle) { return pipeline_end(handle, KIND_DATA); }
API int st40p_rx_free(st40p_rx_handle handle) { return pipeline_end(handle, KIND_DATA); }
API size_t st40p_tx_max_udw_buff_size(st40p_tx_handle handle) { return pipeline_frame_size(handle, KIND_DATA); }
API size_t st40p_rx_max_udw_buff_size(st40p_rx_handle handle) { return pipeline_frame_size(handle, KIND_DATA); }
API int st40p_tx_wake_block(st40p_tx_handle handle) { return pipeline_wake(handle); }
API int st40p_rx_wake_block(st40p_rx_handle handle) { return pipeline_wake(handle); }
API int st40p_tx_set_block_timeout(st40p_tx_handle handle, uint64_t timedwait_ns) {
    return pipeline_set_block(handle, KIND_DATA, timedwait_ns);
}
API int st40p_rx_set_block_timeout(st40p_rx_handle handle, uint64_t timedwait_ns) {
    return pipeline_set_block(handle, KIND_DATA, timedwait_ns);
}

API int st40p_tx_get_session_stats(st40p_tx_handle handle, struct st40_tx_user_stats *stats) {
    struct counters counters;
    int error = stats != NULL ? pipeline_count(handle, KIND_DATA, &counters) : -EINVAL;
    if (error == 0)
        *stats = (struct st40_tx_user_stats){.common = tx_stats(&counters).common};
    return error;
}

API int st40p_rx_get_session_stats(st40p_rx_handle handle, struct st40_rx_user_stats *stats) {
    struct counters counters;
    int error = stats != NULL ? pipeline_count(handle, KIND_DATA, &counters) : -EINVAL;
    if (error == 0)
        *stats = (struct st40_rx_user_stats){.common = rx_stats(&counters).common};
    return error;
}

API int st40p_tx_reset_session_stats(st40p_tx_handle handle) { return pipeline_count(handle, KIND_DATA, NULL); }
API int st40p_rx_reset_session_stats(st40p_rx_handle handle) { return pipeline_count(handle, KIND_DATA, NULL); }

API int st40p_tx_update_destination(st40p_tx_handle handle, struct st_tx_dest_info *dst) {
    return pipeline_move(handle, KIND_DATA, dst);
}

API int st40p_rx_update_source(st40p_rx_handle handle, struct st_rx_source_info *src) {
    return pipeline_move(handle, KIND_DATA, src);
}
