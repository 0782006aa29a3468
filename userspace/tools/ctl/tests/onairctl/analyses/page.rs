//! The page of a capture: the numbers of the document, and nothing of a stranger's that a browser would act on.

use std::collections::HashSet;
use std::fs;

use serde_json::Value;

use super::{GAPPED, Written, video};
use crate::support::{Ran, all_in, onairctl, ran};

/// A capture's frames: times and bytes.
type Frames = Vec<(u64, Vec<u8>)>;

/// A folder with the file `capture`.
fn captured(frames: &Frames) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = Written::Pcapng { big: false }.file(frames);
    fs::write(folder.path().join("capture"), file).unwrap();
    folder
}

/// Runs in the folder, so that no path is longer than its name.
fn analyze(folder: &tempfile::TempDir, arguments: &str) -> Ran {
    ran(onairctl(arguments).current_dir(folder.path()))
}

/// The page of `capture`, and the document of the same run.
fn page_and_document(folder: &tempfile::TempDir) -> (String, Value) {
    let arguments = format!("--json analyze capture --html page.html {GAPPED}");
    let ran = analyze(folder, &arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    (page, serde_json::from_str(&ran.out).unwrap())
}

/// The tags of a page, opened and closed in order. Elements without an end tag are those of HTML and of maud's SVG.
fn check_tags(page: &str) {
    let mut open = Vec::new();
    let mut rest = &page[page.find("<html").unwrap()..];
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        let within = open.last().copied().unwrap_or_default();
        assert!(within == "style" || !text.contains('>'), "{within}: {text}");
        let end = rest[start..].find('>').unwrap() + start;
        let tag = &rest[start + 1..end];
        assert!(!tag.contains('<'), "{tag}");
        let quotes = tag.matches('"').count();
        assert_eq!(quotes % 2, 0, "{tag}");
        let name = tag.split_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if name == "meta" => {}
            None => open.push(name),
        }
        rest = &rest[end + 1..];
    }
    assert_eq!(open, Vec::<&str>::new());
}

/// The values of an attribute.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    let parts = page.split(&start).skip(1);
    parts.map(|it| it.split('"').next().unwrap()).collect()
}

/// Checks what is true of every page.
fn check(page: &str) {
    check_tags(page);
    let ids = attributes(page, "id");
    let unique: HashSet<_> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len());
    for of in ["aria-labelledby", "aria-describedby"] {
        assert!(attributes(page, of).iter().all(|it| unique.contains(it)));
    }
    let links = attributes(page, "href");
    let is_inside = |it: &&str| it.strip_prefix('#').is_some_and(|it| unique.contains(it));
    assert!(links.iter().all(is_inside), "{links:?}");
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    assert!(page.contains(policy) || page.contains(&policy.replace('\'', "&#39;")));
    for outside in [
        "<script", "<img", "src=", "url(", "@import", "http://", "https://",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    let pictures = page.matches("<svg").count();
    assert_eq!(page.matches(" role=\"img\"").count(), pictures);
    assert_eq!(page.matches("<summary>Numbers").count(), pictures);
}

