/* Streams: how the daemon's session is made of what MTL's programs say, found by its handle, and ended. */
#include "internal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Streams of a process. */
#define STREAMS 256
/* Frames of a stream, if the program does not say. */
#define DEFAULT_COUNT 3
#define LINES_NS 200000 /* between two questions how far a frame is filled */

/* How often a session was stopped, where a signal handler can count it. */
struct stream_gate {
    _Atomic uint64_t session; /* 0: free */
    _Atomic uint32_t stops;
};

static struct stream_gate gates[STREAMS];
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static struct stream *streams;

struct stream *stream_find(const void *handle) {
    pthread_mutex_lock(&table);
    struct stream *it = streams;
    while (it != NULL && handle_of(it) != handle)
        it = it->next;
    if (it != NULL)
        it->users++;
    pthread_mutex_unlock(&table);
    return it;
}

void stream_release(struct stream *stream) {
    pthread_mutex_lock(&table);
    bool is_last = --stream->users == 0;
    pthread_mutex_unlock(&table);
    if (!is_last)
        return;
    for (struct slot *slot = stream->slots, *next; slot != NULL; slot = next) {
        next = slot->next;
        free(slot->pixels);
        free(slot);
    }
    if (stream->has_fd)
        close(stream->epoll_fd);
    close(stream->wake_fd);
    free(stream->ext_frames);
    pthread_mutex_destroy(&stream->lock);
    pthread_mutex_destroy(&stream->post_lock);
    pthread_mutex_destroy(&stream->ask_lock);
    free(stream);
}

bool stream_forget(struct stream *stream) {
    pthread_mutex_lock(&table);
    struct stream **at = &streams;
    while (*at != NULL && *at != stream)
        at = &(*at)->next;
    bool is_found = *at != NULL;
    if (is_found) {
        *at = stream->next;
        atomic_store(&stream->gate->session, 0);
    }
    pthread_mutex_unlock(&table);
    if (!is_found)
        return false;
    atomic_store(&stream->is_ending, true);
    if (stream->has_notifier) {
        stream_wake(stream);
        pthread_join(stream->notifier, NULL);
    }
    stream_release(stream); /* the table's */
    return true;
}

bool stream_is_own_callback(const struct stream *stream) {
    return stream->has_notifier && pthread_equal(pthread_self(), stream->notifier);
}

int stream_abort(struct stream *stream) {
    if (stream_is_own_callback(stream))
        return -EDEADLK;
    onair_session_stop(stream->session);
    frame_end_filling(stream);
    struct slot *slots;
    pthread_mutex_lock(&stream->lock);
    slots = stream->slots;
    pthread_mutex_unlock(&stream->lock);
    for (struct slot *slot = slots; slot != NULL; slot = slot->next)
        onair_buffer_put(stream->session, &slot->held);
    int error = onair_session_destroy(stream->session, 0);
    if (error < 0 && error != -ESTALE)
        error = onair_session_abort(stream->session);
    if (error < 0 && error != -ESTALE) {
        say(MTL_LOG_LEVEL_ERR, "cannot end the session: %s", onair_strerror(error));
        return error;
    }
    return stream_forget(stream) ? 0 : -EINVAL;
}

void stream_abort_all(mtl_handle mt) {
    for (;;) {
        pthread_mutex_lock(&table);
        struct stream *it = streams;
        while (it != NULL && it->mt != mt)
            it = it->next;
        if (it != NULL)
            it->users++;
        pthread_mutex_unlock(&table);
        if (it == NULL)
            return;
        if (stream_abort(it) < 0)
            stream_forget(it); /* the daemon keeps it */
        stream_release(it);
    }
}

uint32_t stream_stops(const struct stream *stream) { return atomic_load(&stream->gate->stops); }

void stream_stopped(const void *handle) {
    for (size_t i = 0; handle != NULL && i < STREAMS; i++)
        if (atomic_load(&gates[i].session) == session_of(handle))
            atomic_fetch_add(&gates[i].stops, 1);
}

void stream_wake(struct stream *stream) { eventfd_write(stream->wake_fd, 1); }

/* Calls the program back: of frames that are done, and at each change after which a call may have a result. It reads
 * the descriptor, where onair_event_clear would leave it readable as long as a frame is there. */
