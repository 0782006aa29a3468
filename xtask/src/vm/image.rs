//! The root image: Debian 12 with the packages of `cargo xtask setup`, and the kernel of a distribution.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::stderr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{fmt, fs};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use super::folder::{self, RunFolder};
use crate::cargo::supervised;
use crate::say;
use crate::setup::{Purpose, packages_for};

/// Debian's own name for the mirror that is near.
pub(crate) const MIRROR: &str = "http://deb.debian.org/debian";

/// The user space of every image: the programs are built on it.
pub(crate) const SUITE: &str = "bookworm";
/// What the machine is set up for.
const IN_THE_MACHINE: [Purpose; 2] = [Purpose::Test, Purpose::Bench];
/// What makes a machine of the packages that OnAir needs.
const MACHINE_PACKAGES: [&str; 12] = [
    "linux-image-amd64",
    "initramfs-tools",
    "systemd-sysv",
    "udev",
    "kmod",
    "procps",
    "pciutils",
    "ethtool",
    "ca-certificates",
    // The test `container`.
    "podman",
    "crun",
    "catatonit",
];
/// Starts the script of a run, then powers the machine off.
const SERVICE: &str = include_str!("guest/onair-vm.service");
/// Units that the image does not start.
const MASKED: [&str; 4] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
];
/// In the machine, a sparse file on the host.
const SIZE: &str = "8G";

/// Whose kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kernel {
    /// Linux 6.1
    Debian12,
    /// Linux 6.12, on the user space of Debian 12
    Debian13,
}

impl Kernel {
    /// The suite that the kernel comes from, if not from [`SUITE`].
    fn suite(self) -> Option<&'static str> {
        match self {
            Self::Debian12 => None,
            Self::Debian13 => Some("trixie"),
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debian12 => "debian12",
            Self::Debian13 => "debian13",
        })
    }
}

/// Where the packages of `suite` are.
pub(crate) fn sources(suite: &str, mirror: &str) -> Vec<String> {
    vec![
        format!("deb {mirror} {suite} main"),
        format!("deb {mirror} {suite}-updates main"),
        format!("deb {mirror}-security {suite}-security main"),
    ]
}

/// All that an image follows from.
#[derive(Hash)]
pub(crate) struct Recipe {
    name: String,
    sources: Vec<String>,
    preferences: String,
    packages: String,
    service: &'static str,
    masked: [&'static str; 4],
    size: &'static str,
}

/// An image that is there.
pub(crate) struct Image {
    pub(crate) kernel: String,
    pub(crate) folder: PathBuf,
}

impl Image {
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join("root.ext4")
    }

    pub(crate) fn linux(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    pub(crate) fn initrd(&self) -> PathBuf {
        self.folder.join("initrd")
    }
}

impl Recipe {
    pub(crate) fn new(kernel: Kernel, mirror: &str) -> Self {
        let mut sources = sources(SUITE, mirror);
        let mut preferences = String::new();
        if let Some(suite) = kernel.suite() {
            sources.push(format!("deb {mirror} {suite} main"));
            preferences = format!(
                "Package: *\nPin: release n={suite}\nPin-Priority: 100\n\n\
                 Package: linux-image-* linux-base\nPin: release n={suite}\nPin-Priority: 990\n"
            );
        }
        let packages: Vec<_> = MACHINE_PACKAGES
            .into_iter()
            .chain(
                packages_for(&IN_THE_MACHINE)
                    .iter()
                    .map(|package| package.name),
            )
            .collect();
        Self {
            name: kernel.to_string(),
            sources,
            preferences,
            packages: packages.join(","),
            service: SERVICE,
            masked: MASKED,
            size: SIZE,
        }
    }

