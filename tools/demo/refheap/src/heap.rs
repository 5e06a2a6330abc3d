// SPDX-License-Identifier: GPL-2.0

use core::ptr::NonNull;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use dlmalloc::Dlmalloc;
use refmap::SetupError;

use crate::config::Config;
use crate::source::Source;
use crate::stats::Stats;

/// Blocks of this size and more get a mapping of their own.
pub const DIRECT: usize = 128 * 1024;

/// Every block is aligned to this at least.
const ALIGNMENT: usize = 16;

/// Stands right before each block, whoever the memory came from.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
struct Header {
    /// Bytes from the start of the memory to the block: a multiple of [`ALIGNMENT`], in whose
    /// free low bits the [`Kind`] is kept.
    offset_and_kind: usize,
    /// Bytes that the user asked for.
    size: usize,
}

/// Where a block's memory came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Small,
    Direct,
    DirectZeroed,
}

impl Header {
    const SIZE: usize = size_of::<Header>();

    fn new(offset: usize, kind: Kind, size: usize) -> Self {
        Self { offset_and_kind: offset | kind as usize, size }
    }

    fn offset(&self) -> usize {
        self.offset_and_kind & !(ALIGNMENT - 1)
    }

    fn kind(&self) -> Kind {
        match self.offset_and_kind & (ALIGNMENT - 1) {
            0 => Kind::Small,
            1 => Kind::Direct,
            _ => Kind::DirectZeroed,
        }
    }

    /// # Safety
    ///
    /// `block` is a block of the heap in use.
    unsafe fn of(block: NonNull<u8>) -> Self {
        // SAFETY: by the caller's promise a header stands there, aligned as the block is.
        unsafe { block.cast::<Header>().sub(1).read() }
    }

    /// # Safety
    ///
    /// `block` is aligned, and the memory right before it is the header's.
    unsafe fn put_before(self, block: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe { block.cast::<Header>().sub(1).write(self) };
    }
}

/// A heap of blocks whose memory, where no one used it yet, holds the fill.
pub struct Heap {
    source: Source,
    small: Mutex<Dlmalloc<Source>>,
}

impl Heap {
    pub fn new(config: &Config, stats: &'static Stats) -> Result<Self, SetupError> {
        let source = Source::new(config, stats)?;
        let mut small = Dlmalloc::new_with_allocator(source);
        small.set_granularity(config.granularity);
        Ok(Self { source, small: Mutex::new(small) })
    }

