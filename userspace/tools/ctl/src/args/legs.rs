//! The second leg of a session (ST 2022-7) on the command line.

use clap::Args;
use onair_api::{LegDocument, LegPatch};
use onair_essence::legs::Class;
use onair_sdp::session::{DescribedLeg, changed_sources, one_or_several};

/// Flags of `session create`.
pub(crate) const CREATE: [&str; 5] = [
    "second_port",
    "second_destination",
    "second_source_address",
    "second_payload_type",
    "class",
];
/// Flags of `session retarget`.
pub(crate) const RETARGET: [&str; 4] = [
    "second_destination",
    "second_source_address",
    "second_payload_type",
    "second_any_source",
];

/// The second leg of a new session.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct LegFlags {
    /// Receive the same packets on a second leg, too (ST 2022-7): the name of its port. With --sdp, the
    /// description has its addresses
    #[arg(long, value_name = "PORT")]
    second_port: Option<String>,

    /// Destination of the second leg's packets, as --destination
    #[arg(long, value_name = "IP:PORT", requires = "second_port")]
    second_destination: Option<String>,

    /// Source of the second leg's packets, as --source-address
    #[arg(long, value_name = "IP[:PORT]", requires = "second_port")]
    second_source_address: Vec<String>,

    /// RTP payload type of the second leg's packets, 96 to 127 [default: that of the first leg]
    #[arg(
        long,
        value_name = "NUMBER",
        allow_negative_numbers = true,
        requires = "second_port"
    )]
    second_payload_type: Option<u32>,

    /// How far the legs may be apart: a, 10 ms; b, 50 ms; c, 150 ms, or 450 ms below 270 Mb/s; d, 0.15 ms
    /// [default: a]
    #[arg(long, requires = "second_port")]
    class: Option<Class>,
}

impl LegFlags {
    /// The leg by the flags, over the second leg of a description. If that `leaves_a_leg`, there is none, unless the
    /// flags say where its packets go.
    ///
    /// # Errors
    /// Flags that are missing.
    pub(crate) fn leg(
        &self,
        described: Option<DescribedLeg>,
        leaves_a_leg: bool,
    ) -> Result<Option<LegDocument>, String> {
        let Some(port) = &self.second_port else {
            return Ok(None);
        };
        let given = self.second_destination.as_ref();
        let destination = given.or(described.as_ref().map(|it| &it.destination));
        let Some(destination) = destination.cloned() else {
            if leaves_a_leg {
                return Ok(None);
            }
            return Err(
                "give --second-destination, too: nothing says where the second leg's packets go"
                    .into(),
            );
        };
        let (described, payload_type) = match described {
            Some(it) => (it.sources, it.payload_type),
            None => (Vec::new(), None),
        };
        let (source, sources) = match &self.second_source_address[..] {
            [] => one_or_several(described),
            given => one_or_several(given.to_vec()),
        };
        Ok(Some(LegDocument {
            port: port.clone(),
            destination,
            source,
            sources,
            payload_type: self.second_payload_type.or(payload_type),
            class: self.class,
        }))
    }

    /// Whether a second leg is wanted.
    pub(crate) const fn is_given(&self) -> bool {
        self.second_port.is_some()
    }
}

/// Other addresses for the second leg of a session.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct LegChanges {
    /// Destination of the second leg's packets (ST 2022-7)
    #[arg(long, value_name = "IP:PORT")]
    second_destination: Option<String>,

    /// Source of the second leg's packets, as --source-address
    #[arg(long, value_name = "IP[:PORT]")]
    second_source_address: Vec<String>,

    /// RTP payload type of the second leg's packets, 96 to 127
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    second_payload_type: Option<u32>,

    /// Receive: accept packets from any source on the second leg
    #[arg(long, conflicts_with = "second_source_address")]
    second_any_source: bool,
}

impl LegChanges {
    /// The changes by the flags, over the second leg of a description; `None` if there are none.
    pub(crate) fn over(&self, described: Option<LegPatch>) -> Option<LegPatch> {
        let mut leg = described.unwrap_or_default();
        leg.destination = self.second_destination.clone().or(leg.destination.take());
        if !self.second_source_address.is_empty() || self.second_any_source {
            (leg.source, leg.sources) = changed_sources(self.second_source_address.clone());
        }
        leg.payload_type = self.second_payload_type.map(Some).or(leg.payload_type);
        (leg != LegPatch::default()).then_some(leg)
    }
}
