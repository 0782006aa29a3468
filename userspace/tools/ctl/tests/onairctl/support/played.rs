//! A daemon with scripted answers, and runs of the program against it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;

use onair_api::{Problem, ProblemCode};
use serde_json::Value;

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

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
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
