//! One machine, from its start to its end.

use std::io::{Read as _, Write as _, stdout};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, SystemTime};
use std::{fs, thread};

use anyhow::{Context as _, Result, bail, ensure};
use onair_stage::{Deadline, Guard, Run, end_run, guard};

use super::folder::RunFolder;
use super::image::Image;
use super::job::{CALIBRATION, Job, Script, factor, scaled};
use super::payload::{Payload, Tree};
use super::qemu::{Acceleration, Hardware, QEMU, arguments};
use super::stream::{Event, Stream};
use crate::cargo::root;
use crate::say;

/// From QEMU's start to the script. Software emulation takes half a minute on two idle cores.
const BOOT: Duration = Duration::from_secs(600);
/// Between two reports, beyond what a job may take; multiplied like a job's limit.
const SLACK: Duration = Duration::from_secs(60);
/// QEMU ends at once on SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// Lines of the machine's console that an error shows.
const TAIL: usize = 25;

/// A machine that can be booted.
pub(crate) struct Machine {
    pub(crate) image: Image,
    pub(crate) hardware: Hardware,
    pub(crate) acceleration: Acceleration,
    pub(crate) tree: Tree,
    pub(crate) jobs: Vec<Job>,
}

impl Machine {
    /// Boots it, gives each event to `take`, and returns when it is off.
    ///
    /// # Errors
    /// When it does not boot, stops reporting, or powers off too early.
    pub(crate) fn boot(&self, mut take: impl FnMut(Event) -> Result<()>) -> Result<()> {
        let folder = RunFolder::new()?;
        let host = calibrate()?;
        let token = token()?;
        let script = Script {
            token: &token,
            host,
            tree: &self.tree.folder,
            root: root(),
            jobs: &self.jobs,
        };
        Payload {
            tree: &self.tree,
            script: &script.text(),
        }
        .write(folder.path())?;
        say::step(format_args!(
            "Machine: kernel of {}, {}",
            self.image.kernel, self.acceleration
        ));
        let done = self.captured(folder.path(), &token, host, &mut take);
        if done.is_err() {
            show_logs(folder.path());
        }
        done
    }

    fn captured(
        &self,
        run: &Path,
        token: &str,
        host: u64,
        take: &mut impl FnMut(Event) -> Result<()>,
    ) -> Result<()> {
        let mut qemu = Qemu::start(self.command(run), run, |command| {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        })?;
        // At the end of its input QEMU would close the port.
        let _input = qemu.child.stdin.take();
        let events = events(&mut qemu.child, Stream::new(token));
        let mut progress = Progress::new(host, &self.jobs);
        loop {
            match events.recv_timeout(progress.deadline.left()) {
                Ok(event) => {
                    progress.see(&event);
                    take(event)?;
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => bail!(
                    "the machine reported nothing for {} s while {}",
                    progress.deadline.span().as_secs(),
                    progress.state
                ),
            }
        }
        let status = qemu.wait()?;
        ensure!(
            status.success() && progress.booted,
            "QEMU ended ({status}) while {}",
            progress.state
        );
        Ok(())
    }

    fn command(&self, run: &Path) -> Vec<String> {
        arguments(&self.image, &self.hardware, self.acceleration, run)
    }
}

/// What the machine does now, and until when it must report.
struct Progress<'a> {
    host: u64,
    jobs: &'a [Job],
    factor: u64,
    booted: bool,
    state: String,
    deadline: Deadline,
}

impl<'a> Progress<'a> {
    fn new(host: u64, jobs: &'a [Job]) -> Self {
        Self {
            host,
            jobs,
            factor: 100,
            booted: false,
            state: "it booted".to_owned(),
            deadline: Deadline::after(BOOT),
        }
    }

