//! `onairctl analyze`: the RTP streams of a capture file, and their timing. It asks no daemon.

mod flow;
mod legs;
mod series;
mod table;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use onair_essence::survey::{CapturedPacket, StreamFormat, Survey, UserFacts};
use onair_sdp::{Media, SessionDescription};

use crate::args::{Options, essence};
use crate::capture::CaptureFile;
use crate::document::analysis::Analysis;
use crate::failure::Failure;
use crate::{html, output, render};
use table::Table;

/// Files below this are read before a progress bar is seen.
const SHORT_FILE_BYTES: u64 = 50_000_000;

fn help() -> String {
    let by_flags = essence::ANALYZE_EXAMPLE;
    format!(
        "\
It needs no daemon. Without --sdp and format options it finds the RTP streams and guesses essence, rate and
packets a frame; the table says so. Cinst and VRX are computed as EBU LIST does. VRX needs a capture whose
times follow the sender's clock (TAI); the table says if they do not. Audio has TS-DF (EBU Tech 3337) and, if its
coding is known, the level of each channel; ancillary data its packets by DID and SDID, and wrong ones.

Examples:
  onairctl analyze capture.pcap
  onairctl analyze capture.pcapng --sdp cam1.sdp
{by_flags}
  onairctl analyze recording.pcapng --tai-offset 37
  onairctl analyze capture.pcap --html capture.html
  onairctl --json analyze capture.pcap | jq '.flows[] | {{destination, verdict: .timing.verdict}}'"
    )
}

/// Arguments of `analyze`.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(crate) struct Analyze {
    /// Capture file: pcap or pcapng, of any tool or a recording of onaird
    file: PathBuf,

    /// Take the formats from a session description (SDP): each media describes the streams to its
    /// destination
    #[arg(long, value_name = "PATH")]
    sdp: Option<PathBuf>,

    /// Show the streams to this destination only
    #[arg(long, value_name = "IP:PORT")]
    flow: Option<SocketAddr>,

    #[command(flatten)]
    format: essence::AnalyzeFlags,

    /// Seconds to add to the capture's times to get TAI: 37 if the capturing machine follows UTC
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true,
        value_parser = clap::value_parser!(i64).range(-1_000_000..=1_000_000))]
    tai_offset: i64,

    /// Write one page with pictures of each stream, for a browser or for printing, to this file, and replace it;
    /// - is standard output. The worst 32 streams have pictures; a page has at most 12 MB
    #[arg(long, value_name = "PATH")]
    html: Option<PathBuf>,
}

impl Analyze {
    /// Reads the file twice: what its streams are, then their timing.
    pub(crate) fn run(&self, options: &Options) -> Result<u8, Failure> {
        self.spare_inputs()?;
        let formats = Formats::new(self)?;
        let file = CaptureFile::open(&self.file)?;
        let bar = progress(&file);
        let mut table = Table::new(self.flow, self.tai_offset);
        bar.set_message("finding streams");
        let read = file.read(&bar, |frame| table.find(frame))?;
        let mut measured = table.measured(&formats);
        if self.html.is_some() {
            measured.follow();
        }
        bar.set_message("measuring");
        if measured.any() {
            file.read(&bar, |frame| measured.add(frame))?;
        }
        bar.finish_and_clear();
        let analysis = Analysis {
            file: measured.others().file(&self.file, read),
            notes: formats.notes().to_vec(),
            flows: measured.flows(),
            legs: measured.legs(),
        };
        match &self.html {
            Some(path) => write_page(path, &analysis, options)?,
            None if options.json => output::json(&analysis)?,
            None => output::text(&render::analysis::render(&analysis))?,
        }
        Ok(crate::failure::DONE)
    }

    /// The page must not replace what it is made of.
    fn spare_inputs(&self) -> Result<(), Failure> {
        let Some(page) = self.html.as_ref().and_then(|it| it.canonicalize().ok()) else {
            return Ok(());
        };
        let mut inputs = [Some(&self.file), self.sdp.as_ref()].into_iter().flatten();
        match inputs.find(|it| it.canonicalize().is_ok_and(|it| it == page)) {
            Some(input) => Err(Failure::Input(format!(
                "{} is one of the files to be analyzed: give another --html",
                input.display()
            ))),
            None => Ok(()),
        }
    }
}

/// Writes the page; tells of it, unless it is on standard output.
fn write_page(path: &Path, analysis: &Analysis, options: &Options) -> Result<(), Failure> {
    let page = html::page(analysis);
    output::file(path, page.as_bytes())?;
    if output::is_standard(path) {
        return Ok(());
    }
    if options.json {
        return Ok(output::json(analysis)?);
    }
    let (flows, bytes) = (analysis.flows.len(), page.len() as u64);
    let (path, bytes) = (path.display(), render::bytes(bytes));
    Ok(output::text(&format!(
        "{path}: streams: {flows}, {bytes}.\n"
    ))?)
}

/// The bar of a file that takes a while; hidden unless standard error is a terminal.
fn progress(file: &CaptureFile) -> ProgressBar {
    if file.bytes() < SHORT_FILE_BYTES {
        return ProgressBar::hidden();
    }
    let style = "{msg} [{bar:30}] {bytes} of {total_bytes}, {eta}";
    ProgressBar::new(file.bytes())
        .with_style(ProgressStyle::with_template(style).expect("the template is well formed"))
}

/// Identity of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    vlan: Option<u16>,
    source: SocketAddr,
    destination: SocketAddr,
    ssrc: u32,
}

impl Key {
    const fn of(packet: &CapturedPacket<'_>) -> Self {
        Self {
            vlan: packet.vlan,
            source: packet.source,
            destination: packet.destination,
            ssrc: packet.rtp.ssrc,
        }
    }
}

/// A stream that was found.
#[derive(Debug, Clone)]
struct FoundStream {
    key: Key,
    dscp: u8,
    survey: Survey,
}

/// The user's facts about the formats, by flags and by a session description.
#[derive(Debug)]
struct Formats {
    given: UserFacts,
    media: Vec<Media>,
    notes: Vec<String>,
}

impl Formats {
    fn new(arguments: &Analyze) -> Result<Self, Failure> {
        let mut media = Vec::new();
        let mut notes = Vec::new();
        if let Some(path) = &arguments.sdp {
            let shown = path.display();
            let bytes = fs::read(path)
                .map_err(|error| Failure::Input(format!("cannot read {shown}: {error}")))?;
            let description = SessionDescription::read(&bytes)
                .map_err(|error| Failure::Input(format!("{shown}: {error}")))?;
            let of_media = description.media.iter().flat_map(|it| it.notes.iter());
            let all = description.notes.iter().chain(of_media);
            notes.extend(all.map(|it| format!("{shown}: {it}")));
            let unread = description.unread.iter();
            notes.extend(unread.map(|it| format!("{shown}: {}", it.error)));
            media = description.media;
        }
        Ok(Self {
            given: arguments.format.given(),
            media,
            notes,
        })
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The format of the stream to `destination`, and the offset of its timestamps.
    fn of(&self, destination: SocketAddr, survey: &Survey) -> (StreamFormat, u32) {
        let media = self.media.iter().find(|media| {
            (media.destination, media.port) == (destination.ip(), destination.port())
        });
        let described = media.map(|it| it.essence.described());
        let format = StreamFormat::of(survey, described.as_ref(), &self.given);
        (format, media.map_or(0, Media::clock_offset))
    }
}
