/* st30p_*: MTL's pipeline of audio. */
#include "internal.h"

#define NO_SENDER                                                                                                      \
    (ST30P_TX_FLAG_USER_P_MAC | ST30P_TX_FLAG_USER_R_MAC | ST30P_TX_FLAG_USER_PACING | ST30P_TX_FLAG_DROP_WHEN_LATE)
#define NO_RECEIVER (ST30P_RX_FLAG_DATA_PATH_ONLY | ST30P_RX_FLAG_SIMULATE_PKT_LOSS)

/* Packet times: as in SDP, samples of a packet at 48 kHz, or at 44.1 kHz. */
static const struct {
    unsigned us, of_48k, of_44k;
} ptimes[] = {
    [ST30_PTIME_1MS] = {1000, 48, 0},   [ST30_PTIME_125US] = {125, 6, 0},    [ST30_PTIME_250US] = {250, 12, 0},
    [ST30_PTIME_333US] = {333, 16, 0},  [ST30_PTIME_4MS] = {4000, 192, 0},   [ST31_PTIME_80US] = {80, 4, 0},
    [ST31_PTIME_1_09MS] = {1090, 0, 48}, [ST31_PTIME_0_14MS] = {140, 0, 6}, [ST31_PTIME_0_09MS] = {90, 0, 4},
};

API double st30_get_packet_time(enum st30_ptime ptime) {
    if ((unsigned)ptime >= ST30_PTIME_MAX)
        return -EINVAL;
    unsigned samples = ptimes[ptime].of_48k;
    return samples != 0 ? samples * (1e9 / 48000) : ptimes[ptime].of_44k * (1e9 / 44100);
}

API int st30_get_sample_size(enum st30_fmt fmt) {
    static const int bytes[] = {1, 2, 3, 4};
    return (unsigned)fmt < ST30_FMT_MAX ? bytes[fmt] : -EINVAL;
}

API int st30_get_sample_num(enum st30_ptime ptime, enum st30_sampling sampling) {
    if ((unsigned)ptime >= ST30_PTIME_MAX)
        return -EINVAL;
    unsigned samples = sampling == ST30_SAMPLING_48K   ? ptimes[ptime].of_48k
                       : sampling == ST30_SAMPLING_96K ? 2 * ptimes[ptime].of_48k
                       : sampling == ST31_SAMPLING_44K ? ptimes[ptime].of_44k
                                                       : 0;
    return samples != 0 ? (int)samples : -EINVAL;
}

API int st30_get_sample_rate(enum st30_sampling sampling) {
    static const int rates[] = {48000, 96000, 44100};
    return (unsigned)sampling < ST30_SAMPLING_MAX ? rates[sampling] : -EINVAL;
}

API int st30_get_packet_size(enum st30_fmt fmt, enum st30_ptime ptime, enum st30_sampling sampling, uint16_t channel) {
    int bytes = st30_get_sample_size(fmt), samples = st30_get_sample_num(ptime, sampling);
    return bytes < 0 || samples < 0 || channel == 0 ? -EINVAL : bytes * samples * channel;
}

API int st30_calculate_framebuff_size(enum st30_fmt fmt, enum st30_ptime ptime, enum st30_sampling sampling,
                                      uint16_t channel, uint64_t desired_frame_time_ns, double *fps) {
    int bytes = st30_get_packet_size(fmt, ptime, sampling, channel);
    if (bytes < 0)
        return bytes;
    double packet_ns = st30_get_packet_time(ptime), packets = (double)desired_frame_time_ns / packet_ns;
    packets = packets < 1 ? 1 : packets * bytes > INT32_MAX ? INT32_MAX / bytes : (int)packets;
    if (fps != NULL)
        *fps = 1e9 / packet_ns / packets;
    return (int)packets * bytes;
}

int sound_json(const struct sound *sound, char *json, size_t bytes) {
    static const char *const codings[] = {NULL, "L16", "L24", "AM824"};
    int packet = st30_get_packet_size(sound->fmt, sound->ptime, sound->sampling, sound->channels);
    if (packet < 0 || codings[sound->fmt] == NULL || sound->bytes == 0 || sound->bytes % (uint32_t)packet != 0)
        return -EINVAL;
    uint32_t samples = sound->bytes / (uint32_t)st30_get_sample_size(sound->fmt) / sound->channels;
    snprintf(json, bytes,
             "\"audio\": {\"coding\": \"%s\", \"sample_rate\": %d, \"channels\": %u, \"packet_time_us\": %u, "
             "\"block_samples\": %u}",
             codings[sound->fmt], st30_get_sample_rate(sound->sampling), sound->channels, ptimes[sound->ptime].us,
             samples);
    return 0;
}

uint64_t sound_period_ns(const struct sound *sound) {
    int packet = st30_get_packet_size(sound->fmt, sound->ptime, sound->sampling, sound->channels);
    return packet > 0 ? (uint64_t)(st30_get_packet_time(sound->ptime) * (sound->bytes / (uint32_t)packet)) : 0;
}

