//! Sessions as flows.

use std::time::Duration;

use anyhow::{Result, ensure};
use onair_api::Source;

use super::{Domain, FLOW, Viewer, definition, end, reader};
use crate::tools::lab;

#[test]
fn session_into_a_flow_then_each_grain_is_its_pattern() -> Result<()> {
    let (rig, _control) = lab(Source::Pattern)?;
    let domain = Domain::new(&rig, 64)?;
    let carrier = domain.carry(&rig, &["--in", &format!("cam={FLOW}")])?;
    let mut viewer = Viewer::new(&domain)?;
    let first = viewer.valid()?;
    let mut last = first;
    for _ in 0..60 {
        let seen = viewer.valid()?;
        // A slot that the sender left out has no number; an index is a time.
        ensure!(seen.0 - last.0 >= seen.1 - last.1, "{last:?} {seen:?}");
        last = seen;
    }
    assert_eq!(viewer.reopened, 0);
    drop(viewer);
    let instance = domain.instance()?;
    let reader = reader(&domain, &instance)?;
    let bytes = definition().format.bytes();
    let mut in_part = 0;
    for index in reader.head()?.index + 1.. {
        let wait = (40, Duration::from_secs(10));
        let (head, _) = reader.grain(index, wait, bytes)?;
        ensure!(!head.is_valid || head.slices.0 >= 40, "{head:?}");
        in_part += u32::from(head.is_valid && head.slices.0 < head.slices.1);
        if in_part >= 5 {
            break;
        }
    }
    drop(reader);
    end(carrier)?;
    assert!(!domain.flow().exists(), "its last writer removes a flow");
    Ok(())
}
