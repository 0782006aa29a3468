//! What happens to flows that are written, and how their readers go on.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_mxl::libmxl::FlowWriter;
use onair_tests::{Control, send, wait_for};
use rustix::process::Signal;

use super::{Domain, FLOW, RASTER, Viewer, definition, end};
use crate::tools::lab;

/// So many writers are killed, or as many as `ONAIR_MXL_KILLS` says.
const KILLS: usize = 10;

#[test]
fn writer_killed_again_and_again_then_no_reader_is_lost() -> Result<()> {
    let (rig, _control) = lab(Source::Pattern)?;
    let domain = Domain::new(&rig, 64)?;
    let arguments = ["--in", &format!("cam={FLOW}")];
    let mut carrier = domain.carry(&rig, &arguments)?;
    let mut viewer = Viewer::new(&domain)?;
    let mut last = viewer.valid()?;
    let kills = env::var("ONAIR_MXL_KILLS").map_or(Ok(KILLS), |it| it.parse())?;
    let mut back = Vec::new();
    for _ in 0..kills {
        carrier.running.kill()?;
        carrier = domain.carry(&rig, &arguments)?;
        for of in 0..3 {
            let seen = viewer.valid()?;
            assert!(seen.0 > last.0 && seen.1 > last.1, "{last:?} {seen:?}");
            last = seen;
            if of == 0 {
                back.push(carrier.says("writes")?.elapsed());
            }
        }
    }
    assert_eq!(
        viewer.reopened, 0,
        "the flow of a killed writer is taken over"
    );
    back.sort_unstable();
    let of = |share: usize| back.get((back.len() * share / 100).min(back.len() - 1));
    eprintln!(
        "{kills} kills: from the line of the next writer to a grain {:?} at the median, {:?} at p99, {:?} at most",
        of(50),
        of(99),
        back.last()
    );

    // What a killed writer left has another definition.
    carrier.running.kill()?;
    fs::write(domain.flow().join("flow_def.json"), "{}")?;
    carrier = domain.carry(&rig, &arguments)?;
    last = viewer.again(last)?;

    fs::remove_dir_all(domain.flow())?;
    last = viewer.again(last)?;

    fs::remove_dir_all(&domain.folder)?;
    fs::create_dir(&domain.folder)?;
    viewer.again(last)?;
    assert_eq!(viewer.reopened, 3);
    end(carrier)
}

#[test]
fn flow_of_another_writer_or_no_space_then_written_later() -> Result<()> {
    let (rig, _control) = lab(Source::Pattern)?;
    let domain = Domain::new(&rig, 16)?;
    let shm = domain.folder.parent().context("a tmpfs")?;
    let instance = domain.instance()?;
    let own = FlowWriter::create(&instance, &definition().document().to_string(), "")?;
    let mut carrier = domain.carry(&rig, &["--in", &format!("cam={FLOW}")])?;
    let head = || -> Result<u64> {
        let reader = super::reader(&domain, &domain.instance()?)?;
        Ok(reader.head()?.index)
    };
    carrier.says("another process")?;
    assert_eq!(head()?, 0, "a flow that has a writer gets no second one");
    // What that one leaves is filled: there is no space for the next flow.
    let (first, second) = (shm.join("first"), shm.join("second"));
    let fill = |file: &Path| -> Result<()> {
        let space = rustix::fs::statvfs(shm)?;
        let bytes = usize::try_from(space.f_bavail * space.f_frsize)?;
        Ok(fs::write(file, vec![0; bytes])?)
    };
    fill(&first)?;
    drop(own);
    fill(&second).or_else(|error| {
        // The next flow may have been quicker than this test: it is what is tested below.
        domain.flow().exists().then_some(()).ok_or(error)
    })?;
    wait_for("an attempt to make the flow", 20, || {
        Ok(carrier.heard("does not create the flow").is_some() || domain.flow().exists())
    })?;
    fs::remove_file(&first)?;
    fs::remove_file(&second)?;
    wait_for("the flow to be written", 20, || Ok(head()? > 0))?;
    let mut viewer = Viewer::new(&domain)?;
    viewer.valid()?;
    drop(viewer);
    end(carrier)
}

#[test]
fn reader_frozen_then_the_writer_goes_on_and_names_it() -> Result<()> {
    let (rig, mut control) = lab(Source::Pattern)?;
    control.create(&send("play", RASTER, 5001, Source::Client))?;
    let domain = Domain::new(&rig, 64)?;
    let mut carrier = domain.carry(&rig, &["--in", &format!("cam={FLOW}")])?;
    let mut frozen = domain.carry(&rig, &["--out", &format!("{FLOW}=play")])?;
    let sent =
        |control: &mut Control| Ok::<_, anyhow::Error>(control.show("play")?.counters.frames_sent);
    wait_for("its frames", 20, || Ok(sent(&mut control)? > 0))?;
    frozen.running.signal(Signal::STOP)?;
    let mut viewer = Viewer::new(&domain)?;
    let seconds = env::var("ONAIR_MXL_FROZEN_S").map_or(Ok(2), |it| it.parse::<u64>())?;
    let mut last = viewer.valid()?;
    // More grains than the ring has.
    for _ in 0..seconds * u64::from(RASTER.rate) {
        last = viewer.valid()?;
    }
    assert_eq!(viewer.reopened, 0);
    fs::remove_dir_all(domain.flow())?;
    viewer.again(last)?;
    carrier.says(&format!("process={}", frozen.running.pid()))?;
    let before = sent(&mut control)?;
    frozen.running.signal(Signal::CONT)?;
    wait_for("frames of the flow made anew", 20, || {
        Ok(sent(&mut control)? > before + 10)
    })?;
    drop(viewer);
    end(frozen)?;
    end(carrier)
}
