//! What a client missed while its daemon was away, in the session's books: to the unit, by the numbers in the pictures.

use anyhow::{Context as _, Result, ensure};
use onair::{Reattaching, Status};
use onair_api::SpecDocument;
use onair_stage::{Control, Raster, receive};
use onair_tests::{QUOTA, Rig};

use super::pictures::{Pictures, number};
use super::takeover::{attached, beside_the_kernel, next};

const RASTER: Raster = Raster::new(320, 180, 50, 10);

/// Pictures between `last` and the first that comes after a gap, by the numbers in them. The first may not be whole: then
/// the next one has its number. Those before the gap that are not whole have come, too.
fn missing_in_gap(cam: &mut Reattaching, last: &mut u32) -> Result<u32> {
    let (mut first, mut broken) = (None, 0);
    loop {
        let next = next(cam)?;
        let is_back = next.gap().is_some();
        let picture = next.into_buffer();
        if is_back {
            first = Some(picture.number());
        }
        if picture.status() != Status::Complete {
            broken += u32::from(first.is_none());
            continue;
        }
        let before = std::mem::replace(last, number(&picture)?);
        if let Some(first) = first {
            let later = u32::try_from(picture.number() - first)?;
            return Ok(*last - later - before - 1 - broken);
        }
        broken = 0;
    }
}

/// Follows `cam` into the daemon that runs now, whose books say what the pictures do.
fn books_are_right(control: &mut Control, cam: &mut Reattaching, last: &mut u32) -> Result<u32> {
    let missing = missing_in_gap(cam, last)?;
    let view = control.show("cam")?;
    let it = view.attachments.first().context("attached")?;
    let missed = it.missed.as_ref().context("it has come back")?;
    ensure!(missed.units == u64::from(missing), "{missing}: {it:?}");
    let away = missed.until.0.duration_since(missed.since.0)?;
    // From the begin of one unit to the begin of another.
    let by_units = u128::from(missing + 1) * 20;
    ensure!(
        away.as_millis().abs_diff(by_units) <= 1,
        "{missing}: {it:?}"
    );
    ensure!(missed.until.age().as_secs() < 60, "{it:?}");
    Ok(missing)
}

fn started(rig: &Rig) -> Result<(Reattaching, Pictures, u32)> {
    let mut control = rig.control()?;
    control.create(&SpecDocument {
        persistent: Some(true),
        quota: Some(QUOTA),
        ..receive("cam", RASTER, 5000)
    })?;
    control.start("cam")?;
    let mut cam = attached(rig)?;
    let sender = Pictures::start(rig, RASTER)?;
    let last = number(&next(&mut cam)?.into_buffer())?;
    let it = control.show("cam")?.attachments;
    ensure!(it.iter().all(|it| it.missed.is_none()), "{it:?}");
    Ok((cam, sender, last))
}

#[test]
fn daemon_killed_or_restarted_then_what_was_missed_is_said() -> Result<()> {
    let mut rig = beside_the_kernel()?;
    let (mut cam, sender, mut last) = started(&rig)?;
    rig.kill_daemon()?;
    rig.start_daemon()?;
    let killed = books_are_right(&mut rig.control()?, &mut cam, &mut last)?;
    ensure!(killed > 0, "a start takes longer than a picture");
    rig.stop_daemon()?;
    rig.start_daemon()?;
    books_are_right(&mut rig.control()?, &mut cam, &mut last)?;
    drop(cam);
    sender.end()?;
    Ok(())
}
