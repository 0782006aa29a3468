//! What controllers do: a crosspoint that does all at once, a browser that does one after the other.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{SessionState, Source};
use onair_stage::{Backend, Control, Raster, send, wait_for};
use serde_json::{Value, json};

use super::{monitor, on_air};
use crate::network::igmp_watch::{Igmp, IgmpWatch};
use crate::plant::node::Node;
use crate::plant::peers::{Camera, group};
use crate::plant::registry::Registry;
use crate::plant::site::{Plant, STUDIO, UDP};

/// A registry forgets a node that has said nothing for so long (IS-04, Behaviour: Registration).
const FORGETS: Duration = Duration::from_secs(12);

/// `MemoryMax` of the unit `onair-nmos`.
const MEMORY: u64 = 512 << 20;

/// The description of the camera of a group, as its maker gives it to the controller.
fn description(number: u8) -> String {
    format!(
        "v=0\r\no=- {number} 1 IN IP4 {STUDIO}\r\ns=camera {number}\r\nt=0 0\r\nm=video {UDP} RTP/AVP 96\r\nc=IN IP4 {}/8\r\n\
         a=source-filter: incl IN IP4 {0} {STUDIO}\r\na=rtpmap:96 raw/90000\r\n\
         a=fmtp:96 sampling=YCbCr-4:2:2; width=320; height=180; exactframerate=25; depth=8; TCS=SDR; colorimetry=BT601; \
         PM=2110GPM; SSN=ST2110-20:2017; TP=2110TPW\r\n\
         a=ts-refclk:localmac=02-00-00-00-00-01\r\na=mediaclk:direct=0\r\n",
        group(number)
    )
}

/// A connection of a receiver to a camera of another maker, at once.
fn connection(number: u8) -> Value {
    json!({
        "sender_id": format!("5f6c7a1e-0000-4000-8000-0000000000{number:02}"), "master_enable": true,
        "activation": {"mode": "activate_immediate"},
        "transport_file": {"type": "application/sdp", "data": description(number)},
    })
}

fn enabled(is: bool) -> Value {
    json!({"master_enable": is, "activation": {"mode": "activate_immediate"}})
}

fn took((status, answer): (u16, Value)) -> Result<Value> {
    ensure!(status == 200, "{status}: {answer}");
    Ok(answer)
}

fn destination(control: &mut Control, session: &str) -> Result<String> {
    Ok(control.show(session)?.flow.destination)
}

fn is_of(control: &mut Control, session: &str, number: u8) -> Result<()> {
    let to = destination(control, session)?;
    ensure!(
        to == format!("{}:{UDP}", group(number)),
        "{session} receives {to}"
    );
    Ok(())
}

pub(super) fn all_sdps(backend: Backend) -> Result<String> {
    const REQUESTS: usize = 256;
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    for number in 1..=4 {
        control.create(&sender(&format!("out{number}"), 100 + number))?;
    }
    let node = Node::start(plant.host())?;
    let paths = (1..=4).map(|number| {
        Ok(format!(
            "{}/transportfile",
            node.path("senders", &format!("out{number}"))?
        ))
    });
    let paths = paths.collect::<Result<Vec<_>>>()?;
    let answers = thread::scope(|scope| {
        let all: Vec<_> = (0..REQUESTS)
            .map(|at| {
                scope.spawn({
                    let (controller, path) = (*node, &paths[at % paths.len()]);
                    move || controller.get(path)
                })
            })
            .collect();
        all.into_iter()
            .map(|it| it.join().map_err(|_| anyhow::anyhow!("a panic")))
            .collect::<Vec<_>>()
    });
    let good = answers
        .iter()
        .filter(|it| matches!(it, Ok(Ok((200, Value::String(text)))) if text.starts_with("v=0")));
    let good = good.count();
    let first = answers.iter().flatten().find_map(|it| it.as_ref().err());
    ensure!(good == REQUESTS, "{good} of {REQUESTS} answered; {first:?}");
    node.end()?;
    Ok(format!("{REQUESTS} of {REQUESTS} answered"))
}

