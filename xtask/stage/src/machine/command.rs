//! Commands of the system (`ip`, `bpftool`, …), run to their end, with errors that show the whole
//! command line and what it said.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs `program` with `arguments` to its end.
///
/// # Errors
/// When it is not installed, or ends with a status other than 0: the message has the command line
/// and what it wrote to stderr.
pub fn run(program: &str, arguments: &[&str]) -> Result<()> {
    output(program, arguments).map(drop)
}

/// Like [`run`], and gives what it wrote to stdout.
pub fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let line = || format!("`{program} {}`", arguments.join(" "));
    let done = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| {
            format!("{} did not start: is {program} installed? `cargo xtask setup --for test --check` lists what is missing", line())
        })?;
    if !done.status.success() {
        bail!(
            "{} failed ({}): {}",
            line(),
            done.status,
            String::from_utf8_lossy(&done.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
