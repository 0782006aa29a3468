/* Unpacks the units of a group, and uses their views wrongly: views GROUP UNITS PICTURES SOUNDS. It writes the pixels and
 * samples of complete units to these files. Built with sanitizers. */
#include <errno.h>
#include <inttypes.h>
#include <onair.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define IS(call, wanted)                                                                                               \
    do {                                                                                                               \
        long got = (call);                                                                                             \
        if (got != (wanted)) {                                                                                         \
            char text[512];                                                                                            \
            onair_last_error(text, sizeof text);                                                                       \
            fprintf(stderr, "%d: %s: %ld (%s)\n", __LINE__, #call, got, text);                                         \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

static onair_video video = {.size = sizeof video};
static onair_audio audio = {.size = sizeof audio};
static onair_anc anc = {.size = sizeof anc};
static onair_jpeg_xs jpeg_xs = {.size = sizeof jpeg_xs};
static onair_anc_packet packets[16] = {{.size = sizeof *packets}};
static unsigned char pixels[1 << 18];
static int32_t samples[4096];

static void picture(onair_group group, const onair_step *step, FILE *file) {
    onair_video unset = {0};
    IS(onair_group_video_view(group, step, &unset), -EINVAL);
    IS(onair_group_video_view(group, step, &video), 0);
    IS(video.width, 320);
    IS(video.is_sender, 0);
    IS(strcmp(video.layout, "pgroup"), 0);
    IS(onair_group_video_view_as(group, step, "rgb24", &video), -EINVAL);
    IS(onair_group_video_view_as(group, step, "uyvy422", &video), 0);
    IS(strcmp(video.layout, "uyvy422"), 0);
    IS(onair_group_video_unpack(group, step, "uyvy422", pixels, video.buffer_bytes - 1), -EINVAL);
    IS(onair_group_video_unpack(group, step, "uyvy422", NULL, sizeof pixels), -EINVAL);
    IS(onair_group_video_unpack(group, step, "uyvy422", pixels, sizeof pixels), 0);
    IS(onair_group_audio_view(group, step, &audio), -EINVAL);
    IS(onair_group_audio_unpack(group, step, 0, ONAIR_SAMPLE_S24, samples, sizeof samples), -EINVAL);
    IS(onair_group_anc_view(group, step, &anc), -EINVAL);
    IS(onair_group_jpeg_xs_view(group, step, &jpeg_xs), -EINVAL);
    if (step->is_complete)
        IS(fwrite(pixels, video.buffer_bytes, 1, file), 1);
}

static void sound(onair_group group, const onair_step *step, FILE *file) {
    IS(onair_group_audio_view(group, step, &audio), 0);
    IS(audio.channels, 2);
    IS(strcmp(audio.coding, "L24"), 0);
    size_t count = audio.block_samples * audio.channels, bytes = count * sizeof *samples;
    IS(onair_group_audio_unpack(group, step, 2, ONAIR_SAMPLE_S24, samples, bytes), -EINVAL);
    IS(onair_group_audio_unpack(group, step, ONAIR_ALL_CHANNELS, ONAIR_SAMPLE_S24, samples, bytes - 4), -EINVAL);
    IS(onair_group_audio_unpack(group, step, ONAIR_ALL_CHANNELS, ONAIR_SAMPLE_S24, samples, bytes), (long)count);
    IS(onair_group_video_unpack(group, step, "uyvy422", pixels, sizeof pixels), -EINVAL);
    if (step->is_complete)
        IS(fwrite(samples, bytes, 1, file), 1);
}

static void captions(onair_group group, const onair_step *step) {
    IS(onair_group_anc_view(group, step, &anc), 0);
    IS(anc.rate_numerator, 50);
    int count = onair_group_anc_unpack(group, step, packets, 16);
    if (step->is_complete)
        IS(count > 0 && !packets[0].is_parity_wrong && !packets[0].is_checksum_wrong, 1);
    IS(onair_group_anc_unpack(group, step, NULL, 1), -EINVAL);
    IS(onair_group_anc_unpack(group, step, NULL, 0), count);
}

int main(int argc, char **argv) {
    if (argc != 5)
        return 2;
    FILE *pictures = fopen(argv[3], "w"), *sounds = fopen(argv[4], "w");
    if (!pictures || !sounds)
        return 2;
    onair_group group;
    IS(onair_group_attach(NULL, argv[1], &group), 0);
    onair_step none = {.size = sizeof none}, later = {.size = sizeof later, .unit = UINT64_MAX};
    IS(onair_group_video_view(group, &none, &video), -EINVAL);
    IS(onair_group_video_view(group, &later, &video), -EINVAL);
    IS(onair_group_video_view(group, NULL, &video), -EINVAL);
    IS(onair_group_video_view(group + 1, &none, &video), -EINVAL);
    long left[] = {0, atol(argv[2]), atol(argv[2]), atol(argv[2])};
    while (!failures && (left[1] > 0 || left[2] > 0 || left[3] > 0)) {
        onair_step step = {.size = sizeof step};
        IS(onair_group_next(group, &step, 30000), 0);
        if (!step.unit)
            continue;
        if (step.format == ONAIR_FORMAT_VIDEO)
            picture(group, &step, pictures);
        else if (step.format == ONAIR_FORMAT_AUDIO)
            sound(group, &step, sounds);
        else
            captions(group, &step);
        left[step.format]--;
        IS(onair_group_put(group, &step), 0);
        IS(onair_group_video_view(group, &step, &video), -EALREADY);
        IS(onair_group_anc_unpack(group, &step, packets, 16), -EALREADY);
    }
    IS(onair_group_detach(group), 0);
    if (fclose(pictures) || fclose(sounds))
        return 2;
    if (!failures)
        puts("all unpacked");
    return failures != 0;
}
