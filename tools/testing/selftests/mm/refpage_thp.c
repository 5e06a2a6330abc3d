// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MAP_REFPAGE with huge pages: the same folio sizes as ordinary memory gets for
 * the same accesses, and no byte changes in any of the ways in which memory
 * becomes a huge page, or stops being one.
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include <asm-generic/mman.h> /* Force the import of the tools version. */
#include <sys/wait.h>
#include <time.h>
#include "hugepage_settings.h"
#include "refpage_sys.h"
#include "refpage_util.h"

#define SEED		0x71
#define OTHER_SEED	0x72
#define STORED		0x5a
#define NR_HUGE		2
#define SCAN_SECONDS	60
#define SPLIT_DEBUGFS	"/sys/kernel/debug/split_huge_pages"

FIXTURE(refpage_thp)
{
	struct thp_settings always;
	size_t page;
	size_t huge;
	size_t size;
	size_t room_size;
	char *room;
	char *area;
	char *plain;
	char *model;
	int kmsg;
};

FIXTURE_VARIANT(refpage_thp)
{
	unsigned int seed;
};

/* The kernel copies this one, */
FIXTURE_VARIANT_ADD(refpage_thp, page)
{
	.seed = SEED,
};

/* and fills with this one. */
FIXTURE_VARIANT_ADD(refpage_thp, pattern)
{
	.seed = REFPAGE_REPEAT(SEED, 16),
};

static char *align_up(char *p, size_t to)
{
	return (char *)(((uintptr_t)p + to - 1) & ~(to - 1));
}

static long huge_pages(const char *area, size_t size)
{
	return refpage_smaps_kb(area, size, "AnonHugePages:") * 1024 /
	       (long)read_pmd_pagesize();
}

static long private_pages(const char *area, size_t size)
{
	return refpage_smaps_pages(area, size, "Anonymous:");
}

/*
 * Every kind of huge page, for every mapping, by faults.  khugepaged, which runs
 * whenever the settings change, adds none.
 */
static struct thp_settings thp_always(void)
{
	struct thp_settings s;
	int i;

	thp_read_settings(&s);
	s.thp_enabled = THP_ALWAYS;
	s.thp_defrag = THP_DEFRAG_ALWAYS;
	s.use_zero_page = true;
	s.khugepaged.defrag = 1;
	s.khugepaged.alloc_sleep_millisecs = 10;
	s.khugepaged.scan_sleep_millisecs = 3600 * 1000;
	s.khugepaged.max_ptes_none = 0;
	s.khugepaged.pages_to_scan = 1 << 20;
	for (i = 0; i < NR_ORDERS; i++)
		s.hugepages[i].enabled = THP_ALWAYS;
	return s;
}

/* As @base, and faults get folios of one order, or base pages for order 0. */
static struct thp_settings thp_only(struct thp_settings base, int order)
{
	int i;

	base.thp_enabled = THP_NEVER;
	for (i = 0; i < NR_ORDERS; i++)
		base.hugepages[i].enabled = THP_NEVER;
	if (order)
		base.hugepages[order].enabled = THP_ALWAYS;
	return base;
}

/*
 * @area: huge-page aligned, of the mapping type under test; @plain: ordinary
 * memory, as large and as aligned, which shows what the settings do; @model: what
 * @area must read as.
 */
