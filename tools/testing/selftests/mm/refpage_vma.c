// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The VMAs of MAP_REFPAGE mappings: they split, merge and move as those of
 * anonymous memory do, but merge only where the content is the same.
 *
 * In the drawings A, B and C are contents, a letter is a page, and each pair of
 * brackets is a VMA.
 */
#define _GNU_SOURCE
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/prctl.h>
#include "refpage_util.h"

#define A	0x17u
#define B	0x4eu
#define C	0x95u

#define NPAGES	32
#define RW	(PROT_READ | PROT_WRITE)

#ifndef PR_SET_VMA
#define PR_SET_VMA		0x53564d41
#define PR_SET_VMA_ANON_NAME	0
#endif

/* Room for NPAGES pages, and what each is to contain. */
FIXTURE(refpage_vma)
{
	int kmsg;
	size_t page;
	char *area;
	char *model;
};

FIXTURE_SETUP(refpage_vma)
{
	self->kmsg = refpage_kmsg_open();
	self->page = psize();
	refpage_base_pages();
	self->area = refpage_carveout(NPAGES * self->page);
	self->model = refpage_model(NPAGES * self->page, REFPAGE_ZEROS);
}

FIXTURE_TEARDOWN(refpage_vma)
{
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
	free(self->model);
}

static char *at(FIXTURE_DATA(refpage_vma) * self, size_t first)
{
	return self->area + first * self->page;
}

/* Maps pages of the area; each call captures from another source page. */
static bool place_prot(FIXTURE_DATA(refpage_vma) * self, size_t first,
		       size_t count, unsigned int seed, int prot)
{
	size_t len = count * self->page;
	char *map = refpage_map_at(at(self, first), len, prot, MAP_FIXED, seed);

	refpage_fill(self->model + first * self->page, len, seed);
	return map == at(self, first);
}

static bool place(FIXTURE_DATA(refpage_vma) * self, size_t first, size_t count,
		  unsigned int seed)
{
	return place_prot(self, first, count, seed, RW);
}

static bool place_anon(FIXTURE_DATA(refpage_vma) * self, size_t first,
		       size_t count)
{
	size_t len = count * self->page;

	memset(self->model + first * self->page, 0, len);
	return mmap(at(self, first), len, RW,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	       at(self, first);
}

static void store(FIXTURE_DATA(refpage_vma) * self, size_t page)
{
	size_t offset = page * self->page + 7 * page;

	self->model[offset] ^= 0x5a;
	self->area[offset] = self->model[offset];
}

#define EXPECT_PLACED(first, count)					\
	EXPECT_EQ(-1, refpage_diff(at(self, first),			\
				   self->model + (first) * self->page,	\
				   (count) * self->page))

#define EXPECT_VMAS(vmas, first, count)					\
	EXPECT_EQ(vmas, refpage_count_vmas(at(self, first),		\
					   (count) * self->page))

/*
 * Ten pages A, of which some are read and some written:
 *
 *   [AAAAAAAAAA] -> [AAA][AAAA][AAA] -> [AAAAAAAAAA]
 */
#define FIRST	4
#define COUNT	10
#define MID	7
#define MIDDLE	4

static bool place_ten(FIXTURE_DATA(refpage_vma) * self)
{
	if (!place(self, FIRST, COUNT, A))
		return false;
	FORCE_READ(*at(self, FIRST + 1));
	FORCE_READ(*at(self, MID + 1));
	store(self, FIRST);
	store(self, MID);
	store(self, FIRST + COUNT - 1);
	return true;
}

#define WRITTEN	3

#define EXPECT_TEN(vmas) do {						\
	EXPECT_VMAS(vmas, FIRST, COUNT);				\
	EXPECT_PLACED(FIRST, COUNT);					\
	EXPECT_PRIVATE(at(self, FIRST), COUNT * self->page, WRITTEN);	\
} while (0)

