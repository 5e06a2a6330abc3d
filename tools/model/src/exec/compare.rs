// SPDX-License-Identifier: GPL-2.0

//! The arena against the model: bytes, mappings, stored pages.

use super::{Effect, Outcome, World};
use crate::failure::{Failure, Kind, test_io};
use crate::kernel::knob;
use crate::kernel::smaps::{self, Mapping};
use crate::model::{Access, Bounds, Mapped};
use crate::ops::{PAGE, Prot, Span};

/// The counters and the page tables are read one after the other, while reclaim goes on.
const TRIES: usize = 5;

impl World<'_> {
    pub(super) fn compare_all(&mut self) -> Outcome {
        let mut seen = [0; PAGE];
        for page in 0..self.model.len() {
            if self.model.allows(page, Access::Load) {
                self.arena.load(page * PAGE, &mut seen, 0);
                self.compare(page * PAGE, &seen, "a load")?;
                self.compare_tags(page)?;
            }
        }
        Ok(Effect::Done)
    }

    /// Bytes that were seen.
    pub(super) fn compare(&mut self, at: usize, seen: &[u8], by: &str) -> Result<(), Failure> {
        self.model.observe(at, seen).map_err(|mismatch| {
            let byte = mismatch.page * PAGE + mismatch.offset - at;
            let page = self.model.page(mismatch.page);
            let (want, kind) = page.map_or((0, "no"), |page| (page.holds[mismatch.offset], mapping_kind(page)));
            let text = format!(
                "page {} of {kind} mapping, byte {}: {by} gave {:#04x}, not {want:#04x}; {}",
                mismatch.page,
                mismatch.offset,
                seen[byte],
                self.guess(mismatch.page, &seen[byte..])
            );
            Failure::new(Kind::Bytes, text)
        })
    }

    /// What the wrong bytes look like.
    fn guess(&self, page: usize, seen: &[u8]) -> &'static str {
        let len = seen.len().min(16);
        let is = |page: &Mapped| page.base.windows(len).any(|bytes| *bytes == seen[..len]);
        if seen[..len].iter().all(|byte| *byte == 0) {
            "zeros"
        } else if self.model.page(page).is_some_and(is) {
            "bytes of its reference page"
        } else if (0..self.model.len()).filter_map(|page| self.model.page(page)).any(is) {
            "bytes of another reference page"
        } else {
            "other bytes"
        }
    }

    pub(super) fn count(&mut self) -> Outcome {
        let found = self.mappings_found()?;
        self.check_layout(&found)?;
        let sum = |reference: bool, of: fn(&Mapping) -> usize| {
            found.iter().filter(|mapping| mapping.reference == reference).map(of).sum::<usize>()
        };
        let stored: fn(&Mapping) -> usize = |mapping| mapping.anonymous + mapping.swapped;
        check_count("stored pages of the type under test", sum(true, stored), self.model.stored_reference())?;
        check_count("stored ordinary pages", sum(false, stored), self.model.stored_plain())?;
        // Clean pages are resident nowhere.
        let anonymous = sum(true, |mapping| mapping.anonymous);
        let exact = Bounds { least: anonymous, most: anonymous };
        check_count("resident pages of the type under test", sum(true, |mapping| mapping.resident), exact)?;
        self.check_process()?;
        Ok(Effect::Done)
    }

    /// Nothing is mapped there, as the kernel has it.
    pub(super) fn nothing_mapped(&self, span: Span) -> Result<bool, Failure> {
        let found = smaps::mappings(self.arena.page(span.first), self.arena.page(span.end()));
        found.map(|found| found.is_empty()).map_err(test_io("/proc/self/smaps"))
    }

    fn mappings_found(&self) -> Result<Vec<Mapping>, Failure> {
        smaps::mappings(self.arena.page(0), self.arena.page(self.model.len())).map_err(test_io("/proc/self/smaps"))
    }

    fn check_layout(&self, found: &[Mapping]) -> Result<(), Failure> {
        let mut pages = vec![None; self.model.len()];
        for mapping in found {
            if let Some(span) = self.arena.span_of(mapping.start, mapping.end) {
                pages[span.pages()].fill(Some((mapping.rights.as_str(), mapping.reference, mapping.tagged)));
            }
        }
        for (page, found) in pages.iter().enumerate() {
            let want = self.model.page(page).map(|page| (rights(page.prot), page.reference, page.tagged));
            if *found != want {
                let text =
                    format!("page {page} is in a mapping (rights, type under test, tags) {found:?}, not {want:?}");
                return Err(Failure::new(Kind::Layout, text));
            }
        }
        Ok(())
    }

    /// The counters of the process against its page tables, and the captured pages against the contents.
    fn check_process(&self) -> Result<(), Failure> {
        if self.beside {
            return Ok(());
        }
        if self.alone && self.held.is_empty() {
            let captured = knob::captured_pages().map_err(test_io("/proc/vmstat"))? - self.captured_before;
            let want = self.model.contents();
            check_count("captured pages", captured as usize, Bounds { least: want, most: want })?;
        }
        let mut last = (0, 0);
        for _ in 0..TRIES {
            last = smaps::totals().map_err(test_io("/proc/self"))?;
            if last.0 == last.1 {
                return Ok(());
            }
        }
        let text = format!("the process has {} anonymous pages by its page tables, {} by its counters", last.0, last.1);
        Err(Failure::new(Kind::Count, text))
    }
}

fn check_count(what: &str, got: usize, want: Bounds) -> Result<(), Failure> {
    if (want.least..=want.most).contains(&got) {
        return Ok(());
    }
    let range =
        if want.least == want.most { want.least.to_string() } else { format!("{} to {}", want.least, want.most) };
    Err(Failure::new(Kind::Count, format!("{what}: {got}, not {range}")))
}

fn rights(prot: Prot) -> &'static str {
    match prot {
        Prot::None => "---p",
        Prot::Read => "r--p",
        Prot::Write => "rw-p",
    }
}

fn mapping_kind(page: &Mapped) -> &'static str {
    if page.reference { "a reference" } else { "an ordinary" }
}
