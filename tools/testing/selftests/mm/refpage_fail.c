// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MAP_REFPAGE when memory runs out: every allocation of an operation is made to
 * fail in turn.  Then the operation fails with ENOMEM, or did without; the bytes
 * are those of before or those of after, and no captured page is left behind.
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include <asm-generic/mman.h> /* Force the import of the tools version. */
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "refpage_sys.h"
#include "refpage_util.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define NR_PAGES	16
#define SEED		0xc1
#define OTHER_SEED	0xc2
#define STORED		0x5a
#define MAX_NTH		500

FIXTURE(refpage_fail)
{
	struct refpage_setting settings[8];
	size_t page;
	size_t size;
	char *room;
	char *area;
	char *source;
	long alive;
	int nth;
	int kmsg;
};

/* Let every allocation fail that can, without a trace in the log. */
static int inject_everywhere(struct refpage_setting *s)
{
	static const char * const settings[][2] = {
		{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "failslab/cache-filter", "N" },
		{ DEBUGFS "failslab/verbose", "0" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ DEBUGFS "fail_page_alloc/min-order", "0" },
		{ DEBUGFS "fail_page_alloc/verbose", "0" },
	};
	int ret = 0;

	for (int i = 0; i < ARRAY_SIZE(settings) && !ret; i++)
		ret = refpage_set(&s[i], settings[i][0], settings[i][1]);
	/* There need not be such a file. */
	refpage_set(&s[ARRAY_SIZE(settings)], DEBUGFS "fail_usercopy/verbose",
		    "0");
	return ret;
}

FIXTURE_SETUP(refpage_fail)
{
	char path[64];

	self->kmsg = refpage_kmsg_open();
	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth",
		 syscall(__NR_gettid));
	self->nth = open(path, O_RDWR | O_CLOEXEC);
	if (self->nth < 0 || inject_everywhere(self->settings))
		SKIP(return, "needs root, debugfs, FAILSLAB and FAIL_PAGE_ALLOC");
	self->page = psize();
	self->size = NR_PAGES * self->page;
	self->room = refpage_carveout(3 * self->size);
	ASSERT_NE(MAP_FAILED, self->room);
	self->area = self->room + self->size;
	self->source = refpage_source(OTHER_SEED);
	ASSERT_EQ(self->area, refpage_map_at(self->area, self->size,
					     PROT_READ | PROT_WRITE, MAP_FIXED,
					     SEED));
	self->alive = refpage_vmstat("nr_refpage");
	ASSERT_LE(1, self->alive);
}

FIXTURE_TEARDOWN(refpage_fail)
{
	for (int i = 0; i < ARRAY_SIZE(self->settings); i++)
		refpage_restore(&self->settings[i]);
	munmap(self->room, 3 * self->size);
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

/* From here on the nth allocation of this task fails. */
static void fail_at(FIXTURE_DATA(refpage_fail) *self, int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	if (pwrite(self->nth, text, strlen(text), 0) < 0)
		ksft_exit_fail_perror("fail-nth");
}

/*
 * Ends it; true if something did fail.  Where copies to and from user space can
 * be made to fail too, it may be the copies of these calls that do.
 */
static bool failed_one(FIXTURE_DATA(refpage_fail) *self)
{
	char text[16] = "1";

	if (pread(self->nth, text, sizeof(text) - 1, 0) < 0 && errno != EFAULT)
		ksft_exit_fail_perror("read of fail-nth");
	if (pwrite(self->nth, "0", 1, 0) < 0 && errno != EFAULT)
		ksft_exit_fail_perror("write of fail-nth");
	return !atoi(text);
}

/*
 * Runs the statement again and again with each allocation in turn failing,
 * until none was left to fail.  @ok and errno are those of the statement.
 */
#define FOR_EACH_FAILURE(self, count, ok, statement)			\
	for (int __nth = 1, __more = 1;					\
	     __more && __nth < MAX_NTH &&				\
	     ({ fail_at(self, __nth); ok = (statement);			\
		int __err = errno; __more = failed_one(self);		\
		(count) += __more; errno = __err; true; });		\
	     __nth++)

#define EXPECT_FAILED_SOMETIMES(count) do {				\
	EXPECT_LT(0, count);						\
	EXPECT_GT(MAX_NTH - 1, count);					\
} while (0)

