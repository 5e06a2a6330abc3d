// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which memory may be the reference page of mmap(MAP_REFPAGE): any page that
 * the caller may read, of whatever kind, with the right bytes; and no memory
 * without an ordinary page behind it.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>
#include "refpage_sys.h"
#include "refpage_util.h"
#include "hugepage_settings.h"

#define SEED	0x2bu
#define OTHER	0x93u

#define NPAGES	4
#define RW	(PROT_READ | PROT_WRITE)

REFPAGE_FIXTURE(refpage_source);

/*
 * Maps the page at @source and compares with @want, a copy of it from before.
 * 0, or what went wrong.
 */
static const char *captures(const void *source, const void *want)
{
	size_t page = psize(), i;
	const char *wrong = NULL;
	char *map;

	map = refpage_mmap(NULL, NPAGES * page, RW, 0, source);
	if (map == MAP_FAILED)
		return strerror(errno);
	for (i = 0; i < NPAGES; i++)
		if (refpage_diff(map + i * page, want, page) >= 0)
			wrong = "other bytes than the source's";
	if (!wrong && refpage_smaps_kb(map, NPAGES * page, "Rss:"))
		wrong = "clean pages count in Rss";
	map[page + 1] ^= 0xff;
	if (refpage_diff(source, want, page) >= 0)
		wrong = "a store to the mapping changed the source";
	map[page + 1] ^= 0xff;
	if (refpage_diff(map + page, want, page) >= 0)
		wrong = "other bytes after a store";
	munmap(map, NPAGES * page);
	return wrong;
}

#define EXPECT_CAPTURES(source, want) do {				\
	const char *wrong = captures(source, want);			\
									\
	EXPECT_EQ(NULL, wrong) {					\
		TH_LOG("%s", wrong);					\
	}								\
} while (0)

/* The same for a source with the content of a seed. */
#define EXPECT_CAPTURES_SEED(source, seed) do {				\
	char *model = refpage_model(psize(), seed);			\
									\
	EXPECT_CAPTURES(source, model);					\
	free(model);							\
} while (0)

#define EXPECT_EFAULT(source) do {					\
	errno = 0;							\
	EXPECT_EQ(MAP_FAILED, refpage_mmap(NULL, psize(), RW, 0, source));\
	EXPECT_EQ(EFAULT, errno);					\
} while (0)

/* Contents that the kernel may keep in a shorter form. */
TEST_F(refpage_source, contents)
{
	static const unsigned int repeats[] = {
		1, 2, 4, 8, 16, 32, 64, 256, 1024, 2048, 3, 5, 12, 24,
	};
	unsigned int i;
	char *source;

	for (i = 0; i < ARRAY_SIZE(repeats); i++) {
		source = refpage_source(REFPAGE_REPEAT(SEED, repeats[i]));
		EXPECT_CAPTURES_SEED(source, REFPAGE_REPEAT(SEED, repeats[i]));
		ASSERT_EQ(0, munmap(source, psize()));
	}
}

/* A content that repeats but for one byte, wherever that is. */
TEST_F(refpage_source, nearly_uniform)
{
	static const unsigned int repeats[] = { 1, 2, 4, 8, 16 };
	size_t page = psize(), at;
	unsigned int i;
	char *source, *want = malloc(page);

	for (i = 0; i < ARRAY_SIZE(repeats); i++) {
		source = refpage_source(REFPAGE_REPEAT(SEED, repeats[i]));
		for (at = 0; at < page; at = at < 32 ? at + 1 : at * 2 - 1) {
			source[at] ^= 0x10;
			memcpy(want, source, page);
			EXPECT_CAPTURES(source, want);
			source[at] ^= 0x10;
		}
		source[page - 1] ^= 0x10;
		memcpy(want, source, page);
		EXPECT_CAPTURES(source, want);
		ASSERT_EQ(0, munmap(source, page));
	}
	free(want);
}

TEST_F(refpage_source, zero_page)
{
	char *source = refpage_carveout(3 * psize());

	ASSERT_EQ(0, mprotect(source, 3 * psize(), RW));
	/* Never touched, read, and written with zeros. */
	EXPECT_CAPTURES_SEED(source, REFPAGE_ZEROS);
	FORCE_READ(source[psize()]);
	EXPECT_CAPTURES_SEED(source + psize(), REFPAGE_ZEROS);
	memset(source + 2 * psize(), 0, psize());
	EXPECT_CAPTURES_SEED(source + 2 * psize(), REFPAGE_ZEROS);
}

TEST_F(refpage_source, read_only)
{
	char *source = refpage_source(SEED);

	ASSERT_EQ(0, mprotect(source, psize(), PROT_READ));
	EXPECT_CAPTURES_SEED(source, SEED);
}

