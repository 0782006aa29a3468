//! Plays the script of the acts: what is typed, what the clients do, and what is said of both.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use onair_stage::{Deadline, TestClient, until};
use serde_json::Value;

use super::cast::Cast;
use super::checks;
use super::ctl::{Answer, read};
use super::scene::Scene;
use crate::say;

const ACTS: &str = include_str!("acts.txt");
/// What the senders of a plant publish of themselves.
const DESCRIPTIONS: [(&str, &str); 3] = [
    ("picture.sdp", include_str!("programme/picture.sdp")),
    ("sound.sdp", include_str!("programme/sound.sdp")),
    ("captions.sdp", include_str!("programme/captions.sdp")),
];

/// Plays all acts.
///
/// # Errors
/// Something is not as the script says.
pub(crate) fn play(scene: &mut Scene<'_>, seconds: u64) -> Result<()> {
    let mut files = Vec::new();
    for (name, text) in DESCRIPTIONS {
        let path = scene.stage.directory().join(name);
        std::fs::write(&path, text)?;
        files.push(path.display().to_string());
    }
    let words = [("seconds", seconds.to_string()), ("sdp", files.join(" "))];
    let mut cast = Cast {
        scene,
        clients: BTreeMap::new(),
        words: words.map(|(name, it)| (name.to_owned(), it)).into(),
        answer: Value::Null,
        under: None,
        asleep: BTreeSet::new(),
        last_return: 0,
        mended: 0,
    };
    for act in ACTS.split("\n\n") {
        for line in act.lines().filter(|it| !it.starts_with('#')) {
            let line = cast.filled(line);
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            if word == "need" {
                let (what, why) = rest.split_once(' ').context("a reason")?;
                if !cast.scene.has(what) {
                    say::warning(format_args!("left out: {why}"));
                    break;
                }
            } else {
                self::line(&mut cast, word, rest)?;
            }
        }
    }
    Ok(())
}

/// Does a line: `onairctl` for `$`, `?` in words, `!` which is refused, `&` beside the next ones until `join`.
fn line(cast: &mut Cast<'_, '_>, word: &str, rest: &str) -> Result<()> {
    match word {
        "=" => say::step(rest),
        "+" => say::good(rest),
        "$" => cast.answer = cast.scene.ctl.document(rest)?,
        "?" => cast.scene.ctl.show(rest)?,
        "!" => cast.answer = cast.scene.ctl.refused(rest)?,
        "&" => cast.under = Some((rest.to_owned(), cast.scene.ctl.begin(rest)?)),
        "join" => {
            let (line, child) = cast.under.take().context("a command under way")?;
            cast.answer = read(&child.wait_with_output()?, &line, Answer::Done)?;
        }
        "check" => checks::check(cast, rest)?,
        "draining" => until(
            "the destroy to wait for the last user",
            Deadline::seconds(5),
            || {
                let view = cast.scene.ctl.quiet(&format!("session show {rest}"))?;
                Ok((view["state"] == "draining").then_some(()))
            },
        )?,
        "link" => {
            say::command(format_args!("ip link set {rest}"));
            cast.scene.stage.ip(&format!("link set {rest}"))?;
        }
        _ => {
            let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            client_line(cast, word, name, rest)?;
        }
    }
    Ok(())
}

/// Does a line about the client `name`.
fn client_line(cast: &mut Cast<'_, '_>, word: &str, name: &str, rest: &str) -> Result<()> {
    if word == "start" {
        let (program, arguments) = rest.split_once(' ').unwrap_or((rest, ""));
        let client = cast.scene.client(program, arguments)?;
        let pid = client.pid().to_string();
        cast.words.insert(name.to_owned(), pid);
        cast.clients.insert(name.to_owned(), client);
        return Ok(());
    }
    let client = cast.client(name)?;
    let pid = client.pid();
    match word {
        "tell" => drop(client.say(rest)?),
        "event" => drop(client.event(rest)?),
        "asleep" => drop(client.blocked(rest.parse()?)?),
        "freeze" => client.freeze()?,
        "thaw" => {
            say::command(format_args!("kill -CONT {pid}"));
            client.thaw()?;
        }
        "kill" => {
            say::command(format_args!("kill -9 {pid}"));
            client.running().kill()?;
        }
        "leave" => cast.leave(name)?,
        "frames" => {
            let (begin, span) = (Instant::now(), Duration::from_secs(rest.parse()?));
            say::wait("frames are sent, received and verified", |bar| {
                while begin.elapsed() < span {
                    let count = client.event("progress")?;
                    bar.set_message(format!("{} frames verified", count["verified"]));
                }
                anyhow::Ok(())
            })?;
        }
        "pictures" => {
            let (more, what) = rest.split_once(' ').context("pictures, and what")?;
            let more = more.parse()?;
            say::wait(what, |_| pictures(client, more))?;
        }
        _ => bail!("the script has no word `{word}`"),
    }
    Ok(())
}

/// Waits until the client has taken so many pictures more.
fn pictures(client: &mut TestClient, more: u64) -> Result<()> {
    let mut last = None;
    loop {
        let count = client.event("progress")?;
        let units = &count["members"]["programme-video"]["units"];
        let now = units.as_u64().context("a count")?;
        if now >= *last.get_or_insert(now + more) {
            return Ok(());
        }
    }
}