/* A mapping where none was: made, or ENOMEM and nothing there. */
TEST_F_TIMEOUT(refpage_fail, mmap, 120)
{
	char *at = self->area + self->size + self->page;
	int count = 0, failures = 0;
	bool ok;

	munmap(at, self->page);
	FOR_EACH_FAILURE(self, count, ok,
			 refpage_mmap(at, self->page, PROT_READ | PROT_WRITE,
				      MAP_FIXED, self->source) != MAP_FAILED) {
		if (ok) {
			EXPECT_EQ(self->alive + 1, refpage_vmstat("nr_refpage"));
			EXPECT_CONTENT(at, self->page, OTHER_SEED);
			munmap(at, self->page);
		} else {
			failures++;
			EXPECT_EQ(ENOMEM, errno);
			EXPECT_EQ(0, refpage_count_vmas(at, self->page));
		}
		EXPECT_EQ(self->alive, refpage_vmstat("nr_refpage"));
	}
	EXPECT_FAILED_SOMETIMES(count);
	EXPECT_LT(0, failures);
	EXPECT_CONTENT(self->area, self->size, SEED);
}

/* The captured page of the same content is there already. */
TEST_F_TIMEOUT(refpage_fail, mmap_shared_content, 120)
{
	char *at = self->area + self->size + self->page;
	char *source = refpage_source(SEED);
	int count = 0;
	bool ok;

	munmap(at, self->page);
	FOR_EACH_FAILURE(self, count, ok,
			 refpage_mmap(at, self->page, PROT_READ | PROT_WRITE,
				      MAP_FIXED, source) != MAP_FAILED) {
		if (ok) {
			EXPECT_CONTENT(at, self->page, SEED);
			munmap(at, self->page);
		} else {
			EXPECT_EQ(ENOMEM, errno);
		}
		EXPECT_EQ(self->alive, refpage_vmstat("nr_refpage"));
	}
	EXPECT_FAILED_SOMETIMES(count);
	munmap(source, self->page);
}

/* Beside a mapping of the same content, to merge with. */
TEST_F_TIMEOUT(refpage_fail, mmap_merging, 120)
{
	char *at = self->area + self->size, *source = refpage_source(SEED);
	int count = 0;
	bool ok;

	munmap(at, self->page);
	FOR_EACH_FAILURE(self, count, ok,
			 refpage_mmap(at, self->page, PROT_READ | PROT_WRITE,
				      MAP_FIXED, source) != MAP_FAILED) {
		if (ok) {
			EXPECT_GE(2, refpage_count_vmas(self->area, self->size +
							self->page));
			EXPECT_CONTENT(at, self->page, SEED);
			munmap(at, self->page);
		} else {
			EXPECT_EQ(ENOMEM, errno);
		}
		EXPECT_EQ(self->alive, refpage_vmstat("nr_refpage"));
		EXPECT_CONTENT(self->area, self->size, SEED);
	}
	EXPECT_FAILED_SOMETIMES(count);
	ASSERT_EQ(at, refpage_mmap(at, self->page, PROT_READ | PROT_WRITE,
				   MAP_FIXED, source));
	EXPECT_EQ(1, refpage_count_vmas(self->area, self->size + self->page));
	munmap(source, self->page);
}

/*
 * In place of another mapping: after a failure what was there is there still,
 * or it is gone, as with every MAP_FIXED; it is never something else.
 */
TEST_F_TIMEOUT(refpage_fail, mmap_over, 120)
{
	char *at = self->area + 4 * self->page;
	size_t len = 2 * self->page;
	int count = 0;
	bool ok;

	FOR_EACH_FAILURE(self, count, ok,
			 refpage_mmap(at, len, PROT_READ | PROT_WRITE,
				      MAP_FIXED, self->source) != MAP_FAILED) {
		if (ok) {
			EXPECT_CONTENT(at, len, OTHER_SEED);
		} else {
			EXPECT_EQ(ENOMEM, errno);
			if (refpage_count_vmas(at, len))
				EXPECT_CONTENT(at, len, SEED);
		}
		EXPECT_CONTENT(self->area, 4 * self->page, SEED);
		ASSERT_EQ(at, refpage_map_at(at, len, PROT_READ | PROT_WRITE,
					     MAP_FIXED, SEED));
		EXPECT_EQ(self->alive, refpage_vmstat("nr_refpage"));
	}
	EXPECT_FAILED_SOMETIMES(count);
}

/*
 * In a control group, which counts every byte of the kernel's: with each
 * allocation of mmap() failing a thousand times, and each time for a content of
 * its own, not one slab object each may be left.
 */
