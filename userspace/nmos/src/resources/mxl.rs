//! The resources of what `onair-mxl` carries (BCP-007-03).

use onair_api::SessionView;
use onair_control::Facts;
use onair_essence::Format;
use serde_json::{Value, json};

use super::essence::{Described, describe_on_mxl};
use super::session::{caps, common, flow_of, urn};
use super::{Frame, Kind, Resource};
use crate::connection::Side;
use crate::mxl::{Carried, Carrier, Way};

const TRANSPORT: &str = "urn:x-nmos:transport:mxl";

/// The sessions that are senders or receivers of MXL: the daemon has them, in a format that MXL has.
pub fn on_mxl<'a>(
    facts: Option<&'a Facts>,
    carried: &'a Carried,
) -> impl Iterator<Item = (&'a Carrier, &'a SessionView)> {
    let sessions = facts.map(|it| it.sessions.as_slice()).unwrap_or_default();
    carried.sessions.iter().filter_map(move |carrier| {
        let view = sessions.iter().find(|it| it.name == carrier.session)?;
        describe(view).map(|_| (carrier, view))
    })
}

fn describe(session: &SessionView) -> Option<Described> {
    describe_on_mxl(&Format::try_from(session.format.clone()).ok()?)
}

/// Source, flow and sender of a session that becomes a flow, or the receiver of one that is filled with one.
pub(super) fn resources_of(
    frame: &Frame<'_>,
    carrier: &Carrier,
    session: &SessionView,
) -> Vec<Resource> {
    let Some(it) = describe(session) else {
        return Vec::new();
    };
    let (ids, name) = (frame.ids, &session.name);
    let subscriptions = frame.mxl.map(|it| &it.subscriptions);
    let subscription = subscriptions.and_then(|it| it.get(name)).copied();
    let subscription = subscription.unwrap_or_default();
    let (peer, active) = (subscription.peer, subscription.active);
    let same = json!({"device_id": ids.device(), "transport": TRANSPORT, "interface_bindings": []});
    let mut made = Vec::new();
    let (kind, id, own) = match carrier.direction {
        Way::In => {
            let (source, flow) = ids.flow_on_mxl(name);
            made.extend(flow_of(frame, session, &it, (source, flow)));
            let own = json!({
                "flow_id": (!made.is_empty()).then_some(flow),
                "caps": {},
                "manifest_href": null,
                "subscription": {"receiver_id": peer, "active": active},
            });
            (Kind::Sender, ids.on_mxl(Side::Sender, name), own)
        }
        Way::Out => {
            let own = json!({
                "format": urn(&it),
                "caps": caps(session, &it),
                "subscription": {"sender_id": peer, "active": active},
            });
            (Kind::Receiver, ids.on_mxl(Side::Receiver, name), own)
        }
    };
    let mut common = common(session, id, None);
    common["label"] = Value::String(format!("{name} (MXL)"));
    let mut resource = Resource::of(kind, id, &[common, same, own]);
    resource.subscription = Some(subscription);
    made.push(resource);
    made
}
