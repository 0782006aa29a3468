//! FFmpeg reads NUT of every format, and its own NUT is read.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use onair_essence::video::{
    Appearance, Colorimetry, Depth, FrameRate, PixelAspect, Sampling, Scan,
    TransferCharacteristics, VideoFormat, VideoRange,
};
use onair_pixels::pipe::{PipeFile, PipeFormat, PipeReader, PipeWriter};
use onair_pixels::{Picture, PixelFormat, unpack};

const FRAMES: usize = 3;
/// Of 30000/1001 frames a second.
const TICKS: u32 = 3003;

/// What FFmpeg makes of `input`.
fn ffmpeg(arguments: &str, input: Vec<u8>) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed by `cargo xtask setup --for test`");
    let mut stdin = child.stdin.take().unwrap();
    let written = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{arguments}");
    written.join().unwrap();
    done.stdout
}

/// Each format with video that it holds.
fn all() -> impl Iterator<Item = (PixelFormat, VideoFormat)> {
    let rate = FrameRate::new(30_000, 1001).unwrap();
    let videos = Sampling::ALL.iter().flat_map(move |sampling| {
        let of = move |depth: &Depth| {
            VideoFormat::of((50, 6), (*sampling, *depth), Scan::Progressive, rate).ok()
        };
        Depth::ALL.iter().filter_map(of).collect::<Vec<_>>()
    });
    let videos: Vec<_> = videos.collect();
    PixelFormat::ALL.iter().map(move |format| {
        let holds = |it: &&VideoFormat| format.holds(&Picture::of(it, 6).unwrap());
        (
            *format,
            **videos
                .iter()
                .filter(holds)
                .collect::<Vec<_>>()
                .first()
                .unwrap(),
        )
    })
}

/// Different frames, the bytes of each its own.
fn frames(format: PixelFormat, video: &VideoFormat) -> Vec<Vec<u8>> {
    let picture = Picture::of(video, 6).unwrap();
    let frame = |number: usize| {
        let byte = |at: usize| (at * 7 + number * 31).to_le_bytes()[0];
        let pgroups: Vec<_> = (0..picture.bytes()).map(byte).collect();
        let mut pixels = vec![0; format.planes(&picture).bytes];
        unpack(&picture, &pgroups, format, &mut pixels).unwrap();
        pixels
    };
    (0..FRAMES).map(frame).collect()
}

fn read(format: &PipeFormat, input: &[u8]) -> Vec<u8> {
    let mut reader = PipeReader::open(format, input).unwrap();
    let (mut all, mut frame) = (Vec::new(), Vec::new());
    while reader.read(&mut frame).unwrap() {
        all.extend_from_slice(&frame);
    }
    all
}

#[test]
fn nut_of_each_format_then_ffmpeg_reads_it_and_ours_is_read() {
    let mut formats = 0;
    for (pixels, video) in all() {
        let Ok(format) = PipeFormat::new(&video, None, PipeFile::Nut, Some(pixels)) else {
            assert_eq!(pixels, PixelFormat::Y210);
            continue;
        };
        let frames = frames(pixels, &video);
        let mut writer = PipeWriter::new(format);
        let mut file = writer.header();
        for (frame, at) in frames.iter().zip(0..) {
            file.extend(writer.begin_frame(at * TICKS));
            file.extend_from_slice(frame);
        }
        let whole = frames.concat();
        assert!(
            ffmpeg("-f nut -i - -map 0 -c copy -f data -", file.clone()) == whole,
            "{pixels}"
        );
        let again = ffmpeg("-f nut -i - -c copy -f nut -", file);
        assert!(read(&format, &again) == whole, "{pixels}");
        formats += 1;
    }
    assert_eq!(formats, PixelFormat::ALL.len() - 1);
}

