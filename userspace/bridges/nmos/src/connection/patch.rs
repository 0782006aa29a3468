//! The body of a PATCH of `staged`, as IS-05 v1.1 has it.

use std::fmt;
use std::marker::PhantomData;

use onair_essence::objects::Objects;
use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::activation::ActivationPatch;
use super::refusal::Refusal;
use super::side::Side;

/// Most legs of a session.
const MOST_LEGS: usize = 2;

/// A transport file: both fields, or both null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransportFile {
    /// Its text.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) data: Option<String>,
    /// Its media type.
    #[serde(rename = "type", deserialize_with = "Option::deserialize")]
    pub(super) kind: Option<String>,
}

/// Changes of a PATCH to parameters `P`. Absent fields stay as they are.
#[derive(Clone, Debug)]
pub(super) struct Patch<P> {
    /// The other end: `receiver_id` of a sender, `sender_id` of a receiver.
    pub(super) peer: Option<Option<Uuid>>,
    /// `master_enable`.
    pub(super) enable: Option<bool>,
    /// `activation`.
    pub(super) activation: Option<ActivationPatch>,
    /// `transport_file` of a receiver.
    pub(super) file: Option<TransportFile>,
    /// `transport_params`.
    pub(super) legs: Option<Vec<P>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(bound = "P: DeserializeOwned")]
struct Body<P> {
    #[serde(default, deserialize_with = "onair_essence::whole::present")]
    receiver_id: Option<Option<String>>,
    #[serde(default, deserialize_with = "onair_essence::whole::present")]
    sender_id: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    master_enable: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    activation: Option<ActivationPatch>,
    #[serde(default, deserialize_with = "given")]
    transport_file: Option<TransportFile>,
    #[serde(default, deserialize_with = "given")]
    transport_params: Option<AtMost<P, MOST_LEGS>>,
}

impl<P: DeserializeOwned> Patch<P> {
    /// Reads the text of a body for a sender or receiver: what stays of it is in proportion to the text.
    ///
    /// # Errors
    /// The field that is wrong.
    pub(super) fn read(side: Side, text: impl AsRef<[u8]>) -> Result<Self, Refusal> {
        let body: Body<P> = document(text.as_ref())?;
        let (peer, other, name) = match side {
            Side::Sender => (body.receiver_id, body.sender_id, "sender_id"),
            Side::Receiver => (body.sender_id, body.receiver_id, "receiver_id"),
        };
        if other.is_some() {
            return Err(Refusal::body(name, format!("is none of a {side}")));
        }
        if side == Side::Sender && body.transport_file.is_some() {
            return Err(Refusal::body("transport_file", "is none of a sender"));
        }
        Ok(Self {
            peer: peer
                .map(|it| it.map(|it| id(side.peer(), &it)).transpose())
                .transpose()?,
            enable: body.master_enable,
            activation: body.activation,
            file: body.transport_file,
            legs: body.transport_params.map(|it| it.0),
        })
    }
}

/// Reads JSON; the refusal names the field.
pub(super) fn document<T: DeserializeOwned>(text: &[u8]) -> Result<T, Refusal> {
    let json = &mut serde_json::Deserializer::from_slice(text);
    let document = serde_path_to_error::deserialize(Objects(&mut *json)).map_err(|error| {
        let field = match error.path().to_string() {
            path if path == "." => "body".to_owned(),
            path => path,
        };
        Refusal::body(field, error.into_inner().to_string())
    })?;
    let end = json.end();
    end.map_err(|error| Refusal::body("body", error.to_string()))?;
    Ok(document)
}

/// A field that may be absent, and is not null.
fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A list of at most so many.
#[derive(Debug)]
pub(super) struct AtMost<T, const MOST: usize>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for AtMost<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Reading(PhantomData))
    }
}

struct Reading<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Reading<T, MOST> {
    type Value = AtMost<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = list.next_element()? {
            if all.len() == MOST {
                return Err(Error::invalid_length(MOST + 1, &self));
            }
            all.push(one);
        }
        Ok(AtMost(all))
    }
}

/// As the schemas have it: hyphens, small letters, versions 1 to 5 of RFC 9562's variant.
fn id(field: &str, text: &str) -> Result<Uuid, Refusal> {
    let id = Uuid::try_parse(text).ok().filter(|it| {
        let version = (1..=5).contains(&it.get_version_num());
        version && it.get_variant() == uuid::Variant::RFC4122 && it.to_string() == text
    });
    id.ok_or_else(|| Refusal::body(field, "is no UUID of versions 1 to 5 in small letters"))
}
