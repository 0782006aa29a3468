//! The Python package: an environment below `target/tools` with what builds and checks it, and its wheel.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::cargo::{Manner, root, supervised_as, target};
use crate::say;

/// Debian's own: the tests take its numpy and pytest.
const PYTHON: &str = "/usr/bin/python3";
const PACKAGE: &str = "userspace/python";
const REQUIREMENTS: &str = "requirements.txt";

fn environment() -> PathBuf {
    target().join("tools/python")
}

/// Whether the environment has what the requirements of now name.
pub(crate) fn is_installed() -> Result<bool> {
    let wanted = fs::read(root().join(PACKAGE).join(REQUIREMENTS))?;
    Ok(fs::read(environment().join(REQUIREMENTS)).is_ok_and(|it| it == wanted))
}

/// Makes the environment, unless it is there.
///
/// # Errors
/// Python has no `venv`, or pip cannot install a package with the checksum that is listed.
pub(crate) fn install() -> Result<()> {
    if is_installed()? {
        return Ok(());
    }
    let (list, environment) = (root().join(PACKAGE).join(REQUIREMENTS), environment());
    let own = path(&environment)?;
    let line = ["-m", "venv", "--clear", "--system-site-packages", own];
    run(Manner::InFront, PYTHON.as_ref(), &line, &[])?;
    pip(
        Manner::InFront,
        &["--require-hashes", "--requirement", path(&list)?],
    )?;
    fs::copy(list, environment.join(REQUIREMENTS))?;
    Ok(())
}

/// Builds the wheel in a profile of cargo's, into the empty folder `out`; returns its file.
///
/// # Errors
/// The build fails.
pub(crate) fn wheel(
    (manner, profile): (Manner, &str),
    out: &Path,
    variables: &[(&str, &str)],
) -> Result<PathBuf> {
    install()?;
    let manifest = root().join(PACKAGE).join("Cargo.toml");
    let line = [
        "build",
        "--profile",
        profile,
        "--locked",
        "--quiet",
        "--interpreter",
        PYTHON,
    ];
    let places = ["--manifest-path", path(&manifest)?, "--out", path(out)?];
    let maturin = environment().join("bin/maturin");
    run(manner, &maturin, &[&line[..], &places].concat(), variables)?;
    let mut files = fs::read_dir(out)?;
    Ok(files.next().context("maturin made no wheel")??.path())
}

/// Builds the wheel and installs it into the environment, for the tests.
///
/// # Errors
/// As [`wheel`].
pub(crate) fn install_built(manner: Manner) -> Result<()> {
    let out = target().join("wheel");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    install_wheel(manner, &wheel((manner, "dev"), &out, &[])?)
}

/// Installs a wheel into the environment.
///
/// # Errors
/// pip does not take it.
pub(crate) fn install_wheel(manner: Manner, wheel: &Path) -> Result<()> {
    let line = ["--force-reinstall", "--no-deps", "--no-index", path(wheel)?];
    pip(manner, &line)
}

fn pip(manner: Manner, arguments: &[&str]) -> Result<()> {
    let line = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    let python = environment().join("bin/python");
    run(manner, &python, &[&line[..], arguments].concat(), &[])
}

fn run(
    manner: Manner,
    program: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<()> {
    let line = format!("{} {}", program.display(), arguments.join(" "));
    say::command(&line);
    let done = supervised_as(manner, path(program)?, |command| {
        command.args(arguments).envs(environment.iter().copied());
    })?;
    ensure!(done.status.success(), "`{line}` failed ({})", done.status);
    Ok(())
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}
