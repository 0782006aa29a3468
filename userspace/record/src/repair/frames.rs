//! Finds the complete frames of a file.

use std::io::{self, Read};

use onair_api::RecordingFormat;

use crate::format::video::{FRAME_LINE, stream_line};
use crate::manifest::Manifest;
use crate::planar;

use super::contents::{Contents, fill};

pub(super) fn read(mut reader: impl Read, manifest: &Manifest) -> io::Result<Contents> {
    let bad = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
    let video = manifest.video.as_ref();
    let video = video.ok_or_else(|| bad("its manifest has no raster".to_owned()))?;
    let format = video
        .format()
        .ok_or_else(|| bad(format!("unsupported raster: {video:?}")))?;
    let mut contents = Contents {
        frames: Some(0),
        ..Contents::default()
    };
    let has_lines = manifest.format == RecordingFormat::Y4m;
    let mut head = FRAME_LINE;
    if has_lines {
        let line = stream_line(&format);
        let mut there = vec![0; line.len()];
        if !fill(&mut reader, &mut there)? || there != line.as_bytes() {
            contents.addition = line.into_bytes();
            return Ok(contents);
        }
        contents.keep(line.as_bytes());
    } else {
        head = &[];
    }
    let mut frame = vec![0; head.len() + planar::frame_bytes(&format)];
    let mut frames = 0;
    while fill(&mut reader, &mut frame)? && frame.starts_with(head) {
        contents.keep(&frame);
        frames += 1;
    }
    contents.frames = Some(frames);
    Ok(contents)
}
