//! One line of the result.

use serde::Serialize;

use crate::samples::Samples;

/// One measured figure, beside its reference.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// The property.
    pub(crate) id: &'static str,
    /// Which case of it.
    pub(crate) variant: String,
    /// Unit of all figures but `ratio`.
    pub(crate) unit: &'static str,
    /// The figure: the median.
    pub(crate) value: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p99_9: f64,
    pub(crate) max: f64,
    pub(crate) samples: usize,
    /// What it stands beside.
    pub(crate) reference_name: String,
    /// The reference's median.
    pub(crate) reference: f64,
    /// The reference's 99th percentile.
    pub(crate) reference_p99: f64,
    /// `value / reference`.
    pub(crate) ratio: f64,
    pub(crate) target: String,
    pub(crate) met: Option<bool>,
    /// Which thread ran where.
    pub(crate) pinned: String,
}

impl Row {
    /// A row whose target is to be filled in.
    pub(crate) fn new(
        (id, variant): (&'static str, impl Into<String>),
        unit: &'static str,
        ours: &Samples,
        (reference_name, reference): (&str, &Samples),
    ) -> Self {
        let (value, beside) = (ours.per_mille(500), reference.per_mille(500));
        Self {
            id,
            variant: variant.into(),
            unit,
            value,
            p50: value,
            p99: ours.per_mille(990),
            p99_9: ours.per_mille(999),
            max: ours.per_mille(1000),
            samples: ours.len(),
            reference_name: reference_name.to_owned(),
            reference: beside,
            reference_p99: reference.per_mille(990),
            ratio: value / beside,
            target: String::new(),
            met: None,
            pinned: String::new(),
        }
    }

    /// Sets the target, and whether it was met.
    pub(crate) fn target(mut self, target: impl Into<String>, met: impl Fn(&Self) -> bool) -> Self {
        self.target = target.into();
        self.met = Some(met(&self));
        self
    }

    /// Says what ran where.
    pub(crate) fn pinned(mut self, pinned: impl Into<String>) -> Self {
        self.pinned = pinned.into();
        self
    }
}
