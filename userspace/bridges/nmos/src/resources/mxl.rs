//! The resources of what `onair-mxl` carries (BCP-007-03).

use onair_api::SessionView;
use onair_essence::Format;
use serde_json::{Value, json};

use super::session::{caps, common, flow_of, urn};
use super::{Frame, Kind, Resource};
use crate::essence::{Described, describe_on_mxl};
use crate::mxl::{Carrier, Way};

const TRANSPORT: &str = "urn:x-nmos:transport:mxl";

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
            let (source, flow) = ids.mxl_source_and_flow(name);
            made.extend(flow_of(frame, session, &it, (source, flow)));
            let own = json!({
                "flow_id": (!made.is_empty()).then_some(flow),
                "caps": {},
                "manifest_href": null,
                "subscription": {"receiver_id": peer, "active": active},
            });
            (Kind::Sender, ids.mxl_sender(name), own)
        }
        Way::Out => {
            let own = json!({
                "format": urn(&it),
                "caps": caps(session, &it),
                "subscription": {"sender_id": peer, "active": active},
            });
            (Kind::Receiver, ids.mxl_receiver(name), own)
        }
    };
    let mut common = common(session, id, None);
    common["label"] = Value::String(format!("{name} (MXL)"));
    let mut resource = Resource::of(kind, id, &[common, same, own]);
    resource.subscription = Some(subscription);
    made.push(resource);
    made
}
