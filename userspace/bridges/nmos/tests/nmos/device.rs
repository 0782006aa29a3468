//! The device model of MS-05-02: objects that are as their classes say, and errors by their status.

use std::collections::HashMap;
use std::time::Duration;

use onair_nmos::connection::Subscriptions;
use onair_nmos::control::{Change, Device, ElementId, Failure};
use serde_json::{Map, Value, json};

use crate::support::facts::{every_session, facts, formats, host, ids, session};

const NOW: Duration = Duration::ZERO;

pub(crate) fn device(sessions: &[Value]) -> Device {
    let mut device = Device::new(&host(), ids().node());
    device.update(&facts(sessions), &Subscriptions::new(), &ids(), NOW);
    device
}

fn call(
    device: &mut Device,
    oid: u64,
    method: (u32, u32),
    arguments: &Value,
) -> Result<Option<Value>, Failure> {
    let (level, index) = method;
    let arguments: Map<_, _> = arguments.as_object().cloned().unwrap_or_default();
    device.call((oid, ElementId { level, index }), &arguments, NOW)
}

fn value(device: &mut Device, oid: u64, method: (u32, u32), arguments: &Value) -> Value {
    call(device, oid, method, arguments).unwrap().unwrap()
}

fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    of[name].as_array().unwrap().iter()
}

/// The datatypes by their names, structs with all that they inherit.
struct Datatypes(HashMap<String, Value>);

impl Datatypes {
    fn of(device: &mut Device) -> Self {
        let all = value(device, 3, (1, 1), &json!({"id": {"level": 3, "index": 2}}));
        let all = all.as_array().unwrap().clone().into_iter();
        let whole = all.map(|it| {
            let arguments = json!({"name": it["name"], "includeInherited": true});
            let name = it["name"].as_str().unwrap().to_owned();
            (name, value(device, 3, (3, 2), &arguments))
        });
        Self(whole.collect())
    }

    /// Whether a value is one of a property, a field or a parameter.
    fn fits(&self, of: &Value, value: &Value) -> bool {
        match (value, of["isSequence"] == true) {
            (Value::Null, _) => of["isNullable"] == true,
            (Value::Array(items), true) => items.iter().all(|it| self.is(&of["typeName"], it)),
            (_, true) => false,
            (_, false) => self.is(&of["typeName"], value),
        }
    }

    fn is(&self, name: &Value, value: &Value) -> bool {
        let Some(name) = name.as_str() else {
            return true;
        };
        let datatype = &self.0[name];
        match datatype["type"].as_u64().unwrap() {
            0 if name == "NcString" => value.is_string(),
            0 if name == "NcBoolean" => value.is_boolean(),
            0 if name.contains("Uint") => value.is_u64(),
            0 => value.is_number(),
            1 => self.fits(
                &json!({"typeName": datatype["parentType"], "isSequence": datatype["isSequence"]}),
                value,
            ),
            3 => list(datatype, "items").any(|it| it["value"] == *value),
            _ => {
                let fields: Vec<_> = list(datatype, "fields").collect();
                // A derived struct, such as a touchpoint of NMOS, has more.
                let own = |it: &Value| value.get(it["name"].as_str().unwrap());
                fields
                    .iter()
                    .all(|it| own(it).is_some_and(|own| self.fits(it, own)))
            }
        }
    }
}

#[test]
fn values_of_all_objects_then_of_the_types_of_their_properties() {
    let mut device = device(&every_session());
    let datatypes = Datatypes::of(&mut device);
    let members = value(&mut device, 1, (2, 1), &json!({"recurse": true}));
    let mut members = members.as_array().unwrap().clone();
    assert_eq!(members.len(), 4 + every_session().len());
    members.push(json!({"oid": 1, "classId": [1, 1]}));
    for member in members {
        let arguments = json!({"classId": member["classId"], "includeInherited": true});
        let class = value(&mut device, 3, (3, 1), &arguments);
        for property in list(&class, "properties") {
            let oid = member["oid"].as_u64().unwrap();
            let found = value(&mut device, oid, (1, 1), &json!({"id": property["id"]}));
            assert!(datatypes.fits(property, &found), "{property}: {found}");
        }
    }
}

#[test]
fn descriptors_then_name_only_types_that_there_are() {
    let mut device = device(&[]);
    let datatypes = Datatypes::of(&mut device);
    let classes = json!({"id": {"level": 3, "index": 1}});
    let classes = value(&mut device, 3, (1, 1), &classes);
    let mut named = Vec::new();
    for class in classes.as_array().unwrap() {
        named.extend(list(class, "properties").map(|it| it["typeName"].clone()));
        named.extend(list(class, "events").map(|it| it["eventDatatype"].clone()));
        for method in list(class, "methods") {
            named.push(method["resultDatatype"].clone());
            named.extend(list(method, "parameters").map(|it| it["typeName"].clone()));
        }
    }
    for datatype in datatypes.0.values() {
        named.push(datatype["parentType"].clone());
        let fields = datatype["fields"].as_array().into_iter().flatten();
        named.extend(fields.map(|it| it["typeName"].clone()));
    }
    for name in named.iter().filter_map(Value::as_str) {
        assert!(datatypes.0.contains_key(name), "{name}");
    }
    assert_eq!(classes.as_array().unwrap().len(), 9);
    assert_eq!(datatypes.0.len(), 77);
}

