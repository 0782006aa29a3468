//! Copies by DPDK's engine in software, and by engines that fail.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use onair_copier::{Channel, Copier, Counted};
use onair_dpdk::{Burst, DmaChannel, Eal, EalConfig, Error, Hugepages, Pool, RegisteredThread};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use proptest::prelude::*;

const FRAME: usize = 1 << 16;
const FRAMES: u32 = 4;
/// Most packets of a burst, which its taker relies on.
const LIMIT: usize = 32;
/// The test in a process of its own.
const CHILD: &str = "ONAIR_COPIER_CHILD";

static EAL: LazyLock<Eal> = LazyLock::new(|| {
    let config = EalConfig {
        hugepages: Hugepages::Never,
        memory_mb: 128,
        ..EalConfig::default()
    };
    Eal::init(&config).expect("once in this process")
});

/// An engine of the test's, with faults that DPDK's never has.
#[derive(Debug, Default)]
struct Faulty {
    jobs: VecDeque<(usize, usize, usize)>,
    /// It takes so many copies at once.
    room: usize,
    /// Of so many copies one fails.
    fails: usize,
    /// After so many it ends none.
    hangs_after: usize,
    stops: bool,
    ended: usize,
}

// SAFETY: it copies in `completed` alone.
unsafe impl Channel for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }

    unsafe fn copy(&mut self, from: *const u8, to: *mut u8, length: u32) -> bool {
        let has_room = self.jobs.len() < self.room;
        if has_room {
            self.jobs.push_back((
                from.expose_provenance(),
                to.expose_provenance(),
                length as usize,
            ));
        }
        has_room
    }

    fn submit(&mut self) {}

    fn completed(&mut self, failed: &mut [bool; DmaChannel::TOLD]) -> usize {
        let left = self.hangs_after.saturating_sub(self.ended);
        let count = self.jobs.len().min(failed.len() / 4).min(left);
        for ((from, to, length), failed) in self.jobs.drain(..count).zip(failed) {
            self.ended += 1;
            *failed = self.ended.is_multiple_of(self.fails);
            if !*failed {
                let from = std::ptr::with_exposed_provenance::<u8>(from);
                let to = std::ptr::with_exposed_provenance_mut::<u8>(to);
                // SAFETY: the promise of `copy`.
                unsafe { to.copy_from_nonoverlapping(from, length) };
            }
        }
        count
    }

    fn stop(&mut self) -> bool {
        self.stops
    }
}

fn frames() -> FrameMemory {
    let bytes = u32::try_from(FRAME).expect("a small frame");
    let geometry = Geometry::new(FRAMES, bytes).expect("frames of whole pages");
    FrameMemory::create(geometry, true).expect("memory")
}

/// Packets of these lengths, each byte another than its neighbours.
fn packets(pool: &Pool, lengths: &[usize], seed: usize) -> Burst {
    let mut burst = Burst::with_limit(LIMIT);
    for (at, length) in lengths.iter().enumerate() {
        let mut packet = pool.alloc().expect("enough for all bursts under way");
        let room = packet.append(*length).expect("less than an MTU");
        for (place, byte) in room.iter_mut().enumerate() {
            *byte = u8::try_from((seed + 7 * at + place) % 251).expect("less than 251");
        }
        burst.push(packet).expect("fewer than it takes");
    }
    burst
}

/// Copies bursts into frames, one packet after the other, and compares with the core's copies of the same.
fn live<C: Channel>(copier: &mut Copier<C>, pool: &Pool, bursts: &[Vec<usize>]) -> (usize, usize) {
    let (memory, other, expected) = (frames(), frames(), frames());
    let (mut offset, mut begun, mut by_core) = (0, 0, 0);
    for (at, lengths) in bursts.iter().enumerate() {
        let frame = u32::try_from(at).expect("few bursts") % FRAMES;
        if frame == 0 {
            // The frames are used again.
            copier.settle();
        }
        let mut burst = packets(pool, lengths, at);
        for packet in &*burst {
            let start = offset % (FRAME - 2048);
            expected.write(frame, start, packet.data());
            offset += packet.len();
        }
        offset -= lengths.iter().sum::<usize>();
        if !copier.wants(&burst) {
            for packet in &*burst {
                memory.write(frame, offset % (FRAME - 2048), packet.data());
                offset += packet.len();
            }
            continue;
        }
        copier.lend(&mut burst, |packets, copies| {
            // Not of a packet, though as long.
            let foreign = vec![0; 1024];
            assert!(!copies.copy(&other, 0, 0, &foreign));
            for packet in packets {
                let start = offset % (FRAME - 2048);
                if copies.copy(&memory, frame, start, packet.data()) {
                    begun += 1;
                } else {
                    memory.write(frame, start, packet.data());
                    by_core += 1;
                }
                offset += packet.len();
            }
        });
        assert_eq!(burst.room(), LIMIT);
    }
    copier.settle();
    assert_eq!(pool.held(), 0);
    let (mut is, mut should) = (vec![0; FRAME], vec![0; FRAME]);
    for frame in 0..FRAMES {
        memory.read(frame, 0, &mut is);
        expected.read(frame, 0, &mut should);
        assert!(is == should, "frame {frame} differs");
    }
    (begun, by_core)
}

