/*
 * OnAir's client library for C: get frames of a session from shared memory, or fill them.
 *
 *     cc program.c $(pkg-config --cflags --libs onair)
 *
 * RESULTS. Each call that returns int returns 0 or more, or a negative errno:
 *
 *     -EAGAIN     the session is stopped: call onair_session_wait_started, do not retry in a loop
 *     -ETIMEDOUT  nothing arrived in time, or the daemon did not answer
 *     -ESTALE     the session, the attachment or the daemon is gone, or the handle was released, or this is a
 *                 forked child: detach and attach again
 *     -EALREADY   the buffer was put before
 *     -EINVAL     a wrong use, or an invalid specification; onair_last_error says which
 *     -EBUSY      detach: this process holds buffers or is inside calls; destroy: onair_blocker_get names the users
 *     -EACCES     not allowed, or destroy of a session that this process did not create; -EPERM is only the kernel's
 *     -ENOENT     no such session; no daemon at the socket; no more blockers
 *     -EMFILE     more than 1024 sessions, or too many descriptors
 *     -ESHUTDOWN  the daemon is shutting down
 *
 * and those of docs/client.md. No call returns -EINTR, sets errno on purpose, or ends the process.
 *
 * THREADS. Any number of threads may use a session at once. A signal handler may call onair_session_stop,
 * onair_session_start, onair_session_is_stopped and onair_session_is_ending, and no other function of this file.
 *
 * TIME-OUTS are in milliseconds: 0 never waits, ONAIR_FOREVER has no limit.
 *
 * STRUCTS begin with `size`. Set it to sizeof the struct before each call that takes one: later versions of the
 * library have more fields at the end, and write only those that fit.
 *
 * HANDLES are numbers. A handle that was released, that another copy of the library returned or that is made up
 * gives an errno. A pointer that is neither NULL nor valid is undefined behaviour, as always in C.
 */
#ifndef ONAIR_H
#define ONAIR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ONAIR_FOREVER UINT32_MAX

/* A session that this process is attached to. 0 is none. */
typedef uint64_t onair_session;

/* Where the daemon is. NULL in its place: $ONAIR_ATTACH, or else /run/onair/attach.sock, and 30 s. */
typedef struct onair_daemon {
    uint32_t size;
    uint32_t response_timeout_ms; /* for the daemon to answer a request; 0: 30 s */
    const char *socket;           /* path of the attach socket; NULL: as above */
} onair_daemon;

/* A buffer that this process holds. */
typedef struct onair_buffer {
    uint32_t size;
    uint32_t is_complete;     /* receive: 1 if every byte arrived; else the gaps have old bytes, of audio silence */
    onair_session session;    /* with `loan`: which buffer this is; do not change them */
    uint64_t loan;
    void *data;               /* receive: read-only memory, a write ends the process */
    size_t bytes;
    uint64_t number;          /* of the unit since the session's creation; a gap: units that this client lost */
    uint64_t media_time_ns;   /* time of the RTP timestamp, ns since the SMPTE Epoch (TAI); 0: unknown */
    uint64_t first_packet_ns; /* when its first packet came: CLOCK_MONOTONIC, ns */
    uint64_t last_packet_ns;
    uint32_t rtp_timestamp;
    uint32_t packets;
    uint32_t bytes_missing;   /* open: with those that are still to come */
    uint32_t packets_lost;
    uint32_t is_open;         /* it is still received: only `bytes` bytes may be read */
    uint32_t lines;           /* that stand, from the first on; audio: samples; else bytes */
} onair_buffer;

typedef struct onair_event {
    uint32_t size;
    uint32_t kind;     /* ONAIR_EVENT_…; ignore others */
    uint64_t sequence; /* from 1; a gap: events that were missed */
    uint64_t argument; /* DROPPED: how many frames */
    uint64_t at_ns;    /* CLOCK_MONOTONIC, ns */
} onair_event;

#define ONAIR_EVENT_STARTED 1u    /* the session runs (again) */
#define ONAIR_EVENT_DRAINING 2u   /* the daemon is shutting down: leave */
#define ONAIR_EVENT_DROPPED 3u    /* frames were dropped because this client was slow */
#define ONAIR_EVENT_RETARGETED 4u /* the session has other addresses from now on */

/* A user for which a destroy was refused. */
typedef struct onair_blocker {
    uint32_t size;
    uint32_t pid; /* in the daemon's pid namespace */
    uint32_t tid; /* 0: not one thread */
    uint32_t held_frames;
    uint64_t blocked_for_ms; /* 0: unknown */
    char command[32];        /* chosen by that process */
    char text[256];          /* all of it, for a log */
} onair_blocker;

