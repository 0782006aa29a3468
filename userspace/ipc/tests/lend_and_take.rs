//! The daemon's side and the client's side of one attachment, over real shared memory.
#![cfg(not(any(loom, shuttle)))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use onair_ipc::caller::{Attachment, Deadline, Refusal};
use onair_ipc::event::EventKind;
use onair_ipc::fence::Fence;
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::{self, Geometry, OWN_SLOTS};
use onair_ipc::lender::{Found, Lender, QuotaUsed};
use onair_ipc::mapping::Mapping;
use onair_ipc::memory::{AttachmentMemory, State};
use onair_ipc::message::Attached;
use onair_ipc::meta::FrameMeta;
use onair_ipc::pins::End;
use onair_ipc::sys;

const FRAMES: u32 = 6;

struct Pair {
    lender: Lender,
    frames: FrameMemory,
    client: Arc<Attachment>,
    /// The daemon's end of the connection.
    socket: OwnedFd,
}

fn pair(sends: bool) -> Pair {
    let geometry = Geometry::new(FRAMES, 1000).unwrap();
    let memory = Arc::new(AttachmentMemory::create(77, 5, geometry).unwrap());
    let frames = FrameMemory::create(geometry, !sends).unwrap();
    memory.open();
    memory.start();
    let (ctl, seg) = memory.for_client().unwrap();
    let (ours, theirs) = rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::SEQPACKET,
        rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK,
        None,
    )
    .unwrap();
    let attached = Attached {
        session: format!("{:016x}", 77),
        name: "test".into(),
        attachment: 5,
        owner: false,
        sends,
        version: layout::VERSION,
        geometry,
        width: 20,
        height: 25,
        depth: 8,
        rate_numerator: 60,
        rate_denominator: 1,
        watched: false,
    };
    let plain = sys::membarrier_register();
    let fds = [ctl, seg, frames.for_client().unwrap()];
    let client = Attachment::map(&attached, 77, fds, theirs, plain).unwrap();
    Pair {
        lender: Lender::new(memory, 4),
        frames,
        client,
        socket: ours,
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::yield_now();
    }
}

/// Whether the thread of this process with the reported id is in futex_waitv.
fn sleeps(tid: &AtomicU32) -> bool {
    let tid = tid.load(Ordering::SeqCst);
    std::fs::read_to_string(format!("/proc/self/task/{tid}/syscall"))
        .is_ok_and(|line| line.starts_with("449 "))
}

/// All that the client can write, without the rules.
fn words(client: &Attachment) -> &Mapping {
    // SAFETY: no test borrows a frame while it changes words.
    unsafe { client.words() }
}

fn is_kicked(pair: &Pair) -> bool {
    let mut byte = [0; 8];
    rustix::net::recv(&pair.socket, &mut byte, rustix::net::RecvFlags::DONTWAIT).is_ok()
}

#[test]
fn get_published_then_contents_meta_and_credit() {
    let mut pair = pair(false);
    for round in 0..100_u32 {
        let frame = round % FRAMES;
        pair.frames.write(frame, 3, &round.to_le_bytes());
        let meta = FrameMeta {
            number: round.into(),
            bytes_missing: round % 2,
            ..FrameMeta::default()
        };
        pair.lender.publish(frame, &meta).unwrap();
        let lease = pair.client.get(Deadline::Now).unwrap();
        assert_eq!(lease.frame(), frame);
        assert_eq!(pair.client.meta(&lease), meta);
        let lease = lease.into_raw();
        assert_eq!(pair.client.meta_raw(lease), Ok(meta));
        // SAFETY: the frame is held, and lies within the mapping.
        let seen = unsafe { std::slice::from_raw_parts(pair.client.frame_base(frame).add(3), 4) };
        assert_eq!(seen, round.to_le_bytes());
        pair.client.put_raw(lease).unwrap();
        assert_eq!(pair.client.put_raw(lease), Err(Refusal::Already));
        let mut credited = vec![];
        pair.lender.reap(|credit| credited.push(credit.frame));
        assert_eq!(credited, [frame]);
        assert_eq!(pair.client.put_raw(lease), Err(Refusal::Already));
    }
    assert_eq!(pair.client.get(Deadline::Now), Err(Refusal::TimedOut));
}

