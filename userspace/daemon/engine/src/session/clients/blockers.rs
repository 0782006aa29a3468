//! Lists the users of a session by name, from the slots, the ledger's words and the probe.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use onair_api::{Blocker, BlockerKind, HeldFrame, WaitsIn, Who, Witness};
use onair_ipc::frame_word::FrameState;
use onair_ipc::layout::OWN_SLOTS;
use onair_ipc::lender::LoanedFrame;
use onair_ipc::slot::{Operation, SlotReading};
use onair_probe::Waiter;
use onair_session::Attachment;
use onair_session::Moment;

use crate::clients::inspection::{Finding, Inspection, InspectionTask};
use crate::clients::processes::{Processes, Thread, Threads};
use crate::services::Services;

/// A frame held outside every call for this long, in ms, is reported as forgotten. Reading one
/// frame never takes so long.
const FORGOTTEN_MS: u64 = 5000;
/// Time limit for one list; a thread that is not named within half of it has no name.
const LIMIT: Duration = Duration::from_secs(2);

/// The users of a session according to the shared memory, the ledger and the probe. Thread names
/// are still missing: finding them takes time that depends on the clients.
#[derive(Clone, Debug)]
pub struct Draft {
    clients: Vec<BlockingClient>,
    /// Callers that the kernel saw, including those that only the kernel saw.
    waiters: Vec<Waiter>,
    /// Blockers without a thread.
    more: Vec<Blocker>,
    now: Moment,
}

/// One attachment that has users.
#[derive(Clone, Debug)]
struct BlockingClient {
    attachment: u64,
    who: Who,
    library: String,
    disconnected: bool,
    /// The slots that count a user.
    counted: Vec<SlotReading>,
    slots: Vec<SlotReading>,
    held: BTreeMap<u16, Vec<HeldFrame>>,
}

impl Draft {
    /// Reads the shared memory of the attachments. `waiters` come from the probe.
    ///
    /// Each attachment comes with its client's library.
    pub fn of<'a>(
        attachments: impl Iterator<Item = (&'a Attachment, &'a str)>,
        waiters: Vec<Waiter>,
        now: Moment,
    ) -> Self {
        Self {
            clients: attachments
                .filter_map(|(it, library)| BlockingClient::of(it, library, now.monotonic_ns))
                .collect(),
            waiters,
            more: Vec::new(),
            now,
        }
    }

    /// The time of the draft, `CLOCK_MONOTONIC`.
    pub fn now(&self) -> u64 {
        self.now.monotonic_ns
    }

    /// Adds a blocker without a thread.
    pub fn add(&mut self, blocker: Blocker) {
        self.more.push(blocker);
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.waiters.is_empty() && self.more.is_empty()
    }

    /// Whether the list has a blocker of this attachment.
    pub fn has(&self, attachment: u64) -> bool {
        let known = self.more.iter().filter_map(|it| it.attachment);
        let waiting = self.waiters.iter().map(|it| it.attachment);
        let clients = self.clients.iter().map(|it| it.attachment);
        clients
            .chain(waiting)
            .chain(known)
            .any(|it| it == attachment)
    }

    /// The list, with the thread names that are found before `deadline`.
    pub fn list(&self, processes: &dyn Processes, deadline: Instant) -> Vec<Blocker> {
        let mut waiters = self.waiters.clone();
        let mut blockers = Vec::new();
        for client in &self.clients {
            let names = Names::of(processes, client.who.pid, deadline);
            client.list(&names, &mut waiters, self.now, &mut blockers);
        }
        // Callers that only the kernel saw: the client changed their slots.
        let unseen = waiters
            .iter()
            .map(|it| only_the_kernel_saw(processes, it, self.now, deadline));
        blockers.extend(unseen);
        blockers.extend(self.more.iter().cloned());
        for blocker in &mut blockers {
            note_if_stopped(processes, blocker, deadline);
        }
        blockers
    }
}

