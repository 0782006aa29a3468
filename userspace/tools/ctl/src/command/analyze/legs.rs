//! Which streams are legs of one (ST 2022-7), and how far they are apart.
//!
//! Streams of one SSRC and payload type may be legs. They are, if at least half of the packets of each came on another one
//! before or after: with the same sequence number, timestamp, marker and start of the payload. Different streams of an
//! equipment that gives all of them one SSRC do not have that.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

use onair_essence::rtp::RtpHeader;
use onair_essence::survey::Sequences;

use super::flow::Measured;
use crate::document::over_time::{self, Axis};

/// Packets that are remembered until another leg has them.
const REMEMBERED: u16 = 16_384;
/// Bytes of a payload that are compared.
const COMPARED: usize = 64;

/// Streams that may be legs of one.
#[derive(Debug)]
struct Candidates {
    /// Places of the streams.
    flows: Vec<usize>,
    recent: Box<[Option<Recent>]>,
    merged: Sequences,
    /// Packets of each stream that another one had before it.
    matched: Vec<u64>,
    /// Packets of each stream that another one had before or after it.
    shared: Vec<u64>,
}

/// The first copy of a packet.
#[derive(Debug, Clone, Copy)]
struct Recent {
    contents: u64,
    at_ns: u64,
    leg: usize,
}

/// How far a packet of the leg at the place `flow` is behind that of the first leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Apart {
    pub(super) flow: usize,
    pub(super) after_first_ns: i64,
}

/// All legs of a capture.
#[derive(Debug, Default)]
pub(super) struct Legs {
    candidates: Vec<Candidates>,
    /// By the place of a stream: its candidates, and its place among them.
    places: HashMap<usize, (usize, usize)>,
}

impl Legs {
    pub(super) fn of(flows: &[Measured]) -> Self {
        let mut alike: HashMap<_, Vec<usize>> = HashMap::new();
        for (place, flow) in flows.iter().enumerate() {
            alike.entry(flow.identity()).or_default().push(place);
        }
        let mut groups: Vec<_> = alike.into_values().filter(|it| it.len() > 1).collect();
        groups.sort_unstable();
        let mut legs = Self::default();
        for flows in groups {
            for (leg, flow) in flows.iter().enumerate() {
                legs.places.insert(*flow, (legs.candidates.len(), leg));
            }
            legs.candidates.push(Candidates {
                recent: vec![None; REMEMBERED.into()].into(),
                merged: Sequences::default(),
                matched: vec![0; flows.len()],
                shared: vec![0; flows.len()],
                flows,
            });
        }
        legs
    }

    /// The time of the stream at the place `flow`, and of its legs: their pictures have one axis.
    pub(super) fn axis(&self, flow: usize, flows: &[Measured]) -> Axis {
        let candidates = self.places.get(&flow);
        let candidates = candidates.map(|(it, _)| &self.candidates[*it].flows[..]);
        let (mut first_ns, mut last_ns) = flows[flow].span_ns();
        for leg in candidates.unwrap_or_default() {
            let (first, last) = flows[*leg].span_ns();
            (first_ns, last_ns) = (first_ns.min(first), last_ns.max(last));
        }
        Axis::new(first_ns, last_ns)
    }

    /// Adds a packet of the stream at the place `flow`.
    pub(super) fn packet(
        &mut self,
        flow: usize,
        at_ns: u64,
        (rtp, payload): (&RtpHeader, &[u8]),
    ) -> Option<Apart> {
        let (candidates, leg) = *self.places.get(&flow)?;
        self.candidates[candidates].packet(leg, at_ns, contents(rtp, payload), rtp.sequence)
    }

    /// The streams that are legs.
    pub(super) fn documents(&self, flows: &[Measured]) -> Vec<over_time::Legs> {
        let all = self.candidates.iter();
        let legs = all.filter(|it| {
            let packets = it.flows.iter().map(|flow| flows[*flow].packets());
            let least = packets.min().unwrap_or(0);
            it.shared.iter().all(|shared| shared * 2 >= least)
        });
        let documents = legs.map(|it| over_time::Legs {
            flows: it.flows.clone(),
            lost: it.merged.lost(),
            matched: it.matched.clone(),
        });
        documents.collect()
    }
}

impl Candidates {
    fn packet(&mut self, leg: usize, at_ns: u64, contents: u64, sequence: u16) -> Option<Apart> {
        self.merged.packet(sequence);
        let slot = &mut self.recent[usize::from(sequence % REMEMBERED)];
        let Some(first) = slot.filter(|it| it.contents == contents) else {
            *slot = Some(Recent {
                contents,
                at_ns,
                leg,
            });
            return None;
        };
        if first.leg == leg {
            return None;
        }
        self.matched[leg] += 1;
        self.shared[leg] += 1;
        self.shared[first.leg] += 1;
        let after_ns = i128::from(at_ns) - i128::from(first.at_ns);
        let (leg, after_ns) = match (first.leg, leg) {
            (0, leg) => (leg, after_ns),
            (leg, 0) => (leg, -after_ns),
            _ => return None,
        };
        Some(Apart {
            flow: self.flows[leg],
            after_first_ns: i64::try_from(after_ns).ok()?,
        })
    }
}

/// A packet without its addresses, hashed.
fn contents(rtp: &RtpHeader, payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u16(rtp.sequence);
    hasher.write_u32(rtp.timestamp);
    hasher.write_u8(rtp.marker.into());
    hasher.write(&payload[..payload.len().min(COMPARED)]);
    hasher.finish()
}
