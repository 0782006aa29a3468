//! The legs of a session, for Prometheus.

use onair_api::LegState;
use onair_settings::diagnostics::exposition::Exposition;

use crate::session::report::Shown;

/// Nanoseconds as seconds.
fn seconds(ns: f64) -> f64 {
    ns / 1e9
}

impl Shown<'_> {
    pub(crate) fn measure_legs(&self, metrics: &mut Exposition, labels: [(&'static str, &str); 2]) {
        let Some(legs) = self.legs() else {
            return;
        };
        for (leg, state) in [("1", &legs.first), ("2", &legs.second)] {
            measure_leg(metrics, [labels[0], labels[1], ("leg", leg)], state);
        }
        for (what, count) in [
            ("lost", legs.packets_lost),
            ("recovered", legs.packets_recovered),
        ] {
            metrics.count(
                "onair_session_legs_packets",
                "Packets that a leg lost.",
                &[labels[0], labels[1], ("what", what)],
                count,
            );
        }
        #[expect(clippy::cast_precision_loss, reason = "a nanosecond in 104 days")]
        let skews = [
            ("now", legs.skew_ns.map(|ns| ns as f64)),
            ("p99", legs.skew_p99_ns.map(|ns| ns as f64)),
            ("max", legs.skew_max_ns.map(|ns| ns as f64)),
        ];
        for (of, ns) in skews {
            let Some(ns) = ns else { continue };
            metrics.gauge(
                "onair_session_legs_skew_seconds",
                "Skew of the legs: of the last packet, and in the last second.",
                &[labels[0], labels[1], ("of", of)],
                seconds(ns),
            );
        }
    }
}

fn measure_leg(metrics: &mut Exposition, labels: [(&'static str, &str); 3], state: &LegState) {
    for (what, count) in [
        ("used", state.packets_used),
        ("duplicate", state.packets_duplicate),
        ("late", state.packets_late),
        ("other_stream", state.packets_other_stream),
        ("before_restart", state.packets_before_restart),
        ("oversized", state.packets_oversized),
        ("malformed", state.packets_malformed),
        ("reordered", state.packets_reordered),
        ("lost", state.packets_lost),
    ] {
        metrics.count(
            "onair_session_leg_packets",
            "Packets of a leg.",
            &[labels[0], labels[1], labels[2], ("what", what)],
            count,
        );
    }
}
