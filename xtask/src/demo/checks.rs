//! What the script has checked: what the daemon says beside what the clients counted and the kernel knows.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use onair_stage::{Deadline, cpu_time, until};
use serde_json::Value;

use super::cast::{Caller, Cast};
use super::report::{Frames, Programme};
use crate::say;

/// Threads of the client `verifier`.
const THREADS: usize = 4;
/// A sender that has sent nothing for so long has stopped: several frames' times.
const SILENCE: Duration = Duration::from_millis(100);
/// How long the CPU time of the blocked threads is watched …
const WATCH: Duration = Duration::from_secs(2);
/// … and how often at most: the kernel may bill a thread for an interrupt that came while it ran. One
/// that polls is never quiet.
const WATCHES: usize = 5;
/// A thread that sleeps uses less than this, in per cent of a core: the library's backstop wakes it
/// once a second.
const IDLE_PERCENT: f64 = 0.05;
/// Members of the programme, and those of its senders.
const MEMBERS: [(&str, &str); 3] = [
    ("programme-video", "source-video"),
    ("programme-audio", "source-audio"),
    ("programme-ancillary", "source-ancillary"),
];

pub(super) fn check(cast: &mut Cast<'_, '_>, name: &str) -> Result<()> {
    match name {
        "totals" => totals(cast),
        "asleep" => all_asleep(cast),
        "idle" => idle(cast),
        "named" => named(cast),
        "returned" => returned(cast),
        "in_the_way" => in_the_way(cast),
        "certified" => certified(cast),
        "contradicted" => contradicted(cast),
        "told" => told(cast),
        "mended" => {
            cast.mended = packets_of_first(cast)?;
            Ok(())
        }
        "both" => {
            let has_more = packets_of_first(cast)? > cast.mended;
            ensure!(
                has_more,
                "the first network was mended, and nothing comes over it"
            );
            Ok(())
        }
        "programme" => programme(cast),
        _ => bail!("the script has no check `{name}`"),
    }
}

/// Waits until what is on its way has arrived, and compares the totals. The sender ends at
/// a frame's end, so it may send for a frame's time after it was stopped; if that takes too long, it cuts the frame.
fn totals(cast: &mut Cast<'_, '_>) -> Result<()> {
    let mut frames = Frames::default();
    let mut cut = 0;
    let mut silent = Instant::now();
    let what = "the sender to fall silent and every frame to be verified";
    let arrived = until(what, Deadline::seconds(5), || {
        let count = cast.client("verifier")?.say("count")?;
        let [camera, studio] = ["camera", "studio"].map(|it| show(cast, it));
        let (camera, studio) = (camera?, studio?);
        let counter = |view: &Value, name| view["counters"][name].as_u64().unwrap_or_default();
        let sent = counter(&camera, "frames_sent");
        if sent != frames.sent {
            silent = Instant::now();
        }
        frames.sent = sent;
        cut = counter(&camera, "frames_dropped_stop");
        frames.received = counter(&studio, "frames_complete");
        frames.verified = count["verified"].as_u64().unwrap_or_default();
        frames.incomplete = count["incomplete"].as_u64().unwrap_or_default();
        frames.wrong = count["wrong"].as_u64().unwrap_or_default();
        // One that the stop cut may come incomplete, or not at all.
        let spoilt = frames.incomplete.saturating_sub(cut);
        let all = frames.verified + frames.wrong + spoilt >= frames.sent
            && frames.received + spoilt >= frames.sent;
        Ok((all && silent.elapsed() > SILENCE).then_some(()))
    });
    frames.lost = frames.sent.saturating_sub(frames.taken());
    cast.scene.report.frames = frames;
    let line = format!(
        "{} sent, {} received, {} verified (number and checksum), {} incomplete, {} lost, {} wrong",
        frames.sent, frames.received, frames.verified, frames.incomplete, frames.lost, frames.wrong
    );
    if let Err(error) = arrived {
        cast.scene.ctl.show("session show studio")?;
        return Err(error.context(line));
    }
    ensure!(
        frames.incomplete <= cut,
        "packets were lost between the ports; has this machine other work to do? End it and run the demo again: {line}"
    );
    ensure!(
        frames.sent > 0 && frames.received == frames.sent && frames.verified == frames.sent,
        "the totals of act 1 do not agree: {line}"
    );
    say::good(line);
    Ok(())
}

fn show(cast: &Cast<'_, '_>, session: &str) -> Result<Value> {
    cast.scene.ctl.quiet(&format!("session show {session}"))
}

