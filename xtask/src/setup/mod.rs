//! `cargo xtask setup`: installs what is missing, and says what cannot be installed.

mod axe;
mod packages;
mod unpacked;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::cargo::{Manner, root};
use crate::{deny, python, say};
use packages::Package;

pub(crate) use packages::Purpose;
pub(crate) use packages::packages_for;

/// The oldest kernel that is supported: Debian 12's.
const KERNEL: (u32, u32) = (6, 1);

/// Installs the Debian packages that are missing, and checks the machine
///
/// It changes nothing when nothing is missing. `demo`, `test`, `bench` and `dist` call it by themselves.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask setup                     install what building and the demo need
  cargo xtask setup --for test,bench    also the third-party tools beside which OnAir is tested and measured
  cargo xtask setup --for run           only what programs that were built elsewhere need
  cargo xtask setup --for test --check  only say what is missing; exit status 1 if anything is

On another system than Debian it lists the packages: find those of the same purpose there.")]
pub(crate) struct Arguments {
    /// Change nothing, only report; exit status 1 when something is missing
    #[arg(long)]
    check: bool,
    /// What the machine is for
    #[arg(
        long = "for",
        value_enum,
        value_delimiter = ',',
        value_name = "PURPOSE",
        default_value = "demo"
    )]
    purposes: Vec<Purpose>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    say::step("Machine");
    let lacks = machine(true);
    if let Some(system) = not_debian() {
        bail!("{}", elsewhere(&system, &arguments.purposes));
    }
    say::step("Packages");
    let packages = packages_for(&arguments.purposes);
    let missing = missing(&packages)?;
    for package in &packages {
        let line = format!("{:<26} {}", package.name, package.reason);
        if missing.iter().any(|other| other.name == package.name) {
            say::warning(format_args!("missing: {line}"));
        } else {
            say::good(line);
        }
    }
    let unpacked = unpacked::missing(&arguments.purposes)?;
    for Package { name, reason, .. } in &unpacked {
        say::warning(format_args!("missing: {name:<26} {reason}"));
    }
    let lacks_deny = arguments.purposes.contains(&Purpose::Test) && !deny::is_installed()?;
    if lacks_deny {
        say::warning("missing: cargo-deny                 test: checks the crates of others");
    }
    let lacks_axe = arguments.purposes.contains(&Purpose::Test) && !axe::is_installed()?;
    if lacks_axe {
        say::warning(
            "missing: axe-core                   test: finds what a screen reader cannot use",
        );
    }
    let lacks_python = needs_python(&arguments.purposes) && !python::is_installed()?;
    if lacks_python {
        say::warning(
            "missing: maturin, mypy                test, dist: build and check the Python package",
        );
    }
    if arguments.check {
        let lacks_tools = [lacks_deny, lacks_axe, lacks_python].map(usize::from);
        let lacks_tools: usize = lacks_tools.iter().sum();
        let count = lacks + missing.len() + unpacked.len() + lacks_tools;
        if count > 0 {
            bail!("{count} missing: `cargo xtask setup` installs them");
        }
        return Ok(());
    }
    install(&missing)?;
    unpacked::when_missing(&arguments.purposes)?;
    if lacks_deny {
        deny::install(Manner::InFront)?;
    }
    if lacks_axe {
        axe::install()?;
    }
    if lacks_python {
        python::install()?;
    }
    if lacks > 0 {
        bail!("this machine is not fit to run OnAir: see above");
    }
    say::good("ready");
    Ok(())
}

/// What the other commands call first: quiet when nothing is missing for `purpose`. What builds the Python package
/// is installed by that build.
///
/// # Errors
/// When the machine is not fit, or the packages cannot be installed.
pub(crate) fn when_missing(purpose: Purpose) -> Result<()> {
    if machine(false) > 0 {
        bail!("this machine is not fit to run OnAir: see above");
    }
    if let Some(system) = not_debian() {
        say::warning(elsewhere(&system, &[purpose]));
        return Ok(());
    }
    let packages = packages_for(&[purpose]);
    let missing = missing(&packages)?;
    if !missing.is_empty() {
        say::step("Setup: packages that are missing");
        for package in &missing {
            say::note(format_args!("{:<26} {}", package.name, package.reason));
        }
        install(&missing)?;
    }
    if purpose == Purpose::Test {
        axe::install()?;
    }
    unpacked::when_missing(&[purpose])
}

/// Whether one of the purposes builds the Python package.
fn needs_python(purposes: &[Purpose]) -> bool {
    let builds = [Purpose::Test, Purpose::Dist, Purpose::Check];
    purposes.iter().any(|purpose| builds.contains(purpose))
}

/// What a virtual machine needs: installed if it is missing.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn with_machine_packages() -> Result<()> {
    if let Some(system) = not_debian() {
        bail!("this is {system}, and only Debian's packages are known by name");
    }
    install(&missing(&packages_for(&[Purpose::Vm]))?)
}

