//! Composition: only this room knows everyone.

mod folder;

pub use folder::DataFolder;
