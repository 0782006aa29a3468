//! Lines of a text, with their numbers.

use std::borrow::Cow;

use crate::error::Notes;

/// A line `key=value`.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its number in the text, from 1.
    pub(crate) number: usize,
    pub(crate) key: char,
    /// Without blanks around it. A tab is a blank, and so is each control character.
    pub(crate) value: String,
}

/// The lines of a text. A line that begins with a blank and is no `key=value` continues the one before. One that begins
/// without a blank continues a format, which a mail program broke, unless an empty line is between them: that is text
/// of a terminal behind a description. Else it is noted.
pub(crate) fn lines(text: &str, notes: &mut Notes) -> Vec<Line> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut lines: Vec<Line> = Vec::new();
    let mut is_after_empty = false;
    for (number, raw) in (1..).zip(text.split(['\n', '\r'])) {
        let line = raw.trim_matches(|it: char| it.is_whitespace() || it == '\0');
        if line.is_empty() {
            is_after_empty = true;
            continue;
        }
        let continues = !std::mem::take(&mut is_after_empty);
        let line = line.replace(char::is_control, " ");
        if let Some((key, value)) = split(&line) {
            let value = match key {
                // Text for people.
                's' | 'i' => value.trim().to_owned(),
                // Text that was copied from a page has other blanks, such as U+00A0.
                _ => value.trim().replace(char::is_whitespace, " "),
            };
            lines.push(Line { number, key, value });
            continue;
        }
        let is_indented = raw.starts_with([' ', '\t']);
        match lines.last_mut() {
            Some(last) if is_indented || (continues && last.value.starts_with("fmtp:")) => {
                last.value.push(' ');
                last.value += &line;
            }
            _ => notes.add(number, "line", Some(&line), "no line of SDP: not read"),
        }
    }
    lines
}

fn split(line: &str) -> Option<(char, &str)> {
    let (key, value) = line.split_once('=')?;
    let key = match key.as_bytes() {
        [key @ b'a'..=b'z'] => char::from(*key),
        _ => return None,
    };
    Some((key, value))
}

/// The text, without a byte order mark. Bytes that are not UTF-8 are Latin-1.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes).into(),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes).into(),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8_or_latin1(rest),
        bytes => utf8_or_latin1(bytes),
    }
}

fn utf8_or_latin1(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|it| unit([it[0], it[1]]));
    char::decode_utf16(units)
        .map(|it| it.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}
