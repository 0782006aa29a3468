//! Roots of containers: a tarball of Debian with what our package depends on.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::stderr;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::folder::{self, RunFolder};
use super::image::sources;
use crate::cargo::supervised;
use crate::{dist, say};

/// What the Containerfile installs beside our package: the test `container` builds it in a machine without an archive.
pub(super) const BESIDE: [&str; 2] = ["librte-meta-net", "iproute2"];

/// A tarball of Debian's `suite` with `beside` and what `debs` depend on, and without them; built if there is none of the
/// same inputs.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn base(
    debs: &[PathBuf],
    beside: &[&str],
    (suite, mirror): (&str, &str),
) -> Result<PathBuf> {
    let depends = dist::depends_of(debs)?;
    let packages: Vec<_> = depends
        .iter()
        .map(String::as_str)
        .chain(beside.iter().copied())
        .collect();
    let packages = packages.join(",");
    let mut hasher = DefaultHasher::new();
    (&packages, suite, mirror).hash(&mut hasher);
    let images = folder::base().join("images");
    let base = images.join(format!("container-{:016x}.tar", hasher.finish()));
    if base.exists() {
        return Ok(base);
    }
    say::note(format_args!(
        "a root of Debian's {suite}: one to two minutes, once"
    ));
    let work = RunFolder::new()?;
    let tarball = work.path().join("base.tar");
    let done = supervised("mmdebstrap", |command| {
        command
            .args(["--variant=apt", "--mode=root", "--format=tar"])
            .arg("--aptopt=APT::Install-Recommends \"false\"")
            .arg(format!("--include={packages}"))
            .args([suite.as_ref(), tarball.as_os_str()])
            .args(sources(suite, mirror))
            .stdout(stderr());
    })?;
    ensure!(done.status.success(), "mmdebstrap failed ({})", done.status);
    fs::create_dir_all(images)?;
    fs::rename(tarball, &base)?;
    Ok(base)
}
