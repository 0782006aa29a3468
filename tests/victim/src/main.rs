//! A client whose eight threads call in every way until it dies at the point that it was told.
//!
//! `onair-victim JOB` with a [`Job`] as JSON; `onair-victim --labels` lists the points, a line each.
//! It ends with status 0 when it was told to leave its sessions and has done so.
#![forbid(unsafe_code)]

mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair::{Client, Session};
use onair_ipc::label;
use onair_victim::{Job, LabelAction, Role, Tally};

use threads::Worker;

/// How long one that is to leave uses its sessions first.
const A_WHILE: Duration = Duration::from_millis(5);

fn main() -> Result<()> {
    let argument = std::env::args()
        .nth(1)
        .context("onair-victim JOB | --labels")?;
    if argument == "--labels" {
        for label in label::LABELS {
            println!("{label}");
        }
        return Ok(());
    }
    let job: Job = serde_json::from_str(&argument)?;
    if let Some(trap) = &job.trap {
        let action = match trap.action {
            LabelAction::Die => label::LabelAction::Die,
            LabelAction::Stay => label::LabelAction::Stay,
        };
        let at = label::LABELS.iter().position(|label| *label == trap.label);
        let at = at.with_context(|| format!("no label {}", trap.label))?;
        label::arm(at, trap.hit, trap.thread, action);
    }
    let tally = Arc::new(Tally::open(&job.tally)?);
    let client = Client::at(&job.socket);
    let mut sessions = Vec::new();
    if let Role::Destroy(spec) | Role::Abort(spec) = &job.role {
        let spec = (**spec).clone().try_into()?;
        sessions.push(Arc::new(client.create(&spec)?));
    }
    for name in &job.sessions {
        let session = match job.role {
            Role::Fill => client.attach_to_fill(name)?,
            _ => client.attach(name)?,
        };
        sessions.push(Arc::new(session));
    }
    let leaves = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    for number in 0..job.threads {
        let worker = Worker {
            number,
            session: Arc::clone(&sessions[number % sessions.len()]),
            tally: Arc::clone(&tally),
            leaves: Arc::clone(&leaves),
        };
        let role = job.role.clone();
        threads.push(std::thread::spawn(move || {
            label::number_thread(number);
            worker.work(&role);
        }));
    }
    leave(&job.role, sessions, threads, &leaves)
}

fn leave(
    role: &Role,
    sessions: Vec<Arc<Session>>,
    threads: Vec<JoinHandle<()>>,
    leaves: &AtomicBool,
) -> Result<()> {
    let is_to_leave = matches!(role, Role::Detach | Role::Drop | Role::Destroy(_));
    if is_to_leave {
        std::thread::sleep(A_WHILE);
        leaves.store(true, Ordering::SeqCst);
        for session in &sessions {
            session.stop();
        }
    }
    if let Role::Abort(_) = role {
        std::thread::sleep(A_WHILE);
        for session in &sessions {
            session.abort()?;
        }
    }
    for thread in threads {
        thread.join().ok().context("a thread panicked")?;
    }
    for session in &sessions {
        match role {
            Role::Detach => session.detach()?,
            Role::Destroy(_) => drop(session.destroy_wait(Duration::from_secs(20))?),
            _ => {}
        }
    }
    Ok(())
}
