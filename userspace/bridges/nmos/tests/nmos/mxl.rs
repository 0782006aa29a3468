//! What `onair-mxl` carries, before its own control socket: BCP-007-03.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use onair_mxl::Ending;
use onair_mxl::control::{Control, listen};
use onair_mxl::domain::FlowFiles;
use onair_mxl::flow::{Definition, Format, Rate};
use onair_nmos::connection::Side;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::facts::{formats, ids, name, session};
use crate::support::http::{ask, read};
use crate::support::schemas::check;
use crate::support::site::{Site, runtime};

const DOMAIN: Uuid = Uuid::from_u128(0x1ac2_54d9_a5eb_475f_a2b6_3d02_a5cf_bc82);
/// That of `cam1`.
const OWN: Uuid = Uuid::from_u128(0x5fbe_c3b1_1b0f_417d_9059_8b94_a471_97ed);
/// One of another writer.
const OTHER: Uuid = Uuid::from_u128(0xb3bb_5be7_9fe9_4324_a5bb_4c70_e108_4449);
const CONNECTION: &str = "/x-nmos/connection/v1.2";

/// The control socket of an `onair-mxl` without threads that carry.
struct Mxl {
    folder: TempDir,
    control: Arc<Control>,
    ending: Arc<Ending>,
    served: Option<JoinHandle<()>>,
}

impl Mxl {
    /// It carries `cam1`, `mic`, `cc` and `xs` into flows, and can fill `playout` and `mix`.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let definition = json!({"id": DOMAIN, "label": "Red Studio"});
        fs::write(
            folder.path().join("domain_def.json"),
            definition.to_string(),
        )
        .unwrap();
        let data = Definition {
            id: OTHER,
            label: "another".to_owned(),
            group: "another".to_owned(),
            format: Format::Data {
                rate: Rate {
                    numerator: 25,
                    denominator: 1,
                },
            },
            is_utc: false,
        };
        let files = FlowFiles::of(folder.path(), OTHER);
        fs::create_dir(files.folder()).unwrap();
        let path = files.folder().join("flow_def.json");
        fs::write(path, data.document().to_string()).unwrap();
        let inward = [("cam1", 0), ("mic", 1), ("cc", 2), ("xs", 3)];
        let inward = inward.map(|(it, at)| (it, Uuid::from_u128(OWN.as_u128() + at)));
        let control = Control::new(folder.path(), inward, [("playout", None), ("mix", None)]);
        let mut own = Self {
            folder,
            control: Arc::new(control),
            ending: Arc::default(),
            served: None,
        };
        own.serve();
        own
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    fn serve(&mut self) {
        let listener = listen(&self.socket()).unwrap();
        self.ending = Arc::default();
        let (control, ending) = (Arc::clone(&self.control), Arc::clone(&self.ending));
        let serve = move || control.serve(&listener, &ending).unwrap();
        self.served = Some(std::thread::spawn(serve));
    }

    fn end(&mut self) {
        self.ending.begin();
        self.served
            .take()
            .into_iter()
            .for_each(|it| it.join().unwrap());
    }
}

impl Drop for Mxl {
    fn drop(&mut self) {
        self.ending.begin();
    }
}

/// The sessions that [`Mxl`] carries, of a daemon.
fn sessions() -> Vec<Value> {
    let formats = formats();
    let of = |essence: &str| formats.iter().find(|it| it.get(essence).is_some()).unwrap();
    let sessions = [
        ("cam1", "receive", of("video")),
        (
            "mic",
            "receive",
            formats
                .iter()
                .find(|it| it["audio"]["coding"] == "L24")
                .unwrap(),
        ),
        ("cc", "receive", of("ancillary")),
        ("xs", "receive", of("jpeg_xs")),
        ("playout", "send", of("video")),
        ("mix", "local", of("ancillary")),
    ];
    sessions
        .map(|(name, way, format)| session(name, way, format))
        .to_vec()
}

fn id(side: Side, session: &str) -> Uuid {
    match side {
        Side::Sender => ids().mxl_sender(&name(session)),
        Side::Receiver => ids().mxl_receiver(&name(session)),
    }
}

