//! Lives lives.

use onair_sim::{Plan, live};

fn main() {
    let mut args = std::env::args().skip(1);
    let first: u64 = args.next().and_then(|it| it.parse().ok()).unwrap_or(0);
    let lives: u64 = args.next().and_then(|it| it.parse().ok()).unwrap_or(1000);
    let traced = args.next().is_some();
    let begun = std::time::Instant::now();
    let mut events = 0;
    let mut bad = 0;
    for seed in first..first + lives {
        let plan = Plan::new(seed);
        let report = live(&plan, traced);
        events += report.events;
        if traced {
            println!("{plan:#?}");
            report.trace.iter().for_each(|it| println!("{it}"));
        }
        if !report.violations.is_empty() {
            bad += 1;
            println!("{seed}: {}", report.violations[0]);
        }
    }
    let took = begun.elapsed().as_secs_f64();
    println!("{lives} lives, {bad} bad, {events} events, {:.0}/s", events as f64 / took);
}
