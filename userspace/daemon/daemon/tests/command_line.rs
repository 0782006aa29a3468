//! `onaird` as a program: what it prints, and its exit status.

use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use onaird::shutdown::{Exit, HANDLED};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use signal_hook::low_level::signal_name;

#[test]
fn start_that_would_fail_then_the_check_says_so_with_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("onaird.toml");
    let port = |device: &str, more: &str| {
        format!(
            "[[poller]]\nname=\"p\"\ncore=0\n[[port]]\nname=\"a\"\npoller=\"p\"\naddress=\"10.0.0.1/24\"\n\
             device=\"{device}\"\n{more}"
        )
    };
    for (text, status, says) in [
        (String::new(), 6, "give at least one [[port]]"),
        (
            port("net_af_xpd0,iface=lo", ""),
            6,
            "no driver has this name",
        ),
        (
            port("net_af_xdp0,iface=onair-none", ""),
            1,
            "there is no interface onair-none",
        ),
        (
            port("net_af_packet0,iface=lo", "netns=\"onair-none\"\n"),
            1,
            "port.a.netns = onair-none",
        ),
        (port("ring:x:a", ""), 0, "ok"),
    ] {
        std::fs::write(&path, &text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_onaird"));
        let said = command.args(["--check-config", "--config"]).arg(&path);
        let said = said.output().unwrap();
        let told = [said.stdout, said.stderr].concat();
        let told = String::from_utf8(told).unwrap();
        assert_eq!(said.status.code(), Some(status), "{text}{told}");
        assert!(told.contains(says), "{told}");
    }
}

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

#[test]
fn help_signals_and_statuses_then_each_is_in_it() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onaird"));
    let said = command.arg("--help").output().unwrap();
    let help = String::from_utf8(said.stdout).unwrap();
    for signal in HANDLED {
        let name = signal_name(signal).unwrap();
        assert!(help.contains(name), "{name}: {help}");
    }
    for exit in Exit::ALL {
        let (status, meaning) = (exit.status(), exit.meaning());
        let line = format!("  {status}  {meaning}");
        assert!(help.lines().any(|it| it == line), "{line}: {help}");
    }
}

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
