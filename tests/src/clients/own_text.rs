//! A client that puts a copy of its text in the place of what is watched: `own_text.c`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Config, Stage, wait_for};
use rustix::process::Signal;

use crate::clients::breakpoints::Breakpoints;
use onair_stage::TestClient;
use onair_stage::program;

/// What it takes to do so.
#[derive(Debug)]
pub struct OwnText {
    address: PathBuf,
}

impl OwnText {
    /// Starts such a client, which is well-behaved so far.
    pub fn start(stage: &Stage) -> Result<(Self, TestClient)> {
        let source = stage.directory().join("own_text.c");
        let library = stage.directory().join("own_text.so");
        fs::write(&source, include_str!("own_text.c"))?;
        let compiled = Command::new("gcc")
            .args(["-O1", "-Wall", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .status()
            .context("gcc is needed")?;
        ensure!(compiled.success(), "gcc could not compile own_text.c");
        let address = stage.directory().join("own_text.address");
        let mut command = stage.command(&program("onair-client")?);
        command
            .arg(Config::attach_socket(stage))
            .env("LD_PRELOAD", &library)
            .env("ONAIR_OWN_TEXT", &address);
        let test_client = TestClient::of(&mut command)?;
        Ok((Self { address }, test_client))
    }

    /// Has it copy the page with the breakpoints, which must be one.
    pub fn copy(&self, test_client: &mut TestClient, breakpoints: &Breakpoints) -> Result<()> {
        let page = |address: &u64| address & !4095;
        let pages: Vec<u64> = breakpoints.addresses().iter().map(page).collect();
        for page in pages {
            fs::write(&self.address, page.to_ne_bytes())?;
            test_client.running().signal(Signal::USR2)?;
            wait_for("the text to be copied", 30, || Ok(!self.address.exists()))?;
        }
        Ok(())
    }
}
