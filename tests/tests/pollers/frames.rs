//! Frames have memory once they were needed.

use std::fs;

use anyhow::{Context as _, Result};
use onair_api::{Source, SpecDocument};
use onair_tests::{QUOTA, Raster, Rig, receive, send, wait_for};

const RASTER: Raster = Raster::new(320, 180, 50, 8);
/// More frames than the session has buffers for.
const FRAMES: u64 = 60;

/// Bytes of the daemon's only memory of frames: all, and those that have memory.
fn memory(daemon: u32) -> Result<[u64; 2]> {
    for entry in fs::read_dir(format!("/proc/{daemon}/fd"))? {
        let path = entry?.path();
        let Ok(target) = fs::read_link(&path) else {
            continue;
        };
        if target.to_string_lossy().contains("onair-frames") {
            let file = fs::File::open(&path)?.metadata()?;
            // Of 512 bytes, inode(7).
            return Ok([
                file.len(),
                std::os::unix::fs::MetadataExt::blocks(&file) * 512,
            ]);
        }
    }
    anyhow::bail!("no memory of frames")
}

#[test]
fn session_without_a_client_then_four_frames_have_memory() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut control = rig.control()?;
    let spec = SpecDocument {
        quota: Some(QUOTA),
        max_attachments: Some(4),
        ..receive("cam", RASTER, 5000)
    };
    control.create(&spec)?;
    control.start("cam")?;
    control.create(&send("out", RASTER, 5000, Source::Pattern))?;
    control.start("out")?;
    wait_for("the frames", 60, || {
        Ok(control.show("cam")?.counters.frames_complete >= FRAMES)
    })?;
    let [all, resident] = memory(rig.daemon()?.pid())?;
    let buffers = u64::from(2 + 4 * QUOTA);
    let frame = all.checked_div(buffers).context("buffers")?;
    assert!(resident > 0 && resident <= 4 * frame, "{resident} of {all}");
    let scraped = rig.scrape()?;
    let name = "onair_frame_memory_resident_bytes ";
    let counted = scraped.lines().find_map(|line| line.strip_prefix(name));
    assert_eq!(counted.context("the metric")?.parse::<u64>()?, resident);
    Ok(())
}
