//! The device model: its objects, and what changed in them. What a controller follows is not here.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use onair_api::{Direction, SessionView};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::catalogue::{CATALOGUE, name_of};
use super::object::ROOT;
use super::{ElementId, Object};
use crate::Ids;
use crate::connection::{Subscription, Subscriptions};
use crate::monitor::{Area, Monitor, truth};
use crate::resources::{Host, shown};
use onair_control::Facts;

const DEVICE_MANAGER: u32 = 2;
const CLASS_MANAGER: u32 = 3;
const RECEIVERS: u32 = 4;
const SENDERS: u32 = 5;

/// A property has a new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of this object.
    pub oid: u32,
    /// Of this property.
    pub property: ElementId,
}

impl Change {
    /// One more that waits, without its value: each property once, however often it changes.
    pub(super) fn wait_in(self, all: &mut VecDeque<Self>) {
        if !all.contains(&self) {
            all.push_back(self);
        }
    }
}

/// The objects. An oid is never used again.
#[derive(Debug)]
pub struct Device {
    pub(super) objects: BTreeMap<u32, Object>,
    pub(super) monitors: BTreeMap<u32, Watched>,
    next: u32,
    changes: VecDeque<Change>,
}

/// A monitor, and the sender or receiver that it watches.
#[derive(Debug)]
pub(super) struct Watched {
    id: Uuid,
    direction: Direction,
    pub(super) monitor: Monitor,
}

impl Device {
    /// Of this machine, before the daemon has answered.
    #[must_use]
    pub fn new(host: &Host, node: Uuid) -> Self {
        let root = Some(ROOT);
        let block = || json!({"enabled": true, "members": []});
        let classes = json!({
            "controlClasses": CATALOGUE.classes,
            "datatypes": CATALOGUE.datatypes,
        });
        let manager = about(host, node);
        let objects = [
            (ROOT, "NcBlock", None, "root", block()),
            (
                DEVICE_MANAGER,
                "NcDeviceManager",
                root,
                "DeviceManager",
                manager,
            ),
            (
                CLASS_MANAGER,
                "NcClassManager",
                root,
                "ClassManager",
                classes,
            ),
            (RECEIVERS, "NcBlock", root, "receivers", block()),
            (SENDERS, "NcBlock", root, "senders", block()),
        ];
        let objects = objects
            .into_iter()
            .filter_map(|(oid, class, owner, role, values)| {
                Object::new(oid, class, (owner, role), values)
            });
        let mut device = Self {
            objects: objects.map(|it| (it.oid, it)).collect(),
            monitors: BTreeMap::new(),
            next: SENDERS + 1,
            changes: VecDeque::new(),
        };
        device.list(ROOT);
        device.changes.clear();
        device
    }

    /// Updates it from the daemon and the controllers' connections.
    pub fn update(
        &mut self,
        facts: &Facts,
        subscriptions: &Subscriptions,
        ids: &Ids,
        now: Duration,
    ) {
        let known = self.monitors.iter().map(|(oid, it)| (it.id, *oid));
        let known: HashMap<_, _> = known.collect();
        let (mut seen, mut is_listed) = (HashSet::new(), true);
        for view in shown(&facts.sessions) {
            let subscription = subscriptions.get(&view.name).copied();
            let subscription = subscription.unwrap_or_else(|| Subscription::of(view));
            let truth = truth(view, facts, &subscription);
            let id = match view.direction {
                Direction::Receive | Direction::Local => ids.receiver(&view.name),
                Direction::Send => ids.sender(&view.name),
            };
            if !seen.insert(id) {
                continue;
            }
            let oid = known.get(&id).copied();
            match oid.and_then(|it| Some((it, self.monitors.get_mut(&it)?))) {
                Some((oid, watched)) => {
                    watched.monitor.observe(truth, now);
                    self.show(oid);
                }
                None => {
                    is_listed = false;
                    let monitor = Monitor::new(truth);
                    self.add(
                        view,
                        Watched {
                            id,
                            direction: view.direction,
                            monitor,
                        },
                    );
                }
            }
        }
        for (_, oid) in known.into_iter().filter(|(id, _)| !seen.contains(id)) {
            is_listed = false;
            self.objects.remove(&oid);
            self.monitors.remove(&oid);
        }
        if !is_listed {
            self.list(RECEIVERS);
            self.list(SENDERS);
        }
        let state = match facts.away {
            false => json!({"generic": 1, "deviceSpecificDetails": null}),
            true => json!({"generic": 5, "deviceSpecificDetails": "onaird does not answer"}),
        };
        self.put(DEVICE_MANAGER, "operationalState", state);
    }

