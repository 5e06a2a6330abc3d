// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A pool of memory that is filled with a pattern, so that the use of memory
 * which nobody initialized shows.  With MAP_REFPAGE only those pages take up
 * memory that are stored to; on other kernels memset() fills the pool.
 *
 * Part of Documentation/admin-guide/mm/refpage.rst.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_REFPAGE
#define MAP_REFPAGE	0x0a
#endif

#define PATTERN		0xaa
#define POOL_SIZE	((size_t)64 << 20)
#define BLOCK_SIZE	100000

struct pool {
	unsigned char *start;
	size_t size;
	size_t used;
	bool refpage;
};

static void *map_zeros(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Each page reads as a copy of the page at @reference until it is stored to. */
static void *map_copies(const void *reference, size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_REFPAGE, -1, (off_t)(uintptr_t)reference);
}

/*
 * A kernel that does not know the mapping type says EBADF, or EINVAL if there
 * is MAP_ANONYMOUS too; one that was built without it says EOPNOTSUPP.
 */
static bool kernel_lacks_refpage(int error)
{
	return error == EBADF || error == EINVAL || error == EOPNOTSUPP;
}

static bool pool_create(struct pool *pool, size_t size)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	void *reference = map_zeros(page_size);
	int error;

	if (reference == MAP_FAILED)
		return false;

	memset(reference, PATTERN, page_size);
	pool->start = map_copies(reference, size);
	error = errno;
	/* mmap() has read the page, nothing needs it any more. */
	munmap(reference, page_size);

	pool->size = size;
	pool->used = 0;
	pool->refpage = pool->start != MAP_FAILED;
	if (pool->refpage)
		return true;
	if (!kernel_lacks_refpage(error))
		return false;

	pool->start = map_zeros(size);
	if (pool->start == MAP_FAILED)
		return false;
	memset(pool->start, PATTERN, size);
	return true;
}

static unsigned char *pool_alloc(struct pool *pool, size_t size)
{
	unsigned char *block = pool->start + pool->used;

	if (size > pool->size - pool->used)
		return NULL;
	pool->used += size;
	return block;
}

/* Takes all blocks back; the pool is as new. */
static bool pool_reset(struct pool *pool)
{
	pool->used = 0;
	if (pool->refpage)
		return !madvise(pool->start, pool->size, MADV_DONTNEED);
	memset(pool->start, PATTERN, pool->size);
	return true;
}

static bool holds_pattern(const unsigned char *block, size_t size)
{
	while (size--)
		if (*block++ != PATTERN)
			return false;
	return true;
}

/* Gives out two blocks, stores to one, and starts again. */
static bool pool_works(struct pool *pool)
{
	unsigned char *first = pool_alloc(pool, BLOCK_SIZE);
	unsigned char *second = pool_alloc(pool, BLOCK_SIZE);

	if (!first || !second || !holds_pattern(first, BLOCK_SIZE))
		return false;

	memset(first, 0, BLOCK_SIZE);
	if (!holds_pattern(second, BLOCK_SIZE))
		return false;

	return pool_reset(pool) && holds_pattern(pool->start, pool->size);
}

int main(void)
{
	struct pool pool;

	printf("TAP version 13\n1..1\n");

	if (!pool_create(&pool, POOL_SIZE)) {
		printf("not ok 1 pool: %s\n", strerror(errno));
		return 1;
	}
	if (!pool_works(&pool)) {
		printf("not ok 1 pool holds something else than the pattern\n");
		return 1;
	}
	if (!pool.refpage) {
		printf("ok 1 # SKIP no MAP_REFPAGE, memset() filled the pool\n");
		return 4;
	}
	printf("ok 1 pool holds the pattern\n");
	return 0;
}
