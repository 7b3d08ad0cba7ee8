//! `latchwork serve`: configuration, store, listeners, run.

use std::path::PathBuf;

use clap::Args;

use super::Failure;

/// Serve until told to stop
#[derive(Args)]
pub(super) struct Serve {
    /// The directory that `latchwork init` made
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let _ = self.dir;
        Ok(())
    }
}
