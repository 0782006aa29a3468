/* MTL's enumerations of formats and rates, and what it says of them. See onair_mtl.h. */
#ifndef ONAIR_MTL_FORMATS_H
#define ONAIR_MTL_FORMATS_H

#include <onair_mtl/instance.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ST_MAX_PLANES 4
#define ST10_VIDEO_SAMPLING_RATE_90K 90000
#define ST10_AUDIO_SAMPLING_RATE_48K 48000
#define ST10_AUDIO_SAMPLING_RATE_44K 44100
#define ST10_AUDIO_SAMPLING_RATE_96K 96000

enum st10_timestamp_fmt { ST10_TIMESTAMP_FMT_TAI, ST10_TIMESTAMP_FMT_MEDIA_CLK, ST10_TIMESTAMP_FMT_MAX };

/* Fields a second if interlaced. */
enum st_fps {
    ST_FPS_P59_94,
    ST_FPS_P50,
    ST_FPS_P29_97,
    ST_FPS_P25,
    ST_FPS_P119_88,
    ST_FPS_P120,
    ST_FPS_P100,
    ST_FPS_P60,
    ST_FPS_P30,
    ST_FPS_P24,
    ST_FPS_P23_98,
    ST_FPS_MAX
};

/* On the wire. The last two are not of RFC 4175, and are refused. */
enum st20_fmt {
    ST20_FMT_YUV_422_10BIT,
    ST20_FMT_YUV_422_8BIT,
    ST20_FMT_YUV_422_12BIT,
    ST20_FMT_YUV_422_16BIT,
    ST20_FMT_YUV_420_8BIT,
    ST20_FMT_YUV_420_10BIT,
    ST20_FMT_YUV_420_12BIT,
    ST20_FMT_YUV_420_16BIT,
    ST20_FMT_RGB_8BIT,
    ST20_FMT_RGB_10BIT,
    ST20_FMT_RGB_12BIT,
    ST20_FMT_RGB_16BIT,
    ST20_FMT_YUV_444_8BIT,
    ST20_FMT_YUV_444_10BIT,
    ST20_FMT_YUV_444_12BIT,
    ST20_FMT_YUV_444_16BIT,
    ST20_FMT_YUV_422_PLANAR10LE,
    ST20_FMT_V210,
    ST20_FMT_MAX
};

/* In memory. */
enum st_frame_fmt {
    ST_FRAME_FMT_YUV_START = 0,
    ST_FRAME_FMT_YUV422PLANAR10LE = ST_FRAME_FMT_YUV_START,
    ST_FRAME_FMT_V210,
    ST_FRAME_FMT_Y210,
    ST_FRAME_FMT_YUV422PLANAR8,
    ST_FRAME_FMT_UYVY,
    ST_FRAME_FMT_YUV422RFC4175PG2BE10,
    ST_FRAME_FMT_YUV422PLANAR12LE,
    ST_FRAME_FMT_YUV422RFC4175PG2BE12,
    ST_FRAME_FMT_YUV444PLANAR10LE,
    ST_FRAME_FMT_YUV444RFC4175PG4BE10,
    ST_FRAME_FMT_YUV444PLANAR12LE,
    ST_FRAME_FMT_YUV444RFC4175PG2BE12,
    ST_FRAME_FMT_YUV420CUSTOM8, /* planar; on the wire as ST 2110-20 says, not as MTL sends it */
    ST_FRAME_FMT_YUV422CUSTOM8,
    ST_FRAME_FMT_YUV420PLANAR8,
    ST_FRAME_FMT_YUV422PLANAR16LE,
    ST_FRAME_FMT_YUV_END,
    ST_FRAME_FMT_RGB_START = 32,
    ST_FRAME_FMT_ARGB = ST_FRAME_FMT_RGB_START,
    ST_FRAME_FMT_BGRA,
    ST_FRAME_FMT_RGB8,
    ST_FRAME_FMT_GBRPLANAR10LE,
    ST_FRAME_FMT_RGBRFC4175PG4BE10,
    ST_FRAME_FMT_GBRPLANAR12LE,
    ST_FRAME_FMT_RGBRFC4175PG2BE12,
    ST_FRAME_FMT_RGB_END,
    ST_FRAME_FMT_CODESTREAM_START = 56,
    ST_FRAME_FMT_JPEGXS_CODESTREAM = ST_FRAME_FMT_CODESTREAM_START,
    ST_FRAME_FMT_H264_CBR_CODESTREAM,
    ST_FRAME_FMT_H264_CODESTREAM,
    ST_FRAME_FMT_H265_CBR_CODESTREAM,
    ST_FRAME_FMT_H265_CODESTREAM,
    ST_FRAME_FMT_CODESTREAM_END,
    ST_FRAME_FMT_MAX
};

enum st20_packing { ST20_PACKING_BPM, ST20_PACKING_GPM, ST20_PACKING_GPM_SL, ST20_PACKING_MAX };
enum st21_pacing { ST21_PACING_NARROW, ST21_PACING_WIDE, ST21_PACING_LINEAR, ST21_PACING_MAX };
enum st_frame_status {
    ST_FRAME_STATUS_COMPLETE,
    ST_FRAME_STATUS_RECONSTRUCTED,
    ST_FRAME_STATUS_CORRUPTED,
    ST_FRAME_STATUS_DROPPED,
    ST_FRAME_STATUS_MAX
};
enum st_rx_tp_compliant {
    ST_RX_TP_COMPLIANT_FAILED,
    ST_RX_TP_COMPLIANT_WIDE,
    ST_RX_TP_COMPLIANT_NARROW,
    ST_RX_TP_COMPLIANT_MAX
};
enum st_plugin_device {
    ST_PLUGIN_DEVICE_AUTO,
    ST_PLUGIN_DEVICE_CPU,
    ST_PLUGIN_DEVICE_GPU,
    ST_PLUGIN_DEVICE_FPGA,
    ST_PLUGIN_DEVICE_TEST,
    ST_PLUGIN_DEVICE_TEST_INTERNAL,
    ST_PLUGIN_DEVICE_MAX
};
enum st_event { ST_EVENT_VSYNC, ST_EVENT_RECOVERY_ERROR, ST_EVENT_FATAL_ERROR, ST_EVENT_MAX };

