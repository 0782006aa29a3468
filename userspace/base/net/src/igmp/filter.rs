//! Which sources of a group a host wants.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// The sources that a host wants of one group (RFC 3376 §3, RFC 3810 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// These: mode INCLUDE. None of them means that the host is no member.
    Include(BTreeSet<IpAddr>),
    /// Any source: mode EXCLUDE without sources.
    Any,
}

impl Filter {
    /// The filter of a host that is no member.
    pub const NONE: Self = Self::Include(BTreeSet::new());

    /// The filter that lets through the packets of both (RFC 3376 §3.2).
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Include(mut sources), Self::Include(more)) => {
                sources.extend(more);
                Self::Include(sources)
            }
            _ => Self::Any,
        }
    }

    /// Whether a host with this filter is a member.
    #[must_use]
    pub fn is_member(&self) -> bool {
        *self != Self::NONE
    }
}
