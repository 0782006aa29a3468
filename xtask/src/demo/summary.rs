//! The end of the demo, for people.

use std::time::Duration;

use super::report::{DemoResult, Report};
use crate::say;

/// Prints what was shown, or what went wrong.
pub(crate) fn print(report: &Report, time: Duration) {
    say::step("Summary");
    match report.ok {
        DemoResult::Failed => {
            for problem in &report.problems {
                say::failure(problem);
            }
        }
        DemoResult::Degraded => {
            facts(report);
            say::warning(format_args!(
                "DEGRADED: all was as it should be, on less than AF_XDP, the probe and two networks ({:.0} s)",
                time.as_secs_f64()
            ));
        }
        DemoResult::Ok => {
            facts(report);
            say::good(format_args!(
                "all was as it should be ({:.0} s)",
                time.as_secs_f64()
            ));
        }
    }
}

fn facts(report: &Report) {
    let frames = report.frames;
    say::note(format_args!(
        "frames       {} sent over {}, {} verified in another process, {} incomplete, {} lost, {} wrong",
        frames.sent, report.backend, frames.verified, frames.incomplete, frames.lost, frames.wrong
    ));
    say::note(format_args!(
        "blocked      {} callers at {:.2} % CPU each, all named; the kernel agrees",
        report.blocked_callers.len(),
        report.blocked_cpu_percent
    ));
    say::note(format_args!(
        "stop         {} until the last caller had returned",
        micros(report.stop_to_last_return_us)
    ));
    say::note(
        "destroy      refused while there were users; what the killed client left was settled",
    );
    say::note(format_args!(
        "disagreement {}",
        if report.disagreement_refused {
            "counters 0, kernel 1: refused"
        } else {
            "not shown: the probe is off"
        }
    ));
    say::note(format_args!(
        "certificate  {} after the last user had left",
        micros(report.last_user_to_certificate_us)
    ));
    match &report.programme {
        Some(it) => say::note(format_args!(
            "programme    {} units of picture, sound and captions while a network was cut: {} lost, {} incomplete, {} wrong; {} packets came over one network only",
            it.units, it.lost, it.incomplete, it.wrong, it.packets_recovered
        )),
        None => say::note("programme    not shown: there is one network"),
    }
    say::note("machine      left as it was found");
}

fn micros(time: Option<f64>) -> String {
    time.map_or_else(|| "not measured".to_owned(), |time| format!("{time:.0} µs"))
}
