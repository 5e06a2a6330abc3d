// SPDX-License-Identifier: GPL-2.0

//! Puts a load on the allocator that it runs on. `heapload contract BYTE` calls the allocator's functions and checks
//! what their blocks hold; fresh memory must be the byte. `heapload threads ROUNDS` lets threads allocate, free, and
//! give blocks to each other, and checks what each block holds before it is freed. `heapload layout COUNT` prints how far
//! blocks lie from the first one, `heapload folder` where the library was made.

use std::ffi::c_void;
use std::hint::black_box;
use std::process::ExitCode;
use std::slice;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

const THREADS: u64 = 4;
/// Blocks that a thread holds at a time.
const HELD: usize = 400;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = words.get(1).and_then(|word| word.parse().ok());
    match (words.first().map(String::as_str), number) {
        (Some("folder"), _) => println!("{}", refscudo::folder().display()),
        (Some("contract"), Some(byte)) => contract(byte),
        (Some("threads"), Some(rounds)) => threads(rounds),
        (Some("layout"), Some(count)) => layout(count),
        _ => {
            eprintln!("heapload: say `contract BYTE`, `threads ROUNDS`, `layout COUNT` or `folder`");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Sizes of blocks from the heap's classes, of a mapping that is kept for later, and of one that is not.
const SIZES: [usize; 5] = [24, 1000, 20_000, 300_000, 1 << 20];

fn contract(byte: u64) {
    // SAFETY: each block is used within its size while it is allocated, and freed once.
    unsafe {
        let fresh: Vec<*mut c_void> =
            (0..64).map(|index| held(if index < 8 { 1 << 20 } else { 40_000 }, byte)).collect();
        for block in fresh {
            libc::free(block);
        }
        for size in SIZES {
            used(size);
            let block = libc::calloc(1, size);
            assert!(holds(block, size, 0), "calloc({size})");
            libc::memset(block, 7, size);
            let block = libc::realloc(block, 3 * size);
            assert!(holds(block, size, 7), "realloc({size})");
            assert!(libc::malloc_usable_size(block) >= 3 * size);
            libc::free(block);
            let block = libc::aligned_alloc(4096, size.next_multiple_of(4096));
            assert!(block as usize % 4096 == 0, "aligned_alloc({size})");
            libc::free(block);
        }
        // The compiler takes it for granted that memory which nobody uses could be had.
        assert!(black_box(libc::calloc(black_box(usize::MAX / 2), 3)).is_null());
    }
}

/// # Safety
///
/// The caller frees the block.
unsafe fn held(size: usize, byte: u64) -> *mut c_void {
    // SAFETY: malloc() may be called at any time.
    let block = unsafe { libc::malloc(size) };
    // SAFETY: the block has this size.
    assert!(unsafe { holds(block, size, byte) }, "fresh memory of malloc({size}) does not hold {byte}");
    block
}

/// Leaves a free block that was written to, which the next call for this size may get.
fn used(size: usize) {
    // SAFETY: the block is used within its size, and freed.
    unsafe {
        let block = libc::malloc(size);
        libc::memset(block, 0x77, size);
        libc::free(block);
    }
}

/// # Safety
///
/// `block` is null or has `size` bytes.
unsafe fn holds(block: *mut c_void, size: usize, byte: u64) -> bool {
    assert!(!block.is_null());
    // SAFETY: the caller's promise. What is fresh has a value for the kernel, of which the compiler is not told.
    let bytes = unsafe { slice::from_raw_parts(black_box(block).cast::<u8>(), size) };
    bytes.iter().all(|&found| u64::from(found) == byte)
}

fn layout(count: u64) {
    // SAFETY: malloc() may be called at any time. The blocks are left to the end of the process.
    let blocks: Vec<usize> = (0..count).map(|_| unsafe { libc::malloc(500) } as usize).collect();
    for block in &blocks {
        println!("{}", block.wrapping_sub(blocks[0]) as isize);
    }
}

/// A block with a mark at both ends.
struct Block(Vec<u8>);

impl Block {
    fn new(random: &mut fastrand::Rng) -> Self {
        let size = match random.u32(0..100) {
            0..90 => random.usize(16..1024),
            90..99 => random.usize(1024..65_536),
            _ => random.usize(65_536..1_048_576),
        };
        let mark = random.u8(1..);
        if random.u32(0..4) == 0 {
            let mut bytes = vec![0; size];
            assert!(bytes[..].iter().step_by(64).all(|&byte| byte == 0), "calloc({size})");
            (bytes[0], bytes[size - 1]) = (mark, mark);
            return Self(bytes);
        }
        let mut bytes = Vec::with_capacity(size);
        bytes.resize(random.usize(2..=size), mark);
        Self(bytes)
    }

    fn check(&self) {
        let (first, last) = (self.0[0], self.0[self.0.len() - 1]);
        assert!(first == last && first != 0, "a block of {} bytes was overwritten", self.0.len());
    }
}

fn threads(rounds: u64) {
    let (senders, receivers): (Vec<Sender<Block>>, Vec<Receiver<Block>>) = (0..THREADS).map(|_| channel()).unzip();
    thread::scope(|scope| {
        for (index, inbox) in (0..THREADS).zip(receivers) {
            let next = senders[((index + 1) % THREADS) as usize].clone();
            scope.spawn(move || work(rounds, index, &inbox, &next));
        }
        drop(senders);
    });
}

fn work(rounds: u64, seed: u64, inbox: &Receiver<Block>, next: &Sender<Block>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut held: Vec<Block> = (0..HELD).map(|_| Block::new(&mut random)).collect();
    for _ in 0..rounds {
        let place = random.usize(0..HELD);
        let old = std::mem::replace(&mut held[place], Block::new(&mut random));
        old.check();
        if random.u32(0..8) == 0 {
            // Whoever gets it frees it. The last ones come back here, where the other thread has ended.
            drop(next.send(old));
        }
        inbox.try_iter().for_each(|block| block.check());
    }
    held.iter().for_each(Block::check);
}
