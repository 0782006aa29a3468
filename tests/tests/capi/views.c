/* Sends blocks and ANC packets, gets them again, and uses them wrongly: views SOUND-IN SOUND-SPEC DATA-IN DATA-SPEC VIDEO
 * JPEG-XS.
 * Built with sanitizers. */
#include <errno.h>
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

enum { BLOCK = 480, CHANNELS = 2, ALL = BLOCK * CHANNELS, BLOCKS = 8 };

/* The sample of a channel that block `number` has at a time. */
static int32_t value(int number, int at, int channel) {
    int32_t sample = (number * BLOCK + at) * 1000 + channel;
    return channel ? -sample : sample;
}

static void sound(const char *name, const char *spec) {
    static int32_t out[ALL], in[ALL];
    static float floats[BLOCK];
    onair_session receiver, sender;
    onair_buffer buffer = {.size = sizeof buffer};
    onair_audio audio = {.size = sizeof audio}, unset = {0};
    onair_video video = {.size = sizeof video};
    onair_anc anc = {.size = sizeof anc};
    onair_anc_packet packet = {.size = sizeof packet};
    IS(onair_session_attach(NULL, name, NULL, &receiver), 0);
    IS(onair_session_create(NULL, spec, &sender), 0);
    IS(onair_format_kind(receiver), ONAIR_FORMAT_AUDIO);
    IS(onair_audio_view(receiver, &unset), -EINVAL);
    IS(onair_audio_view(receiver, NULL), -EINVAL);
    IS(onair_audio_view(receiver, &audio), 0);
    IS(audio.sample_rate, 48000);
    IS(audio.channels, CHANNELS);
    IS(audio.block_samples, BLOCK);
    IS(audio.packet_samples, 48);
    IS(audio.packet_time_us, 1000);
    IS(audio.buffer_bytes, ALL * 3);
    IS(audio.is_sender, 0);
    IS(strcmp(audio.coding, "L24"), 0);
    IS(strcmp(audio.channel_order, "SMPTE2110.(ST)"), 0);
    IS(onair_video_view(receiver, &video), -EINVAL);
    IS(onair_video_view_as(receiver, "v210", &video), -EINVAL);
    IS(onair_anc_view(receiver, &anc), -EINVAL);
    for (int number = 0; number < BLOCKS; number++) {
        for (int i = 0; i < ALL; i++)
            out[i] = value(number, i / CHANNELS, i % CHANNELS);
        IS(onair_buffer_get(sender, &buffer, 10000), 0);
        IS(onair_audio_pack(sender, &buffer, ONAIR_SAMPLE_S24, out, sizeof out - 4), -EINVAL);
        IS(onair_audio_pack(sender, &buffer, 9, out, sizeof out), -EINVAL);
        IS(onair_audio_pack(sender, &buffer, ONAIR_SAMPLE_S24, NULL, sizeof out), -EINVAL);
        IS(onair_audio_pack(sender, &buffer, ONAIR_SAMPLE_S24, (char *)out + 1, sizeof out), -EINVAL);
        IS(onair_audio_pack(sender, &buffer, ONAIR_SAMPLE_S24, out, sizeof out), ALL);
        IS(onair_anc_pack(sender, &buffer, &packet, 1), -EINVAL);
        if (number % 2 == 1)
            IS(onair_buffer_submit_open(sender, &buffer), 0);
        IS(onair_buffer_submit(sender, &buffer), 0);
        IS(onair_audio_pack(sender, &buffer, ONAIR_SAMPLE_S24, out, sizeof out), -EALREADY);
    }
    for (int number = 0; number < BLOCKS; number++) {
        IS(onair_buffer_get(receiver, &buffer, 10000), 0);
        IS(buffer.is_complete, 1);
        IS(onair_audio_unpack(receiver, &buffer, ONAIR_ALL_CHANNELS, ONAIR_SAMPLE_S24, in, sizeof in - 4), -EINVAL);
        IS(onair_audio_unpack(receiver, &buffer, 2, ONAIR_SAMPLE_S24, in, sizeof in), -EINVAL);
        IS(onair_audio_unpack(receiver, &buffer, -2, ONAIR_SAMPLE_S24, in, sizeof in), -EINVAL);
        IS(onair_audio_unpack(receiver, &buffer, 0, 0, in, sizeof in), -EINVAL);
        IS(onair_audio_unpack(receiver, &buffer, ONAIR_ALL_CHANNELS, ONAIR_SAMPLE_S24, in, sizeof in), ALL);
        for (int i = 0; i < ALL; i++)
            IS(in[i], value(number, i / CHANNELS, i % CHANNELS));
        IS(onair_audio_unpack(receiver, &buffer, 1, ONAIR_SAMPLE_F32, floats, sizeof floats), BLOCK);
        for (int i = 0; i < BLOCK; i++)
            IS(floats[i] == (float)value(number, i, 1) / 8388608, 1);
        IS(onair_audio_pack(receiver, &buffer, ONAIR_SAMPLE_S24, out, sizeof out), -EINVAL);
        IS(onair_video_field(receiver, &buffer), -EINVAL);
        IS(onair_video_unpack(receiver, &buffer, "v210", in, sizeof in), -EINVAL);
        IS(onair_anc_unpack(receiver, &buffer, &packet, 1), -EINVAL);
        IS(onair_buffer_put(receiver, &buffer), 0);
    }
    IS(onair_session_abort(sender), 0);
    IS(onair_session_detach(receiver), 0);
    IS(onair_audio_view(receiver, &audio), -ESTALE);
}