#[test]
fn nut_with_a_gap_then_ffmpeg_has_rate_and_times() {
    let (pixels, video) = all().find(|(it, _)| *it == PixelFormat::V210).unwrap();
    let format = PipeFormat::new(&video, None, PipeFile::Nut, None).unwrap();
    let mut writer = PipeWriter::new(format);
    let mut file = writer.header();
    for (frame, at) in frames(pixels, &video).iter().zip([0, 1, 4]) {
        file.extend(writer.begin_frame(at * TICKS));
        file.extend_from_slice(frame);
    }
    let told = ffmpeg("-f nut -i - -c copy -f framecrc -", file);
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("#tb 0: 1001/30000"), "{told}");
    let lines = told.lines().filter(|line| !line.starts_with('#'));
    let times: Vec<_> = lines
        .map(|it| it.split(',').nth(2).unwrap().trim())
        .collect();
    assert_eq!(times, ["0", "1", "4"], "{told}");
}

#[test]
fn nut_with_sound_and_small_frames_then_pictures_are_read() {
    // FFmpeg leaves out how packets of up to 4 KiB begin.
    let file = ffmpeg(
        "-f lavfi -i testsrc=size=50x6:rate=30000/1001:duration=0.2 -f lavfi -i sine=duration=0.2 \
         -map 1 -map 0 -pix_fmt uyvy422 -c:v rawvideo -f nut -",
        Vec::new(),
    );
    let planes = ffmpeg(
        "-f lavfi -i testsrc=size=50x6:rate=30000/1001:duration=0.2 -pix_fmt uyvy422 -f rawvideo -",
        Vec::new(),
    );
    let (_, video) = all().find(|(it, _)| *it == PixelFormat::Uyvy).unwrap();
    let format = PipeFormat::new(&video, None, PipeFile::Nut, None).unwrap();
    assert!(read(&format, &file) == planes);
}

#[test]
fn nut_of_ffmpeg_at_another_rate_then_refused_with_its_name() {
    for (rate, said) in [("50", "rate 50/1"), ("30000/1001", "")] {
        let file = ffmpeg(
            &format!(
                "-f lavfi -i testsrc=size=50x6:rate={rate}:duration=0.2 -pix_fmt uyvy422 -c:v rawvideo -f nut -"
            ),
            Vec::new(),
        );
        let (_, video) = all().find(|(it, _)| *it == PixelFormat::Uyvy).unwrap();
        let format = PipeFormat::new(&video, None, PipeFile::Nut, None).unwrap();
        let opened = PipeReader::open(&format, &file[..]);
        let text = opened.err().map(|it| it.to_string()).unwrap_or_default();
        assert!(
            text.contains(said) && text.is_empty() == said.is_empty(),
            "{text}"
        );
    }
}

/// What ffprobe says of the stream.
fn probed(video: &VideoFormat, said: Appearance) -> String {
    let format = PipeFormat::new(video, None, PipeFile::Nut, None)
        .unwrap()
        .said(said);
    let mut writer = PipeWriter::new(format);
    let mut nut = writer.header();
    nut.extend(writer.begin_frame(0));
    nut.extend(vec![0; format.frame_bytes()]);
    let entries = "stream=sample_aspect_ratio:stream_tags";
    let mut child = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-of",
            "default=nw=1",
            "-show_entries",
            entries,
        ])
        .args(["-f", "nut", "-i", "pipe:"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed by `cargo xtask setup --for test`");
    let mut stdin = child.stdin.take().unwrap();
    // It may end before it has read all.
    let written = std::thread::spawn(move || drop(stdin.write_all(&nut)));
    let done = child.wait_with_output().unwrap();
    written.join().unwrap();
    assert!(done.status.success());
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn pictures_of_which_something_is_said_then_ffmpeg_has_it() {
    let rate = FrameRate::new(25, 1).unwrap();
    let samples = (Sampling::YCbCr422, Depth::Ten);
    let video = VideoFormat::of((720, 576), samples, Scan::Progressive, rate).unwrap();
    let unknown = probed(&video, Appearance::default());
    assert!(
        !unknown.contains("TAG:colorimetry") && !unknown.contains("1:1"),
        "{unknown}"
    );
    let said = probed(
        &video,
        Appearance {
            colorimetry: Some(Colorimetry::Bt2100),
            transfer: Some(TransferCharacteristics::Hlg),
            range: Some(VideoRange::Full),
            pixel_aspect: PixelAspect::new(12, 11),
        },
    );
    for line in [
        "sample_aspect_ratio=12:11",
        "TAG:colorimetry=BT2100",
        "TAG:TCS=HLG",
        "TAG:RANGE=FULL",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
}