#define GROUPS		"/sys/fs/cgroup"
#define LEAK_ROUNDS	1000
#define LEAK_BOUND	(LEAK_ROUNDS * 48)

/* In the child, which has a fail-nth of its own. */
static int fail_in_group(FIXTURE_DATA(refpage_fail) *self, const char *group)
{
	unsigned long *source = (unsigned long *)self->source;
	char *at = self->area + self->size + self->page;
	int failures = 0, count = 0;
	char path[128];
	bool ok;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	if (refpage_write_text(path, "0"))
		return -1;
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (self->nth < 0)
		return -1;
	for (int i = 0; i < LEAK_ROUNDS; i++) {
		munmap(at, self->page);
		FOR_EACH_FAILURE(self, count, ok,
				 refpage_mmap(at, self->page, PROT_READ,
					      MAP_FIXED, source) != MAP_FAILED) {
			failures += !ok;
			source[3]++;
			munmap(at, self->page);
		}
	}
	return failures;
}

TEST_F_TIMEOUT(refpage_fail, mmap_leaves_nothing, 240)
{
	char group[64];
	int status;
	long bound;
	pid_t pid;

	refpage_write_text(GROUPS "/cgroup.subtree_control", "+memory");
	snprintf(group, sizeof(group), GROUPS "/refpage-fail-%d", getpid());
	if (mkdir(group, 0755))
		SKIP(return, "needs cgroup v2 at " GROUPS);
	if (refpage_memcg_kernel(group, 1) < 0) {
		rmdir(group);
		SKIP(return, "needs the memory controller of cgroup v2");
	}
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid)
		_exit(fail_in_group(self, group) < LEAK_ROUNDS);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(self->alive, refpage_vmstat("nr_refpage"));
	/* The group may keep a page for its next slab object. */
	bound = LEAK_BOUND + self->page;
	EXPECT_GT(bound, refpage_memcg_kernel(group, bound));
	EXPECT_EQ(0, rmdir(group));
}

/* A fault whose page cannot be allocated is tried again, from the start. */
TEST_F_TIMEOUT(refpage_fail, fault, 120)
{
	char want[self->page];
	int count = 0, i = 0;
	bool ok;

	refpage_fill(want, self->page, SEED);
	want[3] = STORED;
	FOR_EACH_FAILURE(self, count, ok,
			 (FORCE_READ(self->area[i++ % NR_PAGES * self->page]),
			  true)) {
		EXPECT_CONTENT(self->area, self->size, SEED);
		ASSERT_EQ(0, madvise(self->area, self->size, MADV_DONTNEED));
	}
	i = 0;
	count = 0;
	FOR_EACH_FAILURE(self, count, ok, (self->area[3] = STORED, true)) {
		EXPECT_TRUE(ok);
		EXPECT_EQ(-1, refpage_diff(self->area, want, self->page));
		EXPECT_CONTENT(self->area + self->page, self->size - self->page,
			       SEED);
		ASSERT_EQ(0, madvise(self->area, self->page, MADV_DONTNEED));
		/* The next store is to a page that is mapped, or to none. */
		if (i++ & 1)
			FORCE_READ(self->area[0]);
	}
	EXPECT_FAILED_SOMETIMES(count);
}

/* Stores by the kernel, which reports what it could not do. */
TEST_F_TIMEOUT(refpage_fail, remote_store, 120)
{
	int count = 0, mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	const char byte = STORED;
	char want[self->page];
	bool ok;

	ASSERT_LE(0, mem);
	refpage_fill(want, self->page, SEED);
	want[9] = STORED;
	FOR_EACH_FAILURE(self, count, ok,
			 pwrite(mem, &byte, 1, (uintptr_t)self->area + 9) == 1) {
		if (ok) {
			EXPECT_EQ(-1, refpage_diff(self->area, want,
						   self->page));
		} else {
			EXPECT_CONTENT(self->area, self->page, SEED);
		}
		ASSERT_EQ(0, madvise(self->area, self->page, MADV_DONTNEED));
	}
	EXPECT_FAILED_SOMETIMES(count);
	close(mem);
}

