//! A process with AF_XDP ports is killed, and the next one takes over.

use onair_dpdk::{Error, Port};
use onair_stage::in_own_process;

use crate::common;
use crate::veth::{self, Veth, child, exchange};

/// The id of the XDP program at one end.
fn program(veth: &Veth) -> Option<String> {
    let shown = veth.ip("-details link show va");
    let (_, program) = shown.split_once("prog/xdp id ")?;
    program.split_whitespace().next().map(str::to_owned)
}

/// Before Linux 6.3 a port tries without a look.
fn can_look() -> bool {
    let uname = rustix::system::uname();
    let release = uname.release().to_str().unwrap_or_default();
    let mut numbers = release.split('.').map(|it| it.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(3))
}

#[test]
fn af_xdp_ports_of_a_killed_process_can_be_opened_at_once() {
    in_own_process!();
    if child::is_child(common::eal) {
        return;
    }
    let veth = Veth::new();
    let eal = common::eal();
    for round in 0..3 {
        let mut child = child::start(&veth);
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
        let left = program(&veth).expect("left behind");
        let (a, b) = veth.open(&eal);
        if can_look() {
            let why = "an attempt at a busy queue failed, which takes the program off";
            assert_eq!(program(&veth), Some(left), "{why}");
        }
        let (mut tx, mut rx) = (a.tx_queue(0).unwrap(), b.rx_queue(0).unwrap());
        exchange((&mut tx, a.mac()), (&mut rx, b.mac()), 1000);
        drop((tx, rx));
        a.close().unwrap();
        b.close().unwrap();
        veth.assert_clean();
    }
    eal.cleanup().unwrap();
}
