/* Writes frames of a session as raw video, through AVFrames without a copy: avframe SESSION LAYOUT FRAMES. */
#include <libavutil/imgutils.h>
#include <onair_av.h>
#include <stdio.h>
#include <stdlib.h>

static int failed(const char *what, int error) {
    char text[512];
    onair_last_error(text, sizeof text);
    fprintf(stderr, "%s: %s: %s\n", what, onair_strerror(error), text);
    return 1;
}

static int write_frame(const AVFrame *frame) {
    int bytes = av_image_get_buffer_size(frame->format, frame->width, frame->height, 1);
    uint8_t *image = bytes > 0 ? malloc((size_t)bytes) : NULL;
    if (!image)
        return -ENOMEM;
    av_image_copy_to_buffer(image, bytes, (const uint8_t *const *)frame->data, frame->linesize, frame->format,
                            frame->width, frame->height, 1);
    size_t written = fwrite(image, 1, (size_t)bytes, stdout);
    free(image);
    return written == (size_t)bytes ? 0 : -EIO;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s SESSION LAYOUT FRAMES\n", argv[0]);
        return 2;
    }
    onair_session session;
    int error = onair_session_attach(NULL, argv[1], argv[2], &session);
    if (error < 0)
        return failed("attach", error);
    for (long left = atol(argv[3]); left > 0; left--) {
        AVFrame *frame = NULL;
        error = onair_av_get(session, &frame, 10000);
        if (error < 0)
            return failed("get", error);
        error = av_frame_is_writable(frame) ? -EPERM : write_frame(frame);
        av_frame_free(&frame);
        if (error < 0)
            return failed("write", error);
    }
    error = onair_session_detach(session);
    return error < 0 ? failed("detach", error) : 0;
}
