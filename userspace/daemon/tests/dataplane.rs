//! The dataplane over in-process wires: real pollers and packets, clients in this process.
//!
//! DPDK is initialised once in a process, so this is one test with one plane, which its scenarios
//! go through in turn. It needs neither privilege, hugepages nor an interface.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_dpdk::{EalConfig, Hugepages};
use onair_ipc::caller::{Attachment, Deadline, Lease, RawLease, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::{Geometry, VERSION};
use onair_ipc::lender::Lender;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::message::Attached;
use onair_media::pattern::{PatternWriter, verify};
use onair_media::video::{Depth, FrameRate, VideoFormat};
use onair_session::{Flushed, Runtime as _};
use onaird::dataplane::{
    Command, Dataplane, DataplaneConfig, EventReceiver, FrameSource, Idle, PollerEvent, PollerSpec,
    PollerTask, PortSpec, ReceiveConfig, Rest, Runtime, SendConfig, SessionStats, StartRefusal,
};
use onaird::shutdown::ThreadRegistry;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const A: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// Little, for who is to be slow …
const QUOTA: u32 = 3;
/// … and enough for who is not, on a machine that is busy with other things: a second.
const AMPLE: u32 = 60;
const PATIENCE: Duration = Duration::from_secs(60);

fn format() -> VideoFormat {
    VideoFormat::new(320, 180, Depth::Ten, FrameRate::new(60, 1).unwrap()).unwrap()
}

fn geometry(frames: u32) -> Geometry {
    Geometry::new(frames, u32::try_from(format().frame_bytes()).unwrap()).unwrap()
}

/// The plane, its events in order, and numbers for attachments.
struct Rig {
    plane: Dataplane,
    threads: ThreadRegistry,
    events: EventReceiver,
    seen: VecDeque<PollerEvent>,
    attachments: u64,
}

/// One attached client in this process.
struct Client {
    caller: Arc<Attachment>,
    memory: Arc<AttachmentMemory>,
    _peer: OwnedFd,
}

impl Rig {
    fn start() -> Self {
        let port = |name: &str, address, wire: &str, poller| PortSpec {
            name: name.into(),
            device: format!("ring:{wire}"),
            netns: None,
            address: (address, 24),
            poller,
        };
        let poller = |name: &str| PollerSpec {
            name: name.into(),
            core: 0,
            idle: Idle::Adaptive,
            rest: Rest::default(),
        };
        let threads = ThreadRegistry::default();
        let config = DataplaneConfig {
            eal: EalConfig {
                hugepages: Hugepages::Never,
                memory_mb: 128,
                ..EalConfig::default()
            },
            ports: vec![
                port("a", A, "wire:a", 0),
                port("b", B, "wire:b", 0),
                port("c", Ipv4Addr::new(10, 9, 1, 2), "other:b", 1),
            ],
            pollers: vec![poller("p0"), poller("p1")],
            port_busy: Duration::ZERO,
        };
        let plane = Dataplane::start(config, &threads).unwrap();
        let events = plane.events();
        Self {
            plane,
            threads,
            events,
            seen: VecDeque::new(),
            attachments: 0,
        }
    }

    fn send(&self, command: Command) {
        self.plane.send(0, command).unwrap();
    }

    /// Waits for the event that `wanted` takes; keeps the others for later.
    fn event<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(PollerEvent) -> Result<T, PollerEvent>,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for _ in 0..self.seen.len() {
                match wanted(self.seen.pop_front().unwrap()) {
                    Ok(found) => return found,
                    Err(other) => self.seen.push_back(other),
                }
            }
            while let Some(event) = self.events.pop() {
                self.seen.push_back(event);
            }
            if self.seen.is_empty() {
                assert!(Instant::now() < deadline, "no event: {what}");
                let mut fds = [PollFd::new(&self.events, PollFlags::IN)];
                poll(
                    &mut fds,
                    Some(&Timespec {
                        tv_sec: 1,
                        tv_nsec: 0,
                    }),
                )
                .unwrap();
            }
        }
    }

    fn handed_back(&mut self, session: u64) -> Box<Runtime> {
        self.event("handed back", |event| match event {
            PollerEvent::HandedBack(runtime) if runtime.session() == session => Ok(runtime),
            other => Err(other),
        })
    }

    fn stop(&mut self, session: u64) -> Box<Runtime> {
        self.send(Command::Quiesce(session));
        self.handed_back(session)
    }

    /// A client of `session` and the lender that goes with it.
    fn client(
        &mut self,
        session: u64,
        frames: &FrameMemory,
        quota: u32,
        sends: bool,
    ) -> (Client, Box<Lender>) {
        self.attachments += 1;
        let geometry = frames.geometry();
        let memory =
            Arc::new(AttachmentMemory::create(session, self.attachments, geometry).unwrap());
        memory.open();
        memory.start();
        let (ctl, seg) = memory.for_client().unwrap();
        let (socket, peer) = rustix::net::socketpair(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::SEQPACKET,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let format = format();
        let attached = Attached {
            session: format!("{session:016x}"),
            name: "test".into(),
            attachment: self.attachments,
            owner: false,
            sends,
            version: VERSION,
            geometry,
            width: format.width(),
            height: format.height(),
            depth: format.depth().bits().into(),
            rate_numerator: format.rate().num(),
            rate_denominator: format.rate().den(),
            watched: false,
        };
        let files = [ctl, seg, frames.for_client().unwrap()];
        let caller = Attachment::map(&attached, session, files, socket, false).unwrap();
        let lender = Box::new(Lender::new(Arc::clone(&memory), quota));
        (
            Client {
                caller,
                memory,
                _peer: peer,
            },
            lender,
        )
    }
}

