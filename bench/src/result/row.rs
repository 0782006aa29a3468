//! One line of the result.

use serde::{Deserialize, Serialize};

use crate::result::samples::Samples;

/// One measured figure beside its limit or its peer. Its fields are the keys of one entry of
/// `results` in the JSON, no more and no less; what else is known of it is its [`Detail`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The property.
    pub(crate) id: String,
    /// Which case of it.
    pub(crate) variant: String,
    /// Unit of all figures but `ratio`.
    pub(crate) unit: String,
    /// The figure: the median. Null of what was not measured.
    pub(crate) value: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) samples: usize,
    /// What it stands beside; empty when there is nothing.
    pub(crate) reference_name: String,
    /// The reference's median, or the requirement.
    pub(crate) reference: Option<f64>,
    /// `value / reference`.
    pub(crate) ratio: Option<f64>,
    /// Empty for a figure that only explains others.
    pub(crate) target: String,
    /// Null where there is no target, or nothing was measured.
    pub(crate) met: Option<bool>,
    #[serde(skip)]
    pub(crate) detail: Detail,
}

/// What is known of a row beyond its keys: an entry of `details` in the JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Detail {
    pub(crate) id: String,
    pub(crate) variant: String,
    pub(crate) p99_9: Option<f64>,
    /// Of at least ten thousand samples.
    pub(crate) p99_99: Option<f64>,
    /// The reference's 99th percentile.
    pub(crate) reference_p99: Option<f64>,
    /// Which thread ran where.
    pub(crate) pinned: String,
    /// How far the ratio (or the value, where nothing stands beside it) drifted while it was taken:
    /// half of the range of ten parts' medians, as a share of the whole.
    pub(crate) noise: Option<f64>,
    /// Load of the machine (one minute's mean) when it was taken.
    pub(crate) load: Option<f64>,
    /// Why it is as it is.
    pub(crate) note: String,
}

/// The figures of a series that a row shows.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

impl Row {
    /// What was measured; it becomes a row with its target.
    pub(crate) fn of(id: &str, variant: impl Into<String>, unit: &str, ours: &Samples) -> Figure {
        Figure(Self::bare(id, variant, unit, ours))
    }

    fn bare(id: &str, variant: impl Into<String>, unit: &str, ours: &Samples) -> Self {
        let (ranks, variant) = (ours.ranks(), variant.into());
        let detail = Detail {
            id: id.to_owned(),
            variant: variant.clone(),
            p99_9: finite(ranks.per_mille(999)),
            p99_99: (ours.len() >= 10_000)
                .then(|| ranks.per_ten_thousand(9_999))
                .and_then(finite),
            noise: spread(&ours.block_medians()),
            ..Detail::default()
        };
        Self {
            id: id.to_owned(),
            variant,
            unit: unit.to_owned(),
            value: finite(ranks.median()),
            p50: finite(ranks.median()),
            p99: finite(ranks.per_mille(990)),
            max: finite(ranks.per_mille(1000)),
            samples: ours.len(),
            reference_name: String::new(),
            reference: None,
            ratio: None,
            target: String::new(),
            met: None,
            detail,
        }
    }

    /// A row without figures.
    #[cfg(test)]
    pub(crate) fn absent(id: &str, why: &str) -> Self {
        Self::bare(id, format!("absent: {why}"), "", &Samples::default())
    }

    /// A property that could not be measured. Not met.
    pub(crate) fn failed(id: &str, why: &str) -> Self {
        Self {
            met: Some(false),
            ..Self::bare(id, format!("failed: {why}"), "", &Samples::default())
        }
    }

    /// Whether the ratio is there and at most `most`.
    pub(crate) fn ratio_at_most(&self, most: f64) -> bool {
        self.ratio.is_some_and(|ratio| ratio <= most)
    }

    /// Whether the ratio is there and at least `least`.
    pub(crate) fn ratio_at_least(&self, least: f64) -> bool {
        self.ratio.is_some_and(|ratio| ratio >= least)
    }

    /// Whether the median is there and at most `most`.
    pub(crate) fn p50_at_most(&self, most: f64) -> bool {
        self.p50.is_some_and(|value| value <= most)
    }

    /// Whether the 99th percentile is there and at most `most`.
    pub(crate) fn p99_at_most(&self, most: f64) -> bool {
        self.p99.is_some_and(|value| value <= most)
    }
}

/// A row to be: it has a target, or says that it only explains another row.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Figure(Row);

impl Figure {
    /// Sets a measured reference, taken in turns with our own samples.
    pub(crate) fn beside(mut self, name: &str, ours: &Samples, reference: &Samples) -> Self {
        let ranks = reference.ranks();
        self.0.detail.reference_p99 = finite(ranks.per_mille(990));
        let pairs = ours.block_medians();
        let pairs = pairs.iter().zip(reference.block_medians());
        let ratios: Vec<_> = pairs.map(|(own, other)| own / other).collect();
        self.0.detail.noise = spread(&ratios);
        self.limit(name, ranks.median())
    }

