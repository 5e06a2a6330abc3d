// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MAP_REFPAGE with huge pages: the same folio sizes as ordinary memory gets for
 * the same stores, and no byte changes in any of the ways in which memory
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
#define COLLAPSE_TRIES	10
#define SPLIT_TRIES	10
#define DROP_CACHES	"/proc/sys/vm/drop_caches"
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

/* fills with this one, and copies on what it has filled, */
FIXTURE_VARIANT_ADD(refpage_thp, pattern)
{
	.seed = REFPAGE_REPEAT(SEED, 16),
};

/* and stores one word over and over here. */
FIXTURE_VARIANT_ADD(refpage_thp, word)
{
	.seed = REFPAGE_REPEAT(SEED, 8),
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
 * whenever the settings change, is left with what is private throughout.
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
	if (self->huge > REFPAGE_MAX_HUGE)
		SKIP(return, "huge pages of %zu bytes", self->huge);
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

/* Without a huge zero page ordinary memory is huge at once, here is no change. */
TEST_F(refpage_thp, loads_without_huge_zero_page)
{
	self->always.use_zero_page = false;
	thp_push_settings(&self->always);
	FORCE_READ(self->area[self->huge / 2]);
	EXPECT_MODEL();
	EXPECT_PRIVATE(self->area, self->size, 0);
}

TEST_F(refpage_thp, populate)
{
	char *map = refpage_map_at(self->area, self->size,
				   PROT_READ | PROT_WRITE,
				   MAP_FIXED | MAP_POPULATE, variant->seed);

	ASSERT_EQ(self->area, map);
	EXPECT_MODEL();
	EXPECT_EQ(NR_HUGE, huge_pages(self->area, self->size));
	EXPECT_PRIVATE(self->area, self->size, self->size / self->page);
}

/* One size at a time: a store, and one beside it. */
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

/*
 * A page here and there is private, and one was loaded from: the largest size
 * that fits beside them, as beside private pages and the zero page elsewhere.
 */
TEST_F(refpage_thp, stores_where_less_is_free)
{
	struct thp_settings small = thp_only(self->always, 0);
	size_t at;

	thp_push_settings(&small);
	for (at = 0; at < self->size; at += self->huge) {
		store(self, at + 5 * self->page);
		FORCE_READ(self->area[at + self->huge / 2]);
		FORCE_READ(self->plain[at + self->huge / 2]);
	}
	thp_pop_settings();
	store(self, 0);
	store(self, 8 * self->page);
	store(self, 100 * self->page);
	store(self, self->huge / 2);
	store(self, self->huge + self->huge / 2 + self->page);
	store(self, self->size - 1);
	EXPECT_MODEL();
	EXPECT_AS_PLAIN(0);
}

/* Two private pages after each fourteen that are untouched and clean in turn. */
#define MIX_PERIOD	16
#define MIX_PRIVATE	2

static bool is_private(size_t index)
{
	return index % MIX_PERIOD >= MIX_PERIOD - MIX_PRIVATE;
}

/* What max_ptes_none counts in each huge page of a mix. */
static unsigned int nr_none(FIXTURE_DATA(refpage_thp) *self)
{
	return self->huge / self->page / MIX_PERIOD *
	       (MIX_PERIOD - MIX_PRIVATE);
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

/* Pages may be in a batch of another CPU for a moment: EAGAIN. */
static int collapse(char *area, size_t size)
{
	int ret, tries = 0;

	do {
		ret = madvise(area, size, MADV_COLLAPSE);
	} while (ret && errno == EAGAIN && ++tries < COLLAPSE_TRIES);
	return ret;
}

TEST_F_TIMEOUT(refpage_thp, collapse, 120)
{
	mix(self, true);
	ASSERT_EQ(0, collapse(self->area, self->size));
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
	ASSERT_EQ(0, collapse(self->area + self->huge, self->huge));
	EXPECT_MODEL();
}

/*
 * What nobody stored to collapses, or does not, as in ordinary memory: one huge
 * page is untouched, the other is read; a store beyond makes it memory that may
 * be collapsed at all.
 */
TEST_F_TIMEOUT(refpage_thp, collapse_without_stores, 120)
{
	struct thp_settings small = thp_only(self->always, 0);
	char *part[] = { self->area, self->plain };
	int ret[NR_HUGE][ARRAY_SIZE(part)];
	unsigned int h, i;

	thp_push_settings(&small);
	for (i = 0; i < ARRAY_SIZE(part); i++) {
		/* The VMA gets an anon_vma, and loses the page again. */
		part[i][0] = STORED;
		ASSERT_EQ(0, madvise(part[i], self->huge, MADV_DONTNEED));
		for (size_t at = 0; at < self->huge; at += self->page)
			FORCE_READ(part[i][self->huge + at]);
	}
	for (h = 0; h < NR_HUGE; h++)
		for (i = 0; i < ARRAY_SIZE(part); i++)
			ret[h][i] = collapse(part[i] + h * self->huge,
					     self->huge) ? errno : 0;
	thp_pop_settings();
	for (h = 0; h < NR_HUGE; h++)
		EXPECT_EQ(ret[h][1], ret[h][0]);
	EXPECT_MODEL();
	EXPECT_EQ(huge_pages(self->plain, self->size),
		  huge_pages(self->area, self->size));
}

/* Lets khugepaged go round as often as it takes to have seen all memory once. */
static bool khugepaged_goes_round(void)
{
	const struct timespec tick = { .tv_nsec = 50000000 };
	unsigned long until = thp_read_num("khugepaged/full_scans") + 3;
	int i;

	for (i = 0; i < SCAN_SECONDS * 20; i++) {
		if (thp_read_num("khugepaged/full_scans") >= until)
			return true;
		nanosleep(&tick, NULL);
	}
	return false;
}

/* khugepaged, allowed one order and @max_none, meets a mix. */
#define RUN_KHUGEPAGED(order, max_none) do {				\
	struct thp_settings only = thp_only(self->always, order);	\
									\
	mix(self, false);						\
	only.khugepaged.max_ptes_none = max_none;			\
	only.khugepaged.scan_sleep_millisecs = 10;			\
	thp_push_settings(&only);					\
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_HUGEPAGE));	\
	ASSERT_TRUE(khugepaged_goes_round());				\
	EXPECT_MODEL();							\
} while (0)