impl Client {
    fn get(&self) -> Result<Lease, Refusal> {
        self.caller.get(Deadline::after_ms(10_000))
    }

    /// Gets the next whole frame, verifies it, gives it back, answers its number.
    fn number(&self, frames: &FrameMemory) -> u64 {
        let lease = self.get().unwrap();
        let meta = self.caller.meta(&lease);
        assert!(meta.is_complete(), "{meta:?}");
        let mut bytes = vec![0; format().frame_bytes()];
        frames.read(lease.frame(), 0, &mut bytes);
        self.caller.put(lease).unwrap();
        verify(&bytes).unwrap()
    }
}

fn receive(session: u64, udp: u16, attachments: usize) -> (Runtime, FrameMemory) {
    let count = 2 + AMPLE * u32::try_from(attachments).unwrap();
    receive_into(session, udp, attachments, count)
}

fn receive_into(session: u64, udp: u16, attachments: usize, count: u32) -> (Runtime, FrameMemory) {
    let frames = FrameMemory::create(geometry(count), true).unwrap();
    let config = ReceiveConfig {
        port: "b".into(),
        destination: SocketAddrV4::new(B, udp),
        source: None,
        payload_type: 96,
        format: format(),
        timeout_ns: ReceiveConfig::default_timeout_ns(&format()),
        max_attachments: attachments,
    };
    (
        Runtime::receive(session, config, frames.clone()).unwrap(),
        frames,
    )
}

fn send_config(udp: u16, source: FrameSource) -> SendConfig {
    SendConfig {
        port: "a".into(),
        source_port: 5000,
        destination: SocketAddrV4::new(B, udp),
        payload_type: 96,
        format: format(),
        source,
        mtu: 1500,
        max_attachments: 2,
    }
}

fn send(session: u64, udp: u16, source: FrameSource) -> Runtime {
    Runtime::send(session, send_config(udp, source)).unwrap()
}

/// Waits until a counter is as it should be.
fn wait(stats: &SessionStats, what: &str, reached: impl Fn(&SessionStats) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached(stats) {
        assert!(
            Instant::now() < deadline,
            "never: {what}; {:?}",
            stats.snapshot()
        );
        std::thread::yield_now();
    }
}

