//! Restores what killed ports leave on their interfaces, and nothing else.

use onair_dpdk::{Link, LinkState, NotRestored, Restored};
use onair_stage::in_own_process;

use crate::common;
use crate::veth::{Veth, child};

#[test]
fn link_of_a_killed_port_then_put_back_as_it_was() {
    in_own_process!();
    if child::is_child(common::eal) {
        return;
    }
    let veth = Veth::new();
    let link = |device: &str| Link::of(device, Some(&veth.namespace)).unwrap().unwrap();
    let (a, b) = (link("net_af_xdp_a,iface=va"), link("net_af_xdp_b,iface=vb"));
    // A program of the user.
    veth.ip("link set vb promisc on");
    let before = [a.state().unwrap().unwrap(), b.state().unwrap().unwrap()];
    assert!(!before[0].promiscuous && before[1].promiscuous);

    let mut child = child::start(&veth);
    let during = a.state().unwrap().unwrap();
    assert!(during.promiscuous && during.programs.len() == 1);
    // The programs of a live process are not touched.
    assert_eq!(
        a.restore(&before[0], None).unwrap(),
        Err(NotRestored::InUse)
    );
    assert_eq!(a.state().unwrap().unwrap(), during);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(a.state().unwrap().unwrap(), during, "left behind");

    // Not a program of another process: it has another id.
    let strange = [during.programs[0] + 1000];
    let done = a.restore(&before[0], Some(&strange)).unwrap().unwrap();
    assert!(done.programs.is_empty(), "{done:?}");
    let done = a.restore(&before[0], Some(&during.programs)).unwrap();
    let expected = Restored {
        programs: during.programs,
        promiscuous: None,
    };
    assert_eq!(done, Ok(expected));
    // The progress is unknown: programs that were not there before are removed.
    let done = b.restore(&before[1], None).unwrap().unwrap();
    assert_eq!((done.programs.len(), done.promiscuous), (1, None));
    assert_eq!(a.state().unwrap().unwrap(), before[0]);
    assert_eq!(b.state().unwrap().unwrap(), before[1]);
    assert_eq!(
        a.restore(&before[0], None).unwrap(),
        Ok(Restored::default())
    );

    // Another interface of the same name, and no interface.
    let other = LinkState {
        index: before[0].index + 1,
        ..before[0].clone()
    };
    assert_eq!(a.restore(&other, None).unwrap(), Err(NotRestored::Gone));
    veth.ip("link delete va");
    assert_eq!(a.restore(&before[0], None).unwrap(), Err(NotRestored::Gone));
    let nowhere = Link::of("net_af_xdp_a,iface=va", Some("oad-is-not-there"));
    let nowhere = nowhere.unwrap().unwrap();
    assert_eq!(
        nowhere.restore(&before[0], None).unwrap(),
        Err(NotRestored::Gone)
    );
    assert!(Link::of("ring:x:a", None).unwrap().is_none());
    let packets = Link::of("net_af_packet0,iface=eth9", None)
        .unwrap()
        .unwrap();
    assert_eq!(packets.interface(), "eth9");
}
