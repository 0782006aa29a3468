//! Running cargo, and other long commands, as children that end when we do.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};
use onair_stage::{Run, end_run, guard};
use serde_json::Value;

use crate::say;

/// What the demo starts: the packages, and of these the programs.
const DEMO: [&str; 22] = [
    "--package",
    "onaird",
    "--package",
    "onairctl",
    "--package",
    "onair-convert",
    "--package",
    "onair-waiters",
    "--package",
    "onair-tests",
    "--bin",
    "onaird",
    "--bin",
    "onairctl",
    "--bin",
    "onair-convert",
    "--bin",
    "onair-waiters",
    "--bin",
    "onair-client",
    "--bin",
    "onair-verify",
];
/// The program of the whole-system tests: `tests/tests`.
pub(crate) const SYSTEM_TESTS: &str = "system";
/// The unit tests of all packages. Doc tests are built when they run.
pub(crate) const UNIT_TESTS: [&str; 2] = ["test", "--workspace"];
/// All programs. With a test of whole systems it takes the crates that [`UNIT_TESTS`] has built: for fewer packages, or
/// without their tests, each crate would be built once more, with other features.
pub(crate) const PROGRAMS: [&str; 5] = ["build", "--profile", TESTED, "--workspace", "--bins"];
/// The profile of the tests and of the programs that they start.
pub(crate) const TESTED: &str = "test";
/// What runs a program with the lowest priority, among the sessions and in its own, and with its errors in its
/// output: `sh -c LOWEST sh PROGRAM ARGUMENTS`.
const LOWEST: &str = "{ echo 19 >/proc/self/autogroup; } 2>/dev/null; exec nice -n 19 \"$@\" 2>&1";
/// A test program may need this long to take its own stage down.
const GRACE: Duration = Duration::from_secs(30);

/// How a long command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// By itself, with its output where ours goes.
    InFront,
    /// While something else does: with the lowest priority, and its output is shown only if it fails.
    Beside,
}

/// The root of the workspace that `cargo xtask` was called in. A program that was copied with its tree, or
/// that is called without cargo, knows only the one that it was built in.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let parent = |folder: &Path| folder.parent().map(Path::to_owned);
        let called = env::var_os("CARGO_MANIFEST_DIR").and_then(|own| parent(own.as_ref()));
        called
            .filter(|root| root.join("xtask/Cargo.toml").exists())
            .or_else(|| parent(env!("CARGO_MANIFEST_DIR").as_ref()))
            .expect("xtask lies in the workspace's folder")
    });
    &ROOT
}

/// Runs `cargo` with `arguments`; its output goes where ours goes.
///
/// # Errors
/// When it ends with a status other than 0.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    cargo_with(Manner::InFront, arguments, &[])
}

