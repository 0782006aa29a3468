//! An object of the device model.

use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::catalogue::{CATALOGUE, id_of, name_of};
use super::{ElementId, Failure};

/// Oid of the root block.
pub(super) const ROOT: u32 = 1;

/// An object: its class, and the values of its properties by their names.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) oid: u32,
    class: &'static Value,
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
            "classId": class["classId"],
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
        name_of(self.class)
    }

    /// Whether it is of the class, or of one that inherits of it.
    pub(super) fn is_of(&self, class: &[Value], derived: bool) -> bool {
        let own = id_of(self.class);
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
        let property = self.element("properties", |it| name_of(it) == name)?;
        ElementId::deserialize(&property["id"]).ok()
    }

    /// Descriptor of the property with this id.
    pub(super) fn property(&self, id: ElementId) -> Result<&'static Value, Failure> {
        let found = self.element("properties", |it| it["id"] == json!(id));
        found.ok_or(Failure::Property(self.class()))
    }

    /// Name of the method with this id.
    pub(super) fn method(&self, id: ElementId) -> Result<&'static str, Failure> {
        let found = self.element("methods", |it| it["id"] == json!(id));
        found.map(name_of).ok_or(Failure::Method(self.class()))
    }

    /// An element of its class or of one that this inherits of.
    fn element(&self, part: &str, is: impl Fn(&Value) -> bool) -> Option<&'static Value> {
        let mut lineage = CATALOGUE.lineage(id_of(self.class));
        lineage.find_map(|class| class[part].as_array()?.iter().find(|it| is(it)))
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
