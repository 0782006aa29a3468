//! An attack on the wall's port.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{Certificate, SessionState};
use onair_tests::browser::{Browser, Kind};
use onair_tests::wall::{TOKEN, Wall, WallAnswer};
use onair_tests::{Rig, wait_for};
use serde_json::{Value, json};

use super::painted;
use super::shown::{await_course, open_session};

#[test]
fn requests_of_other_sites_or_wrong_tokens_then_all_refused() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    let id = control.show("cam")?.id;
    let wall = Wall::start(rig.stage())?;
    let address = wall.address();
    let (cookie, token) = login(&wall)?;
    let stop = json!({"do": "stop", "session": id});
    let with = |host: &str, more: &str| -> Result<WallAnswer> {
        let headers =
            format!("Host: {host}\r\nCookie: {cookie}\r\nContent-Type: application/json\r\n{more}");
        wall.request("POST /api/do", &headers, &stop.to_string())
    };
    let own = address.to_string();
    let origin = format!("Origin: http://{address}\r\n");
    let csrf = format!("X-OnAir-Token: {token}\r\n");
    for (what, answer, status) in [
        (
            "another host",
            with("evil.example", &format!("{origin}{csrf}"))?,
            421,
        ),
        ("no origin", with(&own, &csrf)?, 403),
        (
            "another origin",
            with(&own, &format!("Origin: http://evil.example\r\n{csrf}"))?,
            403,
        ),
        (
            "an opaque origin",
            with(&own, &format!("Origin: null\r\n{csrf}"))?,
            403,
        ),
        (
            "another site",
            with(
                &own,
                &format!("{origin}{csrf}Sec-Fetch-Site: cross-site\r\n"),
            )?,
            403,
        ),
        ("no token", with(&own, &origin)?, 403),
        (
            "another token",
            with(&own, &format!("{origin}X-OnAir-Token: 0\r\n"))?,
            403,
        ),
        ("no login", wall.post("/api/do", &csrf, &stop)?, 403),
        (
            "another method",
            wall.request("DELETE /api/do", &format!("Host: {own}\r\n{origin}"), "")?,
            405,
        ),
        (
            "a form",
            wall.request(
                "POST /api/do",
                &format!("Host: {own}\r\n{origin}Content-Type: text/plain\r\n"),
                &stop.to_string(),
            )?,
            415,
        ),
        (
            "no such action",
            wall.post(
                "/api/do",
                &format!("Cookie: {cookie}\r\n{csrf}"),
                &json!({"do": "shut_down"}),
            )?,
            422,
        ),
        (
            "pictures for another site",
            wall.request(
                "GET /api/stream",
                &format!("Host: {own}\r\nSec-Fetch-Site: cross-site\r\n"),
                "",
            )?,
            403,
        ),
    ] {
        ensure!(
            answer.status == status,
            "{what}: {} {}",
            answer.status,
            answer.body
        );
    }
    ensure!(control.show("cam")?.state == SessionState::Running);
    in_no_frame_and_for_no_other_site(&wall)?;

    // The same with all that the page sends is done.
    let answer = wall.post("/api/do", &format!("Cookie: {cookie}\r\n{csrf}"), &stop)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    ensure!(control.show("cam")?.state == SessionState::Stopped);
    wrong_tokens(&wall)?;
    wall.end()
}

/// An answer of any path says that no page of another site may have it, or show it in a frame.
fn in_no_frame_and_for_no_other_site(wall: &Wall) -> Result<()> {
    let page = wall.get("/")?;
    let policy = page.header("content-security-policy").context("a policy")?;
    ensure!(policy.contains("default-src 'none'"), "{policy}");
    wait_for("the daemon", 30, || {
        Ok(wall.get("/api/recordings")?.status == 200)
    })?;
    let paths = [
        "/",
        "/wall.css",
        "/main.js",
        "/api/me",
        "/api/looks?ids=x",
        "/api/recordings",
        "/nothing",
        "/api/do",
    ];
    for path in paths {
        let answer = wall.get(path)?;
        let has =
            |name: &str, value: &str| answer.header(name).is_some_and(|it| it.contains(value));
        ensure!(
            has("x-frame-options", "DENY")
                && has("content-security-policy", "frame-ancestors 'none'")
                && has("x-content-type-options", "nosniff")
                && has("cross-origin-resource-policy", "same-origin")
                && answer.header("access-control-allow-origin").is_none(),
            "{path}: {}",
            answer.head
        );
    }
    // More headers than a browser sends, though each is small.
    let many: String = (0..500).map(|it| format!("X-{it}: y\r\n")).collect();
    let headers = format!("Host: {}\r\n{many}", wall.address());
    ensure!(wall.request("GET /", &headers, "")?.status == 431);
    Ok(())
}

/// After some wrong tokens their address waits.
fn wrong_tokens(wall: &Wall) -> Result<()> {
    let mut codes = Vec::new();
    for _ in 0..6 {
        codes.push(
            wall.post("/api/login", "", &json!({"token": "wrong"}))?
                .status,
        );
    }
    ensure!(codes == [403, 403, 403, 403, 403, 429], "{codes:?}");
    // Also for the right one.
    let answer = wall.post("/api/login", "", &json!({"token": TOKEN}))?;
    ensure!(answer.status == 429, "{}", answer.body);
    Ok(())
}

