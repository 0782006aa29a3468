//! `onairctl session create`: a specification from flags or from a file.

mod arriving;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use onair_api::operations::{CreateSession, Sent, ShowHealth};
use onair_api::{
    Convert, Direction, FlowDocument, NewSessionDocument, SessionName, Source, SpecDocument,
};
use onair_control::Client;
use onair_essence::EssenceKind;
use onair_sdp::session::{Described, Text, one_or_several};
use serde_json::{Value, json};

use super::fit::fit;
use crate::args::Options;
use crate::args::essence;
use crate::args::legs::{self, LegFlags};
use crate::args::parse::{duration, whole_ms};
use crate::failure::{DONE, Failure};
use crate::render;

/// Flags of packets, whatever they carry.
const OF_PACKETS: [&str; 10] = [
    "direction",
    "port",
    "destination",
    "source_address",
    "ttl",
    "dscp",
    "payload_type",
    "media_clock_offset",
    "pattern",
    "frame_timeout",
];

fn help() -> String {
    let (flags, converted) = (essence::examples(), essence::converted_examples());
    let format = essence::IN_A_FILE;
    format!(
        "\
Examples:
{flags}
  onairctl session create cam1 --port b --sdp cam1.sdp --destination 10.77.0.2:5004
  onairctl session create cam1 --port a --second-port b --sdp cam1.sdp --class b
  onairctl session create cam1 --like-what-arrives --destination 239.1.1.1:5004
{converted}
  onairctl session create mix --local --size 1920x1080 --rate 50 --max-attachments 8
  onairctl session create --file cam1.json
  jq '.name = \"cam2\"' cam1.json | onairctl session create --file -

A file holds the body of POST /v1/sessions:
  {{\"name\": \"cam1\", \"direction\": \"receive\", \"port\": \"b\",
   {format},
   \"flow\": {{\"destination\": \"10.77.0.2:5004\"}}}}"
    )
}

/// A session's specification.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(crate) struct Create {
    /// Unique among the live sessions: 1 to 63 of a-z, 0-9, '.', '_', '-'
    #[arg(required_unless_present = "file")]
    name: Option<SessionName>,

    /// Read the whole specification from a JSON file; - is standard input
    #[arg(long, short, value_name = "PATH", conflicts_with_all = OF_PACKETS, conflicts_with_all = legs::CREATE, conflicts_with_all = [
        "name", "sdp", "from", "layout", "quota", "max_attachments", "priority", "duration", "persistent", "overcommit"],
        conflicts_with_all = essence::of_all())]
    file: Option<PathBuf>,

    /// Convert the frames of this receive session, instead of receiving packets; needs --layout
    #[arg(long, value_name = "SESSION", requires = "layout", conflicts_with_all = OF_PACKETS, conflicts_with = "sdp",
        conflicts_with_all = legs::CREATE,
        conflicts_with_all = essence::of_all())]
    from: Option<SessionName>,

    /// Pass frames from one client of this host to the others, without packets: `onairctl pipe NAME --send` or another
    /// client fills them. All clients have at most --max-attachments together
    #[arg(long, conflicts_with_all = OF_PACKETS, conflicts_with_all = ["file", "sdp", "from", "like_what_arrives",
        "overcommit"], conflicts_with_all = legs::CREATE)]
    local: bool,

    /// Layout of a converted session's buffers, as FFmpeg or GStreamer names it: v210, uyvy422,
    /// yuv422p10le, I422_10LE, … It has the components and the depth of the source
    #[arg(long, value_name = "NAME", requires = "from")]
    layout: Option<String>,

    /// Take format, addresses and payload type from a session description (SDP); - is standard input. Other flags
    /// replace its addresses and payload type; --rate or --ancillary says a frame rate that it lacks, which else is
    /// measured
    #[arg(long, value_name = "PATH", conflicts_with_all = essence::of_description())]
    sdp: Option<PathBuf>,

    /// Of a description of several streams: which one, from 1
    #[arg(long, value_name = "NUMBER", requires = "sdp")]
    media: Option<usize>,

    /// Receive what arrives: measure raster, rate, samples and payload type from its packets, with a session
    /// for the time being, for up to 12 s; of samples with the same packing the usual ones are taken
    #[arg(long, conflicts_with_all = ["file", "from", "sdp", "payload_type", "pattern"],
        conflicts_with_all = essence::of_format())]
    like_what_arrives: bool,

    /// Direction of the packets, seen from the daemon's host; with --sdp and --like-what-arrives: receive if
    /// absent
    #[arg(long, required_unless_present_any = ["file", "sdp", "from", "like_what_arrives", "local"])]
    direction: Option<Way>,

    /// Name of a port in the daemon's configuration [default: the only port]
    #[arg(long)]
    port: Option<String>,

    #[command(flatten)]
    format: essence::Flags,

    /// Destination of the packets: an address or a multicast group; receive: the port's own address
    /// or a group, which the daemon joins
    #[arg(long, value_name = "IP:PORT", required_unless_present_any = ["file", "sdp", "from", "local"])]
    destination: Option<String>,

    /// Send: local address and UDP port. Receive: accept packets from this source only; several
    /// times for several sources
    #[arg(long, value_name = "IP[:PORT]")]
    source_address: Vec<String>,

    #[command(flatten)]
    second: LegFlags,

    /// Send: time to live of the packets, 1 to 255 [default: 64]
    #[arg(long, value_name = "HOPS", allow_negative_numbers = true)]
    ttl: Option<u32>,

    /// Send: differentiated services code point of the packets, 0 to 63 [default: 34, AF41]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    dscp: Option<u32>,

    /// RTP payload type, 96 to 127; of a receive session any but 72 to 76
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    payload_type: Option<u32>,

    /// Offset that the sender adds to its RTP timestamps, in ticks, as mediaclk:direct=TICKS in SDP: not 0 of Dante
    /// in AES67 mode [default: 0]
    #[arg(long, value_name = "TICKS", allow_negative_numbers = true)]
    media_clock_offset: Option<u32>,

    /// Send the built-in moving pattern instead of a client's frames
    #[arg(long)]
    pattern: bool,

    /// Frames that one attachment may hold on loan at a time
    #[arg(long, value_name = "FRAMES", allow_negative_numbers = true)]
    quota: Option<u32>,

    /// Attachments at a time
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    max_attachments: Option<u32>,

    /// Shutdown priority, 0 to 100, lowest first
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    priority: Option<u32>,

    /// Receive: close a frame as incomplete after this long without a packet of it, 1ms to 10s
    /// [default: three frame times, at least 100ms]
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    frame_timeout: Option<Duration>,

    /// Stop the session this long after its creation, such as 90s or 2h
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    duration: Option<Duration>,

    /// Restore the session when the daemon restarts, unless a user destroyed it
    #[arg(long)]
    persistent: bool,

    /// Place the session also on a poller that has no room for it: packets of all its sessions may be late or
    /// lost; for root and the role operate
    #[arg(long)]
    overcommit: bool,
}

