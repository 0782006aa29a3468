//! `cargo xtask dist`: a Debian package, a tarball of the same files, the packages of the programs beside the daemon, of the libraries
//! for C and of the GStreamer plug-in, the Python wheel, a list of what they are made of (SBOM), and the checksums. `--check`
//! tries the packages as their users do.
//!
//! What is in a package, and how debhelper makes it, says `packaging/debian`.

mod archive;
mod manual;
mod page;
mod reference;
mod sbom;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;

use crate::cargo::{self, root};
use crate::{python, say, setup};

/// Builds the Debian packages, a tarball of the files of onair, an SBOM, the Python wheel, and their checksums
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask dist
  cargo xtask dist --out /tmp/dist --sign KEYID
  cargo xtask dist --check                       before a release
  cargo xtask dist --programs target/release-lto --check=lintian,clients
  apt install ./target/dist/onair_*.deb          then: onairctl doctor

It installs the packages that it needs (`cargo xtask setup --for dist --check` lists them).")]
pub(crate) struct Arguments {
    /// Take the programs and libraries of this folder, and build only the wheel
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// Leave out the Python wheel, which asks for a build environment from PyPI
    #[arg(long, conflicts_with = "check")]
    without_wheel: bool,
    /// Sign the checksums with this key of gpg
    #[arg(long, value_name = "KEYID")]
    sign: Option<String>,
    /// Where the files go
    #[arg(long, value_name = "FOLDER", default_value = "target/dist")]
    out: PathBuf,
    /// Check the packages, or only STEPs of that. All take about an hour
    #[arg(long, value_name = "STEP", num_args = 0.., require_equals = true, value_delimiter = ',')]
    pub(crate) check: Option<Vec<Step>>,
}

/// A part of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Debian's rules
    Lintian,
    /// A second build of the commit in another folder has the same bytes
    Again,
    /// The crates of the client library, from their tarballs
    Crates,
    /// The packages of the libraries on Debian 13
    Clients,
    /// Upgrades, downgrades and removals under sessions on air, and clients of the packaged daemon, on Debian 12
    LifeCycle,
    /// The package built on Debian 13, and its life cycle there
    Later,
    /// The demo with the packages' programs
    Demo,
    /// The whole-system tests with the packages' programs
    Tests,
}

pub(crate) use archive::epoch;

pub(crate) const PROGRAMS: [&str; 4] = ["onaird", "onairctl", "onair-convert", "onair-waiters"];
/// The library for C and the plug-in of GStreamer, as cargo names them.
pub(crate) const BUILT_LIBRARIES: [&str; 2] = ["libonair_capi.so", "libgstonair.so"];
/// The programs beside the daemon, each with a package of its name.
pub(crate) const BESIDE: [&str; 3] = ["onair-nmos", "onair-wall", "onair-mxl"];
/// The packages of the libraries.
const LIBRARIES: [&str; 3] = ["libonair1", "libonair-dev", "gstreamer1.0-onair"];
/// What debhelper reads.
const DEBIAN: &str = "packaging/debian";
/// Debian's first build of this version.
const REVISION: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");
/// No mailbox (RFC 2606).
const MAINTAINER: &str = "The OnAir authors <onair@onair.invalid>";

/// What was made, and of what.
pub(crate) struct Made {
    pub(crate) deb: PathBuf,
    /// `onair-nmos`.
    pub(crate) nmos: PathBuf,
    /// `onair-wall`.
    pub(crate) wall: PathBuf,
    /// `onair-mxl`.
    pub(crate) mxl: PathBuf,
    /// `libonair1`, `libonair-dev`, `gstreamer1.0-onair`.
    pub(crate) libraries: Vec<PathBuf>,
    /// If one was wanted.
    pub(crate) wheel: Option<PathBuf>,
    pub(crate) programs: PathBuf,
}

