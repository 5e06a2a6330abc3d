// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loads and stores: a page of a MAP_REFPAGE mapping that was never written
 * reads as the content that was captured, whatever happens to its source; a
 * written page is the writer's own; only written pages count.
 */
#define _GNU_SOURCE
#include <sched.h>
#include "refpage_contents.h"

#define KPF_ZERO_PAGE	BIT_ULL(24)

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

TEST_F(refpage_contents, read_clean)
{
	char present[NPAGES];

	EXPECT_PRIVATE(self->map, self->len, 0);
	EXPECT_MODEL();
	EXPECT_PRIVATE(self->map, self->len, 0);
	EXPECT_EQ(0, refpage_smaps_kb(self->map, self->len, "Swap:"));
	EXPECT_EQ(0, refpage_smaps_kb(self->map, self->len, "Referenced:"));
	EXPECT_MODEL();

	/* Read pages are present, without being anybody's. */
	ASSERT_EQ(0, mincore(self->map, self->len, (void *)present));
	for (size_t i = 0; i < NPAGES; i++)
		EXPECT_EQ(1, present[i]);
}

/* RssAnon of the process tells the same. */
TEST_F(refpage_contents, process_rss)
{
	size_t len = 16 << 20, i;
	unsigned long before;
	char *map;

	map = refpage_map(len, variant->seed);
	ASSERT_NE(MAP_FAILED, map);
	before = rss_anon();
	EXPECT_CONTENT(map, len, variant->seed);
	/* Counters are kept by thread in batches, hence the slack. */
	EXPECT_LT(rss_anon(), before + 1024);
	for (i = 0; i < len; i += self->page)
		map[i] = 1;
	EXPECT_GT(rss_anon(), before + (len >> 10) - 1024);
	EXPECT_PRIVATE(map, len, len / self->page);
	ASSERT_EQ(0, madvise(map, len, MADV_DONTNEED));
	EXPECT_LT(rss_anon(), before + 1024);
}

TEST_F(refpage_contents, one_page_frame)
{
	int kpageflags = open("/proc/kpageflags", O_RDONLY);
	unsigned long pfn;
	uint64_t flags;
	size_t i;

	if (kpageflags < 0)
		SKIP(return, "page frames are for root");
	EXPECT_EQ(0, pagemap_get_entry(self->pagemap, self->map) & PM_PRESENT);
	EXPECT_MODEL();
	pfn = pagemap_get_pfn(self->pagemap, self->map);
	ASSERT_NE(0, pfn);
	for (i = 0; i < NPAGES; i++)
		EXPECT_EQ(pfn, pagemap_get_pfn(self->pagemap,
					       self->map + i * self->page));
	ASSERT_EQ(0, pageflags_get(pfn, kpageflags, &flags));
	EXPECT_EQ(0, flags & KPF_ZERO_PAGE);
	EXPECT_EQ(0, pagemap_get_entry(self->pagemap, self->map) & PM_FILE);

	/* A written page has a frame of its own. */
	store(self, self->page, 1);
	EXPECT_NE(pfn, pagemap_get_pfn(self->pagemap, self->map + self->page));
	EXPECT_EQ(pfn, pagemap_get_pfn(self->pagemap, self->map));
	close(kpageflags);
}

/* A process holds one captured page per content, its children inherit it. */
TEST_F(refpage_contents, one_frame_per_content)
{
	unsigned long pfn;
	char *again;

	if (geteuid())
		SKIP(return, "page frames are for root");
	FORCE_READ(self->map[0]);
	pfn = pagemap_get_pfn(self->pagemap, self->map);
	again = refpage_map(self->page, variant->seed);
	ASSERT_NE(MAP_FAILED, again);
	FORCE_READ(again[0]);
	EXPECT_EQ(pfn, pagemap_get_pfn(self->pagemap, again));
	again = refpage_map(self->page, OTHER);
	ASSERT_NE(MAP_FAILED, again);
	FORCE_READ(again[0]);
	EXPECT_NE(pfn, pagemap_get_pfn(self->pagemap, again));
	IN_CHILD({
		int pagemap = open("/proc/self/pagemap", O_RDONLY);

		FORCE_READ(self->map[self->page]);
		EXPECT_EQ(pfn, pagemap_get_pfn(pagemap,
					       self->map + self->page));
	});
}

