// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a program tells the kernel about the pages of a MAP_REFPAGE mapping:
 * discarded pages read as the content again, wherever they were; populated,
 * locked, guarded and sealed ones behave as those of anonymous memory.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include "refpage_contents.h"

TEST_F(refpage_contents, wipe_on_fork)
{
	mix(self);
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_WIPEONFORK));
	IN_CHILD({
		EXPECT_CONTENT(self->map, self->len, variant->seed);
		EXPECT_PRIVATE(self->map, self->len, 0);
		self->map[2 * self->page] ^= 1;
		self->map[2 * self->page] ^= 1;
		EXPECT_CONTENT(self->map, self->len, variant->seed);
	});
	EXPECT_MODEL();
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_KEEPONFORK));
	IN_CHILD({
		EXPECT_MODEL();
	});
}

TEST_F(refpage_contents, dont_fork)
{
	mix(self);
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_DONTFORK));
	IN_CHILD({
		EXPECT_EQ(0, refpage_count_vmas(self->map, self->len));
	});
	EXPECT_MODEL();
}

TEST_F(refpage_contents, dontneed)
{
	mix(self);
	/* A part, of pages of each kind, then the rest. */
	ASSERT_EQ(0, madvise(self->map, 3 * self->page, MADV_DONTNEED));
	discarded(self, 0, 3 * self->page, variant->seed);
	EXPECT_PRIVATE(self->map, self->len, MIX_PRIVATE - 1);
	EXPECT_MODEL();
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_DONTNEED));
	discarded(self, 0, self->len, variant->seed);
	EXPECT_MODEL();
	EXPECT_PRIVATE(self->map, self->len, 0);
	mix(self);
	EXPECT_MODEL();
}

TEST_F(refpage_contents, dontneed_locked)
{
	if (mlock(self->map, self->len))
		SKIP(return, "cannot lock: %s", strerror(errno));
	EXPECT_PRIVATE(self->map, self->len, NPAGES);
	store(self, self->page, self->page);
	EXPECT_MODEL();
	EXPECT_EQ(-1, madvise(self->map, self->len, MADV_DONTNEED));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_MODEL();
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_DONTNEED_LOCKED));
	discarded(self, 0, self->len, variant->seed);
	EXPECT_MODEL();
}

/* Freed pages are the old ones until reclaim takes them, then the content. */
TEST_F(refpage_contents, free_and_reclaim)
{
	size_t i;

	store(self, 0, self->len);
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_FREE));
	EXPECT_MODEL();
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_FREE));
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_PAGEOUT));
	for (i = 0; i < self->len; i += self->page) {
		if (!memcmp(self->map + i, self->model + i, self->page))
			continue;
		/* Either all of the old page or all of the content. */
		discarded(self, i, self->page, variant->seed);
	}
	EXPECT_MODEL();
	if (refpage_smaps_pages(self->map, self->len, "Rss:") == NPAGES)
		SKIP(return, "no freed page was reclaimed");
	store(self, self->page, 1);
	EXPECT_MODEL();
}

/* A store after MADV_FREE keeps the page. */
TEST_F(refpage_contents, free_and_store)
{
	store(self, 0, self->len);
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_FREE));
	store(self, 2 * self->page, 1);
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_PAGEOUT));
	EXPECT_EQ(-1, refpage_diff(self->map + 2 * self->page,
				   self->model + 2 * self->page, self->page));
}

/* Written pages go to swap and come back; clean ones have nothing to write. */
static int swap_out(FIXTURE_DATA(refpage_contents) * self)
{
	mix(self);
	if (madvise(self->map, self->len, MADV_PAGEOUT))
		return -1;
	return pagemap_is_swapped(self->pagemap,
				  self->map + 2 * self->page) ? 0 : -1;
}

TEST_F(refpage_contents, swap)
{
	if (swap_out(self))
		SKIP(return, "no swap");
	EXPECT_PRIVATE(self->map, self->len, 0);
	EXPECT_EQ(MIX_PRIVATE * (long)self->page / 1024,
		  refpage_smaps_kb(self->map, self->len, "Swap:"));
	EXPECT_MODEL();
	EXPECT_PRIVATE(self->map, self->len, MIX_PRIVATE);
	store(self, 2 * self->page, 1);
	EXPECT_MODEL();
}

