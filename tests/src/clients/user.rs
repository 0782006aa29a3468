//! Processes of other users than root.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Config, Stage};
use serde_json::Value;

use onair_stage::TestClient;
use onair_stage::program;

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

    /// A client process of this user that does as it is told.
    pub fn test_client(self, stage: &Stage) -> Result<TestClient> {
        // Where every user may execute it.
        let copy = stage.directory().join("test_client-of-users");
        if !copy.exists() {
            fs::copy(program("onair-client")?, &copy)?;
        }
        let mut command = stage.command(&copy);
        command.uid(self.uid).gid(self.gid);
        TestClient::spawn(stage, command)
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
}
