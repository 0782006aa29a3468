//! A bad network: a relay for UDP that loses, doubles and holds back packets.
//!
//! The kernel's own `netem` is a module that not every kernel has, and it draws its own random
//! numbers. This draws the same ones each time, so that a failure can be repeated.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use onair_stage::Stage;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::process::setpriority_process;

use crate::dice::Dice;

/// What happens to packets, each in so many out of a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disturbance {
    /// Lost.
    pub lost: u64,
    /// Sent twice.
    pub doubled: u64,
    /// Sent after one to `depth` of those that follow.
    pub delayed: u64,
    /// How far a delayed packet falls back, at most.
    pub depth: u64,
}

/// How often that was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Packets that came.
    pub came: u64,
    /// Packets that were lost.
    pub lost: u64,
    /// Packets that were sent twice.
    pub doubled: u64,
    /// Packets that were held back.
    pub delayed: u64,
}

/// What is wrong with the sender's clock, as its RTP timestamps show it.
#[derive(Debug, Default)]
struct ClockFault {
    ahead_ticks: AtomicU32,
    fast_ppm: AtomicI32,
}

/// The clock's error until now, and since which timestamp it grows how fast.
#[derive(Debug, Default)]
struct Error {
    ticks: i64,
    since: Option<u32>,
    ppm: i32,
}

impl Error {
    fn at(&mut self, timestamp: u32, ppm: i32) -> i64 {
        let since = *self.since.get_or_insert(timestamp);
        let passed = i64::from(timestamp.wrapping_sub(since).cast_signed());
        let error = self.ticks + passed * i64::from(self.ppm) / 1_000_000;
        if self.ppm != ppm {
            (self.ticks, self.since, self.ppm) = (error, Some(timestamp), ppm);
        }
        error
    }
}

impl ClockFault {
    /// Changes the timestamp (RFC 3550, section 5.1) of a packet.
    fn apply(&self, packet: &mut [u8], error: &mut Error) {
        let bytes = packet
            .get_mut(4..8)
            .and_then(|it| it.first_chunk_mut::<4>());
        let Some(bytes) = bytes else {
            return;
        };
        let timestamp = u32::from_be_bytes(*bytes);
        let fast = error.at(timestamp, self.fast_ppm.load(Ordering::Relaxed));
        let ahead = self.ahead_ticks.load(Ordering::Relaxed);
        let wrong = i64::from(timestamp) + fast + i64::from(ahead);
        let wrong = u32::try_from(wrong.rem_euclid(1 << 32)).expect("below 2^32");
        *bytes = wrong.to_be_bytes();
    }
}

/// A relay at work, inside a stage's namespace.
#[derive(Debug)]
pub struct Relay {
    entrance: SocketAddr,
    end: Arc<AtomicBool>,
    clock: Arc<ClockFault>,
    thread: JoinHandle<Result<Done>>,
}

impl Relay {
    /// Starts a relay to `destination`.
    pub fn start(stage: &Stage, destination: SocketAddr, disturbance: Disturbance) -> Result<Self> {
        let (entrance, exit) = stage.inside(|| {
            let entrance = UdpSocket::bind("127.0.0.1:0")?;
            // A whole frame comes in one burst: some megabytes.
            set_socket_recv_buffer_size_force(&entrance, 32 << 20)?;
            entrance.set_read_timeout(Some(Duration::from_millis(50)))?;
            let exit = UdpSocket::bind("0.0.0.0:0")?;
            exit.connect(destination)?;
            Ok((entrance, exit))
        })?;
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let clock = Arc::new(ClockFault::default());
        let wrong = Arc::clone(&clock);
        let address = entrance.local_addr()?;
        let thread = std::thread::Builder::new()
            .name("relay".into())
            .spawn(move || {
                // A frame that is interrupted for too long is rightly taken for incomplete. Linux
                // sets it for the calling thread alone.
                setpriority_process(None, -15)?;
                relay(&entrance, &exit, disturbance, &wrong, &ended)
            })?;
        Ok(Self {
            entrance: address,
            end,
            clock,
            thread,
        })
    }

    /// Where packets are to be sent to.
    #[must_use]
    pub fn entrance(&self) -> SocketAddr {
        self.entrance
    }

    /// From now on the timestamps are ahead by so many ticks of 90 kHz.
    pub fn jump(&self, ticks: u32) {
        self.clock.ahead_ticks.store(ticks, Ordering::Relaxed);
    }

    /// From now on the sender's clock is faster by `ppm`.
    pub fn drift(&self, ppm: i32) {
        self.clock.fast_ppm.store(ppm, Ordering::Relaxed);
    }

    /// Ends it once no packet has come for a moment, and says what it has done.
    pub fn finish(self) -> Result<Done> {
        self.end.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the relay's thread panicked"))?
    }
}

fn relay(
    entrance: &UdpSocket,
    exit: &UdpSocket,
    disturbance: Disturbance,
    clock: &ClockFault,
    ended: &AtomicBool,
) -> Result<Done> {
    let mut dice = Dice::new(0x9E37_79B9_7F4A_7C15);
    let mut held: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    let mut done = Done::default();
    let mut packet = [0; 65_536];
    let mut error = Error::default();
    loop {
        let length = match entrance.recv(&mut packet) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                for (_, late) in held.drain(..) {
                    exit.send(&late)?;
                }
                if ended.load(Ordering::Relaxed) {
                    return Ok(done);
                }
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let packet = &mut packet[..length];
        clock.apply(packet, &mut error);
        done.came += 1;
        if dice.one_of(disturbance.lost) {
            done.lost += 1;
        } else if dice.one_of(disturbance.delayed) {
            done.delayed += 1;
            held.push_back((
                done.came + 1 + dice.roll(disturbance.depth.max(1)),
                packet.to_vec(),
            ));
        } else {
            exit.send(packet)?;
            if dice.one_of(disturbance.doubled) {
                done.doubled += 1;
                exit.send(packet)?;
            }
        }
        while let Some(place) = held.iter().position(|(when, _)| *when <= done.came) {
            if let Some((_, late)) = held.remove(place) {
                exit.send(&late)?;
            }
        }
    }
}