    fn add(&mut self, view: &SessionView, watched: Watched) {
        let (class, block, kind) = match watched.direction {
            Direction::Receive | Direction::Local => ("NcReceiverMonitor", RECEIVERS, "receiver"),
            Direction::Send => ("NcSenderMonitor", SENDERS, "sender"),
        };
        let oid = self.next;
        let mut values = watched.values();
        let resource = json!({"resourceType": kind, "id": watched.id});
        let touchpoints = json!([{"contextNamespace": "x-nmos", "resource": resource}]);
        values.insert("touchpoints".to_owned(), touchpoints);
        values.insert("enabled".to_owned(), json!(true));
        let place = (Some(block), view.name.as_str());
        if let Some(object) = Object::new(oid, class, place, Value::Object(values)) {
            self.next = self.next.saturating_add(1);
            self.objects.insert(oid, object);
            self.monitors.insert(oid, watched);
        }
    }

    /// Shows what is due.
    pub fn settle(&mut self, now: Duration) {
        let oids: Vec<_> = self.monitors.keys().copied().collect();
        for oid in oids {
            if let Some(watched) = self.monitors.get_mut(&oid) {
                watched.monitor.settle(now);
                self.show(oid);
            }
        }
    }

    /// When [`settle`](Self::settle) has something to show.
    #[must_use]
    pub fn due(&self, now: Duration) -> Option<Duration> {
        let all = self.monitors.values();
        all.filter_map(|it| it.monitor.due(now)).min()
    }

    /// Takes the changes since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes).into()
    }

    /// Whether there is an object with this oid.
    #[must_use]
    pub fn has(&self, oid: u32) -> bool {
        self.objects.contains_key(&oid)
    }

    /// The members of a block.
    pub(super) fn members(&self, block: u32) -> impl Iterator<Item = &Object> {
        let all = self.objects.values();
        all.filter(move |it| *it.value("owner") == block)
    }

    /// Takes over a value.
    pub(super) fn put(&mut self, oid: u32, name: &str, value: Value) {
        let object = self.objects.get_mut(&oid);
        let changed = object.and_then(|it| it.put(name, value));
        if let Some(property) = changed {
            Change { oid, property }.wait_in(&mut self.changes);
        }
    }

    /// The value that a property has now.
    pub(super) fn value_of(&self, change: &Change) -> Option<&Value> {
        let object = self.objects.get(&change.oid)?;
        let property = object.property(change.property).ok()?;
        Some(object.value(name_of(property)))
    }

    /// Shows what a monitor reports.
    pub(super) fn show(&mut self, oid: u32) {
        let watched = self.monitors.get(&oid);
        for (name, value) in watched.map(Watched::values).unwrap_or_default() {
            self.put(oid, &name, value);
        }
    }

    /// Shows the members of a block.
    pub(super) fn list(&mut self, block: u32) {
        let members = self.members(block).map(Object::describe).collect();
        self.put(block, "members", members);
    }
}

impl Watched {
    /// The values of the monitor's own properties.
    fn values(&self) -> Map<String, Value> {
        let (monitor, mut values) = (&self.monitor, Map::new());
        let mut put = |name: &str, value: Value| values.insert(name.to_owned(), value);
        put("overallStatus", json!(monitor.overall().number()));
        put("overallStatusMessage", json!(monitor.overall_message()));
        put("statusReportingDelay", json!(monitor.delay_s()));
        put(
            "autoResetCountersAndMessages",
            json!(monitor.resets_itself()),
        );
        put("synchronizationSourceId", json!(monitor.source()));
        for area in Area::ALL {
            let (domain, name) = (monitor.domain(area), status(area, self.direction));
            put(name, json!(domain.level().number()));
            put(&format!("{name}Message"), json!(domain.message()));
            put(
                &format!("{name}TransitionCounter"),
                json!(domain.transitions()),
            );
        }
        values
    }
}

const fn status(area: Area, direction: Direction) -> &'static str {
    match (area, direction) {
        (Area::Link, _) => "linkStatus",
        (Area::Transport, Direction::Receive | Direction::Local) => "connectionStatus",
        (Area::Transport, Direction::Send) => "transmissionStatus",
        (Area::Synchronization, _) => "externalSynchronizationStatus",
        (Area::Essence, Direction::Receive | Direction::Local) => "streamStatus",
        (Area::Essence, Direction::Send) => "essenceStatus",
    }
}

/// Properties of the device manager.
fn about(host: &Host, node: Uuid) -> Value {
    let asset = &host.asset;
    let serial = asset.instance_id.clone();
    json!({
        "ncVersion": "v1.0.0",
        "manufacturer": {"name": asset.manufacturer, "organizationId": null, "website": null},
        "product": {"name": asset.product, "key": asset.product, "revisionLevel": env!("CARGO_PKG_VERSION"),
            "brandName": null, "uuid": null, "description": host.description},
        "serialNumber": serial.unwrap_or_else(|| node.to_string()),
        "deviceName": host.label,
        "operationalState": {"generic": 1, "deviceSpecificDetails": null},
        "resetCause": 0,
    })
}
