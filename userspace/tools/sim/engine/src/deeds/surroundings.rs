//! Faults around the daemon, and its end.

use std::time::Duration;

use onair_sim_machine::{DiskState, Helpers, Recorder};

use crate::plan::{EngineDeed, EngineDeedKind as Kind};
use crate::stage::{Hindrances, Stage};

impl Stage {
    pub(super) fn surround(&mut self, deed: EngineDeed) {
        let mut now = self.hindrances;
        match deed.kind {
            Kind::StandPollers => {
                let which = deed.which % 4;
                now.pollers = [which != 3, which != 2];
            }
            Kind::KillPoller => {
                let which = usize::from(deed.which.is_multiple_of(2));
                self.facts.pollers.is_killed[which] = true;
                self.life().world.kill_poller(which);
                return self.life().settle();
            }
            Kind::HangHelpers => now.helpers = Helpers::Hang,
            Kind::BlindHelpers => now.helpers = Helpers::FindNothing,
            Kind::HangRecorder => now.recorder = Recorder::Hangs,
            Kind::FailRecorder => now.recorder = Recorder::Fails,
            Kind::FillDisk => now.disk = DiskState::Full,
            Kind::HangDisk => now.disk = DiskState::Hangs,
            Kind::BlindProbe => now.is_blind = true,
            Kind::HangReclaimer => now.reclaimer = true,
            Kind::Mend => now = Hindrances::default(),
            Kind::Restart => return self.restart(deed.which % 2 == 1),
            _ => return self.shut_down(Duration::from_millis(deed.which % 1500)),
        }
        self.facts.had_disk_trouble |= now.disk != DiskState::Works;
        self.hinder(now);
        self.life().settle();
    }

    /// The daemon is killed, or the power fails, and the next one starts. Its clients' attachments are stale.
    pub(crate) fn restart(&mut self, is_power_cut: bool) {
        self.facts.is_disk_unsure |= self.facts.had_disk_trouble;
        self.facts.had_disk_trouble = false;
        self.facts.daemon_ends(&self.requests);
        self.requests.clear();
        self.guests.clear();
        self.passed_on.clear();
        self.next_daemon(is_power_cut);
        self.observe();
        self.facts.is_restoring = false;
        self.check_restored();
        self.check_archive();
    }

    /// The daemon ends in order, and the next one starts.
    pub(crate) fn shut_down(&mut self, graceful: Duration) {
        self.is_ending = true;
        self.life().shut_down(graceful);
        self.live_to_the_end(graceful);
        self.is_ending = false;
        self.restart(false);
    }
}
