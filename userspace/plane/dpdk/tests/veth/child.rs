//! A process that holds ports until it is killed.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, stdin},
    process::{Child, Stdio},
};

use onair_dpdk::Eal;
use onair_stage::this_test;

use crate::veth::{self, Veth};

/// Marks the child process, and names its namespace.
const CHILD: &str = "OAD_CHILD";
const READY: &str = "the ports are open";

/// Runs this test in another process, which calls [`is_child`]; returns when
/// its ports are open.
pub(crate) fn start(veth: &Veth) -> Child {
    let mut child = this_test()
        .env(CHILD, &veth.namespace)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == READY), "the child failed");
    child
}

/// In the process of [`start`]: opens both ports and keeps them until it is killed, or its parent
/// exits. Returns false in any other process.
pub(crate) fn is_child(eal: fn() -> Eal) -> bool {
    let Some(namespace) = env::var_os(CHILD) else {
        return false;
    };
    let _ports = veth::open(&eal(), namespace.to_str().unwrap());
    println!("\n{READY}");
    let _ = stdin().read_to_end(&mut Vec::new());
    true
}
