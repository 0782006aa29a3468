//! `cargo xtask mutants`: breaks the gate on purpose, one step at a time, and expects a test to go red.
//!
//! Each mutant is one change of the product's own code, made in a copy of the tree. What passes here
//! is a step that nothing holds. Not part of `cargo xtask test`: it builds the gate once for each.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cargo::root;
use crate::say;

/// Breaks the gate on purpose, one step at a time, and expects a test to go red each time
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask mutants              all of them: about half an hour on two cores
  cargo xtask mutants ack barrier  only those with one of these in their names
  cargo xtask mutants --list       what there is, and which test is expected to notice")]
pub(crate) struct Arguments {
    /// Only list them
    #[arg(long)]
    list: bool,
    /// Only mutants that have one of these in their names
    filters: Vec<String>,
}

/// How a mutant is expected to be noticed.
#[derive(Clone, Copy)]
enum Test {
    /// Unit tests of a package.
    Unit(&'static str, &'static str),
    /// An integration test of `onair-ipc` on real shared memory: file and filter.
    Words(&'static str, &'static str),
    /// The crate's words under loom.
    Loom(&'static str),
    /// The crate's code under shuttle.
    Shuttle(&'static str),
}

impl Test {
    /// The command, without `cargo`, and the checker whose words it needs.
    fn command(self) -> (Vec<&'static str>, Option<&'static str>) {
        let ipc = |file, filter| vec!["test", "-p", "onair-ipc", "--test", file, "--", filter];
        let released = |file, filter| {
            vec![
                "test",
                "--release",
                "-p",
                "onair-ipc",
                "--test",
                file,
                "--",
                filter,
            ]
        };
        match self {
            Self::Unit(package, filter) => {
                (vec!["test", "-p", package, "--lib", "--", filter], None)
            }
            Self::Words(file, filter) => (ipc(file, filter), None),
            Self::Loom(filter) => (released("loom_gate", filter), Some("loom")),
            Self::Shuttle(filter) => (released("shuttle_gate", filter), Some("shuttle")),
        }
    }
}

/// One change of the product.
struct Mutant {
    name: &'static str,
    file: &'static str,
    /// Stands in the file exactly once.
    from: &'static str,
    to: &'static str,
    test: Test,
}

macro_rules! mutants {
    ($($name:literal in $file:literal: $from:literal => $to:literal, $test:expr;)+) => {
        const MUTANTS: &[Mutant] = &[$(Mutant {
            name: $name,
            file: $file,
            from: $from,
            to: $to,
            test: $test,
        },)+];
    };
}

use Test::{Loom, Shuttle, Unit, Words};

mutants! {
    // The verdict and the books.
    "verdict: without the probe" in "userspace/daemon/src/witness/mod.rs":
        "pollers == Says::Zero && probe_allows;" => "pollers == Says::Zero;",
        Unit("onaird", "verdict__every_combination");
    "verdict: without the ledger" in "userspace/daemon/src/witness/mod.rs":
        "slots == Says::Zero && ledger == Says::Zero &&" => "slots == Says::Zero &&",
        Unit("onaird", "verdict__every_combination");
    "death: a process is credited twice" in "userspace/ipc/src/lender.rs":
        ".drain(..)\n            .map(|entry| {\n                self.memory.frame_words()[entry.frame as usize].clear();" =>
        ".iter()\n            .map(|entry| {\n                self.memory.frame_words()[entry.frame as usize].clear();",
        Unit("onair-ipc", "credit_dead_process");
    "death: a thread is credited twice" in "userspace/ipc/src/lender.rs":
        "        word.clear();\n        self.ledger.remove(at);\n        Some(frame)" =>
        "        let _ = at;\n        Some(frame)",
        Unit("onair-ipc", "credit_dead_thread");
    "death: a thread is credited with what another took" in "userspace/ipc/src/lender.rs":
        " || tag.slot != slot.index" => "",
        Unit("onair-ipc", "credit_dead_thread");
    // Gate and generation.
    "gates: read again after the check" in "userspace/ipc/src/caller/call.rs":
        "gates: (local, session)," =>
        "gates: (words.local_gate().load(), words.session_gate().load()),",
        Shuttle("pulses");
    "gates: the bit instead of the generation" in "userspace/ipc/src/caller/wait.rs":
        "if attachment.words.local_gate().load() != local\n                || attachment.words.session_gate().load() != session" =>
        "let _ = (local, session);\n            if !is_open(attachment.words.local_gate().load())\n                || !is_open(attachment.words.session_gate().load())",
        Shuttle("pulses");
    "gates: 1 is used, whose closed form is a fresh ack" in "userspace/ipc/src/gate.rs":
        "        1 => 3,\n" => "", Unit("onair-ipc", "gate__wraps");
    "stop: the bells before the gate" in "userspace/ipc/src/memory.rs":
        "self.gate().stop();\n        self.strike_all();" => "self.strike_all();\n        self.gate().stop();",
        Shuttle("pulses");
    "stop: one bell less" in "userspace/ipc/src/memory.rs":
        "        self.event_bell().strike();\n        self.watch_bell_strike();" =>
        "        self.watch_bell_strike();",
        Shuttle("pulses");
    "stop: wakes one" in "userspace/ipc/src/memory.rs":
        "true => sys::futex_wake(bell.word(), limit)," =>
        "true => sys::futex_wake(bell.word(), limit.min(1)),",
        Shuttle("pulses");
    "local stop: one bell less" in "userspace/ipc/src/caller/mod.rs":
        "for bell in [self.words.frame_bell(), self.words.event_bell()] {" =>
        "for bell in [self.words.frame_bell()] {",
        Shuttle("local_pulses");
    "local stop: no bell" in "userspace/ipc/src/caller/mod.rs":
        "        label!(\"stop.gate_closed\");\n        self.ring_all();\n" =>
        "        label!(\"stop.gate_closed\");\n",
        Shuttle("local_pulses");
    // Sleeping.
    "wait: not on the life word" in "userspace/ipc/src/caller/wait.rs":
        "                (bell.word(), heard),\n                (attachment.words.life(), attachment.life_value),\n" =>
        "                (bell.word(), heard),\n",
        Shuttle("daemon__dies");
    "wait: who wakes of the daemon's death does not pass it on" in "userspace/ipc/src/caller/wait.rs":
        "            if attachment.is_daemon_dead() {\n                wake_others(attachment);" =>
        "            if attachment.is_daemon_dead() {",
        Shuttle("daemon__dies");
    "wait: no look at the gates before the first sleep" in "userspace/ipc/src/caller/wait.rs":
        "        loop {\n            let heard = bell.listen();\n            label!(\"wait.listened\");\n            if attachment.words.local_gate().load() != local\n                || attachment.words.session_gate().load() != session\n            {" =>
        "        let mut looks = 0;\n        loop {\n            let heard = bell.listen();\n            looks += 1;\n            if looks > 1\n                && (attachment.words.local_gate().load() != local\n                    || attachment.words.session_gate().load() != session)\n            {",
        Shuttle("pulses");
    "wait: the deadline before the frame" in "userspace/ipc/src/caller/wait.rs":
        "            if let Some(taken) = attempt() {\n                label!(\"wait.served\");\n                result = Ok(taken);\n                break;\n            }\n            if expired {\n                break;\n            }" =>
        "            if expired {\n                break;\n            }\n            if let Some(taken) = attempt() {\n                result = Ok(taken);\n                break;\n            }",
        Shuttle("wakes");
    "wait: the deadline before the gates" in "userspace/ipc/src/caller/wait.rs":
        "            let heard = bell.listen();" =>
        "            let heard = bell.listen();\n            if expired {\n                break;\n            }",
        Shuttle("session_pulses");
    "wait_started: not on the session's gate" in "userspace/ipc/src/caller/wait.rs":
        "            (attachment.words.session_gate().word(), session),\n" => "",
        Shuttle("session_pulses");
    "wait_started: not on the local gate" in "userspace/ipc/src/caller/wait.rs":
        "            (attachment.words.local_gate().word(), local),\n" => "",
        Shuttle("local_pulses");
    "wait_started: not on the state" in "userspace/ipc/src/caller/wait.rs":
        "            (attachment.words.state(), State::Open as u32),\n" => "",
        Words("lend_and_take", "wait_started__session_ends");
    "publish: rings for nobody" in "userspace/ipc/src/lender.rs":
        "if memory.frame_bell().strike() {" => "if memory.frame_bell().is_awaited() {",
        Shuttle("wakes");
    // Counting.
    "enter: no light fence" in "userspace/ipc/src/slot.rs":
        "self.count.store(count.wrapping_add(1), Ordering::Release);\n            light();" =>
        "self.count.store(count.wrapping_add(1), Ordering::Release);",
        Loom("drain");
    "leave: no light fence" in "userspace/ipc/src/slot.rs":
        "self.count.store(count.wrapping_sub(1), Ordering::Release);\n            light();" =>
        "self.count.store(count.wrapping_sub(1), Ordering::Release);",
        Loom("kick");
    "leave: relaxed" in "userspace/ipc/src/slot.rs":
        "self.count.store(count.wrapping_sub(1), Ordering::Release);" =>
        "self.count.store(count.wrapping_sub(1), Ordering::Relaxed);",
        Loom("drain");
    "scan: relaxed" in "userspace/ipc/src/slot.rs":
        "count: self.count.load(Ordering::Acquire)," => "count: self.count.load(Ordering::Relaxed),",
        Loom("drain");
    "scan: the acknowledgement relaxed" in "userspace/ipc/src/slot.rs":
        "ack: self.ack.load(Ordering::Acquire)," => "ack: self.ack.load(Ordering::Relaxed),",
        Loom("drain");
    "barrier: none" in "userspace/ipc/src/sync.rs":
        "        crate::sys::membarrier_global();\n" => "",
        Words("store_order", "");
    "slot: an old claim's acknowledgement stays" in "userspace/ipc/src/slot.rs":
        "        self.ack.store(0, Ordering::Relaxed);\n        self.intent.store(NO_INTENT, Ordering::Relaxed);\n        self.claimed_at" =>
        "        self.intent.store(NO_INTENT, Ordering::Relaxed);\n        self.claimed_at",
        Unit("onair-ipc", "slot__old_ack");
    "slot: an old acknowledgement counts for a new stop" in "userspace/ipc/src/slot.rs":
        "(shared || self.ack != gate)" => "(shared || self.ack == 0)",
        Unit("onair-ipc", "slot__old_ack");
    "slot: the shared one takes an acknowledgement" in "userspace/ipc/src/slot.rs":
        "self.count > 0 && (shared || self.ack != gate)" => "self.count > 0 && self.ack != gate",
        Unit("onair-ipc", "slot__old_ack");
    "slot: a handler acknowledges for the call that it interrupts" in "userspace/ipc/src/caller/call.rs":
        "let speaks = !nested && index != OWN_SLOTS;" => "let speaks = index != OWN_SLOTS;",
        Words("lend_and_take", "in_a_handler");
    "slot: claimed relaxed" in "userspace/ipc/src/slot.rs":
        ".compare_exchange(0, tid, Ordering::Acquire, Ordering::Relaxed)" =>
        ".compare_exchange(0, tid, Ordering::Relaxed, Ordering::Relaxed)",
        Loom("slot");
    // The kick.
    "kick: not after a call that bounced" in "userspace/ipc/src/caller/call.rs":
        "        if !already {\n            self.kick_look();\n        }" => "        let _ = already;",
        Shuttle("drain");
    "kick: not after a call that waited" in "userspace/ipc/src/caller/call.rs":
        "        leave(entered.slot, entered.plain, entered.nested);\n        label!(\"wait.left\");\n        self.kick_look();" =>
        "        leave(entered.slot, entered.plain, entered.nested);",
        Shuttle("drain");
    "kick: looked at before the count goes down" in "userspace/ipc/src/caller/call.rs":
        "        leave(entered.slot, entered.plain, entered.nested);\n        label!(\"wait.left\");\n        self.kick_look();" =>
        "        self.kick_look();\n        leave(entered.slot, entered.plain, entered.nested);",
        Shuttle("drain");
    "kick: not after a put" in "userspace/ipc/src/caller/mod.rs":
        "        let released = word.release(lease.serial, lease.slot);\n        label!(\"put.released\");\n        self.kick_look();" =>
        "        let released = word.release(lease.serial, lease.slot);",
        Words("lend_and_take", "put__after_stop");
    "kick: taken by two" in "userspace/ipc/src/kick.rs":
        "self.0.swap(0, Ordering::SeqCst) != 0" => "self.0.load(Ordering::SeqCst) != 0",
        Unit("onair-ipc", "kick__armed");
    // Evict.
    "evict: the word is read, then stored" in "userspace/ipc/src/frame_word.rs":
        "        FrameTag::decode(self.0.swap(\n            FrameTag::new(serial, 0, FrameState::Revoked).encode(),\n            Ordering::AcqRel,\n        ))" =>
        "        let found = self.load();\n        let revoked = FrameTag::new(serial, 0, FrameState::Revoked);\n        self.0.store(revoked.encode(), Ordering::Release);\n        found",
        Shuttle("evict");
    "evict: the ledger keeps the lends" in "userspace/ipc/src/lender.rs":
        "for entry in self.ledger.drain(..) {\n            let tag" =>
        "for entry in self.ledger.iter() {\n            let tag",
        Shuttle("evict");
    "evict: what is held counts as unread" in "userspace/ipc/src/lender.rs":
        "                _ => Found::Held,\n" => "                _ => Found::Unread,\n",
        Shuttle("evict");
    "evict: swapped relaxed" in "userspace/ipc/src/frame_word.rs":
        "            FrameTag::new(serial, 0, FrameState::Revoked).encode(),\n            Ordering::AcqRel," =>
        "            FrameTag::new(serial, 0, FrameState::Revoked).encode(),\n            Ordering::Relaxed,",
        Loom("revoke");
    // Frame words.
    "frame: taken back without a compare-and-exchange" in "userspace/ipc/src/frame_word.rs":
        "    pub fn withdraw(&self, serial: u32) -> bool {\n" =>
        "    pub fn withdraw(&self, serial: u32) -> bool {\n        if self.load().serial == serial {\n            self.clear();\n            return true;\n        }\n",
        Shuttle("storm");
    "frame: published relaxed" in "userspace/ipc/src/frame_word.rs":
        "            FrameTag::new(serial, 0, FrameState::Ready).encode(),\n            Ordering::Release," =>
        "            FrameTag::new(serial, 0, FrameState::Ready).encode(),\n            Ordering::Relaxed,",
        Loom("bell");
    "frame: credited relaxed" in "userspace/ipc/src/frame_word.rs":
        "FrameTag::decode(self.0.load(Ordering::Acquire))" =>
        "FrameTag::decode(self.0.load(Ordering::Relaxed))",
        Loom("frame");
    "frame: a put of an earlier lend releases the present one" in "userspace/ipc/src/frame_word.rs":
        "    pub fn release(&self, serial: u32, slot: u16) -> Result<(), FrameTag> {\n" =>
        "    pub fn release(&self, _: u32, slot: u16) -> Result<(), FrameTag> {\n        let serial = self.load().serial;\n",
        Unit("onair-ipc", "frame_word__stale_serial");
    "take: the intent of the call before stays" in "userspace/ipc/src/caller/call.rs":
        "        slot.intend(NO_INTENT);\n" => "",
        Words("lend_and_take", "looking_again");
    "take: the intent is noted before the look" in "userspace/ipc/src/caller/call.rs":
        "                words.frame(taken.frame()).is_some_and(|word| {" =>
        "                words.slot(slot).intend(entry);\n                words.frame(taken.frame()).is_some_and(|word| {",
        Words("lend_and_take", "looking_again");
    "reap: credits whatever serial" in "userspace/ipc/src/lender.rs":
        "Some(FrameState::Released) if tag.serial == entry.serial => {" =>
        "Some(FrameState::Released) => {",
        Unit("onair-ipc", "reap__released");
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let wanted = |mutant: &&Mutant| {
        let mut filters = arguments.filters.iter();
        arguments.filters.is_empty() || filters.any(|filter| mutant.name.contains(filter.as_str()))
    };
    let chosen: Vec<_> = MUTANTS.iter().filter(wanted).collect();
    ensure!(!chosen.is_empty(), "no mutant has such a name; see --list");
    if arguments.list {
        for mutant in chosen {
            let (line, checker) = mutant.test.command();
            let with = checker.map_or(String::new(), |checker| format!("--cfg {checker}: "));
            println!(
                "{}\n    {}: {with}cargo {}",
                mutant.name,
                mutant.file,
                line.join(" ")
            );
        }
        return Ok(());
    }
    let copy = copy()?;
    let mut survived = Vec::new();
    for mutant in chosen {
        if is_noticed(&copy, mutant)? {
            say::good(format_args!("noticed: {}", mutant.name));
        } else {
            say::failure(format_args!("survived: {}", mutant.name));
            survived.push(mutant.name);
        }
    }
    if !survived.is_empty() {
        bail!("no test notices: {}", survived.join("; "));
    }
    Ok(())
}

/// The tree as it is now, files that are not committed included, in a folder of its own.
fn copy() -> Result<std::path::PathBuf> {
    let copy = root().join("target/mutants/tree");
    fs::create_dir_all(&copy)?;
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .context("git ls-files")?;
    for name in listed
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let name = std::str::from_utf8(name)?;
        let (from, to) = (root().join(name), copy.join(name));
        let Ok(contents) = fs::read(&from) else {
            continue;
        };
        // Untouched files keep their time, so that nothing is built again for their sake.
        if fs::read(&to).is_ok_and(|there| there == contents) {
            continue;
        }
        fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
        fs::write(&to, contents)?;
    }
    Ok(copy)
}

/// Makes the change, runs the test, undoes the change. Fails if the code is no longer as the mutant
/// expects it, or if the change does not compile.
fn is_noticed(copy: &Path, mutant: &Mutant) -> Result<bool> {
    let file = copy.join(mutant.file);
    let before = fs::read_to_string(&file)?;
    ensure!(
        before.matches(mutant.from).count() == 1,
        "{}: {} does not contain this once any more: {}",
        mutant.name,
        mutant.file,
        mutant.from
    );
    fs::write(&file, before.replacen(mutant.from, mutant.to, 1))?;
    let (line, checker) = mutant.test.command();
    let target = match checker {
        Some(checker) => format!("target/mutants/{checker}"),
        None => "target/mutants/dev".to_owned(),
    };
    let mut cargo = Command::new("cargo");
    cargo
        .args(&line)
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", root().join(target))
        .env("RUST_BACKTRACE", "0");
    if let Some(checker) = checker {
        cargo.env("RUSTFLAGS", format!("--cfg {checker}"));
    }
    // A mutant may sleep for ever.
    let output = Command::new("timeout")
        .arg("1800")
        .arg(cargo.get_program())
        .args(cargo.get_args())
        .envs(
            cargo
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(copy)
        .output();
    fs::write(&file, &before)?;
    let output = output.context("running the test")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let ran = said.contains("running ") && !said.contains("running 0 tests");
    ensure!(ran, "{}: the test did not run:\n{said}", mutant.name);
    Ok(!output.status.success())
}