TEST_F(refpage_vma, split_by_mprotect)
{
	size_t len = MIDDLE * self->page;

	ASSERT_TRUE(place_ten(self));
	EXPECT_TEN(1);
	ASSERT_EQ(0, mprotect(at(self, MID), len, PROT_READ));
	EXPECT_TEN(3);
	ASSERT_EQ(0, mprotect(at(self, MID), len, RW));
	EXPECT_TEN(1);
	store(self, MID + 2);
	EXPECT_PLACED(FIRST, COUNT);
}

TEST_F(refpage_vma, split_by_madvise)
{
	static const int hints[][2] = {
		{ MADV_DONTDUMP, MADV_DODUMP },
		{ MADV_DONTFORK, MADV_DOFORK },
		{ MADV_WIPEONFORK, MADV_KEEPONFORK },
		{ MADV_SEQUENTIAL, MADV_NORMAL },
	};
	size_t len = MIDDLE * self->page;
	unsigned int i;

	ASSERT_TRUE(place_ten(self));
	for (i = 0; i < ARRAY_SIZE(hints); i++) {
		ASSERT_EQ(0, madvise(at(self, MID), len, hints[i][0]));
		EXPECT_TEN(3);
		ASSERT_EQ(0, madvise(at(self, MID), len, hints[i][1]));
		EXPECT_TEN(1);
	}
}

TEST_F(refpage_vma, split_by_mlock)
{
	size_t len = MIDDLE * self->page;

	ASSERT_TRUE(place_ten(self));
	if (mlock2(at(self, MID), len, MLOCK_ONFAULT))
		SKIP(return, "cannot lock: %s", strerror(errno));
	EXPECT_TEN(3);
	ASSERT_EQ(0, munlock(at(self, MID), len));
	EXPECT_TEN(1);
}

TEST_F(refpage_vma, split_by_mbind)
{
	unsigned long node = 1, bind = 2, len = MIDDLE * self->page;

	ASSERT_TRUE(place_ten(self));
	if (syscall(__NR_mbind, at(self, MID), len, bind, &node, 2, 0))
		SKIP(return, "no mbind: %s", strerror(errno));
	EXPECT_TEN(3);
	ASSERT_EQ(0, syscall(__NR_mbind, at(self, MID), len, 0, NULL, 0, 0));
	EXPECT_TEN(1);
}

TEST_F(refpage_vma, split_by_munmap)
{
	ASSERT_TRUE(place_ten(self));
	ASSERT_EQ(0, munmap(at(self, MID), MIDDLE * self->page));
	EXPECT_VMAS(2, FIRST, COUNT);
	EXPECT_PLACED(FIRST, MID - FIRST);
	EXPECT_PLACED(MID + MIDDLE, FIRST + COUNT - MID - MIDDLE);
	store(self, FIRST + 1);
	/* The hole is filled with what was there. */
	ASSERT_TRUE(place(self, MID, MIDDLE, A));
	EXPECT_PLACED(FIRST, COUNT);
	EXPECT_VMAS(1, FIRST, COUNT);
}

/* Head and tail go, the middle stays. */
TEST_F(refpage_vma, munmap_ends)
{
	ASSERT_TRUE(place_ten(self));
	ASSERT_EQ(0, munmap(at(self, FIRST), self->page));
	ASSERT_EQ(0, munmap(at(self, FIRST + COUNT - 1), self->page));
	EXPECT_VMAS(1, FIRST, COUNT);
	EXPECT_PLACED(FIRST + 1, COUNT - 2);
	store(self, FIRST + 1);
	store(self, MID + 1);
	EXPECT_PLACED(FIRST + 1, COUNT - 2);
}

/* [AAA][BBBB][AAA], then [AAA][CC][BB][AAA] */
TEST_F(refpage_vma, split_by_other_content)
{
	ASSERT_TRUE(place_ten(self));
	ASSERT_TRUE(place(self, MID, MIDDLE, B));
	EXPECT_VMAS(3, FIRST, COUNT);
	EXPECT_PLACED(FIRST, COUNT);
	ASSERT_TRUE(place(self, MID, 2, C));
	EXPECT_VMAS(4, FIRST, COUNT);
	EXPECT_PLACED(FIRST, COUNT);
	store(self, MID);
	store(self, MID + 2);
	store(self, MID + MIDDLE);
	EXPECT_PLACED(FIRST, COUNT);
}

