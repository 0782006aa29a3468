//! P28: the processor of an adaptive poller that does nothing but receive one session of 1280×720, with the settings that
//! it has by default, beside `spin_us = 0`: it never spins then.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::Source;
use onair_stage::{
    Backend, Config, Control, Raster, Rig, Stage, Veth, cpu_time, receive, send, threads_named,
    wait_for,
};

use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::run::Run;

const UDP: u16 = 5004;
const RATES: [u32; 3] = [25, 50, 100];
const BY_HAND: &str = "spin_us = 0\n";
const WINDOW: Duration = Duration::from_secs(1);
const RATIO: f64 = 1.2;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let rounds = run.of(5).max(2);
    run.case("an adaptive poller", 4 * rounds * RATES.len());
    let mut rows = vec![];
    let [packet, xdp] = [Backend::AfPacket, Backend::AfXdp].map(Wire::Cable);
    for wire in [packet, xdp, Wire::Virtio] {
        let mut used = Vec::new();
        for keys in ["", BY_HAND] {
            let mut rig = rig(wire, keys)?;
            let done = rig
                .start_daemon()
                .and_then(|()| costs(&mut rig, rounds, run));
            used.push(rig.end(done)?);
        }
        for (at, rate) in RATES.into_iter().enumerate() {
            let (ours, by_hand) = (&used[0][at], &used[1][at]);
            let row = Row::of(
                "P28",
                format!("{}, 1280x720p{rate}", wire.name()),
                "% of a core",
                ours,
            );
            let row = row.beside("spin_us = 0", ours, by_hand);
            let row = row.pinned(
                "receiving poller on the first core, sender on the last; no packet was lost",
            );
            rows.push(row.ratio_at_most(RATIO));
        }
    }
    Ok(rows)
}

/// What port `b` is.
#[derive(Clone, Copy, Debug)]
enum Wire {
    /// At an end of a veth pair.
    Cable(Backend),
    /// DPDK's driver of virtio NICs, on a device that vhost-user shows it from the same process.
    Virtio,
}

impl Wire {
    fn name(self) -> &'static str {
        match self {
            Self::Cable(backend) => backend.name(),
            Self::Virtio => "virtio",
        }
    }

    /// The devices of both ports, with the keys that go with them.
    fn devices(self, stage: &Stage) -> Result<[String; 2]> {
        match self {
            Self::Cable(backend) => {
                stage.veth(&Veth::bare("va", "vb"))?;
                let netns = stage.namespace();
                Ok(["va", "vb"].map(|end| {
                    let device = backend.device(end);
                    format!("device = \"{device}\"\nnetns = \"{netns}\"\n")
                }))
            }
            Self::Virtio => {
                let socket = stage.directory().join("vhost");
                let socket = socket.display();
                Ok([
                    format!("device = \"net_vhost0,iface={socket}\"\n"),
                    format!("device = \"net_virtio_user0,path={socket},mac=02:00:00:00:00:02\"\n"),
                ])
            }
        }
    }
}

/// A port `a` of a poller on the last core, and a port `b` of one on the first with these keys. The daemon is not started.
fn rig(wire: Wire, keys: &str) -> Result<Rig> {
    let stage = Stage::open("bench")?;
    let devices = wire.devices(&stage)?;
    let mut config = Config::pair(Backend::Ring);
    config.hugepages = match wire {
        // virtio-user shows vhost at most eight pieces of memory.
        Wire::Virtio => false,
        Wire::Cable(_) => stage.hugepages(onair_stage::MEMORY_MB)?,
    };
    config.pollers = 0;
    config.ports.clear();
    let cores = place::cores()?;
    let (first, last) = cores.first().zip(cores.last()).context("no core")?;
    let [sender, receiver] = devices;
    for (name, core, keys, end, device) in
        [("a", last, "", 1, sender), ("b", first, keys, 2, receiver)]
    {
        config.more += &format!(
            "[[poller]]\nname = \"{name}\"\ncore = {core}\n{keys}\
             [[port]]\nname = \"{name}\"\n{device}\
             address = \"10.77.0.{end}/24\"\npoller = \"{name}\"\n",
        );
    }
    Ok(Rig::new(stage, config))
}

/// What the receiving poller uses with each rate.
fn costs(rig: &mut Rig, rounds: usize, run: &Run) -> Result<Vec<Samples>> {
    let mut control = rig.control()?;
    let daemon = rig.daemon()?.pid();
    let poller = threads_named(daemon, "onair-b")?.pop_first();
    let poller = poller.context("the daemon has no such poller")?;
    let percent = || -> Result<f64> {
        let before = cpu_time(daemon, poller)?;
        std::thread::sleep(WINDOW);
        let used = cpu_time(daemon, poller)?.saturating_sub(before);
        Ok(100.0 * used.as_secs_f64() / WINDOW.as_secs_f64())
    };
    let mut all = Vec::new();
    for rate in RATES {
        let raster = Raster::new(1280, 720, rate, 10);
        control.create(&receive("in", raster, UDP))?;
        control.create(&send("out", raster, UDP, Source::Pattern))?;
        std::thread::sleep(WINDOW);
        let mut samples = Samples::default();
        for _ in 0..rounds {
            samples.push(percent()?);
            run.step();
        }
        control.stop("out")?;
        wait_for("the last packets", 20, || {
            Ok(packets(&mut control, "out")? == packets(&mut control, "in")?)
        })
        .context("packets were lost")?;
        let counters = control.show("in")?.counters;
        let (lost, came) = (counters.packets_lost, counters.packets);
        ensure!(lost == 0, "{lost} packets were lost");
        ensure!(came > 0, "no packet came");
        control.end("out")?;
        control.end("in")?;
        all.push(samples);
    }
    Ok(all)
}

fn packets(control: &mut Control, name: &str) -> Result<f64> {
    Ok(float(control.show(name)?.counters.packets))
}
