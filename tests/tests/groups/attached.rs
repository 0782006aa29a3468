//! Clients of a group: its units in step.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair::{Client, Coding, Ended, Error, Group, Missing, Step, Timeout, Unit};
use onair_essence::audio::Tone;
use onair_essence::video::pattern;
use onair_tests::{Config, Rig, onairctl};

use super::piped::BLOCK;
use super::{RASTER, descriptions, group, senders};
use crate::audio;
use crate::capi::Lab;

/// Units of each member that are waited for.
const UNITS: usize = 30;

/// A group `in` of picture, sound and captions, and the descriptions of its senders.
pub(super) fn receivers(rig: &Rig, flags: &str) -> Result<String> {
    let sdp = descriptions(rig, &senders())?;
    group(rig, &format!("create in --port b {flags} --sdp {sdp}"))?;
    Ok(sdp)
}

/// A group `out` that sends to it.
pub(super) fn sends(rig: &Rig, sdp: &str, flags: &str) -> Result<()> {
    let send = format!("create out {flags} --direction send --pattern --port a --sdp {sdp}");
    group(rig, &send)?;
    Ok(())
}

fn attach(rig: &Rig) -> Result<Group, Error> {
    Client::at(Config::attach_socket(rig.stage())).attach_group("in")
}

fn next(programme: &mut Group) -> Result<Step> {
    Ok(programme.next(Timeout::millis(30_000))?)
}

/// Takes steps until `wanted` finds its own.
fn until<T>(programme: &mut Group, wanted: impl Fn(&Step) -> Option<T>) -> Result<T> {
    loop {
        let step = next(programme)?;
        if let Some(found) = wanted(&step) {
            return Ok(found);
        }
    }
}

/// The next unit of a member in its place.
fn unit_of(programme: &mut Group, member: usize) -> Result<()> {
    let is_its = |unit: &Unit| unit.member() == member;
    until(programme, |step| {
        matches!(step, Step::Unit(unit) if is_its(unit)).then_some(())
    })
}

fn missing(programme: &mut Group, member: usize) -> Result<Option<Ended>> {
    until(programme, |step| match step {
        Step::Missing(it @ Missing { ended, .. }) if it.member == member => Some(*ended),
        _ => None,
    })
}

fn resumed(programme: &mut Group, member: usize) -> Result<Ended> {
    until(programme, |step| match step {
        Step::Resumed(gap, unit) if unit.member() == member => Some(gap.ended),
        _ => None,
    })
}

/// Units of all members come by their TAI, and no client holds more than half of a quota.
fn in_step(rig: &Rig, sdp: &str, programme: &mut Group) -> Result<()> {
    let essences: Vec<_> = programme
        .members()
        .iter()
        .map(|it| (it.name().to_owned(), it.contents().essence()))
        .collect();
    let expected = ["video", "audio", "ancillary"].map(|it| (format!("in-{it}"), it));
    assert_eq!(essences, expected);
    let silent = programme.next(Timeout::millis(20));
    assert!(matches!(silent, Err(Error::TimedOut)), "{silent:?}");

    sends(rig, sdp, "--persistent")?;
    let (mut last, mut count, mut left_out) = (0, [0; 3], 0);
    while count.iter().any(|it| *it < UNITS) {
        let step = next(programme)?;
        let Step::Unit(unit) = step else {
            // A slow machine: which members it is without is told.
            ensure!(matches!(step, Step::Late(_) | Step::Missing(_)), "{step:?}");
            continue;
        };
        let time = unit.media_time_ns().context("the sender follows TAI")?;
        ensure!(time >= last, "{time} after {last}: {unit:?}");
        last = time;
        count[unit.member()] += 1;
        ensure!(!unit.is_empty(), "{unit:?}");
        if !unit.status().is_complete() && count[unit.member()] > 1 {
            left_out += 1;
        }
        drop(unit);
        for member in programme.members() {
            let session = member.session().context("it runs")?;
            let held = session.buffers_held();
            ensure!(
                held * 2 <= session.quota(),
                "{}: {held} loans",
                member.name()
            );
        }
    }
    // A sender without a core leaves out blocks of sound: they come as silence.
    let mut control = rig.control()?;
    let missed = control.show("out-audio")?.counters.slots_missed;
    ensure!(
        left_out <= missed,
        "{left_out} units were not whole, {missed} left out"
    );
    Ok(())
}