/* [AA] + [AA] -> [AAAA], after and before */
TEST_F(refpage_vma, same_content_merges)
{
	ASSERT_TRUE(place(self, 4, 2, A));
	ASSERT_TRUE(place(self, 6, 2, A));
	EXPECT_VMAS(1, 4, 4);
	ASSERT_TRUE(place(self, 2, 2, A));
	EXPECT_VMAS(1, 2, 6);
	EXPECT_PLACED(2, 6);
	store(self, 5);
	ASSERT_TRUE(place(self, 8, 2, A));
	EXPECT_VMAS(1, 2, 8);
	store(self, 6);
	EXPECT_PLACED(2, 8);
	EXPECT_PRIVATE(at(self, 2), 8 * self->page, 2);
}

/* The same for contents that the kernel keeps in a shorter form. */
TEST_F(refpage_vma, same_uniform_content_merges)
{
	static const unsigned int repeats[] = { 1, 2, 4, 8, 16 };
	unsigned int i, seed;

	for (i = 0; i < ARRAY_SIZE(repeats); i++) {
		seed = REFPAGE_REPEAT(A, repeats[i]);
		ASSERT_TRUE(place(self, 4, 2, seed));
		ASSERT_TRUE(place(self, 6, 2, seed));
		EXPECT_VMAS(1, 4, 4);
		ASSERT_TRUE(place(self, 8, 2, REFPAGE_REPEAT(B, repeats[i])));
		EXPECT_VMAS(2, 4, 6);
		EXPECT_PLACED(4, 6);
	}
}

/* [A][A][A].. a thousand times is one VMA. */
TEST_F(refpage_vma, many_maps_one_vma)
{
	size_t count = 1000, i;
	char *area = refpage_carveout(count * self->page);

	for (i = 0; i < count; i++)
		ASSERT_NE(MAP_FAILED,
			  refpage_map_at(area + i * self->page, self->page, RW,
					 MAP_FIXED, A));
	EXPECT_EQ(1, refpage_count_vmas(area, count * self->page));
	EXPECT_CONTENT(area, count * self->page, A);
}

/* [AA]__[AA] -> [AAAAAA] */
TEST_F(refpage_vma, hole_between_same_filled_with_same)
{
	ASSERT_TRUE(place(self, 4, 2, A));
	ASSERT_TRUE(place(self, 8, 2, A));
	EXPECT_VMAS(3, 4, 6);
	ASSERT_TRUE(place(self, 6, 2, A));
	EXPECT_VMAS(1, 4, 6);
	EXPECT_PLACED(4, 6);
	store(self, 6);
	EXPECT_PLACED(4, 6);
}

/* [AA]__[AA] -> [AA][BB][AA] */
TEST_F(refpage_vma, hole_between_same_filled_with_other)
{
	ASSERT_TRUE(place(self, 4, 2, A));
	ASSERT_TRUE(place(self, 8, 2, A));
	ASSERT_TRUE(place(self, 6, 2, B));
	EXPECT_VMAS(3, 4, 6);
	EXPECT_PLACED(4, 6);
	store(self, 5);
	store(self, 6);
	store(self, 8);
	EXPECT_PLACED(4, 6);
}

/* [AA]__[BB] -> [AAAA][BB], [AA][BBBB] and [AA][CC][BB] */
TEST_F(refpage_vma, hole_between_others)
{
	static const struct {
		unsigned int seed;
		int vmas;
	} fills[] = { { A, 2 }, { B, 2 }, { C, 3 } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fills); i++) {
		ASSERT_EQ(0, munmap(self->area, NPAGES * self->page));
		ASSERT_TRUE(place(self, 4, 2, A));
		ASSERT_TRUE(place(self, 8, 2, B));
		ASSERT_TRUE(place(self, 6, 2, fills[i].seed));
		EXPECT_VMAS(fills[i].vmas, 4, 6);
		EXPECT_PLACED(4, 6);
		store(self, 5);
		store(self, 6);
		store(self, 8);
		EXPECT_PLACED(4, 6);
	}
}

