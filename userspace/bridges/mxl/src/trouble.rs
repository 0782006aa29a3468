//! Repeated trouble, which is logged once.

use std::fmt::Display;

/// The trouble of a session or flow, as it was said.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    said: Option<String>,
}

impl Trouble {
    /// It goes wrong.
    pub(crate) fn is(&mut self, name: &str, what: &impl Display) {
        let what = what.to_string();
        if self.said.as_ref() != Some(&what) {
            tracing::warn!(session = name, "{what}");
            self.said = Some(what);
        }
    }

    /// It goes well.
    pub(crate) fn is_over(&mut self, name: &str) {
        if self.said.take().is_some() {
            tracing::info!(session = name, "goes on");
        }
    }
}
