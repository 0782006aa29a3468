//! A process of callers: threads that sleep, and say when they were woken.

use anyhow::{Result, bail};
use onair::{Error, Session, Timeout};

use super::is_reference;
use crate::load::board::{self, Ends, Words};
use crate::load::users;

#[derive(clap::Args)]
pub(crate) struct Callers {
    /// Threads of this process
    #[arg(long)]
    threads: u32,
    /// Threads of all processes
    #[arg(long)]
    count: u32,
    #[command(flatten)]
    ends: Ends,
}

impl Callers {
    pub(crate) fn run(&self) -> Result<()> {
        let mapping = self.ends.board()?;
        let words = Words(&mapping);
        let session = self.ends.session()?;
        users::together(self.threads, || call(&session, words, self.count), || ())
    }
}

fn call(session: &Session, words: Words<'_>, count: u32) -> Result<()> {
    for round in words.rounds() {
        if is_reference(round) {
            let mut seen = words.sleep_word().load(std::sync::atomic::Ordering::SeqCst);
            while seen != round {
                seen = board::wait_change(words.sleep_word(), seen);
            }
        } else {
            session.wait_started(Timeout::NEVER)?;
            match session.buffer_get(Timeout::NEVER) {
                Err(Error::Stopped) => {}
                other => bail!("a stop was expected, not {other:?}"),
            }
        }
        words.arrive(count, round);
    }
    Ok(())
}
