//! The streams of a capture: found in a first pass, measured in a second one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use onair_essence::survey::{CapturedPacket, Guess, NotRtp, Survey};

use super::flow::Measured;
use super::legs::Legs;
use super::{Formats, FoundStream, Key};
use crate::capture::{Frame, Read};
use crate::document::{analysis as document, over_time};

/// Most streams; packets of others are counted together.
const MAX_FLOWS: usize = 512;
/// A stream of fewer packets and of no known essence is taken for chance.
const MIN_PACKETS: u64 = 3;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Packets that belong to no stream of the table.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Others {
    pub(super) other_protocol: u64,
    pub(super) fragments: u64,
    pub(super) damaged: u64,
    pub(super) other_udp: u64,
    pub(super) other_flow: u64,
    pub(super) beyond_limit: u64,
    pub(super) stray: u64,
}

impl Others {
    /// Facts about the file at `path` for the reader.
    pub(super) fn file(self, path: &Path, read: Read) -> document::File {
        let rest = "the rest is not analyzed";
        document::File {
            path: path.display().to_string(),
            format: read.format,
            time_resolution: read.resolutions,
            link_types: read.links,
            frames: read.frames,
            cut_frames: read.cut,
            damage: read.damage.map(|it| format!("{it}: {rest}")),
            not_analyzed: document::NotAnalyzed {
                other_protocol: self.other_protocol,
                fragments: self.fragments,
                damaged: self.damaged,
                other_udp: self.other_udp,
                other_flow: self.other_flow,
                stray: self.stray,
                beyond_flow_limit: self.beyond_limit,
                without_time: read.timeless,
                unknown_link: read.unknown_link,
            },
        }
    }
}

/// The first pass.
#[derive(Debug)]
pub(super) struct Table {
    only: Option<SocketAddr>,
    tai_offset_ns: i64,
    places: HashMap<Key, usize>,
    found: Vec<FoundStream>,
    others: Others,
}

impl Table {
    pub(super) fn new(only: Option<SocketAddr>, tai_offset_s: i64) -> Self {
        Self {
            only,
            tai_offset_ns: tai_offset_s * NANOS_PER_SECOND,
            places: HashMap::new(),
            found: Vec::new(),
            others: Others::default(),
        }
    }

    pub(super) fn find(&mut self, frame: Frame<'_>) {
        let packet = match CapturedPacket::parse(frame.link, frame.bytes) {
            Ok(packet) => packet,
            Err(reason) => {
                let others = &mut self.others;
                *match reason {
                    NotRtp::OtherProtocol => &mut others.other_protocol,
                    NotRtp::Fragment => &mut others.fragments,
                    NotRtp::Damaged => &mut others.damaged,
                    NotRtp::OtherUdp => &mut others.other_udp,
                } += 1;
                return;
            }
        };
        if self.only.is_some_and(|only| only != packet.destination) {
            self.others.other_flow += 1;
            return;
        }
        let key = Key::of(&packet);
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None if self.found.len() == MAX_FLOWS => {
                self.others.beyond_limit += 1;
                return;
            }
            None => {
                self.places.insert(key, self.found.len());
                self.found.push(FoundStream {
                    key,
                    dscp: packet.dscp,
                    survey: Survey::default(),
                });
                self.found.len() - 1
            }
        };
        let at_ns = frame.at_ns.saturating_add_signed(self.tai_offset_ns);
        self.found[place].survey.packet(at_ns, &packet);
    }

    /// The streams, ready for the second pass.
    pub(super) fn measured(self, formats: &Formats) -> MeasuredTable {
        let mut others = self.others;
        let mut flows = Vec::new();
        for found in self.found {
            let (format, offset) = formats.of(found.key.destination, &found.survey);
            let packets = found.survey.packets();
            if packets < MIN_PACKETS && format.essence == Guess::Unknown {
                others.stray += packets;
                continue;
            }
            flows.push(Measured::new(found, format, offset));
        }
        let keys = flows.iter().map(|flow| *flow.key());
        MeasuredTable {
            tai_offset_ns: self.tai_offset_ns,
            places: keys.enumerate().map(|(place, key)| (key, place)).collect(),
            flows,
            legs: None,
            others,
        }
    }
}

/// The second pass.
#[derive(Debug)]
pub(super) struct MeasuredTable {
    tai_offset_ns: i64,
    places: HashMap<Key, usize>,
    flows: Vec<Measured>,
    /// For the page.
    legs: Option<Legs>,
    others: Others,
}

impl MeasuredTable {
    /// Gathers what only the page shows, too.
    pub(super) fn follow(&mut self) {
        let legs = Legs::of(&self.flows);
        for place in 0..self.flows.len() {
            let axis = legs.axis(place, &self.flows);
            self.flows[place].follow(axis);
        }
        self.legs = Some(legs);
    }

    /// Whether there is something to measure.
    pub(super) fn any(&self) -> bool {
        self.legs.is_some() || self.flows.iter().any(Measured::measures)
    }

    pub(super) fn add(&mut self, frame: Frame<'_>) {
        let Ok(packet) = CapturedPacket::parse(frame.link, frame.bytes) else {
            return;
        };
        let Some(&place) = self.places.get(&Key::of(&packet)) else {
            return;
        };
        let at_ns = frame.at_ns.saturating_add_signed(self.tai_offset_ns);
        self.flows[place].packet(at_ns, &packet);
        let Some(legs) = &mut self.legs else { return };
        let apart = legs.packet(place, at_ns, (&packet.rtp, packet.payload));
        if let Some(apart) = apart {
            self.flows[apart.flow].after_first_leg(at_ns, apart.after_first_ns);
        }
    }

    pub(super) fn legs(&self) -> Option<Vec<over_time::Legs>> {
        self.legs.as_ref().map(|it| it.documents(&self.flows))
    }

    pub(super) const fn others(&self) -> Others {
        self.others
    }

    pub(super) fn flows(&self) -> Vec<document::Flow> {
        self.flows.iter().map(Measured::document).collect()
    }
}
