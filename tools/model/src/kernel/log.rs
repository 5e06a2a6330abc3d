// SPDX-License-Identifier: GPL-2.0

//! The kernel's log, from a moment on.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

/// Words of records that complain. The laboratory looks at the whole log with a longer list; these let a sequence be cut
/// down that makes the kernel complain.
const WORDS: &[&str] = &[
    "BUG:",
    "WARNING:",
    "Bad page",
    "Bad rss-counter",
    "non-zero pgtables_bytes",
    "KASAN",
    "refcount_t",
    "page_table_check",
];
/// Bytes of a record, at most.
const RECORD: usize = 8192;

/// The log.
pub struct Log(File);

impl Log {
    /// From here on.
    pub fn open() -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg")?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self(file))
    }

    /// The first record that complains, if any came since the last call.
    pub fn complaint(&mut self) -> io::Result<Option<String>> {
        let mut found = None;
        let mut record = [0; RECORD];
        loop {
            match self.0.read(&mut record) {
                Ok(0) => return Ok(found),
                Ok(len) => found = found.or_else(|| complaint(&String::from_utf8_lossy(&record[..len]))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(found),
                // Records were overwritten before they were read: those that are left will do.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn complaint(record: &str) -> Option<String> {
    let text = record.split_once(';').map_or(record, |(_, text)| text).trim_end();
    WORDS.iter().any(|word| text.contains(word)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_told_without_its_numbers() {
        assert_eq!(complaint("4,1,2,-;WARNING: mm/a.c:1 at f\n").as_deref(), Some("WARNING: mm/a.c:1 at f"));
        assert_eq!(complaint("6,1,2,-;Soft offlining pfn 0x1\n"), None);
    }
}
