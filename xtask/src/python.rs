//! The Python package: environments below `target/tools` with what builds and checks it, and its wheel.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::cargo::{Manner, root, supervised_as, target};
use crate::say;

/// Debian's own: the tests take its numpy and pytest.
const PYTHON: &str = "/usr/bin/python3";
/// Later versions that the wheel is for too. Debian 12 has no packages of them; pyenv(1) and Debian's own packages of a
/// later release are looked for.
const LATER: [&str; 2] = ["3.12", "3.13"];
const PACKAGE: &str = "userspace/clients/python";

/// An interpreter with what the tests need.
struct Environment {
    folder: PathBuf,
    interpreter: PathBuf,
    /// The list of packages.
    requirements: &'static str,
}

impl Environment {
    /// Debian's own interpreter, which also builds the wheel.
    fn own() -> Self {
        Self {
            folder: target().join("tools/python"),
            interpreter: PYTHON.into(),
            requirements: "requirements.txt",
        }
    }

    /// A later version's, if the machine has it.
    fn later(version: &str) -> Option<Self> {
        Some(Self {
            folder: target().join(format!("tools/python{version}")),
            interpreter: interpreter(version)?,
            requirements: "requirements-later.txt",
        })
    }

    fn all() -> impl Iterator<Item = Self> {
        let later = LATER.into_iter().filter_map(Self::later);
        std::iter::once(Self::own()).chain(later)
    }

    fn list(&self) -> PathBuf {
        root().join(PACKAGE).join(self.requirements)
    }

    /// Whether it has what the requirements of now name.
    fn is_installed(&self) -> Result<bool> {
        let wanted = fs::read(self.list())?;
        Ok(fs::read(self.folder.join(self.requirements)).is_ok_and(|it| it == wanted))
    }

    fn install(&self) -> Result<()> {
        if self.is_installed()? {
            return Ok(());
        }
        let folder = path(&self.folder)?;
        let mut line = vec!["-m", "venv", "--clear", folder];
        if self.interpreter == Path::new(PYTHON) {
            line.push("--system-site-packages");
        }
        run(Manner::InFront, &self.interpreter, &line, &[])?;
        let list = self.list();
        let line = ["--require-hashes", "--requirement", path(&list)?];
        self.pip(Manner::InFront, &line)?;
        fs::copy(list, self.folder.join(self.requirements))?;
        Ok(())
    }

    fn pip(&self, manner: Manner, arguments: &[&str]) -> Result<()> {
        let line = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ];
        let python = self.folder.join("bin/python");
        run(manner, &python, &[&line[..], arguments].concat(), &[])
    }
}

/// An interpreter of this version: Debian's, or pyenv's.
fn interpreter(version: &str) -> Option<PathBuf> {
    let name = format!("python{version}");
    let debian = Path::new("/usr/bin").join(&name);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv"));
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(home, |it| Some(it.into()));
    let built = pyenv.and_then(|it| fs::read_dir(it.join("versions")).ok());
    let built = built.into_iter().flatten().flatten();
    let built = built.map(|it| it.path().join("bin").join(&name));
    std::iter::once(debian).chain(built).find(|it| it.is_file())
}

/// The versions that have no interpreter on this machine: the package's tests do not run on them.
pub(crate) fn absent() -> Vec<&'static str> {
    let is_absent = |it: &&str| interpreter(it).is_none();
    LATER.into_iter().filter(is_absent).collect()
}

/// Whether the environments have what the requirements of now name.
pub(crate) fn is_installed() -> Result<bool> {
    let all: Result<Vec<_>> = Environment::all().map(|it| it.is_installed()).collect();
    Ok(all?.into_iter().all(|it| it))
}

/// Makes the environments, unless they are there.
///
/// # Errors
/// Python has no `venv`, or pip cannot install a package with the checksum that is listed.
pub(crate) fn install() -> Result<()> {
    Environment::all().try_for_each(|it| it.install())
}

/// Builds the wheel in a profile of cargo's, into the empty folder `out`; returns its file.
///
/// # Errors
/// The build fails.
pub(crate) fn wheel(
    (manner, profile): (Manner, &str),
    out: &Path,
    variables: &[(&str, &str)],
    more: &[String],
) -> Result<PathBuf> {
    install()?;
    let manifest = root().join(PACKAGE).join("Cargo.toml");
    let line = [
        "build",
        "--profile",
        profile,
        "--locked",
        "--quiet",
        "--interpreter",
        PYTHON,
    ];
    let places = ["--manifest-path", path(&manifest)?, "--out", path(out)?];
    let maturin = Environment::own().folder.join("bin/maturin");
    let more: Vec<_> = more.iter().map(String::as_str).collect();
    let line = [&line[..], &places, &more].concat();
    run(manner, &maturin, &line, variables)?;
    let mut files = fs::read_dir(out)?;
    Ok(files.next().context("maturin made no wheel")??.path())
}

/// Arguments with which the `dev` profile has the packages' settings of the `test` profile: the wheel takes the crates that
/// were built for the tests. With `--profile test` itself `cargo rustc`, which maturin calls, would build tests.
fn tested() -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join("Cargo.toml"))?;
    let mut arguments = Vec::new();
    for section in text
        .split("\n[")
        .filter_map(|it| it.strip_prefix("profile.test.package."))
    {
        let (package, settings) = section.split_once("]\n").context("a section of settings")?;
        let settings = settings.lines().take_while(|it| it.contains('='));
        for (key, value) in settings.filter_map(|it| it.split_once(" = ")) {
            let setting = format!("profile.dev.package.{package}.{key}={value}");
            arguments.extend(["--config".to_owned(), setting]);
        }
    }
    Ok(arguments)
}

/// Builds the wheel and installs it into the environments, for the tests.
///
/// # Errors
/// As [`wheel`].
pub(crate) fn install_built(manner: Manner) -> Result<()> {
    let out = target().join("wheel");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    install_wheel(manner, &wheel((manner, "dev"), &out, &[], &tested()?)?)
}

/// Installs a wheel into the environments.
///
/// # Errors
/// pip does not take it.
pub(crate) fn install_wheel(manner: Manner, wheel: &Path) -> Result<()> {
    let line = ["--force-reinstall", "--no-deps", "--no-index", path(wheel)?];
    Environment::all().try_for_each(|it| it.pip(manner, &line))
}

fn run(
    manner: Manner,
    program: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<()> {
    let line = format!("{} {}", program.display(), arguments.join(" "));
    say::command(&line);
    let done = supervised_as(manner, path(program)?, |command| {
        command.args(arguments).envs(environment.iter().copied());
    })?;
    ensure!(done.status.success(), "`{line}` failed ({})", done.status);
    Ok(())
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}
