//! What a hostile peer sends to the daemon's sockets with SCM_RIGHTS: the last close of a descriptor waits as
//! long as its sender likes, so none may ever be queued.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_tests::{Config, Rig};
use rustix::io::Errno;

/// Runs the hostile peer against the socket at `path`. What the kernel answered on each way: an errno, or 0.
fn attack(rig: &Rig, path: &Path, kind: &str) -> Result<BTreeMap<String, i32>> {
    let program = rig.stage().directory().join("sender");
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/hostile/descriptors/sender.c"
    );
    let built = Command::new("cc")
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
        .args([&program, Path::new(source)])
        .status()
        .context("cc is needed")?;
    ensure!(built.success(), "cc could not compile the sender");
    let output = Command::new(&program).arg(path).arg(kind).output()?;
    ensure!(output.status.success(), "{output:?}");
    let answers = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    Ok(answers.collect::<Result<_, _>>()?)
}

#[test]
fn descriptors_sent_on_every_way_then_refused_by_the_kernel() -> Result<()> {
    let (mut rig, mut control) = Rig::with_control()?;
    let sockets = [
        (Config::control_socket(rig.stage()), "stream"),
        (Config::attach_socket(rig.stage()), "seqpacket"),
    ];
    for (path, kind) in sockets {
        let answers = attack(&rig, &path, kind)?;
        for way in ["nothing", "to_another"] {
            assert_eq!(answers[way], 0, "{kind}: {answers:?}");
        }
        let kinds = [
            "lingering socket",
            "/dev/fuse",
            "userfaultfd",
            "unix socket",
            "many",
        ];
        for way in ["descriptor", "io_uring", "amid_connect"]
            .into_iter()
            .chain(kinds)
        {
            assert_eq!(
                answers[way],
                Errno::PERM.raw_os_error(),
                "{kind}, {way}: {answers:?}"
            );
        }
        // Newer kernels refuse it themselves, with another error.
        ensure!(answers["io_uring instance"] != 0, "{kind}: {answers:?}");
        assert_eq!(answers["not_connected"], Errno::NOTCONN.raw_os_error());
        // A stream refuses the address, if nothing else does.
        ensure!(answers["second_of_two"] != 0, "{kind}: {answers:?}");
        control.health()?;
    }
    rig.stop_daemon()
}
