// SPDX-License-Identifier: GPL-2.0

//! Two bugs with large blocks that guard pages do not stop, and which tags catch them. In both, an access by a pointer of
//! one block gets to another one.

use crate::block::{Block, Use, place};
use crate::itself;
use anyhow::{Context, Result};
use clap::ValueEnum;
use refscudo::Tags;
use std::fmt;
use std::process::{Command, Output};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The first one Scudo keeps when it is freed, the other one goes back to the kernel.
const SIZES: [usize; 2] = [300_000, 4 << 20];
/// Neighbours have guard pages and the rest of a huge page between them, at most.
const APART: usize = 4 << 20;
/// Blocks of which two that were allocated one after the other are neighbours.
const ATTEMPTS: usize = 8;
const MISSED: &str = "missed";
const CAUGHT: &str = "SEGV_MTESERR";

/// Where the kernel should say that the access was.
static TARGET: AtomicUsize = AtomicUsize::new(0);

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Bug {
    /// A pointer to a block that was freed, where another block lies now
    Reuse,
    /// An index that is too large by the size of the block and more
    Overflow,
    /// An index that is too large by one, in a small block: what Scudo itself catches
    Small,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Access {
    Load,
    Store,
}

/// The state of the other block's page.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Page {
    /// Nobody has touched it
    Fresh,
    /// Its owner has stored to it, and to all of a block that was there before
    Written,
}

/// One bug in all its circumstances.
#[derive(clap::Args, Clone, Copy, Debug, PartialEq)]
pub struct Misuse {
    #[arg(value_enum)]
    bug: Bug,
    #[arg(value_enum)]
    access: Access,
    #[arg(value_enum)]
    page: Page,
    /// Bytes of a block
    size: usize,
}

impl fmt::Display for Misuse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = if self.access == Access::Load { "load" } else { "store" };
        let page = if self.page == Page::Fresh { "fresh" } else { "written" };
        let what = match self.bug {
            Bug::Reuse => "after free and malloc()",
            Bug::Overflow => "beyond the end, in the next block",
            Bug::Small => "beyond the end of a small block",
        };
        write!(out, "{access} {what}, {} bytes, {page} page", self.size)
    }
}

impl Misuse {
    fn all() -> Vec<Self> {
        let mut all = vec![Self { bug: Bug::Small, access: Access::Store, page: Page::Written, size: 96 }];
        for size in SIZES {
            for bug in [Bug::Reuse, Bug::Overflow] {
                for &access in Access::value_variants() {
                    all.extend(Page::value_variants().iter().map(|&page| Self { bug, access, page, size }));
                }
            }
        }
        all
    }

    /// What shall become of it.
    fn expected(&self, tags: Tags) -> &'static str {
        let tagged = self.bug == Bug::Small || matches!(tags, Tags::Stores | Tags::Refpages);
        if tagged { CAUGHT } else { MISSED }
    }

    fn words(&self) -> Vec<String> {
        vec!["commit".into(), word(self.bug), word(self.access), word(self.page), self.size.to_string()]
    }

    /// Does it, and says what came of it. If it is caught then this does not return.
    pub fn commit(&self) -> String {
        report_faults();
        match self.bug {
            Bug::Reuse => self.reuse(),
            Bug::Overflow => self.overflow(),
            Bug::Small => self.small(),
        }
    }

    fn reuse(&self) -> String {
        let block = Block::new(self.size);
        let stale = block.at(self.size / 2);
        // How much of a block that is kept is resident decides how it gets another tag.
        let part = if self.page == Page::Written { Use::Dense } else { Use::Sparse };
        block.touch(&part.offsets(self.size));
        drop(block);
        let other = Block::new(self.size);
        if place(other.at(self.size / 2)) != place(stale) {
            return "the next block lies elsewhere".into();
        }
        self.stray(stale, &other, self.size / 2)
    }

    fn overflow(&self) -> String {
        let blocks: Vec<Block> = (0..ATTEMPTS).map(|_| Block::new(self.size)).collect();
        let distance = |pair: &[Block]| pair[0].place().abs_diff(pair[1].place());
        // One of them may fill a hole, far from the others.
        let Some(pair) = blocks.windows(2).find(|pair| distance(pair) <= self.size + APART) else {
            return "no blocks are neighbours".into();
        };
        let (low, high) = if pair[0].place() < pair[1].place() { (&pair[0], &pair[1]) } else { (&pair[1], &pair[0]) };
        let wild = low.at(0).wrapping_add(distance(pair) + self.size / 2);
        self.stray(wild, high, self.size / 2)
    }

    fn small(&self) -> String {
        let (block, filler) = (Block::new(self.size), Block::new(self.size));
        let wild = block.at(0).wrapping_add(self.size);
        TARGET.store(place(wild), Ordering::Relaxed);
        // SAFETY: none, see stray(). The heap has memory there.
        unsafe { wild.write_volatile(1) };
        drop((block, filler));
        MISSED.into()
    }

    /// An access to a byte of `victim` by the pointer of another block.
    fn stray(&self, pointer: *mut u8, victim: &Block, offset: usize) -> String {
        if self.page == Page::Written {
            victim.touch(&[offset]);
        }
        TARGET.store(place(pointer), Ordering::Relaxed);
        // SAFETY: none, and that is what is tested. The pointer leads to memory of `victim`, to which no reference exists; the
        // accesses are volatile, so that they are made as they stand here.
        let arrived = unsafe {
            match self.access {
                Access::Load => pointer.read_volatile() == victim.at(offset).read_volatile(),
                Access::Store => {
                    pointer.write_volatile(0x55);
                    victim.at(offset).read_volatile() == 0x55
                }
            }
        };
        if arrived { MISSED.into() } else { "the access went elsewhere".into() }
    }
}

