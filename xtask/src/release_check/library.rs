//! Programs that are compiled with what the packages of the library for C install.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::dist::done;
use crate::say;
use crate::vm::folder::RunFolder;

/// The libraries' folder.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// Asks both libraries for something that needs no daemon.
const PROGRAM: &str = "#include <mtl/st_pipeline_api.h>
#include <onair.h>
#include <stdio.h>
int main(void) {
    printf(\"%s %s %zu\\n\", onair_version(), mtl_version(), st_frame_size(ST_FRAME_FMT_V210, 1920, 1080, false));
    return onair_buffer_put(1, NULL) < 0 ? 0 : 1;
}
";

/// Unpacks the packages `debs` into a folder, compiles each example and a program with it, and runs that.
pub(super) fn run(debs: &[PathBuf]) -> Result<()> {
    let folder = RunFolder::new()?;
    let root = folder.path();
    for deb in debs {
        done(Command::new("dpkg-deb").arg("--extract").args([deb, root]))?;
    }
    let examples = root.join("usr/share/doc/libonair-dev/examples");
    let mut count = 0;
    for file in std::fs::read_dir(&examples)? {
        compile(root, &file?.path(), "onair")?;
        count += 1;
    }
    ensure!(count > 3, "{count} examples");
    let source = root.join("program.c");
    std::fs::write(&source, PROGRAM)?;
    let program = compile(root, &source, "mtl onair")?;
    let mut run = Command::new(program);
    let said = done(run.env("LD_LIBRARY_PATH", root.join(LIBRARIES)))?;
    ensure!(said.ends_with(" 5529600\n"), "the program said {said}");
    for page in [
        "man3/onair.3",
        "man3/onair_buffer_get.3",
        "man7/onair_mtl.7",
    ] {
        let page = root.join("usr/share/man").join(format!("{page}.gz"));
        let mut man = Command::new("man");
        let said = done(man.args(["--warnings", "--local-file"]).arg(&page))?;
        ensure!(said.contains("NAME"), "{} is no page", page.display());
    }
    say::good(format_args!(
        "{count} examples and a program of MTL's calls compile; it runs"
    ));
    Ok(())
}

/// Compiles `source` with what pkg-config says of these packages.
fn compile(root: &Path, source: &Path, packages: &str) -> Result<PathBuf> {
    let mut config = Command::new("pkg-config");
    let paths = ["pkgconfig", "onair-mtl/pkgconfig"].map(|it| root.join(LIBRARIES).join(it));
    config
        .env("PKG_CONFIG_LIBDIR", std::env::join_paths(paths)?)
        .env("PKG_CONFIG_SYSROOT_DIR", root);
    let flags = done(
        config
            .args(["--cflags", "--libs"])
            .args(packages.split(' ')),
    )?;
    let is_cpp = source.extension().is_some_and(|it| it == "cpp");
    let to = root.join(source.file_stem().context("a file")?);
    let mut compiler = Command::new(if is_cpp { "g++" } else { "gcc" });
    compiler
        .args(["-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
        .args([&to, source]);
    done(
        compiler
            .args(flags.split_whitespace())
            .arg("-Wl,-rpath-link")
            .arg(root.join(LIBRARIES)),
    )?;
    Ok(to)
}
