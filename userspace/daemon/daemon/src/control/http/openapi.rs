//! The API's own description, OpenAPI 3.1, from the declarations of the operations.

use std::collections::BTreeMap;

use onair_api::operations::{
    ApiOperation, Described, Input, Method, OperationEntry, Parameter, ParameterKind,
    ParameterPlace, Shape, Target,
};
use onair_api::{EventName, Problem, ProblemCode, SessionView};
use utoipa::OpenApi as _;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{
    AnyOf, Array, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, Type,
};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, HttpMethod, Ref, RefOr, Required, Response, ResponseBuilder,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "OnAir control API",
        description = "A DPDK media session daemon. A session is destroyed only when counters, \
            eBPF probe and pollers agree that it has no users; the proof is its certificate. \
            HTTP/1.1 over a Unix socket; the peer's credentials are its rights. Every error is a \
            problem (RFC 9457) with a stable `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "sessions", description = "Sessions: create, stop, start, destroy."),
        (name = "groups", description = "Sessions of one programme, together."),
        (name = "recordings", description = "A session's packets or frames on disk."),
        (name = "certificates", description = "Proofs of what was destroyed."),
        (name = "daemon", description = "The daemon itself.")
    ),
    components(schemas(Problem, EventName))
)]
struct Frame;

/// The description without operations.
pub(super) fn frame() -> utoipa::openapi::OpenApi {
    Frame::openapi()
}

/// Adds the operation to the description.
pub(super) fn describe<O: ApiOperation>(document: &mut utoipa::openapi::OpenApi) {
    let entry = O::ENTRY;
    let schemas = &mut document.components.get_or_insert_default().schemas;
    let mut operation = OperationBuilder::new()
        .tag(entry.tag)
        .operation_id(Some(entry.id()));
    let lines: Vec<_> = entry.docs.iter().map(|line| line.trim()).collect();
    let mut lines = lines.splitn(2, |line| line.is_empty());
    let mut text = || lines.next().map(|lines| lines.join("\n"));
    operation = operation.summary(text()).description(text());
    let variables = entry.variables.unwrap_or(O::Target::VARIABLES);
    let inputs = variables.iter().chain(O::Input::PARAMETERS);
    for it in inputs.chain(entry.headers()) {
        operation = operation.parameter(parameter(it));
    }
    if O::Input::IS_BODY {
        let schema = register::<<O::Input as Input>::Document>(schemas);
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let body = RequestBodyBuilder::new()
            .content("application/json", content)
            .required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
    }
    let answer = match entry.shape {
        Shape::Document => register::<O::Document>(schemas),
        Shape::List => Array::new(register::<O::Document>(schemas)).into(),
        Shape::Object => Object::new().into(),
        Shape::Text => Object::with_type(Type::String).into(),
        Shape::Bytes => ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .into(),
    };
    let mut done = success(&entry, answer.clone());
    if O::Document::name() == SessionView::name() {
        let text = HeaderBuilder::new().schema(Some(Object::with_type(Type::String)));
        let header = text.description(Some("For `If-Match`: changes with what requests change."));
        done.headers
            .insert("ETag".to_owned(), header.build().into());
    }
    operation = operation.response(entry.status.to_string(), done);
    let errors = entry.all_errors(O::Target::ERRORS, O::Input::IS_BODY);
    for (status, response) in failures(&errors) {
        operation = operation.response(status.to_string(), response);
    }
    if let Some(meaning) = entry.not_ready {
        let response = ResponseBuilder::new()
            .description(meaning)
            .content(
                entry.media_type,
                ContentBuilder::new().schema(Some(answer)).build(),
            )
            .content(Problem::MEDIA_TYPE, problem());
        operation = operation.response("503", response);
    }
    let method = match entry.method {
        Method::Get => HttpMethod::Get,
        Method::Post => HttpMethod::Post,
        Method::Patch => HttpMethod::Patch,
        Method::Delete => HttpMethod::Delete,
    };
    let paths = &mut document.paths;
    paths.add_path_operation(entry.path, vec![method], operation);
}

