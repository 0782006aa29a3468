//! Conditional requests, as `curl` sends them to a real daemon.

use anyhow::{Context as _, Result};
use onair_tests::{Config, Rig, output};

/// `curl` with these arguments; the answer with its head.
fn curl(rig: &Rig, path: &str, arguments: &[&str]) -> Result<String> {
    let socket = Config::control_socket(rig.stage()).display().to_string();
    let url = format!("http://localhost{path}");
    let fixed = ["-si", "--unix-socket", &socket, &url];
    output("curl", &[&fixed, arguments].concat())
}

fn etag(answer: &str) -> Result<&str> {
    let lines = answer.lines();
    let mut tags = lines.filter_map(|line| line.strip_prefix("etag: "));
    tags.next().with_context(|| format!("no tag: {answer}"))
}

#[test]
fn session_changed_meanwhile_then_if_match_destroy_is_refused() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    let shown = curl(&rig, "/v1/sessions/cam", &[])?;
    control.stop("cam")?;
    let condition = |answer: &str| Ok::<_, anyhow::Error>(format!("If-Match: {}", etag(answer)?));
    let late = condition(&shown)?;
    let refused = curl(&rig, "/v1/sessions/cam", &["-X", "DELETE", "-H", &late])?;
    assert!(refused.starts_with("HTTP/1.1 412"), "{refused}");
    assert_eq!(control.show("cam")?.state.to_string(), "stopped");
    let now = condition(&curl(&rig, "/v1/sessions/cam", &[])?)?;
    let done = curl(&rig, "/v1/sessions/cam", &["-X", "DELETE", "-H", &now])?;
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    Ok(())
}