/// A session that sends the pattern out of port `b`.
fn sender(name: &str, number: u8) -> onair_api::SpecDocument {
    let mut spec = send(name, Raster::new(320, 180, 25, 8), UDP, Source::Pattern);
    spec.port = "b".to_owned();
    spec.flow.destination = format!("{}:{UDP}", group(number));
    spec
}

pub(super) fn refused_connect(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    let mut camera = on_air(&plant, &mut control, ("in", 1), 5)?;
    let node = Node::start(plant.host())?;
    let mut wrong = connection(2);
    wrong["transport_file"]["data"] = description(2).replace("width=320", "width=640").into();
    let refused = node.patch("receivers", "in", &wrong)?;
    ensure!((400..500).contains(&refused.0), "{refused:?}");
    is_of(&mut control, "in", 1)?;
    camera.until_seen(&mut control, "in", 5)?;
    took(node.patch("receivers", "in", &enabled(false))?).context("parking")?;
    ensure!(
        control.show("in")?.state == SessionState::Stopped,
        "parked, and it runs"
    );
    // The refused values are staged still, and are judged when they are to flow.
    let refused = node.patch("receivers", "in", &enabled(true))?;
    ensure!(refused.0 != 503, "{refused:?}");
    took(node.patch("receivers", "in", &connection(1))?).context("connecting again")?;
    camera.until_seen(&mut control, "in", 5)?;
    node.end()?;
    Ok("refused with nothing changed, parked, on air again".to_owned())
}

pub(super) fn take_again(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    control.create(&monitor("in", 9))?;
    let mut camera = Camera::gstreamer(&plant, 1)?;
    let node = Node::start(plant.host())?;
    took(node.patch("receivers", "in", &connection(1))?)?;
    camera.until_seen(&mut control, "in", 5)?;
    let version = || -> Result<Value> {
        Ok(node.resources("receivers")?.first().context("a receiver")?["version"].clone())
    };
    let before = version()?;
    let mut igmp = IgmpWatch::start(&plant.switch, "va")?;
    igmp.forget();
    took(node.patch("receivers", "in", &connection(1))?)?;
    let wanted: Ipv4Addr = group(1).parse()?;
    let has = |it: &Igmp, kinds: &[u8]| {
        it.records()
            .iter()
            .any(|(kind, of, _)| *of == wanted && kinds.contains(kind))
    };
    // BLOCK_OLD_SOURCES or TO_IN({}), then ALLOW_NEW_SOURCES or TO_EX (RFC 3376 §4.2.12).
    igmp.wait("the leave", 1, |it| has(it, &[Igmp::LEAVE, 3]))?;
    igmp.wait("the join", 1, |it| has(it, &[Igmp::JOIN, 4]))?;
    camera.until_seen(&mut control, "in", 5)?;
    wait_for("another version of the receiver", 20, || {
        Ok(version()? != before)
    })?;
    node.end()?;
    Ok("left and joined, version raised, pictures go on".to_owned())
}

/// Two cameras, and two receivers that have one each.
fn two(backend: Backend) -> Result<(Plant, Control, Node, [Camera; 2])> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    let mut cameras = [Camera::gstreamer(&plant, 1)?, Camera::gstreamer(&plant, 2)?];
    for (camera, number) in cameras.iter_mut().zip(1..) {
        let name = format!("in{number}");
        control.create(&monitor(&name, number))?;
        camera.until_seen(&mut control, &name, 3)?;
    }
    let node = Node::start(plant.host())?;
    Ok((plant, control, node, cameras))
}

pub(super) fn swap(backend: Backend) -> Result<String> {
    let (_plant, mut control, node, mut cameras) = two(backend)?;
    for turn in 0..4_u8 {
        let [one, other] = [1 + (turn + 1) % 2, 1 + turn % 2];
        let controller = *node;
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| controller.patch("receivers", "in1", &connection(one)));
            let second = node.patch("receivers", "in2", &connection(other));
            (first.join().map_err(|_| anyhow::anyhow!("a panic")), second)
        });
        took(first??).context("in1")?;
        took(second?).context("in2")?;
        for (name, number) in [("in1", one), ("in2", other)] {
            is_of(&mut control, name, number)?;
            cameras[usize::from(number) - 1].until_seen(&mut control, name, 3)?;
        }
    }
    node.end()?;
    Ok("swapped four times, each picture where it belongs".to_owned())
}

