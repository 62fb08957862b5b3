//! The data folder: one at a time holds it, and it can be written.

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "doorstep.lock";

/// A data folder that this process alone uses, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: Flock<File>,
}

impl DataFolder {
    /// Makes the folder where it is missing, takes its lock, and checks that it can be written.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| {
            format!("the data folder {shown} cannot be made; give one that can be written with --data")
        })?;
        let lock = take_lock(path)?;
        check_writable(path)?;
        let path = path.canonicalize().with_context(|| format!("the data folder {shown} cannot be read"))?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn take_lock(folder: &Path) -> Result<Flock<File>> {
    let shown = folder.display();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(folder.join(LOCK_FILE)).with_context(|| {
        format!("the data folder {shown} cannot be written; give one that can with --data, or mend its permissions")
    })?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            // Only a courtesy for the sentence below: the lock itself is the kernel's.
            let _no_courtesy = lock.set_len(0).and_then(|()| lock.write_all(std::process::id().to_string().as_bytes()));
            Ok(lock)
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            let _unknown = file.rewind().and_then(|()| file.read_to_string(&mut holder));
            let holder = holder.trim().parse::<u32>().map(|pid| format!(" by process {pid}")).unwrap_or_default();
            bail!(
                "the data folder {shown} is in use{holder}; stop that one first, or give this one a folder of its own with --data"
            )
        }
        Err((_, error)) => bail!("the data folder {shown} cannot be locked: {error}"),
    }
}

/// A full disk is best told before anything was begun.
fn check_writable(folder: &Path) -> Result<()> {
    let probe = folder.join(".write-probe");
    let written = fs::write(&probe, [0_u8; 4096]);
    let _gone = fs::remove_file(&probe);
    written.with_context(|| {
        format!(
            "the data folder {} cannot be written; make room or mend its permissions, or give another one with --data",
            folder.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataFolder::open(folder.path()).unwrap();
        let said = DataFolder::open(folder.path()).unwrap_err().to_string();
        assert!(said.contains(&format!("in use by process {}", std::process::id())), "{said}");
        assert!(said.contains("--data"), "{said}");
        drop(first);
        assert!(DataFolder::open(folder.path()).is_ok());
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let said = DataFolder::open(&file).unwrap_err().to_string();
        assert!(said.contains("--data"), "{said}");
    }
}
