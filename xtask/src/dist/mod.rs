//! `cargo xtask dist`: a Debian package, a tarball of the same files, the packages of the libraries for C, the Python
//! wheel, a list of what they are made of (SBOM), and the checksums. `--check` tries the package as an operator uses it.

mod archive;
mod library;
mod manual;
mod reference;
mod sbom;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cargo::{self, root};
use crate::{python, say, setup};

/// Builds the Debian packages, a tarball of the files of onair, an SBOM, the Python wheel, and their checksums
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask dist
  cargo xtask dist --out /tmp/dist --sign KEYID
  cargo xtask dist --check                       before a release
  apt install ./target/dist/onair_*.deb          then: onairctl doctor

It installs the packages that it needs (`cargo xtask setup --for dist --check` lists them).")]
pub(crate) struct Arguments {
    /// Take the programs of this folder, and libonair_capi.so, and build nothing
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// Sign the checksums with this key of gpg
    #[arg(long, value_name = "KEYID")]
    sign: Option<String>,
    /// Where the files go
    #[arg(long, value_name = "FOLDER", default_value = "target/dist")]
    out: PathBuf,
    /// Check the package: lintian; upgrades, downgrades and removals under sessions on air; the demo and the whole-system
    /// tests with its programs. About half an hour
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) const PROGRAMS: [&str; 3] = ["onaird", "onairctl", "onair-waiters"];
/// The library for C, as cargo names it.
pub(crate) const LIBRARY: &str = "libonair_capi.so";
/// Files of the tree, each with its place in the package.
const FILES: &str = "packaging/debian/install";
/// A shell, and where its completions go.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/onairctl"),
    ("zsh", "usr/share/zsh/vendor-completions/_onairctl"),
    ("fish", "usr/share/fish/vendor_completions.d/onairctl.fish"),
];
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
/// Debian's first build of this version.
const REVISION: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");
/// No mailbox (RFC 2606).
const MAINTAINER: &str = "The OnAir authors <onair@onair.invalid>";

/// What was made, and of what.
pub(crate) struct Made {
    pub(crate) deb: PathBuf,
    /// `libonair1`, `libonair-dev`.
    pub(crate) libraries: Vec<PathBuf>,
    pub(crate) programs: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Made> {
    setup::when_missing(match arguments.check {
        true => setup::Purpose::Check,
        false => setup::Purpose::Dist,
    })?;
    let programs = match &arguments.programs {
        Some(folder) => folder.clone(),
        None => {
            say::step("Programs");
            cargo::build_shipped()?
        }
    };
    say::step("Packages");
    let library = programs.join(LIBRARY);
    let (deb, libraries) = build_with(&programs, Some(&library), &arguments.out)?;
    let out = deb.parent().context("a file in a folder")?;
    add_wheel(out)?;
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
        libraries,
        programs,
    })
}

/// Makes the package of these programs, the tarball, the SBOM and the checksums in `out`, which is
/// emptied first. Returns the package.
pub(crate) fn build(programs: &Path, out: &Path) -> Result<PathBuf> {
    Ok(build_with(programs, None, out)?.0)
}

/// As [`build`], and the packages of the library for C.
fn build_with(
    programs: &Path,
    library: Option<&Path>,
    out: &Path,
) -> Result<(PathBuf, Vec<PathBuf>)> {
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    let (name, epoch) = (format!("onair_{REVISION}_amd64"), archive::epoch()?);
    archive::fix_modes();
    let [deb, tarball, sbom] = ["deb", "tar.xz", "cdx.json"].map(|it| format!("{name}.{it}"));
    fs::create_dir_all(out.join("work"))?;
    let out = out.canonicalize()?;
    let work = out.join("work");
    let package = work.join(&name);
    lay_out(programs, &package)?;
    archive::tar(&work, &name, &out.join(&tarball), &epoch)?;
    describe(&package, &depends(&work, &package)?)?;
    archive::deb(&package, &out.join(&deb), &epoch)?;
    let libraries = match library {
        Some(library) => library::build(library, (&work, &out), &epoch)?.to_vec(),
        None => Vec::new(),
    };
    fs::remove_dir_all(&work)?;
    sbom::write(&out.join(&sbom), &depends_of(&out.join(&deb))?)?;
    let mut sums = Command::new("sha256sum");
    sums.args([&deb, &tarball, &sbom]);
    sums.args(libraries.iter().filter_map(|it| it.file_name()));
    fs::write(out.join("SHA256SUMS"), done(sums.current_dir(&out))?)?;
    Ok((out.join(deb), libraries))
}

/// Adds the Python wheel and its checksum.
fn add_wheel(out: &Path) -> Result<()> {
    let epoch = archive::epoch()?;
    let [flags, c_flags] = cargo::remapped();
    let variables = [flags, c_flags, ("SOURCE_DATE_EPOCH", epoch.as_str())];
    let how = (cargo::Manner::InFront, cargo::SHIPPED);
    let wheel = python::wheel(how, &out.join("wheel"), &variables)?;
    let name = wheel.file_name().context("a file")?;
    fs::rename(&wheel, out.join(name))?;
    fs::remove_dir(out.join("wheel"))?;
    let sum = done(Command::new("sha256sum").arg(name).current_dir(out))?;
    let sums = out.join("SHA256SUMS");
    let all = fs::read_to_string(&sums)? + &sum;
    Ok(fs::write(sums, all)?)
}

