//! What the project weighs: one line of the summary.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::cargo::{root, target};

/// Programs that ship.
const PROGRAMS: [&str; 3] = ["onaird", "onairctl", "onair-waiters"];

/// Lines of Rust, words of pages and of decisions that git tracks, packages of the lock file, and the programs that
/// the tests ran.
///
/// # Errors
/// Git lists no files, or one cannot be read.
pub(crate) fn line() -> Result<String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .context("running git")?;
    ensure!(listed.status.success(), "git ls-files failed");
    let listed = String::from_utf8(listed.stdout)?;
    let (mut lines, mut words, mut decisions) = (0, 0, 0);
    for name in listed.split_terminator('\0') {
        let is_page = name.ends_with(".md");
        if is_page || name.ends_with(".rs") {
            let text = fs::read_to_string(root().join(name)).context(name.to_owned())?;
            if !is_page {
                lines += text.lines().count();
            } else if name.starts_with("docs/adr/") {
                decisions += text.split_whitespace().count();
            } else {
                words += text.split_whitespace().count();
            }
        }
    }
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    let packages = lock.matches("[[package]]").count();
    let programs = PROGRAMS.map(|name| megabytes(&target().join("debug").join(name), name));
    Ok(format!(
        "{lines} lines of Rust, {words} words of pages, {decisions} of decisions, {packages} packages, {}",
        programs.join(", ")
    ))
}

fn megabytes(program: &Path, name: &str) -> String {
    match fs::metadata(program) {
        Ok(about) => format!("{name} {:.1} MB", about.len() as f64 / 1e6),
        Err(_) => format!("{name} not built"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn line_has_what_is_in_the_tree() {
        let line = super::line().unwrap();
        let numbers: Vec<u32> = line.split(' ').filter_map(|it| it.parse().ok()).collect();
        assert!(numbers.len() == 4 && !numbers.contains(&0), "{line}");
    }
}
