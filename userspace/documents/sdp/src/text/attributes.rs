//! Attributes (`a=`) of a session and of its media.

use super::lines::Line;
use crate::error::{Notes, SdpError};
use crate::rate::whole;

/// An attribute with its line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) number: usize,
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// The attributes among lines.
pub(super) fn attributes(lines: &[Line]) -> Vec<Attribute<'_>> {
    let lines = lines.iter().filter(|it| it.key == 'a');
    let split = lines.map(|it| {
        let (name, value) = it.value.split_once(':').unwrap_or((&it.value, ""));
        Attribute {
            number: it.number,
            name: name.trim(),
            value: value.trim(),
        }
    });
    split.collect()
}

/// The attributes that hold for one medium: its own, then the session's.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    pub(super) own: Vec<Attribute<'a>>,
    pub(super) session: &'a [Attribute<'a>],
    /// The `m=` line, for what is missing.
    pub(super) start: usize,
}

impl<'a> Attributes<'a> {
    /// Each one of a name, the medium's first.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = Attribute<'a>> {
        let all = self.own.iter().chain(self.session).copied();
        all.filter(move |it| it.name.eq_ignore_ascii_case(name))
    }

    /// The medium's attribute, or else the session's. Another one of the medium is noted.
    pub(super) fn find(&self, name: &str, notes: &mut Notes) -> Option<Attribute<'a>> {
        let mut own = self.own.iter().copied();
        let first = own.find(|it| it.name.eq_ignore_ascii_case(name));
        let Some(first) = first else {
            return self.all(name).next();
        };
        for other in own.filter(|it| it.name.eq_ignore_ascii_case(name)) {
            let reason = "given twice: the first is used";
            notes.add(other.number, name, Some(other.value), reason);
        }
        Some(first)
    }

    /// An attribute that is carried, or noted.
    pub(super) fn may<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
        wanted: &str,
        notes: &mut Notes,
    ) -> Option<T> {
        let line = self.find(name, notes)?;
        let value = read(line.value);
        if value.is_none() {
            let reason = format!("not used: it is not {wanted}");
            notes.add(line.number, name, Some(line.value), &reason);
        }
        value
    }

    /// The text of `a=NAME:PT text` for this payload type, the first of the `m=` line. Several lines are joined by `; `,
    /// as parameters are. There may be others, of the formats after it, but not others alone.
    pub(super) fn of_type(
        &self,
        name: &str,
        payload_type: u8,
    ) -> Result<Option<(usize, String)>, SdpError> {
        let mut found: Option<(usize, String)> = None;
        let mut other = None;
        let own = self.own.iter();
        for line in own.filter(|it| it.name.eq_ignore_ascii_case(name)) {
            let (number, text) = line.value.split_once(' ').unwrap_or((line.value, ""));
            let Some(number) = whole(number).filter(|it| *it < 128) else {
                let wanted = "a payload type from 0 to 127 first";
                return Err(SdpError::invalid(line.number, name, line.value, wanted));
            };
            if number != u32::from(payload_type) {
                other.get_or_insert((line.number, number));
                continue;
            }
            let text = text.trim();
            match &mut found {
                Some((_, before)) => {
                    if !before.is_empty() && !text.is_empty() {
                        before.push_str("; ");
                    }
                    before.push_str(text);
                }
                None => found = Some((line.number, text.to_owned())),
            }
        }
        let (None, Some((line, number))) = (&found, other) else {
            return Ok(found);
        };
        let wanted = format!("{payload_type}, the payload type of the m= line");
        let number = number.to_string();
        Err(SdpError::invalid(line, name, &number, wanted))
    }
}