/* Contents that differ in one byte are different. */
TEST_F(refpage_vma, nearly_same_content)
{
	size_t offsets[] = { 0, 1, self->page / 2, self->page - 1 };
	char *source = refpage_source(A);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		ASSERT_TRUE(place(self, 4, 2, A));
		source[offsets[i]] ^= 0x80;
		ASSERT_EQ(at(self, 6),
			  refpage_mmap(at(self, 6), 2 * self->page, RW,
				       MAP_FIXED, source));
		EXPECT_VMAS(2, 4, 4);
		EXPECT_PLACED(4, 2);
		EXPECT_EQ(-1, refpage_diff(at(self, 6), source, self->page));
		EXPECT_EQ(-1, refpage_diff(at(self, 7), source, self->page));
		source[offsets[i]] ^= 0x80;
	}
}

/* Equal protections bring together only what is of one content. */
TEST_F(refpage_vma, mprotect_to_same)
{
	ASSERT_TRUE(place(self, 4, 2, A));
	ASSERT_TRUE(place_prot(self, 6, 2, B, PROT_READ));
	ASSERT_TRUE(place_prot(self, 8, 2, A, PROT_READ));
	ASSERT_TRUE(place(self, 10, 2, A));
	EXPECT_VMAS(4, 4, 8);
	ASSERT_EQ(0, mprotect(at(self, 4), 8 * self->page, RW));
	/* [AA][BB][AAAA] */
	EXPECT_VMAS(3, 4, 8);
	EXPECT_PLACED(4, 8);
	ASSERT_EQ(0, mprotect(at(self, 4), 8 * self->page, PROT_READ));
	EXPECT_VMAS(3, 4, 8);
	ASSERT_EQ(0, mprotect(at(self, 4), 8 * self->page, RW));
	store(self, 5);
	store(self, 6);
	store(self, 9);
	EXPECT_PLACED(4, 8);
}

/* Plain anonymous memory before, after and between, and around. */
TEST_F(refpage_vma, anonymous_neighbours)
{
	unsigned int seeds[] = { A, REFPAGE_ZEROS }, i;

	for (i = 0; i < ARRAY_SIZE(seeds); i++) {
		ASSERT_EQ(0, munmap(self->area, NPAGES * self->page));
		ASSERT_TRUE(place(self, 4, 2, seeds[i]));
		ASSERT_TRUE(place_anon(self, 6, 2));
		ASSERT_TRUE(place_anon(self, 2, 2));
		EXPECT_VMAS(3, 2, 6);
		ASSERT_TRUE(place(self, 8, 2, seeds[i]));
		EXPECT_VMAS(4, 2, 8);
		EXPECT_PLACED(2, 8);
		store(self, 3);
		store(self, 4);
		store(self, 6);
		store(self, 8);
		EXPECT_PLACED(2, 8);
		/* _[anon]_ between, then [refpage] replaced by anonymous. */
		ASSERT_TRUE(place_anon(self, 4, 2));
		/*
		 * It merges with one side only: both sides have been written
		 * and have an anon_vma of their own.
		 */
		EXPECT_VMAS(3, 2, 8);
		EXPECT_TRUE(refpage_vmflag(at(self, 8), REFPAGE_VMFLAG));
		EXPECT_FALSE(refpage_vmflag(at(self, 4), REFPAGE_VMFLAG));
		EXPECT_PLACED(2, 8);
	}
}

