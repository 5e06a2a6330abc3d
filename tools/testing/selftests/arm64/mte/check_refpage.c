// SPDX-License-Identifier: GPL-2.0

/*
 * Mappings that read as a reference page (MAP_REFPAGE) have the tags of that
 * page as well, in every state that their pages can be in.
 */

#define _GNU_SOURCE

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "mte_common_util.h"
#include "mte_def.h"

#ifndef MAP_REFPAGE
#define MAP_REFPAGE		0x0a
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT		21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef PTRACE_PEEKMTETAGS
#define PTRACE_PEEKMTETAGS	33
#define PTRACE_POKEMTETAGS	34
#endif

#define PAGES			8
#define TAG			5UL
#define RW			(PROT_READ | PROT_WRITE)
#define THP_SYSFS		"/sys/kernel/mm/transparent_hugepage/"
#define SPLIT_DEBUGFS		"/sys/kernel/debug/split_huge_pages"

#ifndef PT_AARCH64_MEMTAG_MTE
#define PT_AARCH64_MEMTAG_MTE	0x70000002
#endif

#define PM_PFN_MASK		((1ULL << 55) - 1)
#define PM_SWAP			62
#define KPF_THP			22
#define KPF_ARCH_2		41

static size_t page_sz, huge_sz;

/* The kernel fills the first two without reading the captured page. */
enum content { ZEROS, PAIRS, BYTES, NR_CONTENTS };
/* The kernel may fill pages of one tag in another way, too. */
enum tags { UNTAGGED, UNIFORM, STRIPES, NR_TAGS };

static const char * const content_names[] = { "zeros", "pairs", "bytes" };
static const char * const tags_names[] = { "no tags", "one tag", "many tags" };

static unsigned char content_at(enum content content, size_t offset)
{
	switch (content) {
	case PAIRS:
		return 0x31 + offset % 16;
	case BYTES:
		return 1 + offset * 7 + offset / 251;
	default:
		return 0;
	}
}

static unsigned long tag_at(enum tags tags, size_t offset)
{
	size_t granule = offset / MT_GRANULE_SIZE;

	switch (tags) {
	case UNIFORM:
		return TAG;
	case STRIPES:
		return (granule * 7 + granule / 16 + 3) % MT_TAG_COUNT;
	default:
		return 0;
	}
}

static void set_tag(char *ptr, unsigned long tag, size_t len)
{
	mte_set_tag_address_range((void *)MT_SET_TAG((unsigned long)ptr, tag), len);
}

static unsigned long get_tag(char *ptr)
{
	return MT_FETCH_TAG((unsigned long)mte_get_tag_address(ptr));
}

