//! Senders of other makers in the studio, and a stranger.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use onair_stage::{Control, Running, wait_for};

use super::site::{Plant, STUDIO, UDP, started};

/// A sender of another maker, which sends until it is dropped.
#[derive(Debug)]
pub struct Camera {
    /// Its process, named after its group.
    pub running: Running,
}

/// The group of this number.
#[must_use]
pub(crate) fn group(number: u8) -> String {
    format!("239.77.9.{number}")
}

impl Camera {
    /// GStreamer's raw video: 320 x 180, 25 frames a second, 4:2:2 of 8 bits, each frame in one burst.
    ///
    /// # Errors
    /// It does not start.
    pub fn gstreamer(plant: &Plant, number: u8) -> Result<Self> {
        let source = "videotestsrc is-live=true pattern=ball \
             ! video/x-raw,format=UYVY,width=320,height=180,framerate=25/1 ! rtpvrawpay mtu=1400 pt=96";
        Self::pipeline(plant, number, source)
    }

    /// GStreamer's PCM: L24, 48 kHz, two channels, packets of 1 ms.
    ///
    /// # Errors
    /// It does not start.
    pub fn gstreamer_sound(plant: &Plant, number: u8) -> Result<Self> {
        let source = "audiotestsrc is-live=true samplesperbuffer=48 \
             ! audio/x-raw,format=S24BE,rate=48000,channels=2,layout=interleaved \
             ! rtpL24pay pt=96 min-ptime=1000000 max-ptime=1000000";
        Self::pipeline(plant, number, source)
    }

    fn pipeline(plant: &Plant, number: u8, source: &str) -> Result<Self> {
        let line = format!(
            "nice -n -15 gst-launch-1.0 --quiet {source} \
             ! udpsink host={} port={UDP} multicast-iface=vs ttl-mc=8 bind-address={STUDIO} sync=true",
            group(number)
        );
        Self::start(plant, number, &line)
    }

    /// FFmpeg's raw video (RFC 4175), as [`Self::gstreamer`].
    ///
    /// # Errors
    /// It does not start.
    pub fn ffmpeg(plant: &Plant, number: u8) -> Result<Self> {
        let line = format!(
            "nice -n -15 ffmpeg -nostdin -loglevel error -re -f lavfi -i testsrc2=size=320x180:rate=25 \
             -pix_fmt uyvy422 -c:v rawvideo -payload_type 96 -f rtp \
             rtp://{}:{UDP}?localaddr={STUDIO}&ttl=8&pkt_size=1400",
            group(number)
        );
        Self::start(plant, number, &line)
    }

    /// FFmpeg's PCM, as [`Self::gstreamer_sound`].
    ///
    /// # Errors
    /// It does not start.
    pub fn ffmpeg_sound(plant: &Plant, number: u8) -> Result<Self> {
        let line = format!(
            "nice -n -15 ffmpeg -nostdin -loglevel error -re -f lavfi -i sine=frequency=440:sample_rate=48000:samples_per_frame=48 \
             -ac 2 -c:a pcm_s24be -payload_type 96 -f rtp rtp://{}:{UDP}?localaddr={STUDIO}&ttl=8&pkt_size=300",
            group(number)
        );
        Self::start(plant, number, &line)
    }

    /// What `tcpreplay` sends again and again: a capture of a sender.
    ///
    /// # Errors
    /// It does not start.
    pub fn replayed(plant: &Plant, number: u8, capture: &std::path::Path) -> Result<Self> {
        let line = format!(
            "nice -n -15 tcpreplay --quiet --loop=0 --intf1=vs {}",
            capture.display()
        );
        Self::start(plant, number, &line)
    }

    fn start(plant: &Plant, number: u8, line: &str) -> Result<Self> {
        let running = started(
            &plant.studio,
            &format!("the camera of {}", group(number)),
            line,
        )?;
        Ok(Self { running })
    }

    /// Waits until so many more whole units of a session have come from it.
    ///
    /// # Errors
    /// They do not come in half a minute, or the sender has ended.
    pub fn until_seen(&mut self, control: &mut Control, session: &str, units: u64) -> Result<()> {
        let before = control.show(session)?.counters.frames_complete;
        let came = wait_for(format!("{units} units of {session}"), 30, || {
            let ended = self.running.ended()?;
            ensure!(
                ended.is_none(),
                "{} has ended: {ended:?}",
                self.running.name()
            );
            Ok(control.show(session)?.counters.frames_complete >= before + units)
        });
        came.map_err(|error| match control.show(session) {
            Ok(view) => error.context(format!("{:?}; {:?}", view.counters, view.problems)),
            Err(_) => error,
        })
    }
}

/// A program of the studio that sends what no flow has.
#[derive(Debug)]
pub struct Stranger(UdpSocket);

impl Stranger {
    /// One that sends from the cameras' own address.
    ///
    /// # Errors
    /// The kernel gives no socket.
    pub fn open(plant: &Plant) -> Result<Self> {
        Ok(Self(
            plant.studio.inside(|| Ok(UdpSocket::bind((STUDIO, 0))?))?,
        ))
    }

    /// A packet of 60 bytes with a header that looks right, which no receiver can use: the second field of a picture ahead.
    ///
    /// # Errors
    /// It is not sent.
    pub fn disturb(&self, number: u8, ssrc: u32, sequence: u16, timestamp: u32) -> Result<()> {
        let mut packet = vec![0x80, 96];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        // Extended sequence number, length 6, second field, line 0.
        packet.extend([0, 0, 0, 6, 0x80, 0, 0, 0]);
        packet.resize(60, 0);
        self.0.send_to(&packet, (group(number), UDP))?;
        Ok(())
    }
}

/// What a thread sends again and again, until it is dropped.
#[derive(Debug)]
pub(crate) struct Paced {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Paced {
    /// Calls `send` once a period.
    pub(crate) fn start(period: Duration, mut send: impl FnMut() + Send + 'static) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            let mut next = Instant::now();
            while !is_over.load(Ordering::Relaxed) {
                send();
                next += period;
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
        let thread = Some(thread);
        Self { ends, thread }
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
