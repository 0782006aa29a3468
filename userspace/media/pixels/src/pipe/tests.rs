use onair_essence::audio::{AudioDocument, AudioFormat, Coding};
use onair_essence::video::{Depth, FrameRate, Sampling, Scan};
use proptest::prelude::*;

use super::*;

fn video(sampling: Sampling, depth: Depth) -> VideoFormat {
    let rate = FrameRate::new(60_000, 1001).unwrap();
    VideoFormat::of((48, 4), (sampling, depth), Scan::Progressive, rate).unwrap()
}

fn ten() -> VideoFormat {
    video(Sampling::YCbCr422, Depth::Ten)
}

/// Frames as a file.
fn written(format: PipeFormat, frames: &[(u32, u8)]) -> Vec<u8> {
    let mut writer = PipeWriter::new(format);
    let mut out = writer.header();
    for (at, fill) in frames {
        out.extend(writer.begin_frame(*at));
        out.resize(out.len() + format.frame_bytes(), *fill);
    }
    out
}

fn read(format: &PipeFormat, input: &[u8]) -> Result<Vec<u8>, PipedError> {
    let mut reader = PipeReader::open(format, input)?;
    let (mut all, mut frame) = (Vec::new(), Vec::new());
    while reader.read(&mut frame)? {
        assert!(frame.iter().all(|it| *it == frame[0]));
        all.push(frame[0]);
    }
    Ok(all)
}

#[test]
fn frames_of_each_kind_then_read_as_they_were_written() {
    for (sampling, depth, nut) in [
        (Sampling::YCbCr422, Depth::Ten, "v210"),
        (Sampling::YCbCr422, Depth::Eight, "uyvy422"),
        (Sampling::YCbCr420, Depth::Eight, "yuv420p"),
        (Sampling::Rgb, Depth::Ten, "gbrp10le"),
    ] {
        for file in PipeFile::ALL {
            let format = PipeFormat::new(&video(sampling, depth), None, file, None);
            if (file, sampling) == (PipeFile::Y4m, Sampling::Rgb) {
                format.unwrap_err();
                continue;
            }
            let format = format.unwrap();
            if file == PipeFile::Nut {
                assert_eq!(format.pixels().ffmpeg(), nut);
            }
            let file = written(format, &[(0, 1), (1502, 2), (3003, 3)]);
            assert_eq!(read(&format, &file).unwrap(), [1, 2, 3]);
            let cut = read(&format, &file[..file.len() - 1])
                .unwrap_err()
                .to_string();
            assert!(cut.contains("middle of a frame"), "{cut}");
        }
    }
}

#[test]
fn numbers_of_frames_then_by_their_timestamps() {
    let format = PipeFormat::new(&ten(), None, PipeFile::Nut, None).unwrap();
    let mut writer = PipeWriter::new(format);
    // It wraps, loses two, begins anew in the past, and repeats a timestamp.
    for (at, number) in [
        (u32::MAX - 1000, 0),
        (500, 1),
        (5005, 4),
        (90, 5),
        (90, 6),
        (1592, 7),
    ] {
        writer.begin_frame(at);
        assert_eq!(writer.last(), Some((at, number)));
    }
}

#[test]
fn programme_then_each_unit_at_its_tai_and_samples_without_gaps() {
    let format = PipeFormat::new(&ten(), None, PipeFile::Nut, None).unwrap();
    let document = AudioDocument {
        coding: Coding::L24,
        sample_rate: 48_000,
        channels: 2,
        packet_time_us: None,
        block_samples: None,
        channel_order: None,
    };
    let sound = AudioFormat::try_from(&document).unwrap();
    let mut writer = ProgrammeWriter::new(&format, &[sound]);
    let mut file = writer.header();
    let start: u64 = 1_700_000_000_000_000_000;
    for (stream, after_ns, end) in [
        (0, 0, Some(1)),
        (1, -1_000_000, None),
        (1, 10_000_000, Some(960)),
        // Rounded by one sample, then lost for 10 ms, then not before the last one.
        (1, 20_021_000, Some(1440)),
        (1, 40_000_000, Some(2400)),
        (1, 30_000_000, None),
        (0, 20_000_000, Some(1801)),
        (0, 20_000_000, None),
    ] {
        let bytes = [format.frame_bytes(), 2880][usize::from(stream)];
        let begun = writer.begin(stream, start.saturating_add_signed(after_ns), bytes);
        assert_eq!(begun.as_ref().and(writer.end(stream)), end, "{after_ns}");
        if let Some(begun) = begun {
            file.extend(begun);
            file.resize(file.len() + bytes, stream);
        }
    }
    // A reader of pictures skips the sound.
    assert_eq!(read(&format, &file).unwrap(), [0, 0]);
}

