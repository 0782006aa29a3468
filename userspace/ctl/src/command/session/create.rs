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

use super::description::Described;
use crate::args::Options;
use crate::args::parse::{InvalidArgument, duration, whole_ms};
use crate::client::Client;
use crate::failure::{DONE, Failure};
use crate::render;

/// A session's specification.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onairctl session create cam1 --direction receive --port b --size 1280x720 --rate 60 \\
      --depth 10 --destination 10.77.0.2:5004
  onairctl session create test --direction send --port a --size 1920x1080 --rate 60000/1001 \\
      --destination 10.77.0.2:5004 --pattern
  onairctl session create cam1 --port b --sdp cam1.sdp --destination 10.77.0.2:5004
  onairctl session create cam1 --like-what-arrives --destination 239.1.1.1:5004
  onairctl session create cam1-v210 --from cam1 --layout v210
  onairctl session create --file cam1.json
  jq '.name = \"cam2\"' cam1.json | onairctl session create --file -

A file holds the body of POST /v1/sessions:
  {\"name\": \"cam1\", \"direction\": \"receive\", \"port\": \"b\",
   \"video\": {\"width\": 1280, \"height\": 720, \"frame_rate\": \"60/1\", \"depth\": 10},
   \"flow\": {\"destination\": \"10.77.0.2:5004\"}}")]
pub(crate) struct Create {
    /// Unique among the live sessions: 1 to 63 of a-z, 0-9, '.', '_', '-'
    #[arg(required_unless_present = "file")]
    name: Option<SessionName>,

