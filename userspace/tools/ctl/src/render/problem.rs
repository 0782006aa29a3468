//! A problem: what happened, its code, the users in the way, what to do.

use std::fmt::Write;

use onair_api::Problem;

use super::session::blocker;
use super::{heading, printable, verdict};

/// The text for standard error; `advice` says what to do.
pub(crate) fn render(problem: &Problem, advice: &str) -> String {
    let mut text = format!(
        "{} {} [{}]\n",
        console::style("onairctl:").for_stderr().red(),
        printable(&problem.detail),
        problem.code
    );
    // The detail already contains a single error.
    if problem.errors.len() > 1 {
        for error in &problem.errors {
            let line = printable(&error.to_string());
            writeln!(text, "  {line}").expect("a string takes every write");
        }
    }
    if !problem.blockers.is_empty() {
        text += &heading("In the way:");
        text += &blocker::rows(&problem.blockers);
    }
    if let Some(found) = &problem.verdict {
        text += &heading("Witnesses:");
        text += &verdict::rows(&found.readings);
    }
    let gap = if text.lines().count() > 1 { "\n" } else { "" };
    writeln!(text, "{gap}What to do: {advice}").expect("a string takes every write");
    text
}
