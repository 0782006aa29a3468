//! The log on standard error: a reader that stalls stops nothing, and with `log.format = "json"` each
//! line is JSON, to a forced end.

use std::io::{PipeReader, Read as _};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use onair_api::SessionOutcome;
use onair_stage::Config;
use onair_tests::{Rig, await_drain, holding, signal};
use rustix::process::Signal;
use serde_json::Value;

/// A daemon whose standard error is a pipe, and the end of that pipe which the test may read.
fn with_a_pipe(change: impl FnOnce(&mut Config), filter: &str) -> Result<(Rig, PipeReader)> {
    let (reader, writer) = std::io::pipe()?;
    let rig = Rig::rings_as(change, |command| {
        command.stderr(writer).env("ONAIR_LOG", filter);
    })?;
    Ok((rig, reader))
}

/// Connects, asks for the health, and reads the answer: the daemon logs one line at level debug.
fn ask(rig: &Rig) -> Result<()> {
    let answer = rig.control()?.get("/v1/health")?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(())
}

/// More lines than the pipe and the daemon's own queue have places for.
const LINES: usize = 10_000;

/// Reads a pipe to its end.
fn read_all(mut reader: PipeReader) -> JoinHandle<std::io::Result<String>> {
    std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    })
}

#[test]
fn log_reader_stalls_and_reads_again_then_lost_lines_counted() -> Result<()> {
    let (mut rig, reader) = with_a_pipe(|_| {}, "debug")?;
    for _ in 0..LINES {
        ask(&rig)?;
    }
    let metrics = rig.scrape()?;
    let counted = metrics
        .lines()
        .find_map(|line| line.strip_prefix("onair_log_lines_dropped_total "));
    let counted: u64 = counted.context("the metric")?.parse()?;
    assert!(counted > 0);
    let text = read_all(reader);
    let (status, summary) = rig.terminated()?;
    assert_eq!(status, 0, "{summary:#?}");
    let text = text.join().expect("it does not panic")?;
    let said: u64 = text
        .lines()
        .filter(|line| line.contains("log lines were dropped"))
        .filter_map(|line| line.rsplit_once("lines=")?.1.parse::<u64>().ok())
        .sum();
    assert!(
        said >= counted,
        "{said} of {counted} are said to be missing"
    );
    assert!(text.contains("exit status 0"), "no summary");
    Ok(())
}

/// The lines of a log, each of which is an object.
fn objects(text: &str) -> Result<Vec<Value>> {
    let lines = text.lines();
    let objects = lines.map(|line| {
        let value: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        ensure!(value.is_object(), "{line}");
        Ok(value)
    });
    objects.collect()
}

fn message(line: &Value) -> &str {
    line["fields"]["message"].as_str().unwrap_or_default()
}

const JSON: &str = "[log]\nformat = \"json\"\n[shutdown]\ndebounce_ms = 10\n\
    [timeouts]\ngraceful_ms = 600000\n";

#[test]
fn second_signal_then_forced_and_each_line_of_json_an_object() -> Result<()> {
    let (mut rig, reader) = with_a_pipe(|config| config.more = JSON.into(), "debug")?;
    let text = read_all(reader);
    let mut control = rig.control()?;
    let mut client = holding(&rig, &mut control)?;
    ask(&rig)?;
    // An error: a file that cannot be parsed is not taken.
    let file = rig.stage().directory().join("onaird.toml");
    std::fs::write(&file, "[log]\nformat = \"neither\nnor\"\n")?;
    signal(&mut rig, Signal::HUP)?;
    signal(&mut rig, Signal::USR1)?;
    client.freeze()?;
    signal(&mut rig, Signal::TERM)?;
    await_drain(&mut control)?;
    // Ten times the debounce.
    std::thread::sleep(Duration::from_millis(100));
    let (status, summary) = rig.terminated()?;
    assert_eq!(status, 5, "{summary:#?}");
    assert!(summary.forced && summary.us < 600_000_000);
    let ends = |outcome: SessionOutcome| {
        summary
            .sessions
            .iter()
            .filter(move |it| it.outcome == outcome)
    };
    let abandoned: Vec<_> = ends(SessionOutcome::Abandoned)
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(abandoned, ["cam"], "it was still in use");
    let lines = objects(&text.join().expect("it does not panic")?)?;
    let has = |wanted: &str| lines.iter().any(|line| message(line).contains(wanted));
    for wanted in ["ready", "second signal", "ended"] {
        assert!(has(wanted), "{wanted}: {lines:#?}");
    }
    let is_error = |line: &Value| line["level"] == "ERROR" || line["level"] == "WARN";
    assert!(lines.iter().any(is_error));
    assert!(
        lines.iter().any(|line| !line["control"].is_null()),
        "the dump"
    );
    let last = lines.last().context("a line")?;
    assert_eq!(last["fields"]["summary"]["exit_status"], 5, "{last:#}");
    times_of_the_start(&lines)?;
    client.thaw()?;
    assert_eq!(client.errno("get 0")?, "ESTALE");
    Ok(())
}

/// Parts of a start, and the total.
const PARTS: [&str; 9] = [
    "program_ms",
    "previous_ms",
    "sockets_ms",
    "files_ms",
    "dpdk_ms",
    "ports_ms",
    "types_ms",
    "probe_ms",
    "total_ms",
];

/// The line of a daemon that is ready has the times of its start.
fn times_of_the_start(lines: &[Value]) -> Result<()> {
    let mut found = lines.iter().map(|line| &line["fields"]);
    let fields = found.find(|it| !it["total_ms"].is_null());
    let fields = fields.context("no times of the start")?;
    let times = PARTS.map(|part| fields[part].as_u64());
    let [
        Some(_),
        Some(previous),
        Some(sockets),
        Some(_),
        Some(dpdk),
        Some(ports),
        Some(types),
        Some(probe),
        Some(total),
    ] = times
    else {
        bail!("{fields:#}");
    };
    // These follow each other.
    for parts in [
        &[previous, sockets, ports][..],
        &[dpdk, ports],
        &[types, probe],
    ] {
        assert!(parts.iter().sum::<u64>() <= total, "{fields:#}");
    }
    assert!(dpdk > 0 && probe > 0, "{fields:#}");
    Ok(())
}
