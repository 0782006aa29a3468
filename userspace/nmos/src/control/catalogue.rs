//! The classes and datatypes, as `standard.model` lists them.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::ElementId;

/// All of them.
pub(super) static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::read(include_str!("standard.model")));

/// Classes and datatypes.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    classes: Vec<Class>,
    datatypes: Vec<Datatype>,
}

/// A class without what it inherits.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) id: Vec<u32>,
    pub(super) name: &'static str,
    role: Option<&'static str>,
    pub(super) properties: Vec<Property>,
    methods: Vec<Method>,
    events: Vec<Typed>,
}

/// A property.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) of: Typed,
    pub(super) is_read_only: bool,
}

#[derive(Debug)]
struct Method {
    name: &'static str,
    result: &'static str,
    parameters: Vec<Typed>,
}

/// A name with a type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Typed {
    pub(super) name: &'static str,
    /// `None` for any type.
    pub(super) datatype: Option<&'static str>,
    pub(super) is_nullable: bool,
    pub(super) is_sequence: bool,
}

#[derive(Debug)]
struct Datatype {
    name: &'static str,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Primitive,
    Alias(Typed),
    Struct(Option<&'static str>, Vec<Typed>),
    Enum(Vec<(&'static str, u16)>),
}

impl Catalogue {
    fn read(table: &'static str) -> Self {
        let mut read = Self::default();
        for line in table.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            read.take(&words);
        }
        read
    }

    fn take(&mut self, words: &[&'static str]) {
        let mut datatype = |name, kind| self.datatypes.push(Datatype { name, kind });
        match *words {
            ["primitive", ref names @ ..] => {
                names.iter().for_each(|it| datatype(it, Kind::Primitive));
            }
            ["type", name, of] => datatype(name, Kind::Alias(Typed::read(name, of))),
            ["struct", name, ":", parent, ref fields @ ..] => {
                datatype(name, Kind::Struct(Some(parent), all(fields)));
            }
            ["struct", name, ref fields @ ..] => datatype(name, Kind::Struct(None, all(fields))),
            ["enum", name, ref items @ ..] => {
                let items = items.iter().filter_map(|it| it.split_once('='));
                let items = items.filter_map(|(name, value)| Some((name, value.parse().ok()?)));
                datatype(name, Kind::Enum(items.collect()));
            }
            ["class", id, name, ref role @ ..] => self.classes.push(Class {
                id: id.split('.').filter_map(|it| it.parse().ok()).collect(),
                name,
                role: role.first().copied(),
                properties: Vec::new(),
                methods: Vec::new(),
                events: Vec::new(),
            }),
            _ => {
                if let Some(class) = self.classes.last_mut() {
                    class.take(words);
                }
            }
        }
    }

    /// The class of this name.
    pub(super) fn named(&self, name: &str) -> Option<&Class> {
        self.classes.iter().find(|it| it.name == name)
    }

    /// The class and those that it inherits of, the nearest first.
    pub(super) fn lineage<'a>(&'a self, id: &'a [u32]) -> impl Iterator<Item = &'a Class> {
        let lengths = (1..=id.len()).rev();
        lengths.filter_map(|it| self.classes.iter().find(|class| class.id == id[..it]))
    }

    /// `controlClasses`.
    pub(super) fn class_descriptors(&self) -> Value {
        let all = self.classes.iter();
        all.map(|it| self.describe_class(it, false)).collect()
    }

    /// `NcClassDescriptor`.
    pub(super) fn class_descriptor(&self, id: &[u32], inherited: bool) -> Option<Value> {
        let class = self.classes.iter().find(|it| it.id == id)?;
        Some(self.describe_class(class, inherited))
    }

    fn describe_class(&self, class: &Class, inherited: bool) -> Value {
        let lineage = self.lineage(&class.id);
        let lineage: Vec<_> = lineage
            .take(if inherited { usize::MAX } else { 1 })
            .collect();
        let parts = |part: fn(&Class) -> Vec<Value>| -> Vec<Value> {
            lineage.iter().flat_map(|it| part(it)).collect()
        };
        json!({
            "description": null,
            "classId": class.id,
            "name": class.name,
            "fixedRole": class.role,
            "properties": parts(Class::property_descriptors),
            "methods": parts(Class::method_descriptors),
            "events": parts(Class::event_descriptors),
        })
    }

    /// `datatypes`.
    pub(super) fn datatype_descriptors(&self) -> Value {
        let all = self.datatypes.iter();
        all.map(|it| self.describe_datatype(it, false)).collect()
    }

    /// `NcDatatypeDescriptor`.
    pub(super) fn datatype_descriptor(&self, name: &str, inherited: bool) -> Option<Value> {
        let datatype = self.datatypes.iter().find(|it| it.name == name)?;
        Some(self.describe_datatype(datatype, inherited))
    }

    fn describe_datatype(&self, datatype: &Datatype, inherited: bool) -> Value {
        let mut made = json!({"description": null, "name": datatype.name});
        match &datatype.kind {
            Kind::Primitive => made["type"] = json!(0),
            Kind::Alias(of) => {
                made["type"] = json!(1);
                made["parentType"] = json!(of.datatype);
                made["isSequence"] = json!(of.is_sequence);
            }
            Kind::Struct(parent, fields) => {
                let more = parent.filter(|_| inherited);
                let more = more.and_then(|it| self.datatype_descriptor(it, true));
                let more = more.and_then(|it| it["fields"].as_array().cloned());
                let fields = fields.iter().map(Typed::describe);
                made["type"] = json!(2);
                made["fields"] = fields.chain(more.unwrap_or_default()).collect();
                made["parentType"] = json!(parent);
            }
            Kind::Enum(items) => {
                let items = items.iter();
                let item = |(name, value): &(_, _)| json!({"description": null, "name": name, "value": value});
                made["type"] = json!(3);
                made["items"] = items.map(item).collect();
            }
        }
        made["constraints"] = Value::Null;
        made
    }
}

impl Class {
    fn take(&mut self, words: &[&'static str]) {
        match *words {
            [access @ ("ro" | "rw"), name, of] => self.properties.push(Property {
                of: Typed::read(name, of),
                is_read_only: access == "ro",
            }),
            ["fn", result, name, ref parameters @ ..] => self.methods.push(Method {
                name,
                result,
                parameters: all(parameters),
            }),
            ["event", data, name] => self.events.push(Typed::read(name, data)),
            _ => {}
        }
    }

    /// The name of a method.
    pub(super) fn method(&self, place: usize) -> Option<&'static str> {
        self.methods.get(place).map(|it| it.name)
    }

    fn property_descriptors(&self) -> Vec<Value> {
        let all = self.properties.iter().enumerate();
        let described = all.map(|(at, it)| {
            let mut made = it.of.describe();
            made["id"] = json!(ElementId::at(&self.id, at));
            made["isReadOnly"] = json!(it.is_read_only);
            made["isDeprecated"] = json!(false);
            made
        });
        described.collect()
    }

    fn method_descriptors(&self) -> Vec<Value> {
        let all = self.methods.iter().enumerate();
        let described = all.map(|(at, it)| {
            let parameters: Vec<_> = it.parameters.iter().map(Typed::describe).collect();
            json!({"description": null, "id": ElementId::at(&self.id, at), "name": it.name,
                "resultDatatype": it.result, "parameters": parameters, "isDeprecated": false})
        });
        described.collect()
    }

    fn event_descriptors(&self) -> Vec<Value> {
        let all = self.events.iter().enumerate();
        let described = all.map(|(at, it)| {
            json!({"description": null, "id": ElementId::at(&self.id, at), "name": it.name,
                "eventDatatype": it.datatype, "isDeprecated": false})
        });
        described.collect()
    }
}

impl Typed {
    fn read(name: &'static str, of: &'static str) -> Self {
        let kept = of.strip_suffix('?').unwrap_or(of);
        let item = kept.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        Self {
            name: name.trim_end_matches(':'),
            datatype: Some(item.unwrap_or(kept)).filter(|it| *it != "any"),
            is_nullable: kept.len() < of.len(),
            is_sequence: item.is_some(),
        }
    }

    fn describe(&self) -> Value {
        json!({"description": null, "name": self.name, "typeName": self.datatype,
            "isNullable": self.is_nullable, "isSequence": self.is_sequence, "constraints": null})
    }
}

/// Pairs of a name and a type.
fn all(words: &[&'static str]) -> Vec<Typed> {
    let (pairs, _) = words.as_chunks();
    let typed = pairs.iter().map(|[name, of]| Typed::read(name, of));
    typed.collect()
}
