// SPDX-License-Identifier: GPL-2.0

//! Core dumps, which have all pages of the type under test, whether they were written or not.

use super::{Effect, Outcome, World};
use crate::failure::{Failure, Kind, test_io};
use crate::kernel::core::Core;
use crate::ops::PAGE;

impl World<'_> {
    pub(super) fn dump_core(&mut self) -> Outcome {
        let core = Core::dump().map_err(test_io("a core dump"))?;
        let mut child = self.model.forked();
        for number in 0..child.len() {
            let Some(page) = child.page(number).filter(|page| page.reference && !page.guard) else { continue };
            match (core.bytes(self.arena.page(number), PAGE), page.dont_dump) {
                (None, true) => (),
                (Some(_), true) => return Err(wrong(number, "is there in spite of MADV_DONTDUMP")),
                (None, false) => return Err(wrong(number, "is left out")),
                (Some(seen), false) => {
                    child.observe(number * PAGE, seen).map_err(|_| wrong(number, "has wrong bytes"))?;
                }
            }
        }
        Ok(Effect::Done)
    }
}

fn wrong(page: usize, how: &str) -> Failure {
    Failure::new(Kind::Bytes, format!("page {page} of a reference mapping {how} in a core dump"))
}
