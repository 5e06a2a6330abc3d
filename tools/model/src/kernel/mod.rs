// SPDX-License-Identifier: GPL-2.0

//! The kernel's side doors: files in `/proc` and `/sys`, and calls that the C library has no name for.

pub mod core;
pub mod events;
pub mod facility;
pub mod fault;
pub mod knob;
pub mod log;
pub mod pager;
pub mod ring;
pub mod scan;
pub mod smaps;
pub mod tracer;
pub mod vma;
