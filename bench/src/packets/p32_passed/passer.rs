//! The client: gets each frame of a session, and sends a copy of it in another one.

use std::time::Duration;

use anyhow::Result;
use onair::{OpenBuffer, Session, Timeout};
use onair_ipc::sys;
use rustix::process::setpriority_process;

use crate::place;

/// As that of the pollers: it is as much a part of the way.
const PRIORITY: i32 = -20;
const TIMEOUT: Timeout = Timeout::millis(5_000);
/// Frames of a turn that do not count: those of the other manner are still under way.
const WARM_UP: usize = 4;
/// A wake is for so many lines: a frame has at most 64 wakes.
const LINES: u32 = 17;
/// Of 59.94 frames a second.
const PERIOD_NS: u64 = 1_001_000_000 / 60;
/// A turn's frames that do not count have this stamp.
const NONE: u64 = 0;

/// How frames are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Each line when it is there.
    Lines,
    /// Each frame when it is whole.
    Frames,
}

impl Manner {
    /// The first bytes of a frame that is passed on so, whose first packet came at `in_ns`.
    fn stamp(self, in_ns: u64) -> u64 {
        (in_ns & !1) | self as u64
    }

    /// The manner, and when the first packet came; `None`: the frame does not count.
    pub(super) fn of_stamp(stamp: u64) -> (Self, Option<u64>) {
        let manner = match stamp & 1 {
            0 => Self::Lines,
            _ => Self::Frames,
        };
        let in_ns = stamp & !1;
        (manner, (in_ns != NONE).then_some(in_ns))
    }
}

/// A client of both sessions.
pub(super) struct Passer {
    pub(super) input: Session,
    pub(super) output: Session,
    pub(super) core: usize,
    /// From a frame's first packet until it is to go.
    pub(super) ahead_ns: u64,
}

impl Passer {
    /// Passes `frames` frames in each manner, `turns` times. Returns how many it left out, line by line, to be in time
    /// again.
    pub(super) fn turns(&self, turns: usize, frames: usize, turned: impl Fn()) -> Result<u64> {
        let mut skipped = 0;
        place::pin(self.core)?;
        setpriority_process(None, PRIORITY)?;
        for _ in 0..turns {
            for manner in [Manner::Lines, Manner::Frames] {
                self.catch_up()?;
                // It is in its place before its first line comes, and so never a frame time too late.
                let mut next = match manner {
                    Manner::Lines => Some(self.open()?),
                    Manner::Frames => None,
                };
                for at in 0..frames + WARM_UP {
                    let stamp = |in_ns| match at {
                        ..WARM_UP => manner.stamp(NONE),
                        _ => manner.stamp(in_ns),
                    };
                    match next.take() {
                        Some(to) => {
                            let first_ns = self.by_lines(to, stamp)?;
                            next = Some(self.open()?);
                            if sys::monotonic_ns() > first_ns + PERIOD_NS + self.ahead_ns {
                                // It goes a frame time later than it should, and so would all others.
                                self.skip()?;
                                skipped += 1;
                            }
                        }
                        None => self.by_frames(stamp)?,
                    }
                }
            }
            turned();
        }
        Ok(skipped)
    }

    /// Begins anew: a frame that waits for its turn delays all behind it.
    fn catch_up(&self) -> Result<()> {
        // A frame that was opened and not filled was not sent: that is no error here.
        drop(self.output.flush(Duration::from_secs(1)));
        while self.input.buffer_get(Timeout::NOW).is_ok() {}
        self.skip()
    }

    /// Leaves out the frame that comes now.
    fn skip(&self) -> Result<()> {
        let current = self.input.buffer_get_open(1, TIMEOUT)?;
        current.wait_lines(current.layout().video.height(), TIMEOUT)?;
        Ok(())
    }

    fn by_frames(&self, stamp: impl Fn(u64) -> u64) -> Result<()> {
        let from = self.input.buffer_get(TIMEOUT)?;
        let mut to = self.output.buffer_get_mut(TIMEOUT)?;
        to.copy_from_slice(&from);
        to[..8].copy_from_slice(&stamp(from.first_packet_ns()).to_le_bytes());
        Ok(to.submit()?)
    }

    fn open(&self) -> Result<OpenBuffer<'_>> {
        Ok(self.output.buffer_get_mut(TIMEOUT)?.submit_open()?)
    }

    /// Returns when the frame's first packet came.
    fn by_lines(&self, mut to: OpenBuffer<'_>, stamp: impl Fn(u64) -> u64) -> Result<u64> {
        let line_bytes = to.layout().video.line_bytes();
        let all = to.layout().video.height();
        let from = self.input.buffer_get_open(1, TIMEOUT)?;
        let (mut done, mut lines) = (0, from.lines());
        loop {
            let part = done as usize * line_bytes..lines as usize * line_bytes;
            to[part.clone()].copy_from_slice(&from[part]);
            if done == 0 {
                to[..8].copy_from_slice(&stamp(from.first_packet_ns()).to_le_bytes());
            }
            to.lines_ready(lines);
            if lines == all {
                to.finish()?;
                return Ok(from.first_packet_ns());
            }
            done = lines;
            lines = from.wait_lines((done + LINES).min(all), TIMEOUT)?;
            if lines == done {
                // A hole. What was sent ends there.
                return Ok(from.first_packet_ns());
            }
        }
    }
}
