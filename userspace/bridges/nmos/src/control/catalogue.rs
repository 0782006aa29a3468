//! The classes and datatypes, as `standard.model` lists them.

use std::sync::LazyLock;

use serde_json::{Value, json};

/// All of them.
pub(super) static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::read(include_str!("standard.model")));

/// The descriptor of each, without what it inherits.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// `NcClassDescriptor`.
    pub(super) classes: Vec<Value>,
    /// `NcDatatypeDescriptor`.
    pub(super) datatypes: Vec<Value>,
}

impl Catalogue {
    fn read(table: &str) -> Self {
        let mut read = Self::default();
        for line in table.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            read.take(&words);
        }
        read
    }

    fn take(&mut self, words: &[&str]) {
        let mut datatype = |name: &str, mut made: Value| {
            made["name"] = json!(name);
            made["description"] = Value::Null;
            made["constraints"] = Value::Null;
            self.datatypes.push(made);
        };
        match *words {
            ["primitive", ref names @ ..] => {
                names.iter().for_each(|it| datatype(it, json!({"type": 0})));
            }
            ["type", name, of] => {
                let (of, is_sequence) = (&typed(name, of)["typeName"], of.starts_with('['));
                let of = json!({"type": 1, "parentType": of, "isSequence": is_sequence});
                datatype(name, of);
            }
            ["struct", name, ":", parent, ref fields @ ..] => {
                let of = json!({"type": 2, "fields": all(fields), "parentType": parent});
                datatype(name, of);
            }
            ["struct", name, ref fields @ ..] => {
                let of = json!({"type": 2, "fields": all(fields), "parentType": null});
                datatype(name, of);
            }
            ["enum", name, ref items @ ..] => {
                let items = items.iter().filter_map(|it| {
                    let (name, value) = it.split_once('=')?;
                    let value: u16 = value.parse().ok()?;
                    Some(json!({"description": null, "name": name, "value": value}))
                });
                let items: Vec<_> = items.collect();
                datatype(name, json!({"type": 3, "items": items}));
            }
            ["class", id, name, ref role @ ..] => {
                let id = id.split('.').filter_map(|it| it.parse::<u32>().ok());
                let id: Vec<_> = id.collect();
                self.classes
                    .push(json!({"description": null, "classId": id, "name": name,
                    "fixedRole": role.first(), "properties": [], "methods": [], "events": []}));
            }
            _ => self
                .classes
                .last_mut()
                .into_iter()
                .for_each(|it| add(it, words)),
        }
    }

    /// The class of this name.
    pub(super) fn named(&self, name: &str) -> Option<&Value> {
        self.classes.iter().find(|it| it["name"] == name)
    }

    /// The class and its ancestors, the nearest first.
    pub(super) fn lineage<'a>(&'a self, id: &'a [Value]) -> impl Iterator<Item = &'a Value> {
        let lengths = (1..=id.len()).rev();
        lengths.filter_map(|it| self.classes.iter().find(|class| id_of(class) == &id[..it]))
    }

    /// `NcClassDescriptor`.
    pub(super) fn class(&self, id: &[Value], inherited: bool) -> Option<Value> {
        let mut lineage = self.lineage(id);
        let mut made = lineage.next().filter(|it| id_of(it) == id)?.clone();
        for parent in lineage.filter(|_| inherited) {
            for part in ["properties", "methods", "events"] {
                append(&mut made, parent, part);
            }
        }
        Some(made)
    }

    /// `NcDatatypeDescriptor`.
    pub(super) fn datatype(&self, name: &str, inherited: bool) -> Option<Value> {
        let mut made = self.datatypes.iter().find(|it| it["name"] == name)?.clone();
        let parent = made["parentType"].as_str().filter(|_| inherited);
        if let Some(parent) = parent.and_then(|it| self.datatype(it, true)) {
            append(&mut made, &parent, "fields");
        }
        Some(made)
    }
}

/// `classId`.
pub(super) fn id_of(class: &Value) -> &[Value] {
    class["classId"].as_array().map_or(&[], Vec::as_slice)
}

/// `name`.
pub(super) fn name_of(descriptor: &Value) -> &str {
    descriptor["name"].as_str().unwrap_or_default()
}

/// Adds a property, a method or an event to a class.
fn add(class: &mut Value, words: &[&str]) {
    let (part, mut made) = match *words {
        [access @ ("ro" | "rw"), name, of] => {
            let mut made = typed(name, of);
            made["isReadOnly"] = json!(access == "ro");
            ("properties", made)
        }
        ["fn", result, name, ref parameters @ ..] => {
            let parameters = all(parameters);
            let made = json!({"name": name, "resultDatatype": result, "parameters": parameters});
            ("methods", made)
        }
        ["event", data, name] => ("events", json!({"name": name, "eventDatatype": data})),
        _ => return,
    };
    let level = id_of(class).len();
    if let Some(part) = class[part].as_array_mut() {
        made["id"] = json!({"level": level, "index": part.len() + 1});
        made["description"] = Value::Null;
        made["isDeprecated"] = json!(false);
        part.push(made);
    }
}

fn append(to: &mut Value, parent: &Value, part: &str) {
    let to = to.get_mut(part).and_then(Value::as_array_mut);
    if let Some((to, from)) = to.zip(parent[part].as_array()) {
        to.extend_from_slice(from);
    }
}

/// A name with a type.
fn typed(name: &str, of: &str) -> Value {
    let kept = of.strip_suffix('?').unwrap_or(of);
    let item = kept.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let datatype = Some(item.unwrap_or(kept)).filter(|it| *it != "any");
    json!({"description": null, "name": name.trim_end_matches(':'), "typeName": datatype,
        "isNullable": kept.len() < of.len(), "isSequence": item.is_some(), "constraints": null})
}

/// Pairs of a name and a type.
fn all(words: &[&str]) -> Vec<Value> {
    let (pairs, _) = words.as_chunks();
    pairs.iter().map(|[name, of]| typed(name, of)).collect()
}