/// Says of a stopped process how it goes on: it returns nothing until then.
fn note_if_stopped(processes: &dyn Processes, blocker: &mut Blocker, deadline: Instant) {
    let pid = blocker.pid;
    if blocker.kernel_state.is_none() && processes.now() < deadline {
        let state = processes.thread(pid, pid).map(|thread| thread.state);
        blocker.kernel_state = state.filter(|state| state == Blocker::STOPPED);
    }
    if blocker.is_stopped() {
        let stopped = format!("its process is stopped: `kill -CONT {pid}` lets it go on");
        let notes = blocker.note.take().into_iter().chain([stopped]);
        blocker.note = Some(notes.collect::<Vec<_>>().join("; "));
    }
}

fn only_the_kernel_saw(
    processes: &dyn Processes,
    waiter: &Waiter,
    now: Moment,
    deadline: Instant,
) -> Blocker {
    let (pid, tid) = (waiter.ns_tgid, waiter.ns_tid);
    let in_time = processes.now() < deadline;
    let thread = in_time.then(|| processes.thread(pid, tid)).flatten();
    Blocker {
        pid,
        tid: Some(tid),
        command: processes.command_of(pid),
        thread: onair_api::printable(&waiter.comm),
        attachment: Some(waiter.attachment),
        client_version: String::new(),
        kind: BlockerKind::Blocked,
        since: now.wall_at(waiter.since),
        blocked_for_ms: Some(ms(now.monotonic_ns, waiter.since)),
        waits_in: Some(WaitsIn::Unknown),
        kernel_state: thread.map(|thread| thread.state),
        wait_channel: in_time.then(|| processes.wait_channel(pid, tid)).flatten(),
        held_frames: Vec::new(),
        seen_by: vec![Witness::W2],
        note: Some("its slot in shared memory does not count it: only the kernel sees it".into()),
    }
}

/// The threads of a client, as far as they are found in time.
struct Names<'a> {
    processes: &'a dyn Processes,
    pid: u32,
    deadline: Instant,
    threads: Box<dyn Threads>,
}

impl<'a> Names<'a> {
    fn of(processes: &'a dyn Processes, pid: u32, deadline: Instant) -> Self {
        Self {
            processes,
            pid,
            deadline,
            threads: processes.threads(pid),
        }
    }

    /// The living thread that owns a slot. The number alone is not proof: another thread may have
    /// it now.
    fn owner_of(&self, slot: &SlotReading) -> Option<Thread> {
        let in_time = self.processes.now() < self.deadline;
        let thread = in_time.then(|| self.threads.find(slot.owner)).flatten();
        thread.filter(|thread| !thread.is_younger_than(slot.claimed_at))
    }

    fn wait_channel(&self, thread: Option<&Thread>) -> Option<String> {
        let thread = thread.filter(|_| self.processes.now() < self.deadline)?;
        self.processes.wait_channel(self.pid, thread.tid)
    }
}

impl BlockingClient {
    fn of(attachment: &Attachment, library: &str, now: u64) -> Option<Self> {
        let memory = &attachment.memory;
        let slots = memory.slots();
        let mut held: BTreeMap<u16, Vec<HeldFrame>> = BTreeMap::new();
        for (frame, _, slot) in memory.held() {
            held.entry(slot).or_default().push(HeldFrame {
                frame,
                age_ms: ms(now, memory.loaned_since(frame)),
            });
        }
        let gate = memory.session_gate();
        let counts = |slot: &&SlotReading| {
            slot.count > 0
                && (onair_ipc::gate::is_open(gate) || slot.is_user(gate, slot.index == OWN_SLOTS))
        };
        let counted: Vec<SlotReading> = slots.iter().filter(counts).cloned().collect();
        if counted.is_empty() && held.is_empty() {
            return None;
        }
        Some(Self {
            attachment: attachment.number,
            who: attachment.who.clone(),
            library: library.to_owned(),
            disconnected: attachment.disconnected,
            counted,
            slots,
            held,
        })
    }

