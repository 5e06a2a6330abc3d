// SPDX-License-Identifier: GPL-2.0

//! What a call of mmap() asks for: is it valid, and which page does it name?

use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*, //
};

/// The `mmap()` flags that may be combined with `MAP_REFPAGE`, itself included.
///
/// Everything else is refused, unlike for other private mappings: a flag that gets a meaning later
/// is one that no program passes today.
const FLAGS: u32 = bindings::MAP_REFPAGE
    | bindings::MAP_ANONYMOUS
    | bindings::MAP_FIXED
    | bindings::MAP_FIXED_NOREPLACE
    | bindings::MAP_POPULATE
    | bindings::MAP_NONBLOCK
    | bindings::MAP_LOCKED
    | bindings::MAP_NORESERVE
    | bindings::MAP_STACK
    | bindings::MAP_32BIT
    | bindings::MAP_ABOVE4G
    | bindings::MAP_DENYWRITE
    | bindings::MAP_EXECUTABLE;

/// Checks the arguments of `mmap_pgoff()`, whose mapping type is `MAP_REFPAGE`, and returns the
/// page-aligned address of the reference page.
///
/// `pgoff` is the address of the reference page in units of pages. For a 32-bit task, which
/// `compat` says, only the low 32 bits of the address in bytes count: the C library's offset
/// is signed and may have been sign-extended.
///
/// The address may still have tag bits, which GUP removes.
///
/// # Errors
///
/// [`EINVAL`] if there is an unknown flag, a file descriptor, or no such address.
pub(crate) fn address(flags: usize, fd: usize, pgoff: usize, compat: bool) -> Result<usize> {
    // CAST: A descriptor is an `int`, whatever the upper half of its register holds. Flags are
    // as wide as the register: no bit of it may go by unnoticed.
    let (flags, fd) = (flags as u64, fd as i32);

    if flags & !u64::from(FLAGS) != 0 || fd != -1 {
        return Err(EINVAL);
    }

    if compat {
        // CAST: To drop the upper half is what this is for.
        Ok(pgoff.wrapping_mul(PAGE_SIZE) as u32 as usize)
    } else {
        pgoff.checked_mul(PAGE_SIZE).ok_or(EINVAL)
    }
}
