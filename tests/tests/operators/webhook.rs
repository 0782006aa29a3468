//! `onairctl events --webhook`: an HTTP receiver gets each event, in order, whatever fails between.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{Event, EventName};
use onair_stage::Running;
use onair_tests::{Config, Rig, program};

/// How long the next post may take, with the pauses after failures.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A receiver that answers its posts with these statuses, and then always with 204. It passes each
/// event on with the status that it gave.
fn receiver(mut statuses: Vec<u16>) -> Result<(u16, Receiver<(u16, Event)>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (told, posts) = channel();
    statuses.reverse();
    std::thread::spawn(move || -> Result<()> {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream?);
            let mut length = 0;
            loop {
                let mut line = String::new();
                stream.read_line(&mut line)?;
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse()?;
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body)?;
            let status = statuses.pop().unwrap_or(204);
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
            stream.get_mut().write_all(answer.as_bytes())?;
            told.send((status, serde_json::from_slice(&body)?))?;
        }
        Ok(())
    });
    Ok((port, posts))
}

#[test]
fn webhook_gets_each_event_in_order_past_failures_and_restarts() -> Result<()> {
    let (mut rig, mut control) = Rig::with_cam()?;
    let (port, posts) = receiver(vec![503, 204])?;
    let mut tool = Command::new(program("onairctl")?);
    tool.arg("--socket")
        .arg(Config::control_socket(rig.stage()));
    tool.args(["events", "--after", "0", "--webhook"]);
    tool.arg(format!("http://127.0.0.1:{port}/onair"));
    tool.args(["--kind", "session_created,session_stopped"]);
    let mut tool = Running::new("onairctl", tool.spawn()?)?;

    let next = || posts.recv_timeout(TIMEOUT).context("no post came");
    let (refused, first) = next()?;
    let (accepted, again) = next()?;
    assert_eq!((refused, accepted), (503, 204));
    assert_eq!(first, again, "what was refused is posted again");
    assert_eq!(again.kind.name(), EventName::SessionCreated);
    control.stop("cam")?;
    assert_eq!(next()?.1.kind.name(), EventName::SessionStopped);
    control.destroy("cam")?;

    rig.stop_daemon()?;
    rig.start_daemon()?;
    rig.control()?.receiver("cam2", 5000)?;
    let (_, event) = next()?;
    assert_eq!(event.name.map(|it| it.to_string()).as_deref(), Some("cam2"));
    ensure!(tool.ended()?.is_none(), "it follows the next daemon");
    tool.kill()?;
    Ok(())
}
