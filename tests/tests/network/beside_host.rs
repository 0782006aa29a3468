//! A port on AF_XDP and its host on one interface: the host keeps its clock, its connections and its neighbours while a
//! stream flows.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{ArrivingList, PeerState, Source};
use onair_net::datagram;
use onair_stage::{MEMORY_MB, OfVideo as _, Veth};
use onair_tests::network::packet::rtp;
use onair_tests::{
    Backend, Config, Control, FlowSender, Ptp4l, Raster, Rig, Stage, VLAN, onairctl, output, ping,
    raster, receive, resolve, send, trunk, wait_for,
};

const PORT: &str = "10.77.0.2";
const FAR: &str = "10.77.0.9";
const TIMEOUT_S: u64 = 30;

/// Port `b` on `vb`, whose cable ends in a namespace of its own, at `va`.
struct Cable {
    rig: Rig,
    far: Stage,
}

impl Cable {
    /// `address`: of the interface.
    fn open(address: Option<&'static str>, keys: &str) -> Result<Self> {
        let mut config = Config::pair(Backend::AfXdp);
        config.ports.retain(|port| port.name == "b");
        keys.clone_into(&mut config.ports[0].keys);
        let (stage, far) = (Stage::open("test")?, Stage::open("far")?);
        let mut cable = Veth::bare("va", "vb");
        cable.b.address = address;
        stage.veth(&cable)?;
        let (near, other) = (stage.namespace(), far.namespace());
        output("ip", &["-n", near, "link", "set", "va", "netns", other])?;
        let far_end = format!("{FAR}/24");
        output(
            "ip",
            &["-n", other, "address", "add", &far_end, "dev", "va"],
        )?;
        output("ip", &["-n", other, "link", "set", "va", "up"])?;
        config.hugepages = stage.hugepages(MEMORY_MB)?;
        let mut rig = onair_stage::Rig::new(stage, config);
        rig.start_daemon()?;
        let rig = Rig::from(rig);
        Ok(Self { rig, far })
    }