static void *notify(void *argument) {
    struct stream *stream = argument;
    const struct timespec soon = {.tv_nsec = LINES_NS};
    int ready = dup(onair_event_fd(stream->session));
    struct pollfd fds[] = {{.fd = stream->wake_fd, .events = POLLIN}, {.fd = ready, .events = POLLIN}};
    while (!atomic_load(&stream->is_ending)) {
        if (ppoll(fds, 2, frame_ask_lines(stream) ? &soon : NULL, NULL) < 0)
            continue;
        eventfd_t count;
        eventfd_read(stream->wake_fd, &count);
        if (!take_signals(ready))
            fds[1].fd = -1; /* the session has ended: it stays readable */
        for (;;) {
            struct slot *first = NULL;
            pthread_mutex_lock(&stream->lock);
            for (struct slot *it = stream->slots; it != NULL; it = it->next)
                if (it->state == SLOT_DONE && (first == NULL || it->turn < first->turn))
                    first = it;
            pthread_mutex_unlock(&stream->lock);
            if (first == NULL)
                break;
            if (stream->wish.done != NULL)
                stream->wish.done(stream->wish.priv, &first->frame);
            if (stream->wish.sound_done != NULL)
                stream->wish.sound_done(stream->wish.priv, &first->sound);
            if (stream->wish.data_done != NULL)
                stream->wish.data_done(stream->wish.priv, &first->data);
            frame_free_slot(stream, first);
        }
        if (stream->wish.available != NULL && !atomic_load(&stream->is_ending))
            stream->wish.available(stream->wish.priv);
    }
    if (ready >= 0)
        close(ready);
    return NULL;
}

int stream_start_notifier(struct stream *stream) {
    int error = onair_event_fd(stream->session);
    if (error < 0)
        return error;
    error = pthread_create(&stream->notifier, NULL, notify, stream);
    stream->has_notifier = error == 0;
    return -error;
}

/* The daemon's name of a port of the program's. */
static void port_name(const char *given, char *name, size_t bytes) {
    const char *renamed = getenv("ONAIR_MTL_PORTS");
    size_t length = strlen(given);
    while (renamed != NULL && *renamed != '\0') {
        if (strncmp(renamed, given, length) == 0 && renamed[length] == '=') {
            const char *value = renamed + length + 1;
            snprintf(name, bytes, "%.*s", (int)strcspn(value, ","), value);
            return;
        }
        renamed += strcspn(renamed, ",");
        renamed += *renamed == ',';
    }
    const char *colon = strrchr(given, ':');
    bool has_prefix = mtl_pmd_by_port_name(given) != MTL_PMD_DPDK_USER && colon != NULL;
    snprintf(name, bytes, "%s", has_prefix ? colon + 1 : given);
}

static bool is_set(const uint8_t ip[MTL_IP_ADDR_LEN]) { return (ip[0] | ip[1] | ip[2] | ip[3]) != 0; }

