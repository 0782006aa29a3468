/* Frames of a stream: got, seen by the program in its format, put. */
#include "internal.h"

void plane_pointers(const struct stream *stream, void *base, void *planes[ST_MAX_PLANES]) {
    for (unsigned i = 0; i < ST_MAX_PLANES; i++)
        planes[i] = i < stream->format->planes ? (unsigned char *)base + stream->offset[i] : NULL;
}

void copy_planes(const struct stream *stream, void *const to[], const size_t to_linesize[], void *const from[],
                 const size_t from_linesize[]) {
    for (unsigned i = 0; i < stream->format->planes; i++) {
        size_t bytes = stream->linesize[i];
        size_t to_step = to_linesize[i] != 0 ? to_linesize[i] : bytes;
        size_t from_step = from_linesize[i] != 0 ? from_linesize[i] : bytes;
        for (size_t line = 0; line < stream->lines[i]; line++)
            memcpy((unsigned char *)to[i] + line * to_step, (const unsigned char *)from[i] + line * from_step, bytes);
    }
}

static struct slot *take_slot(struct stream *stream) {
    pthread_mutex_lock(&stream->lock);
    struct slot *slot = stream->slots;
    while (slot != NULL && slot->state != SLOT_FREE)
        slot = slot->next;
    if (slot == NULL && (slot = calloc(1, sizeof *slot)) != NULL) {
        bool has_pixels = stream->format->layout == NULL || (slot->pixels = calloc(1, stream->bytes + 1)) != NULL;
        if (has_pixels) {
            slot->index = stream->made++;
            slot->next = stream->slots;
            stream->slots = slot;
        } else {
            free(slot);
            slot = NULL;
        }
    }
    if (slot != NULL)
        slot->state = SLOT_HELD;
    pthread_mutex_unlock(&stream->lock);
    return slot;
}

void frame_free_slot(struct stream *stream, struct slot *slot) {
    pthread_mutex_lock(&stream->lock);
    slot->state = SLOT_FREE;
    pthread_mutex_unlock(&stream->lock);
}

void frame_set_ready(struct stream *stream, struct slot *slot) {
    pthread_mutex_lock(&stream->lock);
    slot->turn = ++stream->turns;
    slot->state = SLOT_READY;
    pthread_mutex_unlock(&stream->lock);
}

struct slot *frame_next_ready(struct stream *stream) {
    struct slot *first = NULL;
    pthread_mutex_lock(&stream->lock);
    for (struct slot *it = stream->slots; it != NULL; it = it->next)
        if (it->state == SLOT_READY && (first == NULL || it->turn < first->turn))
            first = it;
    if (first != NULL)
        first->state = SLOT_HELD;
    pthread_mutex_unlock(&stream->lock);
    return first;
}

/* The time of the monotonic clock in TAI. */
static uint64_t as_tai(uint64_t monotonic) { return monotonic != 0 ? tai_ns() - (monotonic_ns() - monotonic) : 0; }