    fn blank(&self, names: &Names<'_>, thread: Option<&Thread>, kind: BlockerKind) -> Blocker {
        Blocker {
            pid: self.who.pid,
            tid: thread.map(|thread| thread.tid),
            command: self.who.command.clone(),
            thread: thread.map_or_else(String::new, |thread| thread.name.clone()),
            attachment: Some(self.attachment),
            client_version: self.library.clone(),
            kind,
            since: None,
            blocked_for_ms: None,
            waits_in: None,
            kernel_state: thread.map(|thread| thread.state.clone()),
            wait_channel: names.wait_channel(thread),
            held_frames: Vec::new(),
            seen_by: vec![Witness::W1],
            note: self
                .disconnected
                .then(|| "its connection is closed; it ends with its process".to_owned()),
        }
    }

    fn list(
        &self,
        names: &Names<'_>,
        waiters: &mut Vec<Waiter>,
        now: Moment,
        blockers: &mut Vec<Blocker>,
    ) {
        let mut held = self.held.clone();
        for slot in &self.counted {
            let thread = names.owner_of(slot);
            let kind = match thread {
                _ if slot.index == OWN_SLOTS => BlockerKind::Unattributed,
                Some(_) => BlockerKind::Inside,
                None => BlockerKind::Exited,
            };
            let mut blocker = self.blank(names, thread.as_ref(), kind);
            blocker.waits_in = Some(match slot.operation {
                Operation::Get => WaitsIn::BufferGet,
                Operation::EventPoll => WaitsIn::EventPoll,
                Operation::None => WaitsIn::Unknown,
            });
            blocker.held_frames = held.remove(&slot.index).unwrap_or_default();
            let seen = waiters.iter().position(|waiter| {
                waiter.attachment == self.attachment && waiter.own_tid == slot.owner
            });
            if let Some(waiter) = seen.map(|at| waiters.swap_remove(at)) {
                blocker.kind = BlockerKind::Blocked;
                blocker.since = now.wall_at(waiter.since);
                blocker.blocked_for_ms = Some(ms(now.monotonic_ns, waiter.since));
                blocker.seen_by.push(Witness::W2);
            }
            blockers.push(blocker);
        }
        for (slot, held_frames) in held {
            let owner = self.slots.iter().find(|reading| reading.index == slot);
            let thread = owner.and_then(|reading| names.owner_of(reading));
            let kind = match thread {
                None if slot != OWN_SLOTS => BlockerKind::Exited,
                _ => BlockerKind::Holding,
            };
            let mut blocker = self.blank(names, thread.as_ref(), kind);
            let oldest = held_frames.iter().map(|held| held.age_ms).max();
            blocker.held_frames = held_frames;
            if kind == BlockerKind::Exited {
                blocker.note = Some(
                    "forgotten: the thread that took the frames has ended; its process owns them now"
                        .into(),
                );
            } else if blocker.note.is_none() && oldest.is_some_and(|age| age >= FORGOTTEN_MS) {
                blocker.note =
                    Some("possibly forgotten: held for a long time outside every call".into());
            }
            blockers.push(blocker);
        }
    }
}

/// Called once with the list.
type Then = Box<dyn FnOnce(Vec<Blocker>) -> Finding + Send>;

/// A helper thread names the blockers of `draft`, then calls `then` with the list. After the time
/// limit, `then` gets the list with the names found so far.
pub fn name(
    services: &Services,
    about: u64,
    draft: Draft,
    then: impl FnOnce(Vec<Blocker>) -> Finding + Send + 'static,
) {
    let then: Then = Box::new(then);
    // The second of the two looks finds it taken.
    let then = Arc::new(Mutex::new(Some(then)));
    let finish = |then: &Mutex<Option<Then>>, list: Vec<Blocker>| {
        let then = then.lock().unwrap_or_else(PoisonError::into_inner).take();
        then.map_or(Finding::Told, |then| then(list))
    };
    let (late_then, late_draft) = (Arc::clone(&then), draft.clone());
    let until = services.machine.now() + LIMIT / 2;
    services.machine.inspect(Inspection {
        about,
        limit: LIMIT,
        look: InspectionTask::Alone(Box::new(move |processes| {
            let list = draft.list(processes, until);
            finish(&then, list)
        })),
        // Does not read /proc.
        late: Box::new(move |processes| finish(&late_then, late_draft.list(processes, until))),
    });
}

