//! Checks that the memory was returned only after the kernel reported no holder.

use super::course::{ended, step};
use super::witnesses::{one, whose};
use super::{Check, Found, check};
use crate::certificate::{Certificate, Memory, StepName};
use crate::verdict::{Says, Witness, WordOf};

pub(super) fn checks(certificate: &Certificate) -> [Check; 1] {
    [check("memory", memory(certificate))]
}

fn memory(certificate: &Certificate) -> Found {
    let returned = step(certificate, StepName::MemoryReturned);
    let mapping = one(certificate, "mapping")
        .and_then(|reading| whose(reading, Witness::W4, WordOf::Kernel))
        .map_err(|error| format!("W4: {error}"))?;
    if mapping.left_out > 0 {
        return Err("W4 leaves a user out; it must not".to_owned());
    }
    // At the verdict the reading of W4 is for information: memory is returned after a reading
    // behind the destroy.
    let looked_after =
        ended(certificate).is_some_and(|end| mapping.at_monotonic_ns >= end.monotonic_ns);
    match (&certificate.memory, mapping.says, returned) {
        (Memory::Returned { bytes, .. }, Says::Zero, Some(step)) => {
            if !looked_after {
                Err("it was given back on a look that was before the end".to_owned())
            } else if mapping.at_monotonic_ns > step.monotonic_ns {
                Err("it was given back before W4 had looked".to_owned())
            } else {
                Ok(format!("{bytes} bytes returned: {}", mapping.detail))
            }
        }
        (Memory::Returned { .. }, _, None) => {
            Err("it is returned, and there is no step memory_returned".to_owned())
        }
        (Memory::Returned { .. }, says, Some(_)) => {
            Err(format!("it is returned, and W4 says {says}"))
        }
        (kept, _, Some(_)) => Err(format!("there is a step memory_returned, and it is {kept}")),
        (kept, Says::Zero, None) if looked_after => Err(format!("W4 says zero, and it is {kept}")),
        (Memory::Unverified { reason, .. }, Says::Unknown, None) => {
            Ok(format!("unverified: {reason}"))
        }
        (Memory::Unverified { .. }, says, None) => {
            Err(format!("it is unverified, and W4 says {says}"))
        }
        (Memory::Pending { bytes, .. }, _, None) => {
            Ok(format!("{bytes} bytes kept aside: {}", mapping.detail))
        }
    }
}
