//! How many packets came while no daemon recorded, by the sequence numbers of the packets before and after.
//!
//! Before: the newest packet of each sender and destination in the end of the last file. After: the first packet of
//! each. The number is known only if each that was there before comes again, and if it cannot have wrapped unseen: the
//! 32 bits of ST 2110-20 and -40 do not; 16 bits do not, if at the packet rate before less than half of them passed.
//! A sender of this daemon begins with another SSRC: it sent nothing meanwhile, and nothing is known.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_api::{RecordingEnd, RecordingId, RecordingName, RecordingSummary, SessionSpec};
use onair_engine::machine::ActiveRecording as _;
use onair_essence::rtp::RtpHeader;
use onair_net::datagram::{Datagram, ip_header_bytes};
use onair_net::ethernet;
use onair_record::{Manifest, Seam, last_events};

use super::active::{Active, RecordingFailure};
use crate::shutdown::Waiting;

/// Packets of the new file that are looked at.
const MOST: u32 = 20_000;
/// Longest frame, bytes.
const LONGEST: usize = 9216;
/// Half of the 16-bit numbers.
const HALF: u64 = 1 << 15;
/// Poll interval of the shutdown, in case a wake-up is lost.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A stream of packets: its destination and its SSRC.
type Stream = (SocketAddr, u32);

/// One packet's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number {
    at_ns: u64,
    sequence: u16,
    /// The upper 16 bits, if its format has them.
    upper: Option<u16>,
}

/// The end of a stream in the last file.
#[derive(Clone, Copy, Debug)]
struct End {
    last: Number,
    first_at_ns: u64,
    packets: u64,
}

/// Counts by sequence numbers.
#[derive(Debug)]
pub(super) struct SequenceSeam {
    has_upper: bool,
    /// The streams that have not come again.
    ends: BTreeMap<Stream, End>,
    looked_at: u32,
    missed: Option<u64>,
    /// A packet, with zeros for what was not captured.
    frame: Vec<u8>,
}

impl SequenceSeam {
    /// Reads the end of the last file that has packets.
    pub(super) fn after(manifest: &Manifest, folder: &Path) -> Self {
        let label = manifest.session.as_ref().map(|it| it.spec.clone());
        let spec = label.and_then(|it| serde_json::from_value::<SessionSpec>(it).ok());
        let format = spec.map(|it| it.format);
        let has_upper = format.is_some_and(|it| it.extends_sequence());
        let mut seam = Self {
            has_upper,
            ends: BTreeMap::new(),
            looked_at: 0,
            missed: None,
            frame: Vec::new(),
        };
        let last = manifest.files.iter().rev().find(|it| it.events > 0);
        if let Some(file) = last {
            let read = last_events(&folder.join(&file.name), |at_ns, bytes| {
                seam.before(at_ns, bytes);
            });
            if let Err(error) = read {
                tracing::info!(file = file.name, %error, "how many packets are missing after it is not known");
                seam.ends.clear();
            }
        }
        seam.missed = (!seam.ends.is_empty()).then_some(0);
        seam
    }

    /// A packet before, the newest first.
    fn before(&mut self, at_ns: u64, bytes: &[u8]) {
        let Some((stream, number)) = self.number(at_ns, bytes) else {
            return;
        };
        let end = self.ends.entry(stream).or_insert(End {
            last: number,
            first_at_ns: at_ns,
            packets: 0,
        });
        end.packets += 1;
        end.first_at_ns = at_ns;
        let ahead = number.sequence.wrapping_sub(end.last.sequence);
        // Packets that overtook others at the very end.
        if ahead != 0 && ahead < 64 {
            end.last = Number {
                at_ns: end.last.at_ns,
                ..number
            };
        }
    }

    fn number(&mut self, at_ns: u64, bytes: &[u8]) -> Option<(Stream, Number)> {
        // Maybe only the start was captured.
        self.frame.clear();
        self.frame.extend_from_slice(bytes);
        self.frame.resize(bytes.len().max(LONGEST), 0);
        let datagram = Datagram::of_frame(&self.frame)?;
        let head = ethernet::HEADER_BYTES + ip_header_bytes(datagram.ends.destination().ip());
        let captured = bytes.len().checked_sub(head)?.min(datagram.payload.len());
        let (header, payload) = RtpHeader::parse_start(&datagram.payload[..captured]).ok()?;
        let upper = payload.first_chunk().map(|it| u16::from_be_bytes(*it));
        let number = Number {
            at_ns,
            sequence: header.sequence,
            upper: upper.filter(|_| self.has_upper),
        };
        Some(((datagram.ends.destination(), header.ssrc), number))
    }
}

/// Packets between the end of a stream and its next packet.
fn between(end: End, next: Number) -> Option<u64> {
    let last = end.last;
    let lower = u64::from(next.sequence.wrapping_sub(last.sequence).wrapping_sub(1));
    // Some senders leave the upper bits 0.
    if let (Some(from), Some(to)) = (last.upper, next.upper)
        && (from, to) != (0, 0)
    {
        let wide = |upper: u16, lower: u16| u32::from(upper) << 16 | u32::from(lower);
        let (from, to) = (wide(from, last.sequence), wide(to, next.sequence));
        let missing = to.wrapping_sub(from).wrapping_sub(1);
        return (missing < 1 << 31).then_some(missing.into());
    }
    let seen_ns = last.at_ns.saturating_sub(end.first_at_ns);
    let gap_ns = next.at_ns.saturating_sub(last.at_ns);
    let expected = u128::from(end.packets) * u128::from(gap_ns) / u128::from(seen_ns.max(1));
    let is_short = seen_ns > 0 && expected < u128::from(HALF);
    (is_short && lower < HALF * 2 - 64).then_some(lower)
}

