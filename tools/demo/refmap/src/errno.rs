// SPDX-License-Identifier: GPL-2.0

use core::fmt;

/// The error number of a failed system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// Returns the number that the last failed call of this thread left.
    pub fn last() -> Self {
        // SAFETY: the C library returns a valid pointer to this thread's own errno.
        Self(unsafe { *libc::__errno_location() })
    }

    /// Stores the number as this thread's `errno`, where C code looks for it.
    pub fn set(self) {
        // SAFETY: the C library returns a valid pointer to this thread's own errno.
        unsafe { *libc::__errno_location() = self.0 };
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            libc::EBADF => f.write_str("EBADF"),
            libc::EINVAL => f.write_str("EINVAL"),
            libc::ENOMEM => f.write_str("ENOMEM"),
            libc::EFAULT => f.write_str("EFAULT"),
            libc::EOPNOTSUPP => f.write_str("EOPNOTSUPP"),
            other => write!(f, "errno {other}"),
        }
    }
}
