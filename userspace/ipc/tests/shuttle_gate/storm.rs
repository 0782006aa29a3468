//! A whole session: a poller that loans, clients that take, check and put, stops and starts, deaths
//! of threads and of processes at any step, and at the end a drain without a rescan timer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::{Geometry, OWN_SLOTS};
use onair_ipc::lender::{FoundState, Lender};
use onair_ipc::memory::AttachmentState;
use onair_ipc::meta::FrameMeta;
use onair_ipc::scheduled::Mortal;
use onair_ipc::slot::SlotReading;
use onair_ipc::{sync, sys};
use shuttle::thread;

use crate::rig::Pair;
use crate::schedules::{below, dawdle, pair, schedules, spawn, wake_more};

/// Frames of the session: two to fill, and the quota of each attachment.
const FRAMES: u32 = 6;
const QUOTA: u32 = 2;
/// More than the ready ring has entries.
const PUBLISHES: u64 = 60;
const PROCESSES: usize = 2;
const THREADS: usize = 3;
/// Scans of a drain without a kick before it counts as waiting forever.
const MAX_SCANS: usize = 5_000;
/// Written over every frame after the verdict.
const DEAD: u64 = 0xdead_dead;

/// One client process.
struct Process {
    pair: Pair,
    mortal: Mortal,
    /// Its threads, which may be killed alone, by thread id.
    threads: Mutex<BTreeMap<u32, Mortal>>,
    /// Delivered frames, with their owner. A ghost: the daemon cannot see it.
    delivered: Mutex<BTreeMap<u32, u32>>,
    settled: AtomicBool,
    /// The control thread has requested its evict; the client already sees its gate closed.
    evicting: AtomicBool,
    evicted: AtomicBool,
}

// No lock is ever held across a step: the whole schedule runs on one thread.
impl Process {
    /// Threads that were killed alone.
    fn dead(&self) -> Vec<u32> {
        let threads = self.threads.lock().unwrap();
        let dead = threads.iter().filter(|(_, mortal)| mortal.is_dead());
        dead.map(|(tid, _)| *tid).collect()
    }

    /// Whether it has no loan, and gets none.
    fn is_gone(&self) -> bool {
        self.settled.load(Ordering::SeqCst) || self.evicted.load(Ordering::SeqCst)
    }

    /// The control thread's part of an evict: the part that its callers see.
    fn evict(&self) {
        self.pair.memory.set_state(AttachmentState::Revoked);
        self.pair.memory.stop();
        wake_more(&self.pair.memory);
        self.evicting.store(true, Ordering::SeqCst);
    }

    /// Slots that dead threads left counted.
    fn residue(&self) -> Vec<SlotReading> {
        let mut users = self.pair.memory.users();
        let dead = self.dead();
        users.retain(|slot| slot.index != OWN_SLOTS && dead.contains(&slot.owner));
        users
    }

    /// Whether a frame was delivered to a thread that then ended: before its call returned, or
    /// after.
    fn has_orphan(&self) -> bool {
        let dead = self.dead();
        let held = self.pair.memory.held();
        let delivered = self.delivered.lock().unwrap();
        let living = |frame: &u32| {
            let owner = delivered.get(frame);
            owner.is_some_and(|owner| !dead.contains(owner))
        };
        !dead.is_empty() && held.iter().any(|(frame, ..)| !living(frame))
    }
}

/// Totals of the loans of all attachments.
#[derive(Default)]
struct Totals {
    returned: u64,
    reconciled: u64,
    revoked: u64,
}

/// The poller's box, handed back at a stop.
struct Ledgers {
    lenders: Vec<Lender>,
    /// Frames that an evicted process held, with their owner.
    aside: Vec<(usize, u32)>,
    totals: Totals,
    number: u64,
}

struct Session {
    frames: FrameMemory,
    processes: Vec<Arc<Process>>,
    destroyed: AtomicBool,
}

fn contents(frames: &FrameMemory, frame: u32) -> u64 {
    let mut bytes = [0; 8];
    frames.read(frame, 0, &mut bytes);
    u64::from_le_bytes(bytes)
}

