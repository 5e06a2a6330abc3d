// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the kernel tells of MAP_REFPAGE mappings: /proc, its counters, and core
 * dumps.  A clean page is memory of nobody; its bytes are shown all the same.
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include <asm-generic/mman.h> /* Force the import of the tools version. */
#include <elf.h>
#include <libgen.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "refpage_sys.h"
#include "refpage_util.h"

#define NR_PAGES	16
#define SEED		0x61
#define OTHER_SEED	0x62
#define STORED		0x5a
#define ZERO_PAGE_FLAG	BIT_ULL(24)	/* KPF_ZERO_PAGE */

FIXTURE(refpage_proc)
{
	size_t page;
	size_t size;
	char *area;
	int pagemap;
	int kmsg;
};

FIXTURE_SETUP(refpage_proc)
{
	self->kmsg = refpage_kmsg_open();
	refpage_base_pages();
	self->page = psize();
	self->size = NR_PAGES * self->page;
	self->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(self->pagemap, 0);
	self->area = refpage_map(self->size, SEED);
	ASSERT_NE(MAP_FAILED, self->area);
}

FIXTURE_TEARDOWN(refpage_proc)
{
	munmap(self->area, self->size);
	close(self->pagemap);
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

static bool smaps_zero(const char *area, size_t size, const char *field)
{
	long kb = refpage_smaps_kb(area, size, field);

	if (kb > 0)
		ksft_print_msg("%s %ld kB\n", field, kb);
	return kb <= 0;
}

/* Clean pages, mapped or not, are in no sum of smaps. */
TEST_F(refpage_proc, smaps_clean)
{
	static const char * const fields[] = {
		"Rss:", "Pss:", "Pss_Dirty:", "Shared_Clean:", "Shared_Dirty:",
		"Private_Clean:", "Private_Dirty:", "Referenced:", "Anonymous:",
		"KSM:", "LazyFree:", "AnonHugePages:", "Swap:", "SwapPss:",
		"Locked:", "THPeligible:",
	};
	int i;

	EXPECT_CONTENT(self->area, self->size / 2, SEED);
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		EXPECT_TRUE(smaps_zero(self->area, self->size, fields[i]));
	EXPECT_PRIVATE(self->area, self->size, 0);
}

/* Each page that was stored to counts, as one of anonymous memory does. */
TEST_F(refpage_proc, smaps_private)
{
	int i;

	for (i = 0; i < NR_PAGES; i++) {
		self->area[i * self->page] = STORED;
		EXPECT_PRIVATE(self->area, self->size, i + 1);
	}
	EXPECT_EQ(NR_PAGES, refpage_smaps_pages(self->area, self->size,
						"Private_Dirty:"));
	ASSERT_EQ(0, madvise(self->area, self->page, MADV_DONTNEED));
	EXPECT_PRIVATE(self->area, self->size, NR_PAGES - 1);
}

/* The process's own count: loads add nothing, each first store one page. */
TEST_F(refpage_proc, rss_anon)
{
	unsigned long kb = self->page / 1024, before;

	EXPECT_CONTENT(self->area, self->size, SEED);
	before = rss_anon();
	force_read_pages(self->area, NR_PAGES, self->page);
	EXPECT_EQ(before, rss_anon());
	for (int i = 0; i < NR_PAGES; i++)
		self->area[i * self->page] = STORED;
	EXPECT_EQ(before + NR_PAGES * kb, rss_anon());
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_DONTNEED));
	EXPECT_EQ(before, rss_anon());
}

TEST_F(refpage_proc, vmflags)
{
	char *anon = refpage_source(OTHER_SEED);

	EXPECT_TRUE(refpage_vmflag(self->area, REFPAGE_VMFLAG));
	EXPECT_FALSE(refpage_vmflag(anon, REFPAGE_VMFLAG));
	ASSERT_EQ(0, mprotect(self->area + self->page, self->page, PROT_READ));
	EXPECT_TRUE(refpage_vmflag(self->area + self->page, REFPAGE_VMFLAG));
	munmap(anon, self->page);
}