pub(super) fn salvo(backend: Backend) -> Result<String> {
    let (_plant, mut control, node, mut cameras) = two(backend)?;
    for number in 3..=4 {
        control.create(&monitor(&format!("in{number}"), 50 + number))?;
    }
    let entry = |name: &str, number: u8| -> Result<Value> {
        Ok(json!({"id": node.id("receivers", name)?, "params": connection(number)}))
    };
    for to in [[2, 1, 1, 2], [1, 1, 2, 2]] {
        let names = ["in1", "in2", "in3", "in4"];
        let bulk = names
            .iter()
            .zip(to)
            .map(|(name, number)| entry(name, number))
            .collect::<Result<Vec<_>>>()?;
        let path = "/x-nmos/connection/v1.1/bulk/receivers";
        let answers = took(node.request("POST", path, &json!(bulk))?)?;
        let all = answers.as_array().context("answers")?;
        ensure!(all.iter().all(|it| it["code"] == 200), "{answers}");
        for (name, number) in names.iter().zip(to) {
            is_of(&mut control, name, number)?;
            cameras[usize::from(number) - 1].until_seen(&mut control, name, 3)?;
        }
    }
    node.end()?;
    Ok("two salvos of four, two receivers of one camera".to_owned())
}

pub(super) fn one_by_one(backend: Backend) -> Result<String> {
    let (_plant, mut control, node, mut cameras) = two(backend)?;
    for (name, number) in [("in1", 2), ("in2", 2), ("in1", 1), ("in2", 1)] {
        took(node.patch("receivers", name, &enabled(false))?)
            .with_context(|| format!("parking {name}"))?;
        let staged = json!({"transport_file": connection(number)["transport_file"], "sender_id": connection(number)["sender_id"]});
        took(node.patch("receivers", name, &staged)?).context("staging")?;
        took(node.patch("receivers", name, &enabled(true))?).context("enabling")?;
        is_of(&mut control, name, number)?;
        cameras[usize::from(number) - 1].until_seen(&mut control, name, 3)?;
    }
    node.end()?;
    Ok("parked, staged, enabled: four connections".to_owned())
}

pub(super) fn sender_address(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    control.create(&sender("out", 60))?;
    let node = Node::start(plant.host())?;
    let heard = |number: u8| -> Result<()> {
        let to = group(number);
        let socket = plant.studio.inside(|| {
            let socket = std::net::UdpSocket::bind((&*to, UDP))?;
            socket.join_multicast_v4(&to.parse()?, &STUDIO.parse()?)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })?;
        wait_for(format!("a packet to {to}"), 20, || {
            Ok(socket.recv(&mut [0; 2048]).is_ok())
        })
    };
    heard(60)?;
    let params = json!([{"destination_ip": group(61)}]);
    let activation = json!({"mode": "activate_immediate"});
    let body = json!({"master_enable": true, "transport_params": params, "activation": activation});
    took(node.patch("senders", "out", &body)?)?;
    heard(61)?;
    // What a controller does that parks a sender and gives it an address in one request.
    let body = json!({"master_enable": false, "transport_params": [{"destination_ip": group(62)}], "activation": activation});
    took(node.patch("senders", "out", &body)?).context("parking with another address")?;
    took(node.patch("senders", "out", &enabled(true))?)?;
    heard(62)?;
    node.end()?;
    Ok("heard at each of three groups".to_owned())
}

