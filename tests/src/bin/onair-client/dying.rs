//! Threads that end inside a call, and processes that end in unusual ways.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::{Context as _, Result, bail};
use onair::{Error, Session, Timeout};
use onair_ipc::sys::gettid;
use rustix::thread::{SecureComputingMode, set_secure_computing_mode};
use serde_json::json;

use super::{Reply, TestClient, hostile};

/// What a thread that is about to end has to tell.
type Told = Sender<(u32, Result<(), Error>)>;

impl TestClient {
    pub(crate) fn dying_command(&mut self, word: &str, rest: &str) -> Result<Reply> {
        let session = self.session()?;
        Ok(match word {
            "exit-inside" => many(session, rest.parse()?, exit_inside)?,
            "exit-taking" => many(session, rest.parse()?, exit_taking)?,
            "reincarnate" => {
                let session = Arc::clone(session);
                let tid = rest.parse()?;
                reincarnate(tid, move || super::threads::block(&session))?;
                Ok(json!({ "tid": tid }))
            }
            "exec-inside" => {
                let (session, program) = (Arc::clone(session), rest.to_owned());
                thread::spawn(move || exec_inside(&session, &program));
                Ok(json!({}))
            }
            _ => bail!("no such way of dying"),
        })
    }
}

/// Starts `count` threads that are to end, and gives their numbers.
fn many(session: &Arc<Session>, count: usize, end: fn(&Session, &Told)) -> Result<Reply> {
    let (told, tids) = channel();
    for _ in 0..count {
        let (session, told) = (session.clone(), told.clone());
        // A handle that is joined would wait for a result that never comes.
        drop(thread::Builder::new().spawn(move || end(&session, &told))?);
    }
    drop(told);
    let mut all = Vec::new();
    for (tid, result) in tids.iter().take(count) {
        match result {
            Ok(()) | Err(Error::TimedOut) => all.push(tid),
            Err(error) => return Ok(Err(error)),
        }
    }
    if all.len() != count {
        bail!("{} of {count} threads told their number", all.len());
    }
    Ok(Ok(json!({ "tids": all })))
}

/// Is ended by the kernel where it would go to sleep in `buffer_get`.
fn exit_inside(session: &Session, told: &Told) {
    // Takes a slot, and a frame if there is one.
    let first = session.buffer_get(Timeout::NOW).map(drop);
    let _ = told.send((gettid(), first));
    end_at_the_next_system_call();
    let _ = session.buffer_get(Timeout::NEVER);
}

/// Is ended by the kernel while its slot counts it and it has taken a frame that no thread was given:
/// between the compare-and-exchange that takes and the return.
fn exit_taking(session: &Session, told: &Told) {
    let taken = loop {
        match session.buffer_get(Timeout::millis(10_000)) {
            Err(Error::Stopped) => match session.wait_started(Timeout::millis(10_000)) {
                Ok(()) => {}
                Err(error) => break Err(error),
            },
            other => break other.map(onair::Buffer::into_raw),
        }
    };
    let taken = taken.map(|_| hostile::count_me(session).expect("it has a slot"));
    let _ = told.send((gettid(), taken));
    end_at_the_next_system_call();
    thread::yield_now();
}

/// Becomes another program as a thread that is inside a call: counted in its slot, and between the
/// probe's sites.
fn exec_inside(session: &Session, program: &str) {
    let _ = session.buffer_get(Timeout::NOW);
    hostile::count_me(session).expect("it has a slot");
    onair_ipc::site::between(session.id().0, session.attachment(), &mut || {
        let error = Command::new(program).exec();
        panic!("{program}: {error}");
    });
}

/// Starts threads until one has the number `tid`, which no thread may have, and lets it do `work`.
fn reincarnate(tid: u32, work: impl Fn() + Clone + Send + 'static) -> Result<()> {
    for _ in 0..10_000 {
        // Others start threads, too: one of them may be quicker.
        fs::write("/proc/sys/kernel/ns_last_pid", (tid - 1).to_string()).context("ns_last_pid")?;
        let (told, got) = channel();
        let work = work.clone();
        let _ = thread::spawn(move || {
            let own = gettid();
            let _ = told.send(own == tid);
            if own == tid {
                work();
            }
        });
        if got.recv()? {
            return Ok(());
        }
    }
    bail!("no thread got the number {tid}")
}

/// In strict seccomp(2) any system call but a few ends the thread that makes it, and no other. No
/// destructor of the thread runs.
pub(crate) fn end_at_the_next_system_call() {
    set_secure_computing_mode(SecureComputingMode::Strict)
        .context("seccomp")
        .expect("the kernel has it");
}
