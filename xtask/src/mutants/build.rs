//! Builds the tests with all mutants in them, in a target folder of their own.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::table::{Build, Test};
use crate::cargo::{Manner, PROGRAMS, SYSTEM_TESTS, TESTED, UNIT_TESTS, messages_with, root};
use crate::test::LOOM;

/// The test programs of one build.
pub(super) struct Programs(Vec<Program>);

/// One test program.
pub(super) struct Program {
    package: String,
    /// `None`: unit tests.
    file: Option<String>,
    pub(super) path: PathBuf,
    /// Where cargo would run it.
    pub(super) folder: PathBuf,
}

impl Programs {
    /// Builds what the tests of `build` need.
    pub(super) fn build(build: Build) -> Result<Self> {
        let tests = |of: &[&str]| messages(&[of, &["--no-run"]].concat());
        let built = match build {
            Build::Dev => tests(&UNIT_TESTS)?,
            Build::Loom => tests(&LOOM)?,
            Build::System => messages(&[&PROGRAMS[..], &["--test", SYSTEM_TESTS]].concat())?,
        };
        Ok(Self(built.iter().filter_map(Program::read).collect()))
    }

    /// The program of `test`.
    ///
    /// # Errors
    /// If cargo made none.
    pub(super) fn of(&self, test: Test) -> Result<&Program> {
        let (package, file, _) = test.parts();
        self.0
            .iter()
            .find(|program| program.package == package && program.file.as_deref() == file)
            .with_context(|| format!("{test}: cargo built no such test"))
    }
}

impl Program {
    /// What cargo says of a test program; `None` for its other messages.
    fn read(message: &Value) -> Option<Self> {
        let target = &message["target"];
        let file = match target["kind"][0].as_str()? {
            "test" => Some(target["name"].as_str()?.to_owned()),
            "lib" => None,
            _ => return None,
        };
        if message["profile"]["test"] != true {
            return None;
        }
        let manifest = Path::new(message["manifest_path"].as_str()?);
        // path+file:///FOLDER#NAME@VERSION, without NAME where the folder has that name.
        let (folder, version) = message["package_id"].as_str()?.split_once('#')?;
        let package = match version.split_once('@') {
            Some((name, _)) => name,
            None => folder.rsplit('/').next()?,
        };
        Some(Self {
            package: package.to_owned(),
            file,
            path: message["executable"].as_str()?.into(),
            folder: manifest.parent()?.to_owned(),
        })
    }
}

/// Builds the simulator with all mutants, and gives its program.
pub(super) fn simulator() -> Result<PathBuf> {
    let built = messages(&[
        "build",
        "--profile",
        TESTED,
        "--bins",
        "--package",
        "onair-sim",
    ])?;
    let mut programs = built.iter().filter_map(|it| it["executable"].as_str());
    Ok(programs.next().context("cargo made no onair-sim")?.into())
}

/// Where mutants are built, and the output of their tests is kept.
pub(super) fn folder() -> PathBuf {
    root().join("target/mutants")
}

fn messages(arguments: &[&str]) -> Result<Vec<Value>> {
    let target = folder();
    let target = target.to_string_lossy();
    let environment = [("ONAIR_BUILD_MUTANTS", "1"), ("CARGO_TARGET_DIR", &target)];
    messages_with(Manner::InFront, arguments, &environment)
}
