//! Network namespaces, and the cables in them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use crate::machine::command::run;
use crate::machine::folder::{FOLDER, Folder};

/// Where ip-netns(8) keeps the names.
const ROOT: &str = "/run/netns";

/// A cable with an interface at each end.
#[derive(Clone, Debug)]
pub struct Veth {
    /// One end.
    pub a: End,
    /// The other.
    pub b: End,
    /// Largest packet, in bytes, without the Ethernet header.
    pub mtu: u16,
}

impl Veth {
    /// A cable whose ends belong to DPDK, for the packets of Ethernet.
    #[must_use]
    pub fn bare(a: &'static str, b: &'static str) -> Self {
        let end = |name| End {
            name,
            address: None,
        };
        Self {
            a: end(a),
            b: end(b),
            mtu: 1500,
        }
    }
}

/// One end of a cable.
#[derive(Clone, Debug)]
pub struct End {
    /// The interface's name.
    pub name: &'static str,
    /// `address/prefix` for the kernel's own stack; `None` for an end that DPDK opens.
    pub address: Option<&'static str>,
}

/// Puts up the namespace `name`, with `lo` up and no IPv6: the kernel's own neighbour discovery
/// would be counted among a test's packets.
pub(crate) fn add(folder: &Folder, name: &str) -> Result<()> {
    if !Path::new(ROOT).exists() {
        fs::write(root_is_ours(folder), "")?;
    }
    run("ip", &["netns", "add", name])?;
    run("ip", &["-n", name, "link", "set", "lo", "up"])?;
    let net = format!("--net={ROOT}/{name}");
    let off =
        "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do [ ! -e $f ] || echo 1 > $f; done";
    run("nsenter", &[&net, "sh", "-c", off])
}

/// Puts up `cable` in the namespace `name`.
pub(crate) fn add_veth(name: &str, cable: &Veth) -> Result<()> {
    let mtu = cable.mtu.to_string();
    let (a, b) = (&cable.a, &cable.b);
    run(
        "ip",
        &[
            "-n", name, "link", "add", a.name, "mtu", &mtu, "type", "veth", "peer", "name", b.name,
            "mtu", &mtu,
        ],
    )?;
    for end in [a, b] {
        if let Some(address) = end.address {
            run(
                "ip",
                &["-n", name, "address", "add", address, "dev", end.name],
            )?;
        }
        run("ip", &["-n", name, "link", "set", end.name, "up"])?;
    }
    Ok(())
}

/// Removes the namespace `name` and, with its last user, all that is in it.
pub(crate) fn remove(_folder: &Folder, name: &str) -> Result<()> {
    let path = Path::new(ROOT).join(name);
    if !path.exists() {
        return Ok(());
    }
    match unmount(&path, UnmountFlags::DETACH) {
        // Killed between the name and its mount.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error).with_context(|| format!("unmounting {}", path.display())),
    }
    fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))
}

/// Removes the folder of the names, when we made it and no other process uses it.
pub(crate) fn remove_root(folder: &Folder) -> Result<()> {
    let mark = root_is_ours(folder);
    if !mark.exists() {
        return Ok(());
    }
    if Path::new(ROOT).exists() {
        if fs::read_dir(ROOT)?.next().is_some() {
            // Another run's, which will need the mark.
            return Ok(());
        }
        remove_empty_root()?;
    }
    fs::remove_file(&mark).with_context(|| format!("removing {}", mark.display()))
}

fn remove_empty_root() -> Result<()> {
    // ip-netns(8) mounts the folder on itself.
    while unmount(ROOT, UnmountFlags::DETACH).is_ok() {}
    fs::remove_dir(ROOT).with_context(|| format!("removing {ROOT}"))
}

/// A mark for "`/run/netns` was not there before us". It belongs to all runs: the last to leave
/// removes the folder.
fn root_is_ours(_folder: &Folder) -> PathBuf {
    Path::new(FOLDER).join("made-run-netns")
}
