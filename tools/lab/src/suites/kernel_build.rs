//! The kernel that the tests boot builds. Its configuration makes warnings errors.

use crate::config::Config;
use crate::kernel;
use crate::outcome::Case;
use anyhow::Result;
use common::paths::Paths;

/// Builds it. The kernel without the option takes as long again: `make build KCONFIG=off`.
pub fn run(paths: &Paths, config: Config) -> Result<Vec<Case>> {
    let name = format!("{config} kernel");
    Ok(vec![match kernel::ensure(paths, config) {
        Ok(_) => Case::passed(name),
        Err(error) => Case::failed(name, format!("{error:#}")),
    }])
}
