//! Receivers that are not ours: GStreamer writes the frames, tshark dissects the packets.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Deadline, Running, Stage, output, wait_for};
use onair_types::Sampling;
use rustix::process::Signal;

use onair_stage::Raster;

/// How long a tool may take to listen, and to end.
const PATIENCE: u64 = 20;

/// A `gst-launch-1.0` that receives a flow and writes its frames to a file. It is killed when
/// dropped.
#[derive(Debug)]
pub struct GStreamerReceiver {
    running: Running,
    file: PathBuf,
}

impl GStreamerReceiver {
    /// Listens at UDP port `port` inside the stage's namespace; returns once it does.
    pub fn start(stage: &Stage, raster: Raster, payload_type: u8, port: u16) -> Result<Self> {
        let sampling = Sampling::YCbCr422;
        Self::start_as(stage, (raster, sampling), payload_type, port)
    }

    /// As [`Self::start`], with this sampling.
    pub fn start_as(
        stage: &Stage,
        (raster, sampling): (Raster, Sampling),
        payload_type: u8,
        port: u16,
    ) -> Result<Self> {
        // Its buffer holds some seconds.
        stage.sysctl_at_least("net.core.rmem_max", 64 << 20)?;
        let file = stage.directory().join("received.raw");
        let pipeline = format!(
            "udpsrc port={port} buffer-size={} ! application/x-rtp,media=video,clock-rate=90000,\
             encoding-name=RAW,sampling={sampling},depth=(string){},width=(string){},\
             height=(string){},payload={payload_type} \
             ! rtpvrawdepay ! filesink buffer-mode=unbuffered location={}",
            32 << 20,
            raster.depth,
            raster.width,
            raster.height,
            file.display()
        );
        let child = stage
            .command_inside("gst-launch-1.0")
            .args(["--quiet", "--eos-on-shutdown"])
            .args(pipeline.split_ascii_whitespace())
            .stdin(Stdio::null())
            .spawn()
            .context("starting gst-launch-1.0")?;
        let mut running = Running::new("gst-launch-1.0", child)?;
        // udp(7): the local address and port in hexadecimal.
        let entry = format!(":{port:04X} ");
        let table = format!("/proc/{}/net/udp", running.pid());
        wait_for("GStreamer to listen", PATIENCE, || {
            ensure!(running.ended()?.is_none(), "gst-launch-1.0 has ended");
            Ok(fs::read_to_string(&table)?.contains(&entry))
        })?;
        Ok(Self { running, file })
    }

    /// Waits until it has written `frames` frames of `frame_bytes`, ends it, and gives all that
    /// it wrote.
    pub fn finish(mut self, frames: u64, frame_bytes: usize) -> Result<Vec<u8>> {
        let wanted = frames * frame_bytes as u64;
        let mut size = 0;
        wait_for("GStreamer to write the frames", PATIENCE, || {
            size = self.file.metadata().map_or(0, |about| about.len());
            Ok(size >= wanted)
        })
        .with_context(|| format!("{size} of {wanted} bytes"))?;
        self.running.signal(Signal::INT)?;
        self.running.wait(Deadline::seconds(PATIENCE))?;
        Ok(fs::read(&self.file)?)
    }
}

/// A `tshark` that keeps what passes an interface. It is killed when dropped.
#[derive(Debug)]
pub struct Capture {
    running: Running,
    file: PathBuf,
}

impl Capture {
    /// Starts to keep the UDP packets that pass `interface` inside the stage's namespace; returns
    /// once it does.
    pub fn start(stage: &Stage, interface: &str) -> Result<Self> {
        let file = stage.directory().join("capture.pcapng");
        let child = stage
            .command_inside("tshark")
            .args(["-q", "-n", "-i", interface, "-B", "64", "-f", "udp", "-w"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting tshark")?;
        let mut running = Running::new("tshark", child)?;
        // The file's first block is written once the interface is open.
        wait_for("tshark to capture", PATIENCE, || {
            ensure!(running.ended()?.is_none(), "tshark has ended");
            Ok(file.metadata().is_ok_and(|about| about.len() > 0))
        })?;
        Ok(Self { running, file })
    }

    /// Ends it, and gives these fields of each packet to UDP port `port`, dissected as RTP. The
    /// last packets that passed may not be among them.
    pub fn finish(mut self, port: u16, fields: &[&str]) -> Result<Vec<Vec<String>>> {
        self.running.signal(Signal::INT)?;
        self.running.wait(Deadline::seconds(PATIENCE))?;
        let file = self.file.display().to_string();
        let dissect = format!("udp.port=={port},rtp");
        let filter = format!("udp.dstport == {port}");
        let mut line = vec![
            "-r", &file, "-n", "-d", &dissect, "-Y", &filter, "-T", "fields",
        ];
        line.extend([
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "udp.check_checksum:TRUE",
        ]);
        line.extend(fields.iter().flat_map(|field| ["-e", field]));
        Ok(output("tshark", &line)?
            .lines()
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect())
    }
}
