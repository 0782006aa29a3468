//! Another program in the place of `onair-convert`, or none: the source's clients and the daemon go on.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use onair::{Session, Timeout};
use onair_api::{ProblemCode, SessionProblemKind as Kind};
use onair_stage::{Backend, program};
use onair_tests::{Config, Control, Rig, Stage, wait_for};

use crate::conversion::converted::{cam, convert, out};
use crate::conversion::converters::attach;

const CONVERTED: &str = "cam-v210";
const TIMEOUT: Timeout = Timeout::millis(30_000);

/// A daemon whose `onair-convert` is what the test puts beside it, and a session `cam` that receives.
struct Site {
    // Before the folder: the daemon runs from it.
    rig: Rig,
    control: Control,
    folder: Folder,
}

/// Programs, beside those that were built: a hard link needs the same file system.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Site {
    fn open() -> Result<Self> {
        let onaird = program("onaird")?;
        let stage = Stage::open("impostor")?;
        // Each test has its own.
        let folder = onaird.with_file_name(format!("impostor-{}", stage.namespace()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder)?;
        let folder = Folder(folder);
        let own = folder.0.join("onaird");
        fs::hard_link(&onaird, &own)?;
        let mut rig = onair_stage::Rig::new(stage, Config::pair(Backend::Ring));
        rig.program = Some(own);
        rig.start_daemon()?;
        let mut control = rig.control()?;
        cam(&mut control)?;
        out(&mut control)?;
        Ok(Self {
            rig: rig.into(),
            control,
            folder,
        })
    }

    /// This is `onair-convert` from its next start on.
    fn put(&self, script: &str) -> Result<()> {
        let path = self.folder.0.join("onair-convert");
        let new = path.with_extension("new");
        fs::write(&new, format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(&new, Permissions::from_mode(0o755))?;
        Ok(fs::rename(new, path)?)
    }

    /// One that was not built for it, and says what it met in a file.
    fn put_impostor(&self, manner: &str) -> Result<PathBuf> {
        let report = self.folder.0.join("report");
        let client = program("onair-client")?;
        let (client, to) = (client.display(), report.display());
        self.put(&format!("exec {client} --converter {manner} 2>> {to}"))?;
        Ok(report)
    }

    /// The real one again: its frames come.
    fn restore(&mut self) -> Result<()> {
        let real = program("onair-convert")?;
        self.put(&format!("exec {} \"$@\"", real.display()))?;
        let converted = attach(&self.rig, CONVERTED)?;
        // A busy machine may cost its source some packets.
        while !converted.buffer_get(TIMEOUT)?.status().is_complete() {}
        converted.detach()?;
        for name in [CONVERTED, "cam", "out"] {
            self.control.end(name)?;
        }
        Ok(())
    }

    /// Waits until the daemon's log has this so many times.
    fn await_said(&mut self, part: &str, times: usize) -> Result<()> {
        wait_for(part, 60, || {
            Ok(self.rig.daemon()?.log().matches(part).count() >= times)
        })
    }

    /// Waits until the converted session has no filler for this reason.
    fn await_fault(&mut self, part: &str) -> Result<()> {
        wait_for(part, 30, || {
            let problems = self.control.show(CONVERTED)?.problems;
            let mut found = problems.iter().filter(|it| it.problem == Kind::NoFiller);
            Ok(found.any(|it| it.detail.contains(part)))
        })
    }
}

/// Takes all that waits, then some more, one after the other.
fn whole(source: &Session) -> Result<()> {
    while source.buffer_get(Timeout::millis(0)).is_ok() {}
    let mut last = source.buffer_get(TIMEOUT)?.number();
    for _ in 0..25 {
        let buffer = source.buffer_get(TIMEOUT)?;
        ensure!(buffer.status().is_complete(), "{buffer:?}");
        ensure!(
            buffer.number() == last + 1,
            "{} after {last}",
            buffer.number()
        );
        last = buffer.number();
    }
    Ok(())
}

#[test]
fn converter_not_there_then_creating_says_so_and_names_it() -> Result<()> {
    let mut site = Site::open()?;
    let path = site.folder.0.join("onair-convert");
    let refused = convert(&mut site.control, CONVERTED, "v210").expect_err("it is not there");
    let said = format!("{refused:#}");
    ensure!(said.contains(ProblemCode::NoConverter.as_str()), "{said}");
    ensure!(said.contains(&path.display().to_string()), "{said}");
    let made = site.control.show(CONVERTED);
    ensure!(made.is_err(), "{made:?}");
    // It goes away later: the session stays and says why.
    site.put("exit 3")?;
    convert(&mut site.control, CONVERTED, "v210")?;
    site.await_fault("exit status: 3")?;
    fs::remove_file(&path)?;
    site.await_fault(&format!("cannot start {}", path.display()))?;
    site.restore()
}

#[test]
fn converter_that_lies_then_it_gets_nothing_else() -> Result<()> {
    let mut site = Site::open()?;
    let report = site.put_impostor("lie")?;
    convert(&mut site.control, CONVERTED, "v210")?;
    // The next one may fill the session before anyone looks at its problems.
    site.await_said("\u{fffd}? no such word", 1)?;
    let said = fs::read_to_string(report)?;
    let expected = ["cam", CONVERTED].map(|name| {
        [
            "create error invalid_request -".to_owned(),
            "list_members error invalid_request -".to_owned(),
            format!("attach attached - {name}"),
            "destroy error forbidden -".to_owned(),
            "abort error forbidden -".to_owned(),
        ]
    });
    let said: Vec<_> = said.lines().take(10).collect();
    ensure!(said == expected.concat(), "{said:#?}");
    whole(&attach(&site.rig, "cam")?)?;
    site.restore()
}

#[test]
fn converter_that_floods_then_it_is_killed() -> Result<()> {
    let mut site = Site::open()?;
    site.put_impostor("flood")?;
    convert(&mut site.control, CONVERTED, "v210")?;
    site.await_fault("without a question")?;
    whole(&attach(&site.rig, "cam")?)?;
    site.restore()
}

#[test]
fn converter_that_riots_then_it_is_evicted_and_replaced() -> Result<()> {
    let mut site = Site::open()?;
    site.put_impostor("riot")?;
    convert(&mut site.control, CONVERTED, "v210")?;
    let reader = attach(&site.rig, CONVERTED)?;
    let source = attach(&site.rig, "cam")?;
    // The log says so for good: the process is killed at once, and its attachment is gone with it.
    site.await_said("onair-convert was evicted", 1)?;
    whole(&source)?;
    // Each that is started again does the same.
    site.await_said("onair-convert was evicted", 4)?;
    while reader.buffer_get(Timeout::millis(0)).is_ok() {}
    source.detach()?;
    reader.detach()?;
    site.restore()
}