/* No page of a policy node is in use by clean pages. */
TEST_F(refpage_proc, numa_maps)
{
	char line[1024], start[32], found[1024] = "";
	FILE *f = fopen("/proc/self/numa_maps", "re");

	if (!f)
		SKIP(return, "no numa_maps");
	force_read_pages(self->area, NR_PAGES, self->page);
	snprintf(start, sizeof(start), "%08lx ", (unsigned long)self->area);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, start, strlen(start)))
			snprintf(found, sizeof(found), "%s", line);
	fclose(f);
	ASSERT_STRNE("", found);
	EXPECT_EQ(NULL, strstr(found, "anon="));
	EXPECT_EQ(NULL, strstr(found, "mapped="));
	EXPECT_EQ(NULL, strstr(found, "file="));
}

/* Page frames of pages that were loaded from: one, and not of the zeros. */
TEST_F(refpage_proc, pagemap_clean)
{
	uint64_t entry, flags, pfn;
	int i, kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);

	EXPECT_EQ(0, pagemap_get_entry(self->pagemap, self->area) & PM_PRESENT);
	force_read_pages(self->area, NR_PAGES, self->page);
	for (i = 0; i < NR_PAGES; i++) {
		entry = pagemap_get_entry(self->pagemap,
					  self->area + i * self->page);
		EXPECT_NE(0, entry & PM_PRESENT);
		EXPECT_EQ(0, entry & (PM_FILE | PM_SWAP | PM_MMAP_EXCLUSIVE));
	}
	pfn = pagemap_get_pfn(self->pagemap, self->area);
	if (!pfn || kpageflags < 0)
		SKIP(return, "needs root, to see page frames");
	for (i = 1; i < NR_PAGES; i++)
		EXPECT_EQ(pfn, pagemap_get_pfn(self->pagemap,
					       self->area + i * self->page));
	ASSERT_EQ(0, pageflags_get(pfn, kpageflags, &flags));
	EXPECT_EQ(0, flags & ZERO_PAGE_FLAG);

	self->area[self->page] = STORED;
	EXPECT_NE(pfn, pagemap_get_pfn(self->pagemap, self->area + self->page));
	EXPECT_EQ(pfn, pagemap_get_pfn(self->pagemap, self->area));
	close(kpageflags);
}

/* One captured page for a content, however often it is mapped. */
TEST_F(refpage_proc, pagemap_shared_by_content)
{
	char *same = refpage_map(self->page, SEED);
	char *other = refpage_map(self->page, OTHER_SEED);
	unsigned long pfn;

	ASSERT_NE(MAP_FAILED, same);
	ASSERT_NE(MAP_FAILED, other);
	FORCE_READ(*self->area);
	FORCE_READ(*same);
	FORCE_READ(*other);
	pfn = pagemap_get_pfn(self->pagemap, self->area);
	if (!pfn)
		SKIP(return, "needs root, to see page frames");
	EXPECT_EQ(pfn, pagemap_get_pfn(self->pagemap, same));
	EXPECT_NE(pfn, pagemap_get_pfn(self->pagemap, other));
	munmap(same, self->page);
	munmap(other, self->page);
}

static long categories(int pagemap, const char *addr, __u64 *found)
{
	struct page_region region = {};
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = (uintptr_t)addr,
		.end = (uintptr_t)addr + psize(),
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.category_anyof_mask = PAGE_IS_FILE | PAGE_IS_PRESENT |
			PAGE_IS_SWAPPED | PAGE_IS_PFNZERO | PAGE_IS_HUGE,
		.return_mask = PAGE_IS_FILE | PAGE_IS_PRESENT |
			PAGE_IS_SWAPPED | PAGE_IS_PFNZERO | PAGE_IS_HUGE,
	};
	int n = ioctl(pagemap, PAGEMAP_SCAN, &arg);

	*found = n == 1 ? region.categories : 0;
	return n;
}

TEST_F(refpage_proc, pagemap_scan)
{
	__u64 found;

	ASSERT_EQ(0, categories(self->pagemap, self->area, &found));
	FORCE_READ(*self->area);
	ASSERT_EQ(1, categories(self->pagemap, self->area, &found));
	EXPECT_EQ(PAGE_IS_PRESENT, found);
	*self->area = STORED;
	ASSERT_EQ(1, categories(self->pagemap, self->area, &found));
	EXPECT_EQ(PAGE_IS_PRESENT, found);
}

