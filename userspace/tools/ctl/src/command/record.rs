//! `onairctl record …`.

use std::time::Duration;

use clap::{Args, Subcommand};
use onair_api::operations::{
    Input as _, ListRecordings, RecordingQuery, ShowRecording, StartRecording, StopRecording,
};
use onair_api::{
    RecordingFormat, RecordingName, RecordingRef, RecordingSpec, RecordingState, RecordingView,
    SessionRef,
};
use onair_control::{Answer, Client};

use super::{show, wait};
use crate::args::Options;
use crate::args::parse::{InvalidArgument, duration, whole_ms};
use crate::failure::{DONE, Failure, INCOMPLETE, REFUSED};
use crate::render;

/// Longest `recorder.finish_ms`, after which the daemon answers a stop.
const FINISH: Duration = Duration::from_secs(600);
/// Pause between two polls of a recording.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Verbs of `record`.
#[derive(Debug, Subcommand)]
pub(crate) enum RecordVerb {
    /// Record a session
    Start(Box<Start>),
    /// End a recording and wait until its files are complete. Does nothing if it has ended
    #[command(after_help = "\
The recording accepts no packet after this. Exit code 0: its files are complete and on disk; 7: the same,
but packets are missing in them, as the warning says; 1: it failed; 4: the files are not complete after
recorder.finish_ms. `onairctl record show` then reports when they are.

Examples:
  onairctl record stop cam1-take2
  onairctl --json record stop 6920a1c300000001 | jq .counts")]
    Stop {
        /// Recording id or name
        recording: RecordingRef,
    },
    /// List the recordings, running and ended
    #[command(
        visible_alias = "ls",
        after_help = "\
An ended recording stays in the list until the daemon has a thousand newer ones. The list includes the
recordings that the daemon found in its folder when it started. The daemon removes no file: the operator
does.

Examples:
  onairctl record list
  onairctl record list --session cam1
  onairctl --json record list | jq -r '.recordings[] | select(.state == \"degraded\") | .reason'"
    )]
    List {
        /// Only of this session: id or name
        #[arg(long, value_name = "NAME")]
        session: Option<SessionRef>,
    },
    /// Show one recording: its files and its counts
    #[command(after_help = "\
Examples:
  onairctl record show cam1-take2
  onairctl --json record show cam1-take2 | jq -r '.files[].name'")]
    Show {
        /// Recording id, or a name: the last recording of that name
        recording: RecordingRef,
    },
}

/// A recording's specification.
#[derive(Debug, Args)]
#[command(after_help = "\
Returns when the recording accepts packets; with --wait, when it has ended (exit code 0: its files are
complete; 7: the same, but packets are missing in them, as the warning says; 1: it failed). Ctrl-C ends the wait; the recording continues. `onairctl record stop`,
--duration, --size, the end of the session and the end of the daemon each end a recording; that of a persistent
session goes on after a restart. The files have each packet as it was on the wire; `onairctl export` makes files of frames of them.

Examples:
  onairctl record start cam1 --format pcapng
  onairctl record start cam1 --format pcapng --snap-length 96 --duration 10s --wait
  onairctl record start cam1 --format pcapng --name cam1-take2 --size 20GB
  onairctl record start cam1 --format pcapng --split-size 1GiB --split-duration 10m
  onairctl export /var/lib/onair/recordings/cam1-take2.json --format raw")]
pub(crate) struct Start {
    /// Session id or name
    session: SessionRef,

    /// File format: pcapng
    #[arg(long, short)]
    format: RecordingFormat,

    /// Name of the recording and its files: 1 to 63 of a-z, 0-9, '.', '_', '-'. The default is the
    /// session's name and the time
    #[arg(long)]
    name: Option<RecordingName>,

    /// End the recording after this time, such as 90s or 2h
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    duration: Option<Duration>,

    /// End the recording when its files have this many bytes, such as 500MB or 2GiB
    #[arg(long, value_name = "SIZE", value_parser = size, allow_hyphen_values = true)]
    size: Option<u64>,

    /// Keep this many bytes of each packet, Ethernet header included
    #[arg(
        long,
        value_name = "BYTES",
        visible_alias = "snaplen",
        allow_negative_numbers = true
    )]
    snap_length: Option<u32>,

    /// Start a new file before the current one exceeds this size
    #[arg(long, value_name = "SIZE", value_parser = size, allow_hyphen_values = true)]
    split_size: Option<u64>,

    /// Start a new file after this time
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    split_duration: Option<Duration>,

    /// Wait until the recording has ended
    #[arg(long)]
    wait: bool,
}

