//! The part of the kernel's types to which the programs are fitted.
//!
//! A kernel describes 130,000 types in 5 MB (`docs.kernel.org/bpf/btf.html`). To parse all of them, and to search them for
//! each structure of each program, takes a tenth of a second of a processor and 30 MB. The programs read 18 structures:
//! these, with what they contain, are types of their own here. Their pointers point to nothing: no program's access is
//! fitted across one.

use std::collections::BTreeMap;

/// First of all, in the order of this machine's bytes.
const MAGIC: [u8; 2] = 0xeb9f_u16.to_ne_bytes();
/// Bytes of the header: one of another length has fields that are not known here.
const HEADER: usize = 24;
/// Bytes of a type without what its kind adds.
const HEAD: usize = 12;

/// Kinds of types (`linux/btf.h`).
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const PTR: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const FORWARD: u32 = 7;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC: u32 = 12;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VARIABLE: u32 = 14;
    pub(super) const SECTION: u32 = 15;
    pub(super) const FLOAT: u32 = 16;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

/// The kernel's types as it gives them.
pub(crate) struct RawTypes<'btf> {
    header: &'btf [u8],
    types: &'btf [u8],
    strings: &'btf [u8],
    /// Where each type begins; the first one has the id 1.
    at: Vec<usize>,
}

/// A word of a type.
#[derive(Clone, Copy)]
enum Word {
    /// Where a name begins.
    Name(u32),
    /// The id of a type.
    Type(u32),
    Other(u32),
}

/// A type: its kind, how many members it has, the value that follows, what its kind adds.
struct Record<'btf> {
    name: u32,
    info: u32,
    value: u32,
    added: &'btf [u8],
}

impl<'btf> RawTypes<'btf> {
    /// `None`: they are of a form that is not known here.
    pub(crate) fn of(btf: &'btf [u8]) -> Option<Self> {
        let (header, rest) = btf.split_at_checked(HEADER)?;
        let field = |at| Some(word(header, at)? as usize);
        if !header.starts_with(&MAGIC) || field(4)? != HEADER {
            return None;
        }
        let section = |at| rest.get(field(at)?..)?.get(..field(at + 4)?);
        let (types, strings) = (section(8)?, section(16)?);
        let (mut at, mut next) = (Vec::with_capacity(types.len() / 24), 0);
        while next < types.len() {
            at.push(next);
            next += HEAD + added(word(types, next + 4)?)?;
        }
        Some(Self {
            header,
            types,
            strings,
            at,
        })
    }

    /// The id of a function.
    pub(crate) fn function(&self, name: &str) -> Option<u32> {
        self.named(&[name], |kind| kind == kind::FUNC).next()
    }

    /// Structures, unions and typedefs of these names, and what they contain, as types of their own.
    pub(crate) fn only(&self, names: &[&str]) -> Option<Vec<u8>> {
        let is_wanted = |kind| [kind::STRUCT, kind::UNION, kind::TYPEDEF].contains(&kind);
        let mut open: Vec<_> = self.named(names, is_wanted).collect();
        let mut found = BTreeMap::new();
        while let Some(id) = open.pop() {
            if id == 0 || found.contains_key(&id) {
                continue;
            }
            let words = self.record(id)?.words()?;
            open.extend(words.iter().filter_map(|it| match it {
                Word::Type(id) => Some(*id),
                _ => None,
            }));
            found.insert(id, words);
        }
        let ids: BTreeMap<u32, u32> = found.keys().copied().zip(1..).collect();
        let (mut types, mut strings) = (Vec::new(), vec![0]);
        let mut places = BTreeMap::from([(&b""[..], 0)]);
        for word in found.into_values().flatten() {
            let word = match word {
                Word::Other(word) | Word::Type(word @ 0) => word,
                Word::Type(id) => *ids.get(&id)?,
                Word::Name(at) => {
                    let name = self.string(at)?;
                    let end = u32::try_from(strings.len()).ok()?;
                    let place = *places.entry(name).or_insert(end);
                    if place == end {
                        strings.extend_from_slice(name);
                        strings.push(0);
                    }
                    place
                }
            };
            types.extend(word.to_ne_bytes());
        }
        let lengths = [types.len(), strings.len()].map(u32::try_from);
        let [Ok(types_length), Ok(strings_length)] = lengths else {
            return None;
        };
        let mut btf = self.header.to_vec();
        let places = [0, types_length, types_length, strings_length];
        for (at, word) in (8..).step_by(4).zip(places) {
            btf.get_mut(at..at + 4)?
                .copy_from_slice(&word.to_ne_bytes());
        }
        Some([btf, types, strings].concat())
    }

