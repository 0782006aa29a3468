//! Clients that name a layout when they attach: one converted session for each layout, as long as it has clients
//! and a source.

use std::collections::BTreeSet;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use onair::{Client, Error, PixelFormat, Session, Timeout};
use onair_api::{
    Certificate, Operation, ReconciledCause, SessionId, SessionState, Source, SpecDocument,
};
use onair_ipc::site;
use onair_tests::{Config, Control, Rig, TestClient, User, onairctl, receive, send, wait_for};
use serde_json::{Value, json};

use crate::conversion::converted::{RASTER, by_ffmpeg, cam, convert, out, take};

/// May create sessions, and attach to its own.
const OWNER: User = User::new(54_321, 54_321);
/// Has no role.
const OTHER: User = User::new(54_322, 54_322);

fn client(rig: &Rig) -> Client {
    Client::at(Config::attach_socket(rig.stage()))
}

fn attach_as(rig: &Rig, session: &str, format: PixelFormat) -> Result<Session> {
    Ok(client(rig).attach_as(session, format)?)
}

/// A client process of session `cam` in the layout v210; the converted session's id.
fn v210(rig: &Rig) -> Result<(TestClient, SessionId)> {
    let mut user = rig.test_client()?;
    let attached = user.say("attach cam v210")?;
    Ok((user, id(&attached)?))
}

fn id(attached: &Value) -> Result<SessionId> {
    Ok(attached["session"].as_str().context("an id")?.parse()?)
}

/// Waits until the daemon has ended a session by itself; its certificate.
fn ended(control: &mut Control, session: SessionId) -> Result<Certificate> {
    wait_for("the daemon to end it", 30, || {
        Ok(control.try_show(session)?.code() == "stale_session")
    })?;
    let certificate = control.certificate(session)?;
    assert_eq!(certificate.operation, Operation::DestroyWait);
    assert_eq!(certificate.requester.command, "onaird");
    Ok(certificate)
}

fn refusal(attached: Result<Session, Error>) -> Result<(String, String)> {
    match attached.err().context("attached")? {
        Error::Refused { code, message } => Ok((code, message)),
        other => Err(other.into()),
    }
}

#[test]
fn clients_in_two_layouts_then_each_has_a_session_of_its_own() -> Result<()> {
    const FRAMES: usize = 40;
    let (rig, mut control) = Rig::with_control()?;
    cam(&mut control)?;
    out(&mut control)?;
    let source = client(&rig).attach("cam")?;
    // At the same time.
    let mut users = [rig.test_client()?, rig.test_client()?, rig.test_client()?];
    for user in &mut users {
        user.send("attach cam v210")?;
    }
    let mut shared = BTreeSet::new();
    for user in &mut users {
        let attached = user.answer("attach")?;
        assert_eq!(attached["name"], "cam-v210", "{attached}");
        shared.insert(id(&attached)?);
        user.say("get 10000")?;
    }
    for format in [PixelFormat::V210, PixelFormat::Yuv422p10] {
        let session = attach_as(&rig, "cam", format)?;
        assert_eq!(session.layout().pixel_format, Some(format));
        shared.insert(session.id());
        let view = control.show(session.name())?;
        assert_eq!(view.name.as_str(), format!("cam-{format}"));
        let convert = view.convert.context("it converts")?;
        ensure!(convert.follows_source, "{convert:?}");
        let bytes = take(&session, FRAMES, |buffer| Ok(buffer.to_vec()))?;
        let expected = take(&source, FRAMES, |buffer| {
            let mut pixels = vec![0; session.layout().frame_bytes()];
            buffer.unpack(format, &mut pixels)?;
            Ok((pixels, buffer.to_vec()))
        })?;
        let both: Vec<_> = expected
            .iter()
            .filter_map(|(ticks, it)| Some((it, bytes.get(ticks)?)))
            .collect();
        ensure!(both.len() >= FRAMES / 3, "{} of both", both.len());
        for ((pixels, _), bytes) in &both {
            ensure!(pixels == *bytes, "{format}");
        }
        if format == PixelFormat::Yuv422p10 {
            let ((_, pgroups), bytes) = both.first().context("a frame")?;
            let of_ffmpeg = by_ffmpeg(pgroups, "-f rawvideo -pix_fmt yuv422p10le -")?;
            ensure!(**bytes == of_ffmpeg, "FFmpeg's bytes");
        }
    }
    assert_eq!(shared.len(), 2, "{shared:?}");
    assert_eq!(control.show("cam")?.converted_sessions, 2);

    // One that an operator made is taken, too, and one asks a converted session for its own layout.
    convert(&mut control, "packed", "Y210")?;
    let packed = attach_as(&rig, "cam", PixelFormat::Y210)?;
    assert_eq!(packed.name(), "packed");
    let mut one = rig.test_client()?;
    assert_eq!(one.say("attach packed y210le")?["name"], "packed");
    assert_eq!(control.show("cam")?.converted_sessions, 3);
    Ok(())
}

