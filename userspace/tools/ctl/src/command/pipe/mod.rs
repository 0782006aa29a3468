//! `onairctl pipe`: a session's frames for another program, and from one.
//!
//! Their format does not belong here: the client library writes and reads them.

mod counts;
mod ending;
mod group;
mod output;
mod receive;
mod stream;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use clap::Args;
use onair::{
    Client, DEFAULT_SOCKET, Error, FrameError, PipeFile, PipeFormat, PipeReader, PipedError,
    PixelFormat, Reattaching, SOCKET_VARIABLE, Session, Timeout, UnknownPipeFile,
};
use onair_api::SessionRef;

use crate::args::Options;
use crate::document::Piped;
use crate::failure::pipe::PipeFailure;
use crate::failure::{DONE, Failure};
use crate::{output as standard, render};
use counts::Counts;
use ending::{Ending, PipeEvent, Why, failed};
use output::{SocketFile, Target};
use stream::Form;

/// Arguments of `pipe`.
#[derive(Debug, Args)]
#[command(after_help = include_str!("help.txt"))]
pub(crate) struct Pipe {
    /// Session: id or name; or name of a group
    session: SessionRef,

    /// How frames are written or read: nut (with timestamps), y4m or raw (without headers); of audio wav or pcm, of
    /// ancillary data jsonl
    #[arg(long, short, default_value = "nut")]
    format: Piping,

    /// Pixel format of the frames by ffmpeg's name, such as yuv422p10le [default: nut: v210 of 10 bits, uyvy422 of 8;
    /// y4m and raw: planes]
    #[arg(long, value_name = "NAME")]
    layout: Option<PixelFormat>,

    /// Read frames, and send them in this session
    #[arg(long)]
    send: bool,

    /// Go on after a stop, a destroy or the daemon's end, when a session of this name runs again
    #[arg(long, conflicts_with = "send")]
    reattach: bool,

    /// Create this Unix socket for one program, instead of standard output or input
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,

    /// End after this number of frames
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    frames: Option<u64>,

    /// Attach socket of the daemon
    #[arg(long, value_name = "PATH", env = SOCKET_VARIABLE, default_value = DEFAULT_SOCKET)]
    attach: PathBuf,
}

/// How frames are written or read.
#[derive(Clone, Copy, Debug)]
enum Piping {
    /// As pictures.
    Frames(PipeFile),
    /// Buffer by buffer.
    Stream(Form),
}

impl FromStr for Piping {
    type Err = UnknownPipeFile;

    fn from_str(text: &str) -> Result<Self, UnknownPipeFile> {
        match Form::ALL.into_iter().find(|it| it.as_str() == text) {
            Some(form) => Ok(Self::Stream(form)),
            None => text.parse().map(Self::Frames),
        }
    }
}

/// The common state of both directions.
struct Flow {
    session: Arc<Session>,
    format: PipeFormat,
    target: Target,
    limit: u64,
    counts: Arc<Counts>,
    ending: Ending,
}

impl Pipe {
    /// Passes frames on until something ends it, and sums up.
    pub(crate) fn run(&self, options: &Options) -> Result<u8, Failure> {
        let has_output = !self.send && self.unix.is_none();
        if has_output && io::stdout().is_terminal() {
            return Err(PipeFailure::Terminal.into());
        }
        let client = Client::at(&self.attach).response_timeout(options.timeout);
        let of_session = match self.format {
            Piping::Frames(file) => self.run_frames(&client, file, options),
            Piping::Stream(form) => stream::run(self, &client, form, options),
        };
        match of_session {
            Err(Failure::Pipe(PipeFailure::Session(Error::NoSession { .. } | Error::Stale))) => {
                group::run(self, &client, options)
            }
            other => other,
        }
    }

    /// As [`Self::run`], of a session of pictures.
    fn run_frames(
        &self,
        client: &Client,
        file: PipeFile,
        options: &Options,
    ) -> Result<u8, Failure> {
        let attached = self.attach(client).map_err(|error| match error {
            Error::OtherEssence { carries, .. } => PipeFailure::Essence {
                format: file.as_str(),
                is_for: "pictures",
                carries,
            },
            error => self.not_attached(error),
        });
        let (session, again) = attached?;
        if session.is_sender() != self.send {
            return Err(PipeFailure::Direction {
                session: session.name().to_owned(),
                sends: !self.send,
            }
            .into());
        }
        let format = session
            .piped(file, self.layout)
            .map_err(PipeFailure::NotPiped)?;
        let (target, _socket_file) = self.target()?;
        let (ending, ends) = Ending::of(&session)?;
        let counts = Counts::of(session.name());
        let flow = Flow {
            session,
            format,
            target,
            limit: self.frames.unwrap_or(u64::MAX),
            counts: counts.clone(),
            ending,
        };
        let why = match self.send {
            true => run(flow, &ends, options.timeout),
            false => receive::run(flow, again, &ends),
        };
        let facts = format.facts().into_iter().collect();
        self.sum_up(options, &counts, file.as_str(), facts, why)
    }
}

