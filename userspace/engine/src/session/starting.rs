//! What a start of the session needs, before its core is asked.

use onair_api::Problem;
use onair_mutant::mutant;
use onair_session::Place;

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
        if let Place::Here(runtime) = self.core.place() {
            runtime.start_at(tai_ns);
        }
    }

    /// A session whose poller does not work gets another one, if it has its runtime. One of packets stays if no other
    /// poller of its port works.
    ///
    /// # Errors
    /// `poller_down`: a local or converted session, and no poller works.
    pub fn leave_dead_thread(&mut self, services: &mut Services) -> Result<(), Problem> {
        if self.home.is_live(services) {
            return Ok(());
        }
        if self.core.runtime().is_none() {
            return Ok(());
        }
        if self.is_filled() {
            let placed = services.place_local()?;
            self.home.change(services, placed);
            return Ok(());
        }
        let bytes = self.home.bytes_per_second();
        // Of two legs, both ports must be that poller's.
        if let Ok(port) = services.port_named(&self.spec.port)
            && let Ok(second) = legs::second_port(&self.spec, port, services)
            && let second = second.filter(|_| !mutant!("restart: the second leg needs no poller"))
            && let Ok(placed) = super::place(&self.spec, (port, second), bytes, services)
        {
            self.home.change(services, placed);
            self.home.retake_room(services, &self.spec, self.charged_to);
        }
        Ok(())
    }
}
