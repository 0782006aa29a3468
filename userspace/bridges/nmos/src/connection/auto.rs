//! A value that the device may choose.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value, or the word `auto`: the device's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Auto<T> {
    /// The device's choice.
    #[default]
    Auto,
    /// This one.
    Is(T),
}

impl<T> Auto<T> {
    /// The value, or `choice`.
    pub(super) fn unwrap_or(self, choice: T) -> T {
        self.given().unwrap_or(choice)
    }

    /// The value, unless it is the device's choice.
    pub(super) fn given(self) -> Option<T> {
        match self {
            Self::Auto => None,
            Self::Is(value) => Some(value),
        }
    }
}

impl<T: Serialize> Serialize for Auto<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Is(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Auto<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Word {
            Auto,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum AutoOrValue<T> {
            Word(Word),
            Value(T),
        }
        let given = AutoOrValue::deserialize(deserializer);
        let given =
            given.map_err(|_| serde::de::Error::custom("neither auto nor a valid value"))?;
        Ok(match given {
            AutoOrValue::Word(Word::Auto) => Self::Auto,
            AutoOrValue::Value(value) => Self::Is(value),
        })
    }
}
