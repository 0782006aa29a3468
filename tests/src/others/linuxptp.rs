//! linuxptp's own programs, so started that they cannot set this machine's clock: ptp4l runs with
//! `free_running`, and the kernel has taken the right to set clocks from it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Deadline, Running, Stage, wait_for};

/// How long ptp4l may take to open its socket.
const TIMEOUT_S: u64 = 20;
/// PTP domain of the tests: not the default, so that it must be found.
const DOMAIN: u8 = 7;

/// A `ptp4l` in the stage's namespace, with software timestamps. It is killed when
/// dropped.
#[derive(Debug)]
pub struct Ptp4l {
    running: Running,
    socket: PathBuf,
}

impl Ptp4l {
    /// One that becomes the grandmaster, on `interface`.
    pub fn grandmaster(stage: &Stage, interface: &str) -> Result<Self> {
        Self::grandmaster_over("-2", stage, interface)
    }

    /// The same over Ethernet (`-2`), or UDP (`-4`).
    pub fn grandmaster_over(transport: &str, stage: &Stage, interface: &str) -> Result<Self> {
        Self::start(stage, "grandmaster", (transport, interface), "priority1 1")
    }

    /// One that never becomes a master, on `interface`.
    pub fn slave(stage: &Stage, interface: &str) -> Result<Self> {
        Self::slave_over("-2", stage, interface)
    }

    /// The same, as [`Self::grandmaster_over`].
    pub fn slave_over(transport: &str, stage: &Stage, interface: &str) -> Result<Self> {
        Self::start(stage, "slave", (transport, interface), "slaveOnly 1")
    }

    /// Waits until it has measured an offset and a delay.
    pub fn has_measured(&self) -> Result<()> {
        wait_for("an offset and a delay", TIMEOUT_S, || {
            let set = self.pmc("GET CURRENT_DATA_SET")?;
            let mut words = set.split_whitespace();
            let mut value = |key| {
                words.find(|word| *word == key)?;
                words.next()?.parse::<f64>().ok()
            };
            let keys = ["stepsRemoved", "offsetFromMaster", "meanPathDelay"].map(&mut value);
            Ok(
                matches!(keys, [Some(1.0), Some(offset), Some(delay)] if offset != 0.0 && delay > 0.0),
            )
        })
    }

    /// Where the one of [`Self::slave`] is asked.
    #[must_use]
    pub fn socket_of_the_slave(stage: &Stage) -> PathBuf {
        stage.directory().join("slave.ptp4l")
    }

    fn start(
        stage: &Stage,
        name: &str,
        (transport, interface): (&str, &str),
        more: &str,
    ) -> Result<Self> {
        let file = |extension| stage.directory().join(format!("{name}.{extension}"));
        let (config, socket) = (file("conf"), file("ptp4l"));
        let text = format!(
            "[global]\n{more}\ndomainNumber {DOMAIN}\nuds_address {}\ntime_stamping software\n\
             free_running 1\nlogAnnounceInterval -3\nlogSyncInterval -3\nlogMinDelayReqInterval -3\n",
            socket.display()
        );
        std::fs::write(&config, text)?;
        let log = std::fs::File::create(file("log"))?;
        let child = stage
            .command_inside("setpriv")
            .args(["--bounding-set", "-sys_time", "--inh-caps", "-sys_time"])
            .args(["ptp4l", "-m", transport, "-i", interface, "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting setpriv with ptp4l")?;
        let running = Running::new(name, child)?;
        let mut this = Self { running, socket };
        wait_for("ptp4l to answer", TIMEOUT_S, || {
            ensure!(this.running.ended()?.is_none(), "ptp4l has ended");
            Ok(this.pmc("GET DEFAULT_DATA_SET")?.contains("clockIdentity"))
        })?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", this.running.pid()))?;
        let effective = status.lines().find_map(|it| it.strip_prefix("CapEff:"));
        let effective = u64::from_str_radix(effective.context("its rights")?.trim(), 16)?;
        // CAP_SYS_TIME of capabilities(7).
        ensure!(effective & 1 << 25 == 0, "ptp4l may set the clock");
        Ok(this)
    }

    /// What `pmc` prints for a command.
    pub fn pmc(&self, command: &str) -> Result<String> {
        let output = std::process::Command::new("pmc")
            .args(["-u", "-b", "0", "-d", &DOMAIN.to_string(), "-s"])
            .arg(&self.socket)
            .arg("-i")
            .arg(own_socket(&self.socket))
            .arg(command)
            .output()
            .context("running pmc")?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Its identity, as descriptions write it.
    pub fn identity(&self) -> Result<String> {
        let printed = self.pmc("GET DEFAULT_DATA_SET")?;
        let mut words = printed.split_whitespace();
        words.find(|word| *word == "clockIdentity");
        // 5211d0.fffe.37ba64
        let digits = words.next().context("an identity")?.replace('.', "");
        let bytes = digits.to_uppercase();
        let bytes: Vec<_> = bytes.as_bytes().chunks(2).collect();
        let bytes = bytes.into_iter().map(std::str::from_utf8);
        Ok(bytes.collect::<Result<Vec<_>, _>>()?.join("-"))
    }

    /// Announces PTP's time scale with this offset of UTC, as a clock of class `class`. A slave takes a
    /// new offset only with another class.
    pub fn announce(&self, class: u8, tai_minus_utc_s: u64) -> Result<()> {
        self.pmc(&format!(
            "SET GRANDMASTER_SETTINGS_NP clockClass {class} clockAccuracy 0x20 offsetScaledLogVariance 0x436a \
             currentUtcOffset {tai_minus_utc_s} leap61 0 leap59 0 currentUtcOffsetValid 1 ptpTimescale 1 \
             timeTraceable 1 frequencyTraceable 1 timeSource 0x20"
        ))?;
        Ok(())
    }

    /// Tells a free-running clock that another steers it well: its port counts as synchronised from then on.
    pub fn vouch(&self) -> Result<()> {
        self.pmc("SET SYNCHRONIZATION_UNCERTAIN_NP 0")?;
        Ok(())
    }

    /// SIGKILL; its socket's file stays.
    pub fn kill(mut self) -> Result<()> {
        self.running.kill()?;
        self.running.wait(Deadline::seconds(TIMEOUT_S)).ok();
        ensure!(self.socket.exists(), "a killed ptp4l leaves its socket");
        Ok(())
    }
}

/// Beside ptp4l's: pmc's default is one for each pid in `/var/run`.
fn own_socket(socket: &Path) -> PathBuf {
    socket.with_extension("pmc")
}