/// Like [`cargo`], in a manner of one's own and with additional environment variables.
///
/// # Errors
/// As [`cargo`].
pub(crate) fn cargo_with(
    manner: Manner,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<()> {
    let variables: String = environment
        .iter()
        .map(|(name, value)| format!("{name}='{value}' "))
        .collect();
    let line = format!("{variables}cargo {}", arguments.join(" "));
    say::command(&line);
    let done = supervised_as(manner, "cargo", |command| {
        command.args(arguments).envs(environment.iter().copied());
    })?;
    if !done.status.success() {
        bail!("`{line}` failed ({})", done.status);
    }
    Ok(())
}

/// Builds the test programs `names` with all programs that they start, and gives cargo's messages.
///
/// # Errors
/// When the build fails.
pub(crate) fn tests_with_programs(manner: Manner, names: &[&str]) -> Result<Vec<Value>> {
    let mut line = PROGRAMS.to_vec();
    line.extend(names.iter().flat_map(|name| ["--test", name]));
    messages_with(manner, &line, &[])
}

/// Builds the program of the kill matrix, with the points at which it dies.
pub(crate) const VICTIM: [&str; 7] = [
    "build",
    "--profile",
    TESTED,
    "--package",
    "onair-victim",
    "--features",
    "labels",
];
/// The profile of what ships and of what the bench measures.
pub(crate) const SHIPPED: &str = "release-lto";
/// Flags of rustc, between them [`SEPARATOR`].
const RUSTFLAGS: &str = "CARGO_ENCODED_RUSTFLAGS";
const SEPARATOR: &str = "\u{1f}";

/// Builds the programs that the demo starts, and gives their paths.
///
/// # Errors
/// When the build fails.
pub(crate) fn build() -> Result<Vec<PathBuf>> {
    programs("dev", &DEMO, &[])
}

/// Builds the simulator, and gives its program.
///
/// # Errors
/// When the build fails.
pub(crate) fn build_simulator() -> Result<PathBuf> {
    let built = programs(TESTED, &["--package", "onair-sim", "--bins"], &[])?;
    Ok(program(&built, "onair-sim")?.to_owned())
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    root().join(target)
}

/// Builds the programs and libraries that ship, and gives their folder.
///
/// # Errors
/// When the build fails.
pub(crate) fn build_shipped() -> Result<PathBuf> {
    // Each by itself: it must not have features that only another one asks for.
    for package in [
        "onair-capi",
        "onair-gst",
        "onair-mxl",
        "onair-nmos",
        "onair-wall",
    ] {
        let line = ["build", "--profile", SHIPPED, "--package", package];
        cargo_with(Manner::InFront, &line, &remapped())?;
    }
    let built = programs(SHIPPED, &["--bins"], &remapped())?;
    let folder = program(&built, "onaird")?.parent();
    Ok(folder.context("a program in a folder")?.to_owned())
}

/// Flags of rustc and of the C compiler with which a program has no path of the machine that built it, and is the same
/// when it is built in another folder.
pub(crate) fn remapped() -> [(&'static str, &'static str); 2] {
    static FLAGS: LazyLock<[String; 2]> = LazyLock::new(|| {
        let words = |name| env::var(name).unwrap_or_default();
        let mut rust: Vec<_> = words("RUSTFLAGS").split(' ').map(str::to_owned).collect();
        rust.extend(words(RUSTFLAGS).split(SEPARATOR).map(str::to_owned));
        let mut c = words("CFLAGS");
        let home = env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
        let cargo = env::var_os("CARGO_HOME").map(PathBuf::from).or(home);
        for (folder, name) in [(Some(root().to_owned()), "onair"), (cargo, "cargo")] {
            let Some(folder) = folder else { continue };
            let map = format!("{}=/{name}", folder.display());
            rust.push(format!("--remap-path-prefix={map}"));
            c += &format!(" -ffile-prefix-map={map}");
        }
        // It would cover the debug information, which differs.
        rust.push("-Clink-arg=-Wl,--build-id=none".to_owned());
        rust.retain(|it| !it.is_empty());
        [rust.join(SEPARATOR), c]
    });
    let [rust, c] = &*FLAGS;
    [(RUSTFLAGS, rust), ("CFLAGS", c)]
}

/// Builds packages, and gives the paths of their programs.
///
/// # Errors
/// When the build fails.
pub(crate) fn programs(
    profile: &str,
    packages: &[&str],
    environment: &[(&str, &str)],
) -> Result<Vec<PathBuf>> {
    let mut line = vec!["build", "--profile", profile];
    line.extend(packages);
    let programs = messages_with(Manner::InFront, &line, environment)?
        .iter()
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .collect();
    Ok(programs)
}

/// The absolute paths of the files of `folder`, where an earlier build has left its programs.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn programs_in(folder: &Path) -> Result<Vec<PathBuf>> {
    folder
        .canonicalize()
        .and_then(fs::read_dir)
        .with_context(|| format!("reading {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect()
}

/// Runs `cargo` with `arguments` and gives the messages that it has for programs, a build's
/// results among them.
///
/// # Errors
/// When it fails.
pub(crate) fn messages(arguments: &[&str]) -> Result<Vec<Value>> {
    messages_with(Manner::InFront, arguments, &[])
}

/// Like [`messages`], in a manner of one's own and with additional environment variables.
///
/// # Errors
/// As [`messages`].
pub(crate) fn messages_with(
    manner: Manner,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<Vec<Value>> {
    let line = format!("cargo {}", arguments.join(" "));
    say::command(&line);
    let done = supervised_as(manner, "cargo", |command| {
        command
            .args(arguments)
            .envs(environment.iter().copied())
            .arg("--message-format=json-render-diagnostics")
            .stdout(Stdio::piped());
    })?;
    if !done.status.success() {
        bail!("`{line}` failed ({})", done.status);
    }
    Ok(String::from_utf8_lossy(&done.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

/// The one of `programs` that is called `name`.
///
/// # Errors
/// When there is none.
pub(crate) fn program<'a>(programs: &'a [PathBuf], name: &str) -> Result<&'a Path> {
    programs
        .iter()
        .find(|program| program.file_name().is_some_and(|own| own == name))
        .map(PathBuf::as_path)
        .with_context(|| format!("the build made no program {name}"))
}

/// Runs `program` in the workspace's folder to its end. A signal that ends us ends it and all that
/// it has started first; after a SIGKILL of ours the next run does so.
pub(crate) fn supervised(program: &str, prepare: impl FnOnce(&mut Command)) -> Result<Output> {
    supervised_by(program, prepare, Child::wait_with_output)
}

/// Like [`supervised`], in a manner of one's own.
pub(crate) fn supervised_as(
    manner: Manner,
    program: &str,
    prepare: impl FnOnce(&mut Command),
) -> Result<Output> {
    match manner {
        Manner::InFront => supervised(program, prepare),
        Manner::Beside => {
            let prepare = |command: &mut Command| {
                command.args(["-c", LOWEST, "sh", program]);
                prepare(command);
                command.stdout(Stdio::piped());
            };
            let done = supervised("sh", prepare)?;
            if !done.status.success() {
                eprint!("{}", String::from_utf8_lossy(&done.stdout));
            }
            Ok(done)
        }
    }
}

/// Like [`supervised`], and gives each line of its standard output to `line`.
pub(crate) fn streamed(
    program: &str,
    prepare: impl FnOnce(&mut Command),
    mut line: impl FnMut(&str),
) -> Result<ExitStatus> {
    let prepare = |command: &mut Command| {
        command.stdout(Stdio::piped());
        prepare(command);
    };
    supervised_by(program, prepare, |mut child| {
        if let Some(stdout) = child.stdout.take() {
            for text in BufReader::new(stdout).split(b'\n') {
                line(&String::from_utf8_lossy(&text?));
            }
        }
        child.wait()
    })
}

fn supervised_by<T>(
    program: &str,
    prepare: impl FnOnce(&mut Command),
    wait: impl FnOnce(Child) -> io::Result<T>,
) -> Result<T> {
    let run = Run::next()?;
    let mut command = run.command(program);
    command
        .current_dir(root())
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit());
    prepare(&mut command);
    let _guard = guard(move || {
        if let Err(error) = end_run(run, GRACE) {
            say::failure(error);
        }
    })?;
    command
        .spawn()
        .and_then(wait)
        .with_context(|| format!("running {program}"))
}
