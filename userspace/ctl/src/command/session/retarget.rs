//! `onairctl session retarget`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use onair_api::operations::{RetargetSession, Sent, ShowSession};
use onair_api::{DescriptionNote, Direction, MAX_FRAME_TIMEOUT_MS, SessionRef};
use serde_json::{Map, Value, json};

use super::create::bytes_of;
use super::description::File;
use crate::args::Options;
use crate::args::essence::{self, Fields};
use crate::args::legs::{self, LegChanges, put_sources};
use crate::client::Client;
use crate::command::show;
use crate::failure::{DONE, Failure};
use crate::render;

/// The frame in transit ends within the longest `frame_timeout_ms`.
pub(crate) const LONGEST_FRAME: Duration = Duration::from_millis(MAX_FRAME_TIMEOUT_MS as u64);

/// Other addresses for a session, or another timing of its packets.
#[derive(Debug, Args)]
#[command(after_help = "\
A running session changes between two frames: the frame that is being sent or received is finished
first, and the command returns after the change. Clients stay attached and get the frames of the new
flow. A persistent session keeps the new addresses after a restart of the daemon; one of the
configuration file starts with those of the file.

Examples:
  onairctl session retarget cam1 --sdp cam2.sdp
  onairctl session retarget out --destination 239.20.1.7:5004 --ttl 16
  onairctl session retarget cam1 --source-address 10.77.0.1
  onairctl session retarget cam1 --any-source
  onairctl session retarget out --sender-type narrow --tr-offset 600")]
pub(crate) struct Retarget {
    /// Session id or name
    session: SessionRef,

    #[command(flatten)]
    changes: Changes,
}

/// Flags of the flow. One of them is needed, or one of the timing.
const OF_FLOW: [&str; 8] = [
    "sdp",
    "destination",
    "source_address",
    "any_source",
    "ttl",
    "dscp",
    "payload_type",
    "media_clock_offset",
];

#[derive(Debug, Args)]
#[group(required = true, multiple = true, args = OF_FLOW, args = legs::RETARGET, args = essence::of_timing())]
struct Changes {
    /// Take destination, sources and payload type from a session description (SDP) of the same
    /// format, and of a receive session also what the sender says of its timing (TP, TROFF, CMAX); - is
    /// standard input. Other flags replace its values
    #[arg(long, value_name = "PATH")]
    sdp: Option<PathBuf>,

    /// Destination of the packets: an address or a multicast group
    #[arg(long, value_name = "IP:PORT")]
    destination: Option<String>,

    /// Send: local UDP port, with the port's address. Receive: accept packets from this source only;
    /// several times for several sources
    #[arg(long, value_name = "IP[:PORT]")]
    source_address: Vec<String>,

    /// Receive: accept packets from any source
    #[arg(long, conflicts_with = "source_address")]
    any_source: bool,

    /// Send: time to live of the packets, 1 to 255
    #[arg(long, value_name = "HOPS", allow_negative_numbers = true)]
    ttl: Option<u32>,

    /// Send: differentiated services code point of the packets, 0 to 63
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    dscp: Option<u32>,

    /// RTP payload type, 96 to 127; of a receive session any but 72 to 76
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    payload_type: Option<u32>,

    /// What the sender adds to its RTP timestamps, in ticks, as mediaclk:direct=TICKS in SDP says
    #[arg(long, value_name = "TICKS", allow_negative_numbers = true)]
    media_clock_offset: Option<u32>,

    #[command(flatten)]
    second: LegChanges,

    #[command(flatten)]
    timing: essence::TimingFlags,
}

