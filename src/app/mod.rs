//! Composition: only this room knows everyone.

mod folder;

pub use folder::DataFolder;

/// Stands in until the composition is there.
pub mod up {
    /// Runs it.
    pub fn run(_: crate::cli::UpOptions) -> anyhow::Result<()> {
        anyhow::bail!("doorstep up is not part of this build")
    }
}

/// Stands in until the composition is there.
pub mod gateway {
    /// Runs it.
    pub fn run(_: crate::cli::GatewayOptions) -> anyhow::Result<()> {
        anyhow::bail!("doorstep gateway is not part of this build")
    }
}

/// Stands in until the composition is there.
pub mod manager {
    /// Runs it.
    pub fn run(_: crate::cli::ManagerOptions) -> anyhow::Result<()> {
        anyhow::bail!("doorstep manager is not part of this build")
    }
}