/* The heap, right before a mapping: |heap|[AA] */
TEST_F(refpage_vma, heap_neighbour)
{
	unsigned int seeds[] = { A, REFPAGE_ZEROS }, i;
	char *heap = sbrk(0), *end, *map;

	heap += -(uintptr_t)heap & (self->page - 1);
	end = heap + 4 * self->page;
	ASSERT_EQ(0, brk(end));
	memset(heap, 0x77, end - heap);
	for (i = 0; i < ARRAY_SIZE(seeds); i++) {
		map = refpage_map_at(end, 2 * self->page, RW,
				     MAP_FIXED_NOREPLACE, seeds[i]);
		ASSERT_EQ(end, map);
		EXPECT_EQ(2, refpage_count_vmas(end - self->page,
						3 * self->page));
		/* The heap shrinks, grows back as far as it may, has zeros. */
		ASSERT_EQ(0, brk(end - 2 * self->page));
		ASSERT_EQ(0, brk(end - self->page));
		EXPECT_CONTENT(end - 2 * self->page, self->page, REFPAGE_ZEROS);
		EXPECT_EQ(-1, brk(end));
		EXPECT_CONTENT(map, 2 * self->page, seeds[i]);
		ASSERT_EQ(0, munmap(map, 2 * self->page));
		ASSERT_EQ(0, brk(end));
	}
}

static int set_name(void *addr, size_t len, const char *name)
{
	return prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, addr, len, name);
}

static bool maps_has(const char *text)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	bool found = false;

	if (!maps)
		return false;
	while (fgets(line, sizeof(line), maps))
		found |= !!strstr(line, text);
	fclose(maps);
	return found;
}

/* Names as for anonymous memory: shown, and in the way of merging. */
TEST_F(refpage_vma, anon_name)
{
	size_t len = 2 * self->page;

	ASSERT_TRUE(place(self, 4, 4, A));
	if (set_name(at(self, 4), len, "refpage test"))
		SKIP(return, "no names: %s", strerror(errno));
	EXPECT_TRUE(maps_has("[anon:refpage test]"));
	EXPECT_VMAS(2, 4, 4);
	ASSERT_EQ(0, set_name(at(self, 6), len, "refpage test"));
	EXPECT_VMAS(1, 4, 4);
	EXPECT_PLACED(4, 4);
	ASSERT_EQ(0, set_name(at(self, 4), 2 * len, NULL));
	EXPECT_FALSE(maps_has("refpage test"));
	store(self, 5);
	EXPECT_PLACED(4, 4);
}

/* Makes [AA] and asks for it in a child, next to what was inherited. */
TEST_F(refpage_vma, merge_after_fork)
{
	int status;
	pid_t pid;

	ASSERT_TRUE(place(self, 4, 2, A));
	/* Read pages do not tie the VMA to the parent, written ones would. */
	FORCE_READ(*at(self, 4));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		EXPECT_TRUE(place(self, 6, 2, A));
		EXPECT_VMAS(1, 4, 4);
		EXPECT_TRUE(place(self, 2, 2, A));
		EXPECT_VMAS(1, 2, 6);
		EXPECT_TRUE(place(self, 8, 2, B));
		EXPECT_VMAS(2, 2, 8);
		store(self, 5);
		store(self, 7);
		EXPECT_PLACED(2, 8);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_PLACED(4, 2);
	ASSERT_TRUE(place(self, 6, 2, A));
	EXPECT_VMAS(1, 4, 4);
	EXPECT_PLACED(4, 4);
}

/* mremap() of pages of the area, and of what the model says of them. */
static bool move(FIXTURE_DATA(refpage_vma) * self, size_t from, size_t count,
		 size_t to, int flags)
{
	size_t len = count * self->page;
	char *map = mremap(at(self, from), len, len,
			   MREMAP_MAYMOVE | MREMAP_FIXED | flags, at(self, to));

	memcpy(self->model + to * self->page, self->model + from * self->page,
	       len);
	return map == at(self, to);
}

