//! The packages of programs beside the daemon, each with a user and a unit of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{REVISION, archive, copy, done, library, manual};
use crate::cargo::root;

const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// A program with a package of its own name.
pub(crate) struct Beside {
    pub(crate) program: &'static str,
    settings: &'static str,
    /// Fields of `Description`.
    description: &'static str,
}

/// The NMOS node.
pub(crate) const NMOS: Beside = Beside {
    program: "onair-nmos",
    settings: "/etc/onair/nmos.toml\n",
    description: "NMOS node of OnAir\n \
                  onair-nmos shows the sessions of the media session daemon onaird to the NMOS\n \
                  controllers of a facility (IS-04, IS-05), which switch them. It needs no\n \
                  privilege but the daemon's control socket.\n",
};

/// The flows of an MXL domain.
pub(crate) const MXL: Beside = Beside {
    program: "onair-mxl",
    settings: "/etc/onair/mxl.toml\n",
    description: "MXL flows of OnAir\n \
                  onair-mxl carries sessions of the media session daemon onaird into a domain of\n \
                  the Media eXchange Layer, and flows of the domain into sessions. It loads the\n \
                  MXL library (libmxl.so.1), which is not part of this package.\n",
};

impl Beside {
    /// Builds the package of the program in `built`, in `work`, and gives it in `out`.
    pub(super) fn build(
        &self,
        built: &Path,
        (work, out): (&Path, &Path),
        epoch: &str,
    ) -> Result<PathBuf> {
        let program = self.program;
        let name = format!("{program}_{REVISION}_amd64");
        let package = work.join(&name);
        super::program(built, program, &package)?;
        // Files of the tree, each with its place in the package.
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
        let settings = self.settings.as_bytes();
        super::write(&package.join("DEBIAN/conffiles"), settings, 0o644)?;
        let linked = super::linked(work, &[package.join("usr/bin").join(program)])?;
        let version = env!("CARGO_PKG_VERSION");
        let fields = format!(
            "Section: video\nDepends: {linked}, onair (>= {version})\nDescription: {}",
            self.description
        );
        library::control(&package, program, &fields)?;
        let deb = out.join(format!("{name}.deb"));
        archive::deb(&package, &deb, epoch)?;
        Ok(deb)
    }
}
