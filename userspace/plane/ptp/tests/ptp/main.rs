//! Answers of a real ptp4l, and of any bytes.
#![expect(clippy::unwrap_used, reason = "clippy does not take helpers for tests")]

use onair_api::{PtpPortState, PtpTimestamping};
use onair_ptp::{
    ClockIdentity, Content, CurrentData, DataSet, DefaultData, ParentData, PortIdentity, Reject,
    Reply, Request, TimeProperties,
};
use proptest::prelude::*;

/// linuxptp 3.1.1, domain 7, a slave of 52-11-D0-FF-FE-37-BA-64 with software timestamps. The
/// requester is port 0x4256 of clock 0.
const DEFAULT: &str = "0d02004a0700000000000000000000000000000066ae33fffe7cbda600000000047f000000000000000042\
    56000002000001001620000300000180fffeffff8066ae33fffe7cbda60700";
const CURRENT: &str = "0d0200480700000000000000000000000000000066ae33fffe7cbda600000001047f000000000000000042\
    56000002000001001420010001fffffffffb43000000000000093d0000";
const PARENT: &str = "0d0200560700000000000000000000000000000066ae33fffe7cbda600000002047f000000000000000042\
    56000002000001002220025211d0fffe37ba6400010000ffff7fffffff0a0620436a805211d0fffe37ba64";
const TIME_PROPERTIES: &str = "0d02003a0700000000000000000000000000000066ae33fffe7cbda600000003047f000000000000000042\
    560000020000010006200300003c20";
const PORT: &str = "0d0200500700000000000000000000000000000066ae33fffe7cbda600010004047f000000000000000042\
    56000002000001001c200466ae33fffe7cbda6000109fd00000000000000000103fd010002";
const PORT_PROPERTIES: &str = "0d0200480700000000000000000000000000000066ae33fffe7cbda600010004047f000000000000000042\
    560000020000010014c00466ae33fffe7cbda600010900057665746830";
/// 3.1.1 does not know the data set.
const NO_SUCH_ID: &str = "0d02003c0700000000000000000000000000000066ae33fffe7cbda600010009047f000000000000000042\
    5600000200000200080002c00900000000";

const SLAVE: ClockIdentity = ClockIdentity([0x66, 0xae, 0x33, 0xff, 0xfe, 0x7c, 0xbd, 0xa6]);
const MASTER: ClockIdentity = ClockIdentity([0x52, 0x11, 0xd0, 0xff, 0xfe, 0x37, 0xba, 0x64]);
const CAPTURED: [&str; 7] = [
    DEFAULT,
    CURRENT,
    PARENT,
    TIME_PROPERTIES,
    PORT,
    PORT_PROPERTIES,
    NO_SUCH_ID,
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let digits = digits.map(|it| u8::from_str_radix(std::str::from_utf8(it).unwrap(), 16));
    digits.map(Result::unwrap).collect()
}

fn content(hex: &str) -> Content {
    Reply::parse(&bytes(hex)).unwrap().content
}

/// Its one port, as an answer names it.
const FIRST: PortIdentity = PortIdentity {
    clock: SLAVE,
    number: 1,
};

#[test]
fn answers_of_a_real_ptp4l_are_read() {
    let default = DefaultData {
        ports: 1,
        identity: SLAVE,
        domain: 7,
    };
    let current = CurrentData {
        steps_removed: 1,
        offset_ns: -1213,
        path_delay_ns: 2365,
    };
    let parent = ParentData {
        grandmaster: MASTER,
        clock_class: 6,
    };
    let time = TimeProperties {
        utc_offset_s: 0,
        is_utc_offset_valid: true,
        is_ptp_timescale: true,
    };
    assert_eq!(content(DEFAULT), Content::Default(default));
    assert_eq!(content(CURRENT), Content::Current(current));
    assert_eq!(content(PARENT), Content::Parent(parent));
    assert_eq!(content(TIME_PROPERTIES), Content::TimeProperties(time));
    let refused = Content::Refused {
        about: DataSet::PortHardwareClock.id(),
        error: 2,
    };
    assert_eq!(content(NO_SUCH_ID), refused);

    let Content::Port(standard) = content(PORT) else {
        panic!("another data set");
    };
    let Content::PortProperties(port) = content(PORT_PROPERTIES) else {
        panic!("another data set");
    };
    assert_eq!((port.port, port.state), (FIRST, PtpPortState::Slave));
    assert_eq!((standard.port, standard.link), (FIRST, None));
    let (timestamping, interface) = port.link.unwrap();
    assert_eq!(timestamping, PtpTimestamping::Software);
    assert_eq!(interface.as_str(), "veth0");
}

