//! The methods of the objects.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::catalogue::{CATALOGUE, name_of};
use super::{Device, ElementId, Failure, Object};
use crate::monitor::Set;

/// Characters of a text that a controller sets.
const LONGEST: usize = 256;

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
                let length = sequence(object, arguments)?.1.map(Vec::len);
                Ok(Some(json!(length)))
            }
            // No sequence of these classes can be written.
            "SetSequenceItem" | "AddSequenceItem" | "RemoveSequenceItem" => {
                Err(Failure::ReadOnly(sequence(object, arguments)?.0))
            }
            "GetMemberDescriptors"
            | "FindMembersByPath"
            | "FindMembersByRole"
            | "FindMembersByClassId" => Ok(Some(self.find(name, own, arguments)?)),
            "GetControlClass" => {
                let id: Vec<Value> = argument(arguments, "classId")?;
                let found = CATALOGUE.class(&id, argument(arguments, "includeInherited")?);
                found.map(Some).ok_or_else(|| unknown("classId"))
            }
            "GetDatatype" => {
                let name: String = argument(arguments, "name")?;
                let found = CATALOGUE.datatype(&name, argument(arguments, "includeInherited")?);
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
        let name = name_of(property);
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
            let found = self.at_path(block, &path).map(Object::describe);
            return Ok(found.into_iter().collect());
        }
        let mut found = Vec::new();
        self.below(block, argument(arguments, "recurse")?, &mut found);
        match method {
            "FindMembersByRole" => {
                let exact = argument(arguments, "caseSensitive")?;
                let whole: bool = argument(arguments, "matchWholeString")?;
                let plain = |it: &str| match exact {
                    true => it.to_owned(),
                    false => it.to_lowercase(),
                };
                let role = plain(&argument::<String>(arguments, "role")?);
                found.retain(|it| {
                    let own = plain(it.value("role").as_str().unwrap_or_default());
                    own == role || !whole && own.contains(&role)
                });
            }
            "FindMembersByClassId" => {
                let id: Vec<Value> = argument(arguments, "classId")?;
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
            if recurse && member.class() == "NcBlock" {
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
) -> Result<(&'static Value, &'a Value), Failure> {
    let property = object.property(argument(arguments, "id")?)?;
    Ok((property, object.value(name_of(property))))
}

/// The same of a sequence: its name, and its items if it is not null.
fn sequence<'a>(
    object: &'a Object,
    arguments: &Arguments,
) -> Result<(&'static str, Option<&'a Vec<Value>>), Failure> {
    let (property, value) = get(object, arguments)?;
    let name = name_of(property);
    match property["isSequence"] == true {
        true => Ok((name, value.as_array())),
        false => Err(Failure::Invalid(format!("{name} is no sequence"))),
    }
}

fn item(object: &Object, arguments: &Arguments) -> Result<Value, Failure> {
    let (name, sequence) = sequence(object, arguments)?;
    let index: u64 = argument(arguments, "index")?;
    let place = usize::try_from(index).ok();
    let found = place.and_then(|it| sequence?.get(it));
    found.cloned().ok_or(Failure::Index(name, index))
}

/// Whether a controller may set the property to `value`.
fn accept(property: &'static Value, value: &Value) -> Result<(), Failure> {
    let (name, kind) = (name_of(property), property["typeName"].as_str());
    if property["isReadOnly"] == true {
        return Err(Failure::ReadOnly(name));
    }
    let fits = match kind {
        _ if value.is_null() => property["isNullable"] == true,
        Some("NcBoolean") => value.is_boolean(),
        Some("NcString") => { value.as_str() }.is_some_and(|it| it.chars().count() <= LONGEST),
        Some("NcUint32") => value.as_u64().is_some_and(|it| u32::try_from(it).is_ok()),
        _ => false,
    };
    let kind = kind.unwrap_or_default();
    let problem = || format!("{name} is an {kind}, a text of at most {LONGEST} characters");
    fits.then_some(())
        .ok_or_else(|| Failure::Argument("value", problem()))
}
