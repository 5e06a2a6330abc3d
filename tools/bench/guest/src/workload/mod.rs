// SPDX-License-Identifier: GPL-2.0

//! What is measured.

pub mod everybody;
pub mod fault;
pub mod heap;
pub mod microbench;
pub mod processor;
pub mod read_first;
pub mod reads;
pub mod scale;
pub mod tags;
