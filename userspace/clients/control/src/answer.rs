//! The document of an answer.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::ControlError;

/// A document of type `T`. It keeps its field order and the fields that this program does not know.
#[derive(Debug)]
pub struct Answer<T> {
    /// The document as it came.
    pub value: Value,
    kind: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Answer<T> {
    /// This document.
    #[must_use]
    pub const fn new(value: Value) -> Self {
        let kind = PhantomData;
        Self { value, kind }
    }

    /// The document, as the type that this program knows.
    ///
    /// # Errors
    /// [`ControlError::Alien`]: it is of another shape.
    pub fn read(&self) -> Result<T, ControlError> {
        T::deserialize(&self.value).map_err(|error| ControlError::Alien(error.to_string()))
    }
}
