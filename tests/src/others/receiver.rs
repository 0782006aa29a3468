//! Receivers that are not ours: GStreamer writes the frames, tshark dissects the packets.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Deadline, Running, Stage, output, wait_for};
use rustix::process::Signal;

/// How long a tool may take to listen, and to end.
const TIMEOUT_S: u64 = 20;

/// A `gst-launch-1.0` that receives a flow and writes its frames to a file. It is killed when
/// dropped.
#[derive(Debug)]
pub struct GStreamerReceiver {
    running: Running,
    file: PathBuf,
}

impl GStreamerReceiver {
    /// Listens inside the stage's namespace for what a session description says, as GStreamer's own parser
    /// reads it; returns once it does.
    pub fn start(stage: &Stage, description: &str) -> Result<Self> {
        let (port, caps) = caps_of(stage, description)?;
        // Its buffer holds some seconds.
        stage.sysctl_at_least("net.core.rmem_max", 64 << 20)?;
        let file = stage.directory().join("received.raw");
        let pipeline = format!(
            "udpsrc port={port} buffer-size={} ! {caps} ! rtpvrawdepay ! filesink buffer-mode=unbuffered location={}",
            32 << 20,
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
        wait_for("GStreamer to listen", TIMEOUT_S, || {
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
        wait_for("GStreamer to write the frames", TIMEOUT_S, || {
            size = self.file.metadata().map_or(0, |about| about.len());
            Ok(size >= wanted)
        })
        .with_context(|| format!("{size} of {wanted} bytes"))?;
        self.running.signal(Signal::INT)?;
        self.running.wait(Deadline::seconds(TIMEOUT_S))?;
        Ok(fs::read(&self.file)?)
    }
}

/// UDP port and caps of the first media of a session description, by `sdp_caps.c`.
fn caps_of(stage: &Stage, description: &str) -> Result<(u16, String)> {
    let source = stage.directory().join("sdp_caps.c");
    let program = stage.directory().join("sdp_caps");
    fs::write(&source, include_str!("sdp_caps.c"))?;
    let compiled = Command::new("gcc")
        .args(["-Wall", "-o"])
        .args([&program, &source])
        .args(["-l:libgstsdp-1.0.so.0", "-l:libgstreamer-1.0.so.0"])
        .status()
        .context("gcc is needed")?;
    ensure!(compiled.success(), "gcc could not compile sdp_caps.c");
    let file = stage.directory().join("described.sdp");
    fs::write(&file, description)?;
    let parsed = Command::new(program).stdin(File::open(file)?).output()?;
    ensure!(parsed.status.success(), "{parsed:?}: {description}");
    let text = String::from_utf8(parsed.stdout)?;
    let (port, caps) = text.trim().split_once('\n').context("port and caps")?;
    // As its documentation wants: the parser does not know that the media comes over RTP.
    let caps = caps.replace("application/x-unknown", "application/x-rtp");
    Ok((port.parse()?, caps.replace(' ', "")))
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
        wait_for("tshark to capture", TIMEOUT_S, || {
            ensure!(running.ended()?.is_none(), "tshark has ended");
            Ok(file.metadata().is_ok_and(|about| about.len() > 0))
        })?;
        Ok(Self { running, file })
    }

    /// Ends it, and gives these fields of each packet to UDP port `port`, dissected as RTP. The
    /// last packets that passed may not be among them.
    pub fn finish(mut self, port: u16, fields: &[&str]) -> Result<Vec<Vec<String>>> {
        self.running.signal(Signal::INT)?;
        self.running.wait(Deadline::seconds(TIMEOUT_S))?;
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