    /// The same for the same inputs only. It may change with the toolchain: then an image is built once more.
    fn key(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    fn folder(&self) -> PathBuf {
        folder::base()
            .join("images")
            .join(format!("{}-{}", self.name, self.key()))
    }

    /// The image, built if there is none of the same inputs.
    ///
    /// # Errors
    /// When it cannot be built.
    pub(crate) fn image(&self) -> Result<Image> {
        let folder = self.folder();
        if folder.is_dir() {
            return Ok(Image {
                kernel: self.name.clone(),
                folder,
            });
        }
        self.build()
    }

    /// Builds the image, and removes those of other inputs.
    ///
    /// # Errors
    /// When a package is not in the archive, the archive cannot be reached, or the disk is full.
    pub(crate) fn build(&self) -> Result<Image> {
        say::step(format_args!(
            "Root image {}: about five minutes, once",
            self.name
        ));
        let work = RunFolder::new()?;
        let root = work.path().join("root");
        self.bootstrap(work.path(), &root)?;
        self.configure(&root)?;
        let image = work.path().join("image");
        fs::create_dir(&image)?;
        for (from, to) in [("vmlinuz-", "vmlinuz"), ("initrd.img-", "initrd")] {
            fs::copy(only(&root.join("boot"), from)?, image.join(to))?;
        }
        say::note("writing the file system");
        file_system(&root, &image.join("root.ext4"), self.size)?;
        let folder = self.folder();
        self.remove_others(&folder)?;
        fs::create_dir_all(folder.parent().expect("it lies in `images`"))?;
        fs::rename(&image, &folder)?;
        Ok(Image {
            kernel: self.name.clone(),
            folder,
        })
    }

    fn bootstrap(&self, work: &Path, root: &Path) -> Result<()> {
        let preferences = work.join("preferences");
        fs::write(&preferences, &self.preferences)?;
        let hook = format!(
            "cp '{}' \"$1/etc/apt/preferences.d/onair-vm\"",
            preferences.display()
        );
        let done = supervised("mmdebstrap", |command| {
            command
                .args(["--variant=minbase", "--mode=root", "--format=directory"])
                .arg("--aptopt=APT::Install-Recommends \"false\"")
                .arg(format!(
                    "--setup-hook=mkdir -p \"$1/etc/apt/preferences.d\"; {hook}"
                ))
                .arg(format!("--include={}", self.packages))
                .args([SUITE.as_ref(), root.as_os_str()])
                .args(&self.sources)
                .stdout(stderr());
        })?;
        ensure!(
            done.status.success(),
            "mmdebstrap failed ({}): see above. If the archive cannot be reached, name another with --mirror",
            done.status
        );
        Ok(())
    }

    fn configure(&self, root: &Path) -> Result<()> {
        let units = root.join("etc/systemd/system");
        let key = self.key();
        fs::write(root.join("etc/hostname"), "onair-vm\n")?;
        fs::write(root.join("etc/fstab"), "/dev/vda / ext4 rw,noatime 0 0\n")?;
        // With an id, a boot is not the first one, which would enable every service.
        fs::write(root.join("etc/machine-id"), format!("{key}{key}\n"))?;
        fs::write(units.join("onair-vm.service"), self.service)?;
        symlink(
            "../onair-vm.service",
            units.join("multi-user.target.wants/onair-vm.service"),
        )?;
        // Nothing else may work beside a test.
        for unit in self.masked {
            symlink("/dev/null", units.join(unit))?;
        }
        Ok(())
    }

    /// Images of this kernel that were built from other inputs, or before.
    fn remove_others(&self, folder: &Path) -> Result<()> {
        let Ok(entries) = fs::read_dir(folder.parent().expect("it lies in `images`")) else {
            return Ok(());
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            // A kernel's name may begin with that of another.
            let of = name.to_str().and_then(|name| name.rsplit_once('-'));
            if of.is_some_and(|(of, _)| of == self.name) {
                folder::remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// Writes the folder `from` as an ext4 file system into the sparse file `to`.
///
/// # Errors
/// When mkfs.ext4 fails.
pub(crate) fn file_system(from: &Path, to: &Path, size: &str) -> Result<()> {
    let done = supervised("mkfs.ext4", |command| {
        command
            .args(["-q", "-F", "-m", "0", "-d"])
            .args([from, to])
            .arg(size)
            .stdout(Stdio::null());
    })?;
    ensure!(
        done.status.success(),
        "mkfs.ext4 failed ({}): is the disk full?",
        done.status
    );
    Ok(())
}

/// The file in `folder` whose name begins with `begin`.
fn only(folder: &Path, begin: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(begin) {
            found.push(entry.path());
        }
    }
    ensure!(
        found.len() <= 1,
        "more than one kernel was installed: {found:?}"
    );
    found.pop().with_context(|| {
        format!(
            "no {begin}* in {}: no kernel was installed",
            folder.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_inputs_give_the_same_key_and_each_other_input_another() {
        let recipe = || Recipe::new(Kernel::Debian12, MIRROR);
        assert_eq!(recipe().key(), recipe().key());
        assert_eq!(recipe().key().len(), 16);
        let mut others = vec![
            recipe(),
            Recipe::new(Kernel::Debian13, MIRROR),
            Recipe::new(Kernel::Debian12, "http://mirror.example/debian"),
        ];
        for change in [
            |recipe: &mut Recipe| recipe.packages.push_str(",gdb"),
            |recipe: &mut Recipe| recipe.service = "",
            |recipe: &mut Recipe| recipe.size = "9G",
            |recipe: &mut Recipe| recipe.preferences.push('#'),
        ] {
            let mut other = recipe();
            change(&mut other);
            others.push(other);
        }
        let keys: std::collections::BTreeSet<_> = others.iter().map(Recipe::key).collect();
        assert_eq!(keys.len(), others.len());
    }

    #[test]
    fn image_has_every_package_of_setup() {
        let recipe = Recipe::new(Kernel::Debian12, MIRROR);
        let packages: Vec<_> = recipe.packages.split(',').collect();
        assert!(
            packages_for(&IN_THE_MACHINE)
                .iter()
                .all(|package| packages.contains(&package.name))
        );
        assert!(packages.contains(&"linux-image-amd64"));
    }

    #[test]
    fn debian_13_gives_its_kernel_only() {
        let recipe = Recipe::new(Kernel::Debian13, MIRROR);
        assert!(
            recipe
                .sources
                .iter()
                .any(|source| source.contains(" trixie "))
        );
        assert!(
            recipe
                .preferences
                .starts_with("Package: *\nPin: release n=trixie\nPin-Priority: 100\n")
        );
        assert!(
            recipe
                .preferences
                .contains("Package: linux-image-* linux-base\n")
        );
        assert!(Recipe::new(Kernel::Debian12, MIRROR).preferences.is_empty());
    }
}