/* ____[AA]____ -> [AA]__________, pages of each kind and their neighbours */
TEST_F(refpage_vma, mremap_move)
{
	ASSERT_TRUE(place_ten(self));
	ASSERT_TRUE(move(self, FIRST, COUNT, 20, 0));
	EXPECT_VMAS(1, 20, COUNT);
	EXPECT_PLACED(20, COUNT);
	EXPECT_PRIVATE(at(self, 20), COUNT * self->page, WRITTEN);
	EXPECT_VMAS(0, FIRST, COUNT);
	store(self, 21);
	store(self, 24);
	EXPECT_PLACED(20, COUNT);
	ASSERT_EQ(0, madvise(at(self, 20), COUNT * self->page, MADV_DONTNEED));
	EXPECT_CONTENT(at(self, 20), COUNT * self->page, A);
}

/* The middle moves away: [AAA]____[AAA]  [AAAA] */
TEST_F(refpage_vma, mremap_move_middle)
{
	ASSERT_TRUE(place_ten(self));
	ASSERT_TRUE(move(self, MID, MIDDLE, 20, 0));
	EXPECT_VMAS(2, FIRST, COUNT);
	EXPECT_PLACED(20, MIDDLE);
	EXPECT_PLACED(FIRST, MID - FIRST);
	EXPECT_PLACED(MID + MIDDLE, FIRST + COUNT - MID - MIDDLE);
	/* And back. */
	ASSERT_TRUE(move(self, 20, MIDDLE, MID, 0));
	EXPECT_PLACED(FIRST, COUNT);
}

/* Moved next to a mapping: [AA][BB], never one; [AA][AA] is. */
TEST_F(refpage_vma, mremap_next_to)
{
	ASSERT_TRUE(place(self, 4, 2, A));
	ASSERT_TRUE(place(self, 10, 2, B));
	ASSERT_TRUE(place(self, 14, 2, A));
	ASSERT_TRUE(move(self, 10, 2, 6, 0));
	EXPECT_VMAS(2, 4, 4);
	EXPECT_PLACED(4, 4);
	ASSERT_TRUE(move(self, 14, 2, 2, 0));
	EXPECT_VMAS(2, 2, 6);
	EXPECT_PLACED(2, 6);
	store(self, 3);
	store(self, 5);
	store(self, 6);
	EXPECT_PLACED(2, 6);
}

/* [AAAA][BBBB] -> [AA]__[AABB], over a part of the other */
TEST_F(refpage_vma, mremap_over_other)
{
	ASSERT_TRUE(place(self, 4, 4, A));
	ASSERT_TRUE(place(self, 10, 4, B));
	store(self, 6);
	store(self, 10);
	store(self, 12);
	ASSERT_TRUE(move(self, 6, 2, 10, 0));
	EXPECT_VMAS(2, 10, 4);
	EXPECT_PLACED(10, 4);
	EXPECT_PLACED(4, 2);
	ASSERT_EQ(0, madvise(at(self, 10), 4 * self->page, MADV_DONTNEED));
	EXPECT_CONTENT(at(self, 10), 2 * self->page, A);
	EXPECT_CONTENT(at(self, 12), 2 * self->page, B);
}

/* In place, with room behind; the new pages are clean. */
TEST_F(refpage_vma, mremap_grow)
{
	size_t len = 2 * self->page;

	ASSERT_TRUE(place(self, 4, 2, A));
	ASSERT_EQ(0, munmap(at(self, 6), 6 * self->page));
	store(self, 5);
	ASSERT_EQ(at(self, 4), mremap(at(self, 4), len, 4 * len, 0));
	EXPECT_VMAS(1, 4, 8);
	refpage_fill(self->model + 6 * self->page, 6 * self->page, A);
	EXPECT_PLACED(4, 8);
	EXPECT_PRIVATE(at(self, 4), 8 * self->page, 1);
	store(self, 8);
	EXPECT_PLACED(4, 8);
}

/* No room: it moves, and the rest is clean. */
TEST_F(refpage_vma, mremap_grow_and_move)
{
	size_t len = 2 * self->page, grown = 16 * self->page;
	char *map;

	ASSERT_TRUE(place(self, 4, 2, A));
	ASSERT_TRUE(place(self, 6, 2, B));
	store(self, 4);
	map = mremap(at(self, 4), len, grown, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, refpage_diff(map, self->model + 4 * self->page, len));
	EXPECT_CONTENT(map + len, grown - len, A);
	EXPECT_PLACED(6, 2);
	ASSERT_EQ(0, munmap(map, grown));
}

