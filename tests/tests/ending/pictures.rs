//! A host beside the daemon that sends pictures, each with its number in it.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::st2110_20::{Packetiser, STANDARD_RTP_BYTES};
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_tests::{Raster, Rig, resolve};

/// A sender of [`Raster`], until it ends.
pub(crate) struct Pictures {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Result<u32>>,
}

impl Pictures {
    /// Sends to port `b`, at UDP port 5000.
    pub(crate) fn start(rig: &Rig, raster: Raster) -> Result<Self> {
        resolve(rig.stage(), "10.77.0.2")?;
        let socket = rig.stage().inside(|| Ok(UdpSocket::bind("10.77.0.9:0")?))?;
        socket.connect("10.77.0.2:5000")?;
        let rate = FrameRate::new(raster.rate, 1)?;
        let format = VideoFormat::new(raster.width, raster.height, Depth::Ten, rate)?;
        let packetiser = Packetiser::new(format, STANDARD_RTP_BYTES)?;
        let ends = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ends);
        let thread = thread::spawn(move || send(&socket, &packetiser, raster.rate, &told));
        Ok(Self { ends, thread })
    }

    /// Ends it. Returns how many pictures it sent.
    pub(crate) fn end(self) -> Result<u32> {
        self.ends.store(true, Ordering::Relaxed);
        let sent = self.thread.join();
        sent.map_err(|_| anyhow!("the sender panicked"))?
    }
}

/// The number in a picture.
pub(crate) fn number(picture: &[u8]) -> Result<u32> {
    let bytes = picture.get(..4).context("a picture without a number")?;
    Ok(u32::from_le_bytes(bytes.try_into()?))
}

fn send(socket: &UdpSocket, packetiser: &Packetiser, rate: u32, ends: &AtomicBool) -> Result<u32> {
    let start = Instant::now();
    let mut sequence = 0;
    for number in 0.. {
        let due = start + Duration::from_secs(1) * number / rate;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if ends.load(Ordering::Relaxed) {
            return Ok(number);
        }
        let stream = StreamHeader {
            payload_type: 96,
            timestamp: number * (90_000 / rate),
            ssrc: 7,
        };
        for index in 0..packetiser.packets() {
            let packet = packetiser.packet(index).context("below the count")?;
            let mut bytes = vec![0; packet.bytes()];
            let data = packet.write_headers(&stream, sequence, &mut bytes);
            if index == 0 {
                bytes[data..data + 4].copy_from_slice(&number.to_le_bytes());
            }
            sequence += 1;
            socket.send(&bytes)?;
        }
    }
    unreachable!("it ends before all numbers are used")
}
