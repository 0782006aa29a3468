//! A sender with faults, a packet a period.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use onair_essence::rtp::RtpHeader;
use onair_tests::Rig;

/// What is wrong with what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Fault {
    None,
    /// Of five units four are left out. Timestamps go on, sequence numbers have no gap.
    LeavesOut,
    /// One unit a second is left out, as before.
    LeavesOneOut,
    ZeroTimestamps,
    /// Two packets in the time of one, each as long as before.
    TwiceAsFast,
    /// One packet a second has a timestamp of a second later.
    OneWrongTimestamp,
    /// One such packet; then the sender has no fault.
    WrongTimestampOnce,
}

const FAULTS: [Fault; 7] = [
    Fault::None,
    Fault::LeavesOut,
    Fault::LeavesOneOut,
    Fault::ZeroTimestamps,
    Fault::TwiceAsFast,
    Fault::OneWrongTimestamp,
    Fault::WrongTimestampOnce,
];

/// How an essence is sent: a packet a period.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) udp: u16,
    period: Duration,
    ticks: u32,
    /// Packets of a unit.
    unit: u64,
}

/// Stereo of 48 kHz and 24 bits, 1 ms a packet, 10 ms a block.
pub(super) const SOUND: Kind = Kind {
    udp: 5004,
    period: Duration::from_millis(1),
    ticks: 48,
    unit: 10,
};

pub(super) struct Sender {
    pub(super) fault: Arc<AtomicU32>,
    /// The synchronisation source; another one begins anew with other numbers.
    pub(super) ssrc: Arc<AtomicU32>,
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Sender {
    pub(super) fn start(rig: &Rig, kind: Kind) -> Result<Self> {
        let socket = rig.stage().inside(|| Ok(UdpSocket::bind("10.77.0.9:0")?))?;
        socket.connect(("10.77.0.2", kind.udp))?;
        let (fault, ssrc) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(7)));
        let ends = Arc::new(AtomicBool::new(false));
        let seen = (Arc::clone(&fault), Arc::clone(&ssrc), Arc::clone(&ends));
        let thread = thread::spawn(move || send(&socket, kind, &seen));
        Ok(Self {
            fault,
            ssrc,
            ends,
            thread,
        })
    }

    pub(super) fn has(&self, fault: Fault) {
        self.fault.store(fault as u32, Ordering::Relaxed);
    }

    pub(super) fn end(self) -> Result<()> {
        self.ends.store(true, Ordering::Relaxed);
        let sent = self.thread.join();
        sent.map_err(|_| anyhow!("the sender panicked"))?
    }
}

fn send(
    socket: &UdpSocket,
    kind: Kind,
    (fault, ssrc, ends): &(Arc<AtomicU32>, Arc<AtomicU32>, Arc<AtomicBool>),
) -> Result<()> {
    let (start, mut sequence) = (Instant::now(), 0u16);
    for packet in 0u64.. {
        let due = start + kind.period * u32::try_from(packet)?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if ends.load(Ordering::Relaxed) {
            break;
        }
        let asked = fault;
        let fault = FAULTS[asked.load(Ordering::Relaxed) as usize];
        let packets_a_second = 1_000_000_000 / u64::try_from(kind.period.as_nanos())?;
        let is_left_out = match fault {
            Fault::LeavesOut => !(packet / kind.unit).is_multiple_of(5),
            Fault::LeavesOneOut => packet % packets_a_second < kind.unit,
            _ => false,
        };
        if is_left_out {
            continue;
        }
        let ssrc = ssrc.load(Ordering::Relaxed);
        let ticks = u32::try_from(packet)?.wrapping_mul(kind.ticks);
        let is_odd = packet.is_multiple_of(packets_a_second);
        let (times, timestamp) = match fault {
            Fault::ZeroTimestamps => (1, 0),
            Fault::TwiceAsFast => (2, ticks.wrapping_mul(2)),
            Fault::OneWrongTimestamp | Fault::WrongTimestampOnce if is_odd => {
                (1, ticks.wrapping_add(1_000 * kind.ticks))
            }
            _ => (1, ticks),
        };
        for time in 0..times {
            let timestamp = (timestamp + time * kind.ticks).wrapping_add(ssrc << 20);
            let header = RtpHeader {
                marker: false,
                payload_type: 96,
                sequence: sequence.wrapping_add(u16::try_from(ssrc * 1_000)?),
                timestamp: if fault == Fault::ZeroTimestamps {
                    0
                } else {
                    timestamp
                },
                ssrc,
            };
            socket.send(&[&header.to_bytes()[..], &[0x10; 288][..]].concat())?;
            sequence = sequence.wrapping_add(1);
        }
        if fault == Fault::WrongTimestampOnce && is_odd {
            asked.store(Fault::None as u32, Ordering::Relaxed);
        }
    }
    Ok(())
}