    fn see(&mut self, event: &Event) {
        let limit = match event {
            // It has no end of its own: a job that writes without end is ended by its limit.
            Event::Output(_) => return,
            Event::Booted { .. } => {
                self.booted = true;
                "its speed was measured".clone_into(&mut self.state);
                self.deadline = Deadline::after(BOOT);
                return;
            }
            Event::Calibrated { micros } => {
                self.factor = factor(self.host, *micros);
                say::note(format_args!(
                    "limits are multiplied by {}.{:02}",
                    self.factor / 100,
                    self.factor % 100
                ));
                Duration::ZERO
            }
            Event::Begun { name } => {
                self.state = format!("it ran {name}");
                let job = self.jobs.iter().find(|job| job.name == *name);
                job.map_or(Duration::ZERO, |job| job.limit)
            }
            Event::Ended { .. } => {
                "it powered off".clone_into(&mut self.state);
                Duration::ZERO
            }
        };
        self.deadline = Deadline::after(scaled(limit + SLACK, self.factor));
    }
}

/// A running QEMU, ended when it is dropped.
struct Qemu {
    child: Child,
    run: Run,
    _guard: Guard,
}

impl Qemu {
    fn start(
        arguments: Vec<String>,
        folder: &Path,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        let run = Run::next()?;
        let guard = guard(move || end(run))?;
        let mut command = run.command(QEMU);
        command
            .args(arguments)
            .stderr(fs::File::create(folder.join("qemu.log"))?);
        prepare(&mut command);
        let child = command.spawn().context("running QEMU")?;
        Ok(Self {
            child,
            run,
            _guard: guard,
        })
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().context("waiting for QEMU")
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        end(self.run);
        if let Err(error) = self.child.wait() {
            say::warning(format_args!("waiting for QEMU: {error}"));
        }
    }
}

fn end(run: Run) {
    if let Err(error) = end_run(run, GRACE) {
        say::warning(format_args!("{error:#}"));
    }
}

/// Reads the child's stdout on a thread of its own, until it is closed.
fn events(child: &mut Child, mut stream: Stream) -> Receiver<Event> {
    let (sender, receiver) = sync_channel(64);
    let mut output = child.stdout.take().expect("it is piped");
    thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            for event in stream.push(&buffer[..count]) {
                if sender.send(event).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

/// The time of the calibration loop on this machine, in µs.
fn calibrate() -> Result<u64> {
    let done = Command::new("bash")
        .args(["-c", CALIBRATION])
        .stdin(Stdio::null())
        .output()
        .context("running bash")?;
    let text = String::from_utf8_lossy(&done.stdout);
    text.trim()
        .parse()
        .with_context(|| format!("the calibration loop printed {text:?}"))
}

/// No output of a job has it by accident.
fn token() -> Result<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(format!("onair-{}-{}", std::process::id(), now.as_nanos()))
}

/// Shows the end of what QEMU and the machine said.
fn show_logs(run: &Path) {
    for name in ["qemu.log", "console.log"] {
        let log = fs::read(run.join(name)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        for line in &lines[lines.len().saturating_sub(TAIL)..] {
            say::note(format_args!("{name}: {line}"));
        }
    }
}

/// Tells the user of an event that is no output.
pub(crate) fn report(event: &Event) {
    if let Event::Booted { uptime, release } = event {
        say::good(format_args!("booted Linux {release} in {uptime} s"));
    }
}

/// Passes a job's output on.
pub(crate) fn to_stdout(bytes: &[u8]) -> Result<()> {
    let mut stdout = stdout().lock();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_has_the_limit_of_its_work_times_its_slowness() {
        let jobs = [Job {
            name: "demo".to_owned(),
            command: "true".to_owned(),
            limit: Duration::from_secs(90),
        }];
        let mut progress = Progress::new(1000, &jobs);
        let seen = |progress: &mut Progress<'_>, event| {
            progress.see(&event);
            progress.deadline.span().as_secs()
        };
        assert_eq!(progress.deadline.span(), BOOT);
        let booted = Event::Booted {
            uptime: "30".to_owned(),
            release: "6.1".to_owned(),
        };
        assert_eq!(seen(&mut progress, booted), BOOT.as_secs());
        let slow = Event::Calibrated { micros: 4000 };
        assert_eq!(seen(&mut progress, slow), 240);
        let name = "demo".to_owned();
        assert_eq!(seen(&mut progress, Event::Begun { name }), 600);
        assert_eq!(seen(&mut progress, Event::Output(vec![0])), 600);
        let (name, status) = ("demo".to_owned(), 0);
        assert_eq!(seen(&mut progress, Event::Ended { name, status }), 240);
        assert!(progress.booted);
    }
}
