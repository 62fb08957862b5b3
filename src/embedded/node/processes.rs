//! What `/proc` says about processes: who descends from whom, and what they use.

use std::fs;

/// One line of `/proc/<pid>/stat`, as far as it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub parent: i32,
    /// Processor time of the process and of the children it has waited for, in ticks of 10 ms.
    pub ticks: u64,
}

/// All processes below `root`, without `root` itself.
pub(super) fn descendants(root: i32) -> Vec<i32> {
    let mut found = children(root);
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        found.extend(children(pid));
        next += 1;
    }
    found
}

/// The direct children of a process, in all its threads.
fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for task in tasks.flatten() {
        match fs::read_to_string(task.path().join("children")) {
            Ok(text) => found.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok())),
            // A kernel without CONFIG_PROC_CHILDREN: everyone must be asked for its parent.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && task.path().exists() => {
                return all().filter(|other| stat(*other).is_some_and(|stat| stat.parent == pid)).collect();
            }
            Err(_) => {}
        }
    }
    found
}

/// Every process that this one can see.
pub(super) fn all() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The process's `stat`, or none when it is gone.
pub(super) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The command stands in parentheses and may itself contain parentheses and spaces: the last one ends it.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = [11, 12, 13, 14].into_iter().filter_map(number).sum();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}

/// Memory of a process in bytes: its proportional share where the kernel tells it, else what is resident.
pub(super) fn memory_bytes(pid: i32) -> u64 {
    let line = |file: &str, key: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.saturating_mul(1024))
    };
    line("smaps_rollup", "Pss:").or_else(|| line("status", "VmRSS:")).unwrap_or(0)
}

/// Whether the environment with which the process was started holds all these `NAME=value` texts.
pub(super) fn has_environment(pid: i32, wanted: &[String]) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    wanted.iter().all(|wanted| environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_does_not_shift_the_fields() {
        let text = "42 (a) b (c)) S 7 42 42 0 -1 4194560 100 0 0 0 5 6 7 8 20 0 1 0 100 1000 10 0";
        assert_eq!(parse_stat(text), Some(Stat { parent: 7, ticks: 26 }));
    }

    #[test]
    fn a_process_is_found_below_its_parent_with_its_environment() {
        let mut child = std::process::Command::new("sleep").arg("60").env("DOORSTEP_TEST", "x").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let me = i32::try_from(std::process::id()).unwrap();
        assert!(descendants(me).contains(&pid));
        assert_eq!(stat(pid).unwrap().parent, me);
        // The child may not have reached its `exec` yet, and shows its parent's environment until then.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !has_environment(pid, &["DOORSTEP_TEST=x".to_owned()]) {
            assert!(std::time::Instant::now() < deadline);
        }
        assert!(memory_bytes(me) > 0);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
