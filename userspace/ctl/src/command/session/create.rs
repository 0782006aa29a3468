//! `onairctl session create`: a specification from flags or from a file.

mod arriving;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use onair_api::SessionName;
use onair_api::operations::{CreateSession, Sent, ShowHealth};
use serde_json::{Map, Value, json};

use super::description::{Described, File};
use super::fit::fit;
use crate::args::essence;
use crate::args::legs::{self, LegFlags, put_sources};
use crate::args::parse::{duration, whole_ms};
use crate::args::{Options, pictures};
use crate::client::Client;
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
    #[arg(long, required_unless_present_any = ["file", "sdp", "from", "like_what_arrives"])]
    direction: Option<Way>,

    /// Name of a port in the daemon's configuration [default: the only port]
    #[arg(long)]
    port: Option<String>,

    #[command(flatten)]
    format: essence::Flags,

    /// Destination of the packets: an address or a multicast group; receive: the port's own address
    /// or a group, which the daemon joins
    #[arg(long, value_name = "IP:PORT", required_unless_present_any = ["file", "sdp", "from"])]
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

    /// What the sender adds to its RTP timestamps, in ticks, as mediaclk:direct=TICKS in SDP says: not 0 of Dante in
    /// AES67 mode [default: 0]
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

impl Way {
    /// As the API names it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Send => "send",
        }
    }
}

impl Create {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let (mut body, lacks_rate) = self.body()?;
        if self.port.is_none() && self.file.is_none() && self.from.is_none() {
            body["port"] = json!(only_port(client).await?);
        }
        if self.like_what_arrives {
            if matches!(self.direction, Some(Way::Send)) {
                let text = "--like-what-arrives is for --direction receive";
                return Err(Failure::Input(text.to_owned()));
            }
            arriving::measure(client, &self.format, &mut body).await?;
        }
        if lacks_rate {
            arriving::measure_rate(client, &self.format, &mut body).await?;
        }
        if self.sdp.is_some() && !self.says_packets() {
            fit(client, std::slice::from_mut(&mut body)).await?;
        }
        let created = client.send::<CreateSession>(&(), Sent::Body(body), Duration::ZERO);
        crate::command::show(options, &created.await?, render::session::one)?;
        Ok(DONE)
    }

    /// Whether the flags say how large packets are.
    fn says_packets(&self) -> bool {
        let mut format = pictures();
        self.format.put_packets(&mut format);
        format.values().any(|it| it.get("max_udp").is_some())
    }

    /// Whether fields of the body come from a file.
    pub(crate) fn reads_a_file(&self) -> bool {
        self.file.is_some() || self.sdp.is_some()
    }

    /// The request body, and whether its frame rate is to be measured. The daemon validates it.
    pub(crate) fn body(&self) -> Result<(Value, bool), Failure> {
        if let Some(path) = &self.file {
            return Ok((read(path)?, false));
        }
        let mut spec = Map::new();
        let mut put = |key: &str, value: Value| drop(spec.insert(key.to_owned(), value));
        put("name", json!(self.name));
        if let Some(from) = &self.from {
            put("convert", json!({ "from": from, "layout": self.layout }));
            self.put_common(&mut spec);
            return Ok((Value::Object(spec), false));
        }
        put(
            "direction",
            json!(self.direction.unwrap_or(Way::Receive).as_str()),
        );
        if let Some(port) = &self.port {
            put("port", json!(port));
        }
        let described = self.described()?;
        let lacks_rate = described.as_ref().is_some_and(|it| it.lacks_rate);
        let leaves_a_leg = described.as_ref().is_some_and(|it| it.leaves_a_leg);
        let (mut format, mut flow, second) = match described {
            None => (self.format.format(), json!({}), None),
            Some(described) => {
                if !described.notes.is_empty() {
                    put("notes", json!(described.notes));
                }
                (described.format, described.flow, described.second)
            }
        };
        self.format.put_packets(&mut format);
        spec.extend(format);
        if let Some(destination) = &self.destination {
            flow["destination"] = json!(destination);
        }
        put_sources(&mut flow, &self.source_address);
        let second = self.second.leg(second, leaves_a_leg);
        if let Some(leg) = second.map_err(Failure::Input)? {
            flow["second_leg"] = leg;
        }
        for (key, given) in [
            ("ttl", self.ttl),
            ("dscp", self.dscp),
            ("media_clock_offset", self.media_clock_offset),
        ] {
            if let Some(given) = given {
                flow[key] = json!(given);
            }
        }
        if let Some(payload_type) = self.payload_type {
            flow["payload_type"] = json!(payload_type);
        }
        let mut put = |key: &str, value: Value| drop(spec.insert(key.to_owned(), value));
        put("flow", flow);
        if self.pattern {
            put("source", json!("pattern"));
        }
        if let Some(timeout) = self.frame_timeout {
            put("frame_timeout_ms", json!(whole_ms(timeout)));
        }
        if self.overcommit {
            put("overcommit", json!(true));
        }
        self.put_common(&mut spec);
        Ok((Value::Object(spec), lacks_rate))
    }
}

impl Create {
    /// What every session has.
    fn put_common(&self, spec: &mut Map<String, Value>) {
        let mut put = |key: &str, value: Value| drop(spec.insert(key.to_owned(), value));
        if let Some(quota) = self.quota {
            put("quota", json!(quota));
        }
        if let Some(attachments) = self.max_attachments {
            put("max_attachments", json!(attachments));
        }
        if let Some(priority) = self.priority {
            put("priority", json!(priority));
        }
        if let Some(duration) = self.duration {
            put("duration_ms", json!(whole_ms(duration)));
        }
        if self.persistent {
            put("persistent", json!(true));
        }
    }

    /// What the description says, with the rate of the flags.
    fn described(&self) -> Result<Option<Described>, Failure> {
        let Some(path) = &self.sdp else {
            return Ok(None);
        };
        let (shown, bytes) = bytes_of(path)?;
        let receives = !matches!(self.direction, Some(Way::Send));
        let file = File {
            path,
            bytes: &bytes,
        };
        let mut described = file.one(self.media, receives)?;
        for (essence, flags) in self.format.format() {
            let Some(rate) = flags["frame_rate"].as_str() else {
                continue;
            };
            let set = described.set_rate(&essence, rate);
            set.map_err(|error| Failure::Input(format!("{shown}: {error}")))?;
            if let (Some(fields), Some(format)) =
                (flags.get("fields"), described.format.get_mut(&essence))
            {
                format["fields"] = fields.clone();
            }
        }
        if described.lacks_rate && !receives {
            let flag = match described.format.contains_key("ancillary") {
                true => "--ancillary",
                false => "--rate",
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
