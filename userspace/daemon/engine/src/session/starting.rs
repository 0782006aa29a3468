//! Resources that a session takes before its core is asked to start.

use onair_api::{Problem, SessionSpec};
use onair_mutant::mutant;
use onair_session::RuntimeHolder;

use super::placing::home::Home;
use super::{Session, legs};
use crate::services::Services;

impl Session {
    /// Whether it can be started.
    ///
    /// # Errors
    /// `draining`, `poller_down`.
    pub fn check_start(&self, services: &Services) -> Result<(), Problem> {
        self.check_not_draining()?;
        services.check_poller(self.home.poller())
    }

    /// Whether what its poller has to do for it will be done. A session that no poller has needs none.
    ///
    /// # Errors
    /// `poller_down`.
    pub fn check_poller(&self, services: &Services) -> Result<(), Problem> {
        match self.core.runtime() {
            Some(_) => Ok(()),
            None => services.check_poller(self.home.poller()),
        }
    }

    /// If it sends, and its runtime is here, its next start waits for this time of TAI, in nanoseconds.
    pub fn start_at(&mut self, tai_ns: u64) {
        if let RuntimeHolder::Here(runtime) = self.core.place() {
            runtime.start_at(tai_ns);
        }
    }
}

impl Home {
    /// A session of `spec` gets another poller. One of packets stays if no other poller of its port works.
    ///
    /// # Errors
    /// `poller_down`: a local or converted session, and no poller works.
    pub(crate) fn leave(
        &mut self,
        services: &mut Services,
        spec: &SessionSpec,
        uid: u32,
    ) -> Result<(), Problem> {
        if !spec.has_packets() {
            let placed = services.place_local()?;
            self.change(services, placed);
            return Ok(());
        }
        let bytes = self.bytes_per_second();
        // Of two legs, both ports must be that poller's.
        if let Ok(port) = services.port_named(&spec.port)
            && let Ok(second) = legs::second_port(spec, port, services)
            && let second = second.filter(|_| !mutant!("restart: the second leg needs no poller"))
            && let Ok(placed) = super::place(spec, (port, second), bytes, services)
        {
            self.change(services, placed);
            self.retake_room(services, spec, uid);
        }
        Ok(())
    }
}
