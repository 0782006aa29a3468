//! Another process that takes each frame of a session and notes when it came; beside it, on request, a
//! thread that waits for datagrams.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair::{Client, Error, Timeout};
use onair_ipc::sys;
use onair_stage::{Actor, Deadline, Stage};
use serde::{Deserialize, Serialize};

/// What the process noted of a frame. All times are CLOCK_MONOTONIC, in ns.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct TakenFrame {
    pub(crate) timestamp: u32,
    /// The first eight bytes of the frame.
    pub(crate) stamp: u64,
    pub(crate) first_packet_ns: u64,
    pub(crate) last_packet_ns: u64,
    /// When `buffer_get` had returned.
    pub(crate) taken_ns: u64,
    pub(crate) is_complete: bool,
}

/// What it has noted when the session stops.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(crate) frames: Vec<TakenFrame>,
    /// Each datagram's number, and when it came.
    pub(crate) datagrams: Vec<(u64, u64)>,
}

#[derive(clap::Args)]
pub(crate) struct Consumer {
    #[arg(long)]
    attach: PathBuf,
    #[arg(long)]
    session: String,
    /// Also wait for datagrams, on a port of 127.0.0.1
    #[arg(long)]
    datagrams: bool,
}

/// A started one.
pub(crate) struct RunningConsumer {
    actor: Actor,
    /// Where it waits for datagrams.
    pub(crate) datagrams: Option<SocketAddr>,
}

/// Starts one inside the stage's namespace, with `more` arguments, and waits until it has attached.
pub(crate) fn start(
    stage: &Stage,
    attach: &Path,
    session: &str,
    more: &[&str],
) -> Result<RunningConsumer> {
    let mut command = stage.command_inside(std::env::current_exe()?);
    command
        .args(["frame-consumer", "--session", session, "--attach"])
        .arg(attach)
        .args(more);
    let mut actor = Actor::start("frame-consumer", &mut command)?;
    let ready = actor.event("ready", Deadline::seconds(30))?;
    let address = ready["datagrams"].as_str();
    let datagrams = address.map(str::parse).transpose()?;
    Ok(RunningConsumer { actor, datagrams })
}

impl RunningConsumer {
    /// What it has noted. Its session must be stopped.
    pub(crate) fn taken(mut self) -> Result<Taken> {
        let mut result = self.actor.event("result", Deadline::seconds(30))?;
        Ok(serde_json::from_value(result["taken"].take())?)
    }
}

impl Consumer {
    pub(crate) fn run(&self) -> Result<()> {
        let session = Client::at(&self.attach).attach(&self.session)?;
        let socket = match self.datagrams {
            true => Some(UdpSocket::bind("127.0.0.1:0")?),
            false => None,
        };
        let address = socket.as_ref().map(UdpSocket::local_addr).transpose()?;
        let address = address.map(|it| it.to_string());
        println!(
            "{}",
            serde_json::json!({"event": "ready", "datagrams": address})
        );
        let is_over = AtomicBool::new(false);
        let taken = std::thread::scope(|scope| -> Result<Taken> {
            let datagrams = socket.map(|socket| scope.spawn(|| datagrams(socket, &is_over)));
            let mut taken = Taken::default();
            let ended = loop {
                match session.buffer_get(Timeout::NEVER) {
                    Ok(buffer) => taken.frames.push(TakenFrame {
                        taken_ns: sys::monotonic_ns(),
                        timestamp: buffer.rtp_timestamp(),
                        stamp: stamp_of(&buffer),
                        first_packet_ns: buffer.first_packet_ns(),
                        last_packet_ns: buffer.last_packet_ns(),
                        is_complete: buffer.status().is_complete(),
                    }),
                    Err(Error::Stopped) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            is_over.store(true, Ordering::SeqCst);
            ended?;
            if let Some(datagrams) = datagrams {
                taken.datagrams = datagrams.join().expect("it does not panic")?;
            }
            Ok(taken)
        })?;
        println!("{}", serde_json::json!({"event": "result", "taken": taken}));
        Ok(())
    }
}

/// The first eight bytes of a frame, which a producer may have stamped.
fn stamp_of(frame: &[u8]) -> u64 {
    let first = frame.first_chunk().copied();
    first.map_or(0, u64::from_le_bytes)
}

fn datagrams(socket: UdpSocket, is_over: &AtomicBool) -> Result<Vec<(u64, u64)>> {
    // Longer than a pause between two datagrams: the usual receive ends by a datagram.
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    let (mut came, mut bytes) = (vec![], [0; 8]);
    while !is_over.load(Ordering::SeqCst) {
        match socket.recv(&mut bytes) {
            Ok(_) => came.push((u64::from_le_bytes(bytes), sys::monotonic_ns())),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("receiving a datagram"),
        }
    }
    Ok(came)
}
