//! `cargo xtask older`: clients of an earlier commit with this daemon, and this commit's with that one's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use onair_stage::{Backend, Config, Daemon, Deadline, Stage, take_down_leftovers};

use super::TESTS_OWN;
use crate::cargo::{Manner, VICTIM, root, supervised, target};
use crate::dist::{BUILT_LIBRARIES, PROGRAMS, copy, done};
use crate::{clean_up, say, test};

/// Runs clients of an earlier commit with this daemon, and clients of this commit with that one's daemon
///
/// Builds the earlier commit in a clone below target. If both speak a common protocol, it runs whole-system tests of which
/// the daemon, or the clients, are the earlier ones. If not, each side must refuse the other and name both numbers.
#[derive(Default, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask older            the release before; without one, the first commit of this protocol and the one before it
  cargo xtask older v1.2.0
  cargo xtask older HEAD~20 HEAD~200")]
pub(crate) struct Arguments {
    /// Earlier commits
    commits: Vec<String>,
}

/// Where the number of the protocol is.
const MESSAGES: &str = "userspace/gate/ipc/src/message.rs";
/// Where it was in commits without floors.
const MESSAGES_BEFORE: &str = "userspace/ipc/src/message.rs";
/// Whole-system tests of clients that are `onair-client`, of what both sides have had since there is a protocol.
const TESTS: [&str; 6] = [
    "deaths::deaths_threads::",
    "ending::shutdown_clients::",
    "lives::evict::",
    "lives::flushing::",
    "lives::gate::",
    "operators::blockers::",
];
/// What is built of an earlier commit.
const BUILD: [&str; 10] = [
    "build",
    "--bins",
    "--package",
    "onaird",
    "--package",
    "onairctl",
    "--package",
    "onair-waiters",
    "--package",
    "onair-tests",
];
/// The clients among the tests' programs.
const CLIENTS: [&str; 2] = ["onair-client", "onair-verify"];
/// For a daemon to be ready, and to end.
const TIMEOUT_S: u64 = 30;

/// Oldest and newest protocol that a commit speaks.
type Spoken = (u32, u32);

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    clean_up::report(&take_down_leftovers()?);
    let commits = match &arguments.commits[..] {
        [] => earlier()?,
        commits => commits.to_vec(),
    };
    say::step("These programs");
    let tests = test::whole_system_program(Manner::InFront)?;
    let own = spoken(&fs::read_to_string(root().join(MESSAGES))?)?;
    for commit in commits {
        let commit = git(&["rev-parse", "--short", &format!("{commit}^{{commit}}")])?;
        let theirs = git(&["show", &format!("{commit}:{MESSAGES}")])
            .or_else(|_| git(&["show", &format!("{commit}:{MESSAGES_BEFORE}")]))?;
        let theirs = spoken(&theirs)?;
        say::step(format_args!("Programs of {commit}"));
        let older = build(&commit)?;
        let newer = tests.ancestors().nth(2).context("a target folder")?;
        for (daemon, clients, who) in [
            (newer, older.as_path(), "older clients, this daemon"),
            (&older, newer, "these clients, the older daemon"),
        ] {
            say::step(format_args!("{commit}: {who}"));
            match own.0 <= theirs.1 && theirs.0 <= own.1 {
                true => together(daemon, clients, &tests)?,
                false => refused(daemon, clients, [own.1, theirs.1])?,
            }
        }
    }
    Ok(())
}

/// The release before this one, or the first commit of this protocol and the one before it.
fn earlier() -> Result<Vec<String>> {
    let last = ["describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^"];
    if let Ok(tag) = git(&last) {
        return Ok(vec![tag]);
    }
    let (_, newest) = spoken(&fs::read_to_string(root().join(MESSAGES))?)?;
    let line = format!("-GPROTOCOL: u32 = {newest};");
    let log = ["log", "-1", "--format=%H", &line, "--"];
    let first = git(&[&log[..], &[MESSAGES, MESSAGES_BEFORE]].concat())?;
    ensure!(
        !first.is_empty(),
        "no release, and no first commit of this protocol: name commits"
    );
    Ok(vec![first.clone(), format!("{first}^")])
}