/* What a program reads of a frame. */
static void describe(struct stream *stream, struct slot *slot) {
    const onair_buffer *held = &slot->held;
    const struct wish *wish = &stream->wish;
    void *base = slot->pixels != NULL ? slot->pixels : held->data;
    if (wish->kind == KIND_SOUND) {
        sound_describe(stream, slot, as_tai(held->first_packet_ns));
        return;
    }
    if (wish->kind == KIND_DATA) {
        data_describe(stream, slot, as_tai(held->first_packet_ns));
        return;
    }
    bool has_time = held->media_time_ns != 0, is_complete = wish->sends || held->is_complete;
    struct st_frame *frame = &slot->frame;
    *frame = (struct st_frame){
        .fmt = wish->app,
        .interlaced = wish->interlaced,
        .second_field = slot->is_second,
        .buffer_size = stream->bytes,
        .data_size = stream->bytes,
        .width = wish->width,
        .height = wish->height,
        .tfmt = wish->sends ? ST10_TIMESTAMP_FMT_TAI : ST10_TIMESTAMP_FMT_MEDIA_CLK,
        .timestamp = held->rtp_timestamp,
        .epoch = held->media_time_ns / stream->period_ns,
        .rtp_timestamp = held->rtp_timestamp,
        .status = is_complete ? ST_FRAME_STATUS_COMPLETE : ST_FRAME_STATUS_CORRUPTED,
        .pkts_total = held->packets + held->packets_lost,
        .pkts_recv = {held->packets},
        .priv = slot,
        .receive_timestamp = as_tai(held->first_packet_ns),
    };
    plane_pointers(stream, base, frame->addr);
    for (unsigned i = 0; i < stream->format->planes; i++) {
        frame->iova[i] = (mtl_iova_t)(uintptr_t)frame->addr[i];
        frame->linesize[i] = stream->linesize[i];
    }
    if (stream->wish.kind != KIND_SESSION)
        return;
    mtl_buffer_t *buffer = &slot->buffer;
    *buffer = (mtl_buffer_t){
        .data = base,
        .iova = (mtl_iova_t)(uintptr_t)base,
        .size = stream->bytes,
        .data_size = stream->bytes,
        .timestamp = has_time || wish->sends ? held->media_time_ns : held->rtp_timestamp,
        .epoch = frame->epoch,
        .rtp_timestamp = held->rtp_timestamp,
        .flags = is_complete ? 0 : MTL_BUF_FLAG_INCOMPLETE,
        .status = is_complete ? MTL_FRAME_STATUS_COMPLETE : MTL_FRAME_STATUS_INCOMPLETE,
        .priv = slot,
        .tfmt = has_time || wish->sends ? ST10_TIMESTAMP_FMT_TAI : ST10_TIMESTAMP_FMT_MEDIA_CLK,
        .video = {.width = wish->width,
                  .height = wish->height,
                  .fmt = wish->app,
                  .interlaced = wish->interlaced,
                  .second_field = slot->is_second,
                  .pkts_total = frame->pkts_total,
                  .pkts_recv = {held->packets}},
    };
    memcpy(buffer->video.planes, frame->addr, sizeof frame->addr);
    memcpy(buffer->video.linesize, frame->linesize, sizeof frame->linesize);
}

/* Counts a frame that was received. False: the program does not take it. */
static bool counts(struct stream *stream, const onair_buffer *held) {
    pthread_mutex_lock(&stream->lock);
    struct counters *counters = &stream->counters;
    if (stream->has_number && held->number > stream->next_number)
        counters->dropped += held->number - stream->next_number;
    stream->has_number = true;
    if (held->number >= stream->next_number)
        stream->next_number = held->number + 1;
    counters->packets += held->packets;
    counters->lost_packets += held->packets_lost;
    counters->incomplete += !held->is_complete && !held->is_open;
    bool is_taken = held->is_complete || held->is_open || stream->wish.takes_incomplete;
    if (is_taken) {
        counters->frames++;
        counters->bytes += stream->bytes;
    } else {
        counters->dropped++;
    }
    pthread_mutex_unlock(&stream->lock);
    return is_taken;
}