    fn record(&self, id: u32) -> Option<Record<'btf>> {
        let at = *self.at.get((id as usize).checked_sub(1)?)?;
        let types = self.types;
        let info = word(types, at + 4)?;
        let end = at + HEAD;
        Some(Record {
            name: word(types, at)?,
            info,
            value: word(types, at + 8)?,
            added: types.get(end..end + added(info)?)?,
        })
    }

    fn string(&self, at: u32) -> Option<&'btf [u8]> {
        self.strings.get(at as usize..)?.split(|it| *it == 0).next()
    }

    /// The ids of the types of such kinds and names.
    fn named(&self, names: &[&str], is_kind: impl Fn(u32) -> bool) -> impl Iterator<Item = u32> {
        let is_it = move |at: usize| {
            let name = self.strings.get(word(self.types, at)? as usize..)?;
            let is_name =
                |it: &&str| name.starts_with(it.as_bytes()) && name.get(it.len()) == Some(&0);
            let kind = kind_of(word(self.types, at + 4)?);
            Some(is_kind(kind) && names.iter().any(is_name))
        };
        let ids = self.at.iter().zip(1..);
        ids.filter_map(move |(at, id)| is_it(*at)?.then_some(id))
    }
}

impl Record<'_> {
    /// Its words; `None`: it is no type of a value.
    fn words(&self) -> Option<Vec<Word>> {
        use Word::{Name, Other, Type};
        let added = self.added.chunks_exact(4).enumerate();
        let added = added.filter_map(|(at, bytes)| Some((at, word(bytes, 0)?)));
        let (value, added): (_, Vec<_>) = match kind_of(self.info) {
            kind::PTR => (Other(0), Vec::new()),
            kind::TYPEDEF..=kind::RESTRICT | kind::TYPE_TAG => (Type(self.value), Vec::new()),
            kind::ARRAY => {
                let of = |(at, word)| if at < 2 { Type(word) } else { Other(word) };
                (Other(self.value), added.map(of).collect())
            }
            kind::STRUCT | kind::UNION => {
                let of = |(at, word)| match at % 3 {
                    0 => Name(word),
                    1 => Type(word),
                    _ => Other(word),
                };
                (Other(self.value), added.map(of).collect())
            }
            kind @ (kind::ENUM | kind::ENUM64) => {
                let words = if kind == kind::ENUM { 2 } else { 3 };
                let of = |(at, word)| match at % words {
                    0 => Name(word),
                    _ => Other(word),
                };
                (Other(self.value), added.map(of).collect())
            }
            kind::INT | kind::FORWARD | kind::FLOAT => (
                Other(self.value),
                added.map(|(_, word)| Other(word)).collect(),
            ),
            _ => return None,
        };
        let head = [Name(self.name), Other(self.info), value];
        Some(head.into_iter().chain(added).collect())
    }
}

const fn kind_of(info: u32) -> u32 {
    info >> 24 & 0x1f
}

/// Bytes that follow a type of this kind, and of so many members.
fn added(info: u32) -> Option<usize> {
    let members = info as usize & 0xffff;
    Some(match kind_of(info) {
        kind::INT | kind::VARIABLE | kind::DECL_TAG => 4,
        kind::ARRAY => 12,
        kind::STRUCT | kind::UNION | kind::SECTION | kind::ENUM64 => 12 * members,
        kind::ENUM | kind::FUNC_PROTO => 8 * members,
        kind::PTR | kind::FORWARD..=kind::FUNC | kind::FLOAT | kind::TYPE_TAG => 0,
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}