impl Changes {
    /// The flags of the flow over `described`, the flow of a description.
    fn flow_over(&self, mut described: Value) -> Value {
        let flow = &mut described;
        for (key, given) in [
            ("destination", self.destination.as_ref().map(|it| json!(it))),
            ("ttl", self.ttl.map(|it| json!(it))),
            ("dscp", self.dscp.map(|it| json!(it))),
            ("payload_type", self.payload_type.map(|it| json!(it))),
            (
                "media_clock_offset",
                self.media_clock_offset.map(|it| json!(it)),
            ),
        ] {
            if let Some(given) = given {
                flow[key] = given;
            }
        }
        put_sources(flow, &self.source_address);
        if self.any_source {
            flow.as_object_mut().map(|flow| flow.remove("sources"));
            flow["source"] = Value::Null;
        }
        let second = flow
            .as_object_mut()
            .and_then(|flow| flow.remove("second_leg"));
        if let Some(leg) = self.second.over(second) {
            flow["second_leg"] = leg;
        }
        described
    }
}

impl Retarget {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let (flow, timing, notes, has_two) = match &self.changes.sdp {
            None => (Value::Object(Map::new()), None, None, false),
            Some(path) => {
                let shown = client.call::<ShowSession>(&self.session, &()).await?;
                let view = shown.read()?;
                let has_two = view.flow.second_leg.is_some();
                let own = essence::of_document(&shown.value);
                let change = described(path, (view.direction, has_two), &own)?;
                (change.flow, change.timing, Some(change.notes), has_two)
            }
        };
        let flow = self.changes.flow_over(flow);
        if has_two && flow.get("second_leg").is_none() {
            eprintln!(
                "onairctl: the description has one leg: the second leg of the session stays at its old destination"
            );
        }
        let mut body = Map::new();
        body.insert("flow".to_owned(), flow);
        body.extend(self.changes.timing.over(timing));
        if let Some(notes) = notes {
            body.insert("notes".to_owned(), json!(notes));
        }
        let body = Sent::Body(Value::Object(body));
        let answer = client.send::<RetargetSession>(&self.session, body, LONGEST_FRAME);
        show(options, &answer.await?, render::session::one)?;
        Ok(DONE)
    }
}

/// What a description changes of a session.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) flow: Value,
    /// What the sender says of its packets' timing, by which a receive session is judged. A send session has its own.
    pub(crate) timing: Option<Fields>,
    /// What is read and not carried.
    pub(crate) notes: Vec<DescriptionNote>,
}

