//! The package `onair-nmos` beside a daemon with sessions on air: a controller switches one, with the rights that the
//! package gives.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Deadline, until};

use super::container::Container;
use crate::dist::{Made, copy};

const SETTINGS: &str = "/etc/onair/nmos.toml";
/// The container has no other network.
const OWN: &str = "[nmos]\nlisten = \"127.0.0.1:3212\"\nmdns = false\n";
/// Prints the node's id. With the label of a receiver and a port it first switches that receiver there.
const CONTROLLER: &str = "
import json, sys, urllib.request as web
def ask(path, body=None):
    data = body and json.dumps(body).encode()
    head = {'content-type': 'application/json'}
    request = web.Request('http://127.0.0.1:3212/x-nmos/' + path, data, head, method='PATCH' if body else 'GET')
    return json.load(web.urlopen(request))
if len(sys.argv) > 2:
    ids = {it['label']: it['id'] for it in ask('node/v1.3/receivers')}
    at = 'connection/v1.1/single/receivers/' + ids[sys.argv[1]] + '/staged'
    legs = [{'destination_port': int(sys.argv[2])}]
    ask(at, {'activation': {'mode': 'activate_immediate'}, 'master_enable': True, 'transport_params': legs})
print(ask('node/v1.3/self')['id'])
";

/// Installs the package, has it switch the receive session `session`, kills, upgrades and purges it.
pub(super) fn run(container: &Container, made: &Made, session: &str) -> Result<()> {
    copy(&made.nmos, &container.path("/nmos.deb"), 0o644)?;
    container.ok("dpkg --install /nmos.deb")?;
    let enabled = container.ends("systemctl is-enabled onair-nmos", 1)?;
    ensure!(enabled == "disabled", "{enabled}");
    fs::write(container.path(SETTINGS), OWN)?;
    container.ok("systemctl enable --quiet --now onair-nmos")?;
    let id = node(container, &[session, "5016"])?;
    let shown = container.ok(&format!("onairctl --json session show {session}"))?;
    ensure!(shown.contains(":5016"), "not switched: {shown}");

    let first = container.main_pid("onair-nmos")?;
    container.ok("systemctl kill --signal SIGKILL onair-nmos")?;
    restarted(container, &first, &id)?;
    let second = container.main_pid("onair-nmos")?;
    container.ok("dpkg --install /nmos.deb")?;
    restarted(container, &second, &id)?;
    let kept = fs::read_to_string(container.path(SETTINGS))?;
    ensure!(kept == OWN, "{kept}");

    container.ok("dpkg --purge onair-nmos")?;
    container.gone(&[
        SETTINGS,
        "/usr/bin/onair-nmos",
        "/etc/systemd/system/multi-user.target.wants/onair-nmos.service",
    ])
}

/// Another process runs, and the node has the same id.
fn restarted(container: &Container, before: &str, id: &str) -> Result<()> {
    until("onair-nmos to restart", Deadline::seconds(20), || {
        let now = node(container, &[]).ok();
        Ok(
            (container.main_pid("onair-nmos")? != before && now.as_deref() == Some(id))
                .then_some(()),
        )
    })
}

/// The node's id, once the program has seen the daemon.
fn node(container: &Container, arguments: &[&str]) -> Result<String> {
    let line = [&["python3", "-c", CONTROLLER], arguments].concat();
    let mut last = String::new();
    until("the node", Deadline::seconds(20), || {
        let (status, text) = container.run(&line)?;
        last.clone_from(&text);
        Ok((status == 0).then_some(text))
    })
    .with_context(|| last.clone())
}
