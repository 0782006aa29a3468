//! The TOML parser's refusals in the words of the configuration: what to write instead.

use onair_api::nearest;

/// The parser's text, with Rust's types in words.
pub(super) fn plain(error: &toml::de::Error) -> String {
    let words = [
        ("expected u64\n", WHOLE),
        ("expected u32\n", WHOLE),
        ("expected u16\n", WHOLE),
        ("expected u8\n", WHOLE),
        ("expected usize\n", WHOLE),
        (
            ": map, expected a sequence\n",
            ": one table, expected a list\n",
        ),
        ("expected a sequence\n", "expected a list\n"),
        ("expected path string\n", "expected a path as text\n"),
        ("expected a string\n", "expected text\n"),
        ("expected a boolean\n", "expected true or false\n"),
        (
            "expected socket address\n",
            "expected an address with a port\n",
        ),
        (
            "invalid socket address syntax\n",
            "not an address with a port\n",
        ),
        ("wanted string or table\n", "expected text\n"),
    ];
    let text = words.iter().fold(error.to_string(), |text, (rust, word)| {
        text.replace(rust, word)
    });
    match text.split_once("expected struct ") {
        Some((begin, _)) => format!("{begin}expected a table\n"),
        None => text,
    }
}

const WHOLE: &str = "expected a whole number that is not negative and not so large\n";

/// Advice about `error` in the file `text`: lines, or nothing.
pub(super) fn advice(text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    let span = error.span().unwrap_or_default();
    let wrong = text.get(span.clone()).unwrap_or_default().trim();
    let line = text.get(..span.start).unwrap_or_default();
    let begin = line.rfind('\n').map_or(0, |at| at + 1);
    let line = &line[begin..];
    let key = line.rsplit_once('=').map_or(line, |(key, _)| key).trim();
    let key = key.rsplit([' ', ',', '{']).next().unwrap_or_default();
    what_to_write(message, key, wrong).map_or_else(|| meant(message), |advice| advice + "\n")
}

/// The value to write for the value `wrong` of `key`.
fn what_to_write(message: &str, key: &str, wrong: &str) -> Option<String> {
    let is_text = wrong.starts_with('"');
    let bare = wrong.trim_matches('"');
    Some(if message.contains("socket address") {
        format!("Write `{key} = \"127.0.0.1:9090\"`: an IP address and a port.")
    } else if message.ends_with("expected a sequence") {
        match wrong.strip_prefix('[') {
            Some(table) => {
                let name = table.trim_end_matches(']');
                format!("Write `[[{name}]]`: there can be several.")
            }
            None if is_text => format!("Write a list: `{key} = [{wrong}]`."),
            None => format!("Write each as a table of its own: `[[{key}]]`."),
        }
    } else if message.contains("expected struct ") {
        format!("Write its keys below the line `[{key}]`.")
    } else if message.contains("expected a string")
        || message.contains("expected path string")
        || message.contains("wanted string or table")
    {
        format!("Write it in quotes: `{key} = \"{bare}\"`.")
    } else if message.contains("unexpected leading zero") {
        format!("Write a number without the zero, and a mode in quotes: `{key} = \"0660\"`.")
    } else if message.ends_with("expected nothing") {
        format!("Write text in quotes: `{key} = \"…\"`.")
    } else if message.contains("expected a boolean") {
        format!("Write `{key} = true` or `{key} = false`.")
    } else if is_text && (message.contains("expected u") || message.contains("a whole number")) {
        let digits = bare.find(|it: char| !it.is_ascii_digit());
        let unit = match key.rsplit_once('_') {
            Some((_, "ms")) => ", in milliseconds",
            Some((_, "us")) => ", in microseconds",
            Some((_, "mb")) => ", in MiB",
            _ => "",
        };
        let example = if digits.is_none() && !bare.is_empty() {
            bare
        } else {
            "1000"
        };
        format!("Write a number without quotes{unit}: `{key} = {example}`.")
    } else {
        let missing = message.strip_prefix("missing field `")?;
        let name = missing.trim_end_matches('`');
        format!("Add the key `{name}` to this table.")
    })
}