/* The sessions of a group together. 0 is none. */
typedef uint64_t onair_group;

/* What comes next from a group: a unit of a member (UNIT, LATE, RESUMED), or a word about one. */
typedef struct onair_step {
    uint32_t size;
    uint32_t kind;          /* ONAIR_STEP_…; ignore others */
    uint32_t member;        /* index, from 0 */
    uint32_t ended;         /* RESUMED, MISSING: ONAIR_ENDED_…; 0: its session runs */
    uint64_t unit;          /* which unit; 0: none. Do not change it */
    const void *data;       /* as the wire has it, until the unit is put; a write may end the process */
    size_t bytes;
    uint64_t number;        /* as onair_buffer has it */
    uint64_t media_time_ns; /* its place in the order: as onair_buffer has it; 0: unknown */
    uint32_t rtp_timestamp;
    uint32_t is_complete;
    uint32_t format;        /* ONAIR_FORMAT_… */
    uint32_t field;         /* ONAIR_FIELD_… */
} onair_step;

#define ONAIR_STEP_UNIT 1u       /* no unit before it has a later time */
#define ONAIR_STEP_LATE 2u       /* too late for its place: the others went on without its member */
#define ONAIR_STEP_RESUMED 3u    /* the first unit after its session had ended or was stopped */
#define ONAIR_STEP_RETARGETED 4u /* the member has other addresses from about now on */
#define ONAIR_STEP_MISSING 5u    /* the others go on without the member until it has a unit */

#define ONAIR_ENDED_STOPPED 1u
#define ONAIR_ENDED_SESSION 2u
#define ONAIR_ENDED_DAEMON 3u

#define ONAIR_FORMAT_VIDEO 1
#define ONAIR_FORMAT_AUDIO 2
#define ONAIR_FORMAT_ANC 3
#define ONAIR_FORMAT_JPEG_XS 4

#define ONAIR_SCAN_PROGRESSIVE 1u
#define ONAIR_SCAN_INTERLACED 2u /* each buffer is a field */
#define ONAIR_SCAN_PSF 3u

#define ONAIR_FIELD_NONE 0
#define ONAIR_FIELD_FIRST 1
#define ONAIR_FIELD_SECOND 2

typedef struct onair_plane {
    uint64_t offset; /* first byte */
    uint64_t stride; /* bytes from one line to the next */
    uint64_t lines;
} onair_plane;

/* The buffers of a session with video: those of a frame or, interlaced, of its first field. The second field of
 * an odd height has one line less. */
typedef struct onair_video {
    uint32_t size;
    uint32_t width;
    uint32_t height; /* of the frame */
    uint32_t rate_numerator;
    uint32_t rate_denominator;
    uint32_t depth; /* bits of a sample */
    uint32_t is_float;
    uint32_t scan;
    uint32_t pgroup_bytes; /* pixel groups of RFC 4175, on the wire */
    uint32_t pgroup_pixels;
    char sampling[24]; /* as in ST 2110-20: "YCbCr-4:2:2" */
    char layout[24];   /* of a buffer: "pgroup", or the pixel format by FFmpeg's name, as "v210" */
    uint64_t buffer_bytes;
    onair_plane planes[4];
    uint32_t plane_count;
    uint32_t is_sender;
    /* What the sender says of the pictures, as in SDP: "BT2100", "HLG", "FULL"; "": not said. */
    char colorimetry[16];
    char transfer[16];
    char range[16];
    uint32_t aspect_width; /* of a pixel; 0: not said */
    uint32_t aspect_height;
} onair_video;

/* Samples as onair_audio_unpack writes them, in the byte order of the processor. */
#define ONAIR_SAMPLE_S16 1u /* int16_t: the upper 16 bits */
#define ONAIR_SAMPLE_S24 2u /* int32_t, -8388608 to 8388607 */
#define ONAIR_SAMPLE_S32 3u /* int32_t: the upper bits */
#define ONAIR_SAMPLE_F32 4u /* float, -1 to 1 */

#define ONAIR_ALL_CHANNELS (-1)

/* The buffers of a session with audio: blocks of samples. Their bytes are as on the wire. */
typedef struct onair_audio {
    uint32_t size;
    uint32_t sample_rate; /* samples a second of each channel; the RTP timestamp counts them */
    uint32_t channels;
    uint32_t block_samples; /* of each channel, in a buffer */
    uint32_t packet_samples;
    uint32_t packet_time_us;
    uint32_t is_sender;
    char coding[12];         /* on the wire: "L16", "L24", "AM824" */
    char channel_order[256]; /* as in SDP: "SMPTE2110.(51,ST)"; "": not said */
    uint64_t buffer_bytes;
} onair_audio;

