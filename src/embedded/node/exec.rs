//! `doorstep pod-exec`: the last step before a pod's command. It ties its life to the shim's, then becomes the command.

use std::{
    ffi::OsString,
    fs::File,
    io::{ErrorKind, Write},
    os::fd::AsFd,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
};

use nix::{
    sys::{
        prctl,
        signal::{SigSet, Signal},
    },
    unistd,
};

/// Runs `pod-exec PARENT FOLDER COMMAND [ARGUMENT…]`. Returns only when the command could not be run; the reason is then
/// written to the standard input, which is a socket of the shim.
pub fn exec_main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Ok(status) = std::io::stdin().as_fd().try_clone_to_owned() else { return ExitCode::FAILURE };
    let error = match become_command(arguments) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    // The clone is closed by a successful exec: the shim reads the end of the stream as success, any text as failure.
    let _ = File::from(status).write_all(error.as_bytes());
    ExitCode::FAILURE
}

fn become_command(arguments: impl IntoIterator<Item = OsString>) -> Result<std::convert::Infallible, String> {
    let mut arguments = arguments.into_iter();
    let (Some(parent), Some(folder), Some(command)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("pod-exec is started by doorstep itself, with a parent, a folder and a command".to_owned());
    };
    // A parent that died before the request was made would never be noticed: hence the check after it.
    prctl::set_pdeathsig(Signal::SIGKILL)
        .map_err(|error| format!("the process cannot be tied to its shim: {error}"))?;
    if parent.to_str().and_then(|pid| pid.parse().ok()) != Some(unistd::getppid().as_raw()) {
        return Err("the shim is gone".to_owned());
    }
    unistd::setsid().map_err(|error| format!("no session of its own: {error}"))?;
    std::env::set_current_dir(&folder).map_err(|error| {
        format!("the working directory {} cannot be entered: {error}", Path::new(&folder).display())
    })?;
    // The shim waits for its signals by blocking them, and a blocked signal stays blocked in all that it starts.
    SigSet::all().thread_unblock().map_err(|error| format!("signals: {error}"))?;
    let null = File::open("/dev/null").map_err(|error| format!("/dev/null: {error}"))?;
    unistd::dup2_stdin(&null).map_err(|error| format!("standard input: {error}"))?;
    let error = Command::new(&command).args(arguments).exec();
    Err(explain(&command, error.kind(), &error))
}

/// What a person can do about a command that does not start.
fn explain(command: &OsString, kind: ErrorKind, error: &std::io::Error) -> String {
    let shown = crate::model::shown(&command.to_string_lossy());
    let path = std::env::var("PATH").unwrap_or_default();
    let is_path = command.to_string_lossy().contains('/');
    let exists = if is_path {
        Path::new(command).exists()
    } else {
        std::env::split_paths(&path).any(|folder| folder.join(command).exists())
    };
    match kind {
        ErrorKind::NotFound if exists => {
            format!("the command {shown} exists, but the interpreter or loader that it names does not")
        }
        ErrorKind::NotFound if is_path => format!("the command {shown} does not exist"),
        ErrorKind::NotFound => format!("the command {shown} was not found on PATH ({path})"),
        ErrorKind::PermissionDenied => format!("the command {shown} is not executable"),
        _ => format!("the command {shown} cannot be run: {error}"),
    }
}