    /// Read the whole specification from a JSON file; - is standard input
    #[arg(long, short, value_name = "PATH", conflicts_with_all = [
        "name", "direction", "port", "size", "rate", "depth", "destination", "source_address", "ttl", "dscp",
        "payload_type", "pattern", "quota", "max_attachments",
        "priority", "frame_timeout", "duration", "persistent", "sdp", "sampling", "scan", "packing", "max_udp", "from", "layout"])]
    file: Option<PathBuf>,

    /// Convert the frames of this receive session, instead of receiving packets; needs --layout
    #[arg(long, value_name = "SESSION", requires = "layout", conflicts_with_all = [
        "direction", "port", "size", "rate", "depth", "destination", "source_address", "ttl", "dscp",
        "payload_type", "pattern", "frame_timeout", "sdp", "sampling", "scan", "packing", "max_udp"])]
    from: Option<SessionName>,

    /// Layout of a converted session's buffers, as FFmpeg or GStreamer names it: v210, uyvy422,
    /// yuv422p10le, I422_10LE, … It has the components and the depth of the source
    #[arg(long, value_name = "NAME", requires = "from")]
    layout: Option<String>,

    /// Take video, destination, source and payload type from a session description (SDP) of
    /// ST 2110-20; - is standard input. Other flags replace its addresses and payload type
    #[arg(long, value_name = "PATH", conflicts_with_all = ["size", "rate", "depth", "sampling", "scan"])]
    sdp: Option<PathBuf>,

    /// Receive what arrives: measure raster, rate, samples and payload type from its packets, with a session
    /// for the time being; of samples with the same packing the usual ones are taken
    #[arg(long, conflicts_with_all = [
        "file", "from", "sdp", "size", "rate", "depth", "sampling", "scan", "payload_type", "pattern"])]
    like_what_arrives: bool,

    /// Direction of the packets, seen from the daemon's host; with --sdp and --like-what-arrives: receive if
    /// absent
    #[arg(long, required_unless_present_any = ["file", "sdp", "from", "like_what_arrives"])]
    direction: Option<Way>,

    /// Name of a port in the daemon's configuration [default: the only port]
    #[arg(long)]
    port: Option<String>,

    /// Picture size: width by height in pixels, up to 32767x32767 and 256 MiB a frame; interlaced: the
    /// height of both fields together
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size, allow_hyphen_values = true,
        required_unless_present_any = ["file", "sdp", "from", "like_what_arrives"])]
    size: Option<(u32, u32)>,

    /// Frames a second: 60, or exactly 60000/1001; interlaced: half of the fields a second
    #[arg(long, allow_negative_numbers = true, required_unless_present_any = ["file", "sdp", "from", "like_what_arrives"])]
    rate: Option<String>,

    /// Bits a sample: 8, 10, 12, 16, or 16f for floating point
    #[arg(long, value_name = "BITS", default_value = "10", value_parser = depth)]
    depth: (u32, bool),

    /// Colour components as ST 2110-20 names them: YCbCr-4:2:2, YCbCr-4:4:4, YCbCr-4:2:0, CLYCbCr-…,
    /// ICtCp-…, RGB, XYZ or KEY [default: YCbCr-4:2:2]
    #[arg(long, value_name = "NAME")]
    sampling: Option<String>,

    /// Order of the lines: progressive, interlaced (each buffer is a field) or psf (segmented frames)
    /// [default: progressive]
    #[arg(long, value_name = "NAME")]
    scan: Option<String>,

    /// Send: how lines are cut into packets: general, or block (multiples of 180 bytes) [default: general]
    #[arg(long, value_name = "NAME")]
    packing: Option<String>,

    /// Send: largest UDP datagram with its header, 576 to 8960; the port's MTU must allow it
    /// [default: 1460]
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    max_udp: Option<u32>,

    /// Send: how packets are spread, by ST 2110-21: narrow, narrow_linear or wide [default: wide];
    /// receive: the type that the sender says it is, by which its timing is judged
    #[arg(long, value_name = "TYPE")]
    sender_type: Option<String>,

    /// TROFFSET of ST 2110-21 in microseconds, less than a frame: send: frames start by it; receive: what
    /// the sender says (TROFF) [default: that of the picture's height]
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    tr_offset: Option<u32>,

    /// Most packets that the network model of ST 2110-21 may hold: send: the sender keeps to it; receive:
    /// what the sender says (CMAX) [default: that of the sender type]
    #[arg(long, value_name = "PACKETS", allow_negative_numbers = true)]
    cmax: Option<u32>,

    /// Destination of the packets: an address or a multicast group; receive: the port's own address
    /// or a group, which the daemon joins
    #[arg(long, value_name = "IPv4:PORT", required_unless_present_any = ["file", "sdp", "from"])]
    destination: Option<String>,

    /// Send: local address and UDP port. Receive: accept packets from this source only; several
    /// times for several sources
    #[arg(long, value_name = "IPv4[:PORT]")]
    source_address: Vec<String>,

    /// Send: time to live of the packets, 1 to 255 [default: 64]
    #[arg(long, value_name = "HOPS", allow_negative_numbers = true)]
    ttl: Option<u32>,

    /// Send: differentiated services code point of the packets, 0 to 63 [default: 34, AF41]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    dscp: Option<u32>,

    /// RTP payload type, 96 to 127
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    payload_type: Option<u32>,

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
}

/// A direction, as a flag.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    /// From the wire to clients
    Receive,
    /// From clients or the pattern to the wire
    Send,
}

