//! `--watch`: a look repeated until its session is gone.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use console::Term;
use onair_api::{Problem, ProblemCode, SessionRef, Timestamp};
use onair_control::{Answer, ControlError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::args::Options;
use crate::args::parse::{InvalidArgument, duration};
use crate::failure::{DONE, Failure};
use crate::output;

/// Shortest interval.
const SHORTEST: Duration = Duration::from_millis(100);

/// The flag.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Watch {
    /// Repeat every second, or at this interval, until the session is destroyed or Ctrl-C
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, require_equals = true,
        default_missing_value = "1s", value_parser = interval)]
    watch: Option<Duration>,
}

/// Result of one look.
pub(crate) struct WatchView {
    pub(crate) document: Value,
    pub(crate) text: String,
}

impl WatchView {
    /// The document of an answer, and its text for people.
    pub(crate) fn of<T: DeserializeOwned>(
        answer: Answer<T>,
        render: impl FnOnce(&T) -> String,
    ) -> Result<Self, Failure> {
        let text = render(&answer.read()?);
        let document = answer.value;
        Ok(Self { document, text })
    }
}

impl Watch {
    /// Prints what `look` returns, once or repeatedly, until `session` is gone.
    pub(crate) async fn run(
        self,
        options: &Options,
        session: Option<&SessionRef>,
        mut look: impl AsyncFnMut() -> Result<WatchView, Failure>,
    ) -> Result<u8, Failure> {
        let mut first = true;
        loop {
            let seen = match look().await {
                Ok(seen) => seen,
                Err(Failure::Control(ControlError::Refused(problem)))
                    if !first && is_gone(&problem) =>
                {
                    if let (Some(session), false) = (session, options.json) {
                        output::text(&format!("{session} is destroyed.\n"))?;
                    }
                    return Ok(DONE);
                }
                Err(failure) => return Err(failure),
            };
            let Some(pause) = self.watch else {
                match options.json {
                    true => output::json(&seen.document)?,
                    false => output::text(&seen.text)?,
                }
                return Ok(DONE);
            };
            picture(options, &seen, first)?;
            first = false;
            tokio::time::sleep(pause).await;
        }
    }
}

fn is_gone(problem: &Problem) -> bool {
    matches!(
        problem.code,
        ProblemCode::StaleSession | ProblemCode::NoSuchSession
    )
}

/// On a terminal replaces the previous look; elsewhere appends.
fn picture(options: &Options, seen: &WatchView, first: bool) -> Result<(), Failure> {
    if options.json {
        return Ok(output::json_line(&seen.document)?);
    }
    let text = format!("{}\n{}", Timestamp::now(), seen.text);
    if Term::stdout().is_term() {
        output::screen(&text)?;
    } else {
        let gap = if first { "" } else { "\n" };
        output::text(&format!("{gap}{text}"))?;
    }
    Ok(())
}

/// Parses `--watch=INTERVAL`.
pub(crate) fn interval(text: &str) -> Result<Duration, InvalidArgument> {
    let pause = duration(text)?;
    if pause < SHORTEST {
        return Err(InvalidArgument::ShortInterval);
    }
    Ok(pause)
}

/// Joins `--watch 250ms` to `--watch=250ms`. The parser knows no value that may be absent before
/// another argument: it would take `cam1` of `--watch cam1`.
pub(crate) fn joined(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut is_plain = true;
    for argument in arguments {
        let text = argument.to_str().unwrap_or_default();
        is_plain &= text != "--";
        match joined.last_mut() {
            Some(last) if is_plain && last == "--watch" && is_interval(text) => {
                last.push("=");
                last.push(&argument);
            }
            _ => joined.push(argument),
        }
    }
    joined
}

fn is_interval(text: &str) -> bool {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number || duration(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser as _;

    fn parsed(arguments: &str) -> Result<Cli, clap::Error> {
        let arguments = arguments.split_whitespace().map(OsString::from);
        Cli::try_parse_from(joined(arguments))
    }

    #[test]
    fn watch_takes_an_interval_and_no_session() {
        for arguments in [
            "onairctl session list --watch",
            "onairctl session list --watch 250ms",
            "onairctl session list --watch=250ms --json",
            "onairctl session show --watch cam1",
            "onairctl session show --watch 250ms cam1",
            "onairctl session show cam1 --watch 2s --json",
            "onairctl session blockers cam1 --watch",
            "onairctl top --interval 500ms",
        ] {
            if let Err(error) = parsed(arguments) {
                panic!("{arguments}: {error}");
            }
        }
        for (arguments, expected) in [
            ("onairctl session list --watch 5", "write it as 500ms"),
            ("onairctl session list --watch 50ms", "shortest interval"),
            ("onairctl session show --watch 1s", "<SESSION>"),
        ] {
            let error = parsed(arguments).unwrap_err().to_string();
            assert!(error.contains(expected), "{arguments}: {error}");
        }
    }
}
