//! What the project's tools share.
//!
//! [`paths`] knows where things lie, [`arch`] what the kernel is built for, [`cmd`] runs programs and turns their
//! failure into one sentence, [`progress`] shows long work, [`base`] makes the kernel base a git repository and applies
//! the series to it.

pub mod arch;
pub mod base;
pub mod cmd;
mod deb;
mod import;
pub mod paths;
pub mod progress;
