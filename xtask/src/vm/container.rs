//! Roots of containers: a tarball of Debian with what our package depends on.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::stderr;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::folder::{self, RunFolder};
use super::image::{SUITE, sources};
use crate::cargo::supervised;
use crate::{dist, say};

/// What the Containerfile installs beside our package: the test `container` builds it in a machine without an archive.
pub(super) const BESIDE: [&str; 2] = ["librte-meta-net", "iproute2"];

/// A tarball of Debian with `beside` and what `package` depends on, and without it; built if there is none
/// of the same inputs.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn base(package: &Path, beside: &[&str], mirror: &str) -> Result<PathBuf> {
    let depends = dist::depends_of(package)?;
    let depends = depends.iter().map(String::as_str);
    let packages: Vec<_> = depends.chain(beside.iter().copied()).collect();
    let packages = packages.join(",");
    let mut hasher = DefaultHasher::new();
    (&packages, mirror).hash(&mut hasher);
    let images = folder::base().join("images");
    let base = images.join(format!("container-{:016x}.tar", hasher.finish()));
    if base.exists() {
        return Ok(base);
    }
    say::note("a root of Debian 12: one to two minutes, once");
    let work = RunFolder::new()?;
    let tarball = work.path().join("base.tar");
    let done = supervised("mmdebstrap", |command| {
        command
            .args(["--variant=apt", "--mode=root", "--format=tar"])
            .arg("--aptopt=APT::Install-Recommends \"false\"")
            .arg(format!("--include={packages}"))
            .args([SUITE.as_ref(), tarball.as_os_str()])
            .args(sources(mirror))
            .stdout(stderr());
    })?;
    ensure!(done.status.success(), "mmdebstrap failed ({})", done.status);
    fs::create_dir_all(images)?;
    fs::rename(tarball, &base)?;
    Ok(base)
}
