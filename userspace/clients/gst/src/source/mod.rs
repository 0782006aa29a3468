//! `onairsrc`: frames of a receive session.

mod element;
mod flow;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

glib::wrapper! {
    /// The element.
    pub(crate) struct OnAirSrc(ObjectSubclass<element::OnAirSrc>)
        @extends gstreamer_base::PushSrc, gstreamer_base::BaseSrc, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "onairsrc",
        gst::Rank::NONE,
        OnAirSrc::static_type(),
    )
}
