// SPDX-License-Identifier: GPL-2.0

//! Loads and stores, by all ways that lead to a page.

use super::{Effect, Outcome, World};
use crate::content;
use crate::failure::{Failure, Kind, test, test_io};
use crate::kernel::ring::Ring;
use crate::kernel::tracer;
use crate::model::Access;
use crate::ops::{Bytes, PAGE, Reader, Span, Writer};
use crate::process;
use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// Pages that io_uring pins at once.
const PINNED: usize = 16;

/// How many bytes went over, or the error.
type Moved = Result<usize, Errno>;

impl World<'_> {
    pub(super) fn load(&mut self, bytes: Bytes, by: Reader) -> Outcome {
        let access = if matches!(by, Reader::Mem | Reader::Ptrace) { Access::Forced } else { Access::Load };
        let reach = self.model.reach(bytes, access);
        if reach == 0 {
            return self.refused_load(first_page(bytes), by);
        }
        let unit = match by {
            Reader::Cpu(width) => usize::from(width.max(1)),
            Reader::Direct => super::direct::SECTOR,
            Reader::Ptrace => tracer::WORD,
            Reader::Pipe | Reader::Mem | Reader::ProcessVm | Reader::Vmsplice => 1,
        };
        let bytes = Bytes { len: reach / unit * unit, ..bytes };
        if bytes.len == 0 {
            return Ok(Effect::Nothing);
        }
        let mut seen = vec![0; bytes.len];
        let got = self.read(bytes, by, &mut seen)?;
        if got != Ok(bytes.len) {
            return Err(wrong(&format!("{by:?} of {} bytes", bytes.len), got));
        }
        self.compare(bytes.at, &seen, &format!("{by:?}"))?;
        Ok(Effect::Done)
    }

    /// What must not be loaded: by an ordinary load that would be a signal, so a pipe asks in its place.
    pub(super) fn refused_load(&mut self, bytes: Bytes, by: Reader) -> Outcome {
        let by = if matches!(by, Reader::Cpu(_)) { Reader::Pipe } else { by };
        let mut seen = vec![0; bytes.len];
        let got = self.read(bytes, by, &mut seen)?;
        refusal(&format!("{by:?} of what must not be loaded"), got, by == Reader::Mem)
    }

    fn read(&mut self, bytes: Bytes, by: Reader, seen: &mut [u8]) -> Result<Moved, Failure> {
        let Bytes { at, len } = bytes;
        Ok(match by {
            Reader::Cpu(width) => {
                self.arena.load(at, seen, width);
                Ok(len)
            }
            Reader::Pipe | Reader::Vmsplice => self.read_by_pipe(bytes, by, seen)?,
            Reader::Mem => moved(self.memory.read_at(seen, self.arena.address(at) as u64)),
            Reader::ProcessVm => {
                let remote = RemoteIoVec { base: self.arena.address(at), len };
                process_vm_readv(Pid::this(), &mut [IoSliceMut::new(seen)], &[remote])
            }
            Reader::Ptrace => match tracer::peek(self.arena.address(at)).map_err(test_io("a tracer"))? {
                Some(word) => {
                    seen.copy_from_slice(&word[..len]);
                    Ok(len)
                }
                None => Err(Errno::EFAULT),
            },
            Reader::Direct => self.direct_load(at, seen)?,
        })
    }

    fn read_by_pipe(&self, bytes: Bytes, by: Reader, seen: &mut [u8]) -> Result<Moved, Failure> {
        let (mut reader, writer) = process::pipe().map_err(test_io("a pipe"))?;
        let sent = if by == Reader::Pipe {
            self.arena.send(writer.as_fd(), bytes.at, bytes.len, None)
        } else {
            self.arena.splice(writer.as_fd(), bytes.at, bytes.len)
        };
        let Ok(count) = sent else { return Ok(sent) };
        reader.read_exact(&mut seen[..count]).map_err(test_io("a pipe"))?;
        Ok(Ok(count))
    }

    pub(super) fn store(&mut self, bytes: Bytes, seed: u8, by: Writer) -> Outcome {
        let access = if matches!(by, Writer::Mem | Writer::Ptrace) { Access::Forced } else { Access::Store };
        let reach = self.model.reach(bytes, access);
        if reach == 0 {
            return self.refused_store(first_page(bytes), seed, by);
        }
        let unit = match by {
            Writer::Cpu(width) => usize::from(width.max(1)),
            Writer::Direct => super::direct::SECTOR,
            Writer::Exchange | Writer::Ptrace => tracer::WORD,
            Writer::Pipe | Writer::Mem | Writer::ProcessVm => 1,
        };
        let bytes = Bytes { len: reach / unit * unit, ..bytes };
        if bytes.len == 0 {
            return Ok(Effect::Nothing);
        }
        let data = content::bytes(seed.into(), bytes.len);
        let got = self.write(bytes, by, &data)?;
        if got != Ok(bytes.len) {
            return Err(wrong(&format!("{by:?} of {} bytes", bytes.len), got));
        }
        self.model.store(bytes.at, &data);
        self.compare_pages(bytes)?;
        Ok(Effect::Done)
    }

    pub(super) fn refused_store(&mut self, bytes: Bytes, seed: u8, by: Writer) -> Outcome {
        let by = if matches!(by, Writer::Cpu(_) | Writer::Exchange) { Writer::Pipe } else { by };
        let got = self.write(bytes, by, &content::bytes(seed.into(), bytes.len))?;
        refusal(&format!("{by:?} of what must not be stored to"), got, by == Writer::Mem)
    }

    fn write(&mut self, bytes: Bytes, by: Writer, data: &[u8]) -> Result<Moved, Failure> {
        let Bytes { at, len } = bytes;
        Ok(match by {
            Writer::Cpu(width) => {
                self.arena.store(at, data, width);
                Ok(len)
            }
            Writer::Exchange => {
                let mut word = [0; tracer::WORD];
                word.copy_from_slice(&data[..tracer::WORD]);
                let old = self.arena.exchange(at, word);
                self.compare(at, &old, "an exchange")?;
                Ok(len)
            }
            Writer::Pipe => {
                let (reader, mut writer) = process::pipe().map_err(test_io("a pipe"))?;
                writer.write_all(data).map_err(test_io("a pipe"))?;
                self.arena.receive(reader.as_fd(), at, len, None)
            }
            Writer::Mem => moved(self.memory.write_at(data, self.arena.address(at) as u64)),
            Writer::ProcessVm => {
                let remote = RemoteIoVec { base: self.arena.address(at), len };
                process_vm_writev(Pid::this(), &[IoSlice::new(data)], &[remote])
            }
            Writer::Ptrace => {
                let mut word = [0; tracer::WORD];
                word.copy_from_slice(&data[..tracer::WORD]);
                let done = tracer::poke(self.arena.address(at), word).map_err(test_io("a tracer"))?;
                if done { Ok(len) } else { Err(Errno::EFAULT) }
            }
            Writer::Direct => self.direct_store(at, data)?,
        })
    }

    /// Compares all of the pages that a few bytes lie in.
    pub(super) fn compare_pages(&mut self, bytes: Bytes) -> Result<(), Failure> {
        let mut seen = [0; PAGE];
        for page in bytes.at / PAGE..(bytes.at + bytes.len).div_ceil(PAGE) {
            if self.model.allows(page, Access::Load) {
                self.arena.load(page * PAGE, &mut seen, 0);
                self.compare(page * PAGE, &seen, "a load after a store")?;
                self.compare_tags(page)?;
            }
        }
        Ok(())
    }

    /// The pipe keeps the page when the mapping is gone.
    pub(super) fn splice_and_unmap(&mut self, page: usize) -> Outcome {
        if !self.model.allows(page, Access::Load) {
            return Ok(Effect::Nothing);
        }
        let (mut reader, writer) = process::pipe().map_err(test_io("a pipe"))?;
        let got = self.arena.splice(writer.as_fd(), page * PAGE, PAGE);
        if got != Ok(PAGE) {
            return Err(wrong("vmsplice of a page", got));
        }
        let span = Span { first: page, count: 1 };
        self.arena.unmap(span).map_err(test("munmap"))?;
        let mut seen = [0; PAGE];
        reader.read_exact(&mut seen).map_err(test_io("a pipe"))?;
        self.compare(page * PAGE, &seen, "a pipe, after munmap,")?;
        self.model.unmap(span);
        Ok(Effect::Done)
    }

    /// A long-term pin takes the page that later stores go to.
    pub(super) fn fixed_buffer(&mut self, span: Span, seed: u8) -> Outcome {
        let span = Span { count: span.count.min(PINNED), ..span };
        let (at, len) = (span.first * PAGE, span.count * PAGE);
        let reach = self.model.reach(Bytes { at, len }, Access::Store);
        // A page that the kernel may drop is none that a pin could hold.
        let droppable = |page| self.model.page(page).is_some_and(|page| page.droppable);
        if span.pages().any(droppable) {
            return Ok(Effect::Nothing);
        }
        let ring = Ring::new(self.arena.address(at), len);
        if reach < len {
            let got = moved(ring.map(|_| 0));
            // The pages before the one that refused were made ready for stores.
            self.model.populate_span(Span { count: reach / PAGE, ..span });
            return refusal("registering a buffer that is not writable", got, false);
        }
        let mut ring = ring.map_err(test_io("registering a buffer"))?;
        self.model.populate_span(span);
        let first = content::bytes(seed.into(), 3);
        for page in span.pages() {
            self.arena.store(page * PAGE, &first, 1);
            self.model.store(page * PAGE, &first);
        }
        let seen = ring.load().map_err(test_io("a fixed buffer"))?;
        self.compare(at, &seen, "a fixed buffer")?;
        let data = content::bytes(u64::from(seed) + 1, len);
        ring.store(&data).map_err(test_io("a fixed buffer"))?;
        self.model.store(at, &data);
        self.compare_pages(Bytes { at, len })?;
        Ok(Effect::Done)
    }
}

/// The bytes that lie in the first page.
fn first_page(bytes: Bytes) -> Bytes {
    Bytes { len: bytes.len.min(PAGE - bytes.at % PAGE), ..bytes }
}

fn moved(result: std::io::Result<usize>) -> Moved {
    result.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

fn refusal(call: &str, got: Moved, by_file: bool) -> Outcome {
    let want = if by_file { Errno::EIO } else { Errno::EFAULT };
    if got == Err(want) { Ok(Effect::Done) } else { Err(wrong(call, got)) }
}

fn wrong(call: &str, got: Moved) -> Failure {
    Failure::new(Kind::Answer, format!("{call} gave {got:?}"))
}
