// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MAP_REFPAGE with huge pages on everywhere: these mappings take none yet, and
 * no byte changes by any of the ways in which memory becomes a huge page.
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include <asm-generic/mman.h> /* Force the import of the tools version. */
#include <time.h>
#include "hugepage_settings.h"
#include "refpage_util.h"

#define SEED		0x71
#define OTHER_SEED	0x72
#define STORED		0x5a
#define NR_HUGE		2
#define SCAN_SECONDS	60

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
	int kmsg;
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

/* Every kind of huge page, for every mapping, at once. */
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
	s.khugepaged.scan_sleep_millisecs = 10;
	s.khugepaged.pages_to_scan = 1 << 20;
	for (i = 0; i < NR_ORDERS; i++)
		s.hugepages[i].enabled = THP_ALWAYS;
	return s;
}

/*
 * @area: huge-page aligned, of the mapping type under test; @plain: ordinary
 * memory of one huge page beside it, to see that the settings do something.
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
	self->room_size = self->size + 3 * self->huge;
	self->always = thp_always();
	thp_push_settings(&self->always);

	self->room = refpage_carveout(self->room_size);
	ASSERT_NE(MAP_FAILED, self->room);
	self->area = align_up(self->room, self->huge);
	ASSERT_EQ(self->area, refpage_map_at(self->area, self->size,
					     PROT_READ | PROT_WRITE, MAP_FIXED,
					     SEED));
	self->plain = self->area + self->size + self->huge;
	ASSERT_EQ(self->plain, mmap(self->plain, self->huge,
				    PROT_READ | PROT_WRITE, MAP_FIXED |
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

FIXTURE_TEARDOWN(refpage_thp)
{
	munmap(self->room, self->room_size);
	thp_restore_settings();
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

#define EXPECT_NOT_HUGE() do {						\
	EXPECT_EQ(0, huge_pages(self->area, self->size));		\
	EXPECT_EQ(0, refpage_smaps_kb(self->area, self->size,		\
				      "THPeligible:"));			\
} while (0)

/* The settings give ordinary memory a huge page at the first store. */
#define ASSERT_SETTINGS_WORK() do {					\
	self->plain[0] = 1;						\
	ASSERT_EQ(1, huge_pages(self->plain, self->huge));		\
} while (0)

/* Not the huge zero page. */
TEST_F(refpage_thp, first_access_reads)
{
	ASSERT_SETTINGS_WORK();
	FORCE_READ(self->area[self->huge / 2]);
	EXPECT_CONTENT(self->area, self->size, SEED);
	EXPECT_NOT_HUGE();
	EXPECT_PRIVATE(self->area, self->size, 0);

	self->area[0] = STORED;
	EXPECT_CONTENT(self->area + self->page, self->size - self->page, SEED);
	EXPECT_PRIVATE(self->area, self->size, 1);
}

TEST_F(refpage_thp, first_access_writes)
{
	size_t at = self->huge / 2 + 3;
	char *model = refpage_model(self->size, SEED);

	ASSERT_SETTINGS_WORK();
	self->area[at] = STORED;
	model[at] = STORED;
	EXPECT_EQ(-1, refpage_diff(self->area, model, self->size));
	EXPECT_NOT_HUGE();
	EXPECT_PRIVATE(self->area, self->size, 1);
	free(model);
}

TEST_F(refpage_thp, populate)
{
	char *map;

	ASSERT_SETTINGS_WORK();
	map = refpage_map_at(self->area, self->size, PROT_READ | PROT_WRITE,
			     MAP_FIXED | MAP_POPULATE, OTHER_SEED);
	ASSERT_EQ(self->area, map);
	EXPECT_CONTENT(self->area, self->size, OTHER_SEED);
	EXPECT_NOT_HUGE();
	EXPECT_PRIVATE(self->area, self->size, self->size / self->page);
}

static void store(char *area, char *model, size_t at)
{
	area[at] = STORED;
	model[at] = STORED;
}

