//! The packages for programs that are clients: `libonair1`, which programs in C need to run, `libonair-dev`, with which
//! they are built, and `gstreamer1.0-onair`, the plug-in of GStreamer.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::{BUILT_LIBRARIES, MAINTAINER, REVISION, archive, copy, done, reference, write};
use crate::cargo::{remapped, root};

const CAPI: &str = "userspace/clients/capi";
/// Where Debian has libraries of this architecture.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// The library for programs of the Media Transport Library is built of these, on the other one.
const MTL: &str = "userspace/clients/capi/mtl";

/// Builds the packages of the libraries in `built`, in `work`, and gives them in `out`.
pub(super) fn build(
    built: &Path,
    (work, out): (&Path, &Path),
    epoch: &str,
) -> Result<Vec<PathBuf>> {
    let name = |package: &str| format!("{package}_{REVISION}_amd64");
    let runtime = work.join(name("libonair1"));
    let develop = work.join(name("libonair-dev"));
    let [library, plugin] = BUILT_LIBRARIES;
    let gstreamer = work.join(name("gstreamer1.0-onair"));
    run_time(&built.join(library), &runtime)?;
    development(&develop)?;
    let depends = super::linked(work, &[runtime.join(LIBRARIES).join("libonair.so.1")])?;
    let plugin = self::plugin(&built.join(plugin), &gstreamer)?;
    let plugin_depends = super::linked(work, &[plugin])?;
    control(
        &runtime,
        "libonair1",
        &format!(
            "Section: libs\nDepends: {depends}\nDescription: client library of OnAir\n \
             Programs get frames of the sessions of the media session daemon onaird from\n \
             shared memory with it, or send some. It also has libonair_mtl, for programs\n \
             that were written for the Media Transport Library.\n"
        ),
    )?;
    control(
        &develop,
        "libonair-dev",
        &format!(
            "Section: libdevel\nDepends: libonair1 (= {REVISION})\n\
             Description: client library of OnAir - development files\n \
             Headers for C and C++, manual pages and examples for programs that get frames\n \
             from the media session daemon onaird, or send some. Also the headers with\n \
             which programs of the Media Transport Library are compiled.\n"
        ),
    )?;
    control(
        &gstreamer,
        "gstreamer1.0-onair",
        &format!(
            "Section: video\nDepends: {plugin_depends}\n\
             Description: GStreamer plug-in of OnAir\n \
             The element onairsrc gives a pipeline the frames of a session of the media\n \
             session daemon onaird, in shared memory; onairsink sends those of a pipeline.\n"
        ),
    )?;
    let mut made = Vec::new();
    for package in [&runtime, &develop, &gstreamer] {
        let name = package
            .file_name()
            .context("a named folder")?
            .to_string_lossy();
        let deb = out.join(format!("{name}.deb"));
        archive::deb(package, &deb, epoch)?;
        made.push(deb);
    }
    Ok(made)
}

/// The shared libraries, with the versions of their symbols.
fn run_time(library: &Path, package: &Path) -> Result<()> {
    let folder = package.join(LIBRARIES);
    let (onair, mtl) = (
        folder.join("libonair.so.1"),
        folder.join("libonair_mtl.so.1"),
    );
    copy(library, &onair, 0o644)?;
    compile_mtl(&onair, &mtl)?;
    done(
        Command::new("strip")
            .arg("--strip-unneeded")
            .args([&onair, &mtl]),
    )?;
    let mut symbols = String::new();
    // The compiler makes it executable.
    fs::set_permissions(&mtl, fs::Permissions::from_mode(0o644))?;
    for (path, node) in [(&onair, "ONAIR_1.0"), (&mtl, "ONAIR_MTL_1.0")] {
        let name = path.file_name().context("a file")?.to_string_lossy();
        symbols += &format!("{name} libonair1 #MINVER#\n {node}@{node} 0.1.0\n");
        let listed = done(Command::new("nm").args(["-D", "--defined-only"]).arg(path))?;
        let mut exported: Vec<_> = listed
            .lines()
            .filter_map(|it| it.split(" T ").nth(1))
            .collect();
        exported.sort_unstable();
        ensure!(!exported.is_empty(), "{name} exports nothing");
        for symbol in exported {
            let (symbol, version) = symbol
                .split_once("@@")
                .context("a symbol without a version")?;
            symbols += &format!(" {symbol}@{version} 0.1.0\n");
        }
    }
    let control = package.join("DEBIAN");
    write(&control.join("symbols"), symbols.as_bytes(), 0o644)?;
    let shlibs = "libonair 1 libonair1 (>= 0.1.0)\nlibonair_mtl 1 libonair1 (>= 0.1.0)\n";
    write(&control.join("shlibs"), shlibs.as_bytes(), 0o644)?;
    write(
        &control.join("triggers"),
        b"activate-noawait ldconfig\n",
        0o644,
    )?;
    let two = "# The second library is small, and needs the first one.\nlibonair1: package-name-doesnt-match-sonames *\n";
    documents(package, "libonair1", two)
}

/// The plug-in, where GStreamer looks for it. Gives its file.
fn plugin(library: &Path, package: &Path) -> Result<PathBuf> {
    let own = package.join(LIBRARIES).join("gstreamer-1.0/libgstonair.so");
    copy(library, &own, 0o644)?;
    done(Command::new("strip").arg("--strip-unneeded").arg(&own))?;
    documents(package, "gstreamer1.0-onair", "")?;
    Ok(own)
}

