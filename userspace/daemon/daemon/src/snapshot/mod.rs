//! Pictures of running sessions.
//!
//! The control thread taps the session as a recording does, and a thread of its own assembles the next
//! complete frame from the packets, or the waveform of the next second, and makes the picture (`picture.rs`). So a
//! picture takes no place of
//! the session's clients and no buffer of its frames; it costs the poller a copy of each packet until the
//! frame is complete, for [`WAIT`] at most. `limits.snapshots` bounds how many there are at a time.

mod picture;

/// The picture of the next complete frame of the packets.
fn next(mut packets: PacketReader, mut still: Still, until: Instant) -> Result<Shown, NoPicture> {
    let mut seen = 0_u64;
    loop {
        // Asked first: what a producer offered before it went is read below.
        let is_last = packets.is_abandoned();
        let any = packets.read(|at_ns, bytes| {
            seen += 1;
            if let Some(rtp) = rtp(bytes) {
                still.packet(at_ns, rtp);
            }
        });
        if let Some(shown) = still.take() {
            return Ok(shown);
        }
        match (any, is_last) {
            (false, true) => return Err(NoPicture::Ended(still.wanted())),
            _ if Instant::now() >= until => {
                return Err(NoPicture::Late {
                    wanted: still.wanted(),
                    packets: seen,
                    incomplete: still.incomplete(),
                });
            }
            (false, false) => packets.rest(),
            (true, _) => {}
        }
    }
}

/// The RTP packet in an Ethernet frame.
fn rtp(bytes: &[u8]) -> Option<&[u8]> {
    let (ethernet, packet) = EthernetHeader::parse(bytes).ok()?;
    if ethernet.ethertype != ETHERTYPE_IPV4 {
        return None;
    }
    Some(Datagram::parse(packet).ok()?.payload)
}
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use onair_api::{Problem, ProblemCode};
use onair_engine::machine::RecorderEvent;
use onair_ipc::sys;
use onair_net::datagram::Datagram;
use onair_net::ethernet::{ETHERTYPE_IPV4, EthernetHeader};
use onair_pixels::{FrameStream, Shown, Still};
use onair_record::{PacketReader, Producer};
use onair_workers::panic_text;
use tokio::sync::mpsc::UnboundedSender;

pub use self::picture::NoPicture;

/// Wait for a complete frame, at most.
const WAIT: Duration = Duration::from_secs(3);
/// Room for the packets of 10 ms of 2160p60.
const RING_BYTES: usize = 16 << 20;
/// Largest frame: 8192x4320 of 10 bits in 4:2:2, and less.
const MOST_FRAME_BYTES: usize = 96 << 20;

/// Starts a thread that makes one picture of packets of this stream. It sends
/// [`RecorderEvent::Pictured`], in any case.
///
/// # Errors
/// `no_picture` if there cannot be one, `internal` without a thread.
pub fn begin(
    snapshot: u64,
    stream: &FrameStream<'_>,
    events: &UnboundedSender<RecorderEvent>,
) -> Result<Producer, Problem> {
    let still = Still::new(stream, MOST_FRAME_BYTES);
    let still = still.map_err(|none| Problem::from(NoPicture::from(none)))?;
    let (producer, packets) = PacketReader::new("snapshot", RING_BYTES);
    let events = events.clone();
    let spawned = std::thread::Builder::new()
        .name("snapshot".into())
        .spawn(move || {
            sys::preempt_at_wake_up(false);
            let until = Instant::now() + WAIT;
            // The requester gets an answer, and its place is free again, also after a panic.
            let made = catch_unwind(AssertUnwindSafe(|| {
                let shown = next(packets, still, until)?;
                picture::png(&shown)
            }));
            let result = match made {
                Ok(made) => made.map_err(|none| Box::new(none.into())),
                Err(panic) => {
                    let reason = panic_text::of(&*panic);
                    tracing::error!(reason, "a snapshot panicked");
                    let detail = format!("the snapshot failed: {reason}");
                    Err(Box::new(Problem::new(ProblemCode::Internal, detail)))
                }
            };
            // A control thread that has ended needs no picture.
            let _ = events.send(RecorderEvent::Pictured { snapshot, result });
        });
    match spawned {
        Ok(_) => Ok(producer),
        Err(error) => Err(Problem::new(
            ProblemCode::Internal,
            format!("cannot start a thread: {error}"),
        )),
    }
}
