//! Frame rates as other programs write them.

use onair_sdp::DescribedRate;

#[test]
fn rate_as_a_decimal_then_the_exact_one() {
    for (text, rate) in [
        ("50", "50"),
        ("50.0", "50"),
        ("25.000000", "25"),
        ("60000/1001", "60000/1001"),
        ("60000 / 1001", "60000/1001"),
        ("59.94", "60000/1001"),
        ("59.9401", "60000/1001"),
        ("59.94005994", "60000/1001"),
        ("29.97", "30000/1001"),
        ("23.98", "24000/1001"),
        ("23.976", "24000/1001"),
        ("119.88", "120000/1001"),
        ("12.5", "25/2"),
    ] {
        let found = DescribedRate::of_text(text).map(|it| it.to_string());
        assert_eq!(found.as_deref(), Some(rate), "{text}");
    }
    for text in [
        "",
        "0",
        "0.0",
        ".",
        "-25",
        "25.x",
        "5e1",
        "50/0",
        "4294967295.5",
        "99999999999",
    ] {
        assert_eq!(DescribedRate::of_text(text), None, "{text}");
    }
}