/* A page with a content and tags; without tags it is not mapped with PROT_MTE. */
static char *make_source(enum content content, enum tags tags)
{
	char *source = mmap(NULL, page_sz, tags ? RW | PROT_MTE : RW,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (source == MAP_FAILED)
		ksft_exit_fail_perror("mmap of a source");
	for (i = 0; i < page_sz; i++)
		source[i] = content_at(content, i);
	if (tags)
		for (i = 0; i < page_sz; i += MT_GRANULE_SIZE)
			set_tag(source + i, tag_at(tags, i), MT_GRANULE_SIZE);
	return source;
}

static char *map_like_at(void *addr, size_t size, int prot, int flags, const char *source)
{
	char *ptr = mmap(addr, size, prot, MAP_PRIVATE | MAP_REFPAGE | flags,
			 -1, (off_t)(uintptr_t)source);

	if (ptr == MAP_FAILED)
		ksft_exit_fail_perror("mmap with MAP_REFPAGE");
	return ptr;
}

static char *map_like(size_t size, int prot, const char *source)
{
	return map_like_at(NULL, size, prot, 0, source);
}

/* A mapping, with its source gone. */
static char *map_of(size_t size, int prot, enum content content, enum tags tags)
{
	char *source = make_source(content, tags);
	char *ptr = map_like(size, prot, source);

	munmap(source, page_sz);
	return ptr;
}

/* Reads, without a check of tags, all of a range. */
static int reads_as(char *ptr, size_t size, enum content content, enum tags tags)
{
	unsigned char bytes[page_sz];
	unsigned long tag, want;
	size_t page, i;
	int ret = KSFT_PASS;

	for (i = 0; i < page_sz; i++)
		bytes[i] = content_at(content, i);

	mte_enable_pstate_tco();
	for (page = 0; page < size && ret == KSFT_PASS; page += page_sz) {
		if (memcmp(ptr + page, bytes, page_sz)) {
			ksft_print_msg("page %zu is wrong\n", page / page_sz);
			ret = KSFT_FAIL;
		}
		for (i = 0; i < page_sz && ret == KSFT_PASS; i += MT_GRANULE_SIZE) {
			tag = get_tag(ptr + page + i);
			want = tag_at(tags, i);
			if (tag == want)
				continue;
			ksft_print_msg("page %zu has tag %lu at %zu, not %lu\n",
				       page / page_sz, tag, i, want);
			ret = KSFT_FAIL;
		}
	}
	mte_disable_pstate_tco();
	return ret;
}

/* One instruction each, which is what the handler of faults goes on after. */
static void load(const char *ptr)
{
	unsigned int value;

	asm volatile("ldrb %w0, [%1]" : "=r" (value) : "r" (ptr) : "memory");
}

static void store(char *ptr, unsigned char value)
{
	asm volatile("strb %w0, [%1]" : : "r" (value), "r" (ptr) : "memory");
}

/* Stores what is there already: the page is private then, and reads the same. */
static void touch(char *ptr, enum content content)
{
	mte_enable_pstate_tco();
	store(ptr, content_at(content, (unsigned long)ptr % page_sz));
	mte_disable_pstate_tco();
}

/* Loads, which makes a page clean that was never touched. */
static void look(char *ptr)
{
	mte_enable_pstate_tco();
	load(ptr);
	mte_disable_pstate_tco();
}

static uint64_t read_u64(const char *path, size_t index)
{
	int fd = open(path, O_RDONLY);
	uint64_t value = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &value, sizeof(value), index * sizeof(value)) != sizeof(value))
		value = 0;
	close(fd);
	return value;
}

static uint64_t pagemap_entry(const char *ptr)
{
	return read_u64("/proc/self/pagemap", (unsigned long)ptr / page_sz);
}

static uint64_t pfn(const char *ptr)
{
	return pagemap_entry(ptr) & PM_PFN_MASK;
}

static bool is_large(const char *ptr)
{
	return read_u64("/proc/kpageflags", pfn(ptr)) >> KPF_THP & 1;
}

