// SPDX-License-Identifier: GPL-2.0

//! Memory that the program itself fills at the first access of each page, by userfaultfd.

use crate::mapping::{Backing, Mapping};
use anyhow::{Context, Result, ensure};
use linux_raw_sys::general as sys;
use linux_raw_sys::ioctl;
use refmap::{Errno, page_size};
use std::fs::File;
use std::io::Read;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

/// Descriptor and content for the signal handler, which can get at nothing else.
static HANDLER_FD: AtomicI32 = AtomicI32::new(-1);
static HANDLER_CONTENT: AtomicUsize = AtomicUsize::new(0);

/// Who fills.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Filler {
    /// A thread that reads events.
    Thread,
    /// A handler of SIGBUS in the thread that faults.
    Signal,
}

/// A source of memory that is filled on demand.
pub struct Uffd {
    file: File,
    content: Mapping,
    thread: Option<(JoinHandle<()>, Mapping)>,
}

impl Uffd {
    /// Sets up the filler; `content` is one page.
    pub fn new(filler: Filler, content: &[u8]) -> Result<Self> {
        let file = open(filler)?;
        let content = Mapping::filled(content)?;
        let mut uffd = Self { file, content, thread: None };
        match filler {
            Filler::Thread => uffd.start_thread()?,
            Filler::Signal => uffd.install_handler()?,
        }
        Ok(uffd)
    }

    /// Maps `len` bytes that read as the content.
    pub fn map(&self, len: usize) -> Result<Mapping> {
        let mapping = Mapping::new(Backing::Anonymous, len)?;
        let range = sys::uffdio_range { start: mapping.address() as u64, len: len as u64 };
        let mut register = sys::uffdio_register { range, mode: sys::UFFDIO_REGISTER_MODE_MISSING.into(), ioctls: 0 };
        control(self.file.as_raw_fd(), ioctl::UFFDIO_REGISTER, &mut register)
            .map_err(|errno| anyhow::anyhow!("UFFDIO_REGISTER failed ({errno})"))?;
        Ok(mapping)
    }

    /// The thread ends at a fault of a page that is there for nothing else.
    fn start_thread(&mut self) -> Result<()> {
        let last = self.map(page_size())?;
        let mut file = self.file.try_clone().context("the descriptor of userfaultfd cannot be copied")?;
        let (end, content) = (last.address(), self.content.address());
        let thread = thread::spawn(move || while serve(&mut file, content) != Some(end) {});
        self.thread = Some((thread, last));
        Ok(())
    }

    fn install_handler(&mut self) -> Result<()> {
        HANDLER_CONTENT.store(self.content.address(), Ordering::SeqCst);
        HANDLER_FD.store(self.file.as_raw_fd(), Ordering::SeqCst);
        // SAFETY: all-zero is a valid value of this C structure.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = on_sigbus as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        // SAFETY: the handler does nothing but one system call, which a handler may do.
        let result = unsafe { libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()) };
        ensure!(result == 0, "sigaction failed ({})", Errno::last());
        Ok(())
    }
}

impl Drop for Uffd {
    fn drop(&mut self) {
        if let Some((thread, last)) = self.thread.take() {
            last.load(0);
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
        let own = self.file.as_raw_fd();
        let _ = HANDLER_FD.compare_exchange(own, -1, Ordering::SeqCst, Ordering::SeqCst);
    }
}

fn open(filler: Filler) -> Result<File> {
    // SAFETY: the call has no preconditions.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
    ensure!(fd >= 0, "userfaultfd() failed ({}): the kernel needs CONFIG_USERFAULTFD", Errno::last());
    // SAFETY: the kernel just gave this descriptor to us alone.
    let file = unsafe { File::from_raw_fd(fd as RawFd) };
    let features = if filler == Filler::Signal { sys::UFFD_FEATURE_SIGBUS } else { 0 };
    let mut api = sys::uffdio_api { api: sys::UFFD_API.into(), features: features.into(), ioctls: 0 };
    control(file.as_raw_fd(), ioctl::UFFDIO_API, &mut api)
        .map_err(|errno| anyhow::anyhow!("UFFDIO_API failed ({errno})"))?;
    Ok(file)
}

/// Waits for a fault, fills its page, and gives the page's address.
fn serve(file: &mut File, content: usize) -> Option<usize> {
    let mut event = [0u8; mem::size_of::<sys::uffd_msg>()];
    file.read_exact(&mut event).ok()?;
    // SAFETY: any bytes are a valid value of this C structure of integers, and the array has its size.
    let message: sys::uffd_msg = unsafe { mem::transmute_copy(&event) };
    // SAFETY: faults are the only events that this descriptor asked for.
    let fault = unsafe { message.arg.pagefault };
    let page = fault.address as usize & !(page_size() - 1);
    fill(file.as_raw_fd(), page, content).ok()?;
    Some(page)
}

fn fill(fd: RawFd, page: usize, content: usize) -> Result<(), Errno> {
    let len = page_size() as u64;
    let mut copy = sys::uffdio_copy { dst: page as u64, src: content as u64, len, mode: 0, copy: 0 };
    control(fd, ioctl::UFFDIO_COPY, &mut copy)
}

extern "C" fn on_sigbus(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid structure, and SIGBUS comes with an address.
    let address = unsafe { (*info).si_addr() } as usize;
    let page = address & !(page_size() - 1);
    if fill(HANDLER_FD.load(Ordering::SeqCst), page, HANDLER_CONTENT.load(Ordering::SeqCst)).is_err() {
        // SAFETY: the call never returns. To return would be to fault again, for ever.
        unsafe { libc::_exit(libc::SIGBUS) };
    }
}

fn control<T>(fd: RawFd, request: u32, argument: &mut T) -> Result<(), Errno> {
    // SAFETY: each caller gives the structure that its request takes.
    let result = unsafe { libc::ioctl(fd, request as libc::c_ulong as _, argument as *mut T) };
    if result == 0 { Ok(()) } else { Err(Errno::last()) }
}
