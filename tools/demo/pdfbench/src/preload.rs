// SPDX-License-Identifier: GPL-2.0

use std::ffi::CStr;

use anyhow::Result;
use anyhow::bail;
use libloading::os::unix::Library;
use refmap::Fill;
use refmap::HeapReport;

/// The allocator that this process runs on.
#[derive(Debug)]
pub struct Preload {
    /// Name of refheap's mode, or "system" without refheap.
    pub way: String,
    /// The byte that fresh memory holds; nothing is known of it without refheap.
    pub fresh_byte: Option<u8>,
    /// The byte to look for.
    pub pattern: u8,
    /// The step by which the heap grows; 0 without refheap.
    pub granularity: u64,
}

impl Preload {
    /// Asks the process itself, so that a preload that did not happen shows.
    pub fn find() -> Result<Self> {
        // SAFETY: the library is the program itself, already loaded; the symbol, where there is
        // one, is refheap's and has this type.
        let report = unsafe {
            match Library::this().get::<extern "C" fn() -> HeapReport>(b"refheap_report\0") {
                Ok(report) => report(),
                Err(_) => return Ok(Self { way: "system".into(), fresh_byte: None, pattern: 0xaa, granularity: 0 }),
            }
        };
        // SAFETY: refheap returns a C string that stays.
        let name = unsafe { CStr::from_ptr(report.mode) }.to_bytes();
        let Some(fill) = Fill::from_name(name) else {
            bail!("the preloaded librefheap.so has an unknown mode: build it and pdfbench together");
        };
        let pattern = u8::try_from(report.pattern)?;
        let fresh_byte = if fill.has_pattern() { pattern } else { 0 };
        Ok(Self { way: fill.name().into(), fresh_byte: Some(fresh_byte), pattern, granularity: report.granularity })
    }
}
