//! Sources as documents and changes have them.

/// `source` and `sources` of a document.
#[must_use]
pub fn one_or_several(sources: Vec<String>) -> (Option<String>, Option<Vec<String>>) {
    match <[String; 1]>::try_from(sources) {
        Ok([one]) => (Some(one), None),
        Err(none) if none.is_empty() => (None, None),
        Err(several) => (None, Some(several)),
    }
}

/// `source` and `sources` of a change.
type ChangedSources = (Option<Option<String>>, Option<Option<Vec<String>>>);

/// As [`one_or_several`], of a change: no source means any.
#[must_use]
pub fn changed_sources(sources: Vec<String>) -> ChangedSources {
    match one_or_several(sources) {
        (one, None) => (Some(one), None),
        (_, several) => (None, Some(several)),
    }
}
