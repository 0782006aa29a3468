//! Frames: the files have what was sent, and FFmpeg reads it.

use std::fs;
use std::path::Path;

use onair_essence::video::{Depth, VideoFormat};
use onair_record::Format;

use super::flow::{FlowSender, assembler, raster};
use super::rig::{finish, run, soon, start, y4m};

pub(crate) fn frames_by_ffprobe(file: &Path) -> u64 {
    let path = file.to_string_lossy();
    let line = "-v error -count_frames -select_streams v:0 -of csv=p=0 \
        -show_entries stream=nb_read_frames";
    let line: Vec<&str> = line.split(' ').chain([&*path]).collect();
    run("ffprobe", &line).trim().parse().unwrap()
}

/// The planes of a frame, computed independently bit by bit.
fn planes(format: &VideoFormat, pgroups: &[u8]) -> Vec<u8> {
    let bits = usize::from(format.depth().bits());
    let sample = |number: usize| {
        (number * bits..(number + 1) * bits).fold(0u16, |word, at| {
            word << 1 | u16::from(pgroups[at / 8] >> (7 - at % 8) & 1)
        })
    };
    let count = pgroups.len() * 8 / bits;
    let of = |wanted: &[usize]| -> Vec<u16> {
        (0..count)
            .filter(|at| wanted.contains(&(at % 4)))
            .map(sample)
            .collect()
    };
    let all = [of(&[1, 3]), of(&[0]), of(&[2])].concat();
    match format.depth() {
        Depth::Eight => all.into_iter().map(|it| it.to_le_bytes()[0]).collect(),
        _ => all.into_iter().flat_map(u16::to_le_bytes).collect(),
    }
}

#[test]
fn video_8_and_10_bits_then_ffmpeg_decodes_what_was_sent() {
    for depth in [8, 10] {
        let format = raster(depth);
        let (folder, mut recording) = start(|spec| *spec = y4m(&spec.folder, format));
        let mut producer = recording.producer("a").unwrap();
        let (mut sender, mut sent) = (FlowSender::new(format), Vec::new());
        for _ in 0..5 {
            sent.push(sender.frame(|at, packet| {
                assert!(producer.offer(at, packet.len() as u32, packet));
            }));
            recording.flush(soon()).unwrap();
        }
        let manifest = finish(&mut recording);
        let frames = manifest.frames.as_ref().unwrap();
        assert_eq!((frames.written, frames.incomplete), (5, 0));
        assert_eq!(manifest.totals.written, 5 * sender.packets());
        assert_eq!(
            (manifest.files[0].frames, manifest.files[0].events),
            (Some(5), 5 * sender.packets())
        );
        let path = folder.path().join("rec.y4m");
        assert_eq!(frames_by_ffprobe(&path), 5);
        let shown = [
            "-v",
            "error",
            "-select_streams",
            "v:0",
            "-show_entries",
            "stream=width,height,pix_fmt,r_frame_rate",
            "-of",
            "csv=p=0",
            &path.to_string_lossy(),
        ];
        let pixels = if depth == 8 { "yuv422p" } else { "yuv422p10le" };
        assert_eq!(
            run("ffprobe", &shown).trim(),
            format!("128,72,{pixels},60000/1001")
        );
        // FFmpeg's output, sample by sample.
        let raw = folder.path().join("decoded");
        let decode = [
            "-v",
            "error",
            "-i",
            &path.to_string_lossy(),
            "-f",
            "rawvideo",
            &raw.to_string_lossy(),
        ];
        run("ffmpeg", &decode);
        let expected: Vec<u8> = sent.iter().flat_map(|it| planes(&format, it)).collect();
        assert!(fs::read(raw).unwrap() == expected, "{depth} bits");
        assert_eq!(manifest.video.unwrap().pixel_format, pixels);
    }
}

#[test]
fn video_raw_then_the_planes_and_nothing_else() {
    let format = raster(10);
    let (folder, mut recording) = start(|spec| {
        *spec = y4m(&spec.folder, format);
        spec.format = Format::Raw(assembler(format));
    });
    let mut producer = recording.producer("a").unwrap();
    let (mut sender, mut sent) = (FlowSender::new(format), Vec::new());
    for _ in 0..3 {
        let frame = sender.frame(|at, packet| {
            assert!(producer.offer_parts(at, packet.len() as u32, &packet[..42], &packet[42..]))
        });
        sent.push(frame);
    }
    finish(&mut recording);
    let expected: Vec<u8> = sent.iter().flat_map(|it| planes(&format, it)).collect();
    assert!(fs::read(folder.path().join("rec.yuv")).unwrap() == expected);
}

