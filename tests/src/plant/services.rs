//! What a host serves on its own address, beside the daemon's port.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use anyhow::{Context as _, Result};
use onair_stage::{Running, Stage, output, program, wait_for};

use super::site::{HOST, Plant, inside, started};

/// sshd does not run as root, so that it needs no user and no folder of its package.
const NOBODY: u32 = 65534;

impl Plant {
    /// A web server (port 8080, a `page` of 1 MiB) and an sshd (port 2222) on the host's own address.
    ///
    /// # Errors
    /// One of them does not listen after 20 seconds.
    pub fn services(&self) -> Result<[Running; 2]> {
        let host = self.host();
        let folder = host.directory().join("www");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("page"), vec![b'x'; 1 << 20])?;
        let web = format!(
            "python3 -m http.server 8080 --bind {HOST} --directory {}",
            folder.display()
        );
        let all = [started(host, "a web server", &web)?, sshd(host)?];
        wait_for("the services to listen", 20, || {
            let listening = inside(host, "ss -Hltn")?;
            Ok([":8080 ", ":2222 "].iter().all(|it| listening.contains(it)))
        })?;
        Ok(all)
    }
}

fn sshd(host: &Stage) -> Result<Running> {
    let folder = host.directory().join("sshd");
    fs::create_dir_all(&folder)?;
    let key = folder.join("key");
    let [at, own] = [&folder, &key].map(|it| it.display().to_string());
    output("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &own])?;
    chown(&key, Some(NOBODY), None)?;
    // Without PAM it reads /etc/shadow, which is root's.
    let mut config = format!(
        "ListenAddress {HOST}:2222\nHostKey {own}\nStrictModes no\nUsePAM yes\nPidFile none\n"
    );
    let target = program("onaird")?;
    let target = target.ancestors().nth(2).context("a target folder")?;
    let unpacked = target.join("third-party/openssh-server");
    let roots = [Path::new("/"), &unpacked];
    let root = roots.iter().find(|it| it.join("usr/sbin/sshd").exists());
    let root = root.context("`cargo xtask setup --for test` unpacks sshd")?;
    // OpenSSH 9.8 and later have several programs.
    for (key, name) in [
        ("", "sbin/sshd"),
        ("SshdSessionPath", "lib/openssh/sshd-session"),
        ("SshdAuthPath", "lib/openssh/sshd-auth"),
    ] {
        let file = root.join("usr").join(name);
        if !file.exists() {
            continue;
        }
        let copy = folder.join(file.file_name().context("a name")?);
        fs::copy(&file, &copy)?;
        fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
        if !key.is_empty() {
            config += &format!("{key} {}\n", copy.display());
        }
    }
    fs::write(folder.join("config"), config)?;
    let ids = format!("--reuid={NOBODY} --regid={NOBODY} --clear-groups");
    started(
        host,
        "sshd",
        &format!("setpriv {ids} {at}/sshd -D -e -f {at}/config"),
    )
}