/* A load does not make a page soft-dirty; a store does, that page alone. */
TEST_F(refpage_proc, soft_dirty)
{
	int i;

	if (!softdirty_supported())
		SKIP(return, "no soft-dirty bit");
	self->area[0] = STORED;
	FORCE_READ(self->area[self->page]);
	clear_softdirty();
	force_read_pages(self->area, NR_PAGES, self->page);
	for (i = 0; i < NR_PAGES; i++)
		EXPECT_FALSE(pagemap_is_softdirty(self->pagemap,
						  self->area + i * self->page));
	for (i = 0; i < 3; i++)
		self->area[i * self->page + 1] = STORED;
	for (i = 0; i < NR_PAGES; i++) {
		char *at = self->area + i * self->page;

		EXPECT_EQ(i < 3, pagemap_is_softdirty(self->pagemap, at));
	}
	EXPECT_CONTENT(self->area + 3 * self->page, self->size - 3 * self->page,
		       SEED);
}

/*
 * nr_refpage counts captured pages alive, refpage_capture captures, and
 * refpage_cow pages filled from one.
 */
TEST_F(refpage_proc, vmstat)
{
	long alive = refpage_vmstat("nr_refpage");
	long captures = refpage_vmstat("refpage_capture");
	long cows = refpage_vmstat("refpage_cow");
	char *other, *same;
	int status;
	pid_t pid;

	ASSERT_LE(1, alive);
	ASSERT_LE(1, captures);
	ASSERT_LE(0, cows);

	other = refpage_map(self->page, OTHER_SEED);
	ASSERT_NE(MAP_FAILED, other);
	EXPECT_EQ(alive + 1, refpage_vmstat("nr_refpage"));
	EXPECT_EQ(captures + 1, refpage_vmstat("refpage_capture"));
	same = refpage_map(self->page, OTHER_SEED);
	ASSERT_NE(MAP_FAILED, same);
	EXPECT_EQ(alive + 1, refpage_vmstat("nr_refpage"));

	force_read_pages(self->area, NR_PAGES / 2, self->page);
	EXPECT_EQ(cows, refpage_vmstat("refpage_cow"));
	for (int i = 0; i < NR_PAGES; i++)
		self->area[i * self->page] = STORED;
	EXPECT_EQ(cows + NR_PAGES, refpage_vmstat("refpage_cow"));

	/* A fork shares; the last of both to go frees. */
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		EXPECT_EQ(alive + 1, refpage_vmstat("nr_refpage"));
		munmap(other, self->page);
		munmap(same, self->page);
		EXPECT_EQ(alive + 1, refpage_vmstat("nr_refpage"));
		_exit(_metadata->exit_code);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	munmap(other, self->page);
	EXPECT_EQ(alive + 1, refpage_vmstat("nr_refpage"));
	munmap(same, self->page);
	EXPECT_EQ(alive, refpage_vmstat("nr_refpage"));
}

/*
 * Core dumps.  The child's memory is what the test mapped before the fork, so
 * the test knows what must be in the file.
 */
#define DIR_TEMPLATE	"/tmp/refpage-XXXXXX"
#define SPARSE_SIZE	BIT_ULL(40)
#define SPARSE_READ	(32UL << 20)
#define SPARSE_GROWTH	16	/* kB of page tables, far less than it reads */

FIXTURE(refpage_core)
{
	struct refpage_setting pattern;
	char dir[sizeof(DIR_TEMPLATE)];
	char path[64];
	size_t page;
	size_t size;
	char *area;
	int kmsg;
};

static void core_path(FIXTURE_DATA(refpage_core) *self, const char *name)
{
	snprintf(self->path, sizeof(self->path), "%s/%s", self->dir, name);
}

FIXTURE_SETUP(refpage_core)
{
	self->kmsg = refpage_kmsg_open();
	self->page = psize();
	self->size = NR_PAGES * self->page;
	snprintf(self->dir, sizeof(self->dir), DIR_TEMPLATE);
	ASSERT_NE(NULL, mkdtemp(self->dir));
	core_path(self, "core");
	if (refpage_set(&self->pattern, "/proc/sys/kernel/core_pattern",
			self->path)) {
		rmdir(self->dir);
		SKIP(return, "needs root and core dumps, to set core_pattern");
	}
	self->area = refpage_map(self->size, SEED);
	ASSERT_NE(MAP_FAILED, self->area);
}

FIXTURE_TEARDOWN(refpage_core)
{
	static const char * const names[] = { "core", "helper", "result" };

	refpage_restore(&self->pattern);
	for (int i = 0; i < ARRAY_SIZE(names); i++) {
		core_path(self, names[i]);
		unlink(self->path);
	}
	rmdir(self->dir);
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

/* In the child: dumps core, whatever the limits were. */
static void dump_core(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_CORE, &unlimited);
	abort();
}

