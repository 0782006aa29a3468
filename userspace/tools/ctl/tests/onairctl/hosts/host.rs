//! A host that ssh reaches: each login starts a real sshd, with keys of its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::support::onairctl;

/// Whom sshd lets in: it does not run as root, so that it needs no user and no folder of the package.
const USER: (&str, u32) = ("nobody", 65534);
/// Until a killed process is gone.
const GONE: Timespec = Timespec {
    tv_sec: 30,
    tv_nsec: 0,
};

/// The host `studio`. Under the name `wall` it refuses every login.
pub(super) struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    pub(super) fn new() -> Self {
        let this = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        open(this.folder.path());
        for name in ["own", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
            assert!(keygen.arg(this.path(name)).status().unwrap().success());
        }
        let public = fs::read_to_string(this.path("own.pub")).unwrap();
        this.write("known", &format!("studio {public}"));
        let is_root = rustix::process::geteuid().is_root();
        let (user, become_user) = if is_root {
            chown(this.path("own"), Some(USER.1), None).unwrap();
            let ids = format!("--reuid={0} --regid={0}", USER.1);
            let setpriv = format!("setpriv {ids} --clear-groups ");
            (USER.0.to_owned(), setpriv)
        } else {
            let own = Command::new("id").arg("-un").output().unwrap().stdout;
            (String::from_utf8(own).unwrap(), String::new())
        };
        let folder = this.folder.path().display();
        // Without PAM it reads /etc/shadow, which is root's.
        let mut sshd = format!(
            "HostKey {folder}/own\nAuthorizedKeysFile {folder}/user.pub\nStrictModes no\nUsePAM yes\nLogLevel QUIET\n"
        );
        for name in this.copy_programs() {
            // OpenSSH 9.8 and later have several.
            sshd += match name {
                "sshd-session" => "SshdSessionPath ",
                "sshd-auth" => "SshdAuthPath ",
                _ => continue,
            };
            sshd += &format!("{folder}/{name}\n");
        }
        this.write("sshd_config", &sshd);
        let ssh = format!(
            "BatchMode yes\nIdentityFile {folder}/user\nIdentitiesOnly yes\nUser {user}\n\
             UserKnownHostsFile {folder}/known\nHost studio\n\
             ProxyCommand {become_user}{folder}/sshd -i -f {folder}/sshd_config\n\
             Host wall\nProxyCommand false\n"
        );
        this.write("ssh_config", &ssh);
        let script = format!(
            "#!/bin/sh\necho $$ >{folder}/pid\nexec /usr/bin/ssh -F {folder}/ssh_config \"$@\"\n"
        );
        fs::create_dir(this.path("tmp")).unwrap();
        fs::create_dir(this.path("bin")).unwrap();
        this.write("bin/ssh", &script);
        open(&this.path("bin/ssh"));
        this
    }

    /// Puts a script before the programs that `onairctl` finds.
    pub(super) fn program(&self, name: &str, script: &str) {
        self.write(&format!("bin/{name}"), script);
        open(&self.path("bin").join(name));
    }

    /// `onairctl` with `args`; its ssh knows this host.
    pub(super) fn command(&self, args: &str) -> Command {
        let mut command = onairctl(args);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        command.env("TMPDIR", self.path("tmp"));
        command
    }

    /// Waits until the last ssh is gone.
    pub(super) fn assert_ssh_gone(&self) {
        let pid = fs::read_to_string(self.path("pid")).unwrap();
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        let ssh = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return,
            ssh => ssh.unwrap(),
        };
        let mut ended = [PollFd::new(&ssh, PollFlags::IN)];
        assert_eq!(poll(&mut ended, Some(&GONE)), Ok(1), "ssh goes on");
    }

    /// How many files `onairctl` left in its folder of temporary ones.
    pub(super) fn left(&self) -> usize {
        fs::read_dir(self.path("tmp")).unwrap().count()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Copies sshd's programs, those of the machine or those that `cargo xtask setup --for test` has unpacked, to where
    /// every user may start them. Returns their names.
    fn copy_programs(&self) -> Vec<&'static str> {
        let target = Path::new(env!("CARGO_BIN_EXE_onairctl")).ancestors().nth(2);
        let unpacked = target.unwrap().join("third-party/openssh-server");
        let roots = [Path::new("/"), &unpacked];
        let root = roots.iter().find(|it| it.join("usr/sbin/sshd").exists());
        let root = root.expect("`cargo xtask setup --for test` has unpacked sshd");
        let all = [
            "usr/sbin/sshd",
            "usr/lib/openssh/sshd-session",
            "usr/lib/openssh/sshd-auth",
        ];
        let there = all.into_iter().filter(|it| root.join(it).exists());
        let copied = there.map(|it| {
            let (_, name) = it.rsplit_once('/').unwrap();
            fs::copy(root.join(it), self.path(name)).unwrap();
            name
        });
        copied.collect()
    }
}

/// Lets every user in.
pub(super) fn open(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
}
