// SPDX-License-Identifier: GPL-2.0

//! A `malloc` to preload, whose fresh memory holds a pattern.
//!
//! Small blocks come from the `dlmalloc` crate, which grows in steps of `REFHEAP_GRANULARITY`;
//! blocks of [`heap::DIRECT`] bytes and more are mapped one by one. All memory comes from
//! [`refmap`], in the way that `REFHEAP_MODE` names. `calloc` returns zeros in every mode.
//!
//! Nothing in here may allocate, panic or print through the standard library: it *is* the
//! allocator of the process, from before `main()` until after it. The unit tests run on it too.

mod abi;
mod config;
mod heap;
mod process;
mod source;
mod stats;
mod text;
