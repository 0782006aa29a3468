//! ptp4l, files, sockets, the log; the daemon's shutdown.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use onair_api::{EventKind, PtpHealth, ShutdownStatus};
use onair_engine::machine::{EndCause, FilterError, Reference, Shutdown, Surroundings};
use onair_ipc::sys;
use onair_settings::config::ShutdownConfig;
use onair_shares::Usage;

use super::RealMachine;
use crate::log;
use crate::shutdown::{Cause, ShutdownCoordinator};
use crate::sockets::connections::Connections;

impl Surroundings for RealMachine {
    fn follow_ptp(&mut self, now: Instant) -> Vec<EventKind> {
        self.ptp.follow(now)
    }

    fn ptp_health(&self) -> &PtpHealth {
        &self.ptp.status().health
    }

    fn ptp_reference(&self) -> (Option<Reference>, u64) {
        (self.ptp.status().reference, self.ptp.changes())
    }

    fn journal_problem(&self) -> Option<String> {
        self.resources
            .problem()
            .or_else(|| self.resources.damaged())
    }

    fn file_problem(&self) -> Option<String> {
        self.file_watch.problem()
    }

    fn note_file(&self, invalid: Option<String>) {
        self.file_watch.note(invalid);
    }

    fn connections(&self) -> Vec<Usage> {
        self.connections.iter().map(Connections::usage).collect()
    }

    fn set_log_filter(&self, filter: &str) -> Result<(), FilterError> {
        log::set_filter(filter)
    }

    fn dropped_log_lines(&self) -> u64 {
        log::dropped()
    }

    fn convert(&self, wanted: BTreeMap<u64, u64>) {
        self.converter.convert(wanted);
    }

    fn check_converter(&self) -> Result<(), String> {
        crate::converter::check_program()
    }

    fn end_converter(&self, pid: u32) {
        self.converter.end(pid);
    }

    fn conversion_fault(&self, session: u64) -> Option<String> {
        self.converter.fault(session)
    }

    fn heap_bytes(&self) -> u64 {
        sys::heap_bytes()
    }
}

impl Shutdown for ShutdownCoordinator {
    fn begin(&self, cause: EndCause) {
        let cause = match cause {
            EndCause::Request(who) => Cause::Request(who),
            EndCause::PollerLost { poller, reason } => Cause::PartEnded {
                part: format!("poller {poller}"),
                reason,
            },
        };
        Self::begin(self, cause);
    }

    fn is_shutting_down(&self) -> bool {
        Self::is_shutting_down(self)
    }

    fn is_forced(&self) -> bool {
        Self::is_forced(self)
    }

    fn is_takeover(&self) -> bool {
        Self::is_takeover(self)
    }

    fn status(&self) -> ShutdownStatus {
        Self::status(self)
    }

    fn operations_refused(&self) -> u64 {
        Self::operations_refused(self)
    }

    fn config(&self) -> ShutdownConfig {
        Self::config(self)
    }

    fn configure(&self, config: ShutdownConfig, graceful: Duration) {
        Self::configure(self, config, graceful);
    }

    fn set_progress(&self, sessions: u64, users: u64) {
        Self::set_progress(self, sessions, users);
    }
}
