//! Conversion beside packets, and stops amid it.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair::{PixelFormat, Timeout};
use onair_api::{Source, SpecDocument};
use onair_tests::{QUOTA, Raster, Rig, receive, send};

use crate::conversion::converters::{attach, compare, convert};

#[test]
fn large_frames_in_three_layouts_then_no_session_loses_packets() -> Result<()> {
    const LARGE: Raster = Raster::new(3840, 2160, 2, 10);
    const SMALL: Raster = Raster::new(320, 180, 50, 10);
    let (mut rig, mut control) = Rig::with_control()?;
    for (name, raster, port) in [("cam", LARGE, 5000), ("beside", SMALL, 5002)] {
        control.create(&SpecDocument {
            quota: Some(3),
            max_attachments: Some(4),
            ..receive(name, raster, port)
        })?;
    }
    let formats = [PixelFormat::V210, PixelFormat::Yuv422p10, PixelFormat::Y210];
    for format in formats {
        convert(&mut control, format, 3)?;
    }
    let source = attach(&rig, "cam")?;
    control.create(&send("beside-out", SMALL, 5002, Source::Pattern))?;
    control.create(&send("out", LARGE, 5000, Source::Pattern))?;
    for format in formats {
        let converted = attach(&rig, &format!("cam-{format}"))?;
        compare(&source, &converted, 3)?;
        converted.detach()?;
    }
    source.detach()?;
    for name in ["cam", "beside"] {
        let counters = control.show(name)?.counters;
        ensure!(counters.frames_complete > 5, "{name}: {counters:?}");
        assert_eq!(
            (
                counters.packets_lost,
                counters.frames_incomplete,
                counters.frames_no_buffer
            ),
            (0, 0, 0),
            "{name}: {counters:?}"
        );
    }
    let (status, summary) = rig.terminated()?;
    assert_eq!(status, 0, "{summary:?}");
    Ok(())
}

#[test]
fn sessions_stopped_amid_a_frame_then_the_source_has_all_frames() -> Result<()> {
    const RASTER: Raster = Raster::new(1920, 1080, 25, 10);
    const ROUNDS: u64 = 40;
    let (rig, mut control) = Rig::with_control()?;
    control.create(&SpecDocument {
        quota: Some(QUOTA),
        max_attachments: Some(2),
        ..receive("cam", RASTER, 5000)
    })?;
    let name = convert(&mut control, PixelFormat::Yuv422p10, 2)?.name;
    control.create(&send("out", RASTER, 5000, Source::Pattern))?;
    for round in 0..ROUNDS {
        // At each time of a frame.
        thread::sleep(Duration::from_millis(round));
        control.stop(&name)?;
        control.start(&name)?;
    }
    let before = control.show(&name)?.counters;
    control.await_view(name.as_str(), "with frames", |it| {
        it.counters.frames_complete > before.frames_complete + 5
    })?;

    // A stop of the source, too, whenever it comes.
    let (source, client) = (attach(&rig, "cam")?, attach(&rig, name.as_str())?);
    for _ in 0..20 {
        control.stop("cam")?;
        control.start("cam")?;
        source.buffer_get(Timeout::millis(30_000))?;
        client.buffer_get(Timeout::millis(30_000))?;
    }
    let counters = control.show("cam")?.counters;
    ensure!(counters.frames_no_buffer == 0, "{counters:?}");
    source.detach()?;
    client.detach()?;
    for name in ["cam", name.as_str()] {
        let certificate = control.end(name).context("a certificate")?;
        ensure!(certificate.reconciled.is_empty(), "{certificate:?}");
    }
    Ok(())
}
