//! Calls of a process that is not a client, as a probe counts them. In its own program: the probes
//! of other tests watch the same files and try their own sites, and would count too.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, not in their helpers"
)]

mod common;

use common::{SESSION, probe, registered, stat};

#[test]
fn forked_child_passes_the_sites_then_lives_and_is_not_counted() {
    let probe = probe();
    let (mut client, _armed, _) = registered(&probe, 1);
    // The parent's own pass first: later kernels rewrite some sites at the first hit.
    client.ask(&format!("pass {SESSION} 1"));
    let (begins, unknown) = (stat(&probe, "begin"), stat(&probe, "unknown"));
    assert_eq!(begins, 1);
    assert_eq!(client.ask(&format!("fork {SESSION} 1")), "child 7");
    assert_eq!(
        (stat(&probe, "begin"), stat(&probe, "unknown")),
        (begins, unknown + 1000)
    );
    assert_eq!(probe.reading(SESSION).unwrap().users(), 0);
}
