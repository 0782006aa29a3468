//! Names of profiles, levels and sublevels in SDP (RFC 9134 §7.1), and their numbers in headers (ISO/IEC 21122-2, Annex A).

/// Profiles: `Ppih`.
const PROFILES: [(&str, u16); 14] = [
    ("Light422.10", 0x1500),
    ("Light444.12", 0x1a00),
    ("LightSubline422.10", 0x2500),
    ("Main420.12", 0x3240),
    ("Main422.10", 0x3540),
    ("Main444.12", 0x3a40),
    ("Main4444.12", 0x3e40),
    ("High420.12", 0x4240),
    ("High444.12", 0x4a40),
    ("High4444.12", 0x4e40),
    ("MLS.12", 0x6ec0),
    ("LightBayer", 0x9300),
    ("MainBayer", 0xb340),
    ("HighBayer", 0xc340),
];

/// Levels: the high byte of `Plev`.
const LEVELS: [(&str, u16); 9] = [
    ("1k-1", 0x04),
    ("2k-1", 0x10),
    ("4k-1", 0x20),
    ("4k-2", 0x24),
    ("4k-3", 0x28),
    ("8k-1", 0x30),
    ("8k-2", 0x34),
    ("8k-3", 0x38),
    ("10k-1", 0x40),
];

/// Sublevels: the low byte of `Plev`, and the most bits of a pixel, if they are limited.
const SUBLEVELS: [(&str, u16, Option<u32>); 7] = [
    ("Full", 0x80, None),
    ("Sublev12bpp", 0x10, Some(12)),
    ("Sublev9bpp", 0x0c, Some(9)),
    ("Sublev6bpp", 0x08, Some(6)),
    ("Sublev4bpp", 0x06, Some(4)),
    ("Sublev3bpp", 0x04, Some(3)),
    ("Sublev2bpp", 0x03, Some(2)),
];

fn number(all: &[(&str, u16)], name: &str) -> Option<u16> {
    let mut all = all.iter();
    let found = all.find(|it| it.0.eq_ignore_ascii_case(name));
    found.map(|it| it.1)
}

/// Number of a profile; `None`: the name is unknown.
#[must_use]
pub fn profile_number(name: &str) -> Option<u16> {
    number(&PROFILES, name)
}

/// Name of a profile; `None`: the number is unknown.
#[must_use]
pub fn profile_name(number: u16) -> Option<&'static str> {
    let mut all = PROFILES.iter();
    all.find(|it| it.1 == number).map(|it| it.0)
}

/// Number of a level; `None`: the name is unknown.
#[must_use]
pub fn level_number(name: &str) -> Option<u16> {
    number(&LEVELS, name)
}

/// Number of a sublevel; `None`: the name is unknown.
#[must_use]
pub fn sublevel_number(name: &str) -> Option<u16> {
    let mut all = SUBLEVELS.iter();
    let found = all.find(|it| it.0.eq_ignore_ascii_case(name));
    found.map(|it| it.1)
}

/// Most bits of a pixel in a sublevel; `None`: not limited, or the name is unknown.
#[must_use]
pub fn sublevel_bits(name: &str) -> Option<u32> {
    let mut all = SUBLEVELS.iter();
    all.find(|it| it.0.eq_ignore_ascii_case(name))?.2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case_then_their_numbers() {
        assert_eq!(profile_number("main422.10"), Some(0x3540));
        assert_eq!(profile_name(0x4a40), Some("High444.12"));
        assert_eq!(level_number("4k-2"), Some(0x24));
        assert_eq!(sublevel_number("Sublev6bpp"), Some(0x08));
        assert_eq!(
            (sublevel_bits("Sublev9bpp"), sublevel_bits("Full")),
            (Some(9), None)
        );
        for unknown in ["", "Main", "Main422.10 "] {
            assert_eq!(profile_number(unknown), None);
        }
        assert!(PROFILES.iter().all(|it| profile_name(it.1) == Some(it.0)));
    }
}