static int pmd_order(FIXTURE_DATA(refpage_thp) *self)
{
	return __builtin_ctzl(self->huge / self->page);
}

/* Untouched and clean pages count, each as one. */
TEST_F_TIMEOUT(refpage_thp, khugepaged_as_many_as_allowed, 180)
{
	RUN_KHUGEPAGED(pmd_order(self), nr_none(self));
	EXPECT_EQ(NR_HUGE, huge_pages(self->area, self->size));
}

TEST_F_TIMEOUT(refpage_thp, khugepaged_one_more_than_allowed, 180)
{
	RUN_KHUGEPAGED(pmd_order(self), nr_none(self) - 1);
	EXPECT_EQ(0, huge_pages(self->area, self->size));
}

/* Sizes between: around each two private pages, or not at all. */
#define BETWEEN	4

TEST_F_TIMEOUT(refpage_thp, khugepaged_between, 180)
{
	if (!(thp_supported_orders() & 1UL << BETWEEN))
		SKIP(return, "no folios of order %d", BETWEEN);
	RUN_KHUGEPAGED(BETWEEN, self->huge / self->page - 1);
	EXPECT_PRIVATE(self->area, self->size, self->size / self->page);
	EXPECT_EQ(0, huge_pages(self->area, self->size));
}

TEST_F_TIMEOUT(refpage_thp, khugepaged_between_none, 180)
{
	if (!(thp_supported_orders() & 1UL << BETWEEN))
		SKIP(return, "no folios of order %d", BETWEEN);
	RUN_KHUGEPAGED(BETWEEN, 0);
	EXPECT_PRIVATE(self->area, self->size, NR_HUGE *
		       (self->huge / self->page - nr_none(self)));
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

/* What was dropped lazily and reclaimed is clean, as a whole. */
TEST_F_TIMEOUT(refpage_thp, free, 120)
{
	ASSERT_HUGE();
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_FREE));
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_PAGEOUT));
	refpage_fill(self->model, self->size, variant->seed);
	EXPECT_PRIVATE(self->area, self->size, 0);
	EXPECT_MODEL();
}

/*
 * Splits what is huge in a range, by debugfs, whose answer says little.  No
 * khugepaged may come after it.
 */
static int split(char *area, size_t size)
{
	char command[64];

	if (madvise(area, size, MADV_NOHUGEPAGE))
		return -errno;
	snprintf(command, sizeof(command), "%d,%#lx,%#lx,0", getpid(),
		 (unsigned long)area, (unsigned long)area + size);
	return refpage_write_text(SPLIT_DEBUGFS, command);
}

/* Splitting gives back what reads as the reference page, and zeros stay. */
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

/* A part of each huge page goes; when memory gets short, so does the rest. */
TEST_F(refpage_thp, rest_is_split)
{
	size_t quarter = self->huge / 4;
	long mapped = NR_HUGE * 3 * (quarter / self->page);
	int tries = 0;
	char *part;

	ASSERT_HUGE();
	for (part = self->area; part < self->area + self->size;
	     part += self->huge)
		ASSERT_EQ(0, madvise(part, quarter, MADV_DONTNEED));
	EXPECT_PRIVATE(self->area, self->size, mapped);
	do {
		ASSERT_EQ(0, refpage_write_text(DROP_CACHES, "2"));
	} while (private_pages(self->area, self->size) != NR_HUGE &&
		 ++tries < SPLIT_TRIES);
	EXPECT_PRIVATE(self->area, self->size, NR_HUGE);
	EXPECT_MODEL();
	store(self, 3);
	EXPECT_MODEL();
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

/* One folio, two processes: each has the same bytes, and its own stores. */
TEST_F(refpage_thp, split_after_fork)
{
	int to_child[2], status;
	char go = 0;
	pid_t pid;

	if (access(SPLIT_DEBUGFS, W_OK))
		SKIP(return, "no " SPLIT_DEBUGFS);
	ASSERT_HUGE();
	ASSERT_EQ(0, pipe(to_child));
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		EXPECT_EQ(1, read(to_child[0], &go, 1));
		EXPECT_EQ(0, huge_pages(self->area, self->size));
		EXPECT_MODEL();
		store(self, 3);
		EXPECT_MODEL();
		_exit(_metadata->exit_code);
	}
	EXPECT_EQ(0, split(self->area, self->size));
	EXPECT_EQ(1, write(to_child[1], &go, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_MODEL();
	store(self, 7);
	EXPECT_MODEL();
}

int main(int argc, char **argv)
{
	refpage_require();
	/* Who may not set them cannot put them back either. */
	if (!geteuid())
		thp_save_settings();
	return test_harness_run(argc, argv);
}