#[test]
fn answer_names_its_request_its_clock_and_its_domain() {
    let reply = Reply::parse(&bytes(PORT_PROPERTIES)).unwrap();
    assert_eq!((reply.domain, reply.sequence), (7, 4));
    assert_eq!(reply.source, FIRST);
    let requester = PortIdentity {
        clock: ClockIdentity([0; 8]),
        number: 0x4256,
    };
    assert_eq!(reply.target, requester);
    assert_eq!(reply.content.about(), DataSet::PortProperties.id());
}

/// That the real one answered, in these bytes.
#[test]
fn request_is_the_one_that_the_real_ptp4l_answered() {
    let request = Request {
        data_set: DataSet::PortHardwareClock,
        domain: 7,
        sequence: 9,
        source: PortIdentity {
            clock: ClockIdentity([0; 8]),
            number: 0x4256,
        },
    };
    let expected = "0d02003607000000000000000000000000000000000000000000000042560009047f\
        ffffffffffffffffffff00000000\
        00010002c009";
    assert_eq!(request.bytes()[..], bytes(expected));
}

#[test]
fn answers_with_a_wrong_field_are_refused() {
    let changed = |hex: &str, at: usize, to: u8| {
        let mut bytes = bytes(hex);
        bytes[at] = to;
        Reply::parse(&bytes)
    };
    assert_eq!(changed(DEFAULT, 1, 0x01), Err(Reject::Version(1)));
    assert!(changed(DEFAULT, 1, 0x12).is_ok(), "of version 2.1");
    assert_eq!(
        changed(DEFAULT, 0, 0x0b),
        Err(Reject::Kind),
        "an announcement"
    );
    assert_eq!(changed(DEFAULT, 46, 0), Err(Reject::Kind), "a request");
    assert_eq!(changed(DEFAULT, 49, 3), Err(Reject::Tlv));
    assert_eq!(changed(DEFAULT, 53, 9), Err(Reject::Tlv));
    assert_eq!(changed(DEFAULT, 51, 0xff), Err(Reject::Truncated));
    assert_eq!(changed(PORT, 64, 0), Err(Reject::Field), "no state");
    assert_eq!(changed(PORT_PROPERTIES, 65, 5), Err(Reject::Field));
    for character in [b'/', 0, b' ', 0xff] {
        assert_eq!(changed(PORT_PROPERTIES, 68, character), Err(Reject::Field));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Reply::parse(&bytes);
    }

    #[test]
    fn damaged_answer_is_refused_or_read_and_a_cut_one_refused(
        which in 0..CAPTURED.len(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut: prop::sample::Index,
    ) {
        let mut bytes = bytes(CAPTURED[which]);
        let whole = bytes.len();
        let short = Reply::parse(&bytes[..cut.index(whole)]);
        prop_assert_eq!(short, Err(Reject::Truncated));
        for (at, to) in damage {
            bytes[at.index(whole)] = to;
        }
        if let Ok(Reply { content: Content::PortProperties(port), .. }) = Reply::parse(&bytes) {
            let name = port.link.unwrap().1;
            prop_assert!(name.as_str().len() <= 15 && !name.as_str().contains('/'));
        }
    }
}
