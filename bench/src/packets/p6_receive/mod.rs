//! P6 and P13: the receive path, packet → frame, from a ring.
//!
//! A poller of the daemon, whose turns are made here: it takes 256 packets from a ring, parses them,
//! finds the session, and copies each payload into its frame. P6 stands beside memcpy of the same
//! payloads from packets of the same kind into frames of the same kind. P13 is the same with many
//! sessions, beside one, and with a second session of the same flow. All of it is in a process of its own, since DPDK
//! starts once in a process.

mod lane;
mod source;

use std::process::Command;

use anyhow::{Context as _, Result};
use onair_dpdk::{Eal, EalConfig, Hugepages, RegisteredThread};
use onair_stage::{MEMORY_MB, Stage};
use serde::{Deserialize, Serialize};

use crate::place;
use crate::result::row::Row;
use crate::result::samples::Samples;
use crate::run::Run;
use lane::{Kind, Lane};

/// What a lane cost, for each packet: a turn of the poller, and the bare copies, in turns. In ns.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Costs {
    path: Vec<f64>,
    copy: Vec<f64>,
    /// Bytes of payload of a packet.
    bytes: f64,
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    run.case("1080p", 1);
    let costs = child(&["1080p:1"], run.of(3_000))?;
    let [costs] = costs.as_slice() else {
        anyhow::bail!("one lane was asked for");
    };
    // Bandwidths: what the one has less, the other has more.
    let rate = |costs: &[f64], bytes: f64| costs.iter().map(|ns| bytes / ns).collect::<Samples>();
    let (ours, copy) = (
        rate(&costs.path, costs.bytes),
        rate(&costs.copy, costs.bytes),
    );
    run.step();
    let cost = |ns: &[f64]| ns.iter().copied().collect::<Samples>();
    let (path, bare) = (cost(&costs.path), cost(&costs.copy));
    Ok(vec![
        Row::of("P6", "1080p 10 bit, ring → frame", "GB/s", &ours)
            .beside("memcpy of the same payload", &ours, &copy)
            .pinned("last core")
            .ratio_at_least(0.85),
        Row::of("P6", "cost of a packet", "ns", &path)
            .beside("memcpy of the same payload", &path, &bare)
            .pinned("last core")
            .part(),
    ])
}

pub(crate) fn measure_many(run: &Run) -> Result<Vec<Row>> {
    run.case("1, 16, 64 and 256 sessions", 1);
    // Sessions, and the most that our own part of a packet may cost: the copy beside it grows by itself.
    let counts = [(1, 40.0), (16, 50.0), (64, 60.0), (256, 80.0)];
    // Each lane has some 100 MB of frames: what differs is the sessions, not what fits a cache.
    let lanes = [
        "2160p:1",
        "720p:16",
        "360p:64",
        "180p:256",
        "1080p:1",
        "1080p:2",
        "1080p:1x2",
    ];
    let costs = child(&lanes, run.of(3_000))?;
    run.step();
    let samples = |ns: &[f64]| ns.iter().copied().collect::<Samples>();
    let one = costs.first().context("four lanes were asked for")?;
    let one_path = samples(&one.path);
    let mut rows = vec![];
    for ((count, most), costs) in counts.into_iter().zip(&costs) {
        let path = samples(&costs.path);
        let own: Samples = costs
            .path
            .iter()
            .zip(&costs.copy)
            .map(|(path, copy)| path - copy)
            .collect();
        rows.push(
            Row::of("P13", format!("cost of a packet, N = {count}"), "ns", &path)
                .beside("N = 1", &path, &one_path)
                .pinned("last core")
                .part(),
        );
        rows.push(
            Row::of("P13", format!("of it ours, N = {count}"), "ns", &own)
                .pinned("last core")
                .target(format!("≤ {most} ns"), |row| row.p50_at_most(most)),
        );
    }
    let [.., alone, two, shared] = costs.as_slice() else {
        anyhow::bail!("seven lanes were asked for");
    };
    // What the second session of a flow adds to a packet, and what a packet of another flow's session costs.
    let shared = shared.path.iter().zip(&alone.path);
    let second: Samples = shared.map(|(both, one)| both - one).collect();
    let row = Row::of(
        "P13",
        "a packet for a second session of its flow",
        "ns",
        &second,
    )
    .beside("a packet of two flows", &second, &samples(&two.path))
    .pinned("last core");
    rows.push(row.ratio_at_most(1.1));
    Ok(rows)
}

/// Runs the process; the costs of each lane.
fn child(lanes: &[&str], batches: usize) -> Result<Vec<Costs>> {
    let stage = Stage::open("bench")?;
    let hugepages = stage.hugepages(MEMORY_MB)?;
    let mut command: Command = stage.command(std::env::current_exe()?);
    command.args(["receive-path", "--batches", &batches.to_string()]);
    if hugepages {
        command.arg("--hugepages");
    }
    for lane in lanes {
        command.args(["--lane", lane]);
    }
    let output = command
        .output()
        .context("starting the process of the path")?;
    let told = String::from_utf8_lossy(&output.stderr);
    let told = told.lines().next().unwrap_or_default();
    stage.take_down()?;
    anyhow::ensure!(output.status.success(), "it failed: {told}");
    let text = String::from_utf8_lossy(&output.stdout);
    // DPDK may have said something before it.
    let line = text.lines().last().context("it said nothing")?;
    serde_json::from_str(line).with_context(|| format!("it said {line}"))
}

/// The process.
#[derive(clap::Args)]
pub(crate) struct Path {
    #[arg(long)]
    batches: usize,
    #[arg(long)]
    hugepages: bool,
    /// `RASTER:FLOWS[xSHARING]`
    #[arg(long = "lane", required = true)]
    lanes: Vec<Kind>,
}

impl Path {
    pub(crate) fn run(&self) -> Result<()> {
        let eal = Eal::init(&EalConfig {
            hugepages: if self.hugepages {
                Hugepages::Require
            } else {
                Hugepages::Never
            },
            memory_mb: u32::try_from(MEMORY_MB)?,
            ..EalConfig::default()
        })?;
        let core = *place::cores()?.last().context("no core")?;
        let costs = std::thread::scope(|scope| {
            let work = || -> Result<Vec<Costs>> {
                place::pin(core)?;
                let _registered = RegisteredThread::new(&eal)?;
                self.costs(&eal)
            };
            scope.spawn(work).join().expect("it does not panic")
        })?;
        println!("{}", serde_json::to_string(&costs)?);
        Ok(())
    }

    fn costs(&self, eal: &Eal) -> Result<Vec<Costs>> {
        let lanes = self.lanes.iter().zip(0..);
        let mut lanes = lanes
            .map(|(kind, number)| Lane::open(eal, number, *kind))
            .collect::<Result<Vec<_>>>()?;
        let mut costs: Vec<_> = lanes
            .iter()
            .map(|lane| Costs {
                bytes: lane.payload_bytes(),
                ..Costs::default()
            })
            .collect();
        for batch in 0..self.batches + 20 {
            for (lane, costs) in lanes.iter_mut().zip(&mut costs) {
                let (path, copy) = (lane.path()?, lane.copy()?);
                if batch >= 20 {
                    costs.path.push(path);
                    costs.copy.push(copy);
                }
            }
        }
        Ok(costs)
    }
}
