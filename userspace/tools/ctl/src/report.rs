//! Messages for a user about a failure: the problem in words of the command line, and the remedy.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write as _};

use onair_api::{Problem, ProblemCode};
use onair_control::ControlError;

use crate::cli::{Cli, Noun};
use crate::command::session;
use crate::failure::{DONE, Failure};
use crate::{flags, output, render};

/// Prints a failure to standard error. With `--json` a problem also goes to standard output as JSON.
/// Returns the exit code.
pub(crate) fn failure(cli: &Cli, failure: &Failure) -> u8 {
    let text = match failure {
        // `… | head`: the reader closed the pipe.
        Failure::Output(error) if error.kind() == ErrorKind::BrokenPipe => return DONE,
        Failure::Several { failures, .. } => {
            for one in failures {
                self::failure(cli, one);
            }
            return failure.code();
        }
        Failure::Control(ControlError::Refused(problem)) if cli.options.json => {
            // The exit code reports the problem if standard output is closed.
            drop(output::json(problem.as_ref()));
            let problem = flags::translated(cli, problem);
            format!("onairctl: {}\n", render::printable(&problem.to_string()))
        }
        Failure::Control(ControlError::Refused(problem)) => {
            // This text goes to standard error, which may be a terminal when standard output is not.
            console::set_colors_enabled(console::colors_enabled_stderr());
            render::problem::render(&flags::translated(cli, problem), &advice(cli, problem))
        }
        other => format!("onairctl: {}\n", render::printable(&other.to_string())),
    };
    // If standard error is closed, there is no channel left.
    drop(std::io::stderr().write_all(text.as_bytes()));
    failure.code()
}

/// Advice about `problem` of this command.
fn advice(cli: &Cli, problem: &Problem) -> String {
    let general = match (problem.code, &cli.noun) {
        (ProblemCode::NoSuchSession, _) if cli.is_about_certificates() => {
            "`onairctl certificate list` lists the certificates."
        }
        (ProblemCode::DeadlinePassed, Noun::Session(session::SessionVerb::Flush { .. })) => {
            "Wait longer; the flush has changed nothing."
        }
        (ProblemCode::DeadlinePassed, Noun::Session(_)) => {
            "End or evict these users, or wait longer; the session stays stopped."
        }
        (ProblemCode::DeadlinePassed, Noun::Record(_)) => {
            "Wait: the recording finishes as soon as the disk allows it."
        }
        (code, _) => code.advice(),
    };
    let stopped = problem.blockers.iter();
    let stopped = stopped.filter(|it| it.is_stopped());
    let pids: BTreeSet<_> = stopped.map(|it| it.pid.to_string()).collect();
    if pids.is_empty() {
        return general.to_owned();
    }
    let pids = pids.into_iter().collect::<Vec<_>>().join(" ");
    format!("Let stopped processes go on: `kill -CONT {pids}`. {general}")
}