#[test]
fn page_of_a_capture_has_the_numbers_of_the_document() {
    let mut frames = video(20);
    frames.remove(30);
    let copy = frames[70].clone();
    frames.insert(71, copy);
    let folder = captured(&frames);
    let (page, document) = page_and_document(&folder);
    check(&page);
    let flow = &document["flows"][0];
    let over_time = &flow["over_time"];
    let parts = over_time["parts"].as_array().unwrap();
    assert_eq!(over_time["bins"], parts.len());
    for (of_parts, of_flow) in [
        ("packets", "packets"),
        ("bytes", "bytes"),
        ("missing", "lost"),
        ("duplicates", "duplicates"),
        ("late", "late"),
    ] {
        let sum: u64 = parts.iter().map(|it| it[of_parts].as_u64().unwrap()).sum();
        assert_eq!(flow[of_flow], sum, "{of_parts}");
    }
    let timing = &flow["timing"];
    for model in ["cinst", "vrx"] {
        for level in timing[model]["histogram"].as_array().unwrap() {
            let (level, packets) = (&level["level"], &level["packets"]);
            let row = format!("<tr><td>{level}</td><td>{packets}</td>");
            assert!(page.contains(&row), "{model}: {row}");
        }
    }
    let (longest, bands): (Vec<_>, Vec<_>) = parts
        .iter()
        .map(|it| (&it["cinst_max"], &it["first_after_timestamp_ns"]))
        .unzip();
    assert_eq!(
        longest.iter().filter_map(|it| it.as_i64()).max(),
        timing["cinst"]["max"].as_i64()
    );
    let latest = bands.iter().filter_map(|it| it["max"].as_i64()).max();
    let first = &timing["first_packet_after_timestamp_ns"];
    assert_eq!(latest, first["max"].as_i64());
    all_in(
        &page,
        &[
            "1 packet lost, 1 doubled",
            "239.1.2.3:5004",
            "0x00001234",
            "1920x1080 progressive",
            "Complies with no type of ST 2110-21: VRX -1",
            "<strong>VRX</strong>",
            "<strong>Time between packets</strong>",
        ],
    );
}

#[test]
fn page_of_two_legs_has_their_distance_and_merged_loss() {
    const AFTER_NS: u64 = 70_000;
    let first = video(10);
    let mut frames = Vec::new();
    for (number, (at_ns, frame)) in first.into_iter().enumerate() {
        let mut second = frame.clone();
        // Another group address; the capture's UDP checksums are not verified.
        second[32] = 9;
        if !matches!(number, 50 | 90) {
            frames.push((at_ns, frame));
        }
        if !matches!(number, 90 | 120 | 121) {
            frames.push((at_ns + AFTER_NS, second));
        }
    }
    frames.sort_by_key(|it| it.0);
    let (page, document) = page_and_document(&captured(&frames));
    check(&page);
    let legs = &document["legs"][0];
    assert_eq!(legs["flows"].as_array().unwrap().len(), 2);
    assert_eq!(legs["lost"], 1, "{legs}");
    assert_eq!(legs["matched"][1], 196, "{legs}");
    let parts = document["flows"][1]["over_time"]["parts"].as_array();
    let apart = parts.unwrap().iter().map(|it| &it["after_first_leg_ns"]);
    let apart: Vec<_> = apart.filter(|it| !it.is_null()).collect();
    assert!(!apart.is_empty());
    for band in apart {
        assert_eq!(
            (&band["min"], &band["max"]),
            (&AFTER_NS.into(), &AFTER_NS.into())
        );
    }
    all_in(
        &page,
        &[
            "on 2 legs",
            "After merging 2 legs, 1 packet is lost.",
            "<strong>Time after leg 1</strong>",
        ],
    );
}

#[test]
fn streams_of_one_ssrc_but_other_packets_are_no_legs() {
    let mut frames = video(10);
    for (at_ns, mut frame) in video(10) {
        frame[32] = 9;
        // A byte of the payload's start.
        frame[80] ^= 1;
        frames.push((at_ns, frame));
    }
    let (page, document) = page_and_document(&captured(&frames));
    check(&page);
    assert_eq!(document["flows"].as_array().unwrap().len(), 2);
    assert_eq!(document["legs"], Value::Array(Vec::new()));
}