/* Processes that came to the same content apart share nothing by it. */
TEST_F(refpage_contents, no_frame_across_processes)
{
	unsigned int seed = REFPAGE_REPEAT(OTHER, variant->seed >> 24);
	unsigned long mine, theirs;
	int to_child[2], to_parent[2];
	char *map;
	pid_t pid;

	if (geteuid())
		SKIP(return, "page frames are for root");
	ASSERT_EQ(0, pipe(to_child));
	ASSERT_EQ(0, pipe(to_parent));
	pid = fork();
	ASSERT_GE(pid, 0);
	map = refpage_map(self->page, seed);
	ASSERT_NE(MAP_FAILED, map);
	FORCE_READ(map[0]);
	if (!pid) {
		int pagemap = open("/proc/self/pagemap", O_RDONLY);

		theirs = pagemap_get_pfn(pagemap, map);
		if (write(to_parent[1], &theirs, sizeof(theirs)) < 0)
			_exit(1);
		/* The frame must live until the parent has its own. */
		_exit(read(to_child[0], &theirs, 1) != 1);
	}
	ASSERT_EQ(sizeof(theirs), read(to_parent[0], &theirs, sizeof(theirs)));
	mine = pagemap_get_pfn(self->pagemap, map);
	EXPECT_NE(0, mine);
	EXPECT_NE(mine, theirs);
	ASSERT_EQ(1, write(to_child[1], "x", 1));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
}

/* One byte at each edge of a word, a cache line and the page. */
TEST_F(refpage_contents, store_one_byte)
{
	const size_t offsets[] = {
		0, 1, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128,
		self->page / 2 - 1, self->page / 2, self->page - 64,
		self->page - 16, self->page - 8, self->page - 2, self->page - 1,
	};
	size_t at = 3 * self->page;
	unsigned int i;
	int read_first;

	for (read_first = 0; read_first < 2; read_first++) {
		for (i = 0; i < ARRAY_SIZE(offsets); i++) {
			if (read_first)
				FORCE_READ(self->map[at]);
			store(self, at + offsets[i], 1);
			EXPECT_MODEL();
			EXPECT_PRIVATE(self->map, self->len, 1);
			ASSERT_EQ(0, madvise(self->map, self->len,
					     MADV_DONTNEED));
			discarded(self, at, self->page, variant->seed);
			EXPECT_PRIVATE(self->map, self->len, 0);
			EXPECT_MODEL();
		}
	}
}

/* Stores of several bytes that begin in one page and end in the next. */
TEST_F(refpage_contents, store_across_pages)
{
	size_t n, before, at = 4 * self->page;
	char bytes[64];

	memset(bytes, 0xe7, sizeof(bytes));
	for (n = 2; n <= sizeof(bytes); n *= 2) {
		for (before = 1; before < n; before++) {
			memcpy(self->map + at - before, bytes, n);
			memcpy(self->model + at - before, bytes, n);
			EXPECT_MODEL();
			EXPECT_PRIVATE(self->map, self->len, 2);
			ASSERT_EQ(0, madvise(self->map, self->len,
					     MADV_DONTNEED));
			discarded(self, 0, self->len, variant->seed);
		}
	}
	memset(self->map + at - 3, 0xff, 8);
	memset(self->model + at - 3, 0xff, 8);
	EXPECT_MODEL();
}

/* Every page, one by one: the others stay clean. */
TEST_F(refpage_contents, store_each_page)
{
	size_t i;

	for (i = 0; i < NPAGES; i++) {
		store(self, i * self->page + 17 * i, 9);
		EXPECT_PRIVATE(self->map, self->len, i + 1);
		EXPECT_MODEL();
	}
	EXPECT_PRIVATE(self->map, self->len, NPAGES);
}

/* A store is seen through no other mapping of the content. */
TEST_F(refpage_contents, store_is_private)
{
	char *source = refpage_source(variant->seed);
	char *one = refpage_mmap(NULL, self->len, RW, 0, source);
	char *two = refpage_mmap(NULL, self->len, RW, 0, source);

	ASSERT_NE(MAP_FAILED, one);
	ASSERT_NE(MAP_FAILED, two);
	FORCE_READ(one[0]);
	memset(one, 0x33, self->len);
	EXPECT_CONTENT(two, self->len, variant->seed);
	EXPECT_CONTENT(source, self->page, variant->seed);
	EXPECT_MODEL();
}