#[test]
fn dataplane_over_a_wire_in_one_process_then_each_scenario_holds() {
    let mut rig = Rig::start();
    assert_eq!(rig.plane.ports().len(), 3);
    pattern_sent_and_received_then_each_frame_verified_and_none_lost(&mut rig);
    session_stopped_and_started_again_then_goes_on_at_a_frame_boundary(&mut rig);
    session_stopped_while_packets_pour_in_then_handed_back_and_no_frame_leaks(&mut rig);
    slow_consumer_takes_nothing_then_only_its_own_frames_drop(&mut rig);
    reader_evicted_with_frames_then_they_are_written_only_after_their_release(&mut rig);
    thread_dead_in_a_running_session_then_credited_once_by_who_has_the_ledger(&mut rig);
    client_source_submits_in_order_then_sent_in_order_and_underruns_counted(&mut rig);
    client_source_flushed_while_nothing_can_be_sent_then_told_when_it_is_dropped(&mut rig);
    datagrams_malformed_then_counted_by_reason(&mut rig);
    sender_nobody_answers_arp_then_silent_and_handed_back(&mut rig);
    session_cannot_start_then_refused_with_the_runtime(&mut rig);
    poller_idle_sessions_then_sleeps(&mut rig);
    poller_panics_then_told_and_its_sessions_come_back_and_the_others_go_on(&mut rig);
    pollers_flushed_and_told_to_accept_no_more_then_buffers_empty_and_packets_counted(&mut rig);

    let (runtime, _frames) = receive(99, 6000, 1);
    rig.send(Command::Start(Box::new(runtime)));
    let events = rig.plane.events();
    let summary = rig.plane.shutdown().unwrap();
    assert!(
        summary.ports[..2]
            .iter()
            .all(|(_, port)| port.rx_packets > 0)
    );
    assert!(rig.threads.all_stopped());
    let back = std::iter::from_fn(|| events.pop());
    assert!(
        back.into_iter()
            .any(|event| matches!(event, PollerEvent::HandedBack(it) if it.session() == 99))
    );
}

fn poller_panics_then_told_and_its_sessions_come_back_and_the_others_go_on(rig: &mut Rig) {
    let config = ReceiveConfig {
        port: "c".into(),
        destination: SocketAddrV4::new(Ipv4Addr::new(10, 9, 1, 2), 5004),
        source: None,
        payload_type: 96,
        format: format(),
        timeout_ns: ReceiveConfig::default_timeout_ns(&format()),
        max_attachments: 1,
    };
    let frames = FrameMemory::create(geometry(4), true).unwrap();
    let runtime = Runtime::receive(70, config, frames).unwrap();
    let to_p1 = |command| rig.plane.send(1, command);
    to_p1(Command::Start(Box::new(runtime))).unwrap();
    to_p1(Command::Run(PollerTask::new(|| panic!("on purpose")))).unwrap();
    let message = rig.event("the death", |event| match event {
        PollerEvent::Died { poller: 1, message } => Ok(message),
        other => Err(other),
    });
    assert_eq!(message, "on purpose");
    rig.event("the session", |event| match event {
        PollerEvent::HandedBack(it) if it.session() == 70 => Ok(()),
        other => Err(other),
    });
    let late = rig.plane.send(1, Command::Quiesce(70));
    assert!(late.is_err(), "it takes no more");
    rig.threads.threads()[1]
        .wait_stopped(Instant::now() + PATIENCE)
        .unwrap();
    let reports = rig.threads.reports();
    assert_eq!(reports[1].panic.as_deref(), Some("on purpose"));
    assert!(!reports[0].is_stopped);
}

