// SPDX-License-Identifier: GPL-2.0

//! What `madvise()` does to the model, and what it must answer.

use super::page::Mapped;
use super::{Answer, Model};
use crate::ops::{Advice, Lock, Span};
use nix::errno::Errno;

/// What a call must answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expected {
    /// Exactly this.
    Exactly(Answer),
    /// Success or failure, as the kernel finds it worth its while; no byte changes.
    Anything,
}

impl Model {
    /// Page by page, as the kernel goes from mapping to mapping: a gap is passed over and told at the end, another error
    /// ends it.
    pub fn advise(&mut self, span: Span, advice: Advice) -> Expected {
        match advice {
            Advice::PopulateRead => return Expected::Exactly(self.populate(span, false)),
            Advice::PopulateWrite => return Expected::Exactly(self.populate(span, true)),
            Advice::Collapse => return self.collapse(span),
            // A merged page that cannot be copied back is an error of its own kind: memory is there, so it does not occur.
            _ => {}
        }
        let mut gap = false;
        for page in &mut self.pages[span.pages()] {
            match page {
                None => gap = true,
                Some(page) => {
                    if let Err(error) = advise_page(page, advice) {
                        return Expected::Exactly(Err(error));
                    }
                }
            }
        }
        if advice == Advice::Mergeable {
            self.plain_may_share = true;
        }
        Expected::Exactly(if gap { Err(Errno::ENOMEM) } else { Ok(()) })
    }

    fn populate(&mut self, span: Span, write: bool) -> Answer {
        for page in &mut self.pages[span.pages()] {
            let page = page.as_mut().ok_or(Errno::ENOMEM)?;
            let allowed = Mapped { guard: false, ..page.clone() };
            if !(if write { allowed.writable() } else { allowed.readable() }) {
                return Err(Errno::EINVAL);
            }
            if page.guard {
                return Err(Errno::EFAULT);
            }
            if write {
                page.populate();
            }
        }
        Ok(())
    }

    /// The kernel looks at the first mapping before anything else.
    fn collapse(&mut self, span: Span) -> Expected {
        self.may_be_huge = true;
        let anything = self.pages[span.pages()].iter().any(Option::is_some);
        if anything { Expected::Anything } else { Expected::Exactly(Err(Errno::ENOMEM)) }
    }
}

fn advise_page(page: &mut Mapped, advice: Advice) -> Answer {
    let unlocked = if page.lock == Lock::Off { Ok(()) } else { Err(Errno::EINVAL) };
    match advice {
        // Guards stay where they are.
        Advice::DontNeed => {
            unlocked?;
            page.drop_stored();
        }
        Advice::DontNeedLocked => page.drop_stored(),
        Advice::Free => {
            unlocked?;
            page.allow_drop();
        }
        Advice::Cold | Advice::PageOut => unlocked?,
        Advice::GuardInstall => {
            unlocked?;
            page.drop_stored();
            page.guard = true;
        }
        Advice::GuardRemove => page.guard = false,
        Advice::Mergeable => page.mergeable = true,
        Advice::Unmergeable => page.mergeable = false,
        Advice::DontFork => page.dont_fork = true,
        Advice::DoFork => page.dont_fork = false,
        Advice::WipeOnFork => page.wipe_on_fork = true,
        Advice::KeepOnFork => page.wipe_on_fork = false,
        Advice::DontDump => page.dont_dump = true,
        Advice::DoDump => page.dont_dump = false,
        Advice::Normal
        | Advice::Random
        | Advice::Sequential
        | Advice::WillNeed
        | Advice::PopulateRead
        | Advice::PopulateWrite
        | Advice::HugePage
        | Advice::NoHugePage
        | Advice::Collapse => {}
    }
    Ok(())
}
