//! The parameters of a media format: `a=fmtp:PT key=value; key; …` (ST 2110-20 §7.1).

use std::cell::Cell;
use std::ops::RangeInclusive;

use crate::error::{Fault, Notes, SdpError};
use crate::rate::whole;
use crate::words::Word;

/// The parameters, in the order of the text.
#[derive(Debug)]
pub(crate) struct Parameters<'a> {
    pub(crate) line: usize,
    list: Vec<Parameter<'a>>,
}

#[derive(Debug)]
struct Parameter<'a> {
    key: &'a str,
    value: Option<&'a str>,
    /// A caller asked for it. What is left is noted by [`Parameters::finish`].
    is_read: Cell<bool>,
}

impl<'a> Parameters<'a> {
    /// Splits the text after the payload type.
    pub(crate) fn parse(line: usize, text: &'a str) -> Self {
        let parts = text.split(';').map(str::trim);
        let parts = parts.filter(|part| !part.is_empty());
        let list = parts.map(|part| {
            let (key, value) = match part.split_once('=') {
                Some((key, value)) => (key.trim(), Some(value.trim())),
                None => (part, None),
            };
            let value = value.filter(|it| !it.is_empty());
            Parameter {
                key,
                value,
                is_read: Cell::new(false),
            }
        });
        Self {
            line,
            list: list.collect(),
        }
    }

    /// Every parameter of this name. A name that SDP writes in capitals may be small, and the other way round.
    fn named(&self, key: &str) -> impl Iterator<Item = &Parameter<'a>> {
        let all = self.list.iter();
        let named = all.filter(move |it| it.key.eq_ignore_ascii_case(key));
        named.inspect(|it| it.is_read.set(true))
    }

    /// The values of a parameter that may repeat.
    pub(crate) fn values(&self, key: &str) -> impl Iterator<Item = &'a str> {
        self.named(key).map(|it| it.value.unwrap_or_default())
    }

    /// A parameter that is a word without a value. `key=0` is not there.
    pub(crate) fn has(&self, key: &str, notes: &mut Notes) -> bool {
        let mut is_there = false;
        for parameter in self.named(key) {
            is_there |= match parameter.value {
                None => true,
                Some(value) => {
                    let words = ["0", "false", "no", "off"];
                    let is_off = words.iter().any(|it| value.eq_ignore_ascii_case(it));
                    let reason = match is_off {
                        true => "a word without a value in ST 2110: taken as absent",
                        false => "a word without a value in ST 2110: taken as present",
                    };
                    notes.add(self.line, key, Some(value), reason);
                    !is_off
                }
            };
        }
        is_there
    }

    /// A parameter without which there is no stream: it is carried, or the fault is fatal. `None` if it is absent.
    pub(crate) fn must<T: PartialEq>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Option<T>,
        wanted: impl Into<String>,
        notes: &mut Notes,
    ) -> Result<Option<T>, SdpError> {
        let mut found: Option<(T, &str)> = None;
        let wanted = wanted.into();
        for parameter in self.named(key) {
            let text = parameter.value.ok_or_else(|| self.missing(key))?;
            let value = read(text);
            let value = value.ok_or_else(|| SdpError::invalid(self.line, key, text, &wanted))?;
            match &found {
                None => found = Some((value, text)),
                Some((first, _)) if *first == value => self.twice(key, text, notes),
                Some(_) => return Err(SdpError::new(self.line, key, Fault::Twice)),
            }
        }
        Ok(found.map(|(value, _)| value))
    }

    /// As [`Self::must`]; to be absent is fatal, too.
    pub(crate) fn required<T: PartialEq>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Option<T>,
        wanted: impl Into<String>,
        notes: &mut Notes,
    ) -> Result<T, SdpError> {
        let found = self.must(key, read, wanted, notes)?;
        found.ok_or_else(|| self.missing(key))
    }

    /// A parameter that a session can be without: it is carried, or noted.
    pub(crate) fn may<T>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Option<T>,
        wanted: impl AsRef<str>,
        notes: &mut Notes,
    ) -> Option<T> {
        let mut found = None;
        let mut is_first = true;
        for parameter in self.named(key) {
            let text = parameter.value.unwrap_or_default();
            if !std::mem::take(&mut is_first) {
                self.twice(key, text, notes);
                continue;
            }
            found = read(text);
            if found.is_none() {
                let reason = format!("not used: it is not {}", wanted.as_ref());
                notes.add(self.line, key, Some(text), &reason);
            }
        }
        found
    }

    /// As [`Self::may`], of one word of several.
    pub(crate) fn word<T: Word>(&self, key: &str, notes: &mut Notes) -> Option<T> {
        self.may(key, T::of, T::wanted(), notes)
    }

    /// As [`Self::may`], of a number.
    pub(crate) fn number(
        &self,
        key: &str,
        range: RangeInclusive<u32>,
        notes: &mut Notes,
    ) -> Option<u32> {
        let wanted = format!("a number from {} to {}", range.start(), range.end());
        let read = |text: &str| whole(text).filter(|it| range.contains(it));
        self.may(key, read, wanted, notes)
    }

    /// Notes what the standard requires and a session can be without.
    pub(crate) fn expect<T>(&self, key: &str, value: Option<&T>, reason: &str, notes: &mut Notes) {
        if value.is_none() && self.named(key).next().is_none() {
            notes.add(self.line, key, None, reason);
        }
    }

    /// Notes all that no caller asked for.
    pub(crate) fn finish(self, notes: &mut Notes) {
        for parameter in self.list.iter().filter(|it| !it.is_read.get()) {
            let reason = "not used: no parameter that a session has";
            notes.add(self.line, parameter.key, parameter.value, reason);
        }
    }

    fn twice(&self, key: &str, text: &str, notes: &mut Notes) {
        let reason = "given twice: the first is used";
        notes.add(self.line, key, Some(text), reason);
    }

    pub(crate) fn missing(&self, key: &str) -> SdpError {
        SdpError::new(self.line, key, Fault::Missing)
    }
}

/// Writes parameters: `key=value; key; `, with the blank that ST 2110-20 §7.1 wants after each
/// semicolon.
#[derive(Debug, Default)]
pub(crate) struct Written(String);

impl Written {
    pub(crate) fn flag(&mut self, key: &str, is_set: bool) {
        if is_set {
            self.0 += key;
            self.0 += "; ";
        }
    }

    pub(crate) fn add(&mut self, key: &str, value: impl std::fmt::Display) {
        self.0 += &format!("{key}={value}; ");
    }

    pub(crate) fn maybe(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.add(key, value);
        }
    }

    /// The text, with a blank after the last semicolon, too; empty without parameters.
    pub(crate) fn finish(self) -> String {
        self.0
    }
}