TEST_F(refpage_source, anonymous_shared)
{
	char *source = mmap(NULL, psize(), RW, MAP_SHARED | MAP_ANONYMOUS, -1,
			    0);

	ASSERT_NE(MAP_FAILED, source);
	refpage_fill(source, psize(), SEED);
	EXPECT_CAPTURES_SEED(source, SEED);
}

TEST_F(refpage_source, stack)
{
	char room[2 * psize()];
	char *source = (char *)(((uintptr_t)room + psize() - 1) &
				~(uintptr_t)(psize() - 1));

	refpage_fill(source, psize(), SEED);
	EXPECT_CAPTURES_SEED(source, SEED);
}

/* The page cache, through a shared and a private mapping, in page and not. */
TEST_F(refpage_source, memfd)
{
	int flags[] = { MAP_SHARED, MAP_PRIVATE }, fd, i;
	size_t page = psize();
	char *want = refpage_model(page, SEED), *source;

	fd = memfd_create("refpage", 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(page, pwrite(fd, want, page, page));
	for (i = 0; i < 2; i++) {
		source = mmap(NULL, page, RW, flags[i], fd, page);
		ASSERT_NE(MAP_FAILED, source);
		EXPECT_CAPTURES(source, want);
		FORCE_READ(source[0]);
		EXPECT_CAPTURES(source, want);
	}
	/* Written through the private mapping: its own page. */
	refpage_fill(source, page, OTHER);
	EXPECT_CAPTURES_SEED(source, OTHER);
	close(fd);
	free(want);
}

/* A file of a disk file system: this program. */
TEST_F(refpage_source, file)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	size_t page = psize();
	char *want = malloc(page), *source;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(page, pread(fd, want, page, 0));
	source = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, source);
	EXPECT_CAPTURES(source, want);
	close(fd);
	free(want);
}

TEST_F(refpage_source, beyond_end_of_file)
{
	int fd = memfd_create("refpage", 0);
	char *source;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ftruncate(fd, psize()));
	source = mmap(NULL, 2 * psize(), RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, source);
	EXPECT_CAPTURES_SEED(source, REFPAGE_ZEROS);
	EXPECT_EFAULT(source + psize());
	close(fd);
}