pub(super) fn heartbeats(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    for number in 1..=64 {
        control.create(&monitor(&format!("in{number}"), number))?;
    }
    let registry = Registry::start()?;
    let node = Node::start_with(plant.host(), &registry.setting())?;
    wait_for("the first heartbeat", 20, || Ok(registry.count() >= 1))?;
    // Small objects are much more than their text once they are read.
    let params = json!({"transport_params": vec![json!({"a": 0}); 16]});
    let unknown =
        |at: u32| json!({"id": format!("00000000-0000-4000-8000-{at:012}"), "params": params});
    let bulk = json!((0..4096).map(unknown).collect::<Vec<_>>());
    let command = json!({"handle": 1, "oid": 3, "methodId": {"level": 1, "index": 1}, "arguments": {"id": {"level": 3, "index": 2}}});
    let commands = json!({"messageType": 0, "commands": vec![command; 256]}).to_string();
    let (controller, beats) = (*node, registry.count());
    let is_over = || registry.count() >= beats + 2 || registry.longest_silence() >= FORGETS;
    let post = || -> Result<usize> {
        let path = "/x-nmos/connection/v1.1/bulk/receivers";
        let answers = took(controller.request("POST", path, &bulk)?)?;
        let all = answers.as_array().context("answers")?;
        ensure!(all.iter().all(|it| it["code"] == 404), "{}", all[0]);
        Ok(all.len())
    };
    let ask = || -> Result<usize> {
        let (mut socket, mut answers) = (controller.socket()?, 0);
        while !is_over() {
            socket.ask(&commands)?;
            answers += 1;
        }
        Ok(answers)
    };
    let get = || -> Result<usize> {
        let mut answers = 0;
        while !is_over() {
            took(controller.get("/x-nmos/node/v1.3/receivers")?)?;
            answers += 1;
        }
        Ok(answers)
    };
    let done = thread::scope(|scope| {
        let all = (0..16).map(|_| scope.spawn(ask)).collect::<Vec<_>>();
        let all = all.into_iter().chain((0..4).map(|_| scope.spawn(post)));
        let all = all.chain([scope.spawn(get)]).collect::<Vec<_>>();
        let all = all.into_iter().map(|it| it.join());
        all.map(|it| it.map_err(|_| anyhow::anyhow!("a panic"))?)
            .collect::<Result<Vec<usize>>>()
    })?;
    let (silence, memory) = (registry.longest_silence(), node.peak_memory()?);
    ensure!(silence < FORGETS, "no heartbeat for {silence:?}");
    ensure!(memory < MEMORY / 2, "{} MiB of memory", memory >> 20);
    node.end()?;
    Ok(format!(
        "at most {} s without a heartbeat, {} MiB, {} documents and {} messages answered meanwhile",
        silence.as_secs(),
        memory >> 20,
        done[20],
        done[..16].iter().sum::<usize>()
    ))
}

pub(super) fn crosspoint(backend: Backend) -> Result<String> {
    let mut plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    let mut spec = monitor("in", 9);
    spec.persistent = Some(true);
    control.create(&spec)?;
    let mut camera = Camera::gstreamer(&plant, 1)?;
    let node = Node::start(plant.host())?;
    took(node.patch("receivers", "in", &connection(1))?)?;
    let shown = |node: &Node| -> Result<Value> {
        let path = node.path("receivers", "in")?;
        let (active, staged) = (
            node.get(&format!("{path}/active"))?.1,
            node.get(&format!("{path}/staged"))?.1,
        );
        let subscription =
            node.resources("receivers")?.first().context("a receiver")?["subscription"].clone();
        Ok(json!([
            active["sender_id"],
            active["transport_file"],
            active["master_enable"],
            staged["sender_id"],
            subscription
        ]))
    };
    let before = shown(&node)?;
    ensure!(before[0] == connection(1)["sender_id"], "{before}");
    node.end()?;
    let node = Node::start(plant.host())?;
    ensure!(
        shown(&node)? == before,
        "after a restart of onair-nmos: {} instead of {before}",
        shown(&node)?
    );
    node.end()?;
    plant.rig.kill_daemon()?;
    plant.rig.start_daemon()?;
    let mut control = plant.control()?;
    camera.until_seen(&mut control, "in", 3)?;
    let node = Node::start(plant.host())?;
    ensure!(
        shown(&node)? == before,
        "after kill -9 of onaird: {} instead of {before}",
        shown(&node)?
    );
    node.end()?;
    Ok("sender, transport file and subscription as before".to_owned())
}