/* Split in three by mprotect(), and merged again. */
TEST_F_TIMEOUT(refpage_fail, split, 120)
{
	char *at = self->area + 4 * self->page;
	int count = 0;
	bool ok;

	FOR_EACH_FAILURE(self, count, ok,
			 !mprotect(at, self->page, PROT_READ)) {
		if (!ok) {
			EXPECT_EQ(ENOMEM, errno);
		}
		/* One of two splits may have been made. */
		EXPECT_GE(ok ? 3 : 2, refpage_count_vmas(self->area,
							 self->size));
		EXPECT_CONTENT(self->area, self->size, SEED);
		ASSERT_EQ(0, mprotect(at, self->page, PROT_READ));
		ASSERT_EQ(0, mprotect(at, self->page, PROT_READ | PROT_WRITE));
		EXPECT_EQ(1, refpage_count_vmas(self->area, self->size));
	}
	EXPECT_FAILED_SOMETIMES(count);
	EXPECT_EQ(self->alive, refpage_vmstat("nr_refpage"));
}

TEST_F_TIMEOUT(refpage_fail, munmap, 120)
{
	char *at = self->area + 4 * self->page;
	int count = 0;
	bool ok;

	FOR_EACH_FAILURE(self, count, ok, !munmap(at, self->page)) {
		if (ok) {
			EXPECT_EQ(0, refpage_count_vmas(at, self->page));
		} else {
			EXPECT_EQ(ENOMEM, errno);
			EXPECT_CONTENT(at, self->page, SEED);
		}
		EXPECT_CONTENT(self->area, 4 * self->page, SEED);
		ASSERT_EQ(at, refpage_map_at(at, self->page, PROT_READ |
					     PROT_WRITE, MAP_FIXED, SEED));
		EXPECT_EQ(1, refpage_count_vmas(self->area, self->size));
		EXPECT_EQ(self->alive, refpage_vmstat("nr_refpage"));
	}
	EXPECT_FAILED_SOMETIMES(count);
}

/* Moved to where nothing is; private, clean and never-touched pages. */
TEST_F_TIMEOUT(refpage_fail, mremap, 120)
{
	char *to = self->area + self->size, *at;
	int count = 0;
	bool ok;

	refpage_fill(self->area, self->page, OTHER_SEED);
	FORCE_READ(self->area[self->page]);
	munmap(to, self->size);
	FOR_EACH_FAILURE(self, count, ok,
			 mremap(self->area, self->size, self->size,
				MREMAP_MAYMOVE | MREMAP_FIXED, to) == to) {
		if (!ok) {
			EXPECT_EQ(ENOMEM, errno);
		}
		at = ok ? to : self->area;
		EXPECT_EQ(0, refpage_count_vmas(ok ? self->area : to,
						self->size));
		EXPECT_CONTENT(at, self->page, OTHER_SEED);
		EXPECT_CONTENT(at + self->page, self->size - self->page, SEED);
		if (ok) {
			ASSERT_EQ(self->area,
				  mremap(to, self->size, self->size,
					 MREMAP_MAYMOVE | MREMAP_FIXED,
					 self->area));
		}
	}
	EXPECT_FAILED_SOMETIMES(count);
	EXPECT_EQ(self->alive, refpage_vmstat("nr_refpage"));
}

/* The child leaves here: what would follow is the parent's to do. */
static pid_t fork_and_compare(FIXTURE_DATA(refpage_fail) *self)
{
	pid_t pid = fork();
	char *rest = self->area + self->page;

	if (!pid)
		_exit(refpage_mismatch(self->area, self->page, OTHER_SEED) != -1 ||
		      refpage_mismatch(rest, self->size - self->page, SEED) != -1);
	return pid;
}

/* A fork that fails leaves no child, and the parent as it was. */
TEST_F_TIMEOUT(refpage_fail, fork, 240)
{
	int count = 0, status;
	pid_t pid;
	bool ok;

	refpage_fill(self->area, self->page, OTHER_SEED);
	FORCE_READ(self->area[self->page]);
	FOR_EACH_FAILURE(self, count, ok, (pid = fork_and_compare(self)) > 0) {
		if (ok) {
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
			EXPECT_EQ(0, status);
		} else {
			EXPECT_TRUE(errno == ENOMEM || errno == EAGAIN);
		}
		EXPECT_CONTENT(self->area, self->page, OTHER_SEED);
		EXPECT_CONTENT(self->area + self->page, self->size - self->page,
			       SEED);
		EXPECT_EQ(self->alive, refpage_vmstat("nr_refpage"));
	}
	EXPECT_FAILED_SOMETIMES(count);
}

REFPAGE_TEST_MAIN
