//! A process with AF_XDP ports is killed, and the next one takes over.

use std::{
    env,
    io::{BufRead, BufReader, Read, stdin},
    process::{Command, Stdio},
};

use onair_dpdk::{Error, Port};
use veth::{Veth, exchange};

mod common;
mod veth;

/// Marks the child process, and names its namespace.
const CHILD: &str = "OAD_CHILD";
const READY: &str = "the ports are open";

#[test]
fn af_xdp_ports_of_a_killed_process_can_be_opened_at_once() {
    if let Some(namespace) = env::var_os(CHILD) {
        let eal = common::eal();
        let _ports = veth::open(&eal, namespace.to_str().unwrap());
        println!("\n{READY}");
        // Until the parent exits, if it does not kill this process.
        let _ = stdin().read_to_end(&mut Vec::new());
        return;
    }

    let veth = Veth::new();
    let eal = common::eal();
    for round in 0..3 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--nocapture", "--test-threads=1"])
            .env(CHILD, &veth.namespace)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == READY), "the child failed");
        if round == 0 {
            // The queue of a live process is not touched.
            let refused = Port::open(&eal, &veth::config(&veth.namespace, "a"));
            assert!(
                matches!(refused, Err(Error::DeviceInUse { .. })),
                "{refused:?}"
            );
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            veth.ip("-details link show va").contains("xdp"),
            "left behind"
        );

        let (a, b) = veth.open(&eal);
        let (mut tx, mut rx) = (a.tx_queue().unwrap(), b.rx_queue().unwrap());
        exchange((&mut tx, a.mac()), (&mut rx, b.mac()), 1000);
        drop((tx, rx));
        a.close().unwrap();
        b.close().unwrap();
        veth.assert_clean();
    }
    eal.cleanup().unwrap();
}
