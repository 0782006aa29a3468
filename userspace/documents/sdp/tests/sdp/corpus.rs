//! Descriptions as plants send them, damaged in any way: `corpus/` has the forms of `samples.rs` as files. Each
//! input that a run finds is kept there as `found-….sdp`. `PROPTEST_CASES=1000000` runs longer.

use std::fs;
use std::sync::OnceLock;

use onair_sdp::SessionDescription;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::samples::bare;

/// At least so many cases: a second or two.
const CASES: u32 = 2_048;

fn corpus() -> &'static [(String, String)] {
    static FILES: OnceLock<Vec<(String, String)>> = OnceLock::new();
    FILES.get_or_init(read_corpus)
}

fn read_corpus() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdp/corpus");
    let mut files: Vec<_> = fs::read_dir(path)
        .expect("the corpus")
        .map(|file| {
            let path = file.expect("a file").path();
            let text = fs::read_to_string(&path).expect("text");
            (path.display().to_string(), text)
        })
        .collect();
    let field = crate::field::files().into_iter();
    files.extend(field.map(|(name, bytes)| {
        let text = bytes.into_iter().map(char::from).collect();
        (format!("/found-{name}"), text)
    }));
    files.sort();
    files
}

/// What is read is written so that it is read alike.
fn take(text: &[u8]) -> Result<(), TestCaseError> {
    let Ok(mut read) = SessionDescription::read(text) else {
        return Ok(());
    };
    // What can be read can be listed.
    let _ = read.streams();
    let written = read.to_string();
    let mut again = SessionDescription::parse(&written);
    bare(&mut read);
    if let Ok(again) = &mut again {
        bare(again);
    }
    prop_assert_eq!(
        again,
        Ok(read),
        "{}\n{}",
        String::from_utf8_lossy(text),
        written
    );
    Ok(())
}

#[derive(Debug, Clone)]
enum Damage {
    /// This line away, or doubled.
    Line(Index, bool),
    /// A line of another description instead of this one.
    Other(Index, Index, Index),
    /// These characters by others.
    Text(Index, usize, String),
    Cut(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    let text = prop_oneof![
        "[ -~]{0,6}",
        Just("65536".to_owned()),
        Just("4294967296".to_owned()),
        Just("0".to_owned()),
        Just("-1".to_owned()),
        Just("é\u{0}".to_owned()),
    ];
    prop_oneof![
        (at(), any::<bool>()).prop_map(|(at, twice)| Damage::Line(at, twice)),
        (at(), at(), at()).prop_map(|(at, of, line)| Damage::Other(at, of, line)),
        (at(), 0usize..9, text).prop_map(|(at, length, by)| Damage::Text(at, length, by)),
        at().prop_map(Damage::Cut),
    ]
}

fn apply(text: &str, damage: &Damage, all: &[(String, String)]) -> String {
    let mut lines: Vec<_> = text.lines().collect();
    let places: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
    if places.is_empty() || lines.is_empty() {
        return String::new();
    }
    match damage {
        Damage::Line(at, twice) => {
            let at = at.index(lines.len());
            if *twice {
                lines.insert(at, lines[at]);
            } else {
                lines.remove(at);
            }
            lines.join("\n")
        }
        Damage::Other(at, of, line) => {
            let other: Vec<_> = all[of.index(all.len())].1.lines().collect();
            let at = at.index(lines.len());
            lines[at] = match other.len() {
                0 => "",
                count => other[line.index(count)],
            };
            lines.join("\n")
        }
        Damage::Text(at, length, by) => {
            let at = at.index(places.len());
            let end = places.get(at + length).copied().unwrap_or(text.len());
            [&text[..places[at]], by, &text[end..]].concat()
        }
        Damage::Cut(at) => text[..*at.get(&places)].to_owned(),
    }
}

#[test]
fn corpus_as_it_is_then_each_is_parsed_and_written_alike() {
    let all = corpus();
    assert!(all.len() >= 8);
    for (name, text) in all {
        let read = SessionDescription::parse(text);
        // One that was found may be refused.
        assert!(read.is_ok() || name.contains("/found-"), "{name}: {read:?}");
        take(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(CASES),
        ..ProptestConfig::default()
    })]

    #[test]
    fn description_damaged_then_refused_or_read_and_written_alike(
        which: Index, how in prop::collection::vec(damage(), 0..6),
    ) {
        let all = corpus();
        let mut text = which.get(all).1.clone();
        for damage in how {
            text = apply(&text, &damage, all);
        }
        take(text.as_bytes())?;
    }
}