#[test]
fn member_stopped_retargeted_or_gone_then_told_and_others_go_on() -> Result<()> {
    let mut rig = Rig::rings()?;
    let sdp = receivers(&rig, "--persistent")?;
    let mut programme = attach(&rig)?;
    in_step(&rig, &sdp, &mut programme)?;
    let (picture, sound) = (0, 1);
    // Each is waited for however busy the machine is, until it says that nothing comes.
    programme.patience(Duration::from_secs(20));
    unit_of(&mut programme, picture)?;

    let mut control = rig.control()?;
    control.stop("in-video")?;
    assert_eq!(missing(&mut programme, picture)?, Some(Ended::Stopped));
    unit_of(&mut programme, sound)?;
    control.start("in-video")?;
    assert_eq!(resumed(&mut programme, picture)?, Ended::Stopped);
    unit_of(&mut programme, picture)?;

    // Nothing is sent to its new address, and it does not say so.
    programme.patience(Duration::from_millis(200));
    let moved = "session retarget in-audio --destination 239.77.1.2:5004";
    let moved = onairctl(&rig, moved)?;
    ensure!(moved.code == 0, "{moved:?}");
    until(&mut programme, |step| {
        matches!(step, Step::Retargeted(1)).then_some(())
    })?;
    assert_eq!(missing(&mut programme, sound)?, None);
    unit_of(&mut programme, picture)?;
    let back = "session retarget in-audio --destination 239.77.0.2:5004";
    let back = onairctl(&rig, back)?;
    ensure!(back.code == 0, "{back:?}");
    unit_of(&mut programme, sound)?;
    drop(control);

    rig.kill_daemon()?;
    rig.start_daemon()?;
    let mut came_back = [false; 3];
    while came_back != [true; 3] {
        if let Step::Resumed(gap, unit) = next(&mut programme)? {
            assert_eq!(gap.ended, Ended::Daemon);
            ensure!(!came_back[unit.member()], "twice: {unit:?}");
            came_back[unit.member()] = true;
        }
    }
    unit_of(&mut programme, picture)?;
    unit_of(&mut programme, sound)
}

/// The library, and a daemon with a group `in` that has units.
fn lab() -> Result<Lab> {
    let lab = Lab::open()?;
    // A sender of the group has its name for a while.
    lab.rig.control()?.end("out")?;
    let sdp = receivers(&lab.rig, "")?;
    sends(&lab.rig, &sdp, "")?;
    Ok(lab)
}

#[test]
fn group_in_c_unpacked_then_picture_and_sound_as_sent() -> Result<()> {
    let lab = lab()?;
    let folder = lab.rig.stage().directory();
    let paths = ["pictures", "sounds"].map(|it| folder.join(it));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/groups/views.c");
    let [pictures, sounds] = paths.each_ref().map(|it| it.to_str());
    let (pictures, sounds) = pictures.zip(sounds).context("paths in UTF-8")?;
    let said = lab.sanitized(source, &["in", "10", pictures, sounds])?;
    assert_eq!(said, "all unpacked\n");

    let pictures = fs::read(pictures)?;
    let pictures = pictures.chunks_exact(RASTER.frame_bytes());
    let numbers: Vec<_> = pictures.map(pattern::verify).collect::<Result<_, _>>()?;
    ensure!(numbers.len() > 5 && numbers.is_sorted(), "{numbers:?}");
    let tone = Tone::new(&audio::format(&audio::audio(Coding::L24, 48_000, 2)));
    let samples = fs::read(sounds)?;
    let (samples, rest) = samples.as_chunks::<4>();
    ensure!(rest.is_empty(), "{} bytes more", rest.len());
    let wire = samples.iter().flat_map(|it| [it[2], it[1], it[0]]);
    let wire: Vec<_> = wire.collect();
    let blocks = wire.chunks_exact(BLOCK);
    ensure!(blocks.len() > 5, "{} blocks", blocks.len());
    for block in blocks {
        tone.verify(block)?;
    }
    Ok(())
}
