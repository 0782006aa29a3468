/* Tables of formats and rates. */
#include "internal.h"

static const struct fps rates[ST_FPS_MAX] = {
    [ST_FPS_P59_94] = {"59.94", 60000.0 / 1001, 60000, 1001},
    [ST_FPS_P50] = {"50", 50, 50, 1},
    [ST_FPS_P29_97] = {"29.97", 30000.0 / 1001, 30000, 1001},
    [ST_FPS_P25] = {"25", 25, 25, 1},
    [ST_FPS_P119_88] = {"119.88", 120000.0 / 1001, 120000, 1001},
    [ST_FPS_P120] = {"120", 120, 120, 1},
    [ST_FPS_P100] = {"100", 100, 100, 1},
    [ST_FPS_P60] = {"60", 60, 60, 1},
    [ST_FPS_P30] = {"30", 30, 30, 1},
    [ST_FPS_P24] = {"24", 24, 24, 1},
    [ST_FPS_P23_98] = {"23.98", 24000.0 / 1001, 24000, 1001},
};

const struct fps *fps_of(enum st_fps fps) { return (unsigned)fps < ST_FPS_MAX ? &rates[fps] : NULL; }

API double st_frame_rate(enum st_fps fps) {
    const struct fps *found = fps_of(fps);
    return found != NULL ? found->rate : 0;
}

API enum st_fps st_frame_rate_to_st_fps(double framerate) {
    for (int i = 0; i < ST_FPS_MAX; i++) {
        double difference = rates[i].rate - framerate;
        if (difference < 0.01 && difference > -0.01)
            return (enum st_fps)i;
    }
    return ST_FPS_MAX;
}

API enum st_fps st_name_to_fps(const char *name) {
    for (int i = 0; i < ST_FPS_MAX; i++)
        if (strcmp(rates[i].name, name) == 0)
            return (enum st_fps)i;
    return ST_FPS_MAX;
}

API enum st22_codec st_name_to_codec(const char *name) {
    static const char *const names[ST22_CODEC_MAX] = {"jpegxs", "h264_cbr", "h264", "h265_cbr", "h265"};
    for (int i = 0; i < ST22_CODEC_MAX; i++)
        if (strcmp(names[i], name) == 0)
            return (enum st22_codec)i;
    return ST22_CODEC_MAX;
}

/* Of each format, ST_FRAME_FMT_…: name, layout, sampling, whether RGB, bits, planes. `bits` of 0: no session has it. */
static const struct app_format apps[ST_FRAME_FMT_MAX] = {
    [ST_FRAME_FMT_YUV422PLANAR10LE] = {"YUV422PLANAR10LE", "yuv422p10le", 422, false, 10, 3},
    [ST_FRAME_FMT_V210] = {"V210", "v210", 422, false, 10, 1},
    [ST_FRAME_FMT_Y210] = {"Y210", "y210le", 422, false, 10, 1},
    [ST_FRAME_FMT_YUV422PLANAR8] = {"YUV422PLANAR8", "yuv422p", 422, false, 8, 3},
    [ST_FRAME_FMT_UYVY] = {"UYVY", NULL, 422, false, 8, 1},
    [ST_FRAME_FMT_YUV422RFC4175PG2BE10] = {"YUV422RFC4175PG2BE10", NULL, 422, false, 10, 1},
    [ST_FRAME_FMT_YUV422PLANAR12LE] = {"YUV422PLANAR12LE", "yuv422p12le", 422, false, 12, 3},
    [ST_FRAME_FMT_YUV422RFC4175PG2BE12] = {"YUV422RFC4175PG2BE12", NULL, 422, false, 12, 1},
    [ST_FRAME_FMT_YUV444PLANAR10LE] = {"YUV444PLANAR10LE", "yuv444p10le", 444, false, 10, 3},
    [ST_FRAME_FMT_YUV444RFC4175PG4BE10] = {"YUV444RFC4175PG4BE10", NULL, 444, false, 10, 1},
    [ST_FRAME_FMT_YUV444PLANAR12LE] = {"YUV444PLANAR12LE", "yuv444p12le", 444, false, 12, 3},
    [ST_FRAME_FMT_YUV444RFC4175PG2BE12] = {"YUV444RFC4175PG2BE12", NULL, 444, false, 12, 1},
    [ST_FRAME_FMT_YUV420CUSTOM8] = {"YUV420CUSTOM8", "yuv420p", 420, false, 8, 3},
    [ST_FRAME_FMT_YUV422CUSTOM8] = {.name = "YUV422CUSTOM8"},
    [ST_FRAME_FMT_YUV420PLANAR8] = {"YUV420PLANAR8", "yuv420p", 420, false, 8, 3},
    [ST_FRAME_FMT_YUV422PLANAR16LE] = {"YUV422PLANAR16LE", "yuv422p16le", 422, false, 16, 3},
    [ST_FRAME_FMT_ARGB] = {.name = "ARGB"},
    [ST_FRAME_FMT_BGRA] = {.name = "BGRA"},
    [ST_FRAME_FMT_RGB8] = {"RGB8", NULL, 444, true, 8, 1},
    [ST_FRAME_FMT_GBRPLANAR10LE] = {"GBRPLANAR10LE", "gbrp10le", 444, true, 10, 3},
    [ST_FRAME_FMT_RGBRFC4175PG4BE10] = {"RGBRFC4175PG4BE10", NULL, 444, true, 10, 1},
    [ST_FRAME_FMT_GBRPLANAR12LE] = {"GBRPLANAR12LE", "gbrp12le", 444, true, 12, 3},
    [ST_FRAME_FMT_RGBRFC4175PG2BE12] = {"RGBRFC4175PG2BE12", NULL, 444, true, 12, 1},
    [ST_FRAME_FMT_JPEGXS_CODESTREAM] = {.name = "JPEGXS_CODESTREAM"},
    [ST_FRAME_FMT_H264_CBR_CODESTREAM] = {.name = "H264_CBR_CODESTREAM"},
    [ST_FRAME_FMT_H264_CODESTREAM] = {.name = "H264_CODESTREAM"},
    [ST_FRAME_FMT_H265_CBR_CODESTREAM] = {.name = "H265_CBR_CODESTREAM"},
    [ST_FRAME_FMT_H265_CODESTREAM] = {.name = "H265_CODESTREAM"},
};