/* Shrunk and grown again: what was stored is gone. */
TEST_F(refpage_vma, mremap_shrink)
{
	size_t len = 8 * self->page;

	ASSERT_TRUE(place(self, 4, 8, A));
	store(self, 5);
	store(self, 10);
	ASSERT_EQ(at(self, 4), mremap(at(self, 4), len, 2 * self->page, 0));
	EXPECT_PLACED(4, 2);
	EXPECT_VMAS(0, 6, 6);
	ASSERT_EQ(at(self, 4), mremap(at(self, 4), 2 * self->page, len, 0));
	refpage_fill(self->model + 6 * self->page, 6 * self->page, A);
	EXPECT_PLACED(4, 8);
	EXPECT_PRIVATE(at(self, 4), len, 1);
}

/* The pages leave, the mapping stays and is clean. */
TEST_F(refpage_vma, mremap_dontunmap)
{
	ASSERT_TRUE(place_ten(self));
	ASSERT_TRUE(move(self, FIRST, COUNT, 20, MREMAP_DONTUNMAP));
	EXPECT_PLACED(20, COUNT);
	EXPECT_PRIVATE(at(self, 20), COUNT * self->page, WRITTEN);
	EXPECT_PRIVATE(at(self, FIRST), COUNT * self->page, 0);
	EXPECT_CONTENT(at(self, FIRST), COUNT * self->page, A);
	refpage_fill(self->model + FIRST * self->page, COUNT * self->page, A);
	store(self, FIRST);
	store(self, 20 + 1);
	EXPECT_PLACED(FIRST, COUNT);
	EXPECT_PLACED(20, COUNT);
}

/* Old length 0 duplicates shared memory only. */
TEST_F(refpage_vma, mremap_duplicate)
{
	ASSERT_TRUE(place_ten(self));
	EXPECT_EQ(MAP_FAILED, mremap(at(self, FIRST), 0, self->page,
				     MREMAP_MAYMOVE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TEN(1);
}

/* Moved in a child; the parent's is where it was. */
TEST_F(refpage_vma, mremap_in_child)
{
	int status;
	pid_t pid;

	ASSERT_TRUE(place_ten(self));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		EXPECT_TRUE(move(self, FIRST, COUNT, 20, 0));
		store(self, 23);
		store(self, 24);
		EXPECT_PLACED(20, COUNT);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TEN(1);
}

/* [AA][BB][AA]: any one of them goes first, the others keep their content. */
TEST_F(refpage_vma, neighbour_unmapped)
{
	size_t gone, other;

	for (gone = 4; gone < 10; gone += 2) {
		ASSERT_TRUE(place(self, 4, 2, A));
		ASSERT_TRUE(place(self, 6, 2, B));
		ASSERT_TRUE(place(self, 8, 2, A));
		EXPECT_PLACED(4, 6);
		ASSERT_EQ(0, munmap(at(self, gone), 2 * self->page));
		for (other = 4; other < 10; other += 2) {
			if (other == gone)
				continue;
			store(self, other);
			EXPECT_PLACED(other, 2);
		}
	}
}

/* The area is mapped anew over and over, with changing borders and contents. */
TEST_F(refpage_vma, mapped_over)
{
	static const unsigned int seeds[] = { A, B, C };
	size_t first, count, i;
	unsigned int random = 1;

	ASSERT_TRUE(place(self, 0, NPAGES, A));
	for (i = 0; i < 500; i++) {
		random = random * 1103515245 + 12345;
		first = (random >> 8) % NPAGES;
		count = 1 + (random >> 16) % (NPAGES - first);
		ASSERT_TRUE(place(self, first, count,
				  seeds[(random >> 24) % ARRAY_SIZE(seeds)]));
		store(self, first + count / 2);
		EXPECT_PLACED(0, NPAGES);
	}
}

REFPAGE_TEST_MAIN
