//! Agreement between a library and a daemon with other ranges of protocols.

use onair_ipc::message::Refused;
use rustix::net::socketpair;

use super::*;

/// The agreement between a library that speaks `library` and a daemon that speaks `daemon`, and the hellos that it
/// took.
fn between(
    library: RangeInclusive<u32>,
    daemon: RangeInclusive<u32>,
) -> (Result<u32, Error>, Vec<u32>) {
    let (own, other) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    let answers = std::thread::spawn(move || {
        let (mut packet, mut hellos) = (vec![0; MAX_PACKET], Vec::new());
        loop {
            let (bytes, _) =
                rustix::net::recv(&other, &mut packet[..], RecvFlags::empty()).unwrap();
            if bytes == 0 {
                return hellos;
            }
            let hello: Hello = serde_json::from_slice::<Request>(&packet[..bytes])
                .unwrap()
                .try_into()
                .unwrap();
            hellos.push(hello.protocol);
            let answer: Response = match daemon.contains(&hello.protocol) {
                true => Welcome {
                    protocol: hello.protocol,
                    daemon: "onaird".into(),
                }
                .into(),
                false => Refused {
                    code: PROTOCOL_MISMATCH.into(),
                    message: format!("the library speaks {}", hello.protocol),
                    blockers: Vec::new(),
                }
                .into(),
            };
            let answer = write(0, &answer).unwrap();
            rustix::net::send(&other, &answer, SendFlags::NOSIGNAL).unwrap();
        }
    });
    let connection = Connection {
        socket: own,
        timeout: Duration::from_secs(10),
    };
    let agreed = connection.hello(library).map(|it| it.protocol);
    drop(connection);
    (agreed, answers.join().unwrap())
}

#[test]
fn ranges_meet_then_the_highest_common_protocol_is_spoken() {
    for (library, daemon, agreed, hellos) in [
        (3..=3, 3..=3, 3, &[3][..]),
        (3..=3, 3..=5, 3, &[3]),
        (3..=5, 3..=3, 3, &[5, 4, 3]),
        (3..=5, 4..=6, 5, &[5]),
        (4..=6, 3..=5, 5, &[6, 5]),
    ] {
        let (found, said) = between(library, daemon);
        assert_eq!((found.unwrap(), &said[..]), (agreed, hellos));
    }
}

#[test]
fn ranges_apart_then_eproto_after_the_lowest() {
    for (library, daemon, lowest) in [(3..=4, 5..=6, 3), (5..=6, 3..=4, 5)] {
        match between(library, daemon) {
            (Err(Error::Protocol(what)), said) => {
                assert!(what.ends_with(&lowest.to_string()), "{what}");
                assert_eq!(said.len(), 2);
            }
            other => panic!("{other:?}"),
        }
    }
}
