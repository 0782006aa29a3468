//! The process that fills local sessions, and the one that reads them: a process attaches to a session once.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use onair::{Client, Error, Session, Timeout};
use onair_stage::{Actor, Deadline, Stage};
use serde_json::json;

use super::RASTER;

/// From one frame of a session to its next one.
const FRAME: Duration = Duration::from_millis(250);
/// More than a session has buffers.
const WHOLE: usize = 20;
/// Between two turns of the reader.
const TURN: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub(crate) struct Mixer {
    #[arg(long)]
    attach: PathBuf,
    #[arg(long = "session", required = true)]
    sessions: Vec<String>,
    /// Read them; else fill them
    #[arg(long)]
    reads: bool,
}

/// Starts one that fills the sessions, or one that reads them: that one answers to `lost` with the frames that it lost.
pub(super) fn start(
    stage: &Stage,
    attach: &Path,
    sessions: &[String],
    reads: bool,
) -> Result<Actor> {
    let mut command = stage.command(std::env::current_exe()?);
    command.arg("wall-mixer").arg("--attach").arg(attach);
    if reads {
        command.arg("--reads");
    }
    for session in sessions {
        command.args(["--session", session]);
    }
    let mut actor = Actor::start("wall-mixer", &mut command)?;
    actor.event("ready", Deadline::seconds(60))?;
    Ok(actor)
}

impl Mixer {
    pub(crate) fn run(&self) -> Result<()> {
        let client = Client::at(&self.attach);
        let attach = |name: &String| match self.reads {
            true => client.attach(name),
            false => client.attach_to_fill(name),
        };
        let sessions: Vec<_> = self.sessions.iter().map(attach).collect::<Result<_, _>>()?;
        let lost = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| match self.reads {
                true => read(&sessions, &lost),
                false => fill(&sessions),
            });
            println!("{}", json!({"event": "ready"}));
            for line in std::io::stdin().lines() {
                line?;
                ensure!(!thread.is_finished(), "a session ended");
                println!(
                    "{}",
                    json!({"answer": "lost", "lost": lost.load(Ordering::Relaxed)})
                );
            }
            // The thread goes on for as long as the process does.
            std::process::exit(0)
        })
    }
}

/// Two pictures with a slope and some noise.
fn pictures() -> [Vec<u8>; 2] {
    let mut noise = 1_u32;
    [0, 40].map(|moved| {
        let mut bytes = Vec::with_capacity(RASTER.frame_bytes());
        for group in 0..RASTER.frame_bytes() / 5 {
            let (x, y) = (group % 960, group / 960);
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let luma = 64 + (x / 2 + y / 4 + moved) as u64 + u64::from(noise >> 28);
            // Cb, Y′, Cr, Y′ of 10 bits each.
            let samples = (512 << 30 | luma << 20 | 600 << 10 | luma).to_be_bytes();
            bytes.extend_from_slice(&samples[3..]);
        }
        bytes
    })
}

/// Fills all sessions, four times a second. Once each of its buffers has had a picture, it changes the first lines of it: the
/// rest has left the cache as well, and the machine has time for what is measured.
fn fill(sessions: &[Session]) -> Result<()> {
    let pictures = pictures();
    let mut next = Instant::now();
    for (turn, picture) in pictures.iter().cycle().enumerate() {
        let part = match turn {
            0..WHOLE => picture.len(),
            _ => picture.len() / 16,
        };
        for session in sessions {
            match session.buffer_get_mut(Timeout::NOW) {
                Ok(mut frame) => {
                    frame[..part].copy_from_slice(&picture[..part]);
                    frame.submit()?;
                }
                Err(Error::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
        }
        next = (next + FRAME).max(Instant::now());
        std::thread::sleep(next - Instant::now());
    }
    Ok(())
}

/// Takes each frame of each session, and counts those that it did not get.
fn read(sessions: &[Session], lost: &AtomicU64) -> Result<()> {
    let mut last: Vec<Option<u64>> = vec![None; sessions.len()];
    loop {
        for (session, last) in sessions.iter().zip(&mut last) {
            loop {
                let number = match session.buffer_get(Timeout::NOW) {
                    Ok(frame) => frame.number(),
                    Err(Error::TimedOut) => break,
                    Err(error) => return Err(error.into()),
                };
                let missed = last.map_or(0, |last| number - last - 1);
                lost.fetch_add(missed, Ordering::Relaxed);
                *last = Some(number);
            }
        }
        std::thread::sleep(TURN);
    }
}
