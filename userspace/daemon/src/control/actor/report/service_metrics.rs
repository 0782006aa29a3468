//! Metrics of the services that all sessions use: ports, pollers, the probe.

use std::time::UNIX_EPOCH;

use onair_api::Timestamp;

use crate::diagnostics::exposition::Exposition;
use crate::services::Services;

pub(super) fn measure_ports(services: &Services, metrics: &mut Exposition) {
    for port in services.dataplane.ports() {
        let labels = [("port", port.name.as_str())];
        let link = services.dataplane.link(&port.name);
        metrics.count(
            "onair_port_up",
            "1 while the port's link is up.",
            &labels,
            u64::from(link.is_some_and(|link| link.is_up)),
        );
        let counted = services.dataplane.port_counters(&port.name);
        let counted = counted.unwrap_or_default();
        let driver = services
            .dataplane
            .port_stats(&port.name)
            .unwrap_or_default();
        for (name, help, value) in [
            (
                "onair_port_rx_packets_total",
                "Packets taken from the port.",
                counted.rx_packets,
            ),
            (
                "onair_port_rx_bytes_total",
                "Bytes taken from the port.",
                counted.rx_bytes,
            ),
            (
                "onair_port_tx_packets_total",
                "Packets given to the port.",
                counted.tx_packets,
            ),
            (
                "onair_port_tx_bytes_total",
                "Bytes given to the port.",
                counted.tx_bytes,
            ),
            (
                "onair_port_rx_missed_total",
                "Packets that the driver missed or dropped, or that one poller could not hand to another.",
                driver.missed() + counted.rx_hand_over_full,
            ),
            (
                "onair_port_rx_handed_over_total",
                "Packets that one poller of the port handed to another, which runs their session.",
                counted.rx_handed_over,
            ),
            (
                "onair_port_igmp_queries_total",
                "Queries of IGMP received.",
                counted.igmp_queries,
            ),
            (
                "onair_port_igmp_queries_dropped_total",
                "Queries of IGMP dropped, because too many came.",
                counted.igmp_dropped,
            ),
            (
                "onair_port_igmp_sent_total",
                "Reports and leave messages of IGMP sent by the port itself.",
                counted.igmp_sent,
            ),
            (
                "onair_port_rx_errors_total",
                "Packets that came with errors.",
                driver.rx_errors,
            ),
            (
                "onair_port_tx_errors_total",
                "Packets that could not be sent.",
                driver.tx_errors,
            ),
        ] {
            metrics.counter(name, help, &labels, value);
        }
        for (reason, value) in [
            ("no_session", counted.rx_no_session),
            ("other_protocol", counted.rx_other),
            ("malformed", counted.rx_malformed),
            ("untagged", counted.rx_untagged),
            ("other_vlan", counted.rx_other_vlan),
        ] {
            metrics.counter(
                "onair_port_rx_unclaimed_total",
                "Packets taken from the port that went to no session, by reason.",
                &[labels[0], ("reason", reason)],
                value,
            );
        }
    }
}

pub(super) fn measure_pollers(services: &Services, metrics: &mut Exposition) {
    for (index, poller) in services.config.poller.iter().enumerate() {
        let labels = [("poller", poller.name.as_str())];
        let counted = services
            .dataplane
            .poller_counters(index)
            .unwrap_or_default();
        metrics.count(
            "onair_poller_alive",
            "1 while the polling thread works.",
            &labels,
            u64::from(services.is_alive(index)),
        );
        metrics.count(
            "onair_poller_sessions",
            "Sessions that the polling thread serves.",
            &labels,
            counted.sessions,
        );
        for (name, help, value) in [
            (
                "onair_poller_turns_total",
                "Iterations of the polling loop.",
                counted.turns,
            ),
            (
                "onair_poller_turns_busy_total",
                "Iterations that had work to do.",
                counted.turns_busy,
            ),
            (
                "onair_poller_sleeps_total",
                "Times that the polling thread slept.",
                counted.sleeps,
            ),
        ] {
            metrics.counter(name, help, &labels, value);
        }
    }
}

pub(super) fn measure_probe(services: &Services, metrics: &mut Exposition) {
    let (state, _) = services.probe.state();
    metrics.state(
        "onair_probe_state",
        "State of the probe: 1 for the current one.",
        ["watching", "blind", "off"],
        &state.to_string(),
    );
    if let Some(at) = services.probe.canary_at() {
        metrics.gauge(
            "onair_probe_canary_time_seconds",
            "When the daemon's own canary last succeeded, Unix time.",
            &[],
            unix(at),
        );
    }
}

/// Seconds since 1970.
pub(super) fn unix(at: Timestamp) -> f64 {
    let since = at.0.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