fn pollers_flushed_and_told_to_accept_no_more_then_buffers_empty_and_packets_counted(
    rig: &mut Rig,
) {
    let (runtime, _frames) = receive(71, 5004, 1);
    let stats = Arc::clone(runtime.stats());
    rig.send(Command::Start(Box::new(runtime)));
    rig.send(Command::Start(Box::new(send(
        72,
        5004,
        FrameSource::Pattern,
    ))));
    wait(&stats, "some packets", |it| it.snapshot().packets > 0);
    // The dead one has no buffers any more.
    rig.plane.flush(&rig.threads, PATIENCE).unwrap();
    rig.threads.stop_accepting();
    let state = rig.threads.threads().remove(0);
    let deadline = Instant::now() + PATIENCE;
    while state.report().dropped_by_shutdown == 0 {
        assert!(Instant::now() < deadline, "nothing is dropped");
        std::thread::sleep(Duration::from_millis(1));
    }
    rig.plane.flush(&rig.threads, PATIENCE).unwrap();
    let before = stats.snapshot().packets;
    let dropped = state.report().dropped_by_shutdown;
    while state.report().dropped_by_shutdown < dropped + 100 {
        assert!(Instant::now() < deadline, "nothing more is dropped");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(
        stats.snapshot().packets,
        before,
        "the session gets none of them"
    );
    assert!(state.report().processed > 0);
    rig.stop(72);
    rig.stop(71);
}

fn pattern_sent_and_received_then_each_frame_verified_and_none_lost(rig: &mut Rig) {
    let (mut receiver, frames) = receive(1, 5004, 2);
    let (client, lender) = rig.client(1, &frames, AMPLE, false);
    receiver.attach(lender, None).unwrap();
    let received = Arc::clone(receiver.stats());
    let sender = send(2, 5004, FrameSource::Pattern);
    let sent = Arc::clone(sender.stats());
    rig.send(Command::Start(Box::new(receiver)));
    rig.send(Command::Start(Box::new(sender)));

    for expected in 0..130 {
        assert_eq!(client.number(&frames), expected);
    }
    rig.stop(2);
    let total = sent.snapshot();
    wait(&received, "all frames", |it| {
        it.snapshot().frames_complete == total.frames_sent
    });
    let mut receiver = rig.stop(1);
    let counted = received.snapshot();
    assert_eq!(counted.packets, total.packets);
    assert_eq!(counted.packets_accepted, total.packets);
    assert_eq!(
        (
            counted.packets_lost,
            counted.frames_incomplete,
            counted.frames_dropped_slow
        ),
        (0, 0, 0)
    );
    assert_eq!(total.waiting_for_arp, 0);
    let lender = receiver.lender_mut(client.memory.attachment()).unwrap();
    lender.settle(|_| {});
    assert_eq!(lender.lent(), 0);
    assert_eq!(receiver.take_lenders().len(), 1);
}

fn session_stopped_and_started_again_then_goes_on_at_a_frame_boundary(rig: &mut Rig) {
    let (mut receiver, frames) = receive(3, 5005, 1);
    let (client, lender) = rig.client(3, &frames, AMPLE, false);
    receiver.attach(lender, None).unwrap();
    let stats = Arc::clone(receiver.stats());
    let mut receiver = Box::new(receiver);
    let mut sender = Box::new(send(4, 5005, FrameSource::Pattern));
    let mut next = 0;
    for round in 0..3 {
        rig.send(Command::Start(receiver));
        rig.send(Command::Start(sender));
        for _ in 0..10 {
            assert_eq!(client.number(&frames), next, "round {round}");
            next += 1;
        }
        sender = rig.stop(4);
        let sent = sender.stats().snapshot().frames_sent;
        wait(&stats, "what was sent", |it| {
            it.snapshot().frames_complete == sent
        });
        while next < sent {
            assert_eq!(
                client.number(&frames),
                next,
                "round {round}, after the stop"
            );
            next += 1;
        }
        receiver = rig.stop(3);
        let lender = receiver.lenders_mut().next().unwrap();
        lender.settle(|_| {});
        assert_eq!(lender.lent(), 0);
    }
    assert_eq!(stats.snapshot().frames_incomplete, 0);
    assert_eq!(stats.snapshot().packets_lost, 0);
}

/// The command to stop may come in the very turn in which packets of the session do.
fn session_stopped_while_packets_pour_in_then_handed_back_and_no_frame_leaks(rig: &mut Rig) {
    let (mut receiver, frames) = receive(12, 5012, 1);
    let (client, lender) = rig.client(12, &frames, AMPLE, false);
    receiver.attach(lender, None).unwrap();
    let stats = Arc::clone(receiver.stats());
    let mut receiver = Box::new(receiver);
    rig.send(Command::Start(Box::new(send(
        13,
        5012,
        FrameSource::Pattern,
    ))));
    for _ in 0..300 {
        let before = stats.snapshot().packets;
        rig.send(Command::Start(receiver));
        wait(&stats, "packets", |it| it.snapshot().packets > before);
        receiver = rig.stop(12);
    }
    receiver.lenders_mut().next().unwrap().settle(|_| {});
    rig.send(Command::Start(receiver));
    for _ in 0..2 * AMPLE {
        let lease = client.get().unwrap();
        client.caller.put(lease).unwrap();
    }
    assert_eq!(stats.snapshot().frames_no_buffer, 0);
    rig.stop(12);
    rig.stop(13);
}

fn slow_consumer_takes_nothing_then_only_its_own_frames_drop(rig: &mut Rig) {
    let (receiver, frames) = receive(5, 5006, 2);
    let stats = Arc::clone(receiver.stats());
    let (quick, quick_lender) = rig.client(5, &frames, AMPLE, false);
    let (slow, slow_lender) = rig.client(5, &frames, QUOTA, false);
    rig.send(Command::Start(Box::new(receiver)));
    for lender in [quick_lender, slow_lender] {
        rig.send(Command::Attach {
            session: 5,
            lender,
            frames: None,
        });
    }
    rig.send(Command::Start(Box::new(send(
        6,
        5006,
        FrameSource::Pattern,
    ))));

    // Takes its whole quota and holds it: what it holds must not change under it.
    let held: Vec<_> = (0..QUOTA).map(|_| slow.get().unwrap()).collect();
    let first = quick.number(&frames);
    for expected in first + 1..first + 60 {
        assert_eq!(quick.number(&frames), expected);
    }
    let slow_counts = stats.attachment(slow.memory.attachment()).unwrap();
    let quick_counts = stats.attachment(quick.memory.attachment()).unwrap();
    assert!(slow_counts.frames_dropped_slow >= 30, "{slow_counts:?}");
    assert_eq!(quick_counts.frames_dropped_slow, 0);
    for lease in held {
        let mut bytes = vec![0; format().frame_bytes()];
        frames.read(lease.frame(), 0, &mut bytes);
        verify(&bytes).unwrap();
        slow.caller.put(lease).unwrap();
    }
    // Takes nothing now: it finds the newest frames, not those from when it stopped taking.
    let mut seen = 0;
    for _ in 0..30 {
        seen = quick.number(&frames);
    }
    assert!(slow.number(&frames) + u64::from(QUOTA) + 1 >= seen);

    rig.send(Command::Detach {
        session: 5,
        attachment: slow.memory.attachment(),
    });
    let lender = rig.event("lender back", |event| match event {
        PollerEvent::LenderBack {
            session: 5, lender, ..
        } => Ok(lender),
        other => Err(other),
    });
    assert_eq!(lender.attachment(), slow.memory.attachment());
    quick.number(&frames);
    rig.stop(6);
    assert_eq!(rig.stop(5).take_lenders().len(), 1);
}

fn reader_evicted_with_frames_then_they_are_written_only_after_their_release(rig: &mut Rig) {
    let (receiver, frames) = receive_into(15, 5015, 2, 2 + 2 * QUOTA);
    let (quick, quick_lender) = rig.client(15, &frames, QUOTA, false);
    let (victim, victim_lender) = rig.client(15, &frames, QUOTA, false);
    let number = victim.memory.attachment();
    rig.send(Command::Start(Box::new(receiver)));
    for lender in [quick_lender, victim_lender] {
        rig.send(Command::Attach {
            session: 15,
            lender,
            frames: None,
        });
    }
    rig.send(Command::Start(Box::new(send(
        16,
        5015,
        FrameSource::Pattern,
    ))));
    let picture = |lease: &RawLease| {
        let mut bytes = vec![0; format().frame_bytes()];
        frames.read(lease.frame(), 0, &mut bytes);
        verify(&bytes).unwrap()
    };
    let held: Vec<_> = (0..QUOTA - 1)
        .map(|_| victim.get().unwrap().into_raw())
        .collect();
    let numbers: Vec<u64> = held.iter().map(picture).collect();
    rig.send(Command::Evict {
        session: 15,
        attachment: number,
    });
    let evicted = rig.event("evicted", |event| match event {
        PollerEvent::Evicted {
            session: 15,
            evicted,
        } => Ok(evicted),
        other => Err(other),
    });
    assert_eq!(evicted.lender.attachment(), number);
    assert_eq!(evicted.lender.lent(), 0);
    assert_eq!(evicted.set_aside, u64::from(QUOTA - 1));
    assert!(evicted.revoked >= evicted.set_aside);
    assert_eq!(victim.caller.put_raw(held[0]), Err(Refusal::Stale));
    // Each frame of the memory is used more than once, but for those.
    for _ in 0..2 * frames.count() {
        quick.number(&frames);
    }
    assert_eq!(held.iter().map(picture).collect::<Vec<_>>(), numbers);

    rig.send(Command::Release {
        session: 15,
        attachment: number,
    });
    for _ in 0..2 * frames.count() {
        quick.number(&frames);
    }
    let reused = held.iter().map(|lease| {
        let mut bytes = vec![0; format().frame_bytes()];
        frames.read(lease.frame(), 0, &mut bytes);
        verify(&bytes).ok()
    });
    assert!(reused.zip(&numbers).all(|(now, then)| now != Some(*then)));
    rig.stop(16);
    let mut runtime = rig.stop(15);
    // With the control thread it is the same, and what nobody took is used at once.
    let number = quick.memory.attachment();
    runtime.lender_mut(number).unwrap().settle(|_| {});
    let evicted = runtime.evict(number).unwrap();
    assert_eq!((evicted.revoked, evicted.set_aside), (0, 0));
    assert!(runtime.evict(number).is_none());
    assert!(runtime.take_lenders().is_empty());
}

fn thread_dead_in_a_running_session_then_credited_once_by_who_has_the_ledger(rig: &mut Rig) {
    let credited = |rig: &mut Rig, ticket: u64| {
        rig.event("credited", |event| match event {
            PollerEvent::ThreadCredited {
                ticket: of, frames, ..
            } if of == ticket => Ok(frames),
            other => Err(other),
        })
    };
    let (receiver, frames) = receive(24, 5024, 1);
    let (client, lender) = rig.client(24, &frames, AMPLE, false);
    let attachment = client.memory.attachment();
    rig.send(Command::Start(Box::new(receiver)));
    rig.send(Command::Attach {
        session: 24,
        lender,
        frames: None,
    });
    rig.send(Command::Start(Box::new(send(
        25,
        5024,
        FrameSource::Pattern,
    ))));
    // Played: the thread that took the frame lives, and is told of as dead.
    let dead = |client: &Client| {
        let slot = client.get().unwrap().slot();
        let slots = client.memory.slots();
        *slots.iter().find(|it| it.index == slot).unwrap()
    };
    let request = |ticket, slot| Command::CreditThread {
        session: 24,
        attachment,
        ticket,
        slot,
    };
    let slot = dead(&client);
    rig.send(request(1, slot));
    rig.send(request(2, slot));
    assert_eq!(credited(rig, 1), Some(1));
    assert_eq!(credited(rig, 2), Some(0), "once");
    // A death or a detach overtakes it, or is overtaken.
    let slot = dead(&client);
    rig.send(Command::Detach {
        session: 24,
        attachment,
    });
    rig.send(request(3, slot));
    let mut lender = rig.event("lender back", |event| match event {
        PollerEvent::LenderBack {
            session: 24,
            lender,
            ..
        } => Ok(lender),
        other => Err(other),
    });
    let by_poller = credited(rig, 3);
    lender.settle(|_| ());
    let rest = lender.credit_dead_process().len() as u64;
    assert_eq!(by_poller.unwrap_or(0) + rest, 1, "{by_poller:?}");
    rig.send(request(4, slot));
    assert_eq!(credited(rig, 4), None, "the lender is not there");
    rig.stop(25);
    rig.stop(24);
    rig.send(request(5, slot));
    assert_eq!(credited(rig, 5), None, "nor is the session");
}

fn client_source_submits_in_order_then_sent_in_order_and_underruns_counted(rig: &mut Rig) {
    let (mut receiver, frames) = receive(7, 5007, 1);
    let (reader, lender) = rig.client(7, &frames, AMPLE, false);
    receiver.attach(lender, None).unwrap();
    rig.send(Command::Start(Box::new(receiver)));
    let sender = send(8, 5007, FrameSource::Client);
    let stats = Arc::clone(sender.stats());
    rig.send(Command::Start(Box::new(sender)));
    let own = FrameMemory::create(geometry(QUOTA + 1), false).unwrap();
    let (writer, lender) = rig.client(8, &own, QUOTA, true);
    rig.send(Command::Attach {
        session: 8,
        lender,
        frames: Some(own.clone()),
    });

    let mut pattern = PatternWriter::new(&format()).unwrap();
    let mut submit = |number: u64, leases: Vec<Lease>| {
        for (number, lease) in (number..).zip(leases) {
            let mut bytes = vec![0; format().frame_bytes()];
            pattern.start(number);
            pattern.fill(&mut bytes);
            own.write(lease.frame(), 0, &bytes);
            writer.caller.submit(lease).unwrap();
        }
    };
    wait(&stats, "underruns", |it| it.snapshot().underruns >= 3);
    assert_eq!(stats.snapshot().packets, 0);
    for number in 0..40 {
        let lease = writer.get().unwrap();
        submit(number, vec![lease]);
    }
    // Out of order by frame, in order by submission.
    let mut leases: Vec<_> = (0..QUOTA).map(|_| writer.get().unwrap()).collect();
    leases.reverse();
    submit(40, leases);
    rig.send(Command::Flush {
        session: 8,
        ticket: 5,
    });
    let flush = flushed(rig, 8);
    assert_eq!(stats.snapshot().frames_sent, 43);
    assert_eq!((flush.ticket, flush.dropped), (5, 0));
    assert!(flush.sent <= 43, "{flush:?}");
    rig.send(Command::Flush {
        session: 8,
        ticket: 6,
    });
    let nothing = flushed(rig, 8);
    assert_eq!((nothing.ticket, nothing.sent, nothing.dropped), (6, 0, 0));

    let mut leases: Vec<_> = (0..QUOTA).map(|_| writer.get().unwrap()).collect();
    leases.reverse();
    submit(43, leases);
    // What was submitted is sent also when the client leaves at once.
    rig.send(Command::Detach {
        session: 8,
        attachment: writer.memory.attachment(),
    });
    for expected in 0..43 + u64::from(QUOTA) {
        assert_eq!(reader.number(&frames), expected);
    }
    let lender = rig.event("lender back", |event| match event {
        PollerEvent::LenderBack {
            session: 8,
            lender,
            frames: Some(_),
            ..
        } => Ok(lender),
        other => Err(other),
    });
    assert_eq!(lender.attachment(), writer.memory.attachment());
    rig.stop(8);
    rig.stop(7);
    let counted = stats.snapshot();
    assert_eq!((counted.frames_sent, counted.frames_submitted), (46, 46));
    assert_eq!(
        (counted.frames_dropped_stop, counted.frames_dropped_detached),
        (0, 0)
    );
}

fn flushed(rig: &mut Rig, of: u64) -> Flushed {
    rig.event("flushed", |event| match event {
        PollerEvent::Flushed { session, flushed } if session == of => Ok(flushed),
        other => Err(other),
    })
}

fn client_source_flushed_while_nothing_can_be_sent_then_told_when_it_is_dropped(rig: &mut Rig) {
    // Nobody has that address.
    let config = send_config(5026, FrameSource::Client);
    let nobody = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 78), 5026);
    let config = SendConfig {
        destination: nobody,
        ..config
    };
    rig.send(Command::Start(Box::new(Runtime::send(26, config).unwrap())));
    let own = FrameMemory::create(geometry(QUOTA + 1), false).unwrap();
    let attach = |rig: &mut Rig| {
        let (writer, lender) = rig.client(26, &own, QUOTA, true);
        rig.send(Command::Attach {
            session: 26,
            lender,
            frames: Some(own.clone()),
        });
        for _ in 0..QUOTA {
            let lease = writer.get().unwrap();
            writer.caller.submit(lease).unwrap();
        }
        writer
    };
    let dropped = |ticket| Flushed {
        ticket,
        sent: 0,
        dropped: u64::from(QUOTA),
    };
    let flush = |ticket| Command::Flush {
        session: 26,
        ticket,
    };

    let writer = attach(rig);
    rig.send(flush(1));
    rig.send(Command::Evict {
        session: 26,
        attachment: writer.memory.attachment(),
    });
    assert_eq!(flushed(rig, 26), dropped(1), "by an eviction");
    let _writer = attach(rig);
    rig.send(flush(2));
    let runtime = rig.stop(26);
    assert_eq!(runtime.unsent(), 0);
    assert_eq!(flushed(rig, 26), dropped(2), "by a stop");
    rig.send(flush(3));
}

