//! `onairsink`: frames for a send or local session.

mod element;
mod local;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

glib::wrapper! {
    /// The element.
    pub(crate) struct OnAirSink(ObjectSubclass<element::OnAirSink>)
        @extends gstreamer_base::BaseSink, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "onairsink",
        gst::Rank::NONE,
        OnAirSink::static_type(),
    )
}
