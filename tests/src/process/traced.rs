//! The system calls of a process, as strace(1) sees them: which, and in which order.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Deadline, Running, Stage, wait_for};
use rustix::process::Signal;

/// The system calls that are traced: those that bring bytes to a disk or to a socket.
const CALLS: &str = "write,pwrite64,writev,sendto,sendmsg,fsync,fdatasync,rename,renameat,renameat2,\
                     unlink,unlinkat";

/// A process whose threads are traced.
#[derive(Debug)]
pub struct Traced {
    strace: Running,
    output: PathBuf,
}

/// A system call that has ended.
#[derive(Clone, Debug)]
pub struct Call {
    /// As strace writes it: with its arguments, the files that descriptors stand for, and its result.
    pub text: String,
    /// Its place in the trace.
    began: usize,
    /// Where its end is in the trace.
    ended: usize,
}

impl Traced {
    /// Traces the threads of process `pid` that have one of these `names`; without names all.
    pub fn attach(stage: &Stage, pid: u32, names: &[&str]) -> Result<Self> {
        let output = stage.directory().join("strace");
        let threads = threads(pid, names)?;
        ensure!(!threads.is_empty(), "no thread is called {names:?}");
        let mut command = Command::new("strace");
        command.args(["-qq", "-y", "-s", "256", "-e"]);
        command.arg(format!("trace={CALLS}"));
        command.arg("-o").arg(&output);
        for thread in &threads {
            command.args(["-p", &thread.to_string()]);
        }
        let child = command.stdin(Stdio::null()).spawn();
        let child =
            child.context("strace: is it installed? `cargo xtask setup --for test` installs it")?;
        let strace = Running::new("strace", child)?;
        let tracer = format!("TracerPid:\t{}", strace.pid());
        wait_for("strace to be attached", 30, || {
            let is_traced = |thread: &u32| {
                let status = fs::read_to_string(format!("/proc/{pid}/task/{thread}/status"));
                status.is_ok_and(|status| status.lines().any(|line| line == tracer))
            };
            Ok(threads.iter().all(is_traced))
        })?;
        Ok(Self { strace, output })
    }

    /// Lets go of the threads; the calls that have ended, in the order of their ends.
    pub fn end(mut self) -> Result<Vec<Call>> {
        self.strace.signal(Signal::INT)?;
        self.strace.wait(Deadline::seconds(30))?;
        Ok(calls(&fs::read_to_string(&self.output)?))
    }
}

fn threads(pid: u32, names: &[&str]) -> Result<Vec<u32>> {
    let mut threads = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let thread = entry?.path();
        // It may have ended.
        let Ok(name) = fs::read_to_string(thread.join("comm")) else {
            continue;
        };
        if names.is_empty() || names.contains(&name.trim_end()) {
            let number = thread.file_name().and_then(|it| it.to_str());
            threads.push(number.context("a task has a number")?.parse()?);
        }
    }
    Ok(threads)
}

/// Puts calls together whose line was broken by another thread's.
fn calls(trace: &str) -> Vec<Call> {
    let mut open: HashMap<&str, (usize, &str)> = HashMap::new();
    let mut calls = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        // With one thread only, strace leaves its number out.
        let (thread, rest) = match line.split_once(' ') {
            Some((first, rest)) if first.bytes().all(|it| it.is_ascii_digit()) => {
                (first, rest.trim_start())
            }
            _ => ("", line),
        };
        let (began, text) = match rest.strip_suffix("<unfinished ...>") {
            Some(head) => {
                open.insert(thread, (at, head));
                continue;
            }
            None => match rest.split_once(" resumed>") {
                Some((_, tail)) => match open.remove(thread) {
                    Some((began, head)) => (began, format!("{head}{tail}")),
                    None => continue,
                },
                None => (at, rest.to_owned()),
            },
        };
        calls.push(Call {
            text,
            began,
            ended: at,
        });
    }
    calls
}

impl Call {
    fn is(&self, wanted: &[&str]) -> bool {
        wanted.iter().all(|part| self.text.contains(part)) && !self.text.contains(" = -1 ")
    }
}

/// Checks that there is a call for each of `wanted`, which has all of its parts in its text, and that none
/// begins before the one before has ended. Where there are several of the first, the first counts.
pub fn in_this_order(calls: &[Call], wanted: &[&[&str]]) -> Result<()> {
    let mut after = 0;
    for parts in wanted {
        let found = calls
            .iter()
            .find(|call| call.began >= after && call.is(parts));
        let found = found.with_context(|| {
            let lines: Vec<_> = calls.iter().map(|call| call.text.as_str()).collect();
            format!("no {parts:?} in its place:\n{}", lines.join("\n"))
        })?;
        after = found.ended + 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_with_broken_lines_then_joined_and_in_order_of_begin() {
        let trace = "7 fsync(3</a> <unfinished ...>\n8 write(4</b>, \"x\", 1) = 1\n\
                     7 <... fsync resumed>) = 0\n8 fsync(5</c>) = -1 EIO (Input/output error)\n";
        let calls = calls(trace);
        let texts: Vec<_> = calls.iter().map(|call| call.text.as_str()).collect();
        assert_eq!(texts[1], "fsync(3</a> ) = 0");
        in_this_order(&calls, &[&["write(", "/b"]]).unwrap();
        in_this_order(&calls, &[&["fsync(", "/a"], &["write("]]).unwrap_err();
        in_this_order(&calls, &[&["write("], &["fsync(", "/a"]]).unwrap_err();
        in_this_order(&calls, &[&["fsync(", "/c"]]).unwrap_err();
    }
}
