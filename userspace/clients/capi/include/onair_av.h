/*
 * Frames of a session as AVFrames of FFmpeg (libavutil 57 or later), without a copy. Header only:
 *
 *     cc program.c $(pkg-config --cflags --libs onair libavutil)
 *
 * The frame is read-only (av_frame_make_writable copies it) and returns the buffer when its last reference goes. Until
 * then it counts against the session's quota: copy it before you queue it.
 */
#ifndef ONAIR_AV_H
#define ONAIR_AV_H

#include <errno.h>
#include <string.h>

#include "onair.h"

#ifdef __cplusplus
extern "C" {
#endif
#include <libavutil/frame.h>
#include <libavutil/mem.h>
#include <libavutil/pixdesc.h>

/* FFmpeg's pixel format of the buffers; AV_PIX_FMT_NONE: it has none (v210 is a codec there, and pixel groups of more
 * than 8 bits are none). Attach with a layout such as "yuv422p10le" then. */
static inline enum AVPixelFormat onair_av_format(const onair_video *video) {
    if (strcmp(video->layout, "pgroup") != 0)
        return av_get_pix_fmt(video->layout);
    if (video->depth == 8 && !strcmp(video->sampling, "YCbCr-4:2:2"))
        return AV_PIX_FMT_UYVY422;
    if (video->depth == 8 && !strcmp(video->sampling, "RGB"))
        return AV_PIX_FMT_RGB24;
    return AV_PIX_FMT_NONE;
}

static inline void onair_av_put(void *loan, uint8_t *data) {
    onair_buffer *buffer = (onair_buffer *)loan;
    (void)data;
    onair_buffer_put(buffer->session, buffer);
    av_free(buffer);
}

/* Gets the oldest ready frame of a receive session. Its `pts` is its number: in units of the frame time, with a gap for
 * each frame that was lost. Errors: as onair_buffer_get; -ENOMEM; -ENOTSUP: no pixel format, or fields. Free it with
 * av_frame_free. */
static inline int onair_av_get(onair_session session, AVFrame **frame, uint32_t timeout_ms) {
    onair_video video;
    memset(&video, 0, sizeof video);
    video.size = sizeof video;
    int error = onair_video_view(session, &video);
    if (error < 0)
        return error;
    const enum AVPixelFormat format = onair_av_format(&video);
    if (format == AV_PIX_FMT_NONE || video.scan == ONAIR_SCAN_INTERLACED)
        return -ENOTSUP;
    AVFrame *made = av_frame_alloc();
    onair_buffer *buffer = (onair_buffer *)av_mallocz(sizeof *buffer);
    if (!made || !buffer) {
        av_frame_free(&made);
        av_free(buffer);
        return -ENOMEM;
    }
    buffer->size = sizeof *buffer;
    error = onair_buffer_get(session, buffer, timeout_ms);
    if (error < 0) {
        av_frame_free(&made);
        av_free(buffer);
        return error;
    }
    uint8_t *data = (uint8_t *)buffer->data;
    made->buf[0] = av_buffer_create(data, buffer->bytes, onair_av_put, buffer, AV_BUFFER_FLAG_READONLY);
    if (!made->buf[0]) {
        av_frame_free(&made);
        onair_av_put(buffer, NULL);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < video.plane_count; i++) {
        made->data[i] = data + video.planes[i].offset;
        made->linesize[i] = (int)video.planes[i].stride;
    }
    made->format = format;
    made->width = (int)video.width;
    made->height = (int)video.height;
    made->pts = (int64_t)buffer->number;
    made->sample_aspect_ratio.num = made->sample_aspect_ratio.den = 1;
    if (!buffer->is_complete)
        made->flags |= AV_FRAME_FLAG_CORRUPT;
    *frame = made;
    return 0;
}

#ifdef __cplusplus
}
#endif

#endif