FIXTURE_SETUP(refpage_thp)
{
	self->kmsg = refpage_kmsg_open();
	if (!thp_available())
		SKIP(return, "no transparent huge pages");
	if (geteuid())
		SKIP(return, "needs root, to turn huge pages on");
	self->page = psize();
	self->huge = read_pmd_pagesize();
	self->size = NR_HUGE * self->huge;
	self->room_size = 2 * self->size + 3 * self->huge;
	self->model = refpage_model(self->size, variant->seed);
	self->always = thp_always();
	thp_push_settings(&self->always);

	self->room = refpage_carveout(self->room_size);
	self->area = align_up(self->room, self->huge);
	ASSERT_EQ(self->area, refpage_map_at(self->area, self->size,
					     PROT_READ | PROT_WRITE, MAP_FIXED,
					     variant->seed));
	self->plain = self->area + self->size + self->huge;
	ASSERT_EQ(self->plain, mmap(self->plain, self->size,
				    PROT_READ | PROT_WRITE, MAP_FIXED |
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

FIXTURE_TEARDOWN(refpage_thp)
{
	munmap(self->room, self->room_size);
	free(self->model);
	thp_restore_settings();
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

static void store(FIXTURE_DATA(refpage_thp) *self, size_t at)
{
	self->area[at] = STORED;
	self->plain[at] = STORED;
	self->model[at] = STORED;
}

#define EXPECT_MODEL() \
	EXPECT_EQ(-1, refpage_diff(self->area, self->model, self->size))

/* Folios of the same sizes in both, and @nr huge ones in each. */
#define EXPECT_AS_PLAIN(nr) do {					\
	EXPECT_EQ(nr, huge_pages(self->area, self->size));		\
	EXPECT_EQ(nr, huge_pages(self->plain, self->size));		\
	EXPECT_PRIVATE(self->area, self->size,				\
		       private_pages(self->plain, self->size));		\
} while (0)

/* Makes @area huge, with a store at the middle of each huge page. */
#define ASSERT_HUGE() do {						\
	for (size_t h = 0; h < self->size; h += self->huge)		\
		store(self, h + self->huge / 2);			\
	ASSERT_EQ(NR_HUGE, huge_pages(self->area, self->size));		\
} while (0)

TEST_F(refpage_thp, is_eligible)
{
	EXPECT_EQ(1, refpage_smaps_kb(self->area, self->size, "THPeligible:"));
}

/* Not the huge zero page, and no page of its own. */
TEST_F(refpage_thp, loads_stay_clean)
{
	FORCE_READ(self->area[self->huge / 2]);
	EXPECT_MODEL();
	EXPECT_EQ(0, huge_pages(self->area, self->size));
	EXPECT_PRIVATE(self->area, self->size, 0);
}

TEST_F(refpage_thp, first_store_is_huge)
{
	store(self, self->huge / 2 + 3);
	EXPECT_MODEL();
	EXPECT_AS_PLAIN(1);
	EXPECT_EQ(self->huge / self->page,
		  private_pages(self->area, self->size));
}

/* A huge page where nothing was mapped, and what fits beside clean pages. */
TEST_F(refpage_thp, stores_beside_clean_pages)
{
	FORCE_READ(self->area[self->huge / 2]);
	self->area[0] = STORED;
	self->model[0] = STORED;
	self->area[self->huge] = STORED;
	self->model[self->huge] = STORED;
	EXPECT_MODEL();
	EXPECT_EQ(1, huge_pages(self->area, self->size));
	self->area[self->huge / 2] = STORED;
	self->model[self->huge / 2] = STORED;
	EXPECT_MODEL();
}

TEST_F(refpage_thp, populate)
{
	char *map = refpage_map_at(self->area, self->size,
				   PROT_READ | PROT_WRITE,
				   MAP_FIXED | MAP_POPULATE, OTHER_SEED);

	ASSERT_EQ(self->area, map);
	EXPECT_CONTENT(self->area, self->size, OTHER_SEED);
	EXPECT_EQ(NR_HUGE, huge_pages(self->area, self->size));
	EXPECT_PRIVATE(self->area, self->size, self->size / self->page);
}

/* One size at a time: a store, one beside it, and one where less is free. */
TEST_F(refpage_thp, stores_at_each_order)
{
	unsigned long orders = thp_supported_orders();
	struct thp_settings only;
	int order, tried = 0;
	size_t folio;

	for (order = 1; (self->page << order) < self->huge; order++) {
		if (!(orders & 1UL << order))
			continue;
		only = thp_only(self->always, order);
		thp_push_settings(&only);
		folio = self->page << order;
		madvise(self->area, self->size, MADV_DONTNEED);
		madvise(self->plain, self->size, MADV_DONTNEED);
		refpage_fill(self->model, self->size, variant->seed);
		store(self, folio + order);
		EXPECT_EQ(1 << order, private_pages(self->area, self->size));
		store(self, folio + self->page);
		store(self, self->huge + folio - 1);
		EXPECT_MODEL();
		EXPECT_AS_PLAIN(0);
		thp_pop_settings();
		tried++;
	}
	if (!tried)
		SKIP(return, "no size between the page and the huge page");
}

/* Two private pages after each fourteen that are untouched and clean in turn. */
#define MIX_PERIOD	16

static bool is_private(size_t index)
{
	return index % MIX_PERIOD >= MIX_PERIOD - 2;
}

/* With @swap, one of each two private pages goes there, if there is any. */
static void mix(FIXTURE_DATA(refpage_thp) *self, bool swap)
{
	struct thp_settings small = thp_only(self->always, 0);
	size_t at, index;

	thp_push_settings(&small);
	for (at = 0; at < self->size; at += self->page) {
		index = at / self->page;
		if (!is_private(index)) {
			if (index & 1)
				FORCE_READ(self->area[at]);
			continue;
		}
		refpage_fill(self->model + at, self->page, OTHER_SEED);
		memcpy(self->model + at, &at, sizeof(at));
		memcpy(self->area + at, self->model + at, self->page);
		if (swap && index & 1)
			madvise(self->area + at, self->page, MADV_PAGEOUT);
	}
	thp_pop_settings();
}

TEST_F_TIMEOUT(refpage_thp, collapse, 120)
{
	mix(self, true);
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_COLLAPSE));
	EXPECT_MODEL();
	EXPECT_EQ(NR_HUGE, huge_pages(self->area, self->size));
	EXPECT_PRIVATE(self->area, self->size, self->size / self->page);
}

