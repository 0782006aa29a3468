//! A start that fails: standard error has the error, and nothing of an end.

use std::process::Command;

#[test]
fn start_that_fails_then_its_error_is_all_that_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    // Resources, archive and sessions are open when the address turns out to be another machine's.
    let text = format!(
        "[state]\ndir=\"{}\"\n[control]\nsocket=\"{}\"\n[attach]\nsocket=\"{}\"\n\
         [metrics]\nlisten=\"192.0.2.1:9464\"\n[[poller]]\nname=\"p\"\ncore=0\n\
         [[port]]\nname=\"a\"\npoller=\"p\"\naddress=\"10.0.0.1/24\"\ndevice=\"ring:x:a\"\n",
        path("state"),
        path("control.sock"),
        path("attach.sock"),
    );
    let config = folder.path().join("onaird.toml");
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_onaird"));
    let ended = command.arg("--config").arg(&config).output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert_eq!(ended.stdout, b"");
    let errors: Vec<_> = told
        .lines()
        .filter(|line| !line.contains("does not refuse descriptors"))
        // It starts beside the sockets.
        .filter(|line| !line.contains("INFO dpdk: "))
        .collect();
    let [error] = errors[..] else {
        panic!("one line: {told}");
    };
    assert!(
        error.contains("ERROR") && error.contains("cannot listen on metrics.listen"),
        "{told}"
    );
}
