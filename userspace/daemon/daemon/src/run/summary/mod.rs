//! Summary of the daemon's run, as text for standard error and as JSON.

mod file;

pub use file::write_json;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use onair_api::{
    PartOutcome, PortSummary, RecordingCounts, RecordingState, RecordingSummary, SessionOutcome,
    SessionSummary, ShutdownSummary, ThreadSummary, ThreadTraffic,
};

use crate::recorder::worker_name;
use crate::run::RunOutcome;
use crate::shutdown::{Exit, Report};

/// Makes the summary of an outcome.
#[must_use]
pub fn summary(outcome: RunOutcome) -> ShutdownSummary {
    let exit = exit(&outcome);
    let RunOutcome {
        is_started: _,
        report,
        sessions,
        dataplane,
        recordings,
        pollers,
    } = outcome;
    let drained = sessions.unwrap_or_default();
    let threads = report.threads.into_iter().map(|thread| ThreadSummary {
        traffic: match pollers.get(&thread.name) {
            Some(ports) => Some(of_poller(ports, &drained.sessions)),
            None => of_recorder(&thread.name, &recordings),
        },
        name: thread.name,
        processed: thread.processed,
        dropped_by_shutdown: thread.dropped_by_shutdown,
        stopped: thread.is_stopped,
        panic: thread.panic,
    });
    let ports = dataplane.map(|plane| plane.ports).unwrap_or_default();
    let ports = ports.into_iter().map(|(name, counters)| PortSummary {
        name,
        counters: counters
            .iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect(),
    });
    let threads = threads.collect();
    ShutdownSummary {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        cause: report.cause.to_string(),
        since: report.status.since,
        us: u64::try_from(report.took.as_micros()).unwrap_or(u64::MAX),
        forced: report.status.forced,
        exit_status: exit.status(),
        phases: report.status.phases,
        parts: report.status.parts,
        sessions: drained.sessions,
        destroyed: drained.destroyed,
        recordings,
        threads,
        ports: ports.collect(),
        operations_refused: report.operations_refused,
    }
}

/// Traffic of a poller: the sum over the sessions of its ports.
fn of_poller(ports: &[String], sessions: &[SessionSummary]) -> ThreadTraffic {
    let mut traffic = ThreadTraffic::default();
    for session in sessions.iter().filter(|it| ports.contains(&it.port)) {
        traffic.frames += session.frames;
        traffic.bytes += session.bytes;
        add(&mut traffic.drops, &session.drops);
    }
    traffic
}

/// Traffic of a recording's thread; `None` for another thread.
fn of_recorder(thread: &str, recordings: &[RecordingSummary]) -> Option<ThreadTraffic> {
    let mut all = recordings.iter();
    let recording = all.find(|it| worker_name(&it.name) == thread)?;
    let mut traffic = ThreadTraffic {
        bytes: recording.counts.written_bytes,
        ..ThreadTraffic::default()
    };
    add(&mut traffic.drops, &recording.counts.dropped);
    add(&mut traffic.drops, &recording.counts.lost);
    Some(traffic)
}

fn add(sums: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) {
    for (reason, count) in more {
        *sums.entry(reason.clone()).or_default() += count;
    }
}

/// Exit status of an outcome: the most serious problem decides.
fn exit(outcome: &RunOutcome) -> Exit {
    let report: &Report = &outcome.report;
    let sessions = outcome.sessions.as_ref();
    if !outcome.is_started {
        Exit::StartForced
    } else if report.status.forced {
        Exit::Forced
    } else if report.timed_out() {
        Exit::TimedOut
    } else if report.cause.is_failure() || report.troubled().next().is_some() {
        Exit::Failed
    } else if sessions.is_some_and(|it| it.abandoned().next().is_some()) {
        Exit::InUse
    } else {
        Exit::Clean
    }
}

/// The summary as text.
#[must_use]
pub fn text(summary: &ShutdownSummary) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_all(&mut text, summary);
    text
}

