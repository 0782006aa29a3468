//! `--host`: the control socket of another machine, through OpenSSH. Nothing of OnAir's own is on the wire.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use onair_api::operations::ShowHealth;
use onair_control::{Client, ControlError};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

use crate::args::Options;
use crate::failure::{Failure, HostError};

/// Longest login. That of sshd, in which a user types a password, is 120 s.
const LOGIN: Duration = Duration::from_secs(150);
/// Poll interval while ssh logs in.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Time that ssh has to exit.
const EXIT: Duration = Duration::from_secs(2);
/// Exit code of a program that SIGINT ended.
const INTERRUPTED: u8 = 130;
/// Of ssh: no connection that others share or that stays, no banner, no endless wait.
const SETTINGS: [&str; 6] = [
    "ControlPath=none",
    "ExitOnForwardFailure=yes",
    "LogLevel=ERROR",
    "ConnectTimeout=10",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
];

/// Runs `command` with a client of the daemon on `host`, and ends ssh with it. Returns the exit code.
pub(crate) async fn run(
    host: &str,
    options: &Options,
    command: impl AsyncFnOnce(&Client) -> u8,
) -> Result<u8, Failure> {
    let mut tunnel = Tunnel::start(host, &options.socket)?;
    let place = format!("{host}:{}", options.socket.display());
    let client = Client::new(&tunnel.socket(), options.timeout).named(&place);
    let done = async {
        let reached = timeout(LOGIN, reached(&client, &place)).await;
        reached.map_err(|_| HostError::Late(host.to_owned()))??;
        Ok(command(&client).await)
    };
    let code = tokio::select! {
        biased;
        code = signalled() => code.map_err(|error| HostError::Start(error).into()),
        code = done => code,
        status = tunnel.ssh.wait() => match status {
            // Ctrl-C is for both.
            Ok(status) if status.signal() == Some(Signal::INT.as_raw()) => Ok(INTERRUPTED),
            status => Err(HostError::ended(host, status).into()),
        },
    };
    tunnel.close().await;
    code
}

/// Waits for a signal that ends this program. Returns the exit code, as a shell has it.
async fn signalled() -> io::Result<u8> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::select! {
        _ = hangup.recv() => 129,
        _ = interrupt.recv() => INTERRUPTED,
        _ = terminate.recv() => 143,
    })
}

/// Waits until ssh listens and the daemon answers.
async fn reached(client: &Client, place: &str) -> Result<(), Failure> {
    loop {
        match client.call::<ShowHealth>(&(), &()).await {
            Err(ControlError::Unreachable { .. }) => sleep(LOOK_AGAIN).await,
            Err(ControlError::Broken { .. }) => {
                return Err(HostError::NoDaemon(place.to_owned()).into());
            }
            Err(error) if error.is_unreachable() => return Err(error.into()),
            _ => return Ok(()),
        }
    }
}

/// A running ssh that forwards a socket.
struct Tunnel {
    ssh: Child,
    /// Only this user may enter it.
    folder: TempDir,
}

impl Tunnel {
    /// Forwards the socket `remote` of `host`.
    fn start(host: &str, remote: &Path) -> Result<Self, HostError> {
        let remote = forwardable(remote)?;
        let folder = tempfile::Builder::new().prefix("onairctl-").tempdir();
        let folder = folder.map_err(HostError::Start)?;
        // However this process ends, ssh ends with it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "ssh", "-N"]);
        command.args(SETTINGS.iter().flat_map(|it| ["-o", it]));
        let mut forward = socket_in(&folder).into_os_string();
        forward.push(":");
        forward.push(remote);
        // ssh asks for a password on the terminal, and says what fails on standard error.
        command.arg("-L").arg(forward).args(["--", host]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let ssh = command.kill_on_drop(true).spawn();
        let ssh = ssh.map_err(HostError::Start)?;
        Ok(Self { ssh, folder })
    }

    fn socket(&self) -> PathBuf {
        socket_in(&self.folder)
    }

    /// Ends ssh, which gives the terminal back if it asks for a password.
    async fn close(mut self) {
        let pid = self.ssh.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        drop(timeout(EXIT, self.ssh.wait()).await);
    }
}

fn socket_in(folder: &TempDir) -> PathBuf {
    folder.path().join("control.sock")
}

/// `path`, if ssh takes it as it is.
fn forwardable(path: &Path) -> Result<&str, HostError> {
    let text = path.to_str().filter(|it| it.starts_with('/'));
    let text = text.filter(|it| !it.contains([':', '\\', '%', '$']));
    text.ok_or_else(|| HostError::Socket(path.to_owned()))
}
