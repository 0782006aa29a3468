//! Helper threads that inspect client processes for the control thread.
//!
//! A read of what a client controls may take long (the list of 8,000 threads) or never return (a page of a
//! file whose server does not answer). The control thread asks here and continues; each question
//! gets one [`Finding`], at the latest after its limit. Questions about one process run one after
//! the other, and processes take turns: a process with expensive questions delays only its own.

use std::any::Any;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use onair_engine::clients::inspection::{
    Finding, Inspection, InspectionTask, Look, SiteLook, Sites,
};
use onair_ipc::memory::EventCountFile;
use onair_probe::{Looker, SiteChecker};
use onair_workers::absence::extended;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::threads::Proc;

/// Questions in progress at the same time.
const THREADS: usize = 4;
/// Number of hanging threads above which no new ones start.
const MAX_HANGING: usize = 64;
/// Most questions that one look at a process's sites answers, 0.1 ms each or more while threads of the
/// process end: the look has the time of one.
const TOGETHER: usize = 128;

/// The handle, owned by the control thread. Dropping it ends the threads that do not hang.
#[derive(Debug)]
pub struct Inspector {
    shared: Arc<InspectorShared>,
    findings: Option<UnboundedReceiver<Finding>>,
}

#[derive(Debug)]
struct InspectorShared {
    queue: Mutex<Queue>,
    changed: Condvar,
    found: UnboundedSender<Finding>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: HashMap<u64, VecDeque<Inspection>>,
    /// The processes that wait, the next one first.
    turns: VecDeque<u64>,
    /// Running looks, by thread number.
    running: HashMap<u64, Running>,
    /// Processes with a look that hangs.
    hanging: HashSet<u64>,
    /// Number of threads that take questions.
    serving: usize,
    started: u64,
    closed: bool,
}

struct Running {
    about: u64,
    until: Instant,
    late: Vec<Look>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("about", &self.about)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl Inspector {
    /// Starts the threads.
    ///
    /// # Errors
    /// The kernel's: cannot create a thread.
    pub fn start() -> std::io::Result<Self> {
        let (found, findings) = unbounded_channel();
        let shared = InspectorShared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            found,
        };
        let shared = Arc::new(shared);
        shared.start_missing(&mut shared.queue())?;
        Ok(Self {
            shared,
            findings: Some(findings),
        })
    }

    /// The receiver of the findings: there is one.
    ///
    /// # Panics
    /// On the second call.
    pub fn take_findings(&mut self) -> UnboundedReceiver<Finding> {
        self.findings.take().expect("the actor takes it once")
    }

    /// Queues a question. Never blocks.
    pub fn ask(&self, inspection: Inspection) {
        let mut queue = self.shared.queue();
        if queue.hanging.contains(&inspection.about) || queue.serving == 0 {
            drop(queue);
            self.shared.answer((inspection.late)(&Proc));
            return;
        }
        let about = inspection.about;
        let waiting = queue.waiting.entry(about).or_default();
        waiting.push_back(inspection);
        let is_first = waiting.len() == 1;
        if is_first {
            queue.turns.push_back(about);
        }
        // A thread that inspects the process looks for more when it is done.
        let wakes = is_first && !queue.is_busy(about);
        drop(queue);
        if wakes {
            self.shared.changed.notify_one();
        }
    }

    /// When the first running look times out.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        let queue = self.shared.queue();
        queue.running.values().map(|running| running.until).min()
    }

    /// Gives up on looks that took too long at `now`: their threads are abandoned, and other
    /// questions about the same process are answered as late, too. A look that this comes too late for has more time:
    /// it did not run either.
    pub fn expire(&self, now: Instant) {
        let mut queue = self.shared.queue();
        for running in queue.running.values_mut() {
            if let Some(later) = extended(running.until, now) {
                running.until = later;
            }
        }
        let over = |_: &u64, running: &mut Running| running.until <= now;
        let over: Vec<Running> = queue.running.extract_if(over).map(|(_, it)| it).collect();
        let mut late = Vec::new();
        for running in over {
            queue.serving -= 1;
            queue.hanging.insert(running.about);
            late.extend(running.late);
            let waiting = queue.waiting.remove(&running.about);
            late.extend(waiting.into_iter().flatten().map(|it| it.late));
            queue.turns.retain(|about| *about != running.about);
        }
        if let Err(error) = self.shared.start_missing(&mut queue) {
            tracing::error!(%error, "cannot start a thread that looks at clients");
        }
        if queue.serving == 0 {
            let waiting = std::mem::take(&mut queue.waiting);
            queue.turns.clear();
            late.extend(waiting.into_values().flatten().map(|it| it.late));
        }
        drop(queue);
        for late in late {
            self.shared.answer(late(&Proc));
        }
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.changed.notify_all();
    }
}

