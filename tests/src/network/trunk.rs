//! A trunk port: the kernel's interface at the other end of a cable speaks VLAN 100.
//!
//! By traffic control, because a kernel may lack VLAN interfaces (CONFIG_VLAN_8021Q).

use std::fs;

use anyhow::{Context as _, Result};
use onair_stage::{Stage, output};

/// The VLAN of a trunk.
pub const VLAN: u16 = 100;

const PROGRAM: &str = include_str!("trunk.bpf.c");
/// As of Debian's releases; `ONAIR_CLANG` names another.
const COMPILERS: [&str; 4] = ["clang-14", "clang-16", "clang-19", "clang"];

/// Makes `interface`, inside the stage's namespace, a trunk port.
pub fn trunk(stage: &Stage, interface: &str) -> Result<()> {
    let [source, object] = ["trunk.bpf.c", "trunk.bpf.o"].map(|it| stage.directory().join(it));
    fs::write(&source, PROGRAM)?;
    let [source, object] = [source, object].map(|path| path.display().to_string());
    let flags = [
        "-O2",
        "-g",
        "-target",
        "bpf",
        "-I/usr/include/x86_64-linux-gnu",
        "-c",
        &source,
        "-o",
        &object,
    ];
    let chosen = std::env::var("ONAIR_CLANG").ok();
    let mut compilers = chosen.as_deref().into_iter().chain(COMPILERS);
    let compiler = compilers
        .find(|compiler| output(compiler, &["--version"]).is_ok())
        .context("there is no clang")?;
    output(compiler, &flags)?;
    let tc = |arguments: &str| {
        let arguments: Vec<_> = arguments.split_whitespace().collect();
        output("tc", &[&["-n", stage.namespace()][..], &arguments].concat())
    };
    tc(&format!("qdisc add dev {interface} clsact"))?;
    for (hook, section) in [("ingress", "in"), ("egress", "out")] {
        tc(&format!(
            "filter add dev {interface} {hook} bpf direct-action obj {object} sec {section}"
        ))?;
    }
    Ok(())
}

/// `interface` is no trunk port any more.
pub fn no_trunk(stage: &Stage, interface: &str) -> Result<()> {
    let namespace = stage.namespace();
    output(
        "tc",
        &["-n", namespace, "qdisc", "del", "dev", interface, "clsact"],
    )
    .map(drop)
}
