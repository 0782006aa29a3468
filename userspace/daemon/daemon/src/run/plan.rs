//! The configuration in the terms of the parts that carry it out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use onair_api::ProbeMode;
use onair_dataplane::{DataplaneConfig, Idle, PollerSpec, PortJournal, PortSpec, Rest};
use onair_dpdk::EalConfig;
use onair_settings::access::authority::RoleHolder;
use onair_settings::config::{self, Config, ConfigError, Role};

use crate::resources::{Resource, Resources};
use crate::sockets::socket_file::{SocketError, resolve_group, resolve_user};

/// The ports of each poller's thread, by the thread's name.
pub(super) fn ports_by_poller(config: &Config) -> BTreeMap<String, Vec<String>> {
    let ports_of = |poller: &String| {
        let ports = config.port.iter();
        let ports = ports.filter(|port| port.pollers().contains(poller));
        ports.map(|port| port.name.clone()).collect()
    };
    let pollers = config.poller.iter();
    let named = pollers.map(|it| (onair_dataplane::thread_name(&it.name), ports_of(&it.name)));
    named.collect()
}

/// The roles that the configuration gives to users and groups.
pub(super) fn roles(
    control: &config::Control,
    group: Option<u32>,
) -> Result<Vec<(RoleHolder, Role)>, SocketError> {
    let group = group.map(|gid| (RoleHolder::Group(gid), control.group_role));
    let mut roles: Vec<_> = group.into_iter().collect();
    for entry in &control.role {
        if let Some(user) = &entry.user {
            roles.push((RoleHolder::User(resolve_user(user)?), entry.role));
        }
        if let Some(group) = &entry.group {
            roles.push((RoleHolder::Group(resolve_group(group)?), entry.role));
        }
    }
    Ok(roles)
}

/// Resources that the daemon will create in the kernel and on disk.
pub(super) fn resources(config: &Config) -> Vec<Resource> {
    let mut resources = vec![
        Resource::socket_file(&config.control.socket),
        Resource::socket_file(&config.attach.socket),
    ];
    if config.clock.question().is_some() {
        resources.push(Resource::socket_file(&config.ptp_reply_socket()));
    }
    let ports = config.port.iter();
    resources.extend(
        ports.filter_map(|port| Resource::port(&port.name, &port.device, port.netns.as_deref())),
    );
    let mut of_process = vec!["memory of DPDK and of sessions"];
    if config.probe.mode != ProbeMode::Off {
        of_process.push("BPF programs, maps and links");
    }
    resources.extend(
        of_process
            .into_iter()
            .map(|what| Resource::OfProcess { what: what.into() }),
    );
    resources
}

/// Whether a port of the configuration needs what a killed daemon has left.
pub(super) fn is_served_by(config: &Config, left: &Resource) -> bool {
    let mut ports = config.port.iter();
    ports.any(|port| left.serves(&port.device, port.netns.as_deref()))
}

impl PortJournal for Resources {
    fn before_open(&self, port: &PortSpec) {
        let resource = Resource::port(&port.name, &port.device, port.netns.as_deref());
        if let Some(resource) = resource
            && let Err(error) = self.renew(resource)
        {
            tracing::warn!(port = port.name, %error, "not in the journal: if the daemon is killed, its interface stays as it is");
        }
    }

    fn after_open(&self, port: &PortSpec) {
        if let Err(error) = self.note_port(&port.name) {
            tracing::warn!(port = port.name, %error, "the journal is out of date");
        }
    }
}

/// DPDK's share, with the PCI devices that it opens.
pub(super) fn eal_config(config: &Config) -> Result<EalConfig, ConfigError> {
    let mut eal = config.dpdk.clone();
    let devices = config.port.iter().map(|port| port.device.clone());
    eal.devices = Some(devices.collect());
    for port in &config.port {
        if port.pci()?.is_some() {
            eal.pci_devices.push(port.device.clone());
        }
    }
    Ok(eal)
}

/// The ports to open.
pub(super) fn ports(config: &Config) -> Result<Vec<PortSpec>, ConfigError> {
    let spec = |port: &config::Port| {
        Ok(PortSpec {
            name: port.name.clone(),
            device: port.device.clone(),
            netns: port.netns.clone(),
            xdp: port.xdp,
            mtu: port.mtu()?,
            rx_ring: port.rx_ring()?,
            addresses: port.addresses()?,
            vlan: port.vlan()?,
            pollers: config
                .pollers_of(port)
                .map(|at| at.expect("checked with the configuration"))
                .collect(),
        })
    };
    config.port.iter().map(spec).collect()
}

pub(super) fn dataplane_config(
    config: &Config,
    resources: &Resources,
) -> Result<DataplaneConfig, ConfigError> {
    let ports = ports(config)?;
    let pollers = config.poller.iter().zip(config.cores()?);
    let pollers = pollers
        .inspect(|(poller, core)| {
            if poller.core.is_none() {
                tracing::info!(
                    poller = poller.name,
                    core,
                    "the configuration names no core: this one is free"
                );
            }
        })
        .map(|(poller, core)| PollerSpec {
            name: poller.name.clone(),
            core,
            idle: match poller.idle {
                config::Idle::Adaptive => Idle::Adaptive,
                config::Idle::Busy => Idle::Busy,
            },
            rest: Rest {
                spin: Duration::from_micros(poller.spin_us),
                wake: Duration::from_micros(poller.wake_us),
                nap: Duration::from_micros(poller.nap_us),
            },
        })
        .collect();
    Ok(DataplaneConfig {
        ports,
        pollers,
        port_busy: config::ms(config.timeouts.port_busy_ms),
        journal: Arc::new(resources.clone()),
    })
}
