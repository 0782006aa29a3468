//! The methods of the objects.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::catalogue::{CATALOGUE, Property};
use super::{Device, ElementId, Failure, Object};
use crate::monitor::Set;

/// Characters of a text that a controller sets.
const LONGEST: usize = 256;
/// `classId` of blocks.
const BLOCK: [u32; 2] = [1, 1];

type Arguments = Map<String, Value>;

impl Device {
    /// Calls a method: what is in the result beside its status.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn call(
        &mut self,
        (oid, method): (u64, ElementId),
        arguments: &Arguments,
        now: Duration,
    ) -> Result<Option<Value>, Failure> {
        let object = u32::try_from(oid).ok().and_then(|it| self.objects.get(&it));
        let object = object.ok_or(Failure::Oid(oid))?;
        let name = object.method(method)?;
        let own = object.oid;
        match name {
            "Get" => Ok(Some(get(object, arguments)?.1.clone())),
            "Set" => self.set(own, arguments, now).map(|()| None),
            "GetSequenceItem" => item(object, arguments).map(Some),
            "GetSequenceLength" => {
                let (_, sequence) = sequence(object, arguments)?;
                Ok(Some(json!(sequence.as_array().map(Vec::len))))
            }
            // No sequence of these classes can be written.
            "SetSequenceItem" | "AddSequenceItem" | "RemoveSequenceItem" => {
                Err(Failure::ReadOnly(sequence(object, arguments)?.0.of.name))
            }
            "GetMemberDescriptors"
            | "FindMembersByPath"
            | "FindMembersByRole"
            | "FindMembersByClassId" => Ok(Some(self.find(name, own, arguments)?)),
            "GetControlClass" => {
                let id: Vec<u32> = argument(arguments, "classId")?;
                let whole = argument(arguments, "includeInherited")?;
                let found = CATALOGUE.class_descriptor(&id, whole);
                found.map(Some).ok_or_else(|| unknown("classId"))
            }
            "GetDatatype" => {
                let name: String = argument(arguments, "name")?;
                let whole = argument(arguments, "includeInherited")?;
                let found = CATALOGUE.datatype_descriptor(&name, whole);
                found.map(Some).ok_or_else(|| unknown("name"))
            }
            "GetLostPacketCounters" => Ok(self.counts(own, Set::Lost)),
            "GetLatePacketCounters" => Ok(self.counts(own, Set::Late)),
            "GetTransmissionErrorCounters" => Ok(self.counts(own, Set::Unsent)),
            "ResetCountersAndMessages" => {
                if let Some(watched) = self.monitors.get_mut(&own) {
                    watched.monitor.reset();
                }
                self.show(own);
                Ok(None)
            }
            _ => Err(Failure::Method(object.class())),
        }
    }

    fn set(&mut self, oid: u32, arguments: &Arguments, now: Duration) -> Result<(), Failure> {
        let object = self.objects.get(&oid).ok_or(Failure::Oid(oid.into()))?;
        let property = object.property(argument(arguments, "id")?)?;
        let value = arguments.get("value").unwrap_or(&Value::Null);
        accept(property, value)?;
        let owner = object.value("owner").as_u64();
        let name = property.of.name;
        match (self.monitors.get_mut(&oid), name) {
            (Some(_), "enabled") if *value == false => {
                return Err(Failure::Invalid("a monitor is always enabled".to_owned()));
            }
            (Some(watched), "statusReportingDelay") => {
                let seconds = argument(arguments, "value")?;
                watched.monitor.set_delay_s(seconds, now);
                self.show(oid);
            }
            (Some(watched), "autoResetCountersAndMessages") => {
                watched.monitor.set_resets_itself(*value == true);
                self.show(oid);
            }
            _ => {
                self.put(oid, name, value.clone());
                // The owner shows the label, too.
                if let Some(owner) = owner.and_then(|it| u32::try_from(it).ok()) {
                    self.list(owner);
                }
            }
        }
        Ok(())
    }

    fn find(&self, method: &str, block: u32, arguments: &Arguments) -> Result<Value, Failure> {
        if method == "FindMembersByPath" {
            let path: Vec<String> = argument(arguments, "path")?;
            return Ok(self
                .at_path(block, &path)
                .map(Object::describe)
                .into_iter()
                .collect());
        }
        let mut found = Vec::new();
        self.below(block, argument(arguments, "recurse")?, &mut found);
        match method {
            "FindMembersByRole" => {
                let role: String = argument(arguments, "role")?;
                let (exact, whole): (bool, bool) = (
                    argument(arguments, "caseSensitive")?,
                    argument(arguments, "matchWholeString")?,
                );
                let plain = |it: &str| {
                    if exact {
                        it.to_owned()
                    } else {
                        it.to_lowercase()
                    }
                };
                let role = plain(&role);
                found.retain(|it| {
                    let own = plain(it.value("role").as_str().unwrap_or_default());
                    if whole {
                        own == role
                    } else {
                        own.contains(&role)
                    }
                });
            }
            "FindMembersByClassId" => {
                let id: Vec<u32> = argument(arguments, "classId")?;
                let derived = argument(arguments, "includeDerived")?;
                found.retain(|it| it.is_of(&id, derived));
            }
            _ => {}
        }
        Ok(found.into_iter().map(Object::describe).collect())
    }

    fn below<'a>(&'a self, block: u32, recurse: bool, found: &mut Vec<&'a Object>) {
        for member in self.members(block) {
            found.push(member);
            if recurse && member.is_of(&BLOCK, true) {
                self.below(member.oid, recurse, found);
            }
        }
    }

    fn at_path(&self, block: u32, path: &[String]) -> Option<&Object> {
        let (first, rest) = path.split_first()?;
        let member = self
            .members(block)
            .find(|it| *it.value("role") == first.as_str())?;
        match rest {
            [] => Some(member),
            rest => self.at_path(member.oid, rest),
        }
    }

    fn counts(&self, oid: u32, set: Set) -> Option<Value> {
        let counts = self.monitors.get(&oid)?.monitor.counts(set);
        let counts =
            counts.map(|it| json!({"name": it.name, "value": it.value, "description": it.help}));
        Some(counts.collect())
    }
}

