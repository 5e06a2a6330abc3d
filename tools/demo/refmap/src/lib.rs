// SPDX-License-Identifier: GPL-2.0

//! Fresh memory from the kernel, filled in one of three ways.
//!
//! The crate never allocates, so that an implementation of `malloc` can stand on it.

#![no_std]

#[cfg(test)]
extern crate std;

mod errno;
mod fill;
mod mapper;
mod region;
mod report;

pub use errno::Errno;
pub use fill::Fill;
pub use mapper::MAP_REFPAGE;
pub use mapper::Mapper;
pub use mapper::SetupError;
pub use mapper::page_size;
pub use mapper::unmap;
pub use region::Region;
pub use report::HeapReport;

/// Counts the bytes of `memory` that equal `byte`.
pub fn count_pattern(memory: &[u8], byte: u8) -> usize {
    memory.iter().filter(|&&b| b == byte).count()
}