impl Start {
    /// The specification. The daemon checks it.
    fn spec(&self) -> Box<RecordingSpec> {
        Box::new(RecordingSpec {
            format: self.format,
            name: self.name.clone(),
            duration_ms: self.duration.map(whole_ms),
            size_bytes: self.size,
            snap_length: self.snap_length,
            split_size_bytes: self.split_size,
            split_duration_ms: self.split_duration.map(whole_ms),
        })
    }

    async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let body = self.spec().sent();
        let begun = client.send::<StartRecording>(&self.session, body, FINISH);
        let begun = begun.await?;
        if !self.wait {
            show(options, &begun, render::recording::one)?;
            return Ok(DONE);
        }
        let ended = until_over(client, begun).await?;
        let view = show(options, &ended, render::recording::one)?;
        Ok(judge(&view))
    }
}

pub(crate) async fn run(
    options: &Options,
    client: &Client,
    verb: &RecordVerb,
) -> Result<u8, Failure> {
    match verb {
        RecordVerb::Start(start) => return start.run(options, client).await,
        RecordVerb::Stop { recording } => {
            let bar = wait::line();
            bar.set_message(format!("finishing {recording}"));
            let ended = client
                .send::<StopRecording>(recording, ().sent(), FINISH)
                .await;
            bar.finish_and_clear();
            let view = show(options, &ended?, render::recording::one)?;
            return Ok(judge(&view));
        }
        RecordVerb::List { session } => {
            let session = session.clone();
            let query = RecordingQuery { session };
            let answer = client.call::<ListRecordings>(&(), &query).await?;
            show(options, &answer, render::recording::list)?;
        }
        RecordVerb::Show { recording } => {
            let answer = client.call::<ShowRecording>(recording, &()).await?;
            show(options, &answer, render::recording::one)?;
        }
    }
    Ok(DONE)
}

/// Polls a recording until it has ended, and shows its progress on one line.
async fn until_over(
    client: &Client,
    begun: Answer<RecordingView>,
) -> Result<Answer<RecordingView>, Failure> {
    let mut answer = begun;
    let bar = wait::line();
    let result = loop {
        let view = answer.read()?;
        if view.state.is_over() {
            break Ok(answer);
        }
        bar.set_message(render::recording::line(&view));
        tokio::time::sleep(LOOK_AGAIN).await;
        match client
            .call::<ShowRecording>(&RecordingRef::Id(view.id), &())
            .await
        {
            Ok(next) => answer = next,
            Err(failure) => break Err(failure),
        }
    };
    bar.finish_and_clear();
    Ok(result?)
}

/// The exit code of a recording that has ended. Warns on standard error if packets are missing.
fn judge(view: &RecordingView) -> u8 {
    let warning = render::recording::missing(view);
    if let Some(warning) = &warning {
        eprintln!("onairctl: warning: {warning}");
    }
    match view.state {
        RecordingState::Failed => REFUSED,
        _ if warning.is_some() => INCOMPLETE,
        _ => DONE,
    }
}

/// Parses a size in bytes: `65536`, `500MB`, `2GiB`.
fn size(text: &str) -> Result<u64, InvalidArgument> {
    const UNITS: [(&str, u64); 9] = [
        ("", 1),
        ("kB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    let wrong = || InvalidArgument::Size(text.to_owned());
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim());
    let (_, factor) = unit.ok_or_else(wrong)?;
    number.checked_mul(*factor).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Noun};
    use clap::Parser;

    fn start(args: &str) -> Start {
        let args = ["onairctl", "record", "start"]
            .into_iter()
            .chain(args.split_whitespace());
        match Cli::try_parse_from(args).unwrap().noun {
            Noun::Record(RecordVerb::Start(start)) => *start,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn record_start_flags_then_the_body_of_the_request() {
        let body = |args: &str| serde_json::to_string(&start(args).spec()).unwrap();
        assert_eq!(body("cam1 --format pcapng"), r#"{"format":"pcapng"}"#);
        let all = "cam1 -f pcapng --name take2 --duration 1m30s --size 20GB --snaplen 96 \
             --split-size 1GiB --split-duration 10m";
        assert_eq!(
            body(all),
            r#"{"format":"pcapng","name":"take2","duration_ms":90000,"size_bytes":20000000000,"snap_length":96,"split_size_bytes":1073741824,"split_duration_ms":600000}"#
        );
        assert!(start(all).spec().check().is_empty());
    }

    #[test]
    fn size_forms_then_bytes_or_said() {
        for (text, bytes) in [
            ("65536", 65_536),
            ("500MB", 500_000_000),
            ("2GiB", 2 << 30),
            ("1 kB", 1000),
        ] {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "MB", "5 apples", "-1", "1.5GB", "99999999999TB"] {
            assert!(
                size(text).unwrap_err().to_string().contains("500MB"),
                "{text}"
            );
        }
    }
}