    /// Keeps every other thread out of the heap of small blocks.
    pub fn lock(&self) -> MutexGuard<'_, Dlmalloc<Source>> {
        // Nothing unwinds in here, and a lock cannot help a heap that is broken.
        self.small.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a block of `size` bytes, aligned to `align`, a power of two.
    pub fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        let align = align.max(ALIGNMENT);
        if size >= DIRECT {
            return self.allocate_direct(size, align, Kind::Direct);
        }
        // The header takes a whole unit of the alignment, so that the block behind it is aligned.
        let total = size.checked_add(align)?;
        // SAFETY: `align` is a power of two.
        let memory = NonNull::new(unsafe { self.lock().c_memalign(align, total) })?;
        // SAFETY: the memory has `align` bytes, enough for a header, before the block.
        unsafe {
            let block = memory.add(align);
            Header::new(align, Kind::Small, size).put_before(block);
            Some(block)
        }
    }

    /// Returns a block of `size` zeros.
    pub fn allocate_zeroed(&self, size: usize) -> Option<NonNull<u8>> {
        if size >= DIRECT {
            return self.allocate_direct(size, ALIGNMENT, Kind::DirectZeroed);
        }
        let block = self.allocate(size, ALIGNMENT)?;
        // SAFETY: the block was just allocated and has `size` bytes.
        unsafe { block.write_bytes(0, size) };
        Some(block)
    }

    fn allocate_direct(&self, size: usize, align: usize, kind: Kind) -> Option<NonNull<u8>> {
        let len = self.source.whole_pages(size.checked_add(align)?.checked_add(Header::SIZE)?)?;
        let mapped = match kind {
            Kind::DirectZeroed => self.source.zeroed(len),
            _ => self.source.fresh(len),
        };
        let memory = mapped.ok()?;
        let address = memory.addr().get();
        let offset = (address + Header::SIZE).next_multiple_of(align) - address;
        let header = Header::new(offset, kind, size);
        // SAFETY: `offset` leaves room for a header, and `size` bytes fit behind it. What lies
        // beyond the block's last page is used by nobody.
        unsafe {
            let used = self.direct_len(header);
            if used < len {
                refmap::unmap(memory.add(used), len - used);
            }
            let block = memory.add(offset);
            header.put_before(block);
            Some(block)
        }
    }

    /// Returns the bytes of the mapping that holds a mapped block.
    fn direct_len(&self, header: Header) -> usize {
        // No overflow: so many bytes are mapped.
        self.source.whole_pages(header.offset() + header.size).unwrap_or(0)
    }

    /// Returns the bytes that a block has.
    ///
    /// # Safety
    ///
    /// `block` is a block of this heap in use.
    pub unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        // SAFETY: the caller's promise.
        unsafe { Header::of(block) }.size
    }

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// `block` is a block of this heap in use, and is used no more.
    pub unsafe fn release(&self, block: NonNull<u8>) {
        // SAFETY: the caller's promise: the header is the one that allocation wrote, so the
        // memory is where it says.
        unsafe {
            let header = Header::of(block);
            let memory = block.sub(header.offset());
            match header.kind() {
                Kind::Small => self.lock().c_free(memory.as_ptr()),
                Kind::Direct | Kind::DirectZeroed => {
                    refmap::unmap(memory, self.direct_len(header));
                }
            }
        }
    }

    /// Gives a block another size, perhaps in another place. On failure the block stays as it is.
    ///
    /// # Safety
    ///
    /// `block` is a block of this heap in use; on success only the returned one is.
    pub unsafe fn reallocate(&self, block: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise.
        let header = unsafe { Header::of(block) };
        let was_direct = header.kind() != Kind::Small;
        // SAFETY: the caller's promise, and the header is the block's own.
        unsafe {
            match (was_direct, size >= DIRECT) {
                (true, true) => self.resize_direct(block, header, size),
                (false, false) => self.resize_small(block, header, size),
                _ => self.move_to_new(block, header, size),
            }
        }
    }

    /// # Safety
    ///
    /// As for [`Heap::reallocate`]; `header` is that of a mapped block.
    unsafe fn resize_direct(&self, block: NonNull<u8>, header: Header, size: usize) -> Option<NonNull<u8>> {
        let zeroed = header.kind() == Kind::DirectZeroed;
        let old = self.direct_len(header);
        let new = self.source.whole_pages(size.checked_add(header.offset())?)?;
        // SAFETY: the caller's promise: the block's memory is a mapping of `old` bytes. It
        // becomes one of `new` bytes, with the header in the same place.
        unsafe {
            let mut memory = block.sub(header.offset());
            if new != old {
                memory = self.source.resize(memory, old, new, zeroed).ok()?;
            }
            let block = memory.add(header.offset());
            Header::new(header.offset(), header.kind(), size).put_before(block);
            Some(block)
        }
    }

    /// # Safety
    ///
    /// As for [`Heap::reallocate`]; `header` is that of a small block.
    unsafe fn resize_small(&self, block: NonNull<u8>, header: Header, size: usize) -> Option<NonNull<u8>> {
        let total = size.checked_add(header.offset())?;
        // SAFETY: the caller's promise: the memory came from this dlmalloc, which keeps its
        // content, the header included.
        unsafe {
            let memory = block.sub(header.offset());
            let memory = NonNull::new(self.lock().c_realloc(memory.as_ptr(), total))?;
            let block = memory.add(header.offset());
            Header::new(header.offset(), Kind::Small, size).put_before(block);
            Some(block)
        }
    }

    /// # Safety
    ///
    /// As for [`Heap::reallocate`]; `header` is the block's.
    unsafe fn move_to_new(&self, block: NonNull<u8>, header: Header, size: usize) -> Option<NonNull<u8>> {
        let new = self.allocate(size, ALIGNMENT)?;
        // SAFETY: both blocks are in use and apart, and have at least this many bytes; the old
        // one is used no more.
        unsafe {
            new.copy_from_nonoverlapping(block, header.size.min(size));
            self.release(block);
        }
        Some(new)
    }
}

#[cfg(test)]
mod tests;