#[test]
fn publish_quota_used_then_refused_until_the_oldest_is_dropped() {
    let mut pair = pair(false);
    for frame in 0..4 {
        pair.lender.publish(frame, &FrameMeta::default()).unwrap();
    }
    assert_eq!(
        pair.lender.publish(4, &FrameMeta::default()),
        Err(QuotaUsed)
    );
    let held = pair.client.get(Deadline::Now).unwrap();
    assert_eq!(held.frame(), 0);
    assert_eq!(pair.lender.drop_oldest(), Some(1), "0 is held");
    pair.lender.publish(4, &FrameMeta::default()).unwrap();
    for expected in [2, 3, 4] {
        assert_eq!(pair.client.get(Deadline::Now).unwrap().frame(), expected);
    }
    assert_eq!(pair.lender.drop_oldest(), None, "all are held");
}

#[test]
fn stop_blocked_callers_then_each_returns_again_once_per_pulse() {
    let pair = pair(false);
    let memory = pair.lender.memory().clone();
    let seen: Arc<Vec<AtomicUsize>> = Arc::new((0..8).map(|_| AtomicUsize::new(0)).collect());
    let threads: Vec<_> = (0..8)
        .map(|i| {
            let (client, seen) = (pair.client.clone(), seen.clone());
            std::thread::spawn(move || {
                loop {
                    match client.get(Deadline::Never) {
                        Err(Refusal::Again) => {
                            seen[i].fetch_add(1, Ordering::SeqCst);
                            let _ = client.wait_started(Deadline::Never);
                        }
                        Err(Refusal::Stale) => return,
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    for pulse in 1..=200 {
        until("eight callers are inside", || {
            memory.users().iter().filter(|slot| slot.count > 0).count() == 8
        });
        // Asleep or about to be: either way the pulse must reach each of them.
        memory.stop();
        memory.start();
        while memory.wake_some(64) {}
        until("each saw the pulse", || {
            seen.iter().all(|n| n.load(Ordering::SeqCst) == pulse)
        });
    }
    memory.set_state(State::Gone);
    memory.stop();
    while memory.wake_some(64) {}
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn drain_last_caller_leaves_then_kicked_and_no_user() {
    let pair = pair(false);
    let memory = pair.lender.memory().clone();
    let client = pair.client.clone();
    let caller = std::thread::spawn(move || client.get(Deadline::Never));
    until("the caller is inside", || memory.users().len() == 1);
    memory.stop();
    let fence = Fence::with_kicks(std::iter::once(&*memory));
    let inside = memory.users_at(&fence).len();
    while memory.wake_some(64) {}
    assert_eq!(caller.join().unwrap(), Err(Refusal::Again));
    assert!(inside == 0 || is_kicked(&pair));
    assert!(memory.users().is_empty());
    assert_eq!(pair.client.get(Deadline::Never), Err(Refusal::Again));
    assert!(memory.users().is_empty(), "a bounced caller is no user");
}

#[test]
fn put_after_stop_then_works_and_kicks() {
    let mut pair = pair(false);
    pair.lender.publish(2, &FrameMeta::default()).unwrap();
    let lease = pair.client.get(Deadline::Now).unwrap();
    pair.lender.memory().stop();
    let _ = Fence::with_kicks(std::iter::once(&**pair.lender.memory()));
    pair.lender.settle(|_| ());
    assert_eq!((pair.lender.lent(), pair.lender.returned()), (1, 0), "held");
    pair.client.put(lease).unwrap();
    assert!(is_kicked(&pair));
    pair.lender.settle(|_| ());
    assert_eq!((pair.lender.lent(), pair.lender.returned()), (0, 1));
}

#[test]
fn local_stop_in_a_handler_of_the_sleeping_thread_then_it_returns_again() {
    static CLIENT: std::sync::OnceLock<Arc<Attachment>> = std::sync::OnceLock::new();
    extern "C" fn handler(_: libc::c_int) {
        if let Some(client) = CLIENT.get() {
            client.stop();
        }
    }
    let pair = pair(false);
    CLIENT.set(pair.client.clone()).unwrap();
    // SAFETY: the handler is async-signal-safe, which this test checks; SIGUSR1 is ours.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
    }
    let client = pair.client.clone();
    let tid = Arc::new(AtomicU32::new(0));
    let told = tid.clone();
    let sleeper = std::thread::spawn(move || {
        told.store(sys::gettid(), Ordering::SeqCst);
        client.get(Deadline::Never)
    });
    until("the sleeper is in futex_waitv", || sleeps(&tid));
    // SAFETY: tgkill to a living thread of this process.
    unsafe {
        libc::syscall(
            libc::SYS_tgkill,
            libc::getpid(),
            tid.load(Ordering::SeqCst),
            libc::SIGUSR1,
        )
    };
    assert_eq!(sleeper.join().unwrap(), Err(Refusal::Again));
    assert!(pair.client.is_stopped());
    pair.client.start();
    assert_eq!(pair.client.get(Deadline::Now), Err(Refusal::TimedOut));
}

#[test]
fn get_in_a_handler_of_a_caller_that_is_inside_then_its_stop_is_not_acknowledged() {
    static CLIENT: std::sync::OnceLock<Arc<Attachment>> = std::sync::OnceLock::new();
    static BOUNCED: AtomicU32 = AtomicU32::new(0);
    static ENTERED: AtomicBool = AtomicBool::new(false);
    static STOPPED: AtomicBool = AtomicBool::new(false);
    extern "C" fn handler(_: libc::c_int) {
        ENTERED.store(true, Ordering::SeqCst);
        while !STOPPED.load(Ordering::SeqCst) {
            core::hint::spin_loop();
        }
        if let Some(client) = CLIENT.get() {
            let result = client.get(Deadline::Now);
            BOUNCED.store(u32::from(result == Err(Refusal::Again)), Ordering::SeqCst);
        }
    }
    let pair = pair(false);
    CLIENT.set(pair.client.clone()).unwrap();
    // SAFETY: the handler makes one call of the library, which neither locks nor allocates here.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut());
    }
    let memory = pair.lender.memory().clone();
    let client = pair.client.clone();
    let tid = Arc::new(AtomicU32::new(0));
    let told = tid.clone();
    // The thread keeps its slot until the test has read it.
    let (go, read) = std::sync::mpsc::channel::<()>();
    let sleeper = std::thread::spawn(move || {
        told.store(sys::gettid(), Ordering::SeqCst);
        let result = client.get(Deadline::Never);
        let _ = read.recv();
        result
    });
    until("the sleeper is in futex_waitv", || sleeps(&tid));
    let gate = memory.session_gate();
    // SAFETY: tgkill to a living thread of this process.
    unsafe {
        libc::syscall(
            libc::SYS_tgkill,
            libc::getpid(),
            tid.load(Ordering::SeqCst),
            libc::SIGUSR2,
        )
    };
    // The stop happens while the handler runs: its caller is still inside, woken or not.
    until("the handler runs", || ENTERED.load(Ordering::SeqCst));
    memory.stop();
    STOPPED.store(true, Ordering::SeqCst);
    until("the handler bounced", || {
        BOUNCED.load(Ordering::SeqCst) == 1
    });
    let acks: Vec<u32> = memory.slots().iter().map(|slot| slot.ack).collect();
    assert_eq!(acks.len(), 1, "the sleeper's slot");
    drop(go);
    memory.stop();
    while memory.wake_some(64) {}
    assert_eq!(sleeper.join().unwrap(), Err(Refusal::Again));
    assert!(!acks.contains(&(gate & !1)), "{acks:?}");
}

#[test]
fn get_in_a_handler_of_a_caller_that_is_inside_then_no_intent_is_left() {
    static CLIENT: std::sync::OnceLock<Arc<Attachment>> = std::sync::OnceLock::new();
    static TAKEN: AtomicU32 = AtomicU32::new(u32::MAX);
    extern "C" fn handler(_: libc::c_int) {
        if let Some(Ok(lease)) = CLIENT.get().map(|client| client.get(Deadline::Now)) {
            TAKEN.store(lease.frame(), Ordering::SeqCst);
        }
    }
    let mut pair = pair(false);
    CLIENT.set(pair.client.clone()).unwrap();
    // SAFETY: the handler makes one call of the library, which neither locks nor allocates here.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        libc::sigaction(libc::SIGURG, &action, std::ptr::null_mut());
    }
    let memory = pair.lender.memory().clone();
    let client = pair.client.clone();
    let tid = Arc::new(AtomicU32::new(0));
    let told = tid.clone();
    let sleeper = std::thread::spawn(move || {
        told.store(sys::gettid(), Ordering::SeqCst);
        client.get(Deadline::Never)
    });
    until("the sleeper is in futex_waitv", || sleeps(&tid));
    // A frame arrives and its one wake-up goes to another caller: the sleeper is still inside when
    // its handler takes the frame, and hands it on.
    let decoy = words(&pair.client).at::<AtomicU32>(layout::SEG_BELL_FRAME + 4);
    let waiters = decoy.swap(0, Ordering::SeqCst);
    pair.lender.publish(3, &FrameMeta::default()).unwrap();
    decoy.store(waiters, Ordering::SeqCst);
    // SAFETY: tgkill to a living thread of this process.
    unsafe {
        libc::syscall(
            libc::SYS_tgkill,
            libc::getpid(),
            tid.load(Ordering::SeqCst),
            libc::SIGURG,
        )
    };
    until("the handler took it", || TAKEN.load(Ordering::SeqCst) == 3);
    until("the sleeper sleeps again", || sleeps(&tid));
    // If its thread ended now, the frame would belong to the process, not to the dead call.
    let slots = memory.slots();
    let inside = slots.iter().find(|slot| slot.count == 1).unwrap();
    assert_eq!(pair.lender.credit_dead_thread(inside), None);
    memory.stop();
    while memory.wake_some(64) {}
    assert_eq!(sleeper.join().unwrap(), Err(Refusal::Again));
}

#[test]
fn bury_slot_that_was_buried_and_claimed_again_then_untouched() {
    let pair = pair(false);
    let memory = pair.lender.memory().clone();
    let call = || {
        let client = pair.client.clone();
        std::thread::spawn(move || client.get(Deadline::Never))
    };
    let first = call();
    until("the caller is inside", || memory.users().len() == 1);
    let seen = memory.users()[0];
    // Simulated: the thread lives, and its slot is emptied as if it were dead.
    assert!(memory.bury(&seen));
    assert!(!memory.bury(&seen), "once");
    let second = call();
    until("another has the slot", || {
        memory.users().iter().any(|slot| slot.index == seen.index)
    });
    assert!(!memory.bury(&seen), "another thread's");
    assert_eq!(memory.users()[0].count, 1);
    memory.stop();
    while memory.wake_some(64) {}
    for caller in [first, second] {
        assert_eq!(caller.join().unwrap(), Err(Refusal::Again));
    }
}

#[test]
fn get_timeout_then_timed_out_and_not_before() {
    let pair = pair(false);
    let start = Instant::now();
    assert_eq!(
        pair.client.get(Deadline::after_ms(30)),
        Err(Refusal::TimedOut)
    );
    assert!(start.elapsed() >= Duration::from_millis(30));
}

#[test]
fn threads_more_than_slots_then_shared_slot_and_slots_come_back() {
    let pair = pair(false);
    let memory = pair.lender.memory().clone();
    let count = usize::from(OWN_SLOTS) + 8;
    let threads: Vec<_> = (0..count)
        .map(|_| {
            let client = pair.client.clone();
            std::thread::spawn(move || client.get(Deadline::Never))
        })
        .collect();
    until("all are inside", || {
        memory.users().iter().map(|s| s.count).sum::<u32>() as usize == count
    });
    memory.stop();
    while memory.wake_some(64) {}
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Err(Refusal::Again));
    }
    assert!(memory.users().is_empty());
    assert!(memory.slots().is_empty(), "all slots are vacant again");
}

#[test]
fn words_cleared_behind_a_blocked_caller_then_ledger_and_reap_stay_sane() {
    let mut pair = pair(false);
    pair.lender.publish(1, &FrameMeta::default()).unwrap();
    let _held = pair.client.get(Deadline::Now).unwrap();
    let words = words(&pair.client).slice::<AtomicU64>(layout::SEG_FRAMES, FRAMES as usize);
    for hostile in [0, u64::MAX, 0xff, 1 << 32 | 3, 2 << 32 | 3] {
        words[1].store(hostile, Ordering::SeqCst);
        pair.lender.reap(|_| ());
    }
    // `1 << 32 | 3` was RELEASED under the right serial: that is a put. The others were not.
    assert_eq!(pair.lender.lent(), 0);
    assert!(pair.lender.take_violation().is_some());
}

#[test]
fn submit_several_then_credited_with_their_order() {
    let mut pair = pair(true);
    for frame in 0..3 {
        pair.lender.publish(frame, &FrameMeta::default()).unwrap();
    }
    let [first, second, third] = [(); 3].map(|()| pair.client.get(Deadline::Now).unwrap());
    pair.client.submit(third).unwrap();
    pair.client.submit(first).unwrap();
    pair.client.put(second).unwrap();
    let mut order = vec![];
    pair.lender
        .reap(|credit| order.push((credit.frame, credit.submitted)));
    order.sort_unstable();
    assert_eq!(order, [(0, Some(2)), (1, None), (2, Some(1))]);
}

#[test]
fn events_pushed_then_polled_in_order_each_once() {
    let pair = pair(false);
    let memory = pair.lender.memory();
    for argument in 0..10 {
        memory.notify(EventKind::Dropped, argument);
    }
    for argument in 0..10 {
        let event = pair.client.poll_event(Deadline::Now).unwrap();
        assert_eq!((event.kind, event.argument), (EventKind::Dropped, argument));
    }
    assert_eq!(
        pair.client.poll_event(Deadline::Now),
        Err(Refusal::TimedOut)
    );
    for argument in 0..200 {
        memory.notify(EventKind::Dropped, argument);
    }
    let first = pair.client.poll_event(Deadline::Now).unwrap();
    assert_eq!(first.argument, 200 - layout::EVENTS as u64);
}

#[test]
fn fork_child_calls_then_stale_and_parent_unharmed() {
    let pair = pair(false);
    pair.client.get(Deadline::Now).unwrap_err();
    // SAFETY: the child only makes calls of the library and _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let stale = pair.client.get(Deadline::Never) == Err(Refusal::Stale)
            && pair.client.wait_started(Deadline::Never) == Err(Refusal::Stale);
        pair.client.stop();
        // SAFETY: ends the child without running the parent's destructors.
        unsafe { libc::_exit(if stale { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(status, 0);
    assert!(!pair.client.is_stopped());
}

#[test]
fn fork_child_drops_a_watch_a_guard_and_the_attachment_then_no_panic_and_parent_unharmed() {
    let mut pair = pair(false);
    pair.frames.write(1, 0, &[9; 1000]);
    pair.lender.publish(1, &FrameMeta::default()).unwrap();
    let client = pair.client.clone();
    let held = client.take(Deadline::Now).unwrap();
    let watch = client.watch().unwrap();
    // SAFETY: the child only drops values, which may allocate: glibc allows that after a fork.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let drops = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            watch.clear();
            drop(watch);
            drop(held);
        }));
        // SAFETY: ends the child without running the parent's destructors.
        unsafe { libc::_exit(i32::from(drops.is_err())) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(status, 0);
    assert_eq!(held.bytes(), [9; 1000]);
    assert!(!client.is_inherited());
    held.put().unwrap();
    pair.lender.publish(2, &FrameMeta::default()).unwrap();
    let mut readable = [rustix::event::PollFd::new(
        &watch,
        rustix::event::PollFlags::IN,
    )];
    assert_eq!(rustix::event::poll(&mut readable, None).unwrap(), 1);
    drop(watch);
}

#[test]
fn leave_late_callers_then_stale() {
    let pair = pair(false);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let client = pair.client.clone();
            std::thread::spawn(move || {
                loop {
                    match client.get(Deadline::Now) {
                        Err(Refusal::Stale) => return,
                        Err(Refusal::TimedOut) => {}
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    until("callers run", || !pair.lender.memory().slots().is_empty());
    pair.client.leave(End::ByHand);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn watch_published_and_stopped_then_readable() {
    let mut pair = pair(false);
    let watch = pair.client.watch().unwrap();
    let readable = |ms: i64| {
        let mut fds = [rustix::event::PollFd::new(
            &watch,
            rustix::event::PollFlags::IN,
        )];
        let timeout = rustix::event::Timespec {
            tv_sec: ms / 1000,
            tv_nsec: ms % 1000 * 1_000_000,
        };
        rustix::event::poll(&mut fds, Some(&timeout)).unwrap() == 1
    };
    assert!(readable(5000), "at the start, to look once");
    watch.clear();
    assert!(!readable(20));
    pair.lender.publish(0, &FrameMeta::default()).unwrap();
    assert!(readable(5000));
    watch.clear();
    assert!(readable(0), "the frame is still there");
    let _held = pair.client.get(Deadline::Now).unwrap();
    watch.clear();
    assert!(!readable(20));
    pair.lender.memory().stop();
    assert!(readable(5000));
    drop(watch);
    assert!(pair.client.as_fd().try_clone_to_owned().is_ok());
}

#[test]
fn held_dropped_kept_and_filled_then_lent_exactly_while_held() {
    let mut pair = pair(true);
    pair.lender.publish(2, &FrameMeta::default()).unwrap();
    let mut held = pair.client.take(Deadline::Now).unwrap();
    assert_eq!((held.len(), held.frame()), (1000, 2));
    held.bytes_mut().unwrap().fill(7);
    assert_eq!(pair.client.held(), 1);
    held.submit().unwrap();
    let mut seen = [0; 1000];
    pair.frames.read(2, 0, &mut seen);
    assert_eq!(seen, [7; 1000]);
    pair.lender
        .reap(|credit| assert_eq!(credit.submitted, Some(1)));

    pair.lender.publish(3, &FrameMeta::default()).unwrap();
    let lease = pair.client.take(Deadline::Now).unwrap().keep();
    assert_eq!(pair.client.held(), 1);
    pair.client.put(lease).unwrap();
    pair.lender.reap(|_| ());
    pair.lender.publish(4, &FrameMeta::default()).unwrap();
    drop(pair.client.take(Deadline::Now).unwrap());
    assert_eq!(pair.client.held(), 0);
}

#[test]
fn held_receive_session_then_not_writable() {
    let mut pair = pair(false);
    pair.frames.write(1, 0, &[9; 1000]);
    pair.lender.publish(1, &FrameMeta::default()).unwrap();
    let mut held = pair.client.take(Deadline::Now).unwrap();
    assert!(held.bytes_mut().is_none());
    assert_eq!(held.bytes(), [9; 1000]);
}

#[test]
fn wait_started_session_ends_while_stopped_then_stale_without_the_backstop() {
    // Each round would take a second if only the backstop ended it.
    let start = Instant::now();
    for _ in 0..40 {
        let pair = pair(false);
        pair.lender.memory().stop();
        let client = pair.client.clone();
        let tid = Arc::new(AtomicU32::new(0));
        let told = tid.clone();
        let waiter = std::thread::spawn(move || {
            told.store(sys::gettid(), Ordering::SeqCst);
            client.wait_started(Deadline::Never)
        });
        until("the waiter sleeps", || sleeps(&tid));
        pair.lender.memory().set_state(State::Gone);
        assert_eq!(waiter.join().unwrap(), Err(Refusal::Stale));
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn leave_sleepers_and_watch_then_all_return_at_once() {
    let pair = pair(false);
    let watch = pair.client.watch().unwrap();
    pair.client.stop();
    let waiters: Vec<_> = (0..4)
        .map(|_| {
            let client = pair.client.clone();
            let tid = Arc::new(AtomicU32::new(0));
            let told = tid.clone();
            let thread = std::thread::spawn(move || {
                told.store(sys::gettid(), Ordering::SeqCst);
                client.wait_started(Deadline::Never)
            });
            (thread, tid)
        })
        .collect();
    for (_, tid) in &waiters {
        until("the waiter sleeps", || sleeps(tid));
    }
    assert_eq!(pair.client.callers(), 0, "a waiter for a start is no user");
    pair.client.leave(End::ByHand);
    for (thread, _) in waiters {
        assert_eq!(thread.join().unwrap(), Err(Refusal::Stale));
    }
    drop(watch);
    assert_eq!(pair.client.get(Deadline::Never), Err(Refusal::Stale));
    assert_eq!(pair.client.callers(), 0);
}

/// The intent in this thread's slot.
fn intent(pair: &Pair) -> u64 {
    let slot = pair.client.slot_of_caller();
    let slots = pair.lender.memory().slots();
    slots.iter().find(|it| it.index == slot).unwrap().intent
}

#[test]
fn get_holding_a_frame_and_looking_again_then_the_intent_does_not_name_it() {
    let mut pair = pair(false);
    pair.lender.publish(3, &FrameMeta::default()).unwrap();
    let held = pair.client.get(Deadline::Now).unwrap();
    assert_eq!(intent(&pair), u64::from(held.serial()) << 32 | 3);
    // The head may go back: the entry of the held frame is checked again.
    let head: &AtomicU64 = words(&pair.client).at(layout::SEG_HEAD);
    head.store(0, Ordering::SeqCst);
    assert_eq!(pair.client.get(Deadline::Now), Err(Refusal::TimedOut));
    assert_eq!(head.load(Ordering::SeqCst), 1);
    // Otherwise the exit of this thread inside the call would take the delivered frame from the
    // process.
    assert_eq!(intent(&pair), onair_ipc::slot::NO_INTENT);
    assert_eq!(pair.client.get(Deadline::Now), Err(Refusal::TimedOut));
    assert_eq!(intent(&pair), onair_ipc::slot::NO_INTENT);
    pair.client.put(held).unwrap();
}

#[test]
fn get_in_the_shared_slot_bounces_then_its_stop_is_not_acknowledged() {
    let pair = pair(false);
    let memory = pair.lender.memory().clone();
    // All slots but the shared one have an owner.
    let claimed: &AtomicU32 = words(&pair.client).at(layout::SEG_SLOTS_HIGH);
    let slots = words(&pair.client)
        .slice::<onair_ipc::slot::Slot>(layout_of_slots(), usize::from(OWN_SLOTS));
    for slot in slots {
        assert!(slot.claim(1, 1));
    }
    claimed.store(u32::from(OWN_SLOTS), Ordering::SeqCst);
    let all = words(&pair.client)
        .slice::<onair_ipc::slot::Slot>(layout_of_slots(), usize::from(OWN_SLOTS) + 1);
    // Another thread is inside: a stop would wake one that sleeps.
    let other = &all[usize::from(OWN_SLOTS)];
    other.raise(onair_ipc::slot::Operation::Get, false);
    memory.stop();
    assert_eq!(pair.client.slot_of_caller(), OWN_SLOTS);
    assert_eq!(pair.client.get(Deadline::Now), Err(Refusal::Again));
    let shared = memory.slots().into_iter().find(|it| it.index == OWN_SLOTS);
    let shared = shared.expect("it counts the other thread");
    assert_ne!(shared.ack, memory.session_gate());
    other.lower(false);
}

fn layout_of_slots() -> usize {
    Geometry::new(FRAMES, 1000).unwrap().seg_slots()
}

/// A client's threads and an eviction change the same words at the same time: in every outcome each
/// loan is credited once, and a frame whose put failed is one that the daemon knows to be held.
#[test]
fn evicted_amid_get_and_put_of_four_threads_then_each_lend_is_credited_once() {
    for round in 0..300_u32 {
        let mut pair = pair(false);
        for frame in 0..4 {
            pair.lender.publish(frame, &FrameMeta::default()).unwrap();
        }
        let client = &*pair.client;
        let mut lender = pair.lender;
        let (failed, taken) = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(move || {
                        let mut failed = vec![];
                        loop {
                            match client.get(Deadline::Never) {
                                Ok(lease) => {
                                    let frame = lease.frame();
                                    match client.put(lease) {
                                        Ok(()) => {}
                                        Err(Refusal::Stale) => failed.push(frame),
                                        Err(other) => panic!("{other}"),
                                    }
                                }
                                Err(refusal) => {
                                    assert_eq!(refusal, Refusal::Stale);
                                    return failed;
                                }
                            }
                        }
                    })
                })
                .collect();
            for _ in 0..round % 50 {
                lender.reap(|_| {});
                for frame in 0..4 {
                    if !lender.has(frame) {
                        lender.publish(frame, &FrameMeta::default()).unwrap();
                    }
                }
            }
            let lent: Vec<u32> = lender.loans().map(|lent| lent.frame).collect();
            let memory = lender.memory().clone();
            memory.set_state(State::Revoked);
            memory.stop();
            while memory.wake_some(64) {}
            let mut taken = vec![];
            lender.revoke(|revoked| taken.push(revoked));
            let frames: Vec<u32> = taken.iter().map(|it| it.frame).collect();
            assert_eq!(frames, lent, "each once, and no other");
            let failed: Vec<u32> = callers
                .into_iter()
                .flat_map(|caller| caller.join().unwrap())
                .collect();
            (failed, taken)
        });
        let mut held: Vec<u32> = taken
            .iter()
            .filter(|it| it.found == Found::Held)
            .map(|it| it.frame)
            .collect();
        let mut failed = failed;
        held.sort_unstable();
        failed.sort_unstable();
        assert_eq!(
            failed, held,
            "a put fails exactly where the daemon found it held"
        );
        assert_eq!(lender.lent(), 0);
        lender.reap(|credit| panic!("{credit:?} after all was taken back"));
        lender.revoke(|again| panic!("{again:?} a second time"));
        assert!(lender.take_violation().is_none());
    }
}

#[test]
fn evicted_hostile_words_then_taken_for_held_and_nothing_else_happens() {
    let mut pair = pair(false);
    for frame in 0..4 {
        pair.lender.publish(frame, &FrameMeta::default()).unwrap();
    }
    let words = words(&pair.client);
    let word = |frame: usize| {
        let word: &AtomicU64 = words.at(layout::SEG_FRAMES + frame * 8);
        word
    };
    // Nothing, an unknown state, a return under another serial, and a return under the right
    // serial.
    for (frame, value) in [
        (0, 0),
        (1, 1 << 32 | 0xff),
        (2, 77 << 32 | 3),
        (3, 4 << 32 | 3),
    ] {
        word(frame).store(value, Ordering::SeqCst);
    }
    let mut found = vec![];
    pair.lender.revoke(|revoked| found.push(revoked.found));
    assert_eq!(
        found,
        [Found::Held, Found::Held, Found::Held, Found::Returned]
    );
    assert_eq!(pair.lender.lent(), 0);
    assert_eq!(pair.client.get(Deadline::Now), Err(Refusal::TimedOut));
}

#[test]
fn evicted_held_returned_and_unread_then_each_found_so_and_a_late_put_is_stale() {
    let mut pair = pair(false);
    for frame in 0..3 {
        pair.lender.publish(frame, &FrameMeta::default()).unwrap();
    }
    let held = pair.client.get(Deadline::Now).unwrap();
    let returned = pair.client.get(Deadline::Now).unwrap().into_raw();
    pair.client.put_raw(returned).unwrap();
    let mut taken = vec![];
    pair.lender.revoke(|it| taken.push((it.frame, it.found)));
    let expected = [(0, Found::Held), (1, Found::Returned), (2, Found::Unread)];
    assert_eq!(taken, expected);
    // The gates are open: only the word refuses.
    assert_eq!(pair.client.put(held), Err(Refusal::Stale));
    assert_eq!(pair.client.put_raw(returned), Err(Refusal::Stale));
    assert_eq!(pair.client.get(Deadline::Now), Err(Refusal::TimedOut));
    assert_eq!(pair.client.held(), 0);
}

/// The kernel may take the memory of a killed daemon before its robust list (out-of-memory killer,
/// process_mrelease(2)): then no life word is marked, and only the connection shows it.
#[test]
fn daemon_gone_without_marking_its_life_words_then_callers_are_told_by_the_connection() {
    for stopped in [false, true] {
        let pair = pair(false);
        let memory = pair.lender.memory().clone();
        if stopped {
            memory.stop();
        }
        let watch = pair.client.watch().unwrap();
        watch.clear();
        let callers: Vec<_> = (0..4)
            .map(|i| {
                let client = pair.client.clone();
                std::thread::spawn(move || match (stopped, i % 2) {
                    (true, _) => client.wait_started(Deadline::Never).unwrap_err(),
                    (false, 0) => client.get(Deadline::Never).map(|_| ()).unwrap_err(),
                    (false, _) => client.poll_event(Deadline::Never).map(|_| ()).unwrap_err(),
                })
            })
            .collect();
        if !stopped {
            until("they are inside", || memory.users().len() == 4);
        }
        drop(pair.socket);
        until("they have returned", || {
            callers.iter().all(|it| it.is_finished())
        });
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Refusal::Stale);
        }
        let mut asked = [rustix::event::PollFd::new(
            &watch,
            rustix::event::PollFlags::IN,
        )];
        let patience = rustix::event::Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        assert_eq!(rustix::event::poll(&mut asked, Some(&patience)).unwrap(), 1);
        if !stopped {
            for deadline in [Deadline::Now, Deadline::after_ms(5), Deadline::Never] {
                assert_eq!(
                    pair.client.get(deadline),
                    Err(Refusal::Stale),
                    "{deadline:?}"
                );
            }
        }
        assert_eq!(
            pair.client.wait_started(Deadline::Never),
            Err(Refusal::Stale)
        );
        assert!(pair.client.is_service_ending());
    }
}

/// A caller that never sleeps as long as the backstop is notified, too.
#[test]
fn daemon_gone_without_marking_its_life_words_then_a_time_out_tells_as_well() {
    let pair = pair(false);
    assert_eq!(
        pair.client.get(Deadline::after_ms(5)),
        Err(Refusal::TimedOut)
    );
    drop(pair.socket);
    until("a time-out tells", || {
        pair.client.get(Deadline::after_ms(5)) == Err(Refusal::Stale)
    });
}