TEST_F(refpage_contents, swap_and_fork)
{
	if (swap_out(self))
		SKIP(return, "no swap");
	IN_CHILD({
		store(self, 2 * self->page + 1, 1);
		store(self, 3 * self->page + 1, 1);
		EXPECT_MODEL();
	});
	store(self, 2 * self->page, 1);
	EXPECT_MODEL();
}

/* A swap entry that is discarded leaves the content, not what was swapped. */
TEST_F(refpage_contents, swap_and_discard)
{
	static const int hints[] = { MADV_DONTNEED, MADV_FREE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hints); i++) {
		if (swap_out(self))
			SKIP(return, "no swap");
		ASSERT_EQ(0, madvise(self->map, self->len, hints[i]));
		discarded(self, 0, self->len, variant->seed);
		EXPECT_EQ(0, refpage_smaps_kb(self->map, self->len, "Swap:"));
		EXPECT_MODEL();
		EXPECT_PRIVATE(self->map, self->len, 0);
	}
}

static bool all_present(const void *map, size_t pages, int want)
{
	unsigned char present[NPAGES];
	size_t i;

	if (mincore((void *)map, pages * psize(), present))
		return false;
	for (i = 0; i < pages; i++)
		if ((present[i] & 1) != want)
			return false;
	return true;
}

TEST_F(refpage_contents, mincore)
{
	EXPECT_TRUE(all_present(self->map, NPAGES, 0));
	FORCE_READ(self->map[self->page]);
	self->map[2 * self->page] = 1;
	EXPECT_TRUE(all_present(self->map, 1, 0));
	EXPECT_TRUE(all_present(self->map + self->page, 2, 1));
	EXPECT_TRUE(all_present(self->map + 3 * self->page, NPAGES - 3, 0));
}

/* Populating a writable private mapping makes its pages the caller's. */
TEST_F(refpage_contents, populate)
{
	char *map = refpage_map_at(NULL, self->len, RW, MAP_POPULATE,
				   variant->seed);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(all_present(map, NPAGES, 1));
	EXPECT_EQ(NPAGES, refpage_smaps_pages(map, self->len, "Rss:"));
	EXPECT_CONTENT(map, self->len, variant->seed);
	ASSERT_EQ(0, munmap(map, self->len));

	map = refpage_map_at(NULL, self->len, PROT_READ, MAP_POPULATE,
			     variant->seed);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(all_present(map, NPAGES, 1));
	EXPECT_EQ(0, refpage_smaps_pages(map, self->len, "Rss:"));
	EXPECT_CONTENT(map, self->len, variant->seed);
}

TEST_F(refpage_contents, madvise_populate)
{
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_POPULATE_READ));
	EXPECT_TRUE(all_present(self->map, NPAGES, 1));
	EXPECT_PRIVATE(self->map, self->len, 0);
	EXPECT_MODEL();
	ASSERT_EQ(0, madvise(self->map, 3 * self->page, MADV_POPULATE_WRITE));
	EXPECT_PRIVATE(self->map, self->len, 3);
	EXPECT_MODEL();
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_DONTNEED));
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_POPULATE_WRITE));
	EXPECT_PRIVATE(self->map, self->len, NPAGES);
	EXPECT_MODEL();
}

/* VmLck of the process, in kB. */
static long locked_kb(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[512];
	long kb = -1;

	if (!status)
		return -1;
	while (kb < 0 && fgets(line, sizeof(line), status))
		if (sscanf(line, "VmLck: %ld kB", &kb) != 1)
			kb = -1;
	fclose(status);
	return kb;
}

TEST_F(refpage_contents, mlock)
{
	mix(self);
	if (mlock(self->map, self->len))
		SKIP(return, "cannot lock: %s", strerror(errno));
	EXPECT_EQ(self->len >> 10, locked_kb());
	EXPECT_TRUE(all_present(self->map, NPAGES, 1));
	EXPECT_PRIVATE(self->map, self->len, NPAGES);
	EXPECT_MODEL();
	store(self, self->page, 1);
	ASSERT_EQ(0, munlock(self->map, self->len));
	EXPECT_EQ(0, locked_kb());
	EXPECT_MODEL();
}

