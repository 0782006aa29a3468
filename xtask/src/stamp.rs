//! When and of which commit a run was, and on which host.

use std::fs;
use std::process::Command;
use std::time::SystemTime;

use crate::cargo::root;

/// The stamp of a run.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    /// `YYYY-MM-DD`, UTC.
    pub(crate) day: String,
    /// Of the source tree, with `-dirty` if files differ from it; empty if git does not know it.
    pub(crate) commit: String,
}

impl Stamp {
    /// The stamp of a run that begins now.
    pub(crate) fn now() -> Self {
        let mut day = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        day.truncate("YYYY-MM-DD".len());
        Self {
            day,
            commit: commit().unwrap_or_default(),
        }
    }

    /// `text` with the stamp behind it.
    pub(crate) fn on(&self, text: &str) -> String {
        let commit = match self.commit.as_str() {
            "" => "commit not known",
            commit => commit,
        };
        format!("{text} ({}, {commit})", self.day)
    }
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .arg("--exclude=*")
        .current_dir(root())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The processor of this host.
pub(crate) fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|rest| Some(rest.split_once(": ")?.1.trim().to_owned()));
    model.unwrap_or_else(|| "an unknown processor".to_owned())
}