fn bursts() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::vec(1usize..1500, 1..=32), 1..24)
}

#[test]
fn any_bursts_by_any_engine_then_the_frames_are_the_cores() {
    let registered = RegisteredThread::new(&EAL).unwrap();
    let pool = Pool::new(&EAL, "any", 1024).unwrap();
    let engine = DmaChannel::open(&EAL, "dma_skeleton").unwrap();
    assert_eq!(engine.name(), "dma_skeleton");
    let software = RefCell::new(Copier::new(engine));
    let copied = Cell::new(0);
    let runner = ProptestConfig::with_cases(24);
    proptest!(runner, |(bursts in bursts(), room in 1usize..300, fails in 1usize..50)| {
        let mut software = software.borrow_mut();
        let before = software.counted();
        let (begun, _) = live(&mut software, &pool, &bursts);
        copied.update(|it| it + begun);
        let after = software.counted();
        prop_assert_eq!(after.by_engine - before.by_engine, begun as u64);
        prop_assert_eq!(after.failed, 0);
        prop_assert!(!after.is_given_up);

        let faulty = Faulty { room, fails, hangs_after: usize::MAX, ..Faulty::default() };
        let mut copier = Copier::new(faulty);
        let (begun, _) = live(&mut copier, &pool, &bursts);
        let Counted { by_engine, failed, is_given_up } = copier.counted();
        prop_assert_eq!(by_engine + failed, begun as u64);
        prop_assert_eq!(failed, begun as u64 / fails as u64);
        prop_assert!(!is_given_up);
    });
    assert!(copied.get() > 1000, "the engine made {copied:?} copies");
    drop((software, pool, registered));
}

#[test]
fn engine_hangs_then_the_core_copies_and_all_goes_on() {
    let registered = RegisteredThread::new(&EAL).unwrap();
    let pool = Pool::new(&EAL, "hangs", 1024).unwrap();
    let mut copier = Copier::new(Faulty {
        room: 500,
        fails: usize::MAX,
        hangs_after: 40,
        stops: true,
        ..Faulty::default()
    });
    let begins = Instant::now();
    let (begun, by_core) = live(&mut copier, &pool, &vec![vec![1200; 32]; 6]);
    assert!(begins.elapsed() < Duration::from_secs(5));
    // Four bursts are taken before the first wait. Afterwards the copier wants none.
    assert_eq!((begun, by_core), (128, 0));
    let counted = copier.counted();
    assert_eq!((counted.by_engine, counted.failed), (40, 88));
    assert!(counted.is_given_up && !copier.wants(&packets(&pool, &[1200; 32], 0)));
    drop((copier, pool, registered));
}

#[test]
fn packets_are_wanted_back_then_their_copies_have_ended() {
    let registered = RegisteredThread::new(&EAL).unwrap();
    let pool = Pool::new(&EAL, "back", 1024).unwrap();
    let faulty = Faulty {
        room: 500,
        fails: usize::MAX,
        hangs_after: usize::MAX,
        ..Faulty::default()
    };
    let (mut copier, memory) = (Copier::new(faulty), frames());
    let wants = [7, 8].map(|count| copier.wants(&packets(&pool, &vec![1000; count], 0)));
    assert_eq!(wants, [false, true]);
    let mut burst = packets(&pool, &[1000; 16], 3);
    let copied = copier.lend(&mut burst, |packets, copies| {
        copies.copy(&memory, 1, 5, packets[15].data())
    });
    assert!(copied && burst.is_empty());
    copier.give_back(&mut burst);
    let mut is = vec![0; 1000];
    memory.read(1, 5, &mut is);
    assert_eq!((burst.len(), &is[..]), (16, burst[15].data()));
    drop((burst, copier, pool, registered));
}

#[test]
fn engine_that_does_not_stop_ends_the_process() {
    if std::env::var_os(CHILD).is_some() {
        let registered = RegisteredThread::new(&EAL).unwrap();
        let pool = Pool::new(&EAL, "ends", 1024).unwrap();
        let mut copier = Copier::new(Faulty {
            room: 500,
            ..Faulty::default()
        });
        live(&mut copier, &pool, &vec![vec![1200; 32]; 4]);
        drop((copier, pool, registered));
        return;
    }
    let name = "engine_that_does_not_stop_ends_the_process";
    let mut again = Command::new(std::env::current_exe().unwrap());
    let output = again
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert_eq!(output.status.signal(), Some(6), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("does not stop: the daemon ends"), "{said}");
}

#[test]
fn engine_that_is_not_there_is_an_error_with_its_name() {
    for name in ["wq7.3", "", "net_null0"] {
        let error = DmaChannel::open(&EAL, name).expect_err(name);
        assert!(matches!(error, Error::Dpdk { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains(&format!("DMA engine {name}")), "{said}");
    }
}