/// How a value is given in a command.
fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |known| known.get_name().to_owned())
}

/// Lets a fault end this process, after a word that says which one it was.
fn report_faults() {
    // SAFETY: all zeros are a value of the structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_fault as extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: the handler has the type that SA_SIGINFO is for, and calls what a handler may call.
    unsafe { libc::sigaction(libc::SIGSEGV, &action, null_mut()) };
}

extern "C" fn on_fault(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO the description of the fault.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr()) };
    let word = fault(code, place(address.cast()) == TARGET.load(Ordering::Relaxed));
    // SAFETY: both may be called in a handler, and the text has this length.
    unsafe {
        libc::write(libc::STDOUT_FILENO, word.as_ptr().cast(), word.len());
        libc::_exit(0)
    }
}

fn fault(code: i32, at_target: bool) -> &'static str {
    match (code, at_target) {
        (9, true) => CAUGHT,
        (9, false) => "SEGV_MTESERR elsewhere",
        (8, _) => "SEGV_MTEAERR",
        (1, _) => "SEGV_MAPERR",
        (2, _) => "SEGV_ACCERR",
        _ => "another fault",
    }
}

/// What `heapload` checks.
const LOADS: [&[&str]; 2] = [&["contract", "0"], &["threads", "300"]];

/// Tests all of it, with each kind of tags, and that the allocator does what it must. Gives whether all is as it shall be.
pub fn test() -> Result<bool> {
    let all = Misuse::all();
    println!("TAP version 13\n1..{}", Tags::ALL.len() * (all.len() + LOADS.len()));
    let mut tap = Tap::default();
    for tags in Tags::ALL {
        for misuse in &all {
            let (words, expected) = (misuse.words(), misuse.expected(tags));
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            tap.result(&format!("{}, {misuse}: {expected}", tags.name()), expected, &itself(tags, &words)?);
        }
        for words in LOADS {
            tap.result(&format!("{}, heapload {}", tags.name(), words.join(" ")), "", &heapload(tags, words)?);
        }
    }
    Ok(!tap.failed)
}

fn heapload(tags: Tags, words: &[&str]) -> Result<Output> {
    let program = std::env::current_exe()?.with_file_name("heapload");
    let output = tags.apply(Command::new(&program).args(words)).output();
    output.with_context(|| format!("{} cannot be started", program.display()))
}

/// Results as TAP.
#[derive(Default)]
struct Tap {
    number: usize,
    failed: bool,
}

impl Tap {
    /// A program passes if it ends well and prints what is expected of it.
    fn result(&mut self, name: &str, expected: &str, output: &Output) {
        let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
        let (found, errors) = (text(&output.stdout), text(&output.stderr));
        let good = output.status.success() && found == expected;
        self.number += 1;
        self.failed |= !good;
        if !good {
            println!("# {}, `{found}` instead of `{expected}`; {}", output.status, errors.replace('\n', " "));
        }
        println!("{}ok {} {name}", if good { "" } else { "not " }, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stock_misses_what_tags_of_large_blocks_catch() {
        for misuse in Misuse::all() {
            let missed = if misuse.bug == Bug::Small { CAUGHT } else { MISSED };
            assert_eq!([Tags::Small, Tags::Zero].map(|tags| misuse.expected(tags)), [missed; 2]);
            assert_eq!([Tags::Stores, Tags::Refpages].map(|tags| misuse.expected(tags)), [CAUGHT; 2]);
        }
    }

    #[test]
    fn a_misuse_is_what_its_words_say() {
        use clap::Parser;
        for misuse in Misuse::all() {
            let cli = crate::Cli::parse_from(["largeload".to_owned()].into_iter().chain(misuse.words()));
            assert!(matches!(cli.verb, crate::Verb::Commit { misuse: found } if found == misuse), "{misuse}");
        }
    }

    #[test]
    fn only_a_mismatch_of_tags_at_the_access_counts() {
        assert_eq!(fault(9, true), CAUGHT);
        for (code, at_target) in [(9, false), (8, true), (1, true), (2, true), (0, true)] {
            assert_ne!(fault(code, at_target), CAUGHT);
        }
    }
}