fn write_all(text: &mut String, summary: &ShutdownSummary) -> std::fmt::Result {
    writeln!(
        text,
        "onaird {} (pid {}) ended: {}, {}, exit status {}",
        summary.version,
        summary.pid,
        summary.cause,
        time(summary.us),
        summary.exit_status
    )?;
    write!(text, "  phases ")?;
    for phase in &summary.phases {
        if let Some(us) = phase.us {
            write!(text, "  {} {}", phase.phase, time(us))?;
        }
    }
    writeln!(text)?;
    let count = |outcome| {
        let sessions = summary.sessions.iter();
        sessions.filter(|it| it.outcome == outcome).count()
    };
    writeln!(
        text,
        "  sessions  {} destroyed, {} evicted, {} quarantined, {} abandoned; {} destroyed in all",
        count(SessionOutcome::Destroyed),
        count(SessionOutcome::Evicted),
        count(SessionOutcome::Quarantined),
        count(SessionOutcome::Abandoned),
        summary.destroyed
    )?;
    for session in &summary.sessions {
        write_session(text, session)?;
    }
    if !summary.recordings.is_empty() {
        writeln!(text, "  recordings")?;
    }
    for recording in &summary.recordings {
        write_recording(text, recording)?;
    }
    writeln!(text, "  threads")?;
    for thread in &summary.threads {
        write_thread(text, thread)?;
    }
    for port in &summary.ports {
        write!(text, "  port {}", port.name)?;
        for (name, value) in port.counters.iter().filter(|(_, value)| **value > 0) {
            write!(text, "  {name} {value}")?;
        }
        writeln!(text)?;
    }
    writeln!(text, "  parts")?;
    for part in &summary.parts {
        write!(
            text,
            "    {:<20} {:<9} {:>10}  {}",
            part.name,
            part.outcome.as_str(),
            time(part.us),
            part.phase
        )?;
        match &part.detail {
            Some(detail) => writeln!(text, "  {detail}")?,
            None => writeln!(text)?,
        }
    }
    if summary.operations_refused > 0 {
        let count = summary.operations_refused;
        writeln!(text, "  requests  {count} refused during the shutdown")?;
    }
    write_troubles(text, summary)
}

fn write_session(text: &mut String, session: &SessionSummary) -> std::fmt::Result {
    write!(
        text,
        "    {:<20} {:<9} {:<7} frames {}  packets {}  bytes {}",
        session.name.as_str(),
        session.outcome.as_str(),
        session.direction.to_string(),
        session.frames,
        session.packets,
        session.bytes
    )?;
    for (reason, count) in &session.drops {
        write!(text, "  {reason} {count}")?;
    }
    if let Some(certificate) = &session.certificate {
        write!(text, "  certificate {certificate}")?;
    }
    writeln!(text)
}

/// A line of totals, and one for each producer; the producers add up to the totals.
fn write_recording(text: &mut String, recording: &RecordingSummary) -> std::fmt::Result {
    let bytes: u64 = recording.files.iter().map(|it| it.bytes).sum();
    write!(
        text,
        "    {:<20} {:<9} ",
        recording.name.as_str(),
        recording.state.as_str()
    )?;
    write_counts(text, &recording.counts)?;
    writeln!(text, "  files {} of {bytes} bytes", recording.files.len())?;
    for producer in &recording.producers {
        write!(text, "      {:<28} ", producer.name)?;
        write_counts(text, &producer.counts)?;
        writeln!(text)?;
    }
    Ok(())
}

fn write_counts(text: &mut String, counts: &RecordingCounts) -> std::fmt::Result {
    write!(
        text,
        "arrived {} = accepted {} + dropped {}  written {}  bytes {}",
        counts.arrived,
        counts.accepted,
        counts.dropped_in_all(),
        counts.written,
        counts.written_bytes
    )?;
    for (reason, count) in &counts.dropped {
        write!(text, "  {reason} {count}")?;
    }
    for (reason, count) in &counts.lost {
        write!(text, "  lost {reason} {count}")?;
    }
    if counts.pending > 0 {
        write!(text, "  pending {}", counts.pending)?;
    }
    Ok(())
}

fn write_thread(text: &mut String, thread: &ThreadSummary) -> std::fmt::Result {
    write!(
        text,
        "    {:<20} {:<9} processed {}  dropped_by_shutdown {}",
        thread.name,
        if thread.stopped { "ended" } else { "runs on" },
        thread.processed,
        thread.dropped_by_shutdown
    )?;
    if let Some(traffic) = &thread.traffic {
        write!(text, "  frames {}  bytes {}", traffic.frames, traffic.bytes)?;
        for (reason, count) in &traffic.drops {
            write!(text, "  {reason} {count}")?;
        }
    }
    match &thread.panic {
        Some(panic) => writeln!(text, "  panicked: {panic}"),
        None => writeln!(text),
    }
}