#[test]
fn layouts_that_do_not_fit_then_said_what_does() {
    let said = |own: Option<PixelFormat>, file, wanted| {
        PipeFormat::new(&ten(), own, file, Some(wanted))
            .unwrap_err()
            .to_string()
    };
    let text = said(None, PipeFile::Nut, PixelFormat::Rgba);
    assert!(text.contains("give one of yuv422p10le"), "{text}");
    let text = said(None, PipeFile::Nut, PixelFormat::Y210);
    assert!(text.contains("no name for y210le"), "{text}");
    let text = said(None, PipeFile::Y4m, PixelFormat::V210);
    assert!(text.contains("leave --layout out"), "{text}");
    let text = said(
        Some(PixelFormat::V210),
        PipeFile::Nut,
        PixelFormat::Yuv422p10,
    );
    assert!(text.contains("is in v210 already"), "{text}");
    PipeFormat::new(&ten(), None, PipeFile::Raw, Some(PixelFormat::Y210)).unwrap();
    let text = "wav".parse::<PipeFile>().unwrap_err().to_string();
    assert!(text.contains("audio"), "{text}");
    assert_eq!("nut".parse(), Ok(PipeFile::Nut));
}

#[test]
fn inputs_of_another_session_then_said_in_what_they_differ() {
    let of = |video: &VideoFormat, file| PipeFormat::new(video, None, file, None).unwrap();
    let rate = |frames| FrameRate::new(frames, 1001).unwrap();
    let sized = |size, rate| {
        let samples = (Sampling::YCbCr422, Depth::Ten);
        VideoFormat::of(size, samples, Scan::Progressive, rate).unwrap()
    };
    for (other, what, advice) in [
        (
            video(Sampling::YCbCr422, Depth::Eight),
            "pixel format ",
            "-pix_fmt",
        ),
        (
            video(Sampling::YCbCr420, Depth::Ten),
            "pixel format ",
            "-pix_fmt",
        ),
        (
            sized((96, 4), rate(60_000)),
            "size 96x4, and the session 48x4",
            "-s 48x4",
        ),
        (sized((48, 4), rate(30_000)), "rate 30000", "-r 60000/1001"),
    ] {
        for file in [PipeFile::Nut, PipeFile::Y4m] {
            let input = written(of(&other, file), &[(0, 1)]);
            let text = read(&of(&ten(), file), &input).unwrap_err().to_string();
            assert!(text.contains(what) && text.contains(advice), "{text}");
        }
    }
    for (line, said) in [
        ("YUV4MPEG2 W50 H4 F60000:1001 C422p10\n", "size 50x4"),
        ("YUV4MPEG2 W48 H4 F25:1 C422p10\n", "rate 25:1"),
        ("YUV4MPEG2 W48 H4 C422p10\n", "rate "),
        (
            "YUV4MPEG2 W48 H4 F18446744073709551615:1001 C422p10\n",
            "rate ",
        ),
        (
            "YUV4MPEG2 W48 H4 F60000:1001 It C422p10\n",
            "field order t, and the session p: deinterlace it",
        ),
        ("YUV4MPEG2 W48 H4 F60000:1001\n", "pixel format 420"),
        (
            "YUV4MPEG2 W48 H4 F60000:1001 C422p10\nFRAMES\nX\n",
            "middle",
        ),
        ("YUV4MPEG2 W48 H4 F60000:1001 C422p10\nX\n", "not y4m"),
        ("RIFF", "middle"),
        ("", "not y4m"),
    ] {
        let text = read(&of(&ten(), PipeFile::Y4m), line.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(text.contains(said), "{line}: {text}");
    }
    let endless = vec![b'x'; 10_000];
    assert!(matches!(
        read(&of(&ten(), PipeFile::Y4m), &endless),
        Err(PipedError::NotY4m)
    ));
}

proptest! {
    #[test]
    fn any_line_of_y4m_then_no_panic(line in ".{0,80}") {
        let format = PipeFormat::new(&ten(), None, PipeFile::Y4m, None).unwrap();
        drop(read(&format, format!("YUV4MPEG2 {line}\n").as_bytes()));
    }
}
