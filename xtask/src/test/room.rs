//! Room on the disk for what the tests build and record.

use std::path::Path;

use crate::cargo::target;
use crate::say;

/// What a first build and the machines' images take, in GB: 10, and some.
const FIRST: u64 = 12;
/// What tests record at a time.
const LATER: u64 = 4;

/// Says where there may be too little.
pub(super) fn look() {
    let target = target();
    let warned = short(&target, wanted(&target));
    if let Some(warning) = warned.or_else(|| short(&std::env::temp_dir(), LATER)) {
        say::warning(warning);
    }
}

/// What is wanted where cargo builds: this program is there in any case, the daemon after a first build.
fn wanted(target: &Path) -> u64 {
    match target.join("debug/onaird").exists() {
        true => LATER,
        false => FIRST,
    }
}

/// What to say of a folder that has less free.
fn short(folder: &Path, wanted: u64) -> Option<String> {
    let about = rustix::fs::statvfs(folder).ok()?;
    let free = about.f_bavail * about.f_frsize / 1_000_000_000;
    let folder = folder.display();
    (free < wanted).then(|| {
        format!("{free} GB are free in {folder}, and the tests may need {wanted}: they fail on a full disk")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_short_then_it_is_said_how_much() {
        let folder = std::env::temp_dir();
        assert_eq!(short(&folder, 0), None);
        let said = short(&folder, u64::MAX).unwrap();
        assert!(said.contains(" GB are free in /"), "{said}");
        assert_eq!(short(Path::new("/nowhere"), 1), None);
        let target = tempfile::tempdir().unwrap();
        std::fs::create_dir(target.path().join("debug")).unwrap();
        assert_eq!(wanted(target.path()), FIRST);
        std::fs::write(target.path().join("debug/onaird"), "").unwrap();
        assert_eq!(wanted(target.path()), LATER);
    }
}
