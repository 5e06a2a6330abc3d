// SPDX-License-Identifier: GPL-2.0

use crate::mapping::{Backing, Mapping};
use anyhow::Result;
use refmap::page_size;

/// Address space in which mappings can be put so that none touches another.
pub struct Place {
    start: usize,
}

impl Place {
    /// Finds room for `count` mappings of a page, or for one of `count` pages. Nothing is mapped there, until this program maps it.
    pub fn find(count: usize) -> Result<Self> {
        let room = Mapping::new(Backing::Reserved, (2 * count + 1) * page_size())?;
        Ok(Self { start: room.address() })
    }

    /// The address of one of them: a hole of a page lies before it.
    pub fn address(&self, index: usize) -> usize {
        self.start + (2 * index + 1) * page_size()
    }
}
