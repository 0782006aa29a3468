//! `onairctl export`: a file of what recorded or captured packets carry. It asks no daemon.

mod exporter;
mod input;
mod lines;
mod output;
mod pictures;
mod samples;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Options;
use crate::args::parse::duration;
use crate::capture::{CaptureFile, Read};
use crate::document::export::{Exported, ReadFile};
use crate::failure::export::ExportError;
use crate::failure::{DONE, Failure, INCOMPLETE};
use crate::{output as standard, render};
use exporter::ExportFile;
use input::{Input, RangePosition};
use output::Output;

/// Files below this are read before a progress bar is seen.
const SHORT_FILE_BYTES: u64 = 50_000_000;

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(after_help = include_str!("help.txt"))]
pub(crate) struct Export {
    /// Manifest of a recording, folder with one, or packet file (pcapng, or with --sdp pcap)
    recording: PathBuf,

    /// File format: y4m (YUV4MPEG2, opened by most players), raw (planes without headers), or of audio wav
    /// (RF64 above 4 GiB), of ancillary data jsonl (a line for each frame or field), or mjpeg (small pictures, opened
    /// by players, and shown by the wall)
    #[arg(long, short)]
    format: ExportFile,

    /// Write to this file; `-` is standard output. The default is the recording's name, in the current
    /// folder
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,

    /// Replace the output file if it exists
    #[arg(long)]
    force: bool,

    /// Take the format from a session description (SDP), and only packets to its destination
    #[arg(long, value_name = "PATH")]
    sdp: Option<PathBuf>,

    /// Export the stream to this destination, if the session description has several
    #[arg(long, value_name = "IP:PORT", requires = "sdp")]
    flow: Option<SocketAddr>,

    /// Begin so long after the recording began; of other captures, after their first packet
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    from: Option<Duration>,

    /// Export so much, and no more
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    length: Option<Duration>,

    /// Pixels in a line of the pictures of mjpeg
    #[arg(long, value_name = "PIXELS", default_value_t = 480, value_parser = clap::value_parser!(u16).range(16..=4096))]
    width: u16,
}

impl Export {
    /// Reads the files in order, and writes what they carry as it becomes complete.
    pub(crate) fn run(&self, options: &Options) -> Result<u8, Failure> {
        let Input {
            name,
            files,
            missing,
            part,
            mut exporter,
        } = Input::find(self)?;
        let mut part = part;
        let captures = files.iter().map(|it| CaptureFile::open(it));
        let captures = captures.collect::<Result<Vec<_>, _>>()?;
        let path = self.output.clone();
        let path =
            path.unwrap_or_else(|| PathBuf::from(format!("{name}.{}", self.format.extension())));
        let mut output = Output::create(&path, self.force, &files)?;
        output.write(&exporter.header())?;
        let mut exported = Exported::new(&path, self.format.as_str(), exporter.facts());
        exported.recorder_missing = missing;
        for (at, capture) in captures.iter().enumerate() {
            let bar = progress(capture, at + 1, captures.len());
            let mut seen = 0;
            let read = capture.try_read(&bar, |frame| {
                seen += 1;
                match part.of(frame.at_ns) {
                    RangePosition::Before => return Ok(()),
                    RangePosition::Within => {}
                    RangePosition::After => return Err(Ended::Enough),
                }
                exporter.packet(frame.at_ns, frame.link, frame.bytes, &mut output)?;
                Ok(output.flush()?)
            });
            bar.finish_and_clear();
            let (read, is_enough) = match read {
                Ok(read) => (read, false),
                Err(Ended::Enough) => (Read::of(seen), true),
                Err(Ended::Failed(failure)) => return Err(*failure),
            };
            exported.files.push(ReadFile::of(capture.path(), read));
            if is_enough {
                break;
            }
        }
        exporter.end(&mut output)?;
        output.flush()?;
        exporter.count(&mut exported);
        if exported.frames == 0 {
            return Err(ExportError::NoFrame(render::export::reasons(&exported)).into());
        }
        if let Some(header) = exporter.last_header() {
            output.replace_start(&header)?;
        }
        exported.bytes = output.finish()?;
        show(options, &exported, path == Path::new("-"))?;
        let warnings = render::export::warnings(&exported);
        for warning in &warnings {
            eprintln!("onairctl: warning: {warning}");
        }
        Ok(if warnings.is_empty() {
            DONE
        } else {
            INCOMPLETE
        })
    }
}

/// Why a file is not read to its end.
enum Ended {
    Enough,
    Failed(Box<Failure>),
}

impl<E: Into<Failure>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}

/// Shows the result; on standard error if the frames are on standard output.
fn show(options: &Options, exported: &Exported, is_taken: bool) -> Result<(), Failure> {
    let text = match options.json {
        true => serde_json::to_string_pretty(exported).map_err(io::Error::from)? + "\n",
        false => render::export::render(exported),
    };
    match is_taken {
        true => io::stderr().write_all(text.as_bytes())?,
        false => standard::text(&text)?,
    }
    Ok(())
}

/// The bar of a file that takes a while; hidden unless standard error is a terminal.
fn progress(file: &CaptureFile, number: usize, of: usize) -> ProgressBar {
    if file.bytes() < SHORT_FILE_BYTES {
        return ProgressBar::hidden();
    }
    let style = "{msg} [{bar:30}] {bytes} of {total_bytes}, {eta}";
    let style = ProgressStyle::with_template(style).expect("the template is well formed");
    let bar = ProgressBar::new(file.bytes()).with_style(style);
    bar.set_message(format!("exporting file {number} of {of}"));
    bar
}
