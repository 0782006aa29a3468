//! I5: a client that writes arbitrary values over all its writable memory, and punches holes into
//! it, while the daemon's side publishes, credits, scans, settles and revokes. Arithmetic overflow
//! panics here.
#![cfg(not(feature = "loom"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use onair_ipc::event::EventKind;
use onair_ipc::fence::Fence;
use onair_ipc::layout::{self, Geometry};
use onair_ipc::lender::{FoundState, Lender};
use onair_ipc::mapping::{Access, Mapping};
use onair_ipc::memory::{AttachmentMemory, AttachmentState};
use onair_ipc::meta::FrameMeta;
use onair_ipc::slot::SlotReading;
use onair_ipc::sys::{self, Waited};

const FRAMES: u32 = 6;
const QUOTA: u32 = 4;
const ROUNDS: u64 = 60_000;
/// Longest time of one round of bounded work on a machine with other load.
const STUCK: Duration = Duration::from_secs(20);

fn lender(number: u64) -> Lender {
    let geometry = Geometry::new(FRAMES, 100).unwrap();
    let memory = AttachmentMemory::create(1, number, geometry).unwrap();
    memory.open();
    memory.start();
    Lender::new(Arc::new(memory), QUOTA)
}

/// xorshift64*: the same bytes in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// Writes over all of `seg` until `over`.
fn scribble(seg: &Mapping, over: &AtomicBool, seed: u64) {
    let words = seg.slice::<AtomicU64>(0, seg.len() / 8);
    let mut dice = Dice(seed);
    while !over.load(Ordering::Relaxed) {
        for _ in 0..256 {
            let at = usize::try_from(dice.roll() % words.len() as u64).unwrap();
            // Plausible values do more harm than random ones.
            let value = match dice.roll() % 6 {
                0 => dice.roll(),
                1 => 0,
                2 => u64::MAX,
                3 => dice.roll() % 5,
                4 => ((dice.roll() % 40) << 32) | ((dice.roll() % 130) << 8) | (dice.roll() % 6),
                _ => words[usize::try_from(dice.roll() % words.len() as u64).unwrap()]
                    .load(Ordering::Relaxed),
            };
            words[at].store(value, Ordering::Relaxed);
        }
        if dice.roll().is_multiple_of(8) {
            let page = (usize::try_from(dice.roll()).unwrap() % seg.len()) & !4095;
            // SAFETY: punches a hole into a shared mapping of our own, of which every word is atomic.
            unsafe {
                let base = seg.base().as_ptr().add(page).cast();
                libc::madvise(base, 4096, libc::MADV_REMOVE);
            }
        }
    }
}

/// All daemon operations on one attachment, in any order.
fn serve(lender: &mut Lender, dice: &mut Dice) -> u64 {
    let memory = lender.memory().clone();
    let mut credited = 0;
    for frame in 0..FRAMES {
        let full = lender.loaned() >= lender.quota();
        if lender.has(frame) || (full && lender.drop_oldest().is_none()) {
            continue;
        }
        lender.publish(frame, &FrameMeta::default()).unwrap();
    }
    let returned = lender.returned();
    lender.collect(|it| assert!(it.frame < FRAMES));
    credited += lender.returned() - returned;
    lender.take_violation();
    assert!(lender.loaned() <= lender.quota());
    let users = memory.users_at(&Fence::with_kicks(std::iter::once(&*memory)));
    assert!(users.len() <= layout::SLOTS);
    let calls: u64 = users.iter().map(SlotReading::calls).sum();
    assert!(calls < u64::MAX / 2);
    for slot in users {
        lender.credit_dead_thread(&slot);
        if dice.roll().is_multiple_of(4) {
            memory.reclaim_slot(&slot);
        }
    }
    for (frame, ..) in memory.held() {
        memory.loaned_since(frame);
    }
    memory.is_locally_stopped();
    memory.notify(EventKind::Dropped, dice.roll());
    if dice.roll().is_multiple_of(16) {
        memory.stop();
        // Bounded by the real sleepers, not by the words.
        while memory.wake_some(64) {}
        lender.settle(|_| credited += 1);
        memory.disarm_kick();
        memory.start();
    }
    assert_eq!(lender.loans().count(), lender.loaned());
    credited
}

