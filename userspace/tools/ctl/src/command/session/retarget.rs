//! `onairctl session retarget`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use onair_api::operations::{RetargetSession, Sent, ShowSession};
use onair_api::{Direction, MAX_FRAME_TIMEOUT_MS, SessionPatch, SessionRef};
use onair_control::Client;
use onair_essence::FormatDocument;
use onair_sdp::session::{Text, changed_sources};
use serde_json::json;

use super::create::bytes_of;
use crate::args::Options;
use crate::args::essence;
use crate::args::legs::{self, LegChanges};
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
flow. With --at it changes with the frame that begins at that time, and the command returns before. Sessions
that are given one time change together. A persistent session keeps the new addresses after a restart of the daemon; one of the
configuration file starts with those of the file.

Examples:
  onairctl session retarget cam1 --sdp cam2.sdp
  onairctl session retarget out --destination 239.20.1.7:5004 --ttl 16
  onairctl session retarget cam1 --source-address 10.77.0.1
  onairctl session retarget cam1 --any-source
  onairctl session retarget cam1 --rejoin
  onairctl session retarget cam1 --sdp cam2.sdp --at 1795942149
  onairctl session retarget out --sender-type narrow --tr-offset 600")]
pub(crate) struct Retarget {
    /// Session id or name
    session: SessionRef,

    #[command(flatten)]
    changes: Changes,

    #[command(flatten)]
    at: At,
}

/// When a session changes.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// Change with the frame that begins at this time of TAI, at most 10 s ahead: seconds since 1970, and a
    /// fraction. Without PTP or chrony the daemon's TAI is UTC (see `onairctl health`)
    #[arg(long = "at", value_name = "SECONDS[.FRACTION]", value_parser = nanoseconds)]
    pub(crate) tai_ns: Option<u64>,
}

/// Nanoseconds of a time in seconds.
fn nanoseconds(text: &str) -> Result<u64, String> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    let seconds = seconds
        .parse()
        .ok()
        .filter(|_| is_number(seconds) && is_number(fraction));
    let fraction = (fraction.len() <= 9).then(|| format!("{fraction:0<9}").parse::<u64>().ok());
    let time = seconds.zip(fraction.flatten());
    let time = time.and_then(|(s, ns): (u64, u64)| s.checked_mul(1_000_000_000)?.checked_add(ns));
    time.ok_or_else(|| "write seconds, such as 1795942149.5".to_owned())
}

/// Flags of the flow. One of them is needed, or one of the timing.
const OF_FLOW: [&str; 9] = [
    "rejoin",
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

    /// Offset that the sender adds to its RTP timestamps, in ticks, as mediaclk:direct=TICKS in SDP
    #[arg(long, value_name = "TICKS", allow_negative_numbers = true)]
    media_clock_offset: Option<u32>,

    /// Receive: leave the multicast groups and join them again, one leg after the other
    #[arg(long, conflicts_with = "tai_ns")]
    rejoin: bool,

    #[command(flatten)]
    second: LegChanges,

    #[command(flatten)]
    timing: essence::TimingFlags,
}

impl Changes {
    /// Puts the flags over `change`, that of a description.
    fn put(&self, change: &mut SessionPatch) {
        let flow = &mut change.flow;
        flow.destination = self.destination.clone().or(flow.destination.take());
        flow.ttl = self.ttl.or(flow.ttl);
        flow.dscp = self.dscp.or(flow.dscp);
        flow.payload_type = self.payload_type.or(flow.payload_type);
        flow.media_clock_offset = self.media_clock_offset.or(flow.media_clock_offset);
        if !self.source_address.is_empty() || self.any_source {
            (flow.source, flow.sources) = changed_sources(self.source_address.clone());
        }
        flow.second_leg = self.second.over(flow.second_leg.take());
        self.timing.put(change);
        change.rejoin = self.rejoin;
    }
}

impl Retarget {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let (mut change, has_two) = match &self.changes.sdp {
            None => (SessionPatch::default(), false),
            Some(path) => {
                let shown = client.call::<ShowSession>(&self.session, &()).await?;
                let view = shown.read()?;
                let has_two = view.flow.second_leg.is_some();
                let change = described(path, (view.direction, has_two), &view.format)?;
                (change, has_two)
            }
        };
        self.changes.put(&mut change);
        change.at_tai_ns = self.at.tai_ns;
        if has_two && change.flow.second_leg.is_none() {
            eprintln!(
                "onairctl: the description has one leg: the second leg of the session stays at its old destination"
            );
        }
        let body = Sent::Body(json!(change));
        let answer = client.send::<RetargetSession>(&self.session, body, LONGEST_FRAME);
        show(options, &answer.await?, render::session::one)?;
        Ok(DONE)
    }
}

/// The changes of the description at `path`, as [`Text::change`].
pub(crate) fn described(
    path: &Path,
    legs: (Direction, bool),
    format: &FormatDocument,
) -> Result<SessionPatch, Failure> {
    let (name, bytes) = bytes_of(path)?;
    let (name, bytes) = (&*name, &*bytes);
    Ok(Text { name, bytes }.change(legs, format)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Noun};
    use crate::command::session::SessionVerb;
    use clap::Parser;
    use serde_json::Value;

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
            let mut change = SessionPatch {
                flow: serde_json::from_value(described).unwrap(),
                ..SessionPatch::default()
            };
            changes(flags).put(&mut change);
            assert_eq!(json!(change.flow), expected, "{flags}");
        }
        let timing = |video: Value| -> SessionPatch {
            serde_json::from_value(json!({ "video": video })).unwrap()
        };
        let described = timing(json!({"tr_offset_us": 600, "cmax": null}));
        for (flags, expected) in [
            ("--ttl 3", json!({"tr_offset_us": 600, "cmax": null})),
            (
                "--sender-type wide --tr-offset 0 --cmax 4",
                json!({"sender_type": "wide", "tr_offset_us": 0, "cmax": 4}),
            ),
        ] {
            let mut change = described.clone();
            changes(flags).put(&mut change);
            assert_eq!(change.video, timing(expected).video, "{flags}");
        }
        for (text, expected) in [
            ("7", 7_000_000_000),
            ("7.000000001", 7_000_000_001),
            ("0.5", 500_000_000),
        ] {
            assert_eq!(nanoseconds(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            ".5",
            "-1",
            "+1",
            "1.-1",
            "1.0000000001",
            "99999999999",
            "noon",
        ] {
            assert!(nanoseconds(text).is_err(), "{text}");
        }
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
            let format = json!({ "video": video });
            let format = serde_json::from_value(format).unwrap();
            described(&path, (direction, false), &format)
        };
        let change = of(Direction::Receive, &video).unwrap();
        let expected = json!({"destination": "192.0.2.7:5006", "media_clock_offset": 0, "payload_type": 98,
            "reference_clock": null, "source": null});
        assert_eq!(json!(change.flow), expected);
        let expected_timing = json!({"sender_type": "narrow", "tr_offset_us": 600, "cmax": null,
            "colorimetry": "BT709", "transfer": null, "range": null, "pixel_aspect": null, "standard": "2017"});
        assert_eq!(json!(change.video), expected_timing);
        let of_sender = of(Direction::Send, &video).unwrap();
        assert_eq!(of_sender.video, onair_essence::video::VideoPatch::default());
        // How a sender packs its lines is no matter for a receiver.
        video["packing"] = json!("block");
        assert_eq!(
            json!(of(Direction::Receive, &video).unwrap().flow),
            expected
        );
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
