//! `onairctl help TOPIC`: the user's pages on the terminal.

use std::ffi::OsString;

use crate::render::page;

/// A topic with its page.
macro_rules! topics {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../docs/", $name, ".md")))),+]
    };
}

/// Each topic, in the order of `onairctl help topics`.
pub(crate) const TOPICS: &[(&str, &str)] = topics![
    "first-stream",
    "nic",
    "operate",
    "troubleshoot",
    "failure-and-upgrade",
    "monitoring",
    "security",
    "clock",
    "kubernetes",
    "plan",
    "timing",
    "client",
    "formats",
];
/// The topic that lists the others.
pub(crate) const LIST: &str = "topics";

/// The text that `arguments`, program included, ask for; `None` if that is no topic: then it may be a command.
pub(crate) fn asked(arguments: &[OsString]) -> Option<String> {
    match arguments {
        [_, help, topic] if help == "help" => text(TOPICS, topic.to_str()?),
        _ => None,
    }
}

fn text(topics: &[(&str, &str)], topic: &str) -> Option<String> {
    if topic == LIST {
        let lines = topics.iter().map(|(name, text)| {
            let title = page::title(text);
            format!("  {name:20} {title}\n")
        });
        let lines: String = lines.collect();
        return Some(format!(
            "onairctl help TOPIC shows one of these pages:\n\n{lines}"
        ));
    }
    let (_, text) = topics.iter().find(|(name, _)| *name == topic)?;
    Some(page::plain(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn topic_then_its_page_and_in_the_list() {
        let topics = [("nic", "# A NIC\n\nBind it.\n"), ("clock", "# A clock\n")];
        assert_eq!(text(&topics, "nic").unwrap(), "A NIC\n\nBind it.\n");
        let list = text(&topics, LIST).unwrap();
        assert!(
            list.contains("\n  nic                  A NIC\n  clock "),
            "{list}"
        );
        assert_eq!(text(&topics, "session"), None);
    }

    #[test]
    fn other_arguments_then_left_to_the_parser() {
        for line in [
            "onairctl help",
            "onairctl help session",
            "onairctl help session create",
        ] {
            let arguments: Vec<_> = line.split(' ').map(OsString::from).collect();
            assert_eq!(asked(&arguments), None, "{line}");
        }
        let list = ["onairctl", "help", LIST].map(OsString::from);
        assert!(asked(&list).is_some());
    }

    #[test]
    fn topics_then_none_hides_a_command() {
        let command = Cli::command();
        for (topic, text) in TOPICS {
            assert!(command.find_subcommand(topic).is_none(), "{topic}");
            assert!(
                !page::title(text).is_empty(),
                "{topic} begins with no title"
            );
        }
    }
}
