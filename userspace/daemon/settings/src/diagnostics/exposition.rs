//! Metrics with their current values, in Prometheus's text format.

use std::collections::BTreeMap;

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{TEXT_FORMAT, TextEncoder};

/// Labels of one value.
type Labels<'a> = &'a [(&'static str, &'a str)];

/// Metrics by name.
#[derive(Debug, Default)]
pub struct Exposition {
    families: BTreeMap<&'static str, MetricFamily>,
}

impl Exposition {
    /// Media type of [`Exposition::text`].
    pub const MEDIA_TYPE: &'static str = TEXT_FORMAT;

    /// Adds a counter, which only grows. Names end in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str, labels: Labels<'_>, value: u64) {
        let mut counter = Counter::default();
        counter.set_value(float(value));
        let mut metric = labelled(labels);
        metric.set_counter(counter);
        self.add(name, help, MetricType::COUNTER, metric);
    }

    /// Adds a gauge, which goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str, labels: Labels<'_>, value: f64) {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        let mut metric = labelled(labels);
        metric.set_gauge(gauge);
        self.add(name, help, MetricType::GAUGE, metric);
    }

    /// Adds a gauge that counts things.
    pub fn count(&mut self, name: &'static str, help: &str, labels: Labels<'_>, value: u64) {
        self.gauge(name, help, labels, float(value));
    }

    /// Adds a state: 1 for the current one, 0 for every other.
    pub fn state(
        &mut self,
        name: &'static str,
        help: &str,
        states: impl IntoIterator<Item = &'static str>,
        now: &str,
    ) {
        for state in states {
            let holds = u64::from(state == now);
            self.count(name, help, &[("state", state)], holds);
        }
    }

    fn add(&mut self, name: &'static str, help: &str, kind: MetricType, metric: Metric) {
        debug_assert_eq!(
            name.ends_with("_total"),
            kind == MetricType::COUNTER,
            "{name}: counters end in _total, and nothing else does"
        );
        let family = self.families.entry(name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(name.to_owned());
            family.set_help(help.to_owned());
            family.set_field_type(kind);
            family
        });
        debug_assert_eq!(family.get_field_type(), kind, "{name} is of two types");
        family.mut_metric().push(metric);
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// A metric without a name: a bug of the daemon.
    pub fn text(self) -> Result<String, prometheus::Error> {
        let families: Vec<_> = self.families.into_values().collect();
        TextEncoder::new().encode_to_string(&families)
    }
}

/// Adds metrics that have the same labels: of each the kind, the name, the value and the help.
#[macro_export]
macro_rules! metrics {
    ($to:expr, $labels:expr => $($kind:ident $name:literal = $value:expr, $help:literal;)+) => {
        $($to.$kind($name, $help, $labels, $value);)+
    };
}
pub use metrics;

fn labelled(labels: Labels<'_>) -> Metric {
    let pairs = labels.iter().map(|&(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}

/// Prometheus has only floating-point numbers: above 2^53 the last digits are lost.
#[expect(clippy::cast_precision_loss, reason = "as Prometheus has it")]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_parse::{Scrape, Value};

    #[test]
    fn exposition_as_text_then_a_parser_reads_the_same_back() {
        let mut metrics = Exposition::default();
        for (session, count) in [("cam1", 7), ("cam2", 9)] {
            let labels = [("session", session)];
            metrics.counter("onair_frames_total", "Frames.", &labels, count);
        }
        metrics.gauge("onair_age_seconds", "Age.", &[], 1.5);
        metrics.state("onair_probe_state", "State.", ["on", "off"], "off");
        let text = metrics.text().expect("all are named");
        let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).expect("it reads");
        let read: Vec<_> = scrape
            .samples
            .iter()
            .map(|sample| {
                let label = sample.labels.values().next().cloned().unwrap_or_default();
                let value = match sample.value {
                    Value::Counter(value) | Value::Gauge(value) => value,
                    ref other => panic!("{other:?}"),
                };
                (sample.metric.as_str(), label, value)
            })
            .collect();
        assert_eq!(
            read,
            [
                ("onair_age_seconds", String::new(), 1.5),
                ("onair_frames_total", "cam1".to_owned(), 7.0),
                ("onair_frames_total", "cam2".to_owned(), 9.0),
                ("onair_probe_state", "on".to_owned(), 0.0),
                ("onair_probe_state", "off".to_owned(), 1.0),
            ]
        );
    }
}
