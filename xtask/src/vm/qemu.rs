//! QEMU's command line, and whether the processor can run the machine.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{fmt, fs};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use onair_stage::output;

use super::image::Image;
use crate::cargo::supervised;
use crate::say;

/// The program.
pub(crate) const QEMU: &str = "qemu-system-x86_64";
/// A kernel that is started with KVM has panicked for want of a root file system within this, in seconds.
const TRIAL: &str = "30";

/// The machine's parts that a user chooses.
#[derive(clap::Args, Clone)]
pub(crate) struct Hardware {
    /// What executes the machine; `auto` takes KVM if a trial boot succeeds with it
    #[arg(long, value_enum, default_value_t = Accel::Auto)]
    pub(crate) accel: Accel,
    /// Processors
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) cpus: u8,
    /// Memory, in MB
    #[arg(long, value_name = "MB", default_value_t = 6144, value_parser = clap::value_parser!(u32).range(1024..))]
    pub(crate) memory: u32,
    /// A pair of PCI network devices, connected with each other; once for each pair
    #[arg(long = "nic", value_enum, value_name = "MODEL")]
    pub(crate) nics: Vec<Nic>,
}

/// What executes the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Accel {
    Auto,
    Kvm,
    /// Software emulation
    Tcg,
}

/// A model of a network device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Nic {
    Virtio,
    E1000e,
    Vmxnet3,
    /// Needs QEMU 8.0
    Igb,
}

impl Nic {
    /// The name that QEMU has for it.
    const fn model(self) -> &'static str {
        match self {
            Self::Virtio => "virtio-net-pci",
            Self::E1000e => "e1000e",
            Self::Vmxnet3 => "vmxnet3",
            Self::Igb => "igb",
        }
    }

    /// The models that this QEMU has.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let help = output(QEMU, &["-machine", "none", "-device", "help"])?;
        let has = |nic: &Self| help.contains(&format!("name \"{}\"", nic.model()));
        Ok(Self::value_variants().iter().copied().filter(has).collect())
    }
}

/// What executes the machine, decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acceleration {
    Kvm,
    Tcg,
}

impl fmt::Display for Acceleration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "KVM",
            Self::Tcg => "software emulation",
        })
    }
}

/// Refuses where QEMU or mmdebstrap is not installed.
pub(crate) fn require_programs() -> Result<()> {
    for (program, package) in [
        (QEMU, "qemu-system-x86"),
        ("mmdebstrap", "mmdebstrap"),
        ("mkfs.ext4", "e2fsprogs"),
    ] {
        let found = Command::new(program)
            .arg("-V")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if let Err(error) = found {
            bail!(
                "cannot run {program}: {error}. `cargo xtask setup --for vm` installs it (package {package})"
            );
        }
    }
    Ok(())
}

/// Refuses models of devices that QEMU does not have.
pub(crate) fn require_models(nics: &[Nic]) -> Result<()> {
    if nics.is_empty() {
        return Ok(());
    }
    let there = Nic::all()?;
    let missing = nics.iter().find(|nic| !there.contains(nic));
    missing.map_or(Ok(()), |nic| {
        let model = nic.model();
        bail!(
            "this QEMU has no device {model}: a newer one may have it (igb: QEMU 8.0, on Debian 12 \
             `apt-get install -t bookworm-backports qemu-system-x86`)"
        );
    })
}

/// Decides what executes the machine.
///
/// # Errors
/// When the user wants KVM, and a trial boot fails with it.
pub(crate) fn choose(accel: Accel, image: &Image) -> Result<Acceleration> {
    if accel == Accel::Tcg {
        return Ok(Acceleration::Tcg);
    }
    let refused = match kvm_boots(&image.linux()) {
        Ok(()) => return Ok(Acceleration::Kvm),
        Err(error) => error,
    };
    ensure!(
        accel == Accel::Auto,
        "KVM does not run a machine here: {refused:#}. Take --accel tcg"
    );
    say::note(format_args!("no KVM: {refused:#}"));
    Ok(Acceleration::Tcg)
}

