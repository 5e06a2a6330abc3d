// SPDX-License-Identifier: GPL-2.0

//! The heap of this process: made on first use, kept whole across `fork()`, reported at the end.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use std::sync::MutexGuard;
use std::sync::OnceLock;

use dlmalloc::Dlmalloc;
use refmap::HeapReport;

use crate::config::Config;
use crate::heap::Heap;
use crate::source::Source;
use crate::stats::Stats;
use crate::text::Text;

/// Exit status where the environment asks for nonsense (EX_USAGE of sysexits.h).
const BAD_CONFIG: i32 = 64;
/// Exit status where the kernel cannot do what is asked (EX_UNAVAILABLE).
const UNAVAILABLE: i32 = 69;

static STATS: Stats = Stats::new();

struct Process {
    config: Config,
    heap: Heap,
}

static PROCESS: OnceLock<Process> = OnceLock::new();

/// Returns the heap.
pub fn heap() -> &'static Heap {
    &process().heap
}

fn process() -> &'static Process {
    PROCESS.get_or_init(|| {
        let config = Config::read(variable).unwrap_or_else(|error| fail(BAD_CONFIG, format_args!("{error}")));
        let heap = Heap::new(&config, &STATS).unwrap_or_else(|error| fail(UNAVAILABLE, format_args!("{error}")));
        Process { config, heap }
    })
}

fn variable(name: &CStr) -> Option<&'static [u8]> {
    // SAFETY: a C string; getenv() is safe as long as nobody changes the environment meanwhile,
    // and this runs before main() can.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    // SAFETY: getenv() returns null or a C string, which stays where it is.
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) }.to_bytes())
}

fn fail(status: i32, reason: core::fmt::Arguments<'_>) -> ! {
    Text::new(format_args!("refheap: {reason}\n")).write_to(libc::STDERR_FILENO);
    // SAFETY: ends the process at once. Exit handlers might allocate, and there is no heap.
    unsafe { libc::_exit(status) }
}

/// Returns how the heap is set up, and the counts up to now.
pub fn report() -> HeapReport {
    let config = &process().config;
    let counts = STATS.snapshot();
    let mode = match config.fill {
        refmap::Fill::None => c"none",
        refmap::Fill::Memset => c"memset",
        refmap::Fill::Refpage => c"refpage",
    };
    HeapReport {
        mode: mode.as_ptr(),
        pattern: config.pattern.into(),
        check: config.check.into(),
        granularity: config.granularity as u64,
        fresh: counts.fresh,
        checked: counts.checked,
        pattern_seen: counts.pattern,
    }
}

/// Appends the report to the file that `REFHEAP_REPORT` names, as one line of JSON.
fn write_report() {
    let Some(path) = variable(c"REFHEAP_REPORT") else { return };
    let report = report();
    // SAFETY: both are C strings: the value of a variable, and the name of a mode.
    let (file, mode) = unsafe {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        (libc::open(path.as_ptr().cast(), flags, 0o644), CStr::from_ptr(report.mode))
    };
    if file < 0 {
        return Text::new(format_args!("refheap: REFHEAP_REPORT: name a file that can be written\n"))
            .write_to(libc::STDERR_FILENO);
    }
    Text::new(format_args!(
        "{{\"bench\":\"refheap\",\"way\":\"{}\",\"pattern\":{},\"granularity\":{},\
         \"fresh_bytes\":{},\"checked_bytes\":{},\"pattern_bytes\":{}}}\n",
        mode.to_str().unwrap_or(""),
        report.pattern,
        report.granularity,
        report.fresh,
        report.checked,
        report.pattern_seen,
    ))
    .write_to(file);
    // SAFETY: the descriptor is this function's own.
    unsafe { libc::close(file) };
}

/// Holds the lock from just before a `fork()` until just after it, so that the child's copy of
/// the heap is never caught half changed.
struct ForkGuard(UnsafeCell<Option<MutexGuard<'static, Dlmalloc<Source>>>>);

// SAFETY: whoever reaches the cell holds the very lock that the guard in it stands for.
unsafe impl Sync for ForkGuard {}

static FORK_GUARD: ForkGuard = ForkGuard(UnsafeCell::new(None));

extern "C" fn before_fork() {
    let guard = heap().lock();
    // SAFETY: this thread holds the lock.
    unsafe { *FORK_GUARD.0.get() = Some(guard) };
}

extern "C" fn after_fork() {
    // SAFETY: before_fork() took the lock in this thread, or in the thread that this one, alone
    // in its process, is the copy of.
    drop(unsafe { (*FORK_GUARD.0.get()).take() });
}

extern "C" fn start() {
    // So that nonsense in the environment shows even in a program that never allocates.
    heap();
    // SAFETY: the handlers are functions of this library, which is never unloaded. Not done on
    // first use, because registering may allocate.
    unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(after_fork)) };
}

extern "C" fn end() {
    write_report();
}

#[used]
// SAFETY: the section holds pointers to functions, which the loader calls once, before main().
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

#[used]
// SAFETY: the section holds pointers to functions, which are called once, after main().
#[unsafe(link_section = ".fini_array")]
static END: extern "C" fn() = end;
