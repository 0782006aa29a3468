//! Checks that the memory was returned only after the kernel reported no holder.

use onair_api::{Certificate, Memory, Says, StepName, Witness, WordOf};

use crate::check::{Check, Flaw, Found, check, flaw};
use crate::steps::{ended, step};
use crate::witnesses::{one, whose};

pub(crate) fn checks(certificate: &Certificate) -> [Check; 1] {
    [check("memory", memory(certificate))]
}

fn memory(certificate: &Certificate) -> Found {
    let returned = step(certificate, StepName::MemoryReturned);
    let mapping = one(certificate, "mapping")
        .and_then(|reading| whose(reading, Witness::W4, WordOf::Kernel))
        .map_err(|error| Flaw(format!("W4: {error}")))?;
    if mapping.left_out > 0 {
        return flaw("W4 leaves a user out; it must not");
    }
    // At the verdict the reading of W4 is for information: memory is returned after a reading
    // behind the destroy.
    let looked_after =
        ended(certificate).is_some_and(|end| mapping.at_monotonic_ns >= end.monotonic_ns);
    match (&certificate.memory, mapping.says, returned) {
        (Memory::Returned { bytes, .. }, Says::Zero, Some(step)) => {
            if !looked_after {
                flaw("it was given back on a look that was before the end")
            } else if mapping.at_monotonic_ns > step.monotonic_ns {
                flaw("it was given back before W4 had looked")
            } else {
                Ok(format!("{bytes} bytes returned: {}", mapping.detail))
            }
        }
        (Memory::Returned { .. }, _, None) => {
            flaw("it is returned, and there is no step memory_returned")
        }
        (Memory::Returned { .. }, says, Some(_)) => {
            flaw(format!("it is returned, and W4 says {says}"))
        }
        (kept, _, Some(_)) => flaw(format!("there is a step memory_returned, and it is {kept}")),
        (kept, Says::Zero, None) if looked_after => flaw(format!("W4 says zero, and it is {kept}")),
        (Memory::Unverified { reason, .. }, Says::Unknown, None) => {
            Ok(format!("unverified: {reason}"))
        }
        (Memory::Unverified { .. }, says, None) => {
            flaw(format!("it is unverified, and W4 says {says}"))
        }
        (Memory::Pending { bytes, .. }, _, None) => {
            Ok(format!("{bytes} bytes kept aside: {}", mapping.detail))
        }
    }
}