/* Zeros that were written are content. */
TEST_F_TIMEOUT(refpage_thp, collapse_keeps_zeros, 120)
{
	struct thp_settings small = thp_only(self->always, 0);

	thp_push_settings(&small);
	memset(self->area + self->huge, 0, self->page);
	memset(self->model + self->huge, 0, self->page);
	thp_pop_settings();
	ASSERT_EQ(0, madvise(self->area + self->huge, self->huge,
			     MADV_COLLAPSE));
	EXPECT_MODEL();
}

/* What was never touched collapses as little as ordinary memory. */
TEST_F(refpage_thp, collapse_of_untouched_memory)
{
	int ret = madvise(self->plain, self->size, MADV_COLLAPSE);
	int err = errno;

	EXPECT_EQ(ret, madvise(self->area, self->size, MADV_COLLAPSE));
	if (ret)
		EXPECT_EQ(err, errno);
	EXPECT_MODEL();
}

/*
 * Waits until khugepaged made @plain huge and went round twice more.  False if
 * it never did.
 */
static bool khugepaged_went_round(FIXTURE_DATA(refpage_thp) *self)
{
	const struct timespec tick = { .tv_nsec = 50000000 };
	unsigned long until = 0, scans;
	int i;

	for (i = 0; i < SCAN_SECONDS * 20; i++) {
		scans = thp_read_num("khugepaged/full_scans");
		if (!until && huge_pages(self->plain, self->huge) == 1)
			until = scans + 2;
		if (until && scans >= until)
			return true;
		nanosleep(&tick, NULL);
	}
	return false;
}

/* @len bytes of ordinary memory in small pages let khugepaged collapse it. */
#define RUN_KHUGEPAGED(max_none, len) do {				\
	struct thp_settings small;					\
									\
	self->always.khugepaged.max_ptes_none = max_none;		\
	self->always.khugepaged.scan_sleep_millisecs = 10;		\
	small = thp_only(self->always, 0);				\
	thp_push_settings(&small);					\
	memset(self->plain, 1, len);					\
	thp_pop_settings();						\
	ASSERT_EQ(0, huge_pages(self->plain, self->huge));		\
	mix(self, false);						\
	thp_push_settings(&self->always);				\
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_HUGEPAGE));	\
	ASSERT_EQ(0, madvise(self->plain, self->huge, MADV_HUGEPAGE));	\
	ASSERT_TRUE(khugepaged_went_round(self));			\
} while (0)

/* Most lenient: one page that was stored to makes a huge page. */
TEST_F_TIMEOUT(refpage_thp, khugepaged_max_none, 180)
{
	RUN_KHUGEPAGED(self->huge / self->page - 1, self->page);
	EXPECT_MODEL();
	EXPECT_EQ(NR_HUGE, huge_pages(self->area, self->size));
}

