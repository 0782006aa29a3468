//! Why rows miss their targets, as traces and profiles on the machine of `docs/results/bench.json` showed.

use crate::result::row::Row;

/// A line each: property, how the row's name begins, cause.
const CAUSES: &str = include_str!("causes.txt");

fn causes() -> impl Iterator<Item = [&'static str; 3]> {
    let fields = |line: &'static str| line.splitn(3, " | ").collect::<Vec<_>>().try_into();
    CAUSES.lines().filter_map(move |line| fields(line).ok())
}

/// The known cause; `None` for a row that has met its target, or has none.
pub(crate) fn of(row: &Row) -> Option<&'static str> {
    if row.met != Some(false) || row.value.is_none() {
        return None;
    }
    let is_it = |[id, begin, _]: &[&str; 3]| *id == row.id && row.variant.starts_with(begin);
    // The longest of those that fit: N = 64 is no N = 6.
    let found = causes()
        .filter(is_it)
        .max_by_key(|[_, begin, _]| begin.len());
    found.map(|[.., cause]| cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::property::PROPERTIES;
    use crate::result::samples::Samples;

    fn row(id: &str, variant: &str, met: bool) -> Row {
        let ours: Samples = [1.0].into_iter().collect();
        Row::of(id, variant, "µs", &ours).target("≤ 1", |_| met)
    }

    #[test]
    fn cause_then_of_missed_rows_only_and_by_the_longest_name() {
        let found = |id, variant, met| of(&row(id, variant, met));
        assert!(
            found("P5", "N = 4 each way", false)
                .unwrap()
                .contains("sendto")
        );
        assert!(found("P5", "Cinst", false).unwrap().contains("poller"));
        assert_eq!(found("P5", "Cinst", true), None);
        assert_eq!(found("P2", "N = 1", false), None);
        assert_eq!(of(&Row::failed("P5", "no veth")), None);
    }

    #[test]
    fn causes_then_each_of_a_property() {
        assert_eq!(causes().count(), CAUSES.lines().count());
        for [id, ..] in causes() {
            assert!(PROPERTIES.iter().any(|it| it.id == id), "{id}");
        }
    }
}
