//! The parameters of a media format: `a=fmtp:PT key=value; key; …` (ST 2110-20 §7.1).

use std::ops::RangeInclusive;

use crate::error::{Fault, SdpError};
use crate::rate::{DescribedRate, whole};
use crate::words::Word;

/// The parameters, in the order of the text.
#[derive(Debug)]
pub(crate) struct Parameters<'a> {
    pub(crate) line: usize,
    list: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Parameters<'a> {
    /// Splits the text after the payload type. Keys may not repeat, except `repeats`.
    pub(crate) fn parse(line: usize, text: &'a str, repeats: &[&str]) -> Result<Self, SdpError> {
        let mut list: Vec<(&str, Option<&str>)> = Vec::new();
        let parts = text.split(';').map(str::trim);
        for part in parts.filter(|part| !part.is_empty()) {
            let (key, value) = match part.split_once('=') {
                Some((key, value)) => (key.trim(), Some(value.trim())),
                None => (part, None),
            };
            let is_known = list
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(key));
            if is_known && !repeats.contains(&key) {
                return Err(SdpError::new(line, shown(key), Fault::Twice));
            }
            list.push((key, value));
        }
        Ok(Self { line, list })
    }

    fn find(&self, key: &str) -> Option<Option<&'a str>> {
        let mut all = self.list.iter();
        let found = all.find(|(known, _)| known.eq_ignore_ascii_case(key))?;
        Some(found.1)
    }

    /// Whether a parameter without a value is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The value of a parameter that may be absent.
    pub(crate) fn value(&self, key: &str) -> Result<Option<&'a str>, SdpError> {
        match self.find(key) {
            Some(None | Some("")) => Err(self.error(key, Fault::Missing)),
            Some(value) => Ok(value),
            None => Ok(None),
        }
    }

    /// Every value of a parameter that may repeat.
    pub(crate) fn values(&self, key: &str) -> impl Iterator<Item = &'a str> {
        let all = self.list.iter();
        let all = all.filter(move |(known, _)| known.eq_ignore_ascii_case(key));
        all.map(|(_, value)| value.unwrap_or_default())
    }

    /// The value of a parameter that must be there, as `read` reads it.
    pub(crate) fn required<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Self, &str) -> Result<Option<T>, SdpError>,
    ) -> Result<T, SdpError> {
        read(self, key)?.ok_or_else(|| self.error(key, Fault::Missing))
    }

    pub(crate) fn word<T: Word>(&self, key: &str) -> Result<Option<T>, SdpError> {
        self.read(key, T::of, T::wanted())
    }

    pub(crate) fn number(
        &self,
        key: &str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, SdpError> {
        let wanted = format!("a number from {} to {}", range.start(), range.end());
        self.read(
            key,
            |text| whole(text).filter(|it| range.contains(it)),
            wanted,
        )
    }

    pub(crate) fn rate(&self, key: &str) -> Result<Option<DescribedRate>, SdpError> {
        let wanted = "an integer or a fraction such as 60000/1001";
        self.read(key, DescribedRate::parse, wanted)
    }

    pub(crate) fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Option<T>,
        wanted: impl Into<String>,
    ) -> Result<Option<T>, SdpError> {
        let Some(text) = self.value(key)? else {
            return Ok(None);
        };
        match read(text) {
            Some(value) => Ok(Some(value)),
            None => Err(SdpError::invalid(self.line, key, text, wanted)),
        }
    }

    pub(crate) fn error(&self, key: &str, fault: Fault) -> SdpError {
        SdpError::new(self.line, key, fault)
    }
}

fn shown(key: &str) -> String {
    key.chars().take(40).collect()
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