TEST_F(refpage_source, thp_subpage)
{
	size_t size = read_pmd_pagesize(), page = psize(), at;
	char *area, *huge;

	if (!size)
		SKIP(return, "no transparent huge pages");
	area = mmap(NULL, 2 * size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	huge = (char *)(((uintptr_t)area + size - 1) & ~(size - 1));
	if (madvise(huge, size, MADV_HUGEPAGE))
		SKIP(return, "no MADV_HUGEPAGE: %s", strerror(errno));
	refpage_fill(huge, size, OTHER);
	if (!refpage_smaps_kb(huge, size, "AnonHugePages:"))
		SKIP(return, "no huge page to be had");
	for (at = 0; at < size; at += size / 4 - page) {
		refpage_fill(huge + at, page, SEED);
		EXPECT_CAPTURES_SEED(huge + at, SEED);
	}
	/* The reference is read through the huge zero page. */
	ASSERT_EQ(0, madvise(huge, size, MADV_DONTNEED));
	FORCE_READ(huge[0]);
	EXPECT_CAPTURES_SEED(huge + 5 * page, REFPAGE_ZEROS);
}

TEST_F(refpage_source, hugetlb_subpage)
{
	unsigned long size = default_huge_page_size(), pages;
	char *source;

	if (!size || geteuid())
		SKIP(return, "no hugetlb pages, or not root");
	pages = hugetlb_nr_pages(size);
	hugetlb_set_nr_pages(size, pages + 1);
	source = mmap(NULL, size, RW,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (source == MAP_FAILED) {
		hugetlb_set_nr_pages(size, pages);
		SKIP(return, "no hugetlb page: %s", strerror(errno));
	}
	refpage_fill(source, size, OTHER);
	refpage_fill(source + 17 * psize(), psize(), SEED);
	EXPECT_CAPTURES_SEED(source + 17 * psize(), SEED);
	EXPECT_CAPTURES_SEED(source, OTHER);
	EXPECT_EQ(0, munmap(source, size));
	hugetlb_set_nr_pages(size, pages);
}

TEST_F(refpage_source, ksm_page)
{
	char *source = refpage_carveout(2 * psize());

	ASSERT_EQ(0, mprotect(source, 2 * psize(), RW));
	refpage_fill(source, 2 * psize(), SEED);
	if (madvise(source, 2 * psize(), MADV_MERGEABLE))
		SKIP(return, "no KSM: %s", strerror(errno));
	if (ksm_start())
		SKIP(return, "cannot start KSM");
	EXPECT_GT(ksm_get_self_merging_pages(), 0);
	EXPECT_CAPTURES_SEED(source, SEED);
	source[0] ^= 1;
	source[0] ^= 1;
	EXPECT_CAPTURES_SEED(source + psize(), SEED);
	EXPECT_EQ(0, ksm_stop());
}

/* A page of a mapping of this kind: never touched, read, and written. */
TEST_F(refpage_source, refpage)
{
	char *source = refpage_map(3 * psize(), SEED);

	ASSERT_NE(MAP_FAILED, source);
	EXPECT_CAPTURES_SEED(source, SEED);
	FORCE_READ(source[psize()]);
	EXPECT_CAPTURES_SEED(source + psize(), SEED);
	refpage_fill(source + 2 * psize(), psize(), OTHER);
	EXPECT_CAPTURES_SEED(source + 2 * psize(), OTHER);
	EXPECT_CONTENT(source, 2 * psize(), SEED);
}

/* A chain: each mapping's reference is a page of the one before. */
TEST_F(refpage_source, refpage_of_refpage)
{
	char *source = refpage_map(psize(), SEED), *map;
	int i;

	ASSERT_NE(MAP_FAILED, source);
	for (i = 0; i < 100; i++) {
		map = refpage_mmap(NULL, psize(), RW, 0, source);
		ASSERT_NE(MAP_FAILED, map);
		ASSERT_EQ(0, munmap(source, psize()));
		ASSERT_CONTENT(map, psize(), SEED);
		source = map;
	}
}

/* What a swapped-out source holds is what is captured. */
TEST_F(refpage_source, paged_out)
{
	char *source = refpage_source(SEED);
	int pagemap = open("/proc/self/pagemap", O_RDONLY);

	ASSERT_GE(pagemap, 0);
	if (madvise(source, psize(), MADV_PAGEOUT) ||
	    !pagemap_is_swapped(pagemap, source))
		SKIP(return, "no swap");
	EXPECT_CAPTURES_SEED(source, SEED);
	close(pagemap);
}

/* Memory that differs in how the kernel finds its content. */
#define NR_KINDS	2

static char *source_of_kind(int kind)
{
	return kind ? refpage_map(psize(), SEED) : refpage_source(SEED);
}

TEST_F(refpage_source, guard_page)
{
	for (int kind = 0; kind < NR_KINDS; kind++) {
		char *source = source_of_kind(kind);

#ifdef MADV_GUARD_INSTALL
		if (madvise(source, psize(), MADV_GUARD_INSTALL))
#endif
			SKIP(return, "no MADV_GUARD_INSTALL");
		EXPECT_EFAULT(source);
	}
}

TEST_F(refpage_source, no_access)
{
	for (int kind = 0; kind < NR_KINDS; kind++) {
		char *source = source_of_kind(kind);

		ASSERT_EQ(0, mprotect(source, psize(), PROT_NONE));
		EXPECT_EFAULT(source);
		ASSERT_EQ(0, mprotect(source, psize(), PROT_READ));
		EXPECT_CAPTURES_SEED(source, SEED);
		ASSERT_EQ(0, munmap(source, psize()));
		EXPECT_EFAULT(source);
	}
}

TEST_F(refpage_source, secretmem)
{
	char *source;
	int fd = -1;

#ifdef __NR_memfd_secret
	fd = syscall(__NR_memfd_secret, 0);
#endif
	if (fd < 0)
		SKIP(return, "no memfd_secret");
	ASSERT_EQ(0, ftruncate(fd, psize()));
	source = mmap(NULL, psize(), RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, source);
	EXPECT_EFAULT(source);
	/* With the page table filled, where the fast lookup would find it. */
	refpage_fill(source, psize(), SEED);
	EXPECT_EFAULT(source);
	close(fd);
}

/* The address of a mapping by its name in /proc/self/maps. */
static void *named_mapping(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from = 0;
	char line[512];
	bool found = false;

	if (!maps)
		return NULL;
	while (!found && fgets(line, sizeof(line), maps))
		found = strstr(line, name) && sscanf(line, "%lx-", &from) == 1;
	fclose(maps);
	return found ? (void *)from : NULL;
}

/* Pages that are the kernel's, without a struct page to hold. */
TEST_F(refpage_source, pfnmap)
{
	void *source = named_mapping("[vvar_vclock]");

	if (!source)
		SKIP(return, "no [vvar_vclock]");
	ASSERT_TRUE(refpage_vmflag(source, "pf"));
	EXPECT_EFAULT(source);
}

/* As pfnmap, and present in the page table. */
TEST_F(refpage_source, device_memory)
{
	int fd = open("/dev/mem", O_RDONLY);
	void *source;

	if (fd < 0)
		SKIP(return, "no /dev/mem: %s", strerror(errno));
	source = mmap(NULL, psize(), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (source == MAP_FAILED)
		SKIP(return, "cannot map /dev/mem: %s", strerror(errno));
	ASSERT_TRUE(refpage_vmflag(source, "pf"));
	FORCE_READ(*(char *)source);
	EXPECT_EFAULT(source);
}

/* The vdso is an ordinary, if special, page. */
TEST_F(refpage_source, vdso)
{
	void *source = (void *)getauxval(AT_SYSINFO_EHDR);
	char *want;

	if (!source)
		SKIP(return, "no vdso");
	want = malloc(psize());
	memcpy(want, source, psize());
	EXPECT_CAPTURES(source, want);
	free(want);
}

/* What a protection key denies to the caller, it denies to the capture. */
TEST_F(refpage_source, protection_key)
{
	int key = pkey_alloc(0, 0);

	if (key < 0)
		SKIP(return, "no protection keys: %s", strerror(errno));
	for (int kind = 0; kind < NR_KINDS; kind++) {
		char *source = source_of_kind(kind);

		ASSERT_EQ(0, pkey_mprotect(source, psize(), RW, key));
		EXPECT_CAPTURES_SEED(source, SEED);
		ASSERT_EQ(0, pkey_set(key, PKEY_DISABLE_ACCESS));
		EXPECT_EFAULT(source);
		ASSERT_EQ(0, pkey_set(key, PKEY_DISABLE_WRITE));
		EXPECT_CAPTURES_SEED(source, SEED);
		ASSERT_EQ(0, pkey_set(key, 0));
	}
}

struct supplier {
	int uffd;
	char *page;
	int answered;
};

/* Answers one missing-page event with the content of SEED. */
static void *supply(void *arg)
{
	struct supplier *s = arg;
	char *content = refpage_model(psize(), SEED);
	struct pollfd poll_fd = { .fd = s->uffd, .events = POLLIN };
	struct uffdio_copy copy = {
		.dst = (uintptr_t)s->page,
		.src = (uintptr_t)content,
		.len = psize(),
	};
	struct uffd_msg msg;

	if (poll(&poll_fd, 1, 10000) == 1 &&
	    read(s->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
	    msg.event == UFFD_EVENT_PAGEFAULT &&
	    !ioctl(s->uffd, UFFDIO_COPY, &copy))
		s->answered++;
	free(content);
	return NULL;
}

/* The source is missing, and a thread of the process is to supply it. */
static void captures_supplied(struct __test_metadata *_metadata, char *source)
{
	struct uffdio_api api = { .api = UFFD_API };
	char *want = refpage_model(psize(), SEED);
	struct supplier s = { .page = source };
	pthread_t thread;
	char *map;

	s.uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	if (s.uffd < 0)
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(s.uffd, UFFDIO_API, &api));
	ASSERT_EQ(0, uffd_register(s.uffd, s.page, psize(), true, false,
				   false));
	ASSERT_EQ(0, pthread_create(&thread, NULL, supply, &s));
	map = refpage_mmap(NULL, psize(), RW, 0, s.page);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(1, s.answered);
	EXPECT_EQ(-1, refpage_diff(map, want, psize()));
	close(s.uffd);
	free(want);
}

TEST_F(refpage_source, userfaultfd_missing)
{
	char *source = refpage_carveout(psize());

	ASSERT_EQ(0, mprotect(source, psize(), RW));
	captures_supplied(_metadata, source);
}

/* What would be a clean page is missing too. */
TEST_F(refpage_source, userfaultfd_missing_refpage)
{
	char *source = refpage_map(psize(), OTHER);

	ASSERT_NE(MAP_FAILED, source);
	captures_supplied(_metadata, source);
}

/* Clean pages are known already, whatever VMA has them. */
TEST_F(refpage_source, clean_pages_are_not_captured)
{
	char *source = refpage_map(3 * psize(), SEED);
	long before = refpage_vmstat("refpage_capture");
	char *model = refpage_model(psize(), SEED);

	ASSERT_NE(MAP_FAILED, source);
	ASSERT_LE(0, before);
	FORCE_READ(source[psize()]);
	EXPECT_CAPTURES(source, model);
	EXPECT_CAPTURES(source + psize(), model);
	EXPECT_EQ(before, refpage_vmstat("refpage_capture"));

	source[2 * psize()] ^= 0xff;
	model[0] ^= 0xff;
	EXPECT_CAPTURES(source + 2 * psize(), model);
	EXPECT_EQ(before + 1, refpage_vmstat("refpage_capture"));
	free(model);
}

REFPAGE_TEST_MAIN
