//! The static part of a declaration.

use super::{Access, Right};
use crate::problem::ProblemCode;
use crate::text::texts;

/// Method of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Changes nothing.
    Get,
    /// Changes something.
    Post,
    /// Changes some fields.
    Patch,
    /// Removes.
    Delete,
}

texts! { Method: Get "GET", Post "POST", Patch "PATCH", Delete "DELETE" }

/// Form of an answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One document.
    Document,
    /// A list of documents.
    List,
    /// Any JSON object.
    Object,
    /// Text.
    Text,
    /// Bytes, no text.
    Bytes,
}

/// Where a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterPlace {
    /// A variable of the path.
    Path,
    /// The query.
    Query,
    /// A header.
    Header,
}

/// Type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// An id or a name.
    Name,
    /// A whole number of 64 bits.
    Number,
    /// A whole number from 1 to this one.
    UpTo(usize),
    /// A moment (RFC 3339).
    Time,
    /// `true` or `false`.
    Flag,
    /// Any text.
    Text,
    /// Any text, or null.
    TextOrNull,
    /// A value of the schema of this name.
    Schema(&'static str),
    /// Values of the schema of this name.
    Schemas(&'static str),
}

/// A parameter of a request. Those of the path are required, all others are optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Where it is.
    pub place: ParameterPlace,
    /// Its type.
    pub kind: ParameterKind,
    /// Its documentation.
    pub description: &'static str,
}

impl Parameter {
    pub(super) const fn path(
        name: &'static str,
        kind: ParameterKind,
        description: &'static str,
    ) -> Self {
        let place = ParameterPlace::Path;
        Self {
            name,
            place,
            kind,
            description,
        }
    }

    pub(super) const fn query(
        name: &'static str,
        kind: ParameterKind,
        description: &'static str,
    ) -> Self {
        let place = ParameterPlace::Query;
        Self {
            place,
            ..Self::path(name, kind, description)
        }
    }
}

/// Header with the key of a request that may be sent twice (draft-ietf-httpapi-idempotency-key-header).
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// Header parameter of every operation that changes a session.
const IF_MATCH: Parameter = Parameter {
    place: ParameterPlace::Header,
    ..Parameter::path(
        "If-Match",
        ParameterKind::TextOrNull,
        "The `ETag` of an earlier answer: refused if the session has changed since.",
    )
};

/// Header parameter of every operation that creates something.
const KEY: Parameter = Parameter {
    place: ParameterPlace::Header,
    ..Parameter::path(
        IDEMPOTENCY_KEY,
        ParameterKind::TextOrNull,
        "Any text: the same request with the same key, within ten minutes, gets the first answer again.",
    )
};

/// The static part of an operation's declaration.
#[derive(Clone, Copy, Debug)]
pub struct OperationEntry {
    /// Name of the operation, in camel case.
    pub name: &'static str,
    /// Group of operations.
    pub tag: &'static str,
    /// Lines of its documentation.
    pub docs: &'static [&'static str],
    /// Its method.
    pub method: Method,
    /// Its path, with variables in braces.
    pub path: &'static str,
    /// The right that the requester needs.
    pub access: Access,
    /// Variables of the path, if they are not those of the target.
    pub variables: Option<&'static [Parameter]>,
    /// HTTP status of a success; 201: with the path of what was created, in the header Location.
    pub status: u16,
    /// Result of a success.
    pub success: &'static str,
    /// Form of the body of a success.
    pub shape: Shape,
    /// Media type of a success.
    pub media_type: &'static str,
    /// Meaning of an answer of status 503 with the same body.
    pub not_ready: Option<&'static str>,
    /// Whether the daemon refuses it once it shuts down.
    pub refused_in_shutdown: bool,
    /// Whether a body is refused if the operation has none.
    pub checks_body: bool,
    /// Whether the control thread answers. Everything else is answered without it.
    pub asks_control_thread: bool,
    /// Errors of this operation, besides those that follow from the rest of the declaration.
    pub errors: &'static [ProblemCode],
}