/// A thread of a client: takes, checks, puts, until the session is gone.
fn client(session: &Session, process: &Process) {
    let attachment = &process.pair.client;
    loop {
        let deadline = if below(3) == 0 {
            Deadline::Now
        } else {
            Deadline::Never
        };
        match attachment.get(deadline) {
            Ok(lease) => {
                let me = sys::gettid();
                process.delivered.lock().unwrap().insert(lease.frame(), me);
                let destroyed = session.destroyed.load(Ordering::SeqCst);
                assert!(!destroyed, "I1: a frame after the verdict");
                let number = attachment.meta(&lease).number;
                // Some threads hold it for long.
                let looks = [2, 2, 2, 60][below(4)];
                for _ in 0..looks {
                    let found = contents(&session.frames, lease.frame());
                    assert_eq!(found, number, "I1: overwritten under its holder");
                    dawdle(10);
                }
                // From the put on it belongs to the daemon.
                process.delivered.lock().unwrap().remove(&lease.frame());
                let evicted = process.evicted.load(Ordering::SeqCst);
                let lease = lease.into_raw();
                match attachment.put_raw(lease) {
                    Ok(()) => assert!(!evicted, "a put after the evict"),
                    // Evicted between its get and its put.
                    Err(Refusal::Stale) if attachment.is_stopped() => {}
                    Err(other) => panic!("a held frame can be put: {other:?}"),
                }
                if below(4) == 0 {
                    assert!(attachment.put_raw(lease).is_err(), "I3: put twice");
                }
            }
            Err(Refusal::Again) => {
                let _ = attachment.wait_started(Deadline::Never);
            }
            Err(Refusal::TimedOut) => assert_eq!(deadline, Deadline::Now),
            Err(Refusal::Stale) => return,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// The poller, until the control thread asks for the box.
fn poller(session: &Session, mut ledgers: Ledgers, quiesce: &AtomicBool) -> Ledgers {
    while !quiesce.load(Ordering::SeqCst) {
        for (lender, process) in ledgers.lenders.iter_mut().zip(&session.processes) {
            lender.reap(|_| ledgers.totals.returned += 1);
            assert!(lender.take_violation().is_none(), "no word is forged here");
            settle_process(lender, process, &mut ledgers.totals);
        }
        revoke(session, &mut ledgers);
        if ledgers.number < PUBLISHES {
            loan(session, &mut ledgers);
        }
        thread::yield_now();
    }
    ledgers
}

/// Fills a free frame and loans it to each live process.
fn loan(session: &Session, ledgers: &mut Ledgers) {
    let aside = |frame: u32| ledgers.aside.iter().any(|(_, aside)| *aside == frame);
    let free =
        |frame: &u32| !aside(*frame) && !ledgers.lenders.iter().any(|lender| lender.has(*frame));
    let Some(frame) = (0..FRAMES).find(free) else {
        return;
    };
    ledgers.number += 1;
    session
        .frames
        .write(frame, 0, &ledgers.number.to_le_bytes());
    let meta = FrameMeta {
        number: ledgers.number,
        ..FrameMeta::default()
    };
    for (lender, process) in ledgers.lenders.iter_mut().zip(&session.processes) {
        if process.is_gone() {
            continue;
        }
        if lender.loaned() >= lender.quota() {
            match lender.drop_oldest() {
                Some(_) => {}
                None => continue,
            }
        }
        lender.publish(frame, &meta).expect("there is room");
    }
}

/// The part of an evict that the owner of the ledger does. Frames that a live process held are set
/// aside.
fn revoke(session: &Session, ledgers: &mut Ledgers) {
    for (number, process) in session.processes.iter().enumerate() {
        let asked = process.evicting.load(Ordering::SeqCst);
        if asked && !process.evicted.load(Ordering::SeqCst) {
            ledgers.lenders[number].revoke(|taken| {
                match taken.found {
                    FoundState::Returned => ledgers.totals.returned += 1,
                    FoundState::Unread | FoundState::Held => ledgers.totals.revoked += 1,
                }
                if taken.found == FoundState::Held {
                    ledgers.aside.push((number, taken.frame));
                }
            });
            process.evicted.store(true, Ordering::SeqCst);
        }
    }
    let dead = |number: usize| session.processes[number].mortal.is_dead();
    ledgers.aside.retain(|(number, _)| !dead(*number));
}

/// E1: a killed process is settled once, by the owner of its lender.
fn settle_process(lender: &mut Lender, process: &Process, totals: &mut Totals) {
    if process.mortal.is_dead() && !process.settled.swap(true, Ordering::SeqCst) {
        lender.reap(|_| totals.returned += 1);
        totals.reconciled += lender.credit_dead_process().len() as u64;
    }
}

/// Credits the frames of threads that ended inside a call.
fn reclaim_dead_threads(session: &Session, ledgers: &mut Ledgers) {
    for (lender, process) in ledgers.lenders.iter_mut().zip(&session.processes) {
        for slot in process.residue() {
            ledgers.totals.reconciled += u64::from(lender.credit_dead_thread(&slot).is_some());
            process.pair.memory.reclaim_slot(&slot);
            wake_more(&process.pair.memory);
        }
    }
}

/// Until no witness sees a user: as in `session/drain.rs`, without its rescan timer.
fn drain(session: &Session, ledgers: &mut Ledgers) {
    let mut fruitless = 0;
    let mut reported = 0;
    loop {
        for (lender, process) in ledgers.lenders.iter_mut().zip(&session.processes) {
            settle_process(lender, process, &mut ledgers.totals);
        }
        revoke(session, ledgers);
        reclaim_dead_threads(session, ledgers);
        let living = || {
            let all = session.processes.iter();
            all.filter(|process| !process.is_gone())
        };
        for process in living() {
            process.pair.memory.arm_kick();
        }
        sync::heavy();
        for lender in &mut ledgers.lenders {
            lender.settle(|_| ledgers.totals.returned += 1);
        }
        let users: usize = living().map(|it| it.pair.memory.users().len()).sum();
        let loaned: usize = ledgers.lenders.iter().map(Lender::loaned).sum();
        if users == 0 && loaned == 0 {
            return;
        }
        loop {
            // A thread's exit is reported: it may have left without its read of the kick.
            let dead: usize = session.processes.iter().map(|it| it.dead().len()).sum();
            let died = std::mem::replace(&mut reported, dead) != dead
                || living().any(|process| process.mortal.is_dead());
            if living().any(|process| process.pair.is_kicked()) || died {
                break;
            }
            // A frame delivered to a thread that then ended belongs to its process: the test ends
            // the process.
            if fruitless > MAX_SCANS / 10 {
                for process in living().filter(|process| process.has_orphan()) {
                    process.mortal.kill();
                }
            }
            fruitless += 1;
            assert!(
                fruitless < MAX_SCANS,
                "L2: {users} users, {loaned} loaned, no kick"
            );
            thread::yield_now();
        }
    }
}

type Thread = thread::JoinHandle<Option<()>>;

fn session() -> Arc<Session> {
    let frames = FrameMemory::create(Geometry::new(FRAMES, 100).unwrap(), true).unwrap();
    let processes = (0..PROCESSES)
        .map(|number| {
            Arc::new(Process {
                pair: pair(number as u64, &frames),
                mortal: Mortal::default(),
                threads: Mutex::default(),
                delivered: Mutex::default(),
                settled: AtomicBool::new(false),
                evicting: AtomicBool::new(false),
                evicted: AtomicBool::new(false),
            })
        })
        .collect();
    Arc::new(Session {
        frames,
        processes,
        destroyed: AtomicBool::new(false),
    })
}

/// The clients' threads; each process also stops and starts its own calls once.
fn clients(session: &Arc<Session>) -> Vec<Thread> {
    let mut clients = Vec::new();
    for process in &session.processes {
        for _ in 0..THREADS {
            let (session, process) = (session.clone(), process.clone());
            let mortal = Mortal::default();
            let own = mortal.clone();
            clients.push(spawn(vec![process.mortal.clone(), mortal], move || {
                process.threads.lock().unwrap().insert(sys::gettid(), own);
                client(&session, &process);
            }));
        }
        let (client, mortal) = (process.pair.client.clone(), process.mortal.clone());
        clients.push(spawn(vec![mortal], move || {
            dawdle(2000);
            client.stop();
            dawdle(50);
            client.start();
        }));
    }
    clients
}

/// Kills a process or a thread, if `deaths`.
fn reaper(session: Arc<Session>, deaths: bool) -> Thread {
    spawn(vec![], move || {
        if !deaths {
            return;
        }
        dawdle(3000);
        let process = &session.processes[below(PROCESSES)];
        if below(2) == 0 {
            process.mortal.kill();
        } else {
            let nth = below(THREADS);
            let thread = process.threads.lock().unwrap().values().nth(nth).cloned();
            if let Some(thread) = thread {
                thread.kill();
                // A thread's exit is reported, and the daemon notifies.
                process.pair.memory.thread_ended();
                wake_more(&process.pair.memory);
            }
        }
    })
}

/// Two runs of the poller, each until a stop.
fn run(session: &Arc<Session>, evicts: bool) -> Ledgers {
    let mut ledgers = Ledgers {
        aside: Vec::new(),
        lenders: session
            .processes
            .iter()
            .map(|process| Lender::new(process.pair.memory.clone(), QUOTA))
            .collect(),
        totals: Totals::default(),
        number: 0,
    };
    for last in [false, true] {
        let quiesce = Arc::new(AtomicBool::new(false));
        let runs = {
            let (session, quiesce) = (session.clone(), quiesce.clone());
            spawn(vec![], move || poller(&session, ledgers, &quiesce))
        };
        if evicts && below(2) == 0 {
            // While there is much left to loan, so that frames that were taken back are used again.
            dawdle(600);
            session.processes[below(PROCESSES)].evict();
        }
        dawdle(3000);
        for process in &session.processes {
            process.pair.memory.stop();
        }
        for process in &session.processes {
            wake_more(&process.pair.memory);
        }
        quiesce.store(true, Ordering::SeqCst);
        ledgers = runs.join().unwrap().expect("the poller is never killed");
        for lender in &mut ledgers.lenders {
            lender.settle(|_| ledgers.totals.returned += 1);
        }
        reclaim_dead_threads(session, &mut ledgers);
        if !last {
            for process in &session.processes {
                if !process.evicting.load(Ordering::SeqCst) {
                    process.pair.memory.disarm_kick();
                    process.pair.memory.start();
                }
            }
        }
    }
    ledgers
}

fn storm(deaths: bool, evicts: bool) {
    let session = session();
    let clients = clients(&session);
    let reaper = reaper(session.clone(), deaths);
    let mut ledgers = run(&session, evicts);
    drain(&session, &mut ledgers);
    session.destroyed.store(true, Ordering::SeqCst);
    // Set-aside frames wait for the kernel's answer, also when the session is destroyed.
    let aside = |frame: &u32| ledgers.aside.iter().any(|(_, aside)| aside == frame);
    for frame in (0..FRAMES).filter(|frame| !aside(frame)) {
        session.frames.write(frame, 0, &DEAD.to_le_bytes());
    }
    for process in &session.processes {
        if !process.evicting.load(Ordering::SeqCst) {
            process.pair.memory.set_state(AttachmentState::Gone);
        }
        process.pair.memory.stop();
        wake_more(&process.pair.memory);
    }
    for client in clients {
        client.join().unwrap();
    }
    reaper.join().unwrap();
    let loaned: u64 = ledgers.lenders.iter().map(Lender::published).sum();
    let withdrawn: u64 = ledgers.lenders.iter().map(Lender::withdrawn).sum();
    let totals = &ledgers.totals;
    assert_eq!(
        loaned,
        totals.returned + withdrawn + totals.reconciled + totals.revoked,
        "I3: each loan is credited once"
    );
}

#[test]
fn session_many_threads_in_random_order_then_holds() {
    schedules(300, || storm(false, false));
}

#[test]
fn session_a_thread_or_a_process_dies_at_any_step_then_holds() {
    schedules(500, || storm(true, false));
}

#[test]
fn session_a_process_is_evicted_at_any_step_then_holds() {
    schedules(300, || storm(false, true));
}

#[test]
fn session_evicts_and_deaths_at_any_step_then_holds() {
    schedules(300, || storm(true, true));
}