/* The packets of unit `number`. */
static int fill(onair_anc_packet *packets, int number) {
    for (int i = 0; i < 3; i++) {
        packets[i] = (onair_anc_packet){.size = sizeof *packets, .line = 9 + i, .offset = ONAIR_ANC_ANY_OFFSET};
        packets[i].is_chroma = i == 1, packets[i].has_stream = i == 2, packets[i].stream = i == 2 ? 5 : 0;
        packets[i].did = 0x50, packets[i].sdid = 1 + i, packets[i].word_count = 10 * i + 1;
        for (uint32_t word = 0; word < packets[i].word_count; word++)
            packets[i].words[word] = (uint16_t)((number + i + word) & 0xff);
    }
    return 3;
}

static void data(const char *name, const char *spec) {
    onair_session receiver, sender;
    onair_buffer buffer = {.size = sizeof buffer};
    onair_anc anc = {.size = sizeof anc};
    onair_audio audio = {.size = sizeof audio};
    /* Exactly as long as said, so that the sanitizer sees a byte too much. */
    onair_anc_packet *packets = calloc(3, sizeof *packets), wanted[3];
    IS(onair_session_attach(NULL, name, NULL, &receiver), 0);
    IS(onair_session_create(NULL, spec, &sender), 0);
    IS(onair_format_kind(receiver), ONAIR_FORMAT_ANC);
    IS(onair_anc_view(receiver, NULL), -EINVAL);
    IS(onair_anc_view(receiver, &anc), 0);
    IS(anc.rate_numerator, 30000);
    IS(anc.rate_denominator, 1001);
    IS(anc.has_fields, 0);
    IS(onair_audio_view(receiver, &audio), -EINVAL);
    for (int number = 0; number < BLOCKS; number++) {
        IS(onair_buffer_get(sender, &buffer, 10000), 0);
        int count = fill(packets, number);
        packets[2].size = 0;
        IS(onair_anc_pack(sender, &buffer, packets, count), -EINVAL);
        fill(packets, number), packets[1].line = 2048;
        IS(onair_anc_pack(sender, &buffer, packets, count), -EINVAL);
        fill(packets, number), packets[1].word_count = 256;
        IS(onair_anc_pack(sender, &buffer, packets, count), -EINVAL);
        fill(packets, number);
        IS(onair_anc_pack(sender, &buffer, NULL, count), -EINVAL);
        IS(onair_anc_pack(sender, &buffer, packets, SIZE_MAX), -EINVAL);
        IS(onair_anc_pack(sender, &buffer, packets, count), 0);
        IS(onair_anc_unpack(sender, &buffer, packets, 3), 3);
        if (number % 2 == 1)
            IS(onair_buffer_submit_open(sender, &buffer), 0);
        IS(onair_buffer_submit(sender, &buffer), 0);
    }
    for (int number = 0; number < BLOCKS;) {
        IS(onair_buffer_get(receiver, &buffer, 10000), 0);
        memset(packets, 0, 3 * sizeof *packets);
        IS(onair_anc_unpack(receiver, &buffer, packets, 3), -EINVAL);
        packets[0].size = sizeof *packets;
        int count = onair_anc_unpack(receiver, &buffer, packets, 3);
        IS(onair_anc_unpack(receiver, &buffer, NULL, 0), count);
        IS(onair_anc_pack(receiver, &buffer, NULL, 0), -EINVAL);
        IS(onair_audio_unpack(receiver, &buffer, 0, ONAIR_SAMPLE_S24, packets, 16), -EINVAL);
        IS(onair_buffer_put(receiver, &buffer), 0);
        /* The stream is kept alive before and after. */
        if (count == 0)
            continue;
        IS(count, fill(wanted, number));
        for (int i = 0; i < count; i++) {
            IS(packets[i].size, sizeof *packets);
            IS(packets[i].line, wanted[i].line);
            IS(packets[i].offset, wanted[i].offset);
            IS(packets[i].is_chroma, wanted[i].is_chroma);
            IS(packets[i].has_stream, wanted[i].has_stream);
            IS(packets[i].stream, wanted[i].stream);
            IS(packets[i].did, wanted[i].did);
            IS(packets[i].sdid, wanted[i].sdid);
            IS(packets[i].is_parity_wrong + packets[i].is_checksum_wrong, 0);
            IS(packets[i].word_count, wanted[i].word_count);
            for (uint32_t word = 0; word < packets[i].word_count; word++)
                IS(packets[i].words[word] & 0xff, wanted[i].words[word]);
        }
        number++;
    }
    free(packets);
    IS(onair_session_abort(sender), 0);
    IS(onair_session_detach(receiver), 0);
    IS(onair_anc_view(receiver, &anc), -ESTALE);
}