#[test]
fn video_packets_missing_doubled_and_foreign_then_no_incomplete_frame_and_each_is_counted() {
    let format = raster(8);
    let (folder, mut recording) = start(|spec| *spec = y4m(&spec.folder, format));
    let mut producer = recording.producer("a").unwrap();
    let mut sender = FlowSender::new(format);
    let (mut offered, packets) = (0, sender.packets());
    for frame in 0..6 {
        let mut index = 0;
        sender.frame(|at, packet| {
            // Frame 2 loses a packet in its middle, frame 4 its last one.
            let is_lost = (frame == 2 && index == 3) || (frame == 4 && index + 1 == packets);
            for _ in 0..if is_lost {
                0
            } else if frame == 1 {
                2
            } else {
                1
            } {
                assert!(producer.offer(at, packet.len() as u32, packet));
                offered += 1;
            }
            index += 1;
        });
        // An ARP request, and a truncated packet.
        assert!(producer.offer(1, 60, &[0xff; 60]));
        offered += 1;
    }
    let manifest = finish(&mut recording);
    let frames = manifest.frames.unwrap();
    assert_eq!((frames.written, frames.incomplete), (4, 2));
    let left_out: Vec<_> = frames.left_out.iter().map(|it| it.index).collect();
    assert_eq!(left_out, [2, 4]);
    assert!(
        frames
            .left_out
            .iter()
            .all(|it| it.bytes_missing > 0 && it.packets == packets - 1)
    );
    let totals = manifest.totals;
    assert_eq!(totals.accepted, offered);
    assert_eq!(totals.written, 4 * packets);
    assert_eq!(totals.lost.incomplete_frame, 2 * (packets - 1));
    assert_eq!(totals.lost.no_frame, packets + 6);
    assert_eq!(frames_by_ffprobe(&folder.path().join("rec.y4m")), 4);
}

#[test]
fn video_file_removed_then_its_frames_are_not_counted() {
    let format = raster(8);
    let (folder, mut recording) = start(|spec| *spec = y4m(&spec.folder, format));
    let mut producer = recording.producer("a").unwrap();
    let mut sender = FlowSender::new(format);
    let mut send = || {
        sender.frame(|at, packet| assert!(producer.offer(at, packet.len() as u32, packet)));
    };
    send();
    recording.flush(soon()).unwrap();
    fs::remove_file(folder.path().join("rec.y4m.part")).unwrap();
    send();
    let manifest = finish(&mut recording);
    let in_files: u64 = manifest.files.iter().filter_map(|it| it.frames).sum();
    assert_eq!(manifest.frames.unwrap().written, in_files);
    assert_eq!(
        manifest.totals.lost.removed,
        sender.packets() * (2 - in_files)
    );
}

/// A file system in memory, at most this large.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: &str) -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        let (size, path) = (format!("size={size}"), disk.0.path().to_string_lossy());
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &path]);
        disk
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l", &self.0.path().to_string_lossy()]);
    }
}

#[test]
fn video_disk_full_then_frames_in_the_file_are_counted() {
    let (format, frame_bytes) = (raster(8), 128 * 72 * 2);
    for has_lines in [true, false] {
        let disk = SmallDisk::new("256k");
        let (_folder, mut recording) = start(|spec| {
            *spec = y4m(disk.0.path(), format);
            if !has_lines {
                spec.format = Format::Raw(assembler(format));
            }
        });
        let mut producer = recording.producer("a").unwrap();
        let mut sender = FlowSender::new(format);
        for _ in 0..60 {
            sender.frame(|at, packet| {
                producer.offer(at, packet.len() as u32, packet);
            });
        }
        let manifest = finish(&mut recording);
        let (frames, file) = (manifest.frames.as_ref().unwrap(), &manifest.files[0]);
        let name = disk.0.path().join(&file.name);
        let in_file = if has_lines {
            frames_by_ffprobe(&name)
        } else {
            name.metadata().unwrap().len() / frame_bytes
        };
        assert!((1..60).contains(&in_file), "{in_file}");
        assert_eq!((frames.written, file.frames), (in_file, Some(in_file)));
        assert_eq!(manifest.totals.written, in_file * sender.packets());
        assert!(manifest.totals.lost.disk_full > 0 && manifest.totals.balance());
    }
}

#[test]
fn video_split_then_at_frames_and_each_part_opens() {
    let format = raster(8);
    let frame_file_bytes = 128 * 72 * 2 + 6;
    let (folder, mut recording) = start(|spec| {
        *spec = y4m(&spec.folder, format);
        spec.split_size = Some(frame_file_bytes * 4);
    });
    let mut producer = recording.producer("a").unwrap();
    let mut sender = FlowSender::new(format);
    for _ in 0..10 {
        sender.frame(|at, packet| assert!(producer.offer(at, packet.len() as u32, packet)));
        recording.flush(soon()).unwrap();
    }
    let manifest = finish(&mut recording);
    let frames: Vec<_> = manifest.files.iter().map(|it| it.frames.unwrap()).collect();
    assert_eq!(frames, [3, 3, 3, 1]);
    let counted = manifest
        .files
        .iter()
        .map(|it| frames_by_ffprobe(&folder.path().join(&it.name)));
    assert!(counted.eq(frames.iter().copied()));
}
