//! Processes that use all of a core each: the load beside which a row is measured once more.

use anyhow::Result;
use onair_stage::{Actor, Deadline, Stage};

use crate::place;

#[derive(clap::Args)]
pub(crate) struct BusyCore {
    #[arg(long)]
    core: usize,
}

/// Starts one on each core, at the usual priority. They end when they are dropped.
pub(crate) fn on_each(stage: &Stage) -> Result<Vec<Actor>> {
    let started = place::cores()?.into_iter().map(|core| {
        let mut command = stage.command(std::env::current_exe()?);
        command.args(["busy-core", "--core", &core.to_string()]);
        let mut actor = Actor::start("busy-core", &mut command)?;
        actor.event("ready", Deadline::seconds(10))?;
        Ok(actor)
    });
    started.collect()
}

impl BusyCore {
    pub(crate) fn run(&self) -> Result<()> {
        place::pin(self.core)?;
        println!("{{\"event\": \"ready\"}}");
        loop {
            std::hint::spin_loop();
        }
    }
}