/// The resource of this id, once it is `as_wanted`.
async fn until(site: &Site, kind: &str, id: Uuid, as_wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let path = format!("/x-nmos/node/v1.3/{kind}/{id}");
        let answer = ask(site.address, "GET", &path, b"").await.unwrap();
        if answer.status == 200 && as_wanted(&answer.json()) {
            return answer.json();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{kind} {id} is not as wanted");
}

async fn started() -> (Mxl, Site) {
    let mxl = Mxl::start();
    let site = Site::with_mxl(&sessions(), &mxl.socket()).await;
    until(&site, "senders", id(Side::Sender, "cam1"), |_| true).await;
    (mxl, site)
}

fn path(kind: &str, id: Uuid) -> String {
    format!("{CONNECTION}/single/{kind}/{id}")
}

/// Status and document of a PATCH.
async fn patch(site: &Site, kind: &str, id: Uuid, body: Value) -> (u16, Value) {
    let path = format!("{}/staged", path(kind, id));
    let body = body.to_string();
    let answer = ask(site.address, "PATCH", &path, body.as_bytes())
        .await
        .unwrap();
    (answer.status, answer.json())
}

#[tokio::test]
async fn each_essence_on_mxl_then_valid_by_the_schemas() {
    let (_mxl, site) = started().await;
    let kinds = ["senders", "flows", "sources", "receivers", "devices"];
    let mut media = Vec::new();
    for kind in kinds {
        for one in read(site.address, &format!("/x-nmos/node/v1.3/{kind}"))
            .await
            .as_array()
            .unwrap()
        {
            check(kind.trim_end_matches('s'), one);
            if one["transport"] == "urn:x-nmos:transport:mxl" {
                assert_eq!(one["interface_bindings"], json!([]));
                let label = one["label"].as_str().unwrap().to_owned();
                media.push(match kind {
                    "senders" => {
                        assert_eq!(one["manifest_href"], Value::Null);
                        let flow = format!(
                            "/x-nmos/node/v1.3/flows/{}",
                            one["flow_id"].as_str().unwrap()
                        );
                        (label, read(site.address, &flow).await["media_type"].clone())
                    }
                    _ => {
                        let caps = one["caps"].to_string();
                        assert!(!caps.contains(":transport:"), "{caps}");
                        (label, one["caps"]["media_types"][0].clone())
                    }
                });
            }
        }
    }
    media.sort_by(|a, b| a.0.cmp(&b.0));
    let media: Vec<_> = media
        .iter()
        .map(|(name, it)| (name.as_str(), it.as_str().unwrap()))
        .collect();
    // MXL has no media type for JPEG XS.
    let expected = [
        ("cam1 (MXL)", "video/v210"),
        ("cc (MXL)", "video/smpte291"),
        ("mic (MXL)", "audio/float32"),
        ("mix (MXL)", "video/smpte291"),
        ("playout (MXL)", "video/v210"),
    ];
    assert_eq!(media, expected);
    let device = read(site.address, "/x-nmos/node/v1.3/devices").await[0].clone();
    let controls = device["controls"].to_string();
    for version in ["sr-ctrl/v1.1", "sr-ctrl/v1.2"] {
        assert!(controls.contains(version), "{controls}");
    }
    // The RTP receiver of the session is there as well.
    let receivers = device["receivers"].as_array().unwrap();
    assert!(receivers.contains(&json!(ids().receiver(&name("cam1")))));
}

#[tokio::test]
async fn paths_of_both_versions_then_mxl_in_the_later_one() {
    let (_mxl, site) = started().await;
    let get = async |path: &str| ask(site.address, "GET", path, b"").await.unwrap();
    assert_eq!(
        get("/x-nmos/connection").await.json(),
        json!(["v1.1/", "v1.2/"])
    );
    let sender = id(Side::Sender, "cam1");
    let listed = format!("{sender}/");
    for (version, is_there) in [("v1.1", false), ("v1.2", true)] {
        let all = get(&format!("/x-nmos/connection/{version}/single/senders"))
            .await
            .json();
        let all = all.as_array().unwrap();
        assert_eq!(all.contains(&json!(listed)), is_there, "{version}");
        let rtp = format!("{}/", ids().sender(&name("playout")));
        assert!(all.contains(&json!(rtp)), "{version}");
    }
    let old = format!("/x-nmos/connection/v1.1/single/senders/{sender}/active");
    assert_eq!(get(&old).await.status, 404);
    let of = path("senders", sender);
    assert_eq!(
        get(&format!("{of}/transporttype")).await.json(),
        "urn:x-nmos:transport:mxl"
    );
    assert_eq!(get(&format!("{of}/transportfile")).await.status, 404);
    let constraints =
        json!([{"mxl_domain_id": {"enum": [DOMAIN]}, "mxl_flow_id": {"enum": [OWN]}}]);
    assert_eq!(get(&format!("{of}/constraints")).await.json(), constraints);
    let active = json!({
        "receiver_id": null, "master_enable": true,
        "activation": {"mode": null, "requested_time": null, "activation_time": null},
        "transport_params": [{"mxl_domain_id": DOMAIN, "mxl_flow_id": OWN}],
    });
    assert_eq!(get(&format!("{of}/active")).await.json(), active);
    assert_eq!(get(&format!("{of}/staged")).await.json(), active);
    let of = path("receivers", id(Side::Receiver, "playout"));
    let active = get(&format!("{of}/active")).await.json();
    assert_eq!(
        active["transport_params"],
        json!([{"mxl_domain_id": DOMAIN, "mxl_flow_id": null}])
    );
    assert_eq!(
        active["transport_file"],
        json!({"data": null, "type": null})
    );
    assert_eq!(active["master_enable"], false);
}

#[tokio::test]
async fn patches_then_switched_or_refused_with_the_field() {
    let (mut mxl, site) = started().await;
    let (sender, receiver) = (id(Side::Sender, "cam1"), id(Side::Receiver, "mix"));
    let now = json!({"mode": "activate_immediate"});
    let auto = json!([{"mxl_domain_id": "auto", "mxl_flow_id": "auto"}]);
    let off = json!({"master_enable": false, "activation": now, "transport_params": auto});
    assert_eq!(patch(&site, "senders", sender, off).await.0, 200);
    assert_eq!(mxl.control.switch("cam1").flow(), None);
    let active = read(site.address, &format!("{}/active", path("senders", sender))).await;
    // What was left to onair-mxl is shown as it is.
    assert_eq!(
        active["transport_params"],
        json!([{"mxl_domain_id": DOMAIN, "mxl_flow_id": OWN}])
    );
    until(&site, "senders", sender, |it| {
        it["subscription"]["active"] == false
    })
    .await;

    let to = |flow: Value| json!([{ "mxl_flow_id": flow }]);
    let read_it = json!({"sender_id": sender, "master_enable": true, "activation": now,
        "transport_params": to(json!(OTHER))});
    let (status, answer) = patch(&site, "receivers", receiver, read_it).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(mxl.control.switch("mix").flow(), Some(OTHER));
    let subscription = json!({"sender_id": sender, "active": true});
    until(&site, "receivers", receiver, |it| {
        it["subscription"] == subscription
    })
    .await;

    for (kind, id, body, field) in [
        (
            "receivers",
            receiver,
            json!({"transport_params": to(json!("auto"))}),
            "mxl_flow_id",
        ),
        (
            "receivers",
            receiver,
            json!({"activation": now, "transport_params": to(json!(OWN))}),
            "mxl_flow_id",
        ),
        (
            "receivers",
            receiver,
            json!({"activation": now, "transport_params": to(json!(null))}),
            "mxl_flow_id",
        ),
        (
            "receivers",
            receiver,
            json!({"transport_params": [{"mxl_domain_id": OWN}]}),
            "mxl_domain_id",
        ),
        (
            "receivers",
            receiver,
            json!({"transport_params": [{"source_ip": null}]}),
            "source_ip",
        ),
        (
            "receivers",
            receiver,
            json!({"transport_params": [{}, {}]}),
            "transport_params",
        ),
        (
            "receivers",
            receiver,
            json!({"transport_file": {"data": "v=0", "type": "application/sdp"}}),
            "transport_file",
        ),
        (
            "senders",
            sender,
            json!({"transport_params": to(json!(OTHER))}),
            "mxl_flow_id",
        ),
        ("senders", sender, json!({"sender_id": null}), "sender_id"),
    ] {
        let (status, answer) = patch(&site, kind, id, body).await;
        let error = answer["error"].as_str().unwrap();
        assert_eq!(status, 400, "{answer}");
        assert!(error.contains(field), "{error}");
        check("error", &answer);
    }
    // A refused one leaves what is active.
    assert_eq!(mxl.control.switch("mix").flow(), Some(OTHER));

    mxl.end();
    let on = json!({"master_enable": true, "activation": now});
    assert_eq!(patch(&site, "senders", sender, on.clone()).await.0, 503);
    let shown = read(site.address, &format!("{}/active", path("senders", sender))).await;
    assert_eq!(shown["master_enable"], false);
    mxl.serve();
    assert_eq!(patch(&site, "senders", sender, on).await.0, 200);
    assert_eq!(mxl.control.switch("cam1").flow(), Some(OWN));
}

#[tokio::test]
async fn scheduled_and_bulk_then_locked_until_it_happens() {
    let (mxl, site) = started().await;
    let sender = id(Side::Sender, "cam1");
    let later = |time: &str| json!({"mode": "activate_scheduled_relative", "requested_time": time});
    let off = |time: &str| json!({"master_enable": false, "activation": later(time)});
    assert_eq!(patch(&site, "senders", sender, off("60:0")).await.0, 202);
    assert_eq!(
        patch(&site, "senders", sender, json!({"master_enable": true}))
            .await
            .0,
        423
    );
    let cancel = json!({"activation": {"mode": null}});
    assert_eq!(patch(&site, "senders", sender, cancel).await.0, 200);
    assert_eq!(
        patch(&site, "senders", sender, off("0:300000000")).await.0,
        202
    );
    assert_eq!(mxl.control.switch("cam1").flow(), Some(OWN));
    until(&site, "senders", sender, |it| {
        it["subscription"]["active"] == false
    })
    .await;
    assert_eq!(mxl.control.switch("cam1").flow(), None);

    // Of a session by RTP, which no daemon answers for, and of two by MXL.
    let on = json!({"master_enable": true, "activation": {"mode": "activate_immediate"}});
    let all = [
        sender,
        ids().sender(&name("playout")),
        id(Side::Sender, "mic"),
        Uuid::nil(),
    ];
    let all = all.map(|it| json!({"id": it, "params": on}));
    let body = json!(all).to_string();
    let path = format!("{CONNECTION}/bulk/senders");
    let answer = ask(site.address, "POST", &path, body.as_bytes())
        .await
        .unwrap();
    let mut codes: Vec<_> = answer
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["code"].clone())
        .collect();
    codes.sort_by_key(Value::as_u64);
    assert_eq!(codes, [200, 200, 404, 503]);
    assert_eq!(mxl.control.switch("cam1").flow(), Some(OWN));
}

