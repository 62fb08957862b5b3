//! What can keep the embedded cluster from starting.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the embedded cluster's API did not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The data folder cannot be written.
    #[error("{} cannot be written ({why}); check the folder and its permissions, or give another one with --data", path.display())]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The disk is full.
    #[error("the disk that holds {} is full; free some space, or give another folder with --data", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The database is truncated or corrupt.
    #[error("{} is damaged ({why}); restore it from a backup, or move it away to start with an empty cluster", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        why: String,
    },
    /// The database was written by a newer program.
    #[error("{} has schema {found}, and this doorstep knows up to {known}; run the newer doorstep that wrote it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema that it has.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// The database does not work for another reason.
    #[error("{} cannot be used: {why}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// The port of the API cannot be had.
    #[error("the Kubernetes API cannot listen on {address}: {why}; choose another address with --kube")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        why: std::io::Error,
    },
    /// The server's certificate cannot be made.
    #[error("the Kubernetes API has no certificate: {0}")]
    Certificate(String),
    /// The schema of a kind does not hold.
    #[error("the schema of {kind} cannot be used: {why}")]
    Schema {
        /// The kind.
        kind: String,
        /// What is wrong with it.
        why: String,
    },
    /// What every cluster holds could not be written.
    #[error("the cluster's first objects cannot be made: {0}")]
    FirstObjects(String),
}
