//! The plane, its events in order, and clients in this process.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_dataplane::{
    Command, Dataplane, DataplaneConfig, EarlyPorts, EventReceiver, FrameSource, Idle, MediaClock,
    PollerEvent, PollerSpec, PortAddresses, PortJournal, PortSpec, ReceiveConfig, Rest, Runtime,
    SendConfig, SessionStats,
};
use onair_dpdk::{Eal, EalConfig, Hugepages, XdpChoice};
use onair_essence::video::pattern::verify;
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_ipc::caller::{Attachment, Deadline, Lease, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::{Geometry, VERSION};
use onair_ipc::lender::Lender;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::message::Attached;
use onair_session::FlushReport;
use onair_workers::ThreadRegistry;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub(crate) const A: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

pub(crate) const B: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

pub(crate) const D: Ipv4Addr = Ipv4Addr::new(10, 9, 2, 1);

/// Of the port with two pollers.
pub(crate) const E: Ipv4Addr = Ipv4Addr::new(10, 9, 2, 2);

/// Few frames, for a client that is to be slow …
pub(crate) const QUOTA: u32 = 3;

/// … and enough for a client that is not, on a machine that is busy with other things: a second.
pub(crate) const AMPLE: u32 = 60;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) fn format() -> VideoFormat {
    VideoFormat::new(320, 180, Depth::Ten, FrameRate::new(60, 1).unwrap()).unwrap()
}

pub(crate) fn geometry(frames: u32) -> Geometry {
    Geometry::new(frames, u32::try_from(format().frame_bytes()).unwrap()).unwrap()
}

/// The plane, its events in order, and numbers for attachments.
pub(crate) struct Rig {
    pub(crate) plane: Dataplane,
    pub(crate) threads: ThreadRegistry,
    pub(crate) events: EventReceiver,
    pub(crate) seen: VecDeque<PollerEvent>,
    pub(crate) attachments: u64,
}

/// One attached client in this process.
pub(crate) struct Client {
    pub(crate) caller: Arc<Attachment>,
    pub(crate) memory: Arc<AttachmentMemory>,
    pub(crate) _peer: OwnedFd,
}

/// Rings have no interface.
#[derive(Debug)]
struct NoJournal;

impl PortJournal for NoJournal {
    fn before_open(&self, _: &PortSpec) {}
    fn after_open(&self, _: &PortSpec) {}
}

impl Rig {
    pub(crate) fn open() -> Self {
        let port = |name: &str, address, wire: &str, pollers: &[usize]| PortSpec {
            name: name.into(),
            device: format!("ring:{wire}"),
            netns: None,
            xdp: XdpChoice::Auto,
            mtu: None,
            rx_ring: None,
            addresses: PortAddresses::of_ipv4(address, 24),
            vlan: None,
            pollers: pollers.to_vec(),
        };
        let poller = |name: &str| PollerSpec {
            name: name.into(),
            core: 0,
            idle: Idle::Adaptive,
            rest: Rest::default(),
        };
        let threads = ThreadRegistry::default();
        let eal = EalConfig {
            hugepages: Hugepages::Never,
            memory_mb: 192,
            ..EalConfig::default()
        };
        let config = DataplaneConfig {
            ports: vec![
                port("a", A, "wire:a", &[0]),
                port("b", B, "wire:b", &[0]),
                port("c", Ipv4Addr::new(10, 9, 1, 2), "other:b", &[1]),
                // A ring has one queue: the second poller has none.
                port("d", D, "wide:a", &[0]),
                port("e", E, "wide:b", &[0, 2]),
            ],
            pollers: vec![poller("p0"), poller("p1"), poller("p2")],
            port_busy: Duration::ZERO,
            journal: Arc::new(NoJournal),
        };
        let plane =
            Dataplane::start(EarlyPorts::none(Eal::init(&eal).unwrap()), config, &threads).unwrap();
        let events = plane.events();
        Self {
            plane,
            threads,
            events,
            seen: VecDeque::new(),
            attachments: 0,
        }
    }

    pub(crate) fn send(&mut self, command: Command) {
        self.plane.send(0, command).unwrap();
    }

