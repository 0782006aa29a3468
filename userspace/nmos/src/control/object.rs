//! An object of the device model.

use serde_json::{Map, Value, json};

use super::catalogue::{CATALOGUE, Class, Property};
use super::{ElementId, Failure};

/// Oid of the root block.
pub(super) const ROOT: u32 = 1;

/// An object: its class, and the values of its properties by their names.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) oid: u32,
    class: &'static Class,
    values: Map<String, Value>,
}

impl Object {
    /// Of a class of the catalogue, whose values are null at first where `values` has none.
    pub(super) fn new(
        oid: u32,
        class: &'static str,
        place: (Option<u32>, &str),
        values: Value,
    ) -> Option<Self> {
        let class = CATALOGUE.named(class)?;
        let (owner, role) = place;
        let mut own = json!({
            "classId": class.id,
            "oid": oid,
            "constantOid": owner.is_none_or(|it| it == ROOT),
            "owner": owner,
            "role": role,
        });
        let all = own.as_object_mut()?;
        if let Value::Object(values) = values {
            all.extend(values);
        }
        let values = std::mem::take(all);
        Some(Self { oid, class, values })
    }

    /// Name of its class.
    pub(super) fn class(&self) -> &'static str {
        self.class.name
    }

    /// Whether it is of the class, or of one that inherits of it.
    pub(super) fn is_of(&self, class: &[u32], derived: bool) -> bool {
        let own = &self.class.id;
        own == class || derived && own.starts_with(class)
    }

    /// A value; null if it has none.
    pub(super) fn value(&self, name: &str) -> &Value {
        self.values.get(name).unwrap_or(&Value::Null)
    }

    /// Takes over a value; the property if it changed.
    pub(super) fn put(&mut self, name: &str, value: Value) -> Option<ElementId> {
        if *self.value(name) == value {
            return None;
        }
        self.values.insert(name.to_owned(), value);
        let mut lineage = CATALOGUE.lineage(&self.class.id);
        lineage.find_map(|class| {
            let place = class.properties.iter().position(|it| it.of.name == name)?;
            Some(ElementId::at(&class.id, place))
        })
    }

    /// The property with this id.
    pub(super) fn property(&self, id: ElementId) -> Result<&'static Property, Failure> {
        let found = self.ancestor(id).zip(id.place());
        let found = found.and_then(|(class, place)| class.properties.get(place));
        found.ok_or(Failure::Property(self.class.name))
    }

    /// Name of the method with this id.
    pub(super) fn method(&self, id: ElementId) -> Result<&'static str, Failure> {
        let found = self.ancestor(id).zip(id.place());
        let found = found.and_then(|(class, place)| class.method(place));
        found.ok_or(Failure::Method(self.class.name))
    }

    fn ancestor(&self, id: ElementId) -> Option<&'static Class> {
        let level = usize::try_from(id.level).ok()?;
        CATALOGUE.lineage(self.class.id.get(..level)?).next()
    }

    /// `NcBlockMemberDescriptor`.
    pub(super) fn describe(&self) -> Value {
        let mut made = json!({"description": null});
        for name in [
            "role",
            "oid",
            "constantOid",
            "classId",
            "userLabel",
            "owner",
        ] {
            made[name] = self.value(name).clone();
        }
        made
    }
}