/// Waits until the callers sleep.
fn all_asleep(cast: &mut Cast<'_, '_>) -> Result<()> {
    for (name, count) in [("verifier", THREADS), ("doomed", 1)] {
        let client = cast.client(name)?;
        let (pid, tids) = (client.pid(), client.blocked(count)?);
        cast.asleep.extend(tids.into_iter().map(|tid| (pid, tid)));
    }
    cast.word("asleep", cast.asleep.len().to_string());
    Ok(())
}

/// Measures what each blocked thread costs.
fn idle(cast: &mut Cast<'_, '_>) -> Result<()> {
    let used = || -> Result<Vec<_>> {
        let times = cast.asleep.iter().map(|&(pid, tid)| cpu_time(pid, tid));
        times.collect()
    };
    let limit = IDLE_PERCENT * f64::from(onair_stage::time_scale());
    let mut percent = f64::INFINITY;
    for _ in 0..WATCHES {
        let begin = Instant::now();
        let before = used()?;
        say::wait("watching their CPU time", |_| sleep(WATCH));
        let most = used()?.into_iter().zip(before);
        let most = most.map(|(after, before)| after.saturating_sub(before));
        let most = most.max().unwrap_or_default();
        percent = 100.0 * most.as_secs_f64() / begin.elapsed().as_secs_f64();
        if percent < limit {
            break;
        }
    }
    cast.scene.report.blocked_cpu_percent = percent;
    ensure!(
        percent < limit,
        "a blocked thread used {percent:.3} % of a core: it should sleep"
    );
    cast.word("idle", format!("{percent:.2}"));
    Ok(())
}

/// Asks the daemon for its blocked callers, and compares them with the kernel's.
fn named(cast: &mut Cast<'_, '_>) -> Result<()> {
    // Without the probe it is not known whether a thread inside a call sleeps or runs.
    let is_watched = cast.scene.has("probe");
    let kind = if is_watched { "blocked" } else { "inside" };
    let (mut named, mut list) = (BTreeSet::new(), Vec::new());
    let what = "the daemon to name the blocked threads";
    let agreed = until(what, Deadline::seconds(5), || {
        let answer = cast.scene.ctl.quiet("session blockers studio")?;
        list = answer["blockers"].as_array().cloned().unwrap_or_default();
        list.retain(|blocker| blocker["kind"] == kind);
        named = list.iter().map(caller).collect::<Result<_>>()?;
        Ok((named == cast.asleep).then_some(()))
    });
    cast.scene.report.blocked_callers = list;
    agreed.with_context(|| {
        format!(
            "the daemon names {named:?}, the kernel {:?} (pid, tid)",
            cast.asleep
        )
    })
}

/// Waits until all threads of the client have returned EAGAIN and it has ended.
fn returned(cast: &mut Cast<'_, '_>) -> Result<()> {
    let client = cast.client("verifier")?;
    let mut last = 0;
    for _ in 0..THREADS {
        let returned = client.event("returned")?;
        let result = &returned["result"];
        ensure!(
            result == "EAGAIN",
            "a blocked caller returned {result} at the stop, not EAGAIN"
        );
        let time = returned["monotonic_ns"].as_u64();
        last = last.max(time.context("no time in `returned`")?);
    }
    cast.last_return = last;
    cast.leave("verifier")
}

/// Whether one of the entries is about the client's process.
fn is_named(cast: &mut Cast<'_, '_>, entries: &Value, client: &str) -> Result<bool> {
    let pid = cast.client(client)?.pid();
    let entries = entries.as_array();
    Ok(entries.is_some_and(|all| all.iter().any(|entry| entry["pid"] == pid)))
}

fn in_the_way(cast: &mut Cast<'_, '_>) -> Result<()> {
    let problem = std::mem::take(&mut cast.answer);
    cast.scene.report.destroy_refused = is_named(cast, &problem["blockers"], "late")?;
    ensure!(
        cast.scene.report.destroy_refused,
        "the refusal does not name the process that holds a frame: {problem}"
    );
    Ok(())
}

/// The certificate tells of the client that was killed, and when each step was.
fn certified(cast: &mut Cast<'_, '_>) -> Result<()> {
    let certificate = std::mem::take(&mut cast.answer);
    let step = |name: &str| {
        let steps = certificate["steps"].as_array();
        let step = steps.and_then(|all| all.iter().find(|step| step["step"] == name));
        let time = step.and_then(|it| it["monotonic_ns"].as_u64());
        time.with_context(|| format!("the certificate has no step {name}"))
    };
    let micros = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1000.0;
    let to_return = micros(step("stop_requested")?, cast.last_return);
    let to_certificate = micros(step("last_user_left")?, step("destroyed")?);
    cast.word("to_return", format!("{to_return:.0}"));
    cast.word("to_certificate", format!("{to_certificate:.0}"));
    let reconciled = is_named(cast, &certificate["reconciled"], "doomed")?;
    let report = &mut cast.scene.report;
    report.stop_to_last_return_us = Some(to_return);
    report.last_user_to_certificate_us = Some(to_certificate);
    report.reconciled = reconciled;
    report.certificate = certificate;
    ensure!(
        reconciled,
        "the certificate does not say that the process that was killed was reconciled"
    );
    Ok(())
}

