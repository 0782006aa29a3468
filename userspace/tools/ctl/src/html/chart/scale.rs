//! Units, and where the lines of a picture are.

use crate::render::analysis::time;

/// Lines of a picture, about.
const LINES: f64 = 5.0;

/// Unit of a picture's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::html) enum Unit {
    Count,
    Nanos,
    MegabitsPerSecond,
}

impl Unit {
    /// For people.
    pub(in crate::html) fn text(self, value: f64) -> String {
        match self {
            Self::Count => number(value),
            Self::MegabitsPerSecond => format!("{} Mbit/s", number(value)),
            #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
            Self::Nanos => time(value.round() as i64),
        }
    }

    /// At a line: round values, and so short.
    pub(super) fn label(self, value: f64) -> String {
        if self != Self::Nanos {
            return number(value);
        }
        let (divisor, unit) = match value.abs() {
            size if size >= 1e9 => (1e9, "s"),
            size if size >= 1e6 => (1e6, "ms"),
            size if size >= 1e3 => (1e3, "µs"),
            _ => (1.0, "ns"),
        };
        match value {
            0.0 => "0".to_owned(),
            value => format!("{} {unit}", number(value / divisor)),
        }
    }
}

/// Up to three digits behind the point.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Round values from `low` to `high`, some.
pub(super) fn lines(low: f64, high: f64) -> Vec<f64> {
    let span = (high - low).max(f64::MIN_POSITIVE);
    let rough = span / LINES;
    let power = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|it| it * power);
    let step = steps.into_iter().find(|it| *it >= rough).unwrap_or(rough);
    let first = (low / step).ceil();
    let all = (0..12).map(|number| (first + f64::from(number)) * step);
    all.take_while(|it| *it <= high + step * 1e-6)
        .map(|it| if it.abs() < step * 1e-6 { 0.0 } else { it })
        .collect()
}

/// For a picture.
#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
pub(in crate::html) const fn float(value: i64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_range_are_round_and_few() {
        assert_eq!(lines(0.0, 10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(lines(-3.0, 9.0), [0.0, 5.0]);
        for (low, high) in [(0.0, 0.0), (-1e18, 1e18), (7.0, 7.001), (0.0, 1e-9)] {
            let lines = lines(low, high);
            assert!(lines.len() <= 12, "{lines:?}");
            assert!(lines.iter().all(|it| it.is_finite()), "{lines:?}");
        }
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(Unit::Nanos.label(2_500_000.0), "2.5 ms");
        assert_eq!(Unit::Nanos.label(-400.0), "-400 ns");
        assert_eq!(Unit::Count.label(0.0), "0");
        assert_eq!(Unit::MegabitsPerSecond.label(1250.0), "1250");
    }
}
