//! Processes that end, multiply, or hand on what they have.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use fork::Fork;
use onair::{Error, Timeout};
use onair_ipc::sys::heap_bytes;
use onair_tests::errno_name;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::{Value, json};

use super::{Reply, TestClient, hostile};

impl TestClient {
    pub(crate) fn process_command(&mut self, word: &str, rest: &str) -> Result<Reply> {
        Ok(Ok(match word {
            "abort-process" => {
                leave_no_core()?;
                std::process::abort()
            }
            "segv" => {
                leave_no_core()?;
                segv()?
            }
            "eat" => {
                self.eaten.push(eat(rest.parse()?));
                Value::Null
            }
            "heap" => json!({ "bytes": heap_bytes() }),
            "fork" => self.fork()?,
            "run" => {
                let (count, program) = rest.split_once(' ').context("how often, and a program")?;
                for _ in 0..count.parse()? {
                    ensure!(
                        Command::new(program).status()?.success(),
                        "{program} failed"
                    );
                }
                Value::Null
            }
            _ => bail!("no such command for processes"),
        }))
    }

    /// The child uses what it inherited, tells how that went (event `forked`), and lives on.
    fn fork(&self) -> Result<Value> {
        let session = self.session()?.clone();
        let held = self.held.first().copied();
        match fork::fork()? {
            Fork::Parent(pid) => Ok(json!({ "pid": pid })),
            Fork::Child => {
                let name = |result: Result<(), Error>| {
                    result.map_or_else(|it| errno_name(&it), |()| "ok".into())
                };
                let told = json!({
                    "event": "forked",
                    "pid": std::process::id(),
                    "get": name(session.buffer_get(Timeout::NEVER).map(drop)),
                    "poll": name(session.event_poll(Timeout::NEVER).map(drop)),
                    "wait-started": name(session.wait_started(Timeout::NEVER)),
                    "put": held.map(|held| name(session.put_raw(held))),
                });
                // Not println: another thread may have had its lock at the fork. In one write: the
                // parent answers on the same pipe meanwhile.
                let mut out = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
                out.write_all(format!("{told}\n").as_bytes())?;
                loop {
                    thread::park();
                }
            }
        }
    }
}

/// How it dies is known.
fn leave_no_core() -> Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}

/// Takes memory, and uses it.
fn eat(megabytes: usize) -> Vec<u8> {
    let mut eaten = Vec::new();
    for _ in 0..megabytes {
        eaten.resize(eaten.len() + (1 << 20), 0x5a);
    }
    black_box(eaten)
}

/// Writes to address 0, as a broken program does: the instruction that does so is written over the
/// beginning of a function, which is then called.
fn segv() -> Result<Value> {
    // mov [0], rax
    const STORE_AT_0: [u8; 8] = [0x48, 0x89, 0x04, 0x25, 0, 0, 0, 0];
    let place = broken as *const () as usize as u64;
    hostile::memory()?.write_all_at(&STORE_AT_0, place)?;
    black_box(broken as fn() -> u64)();
    bail!("it survived")
}

#[inline(never)]
fn broken() -> u64 {
    black_box(0x1234_5678_9abc_def0_u64) ^ black_box(0x0fed_cba9_8765_4321_u64)
}
