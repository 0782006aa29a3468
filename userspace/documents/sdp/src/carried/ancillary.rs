//! Which ancillary data OnAir carries.

use onair_essence::ancillary::{AncillaryDocument, AncillaryStandard as Standard, Transmission};

use super::NotCarried;
use crate::essence::ancillary::{Ancillary, AncillaryStandard, TransmissionModel};

impl Ancillary {
    /// The format as a session specification has it. A description says nothing of fields.
    ///
    /// # Errors
    /// [`NotCarried`]: it has no frame rate.
    pub fn carried(&self) -> Result<AncillaryDocument, NotCarried> {
        let rate = self.rate.ok_or(NotCarried::Rate)?;
        let kinds = self.kinds.iter();
        Ok(AncillaryDocument {
            frame_rate: rate.to_string(),
            fields: None,
            did_sdid: kinds
                .map(|(did, sdid)| format!("{did:02x}/{sdid:02x}"))
                .collect(),
            vpid: self.vpid.map(u32::from),
            transmission: self.transmission.map(|it| match it {
                TransmissionModel::Compatible => Transmission::Compatible,
                TransmissionModel::LowLatency => Transmission::LowLatency,
            }),
            standard: self.standard.map(|it| match it {
                AncillaryStandard::Y2018 => Standard::Y2018,
                AncillaryStandard::Y2021 => Standard::Y2021,
                AncillaryStandard::Y2023 => Standard::Y2023,
            }),
            tr_offset_us: self.tr_offset_us,
        })
    }
}
