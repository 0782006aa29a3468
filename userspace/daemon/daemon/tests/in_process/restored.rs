//! A client that attaches right after the daemon's start.

use onair::Client;
use onair_stage::in_own_process;
use onaird::shutdown::Cause;

use crate::in_process::InProcess;

/// The next canary comes after a minute, and the client waits for half of one.
#[test]
fn session_restored_then_attached_before_the_next_canary() {
    in_own_process!();
    let more = "[timeouts]\npatrol_ms = 60000\n[probe]\nmode = \"required\"\n\
         [[session]]\nname = \"cam\"\ndirection = \"receive\"\nport = \"a\"\n\
         video = { width = 64, height = 32, frame_rate = \"60/1\", depth = 8 }\n\
         flow = { destination = \"10.9.2.1:5004\" }\n";
    let daemon = InProcess::start(more, |_| ());
    let client = Client::at(daemon.folder().join("attach.sock"));
    let session = client.attach("cam").unwrap();
    assert!(session.is_watched());
    session.detach().unwrap();
    daemon.coordinator.begin(Cause::Signal(15));
    daemon.ended();
}