/* Runs @prepare in a child that then dumps core.  Its wait status. */
static int child_core(FIXTURE_DATA(refpage_core) *self,
		      void (*prepare)(FIXTURE_DATA(refpage_core) *self))
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (!pid) {
		if (prepare)
			prepare(self);
		dump_core();
	}
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

static bool read_all(int fd, void *buf, size_t len)
{
	char *p = buf;
	ssize_t n;

	for (; len; len -= n, p += n) {
		n = read(fd, p, len);
		if (n <= 0)
			return false;
	}
	return true;
}

/* The PT_LOAD header of @addr; false without one.  The file is at its start. */
static bool core_segment(int fd, unsigned long addr, Elf64_Phdr *found,
			 off_t *pos)
{
	Elf64_Ehdr elf;
	Elf64_Phdr ph;
	bool any = false;

	if (!read_all(fd, &elf, sizeof(elf)) ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) ||
	    elf.e_phoff != sizeof(elf) || elf.e_phentsize != sizeof(ph))
		return false;
	*pos = sizeof(elf);
	for (int i = 0; i < elf.e_phnum; i++, *pos += sizeof(ph)) {
		if (!read_all(fd, &ph, sizeof(ph)))
			return false;
		if (ph.p_type != PT_LOAD || any ||
		    addr < ph.p_vaddr || addr >= ph.p_vaddr + ph.p_memsz)
			continue;
		*found = ph;
		any = true;
	}
	return any;
}

/*
 * Reads what the core file has of a range: the number of bytes, 0 for a range
 * that was left out, -1 for no such segment.
 */
static ssize_t core_read(const char *path, const char *addr, char *buf,
			 size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned long at = (unsigned long)addr;
	ssize_t n = -1;
	Elf64_Phdr ph;
	off_t pos;

	if (fd >= 0 && core_segment(fd, at, &ph, &pos)) {
		n = 0;
		if (at - ph.p_vaddr + len <= ph.p_filesz)
			n = pread(fd, buf, len, ph.p_offset + at - ph.p_vaddr);
	}
	close(fd);
	return n;
}

static void touch_pages(FIXTURE_DATA(refpage_core) *self)
{
	/* Page by page: never touched, clean, private. */
	for (int i = 0; i < NR_PAGES; i++) {
		if (i % 3 == 1)
			FORCE_READ(self->area[i * self->page]);
		if (i % 3 == 2)
			self->area[i * self->page + i] = STORED;
	}
}

/* Pages of each kind, in one mapping. */
TEST_F(refpage_core, mixed)
{
	char *model = refpage_model(self->size, SEED);
	char *dump = malloc(self->size);
	int status, i;

	for (i = 2; i < NR_PAGES; i += 3)
		model[i * self->page + i] = STORED;
	status = child_core(self, touch_pages);
	ASSERT_TRUE(WIFSIGNALED(status) && WCOREDUMP(status));
	ASSERT_EQ(self->size, core_read(self->path, self->area, dump,
					self->size));
	EXPECT_EQ(-1, refpage_diff(dump, model, self->size));
	free(model);
	free(dump);
}

/* A mapping that nobody ever touched is dumped with what it reads as. */
TEST_F(refpage_core, never_written)
{
	char *readonly = refpage_map_at(NULL, self->size, PROT_READ, 0,
					OTHER_SEED);
	char *dump = malloc(self->size);
	int status;

	ASSERT_NE(MAP_FAILED, readonly);
	status = child_core(self, NULL);
	ASSERT_TRUE(WIFSIGNALED(status) && WCOREDUMP(status));
	ASSERT_EQ(self->size, core_read(self->path, self->area, dump,
					self->size));
	EXPECT_CONTENT(dump, self->size, SEED);
	ASSERT_EQ(self->size, core_read(self->path, readonly, dump, self->size));
	EXPECT_CONTENT(dump, self->size, OTHER_SEED);
	free(dump);
}

TEST_F(refpage_core, dontdump)
{
	char *dump = malloc(self->size);
	size_t half = self->size / 2;
	int status;

	ASSERT_EQ(0, madvise(self->area, half, MADV_DONTDUMP));
	status = child_core(self, touch_pages);
	ASSERT_TRUE(WIFSIGNALED(status) && WCOREDUMP(status));
	EXPECT_EQ(0, core_read(self->path, self->area, dump, half));
	EXPECT_EQ(half, core_read(self->path, self->area + half, dump, half));
	free(dump);
}