/* The system call reads the reference page; nothing does after it. */
TEST_F(refpage_contents, source_written)
{
	char *source = refpage_source(variant->seed);
	char *map = refpage_mmap(NULL, self->len, RW, 0, source);

	ASSERT_NE(MAP_FAILED, map);
	FORCE_READ(map[0]);
	refpage_fill(source, self->page, OTHER);
	map[2 * self->page] ^= 1;
	map[2 * self->page] ^= 1;
	EXPECT_CONTENT(map, self->len, variant->seed);
}

TEST_F(refpage_contents, source_closed)
{
	char *source = refpage_source(variant->seed);
	char *map = refpage_mmap(NULL, self->len, RW, 0, source);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, mprotect(source, self->page, PROT_NONE));
	EXPECT_CONTENT(map, self->len, variant->seed);
	ASSERT_EQ(0, munmap(source, self->page));
	ASSERT_EQ(0, madvise(map, self->len, MADV_DONTNEED));
	map[0] ^= 1;
	map[0] ^= 1;
	EXPECT_CONTENT(map, self->len, variant->seed);
}

TEST_F(refpage_contents, source_moved_or_discarded)
{
	char *source = refpage_source(variant->seed);
	char *map = refpage_mmap(NULL, self->len, RW, 0, source);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, madvise(source, self->page, MADV_DONTNEED));
	EXPECT_CONTENT(map, self->len, variant->seed);
	source = mremap(source, self->page, 2 * self->page, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, source);
	refpage_fill(source, 2 * self->page, OTHER);
	EXPECT_CONTENT(map, self->len, variant->seed);
}

/* The file that the reference page was a page of is written and truncated. */
TEST_F(refpage_contents, source_file_changed)
{
	int fd = memfd_create("refpage", 0);
	char *content = refpage_model(self->page, variant->seed);
	char *source, *map;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(self->page, write(fd, content, self->page));
	source = mmap(NULL, self->page, RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, source);
	map = refpage_mmap(NULL, self->len, RW, 0, source);
	ASSERT_NE(MAP_FAILED, map);
	refpage_fill(content, self->page, OTHER);
	ASSERT_EQ(self->page, pwrite(fd, content, self->page, 0));
	EXPECT_CONTENT(map, self->len, variant->seed);
	ASSERT_EQ(0, ftruncate(fd, 0));
	ASSERT_EQ(0, madvise(map, self->len, MADV_DONTNEED));
	EXPECT_CONTENT(map, self->len, variant->seed);
	close(fd);
	free(content);
}

/* Parent and child each see the stores from before the fork, and their own. */
TEST_F(refpage_contents, fork_isolates)
{
	int status, go[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(go));
	mix(self);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		store(self, 0, 1);
		store(self, self->page + 5, 1);
		store(self, 2 * self->page + 7, 1);
		ASSERT_EQ(1, read(go[0], &c, 1));
		EXPECT_MODEL();
		EXPECT_EQ(MIX_PRIVATE + 2,
			  refpage_smaps_pages(self->map, self->len, "Rss:"));
		_exit(0);
	}
	store(self, 4 * self->page, 30);
	store(self, 2 * self->page + 9, 1);
	EXPECT_MODEL();
	ASSERT_EQ(1, write(go[1], "x", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_MODEL();
	EXPECT_PRIVATE(self->map, self->len, MIX_PRIVATE + 1);
}

/* Who made the mapping is gone: unmapped by the parent, then a grandchild. */
TEST_F(refpage_contents, fork_outlives_creator)
{
	int go[2], done[2];
	char result = 1;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(done));
	mix(self);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		/* The child exits at once; the grandchild goes on alone. */
		if (fork())
			_exit(0);
		close(go[1]);
		if (read(go[0], &c, 1) != 0)
			_exit(1);
		store(self, 3 * self->page, 1);
		result = refpage_diff(self->map, self->model, self->len) >= 0;
		discarded(self, 0, self->len, variant->seed);
		madvise(self->map, self->len, MADV_DONTNEED);
		result |= refpage_diff(self->map, self->model, self->len) >= 0;
		_exit(write(done[1], &result, 1) != 1);
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	ASSERT_EQ(0, munmap(self->map, self->len));
	close(go[1]);
	close(done[1]);
	ASSERT_EQ(1, read(done[0], &result, 1));
	EXPECT_EQ(0, result);
}

