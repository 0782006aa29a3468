//! `onairctl`, as an operator would run it.

use std::process::Command;

use anyhow::{Context as _, Result};
use onair_stage::Config;
use serde_json::Value;

use crate::rig::Rig;
use onair_stage::program;

/// What it did.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Ran {
    /// Its standard output as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.out).with_context(|| format!("no JSON: {self:?}"))
    }
}

/// Runs `onairctl` with `arguments`, split at spaces, against the daemon of `rig`, which need not
/// run.
///
/// # Errors
/// When it cannot be run, or was ended by a signal.
pub fn onairctl(rig: &Rig, arguments: &str) -> Result<Ran> {
    let output = Command::new(program("onairctl")?)
        .env("ONAIR_SOCKET", Config::control_socket(rig.stage()))
        .args(arguments.split_whitespace())
        .output()
        .context("running onairctl")?;
    Ok(Ran {
        code: output.status.code().context("ended by a signal")?,
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}