/* Marked as tagged? KSM merges no such pages. Of a large folio the first page counts. */
static bool is_marked(const char *ptr)
{
	return read_u64("/proc/kpageflags", pfn(ptr)) >> KPF_ARCH_2 & 1;
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool good;

	if (fd < 0)
		return false;
	good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

/* The part of a mapping of twice the size where a huge page fits. */
static char *huge_part(char *ptr)
{
	return (char *)(((unsigned long)ptr + huge_sz - 1) & -huge_sz);
}

static int check_base(enum content content, enum tags tags)
{
	size_t size = PAGES * page_sz;
	char *ptr = map_of(size, RW | PROT_MTE, content, tags);
	int i, ret;

	ret = reads_as(ptr, size, content, tags);
	/* From clean ones, */
	for (i = 0; i < PAGES; i += 2)
		touch(ptr + i * page_sz, content);
	ret |= reads_as(ptr, size, content, tags);
	/* and from none. */
	madvise(ptr, size, MADV_DONTNEED);
	for (i = 0; i < PAGES; i += 2)
		touch(ptr + i * page_sz, content);
	ret |= reads_as(ptr, size, content, tags);
	munmap(ptr, size);
	return ret;
}

/* Pages of the program's own, to which the mapping gets access by mprotect(). */
static int check_mprotect(enum content content, enum tags tags)
{
	size_t size = PAGES * page_sz;
	char *ptr = map_of(size, RW, content, tags);
	int ret;

	touch(ptr, content);
	look(ptr + page_sz);
	if (mprotect(ptr, size, RW | PROT_MTE))
		ksft_exit_fail_perror("mprotect");
	ret = reads_as(ptr, size, content, tags);
	touch(ptr + page_sz, content);
	touch(ptr + 2 * page_sz, content);
	ret |= reads_as(ptr, size, content, tags);
	munmap(ptr, size);
	return ret;
}

static int check_huge(enum content content, enum tags tags)
{
	char *map = map_of(2 * huge_sz, RW | PROT_MTE, content, tags);
	char *ptr = huge_part(map);
	int ret = KSFT_SKIP;

	madvise(ptr, huge_sz, MADV_HUGEPAGE);
	touch(ptr + huge_sz / 2 + page_sz, content);
	if (is_large(ptr))
		ret = reads_as(ptr, huge_sz, content, tags);
	munmap(map, 2 * huge_sz);
	return ret;
}

static int check_collapse(enum content content, enum tags tags)
{
	char *map = map_of(2 * huge_sz, RW | PROT_MTE, content, tags);
	char *ptr = huge_part(map);
	int ret = KSFT_SKIP;

	madvise(ptr, huge_sz, MADV_NOHUGEPAGE);
	touch(ptr, content);
	look(ptr + page_sz);
	madvise(ptr, huge_sz, MADV_HUGEPAGE);
	if (!madvise(ptr, huge_sz, MADV_COLLAPSE) && is_large(ptr))
		ret = reads_as(ptr, huge_sz, content, tags);
	munmap(map, 2 * huge_sz);
	return ret;
}

static bool split(char *ptr)
{
	char command[64];

	snprintf(command, sizeof(command), "%d,0x%lx,0x%lx", getpid(),
		 (unsigned long)ptr, (unsigned long)ptr + huge_sz);
	return is_large(ptr) && write_text(SPLIT_DEBUGFS, command);
}

/*
 * Pages of a huge page that was split are clean again if they read as the
 * reference page, with their tags.
 */
static int check_split(enum content content, enum tags tags)
{
	char *map = map_of(2 * huge_sz, RW | PROT_MTE, content, tags);
	char *ptr = huge_part(map), *other = ptr + 3 * page_sz;
	unsigned long old = tag_at(tags, 0), new = (old + 1) % MT_TAG_COUNT;
	/* What is before or after it remains clean. */
	char *rest = ptr > map ? map : ptr + huge_sz;
	uint64_t clean;
	int ret;

	look(rest);
	clean = pfn(rest);
	madvise(ptr, huge_sz, MADV_HUGEPAGE);
	touch(ptr, content);
	set_tag(other, new, MT_GRANULE_SIZE);
	if (!clean || !split(ptr)) {
		munmap(map, 2 * huge_sz);
		return KSFT_SKIP;
	}

	ret = KSFT_FAIL;
	if (is_large(ptr))
		ksft_print_msg("not split\n");
	else if (pfn(ptr + page_sz) != clean)
		ksft_print_msg("a page that was not written is not clean again\n");
	else if (pfn(other) == clean || get_tag(other) != new)
		ksft_print_msg("a tag is lost\n");
	else
		ret = KSFT_PASS;

	set_tag(other, old, MT_GRANULE_SIZE);
	ret |= reads_as(ptr, huge_sz, content, tags);
	munmap(map, 2 * huge_sz);
	return ret;
}

/* Of tags that the mapping of the source does not show nothing is captured. */
static int check_hidden_source(void)
{
	int fd = memfd_create("check_refpage", 0), ret;
	char *source, *plain, *again, *ptr;

	/* One page, with tags in one of its mappings. */
	if (fd < 0 || ftruncate(fd, page_sz))
		ksft_exit_fail_perror("memfd_create");
	source = mmap(NULL, page_sz, RW | PROT_MTE, MAP_SHARED, fd, 0);
	plain = mmap(NULL, page_sz, RW, MAP_SHARED, fd, 0);
	if (source == MAP_FAILED || plain == MAP_FAILED)
		ksft_exit_fail_perror("mmap of a memfd");
	close(fd);
	for (ret = 0; ret < page_sz; ret++)
		plain[ret] = content_at(PAIRS, ret);
	set_tag(source, TAG, page_sz);

	ptr = map_like(page_sz, RW | PROT_MTE, plain);
	ret = reads_as(ptr, page_sz, PAIRS, UNTAGGED);
	munmap(ptr, page_sz);
	munmap(plain, page_sz);

	/* The same if the source is a clean page, where nothing is copied. */
	ptr = map_like(page_sz, RW, source);
	again = map_like(page_sz, RW | PROT_MTE, ptr);
	ret |= reads_as(again, page_sz, PAIRS, UNTAGGED);
	munmap(again, page_sz);

	if (mprotect(ptr, page_sz, RW | PROT_MTE))
		ksft_exit_fail_perror("mprotect");
	again = map_like(page_sz, RW | PROT_MTE, ptr);
	ret |= reads_as(again, page_sz, PAIRS, UNIFORM);
	munmap(again, page_sz);
	munmap(ptr, page_sz);
	munmap(source, page_sz);
	return ret;
}

/* The captured page's number, of a mapping of a page that differs in tags only. */
static uint64_t captured_with(char *source, unsigned long tag, char **ptr)
{
	set_tag(source + 3 * MT_GRANULE_SIZE, tag, MT_GRANULE_SIZE);
	*ptr = map_like(page_sz, PROT_READ | PROT_MTE, source);
	look(*ptr);
	return pfn(*ptr);
}

static int check_sharing(enum tags tags)
{
	char *source = make_source(BYTES, tags), *ptrs[3];
	uint64_t one = captured_with(source, 1, &ptrs[0]);
	uint64_t two = captured_with(source, 2, &ptrs[1]);
	uint64_t again = captured_with(source, 1, &ptrs[2]);
	int ret = KSFT_FAIL;

	if (!one)
		return KSFT_SKIP;
	if (one == two)
		ksft_print_msg("one page for other tags\n");
	else if (one != again)
		ksft_print_msg("two pages for equal tags\n");
	else if (get_tag(ptrs[0] + 3 * MT_GRANULE_SIZE) != 1 ||
		 get_tag(ptrs[1] + 3 * MT_GRANULE_SIZE) != 2)
		ksft_print_msg("the tags of another page\n");
	else
		ret = KSFT_PASS;
	munmap(source, page_sz);
	munmap(ptrs[0], page_sz);
	munmap(ptrs[1], page_sz);
	munmap(ptrs[2], page_sz);
	return ret;
}

/* Leaves free memory with tags behind, which the kernel hands out again. */
static void leave_tags(size_t size)
{
	char *ptr = mmap(NULL, size, RW | PROT_MTE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ptr == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	set_tag(ptr, 0xe, size);
	munmap(ptr, size);
}

static int check_stale(enum content content)
{
	size_t size = 64 * page_sz, i;
	int ret = KSFT_PASS, turn;
	char *source, *ptr;

	for (turn = 0; turn < 16 && ret == KSFT_PASS; turn++) {
		source = make_source(content, UNTAGGED);
		leave_tags(2 * size);
		ptr = map_like(size, turn % 2 ? RW : RW | PROT_MTE, source);
		munmap(source, page_sz);
		for (i = 0; i < size; i += 2 * page_sz)
			touch(ptr + i, content);
		if (mprotect(ptr, size, RW | PROT_MTE))
			ksft_exit_fail_perror("mprotect");
		ret = reads_as(ptr, size, content, UNTAGGED);
		munmap(ptr, size);
	}
	return ret;
}

/* What has no tags, and is mapped without PROT_MTE, is as other memory is. */
static int check_unmarked(enum content content)
{
	char *ptr = map_of(page_sz, RW, content, UNTAGGED);
	int ret = KSFT_SKIP;

	touch(ptr, content);
	if (pfn(ptr))
		ret = is_marked(ptr) ? KSFT_FAIL : KSFT_PASS;
	munmap(ptr, page_sz);
	return ret;
}

/* The same for pages that are first seen in a huge page, which may get tags later. */
static int check_unmarked_collapse(enum content content)
{
	char *map = map_of(2 * huge_sz, RW, content, UNTAGGED);
	char *ptr = huge_part(map);
	int ret = KSFT_SKIP;

	madvise(ptr, huge_sz, MADV_NOHUGEPAGE);
	touch(ptr + page_sz, content);
	leave_tags(huge_sz);
	madvise(ptr, huge_sz, MADV_HUGEPAGE);
	if (!madvise(ptr, huge_sz, MADV_COLLAPSE) && is_large(ptr)) {
		ret = is_marked(ptr) ? KSFT_FAIL : KSFT_PASS;
		if (mprotect(ptr, huge_sz, RW | PROT_MTE))
			ksft_exit_fail_perror("mprotect");
		ret |= reads_as(ptr, huge_sz, content, UNTAGGED);
	}
	munmap(map, 2 * huge_sz);
	return ret;
}

/* Has a userfaultfd fill a page with zeros, which have no tags. */
static bool fill_by_uffd(char *ptr, size_t size, char *page)
{
	char *zeros = make_source(ZEROS, UNTAGGED);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (unsigned long)ptr, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_copy copy = {
		.dst = (unsigned long)page,
		.src = (unsigned long)zeros,
		.len = page_sz,
	};
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	bool good;

	if (uffd < 0)
		return false;
	good = !ioctl(uffd, UFFDIO_API, &api) && !ioctl(uffd, UFFDIO_REGISTER, &range) &&
	       !ioctl(uffd, UFFDIO_COPY, &copy);
	/* Which takes the registration away. */
	close(uffd);
	munmap(zeros, page_sz);
	return good;
}

/* Pages with and without tags in one huge page: splitting it mixes nothing up. */
static int check_mixed(size_t untagged, enum tags tags)
{
	char *map = map_of(2 * huge_sz, RW, PAIRS, tags);
	char *ptr = huge_part(map), *page = ptr + untagged * page_sz;
	int ret = KSFT_SKIP;

	madvise(ptr, huge_sz, MADV_NOHUGEPAGE);
	if (!fill_by_uffd(ptr, huge_sz, page))
		goto out;
	touch(ptr + (untagged + 1) * page_sz, PAIRS);
	leave_tags(huge_sz);
	madvise(ptr, huge_sz, MADV_HUGEPAGE);
	if (madvise(ptr, huge_sz, MADV_COLLAPSE) || !split(ptr))
		goto out;
	if (mprotect(ptr, huge_sz, RW | PROT_MTE))
		ksft_exit_fail_perror("mprotect");
	ret = is_large(ptr) ? KSFT_FAIL : KSFT_PASS;
	ret |= reads_as(page, page_sz, ZEROS, UNTAGGED);
	ret |= reads_as(ptr, page - ptr, PAIRS, tags);
	ret |= reads_as(page + page_sz, ptr + huge_sz - page - page_sz, PAIRS, tags);
out:
	munmap(map, 2 * huge_sz);
	return ret;
}

/* Does the access fault, and does one with the right tag not? */
static int check_access(char *ptr, int mode, bool stores)
{
	char *wrong = (char *)MT_SET_TAG((unsigned long)ptr, (TAG + 1));
	char *right = (char *)MT_SET_TAG((unsigned long)ptr, TAG);
	bool caught;

	mte_initialize_current_context(mode, (uintptr_t)wrong, 1);
	if (stores)
		store(wrong, 1);
	else
		load(wrong);
	mte_wait_after_trig();
	caught = cur_mte_cxt.fault_valid;

	mte_initialize_current_context(mode, (uintptr_t)right, 1);
	if (stores)
		store(right, content_at(PAIRS, 0));
	else
		load(right);
	mte_wait_after_trig();
	if (cur_mte_cxt.fault_valid) {
		ksft_print_msg("the right tag faults\n");
		return KSFT_FAIL;
	}
	if (!caught)
		ksft_print_msg("the wrong tag does not fault\n");
	return caught ? KSFT_PASS : KSFT_FAIL;
}

enum state { NONE, CLEAN, PRIVATE, FORKED_CLEAN, FORKED_PRIVATE, NR_STATES };

static const char * const state_names[] = {
	"never touched", "clean", "private", "forked clean", "forked private",
};

static int check_fault(enum state state, int mode, bool stores)
{
	char *ptr = map_of(page_sz, RW | PROT_MTE, PAIRS, UNIFORM);
	int ret, status;
	pid_t child;

	mte_switch_mode(mode, MTE_ALLOW_NON_ZERO_TAG, false);
	if (state == CLEAN || state == FORKED_CLEAN)
		look(ptr);
	if (state == PRIVATE || state == FORKED_PRIVATE)
		touch(ptr, PAIRS);
	if (state == FORKED_CLEAN || state == FORKED_PRIVATE) {
		child = fork();
		if (!child)
			_exit(check_access(ptr, mode, stores));
		ret = child > 0 && waitpid(child, &status, 0) == child &&
		      WIFEXITED(status) && !WEXITSTATUS(status) ? KSFT_PASS : KSFT_FAIL;
	} else {
		ret = check_access(ptr, mode, stores);
	}
	mte_switch_mode(MTE_SYNC_ERR, MTE_ALLOW_NON_ZERO_TAG, false);
	munmap(ptr, page_sz);
	return ret;
}

static int check_swap(enum content content, enum tags tags)
{
	size_t size = PAGES * page_sz, i;
	char *ptr = map_of(size, RW | PROT_MTE, content, tags);
	bool swapped = true;
	int ret;

	for (i = 0; i < size; i += page_sz)
		touch(ptr + i, content);
	madvise(ptr, size, MADV_PAGEOUT);
	for (i = 0; i < size; i += page_sz)
		swapped = swapped && (pagemap_entry(ptr + i) >> PM_SWAP & 1);
	ret = reads_as(ptr, size, content, tags);
	munmap(ptr, size);
	return swapped ? ret : KSFT_SKIP;
}

/* A page that the debugger's store of a tag made private, and its neighbour. */
static int check_ptrace(enum tags tags)
{
	size_t granules = page_sz / MT_GRANULE_SIZE, i;
	char *ptr = map_of(2 * page_sz, RW | PROT_MTE, BYTES, tags);
	unsigned char peeked[granules], poke = 0xb;
	struct iovec iov = { peeked, granules };
	int ret = KSFT_PASS, status;
	pid_t child = fork();

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		if (get_tag(ptr + page_sz) != 0xb)
			_exit(KSFT_FAIL);
		set_tag(ptr + page_sz, tag_at(tags, 0), MT_GRANULE_SIZE);
		_exit(reads_as(ptr, 2 * page_sz, BYTES, tags));
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		ksft_exit_fail_msg("no child to debug\n");

	if (ptrace(PTRACE_PEEKMTETAGS, child, ptr, &iov) || iov.iov_len != granules) {
		ksft_perror("PTRACE_PEEKMTETAGS");
		ret = KSFT_FAIL;
	}
	for (i = 0; i < granules && ret == KSFT_PASS; i++) {
		if (peeked[i] == tag_at(tags, i * MT_GRANULE_SIZE))
			continue;
		ksft_print_msg("peeked tag %zu is %u\n", i, peeked[i]);
		ret = KSFT_FAIL;
	}
	iov = (struct iovec){ &poke, 1 };
	if (ptrace(PTRACE_POKEMTETAGS, child, ptr + page_sz, &iov)) {
		ksft_perror("PTRACE_POKEMTETAGS");
		ret = KSFT_FAIL;
	}
	ptrace(PTRACE_CONT, child, 0, 0);
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status))
		ret = KSFT_FAIL;
	if (get_tag(ptr + page_sz) != tag_at(tags, 0)) {
		ksft_print_msg("the parent sees the child's tag\n");
		ret = KSFT_FAIL;
	}
	munmap(ptr, 2 * page_sz);
	return ret;
}