    /// Waits for the event that `wanted` takes; keeps the others for later.
    pub(crate) fn event<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(PollerEvent) -> Result<T, PollerEvent>,
    ) -> T {
        let deadline = Instant::now() + TIMEOUT;
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

    pub(crate) fn start(&mut self, runtime: Runtime) {
        self.send(Command::Start(Box::new(runtime)));
    }

    pub(crate) fn attach(
        &mut self,
        session: u64,
        lender: Box<Lender>,
        frames: Option<FrameMemory>,
    ) {
        self.send(Command::Attach {
            session,
            lender,
            frames,
        });
    }

    pub(crate) fn lender_back(&mut self, of: u64) -> Box<Lender> {
        self.event("lender back", |event| match event {
            PollerEvent::LenderBack {
                session, lender, ..
            } if session == of => Ok(lender),
            other => Err(other),
        })
    }

    pub(crate) fn handed_back(&mut self, session: u64) -> Box<Runtime> {
        self.event("handed back", |event| match event {
            PollerEvent::HandedBack(runtime) if runtime.session() == session => Ok(runtime),
            other => Err(other),
        })
    }

    pub(crate) fn stop(&mut self, session: u64) -> Box<Runtime> {
        self.send(Command::Quiesce(session));
        self.handed_back(session)
    }

    /// A client of `session` and the lender that goes with it.
    pub(crate) fn client(
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
            local: false,
            version: VERSION,
            geometry,
            format: format.into(),
            layout: None,
            quota,
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
    pub(crate) fn get(&self) -> Result<Lease, Refusal> {
        self.caller.get(Deadline::after_ms(10_000))
    }

    /// Gets the next whole frame, verifies it, gives it back, answers its number.
    pub(crate) fn number(&self, frames: &FrameMemory) -> u64 {
        let lease = self.get().unwrap();
        let meta = self.caller.meta(&lease);
        assert!(meta.is_complete(), "{meta:?}");
        let mut bytes = vec![0; format().frame_bytes()];
        frames.read(lease.frame(), 0, &mut bytes);
        self.caller.put(lease).unwrap();
        verify(&bytes).unwrap()
    }
}

pub(crate) fn receive(session: u64, udp: u16, attachments: usize) -> (Runtime, FrameMemory) {
    let count = 2 + AMPLE * u32::try_from(attachments).unwrap();
    receive_into(session, udp, attachments, count)
}

pub(crate) fn receive_into(
    session: u64,
    udp: u16,
    attachments: usize,
    count: u32,
) -> (Runtime, FrameMemory) {
    let frames = FrameMemory::create(geometry(count), true).unwrap();
    let config = ReceiveConfig {
        max_attachments: attachments,
        ..ReceiveConfig::of_one_leg("b", SocketAddr::from((B, udp)), format())
    };
    (
        Runtime::receive(session, config, frames.clone()).unwrap(),
        frames,
    )
}

pub(crate) fn send_config(udp: u16, source: FrameSource) -> SendConfig {
    SendConfig {
        port: "a".into(),
        source_port: 5000,
        destination: SocketAddr::from((B, udp)),
        ttl: 64,
        dscp: 34,
        payload_type: 96,
        media_clock_offset: 0,
        format: format().into(),
        source,
        mtu: 1500,
        max_attachments: 2,
        clock: Arc::new(MediaClock::of_kernel()),
        second: None,
    }
}

pub(crate) fn send(session: u64, udp: u16, source: FrameSource) -> Runtime {
    Runtime::send(session, send_config(udp, source)).unwrap()
}

/// Waits until a counter is as it should be.
pub(crate) fn wait(stats: &SessionStats, what: &str, reached: impl Fn(&SessionStats) -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !reached(stats) {
        assert!(
            Instant::now() < deadline,
            "never: {what}; {:?}",
            stats.snapshot()
        );
        std::thread::yield_now();
    }
}

pub(crate) fn flushed(rig: &mut Rig, of: u64) -> FlushReport {
    rig.event("flushed", |event| match event {
        PollerEvent::Flushed { session, flushed } if session == of => Ok(flushed),
        other => Err(other),
    })
}

pub(crate) fn reason(stats: &SessionStats, name: &str) -> u64 {
    stats
        .malformed()
        .find(|(reason, _)| *reason == name)
        .unwrap()
        .1
}
