//! The second leg of a session (ST 2022-7) on the command line.

use clap::Args;
use onair_essence::legs::Class;
use serde_json::{Value, json};

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
        described: Option<Value>,
        leaves_a_leg: bool,
    ) -> Result<Option<Value>, String> {
        let Some(port) = &self.second_port else {
            return Ok(None);
        };
        let mut leg = described.unwrap_or_else(|| json!({}));
        leg["port"] = json!(port);
        if let Some(destination) = &self.second_destination {
            leg["destination"] = json!(destination);
        }
        if leg.get("destination").is_none() {
            if leaves_a_leg {
                return Ok(None);
            }
            return Err(
                "give --second-destination, too: nothing says where the second leg's packets go"
                    .into(),
            );
        }
        put_sources(&mut leg, &self.second_source_address);
        put_payload_type(&mut leg, self.second_payload_type);
        if let Some(class) = self.class {
            leg["class"] = json!(class);
        }
        Ok(Some(leg))
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
    pub(crate) fn over(&self, described: Option<Value>) -> Option<Value> {
        let mut leg = described.unwrap_or_else(|| json!({}));
        if let Some(destination) = &self.second_destination {
            leg["destination"] = json!(destination);
        }
        put_sources(&mut leg, &self.second_source_address);
        put_payload_type(&mut leg, self.second_payload_type);
        if self.second_any_source {
            leg.as_object_mut().map(|leg| leg.remove("sources"));
            leg["source"] = Value::Null;
        }
        leg.as_object()
            .is_some_and(|it| !it.is_empty())
            .then_some(leg)
    }
}

fn put_payload_type(leg: &mut Value, payload_type: Option<u32>) {
    if let Some(payload_type) = payload_type {
        leg["payload_type"] = json!(payload_type);
    }
}

/// Replaces the sources of a leg, if there are others.
pub(crate) fn put_sources(leg: &mut Value, sources: &[String]) {
    let (key, value, other) = match sources {
        [] => return,
        [source] => ("source", json!(source), "sources"),
        sources => ("sources", json!(sources), "source"),
    };
    leg[key] = value;
    leg.as_object_mut().map(|leg| leg.remove(other));
}
