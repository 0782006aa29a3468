//! Debian packages that are unpacked below `target`, and not installed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::packages::{PACKAGES, Package, UNPACKED, needed};
use super::{Purpose, apt, apt_in};
use crate::cargo::target;
use crate::say;

/// Where the package lies, as in the root of a machine that has it.
fn folder(package: &str) -> PathBuf {
    target().join("third-party").join(package)
}

/// The packages that one of `purposes` needs and that are not unpacked; nor installed, or about to be, if
/// another purpose installs them.
pub(super) fn missing(purposes: &[Purpose]) -> Result<Vec<Package>> {
    let absent = super::missing(&PACKAGES)?;
    let is_installed = |name| {
        let mut own = PACKAGES.iter().filter(|own| own.name == name);
        own.any(|own| {
            let is_absent = absent.iter().any(|it| it.name == name);
            !is_absent || purposes.iter().any(|purpose| own.is_for(*purpose))
        })
    };
    Ok(needed(UNPACKED, purposes)
        .filter(|package| !folder(package.name).exists() && !is_installed(package.name))
        .collect())
}

/// Downloads and unpacks them.
pub(super) fn when_missing(purposes: &[Purpose]) -> Result<()> {
    for Package { name, reason, .. } in missing(purposes)? {
        say::note(format_args!(
            "{name:<26} {reason} (unpacked, not installed)"
        ));
        let folder = folder(name);
        let work = folder.with_extension("new");
        if work.exists() {
            fs::remove_dir_all(&work)?;
        }
        fs::create_dir_all(&work)?;
        if apt_in(&work, &["download", name]).is_err() {
            apt(&["update"])?;
            apt_in(&work, &["download", name])?;
        }
        let archive = fs::read_dir(&work)?
            .next()
            .context("apt-get left no file")??;
        let status = Command::new("dpkg-deb")
            .arg("--extract")
            .args([archive.path(), work.clone()])
            .status()
            .context("running dpkg-deb")?;
        ensure!(status.success(), "dpkg-deb --extract failed ({status})");
        fs::remove_file(archive.path())?;
        // Whole, or not there.
        fs::rename(&work, &folder)?;
    }
    Ok(())
}
