//! A scripted daemon and its documents. Tests do not belong here.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;

use onair_api::{Problem, ProblemCode};
use serde_json::{Value, json};

pub(crate) const AT: &str = "2025-11-20T07:36:00.123456Z";

pub(crate) fn who() -> Value {
    json!({"uid": 0, "gid": 0, "pid": 77, "command": "onairctl", "via": "control.sock"})
}

pub(crate) fn session() -> Value {
    json!({"id": "6920a1c300000001", "name": "cam1", "direction": "receive", "port": "b",
        "video": {"width": 1280, "height": 720, "frame_rate": "60/1", "depth": 10},
        "flow": {"destination": "10.77.0.2:5004", "payload_type": 96}, "source": null,
        "quota": 4, "max_attachments": 4, "state": "running", "owner": who(), "created_at": AT,
        "stopped_at": null,
        "attachments": [{"attachment": 1, "pid": 4711, "command": "play\u{1b}[2Jer", "uid": 1000,
            "client_version": "0.1.0", "lent": 2, "threads_inside": 3, "state": "attached"}],
        "recent": {"frames_per_1000_s": 59_940, "bits_per_second": 1_326_000_000, "lost_ppm": 1_200,
            "last_frame_at": AT},
        "counters": {"frames_complete": 600, "packets": 9000, "bytes": 2_097_152,
            "packets_malformed": {"too_short": 2}},
        "of_a_later_version": true})
}

/// As [`session`], in a list.
pub(crate) fn listed() -> Value {
    json!({"id": "6920a1c300000001", "name": "cam1", "direction": "receive", "state": "running", "port": "b",
        "destination": "10.77.0.2:5004", "video": "1280x720 60 fps 10 bit", "frame_rate": "60/1",
        "attachments": 1, "max_attachments": 4, "owner": 0, "created_at": AT,
        "problems": ["two_sources"],
        "recent": {"frames_per_1000_s": 59_940, "bits_per_second": 1_326_000_000, "lost_ppm": 1_200,
            "last_frame_at": AT},
        "of_a_later_version": true})
}

pub(crate) fn clock() -> Value {
    json!({"tai_minus_utc_s": 37, "times_set": 0, "ptp": {"state": "off"}})
}

pub(crate) fn health(ready: bool) -> Value {
    json!({"status": if ready { "degraded" } else { "probe_blind" }, "live": true, "ready": ready,
        "problems": ["the probe does not see: no permission"], "version": "0.1.0", "pid": 5,
        "boot_id": "b", "started_at": AT, "uptime_ms": 1,
        "probe": {"mode": "required", "state": "blind", "reason": null, "canary_at": null, "files": []},
        "dataplane": {"backend": "ring", "dpdk": "22.11", "hugepages": false, "ports": [], "pollers": []},
        "sessions": {}, "clock": clock()})
}

pub(crate) fn blocker() -> Value {
    json!({"pid": 4711, "tid": 4712, "command": "player", "thread": "reader", "attachment": 1,
        "kind": "blocked", "since": AT, "blocked_for_ms": 1500, "waits_in": "buffer_get",
        "held_frames": [{"frame": 2, "age_ms": 40}], "seen_by": ["W1", "W2"], "note": null})
}

pub(crate) fn reading() -> Value {
    json!({"witness": "W2", "name": "probe", "says": "users", "users": 1, "detail": "4711/4712",
        "word_of": "kernel", "at_monotonic_ns": 5})
}

pub(crate) fn certificate() -> Value {
    json!({"format": 2, "session": "6920a1c300000001", "name": "cam1", "owner": who(), "generation": 3,
        "boot_id": "b007", "versions": {"onaird": "0.1.0", "dpdk": "22.11", "kernel": "6.18"},
        "probe": {"mode": "required", "state": "watching", "reason": null, "canary_at": AT,
            "files": [{"path": "/usr/bin/player", "device": 1, "inode": 42, "build_id": null, "sites": []}]},
        "operation": "destroy_wait", "deadline_ms": 5000, "requester": who(), "issued_at": AT,
        "steps": [{"step": "stop_requested", "at": AT, "monotonic_ns": 1, "since_stop_us": 0},
            {"step": "destroyed", "at": AT, "monotonic_ns": 2, "since_stop_us": 157}],
        "readings": [reading()],
        "reconciled": [{"pid": 4711, "tid": null, "command": "player", "what": "held_frames",
            "frames": 2, "slots": 0, "cause": "process_died", "at": AT}],
        "counts": {"frames_lent": 10, "frames_returned": 7, "frames_reclaimed": 1, "frames_reconciled": 2},
        "frames": {}, "memory": {"state": "returned", "bytes": 1_048_576, "at": AT},
        "disagreements": []})
}

