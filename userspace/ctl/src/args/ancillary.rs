//! Ancillary data on the command line: its flags, and the fields of documents that they stand for.

use clap::Args;
use onair_essence::ancillary::{AncillaryDocument, AncillaryStream, SeenAncillary};
use serde_json::{Value, json};

use super::essence::of_others;

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
    #[arg(long, value_name = "MODEL")]
    transmission: Option<String>,
}

impl Flags {
    /// Whether a session carries ancillary data by the flags.
    pub(super) const fn is_given(&self) -> bool {
        self.ancillary.is_some()
    }

    /// The format by the flags.
    pub(super) fn format(&self) -> Value {
        let mut format = json!({"frame_rate": self.ancillary});
        if self.fields {
            format["fields"] = json!(true);
        }
        format
    }

    /// Puts what the flags say of the packets over `format`.
    pub(super) fn put_packets(&self, format: &mut Value) {
        if !self.did_sdid.is_empty() {
            format["did_sdid"] = json!(self.did_sdid);
        }
        if let Some(vpid) = self.vpid {
            format["vpid"] = json!(vpid);
        }
        if let Some(model) = &self.transmission {
            format["transmission"] = json!(model);
        }
    }
}

/// Flags of `session retarget`: there are none.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct TimingFlags {}

impl TimingFlags {
    /// The timing by the flags.
    pub(super) fn fields(&self) -> Value {
        json!({})
    }
}

/// The timing that a description says, for a session that has the same format.
///
/// # Errors
/// What is wrong with the description, named `shown`: another rate among it.
pub(super) fn described_timing(
    shown: &str,
    described: &Value,
    own: &Value,
) -> Result<Value, String> {
    let read = |value: &Value| serde_json::from_value::<AncillaryDocument>(value.clone());
    let described = read(described).map_err(|error| format!("{shown}: {error}"))?;
    let own = read(own).map_err(|error| error.to_string())?;
    // 50 is 50/1.
    let stream =
        |it: &AncillaryDocument| AncillaryStream::try_from(it).map_err(|it| it.to_string());
    if stream(&described)?.rate != stream(&own)?.rate {
        return Err(format!(
            "{shown} describes {described}, but the session has {own}: create another session for it"
        ));
    }
    Ok(json!({}))
}

/// The format of what arrives.
///
/// # Errors
/// What the packets do not show.
pub(super) fn arriving(it: &SeenAncillary) -> Result<Value, String> {
    Ok(json!({"frame_rate": it.ancillary_rate, "fields": it.fields}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description_with_another_text_of_the_same_rate_then_the_same() {
        let rate = |text: &str| json!({ "frame_rate": text });
        let timing = described_timing("cc.sdp", &rate("50"), &rate("50/1"));
        assert_eq!(timing, Ok(json!({})));
        let other = described_timing("cc.sdp", &rate("25"), &rate("50/1")).unwrap_err();
        assert!(other.contains("create another session"), "{other}");
    }
}