#define ONAIR_ANC_ANY_LINE 0x7ffu
#define ONAIR_ANC_ANY_OFFSET 0xfffu

/* The buffers of a session with ancillary data: the ANC packets of a frame or, with fields, of a field. */
typedef struct onair_anc {
    uint32_t size;
    uint32_t rate_numerator; /* of frames */
    uint32_t rate_denominator;
    uint32_t has_fields;
    uint32_t is_sender;
} onair_anc;

/* An ANC packet (ST 291-1). A sender computes field, parity, count and checksum itself. */
typedef struct onair_anc_packet {
    uint32_t size;
    uint32_t field; /* ONAIR_FIELD_… */
    uint32_t line;  /* of the interface; ONAIR_ANC_ANY_LINE */
    uint32_t offset; /* samples from the start of active video; ONAIR_ANC_ANY_OFFSET */
    uint32_t is_chroma; /* in the colour difference channel */
    uint32_t has_stream;
    uint32_t stream;
    uint32_t did;
    uint32_t sdid; /* DBN if `did` is 0x80 or more */
    uint32_t is_parity_wrong; /* of a word of it */
    uint32_t is_checksum_wrong;
    uint32_t checksum; /* as it came, 10 bits */
    uint32_t word_count; /* words of user data, 0 to 255 */
    uint16_t words[256]; /* as they came, 10 bits each; a sender reads the low 8 */
} onair_anc_packet;

/* The buffers of a session with JPEG XS: boxes and codestream of a frame or, interlaced, of a field. A received one has as
 * many bytes as its onair_buffer says, a sender's has buffer_bytes. */
typedef struct onair_jpeg_xs {
    uint32_t size;
    uint32_t width;
    uint32_t height; /* of the frame */
    uint32_t rate_numerator; /* of frames */
    uint32_t rate_denominator;
    uint32_t depth; /* bits of a sample */
    uint32_t is_interlaced;
    uint32_t has_slices; /* packets carry slices: K of RFC 9134 */
    uint32_t is_sender;
    uint32_t buffer_bytes; /* most */
} onair_jpeg_xs;

/* Version of the library, as "0.1.0". */
const char *onair_version(void);

/* Meaning of a result, for people. Never NULL. */
const char *onair_strerror(int error);

/* Copies why the last failed call of this thread failed, with the daemon's words, and a zero byte. */
int onair_last_error(char *text, size_t bytes);

/* Checks that a daemon answers. Sessions have connections of their own: it keeps none. */
int onair_connect(const onair_daemon *daemon);

/* Attaches to the session with this name or id. `layout`: to the converted session with its frames in this pixel format, by
 * FFmpeg's name. -ENOENT: there is none, and onair_last_error has the command that makes it. NULL: as on the wire. */
int onair_session_attach(const onair_daemon *daemon, const char *name, const char *layout, onair_session *session);

/* Attaches to the session with this name or id to fill its frames: a send session, or a local one, whose frames go to
 * the other processes that attach to it. One process fills a session: -EDQUOT while another does, or still could.
 * -EINVAL: the session receives. */
int onair_session_attach_to_fill(const onair_daemon *daemon, const char *name, onair_session *session);

/* As onair_session_attach, to sample the session: to take some frames, not all. Of what it does not take the newest wait, as
 * many as its quota; no frame counts as lost for it. */
int onair_session_attach_to_sample(const onair_daemon *daemon, const char *name, const char *layout,
                                   onair_session *session);

/* Creates a session from the JSON of POST /v1/sessions and attaches to it as its owner, who may destroy it; to a local
 * session, to fill it. */
int onair_session_create(const onair_daemon *daemon, const char *spec, onair_session *session);

/* From now on buffer_get, event_poll and wait_started return -EAGAIN, and callers that wait wake and return it. For
 * this process only. No allocation, no lock, bounded; errno is preserved. A signal handler may call it. */
int onair_session_stop(onair_session session);

/* Undoes onair_session_stop, not a stop by the daemon. Each caller that waited at the stop has still seen -EAGAIN
 * once. A signal handler may call it. */
int onair_session_start(onair_session session);

/* 1 if stopped, by this process or by the daemon; else 0. A signal handler may call it. */
int onair_session_is_stopped(onair_session session);