fn git(words: &[&str]) -> Result<String> {
    let said = done(Command::new("git").args(words).current_dir(root()))?;
    Ok(said.trim_end().to_owned())
}

/// What the source of the messages says.
fn spoken(messages: &str) -> Result<Spoken> {
    let number = |before: &str| -> Option<u32> {
        let (_, rest) = messages.split_once(before)?;
        let end = rest.find(|it: char| !it.is_ascii_digit())?;
        rest[..end].parse().ok()
    };
    let newest = number("pub const PROTOCOL: u32 = ").context("no protocol")?;
    let oldest = number("pub const PROTOCOLS: RangeInclusive<u32> = ");
    Ok((oldest.unwrap_or(newest), newest))
}

/// Builds the programs of `commit` in a clone, and gives their folder.
fn build(commit: &str) -> Result<PathBuf> {
    let clone = target().join("older").join(commit);
    let built = clone.join("target/debug");
    if !clone.exists() {
        let mut clones = Command::new("git");
        done(
            clones
                .args(["clone", "--quiet", "--no-checkout"])
                .args([root(), &clone]),
        )?;
    }
    let mut checkout = Command::new("git");
    checkout.args(["checkout", "--quiet", "--detach", commit]);
    done(checkout.current_dir(&clone))?;
    for words in [&BUILD[..], &VICTIM] {
        let status = supervised("cargo", |command| {
            command.args(words).current_dir(&clone);
            command
                .env_remove("CARGO_MANIFEST_DIR")
                .env_remove("CARGO_TARGET_DIR");
        })?;
        ensure!(
            status.status.success(),
            "{commit} does not build: see above"
        );
    }
    Ok(built)
}

/// Runs the tests with the daemon and its tools of one folder, and the clients of another.
fn together(daemon: &Path, clients: &Path, tests: &Path) -> Result<()> {
    let folder = target().join("older/together");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    for name in PROGRAMS.iter().filter(|name| daemon.join(name).exists()) {
        copy(&daemon.join(name), &folder.join(name), 0o755)?;
    }
    let own = tests.ancestors().nth(2).context("a target folder")?;
    for name in TESTS_OWN {
        let from = if CLIENTS.contains(&name) {
            clients
        } else {
            own
        };
        copy(&from.join(name), &folder.join(name), 0o755)?;
    }
    for name in BUILT_LIBRARIES {
        copy(
            &own.join("deps").join(name),
            &folder.join("deps").join(name),
            0o644,
        )?;
    }
    let program = folder.join("deps/system");
    copy(tests, &program, 0o755)?;
    let stage = Stage::open("tests")?;
    let result = test::WholeSystem::new(&program, false, &TESTS).and_then(|it| it.alone());
    stage.take_down()?;
    result.map(drop)
}

/// Has a client attach to a daemon of another protocol, which must say so.
fn refused(daemon: &Path, clients: &Path, numbers: [u32; 2]) -> Result<()> {
    let deadline = || Deadline::seconds(TIMEOUT_S);
    let stage = Stage::open("older")?;
    let config = Config::pair(Backend::Ring);
    let daemon = Daemon::start(&stage, &daemon.join("onaird"), &config, deadline())?;
    let mut client = stage.command(clients.join("onair-verify"));
    client.arg(Config::attach_socket(&stage)).args(["any", "1"]);
    let output = client.output();
    daemon.stop(deadline())?;
    stage.take_down()?;
    let output = output.context("running onair-verify")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() || numbers.iter().any(|it| !said.contains(&it.to_string())) {
        bail!("{}: {said}", output.status);
    }
    say::good(said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_of_the_messages_then_its_protocols() {
        let own = fs::read_to_string(root().join(MESSAGES)).unwrap();
        let (oldest, newest) = spoken(&own).unwrap();
        assert!((4..=newest).contains(&oldest), "{oldest}, {newest}");
        let earlier = "/// Version.\npub const PROTOCOL: u32 = 2;\n";
        assert_eq!(spoken(earlier).unwrap(), (2, 2));
        assert!(spoken("pub const PROTOCOL: u32 = X;").is_err());
    }
}
