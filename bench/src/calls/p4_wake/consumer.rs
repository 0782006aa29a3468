//! The other process: one thread that sleeps in each way, in turns.

use std::sync::atomic::Ordering;

use anyhow::Result;
use onair::Timeout;

use super::Way;
use crate::load::board::{self, Ends, Words};
use crate::place;

#[derive(clap::Args)]
pub(crate) struct Consumer {
    #[arg(long)]
    core: usize,
    #[command(flatten)]
    ends: Ends,
    /// What the names of the peer's things begin with
    #[arg(long)]
    name: String,
}

impl Consumer {
    /// On the main thread, which is the one whose sleep is looked at.
    pub(crate) fn run(&self) -> Result<()> {
        let mapping = self.ends.board()?;
        let words = Words(&mapping);
        let session = self.ends.session()?;
        #[cfg(feature = "iceoryx2")]
        let peer = super::iceoryx::Listener::open(&self.name)?;
        place::pin(self.core)?;
        for round in words.rounds() {
            let seen = words.sleep_word().load(Ordering::SeqCst);
            words.set_ready(round);
            match Way::of(round) {
                Way::Futex => {
                    board::wait_change(words.sleep_word(), seen);
                    words.arrive(1, round);
                }
                Way::Ours => {
                    let buffer = session.buffer_get(Timeout::NEVER)?;
                    words.arrive(1, round);
                    drop(buffer);
                }
                Way::Iceoryx => {
                    #[cfg(feature = "iceoryx2")]
                    peer.wait()?;
                    words.arrive(1, round);
                }
            }
        }
        Ok(())
    }
}
