//! Metrics of the services that all sessions use: ports, pollers, the probe.

use std::time::UNIX_EPOCH;

use onair_api::Timestamp;
use onair_settings::diagnostics::exposition::{Exposition, metrics};

use crate::services::Services;

pub(super) fn measure_ports(services: &Services, metrics: &mut Exposition) {
    for port in services.machine.dataplane().ports() {
        let labels = [("port", port.name.as_str())];
        let link = services.machine.dataplane().link(&port.name);
        let counted = services.machine.dataplane().port_counters(&port.name);
        let counted = counted.unwrap_or_default();
        let driver = services
            .machine
            .dataplane()
            .port_stats(&port.name)
            .unwrap_or_default();
        metrics! { metrics, &labels =>
            count "onair_port_up" = u64::from(link.is_some_and(|link| link.is_up)),
                "1 while the port's link is up.";
            counter "onair_port_rx_packets_total" = counted.rx_packets,
                "Packets taken from the port.";
            counter "onair_port_rx_bytes_total" = counted.rx_bytes,
                "Bytes taken from the port.";
            counter "onair_port_tx_packets_total" = counted.tx_packets,
                "Packets given to the port.";
            counter "onair_port_tx_bytes_total" = counted.tx_bytes,
                "Bytes given to the port.";
            counter "onair_port_tx_no_link_total" = counted.tx_no_link,
                "Packets dropped because the link was down.";
            counter "onair_port_rx_missed_total" = driver.missed() + counted.rx_hand_over_full,
                "Packets that the driver missed, or that one poller could not hand to another.";
            counter "onair_port_rx_handed_over_total" = counted.rx_handed_over,
                "Packets that one poller of the port handed to another.";
            counter "onair_port_igmp_queries_total" = counted.igmp_queries,
                "Queries of IGMP received.";
            counter "onair_port_igmp_queries_dropped_total" = counted.igmp_dropped,
                "Queries of IGMP dropped, because too many came.";
            counter "onair_port_igmp_sent_total" = counted.igmp_sent,
                "IGMP reports and leaves sent by the port itself.";
            counter "onair_port_rx_errors_total" = driver.rx_errors,
                "Packets that came with errors.";
            counter "onair_port_tx_errors_total" = driver.tx_errors,
                "Packets that could not be sent.";
        }
        for (reason, value) in [
            ("no_session", counted.rx_no_session),
            ("other_protocol", counted.rx_other),
            ("malformed", counted.rx_malformed),
            ("cut", counted.rx_cut),
            ("untagged", counted.rx_untagged),
            ("other_vlan", counted.rx_other_vlan),
        ] {
            metrics! { metrics, &[labels[0], ("reason", reason)] =>
                counter "onair_port_rx_unclaimed_total" = value,
                    "Packets that went to no session, by reason.";
            }
        }
    }
}

pub(super) fn measure_pollers(services: &Services, metrics: &mut Exposition) {
    for (index, poller) in services.config.poller.iter().enumerate() {
        let labels = [("poller", poller.name.as_str())];
        let counted = services
            .machine
            .dataplane()
            .poller_counters(index)
            .unwrap_or_default();
        metrics! { metrics, &labels =>
            count "onair_poller_alive" = u64::from(services.works(index)),
                "1 while the polling thread works: it has not died, and makes turns.";
            count "onair_poller_sessions" = counted.sessions,
                "Sessions that the polling thread serves.";
            counter "onair_poller_turns_total" = counted.turns,
                "Iterations of the polling loop.";
            counter "onair_poller_turns_busy_total" = counted.turns_busy,
                "Iterations that had work to do.";
            counter "onair_poller_sleeps_total" = counted.sleeps,
                "Times that the polling thread slept.";
        }
    }
}

pub(super) fn measure_probe(services: &Services, metrics: &mut Exposition) {
    let (state, _) = services.machine.probe_state();
    metrics.state(
        "onair_probe_state",
        "State of the probe: 1 for the current one.",
        ["watching", "blind", "off"],
        &state.to_string(),
    );
    if let Some(at) = services.machine.canary_at() {
        metrics! { metrics, &[] =>
            gauge "onair_probe_canary_time_seconds" = unix(at),
                "When the daemon's own canary last succeeded, Unix time.";
        }
    }
}

pub(super) fn unix(at: Timestamp) -> f64 {
    let since = at.0.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