/// Compiles the library for programs of the Media Transport Library.
fn compile_mtl(onair: &Path, to: &Path) -> Result<()> {
    let folder = root().join(MTL);
    let mut sources = Vec::new();
    for file in fs::read_dir(folder.join("src"))? {
        let path = file?.path();
        if path.extension().is_some_and(|it| it == "c") {
            sources.push(path);
        }
    }
    sources.sort();
    let [_, (_, flags)] = remapped();
    let mut gcc = Command::new("gcc");
    gcc.args([
        "-shared",
        "-std=gnu11",
        "-O2",
        "-g",
        "-fPIC",
        "-fvisibility=hidden",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]);
    gcc.args([
        "-Wl,-soname,libonair_mtl.so.1",
        "-Wl,-z,defs,-z,relro,-z,now",
        "-Wl,--build-id=none",
    ])
    .args(flags.split_whitespace())
    .arg(format!(
        "-Wl,--version-script={}",
        folder.join("onair_mtl.map").display()
    ))
    .arg("-I")
    .arg(folder.join("include"))
    .arg("-I")
    .arg(root().join(CAPI).join("include"));
    done(gcc.arg("-o").arg(to).args(sources).arg(onair)).map(drop)
}

/// Headers, links, `.pc` files, manual pages and examples.
fn development(package: &Path) -> Result<()> {
    let capi = root().join(CAPI);
    for name in ["onair.h", "onair.hpp", "onair_av.h"] {
        copy(
            &capi.join("include").join(name),
            &package.join("usr/include").join(name),
            0o644,
        )?;
    }
    tree(
        &root().join(MTL).join("include"),
        &package.join("usr/include/onair-mtl"),
    )?;
    tree(
        &capi.join("examples"),
        &package.join("usr/share/doc/libonair-dev/examples"),
    )?;
    let folder = package.join(LIBRARIES);
    fs::create_dir_all(&folder)?;
    for name in ["libonair.so", "libonair_mtl.so"] {
        symlink(format!("{name}.1"), folder.join(name))?;
    }
    for (from, to) in [
        ("onair.pc.in", "pkgconfig/onair.pc"),
        ("mtl/mtl.pc.in", "onair-mtl/pkgconfig/mtl.pc"),
    ] {
        let text = fs::read_to_string(capi.join(from))?;
        let text = text
            .replace("@PREFIX@", "/usr")
            .replace("@LIBDIR@", &format!("/{LIBRARIES}"));
        let text = text.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
        write(&folder.join(to), text.as_bytes(), 0o644)?;
    }
    let header = fs::read_to_string(capi.join("include/onair.h"))?;
    for (name, page) in reference::pages(&header)? {
        write(
            &package.join("usr/share/man/man3").join(name),
            page.as_bytes(),
            0o644,
        )?;
    }
    let page = super::manual::of_markdown(&root().join(MTL).join("functions.md"), "onair_mtl", 7)?;
    write(
        &package.join("usr/share/man/man7/onair_mtl.7"),
        page.as_bytes(),
        0o644,
    )?;
    for page in ["client.md", "formats.md"] {
        let to = package.join("usr/share/doc/libonair-dev").join(page);
        copy(&root().join("docs").join(page), &to, 0o644)?;
    }
    done(
        Command::new("gzip")
            .args(["--best", "--no-name", "--recursive"])
            .arg(package.join("usr/share/man")),
    )?;
    documents(package, "libonair-dev", "")
}

/// Copies a folder with what is in it.
fn tree(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => tree(&path, &target)?,
            false => copy(&path, &target, 0o644)?,
        }
    }
    Ok(())
}

/// What each package has, with lintian's `overrides`.
pub(super) fn documents(package: &Path, name: &str, overrides: &str) -> Result<()> {
    let overrides = format!(
        "{overrides}# No upload to Debian: no bug of its tracker asks for the package.\n{name}: initial-upload-closes-no-bugs\n"
    );
    let own = package.join("usr/share/lintian/overrides").join(name);
    write(&own, overrides.as_bytes(), 0o644)?;
    let folder = package.join("usr/share/doc").join(name);
    copy(
        &root().join("packaging/debian/copyright"),
        &folder.join("copyright"),
        0o644,
    )?;
    copy(
        &root().join("CHANGELOG.md"),
        &folder.join("changelog"),
        0o644,
    )?;
    write(
        &folder.join("changelog.Debian"),
        super::changes()?.as_bytes(),
        0o644,
    )?;
    let mut gzip = Command::new("gzip");
    gzip.args(["--best", "--no-name"]);
    done(gzip.args(["changelog", "changelog.Debian"].map(|it| folder.join(it)))).map(drop)
}

/// The package's description, with these `fields` beside those that all have.
pub(super) fn control(package: &Path, name: &str, fields: &str) -> Result<()> {
    let text = format!(
        "Package: {name}\nSource: onair\nVersion: {REVISION}\nArchitecture: amd64\nMaintainer: {MAINTAINER}\n\
         Priority: optional\n{fields}"
    );
    write(&package.join("DEBIAN/control"), text.as_bytes(), 0o644)?;
    super::sums(package)
}