static void address(const uint8_t ip[MTL_IP_ADDR_LEN], char text[16]) {
    snprintf(text, 16, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
}

/* The JSON of the addresses, after the destination's member name. */
static int flow_json(const struct wish *wish, const uint8_t own[MTL_IP_ADDR_LEN], char *json, size_t bytes) {
    char destination[16], source[48] = "", ip[16];
    unsigned udp = wish->sends ? wish->tx->udp_port[0] : wish->rx->udp_port[0];
    unsigned type = wish->sends ? wish->tx->payload_type : wish->rx->payload_type;
    if (wish->sends) {
        unsigned from = wish->tx->udp_src_port[0];
        address(wish->tx->dip_addr[0], destination);
        address(own, ip);
        if (from != 0 && from != udp && !is_set(own))
            return -EINVAL;
        if (from != 0 && from != udp)
            snprintf(source, sizeof source, ", \"source\": \"%s:%u\"", ip, from);
    } else {
        const uint8_t *given = wish->rx->ip_addr[0];
        bool is_group = given[0] >= 224 && given[0] < 240;
        const uint8_t *filter = is_group ? wish->rx->mcast_sip_addr[0] : given;
        if (!is_group && !is_set(own)) {
            say(MTL_LOG_LEVEL_ERR, "a unicast receiver needs the port's sip_addr at mtl_init");
            return -EINVAL;
        }
        address(is_group ? given : own, destination);
        address(filter, ip);
        if (is_set(filter))
            snprintf(source, sizeof source, ", \"source\": \"%s\"", ip);
    }
    int length = snprintf(json, bytes, "{\"destination\": \"%s:%u\"%s, \"payload_type\": %u}", destination, udp, source,
                          type == 0 ? 96 : type);
    return length > 0 && (size_t)length < bytes ? 0 : -EINVAL;
}

/* The JSON member of the pictures. */
static int picture_json(const struct wish *wish, const struct app_format *format, char *json, size_t bytes) {
    static const char *const pacings[] = {"narrow", "wide", "narrow_linear"};
    char samples[64], more[80] = "";
    const struct fps *fps = fps_of(wish->fps);
    if (fps == NULL || !wire_format_json(wish->wire, format, samples, sizeof samples)) {
        say(MTL_LOG_LEVEL_ERR, "no session has this rate, or %s of the wire as %s of the program",
            st20_fmt_name(wish->wire), format->name);
        return -ENOTSUP;
    }
    if (wish->sends)
        snprintf(more, sizeof more, ", \"packing\": \"%s\", \"sender_type\": \"%s\"",
                 wish->packing == ST20_PACKING_BPM ? "block" : "general",
                 pacings[(unsigned)wish->pacing < 3 ? wish->pacing : 0]);
    snprintf(json, bytes,
             "\"video\": {\"width\": %u, \"height\": %u, \"frame_rate\": \"%u/%u\", \"scan\": \"%s\", %s%s}",
             wish->width, wish->height, fps->numerator, fps->denominator * (wish->interlaced ? 2 : 1),
             wish->interlaced ? "interlaced" : "progressive", samples, more);
    return 0;
}

static int spec_json(const struct wish *wish, const struct mtl_init_params *params, const struct app_format *format,
                     char *json, size_t bytes) {
    static _Atomic unsigned made;
    char name[40] = "", port[64], flow[160], essence[320];
    const uint8_t none[MTL_IP_ADDR_LEN] = {0}, *own = none;
    int error = wish->kind == KIND_SOUND  ? sound_json(&wish->sound, essence, sizeof essence)
                : wish->kind == KIND_DATA ? data_json(wish, essence, sizeof essence)
                                          : picture_json(wish, format, essence, sizeof essence);
    if (error < 0)
        return error;
    const char *given = wish->sends ? wish->tx->port[0] : wish->rx->port[0];
    if ((wish->sends ? wish->tx->num_port : wish->rx->num_port) != 1) {
        say(MTL_LOG_LEVEL_ERR, "a session has one port");
        return -ENOTSUP;
    }
    for (unsigned i = 0; i < params->num_ports; i++)
        if (strncmp(params->port[i], given, MTL_PORT_MAX_LEN) == 0)
            own = params->sip_addr[i];
    port_name(given, port, sizeof port);
    error = flow_json(wish, own, flow, sizeof flow);
    if (error < 0)
        return error;
    size_t length = 0;
    for (const char *at = wish->name != NULL ? wish->name : "mtl"; *at != '\0' && length < sizeof name - 1; at++) {
        bool is_plain = (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
        name[length] = is_plain || (length > 0 && (*at == '_' || *at == '-')) ? *at : 'x';
        length++;
    }
    int written = snprintf(
        json, bytes,
        "{\"name\": \"%s-%d-%u\", \"direction\": \"%s\", \"port\": \"%s\", \"quota\": %u, \"ends_with_creator\": true, %s, "
        "\"flow\": %s}",
        length > 0 ? name : "mtl", (int)getpid(), atomic_fetch_add(&made, 1) + 1, wish->sends ? "send" : "receive", port,
        wish->count != 0 ? wish->count : DEFAULT_COUNT, essence, flow);
    return written > 0 && (size_t)written < bytes ? 0 : -EINVAL;
}

/* Where the planes of what the program sees lie. */
static int lay_out(struct stream *stream) {
    const struct wish *wish = &stream->wish;
    if (wish->kind == KIND_SOUND || wish->kind == KIND_DATA) {
        stream->bytes = wish->kind == KIND_SOUND ? wish->sound.bytes : wish->data.bytes;
        return 0;
    }
    uint32_t lines = wish->interlaced ? wish->height / 2 : wish->height;
    onair_video view = {.size = sizeof view};
    const char *layout = stream->format->layout;
    int error = layout == NULL ? onair_video_view(stream->session, &view)
                               : onair_video_view_as(stream->session, layout, &view);
    if (error < 0)
        return error;
    for (unsigned i = 0; i < stream->format->planes; i++) {
        stream->offset[i] = view.planes[i].offset;
        stream->linesize[i] = st_frame_least_linesize(wish->app, wish->width, (uint8_t)i);
        stream->lines[i] = i > 0 && stream->format->sampling == 420 ? lines / 2 : lines;
        if (stream->linesize[i] != view.planes[i].stride || stream->lines[i] != view.planes[i].lines) {
            say(MTL_LOG_LEVEL_ERR, "%s of this width or height has other lines in MTL", stream->format->name);
            return -ENOTSUP;
        }
    }
    stream->bytes = view.buffer_bytes;
    return 0;
}

/* Adds it to the table. */
static int keep(struct stream *stream) {
    pthread_mutex_lock(&table);
    for (size_t i = 0; i < STREAMS && stream->gate == NULL; i++)
        if (atomic_load(&gates[i].session) == 0) {
            stream->gate = &gates[i];
            atomic_store(&gates[i].session, stream->session);
        }
    if (stream->gate != NULL) {
        stream->users = 2; /* the table's, and that of the call */
        stream->next = streams;
        streams = stream;
    }
    pthread_mutex_unlock(&table);
    return stream->gate != NULL ? 0 : -EMFILE;
}

int stream_open(mtl_handle mt, const struct wish *wish, struct stream **made) {
    struct mtl_init_params params;
    char json[1024];
    static const struct app_format samples = {.name = "samples"}, packets = {.name = "packets", .layout = "anc"};
    const struct app_format *format = wish->kind == KIND_SOUND  ? &samples
                                      : wish->kind == KIND_DATA ? &packets
                                                                : app_format_of(wish->app);
    int error = instance_find(mt, &params);
    if (error == 0 && (format == NULL || (wish->interlaced && wish->height % 2 != 0)))
        error = -ENOTSUP;
    if (error == 0)
        error = spec_json(wish, &params, format, json, sizeof json);
    struct stream *stream = error == 0 ? calloc(1, sizeof *stream) : NULL;
    if (stream == NULL) {
        say(MTL_LOG_LEVEL_ERR, "cannot create a session: %s", strerror(error < 0 ? -error : ENOMEM));
        return error < 0 ? error : -ENOMEM;
    }
    stream->wish = *wish;
    stream->wish.tx = NULL;
    stream->wish.rx = NULL;
    stream->mt = mt;
    stream->format = format;
    stream->period_ns = wish->kind == KIND_SOUND ? sound_period_ns(&wish->sound)
                                                 : (uint64_t)((double)NS_PER_S / fps_of(wish->fps)->rate);
    stream->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&stream->lock, NULL);
    pthread_mutex_init(&stream->post_lock, NULL);
    pthread_mutex_init(&stream->ask_lock, NULL);
    error = stream->wake_fd < 0 ? -errno : onair_session_create(NULL, json, &stream->session);
    if (error < 0) {
        char text[512];
        onair_last_error(text, sizeof text);
        say(MTL_LOG_LEVEL_ERR, "cannot create a session: %s: %s", onair_strerror(error), text);
        say(MTL_LOG_LEVEL_INFO, "ONAIR_MTL_PORTS names the daemon's ports; what was asked for: %s", json);
    }
    bool has_session = error == 0;
    if (error == 0)
        error = lay_out(stream);
    if (error == 0)
        error = keep(stream);
    if (error == 0) {
        *made = stream;
        return 0;
    }
    if (has_session)
        onair_session_abort(stream->session);
    stream->users = 1;
    stream_release(stream);
    return error;
}
