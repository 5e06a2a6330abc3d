//! The kernel that the tests boot builds. Its configuration makes warnings errors.

use crate::config::Config;
use crate::kernel;
use crate::outcome::Case;
use anyhow::Result;
use common::paths::Paths;

/// Builds it. The kernel without the option takes as long again: `make build KCONFIG=off`.
pub fn run(paths: &Paths) -> Result<Vec<Case>> {
    Ok(vec![match kernel::ensure(paths, Config::Test) {
        Ok(_) => Case::passed("test kernel"),
        Err(error) => Case::failed("test kernel", format!("{error:#}")),
    }])
}
