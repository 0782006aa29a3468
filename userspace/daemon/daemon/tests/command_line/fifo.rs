//! A configuration file that is a FIFO.

use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

#[test]
fn configuration_is_a_fifo_without_a_writer_then_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("onaird.toml");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_onaird"));
    command.args(["--check-config", "--config"]).arg(&path);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    let Ok(said) = receiver.recv_timeout(Duration::from_secs(20)) else {
        // A writer that comes and goes ends its wait.
        std::fs::write(&path, "").unwrap();
        panic!("onaird waits for a writer");
    };
    let text = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(6), "{text}");
    assert!(text.contains("it is no regular file"), "{text}");
}