int frame_get(struct stream *stream, uint32_t timeout_ms, struct slot **got) {
    struct slot *slot = take_slot(stream);
    if (slot == NULL)
        return -ENOMEM;
    uint64_t start = monotonic_ns();
    int error;
    for (uint32_t left = timeout_ms;;) {
        slot->held = (onair_buffer){.size = sizeof slot->held};
        bool is_open = stream->wish.in_slices && !stream->wish.sends;
        error = is_open ? onair_buffer_get_open(stream->session, &slot->held, 1, left)
                        : onair_buffer_get(stream->session, &slot->held, left);
        if (error < 0 || stream->wish.sends || counts(stream, &slot->held))
            break;
        onair_buffer_put(stream->session, &slot->held);
        uint64_t gone = (monotonic_ns() - start) / 1000000;
        if (timeout_ms != ONAIR_FOREVER)
            left = gone < timeout_ms ? timeout_ms - (uint32_t)gone : 0;
    }
    if (error == 0 && !stream->wish.sends) {
        slot->is_second = onair_video_field(stream->session, &slot->held) == ONAIR_FIELD_SECOND;
        if (stream->wish.kind == KIND_DATA)
            error = data_unpack(stream, slot);
        else if (slot->pixels != NULL)
            error = onair_video_unpack(stream->session, &slot->held, stream->format->layout, slot->pixels,
                                       stream->bytes);
        if (error < 0)
            onair_buffer_put(stream->session, &slot->held);
    }
    if (error < 0) {
        slot->held.loan = 0;
        frame_free_slot(stream, slot);
        return error;
    }
    if (stream->wish.sends) {
        pthread_mutex_lock(&stream->lock);
        slot->is_second = stream->wish.interlaced && stream->submitted % 2 == 1;
        pthread_mutex_unlock(&stream->lock);
    }
    describe(stream, slot);
    if (stream->wish.available != NULL)
        stream_wake(stream); /* of several changes it is told once */
    *got = slot;
    return 0;
}

int frame_look(struct stream *stream, struct slot *slot) {
    int lines = onair_buffer_wait_lines(stream->session, &slot->held, 0, 0);
    if (lines >= 0)
        describe(stream, slot);
    pthread_mutex_lock(&stream->lock);
    slot->state = SLOT_HELD;
    pthread_mutex_unlock(&stream->lock);
    return lines;
}

/* The oldest slot that is filled while it is sent; NULL if there is none. */
static struct slot *next_filling(struct stream *stream, uint64_t after) {
    struct slot *first = NULL;
    pthread_mutex_lock(&stream->lock);
    for (struct slot *it = stream->slots; it != NULL; it = it->next)
        if (it->state == SLOT_FILLING && it->turn > after && (first == NULL || it->turn < first->turn))
            first = it;
    pthread_mutex_unlock(&stream->lock);
    return first;
}

static void end_filling(struct stream *stream, struct slot *slot, int error) {
    pthread_mutex_lock(&stream->lock);
    if (error == 0) {
        stream->counters.frames++;
        stream->counters.bytes += stream->bytes;
    }
    slot->held.loan = 0;
    slot->state = SLOT_FREE;
    pthread_mutex_unlock(&stream->lock);
}

bool frame_ask_lines(struct stream *stream) {
    bool is_more = false;
    if (stream->wish.lines == NULL)
        return false;
    pthread_mutex_lock(&stream->ask_lock);
    uint64_t asked = 0;
    for (struct slot *slot; (slot = next_filling(stream, asked)) != NULL; asked = slot->turn) {
        uint16_t lines = 0;
        if (stream->wish.lines(stream->wish.priv, slot->index, &lines) < 0)
            lines = 0;
        int error = onair_buffer_lines_ready(stream->session, &slot->held, lines);
        if (error == 0 && lines < stream->lines[0])
            is_more = true;
        else
            end_filling(stream, slot, onair_buffer_submit(stream->session, &slot->held));
    }
    pthread_mutex_unlock(&stream->ask_lock);
    return is_more;
}

void frame_end_filling(struct stream *stream) {
    pthread_mutex_lock(&stream->ask_lock);
    for (struct slot *slot; (slot = next_filling(stream, 0)) != NULL;) {
        onair_buffer_put(stream->session, &slot->held);
        end_filling(stream, slot, -EAGAIN);
    }
    pthread_mutex_unlock(&stream->ask_lock);
}

/* A frame whose lines the program is asked for. False: it has told of them itself, and all are there. */
static bool put_filling(struct stream *stream, struct slot *slot) {
    if (onair_buffer_submit_open(stream->session, &slot->held) != 0)
        return false;
    pthread_mutex_lock(&stream->lock);
    stream->submitted++;
    slot->turn = ++stream->turns;
    slot->state = SLOT_FILLING;
    pthread_mutex_unlock(&stream->lock);
    stream_wake(stream);
    return true;
}