/* Readable, then writable: the store must still copy. */
TEST_F(refpage_contents, protect_and_store)
{
	EXPECT_MODEL();
	ASSERT_EQ(0, mprotect(self->map, self->len, PROT_READ));
	EXPECT_MODEL();
	ASSERT_EQ(0, mprotect(self->map, self->len, RW));
	store(self, self->page + 9, 1);
	EXPECT_MODEL();
	EXPECT_PRIVATE(self->map, self->len, 1);

	ASSERT_EQ(0, mprotect(self->map, self->len, PROT_NONE));
	ASSERT_EQ(0, mprotect(self->map, self->len, RW));
	store(self, 2 * self->page + 9, 1);
	EXPECT_MODEL();
	EXPECT_PRIVATE(self->map, self->len, 2);
}

TEST_F(refpage_contents, protection_holds)
{
	mix(self);
	ASSERT_EQ(0, mprotect(self->map, self->len, PROT_READ));
	EXPECT_EQ(0, probe_read(self->map));
	EXPECT_EQ(EFAULT, probe_write(self->map));
	EXPECT_EQ(EFAULT, probe_write(self->map + self->page));
	EXPECT_EQ(EFAULT, probe_write(self->map + 2 * self->page));
	EXPECT_MODEL();
	ASSERT_EQ(0, mprotect(self->map, self->len, PROT_NONE));
	EXPECT_EQ(EFAULT, probe_read(self->map));
	EXPECT_EQ(EFAULT, probe_read(self->map + self->page));
	EXPECT_EQ(EFAULT, probe_read(self->map + 2 * self->page));
	ASSERT_EQ(0, mprotect(self->map, self->len, RW));
	EXPECT_MODEL();
	EXPECT_PRIVATE(self->map, self->len, MIX_PRIVATE);
}

/* The kernel's own stores: read(2) into clean and untouched pages. */
TEST_F(refpage_contents, store_by_kernel)
{
	size_t at = 2 * self->page - 3;
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	FORCE_READ(self->map[self->page]);
	memcpy(self->model + at, "kernel", 6);
	ASSERT_EQ(6, write(fds[1], "kernel", 6));
	ASSERT_EQ(6, read(fds[0], self->map + at, 6));
	EXPECT_MODEL();
	EXPECT_PRIVATE(self->map, self->len, 2);
	/* And its loads. */
	ASSERT_EQ(self->page, write(fds[1], self->map + 5 * self->page,
				    self->page));
	ASSERT_EQ(self->page, read(fds[0], self->map, self->page));
	EXPECT_MODEL();
}

/*
 * A load that follows one from the page before maps the rest of its block, as
 * far as it is not something else already.  The kernel has its blocks in one
 * page table each.
 */
#define BLOCK		(64ul << 10)
#define BLOCK_PAGES	16

#define PAGES(from, to)	((1ul << (to)) - (1ul << (from)))

/* Two blocks at the end of one page table, and two in the next one. */
FIXTURE(refpage_ahead)
{
	int kmsg;
	size_t page;
	char *map;
	char *next_table;
};