/// A direction, as a flag.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Way {
    /// From the wire to clients
    Receive,
    /// From clients or the pattern to the wire
    Send,
}

impl From<Way> for Direction {
    fn from(way: Way) -> Self {
        match way {
            Way::Receive => Self::Receive,
            Way::Send => Self::Send,
        }
    }
}

impl Create {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let body = match (&self.file, &self.from) {
            (Some(path), _) => read(path)?,
            (None, Some(from)) => json!(self.converted(from)),
            (None, None) if self.local => json!(self.of_clients()?),
            (None, None) => json!(self.of_packets(client).await?),
        };
        let created = client.send::<CreateSession>(&(), Sent::Body(body), Duration::ZERO);
        crate::command::show(options, &created.await?, render::session::one)?;
        Ok(DONE)
    }

    /// A local session.
    fn of_clients(&self) -> Result<NewSessionDocument, Failure> {
        let (spec, _) = self.spec(String::new())?;
        let spec = SpecDocument {
            direction: Direction::Local,
            ..spec
        };
        Ok(spec.into())
    }

    /// A session of packets, with what is measured of those that arrive.
    async fn of_packets(&self, client: &Client) -> Result<NewSessionDocument, Failure> {
        let port = match &self.port {
            Some(port) => port.clone(),
            None => only_port(client).await?,
        };
        let (mut spec, lacks_rate) = self.spec(port)?;
        if self.like_what_arrives {
            if matches!(self.direction, Some(Way::Send)) {
                let text = "--like-what-arrives is for --direction receive";
                return Err(Failure::Input(text.to_owned()));
            }
            arriving::measure(client, &self.format, &mut spec).await?;
        }
        if lacks_rate {
            arriving::measure_rate(client, &self.format, &mut spec).await?;
        }
        if self.sdp.is_some() && !self.format.says_packets() {
            fit(client, std::slice::from_mut(&mut spec)).await?;
        }
        Ok(spec.into())
    }

    /// Whether fields of the body come from a file.
    pub(crate) fn reads_a_file(&self) -> bool {
        self.file.is_some() || self.sdp.is_some()
    }

    fn name(&self) -> String {
        self.name.iter().map(ToString::to_string).collect()
    }

    /// A session that converts the frames of `from`.
    fn converted(&self, from: &SessionName) -> NewSessionDocument {
        NewSessionDocument {
            name: self.name(),
            convert: Some(Convert {
                from: from.clone(),
                layout: self.layout.clone().unwrap_or_default(),
                source_owner: None,
            }),
            quota: self.quota,
            max_attachments: self.max_attachments,
            priority: self.priority,
            duration_ms: self.duration.map(whole_ms),
            persistent: self.persistent.then_some(true),
            ..NewSessionDocument::default()
        }
    }

    /// The session by flags and description, and whether its frame rate is to be measured. The daemon validates it.
    fn spec(&self, port: String) -> Result<(SpecDocument, bool), Failure> {
        let described = self.described()?;
        let lacks_rate = described.as_ref().is_some_and(|it| it.lacks_rate);
        let leaves_a_leg = described.as_ref().is_some_and(|it| it.leaves_a_leg);
        let (mut format, mut flow, second, notes) = match described {
            None => (
                self.format.format(),
                FlowDocument::default(),
                None,
                Vec::new(),
            ),
            Some(it) => (it.format, it.flow, it.second, it.notes),
        };
        self.format.put_packets(&mut format);
        if let Some(destination) = &self.destination {
            flow.destination.clone_from(destination);
        }
        if !self.source_address.is_empty() {
            (flow.source, flow.sources) = one_or_several(self.source_address.clone());
        }
        let second = self.second.leg(second, leaves_a_leg);
        flow.second_leg = second.map_err(Failure::Input)?;
        flow.ttl = self.ttl.or(flow.ttl);
        flow.dscp = self.dscp.or(flow.dscp);
        flow.media_clock_offset = self.media_clock_offset.or(flow.media_clock_offset);
        flow.payload_type = self.payload_type.or(flow.payload_type);
        let direction = self.direction.unwrap_or(Way::Receive).into();
        let spec = SpecDocument {
            source: self.pattern.then_some(Source::Pattern),
            quota: self.quota,
            max_attachments: self.max_attachments,
            priority: self.priority,
            frame_timeout_ms: self.frame_timeout.map(|it| {
                // The daemon refuses it by then.
                u32::try_from(whole_ms(it)).unwrap_or(u32::MAX)
            }),
            duration_ms: self.duration.map(whole_ms),
            persistent: self.persistent.then_some(true),
            notes,
            overcommit: self.overcommit.then_some(true),
            ..SpecDocument::new((self.name(), port), direction, (format, flow))
        };
        Ok((spec, lacks_rate))
    }
}