/* Sizes between: the first store, and one beside a page that is there. */
TEST_F(refpage_thp, stores_at_each_order)
{
	unsigned long orders = thp_supported_orders();
	char *model = refpage_model(self->size, SEED);
	long stores = 0;
	size_t at;
	int order;

	ASSERT_SETTINGS_WORK();
	for (order = 0; (self->page << order) < self->huge; order++) {
		if (!(orders & 1UL << order))
			continue;
		at = (self->page << order) + order;
		store(self->area, model, at);
		store(self->area, model, at + self->huge);
		store(self->area, model, at + self->huge + self->page);
		stores += 3;
	}
	if (!stores)
		SKIP(return, "no size between the page and the huge page");
	EXPECT_EQ(-1, refpage_diff(self->area, model, self->size));
	EXPECT_NOT_HUGE();
	EXPECT_PRIVATE(self->area, self->size, stores);
	free(model);
}

/*
 * Pages in turn: never touched, clean, private, private and sent to swap where
 * there is swap.
 */
static bool is_private(size_t index)
{
	return index & 2;
}

static void mix(char *area, size_t size, char *model)
{
	size_t page = psize(), at;

	refpage_fill(model, size, SEED);
	for (at = 0; at < size; at += page) {
		if (!is_private(at / page)) {
			if (at / page & 1)
				FORCE_READ(area[at]);
			continue;
		}
		refpage_fill(model + at, page, OTHER_SEED);
		model[at + 7] = at / page;
		memcpy(area + at, model + at, page);
		if (at / page & 1)
			madvise(area + at, page, MADV_PAGEOUT);
	}
}

/* EINVAL, as for memory that cannot be huge, and nothing changed. */
TEST_F_TIMEOUT(refpage_thp, collapse, 120)
{
	char *model = malloc(self->size);

	ASSERT_NE(NULL, model);
	ASSERT_EQ(-1, madvise(self->area, self->size, MADV_COLLAPSE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_CONTENT(self->area, self->size, SEED);

	mix(self->area, self->size, model);
	ASSERT_EQ(-1, madvise(self->area, self->size, MADV_COLLAPSE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, refpage_diff(self->area, model, self->size));
	EXPECT_NOT_HUGE();
	EXPECT_PRIVATE(self->area, self->size, self->size / self->page / 2);

	/* Ordinary memory does collapse here. */
	self->plain[0] = 1;
	EXPECT_EQ(0, madvise(self->plain, self->huge, MADV_COLLAPSE));
	free(model);
}

/* Small pages in ordinary memory, for khugepaged to find. */
static void fill_small(FIXTURE_DATA(refpage_thp) *self, size_t len)
{
	struct thp_settings small = self->always;
	int i;

	small.thp_enabled = THP_NEVER;
	for (i = 0; i < NR_ORDERS; i++)
		small.hugepages[i].enabled = THP_NEVER;
	thp_push_settings(&small);
	memset(self->plain, 1, len);
	thp_pop_settings();
}

/*
 * Waits until khugepaged made the ordinary memory huge and went round twice
 * more.  False if it never did.
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

#define KHUGEPAGED_TEST(max_none, len) do {				\
	char *model = malloc(self->size);				\
									\
	ASSERT_NE(NULL, model);						\
	self->always.khugepaged.max_ptes_none = max_none;		\
	thp_push_settings(&self->always);				\
	fill_small(self, len);						\
	ASSERT_EQ(0, huge_pages(self->plain, self->huge));		\
	mix(self->area, self->size, model);				\
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_HUGEPAGE));	\
	ASSERT_EQ(0, madvise(self->plain, self->huge, MADV_HUGEPAGE));	\
	ASSERT_TRUE(khugepaged_went_round(self));			\
	EXPECT_NOT_HUGE();						\
	EXPECT_EQ(-1, refpage_diff(self->area, model, self->size));	\
	free(model);							\
} while (0)

/* Most lenient: one page there makes a huge page. */
TEST_F_TIMEOUT(refpage_thp, khugepaged_max_none, 180)
{
	KHUGEPAGED_TEST(self->huge / self->page - 1, self->page);
}

/* Strictest: all of it must be there. */
TEST_F_TIMEOUT(refpage_thp, khugepaged_no_none, 180)
{
	KHUGEPAGED_TEST(0, self->huge);
}

int main(int argc, char **argv)
{
	refpage_require();
	thp_save_settings();
	return test_harness_run(argc, argv);
}
