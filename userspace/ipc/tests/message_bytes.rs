//! The bytes of each message on the attach socket.

use onair_ipc::message::{Request, read_request, read_response, write};

const REQUESTS: &[&str] = &[
    r#"{"type":"hello","protocol":3,"library":"onair 1","sites":true}"#,
    r#"{"type":"create","spec":{"name":"cam"}}"#,
    r#"{"type":"attach","session":"cam"}"#,
    r#"{"type":"attach","session":"cam","layout":"v210"}"#,
    r#"{"type":"proved"}"#,
    r#"{"type":"detach"}"#,
    r#"{"type":"flush","wait_ms":5}"#,
    r#"{"type":"destroy"}"#,
    r#"{"type":"destroy","wait_ms":5}"#,
    r#"{"type":"abort"}"#,
];

const ANSWERS: &[&str] = &[
    r#"{"type":"welcome","protocol":3,"daemon":"onaird 1","tags":true,"layouts":true}"#,
    r#"{"type":"created","session":"0000000000000001"}"#,
    r#"{"type":"challenge","token":"0123456789abcdef"}"#,
    concat!(
        r#"{"type":"attached","session":"0000000000000001","name":"cam","attachment":7,"owner":true,"#,
        r#""sends":false,"version":3,"geometry":{"frames":8,"frame_bytes":64,"frame_stride":4096},"#,
        r#""format":{"video":{"width":16,"height":2,"frame_rate":"60000/1001","depth":8}},"#,
        r#""watched":true}"#,
    ),
    concat!(
        r#"{"type":"attached","session":"0000000000000002","name":"cam-v210","attachment":1,"owner":false,"#,
        r#""sends":false,"version":3,"geometry":{"frames":8,"frame_bytes":64,"frame_stride":4096},"#,
        r#""format":{"video":{"width":16,"height":2,"frame_rate":"60000/1001","depth":10}},"#,
        r#""layout":"v210","watched":true}"#,
    ),
    concat!(
        r#"{"type":"attached","session":"0000000000000003","name":"out","attachment":2,"owner":false,"#,
        r#""sends":true,"version":3,"geometry":{"frames":4,"frame_bytes":64,"frame_stride":4096},"#,
        r#""format":{"video":{"width":16,"height":3,"frame_rate":"25/1","depth":16,"float":true,"#,
        r#""sampling":"RGB","scan":"interlaced"}},"watched":false}"#,
    ),
    r#"{"type":"detached"}"#,
    r#"{"type":"flushed","frames_sent":3}"#,
    r#"{"type":"destroyed","certificate":{"session":"0000000000000001"}}"#,
    r#"{"type":"error","code":"running","message":"it runs"}"#,
    r#"{"type":"error","code":"busy","message":"it has users","blockers":[{"pid":7}]}"#,
];

/// The same message with one field more at its end.
fn with(message: &str, field: &str) -> String {
    format!(
        "{},{field}}}",
        message.strip_suffix('}').expect("an object")
    )
}

#[test]
fn request_read_and_written_then_the_same_bytes() {
    for text in REQUESTS {
        let (tag, request) = read_request(text.as_bytes()).unwrap();
        assert_eq!(tag, 0);
        let written = String::from_utf8(write(0, &request).unwrap()).unwrap();
        assert_eq!(written, *text);
        let (tag, tagged) = read_request(with(text, r#""tag":9"#).as_bytes()).unwrap();
        assert_eq!((tag, &tagged), (9, &request));
        let again = read_request(&write(9, &request).unwrap()).unwrap();
        assert_eq!(again, (9, request));
        assert!(read_request(with(text, r#""more":1"#).as_bytes()).is_err());
    }
}

#[test]
fn answer_read_and_written_then_the_same_bytes() {
    for text in ANSWERS {
        let (tag, answer) = read_response(text.as_bytes()).unwrap();
        assert_eq!(tag, 0);
        let written = String::from_utf8(write(0, &answer).unwrap()).unwrap();
        assert_eq!(written, *text);
        // A later daemon may say more.
        let more = with(text, r#""more":1,"tag":9"#);
        assert_eq!(read_response(more.as_bytes()).unwrap(), (9, answer));
    }
}

#[test]
fn hello_of_another_protocol_then_read_whatever_its_fields_are() {
    for text in [
        r#"{"type":"hello","protocol":2,"library":"onair 0.1"}"#,
        r#"{"type":"hello","protocol":4,"library":["onair",2],"more":1,"tag":7}"#,
    ] {
        let Ok((_, Request::Hello(hello))) = read_request(text.as_bytes()) else {
            panic!("{text}");
        };
        assert_ne!(hello.protocol, 3);
    }
    // Of this one each field counts.
    let more = r#"{"type":"hello","protocol":3,"library":"onair 1","sites":true,"more":1}"#;
    assert!(read_request(more.as_bytes()).is_err());
    assert!(read_request(br#"{"type":"attach","protocol":4}"#).is_err());
}
