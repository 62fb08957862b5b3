//! Which processors a program may use. In a cluster the API server's work is done on other machines than the gateway's; here
//! both share one, and what the load feels of a change would be for the most part what it feels of the API server.

#![allow(dead_code, reason = "each benchmark uses its own part of this")]

use std::process::Command;

/// The gateway's side of the machine, and that of all else.
pub struct Sides {
    pub gateway: String,
    pub others: String,
}

impl Sides {
    /// The first processor that this process may use, and the others; `None` where there is one alone.
    pub fn of_this_machine() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        let mut all = allowed.trim().split(',').flat_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            first.parse::<usize>().unwrap()..=last.parse().unwrap()
        });
        let gateway = all.next()?.to_string();
        let rest: Vec<String> = all.map(|processor| processor.to_string()).collect();
        (!rest.is_empty()).then(|| Self { gateway, others: rest.join(",") })
    }
}

/// Gives this process, and all that descends from it, these processors; each thread keeps what it has begun.
pub fn move_with_descendants(process: u32, processors: &str) {
    let mut all = vec![process];
    let mut next = 0;
    while let Some(process) = all.get(next) {
        all.extend(children(*process));
        next += 1;
    }
    for process in all {
        move_one(process, processors);
    }
}

/// Gives all threads of this process these processors.
pub fn move_one(process: u32, processors: &str) {
    let mut taskset = Command::new("taskset");
    let moved = taskset.args(["--all-tasks", "--cpu-list", "--pid", processors, &process.to_string()]).output();
    let moved = moved.expect("taskset runs (Debian package util-linux)");
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
}

fn children(process: u32) -> Vec<u32> {
    let of_thread = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children")).ok();
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let texts: Vec<String> = threads.filter_map(of_thread).collect();
    texts.iter().flat_map(|text| text.split_whitespace()).map(|child| child.parse().unwrap()).collect()
}