impl Made {
    /// The Debian packages.
    pub(crate) fn packages(&self) -> Vec<PathBuf> {
        let own = [&self.deb, &self.nmos, &self.wall, &self.mxl].map(PathBuf::clone);
        [&self.libraries[..], &own].concat()
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Made> {
    setup::when_missing(match arguments.check {
        Some(_) => setup::Purpose::Check,
        None => setup::Purpose::Dist,
    })?;
    let programs = match &arguments.programs {
        Some(folder) => folder.clone(),
        None => {
            say::step("Programs");
            cargo::build_shipped()?
        }
    };
    say::step("Packages");
    let ([deb, nmos, wall, mxl], libraries) = build_with(&programs, true, &arguments.out)?;
    let out = deb.parent().context("a file in a folder")?;
    let wheel = match arguments.without_wheel {
        true => None,
        false => Some(add_wheel(out)?),
    };
    if let Some(key) = &arguments.sign {
        archive::sign(Command::new("gpg"), out, key)?;
    }
    for entry in fs::read_dir(out)? {
        let entry = entry?;
        let kb = entry.metadata()?.len() / 1024;
        say::good(format_args!("{} ({kb} kB)", entry.path().display()));
    }
    Ok(Made {
        deb,
        nmos,
        wall,
        mxl,
        libraries,
        wheel,
        programs,
    })
}

/// Makes the packages `onair`, `onair-nmos`, `onair-wall` and `onair-mxl` of these programs, the tarball, the SBOM and the
/// checksums in `out`, which is emptied first. Returns these packages.
pub(crate) fn build(programs: &Path, out: &Path) -> Result<[PathBuf; 4]> {
    Ok(build_with(programs, false, out)?.0)
}

/// As [`build`], and the packages of the libraries.
fn build_with(
    programs: &Path,
    has_libraries: bool,
    out: &Path,
) -> Result<([PathBuf; 4], Vec<PathBuf>)> {
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    archive::fix_modes();
    fs::create_dir_all(out.join("work"))?;
    let (out, epoch) = (out.canonicalize()?, epoch()?);
    let work = out.join("work");
    lay_out(programs, &work)?;
    let mut rules = Command::new(work.join("debian/rules"));
    rules.arg("binary").env("SOURCE_DATE_EPOCH", &epoch);
    // Else debhelper wants root.
    rules.env("DEB_RULES_REQUIRES_ROOT", "no");
    if !has_libraries {
        rules.env(
            "DH_OPTIONS",
            LIBRARIES.map(|it| format!("-N{it}")).join(" "),
        );
    }
    done(rules.current_dir(&work))?;
    let deb = |package: &str| out.join(format!("{package}_{REVISION}_amd64.deb"));
    let [nmos, wall, mxl] = BESIDE.map(deb);
    let own = [deb("onair"), nmos, wall, mxl];
    let libraries = match has_libraries {
        true => LIBRARIES.map(deb).to_vec(),
        false => Vec::new(),
    };
    let name = format!("onair_{REVISION}_amd64");
    let [tarball, sbom] = ["tar.xz", "cdx.json"].map(|it| format!("{name}.{it}"));
    fs::rename(work.join("debian/onair"), work.join(&name))?;
    fs::remove_dir_all(work.join(&name).join("DEBIAN"))?;
    archive::tar(&work, &name, &out.join(&tarball), &epoch)?;
    fs::remove_dir_all(&work)?;
    let packages = [&libraries[..], &own].concat();
    sbom::write(&out.join(&sbom), &depends_of(&packages)?)?;
    let mut sums = Command::new("sha256sum");
    sums.args([&tarball, &sbom]);
    sums.args(packages.iter().filter_map(|it| it.file_name()));
    fs::write(out.join("SHA256SUMS"), done(sums.current_dir(&out))?)?;
    Ok((own, libraries))
}

/// Adds the Python wheel and its checksum. Returns it.
fn add_wheel(out: &Path) -> Result<PathBuf> {
    let epoch = epoch()?;
    let [flags, c_flags] = cargo::remapped();
    let variables = [flags, c_flags, ("SOURCE_DATE_EPOCH", epoch.as_str())];
    let how = (cargo::Manner::InFront, cargo::SHIPPED);
    let wheel = python::wheel(how, &out.join("wheel"), &variables, &[])?;
    let name = wheel.file_name().context("a file")?;
    let own = out.join(name);
    fs::rename(&wheel, &own)?;
    fs::remove_dir(out.join("wheel"))?;
    let sum = done(Command::new("sha256sum").arg(name).current_dir(out))?;
    let sums = out.join("SHA256SUMS");
    let all = fs::read_to_string(&sums)? + &sum;
    fs::write(sums, all)?;
    Ok(own)
}

/// Puts what `debian/rules` reads into `work`.
fn lay_out(programs: &Path, work: &Path) -> Result<()> {
    let debian = work.join("debian");
    for file in fs::read_dir(root().join(DEBIAN))? {
        let file = file?;
        let mode = file.metadata()?.permissions().mode();
        copy(&file.path(), &debian.join(file.file_name()), mode)?;
    }
    write(&debian.join("changelog"), changes()?.as_bytes(), 0o644)?;
    symlink(root(), work.join("source"))?;
    symlink(programs.canonicalize()?, work.join("programs"))?;
    for package in page::PACKAGES {
        let pages = page::of(package)?;
        for name in &pages {
            let text = fs::read_to_string(root().join("docs").join(name));
            let text = page::packaged(&text.with_context(|| name.clone())?, &pages);
            let to = work.join("pages").join(package).join(name);
            write(&to, text.as_bytes(), 0o644)?;
        }
    }
    manual::write(programs, &work.join("man"))
}

/// Debian's changelog.
fn changes() -> Result<String> {
    // Not of the build: two builds of one commit are the same.
    let at = format!("--date=@{}", epoch()?);
    let date = done(Command::new("date").args(["--utc", "--rfc-email", &at]))?;
    Ok(format!(
        "onair ({REVISION}) bookworm; urgency=medium\n\n  * What changed: changelog.gz.\n\n -- {MAINTAINER}  {date}"
    ))
}

/// The packages of others that the packages `debs` depend on, without versions.
pub(crate) fn depends_of(debs: &[PathBuf]) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for deb in debs {
        let mut dpkg = Command::new("dpkg-deb");
        let text = done(dpkg.arg("-f").arg(deb).arg("Depends"))?;
        let names = text
            .split(',')
            .filter_map(|it| it.split_whitespace().next());
        all.extend(names.filter(|it| !it.contains("onair")).map(str::to_owned));
    }
    Ok(all)
}

pub(crate) fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    write(to, &bytes, mode)
}

fn write(to: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let folder = to.parent().context("a file in a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(to, bytes)?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// Runs a command to its end, and returns what it printed.
pub(crate) fn done(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => bail!("cannot run {program}: {error}. `cargo xtask setup` installs it"),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{program} failed: {}",
        errors.trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}
