// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MAP_REFPAGE under KSM: private pages merge as those of anonymous memory do,
 * but pages of zeros never become the kernel's zero page, which later would be
 * taken for a page that nobody wrote.
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include <asm-generic/mman.h> /* Force the import of the tools version. */
#include <sys/wait.h>
#include "refpage_sys.h"
#include "refpage_util.h"

#define KSM		"/sys/kernel/mm/ksm/"
#define GROUP		8
#define SEED		0x81
#define OTHER_SEED	0x82
#define STORED		0x5a
#define MAX_ROUNDS	20

/* Pages of the mapping in groups, by what they hold. */
enum group { ZEROS, AS_REFERENCE, OTHER, CLEAN, NR_GROUPS };

static const unsigned int group_seed[NR_GROUPS] = {
	[ZEROS] = REFPAGE_ZEROS,
	[AS_REFERENCE] = SEED,
	[OTHER] = OTHER_SEED,
	[CLEAN] = SEED,
};

FIXTURE(refpage_ksm)
{
	struct refpage_setting run, zeros, pages, sleep;
	size_t page;
	size_t group;
	size_t size;
	char *area;
	char *plain;
	int kmsg;
};

/* @plain: as many zeros in ordinary memory, to see that KSM is at work. */
FIXTURE_SETUP(refpage_ksm)
{
	self->kmsg = refpage_kmsg_open();
	refpage_base_pages();
	if (refpage_set(&self->run, KSM "run", "0") ||
	    refpage_set(&self->zeros, KSM "use_zero_pages", "1") ||
	    refpage_set(&self->pages, KSM "pages_to_scan", "10000") ||
	    refpage_set(&self->sleep, KSM "sleep_millisecs", "0"))
		SKIP(return, "needs KSM, and root to turn it on");
	self->page = psize();
	self->group = GROUP * self->page;
	self->size = NR_GROUPS * self->group;
	self->area = refpage_map(self->size, SEED);
	ASSERT_NE(MAP_FAILED, self->area);
	self->plain = mmap(NULL, self->group, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->plain);
	memset(self->plain, 0, self->group);
	for (int i = 0; i < CLEAN; i++)
		refpage_fill(self->area + i * self->group, self->group,
			     group_seed[i]);
	force_read_pages(self->area + CLEAN * self->group, GROUP / 2,
			 self->page);
}

FIXTURE_TEARDOWN(refpage_ksm)
{
	munmap(self->area, self->size);
	munmap(self->plain, self->group);
	refpage_restore(&self->sleep);
	refpage_restore(&self->pages);
	refpage_restore(&self->zeros);
	refpage_restore(&self->run);
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

#define EXPECT_GROUPS() do {						\
	for (int g = 0; g < NR_GROUPS; g++)				\
		EXPECT_CONTENT(self->area + g * self->group,		\
			       self->group, group_seed[g]);		\
} while (0)

/*
 * Lets KSM go round until it made the ordinary zeros its own, and the two
 * groups of equal private pages too.  False if it never does.
 */
static bool ksm_merge(FIXTURE_DATA(refpage_ksm) *self)
{
	if (madvise(self->area, self->size, MADV_MERGEABLE) ||
	    madvise(self->plain, self->group, MADV_MERGEABLE))
		return false;
	for (int i = 0; i < MAX_ROUNDS; i++) {
		if (ksm_start())
			return false;
		if (ksm_get_self_zero_pages() >= GROUP &&
		    ksm_get_self_merging_pages() >= 2 * GROUP)
			return true;
	}
	return false;
}

/* One byte in the first page of each group, and no other byte. */
static bool stores_change_a_byte(FIXTURE_DATA(refpage_ksm) *self)
{
	char want[psize()];
	bool same = true;

	for (int g = 0; g < NR_GROUPS; g++) {
		char *page = self->area + g * self->group;

		page[19 + g] = STORED;
		refpage_fill(want, self->page, group_seed[g]);
		want[19 + g] = STORED;
		same &= !memcmp(page, want, self->page);
		same &= refpage_mismatch(page + self->page,
					 self->group - self->page,
					 group_seed[g]) == -1;
	}
	return same;
}

/* Merged or not, each page reads as before; a store changes one byte. */
TEST_F_TIMEOUT(refpage_ksm, merge, 120)
{
	ASSERT_TRUE(ksm_merge(self));
	EXPECT_GROUPS();
	EXPECT_CONTENT(self->plain, self->group, REFPAGE_ZEROS);
	EXPECT_TRUE(stores_change_a_byte(self));
}

/* Only the ordinary memory's zeros are the kernel's zero page. */
TEST_F_TIMEOUT(refpage_ksm, zeros_stay_pages, 120)
{
	ASSERT_TRUE(ksm_merge(self));
	EXPECT_EQ(GROUP, ksm_get_self_zero_pages());
	EXPECT_EQ(CLEAN * GROUP, refpage_smaps_pages(self->area, self->size,
						     "Rss:"));
	EXPECT_EQ(0, refpage_smaps_pages(self->plain, self->group, "Rss:"));
	EXPECT_GROUPS();
}

/* Taken apart again, by the process and by KSM itself. */
TEST_F_TIMEOUT(refpage_ksm, unmerge, 120)
{
	ASSERT_TRUE(ksm_merge(self));
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_UNMERGEABLE));
	EXPECT_GROUPS();
	EXPECT_TRUE(stores_change_a_byte(self));
}

TEST_F_TIMEOUT(refpage_ksm, unmerge_all, 120)
{
	ASSERT_TRUE(ksm_merge(self));
	ASSERT_EQ(0, ksm_stop());
	EXPECT_EQ(0, ksm_get_self_zero_pages());
	EXPECT_GROUPS();
	EXPECT_TRUE(stores_change_a_byte(self));
}

/* Both sides of a fork store to merged pages. */
TEST_F_TIMEOUT(refpage_ksm, fork, 120)
{
	int status;
	pid_t pid;

	ASSERT_TRUE(ksm_merge(self));
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		EXPECT_GROUPS();
		EXPECT_TRUE(stores_change_a_byte(self));
		_exit(_metadata->exit_code);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_GROUPS();
	EXPECT_TRUE(stores_change_a_byte(self));
}

/* What is dropped reads as the reference content, merged before or not. */
TEST_F_TIMEOUT(refpage_ksm, dontneed, 120)
{
	ASSERT_TRUE(ksm_merge(self));
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_DONTNEED));
	EXPECT_CONTENT(self->area, self->size, SEED);
	EXPECT_PRIVATE(self->area, self->size, 0);
}

REFPAGE_TEST_MAIN
