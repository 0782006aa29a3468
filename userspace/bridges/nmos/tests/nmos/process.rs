//! The program itself.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::http::read;
use crate::support::registry::TestRegistry;
use crate::support::schemas::check;

const PROGRAM: &str = env!("CARGO_BIN_EXE_onair-nmos");

/// The program with these settings. It is killed if it is left behind.
pub(crate) struct Running {
    child: Child,
    notified: UnixDatagram,
    log: PathBuf,
    _folder: TempDir,
}

impl Running {
    pub(crate) fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), settings);
        let notify = folder.path().join("notify");
        let notified = UnixDatagram::bind(&notify).unwrap();
        notified
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let log = folder.path().join("log");
        let mut program = Command::new(PROGRAM);
        program
            .arg("--config")
            .arg(path)
            .env("NOTIFY_SOCKET", notify);
        Self {
            child: { program.stderr(fs::File::create(&log).unwrap()) }
                .spawn()
                .unwrap(),
            notified,
            log,
            _folder: folder,
        }
    }

    pub(crate) fn ready(&self) {
        let mut bytes = [0; 64];
        let length = self.notified.recv(&mut bytes).unwrap();
        assert!(bytes[..length].starts_with(b"READY=1"));
    }

    /// Waits until its log has this.
    pub(crate) async fn until_said(&self, text: &str) {
        let said = async {
            while !fs::read_to_string(&self.log).unwrap().contains(text) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let said = tokio::time::timeout(Duration::from_secs(60), said).await;
        assert!(said.is_ok(), "{}", fs::read_to_string(&self.log).unwrap());
    }

    /// Its exit code after SIGTERM.
    fn end(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(folder: &Path, settings: &str) -> PathBuf {
    let path = folder.join("nmos.toml");
    let control = folder.join("control.sock");
    let control = control.display();
    fs::write(
        &path,
        format!("[nmos]\ncontrol = \"{control}\"\nmdns = false\n{settings}"),
    )
    .unwrap();
    path
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn no_daemon_then_the_node_answers_and_is_not_registered() {
    let registry = TestRegistry::start(0).await;
    let listen = free_port();
    let running = Running::start(&format!(
        "listen = \"{listen}\"\nseed = \"s\"\nregistries = [\"http://{}\"]\n",
        registry.registry
    ));
    running.ready();
    let node = read(listen, "/x-nmos/node/v1.3/self/").await;
    check("node", &node);
    assert_eq!(node["href"], format!("http://{listen}/"));
    assert_eq!(running.end(), Some(0));
    assert!(registry.books().log.is_empty());
}

#[test]
fn check_then_the_settings_are_printed_and_nothing_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        folder.path(),
        "listen = \"127.0.0.1:80\"\nseed = \"s\"\ndomain = \"plant.test\"\n",
    );
    let output = Command::new(PROGRAM)
        .arg("--check")
        .arg("--config")
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for part in [
        "http://127.0.0.1:80/",
        "unicast DNS of plant.test",
        "control.sock",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn wrong_settings_or_address_in_use_then_said_with_exit_1() {
    let used = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let used = format!(
        "listen = \"{}\"\nseed = \"s\"\n",
        used.local_addr().unwrap()
    );
    for (settings, part) in [("lisen = 1\n", "lisen"), (&used, "nmos.listen")] {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), settings);
        let output = Command::new(PROGRAM)
            .arg("--config")
            .arg(path)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(1) && text.contains(part),
            "{text}"
        );
    }
}
