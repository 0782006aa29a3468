//! `cargo xtask demo`: the whole story on real packets, in five acts: `acts.txt`.
//!
//! The demo only starts processes and asks: `onaird` is the daemon, `onairctl` asks and commands
//! it, two programs use the sessions as applications do, and `/proc` says whether the daemon is
//! right about them.

mod cast;
mod checks;
mod ctl;
mod play;
mod report;
mod scene;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;
use onair_stage::{Deadline, MEMORY_MB, Snapshot, Stage, Veth, take_down_leftovers};

use crate::{cargo, clean_up, say, setup};
use report::{DemoResult, Report};
use scene::Scene;

/// How long frames are sent, unless the caller says.
const SECONDS: u64 = 3;

/// Shows a session from its first packet to its certificate, on real packets between two ports
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask demo
  cargo xtask demo --json report.json --require af_xdp,probe   as CI does
  cargo xtask demo --without af_xdp,af_packet                  as on a machine that has neither

It needs root, and takes under a minute once all is built. What it puts up on the machine (a network
namespace, a veth pair, hugepages, a folder) it takes down again, also after Ctrl-C; after a SIGKILL
the next run does.

Without AF_XDP, the probe or a second network the demo runs with fewer features and reports ok = \"degraded\".
Exit status: 0 also then; 1 when anything was not as it should be.")]
pub(crate) struct Arguments {
    /// Write the report there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail without this feature instead of running with fewer
    #[arg(long, value_delimiter = ',', value_name = "WHAT")]
    require: Vec<Need>,
    /// Run as if this feature were missing
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "WHAT",
        conflicts_with = "require"
    )]
    without: Vec<Lack>,
    /// How long frames are sent and verified
    #[arg(long, value_name = "N", default_value_t = SECONDS, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Start the programs in this folder, and build nothing
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Need {
    /// Packets over AF_XDP sockets
    AfXdp,
    /// The kernel's probe
    Probe,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::when_missing(setup::Purpose::Demo)?;
    let programs = match &arguments.programs {
        Some(folder) => cargo::programs_in(folder)?,
        None => {
            say::step("Build");
            cargo::build()?
        }
    };
    clean_up::report(&take_down_leftovers()?);

    let begin = Instant::now();
    let before = Snapshot::take()?;
    let mut report = Report::default();
    if let Err(error) = play(arguments, &programs, &mut report) {
        report.problems.push(format!("{error:#}"));
    }
    let change = before.difference(Deadline::seconds(10))?;
    report.clean = change.more.is_empty();
    report.problems.extend(
        change
            .more
            .iter()
            .map(|line| format!("left behind: {line}")),
    );
    for line in change.less {
        say::note(format_args!("gone meanwhile, not by the demo: {line}"));
    }
    report.ok = outcome(&report);

    print(&report, begin.elapsed());
    if let Some(file) = &arguments.json {
        report.write(file)?;
        say::note(format_args!("report: {}", file.display()));
    }
    if report.ok == DemoResult::Failed {
        bail!("the demo failed");
    }
    Ok(())
}

/// Runs the demo with the programs in this folder.
pub(crate) fn of(programs: &Path) -> Result<()> {
    run(&Arguments {
        json: None,
        require: Vec::new(),
        without: Vec::new(),
        seconds: SECONDS,
        programs: Some(programs.to_owned()),
    })
}

/// What the demo can do without.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Lack {
    /// Packets over AF_XDP sockets
    AfXdp,
    /// Packets over AF_PACKET sockets
    AfPacket,
    /// The kernel's probe
    Probe,
    /// A second cable, with two ports more
    SecondNetwork,
}

/// Puts up the stage, plays the acts, takes everything down.
fn play(arguments: &Arguments, programs: &[PathBuf], report: &mut Report) -> Result<()> {
    say::step("Stage");
    let stage = Stage::open("demo")?;
    let cables = match arguments.without.contains(&Lack::SecondNetwork) {
        true => &[("va", "vb")][..],
        false => &[("va", "vb"), ("vc", "vd")],
    };
    for (one, other) in cables {
        stage.veth(&Veth::bare(one, other))?;
    }
    let memory_mb = MEMORY_MB * cables.len() as u64;
    let hugepages = stage.hugepages(memory_mb)?;
    let names: Vec<_> = cables.iter().map(|(a, b)| format!("{a}–{b}")).collect();
    say::good(format_args!(
        "network namespace {}, with a cable {} in it",
        stage.namespace(),
        names.join(" and a cable ")
    ));
    if hugepages {
        say::good(format_args!("{memory_mb} MB of hugepages"));
    } else {
        say::warning("no hugepages are free: ordinary memory is used, which is slower");
    }
    let mut scene = Scene::open(&stage, programs, hugepages, arguments, report)?;
    if let Err(error) = play::play(&mut scene, arguments.seconds) {
        say::warning("it went wrong; the end of onaird's log:");
        for line in scene.log_tail().lines() {
            say::note(format_args!("  {line}"));
        }
        return Err(error);
    }
    say::step("The end");
    scene.close()?;
    stage.take_down()?;
    say::good("the daemon has ended, the stage is taken down");
    Ok(())
}

fn outcome(report: &Report) -> DemoResult {
    if !report.problems.is_empty() {
        DemoResult::Failed
    } else if report.backend != "af_xdp" || report.probe != "watching" || report.programme.is_none()
    {
        DemoResult::Degraded
    } else {
        DemoResult::Ok
    }
}

/// Prints what was shown, or what went wrong.
pub(crate) fn print(report: &Report, time: Duration) {
    say::step("Summary");
    report.problems.iter().for_each(say::failure);
    if report.ok == DemoResult::Failed {
        return;
    }
    facts(report);
    let seconds = time.as_secs_f64();
    match report.ok {
        DemoResult::Ok => say::good(format_args!("all was as it should be ({seconds:.0} s)")),
        _ => say::warning(format_args!(
            "DEGRADED: all was as it should be, on less than AF_XDP, the probe and two networks ({seconds:.0} s)"
        )),
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
