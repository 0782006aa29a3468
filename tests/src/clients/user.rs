//! Processes of other users than root.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Actor, Config, Stage};
use serde_json::Value;

use onair_stage::TestClient;
use onair_stage::program;

/// Arguments: a file, the attach socket, a session, a number of connections, the hello.
const MAPPER: &str = r#"
import json, mmap, os, select, socket, sys
path, attach, session, count, hello = sys.argv[1:]
code = mmap.mmap(os.open(path, os.O_RDONLY), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
connections = []
for _ in range(int(count)):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(attach)
    connection.send(hello.encode())
    connection.recv(65536)
    connections.append(connection)
for connection in connections:
    connection.send(json.dumps({"type": "attach", "session": session}).encode())
print(json.dumps({"event": "asked"}), flush=True)
while connections:
    for connection in select.select(connections, [], [])[0]:
        answer = connection.recv(65536)
        connections.remove(connection)
        print(json.dumps({"event": "answered", "text": answer.decode()}), flush=True)
sys.stdin.read()
"#;

/// A user and its group, known to no database.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// Of its processes.
    pub uid: u32,
    /// Their only group.
    pub gid: u32,
}

impl User {
    /// A user with this uid and gid.
    #[must_use]
    pub const fn new(uid: u32, gid: u32) -> Self {
        Self { uid, gid }
    }

    /// Lets every user connect to both sockets, whatever their modes and those of the folders say.
    pub fn let_in(stage: &Stage) -> Result<()> {
        let mut folder = stage.directory();
        for socket in [Config::control_socket(stage), Config::attach_socket(stage)] {
            fs::set_permissions(&socket, Permissions::from_mode(0o666))?;
        }
        fs::set_permissions(folder, Permissions::from_mode(0o711))?;
        while let Some(parent) = folder.parent() {
            let mode = fs::metadata(parent)?.permissions().mode();
            ensure!(mode & 0o001 != 0, "{} is closed", parent.display());
            folder = parent;
        }
        Ok(())
    }

    /// A copy of the client program with this name on the stage: a file of its own for the probe.
    pub fn copy_of_test_client(stage: &Stage, name: &str) -> Result<PathBuf> {
        let copy = stage.directory().join(name);
        if !copy.exists() {
            fs::copy(program("onair-client")?, &copy)?;
        }
        Ok(copy)
    }

    /// A client process of this user that does as it is told.
    pub fn test_client(self, stage: &Stage) -> Result<TestClient> {
        self.test_client_as(
            stage,
            &Self::copy_of_test_client(stage, "test_client-of-users")?,
        )
    }

    /// As [`User::test_client`], with another program.
    pub fn test_client_as(self, stage: &Stage, program: &Path) -> Result<TestClient> {
        let mut command = stage.command(program);
        command.uid(self.uid).gid(self.gid);
        TestClient::spawn(stage, command)
    }

    /// A process of this user that maps `file` as its code, and asks to attach to `session` on `count`
    /// connections at once. It says event `asked` then, and event `answered` for each answer.
    pub fn mapper(self, stage: &Stage, file: &Path, session: &str, count: usize) -> Result<Actor> {
        let mut command = stage.command("/usr/bin/python3");
        command
            .args(["-c", MAPPER])
            .arg(file)
            .arg(Config::attach_socket(stage))
            .args([session, &count.to_string(), &crate::hello().to_string()])
            .uid(self.uid)
            .gid(self.gid);
        Actor::start("mapper", &mut command)
    }

    /// Asks the control socket as curl does: status and body. Null, if the body is no JSON.
    pub fn ask(
        self,
        stage: &Stage,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<(u16, Value)> {
        let mut command = Command::new("curl");
        command
            .args(["-s", "-m", "30", "-w", "\n%{http_code}", "-X", method])
            .arg("--unix-socket")
            .arg(Config::control_socket(stage))
            .arg(format!("http://localhost{path}"))
            .uid(self.uid)
            .gid(self.gid);
        if !body.is_null() {
            command.args(["-H", "content-type: application/json", "-d"]);
            command.arg(body.to_string());
        }
        let output = command.output().context("curl")?;
        ensure!(output.status.success(), "{method} {path}: {output:?}");
        let text = String::from_utf8(output.stdout)?;
        let (body, code) = text.rsplit_once('\n').context("a body and a status")?;
        Ok((
            code.parse()?,
            serde_json::from_str(body).unwrap_or_default(),
        ))
    }

    /// Posts to each path of `paths`, which is a pattern of curl, and all of it so often.
    pub fn repeat(
        self,
        stage: &Stage,
        paths: &str,
        times: usize,
        body: Option<&str>,
    ) -> Result<()> {
        let mut command = Command::new("curl");
        command
            .args(["-s", "-o", "/dev/null", "-X", "POST"])
            .args(["-H", "content-type: application/json"])
            .args(body.map(|it| ["-d", it]).iter().flatten())
            .arg("--unix-socket")
            .arg(Config::control_socket(stage))
            .arg(format!("http://user[1-{times}]@localhost/{paths}"))
            .uid(self.uid)
            .gid(self.gid);
        let status = command.status().context("curl")?;
        ensure!(status.success(), "{paths}: {status}");
        Ok(())
    }
}