const struct app_format *app_format_of(enum st_frame_fmt fmt) {
    return (unsigned)fmt < ST_FRAME_FMT_MAX && apps[fmt].bits != 0 ? &apps[fmt] : NULL;
}

/* Formats of the wire, each with the program's of the same bytes. */
static const struct wire {
    const char *name;
    int sampling;
    bool is_rgb;
    unsigned bits;
    enum st_frame_fmt same;
} wires[ST20_FMT_MAX] = {
    [ST20_FMT_YUV_422_10BIT] = {"ST20_FMT_YUV_422_10BIT", 422, false, 10, ST_FRAME_FMT_YUV422RFC4175PG2BE10},
    [ST20_FMT_YUV_422_8BIT] = {"ST20_FMT_YUV_422_8BIT", 422, false, 8, ST_FRAME_FMT_UYVY},
    [ST20_FMT_YUV_422_12BIT] = {"ST20_FMT_YUV_422_12BIT", 422, false, 12, ST_FRAME_FMT_YUV422RFC4175PG2BE12},
    [ST20_FMT_YUV_422_16BIT] = {"ST20_FMT_YUV_422_16BIT", 422, false, 16, ST_FRAME_FMT_MAX},
    [ST20_FMT_YUV_420_8BIT] = {"ST20_FMT_YUV_420_8BIT", 420, false, 8, ST_FRAME_FMT_YUV420CUSTOM8},
    [ST20_FMT_YUV_420_10BIT] = {"ST20_FMT_YUV_420_10BIT", 420, false, 10, ST_FRAME_FMT_MAX},
    [ST20_FMT_YUV_420_12BIT] = {"ST20_FMT_YUV_420_12BIT", 420, false, 12, ST_FRAME_FMT_MAX},
    [ST20_FMT_YUV_420_16BIT] = {"ST20_FMT_YUV_420_16BIT", 420, false, 16, ST_FRAME_FMT_MAX},
    [ST20_FMT_RGB_8BIT] = {"ST20_FMT_RGB_8BIT", 444, true, 8, ST_FRAME_FMT_RGB8},
    [ST20_FMT_RGB_10BIT] = {"ST20_FMT_RGB_10BIT", 444, true, 10, ST_FRAME_FMT_RGBRFC4175PG4BE10},
    [ST20_FMT_RGB_12BIT] = {"ST20_FMT_RGB_12BIT", 444, true, 12, ST_FRAME_FMT_RGBRFC4175PG2BE12},
    [ST20_FMT_RGB_16BIT] = {"ST20_FMT_RGB_16BIT", 444, true, 16, ST_FRAME_FMT_MAX},
    [ST20_FMT_YUV_444_8BIT] = {"ST20_FMT_YUV_444_8BIT", 444, false, 8, ST_FRAME_FMT_MAX},
    [ST20_FMT_YUV_444_10BIT] = {"ST20_FMT_YUV_444_10BIT", 444, false, 10, ST_FRAME_FMT_YUV444RFC4175PG4BE10},
    [ST20_FMT_YUV_444_12BIT] = {"ST20_FMT_YUV_444_12BIT", 444, false, 12, ST_FRAME_FMT_YUV444RFC4175PG2BE12},
    [ST20_FMT_YUV_444_16BIT] = {"ST20_FMT_YUV_444_16BIT", 444, false, 16, ST_FRAME_FMT_MAX},
    [ST20_FMT_YUV_422_PLANAR10LE] = {.name = "ST20_FMT_YUV_422_PLANAR10LE", .same = ST_FRAME_FMT_YUV422PLANAR10LE},
    [ST20_FMT_V210] = {.name = "ST20_FMT_V210", .same = ST_FRAME_FMT_V210},
};

static const struct wire *wire_of(enum st20_fmt fmt) { return (unsigned)fmt < ST20_FMT_MAX ? &wires[fmt] : NULL; }

