//! The packages of programs beside the daemon, each with a user and a unit of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{REVISION, archive, copy, done, library, manual};
use crate::cargo::root;

/// A program beside the daemon.
#[derive(Clone, Copy)]
pub(crate) struct Beside {
    /// Its name, which is the package's.
    pub(crate) program: &'static str,
    /// The file that an operator edits.
    settings: Option<&'static str>,
    /// Description of the package, as Debian has it.
    description: &'static str,
}

/// The NMOS node.
pub(crate) const NMOS: Beside = Beside {
    program: "onair-nmos",
    settings: Some("/etc/onair/nmos.toml"),
    description: "NMOS node of OnAir\n \
        onair-nmos shows the sessions of the media session daemon onaird to the NMOS\n \
        controllers of a facility (IS-04, IS-05), which switch them. It needs no\n \
        privilege but the daemon's control socket.\n",
};
/// The wall.
pub(crate) const WALL: Beside = Beside {
    program: "onair-wall",
    settings: None,
    description: "sessions of OnAir in a browser\n \
        onair-wall shows the sessions of the media session daemon onaird as a web page:\n \
        pictures, meters, lamps, and what is wrong. It needs no privilege but the\n \
        daemon's sockets.\n",
};
/// The flows of an MXL domain.
pub(crate) const MXL: Beside = Beside {
    program: "onair-mxl",
    settings: Some("/etc/onair/mxl.toml"),
    description: "MXL flows of OnAir\n \
        onair-mxl carries sessions of the media session daemon onaird into a domain of\n \
        the Media eXchange Layer, and flows of the domain into sessions. It loads the\n \
        MXL library (libmxl.so.1), which is not part of this package.\n",
};
/// All.
pub(crate) const ALL: [Beside; 3] = [NMOS, WALL, MXL];

const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Builds the package of the program in `built`, in `work`, and gives it in `out`.
pub(super) fn build(
    it: Beside,
    built: &Path,
    (work, out): (&Path, &Path),
    epoch: &str,
) -> Result<PathBuf> {
    let program = it.program;
    let name = format!("{program}_{REVISION}_amd64");
    let package = work.join(&name);
    super::program(built, program, &package)?;
    super::files(&format!("packaging/debian/{program}.install"), &package)?;
    manual::command(built, &package, program, 8)?;
    let mut gzip = Command::new("gzip");
    gzip.args(["--best", "--no-name", "--recursive"]);
    done(gzip.arg(package.join("usr/share/man")))?;
    let overrides = format!(
        "# The names of functions stay: they show in the backtrace of a crash.\n\
         {program}: unstripped-binary-or-object\n"
    );
    library::documents(&package, program, &overrides)?;
    for script in SCRIPTS {
        let from = root().join(format!("packaging/debian/{program}.{script}"));
        copy(&from, &package.join("DEBIAN").join(script), 0o755)?;
    }
    if let Some(settings) = it.settings {
        let line = format!("{settings}\n");
        super::write(&package.join("DEBIAN/conffiles"), line.as_bytes(), 0o644)?;
    }
    let linked = super::linked(work, &[package.join("usr/bin").join(program)])?;
    let version = env!("CARGO_PKG_VERSION");
    let fields = format!(
        "Section: video\nDepends: {linked}, onair (>= {version})\nDescription: {}",
        it.description
    );
    library::control(&package, program, &fields)?;
    let deb = out.join(format!("{name}.deb"));
    archive::deb(&package, &deb, epoch)?;
    Ok(deb)
}
