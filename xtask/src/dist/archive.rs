//! The tarball, which is the same bytes for the same files, and the signature of the checksums.
//!
//! Times are those of the commit, owners are root, names are sorted, and xz has one thread.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result};
use rustix::fs::Mode;
use rustix::process::umask;

use super::done;
use crate::cargo::root;

/// See <https://reproducible-builds.org/specs/source-date-epoch/>.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Seconds since 1970 that every file has: what [`EPOCH`] says, else the time of the commit, else that of the newest
/// entry of the changes, for sources without git.
///
/// # Errors
/// The changes cannot be read.
pub(crate) fn epoch() -> Result<String> {
    if let Ok(own) = std::env::var(EPOCH) {
        return Ok(own);
    }
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"]).current_dir(root());
    if let Ok(text) = done(&mut git) {
        return Ok(text.trim().to_owned());
    }
    let changed = fs::metadata(root().join("CHANGELOG.md"))?.modified()?;
    Ok(changed.duration_since(UNIX_EPOCH)?.as_secs().to_string())
}

/// Folders and files from here on have modes that do not depend on the user's umask.
pub(super) fn fix_modes() {
    umask(Mode::WGRP | Mode::WOTH);
}

/// Packs `folder/name` into the tarball `to`.
pub(super) fn tar(folder: &Path, name: &str, to: &Path, epoch: &str) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .args(["--format=gnu", &format!("--mtime=@{epoch}"), "-cJf"])
        .arg(to)
        .arg("-C")
        .args([folder, Path::new(name)])
        .env("XZ_OPT", "-T1");
    done(&mut tar).map(drop)
}

/// Signs `SHA256SUMS` of `folder` with the key `key` of `gpg`: `SHA256SUMS.asc`.
pub(super) fn sign(mut gpg: Command, folder: &Path, key: &str) -> Result<()> {
    gpg.args(["--batch", "--yes", "--armor", "--local-user", key])
        .args(["--detach-sign", "SHA256SUMS"])
        .current_dir(folder);
    done(&mut gpg)
        .map(drop)
        .with_context(|| format!("signing with {key}"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn same_files_made_otherwise_then_the_same_tarball() {
        let tarball = |names: [&str; 3], ago| {
            let folder = tempfile::tempdir().unwrap();
            for name in names {
                let file = folder.path().join("p").join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, name).unwrap();
                let time = SystemTime::now() - Duration::from_secs(ago);
                File::open(&file).unwrap().set_modified(time).unwrap();
            }
            let to = folder.path().join("t.tar.xz");
            tar(folder.path(), "p", &to, "1000000000").unwrap();
            fs::read(to).unwrap()
        };
        let one = tarball(["c", "a", "b/c"], 10);
        let other = tarball(["b/c", "a", "c"], 5000);
        assert!(one == other, "they differ");
    }

    #[test]
    fn checksums_signed_then_gpg_verifies_them_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::write(folder.path().join("SHA256SUMS"), "sums\n").unwrap();
        let own = || {
            let mut gpg = Command::new("gpg");
            gpg.env("GNUPGHOME", &home).current_dir(folder.path());
            gpg
        };
        let gpg =
            |arguments: &[&str]| done(own().args(["--batch", "--passphrase", ""]).args(arguments));
        let key = [
            "--quick-generate-key",
            "onair-test@localhost",
            "ed25519",
            "sign",
            "1d",
        ];
        gpg(&key).unwrap();
        sign(own(), folder.path(), "onair-test@localhost").unwrap();
        let verify = ["--verify", "SHA256SUMS.asc", "SHA256SUMS"];
        gpg(&verify).unwrap();
        fs::write(folder.path().join("SHA256SUMS"), "other sums\n").unwrap();
        gpg(&verify).unwrap_err();
    }
}
