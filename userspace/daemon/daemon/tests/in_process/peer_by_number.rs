//! A daemon whose kernel gives no pidfd of a connection (SO_PEERPIDFD, Linux 6.5): it opens clients by their number.

use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::mpsc::channel;

use onair::Session;
use onair_stage::in_own_process;
use onaird::shutdown::Cause;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType, recv, send, sockopt,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use serde_json::{Value, json};

use crate::in_process::{InProcess, TIMEOUT};

const SO_PEERPIDFD: u64 = 77;

/// From now on this thread and its new threads have a kernel without SO_PEERPIDFD.
fn without_peer_pidfd() {
    let is_it = SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, SO_PEERPIDFD);
    let rule = SeccompRule::new(vec![is_it.unwrap()]).unwrap();
    let filter = SeccompFilter::new(
        [(libc::SYS_getsockopt, vec![rule])].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOPROTOOPT.unsigned_abs()),
        TargetArch::x86_64,
    );
    let filter: BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&filter).unwrap();
}

fn connect(daemon: &InProcess) -> OwnedFd {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(TIMEOUT)).unwrap();
    let path = daemon.folder().join("attach.sock");
    rustix::net::connect(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    socket
}

fn send_json(socket: &OwnedFd, request: &Value) {
    send(socket, request.to_string().as_bytes(), SendFlags::NOSIGNAL).unwrap();
}

/// The daemon's next answer; null once it has hung up.
fn recv_json(socket: &OwnedFd) -> Value {
    let mut bytes = vec![0; 1 << 16];
    let (_, length) = recv(socket, &mut bytes[..], RecvFlags::empty()).unwrap();
    serde_json::from_slice(&bytes[..length]).unwrap_or_default()
}

#[test]
fn clients_opened_by_number_then_only_the_right_one_attaches() {
    in_own_process!();
    without_peer_pidfd();
    let daemon = InProcess::start("[probe]\nmode = \"off\"\n", |_| ());
    let spec = json!({
        "name": "cam", "direction": "receive", "port": "a",
        "video": {"width": 64, "height": 32, "frame_rate": "60/1", "depth": 8},
        "flow": {"destination": "10.9.2.1:5004"},
    });
    assert_eq!(daemon.ask("POST", "/v1/sessions", &spec).0, 201);
    let session = Session::attach(daemon.folder().join("attach.sock"), "cam").unwrap();
    drop(session);

    let hello = json!({"type": "hello", "protocol": 4, "library": "test", "sites": true});
    let attach = json!({"type": "attach", "session": "cam"});
    // The hello waits when the daemon opens this process, and another one sends what follows the answer.
    let control = hold_control(&daemon);
    let socket = connect(&daemon);
    send_json(&socket, &hello);
    drop(control);
    assert_eq!(recv_json(&socket)["type"], "welcome");
    let mut other = Command::new("printf");
    let other = other.arg("%s").arg(attach.to_string());
    let sent = other.stdout(socket.try_clone().unwrap()).status().unwrap();
    assert!(sent.success());
    let refused = recv_json(&socket);
    assert_eq!(refused["code"], "forbidden", "{refused}");
    assert_eq!(recv_json(&socket), Value::Null);

    // Both packets are there before the daemon has opened the process.
    let control = hold_control(&daemon);
    let socket = connect(&daemon);
    send_json(&socket, &hello);
    send_json(&socket, &attach);
    drop(control);
    assert_eq!(recv_json(&socket)["type"], "welcome");
    let refused = recv_json(&socket);
    assert_eq!(refused["code"], "invalid_request", "{refused}");
    daemon.coordinator.begin(Cause::Signal(15));
    assert_eq!(daemon.ended().exit_status, 0);
}

/// The control thread accepts nothing until the sender is dropped.
fn hold_control(daemon: &InProcess) -> std::sync::mpsc::Sender<()> {
    let (go, told) = channel::<()>();
    let (begun, holds) = channel();
    daemon.started.on_the_control_thread(move |_| {
        begun.send(()).unwrap();
        assert!(told.recv().is_err());
    });
    holds.recv_timeout(TIMEOUT).unwrap();
    go
}