#[test]
fn seg_scribbled_and_punched_then_the_daemon_and_others_go_on() {
    let (mut hostile, mut good) = (lender(1), lender(2));
    let memory = hostile.memory().clone();
    let (_, seg) = memory.for_client().unwrap();
    let seg = Mapping::new(seg.as_fd(), memory.geometry().seg_len(), Access::ReadWrite).unwrap();
    let over = AtomicBool::new(false);
    let good_state = (good.memory().slots(), good.memory().held());
    std::thread::scope(|scope| {
        for seed in [0x0a1a, 0x2110] {
            let (seg, over) = (&seg, &over);
            scope.spawn(move || scribble(seg, over, seed));
        }
        let mut dice = Dice(7);
        for round in 0..ROUNDS {
            let began = Instant::now();
            let before = hostile.published();
            serve(&mut hostile, &mut dice);
            assert!(hostile.published() >= before);
            assert!(began.elapsed() < STUCK, "round {round}");
        }
        // Evicted: each loan is taken back once, whatever its word says.
        let loaned = hostile.loaned();
        memory.set_state(AttachmentState::Revoked);
        memory.stop();
        while memory.wake_some(64) {}
        let mut taken = 0;
        hostile.revoke(|revoked| {
            assert!(revoked.frame < FRAMES);
            assert!(matches!(
                revoked.found,
                FoundState::Returned | FoundState::Unread | FoundState::Held
            ));
            taken += 1;
        });
        assert_eq!((taken, hostile.loaned()), (loaned, 0));
        assert_eq!(hostile.credit_dead_process(), [0; 0]);
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(good_state, (good.memory().slots(), good.memory().held()));
    good.publish(0, &FrameMeta::default()).unwrap();
    assert_eq!(good.drop_oldest(), Some(0));
}

/// Threads of a hostile client. Each sleeps on one word as often as one call allows, and again
/// after each wake-up. They count the wake-ups.
struct Dozers {
    word: &'static AtomicU32,
    over: &'static AtomicBool,
    woken: &'static AtomicU64,
    threads: Vec<std::thread::JoinHandle<()>>,
}

/// Entries of one `futex_waitv`.
const TIMES: usize = 128;

impl Dozers {
    fn on(word: &'static AtomicU32, count: usize) -> Self {
        let over: &AtomicBool = Box::leak(Box::default());
        let woken: &AtomicU64 = Box::leak(Box::default());
        let (sender, tids) = std::sync::mpsc::channel();
        let threads = (0..count)
            .map(|_| {
                let sender = sender.clone();
                let sleep = move || {
                    sender.send(sys::gettid()).unwrap();
                    while !over.load(Ordering::SeqCst) {
                        let now = word.load(Ordering::SeqCst);
                        let until = sys::monotonic_ns() + 100_000_000_000;
                        let waited = sys::futex_waitv([(word, now); TIMES], until);
                        assert_eq!(waited, Waited::Moved);
                        woken.fetch_add(1, Ordering::SeqCst);
                    }
                };
                let small = std::thread::Builder::new().stack_size(64 << 10);
                small.spawn(sleep).unwrap()
            })
            .collect();
        for tid in tids.iter().take(count) {
            let path = format!("/proc/self/task/{tid}/syscall");
            let number = format!("{} ", libc::SYS_futex_waitv);
            while !std::fs::read_to_string(&path).unwrap().starts_with(&number) {
                std::thread::yield_now();
            }
        }
        Self {
            word,
            over,
            woken,
            threads,
        }
    }

    /// Total number of wake-ups.
    fn end(self) -> u64 {
        let woken = self.woken.load(Ordering::SeqCst);
        self.over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            while !thread.is_finished() {
                sys::futex_wake(self.word, sys::ALL);
                std::thread::yield_now();
            }
            thread.join().unwrap();
        }
        woken
    }
}

/// A reason to wake: its name, the word that callers sleep on, and the operation.
type Reason<'a> = (&'a str, &'static AtomicU32, Box<dyn FnMut() + 'a>);

#[test]
fn words_slept_on_by_many_threads_then_one_wake_for_each_reason() {
    const THREADS: usize = 8_000;
    let mut lender = lender(1);
    let memory = lender.memory().clone();
    let (ctl, seg) = memory.for_client().unwrap();
    let geometry = memory.geometry();
    let map = |file: std::os::fd::BorrowedFd<'_>, len, access| -> &'static Mapping {
        Box::leak(Box::new(Mapping::new(file, len, access).unwrap()))
    };
    let ctl = map(ctl.as_fd(), geometry.ctl_len(), Access::ReadOnly);
    let seg = map(seg.as_fd(), geometry.seg_len(), Access::ReadWrite);
    let event_counts = [
        layout::SEG_COUNT_FRAME,
        layout::SEG_COUNT_EVENT,
        layout::SEG_COUNT_WATCH,
    ];
    for event_count in event_counts {
        // The client may claim any number of sleepers.
        let waiters: &AtomicU32 = seg.at(event_count + 4);
        waiters.store(u32::MAX, Ordering::SeqCst);
    }
    let mut publish = || {
        let _ = lender.drop_oldest();
        lender.publish(0, &FrameMeta::default()).unwrap();
    };
    let mut reasons: Vec<Reason<'_>> = Vec::new();
    for event_count in event_counts {
        reasons.push(("stop", seg.at(event_count), Box::new(|| memory.stop())));
        reasons.push((
            "notify_all",
            seg.at(event_count),
            Box::new(|| memory.notify_all()),
        ));
    }
    let notify = || memory.notify(EventKind::Dropped, 1);
    reasons.push(("notify", seg.at(layout::SEG_COUNT_EVENT), Box::new(notify)));
    reasons.push(("notify", seg.at(layout::SEG_COUNT_WATCH), Box::new(notify)));
    reasons.push((
        "start",
        ctl.at(layout::CTL_GATE),
        Box::new(|| memory.start()),
    ));
    let revoke = || memory.set_state(AttachmentState::Revoked);
    reasons.push(("state", ctl.at(layout::CTL_STATE), Box::new(revoke)));
    reasons.push((
        "publish",
        seg.at(layout::SEG_COUNT_WATCH),
        Box::new(&mut publish),
    ));
    for (name, word, mut reason) in reasons {
        let dozers = Dozers::on(word, THREADS);
        let began = Instant::now();
        reason();
        while dozers.woken.load(Ordering::SeqCst) == 0 {
            assert!(began.elapsed() < STUCK, "{name}: no thread woke");
            std::thread::yield_now();
        }
        assert_eq!(dozers.end(), 1, "{name}");
    }
}