/* Locked and not writable: present, and still nobody's. */
TEST_F(refpage_contents, mlock_read_only)
{
	ASSERT_EQ(0, mprotect(self->map, self->len, PROT_READ));
	if (mlock(self->map, self->len))
		SKIP(return, "cannot lock: %s", strerror(errno));
	EXPECT_TRUE(all_present(self->map, NPAGES, 1));
	EXPECT_PRIVATE(self->map, self->len, 0);
	EXPECT_MODEL();
	ASSERT_EQ(0, mprotect(self->map, self->len, RW));
	store(self, 3 * self->page, 1);
	EXPECT_MODEL();
	ASSERT_EQ(0, munlock(self->map, self->len));
	EXPECT_MODEL();
}

TEST_F(refpage_contents, mlock_on_fault)
{
	if (mlock2(self->map, self->len, MLOCK_ONFAULT))
		SKIP(return, "cannot lock: %s", strerror(errno));
	EXPECT_TRUE(all_present(self->map, NPAGES, 0));
	EXPECT_PRIVATE(self->map, self->len, 0);
	mix(self);
	EXPECT_PRIVATE(self->map, self->len, MIX_PRIVATE);
	EXPECT_MODEL();
	ASSERT_EQ(0, munlock(self->map, self->len));
}

TEST_F(refpage_contents, map_locked)
{
	char *map = refpage_map_at(NULL, self->len, RW, MAP_LOCKED,
				   variant->seed);

	if (map == MAP_FAILED)
		SKIP(return, "cannot lock: %s", strerror(errno));
	EXPECT_TRUE(all_present(map, NPAGES, 1));
	EXPECT_EQ(self->len >> 10, locked_kb());
	EXPECT_CONTENT(map, self->len, variant->seed);
	ASSERT_EQ(0, munmap(map, self->len));
	EXPECT_EQ(0, locked_kb());
}

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#define MADV_GUARD_REMOVE	103
#endif

/* Guards over pages of each kind: no access, then the content. */
TEST_F(refpage_contents, guard_region)
{
	size_t i;

	mix(self);
	if (madvise(self->map, 3 * self->page, MADV_GUARD_INSTALL))
		SKIP(return, "no guard regions: %s", strerror(errno));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(EFAULT, probe_read(self->map + i * self->page));
		EXPECT_EQ(EFAULT, probe_write(self->map + i * self->page));
	}
	EXPECT_PRIVATE(self->map, self->len, MIX_PRIVATE - 1);
	/* A discard leaves guards where they are. */
	ASSERT_EQ(0, madvise(self->map, 3 * self->page, MADV_DONTNEED));
	EXPECT_EQ(EFAULT, probe_read(self->map));
	IN_CHILD({
		EXPECT_EQ(EFAULT, probe_read(self->map));
	});
	ASSERT_EQ(0, madvise(self->map, 3 * self->page, MADV_GUARD_REMOVE));
	discarded(self, 0, 3 * self->page, variant->seed);
	EXPECT_MODEL();
	mix(self);
	EXPECT_MODEL();
}

static int seal(void *addr, size_t len)
{
#ifdef __NR_mseal
	return syscall(__NR_mseal, addr, len, 0);
#else
	errno = ENOSYS;
	return -1;
#endif
}

TEST_F(refpage_contents, sealed)
{
	char *source = refpage_source(OTHER);

	mix(self);
	if (seal(self->map, self->len))
		SKIP(return, "no mseal: %s", strerror(errno));
	EXPECT_EQ(-1, munmap(self->map, self->len));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, mprotect(self->map, self->len, PROT_READ));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, mremap(self->map, self->len, 2 * self->len,
				     MREMAP_MAYMOVE));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, refpage_mmap(self->map, self->len, RW, MAP_FIXED,
					   source));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, refpage_mmap(self->map, self->page, RW, MAP_FIXED,
					   self->map));
	EXPECT_EQ(EPERM, errno);
	store(self, self->page, 3);
	EXPECT_MODEL();
	EXPECT_PRIVATE(self->map, self->len, MIX_PRIVATE + 1);
}

/* What the owner may not write, a seal lets nobody discard. */
TEST_F(refpage_contents, sealed_read_only)
{
	mix(self);
	ASSERT_EQ(0, mprotect(self->map, self->len, PROT_READ));
	if (seal(self->map, self->len))
		SKIP(return, "no mseal: %s", strerror(errno));
	EXPECT_EQ(-1, madvise(self->map, self->len, MADV_DONTNEED));
	EXPECT_EQ(EPERM, errno);
	EXPECT_MODEL();
}

REFPAGE_TEST_MAIN
