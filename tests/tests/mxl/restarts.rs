//! What happens to flows that are written, and how their readers go on.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_mxl::libmxl::FlowWriter;
use onair_tests::wait_for;

use super::{Domain, FLOW, Viewer, definition, end};
use crate::tools::lab;

/// Some attempts of `onair-mxl` to write a flow.
const LONG: Duration = Duration::from_millis(700);

#[test]
fn writer_killed_again_and_again_then_no_reader_is_lost() -> Result<()> {
    let (rig, _control) = lab(Source::Pattern)?;
    let domain = Domain::new(&rig, 64)?;
    let arguments = ["--in", &format!("cam={FLOW}")];
    let mut carrier = domain.carry(&rig, &arguments)?;
    let mut viewer = Viewer::new(&domain)?;
    let mut last = viewer.valid()?;
    for _ in 0..10 {
        carrier.kill()?;
        carrier = domain.carry(&rig, &arguments)?;
        for _ in 0..3 {
            let seen = viewer.valid()?;
            assert!(seen.0 > last.0 && seen.1 > last.1, "{last:?} {seen:?}");
            last = seen;
        }
    }
    assert_eq!(
        viewer.reopened, 0,
        "the flow of a killed writer is taken over"
    );

    // What a killed writer left has another definition.
    carrier.kill()?;
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
    let carrier = domain.carry(&rig, &["--in", &format!("cam={FLOW}")])?;
    let head = || -> Result<u64> {
        let reader = super::reader(&domain, &domain.instance()?)?;
        Ok(reader.head()?.index)
    };
    sleep(LONG);
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
    sleep(LONG);
    fs::remove_file(&first)?;
    fs::remove_file(&second)?;
    wait_for("the flow to be written", 20, || Ok(head()? > 0))?;
    let mut viewer = Viewer::new(&domain)?;
    viewer.valid()?;
    drop(viewer);
    end(carrier)
}
