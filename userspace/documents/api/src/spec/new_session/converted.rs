//! A session whose frames are those of another session, in another layout.

use super::NewSessionDocument;
use crate::id::SessionName;
use onair_essence::invalid::Problems;

use crate::spec::bounds::{check_attachments, check_duration, check_priority, check_quota};
use crate::spec::convert::{Convert, check_layout};
use crate::spec::invalid::Invalid;
use crate::spec::{SessionSpec, SpecErrors};

/// A converted session to be created. All that it has from its source is still to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvertedSession {
    /// Its name.
    pub name: SessionName,
    /// Which session's frames it converts, and to what.
    pub convert: Convert,
    /// As [`SessionSpec::quota`].
    pub quota: u32,
    /// As [`SessionSpec::max_attachments`].
    pub max_attachments: u32,
    /// As [`SessionSpec::priority`].
    pub priority: u8,
    /// As [`SessionSpec::duration_ms`].
    pub duration_ms: Option<u64>,
    /// As [`SessionSpec::persistent`].
    pub persistent: bool,
}

impl ConvertedSession {
    /// The complete specification: port, format and addresses are those of `source`.
    #[must_use]
    pub fn of(self, source: &SessionSpec) -> SessionSpec {
        SessionSpec {
            name: self.name,
            convert: Some(self.convert),
            source: None,
            quota: self.quota,
            max_attachments: self.max_attachments,
            priority: self.priority,
            frame_timeout_ms: None,
            duration_ms: self.duration_ms,
            persistent: self.persistent,
            notes: Vec::new(),
            connected: None,
            overcommit: false,
            ends_with_creator: false,
            ..source.clone()
        }
    }
}

impl TryFrom<NewSessionDocument> for ConvertedSession {
    type Error = SpecErrors;

    fn try_from(document: NewSessionDocument) -> Result<Self, SpecErrors> {
        let mut problems = Problems::default();
        let p = &mut problems;
        for field in document.given_of_packets() {
            p.take::<(), _>(field, Err(Invalid::OfPackets));
        }
        let name = p.take("name", document.name.parse::<SessionName>());
        if let Some(convert) = &document.convert {
            p.take("convert.layout", check_layout(&convert.layout));
        }
        let quota = p.take("quota", check_quota(document.quota));
        let attachments = check_attachments(document.max_attachments);
        let max_attachments = p.take("max_attachments", attachments);
        let priority = p.take("priority", check_priority(document.priority));
        let duration_ms = p.take("duration_ms", check_duration(document.duration_ms));
        let checked = (|| {
            Some(Self {
                name: name?,
                convert: document.convert?,
                quota: quota?,
                max_attachments: max_attachments?,
                priority: priority?,
                duration_ms: duration_ms?,
                persistent: document.persistent.unwrap_or_default(),
            })
        })();
        checked
            .filter(|_| problems.is_empty())
            .ok_or(problems.into())
    }
}

impl From<ConvertedSession> for NewSessionDocument {
    fn from(converted: ConvertedSession) -> Self {
        Self {
            name: converted.name.into(),
            convert: Some(converted.convert),
            quota: Some(converted.quota),
            max_attachments: Some(converted.max_attachments),
            priority: Some(u32::from(converted.priority)),
            duration_ms: converted.duration_ms,
            persistent: converted.persistent.then_some(true),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{NewSession, ProblemCode};

    fn accept(value: Value) -> Result<NewSession, crate::Problem> {
        let document: NewSessionDocument = serde_json::from_value(value).unwrap();
        Ok(NewSession::try_from(document)?)
    }

    fn converted() -> Value {
        json!({"name": "cam-v210", "convert": {"from": "cam", "layout": "v210"}, "quota": 2})
    }

    #[test]
    fn converted_session_to_json_and_back_then_same() {
        let session = accept(converted()).unwrap();
        let sent = serde_json::to_value(&session).unwrap();
        assert_eq!(accept(sent).unwrap(), session);
        let NewSession::Converted(session) = session else {
            panic!("it has `convert`");
        };
        assert_eq!((session.quota, session.max_attachments), (2, 4));
        let source = json!({"name": "cam", "direction": "receive", "port": "b",
            "video": {"width": 1280, "height": 720, "frame_rate": "60/1", "depth": 10},
            "flow": {"destination": "10.77.0.2:5004"}});
        let source: SessionSpec = serde_json::from_value(source).unwrap();
        let spec = session.of(&source);
        let stored = serde_json::to_value(&spec).unwrap();
        assert_eq!(stored["convert"]["layout"], "v210");
        assert_eq!(serde_json::from_value::<SessionSpec>(stored).unwrap(), spec);
    }

    #[test]
    fn converted_session_with_packet_field_then_field_is_named() {
        for (field, value) in [
            ("direction", json!("receive")),
            ("port", json!("b")),
            ("flow", json!({"destination": "10.77.0.2:5004"})),
            ("frame_timeout_ms", json!(100)),
            ("source", json!("pattern")),
            ("quota", json!(0)),
            ("name", json!("Cam")),
        ] {
            let mut document = converted();
            document[field] = value;
            let problem = accept(document).unwrap_err();
            assert_eq!(problem.code, ProblemCode::InvalidSpec);
            let fields: Vec<_> = problem.errors.iter().map(|it| it.field.as_str()).collect();
            assert_eq!(fields, [field]);
        }
        let mut document = converted();
        document["convert"]["layout"] = json!("v210, please");
        let problem = accept(document).unwrap_err();
        assert_eq!(problem.errors[0].field, "convert.layout");
    }

    #[test]
    fn session_without_packets_or_source_then_invalid_request() {
        let problem = accept(json!({"name": "a", "port": "b"})).unwrap_err();
        assert_eq!(problem.code, ProblemCode::InvalidRequest);
        let fields = problem.errors.iter().map(|it| it.field.as_str());
        assert!(fields.eq(["direction", "video", "flow"]));
        let format = &problem.errors[1].problem;
        assert!(format.starts_with("missing: a session has one of video"));
        assert_eq!(problem.detail, "3 invalid fields: direction, video, flow");
    }
}