impl Pipe {
    /// Why it was not attached.
    fn not_attached(&self, error: Error) -> PipeFailure {
        match error {
            Error::NotASender(session) => PipeFailure::Direction {
                session,
                sends: !self.send,
            },
            error => PipeFailure::Session(error),
        }
    }

    /// The session, and what attaches again if that is wanted.
    fn attach(&self, client: &Client) -> Result<(Arc<Session>, Option<Reattaching>), Error> {
        let name = self.session.to_string();
        if self.send {
            return Ok((Arc::new(client.attach_to_fill(&name)?), None));
        }
        if !self.reattach {
            return Ok((Arc::new(client.attach(&name)?), None));
        }
        let again = client.reattaching(&name)?;
        let session = again.session().expect("it was attached just now");
        Ok((Arc::clone(session), Some(again)))
    }
    /// The other program's end, and the file of its socket.
    fn target(&self) -> Result<(Target, Option<SocketFile>), Failure> {
        Ok(match &self.unix {
            Some(path) => Target::socket(path).map(|(target, file)| (target, Some(file)))?,
            None => (Target::standard(self.send)?, None),
        })
    }

    /// Shows what passed through and why it ended.
    fn sum_up(
        &self,
        options: &Options,
        counts: &Counts,
        format: &'static str,
        content: BTreeMap<&'static str, String>,
        why: Why,
    ) -> Result<u8, Failure> {
        let direction = if self.send { "send" } else { "receive" };
        let piped = counts.sum_up((direction, format), content, why.as_str());
        show(options, &piped, !self.send && self.unix.is_none())?;
        match why {
            Why::Failed(failure) => Err(failure.into()),
            _ => Ok(DONE),
        }
    }
}

/// Shows the result; on standard error if standard output has frames.
fn show(options: &Options, piped: &Piped, is_taken: bool) -> io::Result<()> {
    let text = match options.json {
        true => serde_json::to_string_pretty(piped)? + "\n",
        false => render::pipe::render(piped),
    };
    match is_taken {
        true => io::stderr().write_all(text.as_bytes()),
        false => standard::text(&text),
    }
}

/// Passes frames on, and waits up to `flush` until the last one is sent. Returns why it ended.
fn run(flow: Flow, ends: &Receiver<PipeEvent>, flush: Duration) -> Why {
    let (session, ending) = (flow.session.clone(), flow.ending.clone());
    thread::spawn(move || {
        let why = read(flow).unwrap_or_else(Why::Failed);
        ending.end(why);
    });
    let why = loop {
        match ends.recv() {
            Ok(PipeEvent::Open) => {}
            Ok(PipeEvent::End(why)) => break why,
            Err(_) => break Why::InputEnded,
        }
    };
    match (&why, session.flush(flush)) {
        // They are sent, or it has ended for the reason that is known.
        (_, Ok(_)) | (Why::Failed(_), _) => {}
        (_, Err(error)) => return Why::Failed(PipeFailure::NotFlushed(error)),
    }
    session.stop();
    why
}

fn read(flow: Flow) -> Result<Why, PipeFailure> {
    let file = flow.target.open(flow.format.frame_bytes());
    let file = file.map_err(|error| PipeFailure::Input(PipedError::Read(error)))?;
    flow.ending.open();
    let mut reader = PipeReader::open(&flow.format, file).map_err(PipeFailure::Input)?;
    let mut pixels = Vec::new();
    while reader.read(&mut pixels).map_err(PipeFailure::Input)? {
        match flow
            .session
            .send_frame(flow.format.pixels(), &pixels, Timeout::NEVER)
        {
            Ok(()) => {}
            Err(FrameError::Session(error)) => return Ok(failed(&flow.session, error)),
            Err(FrameError::Pixels(error)) => return Err(PipeFailure::Pixels(error)),
        }
        if flow.counts.passed(pixels.len()) == flow.limit {
            return Ok(Why::Enough);
        }
    }
    Ok(Why::InputEnded)
}