static void codestreams(const char *name) {
    onair_session session;
    onair_buffer buffer = {.size = sizeof buffer};
    onair_jpeg_xs view = {.size = sizeof view};
    onair_video video = {.size = sizeof video};
    IS(onair_session_attach(NULL, name, NULL, &session), 0);
    IS(onair_format_kind(session), ONAIR_FORMAT_JPEG_XS);
    IS(onair_video_view(session, &video), -EINVAL);
    IS(onair_jpeg_xs_view(session, NULL), -EINVAL);
    IS(onair_jpeg_xs_view(session, &view), 0);
    IS(view.width, 1280);
    IS(view.height, 720);
    IS(view.depth, 10);
    IS(view.is_interlaced, 1);
    IS(view.buffer_bytes, 60000);
    for (int number = 0, last = 0; number < BLOCKS; number++) {
        IS(onair_buffer_get(session, &buffer, 10000), 0);
        IS(buffer.is_complete, 1);
        IS(buffer.bytes, 60000);
        IS(memcmp((const char *)buffer.data + 4, "jpvs", 4), 0);
        int field = onair_jpeg_xs_field(session, &buffer);
        if (number > 0)
            IS(field, last == ONAIR_FIELD_FIRST ? ONAIR_FIELD_SECOND : ONAIR_FIELD_FIRST);
        last = field;
        IS(onair_buffer_put(session, &buffer), 0);
    }
    IS(onair_session_detach(session), 0);
    IS(onair_jpeg_xs_view(session, &view), -ESTALE);
}

int main(int argc, char **argv) {
    if (argc != 7)
        return 2;
    codestreams(argv[6]);
    sound(argv[1], argv[2]);
    data(argv[3], argv[4]);
    onair_session video;
    onair_audio audio = {.size = sizeof audio};
    onair_anc anc = {.size = sizeof anc};
    IS(onair_session_attach(NULL, argv[5], NULL, &video), 0);
    IS(onair_format_kind(video), ONAIR_FORMAT_VIDEO);
    onair_jpeg_xs jpeg_xs = {.size = sizeof jpeg_xs};
    IS(onair_audio_view(video, &audio), -EINVAL);
    IS(onair_anc_view(video, &anc), -EINVAL);
    IS(onair_jpeg_xs_view(video, &jpeg_xs), -EINVAL);
    IS(onair_audio_view(0, &audio), -EINVAL);
    IS(onair_anc_view(0, &anc), -EINVAL);
    IS(onair_session_detach(video), 0);
    puts(failures == 0 ? "all as they were sent" : "failed");
    return failures != 0;
}