/* Compares the tags of a core file, two in each byte, with those of @pages. */
static int check_core_file(FILE *core, char *ptr, size_t pages, enum tags tags)
{
	size_t granules = pages * page_sz / MT_GRANULE_SIZE, i;
	unsigned char packed[granules / 2];
	unsigned long tag, want;
	Elf64_Ehdr head;
	Elf64_Phdr part;

	if (fread(&head, sizeof(head), 1, core) != 1)
		return KSFT_FAIL;
	for (i = 0; i < head.e_phnum; i++) {
		fseek(core, head.e_phoff + i * sizeof(part), SEEK_SET);
		if (fread(&part, sizeof(part), 1, core) != 1)
			return KSFT_FAIL;
		if (part.p_type == PT_AARCH64_MEMTAG_MTE && part.p_vaddr == (unsigned long)ptr)
			break;
	}
	if (i == head.e_phnum || part.p_filesz != sizeof(packed)) {
		ksft_print_msg("the core has no tags of the mapping\n");
		return KSFT_FAIL;
	}
	fseek(core, part.p_offset, SEEK_SET);
	if (fread(packed, sizeof(packed), 1, core) != 1)
		return KSFT_FAIL;
	for (i = 0; i < granules; i++) {
		tag = packed[i / 2] >> (i % 2 * 4) & 0xf;
		want = tag_at(tags, i * MT_GRANULE_SIZE % page_sz);
		if (tag == want)
			continue;
		ksft_print_msg("granule %zu has tag %lu in the core, not %lu\n", i, tag, want);
		return KSFT_FAIL;
	}
	return KSFT_PASS;
}

