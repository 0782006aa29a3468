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
    NoMarker,
    WrongChecksum,
    ZeroTimestamps,
    /// Two packets in the time of one, each as long as before.
    TwiceAsFast,
    /// One packet a second has a timestamp of a second later.
    OneWrongTimestamp,
    /// One such packet; then the sender has no fault.
    WrongTimestampOnce,
    /// Nothing for 300 ms of each two seconds, while timestamps go on.
    Pauses,
    /// As that, and the timestamps stand meanwhile.
    PausesAndGoesOn,
    /// 24 units in the time of 25, by their timestamps too.
    FewerUnits,
    /// Each unit as two fields.
    Fields,
    /// Each unit comes from two senders, which have the same SSRC.
    TwoSenders,
}

const FAULTS: [Fault; 14] = [
    Fault::None,
    Fault::LeavesOut,
    Fault::LeavesOneOut,
    Fault::NoMarker,
    Fault::WrongChecksum,
    Fault::ZeroTimestamps,
    Fault::TwiceAsFast,
    Fault::OneWrongTimestamp,
    Fault::WrongTimestampOnce,
    Fault::Pauses,
    Fault::PausesAndGoesOn,
    Fault::FewerUnits,
    Fault::Fields,
    Fault::TwoSenders,
];

/// How an essence is sent: a packet a period.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) udp: u16,
    period: Duration,
    ticks: u32,
    /// Packets of a unit.
    unit: u64,
    marker: bool,
    payload: fn(Fault) -> Vec<u8>,
}

/// Stereo of 48 kHz and 24 bits, 1 ms a packet, 10 ms a block.
pub(super) const SOUND: Kind = Kind {
    udp: 5004,
    period: Duration::from_millis(1),
    ticks: 48,
    unit: 10,
    marker: false,
    payload: |_| vec![0x10; 288],
};

/// Ancillary data of 25 frames a second: nothing, or an ANC packet with a wrong checksum.
pub(super) const DATA: Kind = Kind {
    udp: 5006,
    period: Duration::from_millis(40),
    ticks: 3_600,
    unit: 1,
    marker: true,
    payload: |fault| match fault {
        Fault::WrongChecksum => vec![
            0, 0, 0, 12, 1, 0, 0, 0, 0, 0xa0, 0, 0, 0x58, 0x50, 0x24, 6, 0, 0, 0, 0,
        ],
        _ => vec![0; 8],
    },
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
        let socket = || {
            let socket = rig.stage().inside(|| Ok(UdpSocket::bind("10.77.0.9:0")?))?;
            socket.connect(("10.77.0.2", kind.udp))?;
            anyhow::Ok(socket)
        };
        let sockets = [socket()?, socket()?];
        let (fault, ssrc) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(7)));
        let ends = Arc::new(AtomicBool::new(false));
        let seen = (Arc::clone(&fault), Arc::clone(&ssrc), Arc::clone(&ends));
        let thread = thread::spawn(move || send(&sockets, kind, &seen));
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
    [socket, other]: &[UdpSocket; 2],
    kind: Kind,
    (fault, ssrc, ends): &(Arc<AtomicU32>, Arc<AtomicU32>, Arc<AtomicBool>),
) -> Result<()> {
    let (start, mut sequence) = (Instant::now(), 0u16);
    // Packets by which the timestamps are behind.
    let mut behind = 0;
    for packet in 0u64.. {
        let due = start + kind.period * u32::try_from(packet)?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if ends.load(Ordering::Relaxed) {
            break;
        }
        let asked = fault;
        let fault = FAULTS[asked.load(Ordering::Relaxed) as usize];
        let packets_a_second = 1_000_000_000 / kind.period.as_nanos() as u64;
        let is_left_out = match fault {
            Fault::LeavesOut => packet / kind.unit % 5 > 0,
            Fault::LeavesOneOut => packet % packets_a_second < kind.unit,
            Fault::Pauses | Fault::PausesAndGoesOn => {
                packet % (2 * packets_a_second) < packets_a_second * 3 / 10
            }
            Fault::FewerUnits => packet % 25 == 24,
            _ => false,
        };
        if is_left_out {
            behind += u32::from(fault == Fault::PausesAndGoesOn);
            continue;
        }
        let ssrc = ssrc.load(Ordering::Relaxed);
        let ticks = (u32::try_from(packet)? - behind).wrapping_mul(kind.ticks);
        let is_odd = packet.is_multiple_of(packets_a_second);
        let (times, timestamp) = match fault {
            Fault::ZeroTimestamps => (1, 0),
            Fault::TwiceAsFast => (2, ticks.wrapping_mul(2)),
            Fault::FewerUnits => (1, ticks + u32::try_from(packet % 25)? * kind.ticks / 24),
            Fault::Fields => (2, ticks),
            Fault::OneWrongTimestamp | Fault::WrongTimestampOnce if is_odd => {
                (1, ticks.wrapping_add(1_000 * kind.ticks))
            }
            _ => (1, ticks),
        };
        for time in 0..times {
            let header = RtpHeader {
                marker: kind.marker && fault != Fault::NoMarker,
                payload_type: 96,
                sequence: sequence.wrapping_add((ssrc * 1_000) as u16),
                timestamp: (timestamp + time * kind.ticks).wrapping_add(ssrc << 20),
                ssrc,
            };
            let timestamp = match fault {
                Fault::ZeroTimestamps => 0,
                Fault::Fields => header.timestamp - time * kind.ticks / 2,
                _ => header.timestamp,
            };
            let header = RtpHeader {
                timestamp,
                ..header
            };
            let mut payload = (kind.payload)(fault);
            if fault == Fault::Fields {
                payload[5] = (2 + u8::try_from(time)?) << 6;
            }
            socket.send(&[&header.to_bytes()[..], &payload].concat())?;
            if fault == Fault::TwoSenders {
                let header = RtpHeader {
                    sequence: header.sequence.wrapping_add(20_000),
                    timestamp: header.timestamp.wrapping_add(90_000_000),
                    ..header
                };
                other.send(&[&header.to_bytes()[..], &payload].concat())?;
            }
            sequence = sequence.wrapping_add(1);
        }
        if fault == Fault::WrongTimestampOnce && is_odd {
            asked.store(Fault::None as u32, Ordering::Relaxed);
        }
    }
    Ok(())
}