impl Create {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let mut body = self.body()?;
        if self.port.is_none() && self.file.is_none() && self.from.is_none() {
            body["port"] = json!(only_port(client).await?);
        }
        if self.like_what_arrives {
            if matches!(self.direction, Some(Way::Send)) {
                let text = "--like-what-arrives is for --direction receive";
                return Err(Failure::Input(text.to_owned()));
            }
            arriving::measure(client, &mut body).await?;
        }
        let created = client.send::<CreateSession>(&(), Sent::Body(body), Duration::ZERO);
        crate::command::show(options, &created.await?, render::session::one)?;
        Ok(DONE)
    }

    /// Whether fields of the body come from a file.
    pub(crate) fn reads_a_file(&self) -> bool {
        self.file.is_some() || self.sdp.is_some()
    }

    /// The request body. The daemon validates it.
    pub(crate) fn body(&self) -> Result<Value, Failure> {
        if let Some(path) = &self.file {
            return read(path);
        }
        let mut spec = Map::new();
        let mut put = |key: &str, value: Value| drop(spec.insert(key.to_owned(), value));
        put("name", json!(self.name));
        if let Some(from) = &self.from {
            put("convert", json!({ "from": from, "layout": self.layout }));
            self.put_common(&mut spec);
            return Ok(Value::Object(spec));
        }
        put(
            "direction",
            match self.direction {
                Some(Way::Send) => json!("send"),
                Some(Way::Receive) | None => json!("receive"),
            },
        );
        if let Some(port) = &self.port {
            put("port", json!(port));
        }
        let (mut video, mut flow) = self.video_and_flow()?;
        if let Some(packing) = &self.packing {
            video["packing"] = json!(packing);
        }
        for (key, given) in [
            ("max_udp", self.max_udp),
            ("tr_offset_us", self.tr_offset),
            ("cmax", self.cmax),
        ] {
            if let Some(given) = given {
                video[key] = json!(given);
            }
        }
        if let Some(sender_type) = &self.sender_type {
            video["sender_type"] = json!(sender_type);
        }
        put("video", video);
        if let Some(destination) = &self.destination {
            flow["destination"] = json!(destination);
        }
        put_sources(&mut flow, &self.source_address);
        for (key, given) in [("ttl", self.ttl), ("dscp", self.dscp)] {
            if let Some(given) = given {
                flow[key] = json!(given);
            }
        }
        if let Some(payload_type) = self.payload_type {
            flow["payload_type"] = json!(payload_type);
        }
        put("flow", flow);
        if self.pattern {
            put("source", json!("pattern"));
        }
        if let Some(timeout) = self.frame_timeout {
            put("frame_timeout_ms", json!(whole_ms(timeout)));
        }
        self.put_common(&mut spec);
        Ok(Value::Object(spec))
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

    /// Video and flow, from the description or the flags.
    fn video_and_flow(&self) -> Result<(Value, Value), Failure> {
        let Some(path) = &self.sdp else {
            let (width, height) = self.size.unwrap_or_default();
            let (bits, is_float) = self.depth;
            let mut video = json!({
                "width": width, "height": height, "frame_rate": self.rate, "depth": bits,
            });
            if is_float {
                video["float"] = json!(true);
            }
            for (key, given) in [("sampling", &self.sampling), ("scan", &self.scan)] {
                if let Some(given) = given {
                    video[key] = json!(given);
                }
            }
            return Ok((video, json!({})));
        };
        let (_, text) = text_of(path)?;
        let receives = !matches!(self.direction, Some(Way::Send));
        let described = Described::read(path, &text, receives)?;
        for note in described.notes {
            eprintln!("onairctl: {}", render::printable(&note));
        }
        Ok((described.video, described.flow))
    }
}

/// The name of the daemon's port, if it has one alone.
async fn only_port(client: &Client) -> Result<String, Failure> {
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

/// Replaces the sources of a flow, if there are others.
pub(super) fn put_sources(flow: &mut Value, sources: &[String]) {
    let (key, value, other) = match sources {
        [] => return,
        [source] => ("source", json!(source), "sources"),
        sources => ("sources", json!(sources), "source"),
    };
    flow[key] = value;
    flow.as_object_mut().map(|flow| flow.remove(other));
}

fn read(path: &Path) -> Result<Value, Failure> {
    let (shown, text) = text_of(path)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::Input(format!("{shown} is not a JSON document: {error}")))
}

/// The name for people, and the text.
pub(super) fn text_of(path: &Path) -> Result<(String, String), Failure> {
    let (shown, text) = if path == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text).map(|_| text);
        ("standard input".to_owned(), read)
    } else {
        (path.display().to_string(), fs::read_to_string(path))
    };
    match text {
        Ok(text) => Ok((shown, text)),
        Err(error) => Err(Failure::Input(format!("cannot read {shown}: {error}"))),
    }
}

fn size(text: &str) -> Result<(u32, u32), InvalidArgument> {
    let wrong = || InvalidArgument::Raster(text.to_owned());
    let (width, height) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    Ok((number(width)?, number(height)?))
}

/// Bits, and whether they are floating point numbers.
fn depth(text: &str) -> Result<(u32, bool), InvalidArgument> {
    let bits = text.strip_suffix('f').unwrap_or(text);
    let wrong = |_| InvalidArgument::Depth(text.to_owned());
    Ok((bits.parse().map_err(wrong)?, bits != text))
}

#[cfg(test)]
mod tests;