/// Looks at the machine; gives how many things it lacks.
fn machine(tell_all: bool) -> usize {
    let findings = findings();
    for finding in &findings {
        match finding.missing {
            Some(advice) => say::warning(format_args!("{}: {advice}", finding.what)),
            None if tell_all => say::good(&finding.what),
            None => {}
        }
    }
    findings
        .iter()
        .filter(|finding| finding.missing.is_some())
        .count()
}

fn elsewhere(system: &str, purposes: &[Purpose]) -> String {
    let list: Vec<_> = packages_for(purposes)
        .into_iter()
        .chain(packages::needed(packages::UNPACKED, purposes))
        .map(|package| format!("  {:<26} {}", package.name, package.reason))
        .collect();
    format!(
        "this is {system}, and only Debian's packages are known by name. Have these, or the same under other names:\n{}",
        list.join("\n")
    )
}

/// Those of `packages` that dpkg does not have as installed.
fn missing(packages: &[Package]) -> Result<Vec<&Package>> {
    let told = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"])
        .args(packages.iter().flat_map(names))
        .stdin(Stdio::null())
        // It fails for a name that it has never heard of; that is an answer too.
        .stderr(Stdio::null())
        .output()
        .context("running dpkg-query")?;
    let told = String::from_utf8_lossy(&told.stdout);
    Ok(packages
        .iter()
        .filter(|package| {
            let is_installed = |name| told.lines().any(|line| line == format!("{name} installed"));
            !names(package).any(is_installed)
        })
        .collect())
}

/// The names under which a package may be there.
fn names(package: &Package) -> impl Iterator<Item = &'static str> + use<> {
    std::iter::once(package.name).chain(package.later)
}

/// The name under which this release of Debian has the package.
fn name_here(package: &Package) -> &'static str {
    let Some(later) = package.later else {
        return package.name;
    };
    let known = Command::new("apt-cache")
        .args(["show", package.name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if known.is_ok_and(|status| status.success()) {
        package.name
    } else {
        later
    }
}

fn install(missing: &[&Package]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    apt(&["update"])?;
    let mut line = vec!["install", "--yes", "--no-install-recommends"];
    line.extend(missing.iter().map(|package| name_here(package)));
    apt(&line)
}

fn apt(arguments: &[&str]) -> Result<()> {
    apt_in(root(), arguments)
}

fn apt_in(folder: &Path, arguments: &[&str]) -> Result<()> {
    let line = format!("apt-get {}", arguments.join(" "));
    say::command(&line);
    // Not among the commands that a signal ends: dpkg must not be stopped midway.
    let status = Command::new("apt-get")
        .args(["--quiet", "--quiet", "-o", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .current_dir(folder)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .context("running apt-get")?;
    if !status.success() {
        bail!("`{line}` failed ({status}): see above; then run `cargo xtask setup` again");
    }
    Ok(())
}

/// Something that the machine has, or has not.
pub(crate) struct Finding {
    /// What it is, with the value that was found.
    pub(crate) what: String,
    /// What to do when it is not as it should be; `None` when it is.
    pub(crate) missing: Option<&'static str>,
}

/// Looks at the machine.
pub(crate) fn findings() -> Vec<Finding> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let btf = Path::new("/sys/kernel/btf/vmlinux");
    [
        (
            format!("machine {}", std::env::consts::ARCH),
            std::env::consts::ARCH == "x86_64",
            "OnAir runs on x86-64 only",
        ),
        (
            format!("kernel {release}"),
            version(release).is_some_and(|found| found >= KERNEL),
            "Linux 6.1 or newer is needed (Debian 12 has it)",
        ),
        (
            format!("user id {}", rustix::process::geteuid().as_raw()),
            rustix::process::geteuid().is_root(),
            "namespaces, hugepages, AF_XDP and BPF need root: run this as root",
        ),
        (
            format!("kernel types in {}", btf.display()),
            btf.exists(),
            "the probe needs a kernel with CONFIG_DEBUG_INFO_BTF=y, and /sys mounted",
        ),
    ]
    .into_iter()
    .map(|(what, good, advice)| Finding {
        what,
        missing: (!good).then_some(advice),
    })
    .collect()
}

/// Whether packages can be installed with apt here: `None`, or what this is instead.
pub(crate) fn not_debian() -> Option<String> {
    if Path::new("/usr/bin/apt-get").exists() && Path::new("/usr/bin/dpkg-query").exists() {
        return None;
    }
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    Some(
        os.lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="))
            .map_or_else(
                || "an unknown system".to_owned(),
                |name| name.trim_matches('"').to_owned(),
            ),
    )
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_of_releases_then_compared_as_numbers() {
        assert_eq!(version("6.1.0-28-amd64"), Some((6, 1)));
        assert!(version("6.18.5") > version("6.2.0"));
        assert!(version("5.19.0-rc1") < Some(KERNEL));
        assert_eq!(version("x"), None);
    }
}
