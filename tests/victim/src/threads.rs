//! What the threads of a victim do: each calls in another way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use onair::{Buffer, Error, Session, Timeout};
use onair_victim::{Phase, Role, Tally};
use xxhash_rust::xxh3::xxh3_64;

/// Between two rounds of a thread that would not block otherwise.
const PAUSE: Duration = Duration::from_millis(2);

/// One thread.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) number: usize,
    pub(crate) session: Arc<Session>,
    pub(crate) tally: Arc<Tally>,
    /// Set before the session is stopped for good.
    pub(crate) leaves: Arc<AtomicBool>,
}

/// Why a thread has nothing more to do.
struct Ended;

impl Worker {
    /// Calls until the session ends, or the process leaves it.
    pub(crate) fn work(&self, role: &Role) {
        while self.round(role).is_ok() {}
    }

    fn round(&self, role: &Role) -> Result<(), Ended> {
        let may_pulse = matches!(role, Role::Use | Role::Fill);
        match role {
            Role::TakeAndPut => {
                // What comes in the pause is taken without a wait; then it waits.
                for _ in 0..6 {
                    self.one(Timeout::NEVER)?;
                }
                std::thread::sleep(10 * PAUSE);
                return Ok(());
            }
            Role::Wait => return self.one(Timeout::NEVER),
            _ => {}
        }
        match self.number % 8 {
            0 => self.one(Timeout::NEVER),
            7 => self.open(),
            1 => {
                self.one(Timeout::NOW)?;
                self.one(Timeout::millis(2))
            }
            2 => self.two(),
            3 => self.event(Timeout::NEVER),
            4 if may_pulse => self.pulse(),
            5 => self.child(),
            6 => self.watch(),
            _ => self.event(Timeout::millis(2)),
        }
    }

    /// Waits a pause out; ends when there is no end to it.
    fn after<T>(&self, result: Result<T, Error>) -> Result<Option<T>, Ended> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::TimedOut) => Ok(None),
            Err(Error::Stopped) if !self.leaves.load(Ordering::SeqCst) => {
                // A time-out: the process may leave while this thread waits.
                match self.session.wait_started(Timeout::millis(20)) {
                    Ok(()) | Err(Error::TimedOut) => Ok(None),
                    // Another thread of this process stopped it and starts it again, which no call waits for.
                    Err(Error::Stopped) => {
                        std::thread::sleep(PAUSE);
                        Ok(None)
                    }
                    Err(_) => Err(Ended),
                }
            }
            Err(_) => Err(Ended),
        }
    }

    fn get(&self, timeout: Timeout) -> Result<Option<Buffer<'_>>, Ended> {
        self.tally.enter(self.number, Phase::Getting);
        let got = self.session.buffer_get(timeout);
        match got {
            Ok(_) => self.tally.taken(self.number),
            Err(_) => self.tally.enter(self.number, Phase::Outside),
        }
        self.after(got)
    }

    fn put(&self, buffer: Buffer<'_>) -> Result<(), Ended> {
        self.tally.enter(self.number, Phase::Putting);
        let put = match buffer.writable() {
            Ok(mut frame) => {
                frame.fill(u8::try_from(self.number).unwrap_or_default());
                if let Some((picture, sum)) = frame.split_last_chunk_mut() {
                    *sum = xxh3_64(picture).to_le_bytes();
                }
                frame.submit()
            }
            Err(buffer) => buffer.put(),
        };
        put.map_err(|_| Ended)?;
        self.tally.put(self.number);
        Ok(())
    }

    fn one(&self, timeout: Timeout) -> Result<(), Ended> {
        match self.get(timeout)? {
            Some(buffer) => self.put(buffer),
            None => Ok(()),
        }
    }

    /// A frame that is received, and more of it; in a send session any.
    fn open(&self) -> Result<(), Ended> {
        if self.session.is_sender() {
            return self.one(Timeout::NEVER);
        }
        self.tally.enter(self.number, Phase::Getting);
        let got = self.session.buffer_get_open(1, Timeout::NEVER);
        match got {
            Ok(_) => self.tally.taken(self.number),
            Err(_) => self.tally.enter(self.number, Phase::Outside),
        }
        let Some(buffer) = self.after(got)? else {
            return Ok(());
        };
        let waited = buffer.wait_lines(u32::MAX, Timeout::NEVER);
        // It is given back, and noted, whatever became of the wait.
        self.put(buffer)?;
        self.after(waited).map(drop)
    }

    fn two(&self) -> Result<(), Ended> {
        let first = self.get(Timeout::millis(20))?;
        let second = self.get(Timeout::millis(20));
        std::thread::sleep(PAUSE);
        // The first is given back, and noted, whatever became of the second.
        first.map_or(Ok(()), |buffer| self.put(buffer))?;
        second?.map_or(Ok(()), |buffer| self.put(buffer))
    }

    fn event(&self, timeout: Timeout) -> Result<(), Ended> {
        self.after(self.session.event_poll(timeout)).map(drop)
    }

    fn pulse(&self) -> Result<(), Ended> {
        std::thread::sleep(PAUSE);
        self.session.stop();
        self.one(Timeout::NOW)?;
        self.session.start();
        self.after(self.session.wait_started(Timeout::millis(20)))
            .map(drop)
    }

    /// A thread that makes one call and ends.
    fn child(&self) -> Result<(), Ended> {
        let own = self.clone();
        let went = std::thread::spawn(move || own.one(Timeout::millis(2))).join();
        went.unwrap_or(Err(Ended))
    }

    fn watch(&self) -> Result<(), Ended> {
        let Ok(watch) = self.session.event_fd() else {
            return Err(Ended);
        };
        watch.clear();
        std::thread::sleep(PAUSE);
        self.one(Timeout::NOW)
    }
}
