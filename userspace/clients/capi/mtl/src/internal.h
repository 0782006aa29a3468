/* What the parts of libonair_mtl share: a stream is a session of the daemon with the frames that a program sees. */
#ifndef ONAIR_MTL_INTERNAL_H
#define ONAIR_MTL_INTERNAL_H

#define _GNU_SOURCE

#include <onair.h>
#include <onair_mtl.h>

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#define API __attribute__((visibility("default")))
#define PLANES 3
#define NS_PER_S 1000000000ull

/* instance.c */
void say(enum mtl_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 0, or -EINVAL if it is no instance. */
int instance_find(mtl_handle mt, struct mtl_init_params *params);
uint64_t tai_ns(void);
uint64_t monotonic_ns(void);

/* formats.c */
struct fps {
    const char *name;
    double rate;
    uint32_t numerator, denominator;
};
const struct fps *fps_of(enum st_fps fps);

/* How a program sees a format of the wire. */
struct app_format {
    const char *name;   /* MTL's */
    const char *layout; /* FFmpeg's; NULL: as on the wire */
    int sampling;       /* 420, 422, 444 */
    bool is_rgb;
    unsigned bits; /* of a sample on the wire */
    unsigned planes;
};
/* NULL: no session has it. */
const struct app_format *app_format_of(enum st_frame_fmt fmt);
/* Writes the JSON members of the wire's samples. False: not ST 2110-20, or not what `app` has. */
bool wire_format_json(enum st20_fmt fmt, const struct app_format *app, char *json, size_t bytes);

/* Samples of a session. */
struct sound {
    enum st30_fmt fmt;
    uint16_t channels;
    enum st30_sampling sampling;
    enum st30_ptime ptime;
    uint32_t bytes; /* of a frame */
};

/* ANC packets of a session. */
struct data {
    uint32_t bytes; /* of user data, in a frame */
};

/* The kinds of interfaces. */
enum kind { KIND_PIPELINE, KIND_SESSION, KIND_SOUND, KIND_DATA };

/* What a program wants of a new session. */
struct wish {
    enum kind kind;
    bool sends;
    const struct st_tx_port *tx;
    const struct st_rx_port *rx;
    const char *name;
    uint32_t width, height;
    enum st_fps fps;
    bool interlaced;
    enum st_frame_fmt app;
    enum st20_fmt wire;
    enum st20_packing packing;
    enum st21_pacing pacing;
    uint32_t count;
    bool takes_incomplete;
    bool in_slices; /* frames are got while they are received, or sent while they are filled */
    void *priv;
    int (*lines)(void *priv, uint16_t index, uint16_t *ready); /* sends in slices: asked of frames that were put */
    int (*available)(void *priv);
    int (*done)(void *priv, struct st_frame *frame);
    struct sound sound; /* of KIND_SOUND, in place of width to pacing and `done` */
    int (*sound_done)(void *priv, struct st30_frame *frame);
    struct data data; /* of KIND_DATA, in place of width, height, app to pacing and `done` */
    int (*data_done)(void *priv, struct st40_frame_info *frame);
};

/* A frame of a stream: memory that the program has or had. */
struct slot {
    struct slot *next;
    enum { SLOT_FREE, SLOT_READY, SLOT_HELD, SLOT_BUSY, SLOT_DONE, SLOT_FILLING } state;
    uint64_t turn;  /* of READY, DONE and FILLING: which is first */
    uint16_t index; /* which of the stream's frames */
    onair_buffer held;
    unsigned char *pixels; /* or user data; NULL: the buffer's own */
    bool is_second;        /* field */
    struct st_frame frame;
    struct st30_frame sound;
    struct st40_frame_info data;
    struct st40_meta meta[ST40_MAX_META];
    mtl_buffer_t buffer;
};

struct counters {
    uint64_t frames, bytes, packets, lost_packets, dropped, incomplete;
};

struct post {
    void *data;
    size_t size;
    void *ctx;
    bool is_done;
    int status;
    struct mtl_buffer buffer;
};
#define POSTS 32
#define REGIONS 8

struct stream {
    struct stream *next;
    unsigned users; /* calls inside; of the table's lock */
    onair_session session;
    mtl_handle mt;
    struct wish wish;
    const struct app_format *format;
    uint64_t period_ns; /* of a frame or field */
    size_t bytes;       /* that a program sees of one */
    size_t offset[PLANES], linesize[PLANES], lines[PLANES];

    pthread_mutex_t lock; /* of what follows */
    struct slot *slots;
    struct counters counters;
    uint64_t next_number, turns, submitted;
    uint16_t made; /* slots */
    bool has_number;
    pthread_mutex_t ask_lock; /* while slots are FILLING and asked of; taken before `lock` */

    struct stream_gate *gate; /* see stream.c */
    int wake_fd;              /* an eventfd: for the library's own reasons to look */
    pthread_t notifier;
    bool has_notifier;
    _Atomic bool is_ending;

    /* session.c, events.c */
    bool is_user_owned, has_vsync;
    uint64_t next_vsync;
    pthread_mutex_t post_lock; /* of what follows; taken before `lock` */
    bool has_fd;
    int epoll_fd;
    struct post posts[POSTS];
    unsigned first, posted;
    unsigned regions; /* a bit each */
    char region_names[REGIONS];
    struct mtl_buffer last;
    /* pipeline.c */
    bool blocks;
    _Atomic uint64_t block_ns;
    bool uses_ext;
    struct st_ext_frame *ext_frames;
    uint32_t ext_count, next_ext;
    int (*query_ext)(void *priv, struct st_ext_frame *ext, struct st20_rx_frame_meta *meta);
};

/* stream.c: a handle of the program's is the number of the session. */
int stream_open(mtl_handle mt, const struct wish *wish, struct stream **made);
/* NULL: no stream. Each that is found is released. */
struct stream *stream_find(const void *handle);
void stream_release(struct stream *stream);
/* Frees it once the calls inside have left. False: another thread did. */
bool stream_forget(struct stream *stream);
/* Whether it is a callback of the stream that calls: it cannot wait for itself. */
bool stream_is_own_callback(const struct stream *stream);
/* Ends the session, whoever uses it. */
int stream_abort(struct stream *stream);
void stream_abort_all(mtl_handle mt);
/* How often it was stopped; a stop that came and went is counted. */
uint32_t stream_stops(const struct stream *stream);
void stream_stopped(const void *handle);
int stream_start_notifier(struct stream *stream);
void stream_wake(struct stream *stream);

/* frames.c */
/* Gets a frame in a slot that is HELD. */
int frame_get(struct stream *stream, uint32_t timeout_ms, struct slot **got);
/* Finds a HELD slot by the program's pointer, which need not be valid, and makes it BUSY. 0, -EALREADY or -EINVAL. */
int frame_claim(struct stream *stream, const void *frame, struct slot **found);
int frame_lines_ready(struct stream *stream, const void *frame, uint16_t lines);
/* Ends a frame. Sender: submits it. Receiver, or `unsent`: returns it. */
int frame_put(struct stream *stream, struct slot *slot, bool unsent);
/* Asks the program how far it has filled the frames that it has put. True: some are not filled yet. */
bool frame_ask_lines(struct stream *stream);
/* Those are sent no further. */
void frame_end_filling(struct stream *stream);
/* Describes a BUSY slot as it is now, which is HELD then. How many of its lines stand; < 0: error. */
int frame_look(struct stream *stream, struct slot *slot);
/* A frame of which an event told, until it is got. */
void frame_set_ready(struct stream *stream, struct slot *slot);
/* The oldest of them, which is HELD then; NULL if there is none. */
struct slot *frame_next_ready(struct stream *stream);
void frame_free_slot(struct stream *stream, struct slot *slot);
/* Copies between memory with the same planes. */
void copy_planes(const struct stream *stream, void *const to[], const size_t to_linesize[], void *const from[],
                 const size_t from_linesize[]);
struct st20_tx_user_stats tx_stats(const struct counters *counters);
struct st20_rx_user_stats rx_stats(const struct counters *counters);
void plane_pointers(const struct stream *stream, void *base, void *planes[ST_MAX_PLANES]);

/* sound.c: the JSON member of the samples; -EINVAL if no session has them. */
int sound_json(const struct sound *sound, char *json, size_t bytes);
uint64_t sound_period_ns(const struct sound *sound);
/* What a program reads of a frame, whose first packet came at this time. */
void sound_describe(struct stream *stream, struct slot *slot, uint64_t received_ns);

/* data.c: the JSON member of the packets; -EINVAL if no session has them. */
int data_json(const struct wish *wish, char *json, size_t bytes);
/* What a program reads of a frame, whose first packet came at this time. */
void data_describe(struct stream *stream, struct slot *slot, uint64_t received_ns);
/* From the held buffer into what the program sees, and back. */
int data_unpack(struct stream *stream, struct slot *slot);
int data_pack(struct stream *stream, struct slot *slot);

/* pipeline.c */
struct stream *pipeline_create(mtl_handle mt, const struct wish *wish, bool blocks);
/* The handle of a stream that is set up; NULL if its thread does not start. */
void *pipeline_finish(struct stream *stream);
/* Both for `what`, which gives each frame also when parts are missing; NULL if it asks for something `refused`. */
void *pipeline_make(mtl_handle mt, const char *what, struct wish *wish, uint32_t refused, bool blocks);
/* Gets a frame; NULL if none came in the stream's time. */
struct slot *pipeline_get(const void *handle, enum kind kind);
/* Puts a frame; the program's pointer need not be valid. */
int pipeline_put(const void *handle, enum kind kind, const void *frame, bool unsent);
int pipeline_end(const void *handle, enum kind kind);
size_t pipeline_frame_size(const void *handle, enum kind kind);
/* A pulse: each caller that waits returns, and no later one. A signal handler may call it. */
int pipeline_wake(const void *handle);
int pipeline_set_block(const void *handle, enum kind kind, uint64_t ns);
/* Copies the counters, or sets them to 0 if `to` is NULL. */
int pipeline_count(const void *handle, enum kind kind, struct counters *to);
/* The answer to another address: its pointer is looked at only. */
int pipeline_move(const void *handle, enum kind kind, const void *address);

/* events.c: reads the signals of a descriptor; false: it is at its end, and stays readable. */
bool take_signals(int fd);

/* events.c: nothing has come, so that the descriptor is not readable any more, unless something has come meanwhile. */
void clear_fd(struct stream *stream);

/* Finds the stream of a handle as `stream`, of one kind of interface, or returns `otherwise`. */
#define ENTER_KIND(handle, wanted, otherwise)                                                                          \
    struct stream *stream = stream_find(handle);                                                                       \
    if (stream == NULL)                                                                                                \
        return otherwise;                                                                                              \
    if (stream->wish.kind != (wanted)) {                                                                                 \
        stream_release(stream);                                                                                        \
        return otherwise;                                                                                              \
    }

static inline int leave(struct stream *stream, int result) {
    stream_release(stream);
    return result;
}

static inline onair_session session_of(const void *handle) { return (onair_session)(uintptr_t)handle; }
static inline void *handle_of(const struct stream *stream) { return (void *)(uintptr_t)stream->session; }

#endif
