// SPDX-License-Identifier: GPL-2.0

//! Peeks and pokes of this process by a child that traces it.

use crate::process;
use nix::sys::ptrace;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::io;

/// Bytes of a peek or poke.
pub const WORD: usize = 8;

/// Loads a word, `None` where the kernel refuses.
pub fn peek(address: usize) -> io::Result<Option<[u8; WORD]>> {
    let answer = traced(address, None)?;
    Ok(answer.strip_prefix(&[1]).and_then(|word| word.try_into().ok()))
}

/// Stores a word. Tells whether the kernel did it.
pub fn poke(address: usize, word: [u8; WORD]) -> io::Result<bool> {
    Ok(traced(address, Some(word))?.first() == Some(&1))
}

/// Gives what the child found: a byte that is 1 for success, then the word.
fn traced(address: usize, store: Option<[u8; WORD]>) -> io::Result<Vec<u8>> {
    let target = Pid::this();
    process::ask_child(|| access(target, address, store).unwrap_or_else(|error| format!("?{error}").into_bytes()))
        .and_then(|answer| match answer.strip_prefix(b"?") {
            Some(why) => Err(io::Error::other(format!("tracing: {}", String::from_utf8_lossy(why)))),
            None => Ok(answer),
        })
}

fn access(target: Pid, address: usize, store: Option<[u8; WORD]>) -> nix::Result<Vec<u8>> {
    ptrace::seize(target, ptrace::Options::empty())?;
    ptrace::interrupt(target)?;
    waitpid(target, None)?;
    let at = std::ptr::with_exposed_provenance_mut(address);
    let answer = match store {
        Some(word) => ptrace::write(target, at, i64::from_ne_bytes(word)).map_or(vec![0], |()| vec![1]),
        None => ptrace::read(target, at).map_or(vec![0], |word| [&[1][..], &word.to_ne_bytes()].concat()),
    };
    ptrace::detach(target, None)?;
    Ok(answer)
}