/* Compressed video: the names only, for programs that parse them. No session has it. */
enum st22_codec {
    ST22_CODEC_JPEGXS,
    ST22_CODEC_H264_CBR,
    ST22_CODEC_H264,
    ST22_CODEC_H265_CBR,
    ST22_CODEC_H265,
    ST22_CODEC_MAX
};
enum st22_quality_mode { ST22_QUALITY_MODE_SPEED, ST22_QUALITY_MODE_QUALITY, ST22_QUALITY_MODE_MAX };
/* Audio. */
enum st30_fmt { ST30_FMT_PCM8, ST30_FMT_PCM16, ST30_FMT_PCM24, ST31_FMT_AM824, ST30_FMT_MAX };
enum st30_sampling { ST30_SAMPLING_48K, ST30_SAMPLING_96K, ST31_SAMPLING_44K, ST30_SAMPLING_MAX };
enum st30_ptime {
    ST30_PTIME_1MS,
    ST30_PTIME_125US,
    ST30_PTIME_250US,
    ST30_PTIME_333US,
    ST30_PTIME_4MS,
    ST31_PTIME_80US,
    ST31_PTIME_1_09MS,
    ST31_PTIME_0_14MS,
    ST31_PTIME_0_09MS,
    ST30_PTIME_MAX
};
enum st30_tx_pacing_way { ST30_TX_PACING_WAY_AUTO, ST30_TX_PACING_WAY_RL, ST30_TX_PACING_WAY_TSC };

/* Pixel groups of RFC 4175, two pixels each. */
MTL_PACK(struct st20_rfc4175_422_10_pg2_be {
    uint8_t Cb00;
    uint8_t Y00 : 6;
    uint8_t Cb00_ : 2;
    uint8_t Cr00 : 4;
    uint8_t Y00_ : 4;
    uint8_t Y01 : 2;
    uint8_t Cr00_ : 6;
    uint8_t Y01_;
});
MTL_PACK(struct st20_rfc4175_422_12_pg2_be {
    uint8_t Cb00;
    uint8_t Y00 : 4;
    uint8_t Cb00_ : 4;
    uint8_t Y00_;
    uint8_t Cr00;
    uint8_t Y01 : 4;
    uint8_t Cr00_ : 4;
    uint8_t Y01_;
});

/* Frames or fields a second; 0 if unknown. */
double st_frame_rate(enum st_fps fps);
enum st_fps st_frame_rate_to_st_fps(double framerate);
enum st_fps st_name_to_fps(const char *name);
enum st22_codec st_name_to_codec(const char *name);

/* Bytes of a frame, or of a field if interlaced; 0 if unknown. */
size_t st_frame_size(enum st_frame_fmt fmt, uint32_t width, uint32_t height, bool interlaced);
size_t st_frame_least_linesize(enum st_frame_fmt fmt, uint32_t width, uint8_t plane);
uint8_t st_frame_fmt_planes(enum st_frame_fmt fmt);
const char *st_frame_fmt_name(enum st_frame_fmt fmt);
enum st_frame_fmt st_frame_name_to_fmt(const char *name);
enum st20_fmt st20_name_to_fmt(const char *name);
const char *st20_fmt_name(enum st20_fmt fmt);
enum st20_fmt st_frame_fmt_to_transport(enum st_frame_fmt fmt);
enum st_frame_fmt st_frame_fmt_from_transport(enum st20_fmt fmt);
bool st_frame_fmt_equal_transport(enum st_frame_fmt fmt, enum st20_fmt tfmt);
size_t st20_frame_size(enum st20_fmt fmt, uint32_t width, uint32_t height);

/* ST 2110-10: the clock counts from the SMPTE Epoch. Rounded to the nearest tick, as MTL does. */
uint32_t st10_tai_to_media_clk(uint64_t tai_ns, uint32_t sampling_rate);
uint64_t st10_media_clk_to_ns(uint32_t media_ts, uint32_t sampling_rate);

static inline bool st_frame_fmt_is_codestream(enum st_frame_fmt fmt) {
    return fmt >= ST_FRAME_FMT_CODESTREAM_START && fmt < ST_FRAME_FMT_CODESTREAM_END;
}
static inline uint64_t st10_get_tai(enum st10_timestamp_fmt tfmt, uint64_t timestamp, uint32_t rate) {
    return tfmt == ST10_TIMESTAMP_FMT_TAI ? timestamp : st10_media_clk_to_ns((uint32_t)timestamp, rate);
}
static inline uint32_t st10_get_media_clk(enum st10_timestamp_fmt tfmt, uint64_t timestamp, uint32_t rate) {
    return tfmt == ST10_TIMESTAMP_FMT_MEDIA_CLK ? (uint32_t)timestamp : st10_tai_to_media_clk(timestamp, rate);
}
static inline bool st_is_frame_complete(enum st_frame_status status) {
    return status == ST_FRAME_STATUS_COMPLETE || status == ST_FRAME_STATUS_RECONSTRUCTED;
}

#ifdef __cplusplus
}
#endif

#endif
