//! Ancillary data on the command line: its flags, and the fields of documents that they stand for.

use clap::Args;
use onair_essence::ancillary::{AncillaryDocument, AncillaryPatch, SeenAncillary, Transmission};

use super::essence::of_others;
use super::parse::word;

/// The flag that says that a session carries this essence.
pub(super) const FIRST: &str = "ancillary";

/// Fields of a session, each with its flag.
pub(super) const FLAGS: &[(&str, &str)] = &[
    ("ancillary.frame_rate", "--ancillary"),
    ("ancillary.fields", "--fields"),
    ("ancillary.did_sdid", "--did-sdid"),
    ("ancillary.vpid", "--vpid"),
    ("ancillary.transmission", "--transmission"),
];

/// Flags of the format: a description has it, and packets show it.
pub(super) const OF_FORMAT: &[&str] = &["ancillary", "fields"];
/// Flags of how packets are made.
pub(super) const OF_PACKETS: &[&str] = &["did_sdid", "vpid", "transmission"];
/// Flags of the packets' timing.
pub(super) const OF_TIMING: &[&str] = &[];

/// Examples of `session create` by flags.
pub(super) const EXAMPLES: &str = "  onairctl session create cc1 --direction receive --port b --ancillary 60000/1001 \\
      --destination 10.77.0.2:5006";
/// Examples of converted sessions: there are none.
pub(super) const CONVERTED_EXAMPLES: &str = "";

/// Flags of `session create`.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Ancillary data (ST 2110-40) of a video of so many frames a second: 60, or exactly 60000/1001
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, conflicts_with_all = of_others("ancillary"))]
    ancillary: Option<String>,

    /// Ancillary data: the video is interlaced, and each buffer is of a field
    #[arg(long, requires = "ancillary")]
    fields: bool,

    /// Ancillary data: a kind of packets that is sent, as 61/02; give it once for each
    #[arg(long, value_name = "DID/SDID")]
    did_sdid: Vec<String>,

    /// Ancillary data: payload identifier of the video signal, 0 to 255 (ST 352)
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    vpid: Option<u32>,

    /// Ancillary data: transmission model, ctm or lltm [default: ctm]
    #[arg(long, value_name = "MODEL", hide_possible_values = true, value_parser = word(Transmission::ALL, Transmission::as_str))]
    transmission: Option<Transmission>,
}

impl Flags {
    /// The frame rate by the flags.
    pub(super) fn rate(&self) -> Option<&str> {
        self.ancillary.as_deref()
    }

    /// Whether the flags say how large packets are.
    pub(super) const fn says_packets(&self) -> bool {
        false
    }

    /// The format by the flags, if they say one.
    pub(super) fn format(&self) -> Option<AncillaryDocument> {
        Some(AncillaryDocument {
            frame_rate: self.ancillary.clone()?,
            ..AncillaryDocument::default()
        })
    }

    /// Puts what the flags say of the packets over `format`.
    pub(super) fn put_packets(&self, format: &mut AncillaryDocument) {
        format.fields = self.fields.then_some(true).or(format.fields);
        if !self.did_sdid.is_empty() {
            format.did_sdid.clone_from(&self.did_sdid);
        }
        format.vpid = self.vpid.or(format.vpid);
        format.transmission = self.transmission.or(format.transmission);
    }
}

/// Flags of `session retarget`: there are none.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct TimingFlags {}

impl TimingFlags {
    /// Puts the timing by the flags over that of a description: there is none.
    pub(super) const fn put(&self, _: &mut AncillaryPatch) {}
}

/// The largest datagram.
pub(super) const fn max_udp(_: &mut AncillaryDocument) -> Option<&mut Option<u32>> {
    None
}

/// Whether each unit is a field.
pub(super) fn has_fields(format: &AncillaryDocument) -> bool {
    format.fields == Some(true)
}

/// The format of what arrives.
///
/// # Errors
/// The facts that the packets do not show, for people.
pub(super) fn arriving(it: &SeenAncillary) -> Result<AncillaryDocument, String> {
    Ok(AncillaryDocument {
        frame_rate: it.ancillary_rate.clone(),
        fields: Some(it.fields),
        ..AncillaryDocument::default()
    })
}
