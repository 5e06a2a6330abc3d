// SPDX-License-Identifier: GPL-2.0

//! Children.

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use std::fs::File;
use std::io::{self, Read, Write};

/// The status of a child that was killed is this and the signal's number.
pub const KILLED: i32 = 128;

/// Ends this process at once: what the parent has buffered is not written twice.
pub fn exit(status: i32) -> ! {
    // SAFETY: the call ends the process and runs nothing of it.
    unsafe { libc::_exit(status) }
}

/// Forks. Gives the child's number in the parent, nothing in the child.
pub fn split() -> nix::Result<Option<Pid>> {
    // SAFETY: another thread, where there is one, allocates nothing and holds no lock, so that the child may go on with
    // all that this thread could do.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// Waits for a child. Gives its status, or [`KILLED`] and the signal's number.
pub fn wait(child: Pid) -> nix::Result<i32> {
    loop {
        match waitpid(child, None)? {
            WaitStatus::Exited(_, status) => return Ok(status),
            WaitStatus::Signaled(_, signal, _) => return Ok(KILLED + signal as i32),
            _ => {}
        }
    }
}

/// Runs something in a child and gives what it returned.
pub fn ask_child(act: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
    let (mut reader, mut writer) = pipe()?;
    let Some(child) = split()? else {
        let good = writer.write_all(&act()).is_ok();
        exit(i32::from(!good));
    };
    drop(writer);
    let mut answer = Vec::new();
    reader.read_to_end(&mut answer)?;
    match wait(child)? {
        0 => Ok(answer),
        status => Err(io::Error::other(format!("a helping child ended with status {status}"))),
    }
}

/// A pipe: its reading and its writing end.
pub fn pipe() -> io::Result<(File, File)> {
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    Ok((reader.into(), writer.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_answers() {
        assert_eq!(ask_child(|| vec![1, 2, 3]).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn a_killed_child_is_told_from_one_that_failed() {
        let Some(child) = split().unwrap() else { exit(7) };
        assert_eq!(wait(child).unwrap(), 7);
        let Some(child) = split().unwrap() else {
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
            exit(0)
        };
        assert_eq!(wait(child).unwrap(), KILLED + libc::SIGKILL);
    }
}