#[test]
fn source_stopped_started_destroyed_then_layout_clients_see_it() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    cam(&mut control)?;
    let (mut user, session) = v210(&rig)?;
    let callers = user.block(3)?;
    assert_eq!(control.blocking_tids("cam-v210")?, callers);
    control.stop("cam")?;
    assert_eq!(user.all_returned(3, "EAGAIN")?, callers);
    control.await_state("cam-v210", SessionState::Stopped)?;
    control.start("cam")?;
    user.say("wait-started 10000")?;
    out(&mut control)?;
    user.say("get 10000")?;

    // An operator's own stop lasts until the source starts again.
    control.stop("cam-v210")?;
    control.stop("cam")?;
    assert_eq!(control.show("cam-v210")?.state, SessionState::Stopped);
    control.start("cam")?;
    user.say("wait-started 10000")?;
    user.say("get 10000")?;

    control.end("out")?;
    user.say("drain")?;
    let callers = user.block(3)?;
    control.stop("cam")?;
    assert_eq!(user.all_returned(3, "EAGAIN")?, callers);
    let of_source = control.destroy_wait("cam")?;
    assert_eq!(of_source.name.as_str(), "cam");
    let certificate = ended(&mut control, session)?;
    assert_eq!(certificate.name.as_str(), "cam-v210");
    assert_eq!(user.errno("wait-started 10000")?, "ESTALE");
    for name in ["cam", "cam-v210"] {
        let ran = onairctl(&rig, &format!("certificate verify {name}"))?;
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    // Another session of that name is another source.
    cam(&mut control)?;
    ensure!(user.errno("attach cam v210")?.is_empty(), "refused");
    Ok(())
}

#[test]
fn source_aborted_then_a_layout_client_that_keeps_a_frame_ends() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    cam(&mut control)?;
    out(&mut control)?;
    let session = attach_as(&rig, "cam", PixelFormat::V210)?;
    let kept = session.buffer_get(Timeout::millis(20_000))?;
    let bytes = kept.to_vec();
    control.abort("cam")?;
    let waited = session.wait_started(Timeout::millis(20_000));
    ensure!(matches!(waited, Err(Error::Stale)), "{waited:?}");
    let certificate = control.certificate(session.id())?;
    assert_eq!(certificate.operation, Operation::Abort);
    ensure!(kept[..] == bytes[..], "other bytes");
    Ok(())
}

#[test]
fn last_client_left_or_died_then_the_daemon_ends_the_session() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    cam(&mut control)?;
    out(&mut control)?;
    // Comes and goes: no session for each time.
    let mut made = BTreeSet::new();
    for _ in 0..20 {
        let session = attach_as(&rig, "cam", PixelFormat::V210)?;
        made.insert(session.id());
        session.detach()?;
    }
    ensure!(made.len() < 20, "{made:?}");
    let last = *made.last().context("one")?;
    let certificate = ended(&mut control, last)?;
    ensure!(certificate.reconciled.is_empty(), "{certificate:?}");
    assert_eq!(control.show("cam")?.converted_sessions, 0);

    // Killed with frames.
    let (mut victim, session) = v210(&rig)?;
    let pid = victim.pid();
    victim.say("hold 3")?;
    victim.kill()?;
    let certificate = ended(&mut control, session)?;
    let settled: Vec<_> = certificate.reconciled.iter().collect();
    ensure!(
        matches!(settled[..], [it] if (it.pid, it.cause, it.frames) == (pid, ReconciledCause::ProcessDied, 3)),
        "{settled:?}"
    );

    // Gone before it has answered the challenge.
    let raw = rig.raw_client()?;
    let answer = raw.ask(&json!({ "type": "attach", "session": "cam", "layout": "v210" }))?;
    assert_eq!(answer["type"], "challenge", "{answer}");
    let session = control.show("cam-v210")?.id;
    drop(raw);
    ended(&mut control, session)?;
    Ok(())
}

#[test]
fn source_destroyed_during_an_attach_then_the_session_ends() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    cam(&mut control)?;
    let raw = rig.raw_client()?;
    let answer = raw.ask(&json!({ "type": "attach", "session": "cam", "layout": "v210" }))?;
    let token = answer["token"].as_str().context("a token")?;
    let session = control.show("cam-v210")?.id;
    control.end("cam")?;
    ended(&mut control, session)?;
    site::canary(u64::from_str_radix(token, 16)?);
    let answer = raw.ask(&json!({ "type": "proved" }))?;
    assert_eq!(answer["code"], "stale_session", "{answer}");
    Ok(())
}