bool wire_format_json(enum st20_fmt fmt, const struct app_format *app, char *json, size_t bytes) {
    const struct wire *wire = wire_of(fmt);
    if (wire == NULL || wire->bits == 0 || wire->sampling != app->sampling || wire->is_rgb != app->is_rgb ||
        wire->bits != app->bits)
        return false;
    const char *sampling = wire->is_rgb            ? "RGB"
                           : wire->sampling == 420 ? "YCbCr-4:2:0"
                           : wire->sampling == 422 ? "YCbCr-4:2:2"
                                                   : "YCbCr-4:4:4";
    return (size_t)snprintf(json, bytes, "\"sampling\": \"%s\", \"depth\": %u", sampling, wire->bits) < bytes;
}

API const char *st_frame_fmt_name(enum st_frame_fmt fmt) {
    return (unsigned)fmt < ST_FRAME_FMT_MAX && apps[fmt].name != NULL ? apps[fmt].name : "unknown";
}

API enum st_frame_fmt st_frame_name_to_fmt(const char *name) {
    for (int i = 0; i < ST_FRAME_FMT_MAX; i++)
        if (apps[i].name != NULL && strcmp(apps[i].name, name) == 0)
            return (enum st_frame_fmt)i;
    return ST_FRAME_FMT_MAX;
}

API const char *st20_fmt_name(enum st20_fmt fmt) {
    const struct wire *wire = wire_of(fmt);
    return wire != NULL ? wire->name : "unknown";
}

API enum st20_fmt st20_name_to_fmt(const char *name) {
    for (int i = 0; i < ST20_FMT_MAX; i++)
        if (strcmp(wires[i].name, name) == 0)
            return (enum st20_fmt)i;
    return ST20_FMT_MAX;
}

API uint8_t st_frame_fmt_planes(enum st_frame_fmt fmt) {
    const struct app_format *app = app_format_of(fmt);
    return app != NULL ? (uint8_t)app->planes : 0;
}

/* Bytes of `pixels` in pixel groups of the wire. */
static size_t group_bytes(int sampling, unsigned bits, size_t pixels) {
    size_t samples = sampling == 444 ? 3 * pixels : sampling == 422 ? 2 * pixels : pixels * 3 / 2;
    return (samples * bits + 7) / 8;
}

API size_t st_frame_least_linesize(enum st_frame_fmt fmt, uint32_t width, uint8_t plane) {
    const struct app_format *app = app_format_of(fmt);
    if (app == NULL || plane >= app->planes)
        return 0;
    if (fmt == ST_FRAME_FMT_V210)
        return (size_t)width * 8 / 3;
    if (fmt == ST_FRAME_FMT_Y210)
        return (size_t)width * 4;
    if (app->planes == 1)
        return group_bytes(app->sampling, app->bits, width);
    size_t line = (size_t)width * (app->bits > 8 ? 2 : 1);
    return plane == 0 || app->sampling == 444 ? line : line / 2;
}

API size_t st_frame_size(enum st_frame_fmt fmt, uint32_t width, uint32_t height, bool interlaced) {
    const struct app_format *app = app_format_of(fmt);
    size_t bytes = 0, lines = interlaced ? height / 2 : height;
    for (uint8_t plane = 0; app != NULL && plane < app->planes; plane++)
        bytes += st_frame_least_linesize(fmt, width, plane) * (plane > 0 && app->sampling == 420 ? lines / 2 : lines);
    return bytes;
}

API size_t st20_frame_size(enum st20_fmt fmt, uint32_t width, uint32_t height) {
    const struct wire *wire = wire_of(fmt);
    return wire != NULL && wire->bits != 0 ? group_bytes(wire->sampling, wire->bits, (size_t)width * height) : 0;
}

API enum st20_fmt st_frame_fmt_to_transport(enum st_frame_fmt fmt) {
    for (int i = 0; i < ST20_FMT_MAX; i++)
        if (wires[i].same == fmt && fmt != ST_FRAME_FMT_MAX)
            return (enum st20_fmt)i;
    return ST20_FMT_MAX;
}

API enum st_frame_fmt st_frame_fmt_from_transport(enum st20_fmt fmt) {
    const struct wire *wire = wire_of(fmt);
    return wire != NULL ? wire->same : ST_FRAME_FMT_MAX;
}

API bool st_frame_fmt_equal_transport(enum st_frame_fmt fmt, enum st20_fmt tfmt) {
    return fmt != ST_FRAME_FMT_MAX && st_frame_fmt_from_transport(tfmt) == fmt;
}

API uint32_t st10_tai_to_media_clk(uint64_t tai_ns, uint32_t sampling_rate) {
    uint64_t seconds = tai_ns / NS_PER_S, rest = tai_ns % NS_PER_S;
    return (uint32_t)(seconds * sampling_rate + (rest * sampling_rate + NS_PER_S / 2) / NS_PER_S);
}

API uint64_t st10_media_clk_to_ns(uint32_t media_ts, uint32_t sampling_rate) {
    return sampling_rate != 0 ? (uint64_t)media_ts * NS_PER_S / sampling_rate : 0;
}