#[track_caller]
pub(crate) fn all_in(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing:\n{text}");
    }
}

/// A received request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Status, media type, body.
pub(crate) type Answer = (u16, &'static str, String);

/// A daemon with scripted answers. It keeps the requests.
pub(crate) struct Played {
    pub(crate) socket: PathBuf,
    pub(crate) requests: mpsc::Receiver<Request>,
    _folder: tempfile::TempDir,
}

impl Played {
    /// Answers every request with `answer`. With `None` it reads the request and sends no answer.
    pub(crate) fn new(answer: Option<Answer>) -> Self {
        Self::answering(move |_| answer.clone())
    }

    /// Answers each request line (`GET /v1/…`) with the document beside it. Of several documents
    /// for one line it sends each once, and repeats the last one. It answers any other line with a
    /// problem. A document that is a problem is sent as a problem.
    pub(crate) fn script(answers: &[(&str, Value)]) -> Self {
        let mut answers: Vec<(String, String)> = answers
            .iter()
            .map(|(line, body)| (format!("{line} HTTP/1.1"), body.to_string()))
            .collect();
        Self::answering(move |line| {
            let of_line = |(it, _): &(String, String)| it == line;
            let Some(at) = answers.iter().position(of_line) else {
                let problem = Problem::new(ProblemCode::NotFound, line);
                let body = serde_json::to_string(&problem).unwrap();
                return Some((problem.status, Problem::MEDIA_TYPE, body));
            };
            let is_last = answers.iter().filter(|it| of_line(it)).count() == 1;
            let body = if is_last {
                answers[at].1.clone()
            } else {
                answers.remove(at).1
            };
            let problem = serde_json::from_str::<Problem>(&body);
            Some(match problem {
                Ok(problem) => (problem.status, Problem::MEDIA_TYPE, body),
                Err(_) => (200, "application/json", body),
            })
        })
    }

    fn answering(mut answer: impl FnMut(&str) -> Option<Answer> + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (sender, requests) = mpsc::channel();
        // The thread ends with the test's process and owns no resource.
        thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read(&stream);
                let answer = answer(&request.line);
                // Kept before the answer: a program that has it may end, and the test look.
                if sender.send(request).is_err() {
                    return;
                }
                match answer {
                    Some((status, kind, body)) => write!(
                        stream,
                        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
                         connection: close\r\n\r\n{body}",
                        body.len()
                    )
                    .unwrap(),
                    None => silent.push(stream),
                }
            }
        });
        Self {
            socket,
            requests,
            _folder: folder,
        }
    }

    pub(crate) fn document(status: u16, body: &Value) -> Self {
        Self::new(Some((status, "application/json", body.to_string())))
    }

    pub(crate) fn problem(problem: &Problem) -> Self {
        let body = serde_json::to_string(problem).unwrap();
        Self::new(Some((problem.status, Problem::MEDIA_TYPE, body)))
    }

    pub(crate) fn code(code: ProblemCode) -> Self {
        Self::problem(&Problem::new(code, "it was so"))
    }

    /// Runs `onairctl` with `args` against this daemon.
    pub(crate) fn run(&self, args: &str) -> Ran {
        ran(&mut self.command(args))
    }

    pub(crate) fn command(&self, args: &str) -> Command {
        let mut command = onairctl(args);
        command.env("ONAIR_SOCKET", &self.socket);
        command
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// `onairctl` with `args`, split at spaces.
pub(crate) fn onairctl(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onairctl"));
    command
        .args(args.split_whitespace())
        .env_remove("ONAIR_SOCKET")
        .env_remove("ONAIR_HOST");
    command
}

/// Runs the program until it exits.
pub(crate) fn ran(command: &mut Command) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Ran {
        code: status.code().expect("it ends by itself"),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

fn read(stream: &UnixStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && head != "\r\n" {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "a whole head");
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Request {
        line: line.trim_end().to_owned(),
        head,
        body: String::from_utf8(body).unwrap(),
    }
}