int frame_put(struct stream *stream, struct slot *slot, bool unsent) {
    if (stream->wish.lines != NULL && !unsent && put_filling(stream, slot))
        return 0;
    bool submits = stream->wish.sends && !unsent;
    int error = 0;
    pthread_mutex_lock(&stream->lock);
    /* The daemon takes first and second fields in turn. */
    bool is_second = stream->wish.interlaced && stream->submitted % 2 == 1;
    pthread_mutex_unlock(&stream->lock);
    if (submits && stream->wish.kind == KIND_DATA) {
        error = data_pack(stream, slot);
    } else if (submits && slot->pixels != NULL) {
        int field = !stream->wish.interlaced ? ONAIR_FIELD_NONE : is_second ? ONAIR_FIELD_SECOND : ONAIR_FIELD_FIRST;
        error = onair_video_pack(stream->session, &slot->held, stream->format->layout, field, slot->pixels,
                                 stream->bytes);
    }
    if (error < 0)
        onair_buffer_put(stream->session, &slot->held);
    else
        error = submits ? onair_buffer_submit(stream->session, &slot->held)
                        : onair_buffer_put(stream->session, &slot->held);
    const struct wish *wish = &stream->wish;
    bool is_told = wish->done != NULL || wish->sound_done != NULL || wish->data_done != NULL;
    bool is_done = submits && error == 0 && is_told;
    pthread_mutex_lock(&stream->lock);
    if (submits && error == 0) {
        stream->submitted++;
        stream->counters.frames++;
        stream->counters.bytes += stream->bytes;
    }
    slot->held.loan = 0;
    slot->turn = ++stream->turns;
    slot->state = is_done ? SLOT_DONE : SLOT_FREE;
    pthread_mutex_unlock(&stream->lock);
    if (is_done)
        stream_wake(stream);
    return error;
}

int frame_claim(struct stream *stream, const void *frame, struct slot **found) {
    pthread_mutex_lock(&stream->lock);
    struct slot *slot = stream->slots;
    while (slot != NULL && frame != &slot->frame && frame != &slot->sound && frame != &slot->data &&
           frame != &slot->buffer)
        slot = slot->next;
    bool is_held = slot != NULL && slot->state == SLOT_HELD;
    if (is_held)
        slot->state = SLOT_BUSY;
    pthread_mutex_unlock(&stream->lock);
    *found = slot;
    return slot == NULL ? -EINVAL : is_held ? 0 : -EALREADY;
}

int frame_lines_ready(struct stream *stream, const void *frame, uint16_t lines) {
    struct slot *slot;
    int error = frame_claim(stream, frame, &slot);
    if (error < 0)
        return error;
    /* Other pixels are packed when they are put. */
    if (!stream->wish.sends || slot->pixels != NULL)
        error = -ENOTSUP;
    if (error == 0)
        error = onair_buffer_submit_open(stream->session, &slot->held);
    if (error == 0 || error == -EALREADY)
        error = onair_buffer_lines_ready(stream->session, &slot->held, lines);
    pthread_mutex_lock(&stream->lock);
    slot->state = SLOT_HELD;
    pthread_mutex_unlock(&stream->lock);
    return error;
}

struct st20_tx_user_stats tx_stats(const struct counters *counters) {
    return (struct st20_tx_user_stats){
        .common = {.port = {{.bytes = counters->bytes, .frames = counters->frames}},
                   .stat_frames_sent = counters->frames},
    };
}

struct st20_rx_user_stats rx_stats(const struct counters *counters) {
    return (struct st20_rx_user_stats){
        .common = {.port = {{.packets = counters->packets,
                             .bytes = counters->bytes,
                             .frames = counters->frames,
                             .lost_packets = counters->lost_packets}},
                   .stat_pkts_received = counters->packets,
                   .stat_lost_packets = counters->lost_packets,
                   .stat_pkts_unrecovered = counters->lost_packets,
                   .stat_frames_received = counters->frames,
                   .stat_frames_dropped = counters->dropped,
                   .stat_frames_corrupted = counters->incomplete},
        .stat_bytes_received = counters->bytes,
    };
}