/// What the description at `path`, which is of the session's `format`, changes.
pub(crate) fn described(
    path: &Path,
    (direction, has_two): (Direction, bool),
    format: &Fields,
) -> Result<Change, Failure> {
    let (shown, bytes) = bytes_of(path)?;
    let receives = direction == Direction::Receive;
    let bytes = &bytes;
    let described = File { path, bytes }.like(format, receives)?;
    let timing = essence::described_timing(&shown, &described.format, format);
    let timing = timing.map_err(Failure::Input)?;
    let mut flow = described.flow;
    // Else the offset of the old sender stays.
    if flow["media_clock_offset"].is_null() {
        flow["media_clock_offset"] = json!(0);
    }
    if receives && flow.get("reference_clock").is_none() {
        flow["reference_clock"] = Value::Null;
    }
    let any_source = |leg: &mut Value| {
        let has = |key| leg.get(key).is_some();
        if receives && !has("source") && !has("sources") {
            leg["source"] = Value::Null;
        }
    };
    any_source(&mut flow);
    if let Some(mut second) = described.second.filter(|_| has_two) {
        any_source(&mut second);
        if second.get("payload_type").is_none() {
            second["payload_type"] = Value::Null;
        }
        flow["second_leg"] = second;
    }
    Ok(Change {
        flow,
        timing: receives.then_some(timing),
        notes: described.notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Noun};
    use crate::command::session::SessionVerb;
    use clap::Parser;
    use onair_api::SessionPatch;

    fn changes(flags: &str) -> Changes {
        let args = ["onairctl", "session", "retarget", "cam1"].into_iter();
        let cli = Cli::try_parse_from(args.chain(flags.split_whitespace())).unwrap();
        match cli.noun {
            Noun::Session(SessionVerb::Retarget(retarget)) => retarget.changes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn retarget_flags_then_a_valid_patch_over_the_description() {
        let sdp = || json!({"destination": "239.0.0.1:5004", "source": "10.0.0.1"});
        for (flags, described, expected) in [
            ("--ttl 3 --dscp 0", json!({}), json!({"ttl": 3, "dscp": 0})),
            ("--any-source", json!({}), json!({"source": null})),
            (
                "--sdp x --destination 10.0.0.2:7000",
                sdp(),
                json!({"destination": "10.0.0.2:7000", "source": "10.0.0.1"}),
            ),
            (
                "--sdp x --source-address 10.0.0.2 --source-address 10.0.0.3",
                sdp(),
                json!({"destination": "239.0.0.1:5004", "sources": ["10.0.0.2", "10.0.0.3"]}),
            ),
        ] {
            let flow = changes(flags).flow_over(described);
            assert_eq!(flow, expected, "{flags}");
            serde_json::from_value::<SessionPatch>(json!({ "flow": flow })).unwrap();
        }
        let timing = |video: Value| essence::fields(json!({ "video": video }));
        let described = timing(json!({"tr_offset_us": 600, "cmax": null}));
        for (flags, expected) in [
            ("--ttl 3", json!({"tr_offset_us": 600, "cmax": null})),
            (
                "--sender-type wide --tr-offset 0 --cmax 4",
                json!({"sender_type": "wide", "tr_offset_us": 0, "cmax": 4}),
            ),
        ] {
            let found = changes(flags).timing.over(Some(described.clone()));
            assert_eq!(found, timing(expected), "{flags}");
            serde_json::from_value::<SessionPatch>(json!(found)).unwrap();
        }
        let none = changes("--ttl 3").timing.over(None);
        assert!(none.is_empty(), "{none:?}");
        let nothing = ["onairctl", "session", "retarget", "cam1"];
        assert!(Cli::try_parse_from(nothing).is_err());
    }

    #[test]
    fn retarget_description_of_another_format_then_refused() {
        let text = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=x\nt=0 0\nm=video 5006 RTP/AVP 98\n\
            c=IN IP4 192.0.2.7\na=rtpmap:98 raw/90000\na=fmtp:98 sampling=YCbCr-4:2:2; width=1280; \
            height=720; exactframerate=60; depth=10; colorimetry=BT709; PM=2110GPM; \
            SSN=ST2110-20:2017; TP=2110TPN; TROFF=600; \n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cam2.sdp");
        std::fs::write(&path, text).unwrap();
        let mut video = json!({"width": 1280, "height": 720, "frame_rate": "60/1", "depth": 10});
        let of = |direction, video: &Value| {
            described(
                &path,
                (direction, false),
                &essence::fields(json!({ "video": video })),
            )
        };
        let Change { flow, timing, .. } = of(Direction::Receive, &video).unwrap();
        let expected = json!({"destination": "192.0.2.7:5006", "media_clock_offset": 0, "payload_type": 98,
            "reference_clock": null, "source": null});
        assert_eq!(flow, expected);
        let expected_timing = json!({"sender_type": "narrow", "tr_offset_us": 600, "cmax": null,
            "colorimetry": "BT709", "transfer": null, "range": null, "pixel_aspect": null, "standard": "2017"});
        assert_eq!(
            timing,
            Some(essence::fields(json!({ "video": expected_timing })))
        );
        let of_sender = of(Direction::Send, &video).unwrap();
        assert_eq!(of_sender.timing, None);
        // How a sender packs its lines is no matter for a receiver.
        video["packing"] = json!("block");
        assert_eq!(of(Direction::Receive, &video).unwrap().flow, expected);
        video["depth"] = json!(8);
        let error = of(Direction::Receive, &video).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("describes 1280x720 60/1 fps 10 bit, but the session has"),
            "{error}"
        );
    }
}
