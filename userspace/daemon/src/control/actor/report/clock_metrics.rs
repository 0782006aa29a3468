//! Metrics of the clock.

use onair_api::{PtpPortState, PtpState};
use onair_dataplane::tai_minus_utc;

use crate::diagnostics::exposition::Exposition;
use crate::services::Services;

/// Of the kernel's clock, and of ptp4l: a figure that it did not tell is absent.
pub(crate) fn measure(services: &Services, metrics: &mut Exposition) {
    metrics.count(
        "onair_clock_tai_offset_seconds",
        "TAI minus UTC, as the kernel was told; 0 if it was not told.",
        &[],
        tai_minus_utc(),
    );
    metrics.counter(
        "onair_clock_steps_total",
        "How often the clock of timestamps was set, by a millisecond or more.",
        &[],
        services.dataplane.clock().steps(),
    );
    metrics.count(
        "onair_ptp_required",
        "1 if clock.ptp_socket names a ptp4l, whose absence is a fault.",
        &[],
        u64::from(services.config.clock.names_a_ptp4l()),
    );
    let ptp = &services.ptp.status().health;
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
        metrics.count(
            "onair_ptp_grandmaster_info",
            "1, with the grandmaster's identity, PTP domain and clock class.",
            &[
                ("grandmaster", &grandmaster.identity),
                ("domain", &grandmaster.domain.to_string()),
                ("clock_class", &class),
            ],
            1,
        );
    }
    let clock = ptp.hardware_clock.as_ref();
    let figures: [(&'static str, &str, Option<i64>); 3] = [
        (
            "onair_ptp_offset_seconds",
            "ptp4l's clock minus its master's.",
            ptp.offset_ns,
        ),
        (
            "onair_ptp_path_delay_seconds",
            "Delay of a message from the master.",
            ptp.path_delay_ns,
        ),
        (
            "onair_ptp_tai_ahead_of_hardware_seconds",
            "CLOCK_TAI minus the hardware clock that ptp4l steers.",
            clock.and_then(|clock| clock.tai_ahead_ns),
        ),
    ];
    for (name, help, ns) in figures {
        if let Some(ns) = ns {
            metrics.gauge(name, help, &[], seconds(ns));
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
