//! The timing of our sender beside what ST 2110-21 allows its type: one session of 1080p59.94 of each type.
//!
//! Each packet finds a level. The highest ones are those of a poller that was held up; how often, the ranks say.
//! The times are those of the poller that receives them, which reads its clock once a turn: if it also
//! sends, Cinst is overstated.

use onair_stage::{OfVideo as _, video_timing};
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_essence::video::SenderType;
use onair_essence::video::VideoTiming;
use onair_essence::video::timing::TimingLevels;
use onair_stage::{Control, Raster, receive, send, wait_for};

use crate::result::row::Row;
use crate::result::samples::float;
use crate::run::Run;

const UDP: u16 = 5900;

/// The two ports, and the receiving one's address.
pub(crate) struct Ends<'a> {
    pub(crate) sender: &'a str,
    pub(crate) receiver: &'a str,
    pub(crate) address: &'a str,
}

/// Cinst and VRX of each type beside their limits; VRX if the machine's clock is TAI.
pub(crate) fn rows(
    id: &str,
    control: &mut Control,
    ends: &Ends<'_>,
    run: &Run,
) -> Result<Vec<Row>> {
    let mut rows = vec![];
    run.case("sender types", SenderType::ALL.len());
    for sender_type in SenderType::ALL.iter().copied() {
        run.step();
        begin(control, ends, sender_type)?;
        std::thread::sleep(run.either(4, 2) * Duration::from_secs(1));
        let view = control.show("timed-receive")?;
        let timing = video_timing(&view).context("no timing was measured")?;
        rows.extend(levels(id, sender_type, timing));
        for name in ["timed-send", "timed-receive"] {
            control.stop(name)?;
        }
        for name in ["timed-send", "timed-receive"] {
            wait_for("a session destroyed", 20, || {
                Ok(control.try_destroy(name)?.status == 200)
            })?;
        }
    }
    Ok(rows)
}

fn begin(control: &mut Control, ends: &Ends<'_>, sender_type: SenderType) -> Result<()> {
    let raster = Raster::new(1920, 1080, 60, 10);
    for (mut spec, port) in [
        (receive("timed-receive", raster, UDP), ends.receiver),
        (
            send("timed-send", raster, UDP, Source::Pattern),
            ends.sender,
        ),
    ] {
        "60000/1001".clone_into(&mut spec.format.video_mut().frame_rate);
        spec.format.video_mut().sender_type = Some(sender_type);
        port.clone_into(&mut spec.port);
        spec.flow.destination = format!("{}:{UDP}", ends.address);
        (spec.quota, spec.max_attachments) = (Some(1), Some(1));
        control.create(&spec)?;
    }
    Ok(())
}

fn levels(id: &str, sender_type: SenderType, timing: &VideoTiming) -> Vec<Row> {
    let (cmax, full) = match sender_type {
        SenderType::Wide => (timing.cmax_wide, timing.vrx_full_wide),
        SenderType::Narrow | SenderType::NarrowLinear => {
            (timing.cmax_narrow, timing.vrx_full_narrow)
        }
    };
    let row = |name: &str, levels: &TimingLevels| {
        let all = levels.histogram.iter();
        let each = all.flat_map(|it| {
            let packets = usize::try_from(it.packets).unwrap_or(usize::MAX);
            std::iter::repeat_n(signed(it.level), packets)
        });
        let variant = format!("{name}, 1080p59.94 {sender_type}, by the poller's clock");
        Row::of(id, variant, "packets", &each.collect())
    };
    let cinst = row("Cinst", &timing.cinst).limit("CMAX", float(cmax));
    let cinst = cinst.target("p99 ≤ CMAX", |it| it.p99_at_most(float(cmax)));
    let vrx = timing.vrx.iter();
    let vrx = vrx.map(|it| {
        let row = row("VRX", it).limit("VRX_FULL", float(full));
        row.target("p99 ≤ VRX_FULL", |it| it.p99_at_most(float(full)))
    });
    [cinst].into_iter().chain(vrx).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a level")]
const fn signed(level: i64) -> f64 {
    level as f64
}