/// Failures, and the blocking processes, at the very end where operators read them.
fn write_troubles(text: &mut String, summary: &ShutdownSummary) -> std::fmt::Result {
    for part in &summary.parts {
        let what = match part.outcome {
            PartOutcome::Done => continue,
            PartOutcome::Failed => "failed",
            PartOutcome::Panicked => "panicked",
            PartOutcome::TimedOut => "did not end in time and was left behind",
            PartOutcome::Forced => "was left behind after a second signal",
        };
        writeln!(text, "  ! {} {what}", part.name)?;
    }
    for recording in &summary.recordings {
        match recording.state {
            RecordingState::Finished => continue,
            RecordingState::Finishing => writeln!(
                text,
                "  ! recording {} was left behind: the next start repairs it",
                recording.name
            )?,
            _ => writeln!(text, "  ! recording {} failed", recording.name)?,
        }
        if let Some(reason) = &recording.reason {
            writeln!(text, "      {reason}")?;
        }
    }
    for session in &summary.sessions {
        let what = match session.outcome {
            SessionOutcome::Destroyed => continue,
            SessionOutcome::Evicted => "was still in use: its users were evicted",
            SessionOutcome::Quarantined => "was still in use: it was quarantined",
            SessionOutcome::Abandoned => "was still in use: it was abandoned",
        };
        writeln!(text, "  ! session {} {what}", session.name)?;
        for blocker in &session.blockers {
            let pid = blocker.pid;
            write!(text, "      process {pid} ({})", blocker.command)?;
            if let Some(tid) = blocker.tid {
                write!(text, ", thread {tid} ({})", blocker.thread)?;
            }
            match blocker.held_frames.len() {
                0 => writeln!(text)?,
                frames => writeln!(text, ", holds {frames} frames")?,
            }
        }
    }
    Ok(())
}

/// A duration for humans.
fn time(us: u64) -> String {
    match us {
        0..1000 => format!("{us} µs"),
        1000..1_000_000 => format!("{}.{} ms", us / 1000, us / 100 % 10),
        _ => format!("{}.{:02} s", us / 1_000_000, us / 10_000 % 100),
    }
}

#[cfg(test)]
mod tests {
    use onair_api::ShutdownSummary;
    use onair_engine::inputs::Drained;

    use super::*;

    fn example() -> ShutdownSummary {
        let json = serde_json::json!({
            "version": "0.1.0", "pid": 7, "cause": "SIGTERM", "since": null, "us": 1_234_567,
            "forced": false, "exit_status": 7, "destroyed": 3, "operations_refused": 2,
            "phases": [
                {"phase": "stop_accepting", "at": "2026-11-20T08:00:00Z", "us": 90},
                {"phase": "draining", "at": "2026-11-20T08:00:00Z", "us": 12_300},
                {"phase": "shutdown", "at": "2026-11-20T08:00:01Z"}],
            "parts": [
                {"name": "sessions", "phase": "draining", "outcome": "done", "us": 12_200},
                {"name": "probe", "phase": "cleanup", "outcome": "timed_out", "us": 5_000_000}],
            "sessions": [
                {"id": "0000000100000004", "name": "idle", "port": "b", "direction": "send",
                 "outcome": "destroyed", "frames": 0, "packets": 0, "bytes": 0, "drops": {},
                 "certificate": "0000000100000004.json"},
                {"id": "0000000100000001", "name": "cam", "direction": "receive",
                 "outcome": "abandoned", "frames": 10, "packets": 900, "bytes": 1000,
                 "drops": {"frames_dropped_stop": 1},
                 "blockers": [{"pid": 42, "tid": 43, "command": "viewer", "thread": "main",
                    "attachment": 1, "kind": "holding", "held_frames": [{"frame": 3, "age_ms": 1}],
                    "seen_by": ["W1"]}]}],
            "recordings": [
                {"id": "0000000100000002", "name": "take2", "session": "0000000100000001",
                 "session_name": "cam", "state": "finishing",
                 "files": [{"name": "take2.pcapng", "bytes": 2000, "events": 880}],
                 "counts": {"arrived": 900, "accepted": 890, "dropped": {"ring_full": 10},
                    "written": 880, "written_bytes": 1000, "pending": 10},
                 "producers": [{"name": "b (onair-p0)", "arrived": 900, "accepted": 890,
                    "dropped": {"ring_full": 10}, "written": 880, "written_bytes": 1000,
                    "pending": 10}]}],
            "threads": [{"name": "onair-p0", "processed": 905, "dropped_by_shutdown": 5,
                "traffic": {"frames": 10, "bytes": 1000, "drops": {"frames_dropped_stop": 1}},
                "stopped": true, "panic": "on purpose"}],
            "ports": [{"name": "b", "counters": {"rx_packets": 905, "rx_other": 0}}]
        });
        serde_json::from_value(json).unwrap()
    }

