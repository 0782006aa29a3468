//! The wall: `onair-wall` before a real daemon, in real browsers.

mod acting;
mod attacked;
mod kept;
mod kinds;
mod shown;
mod usable;
mod viewers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair::{Client, Error, Session, Timeout};
use onair_api::Source;
use onair_tests::browser::Browser;
use onair_tests::{Config, Control, Raster, Rig, receive, send};

const RASTER: Raster = Raster::new(320, 180, 25, 8);
/// Bits of a painted number: each is a bar of the picture.
const BITS: usize = 16;

/// What fills the frames of a session, with their number painted in them, until it is dropped.
struct Painter {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Painter {
    /// Creates the sender `out` to UDP port `udp`, and starts to paint.
    fn start(rig: &Rig, control: &mut Control, udp: u16) -> Result<Self> {
        control.create(&send("out", RASTER, udp, Source::Client))?;
        Ok(Self::of(client(rig).attach("out")?, Duration::ZERO))
    }

    /// Paints with a pause after each frame: a sender has the session's pace, the filler of a local one its own.
    fn of(session: Session, pause: Duration) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let thread = std::thread::spawn(move || {
            for number in 0_u16.. {
                let mut frame = loop {
                    match session.buffer_get_mut(Timeout::millis(100)) {
                        Ok(frame) => break frame,
                        Err(Error::TimedOut) if !is_over.load(Ordering::Relaxed) => {}
                        Err(Error::TimedOut | Error::Stopped | Error::Stale) => return Ok(()),
                        Err(error) => return Err(error.into()),
                    }
                };
                let line = frame.layout().video.line_bytes();
                for row in frame.chunks_exact_mut(line) {
                    paint(row, number);
                }
                frame.submit()?;
                std::thread::sleep(pause);
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
            Ok(())
        });
        let thread = Some(thread);
        Self { over, thread }
    }
}

impl Drop for Painter {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            eprintln!("the painter: {error:#}");
        }
    }
}

/// White bars for the ones of a number, the highest bit first, in 4:2:2 of 8 bits.
fn paint(row: &mut [u8], number: u16) {
    let bar = row.len() / BITS;
    for (at, group) in row.chunks_exact_mut(4).enumerate() {
        let bit = BITS - 1 - (at * 4 / bar).min(BITS - 1);
        let luma = if number >> bit & 1 == 1 { 235 } else { 16 };
        group.copy_from_slice(&[128, luma, 128, luma]);
    }
}

fn client(rig: &Rig) -> Client {
    Client::at(Config::attach_socket(rig.stage()))
}

/// A receiver `in` of painted frames.
fn painted(rig: &Rig, control: &mut Control) -> Result<Painter> {
    control.create(&receive("in", RASTER, 5004))?;
    Painter::start(rig, control, 5004)
}

/// The number of the frame that a tile shows, and the number that is painted in it.
fn numbers(browser: &mut Browser, session: &str) -> Result<(u64, u64)> {
    numbers_of(browser, &format!("[data-name='{session}'] canvas"))
}

/// The same of a canvas.
fn numbers_of(browser: &mut Browser, canvas: &str) -> Result<(u64, u64)> {
    let script = "const canvas = document.querySelector(arguments[0]);
        const at = canvas.getContext('2d');
        let painted = 0;
        for (let bit = 0; bit < 16; bit += 1) {
            const x = Math.floor((bit + 0.5) * canvas.width / 16);
            painted = painted * 2 + (at.getImageData(x, canvas.height / 2, 1, 1).data[0] > 128 ? 1 : 0);
        }
        return [Number(canvas.dataset.number ?? 0), painted];";
    let both = browser.run(script, serde_json::json!([canvas]))?;
    let number = |at: usize| both[at].as_u64().context("a number");
    Ok((number(0)?, number(1)?))
}
