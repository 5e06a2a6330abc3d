/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared by the refpage_* tests: contents that depend on the position, mapping
 * helpers, and what /proc says about a range.
 *
 * A content is named by a seed.  Two seeds differ at (nearly) every byte, so a
 * page of the wrong mapping, of the wrong process or of zeros cannot pass.
 */
#ifndef _MM_REFPAGE_UTIL_H
#define _MM_REFPAGE_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <linux/mman.h>
#include "kselftest_harness.h"
#include "vm_util.h"

#ifndef MAP_REFPAGE
#define MAP_REFPAGE	0x0a
#endif

/*
 * The content of a seed repeats after this many bytes (the kernel fills such
 * contents in another way), 0: not within the page.
 */
#define REFPAGE_REPEAT(seed, bytes)	((seed) | (unsigned int)(bytes) << 24)

/* The content of which every byte is 0. */
#define REFPAGE_ZEROS			0U

/* What VmFlags in smaps calls it. */
#define REFPAGE_VMFLAG			"rp"

static inline unsigned char refpage_byte(size_t offset, unsigned int seed)
{
	unsigned int repeat = seed >> 24;
	uint32_t x = offset & (psize() - 1);

	if (seed == REFPAGE_ZEROS)
		return 0;
	if (repeat)
		x %= repeat;
	x = (x + 1) * 0x9e3779b1u ^ seed * 0x85ebca6bu;
	x = (x ^ x >> 15) * 0x2c1b3c6du;
	return x >> 24;
}

/* Stores the content of @seed into each page of a range. */
static inline void refpage_fill(void *addr, size_t len, unsigned int seed)
{
	unsigned char *p = addr;
	size_t i;

	for (i = 0; i < len && i < psize(); i++)
		p[i] = refpage_byte(i, seed);
	for (i = psize(); i < len; i += psize())
		memcpy(p + i, p, len - i < psize() ? len - i : psize());
}

/* Offset of the first byte that differs, -1 if none does. */
static inline ssize_t refpage_diff(const void *a, const void *b, size_t len)
{
	const unsigned char *p = a, *q = b;
	size_t i;

	if (!memcmp(p, q, len))
		return -1;
	for (i = 0; p[i] == q[i]; i++)
		;
	return i;
}

/*
 * Offset of the first byte of a range that is not the content of @seed, -1 if
 * every byte is.  @addr is page-aligned.
 */
static inline ssize_t refpage_mismatch(const void *addr, size_t len,
				       unsigned int seed)
{
	const char *p = addr;
	char want[psize()];
	ssize_t at = -1;
	size_t i, n;

	refpage_fill(want, psize(), seed);
	for (i = 0; i < len && at < 0; i += n) {
		n = len - i < psize() ? len - i : psize();
		at = refpage_diff(p + i, want, n);
		if (at >= 0)
			at += i;
	}
	return at;
}

/* Each page of the range reads as the content of @seed, byte by byte. */
#define EXPECT_CONTENT(addr, len, seed) \
	EXPECT_EQ(-1, refpage_mismatch(addr, len, seed))
#define ASSERT_CONTENT(addr, len, seed) \
	ASSERT_EQ(-1, refpage_mismatch(addr, len, seed))

/* A buffer to apply the same stores to, and to compare with. */
static inline char *refpage_model(size_t len, unsigned int seed)
{
	char *model = malloc(len);

	if (!model)
		ksft_exit_fail_msg("out of memory for a model\n");
	refpage_fill(model, len, seed);
	return model;
}

/* The call under test, with nothing added but the type. */
static inline void *refpage_mmap(void *addr, size_t len, int prot, int flags,
				 const void *ref)
{
	return mmap(addr, len, prot, MAP_REFPAGE | flags, -1, (uintptr_t)ref);
}