impl Seam for SequenceSeam {
    fn event(&mut self, at_ns: u64, bytes: &[u8]) -> bool {
        self.looked_at += 1;
        if let Some((stream, number)) = self.number(at_ns, bytes)
            && let Some(end) = self.ends.remove(&stream)
        {
            let more = between(end, number);
            self.missed = self.missed.zip(more).map(|(sum, more)| sum + more);
        }
        !self.ends.is_empty() && self.looked_at < MOST
    }

    fn missed(&self) -> Option<u64> {
        self.missed.filter(|_| self.ends.is_empty())
    }
}

/// Recordings that failed at the shutdown, by name.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(|(name, why)| format!("{name}: {why}")).collect::<Vec<_>>().join("; "))]
pub struct RecordingsFailed(Vec<(RecordingName, RecordingFailure)>);

/// Every running or finishing recording. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Live(Arc<LiveShared>);

impl Live {
    /// Phase 1 of the shutdown: stops all recordings from accepting. Does not block.
    pub fn cut(&self) {
        let mut all = self.all();
        all.is_cut = true;
        all.list.iter().for_each(|it| it.stop_accepting());
    }

    /// A recording's files are about to be created.
    pub(super) fn begin_start(&self) {
        self.all().starting += 1;
    }

    /// The files exist, or could not be created.
    pub(super) fn end_start(&self, started: Option<&Arc<Active>>) {
        let mut all = self.all();
        all.starting -= 1;
        if let Some(active) = started {
            if all.is_cut {
                active.stop_accepting();
            }
            all.list.push(Arc::clone(active));
        }
        drop(all);
        self.0.changed.notify_all();
    }

    /// Removes an ended recording, unless the shutdown has begun. Returns whether it was removed.
    pub(super) fn settle(&self, recording: RecordingId) -> bool {
        let mut all = self.all();
        if !all.is_cut {
            all.list.retain(|it| it.about.id != recording);
        }
        !all.is_cut
    }

    /// Phase 2 of the shutdown: returns when each recording is finished. The control thread
    /// finishes each recording as it gets the session's tap back. After half of the time this
    /// finishes the remaining ones without their taps.
    ///
    /// # Errors
    /// [`RecordingsFailed`].
    pub fn finish_all(&self, waiting: &Waiting) -> Result<(), RecordingsFailed> {
        let begin_at = Instant::now() + waiting.remaining() / 2;
        loop {
            let (list, starting) = {
                let all = self.all();
                (all.list.clone(), all.starting)
            };
            let open: Vec<_> = list.iter().filter(|it| !it.is_over()).collect();
            let Some(first) = open.first() else {
                if starting == 0 || waiting.is_forced() {
                    break;
                }
                let all = self.all();
                drop(
                    self.0
                        .changed
                        .wait_timeout(all, LOOK_AGAIN)
                        .unwrap_or_else(PoisonError::into_inner),
                );
                continue;
            };
            if Instant::now() >= begin_at || waiting.is_forced() {
                for active in open.iter().filter(|it| !it.is_begun()) {
                    tracing::warn!(recording = %active.about.name, "the poller has not returned the recording's tap");
                    Arc::clone(active).finish(RecordingEnd::Shutdown);
                }
            }
            // The wait of each caller has its own deadline.
            first.wait_over(Instant::now() + LOOK_AGAIN);
        }
        let list = self.all().list.clone();
        let failed = list
            .iter()
            .filter_map(|it| Some((it.about.name.clone(), it.failed()?)));
        let failed: Vec<_> = failed.collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(RecordingsFailed(failed))
    }

    /// Summary entries of the recordings that ran when the shutdown began.
    #[must_use]
    pub fn summaries(&self) -> Vec<RecordingSummary> {
        let list = self.all().list.clone();
        list.iter().map(|it| it.summary()).collect()
    }

    fn all(&self) -> MutexGuard<'_, All> {
        // No code panics while it holds this lock.
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct LiveShared {
    all: Mutex<All>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct All {
    list: Vec<Arc<Active>>,
    /// Recordings whose files are being created.
    starting: usize,
    /// The daemon shuts down: no recording accepts packets.
    is_cut: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(sequence: u16, upper: Option<u16>) -> End {
        let last = Number {
            at_ns: 1_000_000_000,
            sequence,
            upper,
        };
        End {
            last,
            first_at_ns: 0,
            packets: 1000,
        }
    }

    fn missed(end: End, after_s: u64, sequence: u16, upper: Option<u16>) -> Option<u64> {
        let next = Number {
            at_ns: end.last.at_ns + after_s * 1_000_000_000,
            sequence,
            upper,
        };
        between(end, next)
    }

    #[test]
    fn packets_between_are_counted_over_a_wrap() {
        assert_eq!(missed(end(65_534, None), 1, 3, None), Some(4));
        assert_eq!(missed(end(7, None), 1, 8, None), Some(0));
        assert_eq!(missed(end(7, Some(0)), 1, 9, Some(0)), Some(1));
        let wide = missed(end(65_535, Some(1)), 1000, 0, Some(4));
        assert_eq!(wide, Some(2 << 16));
    }

    #[test]
    fn packets_between_that_may_have_wrapped_are_not_known() {
        // A thousand packets a second.
        assert_eq!(missed(end(7, None), 32, 9, None), Some(1));
        assert_eq!(missed(end(7, None), 33, 9, None), None);
        // It did not go on, or back.
        assert_eq!(missed(end(7, None), 1, 7, None), None);
        assert_eq!(missed(end(9, Some(3)), 1, 7, Some(3)), None);
    }
}