/// Boots the kernel alone. `/dev/kvm` may open and not run a machine; a kernel that speaks was run.
fn kvm_boots(linux: &Path) -> Result<()> {
    fs::File::options()
        .write(true)
        .open("/dev/kvm")
        .context("opening /dev/kvm")?;
    let done = supervised("timeout", |command| {
        command
            .args([TRIAL, QEMU, "-machine", "q35", "-m", "512"])
            .args(accelerated(Acceleration::Kvm))
            .args([
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
                "-no-reboot",
            ])
            .args([
                "-serial",
                "stdio",
                "-append",
                "console=ttyS0 panic=-1",
                "-kernel",
            ])
            .arg(linux)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
    })?;
    let spoke = String::from_utf8_lossy(&done.stdout).contains("Kernel panic");
    ensure!(
        spoke,
        "the trial boot ended ({}) before the kernel spoke",
        done.status
    );
    Ok(())
}

fn accelerated(acceleration: Acceleration) -> [&'static str; 4] {
    match acceleration {
        Acceleration::Kvm => ["-accel", "kvm", "-cpu", "host"],
        // Without five-level page tables: their emulation costs, and no test needs them.
        Acceleration::Tcg => [
            "-accel",
            "tcg,thread=multi,tb-size=1024",
            "-cpu",
            "max,la57=off",
        ],
    }
}

/// The arguments of QEMU. It leaves the images as they are, and writes below `run` only. The port that the script
/// reports to is QEMU's stdout, or the file `report` there if the terminal is the machine's.
pub(crate) fn arguments(
    image: &Image,
    hardware: &Hardware,
    acceleration: Acceleration,
    run: &Path,
) -> Vec<String> {
    let drive = |name: &str, file: &Path, address: u8| {
        let file = option(&file.to_string_lossy());
        [
            "-drive".to_owned(),
            format!("file={file},format=raw,if=none,id={name},cache=unsafe"),
            "-device".to_owned(),
            format!("virtio-blk-pci,drive={name},serial={name},bus=pcie.0,addr={address:#x}"),
        ]
    };
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut all = words("-name onair-vm -machine q35,kernel-irqchip=split");
    all.extend(accelerated(acceleration).map(str::to_owned));
    all.extend(words(&format!(
        "-smp {} -m {} -nodefaults -no-user-config -display none -snapshot -no-reboot",
        hardware.cpus, hardware.memory
    )));
    all.extend(words("-device intel-iommu,intremap=on,caching-mode=on"));
    all.push("-serial".to_owned());
    all.push(format!("file:{}", run.join("console.log").display()));
    all.push("-kernel".to_owned());
    all.push(image.linux().display().to_string());
    all.push("-initrd".to_owned());
    all.push(image.initrd().display().to_string());
    all.push("-append".to_owned());
    all.push("console=ttyS0 root=/dev/vda rw net.ifnames=0 panic=-1 mitigations=off intel_iommu=on hugepages=512".to_owned());
    all.extend(drive("root", &image.root(), 3));
    all.extend(drive("payload", &run.join("payload.ext4"), 4));
    all.extend(words(
        "-device virtio-rng-pci,bus=pcie.0,addr=0x5 -device virtio-serial-pci,bus=pcie.0,addr=0x6",
    ));
    all.extend(words("-chardev stdio,id=report,signal=off"));
    all.extend(words("-device virtserialport,chardev=report,name=onair"));
    all.extend(monitor(run));
    for (hub, nic) in hardware.nics.iter().enumerate() {
        all.extend(pair(hub, *nic));
    }
    all
}

/// QEMU's monitor behind a port of the machine, for tests that pull a cable: QEMU connects to itself.
fn monitor(run: &Path) -> Vec<String> {
    let path = option(&run.join("monitor").to_string_lossy());
    [
        "-chardev",
        &format!("socket,id=monitor,path={path},server=on,wait=off"),
        "-mon",
        "chardev=monitor,mode=readline",
        "-chardev",
        &format!("socket,id=remote,path={path}"),
        "-device",
        "virtserialport,chardev=remote,name=monitor",
    ]
    .map(str::to_owned)
    .into()
}

