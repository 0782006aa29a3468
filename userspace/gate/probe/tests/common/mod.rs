//! A real client process in C with the probe sites, and the harness around it.

#![allow(dead_code, reason = "each test program uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use onair_probe::{Armed, Probe, ProbeConfig, ProbeError, Proof};
use onair_stage::{Actor, Deadline};
use serde_json::Value;

/// The session of these tests.
pub(crate) const SESSION: u64 = 0x6700_0000_0000_0001;

/// Longest wait in these tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The sites of the test program itself.
pub(crate) fn own_site(session: u64, argument: u64) {
    onair_ipc::site::between(session, argument, &mut || {});
}

pub(crate) fn config() -> ProbeConfig {
    ProbeConfig::new(own_site)
}

pub(crate) fn probe() -> Probe {
    Probe::start(config()).expect("these tests need root and a kernel with BTF")
}

/// One of the counters in the kernel.
pub(crate) fn stat(probe: &Probe, name: &str) -> u64 {
    probe
        .health()
        .stats
        .into_iter()
        .find(|(known, _)| *known == name)
        .expect("a counter")
        .1
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Waits for a condition, at most [`DEADLINE`].
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    onair_stage::until(what, Deadline::after(DEADLINE), || Ok(condition())).unwrap()
}

/// The client program, compiled once for a run of the tests.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../gate/probe/tests/common/client.c");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe-client");
        // Renamed into its place: another run may be executing the old one.
        let made = program.with_extension(std::process::id().to_string());
        let status = Command::new("gcc")
            .args(["-O2", "-g", "-pthread", "-Wall", "-o"])
            .args([&made, &source])
            .status()
            .expect("gcc is needed");
        assert!(status.success(), "gcc could not compile the client");
        fs::rename(made, &program).expect("a file of our own");
        program
    })
}

/// A client process; killed at the end.
pub(crate) struct Client(Actor);

impl Client {
    pub(crate) fn start() -> Self {
        Self::of(program())
    }

    pub(crate) fn of(program: &Path) -> Self {
        Self::run(&mut Command::new(program))
    }

    pub(crate) fn run(command: &mut Command) -> Self {
        let mut client = Self(Actor::start("probe-client", command).unwrap());
        assert!(client.line().starts_with("pid "));
        client
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.pid()
    }

    fn line(&mut self) -> String {
        let line = self
            .0
            .wait_line("a line", Deadline::after(DEADLINE), |_| true);
        match line.unwrap() {
            Value::String(line) => line,
            other => other.to_string(),
        }
    }

    /// Sends a line without reading the answer.
    pub(crate) fn send(&mut self, command: &str) {
        self.0.send(command).unwrap();
    }

    /// Sends a line and returns the answer.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.line()
    }

    /// Blocks this many threads; returns when the kernel reports that all sleep.
    pub(crate) fn block(&mut self, session: u64, attachment: u64, count: usize) -> Vec<u32> {
        self.send(&format!("block {session} {attachment} {count}"));
        let tid = |line: String| line.strip_prefix("tid ").expect("a tid").parse().unwrap();
        let tids: Vec<u32> = (0..count).map(|_| tid(self.line())).collect();
        let pid = self.pid();
        until("callers asleep", || {
            tids.iter().all(|&tid| is_asleep(pid, tid)).then_some(())
        });
        tids
    }

    pub(crate) fn kill(&mut self) {
        self.0.running().kill().unwrap();
    }
}

/// The oracle: a thread in `futex` (202), by /proc.
pub(crate) fn is_asleep(pid: u32, tid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall"))
        .is_ok_and(|call| call.starts_with("202 "))
}

/// Arms a client, sees its canary.
pub(crate) fn introduce(probe: &Probe, client: &mut Client) -> Result<(Armed, Proof), ProbeError> {
    let armed = block_on(probe.arm(client.pid()))?;
    Ok((armed, prove(probe, client)?))
}

/// A new client, armed and registered as this attachment of [`SESSION`].
pub(crate) fn registered(probe: &Probe, attachment: u64) -> (Client, Armed, Proof) {
    let mut client = Client::start();
    let (armed, proof) = introduce(probe, &mut client).unwrap();
    probe.register(&proof, SESSION, attachment, 0).unwrap();
    (client, armed, proof)
}

/// Sees the canary of an armed client.
pub(crate) fn prove(probe: &Probe, client: &mut Client) -> Result<Proof, ProbeError> {
    let token = probe.challenge()?;
    client.ask(&format!("canary {token}"));
    Ok(probe.proof(token)?.expect("the canary comes through"))
}