    /// Sends frames to session `in` while `during` runs, which must not cost one.
    fn beside_a_stream(
        &self,
        control: &mut Control,
        during: impl FnOnce(&mut Control) -> Result<()>,
    ) -> Result<()> {
        let mut spec = receive("in", Raster::new(128, 72, 60, 10), 5004);
        spec.format.video_mut().frame_rate = "60000/1001".into();
        spec.flow.destination = format!("{PORT}:5004");
        control.create(&spec)?;
        let socket = self.far.inside(|| Ok(UdpSocket::bind((FAR, 0))?))?;
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut flow = FlowSender::new(raster(10));
                while !stop.load(Ordering::Relaxed) {
                    flow.frame(|_, packet| {
                        let rtp = &packet[datagram::HEADER_BYTES..];
                        // The neighbour is not known at first.
                        let _ = socket.send_to(rtp, (PORT, 5004));
                    });
                    thread::park_timeout(Duration::from_millis(17));
                }
            });
            let flows = |control: &mut Control| {
                let before = control.show("in")?.counters.frames_complete;
                wait_for("frames", TIMEOUT_S, || {
                    Ok(control.show("in")?.counters.frames_complete >= before + 10)
                })
            };
            let done = flows(control)
                .and_then(|()| during(control))
                .and_then(|()| flows(control));
            stop.store(true, Ordering::Relaxed);
            done
        })?;
        control.end("in").map(drop)
    }

    /// A slave on the port's interface follows a master at the far end.
    fn has_a_clock(&self, transport: &str) -> Result<()> {
        let _master = Ptp4l::grandmaster_over(transport, &self.far, "va")?;
        let slave = Ptp4l::slave_over(transport, self.rig.stage(), "vb")?;
        slave
            .has_measured()
            .with_context(|| format!("ptp4l {transport}"))
    }

    /// The far end speaks to a server of the host.
    fn connects(&self) -> Result<()> {
        const BYTES: usize = 1 << 20;
        let server = self
            .rig
            .stage()
            .inside(|| Ok(TcpListener::bind((PORT, 2222))?))?;
        let served = thread::spawn(move || {
            let mut all = Vec::new();
            server.accept()?.0.read_to_end(&mut all)?;
            Ok::<_, std::io::Error>(all.len())
        });
        let to = format!("{PORT}:2222").parse()?;
        let connect = || Ok(TcpStream::connect_timeout(&to, Duration::from_secs(10))?);
        let mut client = self.far.inside(connect).context("the host's server")?;
        client.write_all(&vec![7; BYTES])?;
        drop(client);
        let read = served.join().ok().context("the server")??;
        ensure!(read == BYTES, "{read}");
        Ok(())
    }

    /// What a session sends reaches the far end, whose Ethernet address the kernel found.
    fn sends(&self, control: &mut Control) -> Result<()> {
        let host = self.far.inside(|| {
            let socket = UdpSocket::bind((FAR, 5010))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })?;
        let mut spec = send("out", Raster::new(128, 72, 60, 10), 5010, Source::Pattern);
        spec.port = "b".into();
        spec.flow.destination = format!("{FAR}:5010");
        control.create(&spec)?;
        wait_for("packets at the far end", TIMEOUT_S, || {
            let peer = control.show("out")?.peer;
            Ok(host.recv(&mut [0; 2048]).is_ok() && peer == Some(PeerState::Resolved))
        })
    }

    /// Multicast that no session has is shown, although the host gets it.
    fn shows_what_arrives(&self) -> Result<()> {
        let socket = self.far.inside(|| Ok(UdpSocket::bind((FAR, 0))?))?;
        let packet = rtp(&[[640, 3, 0]], 640);
        wait_for("the flow to be shown", TIMEOUT_S, || {
            socket.send_to(&packet, ("239.77.3.3", 5006))?;
            let listed = onairctl(&self.rig, "--json port arriving b")?.out;
            let listed: ArrivingList = serde_json::from_str(&listed)?;
            let is_it = |flow: &onair_api::ArrivingFlow| {
                (&*flow.destination, flow.payload_type) == ("239.77.3.3:5006", Some(96))
            };
            Ok(listed.arriving.iter().any(is_it))
        })
    }
}

#[test]
fn hosts_address_on_the_port_then_both_go_on_side_by_side() -> Result<()> {
    let cable = Cable::open(Some("10.77.0.2/24"), "")?;
    let mut control = cable.rig.control()?;
    cable.beside_a_stream(&mut control, |control| {
        cable.has_a_clock("-2")?;
        cable.has_a_clock("-4")?;
        cable.connects()?;
        cable.sends(control)?;
        cable.shows_what_arrives()
    })?;
    // The host gives its address up: the port answers for it, and asks for itself.
    cable.rig.stage().ip("address del 10.77.0.2/24 dev vb")?;
    let far = cable.far.namespace();
    wait_for("the port to answer", TIMEOUT_S, || {
        output("ip", &["-n", far, "neigh", "flush", "dev", "va"])?;
        let health = control.health()?;
        let port = health.dataplane.ports.first().context("a port")?;
        let _ = cable
            .far
            .inside(|| Ok(UdpSocket::bind((FAR, 0))?.send_to(&[0], (PORT, 9))?));
        Ok(port.rx_unclaimed > 10)
    })?;
    resolve(&cable.far, PORT)?;
    ping(&cable.far, PORT.parse()?)?;
    wait_for("the neighbour to stay known", TIMEOUT_S, || {
        Ok(control.show("out")?.peer == Some(PeerState::Resolved))
    })?;
    control.end("out")?;
    Ok(())
}

#[test]
fn port_in_a_vlan_then_the_hosts_clock_there_goes_on() -> Result<()> {
    let cable = Cable::open(None, &format!("vlan = {VLAN}\n"))?;
    // Both ends take the tag off after the port's program, and put it on.
    trunk(&cable.far, "va")?;
    trunk(cable.rig.stage(), "vb")?;
    let mut control = cable.rig.control()?;
    cable.beside_a_stream(&mut control, |_| cable.has_a_clock("-2"))
}
