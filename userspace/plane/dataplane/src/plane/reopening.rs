//! Opens a port again whose device went away: on a thread of its own, until the device is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use onair_dpdk::{DeviceClaim, Eal, Link, PciDevice, Port, PortConfig};

use crate::config::{PortJournal, PortSpec};
use crate::messages::events::{Events, PollerEvent};

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// A port that is being opened again.
#[derive(Debug)]
pub(crate) struct Reopening {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Option<Port>>,
}

/// Everything the reopening thread needs.
#[derive(Debug)]
pub(crate) struct Reopen {
    pub(crate) eal: Arc<Eal>,
    pub(crate) spec: PortSpec,
    pub(crate) config: PortConfig,
    pub(crate) journal: Arc<dyn PortJournal>,
    pub(crate) events: Arc<Events>,
}

/// Why a port cannot be opened again yet.
#[derive(Debug, thiserror::Error)]
enum NotYet {
    #[error("there is no interface {0}")]
    NoInterface(String),
    #[error(transparent)]
    Pci(#[from] onair_dpdk::PciError),
    #[error(transparent)]
    Dpdk(#[from] onair_dpdk::Error),
    #[error("its MTU is {now}, and was {before}")]
    Mtu { now: u16, before: u16 },
    #[error("it has {now} of the {before} queues that it had")]
    Queues { now: u16, before: u16 },
}

/// Properties of a port that its sessions were admitted with.
#[derive(Debug, Clone, Copy)]
struct Capacity {
    mtu: u16,
    queues: u16,
}

impl Capacity {
    fn of(port: &Port) -> Self {
        Self {
            mtu: port.mtu(),
            queues: port.queues(),
        }
    }

    /// # Errors
    /// `before` was more: packets would not fit, or a poller would have no queue to send with.
    fn covers(self, before: Self) -> Result<(), NotYet> {
        if self.mtu < before.mtu {
            return Err(NotYet::Mtu {
                now: self.mtu,
                before: before.mtu,
            });
        }
        if self.queues < before.queues {
            return Err(NotYet::Queues {
                now: self.queues,
                before: before.queues,
            });
        }
        Ok(())
    }
}

impl Reopening {
    /// Closes `port`, then opens it again: [`PollerEvent::PortBack`] follows, then [`Self::end`] has
    /// the port. Until then each new reason why it cannot be opened is a
    /// [`PollerEvent::PortMissing`].
    ///
    /// # Errors
    /// Without a thread the port stays closed.
    pub(crate) fn start(reopen: Reopen, port: Port) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("onair-reopen".to_owned())
            .spawn(move || reopen.run(port, &is_stopped))?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread, after the attempt that it makes now. Returns the port if it is open.
    pub(crate) fn end(self) -> Option<Port> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        // Its panic is on standard error.
        self.thread.join().ok().flatten()
    }
}

impl Reopen {
    fn run(self, port: Port, stop: &AtomicBool) -> Option<Port> {
        let began = Instant::now();
        let before = Capacity::of(&port);
        if let Err(error) = port.close() {
            // What a driver can do without its device differs from driver to driver.
            tracing::info!(port = self.spec.name, %error, "a port without its device is closed");
        }
        let closed = began.elapsed();
        let mut last = String::new();
        while !stop.load(Ordering::Relaxed) {
            match self.attempt(before) {
                Ok(port) => {
                    // The kernel closes and opens packet sockets under its own locks, which others hold, too.
                    let name = &self.spec.name;
                    let opened = began.elapsed() - closed;
                    tracing::info!(port = name, ?closed, ?opened, "a port is open again");
                    self.publish_open(stop);
                    return Some(port);
                }
                Err(reason) => {
                    let reason = reason.to_string();
                    let event = PollerEvent::PortMissing {
                        port: self.spec.name.clone(),
                        reason: reason.clone(),
                    };
                    if reason != last && self.events.push(event).is_ok() {
                        last = reason;
                    }
                }
            }
            thread::park_timeout(PAUSE);
        }
        None
    }

    fn attempt(&self, before: Capacity) -> Result<Port, NotYet> {
        let PortSpec { device, netns, .. } = &self.spec;
        let claim: DeviceClaim = device.parse()?;
        if let Some(pci) = PciDevice::of(&claim.name) {
            pci.check()?;
        }
        let link = Link::of(device, netns.as_deref())?;
        if let Some(link) = link
            && link.state()?.is_none()
        {
            return Err(NotYet::NoInterface(link.interface().to_owned()));
        }
        self.journal.before_open(&self.spec);
        let port = Port::open(&self.eal, &self.config)?;
        self.journal.after_open(&self.spec);
        Capacity::of(&port).covers(before)?;
        Ok(port)
    }

    /// Publishes that the port is open.
    fn publish_open(&self, stop: &AtomicBool) {
        let event = || PollerEvent::PortBack {
            port: self.spec.name.clone(),
        };
        while self.events.push(event()).is_err() && !stop.load(Ordering::Relaxed) {
            thread::park_timeout(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Capacity = Capacity {
        mtu: 1500,
        queues: 2,
    };

    #[test]
    fn device_with_less_than_before_then_open_only_with_as_much() {
        let refusal = |mtu, queues| {
            let now = Capacity { mtu, queues };
            now.covers(BEFORE).err().map(|it| it.to_string())
        };

        assert_eq!(refusal(1500, 2), None);
        assert_eq!(refusal(9000, 4), None);
        assert_eq!(
            refusal(1400, 2).as_deref(),
            Some("its MTU is 1400, and was 1500")
        );
        assert_eq!(
            refusal(9000, 1).as_deref(),
            Some("it has 1 of the 2 queues that it had")
        );
    }
}
