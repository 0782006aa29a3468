/* Prints the highest sample of each channel, block by block: levels SESSION BLOCKS. */
#include <errno.h>
#include <onair.h>
#include <stdio.h>
#include <stdlib.h>

static int failed(const char *what, int error) {
    char text[512];
    onair_last_error(text, sizeof text);
    fprintf(stderr, "%s: %s: %s\n", what, onair_strerror(error), text);
    return 1;
}

/* Prints a block. */
static int print(onair_session session, const onair_audio *audio, const onair_buffer *buffer, float *samples) {
    size_t bytes = audio->block_samples * sizeof *samples;
    printf("block %llu:", (unsigned long long)buffer->number);
    for (uint32_t channel = 0; channel < audio->channels; channel++) {
        int count = onair_audio_unpack(session, buffer, (int)channel, ONAIR_SAMPLE_F32, samples, bytes);
        if (count < 0)
            return count;
        float peak = 0;
        for (int i = 0; i < count; i++)
            if (samples[i] > peak || -samples[i] > peak)
                peak = samples[i] < 0 ? -samples[i] : samples[i];
        printf(" %.3f", peak);
    }
    puts(buffer->is_complete ? "" : ", incomplete");
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s SESSION BLOCKS\n", argv[0]);
        return 2;
    }
    onair_session session;
    int error = onair_session_attach(NULL, argv[1], NULL, &session);
    if (error < 0)
        return failed("attach", error);
    onair_audio audio = {.size = sizeof audio};
    error = onair_audio_view(session, &audio);
    if (error < 0)
        return failed("audio", error);
    float *samples = malloc(audio.block_samples * sizeof *samples);
    for (long left = atol(argv[2]); left > 0;) {
        onair_buffer buffer = {.size = sizeof buffer};
        error = onair_buffer_get(session, &buffer, ONAIR_FOREVER);
        if (error == -EAGAIN)
            error = onair_session_wait_started(session, ONAIR_FOREVER);
        else if (error == 0) {
            int printed = print(session, &audio, &buffer, samples);
            error = onair_buffer_put(session, &buffer);
            error = printed < 0 ? printed : error;
            left--;
        }
        if (error < 0)
            return failed("get", error);
    }
    free(samples);
    error = onair_session_detach(session);
    return error < 0 ? failed("detach", error) : 0;
}
