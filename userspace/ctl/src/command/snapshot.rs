//! `onairctl session snapshot`: one frame as a picture.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use onair::{Client, Error, Field, Session, Timeout, weave};
use onair_pixels::rgb8;
use onair_types::{Problem, ProblemCode, SessionRef};
use serde_json::json;

use crate::args::{Cli, InvalidArgument, duration};
use crate::failure::{DONE, Failure};
use crate::output;
use crate::reach::Socket;

/// A frame to write.
#[derive(Debug, Args)]
#[command(after_help = "\
The command attaches like any client, takes the next complete frame, and leaves; it needs a free place of
the session (max_attachments). Two fields become one frame. The picture is for looking at: 8 bits, narrow
range, BT.709, or BT.601 up to 576 lines; of ICtCp and XYZ only the intensity is shown.

Examples:
  onairctl session snapshot cam1 -o cam1.png
  onairctl session snapshot cam1 -o - | display -
  watch -n 5 onairctl session snapshot cam1 -o /var/www/cam1.png")]
pub(crate) struct Snapshot {
    /// Id or name of a receive session
    session: SessionRef,

    /// Write the picture (PNG) to this file, and replace it; - is standard output
    #[arg(long, short, value_name = "PATH")]
    output: PathBuf,

    /// Wait at most this long for a complete frame
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = wait, allow_hyphen_values = true)]
    wait: Duration,

    /// Attach socket of the daemon
    #[arg(long, env = onair::SOCKET_VARIABLE, value_name = "PATH", default_value = onair::DEFAULT_SOCKET)]
    attach_socket: PathBuf,
}

fn wait(text: &str) -> Result<Duration, InvalidArgument> {
    duration(text)
}

/// A frame in pixel groups.
struct Frame {
    number: u64,
    rtp_timestamp: u32,
    bytes: Vec<u8>,
}

impl Snapshot {
    pub(crate) fn run(&self, cli: &Cli) -> Result<u8, Failure> {
        let client = Client::at(&self.attach_socket).response_timeout(cli.timeout);
        let session = client
            .attach(&self.session.to_string())
            .map_err(of_client)?;
        if session.is_sender() {
            let what = format!(
                "session {} sends: only what is received can be shown",
                self.session
            );
            return Err(Failure::Input(what));
        }
        if let Some(layout) = session.layout().pixel_format {
            let what = format!(
                "session {} has its frames in the layout {layout}: give its source, which `onairctl session show` names",
                self.session
            );
            return Err(Failure::Input(what));
        }
        let frame = self.frame(&session)?;
        let layout = *session.layout();
        // The place is free again before the picture is written.
        drop(session);
        let pixels = rgb8(&layout.frame_picture(), &frame.bytes)
            .ok_or(Failure::NoFrame("floating point samples cannot be shown"))?;
        let png = png(layout.width, layout.height, &pixels)?;
        write(&self.output, &png)?;
        if self.output != Path::new("-") {
            let (number, ticks) = (frame.number, frame.rtp_timestamp);
            if cli.json {
                output::json(&json!({
                    "frame": number, "rtp_timestamp": ticks, "width": layout.width,
                    "height": layout.height, "bytes": png.len(),
                }))?;
            } else {
                let path = self.output.display();
                output::text(&format!(
                    "Frame {number}, RTP timestamp {ticks}, {}x{}: {path}.\n",
                    layout.width, layout.height
                ))?;
            }
        }
        Ok(DONE)
    }

    /// The next complete frame; of interlaced video the next two fields of one.
    fn frame(&self, session: &Session) -> Result<Frame, Failure> {
        let deadline = Instant::now() + self.wait;
        let mut first: Option<Frame> = None;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX - 1);
            let buffer = session.buffer_get(Timeout::millis(ms)).map_err(of_client)?;
            if buffer.status() != onair::Status::Complete {
                first = None;
                continue;
            }
            let frame = Frame {
                number: buffer.number(),
                rtp_timestamp: buffer.rtp_timestamp(),
                bytes: buffer.to_vec(),
            };
            match (buffer.field(), first.take()) {
                (None, _) => return Ok(frame),
                (Some(Field::First), _) => first = Some(frame),
                (Some(Field::Second), Some(other)) if other.number + 1 == frame.number => {
                    let picture = session.layout().frame_picture();
                    let mut bytes = vec![0; picture.bytes()];
                    weave(&picture, &other.bytes, &frame.bytes, &mut bytes)
                        .map_err(|error| Failure::Alien(error.to_string()))?;
                    return Ok(Frame { bytes, ..other });
                }
                (Some(Field::Second), _) => {}
            }
        }
    }
}

fn of_client(error: Error) -> Failure {
    let code = match &error {
        Error::Stopped => {
            return Failure::NoFrame("the session is stopped and receives nothing: start it");
        }
        Error::TimedOut => {
            return Failure::NoFrame("no complete frame came in time: see `onairctl session show`");
        }
        Error::NoDaemon { path, source } => {
            return Failure::Unreachable {
                kind: Socket::Attach,
                socket: path.clone(),
                error: source.kind().into(),
            };
        }
        Error::NoSession { .. } => ProblemCode::NoSuchSession,
        Error::Stale => ProblemCode::StaleSession,
        Error::Refused { code, .. } => {
            let mut all = ProblemCode::ALL.iter();
            let known = all.find(|it| it.to_string() == *code).copied();
            known.unwrap_or(ProblemCode::Internal)
        }
        _ => ProblemCode::Internal,
    };
    Failure::Refused(Box::new(Problem::new(code, error.to_string())))
}

fn png(width: u32, height: u32, pixels: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(pixels));
    written.map_err(|error| Failure::Output(io::Error::other(error)))?;
    Ok(out)
}

/// Readers of the file see the old picture or the new one.
fn write(path: &Path, png: &[u8]) -> Result<(), Failure> {
    if path == Path::new("-") {
        io::stdout().write_all(png)?;
        return Ok(());
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = fs::write(&part, png).and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        drop(fs::remove_file(&part));
        Failure::Input(format!("cannot write {}: {error}", path.display()))
    })
}
