//! Lines and attributes that no other part reads: each kind of them is noted, so that none is lost in silence.

use super::attributes::Attribute;
use super::lines::Line;
use crate::description::Essence;
use crate::error::Notes;

/// Attributes that other parts read and note.
const READ: [&str; 13] = [
    "rtpmap",
    "fmtp",
    "framerate",
    "ptime",
    "framecount",
    "source-filter",
    "ts-refclk",
    "mediaclk",
    "group",
    "mid",
    "inactive",
    "ssrc-group",
    "duplication-delay",
];

/// Attributes that say nothing of the packets: they are for people, for tools, or for an offer and its answer.
const OF_PEOPLE: [&str; 12] = [
    "tool", "type", "charset", "lang", "sdplang", "cat", "keywds", "recvonly", "sendonly",
    "sendrecv", "control", "range",
];

/// Attributes of a sender that may encrypt: HDCP and privacy of IPMX (VSF TR-10-5, TR-10-13), and SRTP.
const OF_KEYS: [&str; 6] = [
    "hkep",
    "privacy",
    "crypto",
    "key-mgmt",
    "fingerprint",
    "3ge2ae",
];

const ENCRYPTED: &str = "not used: what a sender encrypts arrives and is not deciphered";

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|it| it.eq_ignore_ascii_case(name))
}

/// Notes the attributes that no reader took, each name once.
fn of_attributes(attributes: &[Attribute<'_>], notes: &mut Notes) {
    for (at, line) in attributes.iter().enumerate() {
        let is_again = |it: &Attribute<'_>| it.name.eq_ignore_ascii_case(line.name);
        if is_one_of(line.name, &READ)
            || is_one_of(line.name, &OF_PEOPLE)
            || attributes[..at].iter().any(is_again)
        {
            continue;
        }
        let (value, reason) = match is_one_of(line.name, &OF_KEYS) {
            // A key is not kept.
            true => (None, ENCRYPTED),
            false => (
                Some(line.value),
                "not used: no attribute that a session has",
            ),
        };
        let value = value.filter(|it| !it.is_empty());
        notes.add(line.number, line.name, value, reason);
    }
}

/// Notes what is not read of the session's part.
pub(super) fn of_session(lines: &[Line], attributes: &[Attribute<'_>], notes: &mut Notes) {
    let mut addresses = 0;
    for line in lines {
        let reason = match line.key {
            'c' => {
                addresses += 1;
                match addresses {
                    1 => continue,
                    _ => "not used: the first address is",
                }
            }
            'b' => "not used: the bandwidth of a medium is, of JPEG XS",
            't' if line.value.split_ascii_whitespace().all(|it| it == "0") => continue,
            't' | 'r' | 'z' => "not used: a session has no times",
            'k' => ENCRYPTED,
            'o' | 's' | 'i' | 'u' | 'e' | 'p' | 'a' => continue,
            _ => "no type of line that SDP has here: not read",
        };
        noted(line, reason, notes);
    }
    for group in attributes
        .iter()
        .filter(|it| it.name.eq_ignore_ascii_case("group"))
    {
        let kind = group.value.split_ascii_whitespace().next();
        if !kind.is_some_and(|it| it.eq_ignore_ascii_case("DUP")) {
            let reason = "not used: only DUP, the legs of a stream, is";
            notes.add(group.number, group.name, Some(group.value), reason);
        }
    }
    of_attributes(attributes, notes);
}

/// Notes what is not read of a medium of this essence.
pub(super) fn of_medium(
    lines: &[Line],
    attributes: &[Attribute<'_>],
    essence: &Essence,
    notes: &mut Notes,
) {
    let mut bandwidths = 0;
    for line in lines {
        let reason = match line.key {
            'b' if !matches!(essence, Essence::Compressed(_)) => {
                "not used: only that of JPEG XS is"
            }
            'b' if line.value.starts_with("AS:") => {
                bandwidths += 1;
                match bandwidths {
                    1 => continue,
                    _ => "given twice: the first is used",
                }
            }
            'b' => "not used: only AS is",
            'k' => ENCRYPTED,
            // A second address is noted where the first is read.
            'm' | 'i' | 'c' | 'a' => continue,
            _ => "no type of line that SDP has here: not read",
        };
        noted(line, reason, notes);
    }
    of_attributes(attributes, notes);
}

fn noted(line: &Line, reason: &str, notes: &mut Notes) {
    // A key is not kept.
    let value = Some(line.value.as_str()).filter(|_| line.key != 'k');
    notes.add(line.number, &line.key.to_string(), value, reason);
}
