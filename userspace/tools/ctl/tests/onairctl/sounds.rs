//! Exports of audio: two legs, losses and gaps.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;

use onair_essence::rtp::RtpHeader;
use onair_net::datagram::FlowHeader;
use onair_net::ethernet::Mac;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::analyses::Written;
use crate::exports::{AT_NS, Packet, recorded};
use crate::support::{Ran, all_in, onairctl, ran};

const LEGS: [&str; 2] = ["239.1.2.3:5004", "239.1.3.3:5004"];
/// Packets of 1 ms.
const PACKETS: u32 = 400;

/// Packet `number` of L16 in this many channels: each sample is the number.
fn packet(leg: usize, channels: usize, number: u32, late_ns: u64) -> Packet {
    let destination: SocketAddr = LEGS[leg].parse().unwrap();
    let flow = FlowHeader {
        source_mac: Mac([2; 6]),
        destination_mac: Mac([4; 6]),
        source: "10.0.0.1:5000".parse().unwrap(),
        destination,
        ttl: 64,
        dscp: 34,
    };
    let rtp = RtpHeader {
        marker: false,
        payload_type: 97,
        sequence: u16::try_from((65_500 + number) & 0xffff).unwrap(),
        timestamp: (u32::MAX - 1_000).wrapping_add(number * 48),
        ssrc: 7,
    };
    let sample = u16::try_from(number & 0xfff).unwrap().to_be_bytes();
    let bytes = [&rtp.to_bytes()[..], &sample.repeat(48 * channels)].concat();
    let at_ns = AT_NS + u64::from(number) * 1_000_000 + late_ns;
    (at_ns, flow.to_frame(1, &bytes))
}

fn session(channels: usize) -> Value {
    json!({"name": "mic1", "direction": "receive", "port": "a",
        "audio": {"coding": "L16", "channels": channels, "sample_rate": 48_000},
        "flow": {"destination": LEGS[0], "payload_type": 97}})
}

fn run(folder: &TempDir, arguments: &str) -> Ran {
    let mut command = onairctl(&format!("export {arguments} --format wav --json"));
    ran(command.current_dir(folder.path()))
}

/// The packets of both legs: none brings all of them, and the second one is late.
fn both_legs() -> Vec<Packet> {
    // Until the second one comes, nothing is known of it.
    let of = |lost: u32| (0..PACKETS).filter(move |it| *it < 60 || it % 6 != lost);
    let first = of(5).map(|it| packet(0, 1, it, 0));
    let second = of(2).map(|it| packet(1, 1, it, 30_000_000));
    let mut all: Vec<_> = first.chain(second).collect();
    all.sort_by_key(|it| it.0);
    all
}

/// Whether the last samples of a file are those of all packets, without silence.
fn is_whole(folder: &TempDir, name: &str) -> bool {
    let file = fs::read(folder.path().join(name)).unwrap();
    let samples = (0..PACKETS).flat_map(|number| {
        let sample = u16::try_from(number).unwrap().to_le_bytes();
        sample.repeat(48)
    });
    file.ends_with(&samples.collect::<Vec<_>>())
}

#[test]
fn export_of_two_legs_then_each_has_what_the_other_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(1);
    session["flow"]["second_leg"] = json!({"port": "b", "destination": LEGS[1]});
    recorded(folder.path(), session, &both_legs(), |_| {});
    let done = run(&folder, "take.json");
    assert_eq!((done.code, &*done.err), (0, ""), "{done:?}");
    assert!(is_whole(&folder, "take.wav"), "{done:?}");

    let media = |mid: u8, destination: &str| {
        format!(
            "m=audio 5004 RTP/AVP 97\r\nc=IN IP4 {destination}/64\r\na=rtpmap:97 L16/48000/1\r\n\
             a=ptime:1\r\na=ts-refclk:localmac=02-00-00-00-00-01\r\na=mediaclk:direct=0\r\na=mid:{mid}\r\n"
        )
    };
    let head = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=x\r\nt=0 0\r\na=group:DUP 1 2\r\n";
    let sdp = [head, &media(1, "239.1.2.3"), &media(2, "239.1.3.3")].concat();
    fs::write(folder.path().join("legs.sdp"), sdp).unwrap();
    let capture = Written::ALL[0].file(&both_legs());
    fs::write(folder.path().join("cap.pcap"), capture).unwrap();
    let done = run(&folder, "cap.pcap --sdp legs.sdp -o cap.wav");
    assert_eq!((done.code, &*done.err), (0, ""), "{done:?}");
    assert!(is_whole(&folder, "cap.wav"), "{done:?}");
}

#[test]
fn export_with_losses_or_a_gap_then_its_promised_status() {
    let lost = |number: &u32| number % 6 != 5;
    // Numbers that go on, and timestamps that do not.
    let paused = |number: u32| {
        let mut packet = packet(0, 1, number, 0);
        if number >= 200 {
            let later = (u32::MAX - 1_000).wrapping_add(number * 48 + 43_200);
            packet.1[46..50].copy_from_slice(&later.to_be_bytes());
            packet.0 += 900_000_000;
        }
        packet
    };
    let cases = [
        (
            (0..PACKETS)
                .filter(lost)
                .map(|it| packet(0, 1, it, 0))
                .collect::<Vec<_>>(),
            vec![
                "66 packets did not come",
                "3168 of 19200 samples did not come",
            ],
        ),
        (
            (0..PACKETS).map(paused).collect(),
            vec!["43200 of 62400 samples did not come"],
        ),
    ];
    for (packets, said) in cases {
        let folder = tempfile::tempdir().unwrap();
        recorded(folder.path(), session(1), &packets, |_| {});
        let done = run(&folder, "take.json");
        assert_eq!(done.code, 7, "{done:?}");
        all_in(&done.err, &said);
    }
}

#[test]
fn export_with_a_gap_of_most_of_an_hour_then_no_memory_for_it() {
    const GAP: u32 = 50 * 60 * 1000;
    let folder = tempfile::tempdir().unwrap();
    let numbers = (0..48).chain(GAP..GAP + 48);
    let packets: Vec<_> = numbers.map(|it| packet(0, 8, it, 0)).collect();
    recorded(folder.path(), session(8), &packets, |_| {});
    // The silence has 2.3 GB; the memory of the program is limited to half of one.
    let mut command = std::process::Command::new("sh");
    let program = onairctl("").get_program().to_owned();
    command
        .arg("-c")
        .arg("ulimit -v 500000; exec \"$0\" export take.json --format wav --output - --json");
    command.arg(program).current_dir(folder.path());
    let done = command.stdout(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(7), "{said}");
    let (document, _) = said.split_once("\n}\n").unwrap();
    let document: Value = serde_json::from_str(&format!("{document}}}")).unwrap();
    assert_eq!(document["samples"], u64::from(GAP + 48) * 48);
}
