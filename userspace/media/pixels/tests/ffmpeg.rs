//! FFmpeg reads the pixels of every format as the samples that they are.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use onair_essence::video::{Depth, Sampling};
use onair_pixels::{Lines, Picture, PixelFormat, pack_lines, unpack, unpack_lines};

const WIDTH: u32 = 50;
const LINES: u32 = 6;

/// What FFmpeg makes of `input`.
fn ffmpeg(arguments: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed by `cargo xtask setup --for test`");
    // Less than a pipe takes.
    child.stdin.take().unwrap().write_all(input).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{arguments}");
    done.stdout
}

fn random(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..bytes).map(|_| next()).collect()
}

fn picture(sampling: Sampling, depth: Depth) -> (Picture, Vec<u8>) {
    let picture = Picture::new(WIDTH, LINES, sampling, depth).unwrap();
    (picture, random(picture.bytes()))
}

fn unpacked(picture: &Picture, pgroups: &[u8], format: PixelFormat) -> Vec<u8> {
    let mut pixels = vec![1; format.planes(picture).bytes];
    unpack(picture, pgroups, format, &mut pixels).unwrap();
    pixels
}

fn raw(format: &str) -> String {
    format!("-f rawvideo -video_size {WIDTH}x{LINES} -pixel_format {format} -i -")
}

/// FFmpeg's own reader of RFC 4175's pixel groups of 10 bits sees the same samples.
#[test]
fn pixel_groups_of_10_bits_then_planes_as_ffmpeg_makes_them() {
    let (picture, pgroups) = picture(Sampling::YCbCr422, Depth::Ten);
    let theirs = ffmpeg(
        &format!(
            "-f bitpacked -video_size {WIDTH}x{LINES} -pixel_format yuv422p10 -i - \
             -f rawvideo -pix_fmt yuv422p10le -"
        ),
        &pgroups,
    );
    assert_eq!(unpacked(&picture, &pgroups, PixelFormat::Yuv422p10), theirs);
}

#[test]
fn v210_then_the_bytes_of_ffmpegs_encoder() {
    let (picture, pgroups) = picture(Sampling::YCbCr422, Depth::Ten);
    // Its encoder keeps 4 to 1019, the values of video (BT.1120).
    let planes = unpacked(&picture, &pgroups, PixelFormat::Yuv422p10);
    let mut legal = Vec::new();
    for sample in planes.chunks_exact(2) {
        let sample = u16::from_le_bytes([sample[0], sample[1]]).clamp(4, 1019);
        legal.extend(sample.to_le_bytes());
    }
    let mut pgroups = vec![0; picture.bytes()];
    onair_pixels::pack(&picture, PixelFormat::Yuv422p10, &legal, &mut pgroups).unwrap();
    let arguments = format!("{} -c:v v210 -f rawvideo -", raw("yuv422p10le"));
    let theirs = ffmpeg(&arguments, &legal);
    assert_eq!(unpacked(&picture, &pgroups, PixelFormat::V210), theirs);
}

/// Each format turned by FFmpeg into another one of the same samples is ours of that other format.
#[test]
fn formats_of_the_same_samples_then_ffmpeg_converts_alike() {
    for (sampling, depth, from, to) in [
        (
            Sampling::YCbCr422,
            Depth::Eight,
            PixelFormat::Uyvy,
            PixelFormat::Yuv422p,
        ),
        (
            Sampling::YCbCr422,
            Depth::Ten,
            PixelFormat::Y210,
            PixelFormat::Yuv422p10,
        ),
        (
            Sampling::Rgb,
            Depth::Eight,
            PixelFormat::Rgb24,
            PixelFormat::Gbrp,
        ),
        (
            Sampling::Rgb,
            Depth::Eight,
            PixelFormat::Gbrp,
            PixelFormat::Rgba,
        ),
    ] {
        let (picture, pgroups) = picture(sampling, depth);
        let (from, to) = (
            (from, unpacked(&picture, &pgroups, from)),
            (to, unpacked(&picture, &pgroups, to)),
        );
        let arguments = format!("{} -f rawvideo -pix_fmt {} -", raw(from.0.ffmpeg()), to.0);
        assert_eq!(ffmpeg(&arguments, &from.1), to.1, "{} to {}", from.0, to.0);
    }
}

/// FFmpeg knows each name and takes a picture for as large as it is.
#[test]
fn names_and_sizes_then_those_that_ffmpeg_has() {
    let mut seen = 0;
    for sampling in Sampling::ALL {
        for depth in Depth::ALL {
            let Some(picture) = Picture::new(WIDTH, LINES, *sampling, *depth) else {
                continue;
            };
            let pgroups = random(picture.bytes());
            for format in PixelFormat::of(&picture).filter(|it| *it != PixelFormat::V210) {
                let pixels = unpacked(&picture, &pgroups, format);
                let arguments = format!("{} -c copy -f rawvideo -", raw(format.ffmpeg()));
                assert_eq!(ffmpeg(&arguments, &pixels), pixels, "{format}");
                seen += 1;
            }
        }
    }
    assert!(seen >= PixelFormat::ALL.len() - 1, "{seen}");
}

/// Two fields, each written into its lines of a frame, are the frame that FFmpeg weaves of them.
#[test]
fn fields_in_a_frame_then_as_ffmpeg_weaves_them_and_back() {
    let mut seen = 0;
    for (sampling, depth) in [
        (Sampling::YCbCr422, Depth::Eight),
        (Sampling::YCbCr422, Depth::Ten),
        (Sampling::YCbCr444, Depth::Ten),
        (Sampling::Rgb, Depth::Eight),
        (Sampling::Rgb, Depth::Ten),
    ] {
        let (frame, _) = picture(sampling, depth);
        let field = Picture::new(WIDTH, LINES / 2, sampling, depth).unwrap();
        let fields = [Lines::First, Lines::Second].map(|lines| {
            assert_eq!(frame.bytes_of(lines), field.bytes());
            // From another byte on, so that the fields differ.
            let skipped = usize::from(lines == Lines::Second);
            let pgroups = random(field.bytes() + skipped).split_off(skipped);
            (lines, pgroups)
        });
        // FFmpeg has v210 as a codec, and not as a pixel format.
        for format in PixelFormat::of(&frame).filter(|it| *it != PixelFormat::V210) {
            let mut pixels = vec![1; format.planes(&frame).bytes];
            let mut sequence = Vec::new();
            for (lines, pgroups) in &fields {
                unpack_lines(&frame, *lines, pgroups, format, &mut pixels).unwrap();
                sequence.extend(unpacked(&field, pgroups, format));
            }
            let half = LINES / 2;
            let arguments = format!(
                "-f rawvideo -video_size {WIDTH}x{half} -pixel_format {format} -i - \
                 -vf weave=first_field=top -pix_fmt {format} -f rawvideo -"
            );
            let theirs = ffmpeg(&arguments, &sequence);
            assert!(theirs == pixels, "{format}");
            for (lines, pgroups) in &fields {
                let mut back = vec![9; pgroups.len()];
                pack_lines(&frame, *lines, format, &pixels, &mut back).unwrap();
                assert_eq!(
                    unpacked(&field, &back, format),
                    unpacked(&field, pgroups, format)
                );
            }
            seen += 1;
        }
    }
    assert!(seen >= 9, "{seen}");
}