    /// Sets a reference that is a number: a requirement.
    pub(crate) fn limit(mut self, name: &str, reference: f64) -> Self {
        let row = &mut self.0;
        name.clone_into(&mut row.reference_name);
        row.reference = finite(reference);
        row.ratio = row.value.and_then(|value| finite(value / row.reference?));
        self
    }

    /// Says what ran where.
    pub(crate) fn pinned(mut self, pinned: impl Into<String>) -> Self {
        self.0.detail.pinned = pinned.into();
        self
    }

    /// Says why it is as it is.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.0.detail.note = note.into();
        self
    }

    /// A row with a target, and whether it was met.
    pub(crate) fn target(self, target: impl Into<String>, met: impl Fn(&Row) -> bool) -> Row {
        let mut row = self.0;
        row.target = target.into();
        row.met = Some(row.value.is_some() && met(&row));
        row
    }

    /// A row whose ratio is to be at most this.
    pub(crate) fn ratio_at_most(self, most: f64) -> Row {
        self.target(format!("≤ {most} ×"), |row| row.ratio_at_most(most))
    }

    /// A row whose ratio is to be at least this.
    pub(crate) fn ratio_at_least(self, least: f64) -> Row {
        self.target(format!("≥ {least} ×"), |row| row.ratio_at_least(least))
    }

    /// A row of how many fit: all the whole ones of its reference.
    pub(crate) fn all_whole(self) -> Row {
        self.target("all that the rate allows", |row| {
            let most = row.reference.map(f64::floor);
            row.value.zip(most).is_some_and(|(ours, most)| ours >= most)
        })
    }

    /// A row of what must not happen.
    pub(crate) fn none(self) -> Row {
        self.target("0", |row| row.value == Some(0.0))
    }

    /// A row that only explains another one.
    pub(crate) fn part(self) -> Row {
        self.0
    }
}

/// Half of the range, as a share of the middle; `None` of fewer than two values.
fn spread(values: &[f64]) -> Option<f64> {
    let sorted: Samples = values.iter().copied().collect();
    let ranks = sorted.ranks();
    let (least, most) = (ranks.per_mille(0), ranks.per_mille(1000));
    if values.len() < 2 {
        return None;
    }
    finite((most - least) / 2.0 / ranks.median())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        values.iter().copied().collect()
    }

    #[test]
    fn row_as_json_then_it_has_exactly_the_keys_that_programs_read() {
        let ours = samples(&[1.0, 2.0, 3.0]);
        let row = Row::of("P1", "N = 1", "µs", &ours)
            .beside("FUTEX_WAKE", &ours, &samples(&[1.0, 1.0, 1.0]))
            .ratio_at_most(1.2);
        let json = serde_json::to_value(&row).unwrap();
        let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        let mut wanted = [
            "id",
            "variant",
            "unit",
            "value",
            "p50",
            "p99",
            "max",
            "samples",
            "reference_name",
            "reference",
            "ratio",
            "target",
            "met",
        ];
        wanted.sort_unstable();
        let mut found: Vec<_> = keys.iter().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, wanted);
        assert_eq!(json["value"], 2.0);
        assert_eq!(json["ratio"], 2.0);
        assert_eq!(json["met"], false);
        assert_eq!(json["samples"], 3);
    }

    #[test]
    fn row_absent_or_failed_then_never_met() {
        let absent = Row::absent("P19", "not built");
        assert_eq!((absent.met, absent.value), (None, None));
        let failed = Row::failed("P5", "no veth");
        assert_eq!(failed.met, Some(false));
        let empty = Row::of("P1", "N = 1", "µs", &Samples::default()).target("", |_| true);
        assert_eq!(empty.met, Some(false), "nothing was measured");
    }

    #[test]
    fn row_p99_99_then_only_of_ten_thousand_samples() {
        let of =
            |count: u32| Row::of("P18", "", "µs", &(1..=count).map(f64::from).collect()).part();
        assert_eq!(of(9_999).detail.p99_99, None);
        assert_eq!(of(10_000).detail.p99_99, Some(9_999.0));
    }

    #[test]
    fn noise_of_the_ratio_then_not_of_what_moves_both() {
        let ours: Samples = (1..=20).map(f64::from).collect();
        let row = Row::of("P1", "N = 1", "µs", &ours);
        assert!(row.0.detail.noise.unwrap() > 0.5);
        let row = row.beside("the same", &ours, &ours).part();
        assert_eq!(row.detail.noise, Some(0.0));
    }
}
