//! Objects that the actor hands to the shutdown.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use onair_dataplane::Dataplane;
use onair_engine::events::Hub;
use onair_engine::pending_reclaim::PendingReclaim;
use onair_engine::persistence::{Archive, Store};
use onair_engine::services::Services;
use onair_probe::Closing;

use crate::clients::file_guard::FileGuard;
use crate::real_machine::RealMachine;
use crate::reclaimer::Reclaimer;
use crate::witness::probe::ProbeLink;

/// Passes one part from the actor to the shutdown.
#[derive(Debug)]
pub struct HandoffCell<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for HandoffCell<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for HandoffCell<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> HandoffCell<T> {
    /// Puts the part in.
    pub fn put(&self, part: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(part);
    }

    /// Takes the part out; `None` if it was not put in.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// How the probe ends, which takes the longest of all parts and much of the kernel's time.
#[derive(Debug)]
pub enum ProbeEnd {
    /// The kernel is detaching it; `None` if there was none.
    Begun(Option<Closing>),
    /// Not before a daemon that takes over has what it waits for.
    Later(ProbeLink),
}

/// The parts that the actor leaves to the shutdown when it has ended.
#[derive(Clone, Debug, Default)]
pub struct ShutdownHandoff {
    /// Ports and pollers.
    pub dataplane: HandoffCell<Dataplane>,
    /// The probe.
    pub probe: HandoffCell<ProbeEnd>,
    /// Stored certificates.
    pub archive: HandoffCell<Archive>,
    /// Persisted sessions.
    pub store: HandoffCell<Store>,
    /// Detects clients that change their memory with system calls.
    pub guard: HandoffCell<FileGuard>,
    /// Memory that waits for W4, and the thread that unmaps it.
    pub reclaim: HandoffCell<(PendingReclaim, Reclaimer)>,
}

impl ShutdownHandoff {
    /// Distributes the parts. Parts without work at the end are dropped, except the hub: later
    /// events are still published.
    pub fn put(&self, services: Services) -> Hub {
        let machine: Box<dyn Any> = services.machine;
        if let Ok(machine) = machine.downcast::<RealMachine>() {
            // No session needs it any more.
            self.probe.put(match machine.shutdown.is_takeover() {
                true => ProbeEnd::Later(machine.probe),
                false => ProbeEnd::Begun(machine.probe.begin_close()),
            });
            self.dataplane.put(machine.dataplane);
            self.guard.put(machine.guard);
            self.reclaim
                .put((services.pending_reclaim, machine.reclaimer));
        }
        self.archive.put(services.archive);
        self.store.put(services.store);
        services.hub
    }
}
