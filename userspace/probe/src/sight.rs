//! Whether a client's sites are armed, read from its own memory.
//!
//! A client can map what it likes over its text, also a file whose server
//! never answers; reading there would hang, so the read is done on a thread
//! that can be left behind.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use onair_ebpf::sites::{BREAKPOINT, ReadAt};

use crate::attached::Hold;
use crate::error::{Blind, ProbeError};
use crate::kernel::spawn;
use crate::maps::locked;

/// Readers that may hang at the same time.
const MAX_HANGING: usize = 64;

/// The sites of one process. Keeps its files watched while it lives.
///
/// The open `/proc/PID/mem` stays with the address space of the moment it was
/// opened, and does not keep it alive.
pub struct Sight {
    target: Arc<Target>,
    readers: Arc<Readers>,
    _holds: Vec<Hold>,
}

impl std::fmt::Debug for Sight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sight")
            .field("addresses", &self.target.addresses)
            .finish_non_exhaustive()
    }
}

impl Sight {
    pub(crate) fn new(
        memory: File,
        addresses: Vec<u64>,
        holds: Vec<Hold>,
        readers: Arc<Readers>,
    ) -> Self {
        let target = Target {
            memory: Box::new(memory),
            addresses,
            busy: AtomicBool::new(false),
        };
        Self {
            target: Arc::new(target),
            readers,
            _holds: holds,
        }
    }

    /// Reads the octet at each site, about 1 µs a site and a hand-over to another thread.
    ///
    /// # Errors
    /// [`Blind::AddressSpaceGone`] after exec or death; [`Blind::Unarmed`] when a site holds
    /// anything but the kernel's breakpoint; [`Blind::Hanging`] when the read did not return in the
    /// configured time, and until it does.
    pub fn check(&self) -> Result<(), Blind> {
        self.readers.read(&self.target)
    }

    /// The same on the caller's own thread, which may hang.
    pub(crate) fn check_here(&self) -> Result<(), Blind> {
        self.target.read()
    }

    /// Addresses of the sites in the process.
    pub fn addresses(&self) -> &[u64] {
        &self.target.addresses
    }
}

struct Target {
    memory: Box<dyn ReadAt + Send + Sync>,
    addresses: Vec<u64>,
    busy: AtomicBool,
}

impl Target {
    fn read(&self) -> Result<(), Blind> {
        for &address in &self.addresses {
            let mut octet = [0];
            match self.memory.read_at(&mut octet, address) {
                Ok(0) => return Err(Blind::AddressSpaceGone),
                Ok(_) if octet == [BREAKPOINT] => {}
                Ok(_) => {
                    return Err(Blind::Unarmed {
                        address,
                        octet: octet[0],
                    });
                }
                Err(source) => return Err(Blind::Unreadable { address, source }),
            }
        }
        Ok(())
    }
}

struct Job {
    target: Arc<Target>,
    reply: SyncSender<Result<(), Blind>>,
}

/// The thread that reads, replaced when it hangs.
pub(crate) struct Readers {
    limit: Duration,
    hanging: Arc<AtomicUsize>,
    current: Mutex<Option<Sender<Job>>>,
}

impl Readers {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            hanging: Arc::default(),
            current: Mutex::new(None),
        }
    }

    fn read(&self, target: &Arc<Target>) -> Result<(), Blind> {
        let hanging = || Blind::Hanging {
            limit_ms: self.limit.as_millis(),
        };
        // One at a time: a queue behind a read that hangs would look as if all of them did.
        let mut current = locked(&self.current);
        if target.busy.swap(true, Ordering::AcqRel) {
            return Err(hanging());
        }
        let (reply, answer) = sync_channel(1);
        let job = Job {
            target: Arc::clone(target),
            reply,
        };
        let sent = self
            .reader(&mut current)
            .is_some_and(|reader| reader.send(job).is_ok());
        if !sent {
            target.busy.store(false, Ordering::Release);
            *current = None;
            return Err(hanging());
        }
        match answer.recv_timeout(self.limit) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                // Its channel is closed with this: it ends when the read returns.
                *current = None;
                Err(hanging())
            }
        }
    }

    fn reader<'a>(&self, current: &'a mut Option<Sender<Job>>) -> Option<&'a Sender<Job>> {
        if current.is_none() {
            if self.hanging.load(Ordering::Acquire) >= MAX_HANGING {
                return None;
            }
            let (jobs, inbox) = channel();
            let count = Arc::clone(&self.hanging);
            count.fetch_add(1, Ordering::AcqRel);
            let started: Result<_, ProbeError> = spawn("onair-sight", move || {
                serve(&inbox);
                count.fetch_sub(1, Ordering::AcqRel);
            });
            if started.is_err() {
                self.hanging.fetch_sub(1, Ordering::AcqRel);
                return None;
            }
            *current = Some(jobs);
        }
        current.as_ref()
    }
}

fn serve(inbox: &Receiver<Job>) {
    while let Ok(Job { target, reply }) = inbox.recv() {
        let result = target.read();
        target.busy.store(false, Ordering::Release);
        // The asker may have given up.
        let _ = reply.send(result);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn target(memory: impl ReadAt + Send + Sync + 'static) -> Arc<Target> {
        let memory = Box::new(memory);
        Arc::new(Target {
            memory,
            addresses: vec![1, 2],
            busy: AtomicBool::new(false),
        })
    }

    /// Memory that holds the same octet everywhere.
    struct Filled(u8);

    impl ReadAt for Filled {
        fn read_at(&self, buffer: &mut [u8], _offset: u64) -> io::Result<usize> {
            buffer.fill(self.0);
            Ok(buffer.len())
        }
    }

    /// Memory that does not answer until the other end of the channel is dropped.
    struct Silent(Mutex<Receiver<()>>);

    impl ReadAt for Silent {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let _ = locked(&self.0).recv();
            Filled(BREAKPOINT).read_at(buffer, offset)
        }
    }

    #[test]
    fn read__breakpoint_nop_or_nothing__then_told_apart() {
        let readers = Readers::new(Duration::from_secs(600));
        readers.read(&target(Filled(BREAKPOINT))).expect("armed");
        let nop = readers.read(&target(Filled(0x90)));
        assert!(
            matches!(
                nop,
                Err(Blind::Unarmed {
                    address: 1,
                    octet: 0x90
                })
            ),
            "{nop:?}"
        );
        let gone = readers.read(&target(File::open("/dev/null").unwrap()));
        assert!(matches!(gone, Err(Blind::AddressSpaceGone)), "{gone:?}");
    }

    #[test]
    fn read__that_hangs__then_told_and_others_are_read() {
        let readers = Readers::new(Duration::from_millis(20));
        let (answer, question) = channel();
        let silent = target(Silent(Mutex::new(question)));
        assert!(matches!(readers.read(&silent), Err(Blind::Hanging { .. })));
        // Not asked again while the first question is open.
        assert!(matches!(readers.read(&silent), Err(Blind::Hanging { .. })));
        assert_eq!(readers.hanging.load(Ordering::Acquire), 1);
        while readers.read(&target(Filled(BREAKPOINT))).is_err() {}
        drop(answer);
        while readers.read(&silent).is_err() {
            std::thread::yield_now();
        }
    }
}
