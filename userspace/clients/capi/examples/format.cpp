// Prints the format of a session and of its next frame: format SESSION [LAYOUT].
#include <onair.hpp>

#include <cstdio>
#include <exception>

int main(int argc, char **argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: %s SESSION [LAYOUT]\n", argv[0]);
        return 2;
    }
    try {
        const auto session = onair::Session::attach(argv[1], argc > 2 ? argv[2] : nullptr);
        if (onair_format_kind(session.handle()) != ONAIR_FORMAT_VIDEO) {
            std::puts("no video");
            return 1;
        }
        const onair_video video = session.video();
        std::printf("%ux%u %u/%u %s %u bits, buffers in %s\n", video.width, video.height, video.rate_numerator,
                    video.rate_denominator, video.sampling, video.depth, video.layout);
        for (uint32_t i = 0; i < video.plane_count; i++) {
            const onair_plane &plane = video.planes[i];
            std::printf("plane %u: at %llu, %llu lines of %llu bytes\n", i,
                        static_cast<unsigned long long>(plane.offset), static_cast<unsigned long long>(plane.lines),
                        static_cast<unsigned long long>(plane.stride));
        }
        const onair::Buffer buffer = session.get(10000);
        std::printf("frame %llu: %zu bytes\n", static_cast<unsigned long long>(buffer->number), buffer->bytes);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