/* Strictest: clean pages count as absent ones do. */
TEST_F_TIMEOUT(refpage_thp, khugepaged_no_none, 180)
{
	RUN_KHUGEPAGED(0, self->huge);
	EXPECT_EQ(0, huge_pages(self->area, self->size));
	EXPECT_MODEL();
}

TEST_F(refpage_thp, part_goes)
{
	size_t quarter = self->huge / 4;

	ASSERT_HUGE();
	ASSERT_EQ(0, madvise(self->area, quarter, MADV_DONTNEED));
	refpage_fill(self->model, quarter, variant->seed);
	EXPECT_MODEL();
	ASSERT_EQ(0, mprotect(self->area + quarter, quarter, PROT_READ));
	EXPECT_MODEL();
	ASSERT_EQ(0, mprotect(self->area + quarter, quarter,
			      PROT_READ | PROT_WRITE));
	store(self, quarter + 5);
	store(self, 5);
	EXPECT_MODEL();
	EXPECT_EQ(1, huge_pages(self->area, self->size));
}

TEST_F(refpage_thp, moves_whole)
{
	char *to = self->plain;

	ASSERT_HUGE();
	ASSERT_EQ(to, mremap(self->area, self->size, self->size,
			     MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
			     to));
	EXPECT_EQ(-1, refpage_diff(to, self->model, self->size));
	EXPECT_EQ(NR_HUGE, huge_pages(to, self->size));
	EXPECT_CONTENT(self->area, self->size, variant->seed);
	EXPECT_PRIVATE(self->area, self->size, 0);
}

TEST_F(refpage_thp, fork)
{
	int status;
	pid_t pid;

	ASSERT_HUGE();
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		EXPECT_MODEL();
		store(self, 3);
		store(self, self->size - 3);
		EXPECT_MODEL();
		_exit(_metadata->exit_code);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_MODEL();
	store(self, 7);
	EXPECT_MODEL();
}

TEST_F_TIMEOUT(refpage_thp, swap, 120)
{
	if (refpage_keyed("/proc/meminfo", "SwapFree") < 64 * 1024)
		SKIP(return, "no swap");
	ASSERT_HUGE();
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_PAGEOUT));
	EXPECT_LT(0, refpage_smaps_kb(self->area, self->size, "Swap:"));
	EXPECT_MODEL();
}

/* Splits what is huge in a range, by debugfs. */
static int split(char *area, size_t size)
{
	char command[64];

	/* Takes pages out of the batches of mlock(), which hold references. */
	refpage_write_text("/proc/sys/vm/compact_memory", "1");
	snprintf(command, sizeof(command), "%d,%#lx,%#lx,0", getpid(),
		 (unsigned long)area, (unsigned long)area + size);
	return refpage_write_text(SPLIT_DEBUGFS, command);
}

/*
 * Splitting gives back what reads as the reference page and nothing else, zeros
 * in particular.
 */
TEST_F(refpage_thp, split)
{
	size_t zeros = 9 * self->page;

	if (access(SPLIT_DEBUGFS, W_OK))
		SKIP(return, "no " SPLIT_DEBUGFS);
	ASSERT_HUGE();
	memset(self->area + zeros, 0, self->page);
	memset(self->model + zeros, 0, self->page);
	ASSERT_EQ(0, split(self->area, self->size));
	EXPECT_EQ(0, huge_pages(self->area, self->size));
	EXPECT_MODEL();
	/* The store in each huge page, and the zeros. */
	EXPECT_PRIVATE(self->area, self->size, NR_HUGE + 1);
}

/* What is locked stays in memory, split or not. */
TEST_F(refpage_thp, split_of_locked_memory)
{
	if (access(SPLIT_DEBUGFS, W_OK))
		SKIP(return, "no " SPLIT_DEBUGFS);
	ASSERT_EQ(0, mlock(self->area, self->size));
	ASSERT_EQ(NR_HUGE, huge_pages(self->area, self->size));
	ASSERT_EQ(0, split(self->area, self->size));
	EXPECT_EQ(0, huge_pages(self->area, self->size));
	EXPECT_MODEL();
	EXPECT_PRIVATE(self->area, self->size, self->size / self->page);
}

int main(int argc, char **argv)
{
	refpage_require();
	thp_save_settings();
	return test_harness_run(argc, argv);
}