/// Frames of the attachment that the ledger has and no shared word mentions: the client changed the
/// words, or one of its threads ended between the two writes.
pub fn of_ledger(
    attachment: &Attachment,
    library: &str,
    loans: impl Iterator<Item = LoanedFrame>,
    now: u64,
) -> Option<Blocker> {
    let held_frames: Vec<HeldFrame> = loans
        .filter(|loan| loan.state != Some(FrameState::Held))
        .map(|loan| HeldFrame {
            frame: loan.frame,
            age_ms: ms(now, loan.since_ns),
        })
        .collect();
    if held_frames.is_empty() {
        return None;
    }
    let who = &attachment.who;
    Some(Blocker {
        pid: who.pid,
        tid: None,
        command: who.command.clone(),
        thread: String::new(),
        attachment: Some(attachment.number),
        client_version: library.to_owned(),
        kind: BlockerKind::Holding,
        since: None,
        blocked_for_ms: None,
        waits_in: None,
        kernel_state: None,
        wait_channel: None,
        held_frames,
        seen_by: vec![Witness::W1],
        note: Some(
            "these frames are on loan in the ledger, but not in shared memory: they come \
             back when the process ends"
                .into(),
        ),
    })
}

fn ms(now: u64, then: u64) -> u64 {
    now.saturating_sub(then) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One process, whose threads are all in this state.
    #[derive(Debug)]
    struct In(&'static str);

    impl Processes for In {
        fn now(&self) -> Instant {
            Instant::now()
        }

        fn command_of(&self, _: u32) -> String {
            String::new()
        }

        fn thread(&self, pid: u32, tid: u32) -> Option<Thread> {
            (pid == 7).then(|| Thread {
                tid,
                own_tid: tid,
                name: String::new(),
                state: self.0.into(),
                started_ticks: 0,
                is_ending: false,
                is_exiting: false,
            })
        }

        fn threads(&self, _: u32) -> Box<dyn Threads> {
            unreachable!("no thread is looked for")
        }

        fn wait_channel(&self, _: u32, _: u32) -> Option<String> {
            None
        }

        fn goes_on(&self, _: u32, _: u32, _: u32, _: u64) -> bool {
            true
        }

        fn is_ending(&self, _: u32) -> bool {
            false
        }

        fn is_stopped(&self, _: u32) -> bool {
            false
        }

        fn started_ticks(&self, _: u32) -> Option<u64> {
            None
        }
    }

    #[test]
    fn blocker_of_a_stopped_process_then_noted_how_it_goes_on() {
        let mut blocker = Blocker {
            pid: 7,
            tid: None,
            command: "sleep".into(),
            thread: String::new(),
            attachment: Some(1),
            client_version: String::new(),
            kind: BlockerKind::Holding,
            since: None,
            blocked_for_ms: None,
            waits_in: None,
            kernel_state: None,
            wait_channel: None,
            held_frames: Vec::new(),
            seen_by: vec![Witness::W1],
            note: Some("possibly forgotten".into()),
        };
        let deadline = Instant::now() + LIMIT;
        note_if_stopped(&In("sleeping"), &mut blocker, deadline);
        assert_eq!(blocker.note.as_deref(), Some("possibly forgotten"));
        assert_eq!(blocker.kernel_state, None);
        note_if_stopped(&In(Blocker::STOPPED), &mut blocker, deadline);
        let note = blocker.note.unwrap();
        assert!(note.contains("kill -CONT 7"), "{note}");
    }
}
