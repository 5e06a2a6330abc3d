// SPDX-License-Identifier: GPL-2.0

//! Fault injection: one allocation of this thread fails.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

const NTH: &str = "/proc/thread-self/fail-nth";
const DEBUG: &str = "/sys/kernel/debug";

/// Lets allocations that may wait, and those of user memory, fail too; nothing is printed of it.
pub fn prepare() -> io::Result<()> {
    for (file, value) in [
        ("failslab/ignore-gfp-wait", "N"),
        ("failslab/verbose", "0"),
        ("fail_page_alloc/ignore-gfp-wait", "N"),
        ("fail_page_alloc/ignore-gfp-highmem", "N"),
        ("fail_page_alloc/min-order", "0"),
        ("fail_page_alloc/verbose", "0"),
    ] {
        fs::write(format!("{DEBUG}/{file}"), value)?;
    }
    fs::write(NTH, "0")
}

/// Does something while the `nth` allocation fails. Tells whether one did.
pub fn failing<T>(nth: u32, act: impl FnOnce() -> T) -> io::Result<(T, bool)> {
    // Open all the while, since opening a file allocates.
    let file = OpenOptions::new().read(true).write(true).open(NTH)?;
    file.write_all_at(nth.to_string().as_bytes(), 0)?;
    let result = act();
    let mut left = [0; 16];
    let count = file.read_at(&mut left, 0)?;
    file.write_all_at(b"0", 0)?;
    Ok((result, left[..count].trim_ascii() == b"0"))
}