fn argument<T: DeserializeOwned>(arguments: &Arguments, name: &'static str) -> Result<T, Failure> {
    let value = arguments.get(name).unwrap_or(&Value::Null);
    T::deserialize(value).map_err(|error| Failure::Argument(name, error.to_string()))
}

fn unknown(argument: &'static str) -> Failure {
    let problem = "is not in the class manager's lists".to_owned();
    Failure::Argument(argument, problem)
}

/// The property of the argument `id`, and its value.
fn get<'a>(
    object: &'a Object,
    arguments: &Arguments,
) -> Result<(&'static Property, &'a Value), Failure> {
    let property = object.property(argument(arguments, "id")?)?;
    Ok((property, object.value(property.of.name)))
}

fn sequence<'a>(
    object: &'a Object,
    arguments: &Arguments,
) -> Result<(&'static Property, &'a Value), Failure> {
    let (property, value) = get(object, arguments)?;
    match property.of.is_sequence {
        true => Ok((property, value)),
        false => Err(Failure::Invalid(format!(
            "{} is no sequence",
            property.of.name
        ))),
    }
}

fn item(object: &Object, arguments: &Arguments) -> Result<Value, Failure> {
    let (property, sequence) = sequence(object, arguments)?;
    let index: u64 = argument(arguments, "index")?;
    let place = usize::try_from(index).ok();
    let found = place.and_then(|it| sequence.as_array()?.get(it));
    found
        .cloned()
        .ok_or(Failure::Index(property.of.name, index))
}

/// Whether a controller may set the property to `value`.
fn accept(property: &Property, value: &Value) -> Result<(), Failure> {
    let of = &property.of;
    if property.is_read_only {
        return Err(Failure::ReadOnly(of.name));
    }
    let fits = match of.datatype {
        _ if value.is_null() => of.is_nullable,
        Some("NcBoolean") => value.is_boolean(),
        Some("NcString") => value
            .as_str()
            .is_some_and(|it| it.chars().count() <= LONGEST),
        Some("NcUint32") => value.as_u64().is_some_and(|it| u32::try_from(it).is_ok()),
        _ => false,
    };
    let kind = of.datatype.unwrap_or_default();
    let problem = || {
        format!(
            "{} is an {kind}, a text of at most {LONGEST} characters",
            of.name
        )
    };
    fits.then_some(())
        .ok_or_else(|| Failure::Argument("value", problem()))
}
