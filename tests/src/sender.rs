//! A sender that is not ours: GStreamer, which keeps what it sends in a file too.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Deadline, Running, Stage};
use xxhash_rust::xxh3::xxh3_64;

use onair_stage::Raster;

/// A running `gst-launch-1.0`. It is killed when dropped.
#[derive(Debug)]
pub struct GStreamer {
    running: Running,
    file: PathBuf,
}

impl GStreamer {
    /// Sends `frames` frames of a moving ball to `destination` (`address`, UDP port) from inside
    /// the stage's namespace, each frame's packets in one burst as GStreamer does, and writes the
    /// same frames to a file. GStreamer pads lines to four bytes in the file, not on the wire: with
    /// 10 bits let the width be a multiple of 8.
    pub fn start(
        stage: &Stage,
        raster: Raster,
        frames: u32,
        destination: (&str, u16),
    ) -> Result<Self> {
        let file = stage.directory().join("sent.raw");
        // The raw layout of these formats is that of the pgroups in RFC 4175.
        let format = if raster.depth == 8 { "UYVY" } else { "UYVP" };
        let (host, port) = destination;
        let pipeline = format!(
            "videotestsrc pattern=ball num-buffers={frames} \
             ! video/x-raw,format={format},width={},height={},framerate={}/1 ! tee name=both \
             both. ! queue ! filesink location={} \
             both. ! queue ! rtpvrawpay mtu=1400 pt=96 ! udpsink host={host} port={port} sync=true",
            raster.width,
            raster.height,
            raster.rate,
            file.display()
        );
        let child = stage
            // A sender has a machine of its own, and is punctual.
            .command_inside("nice")
            .args(["-n", "-15", "gst-launch-1.0", "--quiet"])
            .args(pipeline.split_ascii_whitespace())
            .spawn()
            .context("starting gst-launch-1.0")?;
        Ok(Self {
            running: Running::new("gst-launch-1.0", child)?,
            file,
        })
    }

    /// Whether all is sent.
    pub fn ended(&mut self) -> Result<bool> {
        Ok(self.running.ended()?.is_some())
    }

    /// Waits until all is sent, and gives the file with the frames one after the other.
    pub fn finish(mut self, deadline: Deadline) -> Result<PathBuf> {
        let status = self.running.wait(deadline)?;
        ensure!(status.success(), "gst-launch-1.0 failed ({status})");
        Ok(self.file)
    }
}

/// The hash (xxh3, seed 0) of each frame of `frame_bytes` in `file`, in order.
pub fn frame_hashes(file: &Path, frame_bytes: usize) -> Result<Vec<u64>> {
    let size = file
        .metadata()
        .with_context(|| format!("{}", file.display()))?
        .len();
    ensure!(
        size % frame_bytes as u64 == 0,
        "{} has {size} bytes: no whole number of frames of {frame_bytes}",
        file.display()
    );
    let mut reader = BufReader::new(File::open(file)?);
    let mut frame = vec![0; frame_bytes];
    let mut hashes = Vec::new();
    loop {
        match reader.read_exact(&mut frame) {
            Ok(()) => hashes.push(xxh3_64(&frame)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(hashes),
            Err(error) => return Err(error.into()),
        }
    }
}
