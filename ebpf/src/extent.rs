//! The function that contains a site, found without symbols.
//!
//! Whoever is inside it has a return address in it on the stack. Its bounds
//! stand in `.eh_frame_hdr`, which no strip removes: a sorted table of the
//! first addresses of all functions (Linux Standard Base Core, section 10.6.2).

use crate::elf::{Elf, ReadAt};
use crate::sites::SiteError;

/// `DW_EH_PE_pcrel | DW_EH_PE_sdata4`: address of `.eh_frame`, not used here.
const POINTER: u8 = 0x1b;
/// `DW_EH_PE_udata4`: number of entries.
const COUNT: u8 = 0x03;
/// `DW_EH_PE_datarel | DW_EH_PE_sdata4`: the entries.
const TABLE: u8 = 0x3b;
/// Bytes before the table: four of encodings, the pointer, the count.
const TABLE_START: u64 = 12;
/// Bytes of an entry: first address of the function, address of its description.
const ENTRY: u64 = 8;

/// How far a function reaches around a place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes from its start to the place.
    pub before: u64,
    /// Bytes from the place to the start of the next function.
    pub after: u64,
}

/// The function around an offset of the file; `None` if the file does not tell.
///
/// # Errors
/// As [`crate::sites::find`]. Reads some hundred bytes.
pub fn extent<R: ReadAt + ?Sized>(file: &R, offset: u64) -> Result<Option<Extent>, SiteError> {
    let elf = Elf::read(file)?;
    let Some(address) = elf.executable_address(offset) else {
        return Ok(None);
    };
    let Some(section) = elf.section(".eh_frame_hdr")? else {
        return Ok(None);
    };
    let Some(header) = elf.part::<12>(section, 0)? else {
        return Ok(None);
    };
    let [1, POINTER, COUNT, TABLE, _, _, _, _, count @ ..] = header else {
        return Ok(None);
    };

    let start = |entry: u64| -> Result<Option<u64>, SiteError> {
        let at = entry
            .checked_mul(ENTRY)
            .and_then(|at| at.checked_add(TABLE_START));
        let Some(at) = at else { return Ok(None) };
        let relative = elf.part::<4>(section, at)?.map(i32::from_le_bytes);
        Ok(relative.map(|relative| section.address.wrapping_add_signed(relative.into())))
    };
    // Invariant: functions below `low` start at or before the address, those from `high` after it.
    let (mut low, mut high) = (0, u64::from(u32::from_le_bytes(count)));
    while low < high {
        let middle = low + (high - low) / 2;
        match start(middle)? {
            Some(first) if first <= address => low = middle + 1,
            Some(_) => high = middle,
            None => return Ok(None),
        }
    }
    let Some(this) = low.checked_sub(1) else {
        return Ok(None);
    };
    let (Some(first), Some(next)) = (start(this)?, start(low)?) else {
        return Ok(None);
    };
    Ok(Some(Extent {
        before: address.saturating_sub(first),
        after: next.saturating_sub(address),
    }))
}
