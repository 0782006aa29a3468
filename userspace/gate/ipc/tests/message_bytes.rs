//! The bytes of each message on the attach socket.

use onair_ipc::message::{
    PROTOCOL, PROTOCOL_MISMATCH, Request, Response, read_request, read_response, write,
};

/// What a client (`>`) and a daemon (`<`) of this protocol say. Lines may be added; one that a release has had is changed
/// only in a file of another number.
const OURS: &str = include_str!("protocols/4.txt");
/// What a client of an earlier protocol says first, and what its daemon answers to ours.
const EARLIER: &[&str] = &[include_str!("protocols/3.txt")];

fn lines<'a>(file: &'a str, side: &str) -> Vec<&'a str> {
    let lines = file.lines().filter_map(|line| line.strip_prefix(side));
    let lines: Vec<_> = lines.map(str::trim_start).collect();
    assert!(!lines.is_empty(), "{side}");
    lines
}

/// The same message with one field more at its end.
fn with(message: &str, field: &str) -> String {
    format!(
        "{},{field}}}",
        message.strip_suffix('}').expect("an object")
    )
}

#[test]
fn request_read_and_written_then_the_same_bytes() {
    for text in lines(OURS, ">") {
        let (tag, request) = read_request(text.as_bytes()).unwrap();
        assert_eq!(tag, 0);
        let written = String::from_utf8(write(0, &request).unwrap()).unwrap();
        assert_eq!(written, text);
        let (tag, tagged) = read_request(with(text, r#""tag":9"#).as_bytes()).unwrap();
        assert_eq!((tag, &tagged), (9, &request));
        let again = read_request(&write(9, &request).unwrap()).unwrap();
        assert_eq!(again, (9, request));
        assert!(read_request(with(text, r#""more":1"#).as_bytes()).is_err());
    }
}

#[test]
fn answer_read_and_written_then_the_same_bytes() {
    for text in lines(OURS, "<") {
        let (tag, answer) = read_response(text.as_bytes()).unwrap();
        assert_eq!(tag, 0);
        let written = String::from_utf8(write(0, &answer).unwrap()).unwrap();
        assert_eq!(written, text);
        // A later daemon may say more.
        let more = with(text, r#""more":1,"tag":9"#);
        assert_eq!(read_response(more.as_bytes()).unwrap(), (9, answer));
    }
}

#[test]
fn hello_of_another_protocol_then_read_whatever_its_fields_are() {
    let earlier = EARLIER.iter().flat_map(|file| lines(file, ">"));
    for text in earlier.chain([
        r#"{"type":"hello","protocol":2,"library":"onair 0.1"}"#,
        r#"{"type":"hello","protocol":5,"library":["onair",2],"more":1,"tag":7}"#,
    ]) {
        let Ok((_, Request::Hello(hello))) = read_request(text.as_bytes()) else {
            panic!("{text}");
        };
        assert_ne!(hello.protocol, PROTOCOL);
    }
    // Of this one each field counts.
    let more = r#"{"type":"hello","protocol":4,"library":"onair 1","sites":true,"more":1}"#;
    assert!(read_request(more.as_bytes()).is_err());
    assert!(read_request(br#"{"type":"attach","protocol":5}"#).is_err());
}

#[test]
fn answer_of_an_earlier_daemon_then_read_as_a_mismatch() {
    for text in EARLIER.iter().flat_map(|file| lines(file, "<")) {
        match read_response(text.as_bytes()) {
            Ok((0, Response::Refused(refused))) => assert_eq!(refused.code, PROTOCOL_MISMATCH),
            other => panic!("{text}: {other:?}"),
        }
    }
}