FIXTURE_SETUP(refpage_ahead)
{
	size_t span;

	self->kmsg = refpage_kmsg_open();
	self->page = psize();
	if (BLOCK / self->page != BLOCK_PAGES)
		SKIP(return, "blocks have another number of pages");
	refpage_base_pages();
	span = self->page / sizeof(uint64_t) * self->page;
	self->next_table = refpage_carveout(3 * span);
	self->next_table += 2 * span - (uintptr_t)self->next_table % span;
	self->map = refpage_map_at(self->next_table - 2 * BLOCK, 4 * BLOCK, RW,
				   MAP_FIXED, SEED);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(refpage_ahead)
{
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

/* A bit for each page of a block that is in the page table. */
static unsigned long present(const char *block)
{
	unsigned char vec[BLOCK_PAGES];
	unsigned long pages = 0;
	int i;

	if (mincore((void *)block, BLOCK, vec))
		return ~0ul;
	for (i = 0; i < BLOCK_PAGES; i++)
		pages |= (vec[i] & 1ul) << i;
	return pages;
}

TEST_F(refpage_ahead, single_loads_map_themselves)
{
	FORCE_READ(self->map[3 * self->page]);
	FORCE_READ(self->map[9 * self->page]);
	FORCE_READ(self->map[5 * self->page]);
	FORCE_READ(self->map[2 * self->page]);
	EXPECT_EQ(PAGES(2, 4) | PAGES(5, 6) | PAGES(9, 10),
		  present(self->map));
}

TEST_F(refpage_ahead, the_second_load_maps_the_block)
{
	FORCE_READ(self->map[3 * self->page]);
	FORCE_READ(self->map[4 * self->page]);
	EXPECT_EQ(PAGES(3, 16), present(self->map));
	EXPECT_EQ(0, present(self->map + BLOCK));
	EXPECT_PRIVATE(self->map, 4 * BLOCK, 0);
	FORCE_READ(self->map[BLOCK]);
	EXPECT_EQ(PAGES(0, 16), present(self->map + BLOCK));
	EXPECT_CONTENT(self->map, 4 * BLOCK, SEED);
	EXPECT_PRIVATE(self->map, 4 * BLOCK, 0);

	/* What was mapped ahead is written like any clean page. */
	self->map[7 * self->page] ^= 1;
	EXPECT_PRIVATE(self->map, 4 * BLOCK, 1);
	self->map[7 * self->page] ^= 1;
	EXPECT_CONTENT(self->map, 4 * BLOCK, SEED);
}

TEST_F(refpage_ahead, a_page_table_begins_anew)
{
	FORCE_READ(self->next_table[-(long)self->page]);
	FORCE_READ(self->next_table[0]);
	EXPECT_EQ(PAGES(0, 1), present(self->next_table));
}

TEST_F(refpage_ahead, a_store_is_no_load)
{
	self->map[3 * self->page] ^= 1;
	FORCE_READ(self->map[4 * self->page]);
	EXPECT_EQ(PAGES(3, 5), present(self->map));
}

/* Private pages, guards, and the mapping that follows. */
TEST_F(refpage_ahead, what_is_there_stays)
{
	char *other = self->map + 12 * self->page;
	bool guarded;

	ASSERT_EQ(other, refpage_map_at(other, 4 * self->page, RW, MAP_FIXED,
					OTHER));
	self->map[6 * self->page] ^= 1;
	guarded = !madvise(self->map + 8 * self->page, self->page,
			   MADV_GUARD_INSTALL);
	FORCE_READ(self->map[2 * self->page]);
	FORCE_READ(self->map[3 * self->page]);
	EXPECT_EQ(guarded ? PAGES(2, 8) | PAGES(9, 12) : PAGES(2, 12),
		  present(self->map));
	if (guarded)
		EXPECT_EQ(EFAULT, probe_read(self->map + 8 * self->page));
	EXPECT_PRIVATE(self->map, BLOCK, 1);
	self->map[6 * self->page] ^= 1;
	EXPECT_CONTENT(self->map, 8 * self->page, SEED);
	EXPECT_CONTENT(other, 4 * self->page, OTHER);
}

/* A content that is code: a function that returns VALUE. */
#define VALUE	0x4d5

static const unsigned char code[] = {
#if defined(__x86_64__)
	0xb8, VALUE & 0xff, VALUE >> 8, 0, 0,	/* mov $VALUE, %eax */
	0xc3,					/* ret */
#elif defined(__aarch64__)
	(VALUE << 5) & 0xff, (VALUE >> 3) & 0xff, 0x80 | VALUE >> 11, 0x52,
	0xc0, 0x03, 0x5f, 0xd6,
#endif
};

static int call(const char *at)
{
	return ((int (*)(void))at)();
}

TEST(refpage_execute)
{
	size_t page = psize(), at;
	char *source = refpage_source(SEED), *map;
	int kmsg = refpage_kmsg_open();
	cpu_set_t cpus, one;
	int cpu;

	if (!sizeof(code))
		SKIP(return, "no code for this architecture");
	for (at = 0; at + sizeof(code) <= page; at += 256)
		memcpy(source + at, code, sizeof(code));
	map = refpage_mmap(NULL, NPAGES * page, RW | PROT_EXEC, 0, source);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(cpus), &cpus));
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &cpus))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
		for (at = 0; at < NPAGES * page; at += 256)
			ASSERT_EQ(VALUE, call(map + at));
	}
	EXPECT_EQ(0, refpage_smaps_pages(map, NPAGES * page, "Rss:"));

	/* The private copy of a page that was executed. */
	map[page - 1] ^= 1;
	EXPECT_EQ(VALUE, call(map + page - 256));

	/* Executable only after it was read. */
	map = refpage_mmap(NULL, NPAGES * page, RW, 0, source);
	ASSERT_NE(MAP_FAILED, map);
	FORCE_READ(map[0]);
	ASSERT_EQ(0, mprotect(map, NPAGES * page, PROT_READ | PROT_EXEC));
	for (at = 0; at < NPAGES * page; at += 256)
		ASSERT_EQ(VALUE, call(map + at));
	EXPECT_FALSE(refpage_kmsg_complaint(kmsg));
	close(kmsg);
}

REFPAGE_TEST_MAIN