    /// How a daemon ended: its session's outcome, and the outcome of its only part.
    fn outcome(session: &str, part: &str) -> RunOutcome {
        let mut of = serde_json::to_value(example()).unwrap();
        let mut session_of = of["sessions"][1].take();
        session_of["outcome"] = session.into();
        let part = serde_json::json!({"name": "p", "phase": "draining", "outcome": part, "us": 1});
        let status = serde_json::json!({
            "phase": "shutdown", "forced": false, "sessions": 0, "users": 0, "operations": 0,
            "phases": [], "parts": [part],
        });
        RunOutcome {
            is_started: true,
            report: Report {
                cause: crate::shutdown::Cause::Signal(15),
                status: serde_json::from_value(status).unwrap(),
                took: std::time::Duration::ZERO,
                threads: Vec::new(),
                operations_refused: 0,
            },
            sessions: Some(Drained {
                sessions: vec![serde_json::from_value(session_of).unwrap()],
                destroyed: 0,
            }),
            dataplane: None,
            recordings: Vec::new(),
            pollers: BTreeMap::new(),
        }
    }

    #[test]
    fn outcome_of_each_kind_then_the_status_of_the_most_serious() {
        for (session, part, expected) in [
            ("destroyed", "done", 0),
            ("evicted", "done", 0),
            ("quarantined", "done", 0),
            ("abandoned", "done", 4),
            ("abandoned", "failed", 1),
            ("destroyed", "timed_out", 7),
        ] {
            let mut of = outcome(session, part);
            assert_eq!(exit(&of).status(), expected, "{session} {part}");
            of.report.status.forced = true;
            assert_eq!(exit(&of).status(), 5, "{session} {part}");
            of.is_started = false;
            assert_eq!(exit(&of).status(), 8, "{session} {part}");
        }
    }

    #[test]
    #[expect(non_snake_case, reason = "the name that the requirements give")]
    fn shutdown_summary__print__then_correct_format() {
        let expected = "\
onaird 0.1.0 (pid 7) ended: SIGTERM, 1.23 s, exit status 7
  phases   stop_accepting 90 µs  draining 12.3 ms
  sessions  1 destroyed, 0 evicted, 0 quarantined, 1 abandoned; 3 destroyed in all
    idle                 destroyed send    frames 0  packets 0  bytes 0  certificate 0000000100000004.json
    cam                  abandoned receive frames 10  packets 900  bytes 1000  frames_dropped_stop 1
  recordings
    take2                finishing arrived 900 = accepted 890 + dropped 10  written 880  bytes 1000  ring_full 10  pending 10  files 1 of 2000 bytes
      b (onair-p0)                 arrived 900 = accepted 890 + dropped 10  written 880  bytes 1000  ring_full 10  pending 10
  threads
    onair-p0             ended     processed 905  dropped_by_shutdown 5  frames 10  bytes 1000  frames_dropped_stop 1  panicked: on purpose
  port b  rx_packets 905
  parts
    sessions             done         12.2 ms  draining
    probe                timed_out     5.00 s  cleanup
  requests  2 refused during the shutdown
  ! probe did not end in time and was left behind
  ! recording take2 was left behind: the next start repairs it
  ! session cam was still in use: it was abandoned
      process 42 (viewer), thread 43 (main), holds 1 frames
";
        assert_eq!(text(&example()), expected);
    }
}