/* An ordinary anonymous page with the content of @seed. */
static inline char *refpage_source(unsigned int seed)
{
	char *page = mmap(NULL, psize(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		ksft_exit_fail_perror("mmap of a source page");
	refpage_fill(page, psize(), seed);
	return page;
}

/*
 * Maps @len bytes that read as the content of @seed; the source is gone on
 * return, and may have been where MAP_FIXED put the mapping.  MAP_FAILED and
 * errno on failure.
 */
static inline char *refpage_map_at(void *addr, size_t len, int prot, int flags,
				   unsigned int seed)
{
	char *source = refpage_source(seed);
	char *map = refpage_mmap(addr, len, prot, flags, source);
	int err = errno;

	/* In a hole that MAP_FIXED filled, the source is gone already. */
	if (map == MAP_FAILED || source < map || source >= map + len)
		munmap(source, psize());
	errno = err;
	return map;
}

static inline char *refpage_map(size_t len, unsigned int seed)
{
	return refpage_map_at(NULL, len, PROT_READ | PROT_WRITE, 0, seed);
}

/*
 * Address space to place mappings in by MAP_FIXED; what is around it merges
 * with no mapping that can be accessed.
 */
static inline char *refpage_carveout(size_t len)
{
	char *area = mmap(NULL, len + 2 * psize(), PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		ksft_exit_fail_perror("mmap of a carveout");
	return area + psize();
}

/* A store makes one page private, whatever size the system likes better. */
static inline void refpage_base_pages(void)
{
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

/* Number of VMAs that have a page in the range. */
static inline int refpage_count_vmas(const void *addr, size_t len)
{
	unsigned long start = (unsigned long)addr, end = start + len, from, to;
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	if (!maps)
		ksft_exit_fail_perror("/proc/self/maps");
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2 &&
		    from < end && to > start)
			n++;
	fclose(maps);
	return n;
}

static inline bool refpage_smaps_header(const char *line, unsigned long *from,
					unsigned long *to)
{
	unsigned long start, end;

	/* "Anonymous:" starts as a number does: store only when it is a range. */
	if (sscanf(line, "%lx-%lx ", &start, &end) != 2)
		return false;
	*from = start;
	*to = end;
	return true;
}

/*
 * Sum of a field ("Rss:") in kB over the VMAs that have a page in the range,
 * -1 if no VMA of the range has the field.
 */
static inline long refpage_smaps_kb(const void *addr, size_t len,
				    const char *field)
{
	unsigned long start = (unsigned long)addr, end = start + len;
	unsigned long from = 0, to = 0;
	FILE *smaps = fopen("/proc/self/smaps", "r");
	long sum = -1, kb;
	char line[512];

	if (!smaps)
		ksft_exit_fail_perror("/proc/self/smaps");
	while (fgets(line, sizeof(line), smaps)) {
		if (refpage_smaps_header(line, &from, &to))
			continue;
		if (from >= end || to <= start ||
		    strncmp(line, field, strlen(field)) ||
		    sscanf(line + strlen(field), "%ld", &kb) != 1)
			continue;
		sum = (sum < 0 ? 0 : sum) + kb;
	}
	fclose(smaps);
	return sum;
}

static inline long refpage_smaps_pages(const void *addr, size_t len,
				       const char *field)
{
	long kb = refpage_smaps_kb(addr, len, field);

	return kb < 0 ? kb : kb * 1024 / (long)psize();
}

/*
 * The range, which is all of its VMAs, has this many pages of its own; clean
 * pages count nowhere.
 */
#define EXPECT_PRIVATE(addr, len, pages) do {				\
	EXPECT_EQ(pages, refpage_smaps_pages(addr, len, "Rss:"));	\
	EXPECT_EQ(pages, refpage_smaps_pages(addr, len, "Pss:"));	\
	EXPECT_EQ(pages, refpage_smaps_pages(addr, len, "Anonymous:"));	\
} while (0)

/* VmFlags of the VMA at @addr has the two-letter @flag. */
static inline bool refpage_vmflag(const void *addr, const char *flag)
{
	unsigned long at = (unsigned long)addr, from = 0, to = 0;
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[512], word[8];
	bool found = false;

	if (!smaps)
		ksft_exit_fail_perror("/proc/self/smaps");
	snprintf(word, sizeof(word), " %s ", flag);
	while (fgets(line, sizeof(line), smaps)) {
		if (refpage_smaps_header(line, &from, &to))
			continue;
		if (from <= at && at < to && !strncmp(line, "VmFlags:", 8)) {
			line[strcspn(line, "\n")] = ' ';
			found = strstr(line, word);
		}
	}
	fclose(smaps);
	return found;
}

/* The kernel log from here on; -1 without the right to read it. */
static inline int refpage_kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* True, and the line printed, if the kernel complained since the open. */
static inline bool refpage_kmsg_complaint(int fd)
{
	static const char * const words[] = {
		"BUG:", "WARNING:", "Bad page", "Bad rss-counter",
		"non-zero pgtables_bytes", "KASAN", "refcount_t", "kmemleak:",
	};
	bool found = false;
	char record[8192];
	unsigned int i;
	ssize_t n;

	if (fd < 0)
		return false;
	while ((n = read(fd, record, sizeof(record) - 1)) > 0 ||
	       (n < 0 && errno == EPIPE)) {
		record[n < 0 ? 0 : n] = '\0';
		for (i = 0; i < ARRAY_SIZE(words); i++) {
			if (!strstr(record, words[i]))
				continue;
			ksft_print_msg("kernel log: %s", record);
			found = true;
			break;
		}
	}
	return found;
}

/*
 * A fixture whose tests fail if the kernel complained while they ran.  Tests
 * that need a state of their own write FIXTURE() out, with these two calls.
 */
#define REFPAGE_FIXTURE(name)						\
FIXTURE(name)								\
{									\
	int kmsg;							\
};									\
FIXTURE_SETUP(name)							\
{									\
	self->kmsg = refpage_kmsg_open();				\
}									\
FIXTURE_TEARDOWN(name)							\
{									\
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));		\
	close(self->kmsg);						\
}

/* 0, or the errno of the simplest mapping. */
static inline int refpage_probe(void)
{
	char *map = refpage_map(psize(), 1);

	if (map == MAP_FAILED)
		return errno;
	munmap(map, psize());
	return 0;
}

/* Ends the program with SKIP, not with success, on a kernel without it. */
static inline void refpage_require(void)
{
	int err = refpage_probe();

	if (!err)
		return;
	ksft_print_header();
	if (err == EINVAL || err == EBADF || err == EOPNOTSUPP)
		ksft_exit_skip("this kernel has no MAP_REFPAGE: %s\n",
			       strerror(err));
	ksft_exit_fail_msg("mmap(MAP_REFPAGE): %s\n", strerror(err));
}

/* In place of TEST_HARNESS_MAIN. */
#define REFPAGE_TEST_MAIN						\
int main(int argc, char **argv)						\
{									\
	refpage_require();						\
	return test_harness_run(argc, argv);				\
}

#endif /* _MM_REFPAGE_UTIL_H */
