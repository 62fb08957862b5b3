//! The binary: allocator, arguments, hand over.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // The two steps between doorstep and a pod's command start often and must start fast: before arguments and runtimes.
    match std::env::args_os().nth(1).as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("pod-shim") => doorstep::embedded::node::shim_main(),
        Some("pod-exec") => doorstep::embedded::node::exec_main(std::env::args_os().skip(2)),
        _ => doorstep::cli::run(std::env::args_os()),
    }
}