impl InspectorShared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, finding: Finding) {
        // An actor that has ended needs no answer.
        let _ = self.found.send(finding);
    }

    /// Starts threads to replace hanging ones, unless too many hang.
    fn start_missing(self: &Arc<Self>, queue: &mut Queue) -> std::io::Result<()> {
        while queue.serving < THREADS && queue.hanging.len() < MAX_HANGING {
            queue.started += 1;
            let (number, shared) = (queue.started, Arc::clone(self));
            std::thread::Builder::new()
                .name("inspector".into())
                .spawn(move || shared.serve(number))?;
            queue.serving += 1;
        }
        Ok(())
    }

    fn serve(&self, number: u64) {
        loop {
            let mut queue = self.queue();
            let inspections = loop {
                if queue.closed {
                    return;
                }
                match queue.take() {
                    Some(inspections) => break inspections,
                    None => {
                        queue = self
                            .changed
                            .wait(queue)
                            .unwrap_or_else(PoisonError::into_inner);
                    }
                }
            };
            let (about, until) = (inspections[0].about, Instant::now() + inspections[0].limit);
            let parts = inspections.into_iter().map(|it| (it.look, it.late));
            let (looks, late) = parts.unzip();
            let running = Running { about, until, late };
            queue.running.insert(number, running);
            drop(queue);
            let finding = look_at(looks);
            let mut queue = self.queue();
            if queue.running.remove(&number).is_none() {
                // The look timed out. Another thread may have replaced this one.
                queue.hanging.remove(&about);
                if queue.serving >= THREADS {
                    return;
                }
                queue.serving += 1;
                continue;
            }
            drop(queue);
            self.answer(finding);
            // Another question may wait for this process.
            self.changed.notify_one();
        }
    }
}

impl Queue {
    /// Whether a thread inspects this process now.
    fn is_busy(&self, about: u64) -> bool {
        self.running.values().any(|it| it.about == about)
    }

    /// The next question, of the next process that no other thread is inspecting; if it is about
    /// sites, all of these about the process.
    fn take(&mut self) -> Option<Vec<Inspection>> {
        let at = self.turns.iter().position(|about| !self.is_busy(*about))?;
        let about = self.turns.remove(at)?;
        let waiting = self.waiting.get_mut(&about)?;
        let mut taken = vec![waiting.pop_front()?];
        let is_of_sites = |it: &Inspection| matches!(it.look, InspectionTask::Sites(..));
        if is_of_sites(&taken[0]) {
            let mut at = 0;
            while at < waiting.len() && taken.len() < TOGETHER {
                if is_of_sites(&waiting[at]) {
                    taken.extend(waiting.remove(at));
                } else {
                    at += 1;
                }
            }
        }
        if waiting.is_empty() {
            self.waiting.remove(&about);
        } else {
            self.turns.push_back(about);
        }
        Some(taken)
    }
}

/// Runs looks that were taken together.
fn look_at(looks: Vec<InspectionTask>) -> Finding {
    let (mut lookers, mut told) = (Vec::new(), Vec::new());
    for look in looks {
        match look {
            // It is the only one.
            InspectionTask::Alone(look) => return look(&Proc),
            InspectionTask::Sites(look, tell) => {
                lookers.push(looker(look));
                told.push(tell);
            }
        }
    }
    let begin = Instant::now();
    let seen = Looker::look_together(&lookers);
    let cost = begin.elapsed();
    let found = told.into_iter().zip(seen);
    Finding::Several(found.map(|(tell, seen)| tell(seen, cost)).collect())
}

/// The sites of an armed client.
#[derive(Debug)]
pub struct ArmedSites(pub SiteChecker);

struct RealLook(Looker);

impl SiteLook for RealLook {}

impl Sites for ArmedSites {
    fn watch_event_counts(&self, session: u64, event_counts: EventCountFile) {
        self.0.watch_event_counts(session, event_counts);
    }

    fn look(&self) -> Box<dyn SiteLook> {
        Box::new(RealLook(self.0.looker()))
    }
}

/// How a helper thread looks at sites of this machine.
fn looker(look: Box<dyn SiteLook>) -> Looker {
    let look: Box<dyn Any> = look;
    let look = look.downcast::<RealLook>();
    look.expect("each watched client has armed sites").0
}

#[cfg(test)]
mod tests;