static void no_anonymous(FIXTURE_DATA(refpage_core) *self)
{
	if (refpage_write_text("/proc/self/coredump_filter", "0x10"))
		_exit(1);
	touch_pages(self);
}

/* Without private anonymous memory in coredump_filter, without these too. */
TEST_F(refpage_core, filter)
{
	char *dump = malloc(self->size);
	int status = child_core(self, no_anonymous);

	ASSERT_TRUE(WIFSIGNALED(status) && WCOREDUMP(status));
	EXPECT_EQ(0, core_read(self->path, self->area, dump, self->page));
	free(dump);
}

static long vm_pte_kb(const char *pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	return refpage_keyed(path, "VmPTE");
}

/* Reads the core up to @len bytes of the segment at @addr; what is wrong. */
static const char *helper_check(unsigned long addr, size_t len)
{
	char page[psize()];
	Elf64_Phdr ph;
	off_t pos;

	if (!core_segment(STDIN_FILENO, addr, &ph, &pos))
		return "no-segment";
	if (ph.p_vaddr != addr || ph.p_filesz != SPARSE_SIZE)
		return "segment-size";
	while (pos < ph.p_offset) {
		size_t n = ph.p_offset - pos;

		if (n > sizeof(page))
			n = sizeof(page);
		if (!read_all(STDIN_FILENO, page, n))
			return "short-core";
		pos += n;
	}
	for (; len; len -= sizeof(page)) {
		if (!read_all(STDIN_FILENO, page, sizeof(page)))
			return "short-segment";
		if (refpage_mismatch(page, sizeof(page), SEED) != -1)
			return "wrong-bytes";
	}
	return "ok";
}

/*
 * What core_pattern starts: reads a part of the dump, looks at the process that
 * is being dumped, and ends the dump by leaving.
 */
static int core_helper(char **argv)
{
	const char *found = helper_check(strtoul(argv[3], NULL, 16),
					 SPARSE_READ);
	char result[PATH_MAX];
	FILE *f;

	snprintf(result, sizeof(result), "%s/result", dirname(argv[0]));
	f = fopen(result, "w");
	if (!f)
		return 1;
	fprintf(f, "%s %ld\n", found, vm_pte_kb(argv[2]));
	return fclose(f) ? 1 : 0;
}

/*
 * A mapping of 1 TiB, two pages of it touched: the dump shows the content and
 * allocates no page tables on its way.
 */
TEST_F_TIMEOUT(refpage_core, sparse, 120)
{
	char exe[PATH_MAX] = {}, command[128], found[32] = "";
	int status, from_child[2];
	long before, after;
	char *sparse;
	pid_t pid;

	sparse = refpage_map_at(NULL, SPARSE_SIZE, PROT_READ | PROT_WRITE,
				MAP_NORESERVE, SEED);
	if (sparse == MAP_FAILED)
		SKIP(return, "overcommit settings refuse 1 TiB");
	ASSERT_LT(0, readlink("/proc/self/exe", exe, sizeof(exe) - 1));
	core_path(self, "helper");
	ASSERT_EQ(0, symlink(exe, self->path));
	snprintf(command, sizeof(command), "|%s core-helper %%P %lx",
		 self->path, (unsigned long)sparse);
	ASSERT_EQ(0, refpage_write_text(self->pattern.path, command));

	ASSERT_EQ(0, pipe(from_child));
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		FORCE_READ(*sparse);
		sparse[SPARSE_SIZE - 1] = STORED;
		before = vm_pte_kb("self");
		if (write(from_child[1], &before, sizeof(before)) > 0)
			dump_core();
		_exit(1);
	}
	ASSERT_EQ(sizeof(before), read(from_child[0], &before, sizeof(before)));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));

	core_path(self, "result");
	ASSERT_LT(0, refpage_read_text(self->path, command, sizeof(command)));
	ASSERT_EQ(2, sscanf(command, "%31s %ld", found, &after));
	EXPECT_STREQ("ok", found);
	EXPECT_LT(0, after);
	EXPECT_GE(before + SPARSE_GROWTH, after);
	munmap(sparse, SPARSE_SIZE);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "core-helper"))
		return core_helper(argv);
	refpage_require();
	return test_harness_run(argc, argv);
}