/// The counters see no user, the kernel sees one.
fn contradicted(cast: &mut Cast<'_, '_>) -> Result<()> {
    let verdict = &cast.answer["verdict"];
    let users = |name: &str| {
        let readings = verdict["readings"].as_array()?;
        readings.iter().find(|reading| reading["name"] == name)?["users"].as_u64()
    };
    ensure!(
        users("slots") == Some(0) && users("probe") == Some(1),
        "the counters should say 0 and the probe 1: {}",
        cast.answer
    );
    cast.scene.report.disagreement_refused = verdict["disagreement"] == true;
    ensure!(
        cast.scene.report.disagreement_refused,
        "the contradiction was not noticed: {}",
        cast.answer
    );
    Ok(())
}

fn told(cast: &Cast<'_, '_>) -> Result<()> {
    let told = cast.answer["disagreements"].as_array();
    ensure!(
        told.is_some_and(|list| !list.is_empty()),
        "the certificate does not mention the contradiction: {}",
        cast.answer
    );
    Ok(())
}

/// Packets of the picture that the first network has brought.
fn packets_of_first(cast: &Cast<'_, '_>) -> Result<u64> {
    let view = show(cast, "programme-video")?;
    let packets = view["legs"]["first"]["packets"].as_u64();
    packets.context("a session of two legs")
}

/// Waits until what was sent has arrived, and compares the totals.
fn programme(cast: &mut Cast<'_, '_>) -> Result<()> {
    let mut found = Programme::default();
    let mut lines = Vec::new();
    let arrived = until("every unit to be taken", Deadline::seconds(5), || {
        let count = cast.client("viewer")?.say("count")?;
        (found, lines) = units(cast, &count["members"])?;
        Ok((found.lost == 0).then_some(()))
    });
    cast.scene.report.programme = Some(found);
    if let Err(error) = arrived {
        for (member, _) in MEMBERS {
            cast.scene.ctl.show(&format!("session show {member}"))?;
        }
        let found = lines.join("; ");
        return Err(error.context(format!(
            "units were lost; has this machine other work to do? End it and run the demo again: {found}"
        )));
    }
    lines.iter().for_each(say::good);
    ensure!(
        found.incomplete <= found.cut && found.wrong == 0,
        "the programme was not whole: {found:?}"
    );
    ensure!(
        found.packets_recovered > 0,
        "no packet came over one network only: was it cut?"
    );
    Ok(())
}

/// The counts of all members, and a line about each.
fn units(cast: &Cast<'_, '_>, counts: &Value) -> Result<(Programme, Vec<String>)> {
    let mut all = Programme::default();
    let mut lines = Vec::new();
    for (member, sender) in MEMBERS {
        let of = |name: &str| counts[member][name].as_u64().context("a count");
        let (view, sent) = (show(cast, member)?, show(cast, sender)?);
        let counted = |name: &str| sent["counters"][name].as_u64().unwrap_or_default();
        all.cut += counted("frames_dropped_stop");
        let sent = counted("frames_sent");
        let (units, incomplete, wrong) = (of("units")?, of("incomplete")?, of("wrong")?);
        // Of ancillary data the first unit may be the rest of one: nothing in it says where it begins.
        let lost = sent.saturating_sub(units + of("begun")?.min(1));
        let lost = lost.max(of("missed")?);
        lines.push(format!(
            "{member}: {sent} units sent, {units} taken, {lost} lost, {incomplete} incomplete, {wrong} wrong"
        ));
        all.units += units;
        all.lost += lost;
        all.incomplete += incomplete;
        all.wrong += wrong;
        let recovered = view["legs"]["packets_recovered"].as_u64();
        all.packets_recovered += recovered.unwrap_or_default();
    }
    Ok((all, lines))
}

fn caller(blocker: &Value) -> Result<Caller> {
    let number = |key: &str| {
        let number = blocker[key].as_u64().and_then(|it| it.try_into().ok());
        number.with_context(|| format!("no {key} in {blocker}"))
    };
    Ok((number("pid")?, number("tid")?))
}