#[test]
fn large_slow_and_many_requests_then_it_still_answers() -> Result<()> {
    let (rig, _control) = Rig::with_control()?;
    let wall = Wall::start(rig.stage())?;
    let address = wall.address();
    let head = format!(
        "POST /api/login HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    );
    let large = format!(
        "{head}Content-Length: 10000000\r\n\r\n{}",
        "x".repeat(10_000_000)
    );
    ensure!(wall.raw(large.as_bytes())?.status == 413);
    let long = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nX: {}\r\n\r\n",
        "x".repeat(100_000)
    );
    ensure!(wall.raw(long.as_bytes())?.status == 431);
    let ids = vec!["0000000000000001"; 200].join(",");
    let many = wall.get(&format!("/api/looks?width=9&every=1&after=0&ids={ids}"))?;
    ensure!(many.status == 400, "{}", many.body);

    // A body that does not come to its end is not waited for, and a head that does not, either.
    let late = wall.raw(format!("{head}Content-Length: 10\r\n\r\n{{").as_bytes())?;
    ensure!(late.status == 408, "{} {}", late.status, late.body);
    let mut slow = Vec::new();
    for _ in 0..255 {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a")?;
        slow.push(stream);
    }
    ensure!(wall.get("/api/me")?.status == 200);
    let mut one = slow.swap_remove(0);
    one.set_read_timeout(Some(Duration::from_secs(60)))?;
    // It is closed, whatever is said before.
    let read = one.read_to_end(&mut Vec::new());
    ensure!(read.is_ok(), "a slow head is waited for: {read:?}");
    ensure!(wall.get("/api/me")?.status == 200);
    wall.end()
}

/// The cookie of a login, and its token.
fn login(wall: &Wall) -> Result<(String, String)> {
    let answer = wall.post("/api/login", "", &json!({"token": TOKEN}))?;
    ensure!(answer.status == 200, "{}", answer.body);
    let cookie = answer.header("set-cookie").context("a cookie")?;
    ensure!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().context("a cookie")?.to_owned();
    let body: Value = answer.json()?;
    let token = body["token"].as_str().context("a token")?;
    Ok((cookie, token.to_owned()))
}

#[test]
fn client_frozen_at_a_stop_then_red_with_what_to_do() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let _painter = painted(&rig, &mut control)?;
    let mut client = rig.user("in")?;
    client.say("hold 2")?;
    client.freeze()?;
    let pid = client.pid();
    let wall = Wall::start(rig.stage())?;
    let mut browser = Browser::start(rig.stage(), Kind::Chromium, (1280, 900))?;
    browser.open(&wall.url(""))?;
    let lamp = |text: &str| {
        format!(
            "return document.querySelector('.tile.hung[data-name=in] .lamp')?.textContent === '{text}'"
        )
    };
    control.stop("in")?;
    browser.await_script("a red tile", &lamp("stopped, in use"))?;
    let held = "return document.querySelector('[data-name=in] .sentence').textContent";
    let held = browser.run(held, json!([]))?.to_string();
    ensure!(
        held.contains(&format!("onair-client {pid}")) && held.contains("holds frame"),
        "{held}"
    );

    // Its page: who, what, since when, and what to do about it.
    let id = control.show("in")?.id;
    let mut page = Browser::start(rig.stage(), Kind::Firefox, (1280, 900))?;
    open_session(&mut page, &wall, id)?;
    let text = "const place = document.querySelector('main .hang'); return !place.hidden && place.textContent";
    let text = page.await_script("what hangs", text)?.to_string();
    for part in [
        "in is stopped, and still in use.",
        &format!("{pid}"),
        "holds frame",
        &format!("kill -CONT {pid}"),
        "onairctl session evict in",
    ] {
        ensure!(text.contains(part), "{part:?} is not in {text}");
    }

    // An end that waits for it.
    let ended = std::thread::scope(|scope| -> Result<()> {
        let mut other = rig.control()?;
        let end = scope.spawn(move || other.try_destroy_wait("in", 60_000));
        browser.await_script("a red tile of an end", &lamp("cannot end"))?;
        page.await_script(
            "an end that waits",
            "return document.querySelector('main .hang h3')?.textContent.startsWith('in cannot end')",
        )?;
        ensure!(control.show("in")?.state == SessionState::Draining);
        client.thaw()?;
        client.say("put-all")?;
        let answer = end
            .join()
            .map_err(|_| anyhow::anyhow!("the end panicked"))??;
        answer.document::<Certificate>().map(drop)
    });
    ended?;
    wait_for("no tile", 30, || {
        let tiles = browser.run(
            "return document.querySelectorAll('[data-name=in]').length",
            json!([]),
        )?;
        Ok(tiles == json!(0))
    })?;
    await_course(&mut page)?;
    wall.end()
}