void sound_describe(struct stream *stream, struct slot *slot, uint64_t received_ns) {
    const onair_buffer *held = &slot->held;
    const struct sound *sound = &stream->wish.sound;
    bool sends = stream->wish.sends;
    slot->sound = (struct st30_frame){
        .addr = held->data,
        .fmt = sound->fmt,
        .channel = sound->channels,
        .sampling = sound->sampling,
        .ptime = sound->ptime,
        .buffer_size = stream->bytes,
        .data_size = stream->bytes,
        .tfmt = sends ? ST10_TIMESTAMP_FMT_TAI : ST10_TIMESTAMP_FMT_MEDIA_CLK,
        .timestamp = held->rtp_timestamp,
        .epoch = held->media_time_ns / stream->period_ns,
        .rtp_timestamp = held->rtp_timestamp,
        .pkts_total = held->packets + held->packets_lost,
        .pkts_recv = {held->packets},
        .receive_timestamp = received_ns,
        .status = sends || held->is_complete ? ST_FRAME_STATUS_COMPLETE : ST_FRAME_STATUS_CORRUPTED,
        .priv = slot,
    };
}

API st30p_tx_handle st30p_tx_create(mtl_handle mt, struct st30p_tx_ops *ops) {
    if (ops == NULL)
        return NULL;
    struct wish wish = {
        .kind = KIND_SOUND,
        .sends = true,
        .tx = &ops->port,
        .name = ops->name,
        .sound = {ops->fmt, ops->channel, ops->sampling, ops->ptime, ops->framebuff_size},
        .count = ops->framebuff_cnt,
        .priv = ops->priv,
        .available = ops->notify_frame_available,
        .sound_done = ops->notify_frame_done,
    };
    return pipeline_make(mt, "st30p_tx_create", &wish, ops->flags & NO_SENDER, ops->flags & ST30P_TX_FLAG_BLOCK_GET);
}

API st30p_rx_handle st30p_rx_create(mtl_handle mt, struct st30p_rx_ops *ops) {
    if (ops == NULL)
        return NULL;
    struct wish wish = {
        .kind = KIND_SOUND,
        .rx = &ops->port,
        .name = ops->name,
        .sound = {ops->fmt, ops->channel, ops->sampling, ops->ptime, ops->framebuff_size},
        .count = ops->framebuff_cnt,
        .priv = ops->priv,
        .available = ops->notify_frame_available,
    };
    return pipeline_make(mt, "st30p_rx_create", &wish, ops->flags & NO_RECEIVER, ops->flags & ST30P_RX_FLAG_BLOCK_GET);
}

static struct st30_frame *get(const void *handle) {
    struct slot *slot = pipeline_get(handle, KIND_SOUND);
    return slot != NULL ? &slot->sound : NULL;
}

API struct st30_frame *st30p_tx_get_frame(st30p_tx_handle handle) { return get(handle); }
API struct st30_frame *st30p_rx_get_frame(st30p_rx_handle handle) { return get(handle); }

API int st30p_tx_put_frame(st30p_tx_handle handle, struct st30_frame *frame) { return pipeline_put(handle, KIND_SOUND, frame, false); }
API int st30p_rx_put_frame(st30p_rx_handle handle, struct st30_frame *frame) { return pipeline_put(handle, KIND_SOUND, frame, false); }
API int st30p_tx_put_frame_abort(st30p_tx_handle handle, struct st30_frame *frame) { return pipeline_put(handle, KIND_SOUND, frame, true); }
API int st30p_rx_put_frame_abort(st30p_rx_handle handle, struct st30_frame *frame) { return pipeline_put(handle, KIND_SOUND, frame, true); }

API int st30p_tx_free(st30p_tx_handle handle) { return pipeline_end(handle, KIND_SOUND); }
API int st30p_rx_free(st30p_rx_handle handle) { return pipeline_end(handle, KIND_SOUND); }
API size_t st30p_tx_frame_size(st30p_tx_handle handle) { return pipeline_frame_size(handle, KIND_SOUND); }
API size_t st30p_rx_frame_size(st30p_rx_handle handle) { return pipeline_frame_size(handle, KIND_SOUND); }
API int st30p_tx_wake_block(st30p_tx_handle handle) { return pipeline_wake(handle); }
API int st30p_rx_wake_block(st30p_rx_handle handle) { return pipeline_wake(handle); }
API int st30p_tx_set_block_timeout(st30p_tx_handle handle, uint64_t timedwait_ns) {
    return pipeline_set_block(handle, KIND_SOUND, timedwait_ns);
}
API int st30p_rx_set_block_timeout(st30p_rx_handle handle, uint64_t timedwait_ns) {
    return pipeline_set_block(handle, KIND_SOUND, timedwait_ns);
}

API int st30p_tx_get_session_stats(st30p_tx_handle handle, struct st30_tx_user_stats *stats) {
    struct counters counters;
    int error = stats != NULL ? pipeline_count(handle, KIND_SOUND, &counters) : -EINVAL;
    if (error == 0)
        *stats = (struct st30_tx_user_stats){.common = tx_stats(&counters).common};
    return error;
}

API int st30p_rx_get_session_stats(st30p_rx_handle handle, struct st30_rx_user_stats *stats) {
    struct counters counters;
    int error = stats != NULL ? pipeline_count(handle, KIND_SOUND, &counters) : -EINVAL;
    if (error == 0)
        *stats = (struct st30_rx_user_stats){.common = rx_stats(&counters).common};
    return error;
}

API int st30p_tx_reset_session_stats(st30p_tx_handle handle) { return pipeline_count(handle, KIND_SOUND, NULL); }
API int st30p_rx_reset_session_stats(st30p_rx_handle handle) { return pipeline_count(handle, KIND_SOUND, NULL); }

API int st30p_tx_update_destination(st30p_tx_handle handle, struct st_tx_dest_info *dst) {
    return pipeline_move(handle, KIND_SOUND, dst);
}
