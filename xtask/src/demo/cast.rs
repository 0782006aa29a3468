//! The clients on the stage, and what the script knows of them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Child;

use anyhow::{Context as _, Result, ensure};
use onair_stage::TestClient;
use serde_json::Value;

use super::scene::Scene;

/// A thread, by pid and tid.
pub(super) type Caller = (u32, u32);

/// What is on the stage, and what was said.
pub(super) struct Cast<'s, 'a> {
    pub(super) scene: &'s mut Scene<'a>,
    pub(super) clients: BTreeMap<String, TestClient>,
    /// What stands in the script for words in braces: the clients' pids among them.
    pub(super) words: BTreeMap<String, String>,
    /// The newest answer of the daemon.
    pub(super) answer: Value,
    /// The command that goes on meanwhile.
    pub(super) under: Option<(String, Child)>,
    /// The threads that the kernel says are asleep.
    pub(super) asleep: BTreeSet<Caller>,
    /// When the last caller returned from the stop, by the monotonic clock in ns.
    pub(super) last_return: u64,
    /// Packets of the programme's picture that its first network had brought when it was mended.
    pub(super) mended: u64,
}

impl Cast<'_, '_> {
    /// A line of the script without braces.
    pub(super) fn filled(&self, line: &str) -> String {
        let words = self.words.iter();
        words.fold(line.to_owned(), |line, (name, it)| {
            line.replace(&format!("{{{name}}}"), it)
        })
    }

    pub(super) fn client(&mut self, name: &str) -> Result<&mut TestClient> {
        let client = self.clients.get_mut(name);
        client.with_context(|| format!("no client {name}"))
    }

    /// Lets the client end by itself.
    pub(super) fn leave(&mut self, name: &str) -> Result<()> {
        let client = self.clients.remove(name).context("a client")?;
        ensure!(client.leave()?.success(), "a client failed");
        Ok(())
    }

    /// Gives the script a word.
    pub(super) fn word(&mut self, name: &str, it: String) {
        self.words.insert(name.to_owned(), it);
    }
}
