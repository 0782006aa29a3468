//! Metrics of the clock.

use onair_api::{PtpPortState, PtpState};
use onair_dataplane::tai_minus_utc;
use onair_settings::diagnostics::exposition::{Exposition, metrics};

use crate::services::Services;

/// Of the kernel's clock, and of ptp4l: a figure that it did not tell is absent.
pub(super) fn measure(services: &Services, metrics: &mut Exposition) {
    metrics! { metrics, &[] =>
        count "onair_clock_tai_offset_seconds" = tai_minus_utc(),
            "TAI minus UTC, as the kernel was told; 0 if it was not told.";
        counter "onair_clock_steps_total" = services.machine.dataplane().clock().steps(),
            "How often the clock of timestamps was set, by a millisecond or more.";
        count "onair_ptp_required" = u64::from(services.config.clock.names_a_ptp4l()),
            "1 if clock.ptp_socket names a ptp4l, whose absence is a fault.";
    }
    let ptp = &services.machine.ptp_health();
    metrics.state(
        "onair_ptp_state",
        "Whether CLOCK_TAI follows a PTP grandmaster: 1 for the current state.",
        PtpState::ALL.map(PtpState::as_str),
        ptp.state.as_str(),
    );
    if let Some(port) = &ptp.port {
        metrics.state(
            "onair_ptp_port_state",
            "State of ptp4l's port that is nearest to the grandmaster: 1 for the current one.",
            PtpPortState::ALL.map(PtpPortState::as_str),
            port.state.as_str(),
        );
    }
    if let Some(grandmaster) = &ptp.grandmaster {
        let class = grandmaster.clock_class.to_string();
        let labels = [
            ("grandmaster", grandmaster.identity.as_str()),
            ("domain", &grandmaster.domain.to_string()),
            ("clock_class", &class),
        ];
        metrics! { metrics, &labels =>
            count "onair_ptp_grandmaster_info" = 1,
                "1, with the grandmaster's identity, PTP domain and clock class.";
        }
    }
    let clock = ptp.hardware_clock.as_ref();
    if let Some(ns) = ptp.offset_ns {
        metrics! { metrics, &[] =>
            gauge "onair_ptp_offset_seconds" = seconds(ns),
                "ptp4l's clock minus its master's.";
        }
    }
    if let Some(ns) = ptp.path_delay_ns {
        metrics! { metrics, &[] =>
            gauge "onair_ptp_path_delay_seconds" = seconds(ns),
                "Delay of a message from the master.";
        }
    }
    if let Some(ns) = clock.and_then(|clock| clock.tai_ahead_ns) {
        metrics! { metrics, &[] =>
            gauge "onair_ptp_tai_ahead_of_hardware_seconds" = seconds(ns),
                "CLOCK_TAI minus the hardware clock that ptp4l steers.";
        }
    }
}

/// An f64 has 53 bits: exact below 104 days.
#[expect(
    clippy::cast_precision_loss,
    reason = "a difference of clocks is small"
)]
fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}
