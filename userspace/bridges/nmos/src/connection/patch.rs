//! The body of a PATCH of `staged`, as IS-05 v1.1 has it.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
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
    #[serde(default)]
    master_enable: Option<bool>,
    #[serde(default)]
    activation: Option<ActivationPatch>,
    #[serde(default)]
    transport_file: Option<TransportFile>,
    #[serde(default)]
    transport_params: Option<Vec<P>>,
}

impl<P: DeserializeOwned> Patch<P> {
    /// Reads the text of a body: what stays of it is in proportion to the text.
    ///
    /// # Errors
    /// The field that is wrong.
    pub(super) fn read_text(side: Side, text: impl AsRef<[u8]>) -> Result<Self, Refusal> {
        let body = serde_json::from_slice(text.as_ref());
        Self::read(
            side,
            body.map_err(|error| Refusal::body("body", error.to_string()))?,
        )
    }

    /// Reads the body for a sender or receiver.
    ///
    /// # Errors
    /// The field that is wrong.
    pub(super) fn read(side: Side, body: Value) -> Result<Self, Refusal> {
        // A sequence would be read as an object, too.
        objects(&body)?;
        if let Some(given) = body.as_object() {
            // Null is no value of these.
            let never = [
                "master_enable",
                "activation",
                "transport_file",
                "transport_params",
            ];
            let null = never
                .iter()
                .find(|it| given.get(**it).is_some_and(Value::is_null));
            if let Some(field) = null {
                return Err(Refusal::body(*field, "is null"));
            }
        }
        let body: Body<P> = serde_path_to_error::deserialize(body).map_err(|error| {
            let field = error.path().to_string();
            Refusal::body(field, error.into_inner().to_string())
        })?;
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
            legs: body.transport_params,
        })
    }
}

/// The body, and what in it has fields, are objects.
fn objects(body: &Value) -> Result<(), Refusal> {
    let check = |field: String, value: &Value| match value.is_object() || value.is_null() {
        true => Ok(()),
        false => Err(Refusal::body(field, "is no object")),
    };
    if !body.is_object() {
        return Err(Refusal::body("body", "is no object"));
    }
    for field in ["activation", "transport_file"] {
        check(field.to_owned(), &body[field])?;
    }
    let legs = body["transport_params"].as_array();
    if let Some(legs) = legs.filter(|it| it.len() > MOST_LEGS) {
        let problem = format!("has {} legs: at most {MOST_LEGS} are", legs.len());
        return Err(Refusal::body("transport_params", problem));
    }
    for (at, leg) in legs.into_iter().flatten().enumerate() {
        if !leg.is_object() {
            return Err(Refusal::body(
                format!("transport_params[{at}]"),
                "is no object",
            ));
        }
    }
    Ok(())
}

/// As the schemas have it: hyphens, small letters, versions 1 to 5 of RFC 9562's variant.
fn id(field: &str, text: &str) -> Result<Uuid, Refusal> {
    let id = Uuid::try_parse(text).ok().filter(|it| {
        let version = (1..=5).contains(&it.get_version_num());
        version && it.get_variant() == uuid::Variant::RFC4122 && it.to_string() == text
    });
    id.ok_or_else(|| Refusal::body(field, "is no UUID of versions 1 to 5 in small letters"))
}
