//! Sessions as flows.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};
use onair_api::Source;
use onair_tests::program;

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

#[test]
fn grain_that_the_library_refuses_then_invalid_for_readers() -> Result<()> {
    let (rig, _control) = lab(Source::Pattern)?;
    let domain = Domain::new(&rig, 64)?;
    let carrier = domain.carry_with(&rig, &["--in", &format!("cam={FLOW}")], "fail")?;
    let mut viewer = Viewer::new(&domain)?;
    let (mut invalid, mut valid) = (0, 0);
    while valid < 60 {
        match viewer.next()? {
            (_, Some(_)) => valid += 1,
            (_, None) => invalid += 1,
        }
    }
    // The library itself refuses none.
    let is_stub = std::env::var_os("ONAIR_LIBMXL").is_none();
    ensure!(!is_stub || invalid >= 2, "{invalid} of {valid}");
    drop(viewer);
    end(carrier)
}

#[test]
fn library_absent_or_of_another_kind_then_one_line_and_exit_1() -> Result<()> {
    let stub = program("deps/libonair_mxl_stub.so")?;
    let stub = stub.to_string_lossy();
    for (library, told, expected) in [
        ("libmxl-of-no-one.so.1", "", "cannot load libmxl"),
        ("libc.so.6", "", "no libmxl of version 1"),
        (&*stub, "version", "version 2.x: onair-mxl knows 1.x"),
    ] {
        let mut command = Command::new(program("onair-mxl")?);
        command.args(["--check", "--in", "cam", "--library", library]);
        command.env("ONAIR_MXL_STUB", told).stdin(Stdio::null());
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{library}: {said}");
        ensure!(
            said.contains(expected) && said.lines().count() == 1,
            "{library}: {said}"
        );
    }
    Ok(())
}
