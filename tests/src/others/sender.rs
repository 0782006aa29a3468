//! A sender that is not ours: GStreamer, which keeps what it sends in a file too.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use onair_essence::video::Sampling;
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
        Self::start_as(stage, (raster, Pixels::of(raster)), frames, destination)
    }

    /// As [`Self::start`], with these pixels.
    pub fn start_as(
        stage: &Stage,
        (raster, pixels): (Raster, Pixels),
        frames: u32,
        destination: (&str, u16),
    ) -> Result<Self> {
        let file = stage.directory().join("sent.raw");
        let format = pixels.name();
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

/// Pixels as GStreamer names them in its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// 4:2:2, 8 bits. In the file as in the pgroups of RFC 4175, like all but I420.
    Uyvy,
    /// 4:2:2, 10 bits.
    Uyvp,
    /// 8 bits.
    Rgb,
    /// 4:2:0, 8 bits, in planes.
    I420,
}

impl Pixels {
    /// 4:2:2 with the raster's depth.
    #[must_use]
    pub const fn of(raster: Raster) -> Self {
        if raster.depth == 8 {
            Self::Uyvy
        } else {
            Self::Uyvp
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Uyvy => "UYVY",
            Self::Uyvp => "UYVP",
            Self::Rgb => "RGB",
            Self::I420 => "I420",
        }
    }

    /// The sampling in SDP.
    #[must_use]
    pub const fn sampling(self) -> Sampling {
        match self {
            Self::Uyvy | Self::Uyvp => Sampling::YCbCr422,
            Self::Rgb => Sampling::Rgb,
            Self::I420 => Sampling::YCbCr420,
        }
    }

    /// Bytes of a frame, in the file and on the wire.
    #[must_use]
    pub const fn frame_bytes(self, raster: Raster) -> usize {
        let pixels = (raster.width * raster.height) as usize;
        match self {
            Self::Uyvy | Self::Uyvp => raster.frame_bytes(),
            Self::Rgb => pixels * 3,
            Self::I420 => pixels * 3 / 2,
        }
    }

    /// A frame of a file in the pgroups of RFC 4175.
    #[must_use]
    pub fn pgroups(self, frame: &[u8], raster: Raster) -> Vec<u8> {
        if self != Self::I420 {
            return frame.to_vec();
        }
        let (width, height) = (raster.width as usize, raster.height as usize);
        let (luma, chroma) = frame.split_at(width * height);
        let (blue, red) = chroma.split_at(width * height / 4);
        let mut pgroups = Vec::with_capacity(frame.len());
        for y in (0..height).step_by(2) {
            for x in (0..width).step_by(2) {
                let at = y * width + x;
                let (upper, lower) = (&luma[at..at + 2], &luma[at + width..at + width + 2]);
                let colour = y / 2 * (width / 2) + x / 2;
                pgroups.extend([upper, lower].concat());
                pgroups.extend([blue[colour], red[colour]]);
            }
        }
        pgroups
    }
}

/// The hash (xxh3, seed 0) of each frame in `file` in the pgroups of RFC 4175, in order.
pub fn frame_hashes(file: &Path, raster: Raster, pixels: Pixels) -> Result<Vec<u64>> {
    let frame_bytes = pixels.frame_bytes(raster);
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
            Ok(()) => hashes.push(xxh3_64(&pixels.pgroups(&frame, raster))),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(hashes),
            Err(error) => return Err(error.into()),
        }
    }
}
