//! A poller with its sessions and its wire, and beside it a wire whose packets are only copied.

use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use onair_dataplane::{
    Command, ManualPoller, PollerEvent, PortAddresses, PortInfo, ReceiveConfig, Runtime,
};
use onair_dpdk::{Burst, Eal, Port, PortConfig, RxQueue, TxQueue};
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_workers::ThreadRegistry;

use super::source::{self, FRAMES, Place, Source};

/// Packets of one turn: as many as a poller takes.
const BATCH: usize = 256;
const BURST: usize = 32;
/// Packets of a port's pool: those of a turn, and what is cached.
const MBUFS: u32 = 2_048;

/// A raster, how many flows of it, and how many sessions receive each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    width: u32,
    height: u32,
    depth: Depth,
    flows: usize,
    sharing: usize,
}

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (raster, flows) = text.split_once(':').context("RASTER:FLOWS[xSHARING]")?;
        let (flows, sharing) = flows.split_once('x').unwrap_or((flows, "1"));
        let (width, height, depth) = match raster {
            "2160p" => (4096, 2160, Depth::Ten),
            "1080p" => (1920, 1080, Depth::Ten),
            "720p" => (1280, 720, Depth::Eight),
            "360p" => (640, 360, Depth::Eight),
            "180p" => (320, 180, Depth::Eight),
            other => bail!("no raster {other}"),
        };
        Ok(Self {
            width,
            height,
            depth,
            flows: flows.parse()?,
            sharing: sharing.parse()?,
        })
    }
}

/// One wire: what is put in at one end comes out at the other.
struct Wire {
    ports: [Port; 2],
    tx: TxQueue,
    places: Vec<Place>,
    source: Source,
}

impl Wire {
    fn open(eal: &Eal, name: &str, source: Source) -> Result<(Self, RxQueue, TxQueue)> {
        let port = |end: &str| {
            let mut config = PortConfig::new(format!("{name}{end}"), format!("ring:{name}:{end}"));
            config.mbufs = MBUFS;
            Port::open(eal, &config)
        };
        let ports = [port("a")?, port("b")?];
        let tx = ports[0].tx_queue(0).context("the queue is free")?;
        let far = ports[1].rx_queue(0).zip(ports[1].tx_queue(0));
        let (rx, back) = far.context("the queues are free")?;
        let wire = Self {
            ports,
            tx,
            places: Vec::with_capacity(BATCH),
            source,
        };
        Ok((wire, rx, back))
    }

    /// Puts the next packets in.
    fn fill(&mut self) -> Result<()> {
        self.places.clear();
        let mut burst = Burst::with_limit(BURST);
        for _ in 0..BATCH {
            let (place, write) = self.source.next()?;
            let mut packet = self.tx.alloc().context("the port's pool is empty")?;
            write(packet.append(place.bytes).context("no room in a packet")?);
            burst
                .push(packet)
                .map_err(|_| anyhow!("no room in a burst"))?;
            self.places.push(place);
            if burst.room() == 0 {
                self.tx.burst(&mut burst);
                ensure!(burst.is_empty(), "the ring is full");
            }
        }
        Ok(())
    }
}

pub(super) struct Lane {
    poller: ManualPoller,
    wire: Wire,
    copied: Wire,
    copied_rx: RxQueue,
    copies: Vec<FrameMemory>,
    _back: TxQueue,
}

impl Lane {
    pub(super) fn open(eal: &Eal, number: usize, kind: Kind) -> Result<Self> {
        let rate = FrameRate::new(60, 1)?;
        let format = VideoFormat::new(kind.width, kind.height, kind.depth, rate)?;
        let bytes = u32::try_from(format.frame_bytes())?;
        let geometry = Geometry::new(FRAMES, bytes).context("a geometry that is possible")?;
        let memory = || -> Result<FrameMemory> {
            let memory = FrameMemory::create(geometry, true)?;
            // So that no page is missing later.
            let zeros = vec![0; format.frame_bytes()];
            (0..FRAMES).for_each(|frame| memory.write(frame, 0, &zeros));
            Ok(memory)
        };
        let source = || Source::new(format, kind.flows);
        let (wire, rx, tx) = Wire::open(eal, &format!("w{number}"), source()?)?;
        let (copied, copied_rx, back) = Wire::open(eal, &format!("c{number}"), source()?)?;
        let info = PortInfo {
            name: "b".into(),
            device: wire.ports[1].device().to_owned(),
            netns: None,
            driver: wire.ports[1].driver().to_owned(),
            mac: wire.ports[1].mac(),
            addresses: PortAddresses::of_ipv4(source::ADDRESS, 24),
            vlan: None,
            pollers: vec![0],
            queues: 1,
            steers: false,
            mtu: wire.ports[1].mtu(),
        };
        let threads = ThreadRegistry::default();
        let mut poller = ManualPoller::new(vec![(info, rx, tx)], &threads)?;
        let events = poller.events();
        for session in 0..kind.flows * kind.sharing {
            let flow = session / kind.sharing;
            let config = ReceiveConfig {
                port: "b".into(),
                destination: source::destination(flow),
                sources: Vec::new(),
                payload_type: source::PAYLOAD_TYPE,
                format: format.into(),
                mtu: 1500,
                timeout_ns: onair_essence::Format::from(format).default_timeout_ns(),
                max_attachments: 1,
                second: None,
                media_clock_offset: 0,
            };
            let runtime = Runtime::receive(session as u64 + 1, config, memory()?)?;
            let start = Command::Start(Box::new(runtime));
            poller
                .send(start)
                .map_err(|_| anyhow!("the poller takes no command"))?;
            poller.turn();
            if let Some(PollerEvent::Refused { reason, .. }) = events.pop() {
                bail!("a session does not start: {reason}");
            }
        }
        let copies = (0..kind.flows).map(|_| memory()).collect::<Result<_>>()?;
        Ok(Self {
            poller,
            wire,
            copied,
            copied_rx,
            copies,
            _back: back,
        })
    }

    pub(super) fn payload_bytes(&self) -> f64 {
        let bytes = self.wire.source.payload_bytes();
        f64::from(u32::try_from(bytes).expect("a packet"))
    }

    /// One turn of the poller, ns for each packet.
    pub(super) fn path(&mut self) -> Result<f64> {
        self.wire.fill()?;
        let before = self.poller.packets();
        let begin = Instant::now();
        self.poller.turn();
        let taken = begin.elapsed();
        let packets = self.poller.packets() - before;
        ensure!(packets == BATCH as u64, "{packets} packets in a turn");
        Ok(each(taken))
    }

    /// The same payloads, only copied; ns for each packet.
    pub(super) fn copy(&mut self) -> Result<f64> {
        self.copied.fill()?;
        let mut bursts: Vec<_> = (0..BATCH / BURST)
            .map(|_| Burst::with_limit(BURST))
            .collect();
        for burst in &mut bursts {
            ensure!(self.copied_rx.burst(burst) == BURST, "packets are missing");
        }
        let packets = bursts.iter().flat_map(|burst| burst.iter());
        let packets: Vec<_> = packets.map(onair_dpdk::Mbuf::data).collect();
        let begin = Instant::now();
        for (packet, place) in packets.into_iter().zip(&self.copied.places) {
            let data = &packet[place.data_at..];
            self.copies[place.flow].write_by_memcpy(place.frame, place.start, data);
        }
        Ok(each(begin.elapsed()))
    }
}

fn each(taken: std::time::Duration) -> f64 {
    let batch = u32::try_from(BATCH).expect("a few");
    taken.as_secs_f64() * 1e9 / f64::from(batch)
}