/* 1 if the daemon has announced its shutdown, or is dead; else 0. A signal handler may call it. */
int onair_session_is_ending(onair_session session);

/* How many buffers this process may hold at a time, 1 or more. While it holds so many, onair_buffer_get waits; a session
 * that receives then drops frames. */
int onair_session_quota(onair_session session);

/* Waits until the session runs; meanwhile the caller is no user and uses no processor. -EAGAIN if this process has
 * stopped it. */
int onair_session_wait_started(onair_session session, uint32_t timeout_ms);

/* Sender: waits until the daemon has sent what was submitted. `frames_sent` may be NULL. */
int onair_session_flush(onair_session session, uint32_t wait_ms, uint64_t *frames_sent);

/* Leaves the session: stops it for this process, lets callers leave, releases the memory. The handle is released
 * if the result is 0 or -ESTALE; after another error it stays. Buffers that are still held then (-ESTALE) stay
 * readable until they are put. */
int onair_session_detach(onair_session session);

/* Destroys a session that this process created and stopped, if it has no users; waits for them at most `wait_ms`.
 * With users: -EBUSY, and the session runs on: other clients saw a stop and a start. The handle is released as by
 * detach. */
int onair_session_destroy(onair_session session, uint32_t wait_ms);

/* Destroys a session that this process created, whoever uses it. Buffers that this process holds stay readable
 * until they are put. The handle is released as by detach. */
int onair_session_abort(onair_session session);

/* The certificate (JSON) of the session that this thread destroyed or aborted last, by its released handle: copies as
 * much as fits, and a zero byte. Returns its length; -ENOENT if there is none. `text` may be NULL if `bytes` is 0. */
int onair_session_certificate(onair_session session, char *text, size_t bytes);

/* Receive: gets the oldest ready buffer. Send: gets a free one, to fill and submit. Put each one. */
int onair_buffer_get(onair_session session, onair_buffer *buffer, uint32_t timeout_ms);

/* Receive: gets the oldest buffer of which so many lines stand in memory, also while the rest is still received, or that
 * ended with fewer. Audio: samples; JPEG XS: bytes. What stands does not change. One that began before the first such call
 * comes whole, as does all ancillary data. */
int onair_buffer_get_open(onair_session session, onair_buffer *buffer, uint32_t lines, uint32_t timeout_ms);

/* Waits until so many lines stand of a buffer, and brings the struct up to date. Returns how many stand; fewer if the buffer
 * has ended. One thread at a time, and no other call with the buffer meanwhile. */
int onair_buffer_wait_lines(onair_session session, onair_buffer *buffer, uint32_t lines, uint32_t timeout_ms);

/* Returns a buffer, also while the session is stopped. In a send session: unsent. */
int onair_buffer_put(onair_session session, const onair_buffer *buffer);

/* Send: submits a buffer. The daemon sends in the order of these calls. */
int onair_buffer_submit(onair_session session, const onair_buffer *buffer);

/* Send: submits a buffer while it is being filled. What onair_buffer_lines_ready says is there may be sent. Then
 * onair_buffer_submit: all of it is there; or onair_buffer_put: no more of it is sent. */
int onair_buffer_submit_open(onair_session session, const onair_buffer *buffer);

/* The first `lines` lines of a buffer that was submitted open are there, and do not change any more. Audio: samples of
 * each channel; JPEG XS: bytes. */
int onair_buffer_lines_ready(onair_session session, const onair_buffer *buffer, uint32_t lines);

/* Attaches to all sessions of a group that receives, or to none. Each attaches again by itself when its session or the
 * daemon ends. */
int onair_group_attach(const onair_daemon *daemon, const char *name, onair_group *group);

/* Copies the name of a member, from index 0, and a zero byte. Returns its ONAIR_FORMAT_…; -ENOENT after the last. `name`
 * may be NULL if `bytes` is 0. */
int onair_group_member(onair_group group, uint32_t index, char *name, size_t bytes);

/* Gets what comes next, in the order of TAI. A silent member delays the others by at most 200 ms. One thread calls it. Put
 * each unit. */
int onair_group_next(onair_group group, onair_step *step, uint32_t timeout_ms);

/* Returns the unit of a step, from any thread; nothing if the step has none. */
int onair_group_put(onair_group group, const onair_step *step);

/* Leaves the group, and releases the handle and all units. No call with it may be under way. */
int onair_group_detach(onair_group group);

/* Gets the next event. */
int onair_event_poll(onair_session session, onair_event *event, uint32_t timeout_ms);