/// Two devices on a hub of their own, each behind a port of the root complex that takes it out and in.
fn pair(hub: usize, nic: Nic) -> impl Iterator<Item = String> {
    let options = match nic {
        // Behind the IOMMU, as a device of its own would be.
        Nic::Virtio => ",disable-legacy=on,iommu_platform=on",
        Nic::E1000e | Nic::Vmxnet3 | Nic::Igb => "",
    };
    let model = nic.model();
    (0..2).flat_map(move |end| {
        let slot = 0x10 + 2 * hub + end;
        [
            "-netdev".to_owned(),
            format!("hubport,id=n{hub}{end},hubid={hub}"),
            "-device".to_owned(),
            format!("pcie-root-port,id=r{hub}{end},bus=pcie.0,addr={slot:#x},chassis={slot}"),
            "-device".to_owned(),
            format!(
                "{model}{options},id=d{hub}{end},netdev=n{hub}{end},bus=r{hub}{end},mac=52:54:00:00:{hub:02x}:{end:02x}"
            ),
        ]
    })
}

/// A value in a list of options: a comma is written twice.
fn option(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        hardware: Hardware,
    }

    fn line(arguments_given: &[&str]) -> String {
        let line = Line::parse_from([&["vm"], arguments_given].concat());
        let image = Image {
            kernel: "debian12".to_owned(),
            folder: "/images/a,b".into(),
        };
        let accel = if line.hardware.accel == Accel::Kvm {
            Acceleration::Kvm
        } else {
            Acceleration::Tcg
        };
        arguments(&image, &line.hardware, accel, Path::new("/run")).join(" ")
    }

    #[test]
    fn machine_has_an_iommu_snapshots_and_its_report_on_stdout() {
        let line = line(&[]);
        for part in [
            "-machine q35,kernel-irqchip=split -accel tcg,thread=multi",
            "-smp 4 -m 6144",
            "-snapshot",
            "-device intel-iommu,intremap=on,caching-mode=on",
            "-drive file=/images/a,,b/root.ext4,format=raw,if=none,id=root,cache=unsafe",
            "-device virtio-blk-pci,drive=payload,serial=payload,",
            "-chardev stdio,id=report,signal=off",
            "-kernel /images/a,b/vmlinuz -initrd /images/a,b/initrd",
        ] {
            assert!(line.contains(part), "no {part} in {line}");
        }
        assert!(!line.contains("-netdev"));
    }

    #[test]
    fn options_reach_the_command_line() {
        let line = line(&["--accel", "kvm", "--cpus", "2", "--memory", "2048"]);
        let part = "-accel kvm -cpu host -smp 2 -m 2048";
        assert!(line.contains(part), "no {part} in {line}");
    }

    #[test]
    fn pairs_of_nics_have_hubs_addresses_and_macs_of_their_own() {
        let line = line(&["--nic", "virtio", "--nic", "e1000e"]);
        for part in [
            "-netdev hubport,id=n00,hubid=0 -device pcie-root-port,id=r00,bus=pcie.0,addr=0x10,chassis=16 -device virtio-net-pci,disable-legacy=on,iommu_platform=on,id=d00,netdev=n00,bus=r00,mac=52:54:00:00:00:00",
            "-netdev hubport,id=n11,hubid=1 -device pcie-root-port,id=r11,bus=pcie.0,addr=0x13,chassis=19 -device e1000e,id=d11,netdev=n11,bus=r11,mac=52:54:00:00:01:01",
        ] {
            assert!(line.contains(part), "no {part} in {line}");
        }
    }

    #[test]
    fn wrong_options_are_refused() {
        for wrong in [
            ["--cpus", "0"],
            ["--accel", "xen"],
            ["--nic", "ne2000"],
            ["--memory", "1"],
        ] {
            assert!(Line::try_parse_from([&["vm"][..], &wrong].concat()).is_err());
        }
    }
}
