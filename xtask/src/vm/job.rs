//! What the machine runs: jobs, and the script that runs them and reports.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// One command with a name.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// One word.
    pub(crate) name: String,
    /// A line for bash.
    pub(crate) command: String,
    /// How long it may take at the speed of this machine.
    pub(crate) limit: Duration,
}

/// A busy loop whose time says how fast a machine is; it prints µs.
pub(crate) const CALIBRATION: &str = "\
begin=${EPOCHREALTIME/[.,]}
for ((i = 0; i < 200000; i++)); do :; done
echo $((${EPOCHREALTIME/[.,]} - begin))
";

/// What a job's limit is multiplied by, in per cent: never less than 100.
pub(crate) fn factor(host: u64, guest: u64) -> u64 {
    (guest * 100 / host.max(1)).max(100)
}

/// `limit` on a machine that is slower by `factor` per cent.
pub(crate) fn scaled(limit: Duration, factor: u64) -> Duration {
    Duration::from_millis(
        u64::try_from(limit.as_millis()).unwrap_or(u64::MAX / 1_000_000) * factor / 100,
    )
}

/// What the script needs to know.
pub(crate) struct Script<'a> {
    /// Begins each report; no output has it by accident.
    pub(crate) token: &'a str,
    /// The time of [`CALIBRATION`] on the host, in µs.
    pub(crate) host: u64,
    /// Where the tree lies on the host, and in the machine.
    pub(crate) tree: &'a Path,
    /// Where this program expects its own tree.
    pub(crate) root: &'a Path,
    pub(crate) jobs: &'a [Job],
}

impl Script<'_> {
    /// The script for bash.
    pub(crate) fn text(&self) -> String {
        let (token, host) = (self.token, self.host);
        let tree = quote(&self.tree.to_string_lossy());
        let root = quote(&self.root.to_string_lossy());
        let mut text = format!(
            "\
modprobe virtio_console
udevadm settle
exec 3>/dev/virtio-ports/onair
report() {{ printf '\\x1e{token} %s\\n' \"$*\" >&3; }}
mkdir -p {root} {tree}
mount --bind /payload/tree {tree}
cd {tree}
export HOME=/root LANG=C.UTF-8 PATH={tree}/target/debug:/payload/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
report booted \"$(cut -d' ' -f1 /proc/uptime)\" \"$(uname -r)\"
guest=$(
{CALIBRATION})
factor=$((guest * 100 / {host}))
((factor < 100)) && factor=100
export ONAIR_TIME_SCALE=$((factor / 100))
report calibrated \"$guest\"
"
        );
        self.write_jobs(&mut text);
        text
    }

    fn write_jobs(&self, text: &mut String) {
        for job in self.jobs {
            let (name, command) = (quote(&job.name), quote(&job.command));
            let seconds = job.limit.as_secs();
            write!(
                text,
                "\
report begin {name}
timeout --signal=INT --kill-after=20 $(({seconds} * factor / 100)) bash -c {command} </dev/null >&3 2>&1
report end {name} $?
"
            )
            .expect("a string takes what is written");
        }
    }
}

/// `words` as a line for a shell, each of them as it is.
pub(crate) fn quoted(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| quote(word)).collect();
    words.join(" ")
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn words_reach_the_command_as_they_are() {
        let words = ["printf", "%s|", "a b", "it's", "$HOME", "*", "", "\"\n"].map(str::to_owned);
        let line = quoted(&words);
        let done = Command::new("bash").args(["-c", &line]).output().unwrap();
        assert_eq!(done.stdout, b"a b|it's|$HOME|*||\"\n|");
    }

    #[test]
    fn slow_machine_gets_more_time_and_a_fast_one_not_less() {
        assert_eq!(factor(1000, 12_500), 1250);
        assert_eq!(factor(1000, 500), 100);
        assert_eq!(factor(0, 500), 50_000);
        assert_eq!(
            scaled(Duration::from_secs(60), 250),
            Duration::from_secs(150)
        );
    }

    #[test]
    fn script_is_valid_and_runs_each_job_with_its_limit() {
        let jobs = ["a", "b"].map(|name| Job {
            name: name.to_owned(),
            command: format!("echo {name}; exit 3"),
            limit: Duration::from_secs(7),
        });
        let text = Script {
            token: "T",
            host: 250_000,
            tree: Path::new("/a tree"),
            root: Path::new("/root of it"),
            jobs: &jobs,
        }
        .text();
        let check = Command::new("bash").args(["-n", "-c", &text]).status();
        assert!(check.unwrap().success(), "{text}");
        let limits = text.matches("$((7 * factor / 100)) bash -c 'echo ").count();
        assert_eq!(limits, 2);
        assert!(text.contains("mount --bind /payload/tree '/a tree'\n"));
    }

    #[test]
    fn calibration_prints_a_number() {
        let done = Command::new("bash")
            .args(["-c", CALIBRATION])
            .output()
            .unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(text.trim().parse::<u64>().unwrap() > 0);
    }
}
