//! Finds what a kernel complains about in its log.

use regex::RegexSet;

/// Each of these says that something is wrong; none is printed by a healthy boot.
const PATTERNS: &[&str] = &[
    r"\bWARNING: ",
    r"\bBUG: ",
    r"\bkernel BUG at ",
    r"\bBad rss-counter state",
    r"\bBad page (map|state)",
    r"\bnon-zero pgtables_bytes",
    r"possible circular locking dependency",
    r"possible recursive locking",
    r"inconsistent lock state",
    r"possible irq lock inversion",
    r"suspicious RCU usage",
    r"INFO: task .* blocked for more than",
    r"rcu: INFO: .*\bstalls?\b",
    r"\bsoft lockup\b",
    r"\bhard LOCKUP\b",
    r"[1-9]\d* new suspected memory leaks",
    r"\brefcount_t: ",
    r"\blist_(add|del) corruption",
    r"page_table_check: .*(bug|failed)",
    r"\bOops: ",
    r"general protection fault",
    r"unable to handle (kernel )?(page fault|NULL pointer|paging request)",
    r"\bKernel panic - not syncing",
    r"\bUBSAN: ",
    r"\bKFENCE: ",
    r"ODEBUG: ",
    r"sleeping function called from invalid context",
    r"scheduling while atomic",
];

/// The number of lines shown after one that complains: most of a call trace.
const CONTEXT: usize = 25;

/// The lines that complain, each with what follows it up to a bound.
pub fn find(log: &str) -> Vec<String> {
    let set = RegexSet::new(PATTERNS).expect("the patterns are constants that a test compiles");
    let lines: Vec<&str> = log.lines().map(|line| line.trim_end_matches('\r')).collect();
    let mut found = Vec::new();
    let mut next = 0;
    for (index, line) in lines.iter().enumerate() {
        if index >= next && set.is_match(line) {
            next = (index + CONTEXT).min(lines.len());
            found.push(lines[index..next].join("\n"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_complaint_is_found() {
        for line in [
            "[    1.0] WARNING: CPU: 0 PID: 1 at mm/memory.c:1 f+0x1/0x2",
            "[    1.0] WARNING: mm/memory.c:1 at f+0x1/0x2, CPU#0: a/1",
            "[    1.0] BUG: KASAN: slab-use-after-free in f+0x1/0x2",
            "[    1.0] BUG: Bad rss-counter state mm:0 type:MM_ANONPAGES val:1 Comm:a Pid:1",
            "[    1.0] BUG: Bad page map in process a  pte:0 pmd:0",
            "[    1.0] BUG: non-zero pgtables_bytes on freeing mm: 4096",
            "[    1.0] BUG: kernel NULL pointer dereference, address: 0",
            "[    1.0] kernel BUG at mm/rmap.c:1!",
            "[    1.0] WARNING: possible circular locking dependency detected",
            "[    1.0] WARNING: possible recursive locking detected",
            "[    1.0] WARNING: inconsistent lock state",
            "[    1.0] WARNING: suspicious RCU usage",
            "[    1.0] INFO: task a:1 blocked for more than 120 seconds.",
            "[    1.0] rcu: INFO: rcu_sched self-detected stall on CPU",
            "[    1.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "[    1.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
            "[    1.0] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            "[    1.0] refcount_t: underflow; use-after-free.",
            "[    1.0] list_del corruption. prev->next should be 0",
            "[    1.0] Oops: 0000 [#1] SMP",
            "[    1.0] Oops: general protection fault, probably for non-canonical address 0",
            "[    1.0] Kernel panic - not syncing: Attempted to kill init!",
            "[    1.0] UBSAN: array-index-out-of-bounds in mm/a.c:1:1",
        ] {
            assert_eq!(find(line).len(), 1, "{line}");
        }
    }

    #[test]
    fn harmless_lines_do_not_match() {
        for line in [
            "[    0.0] Linux version 7.3.4-refpage (refpage@refpage) (Debian clang version 19)",
            "[    0.0] Kernel command line: quiet panic=-1 oops=panic debug",
            "[    0.0] rcu: Hierarchical RCU implementation.",
            "[    0.0] rcu: RCU lockdep checking is enabled.",
            "[    0.0] Spectre V2 : WARNING",
            "[    0.1] kasan: KernelAddressSanitizer initialized (generic)",
            "[    0.1] ... MAX_LOCK_DEPTH:          48",
            "[    0.5] kmemleak: Kernel memory leak detector initialized (mem pool available: 1)",
            "[    0.5] kmemleak: 0 new suspected memory leaks",
            "[    0.5] Memory: 1K/2K available, bug tracker",
            "[    0.5] ACPI BIOS Warning (bug): Optional FADT field",
            "[    0.5] page_owner is disabled",
            "[    0.5] debug_vm_pgtable: [debug_vm_pgtable         ]: Validating architecture page table helpers",
            "[    0.5] a[1]: segfault at 0 ip 0 sp 0 error 4",
        ] {
            assert!(find(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn one_trace_is_one_complaint() {
        let log = "a\nWARNING: x\nCall Trace:\n f\nBUG: y in the same trace\n";
        assert_eq!(find(log), ["WARNING: x\nCall Trace:\n f\nBUG: y in the same trace"]);
    }
}
