//! The plant's rows, one after the other: `onair-plant [--only ROW] [--json FILE]`. Called by `cargo xtask plant`.
#![forbid(unsafe_code)]

use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use onair_stage::Backend;
use onair_tests::plant::{Kind, ROWS};
use serde_json::json;

/// The drivers of a plant's ports.
const DRIVERS: [Backend; 2] = [Backend::AfPacket, Backend::AfXdp];

fn main() -> Result<()> {
    let (mut only, mut file) = (Vec::new(), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(word) = arguments.next() {
        let value = arguments
            .next()
            .with_context(|| format!("{word} needs a value"))?;
        match &*word {
            "--only" => only.push(value),
            "--json" => file = Some(value),
            _ => bail!("no such argument: {word}"),
        }
    }
    for name in &only {
        let names: Vec<_> = ROWS.iter().map(|it| it.name).collect();
        ensure!(
            names.contains(&&**name),
            "no row {name}: there are {}",
            names.join(", ")
        );
    }
    let (mut rows, mut failed) = (Vec::new(), 0);
    let begin = Instant::now();
    for row in ROWS.iter().filter(|row| match &only[..] {
        [] => row.kind != Kind::Long,
        names => names.iter().any(|it| it == row.name),
    }) {
        for driver in DRIVERS {
            let begin = Instant::now();
            let (passed, seen) = match row.run(driver) {
                Ok(seen) => (true, seen),
                Err(error) => (false, format!("{error:#}")),
            };
            let took = begin.elapsed().as_secs();
            let mark = if passed { "pass" } else { "FAIL" };
            println!("{mark}  {driver:<9}  {:<17}  {took:>3} s  {seen}", row.name);
            failed += usize::from(!passed);
            rows.push(json!({"row": row.name, "does": row.does, "driver": driver.name(), "passed": passed, "seen": seen, "seconds": took}));
        }
    }
    println!(
        "{} rows, {failed} failed, {} s",
        rows.len(),
        begin.elapsed().as_secs()
    );
    if let Some(file) = file {
        std::fs::write(
            &file,
            serde_json::to_string_pretty(&json!({"rows": rows}))? + "\n",
        )
        .context(file)?;
    }
    ensure!(failed == 0, "{failed} rows of the plant failed");
    Ok(())
}