/* A core of a mapping whose pages are never touched, clean and private. */
static int check_core(enum tags tags)
{
	char *ptr = map_of(3 * page_sz, RW | PROT_MTE, BYTES, tags);
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	char folder[] = "/tmp/check_refpage.XXXXXX", name[64];
	int status, ret = KSFT_SKIP;
	FILE *core;
	pid_t child;

	look(ptr + page_sz);
	touch(ptr + 2 * page_sz, BYTES);
	if (!mkdtemp(folder))
		ksft_exit_fail_perror("mkdtemp");
	child = fork();
	if (!child) {
		if (chdir(folder) || setrlimit(RLIMIT_CORE, &unlimited))
			_exit(KSFT_FAIL);
		signal(SIGABRT, SIG_DFL);
		abort();
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		ksft_exit_fail_msg("no child to dump\n");

	snprintf(name, sizeof(name), "%s/core", folder);
	core = fopen(name, "r");
	if (!core) {
		snprintf(name, sizeof(name), "%s/core.%d", folder, child);
		core = fopen(name, "r");
	}
	if (core) {
		ret = check_core_file(core, ptr, 3, tags);
		fclose(core);
		unlink(name);
	}
	rmdir(folder);
	munmap(ptr, 3 * page_sz);
	return ret;
}

/* Code in a clean page, at one address and with a new number each time. */
static int check_code(bool later)
{
	char *source = make_source(ZEROS, UNTAGGED);
	char *place = map_like(page_sz, PROT_READ, source);
	uint32_t *code = (uint32_t *)source;
	int ret = KSFT_PASS, prot = PROT_READ | PROT_EXEC;
	cpu_set_t all, one;
	unsigned int i;

	sched_getaffinity(0, sizeof(all), &all);
	for (i = 0; i < 1000 && ret == KSFT_PASS; i++) {
		code[0] = 0x52800000 | i << 5;	/* mov w0, #i */
		code[1] = 0xd65f03c0;		/* ret */
		place = map_like_at(place, page_sz, later ? PROT_READ : prot, MAP_FIXED, source);
		if (later && mprotect(place, page_sz, prot))
			ksft_exit_fail_perror("mprotect");
		/* Elsewhere than the code was written, where there are CPUs. */
		CPU_ZERO(&one);
		CPU_SET(i % CPU_COUNT(&all), &one);
		sched_setaffinity(0, sizeof(one), &one);
		if (((unsigned int (*)(void))place)() != i) {
			ksft_print_msg("old code\n");
			ret = KSFT_FAIL;
		}
	}
	sched_setaffinity(0, sizeof(all), &all);
	munmap(place, page_sz);
	munmap(source, page_sz);
	return ret;
}

static void evaluate(int err, const char *what, const char *a, const char *b)
{
	char name[128];

	snprintf(name, sizeof(name), "%s: %s, %s\n", what, a, b);
	/* One result may be the sum of several. */
	evaluate_test(err && err != KSFT_SKIP ? KSFT_FAIL : err, name);
}

static size_t read_huge_size(void)
{
	FILE *f = fopen(THP_SYSFS "hpage_pmd_size", "r");
	size_t size = 0;

	if (f) {
		if (fscanf(f, "%zu", &size) != 1)
			size = 0;
		fclose(f);
	}
	return size;
}

int main(int argc, char *argv[])
{
	static const char * const modes[] = { "", "synchronous", "asynchronous" };
	int err, content, tags, state, mode;

	ksft_print_header();

	err = mte_default_setup();
	if (err)
		return err;

	page_sz = getpagesize();
	if (mmap(NULL, page_sz, PROT_READ, MAP_PRIVATE | MAP_REFPAGE, -1, 1) != MAP_FAILED ||
	    errno != EINVAL)
		ksft_exit_fail_msg("an unaligned reference page is taken\n");
	if (mmap(NULL, page_sz, PROT_READ, MAP_PRIVATE | MAP_REFPAGE, -1,
		 (off_t)(uintptr_t)make_source(ZEROS, UNTAGGED)) == MAP_FAILED)
		ksft_exit_skip("the kernel has no MAP_REFPAGE\n");
	huge_sz = read_huge_size();

	mte_register_signal(SIGSEGV, mte_default_handler, false);
	mte_switch_mode(MTE_SYNC_ERR, MTE_ALLOW_NON_ZERO_TAG, false);

	ksft_set_plan(NR_CONTENTS * NR_TAGS * 6 + 1 + 2 + NR_CONTENTS * 3 + 4 +
		      NR_STATES * 4 + 2 + 2 + 2);

	for (content = 0; content < NR_CONTENTS; content++) {
		for (tags = 0; tags < NR_TAGS; tags++) {
			const char *c = content_names[content], *t = tags_names[tags];

			evaluate(check_base(content, tags), "Base pages", c, t);
			evaluate(check_mprotect(content, tags), "PROT_MTE later", c, t);
			evaluate(check_swap(content, tags), "Swap", c, t);
			evaluate(huge_sz ? check_huge(content, tags) : KSFT_SKIP,
				 "Huge page", c, t);
			evaluate(huge_sz ? check_collapse(content, tags) : KSFT_SKIP,
				 "Collapse", c, t);
			evaluate(huge_sz ? check_split(content, tags) : KSFT_SKIP,
				 "Split", c, t);
		}
	}

	evaluate(check_hidden_source(), "Source", "mapped without PROT_MTE", "no tags");
	evaluate(check_sharing(UNIFORM), "Sharing", "equal content", "one tag but for one");
	evaluate(check_sharing(STRIPES), "Sharing", "equal content", "many tags");
	for (content = 0; content < NR_CONTENTS; content++) {
		const char *c = content_names[content];

		evaluate(check_stale(content), "No old tags", c, "");
		evaluate(check_unmarked(content), "Not marked", c, "base page");
		evaluate(huge_sz ? check_unmarked_collapse(content) : KSFT_SKIP,
			 "Not marked", c, "collapse");
	}

	for (tags = UNIFORM; tags <= STRIPES; tags++) {
		evaluate(huge_sz ? check_mixed(0, tags) : KSFT_SKIP, "Split",
			 "the first page has no tags", tags_names[tags]);
		evaluate(huge_sz ? check_mixed(2, tags) : KSFT_SKIP, "Split",
			 "the third page has no tags", tags_names[tags]);
	}

	for (state = 0; state < NR_STATES; state++) {
		for (mode = MTE_SYNC_ERR; mode <= MTE_ASYNC_ERR; mode++) {
			evaluate(check_fault(state, mode, false), "Load",
				 state_names[state], modes[mode]);
			evaluate(check_fault(state, mode, true), "Store",
				 state_names[state], modes[mode]);
		}
	}

	evaluate(check_ptrace(UNTAGGED), "Debugger", "tags", tags_names[UNTAGGED]);
	evaluate(check_ptrace(STRIPES), "Debugger", "tags", tags_names[STRIPES]);
	evaluate(check_core(UNIFORM), "Core dump", "tags", tags_names[UNIFORM]);
	evaluate(check_core(STRIPES), "Core dump", "tags", tags_names[STRIPES]);
	evaluate(check_code(false), "Code", "clean page", "PROT_EXEC at once");
	evaluate(check_code(true), "Code", "clean page", "PROT_EXEC later");

	mte_restore_setup();
	ksft_print_cnts();
	return ksft_get_fail_cnt() == 0 ? KSFT_PASS : KSFT_FAIL;
}