/// What the control socket answers to this line.
fn tell(mxl: &Mxl, line: &Value) -> Value {
    let mut stream = UnixStream::connect(mxl.socket()).unwrap();
    stream.write_all(format!("{line}\n").as_bytes()).unwrap();
    let lines = BufReader::new(stream).lines();
    let mut lines = lines.map(|it| serde_json::from_str::<Value>(&it.unwrap()).unwrap());
    lines.find(|it| it.get("sessions").is_none()).unwrap()
}

/// Each `runtime` is a life of onair-nmos: with it all of that ends.
#[test]
fn restarted_then_sender_ids_and_schedules_are_as_before() {
    let mxl = Mxl::start();
    let (sender, receiver) = (id(Side::Sender, "cam1"), id(Side::Receiver, "mix"));
    let subscription = json!({"sender_id": sender, "active": true});
    let life = async || {
        let site = Site::with_mxl(&sessions(), &mxl.socket()).await;
        until(&site, "senders", sender, |_| true).await;
        site
    };
    let active = runtime().block_on(async {
        let site = life().await;
        let routed = json!({"sender_id": sender, "master_enable": true,
            "activation": {"mode": "activate_immediate"}, "transport_params": [{"mxl_flow_id": OTHER}]});
        assert_eq!(patch(&site, "receivers", receiver, routed).await.0, 200);
        let later = json!({"mode": "activate_scheduled_absolute", "requested_time": "9999999999:7"});
        let off = json!({"master_enable": false, "activation": later});
        for session in ["cam1", "mic", "cc"] {
            let id = id(Side::Sender, session);
            assert_eq!(patch(&site, "senders", id, off.clone()).await.0, 202);
        }
        let cancel = json!({"activation": {"mode": null}});
        let cc = id(Side::Sender, "cc");
        assert_eq!(patch(&site, "senders", cc, cancel).await.0, 200);
        read(site.address, &format!("{}/active", path("receivers", receiver))).await
    });
    let state = runtime().block_on(async {
        let site = life().await;
        until(&site, "receivers", receiver, |it| {
            it["subscription"] == subscription
        })
        .await;
        let again = format!("{}/active", path("receivers", receiver));
        assert_eq!(read(site.address, &again).await, active);
        let on = json!({"master_enable": true});
        for (session, status) in [("cam1", 423), ("mic", 423), ("cc", 200)] {
            let id = id(Side::Sender, session);
            assert_eq!(
                patch(&site, "senders", id, on.clone()).await.0,
                status,
                "{session}"
            );
        }
        serde_json::to_value(mxl.control.state()).unwrap()
    });
    // The time of one was just now, that of the other long ago, and another client has moved the third one.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        + 37;
    for (session, ago) in [("cam1", 5), ("mic", 60)] {
        let all = state["sessions"].as_array().unwrap();
        let own = all.iter().find(|it| it["session"] == session).unwrap();
        let text = own["connected"].as_str().unwrap();
        let text = text.replace("9999999999", &(now - ago).to_string());
        assert_eq!(
            tell(&mxl, &json!({"session": session, "connected": text})),
            "done"
        );
    }
    let moved = json!({"session": "mix", "active": false, "flow": OTHER});
    assert_eq!(tell(&mxl, &moved), "done");
    runtime().block_on(async {
        let site = life().await;
        until(&site, "senders", sender, |it| {
            it["subscription"]["active"] == false
        })
        .await;
        let subscription = json!({"sender_id": null, "active": false});
        until(&site, "receivers", receiver, |it| {
            it["subscription"] == subscription
        })
        .await;
        let mic = id(Side::Sender, "mic");
        let on = json!({"master_enable": true});
        assert_eq!(patch(&site, "senders", mic, on).await.0, 200);
    });
    assert!(
        mxl.control.switch("cam1").flow().is_none() && mxl.control.switch("mic").flow().is_some()
    );
}