/// Adds the schema of `T`, and those that it refers to. Returns a reference to it.
fn register<T: Described>(schemas: &mut BTreeMap<String, RefOr<Schema>>) -> RefOr<Schema> {
    let name = T::name();
    let mut found = vec![(name.to_string(), T::schema())];
    T::schemas(&mut found);
    schemas.extend(found.into_iter().map(|(name, it)| (name, any_of(it))));
    Ref::from_schema_name(name).into()
}

/// A variant without fields is valid for the documents of each other one: then it is any of them, not one.
fn any_of(schema: RefOr<Schema>) -> RefOr<Schema> {
    let is_empty = |it: &RefOr<Schema>| {
        let object = Type::Object.into();
        matches!(it, RefOr::T(Schema::Object(it)) if it.schema_type == object && it.required.is_empty())
    };
    match schema {
        RefOr::T(Schema::OneOf(one)) if one.items.iter().any(is_empty) => {
            let mut any = AnyOf::new();
            (any.items, any.description) = (one.items, one.description);
            Schema::AnyOf(any).into()
        }
        other => other,
    }
}

fn parameter(it: &Parameter) -> utoipa::openapi::path::Parameter {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let whole = || ObjectBuilder::new().schema_type(Type::Integer);
    let schema: RefOr<Schema> = match it.kind {
        ParameterKind::Name => text().pattern(Some("^[a-z0-9][a-z0-9._-]{0,62}$")).into(),
        ParameterKind::Number => whole()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(0))
            .into(),
        ParameterKind::UpTo(most) => whole().minimum(Some(1)).maximum(Some(most)).into(),
        ParameterKind::Time => text()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into(),
        ParameterKind::Flag => ObjectBuilder::new().schema_type(Type::Boolean).into(),
        ParameterKind::Text => text().into(),
        ParameterKind::TextOrNull => ObjectBuilder::new()
            .schema_type(
                [Type::String, Type::Null]
                    .into_iter()
                    .collect::<utoipa::openapi::schema::SchemaType>(),
            )
            .into(),
        ParameterKind::Schema(name) => Ref::from_schema_name(name).into(),
        ParameterKind::Schemas(name) => Array::new(Ref::from_schema_name(name)).into(),
    };
    let (place, required) = match it.place {
        ParameterPlace::Path => (ParameterIn::Path, Required::True),
        ParameterPlace::Query => (ParameterIn::Query, Required::False),
        ParameterPlace::Header => (ParameterIn::Header, Required::False),
    };
    ParameterBuilder::new()
        .name(it.name)
        .parameter_in(place)
        .required(required)
        .description(Some(it.description))
        .explode(matches!(it.kind, ParameterKind::Schemas(_)).then_some(true))
        .schema(Some(schema))
        .build()
}

fn success(entry: &OperationEntry, answer: RefOr<Schema>) -> Response {
    let mut response = ResponseBuilder::new().description(entry.success).content(
        entry.media_type,
        ContentBuilder::new().schema(Some(answer)).build(),
    );
    if entry.status == 201 {
        let location = HeaderBuilder::new()
            .schema(Some(Object::with_type(Type::String)))
            .description(Some("Its path."));
        response = response.header("Location", location.build());
    }
    response.build()
}

fn problem() -> utoipa::openapi::Content {
    let schema = Ref::from_schema_name(<Problem as Described>::name());
    ContentBuilder::new().schema(Some(schema)).build()
}

/// One response per status of `codes`.
fn failures(codes: &[ProblemCode]) -> impl Iterator<Item = (u16, Response)> {
    let mut by_status: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for code in codes {
        let line = format!("`{code}`: {}.", code.title());
        by_status.entry(code.status()).or_default().push(line);
    }
    by_status.into_iter().map(|(status, lines)| {
        let response = ResponseBuilder::new()
            .description(lines.join(" "))
            .content(Problem::MEDIA_TYPE, problem());
        (status, response.build())
    })
}
