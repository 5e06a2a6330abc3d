//! The kernel builds with the option on and off. Its configurations make warnings errors.

use crate::config::Config;
use crate::kernel;
use crate::outcome::Case;
use anyhow::Result;
use common::paths::Paths;

/// Builds the configuration that the tests boot, then the one without the option.
pub fn run(paths: &Paths) -> Result<Vec<Case>> {
    let build = |config: Config| match kernel::ensure(paths, config) {
        Ok(_) => Case::passed(format!("{config} kernel")),
        Err(error) => Case::failed(format!("{config} kernel"), format!("{error:#}")),
    };
    Ok([Config::Test, Config::Off].map(build).into())
}