/* A descriptor that is readable when a call may have a result: a buffer, an event, a stop, a start, the end. It
 * belongs to the session and is closed with the handle. Wait, then clear, then get until -ETIMEDOUT: this order
 * loses nothing. If the program has closed it, the next call makes another one; what has its number is left alone. */
int onair_event_fd(onair_session session);
int onair_event_clear(onair_session session);

/* What the buffers have: ONAIR_FORMAT_…. Each kind has a view of its own; look at the kind first, since later versions
 * of the library have more of them. */
int onair_format_kind(onair_session session);

/* Describes the buffers of a session with video. */
int onair_video_view(onair_session session, onair_video *view);

/* As onair_video_view, of the pixels in `layout`: their planes and bytes. */
int onair_video_view_as(onair_session session, const char *layout, onair_video *view);

/* Writes a held buffer's pixels in `layout`, in the planes of onair_video_view_as. It converts in the caller's thread
 * and changes no sample. -EINVAL: other components or depth, or too few bytes. */
int onair_video_unpack(onair_session session, const onair_buffer *buffer, const char *layout, void *pixels,
                       size_t bytes);

/* Send: fills a held buffer with pixels in `layout`. `field`: which one of an interlaced frame, ONAIR_FIELD_…. */
int onair_video_pack(onair_session session, const onair_buffer *buffer, const char *layout, int field,
                     const void *pixels, size_t bytes);

/* Which field of an interlaced frame a received buffer is: ONAIR_FIELD_…. */
int onair_video_field(onair_session session, const onair_buffer *buffer);

/* Describes the buffers of a session with audio. */
int onair_audio_view(onair_session session, onair_audio *view);

/* Writes the samples of a held buffer: of one channel, from 0, or with ONAIR_ALL_CHANNELS of all in turn. `sample`:
 * ONAIR_SAMPLE_…; of AM824 the 24 bits of audio. Returns how many it wrote. */
int onair_audio_unpack(onair_session session, const onair_buffer *buffer, int channel, uint32_t sample, void *samples,
                       size_t bytes);

/* Send: fills a held buffer with samples of all channels in turn, block_samples * channels of them. Returns how many. */
int onair_audio_pack(onair_session session, const onair_buffer *buffer, uint32_t sample, const void *samples,
                     size_t bytes);

/* Describes the buffers of a session with ancillary data. */
int onair_anc_view(onair_session session, onair_anc *view);

/* Writes the ANC packets of a held buffer, at most `count`. Returns how many the buffer has; at most 4095. The size of
 * the first struct counts for all. Look at is_parity_wrong and is_checksum_wrong: wrong packets are there, too. */
int onair_anc_unpack(onair_session session, const onair_buffer *buffer, onair_anc_packet *packets, size_t count);

/* Send: fills a held buffer with ANC packets, each struct with its size. Without one the stream is kept alive. */
int onair_anc_pack(onair_session session, const onair_buffer *buffer, const onair_anc_packet *packets, size_t count);

/* Describes the buffers of a session with JPEG XS. */
int onair_jpeg_xs_view(onair_session session, onair_jpeg_xs *view);

/* Which field of an interlaced frame a received codestream is: ONAIR_FIELD_…. */
int onair_jpeg_xs_field(onair_session session, const onair_buffer *buffer);

/* The views of a group's unit, which the step has: as those of a buffer. -EINVAL: the step has no unit, or one of another
 * kind; -EALREADY: it was put. */
int onair_group_video_view(onair_group group, const onair_step *step, onair_video *view);
int onair_group_video_view_as(onair_group group, const onair_step *step, const char *layout, onair_video *view);
int onair_group_video_unpack(onair_group group, const onair_step *step, const char *layout, void *pixels, size_t bytes);
int onair_group_audio_view(onair_group group, const onair_step *step, onair_audio *view);
int onair_group_audio_unpack(onair_group group, const onair_step *step, int channel, uint32_t sample, void *samples,
                             size_t bytes);
int onair_group_anc_view(onair_group group, const onair_step *step, onair_anc *view);
int onair_group_anc_unpack(onair_group group, const onair_step *step, onair_anc_packet *packets, size_t count);
int onair_group_jpeg_xs_view(onair_group group, const onair_step *step, onair_jpeg_xs *view);

/* A user for which the last destroy by this handle returned -EBUSY, from index 0; -ENOENT after the last. */
int onair_blocker_get(onair_session session, uint32_t index, onair_blocker *blocker);

#ifdef __cplusplus
}
#endif

#endif
