//! What the bench can measure.

use anyhow::Result;
use clap::builder::{PossibleValue, PossibleValuesParser};

use crate::calls::{p1_stop, p2_idle, p3_get_put, p8_probe};
use crate::control::{p12_create, p20_control, p21_memory, p25_crowd, p34_resident};
use crate::ends::{p7_verdict, p10_shutdown, p35_replaced};
use crate::packets::{
    p5_gstreamer, p5_packets, p6_receive, p17_layouts, p18_latency, p19_glass, p23_wires,
    p28_poller, p32_passed, p33_worst, p37_wall,
};
use crate::recording::p11_drain;
use crate::result::row::Row;
use crate::run::Run;

/// A property; the ids are those of `docs/results/bench.json`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Property {
    pub(crate) id: &'static str,
    /// In a few words.
    pub(crate) title: &'static str,
    pub(crate) measure: fn(&Run) -> Result<Vec<Row>>,
}

/// All of them, in the order in which they are measured.
pub(crate) const PROPERTIES: [Property; 24] = [
    property(
        "P1",
        "stop → the last of N blocked callers has returned",
        p1_stop::measure,
    ),
    property("P2", "CPU of a blocked caller", p2_idle::measure),
    property("P3", "get + put, not blocked", p3_get_put::measure),
    property(
        "P5",
        "packets a second of whole sessions on one core",
        packets,
    ),
    property("P6", "receive path, packet → frame", p6_receive::measure),
    property(
        "P7",
        "last user leaves → verdict → certificate",
        p7_verdict::measure,
    ),
    property("P8", "what the probe costs", p8_probe::measure),
    property(
        "P10",
        "SIGTERM → all certificates → exit",
        p10_shutdown::measure,
    ),
    property("P11", "the recorder's final drain", p11_drain::measure),
    property("P12", "session create and destroy", p12_create::measure),
    property(
        "P13",
        "cost of a packet with many sessions",
        p6_receive::measure_many,
    ),
    property("P17", "layout conversions", p17_layouts::measure),
    property(
        "P18",
        "last packet of a frame → its consumer",
        p18_latency::measure,
    ),
    property("P19", "submit → get, across the wire", p19_glass::measure),
    property(
        "P20",
        "the control thread's processor for an operation",
        p20_control::measure,
    ),
    property(
        "P21",
        "memory, descriptors and mappings of a session",
        p21_memory::measure,
    ),
    property(
        "P23",
        "cost of a packet without any kernel",
        p23_wires::measure,
    ),
    property(
        "P25",
        "thousands of callers, and clients that die together",
        p25_crowd::measure,
    ),
    property(
        "P28",
        "processor of an adaptive poller",
        p28_poller::measure,
    ),
    property(
        "P32",
        "a client that passes frames on, line by line",
        p32_passed::measure,
    ),
    property("P33", "what the worst packet costs", p33_worst::measure),
    property(
        "P34",
        "memory of a daemon and its sessions",
        p34_resident::measure,
    ),
    property(
        "P35",
        "last frame of one daemon → first frame of the next",
        p35_replaced::measure,
    ),
    property(
        "P37",
        "processor of a wall of 64 tiles, and what it costs others",
        p37_wall::measure,
    ),
];

const fn property(
    id: &'static str,
    title: &'static str,
    measure: fn(&Run) -> Result<Vec<Row>>,
) -> Property {
    Property { id, title, measure }
}

fn packets(run: &Run) -> Result<Vec<Row>> {
    let mut rows = p5_packets::measure(run)?;
    rows.push(p5_gstreamer::measure(run)?);
    Ok(rows)
}

/// The ids, as a user may write them.
pub(crate) fn ids() -> PossibleValuesParser {
    PossibleValuesParser::new(
        PROPERTIES
            .iter()
            .map(|it| PossibleValue::new(it.id).help(it.title)),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn properties_all_then_each_id_once() {
        let ids: BTreeSet<_> = PROPERTIES.iter().map(|it| it.id).collect();
        assert_eq!(ids.len(), PROPERTIES.len());
    }
}
