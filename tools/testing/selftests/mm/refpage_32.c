// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mmap(MAP_REFPAGE) by a 32-bit program of a 64-bit kernel.  The reference goes
 * in the offset: a file offset of 32 bits with a sign, that libraries pass on
 * in more than one way, while addresses go up to 4 GiB.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/wait.h>
#include "refpage_util.h"

#define SEED	0x83u
#define OTHER	0x2cu

#define NPAGES	4
#define RW	(PROT_READ | PROT_WRITE)

/* The harness prints numbers of 64 bits, to which no pointer is to be cast. */
#define NUMBER(address)	((uintptr_t)(address))

FIXTURE(refpage_32)
{
	int kmsg;
	size_t page;
	size_t len;
	char *source;
};

/* Where the reference page is. */
FIXTURE_VARIANT(refpage_32)
{
	uint32_t address;
};

FIXTURE_VARIANT_ADD(refpage_32, below_2g)
{
	.address = 0x60000000,
};

FIXTURE_VARIANT_ADD(refpage_32, last_below_2g)
{
	.address = 0x7ffff000,
};

FIXTURE_VARIANT_ADD(refpage_32, first_above_2g)
{
	.address = 0x80000000,
};

FIXTURE_VARIANT_ADD(refpage_32, above_2g)
{
	.address = 0x90000000,
};

FIXTURE_VARIANT_ADD(refpage_32, above_3g)
{
	.address = 0xd0000000,
};

FIXTURE_SETUP(refpage_32)
{
	self->kmsg = refpage_kmsg_open();
	self->page = psize();
	self->len = NPAGES * self->page;
	self->source = mmap((void *)variant->address, self->page, RW,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			    -1, 0);
	if (self->source == MAP_FAILED)
		SKIP(return, "no room at %#x: %s", variant->address,
		     strerror(errno));
	ASSERT_EQ(variant->address, NUMBER(self->source));
	refpage_fill(self->source, self->page, SEED);
}

FIXTURE_TEARDOWN(refpage_32)
{
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

/* The unit of mmap2() is 4096 bytes, whatever the page size. */
static char *mmap2(void *addr, size_t len, int flags, uint32_t pgoff)
{
	return (char *)syscall(__NR_mmap2, addr, len, RW, MAP_REFPAGE | flags,
			       -1, pgoff);
}

/* The call of old, with its arguments in memory and an offset in bytes. */
static char *old_mmap(void *addr, size_t len, int flags, uint32_t offset)
{
	uint32_t args[] = {
		(uint32_t)addr, len, RW, MAP_REFPAGE | flags, -1, offset,
	};

	return (char *)syscall(__NR_mmap, args);
}

static void check(struct __test_metadata *_metadata, char *map, size_t len)
{
	size_t page = psize();

	ASSERT_NE(-1, (long)map)
		TH_LOG("%s", strerror(errno));
	EXPECT_CONTENT(map, len, SEED);
	map[page + 1] ^= 0x5a;
	EXPECT_CONTENT(map, page, SEED);
	EXPECT_CONTENT(map + 2 * page, len - 2 * page, SEED);
	EXPECT_EQ(1, refpage_smaps_pages(map, len, "Anonymous:"));
	map[page + 1] ^= 0x5a;
	EXPECT_CONTENT(map, len, SEED);
	EXPECT_EQ(0, munmap(map, len));
}

/* The C library's mmap(), with an off_t of 32 bits. */
TEST_F(refpage_32, libc)
{
	ASSERT_EQ(4, sizeof(off_t));
	check(_metadata, refpage_mmap(NULL, self->len, RW, 0, self->source),
	      self->len);
}

TEST_F(refpage_32, libc_mmap64)
{
	check(_metadata, mmap64(NULL, self->len, RW, MAP_REFPAGE, -1,
				variant->address), self->len);
}

/* The offset in pages, as an unsigned address gives it. */
TEST_F(refpage_32, mmap2_unsigned)
{
	check(_metadata, mmap2(NULL, self->len, 0, variant->address >> 12),
	      self->len);
}

/* And as a library gives it that shifts a negative off_t. */
TEST_F(refpage_32, mmap2_sign_extended)
{
	check(_metadata, mmap2(NULL, self->len, 0,
			       (int32_t)variant->address >> 12), self->len);
}

TEST_F(refpage_32, old_mmap)
{
	check(_metadata, old_mmap(NULL, self->len, 0, variant->address),
	      self->len);
	check(_metadata, old_mmap(NULL, self->len, MAP_ANONYMOUS,
				  variant->address), self->len);
	EXPECT_EQ(-1, (long)old_mmap(NULL, self->len, 0,
				     variant->address + 1));
	EXPECT_EQ(EINVAL, errno);
}

/* What is not there, at the same addresses. */
TEST_F(refpage_32, hole)
{
	uint32_t pgoff = variant->address >> 12;

	ASSERT_EQ(0, munmap(self->source, self->page));
	EXPECT_EQ(-1, (long)mmap2(NULL, self->len, 0, pgoff));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, (long)mmap2(NULL, self->len, 0,
				  (int32_t)variant->address >> 12));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, (long)old_mmap(NULL, self->len, 0, variant->address));
	EXPECT_EQ(EFAULT, errno);
}

/* The first page, and the last of what an offset can name. */
TEST_F(refpage_32, no_page_there)
{
	EXPECT_EQ(-1, (long)mmap2(NULL, self->len, 0, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, (long)mmap2(NULL, self->len, 0, 0xfffff));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, (long)mmap2(NULL, self->len, 0, 0xffffffff));
	EXPECT_EQ(EFAULT, errno);
}

/* Flags and fd are judged as in a 64-bit program. */
TEST_F(refpage_32, refused)
{
	uint32_t pgoff = variant->address >> 12;

	EXPECT_EQ(-1, (long)mmap2(NULL, self->len, MAP_HUGETLB, pgoff));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, (long)mmap2(NULL, self->len, MAP_GROWSDOWN, pgoff));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, (long)mmap2(NULL, 0, 0, pgoff));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, (long)mmap(NULL, self->len, RW, MAP_REFPAGE, 0,
				 (off_t)variant->address));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_CONTENT(self->source, self->page, SEED);
}

TEST_F(refpage_32, fixed_over_source)
{
	char *map = mmap2(self->source, self->page, MAP_FIXED,
			  variant->address >> 12);

	ASSERT_EQ(variant->address, NUMBER(map));
	EXPECT_CONTENT(map, self->page, SEED);
	EXPECT_EQ(0, refpage_smaps_pages(map, self->page, "Rss:"));
}

/* The mapping itself on either side of 2 GiB, in parent and child. */
TEST_F(refpage_32, fork_isolates)
{
	char *map = refpage_mmap((void *)(variant->address + 16 * self->page),
				 self->len, RW, MAP_FIXED_NOREPLACE,
				 self->source);
	int status;
	pid_t pid;

	if (map == MAP_FAILED)
		SKIP(return, "no room: %s", strerror(errno));
	map[0] ^= 1;
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		map[0] ^= 1;
		refpage_fill(map + self->page, self->page, OTHER);
		map[2 * self->page] ^= 1;
		map[2 * self->page] ^= 1;
		EXPECT_CONTENT(map, self->page, SEED);
		EXPECT_CONTENT(map + 2 * self->page, 2 * self->page, SEED);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	map[0] ^= 1;
	EXPECT_CONTENT(map, self->len, SEED);
}

REFPAGE_TEST_MAIN
