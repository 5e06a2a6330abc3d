// SPDX-License-Identifier: GPL-2.0

//! Scudo as a library to preload, made when this crate is built.

use std::path::{Path, PathBuf};

/// The folder with `libscudo.so` and the source that it was made from.
pub fn folder() -> &'static Path {
    Path::new(env!("REFSCUDO_FOLDER"))
}

/// The library, to be named in `LD_PRELOAD`.
pub fn library() -> PathBuf {
    folder().join("libscudo.so")
}