/// Puts every file at its place below `package`.
fn lay_out(programs: &Path, package: &Path) -> Result<()> {
    for name in PROGRAMS {
        let own = package.join("usr/bin").join(name);
        copy(&programs.join(name), &own, 0o755)?;
        // The names of functions stay: they show in a backtrace.
        done(Command::new("strip").arg("--strip-debug").arg(&own))?;
    }
    let files = fs::read_to_string(root().join(FILES)).context(FILES)?;
    for line in files.lines().filter(|it| !it.starts_with('#')) {
        let (from, to) = line.split_once(' ').context(FILES)?;
        copy(&root().join(from), &package.join(to), 0o644)?;
    }
    for (shell, to) in COMPLETIONS {
        let script = done(Command::new(programs.join("onairctl")).args(["completions", shell]))?;
        write(&package.join(to), script.as_bytes(), 0o644)?;
    }
    manual::write(programs, package)?;
    let documents = package.join("usr/share/doc/onair");
    let debian = documents.join("changelog.Debian");
    write(&debian, changes()?.as_bytes(), 0o644)?;
    let mut gzip = Command::new("gzip");
    gzip.args(["--best", "--no-name", "--recursive"]);
    gzip.arg(package.join("usr/share/man"));
    done(gzip.args(["changelog", "changelog.Debian"].map(|name| documents.join(name))))?;
    Ok(())
}

/// Debian's changelog.
fn changes() -> Result<String> {
    let date = done(Command::new("date").args(["--utc", "--rfc-email"]))?;
    Ok(format!(
        "onair ({REVISION}) bookworm; urgency=medium\n\n  * What changed: changelog.gz.\n\n -- {MAINTAINER}  {date}"
    ))
}

/// What these files link, as a `Depends` field.
fn linked(work: &Path, files: &[PathBuf]) -> Result<String> {
    // dpkg-shlibdeps wants a source package around it.
    write(
        &work.join("debian/control"),
        b"Source: onair\n\nPackage: onair\nArchitecture: amd64\n",
        0o644,
    )?;
    let text = done(
        Command::new("dpkg-shlibdeps")
            .arg("-O")
            .args(files)
            .current_dir(work),
    )?;
    let linked = text.trim().strip_prefix("shlibs:Depends=");
    linked
        .map(str::to_owned)
        .with_context(|| format!("dpkg-shlibdeps printed {text}"))
}

/// What the programs link and load, as a `Depends` field.
fn depends(work: &Path, package: &Path) -> Result<String> {
    let linked = linked(
        work,
        &PROGRAMS.map(|name| package.join("usr/bin").join(name)),
    )?;
    // DPDK's drivers are plugins; their packages have the number of its ABI.
    let abi = linked
        .split(", ")
        .find_map(|it| it.strip_prefix("librte-eal")?.split(' ').next())
        .context("the daemon does not link DPDK")?;
    let plugins =
        ["mempool-ring", "net-af-xdp", "net-af-packet"].map(|it| format!("librte-{it}{abi}"));
    Ok(format!("{linked}, {}", plugins.join(", ")))
}

/// The packages that the package `deb` depends on, without versions.
pub(crate) fn depends_of(deb: &Path) -> Result<Vec<String>> {
    let text = done(
        Command::new("dpkg-deb")
            .arg("-f")
            .args([deb, "Depends".as_ref()]),
    )?;
    let names = text
        .split(',')
        .filter_map(|it| it.split_whitespace().next());
    Ok(names.map(str::to_owned).collect())
}

fn describe(package: &Path, depends: &str) -> Result<()> {
    let control = format!(
        "Package: onair\nVersion: {REVISION}\nArchitecture: amd64\nMaintainer: {MAINTAINER}\n\
         Section: video\nPriority: optional\nDepends: {depends}\n\
         Recommends: dpdk, iproute2, librte-meta-net\n\
         Description: media session daemon for SMPTE ST 2110\n \
         onaird moves ST 2110 media through DPDK on pinned cores and hands frames to\n \
         other processes through shared memory. It destroys a session only after\n \
         counters and an eBPF probe say that it has no users, and issues a certificate\n \
         of that.\n"
    );
    let folder = package.join("DEBIAN");
    write(&folder.join("control"), control.as_bytes(), 0o644)?;
    write(
        &folder.join("conffiles"),
        b"/etc/onair/onaird.toml\n/etc/needrestart/conf.d/onair.conf\n",
        0o644,
    )?;
    sums(package)?;
    for name in SCRIPTS {
        copy(
            &root().join("packaging/debian").join(name),
            &folder.join(name),
            0o755,
        )?;
    }
    Ok(())
}

/// For `dpkg --verify`.
fn sums(package: &Path) -> Result<()> {
    let mut sums = Command::new("sh");
    let line = "find * -path DEBIAN -prune -o -type f -exec md5sum {} + > DEBIAN/md5sums";
    done(sums.args(["-c", line]).current_dir(package)).map(drop)
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
