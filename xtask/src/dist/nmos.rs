//! The package `onair-nmos`: a program beside the daemon, with a user and a unit of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{REVISION, archive, copy, done, library, manual};
use crate::cargo::root;

pub(crate) const PROGRAM: &str = "onair-nmos";
/// Files of the tree, each with its place in the package.
const FILES: &str = "packaging/debian/onair-nmos.install";
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Builds the package of the program in `built`, in `work`, and gives it in `out`.
pub(super) fn build(built: &Path, (work, out): (&Path, &Path), epoch: &str) -> Result<PathBuf> {
    let name = format!("{PROGRAM}_{REVISION}_amd64");
    let package = work.join(&name);
    super::program(built, PROGRAM, &package)?;
    super::files(FILES, &package)?;
    manual::command(built, &package, PROGRAM, 8)?;
    let mut gzip = Command::new("gzip");
    gzip.args(["--best", "--no-name", "--recursive"]);
    done(gzip.arg(package.join("usr/share/man")))?;
    let overrides = "# The names of functions stay: they show in the backtrace of a crash.\n\
                     onair-nmos: unstripped-binary-or-object\n";
    library::documents(&package, PROGRAM, overrides)?;
    for script in SCRIPTS {
        let from = root().join(format!("packaging/debian/{PROGRAM}.{script}"));
        copy(&from, &package.join("DEBIAN").join(script), 0o755)?;
    }
    super::write(
        &package.join("DEBIAN/conffiles"),
        b"/etc/onair/nmos.toml\n",
        0o644,
    )?;
    let linked = super::linked(work, &[package.join("usr/bin").join(PROGRAM)])?;
    let version = env!("CARGO_PKG_VERSION");
    let fields = format!(
        "Section: video\nDepends: {linked}, onair (>= {version})\n\
         Description: NMOS node of OnAir\n \
         onair-nmos shows the sessions of the media session daemon onaird to the NMOS\n \
         controllers of a facility (IS-04, IS-05), which switch them. It needs no\n \
         privilege but the daemon's control socket.\n"
    );
    library::control(&package, PROGRAM, &fields)?;
    let deb = out.join(format!("{name}.deb"));
    archive::deb(&package, &deb, epoch)?;
    Ok(deb)
}
