//! The package built on another release of Debian: its DPDK has another ABI.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};

use super::container::has_scopes;
use crate::cargo::{root, supervised, target};
use crate::dist::{Made, copy, done};
use crate::setup::{Purpose, packages_for};
use crate::vm::container::base;
use crate::vm::folder::RunFolder;
use crate::vm::image::MIRROR;

/// Has a root of Debian's `suite` build the package from this commit, with the toolchain and the crates of this machine.
/// The other packages and the wheel are those that were made here: they are for both.
pub(super) fn run(suite: &str, made: &Made) -> Result<Made> {
    let packages = packages_for(&[Purpose::Dist]);
    let names: Vec<_> = packages
        .iter()
        .map(|it| it.later.unwrap_or(it.name))
        .collect();
    let base = base(&[], &names, (suite, MIRROR))?;
    let folder = RunFolder::new()?;
    let there = folder.path().join("root");
    fs::create_dir(&there)?;
    done(
        Command::new("tar")
            .arg("-xf")
            .arg(base)
            .arg("-C")
            .arg(&there),
    )?;
    let clone = there.join("onair");
    done(
        Command::new("git")
            .args(["clone", "--quiet"])
            .args([root(), &clone]),
    )?;
    let cargo = match env::var_os("CARGO_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cargo"),
    };
    // Without rustup, which would look for a newer toolchain.
    let toolchain = done(
        Command::new("rustc")
            .args(["--print", "sysroot"])
            .current_dir(root()),
    )?;
    let toolchain = PathBuf::from(toolchain.trim());
    let bound = |option: &str, folder: &PathBuf, at: &str| {
        let mut all = OsString::from(option);
        all.push(folder);
        all.push(at);
        all
    };
    let built = supervised("systemd-nspawn", |command| {
        command
            .args(["--quiet", "--register=no", "--pipe", "--private-network"])
            .arg("--machine=onair-built-there")
            .args((!has_scopes()).then_some("--keep-unit"))
            .arg("--directory")
            .arg(&there)
            .arg(bound("--bind=", &cargo, ":/cargo"))
            .arg(bound("--bind-ro=", &toolchain, ":/toolchain"))
            .args(["--chdir=/onair", "--setenv=CARGO_HOME=/cargo"])
            .arg("--setenv=PATH=/toolchain/bin:/usr/sbin:/usr/bin")
            // Its crates are those that built what was made here.
            .arg("--setenv=CARGO_NET_OFFLINE=true")
            .args(["cargo", "xtask", "dist", "--without-wheel"]);
    })?;
    ensure!(
        built.status.success(),
        "Debian's {suite} cannot build the package"
    );
    let name = made.deb.file_name().context("a file")?;
    let deb = target().join("dist").join(suite).join(name);
    copy(&clone.join("target/dist").join(name), &deb, 0o644)?;
    Ok(Made {
        deb,
        nmos: made.nmos.clone(),
        wall: made.wall.clone(),
        mxl: made.mxl.clone(),
        libraries: made.libraries.clone(),
        wheel: made.wheel.clone(),
        programs: made.programs.clone(),
    })
}
