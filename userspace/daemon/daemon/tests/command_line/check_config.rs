//! `onaird --check-config` tells what the start would refuse, with the same exit status.

use std::process::Command;

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
