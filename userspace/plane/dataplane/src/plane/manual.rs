//! A dataplane without devices and without threads.

use std::sync::Arc;

use onair_dpdk::ETHERNET_MTU;
use onair_workers::ThreadRegistry;

use super::Dataplane;
use crate::clock::MediaClock;
use crate::config::{DataplaneConfig, DataplaneError, PortInfo, PortSpec};
use crate::groups::kernel::KernelGroups;
use crate::messages::events::Events;
use crate::messages::inbox::Inbox;
use crate::plane::host_watch::HostWatch;
use crate::plane::placement::Load;
use crate::plane::slot::PortSlot;
use crate::poller::manual::ManualPoller;
use crate::port::PollerPort;

impl Dataplane {
    /// Ports that have no device, and pollers whose turns their owner makes. What sessions send is lost, and what arrives
    /// comes from [`ManualPoller::deliver`]; commands, placement, flows and groups are as ever. The clock of send sessions
    /// is `ahead_ns` ahead of the monotonic one. No thread is started. For simulated machines.
    ///
    /// # Errors
    /// [`DataplaneError::System`]: no descriptors left.
    pub fn manual(
        config: &DataplaneConfig,
        threads: &ThreadRegistry,
        ahead_ns: u64,
    ) -> Result<(Self, Vec<ManualPoller>), DataplaneError> {
        super::check(config)?;
        let system = |source| DataplaneError::System {
            what: "make an eventfd",
            source,
        };
        let events = Arc::new(Events::new().map_err(system)?);
        let inboxes = config.pollers.iter().map(|_| Inbox::new().map(Arc::new));
        let inboxes: Vec<_> = inboxes.collect::<Result<_, _>>().map_err(system)?;
        let infos: Vec<_> = config.ports.iter().zip(1..).map(info).collect();
        let ports = config.ports.iter().zip(&infos);
        let clock = Arc::new(MediaClock::ahead_by(ahead_ns));
        let shared = (&events, &clock);
        let ports =
            ports.map(|(spec, info)| PortSlot::without_device(spec, info, &inboxes, shared));
        let mut plane = Self {
            pollers: Vec::new(),
            ports: ports.collect(),
            infos,
            loads: config.pollers.iter().map(|_| Load::default()).collect(),
            eal: None,
            clock: Arc::clone(&clock),
            kernel_groups: KernelGroups::new(Arc::clone(&events)),
            host_watch: HostWatch::default(),
            events: Arc::clone(&events),
            journal: Arc::clone(&config.journal),
            cores: config.pollers.iter().map(|it| it.core).collect(),
        };
        let pollers = config.pollers.iter().zip(inboxes).enumerate();
        let pollers = pollers.map(|(index, (spec, inbox))| {
            let slots = plane.ports.iter().zip(&plane.infos);
            let ports = slots.filter_map(|(slot, info)| slot.poller_port(info, index));
            let ports = ports.map(PollerPort::into_void);
            let shared = (inbox, Arc::clone(&events));
            ManualPoller::of(index, ports.collect(), shared, threads, &spec.name)
        });
        let pollers: Vec<_> = pollers.collect();
        let handles = config.pollers.iter().zip(&pollers);
        plane.pollers = handles.map(|(spec, it)| it.handle(&spec.name)).collect();
        Ok((plane, pollers))
    }
}

fn info((spec, number): (&PortSpec, u8)) -> PortInfo {
    PortInfo {
        device: spec.device.clone(),
        netns: spec.netns.clone(),
        vlan: spec.vlan,
        pollers: spec.pollers.clone(),
        queues: u16::try_from(spec.pollers.len()).unwrap_or(u16::MAX),
        mtu: spec.mtu.unwrap_or(ETHERNET_MTU),
        ..PortInfo::without_device(&spec.name, [2, 0, 0, 0, 0, number], spec.addresses)
    }
}