impl Create {
    /// The description, with the rate of the flags.
    fn described(&self) -> Result<Option<Described>, Failure> {
        let Some(path) = &self.sdp else {
            return Ok(None);
        };
        let (shown, bytes) = bytes_of(path)?;
        let receives = !matches!(self.direction, Some(Way::Send));
        let text = Text {
            name: &shown,
            bytes: &bytes,
        };
        let mut described = text.one(self.media, receives)?;
        if let Some((essence, rate)) = self.format.rate() {
            let set = described.set_rate(essence, rate);
            set.map_err(|error| Failure::Input(format!("{shown}: {error}")))?;
        }
        if described.lacks_rate && !receives {
            let flag = match described.format.kind() {
                EssenceKind::Ancillary => "--ancillary",
                _ => "--rate",
            };
            let text = format!("{shown}: no frame rate is described: give {flag} RATE, too");
            return Err(Failure::Input(text));
        }
        if !self.second.is_given() && described.leave_second() {
            eprintln!("onairctl: {shown}: only the first leg is used: give --second-port for both");
        }
        Ok(Some(described))
    }
}

/// The name of the daemon's port, if it has one alone.
pub(crate) async fn only_port(client: &Client) -> Result<String, Failure> {
    let health = client.call::<ShowHealth>(&(), &()).await?.read()?;
    let names = health.dataplane.ports.into_iter().map(|port| port.name);
    match &names.collect::<Vec<_>>()[..] {
        [one] => Ok(one.clone()),
        several => Err(Failure::Input(format!(
            "give --port: the daemon has the ports {}",
            several.join(", ")
        ))),
    }
}

fn read(path: &Path) -> Result<Value, Failure> {
    let (shown, bytes) = bytes_of(path)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::Input(format!("{shown} is not a JSON document: {error}")))
}

/// The name for people, and what is in the file.
pub(crate) fn bytes_of(path: &Path) -> Result<(String, Vec<u8>), Failure> {
    let (shown, bytes) = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().read_to_end(&mut bytes).map(|_| bytes);
        ("standard input".to_owned(), read)
    } else {
        (path.display().to_string(), fs::read(path))
    };
    match bytes {
        Ok(bytes) => Ok((shown, bytes)),
        Err(error) => Err(Failure::Input(format!("cannot read {shown}: {error}"))),
    }
}

#[cfg(test)]
mod tests;
