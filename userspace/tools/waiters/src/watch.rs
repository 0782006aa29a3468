//! The loop: find processes, watch their files, list.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use onair_ebpf::process::{Survey, SurveyError, survey};

use crate::clock::Now;
use crate::kernel::Kernel;
use crate::options::Options;
use crate::report::Listing;
use crate::row::{Row, RowSource, merge};
use crate::{daemon, proc};

/// Longest time to inspect one process: its files may lie on a file system that does not answer.
const LOOK: Duration = Duration::from_secs(2);

/// Most failed processes that are listed individually.
const MOST_SAID: usize = 4;

/// Completeness of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchEnd {
    /// All was inspected.
    Complete,
    /// Something could not be inspected.
    Incomplete,
}

struct Watcher {
    pids: Vec<u32>,
    kernel: Option<Kernel>,
    processes: BTreeMap<u32, Survey>,
    missing: Vec<String>,
    no_probe: bool,
}

/// Lists once or repeatedly.
pub(crate) fn run(options: &Options) -> Result<WatchEnd> {
    let mut watcher = Watcher {
        pids: options.pid.clone(),
        kernel: None,
        processes: BTreeMap::new(),
        missing: Vec::new(),
        no_probe: options.no_probe,
    };
    if !options.no_probe {
        match Kernel::load() {
            Ok(kernel) => watcher.kernel = Some(kernel),
            Err(error) => {
                watcher.no_probe = true;
                watcher
                    .missing
                    .push(format!("cannot load the probe (run as root): {error:#}"));
            }
        }
    }
    let start = watcher.missing.clone();
    let mut pause = options.observe;
    loop {
        watcher.missing.clone_from(&start);
        watcher.look()?;
        thread::sleep(pause);
        let report = watcher.list();
        let complete = report.missing.is_empty();
        print(&report, options)?;
        match options.watch {
            Some(again) => pause = again,
            None if complete => return Ok(WatchEnd::Complete),
            None => return Ok(WatchEnd::Incomplete),
        }
    }
}

impl Watcher {
    /// Finds the processes and watches the new ones.
    fn look(&mut self) -> Result<()> {
        let named = !self.pids.is_empty();
        let pids = if named {
            self.pids.clone()
        } else {
            proc::processes()
        };
        let mut seen = BTreeMap::new();
        let mut failed = Vec::new();
        for pid in pids {
            match survey_in_time(pid) {
                Ok(survey) => {
                    if let Some(kernel) = &mut self.kernel
                        && let Err(error) = kernel.watch(pid, &survey.files)
                    {
                        failed.push(format!("process {pid} is not watched: {error:#}"));
                    }
                    seen.insert(pid, survey);
                }
                Err(NotInspected::Survey(
                    SurveyError::NoSites { .. } | SurveyError::Gone { .. },
                )) if !named => {}
                Err(look) => failed.push(look.to_string()),
            }
        }
        self.processes = seen;
        if named && self.processes.is_empty() {
            bail!("{}", failed.join("; "));
        }
        // Without privileges it is nearly every process.
        let more = failed.len().saturating_sub(MOST_SAID);
        failed.truncate(MOST_SAID);
        self.missing.append(&mut failed);
        if more > 0 {
            self.missing.push(format!("and {more} more processes"));
        }
        Ok(())
    }

    fn is_wanted(&self, pid: u32) -> bool {
        self.pids.is_empty() || self.pids.contains(&pid)
    }

    fn list(&mut self) -> Listing {
        let own = self
            .kernel
            .as_ref()
            .and_then(|kernel| kernel.waiters_id().ok());
        let probed = self.kernel.as_ref().map(Kernel::waiters).transpose();
        let daemons = daemon::waiters(own);
        // Read last: a caller that began to wait meanwhile is in a map, too.
        let asleep: Vec<Row> = self
            .processes
            .iter()
            .flat_map(|(&pid, survey)| proc::blocked(pid, survey))
            .collect();
        let now = Now::read();
        let mut rows = asleep;
        let mut missing = self.missing.clone();
        for (source, waiters) in [
            (RowSource::Probe, probed.map(Option::unwrap_or_default)),
            (RowSource::Onaird, daemons),
        ] {
            match waiters {
                Ok(waiters) => rows.extend(
                    waiters
                        .iter()
                        .filter(|waiter| self.is_wanted(waiter.ns_tgid))
                        .map(|waiter| Row::of(waiter, source, now)),
                ),
                // Without privileges no daemon's map is visible; that was reported already.
                Err(_) if self.no_probe => {}
                Err(error) => missing.push(format!("{}: {error:#}", source.name())),
            }
        }
        Listing {
            at: now.wall_at(now.monotonic),
            probe: self.kernel.is_some(),
            processes: self.processes.len(),
            waiters: merge(rows),
            missing,
        }
    }
}

/// Why a process was not inspected.
enum NotInspected {
    Survey(SurveyError),
    Hangs(u32),
}

impl std::fmt::Display for NotInspected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Survey(error) => {
                write!(f, "{error}")?;
                let mut next = std::error::Error::source(error);
                while let Some(error) = next {
                    write!(f, ": {error}")?;
                    next = error.source();
                }
                Ok(())
            }
            Self::Hangs(pid) => write!(
                f,
                "the inspection of process {pid} did not return in {LOOK:?}"
            ),
        }
    }
}

fn survey_in_time(pid: u32) -> Result<Survey, NotInspected> {
    let (reply, answer) = channel();
    // A hanging thread is left behind; it ends with this process.
    let started = thread::Builder::new().spawn(move || reply.send(survey(pid)));
    if let Err(source) = started {
        return Err(NotInspected::Survey(SurveyError::Read {
            path: format!("/proc/{pid}"),
            source,
        }));
    }
    match answer.recv_timeout(LOOK) {
        Ok(result) => result.map_err(NotInspected::Survey),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            Err(NotInspected::Hangs(pid))
        }
    }
}

fn print(report: &Listing, options: &Options) -> Result<()> {
    let mut text = match (options.json, options.watch) {
        (true, Some(_)) => serde_json::to_string(report)?,
        (true, None) => serde_json::to_string_pretty(report)?,
        (false, _) => report.text(),
    };
    if options.json {
        text.push('\n');
    } else {
        for missing in &report.missing {
            eprintln!("onair-waiters: {missing}");
        }
    }
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .context("stdout")
}
