//! Which certificate leaves when there are too many: a user's storm of short sessions pushes out nothing else.

use std::collections::BTreeMap;

use onair_api::Certificate;

/// Kind of session that a certificate is of. Each kind has as many places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A client used it.
    Used,
    /// No client used it.
    Passing,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Used, Self::Passing];

    /// Its name in texts.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Used => "certificates of sessions that clients used",
            Self::Passing => "certificates of sessions without clients",
        }
    }
}

/// Kind and user of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CertificateClass(Kind, u32);

impl CertificateClass {
    pub(super) fn of(certificate: &Certificate) -> Self {
        let kind = match certificate.counts.attachments {
            0 => Kind::Passing,
            _ => Kind::Used,
        };
        Self(kind, certificate.owner.uid)
    }
}

/// Certificates of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomUse {
    /// The kind.
    pub kind: Kind,
    /// Number that is stored.
    pub used: usize,
    /// Number that may be stored.
    pub limit: usize,
    /// The user with the most, and their number.
    pub greatest: Option<(u32, usize)>,
}

impl RoomUse {
    fn is_nearly_full(&self) -> bool {
        self.used * 10 >= self.limit * 9
    }
}

/// How many certificates there are of each kind and user.
#[derive(Debug, Default)]
pub(super) struct Room {
    counts: BTreeMap<CertificateClass, usize>,
    /// Kinds that were nearly full at the last look.
    nearly_full: Vec<Kind>,
}

impl Room {
    pub(super) fn add(&mut self, place: CertificateClass) {
        *self.counts.entry(place).or_default() += 1;
    }

    pub(super) fn remove(&mut self, place: CertificateClass) {
        if let Some(count) = self.counts.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&place);
            }
        }
    }

    pub(super) fn uses(&self, limit: usize) -> [RoomUse; 2] {
        Kind::ALL.map(|kind| {
            let of_kind = || self.counts.iter().filter(move |(place, _)| place.0 == kind);
            let greatest = of_kind().max_by_key(|(_, count)| **count);
            RoomUse {
                kind,
                used: of_kind().map(|(_, count)| count).sum(),
                limit,
                greatest: greatest.map(|(place, count)| (place.1, *count)),
            }
        })
    }

    /// The place whose oldest certificate leaves: of a kind that has too many, the user with the most.
    pub(super) fn fullest(&self, limit: usize) -> Option<CertificateClass> {
        let mut uses = self.uses(limit).into_iter();
        let over = uses.find(|it| it.used > it.limit)?;
        Some(CertificateClass(over.kind, over.greatest?.0))
    }

    /// Kinds that have become nearly full since the last look.
    pub(super) fn fills(&mut self, limit: usize) -> Vec<RoomUse> {
        let uses = self.uses(limit);
        let nearly = uses.into_iter().filter(RoomUse::is_nearly_full);
        let nearly: Vec<RoomUse> = nearly.collect();
        let before = std::mem::replace(
            &mut self.nearly_full,
            nearly.iter().map(|it| it.kind).collect(),
        );
        let is_new = |it: &RoomUse| !before.contains(&it.kind);
        nearly.into_iter().filter(is_new).collect()
    }
}