/// The key or value that the parser expected and that is most like the unknown one.
fn meant(message: &str) -> String {
    // unknown field `a`, expected one of `b`, `c`
    let mut quoted = message.split('`').skip(1).step_by(2);
    let meant = quoted
        .next()
        .filter(|_| message.starts_with("unknown "))
        .and_then(|unknown| {
            let known: Vec<_> = quoted.collect();
            let lower = unknown.to_lowercase();
            nearest(unknown, known.clone()).or_else(|| nearest(&lower, known))
        });
    meant.map_or_else(String::new, |name| format!("Did you mean `{name}`?\n"))
}

#[cfg(test)]
mod tests {
    use super::{advice, meant, plain};
    use crate::config::Config;

    #[test]
    fn unknown_key_or_value_then_the_nearest_that_is_known() {
        for (message, expected) in [
            (
                "unknown field `socked`, expected one of `mode`, `socket`, `group`",
                "Did you mean `socket`?\n",
            ),
            (
                "unknown variant `requird`, expected `required` or `off`",
                "Did you mean `required`?\n",
            ),
            ("unknown field `nix`, expected one of `mode`, `socket`", ""),
            ("missing field `name`", ""),
            (
                "unknown variant `JSON`, expected `text` or `json`",
                "Did you mean `json`?\n",
            ),
        ] {
            assert_eq!(meant(message), expected);
        }
    }

    /// The file, with `; ` for the end of a line, and what to write instead.
    const WRONG: &str = r#"[poller]; name = "p" => Write `[[poller]]`: there can be several.
[port]; name = "p" => Write `[[port]]`
[session]; name = "p" => Write `[[session]]`
[control.role]; role = "own" => Write `[[control.role]]`
poller = "p" => Write a list: `poller = ["p"]`.
poller = 1 => Write each as a table of its own: `[[poller]]`.
[metrics]; listen = "9090" => Write `listen = "127.0.0.1:9090"`: an IP address and a port.
[metrics]; listen = 9090 => Write `listen = "127.0.0.1:9090"`
[control]; mode = 660 => Write it in quotes: `mode = "660"`.
[control]; mode = 0660 => a mode in quotes: `mode = "0660"`
[control]; socket = 5 => Write it in quotes: `socket = "5"`.
control = 5 => Write its keys below the line `[control]`.
[probe]; mode = true => Write it in quotes: `mode = "true"`.
[log]; format = "JSON" => Did you mean `json`?
[limits]; sessions = "12" => Write a number without quotes: `sessions = 12`.
[timeouts]; prove_ms = "5s" => Write a number without quotes, in milliseconds: `prove_ms = 1000`.
[[poller]]; core = 1 => Add the key `name` to this table.
[[port]]; name = "a"; address = 10.0.0.1 => Write text in quotes: `address = "…"`.
[dpdk]; pci = "yes" => Write `pci = true` or `pci = false`.
[[session]]; name = "c"; video = {width = 64, height = 32, frame_rate = 59.94, depth = 8} => write "60000/1001"
[[session]]; name = "c"; video = {width = "64", height = 32} => Write a number without quotes: `width = 64`."#;

    #[test]
    fn file_that_the_parser_refuses_then_says_what_to_write() {
        for case in WRONG.lines() {
            let (text, expected) = case.split_once(" => ").unwrap();
            let text = text.replace("; ", "\n");
            let error = toml::from_str::<Config>(&text).unwrap_err();
            let said = plain(&error) + &advice(&text, &error);
            assert!(said.contains(expected), "{said}");
            for jargon in ["sequence", "struct", "u64", "usize", " map"] {
                assert!(!said.contains(jargon), "{said}");
            }
        }
    }
}