#[test]
fn names_with_html_in_them_are_text_on_the_page() {
    let folder = captured(&video(3));
    let name = "<b onload='x'>\"&\u{1b}[2J.pcap";
    fs::rename(folder.path().join("capture"), folder.path().join(name)).unwrap();
    let media = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=x\r\nt=0 0\r\na=<i>odd</i>:<s>x</s>\r\n\
        m=audio 5004 RTP/AVP 96\r\nc=IN IP4 239.1.2.3/64\r\na=rtpmap:96 L24/48000/2\r\n";
    fs::write(folder.path().join("<u>.sdp"), media).unwrap();
    let ran = ran(onairctl("analyze --html - --sdp <u>.sdp --")
        .arg(name)
        .current_dir(folder.path()));
    assert_eq!(ran.code, 0, "{ran:?}");
    check(&ran.out);
    for raw in ["<b ", "<u>", "<i>", "<s>", "\u{1b}"] {
        assert!(!ran.out.contains(raw), "{raw}: {}", ran.out);
    }
    for escaped in ["&lt;b onload=", "&lt;u&gt;.sdp: line 5", "&lt;s&gt;x"] {
        assert!(ran.out.contains(escaped), "{escaped}: {}", ran.out);
    }
}

#[test]
fn page_of_a_long_or_bad_capture_is_no_larger() {
    // Each part of the time has losses, copies, packets out of order, and late ones.
    let bad = |frames: u64| {
        let mut bad = Vec::new();
        for (number, (at_ns, frame)) in video(frames).into_iter().enumerate() {
            let at_ns = at_ns + (number as u64).wrapping_mul(7919) % 900_000;
            match number % 7 {
                0 => {}
                1 => bad.extend([(at_ns, frame.clone()), (at_ns, frame)]),
                _ => bad.push((at_ns, frame)),
            }
        }
        bad.sort_by_key(|it| it.0);
        let (page, document) = page_and_document(&captured(&bad));
        assert_eq!(document["flows"][0]["packets"], bad.len());
        (page, document)
    };
    let (short, _) = bad(40);
    let (long, document) = bad(240);
    let flow = &document["flows"][0];
    assert_eq!(flow["over_time"]["bins"], 120);
    check(&long);
    assert!(long.len() < short.len() * 3 / 2, "{}", long.len());
    // 32 flows have pictures, and a page has at most 12 MB.
    assert!(long.len() < 12_000_000 / 32, "{}", long.len());
}

#[test]
fn page_of_many_streams_draws_the_worst() {
    let mut frames = Vec::new();
    for (number, (at_ns, frame)) in video(1).into_iter().take(4).enumerate() {
        // One of them misses a packet.
        for ssrc in (0..600u32).filter(|ssrc| (number, *ssrc) != (1, 500)) {
            let mut frame = frame.clone();
            frame[50..54].copy_from_slice(&ssrc.to_be_bytes());
            frames.push((at_ns, frame));
        }
    }
    let (page, document) = page_and_document(&captured(&frames));
    check(&page);
    assert_eq!(document["flows"].as_array().unwrap().len(), 512);
    let first = page.find("class=\"stream\"").unwrap();
    let lost = page.find("1 packet lost").unwrap();
    let next = page[first + 1..].find("class=\"stream\"").unwrap() + first;
    assert!((first..next).contains(&lost), "the worst is first");
    assert_eq!(page.matches("No pictures: ").count(), 512 - 32);
    assert!(page.len() < 12_000_000, "{}", page.len());
}

#[test]
fn page_replaces_an_older_one_but_no_input() {
    let folder = captured(&video(3));
    let page = folder.path().join("page.html");
    fs::write(&page, "old").unwrap();
    let done = analyze(&folder, "analyze capture --html page.html");
    assert_eq!(done.code, 0, "{done:?}");
    all_in(&done.out, &["page.html", "streams: 1"]);
    assert!(fs::read_to_string(&page).unwrap().ends_with("</html>"));
    let refused = analyze(&folder, "analyze capture --html ./capture");
    assert_eq!(refused.code, 2, "{refused:?}");
    all_in(&refused.err, &["capture is one of the files", "--html"]);
    assert_eq!(analyze(&folder, "analyze capture").code, 0);
    let nowhere = analyze(&folder, "analyze capture --html none/page.html");
    assert_eq!(nowhere.code, 2, "{nowhere:?}");
}