#[test]
fn wrong_command_then_its_status() {
    let mut device = device(&every_session());
    let id = |level: u32, index: u32| json!({"level": level, "index": index});
    let set = |level, index, value: Value| json!({"id": id(level, index), "value": value});
    let long = "x".repeat(257);
    for (oid, method, arguments, status) in [
        (0, (1, 1), json!({"id": id(1, 1)}), 404),
        (9_999, (1, 1), json!({"id": id(1, 1)}), 404),
        (u64::MAX, (1, 1), json!({"id": id(1, 1)}), 404),
        (1, (1, 99), json!({}), 501),
        (1, (0, 1), json!({}), 501),
        (1, (1, 0), json!({}), 501),
        (1, (3, 1), json!({}), 501),
        (1, (u32::MAX, u32::MAX), json!({}), 501),
        (1, (1, 1), json!({"id": id(1, 99)}), 502),
        (1, (1, 1), json!({"id": id(3, 1)}), 502),
        (1, (1, 1), json!({}), 417),
        (1, (1, 1), json!({"id": 7}), 417),
        (1, (1, 2), set(1, 5, json!("x")), 405),
        (6, (1, 2), set(3, 1, json!(1)), 405),
        (1, (1, 2), set(1, 6, json!(1)), 417),
        (1, (1, 2), set(1, 6, json!(long)), 417),
        (6, (1, 2), set(3, 3, json!(-1)), 417),
        (6, (1, 2), set(3, 3, json!(4_294_967_296_u64)), 417),
        (6, (1, 2), set(3, 3, Value::Null), 417),
        (6, (1, 2), set(4, 14, json!("true")), 417),
        (6, (1, 2), set(2, 1, json!(false)), 406),
        (1, (1, 3), json!({"id": id(2, 2), "index": 99}), 414),
        (1, (1, 3), json!({"id": id(1, 7), "index": 0}), 414),
        (1, (1, 3), json!({"id": id(2, 2), "index": -1}), 417),
        (1, (1, 3), json!({"id": id(1, 5), "index": 0}), 406),
        (
            1,
            (1, 4),
            json!({"id": id(2, 2), "index": 0, "value": {}}),
            405,
        ),
        (1, (1, 5), json!({"id": id(2, 2), "value": {}}), 405),
        (1, (1, 6), json!({"id": id(2, 2), "index": 0}), 405),
        (1, (1, 7), json!({"id": id(1, 5)}), 406),
        (1, (2, 1), json!({"recurse": 1}), 417),
        (1, (2, 3), json!({"role": "a", "recurse": true}), 417),
        (
            3,
            (3, 1),
            json!({"classId": [1, 0, 7], "includeInherited": true}),
            417,
        ),
        (
            3,
            (3, 2),
            json!({"name": "NcNothing", "includeInherited": true}),
            417,
        ),
    ] {
        let failure = call(&mut device, oid, method, &arguments).unwrap_err();
        let said = format!("{oid} {method:?} {arguments}: {failure}");
        assert_eq!(failure.status(), status, "{said}");
        assert!(device.take_changes().iter().all(|it| it.property.level > 1));
    }
}

#[test]
fn values_set_often_then_each_property_waits_once() {
    let mut device = device(&every_session());
    device.take_changes();
    for at in 0..256 {
        let label = json!({"id": {"level": 1, "index": 6}, "value": format!("{at}")});
        call(&mut device, 6, (1, 2), &label).unwrap();
    }
    let changes = device.take_changes();
    let (bytes, count) = (size_of::<Change>(), changes.len());
    assert!((bytes, count) == (12, 2), "{count} of {bytes} bytes");
}

#[test]
fn session_listed_twice_then_one_member() {
    let session = session("a", "receive", &formats()[0]);
    let mut device = device(&[session.clone(), session.clone()]);
    let twice = facts(&[session.clone(), session]);
    device.update(&twice, &Subscriptions::new(), &ids(), NOW);
    let members = value(&mut device, 4, (2, 1), &json!({"recurse": false}));
    assert_eq!(members.as_array().unwrap().len(), 1);
}

#[test]
fn members_searched_then_found_by_path_role_and_class() {
    let mut device = device(&every_session());
    let mut found = |method: (u32, u32), arguments: Value| {
        let found = value(&mut device, 1, method, &arguments);
        let roles = found.as_array().unwrap().iter();
        roles
            .map(|it| it["role"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let mut at = |path: &[&str]| found((2, 2), json!({"path": path}));
    assert_eq!(at(&["senders", "send-3"]), ["send-3"]);
    assert_eq!(at(&["receivers"]), ["receivers"]);
    for path in [&[][..], &["send-3"], &["senders", "send-3", "x"]] {
        assert!(at(path).is_empty(), "{path:?}");
    }
    let role = |role: &str, exact: bool, whole: bool, recurse: bool| json!({"role": role, "caseSensitive": exact, "matchWholeString": whole, "recurse": recurse});
    let managers = found((2, 3), role("MANAGER", false, false, false));
    assert_eq!(managers, ["DeviceManager", "ClassManager"]);
    assert!(found((2, 3), role("MANAGER", true, false, true)).is_empty());
    assert_eq!(found((2, 3), role("send-1", true, true, true)), ["send-1"]);
    assert!(found((2, 3), role("send-1", true, true, false)).is_empty());
    let class = |id: Value, derived: bool| json!({"classId": id, "includeDerived": derived, "recurse": true});
    let monitors = found((2, 4), class(json!([1, 2, 2]), true));
    assert_eq!(monitors.len(), every_session().len());
    assert!(found((2, 4), class(json!([1, 2, 2]), false)).is_empty());
    let blocks = found((2, 4), class(json!([1, 1]), false));
    assert_eq!(blocks, ["receivers", "senders"]);
}
