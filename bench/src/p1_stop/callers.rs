//! A process of callers: threads that sleep, and say when they were woken.

use std::path::PathBuf;

use anyhow::{Result, bail};
use onair::{Client, Error, Session, Timeout};

use super::{OVER, is_reference};
use crate::board::{self, Words};
use crate::users;

#[derive(clap::Args)]
pub(crate) struct Callers {
    /// Threads of this process
    #[arg(long)]
    threads: u32,
    /// Threads of all processes
    #[arg(long)]
    count: u32,
    #[arg(long)]
    board: String,
    #[arg(long)]
    attach: PathBuf,
}

impl Callers {
    pub(crate) fn run(&self) -> Result<()> {
        let mapping = board::open(&self.board)?;
        let words = Words(&mapping);
        let session = Client::at(&self.attach).attach("bench")?;
        users::together(self.threads, || call(&session, words, self.count), || ())
    }
}

fn call(session: &Session, words: Words<'_>, count: u32) -> Result<()> {
    let mut round = 0;
    loop {
        round = words.next(round);
        if round == OVER {
            return Ok(());
        }
        if is_reference(round) {
            let mut seen = words.bell().load(std::sync::atomic::Ordering::SeqCst);
            while seen != round {
                seen = board::wait_change(words.bell(), seen);
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
}
