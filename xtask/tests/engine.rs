//! The engine touches the world only through its `Machine`, and the daemon leaves what is decided to the engine.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;

/// What the engine's product code does not name: runtimes, threads, files, sockets, other processes, the clock, the probe's
/// handles.
const WORLD: [&str; 24] = [
    "Instant::now",
    "Looker",
    "SiteChecker",
    "SystemTime::now",
    "TcpListener",
    "TcpStream",
    "Timestamp::now",
    "UdpSocket",
    "UnixDatagram",
    "UnixListener",
    "UnixStream",
    "age()",
    "axum",
    "elapsed()",
    "hyper",
    "libc",
    "nix",
    "onair_disk",
    "process::Command",
    "rustix",
    "std::fs",
    "std::thread",
    "sys::monotonic_ns",
    "tokio",
];

/// What the daemon's product code does not name: sessions, and the cores that decide about them.
const DECIDES: [&str; 13] = [
    "Quarantines",
    "Schedule",
    "SessionCore",
    "SessionMut",
    "Ticket",
    "onair_engine::recorder::Recorder",
    "onair_engine::session::Session",
    "onair_engine::sessions",
    "onair_engine::shares",
    "onair_engine::snapshots",
    "onair_engine::taps",
    "onair_session::Event",
    "onair_session::shutdown",
];

/// Those of `words` that the code of a file has: without comments and unit tests.
fn named(text: &str, words: &[&'static str]) -> Vec<&'static str> {
    let product = text.split("#[cfg(test)]").next().unwrap();
    let lines = product.lines().map(|line| line.split("//").next().unwrap());
    let code = lines.collect::<Vec<_>>().join("\n");
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let has = |word: &str| {
        code.match_indices(word).any(|(at, _)| {
            let (before, after) = (&code[..at], &code[at + word.len()..]);
            !before.ends_with(is_part) && !after.starts_with(is_part)
        })
    };
    words.iter().copied().filter(|word| has(word)).collect()
}

fn collect(folder: &Path, words: &[&'static str], found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, words, found);
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            let named = named(&fs::read_to_string(&path).unwrap(), words);
            found.extend(named.iter().map(|it| format!("{}: {it}", path.display())));
        }
    }
}

#[test]
fn engine_names_nothing_of_the_world_but_its_machine() {
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("../userspace/daemon/engine");
    let mut found = Vec::new();
    collect(&engine.join("src"), &WORLD, &mut found);
    let manifest = fs::read_to_string(engine.join("Cargo.toml")).unwrap();
    let (product, _) = manifest.split_once("[dev-dependencies]").unwrap();
    let product = product.replace('-', "_");
    let of_manifest = named(&product, &WORLD).into_iter();
    found.extend(of_manifest.map(|it| format!("Cargo.toml: {it}")));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn daemon_names_no_session_and_no_core_that_decides() {
    let daemon = Path::new(env!("CARGO_MANIFEST_DIR")).join("../userspace/daemon/daemon/src");
    let mut found = Vec::new();
    collect(&daemon, &DECIDES, &mut found);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn words_in_code_then_named_but_not_in_comments_or_tests() {
    assert_eq!(
        named("use tokio::sync;\nuse std::fs;", &WORLD),
        ["std::fs", "tokio"]
    );
    assert_eq!(named("let now = Instant::now();", &WORLD), ["Instant::now"]);
    assert_eq!(named("let age = since.age();", &WORLD), ["age()"]);
    for text in ["// tokio", "use unix_tokio;", "#[cfg(test)]\nuse std::fs;"] {
        assert!(named(text, &WORLD).is_empty(), "{text}");
    }
}