fn datagrams_malformed_then_counted_by_reason(rig: &mut Rig) {
    let (receiver, _frames) = receive(9, 5008, 1);
    let stats = Arc::clone(receiver.stats());
    rig.send(Command::Start(Box::new(receiver)));
    // Another payload type, and a raster that does not fit: nothing of it may pass.
    let wrong_type = SendConfig {
        payload_type: 97,
        ..send_config(5008, FrameSource::Pattern)
    };
    rig.send(Command::Start(Box::new(
        Runtime::send(10, wrong_type).unwrap(),
    )));
    wait(&stats, "bad payload type", |it| {
        reason(it, "bad_payload_type") > 0
    });
    rig.stop(10);
    let rate = FrameRate::new(60, 1).unwrap();
    let taller = VideoFormat::new(320, 400, Depth::Ten, rate).unwrap();
    let taller = SendConfig {
        format: taller,
        ..send_config(5008, FrameSource::Pattern)
    };
    rig.send(Command::Start(Box::new(Runtime::send(11, taller).unwrap())));
    wait(&stats, "bad range", |it| reason(it, "bad_srd_range") > 0);
    rig.stop(11);
    rig.stop(9);
    let counted = stats.snapshot();
    let by_reason: u64 = stats.malformed().map(|(_, count)| count).sum();
    assert_eq!(by_reason, counted.packets_malformed);
    let others = counted.packets_accepted + counted.packets_late + counted.packets_duplicate;
    assert_eq!(
        counted.packets,
        by_reason + others + counted.packets_no_buffer
    );
    // Nobody listens any more: the port counts what still comes.
    rig.send(Command::Start(Box::new(send(
        12,
        5008,
        FrameSource::Pattern,
    ))));
    let deadline = Instant::now() + PATIENCE;
    while rig.plane.port_counters("b").unwrap().rx_no_session == 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    rig.stop(12);
}

