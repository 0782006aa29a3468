//! dpdk-testpmd: what it receives on one of two ports it sends on the other, both ways, on one core,
//! without looking at it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use onair_stage::{Deadline, Running, Stage};
use rustix::process::Signal;

use crate::result::samples::float;

/// What one turn measures …
pub(crate) const WINDOW: Duration = Duration::from_millis(200);
/// … after so long, for caches and rings to be as they are under way.
pub(crate) const SETTLE: Duration = Duration::from_millis(50);
/// Bytes of its packets, as those of full ST 2110-20 packets.
pub(crate) const BYTES: u32 = 1480;

/// A running dpdk-testpmd that forwards.
pub(crate) struct Testpmd {
    running: Running,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Testpmd {
    /// Starts it on `core`, forwarding between the two ends of the stage's second cable.
    pub(crate) fn start(stage: &Stage, core: usize, hugepages: bool) -> Result<Self> {
        let ports = [
            "--vdev=net_af_xdp_ta,iface=ta",
            "--vdev=net_af_xdp_tb,iface=tb",
        ];
        Self::between(stage, core, hugepages, ports)
    }

    /// Starts it on `core`, forwarding between two `ports`, as its options name them.
    pub(crate) fn between(
        stage: &Stage,
        core: usize,
        hugepages: bool,
        ports: [&str; 2],
    ) -> Result<Self> {
        let other = usize::from(core == 0);
        let memory: &[&str] = if hugepages {
            &["--in-memory", "-m", "192"]
        } else {
            &["--no-huge", "--no-shconf", "-m", "192"]
        };
        let mut child = stage
            .command_inside("nice")
            // As our pollers.
            .args(["-n", "-20", "stdbuf"])
            // It speaks into a pipe, and shall not keep what it says.
            .args(["--output=L", "dpdk-testpmd"])
            .args(["--no-pci", "--no-telemetry", "--iova-mode=va"])
            .args(memory)
            .arg(format!("--lcores=0@{other},1@{core}"))
            .args(ports)
            .args(["--", "--interactive", "--nb-cores=1", "--forward-mode=io"])
            .args(["--rxd=2048", "--txd=2048", "--burst=32"])
            .args(["--total-num-mbufs=16384", &format!("--txpkts={BYTES}")])
            .env("LIBXDP_SKIP_DISPATCHER", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting dpdk-testpmd: `cargo xtask setup` installs it")?;
        let stdin = child.stdin.take().context("stdin was asked for")?;
        let stdout = child.stdout.take().context("stdout was asked for")?;
        let mut testpmd = Self {
            running: Running::new("dpdk-testpmd", child)?,
            stdin,
            stdout: BufReader::new(stdout),
        };
        testpmd.say("start tx_first 32")?;
        testpmd.received()?;
        Ok(testpmd)
    }

    fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.stdin, "{line}").context("dpdk-testpmd does not listen any more")
    }

    /// Packets that it has received so far, on both ends.
    fn received(&mut self) -> Result<u64> {
        self.say("show port stats all")?;
        let (mut all, mut ports) = (0, 0);
        let mut line = String::new();
        while ports < 2 {
            line.clear();
            if self.stdout.read_line(&mut line)? == 0 {
                bail!("dpdk-testpmd has ended");
            }
            let mut words = line.split_ascii_whitespace();
            if words.next() == Some("RX-packets:") {
                let number = words.next().and_then(|word| word.parse::<u64>().ok());
                all += number.context("no number of packets")?;
                ports += 1;
            }
        }
        Ok(all)
    }

    /// Packets that it received and sent on during `window`, thousand a second.
    pub(crate) fn rate(&mut self, window: Duration) -> Result<f64> {
        let (before, begin) = (self.received()?, Instant::now());
        std::thread::sleep(window);
        let more = self.received()? - before;
        Ok(float(more) / begin.elapsed().as_secs_f64() / 1_000.0)
    }

    /// Has it go on for a window, and stand still again; its rate.
    pub(crate) fn turn(&mut self) -> Result<f64> {
        self.pause(false)?;
        std::thread::sleep(SETTLE);
        let rate = self.rate(WINDOW)?;
        self.pause(true)?;
        Ok(rate)
    }

    /// Has it stand still, or go on.
    pub(crate) fn pause(&mut self, pause: bool) -> Result<()> {
        let signal = if pause { Signal::STOP } else { Signal::CONT };
        self.running.signal(signal)
    }

    /// Asks it to end; how long that took. It must not stand still.
    pub(crate) fn quit(mut self) -> Result<Duration> {
        let begin = Instant::now();
        self.say("quit")?;
        self.running.wait(Deadline::seconds(30))?;
        Ok(begin.elapsed())
    }
}