impl OperationEntry {
    const fn new(method: Method, path: &'static str, access: Access) -> Self {
        Self {
            name: "",
            tag: "",
            docs: &[],
            method,
            path,
            access,
            variables: None,
            status: 200,
            success: "",
            shape: Shape::Document,
            media_type: "application/json",
            not_ready: None,
            refused_in_shutdown: false,
            checks_body: !matches!(method, Method::Get),
            asks_control_thread: true,
            errors: &[],
        }
    }

    pub(super) const fn answers(self, success: &'static str) -> Self {
        Self { success, ..self }
    }

    pub(super) const fn fails(self, errors: &'static [ProblemCode]) -> Self {
        Self { errors, ..self }
    }

    pub(super) const fn of(self, shape: Shape, media_type: &'static str) -> Self {
        Self {
            shape,
            media_type,
            ..self
        }
    }

    pub(super) const fn about(self, variables: &'static [Parameter]) -> Self {
        Self {
            variables: Some(variables),
            ..self
        }
    }

    pub(super) const fn creates(self) -> Self {
        Self {
            status: 201,
            ..self.refused_in_shutdown()
        }
    }

    pub(super) const fn begins(self) -> Self {
        Self {
            status: 202,
            ..self
        }
    }

    pub(super) const fn refused_in_shutdown(self) -> Self {
        Self {
            refused_in_shutdown: true,
            ..self
        }
    }

    pub(super) const fn or_not_ready(self, meaning: &'static str) -> Self {
        Self {
            not_ready: Some(meaning),
            ..self
        }
    }

    pub(super) const fn ignores_body(self) -> Self {
        Self {
            checks_body: false,
            ..self
        }
    }

    pub(super) const fn without_control_thread(self) -> Self {
        Self {
            asks_control_thread: false,
            ..self
        }
    }

    /// Whether it changes a session, and may depend on the session's entity tag.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.method != Method::Get && self.path.starts_with("/v1/sessions/{id}")
    }

    /// Whether it creates something, and may have a key.
    #[must_use]
    pub const fn is_repeatable(&self) -> bool {
        self.status == 201
    }

    /// Its parameters in headers.
    pub fn headers(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        let condition = self.is_conditional().then_some(&IF_MATCH);
        condition
            .into_iter()
            .chain(self.is_repeatable().then_some(&KEY))
    }

    /// The operation's id in the API's description.
    #[must_use]
    pub fn id(&self) -> String {
        let mut id = String::new();
        for letter in self.name.chars() {
            if letter.is_uppercase() && !id.is_empty() {
                id.push('_');
            }
            id.extend(letter.to_lowercase());
        }
        id
    }

    /// Every error of the operation: those of its target, its own, and those that each operation of
    /// its kind has. `takes_body`: it takes a JSON body.
    #[must_use]
    pub fn all_errors(&self, of_target: &[ProblemCode], takes_body: bool) -> Vec<ProblemCode> {
        use ProblemCode as Code;
        let mut all = vec![Code::InvalidRequest, Code::HeadersTooLarge];
        all.extend(of_target);
        all.extend(self.errors);
        if self.access != Access::Everyone {
            all.push(Code::Forbidden);
        }
        if self.checks_body {
            all.extend([Code::RequestTimeout, Code::TooLarge]);
        }
        if takes_body {
            all.push(Code::UnsupportedMediaType);
        }
        if self.is_conditional() {
            all.push(Code::PreconditionFailed);
        }
        if self.is_repeatable() {
            all.extend([Code::KeyReused, Code::InProgress]);
        }
        if self.asks_control_thread {
            all.extend([Code::Overloaded, Code::ShuttingDown, Code::Internal]);
        }
        all
    }
}

pub(super) const fn get(path: &'static str, access: Access) -> OperationEntry {
    OperationEntry::new(Method::Get, path, access)
}

pub(super) const fn post(path: &'static str, access: Access) -> OperationEntry {
    OperationEntry::new(Method::Post, path, access)
}

pub(super) const fn patch(path: &'static str, access: Access) -> OperationEntry {
    OperationEntry::new(Method::Patch, path, access)
}

pub(super) const fn delete(path: &'static str, access: Access) -> OperationEntry {
    OperationEntry::new(Method::Delete, path, access)
}

pub(super) const fn this(right: Right) -> Access {
    Access::ThisSession(right)
}

pub(super) const fn any(right: Right) -> Access {
    Access::AnySession(right)
}
