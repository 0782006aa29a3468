//! Metrics of the shutdown, and of objects that it must not leave behind.

use std::time::Duration;

use onair_api::ShutdownPhase;
use onair_settings::diagnostics::exposition::{Exposition, metrics};

use super::Report;

impl Report<'_> {
    pub(super) fn measure_shutdown(&self, metrics: &mut Exposition) {
        let machine = &self.services.machine;
        let status = machine.shutdown().status();
        metrics.state(
            "onair_shutdown_phase",
            "Phase of the daemon's shutdown: 1 for the current one.",
            ShutdownPhase::ALL.map(ShutdownPhase::as_str),
            status.phase.as_str(),
        );
        for time in &status.phases {
            // The duration of the current phase is not known yet.
            let Some(us) = time.us else { continue };
            metrics! { metrics, &[("phase", time.phase.as_str())] =>
                gauge "onair_shutdown_phase_seconds" = Duration::from_micros(us).as_secs_f64(),
                    "How long each phase of the shutdown took.";
            }
        }
        let unwritten = self.services.archive.unwritten();
        metrics! { metrics, &[] =>
            count "onair_shutdown_users" = status.users,
                "Users that the shutdown waits for.";
            count "onair_shutdown_forced" = u64::from(status.forced),
                "1 once the shutdown was cut short.";
            count "onair_operations_open" = status.operations,
                "Requests in progress on both sockets.";
            counter "onair_operations_refused_total" = machine.shutdown().operations_refused(),
                "Requests refused because the shutdown had begun.";
            count "onair_certificates_unwritten" = unwritten.map_or(0, |report| report.count),
                "Certificates that are not on disk.";
            counter "onair_log_lines_dropped_total" = machine.dropped_log_lines(),
                "Log lines dropped because standard error was not read.";
        }
    }
}