fn reason(stats: &SessionStats, name: &str) -> u64 {
    stats
        .malformed()
        .find(|(reason, _)| reason.name() == name)
        .unwrap()
        .1
}

fn sender_nobody_answers_arp_then_silent_and_handed_back(rig: &mut Rig) {
    let nobody = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 77), 5004);
    let config = SendConfig {
        destination: nobody,
        ..send_config(0, FrameSource::Pattern)
    };
    let runtime = Runtime::send(13, config).unwrap();
    let stats = Arc::clone(runtime.stats());
    let asked = rig.plane.port_counters("a").unwrap().arp_sent;
    rig.send(Command::Start(Box::new(runtime)));
    wait(&stats, "waiting for ARP", |it| {
        it.snapshot().waiting_for_arp == 1
    });
    let deadline = Instant::now() + PATIENCE;
    while rig.plane.port_counters("a").unwrap().arp_sent < asked + 3 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    rig.stop(13);
    assert_eq!(stats.snapshot().packets, 0);
}

fn session_cannot_start_then_refused_with_the_runtime(rig: &mut Rig) {
    let (receiver, _frames) = receive(14, 5010, 1);
    rig.send(Command::Start(Box::new(receiver)));
    let far = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 5004);
    let far = SendConfig {
        destination: far,
        ..send_config(0, FrameSource::Pattern)
    };
    let lost = SendConfig {
        port: "c".into(),
        ..send_config(0, FrameSource::Pattern)
    };
    let refusals = [
        (
            receive(15, 5010, 1).0,
            StartRefusal::FlowInUse(SocketAddrV4::new(B, 5010)),
        ),
        (receive(14, 5011, 1).0, StartRefusal::Twice(14)),
        (
            Runtime::send(15, lost).unwrap(),
            StartRefusal::UnknownPort("c".into()),
        ),
        (
            Runtime::send(15, far).unwrap(),
            StartRefusal::NotOnLink {
                destination: Ipv4Addr::new(192, 0, 2, 1),
                port: "a".into(),
            },
        ),
    ];
    for (runtime, expected) in refusals {
        let session = runtime.session();
        rig.send(Command::Start(Box::new(runtime)));
        let (runtime, reason) = rig.event("refused", |event| match event {
            PollerEvent::Refused { runtime, reason } => Ok((runtime, reason)),
            other => Err(other),
        });
        assert_eq!((runtime.session(), reason), (session, expected));
    }
    rig.stop(14);
}

fn poller_idle_sessions_then_sleeps(rig: &mut Rig) {
    let (receiver, _frames) = receive(16, 5012, 1);
    rig.send(Command::Start(Box::new(receiver)));
    let before = rig.plane.poller_counters(0).unwrap().sleeps;
    let deadline = Instant::now() + PATIENCE;
    while rig.plane.poller_counters(0).unwrap().sleeps < before + 20 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    rig.stop(16);
}
