//! What the programs are made of, as a CycloneDX document: the crates that are linked into them, and Debian's
//! libraries that they link or load.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{BESIDE, PROGRAMS, done};
use crate::cargo::root;

/// Writes the document; `packages` are those that the Debian package depends on.
pub(super) fn write(to: &Path, packages: &BTreeSet<String>) -> Result<()> {
    let mut components = crates()?;
    for name in packages {
        let mut query = Command::new("dpkg-query");
        let version = done(query.args(["--show", "--showformat", "${Version}", name]))?;
        let purl = format!("pkg:deb/debian/{name}@{version}?arch=amd64&distro=debian-12");
        components.push(library(name, &version, &purl));
    }
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {
            "type": "application",
            "bom-ref": "onair",
            "name": "onair",
            "version": env!("CARGO_PKG_VERSION"),
        }},
        "components": components,
    });
    fs::write(to, format!("{document:#}\n")).with_context(|| format!("writing {}", to.display()))
}

fn library(name: &str, version: &str, purl: &str) -> Value {
    json!({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl})
}

/// The crates of others that are linked, in the order of their names.
fn crates() -> Result<Vec<Value>> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--offline", "--locked", "--prefix", "none"])
        .args(["--edges", "normal,no-proc-macro", "--format", "{p}\t{l}\t"])
        .args(PROGRAMS.map(|name| format!("--package={name}")))
        .args(BESIDE.map(|name| format!("--package={name}")))
        .args(["--package=onair-capi", "--package=onair-gst"])
        .current_dir(root());
    let tree = done(&mut tree)?;
    let lines: BTreeSet<_> = tree.lines().filter_map(one).collect();
    let crates = lines.into_iter().map(|(name, version, license)| {
        let mut it = library(name, version, &format!("pkg:cargo/{name}@{version}"));
        // Cargo's older form of a choice.
        let choices: Vec<_> = license.split('/').map(str::trim).collect();
        it["licenses"] = json!([{"expression": choices.join(" OR ")}]);
        it
    });
    Ok(crates.collect())
}

/// Name, version and license of a crate that is not ours.
fn one(line: &str) -> Option<(&str, &str, &str)> {
    let mut fields = line.split('\t');
    let mut package = fields.next()?.split(' ');
    let (name, version) = (package.next()?, package.next()?.strip_prefix('v')?);
    // Ours are followed by their folder.
    let is_ours = package.next().is_some();
    (!is_ours).then_some((name, version, fields.next()?))
}