#[test]
fn layout_impossible_then_refused_with_advice_and_nothing_made() -> Result<()> {
    let rig = Rig::rings_and("[limits]\nframe_memory_mb = 8\n")?;
    let mut control = rig.control()?;
    control.create(&SpecDocument {
        quota: Some(2),
        max_attachments: Some(2),
        ..receive("cam", RASTER, 5000)
    })?;
    control.create(&SpecDocument {
        quota: Some(8),
        ..receive("large", RASTER, 5002)
    })?;
    control.create(&send("out", RASTER, 5000, Source::Pattern))?;
    let refused = |session: &str, format: PixelFormat, code: &str, says: &str| {
        let (is, message) = refusal(client(&rig).attach_as(session, format))?;
        assert_eq!(is, code, "{message}");
        ensure!(message.contains(says), "{says}: {message}");
        anyhow::Ok(())
    };
    refused("cam", PixelFormat::Rgba, "invalid_spec", "give one of")?;
    refused("out", PixelFormat::V210, "invalid_spec", "out sends")?;
    let memory = "limits.frame_memory_mb";
    refused("large", PixelFormat::V210, "limit_reached", memory)?;
    let raw = rig.raw_client()?;
    let answer = raw.ask(&json!({ "type": "attach", "session": "cam", "layout": "v211" }))?;
    assert_eq!(answer["code"], "invalid_spec", "{answer}");
    let no_such = client(&rig).attach_as("nothing", PixelFormat::V210);
    ensure!(
        matches!(no_such, Err(Error::NoSession { .. })),
        "{no_such:?}"
    );
    let all = onairctl(&rig, "session list --json")?.json()?;
    assert_eq!(all["sessions"].as_array().map(Vec::len), Some(3), "{all}");

    let converted = attach_as(&rig, "cam", PixelFormat::V210)?;
    let own = client(&rig).attach("cam")?;
    refused(
        "cam-v210",
        PixelFormat::Y210,
        "invalid_spec",
        "its source, cam",
    )?;
    refused("cam", PixelFormat::Y210, "limit_reached", "max_attachments")?;
    drop((own, converted));
    Ok(())
}

#[test]
fn user_of_own_sessions_then_a_layout_of_those_and_of_no_other() -> Result<()> {
    let rig = Rig::rings_with(|config| {
        let uid = OWNER.uid;
        config.control += &format!("[[control.role]]\nuser = \"{uid}\"\nrole = \"own\"\n");
    })?;
    let mut control = rig.control()?;
    User::let_in(rig.stage())?;
    cam(&mut control)?;
    let body = serde_json::to_value(receive("mine", RASTER, 5002))?;
    let (status, answer) = OWNER.ask(rig.stage(), "POST", "/v1/sessions", &body)?;
    assert_eq!(status, 201, "{answer}");
    let mut owner = OWNER.test_client(rig.stage())?;
    let mut other = OTHER.test_client(rig.stage())?;
    assert_eq!(owner.errno("attach cam v210")?, "EACCES");
    assert_eq!(other.errno("attach mine v210")?, "EACCES");
    assert_eq!(owner.say("attach mine v210")?["name"], "mine-v210");
    assert_eq!(other.errno("attach mine v210")?, "EACCES");
    assert_eq!(other.errno("attach mine-v210")?, "EACCES");
    let view = control.show("mine-v210")?;
    assert_eq!(view.owner.context("an owner")?.uid, OWNER.uid);
    // A request cannot have one made that the daemon ends.
    let mut body = json!({ "name": "kept", "convert": { "from": "mine", "layout": "y210le" } });
    body["convert"]["follows_source"] = json!(true);
    let answer = control.request("POST", "/v1/sessions", &body)?;
    assert_eq!(answer.status, 201, "{}", answer.json);
    assert_eq!(answer.json["convert"]["follows_source"], Value::Null);
    Ok(())
}

#[test]
fn daemon_terminated_then_sessions_for_clients_end_like_others() -> Result<()> {
    let (mut rig, mut control) = Rig::with_control()?;
    cam(&mut control)?;
    let mut users = Vec::new();
    for layout in ["v210", "y210le"] {
        let mut user = rig.test_client()?;
        user.say(format_args!("attach cam {layout}"))?;
        user.block(2)?;
        users.push(user);
    }
    let waits = thread::spawn(move || {
        users
            .iter_mut()
            .try_for_each(|user| user.all_returned(2, "EAGAIN").map(drop))
    });
    let (code, summary) = rig.terminated()?;
    waits.join().expect("it does not panic")?;
    assert_eq!(code, 0, "{summary:?}");
    assert_eq!(summary.sessions.len(), 3, "{summary:?}");
    Ok(())
}
