// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mmap(MAP_REFPAGE): which arguments are accepted, which errno says what is
 * wrong with the others, and that a refused call changes nothing.  What may be
 * captured is in refpage_source.c.
 */
#define _GNU_SOURCE
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <linux/prctl.h>
#include "refpage_util.h"

#define SEED	0x51u
#define VICTIM	0xa7u
#define TAIL	0xc3u

/* Sizes in pages. */
#define NPAGES	8
#define FIRST	2
#define COUNT	4

#ifndef PR_SET_MDWE
#define PR_SET_MDWE			65
#define PR_MDWE_REFUSE_EXEC_GAIN	1
#endif

struct named_flag {
	const char *name;
	unsigned long flag;
};

/* Accepted beside MAP_REFPAGE; everything else is refused. */
static const struct named_flag accepted[] = {
	{ "MAP_ANONYMOUS",	MAP_ANONYMOUS },
	{ "MAP_FIXED",		MAP_FIXED },
	{ "MAP_POPULATE",	MAP_POPULATE },
	{ "MAP_NONBLOCK",	MAP_NONBLOCK },
	{ "MAP_LOCKED",		MAP_LOCKED },
	{ "MAP_NORESERVE",	MAP_NORESERVE },
	{ "MAP_STACK",		MAP_STACK },
	{ "MAP_FIXED_NOREPLACE", MAP_FIXED_NOREPLACE },
	{ "MAP_DENYWRITE",	MAP_DENYWRITE },
	{ "MAP_EXECUTABLE",	MAP_EXECUTABLE },
#ifdef MAP_32BIT
	{ "MAP_32BIT",		MAP_32BIT },
#endif
#ifdef MAP_ABOVE4G
	{ "MAP_ABOVE4G",	MAP_ABOVE4G },
#endif
};

/* Every bit that may be set beside the type. */
static unsigned long accepted_mask(void)
{
	unsigned long mask = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(accepted); i++)
		mask |= accepted[i].flag;
	return mask;
}

/*
 * The C library refuses some arguments by itself, and the kernel's own answer
 * is what counts.
 */
static char *raw_mmap(void *addr, size_t len, unsigned long prot,
		      unsigned long flags, unsigned long fd, unsigned long ref)
{
	return (char *)syscall(__NR_mmap, addr, len, prot, flags, fd, ref);
}

/*
 * |  victim  |  victim  (COUNT pages are the target)  |  victim  |
 *
 * and a source page elsewhere.
 */
FIXTURE(refpage_abi)
{
	int kmsg;
	char *area;
	char *target;
	char *source;
	size_t page;
	size_t len;
};

FIXTURE_SETUP(refpage_abi)
{
	self->kmsg = refpage_kmsg_open();
	self->page = psize();
	self->len = COUNT * self->page;
	self->source = refpage_source(SEED);
	self->area = refpage_carveout(NPAGES * self->page);
	ASSERT_EQ(0, mprotect(self->area, NPAGES * self->page,
			      PROT_READ | PROT_WRITE));
	refpage_fill(self->area, NPAGES * self->page, VICTIM);
	self->target = self->area + FIRST * self->page;
}

FIXTURE_TEARDOWN(refpage_abi)
{
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

/* Contents and VMAs are those of the setup. */
#define EXPECT_UNTOUCHED() do {						\
	size_t size = NPAGES * self->page;				\
									\
	EXPECT_CONTENT(self->area, size, VICTIM);			\
	EXPECT_CONTENT(self->source, self->page, SEED);			\
	EXPECT_FALSE(refpage_vmflag(self->target, REFPAGE_VMFLAG));	\
	EXPECT_EQ(NPAGES, refpage_smaps_pages(self->area, size,		\
					      "Rss:"));			\
} while (0)

/* The call fails with @err, wherever it was to map. */
#define EXPECT_REFUSED(err, len, prot, flags, fd, ref) do {		\
	char *map = raw_mmap(self->target, len, prot, (flags) | MAP_FIXED,\
			     fd, ref);					\
									\
	EXPECT_EQ(MAP_FAILED, map);					\
	EXPECT_EQ(err, errno);						\
	map = raw_mmap(NULL, len, prot, flags, fd, ref);		\
	EXPECT_EQ(MAP_FAILED, map);					\
	EXPECT_EQ(err, errno);						\
	EXPECT_UNTOUCHED();						\
} while (0)

#define RW	(PROT_READ | PROT_WRITE)
#define NO_FD	(~0UL)

/* Each flag alone: the accepted ones give the content. */
TEST_F(refpage_abi, accepted_flags_one_by_one)
{
	unsigned int i;
	char *map;

	for (i = 0; i < ARRAY_SIZE(accepted); i++) {
		ASSERT_EQ(0, munmap(self->target, self->len));
		map = raw_mmap(self->target, self->len, RW,
			       MAP_REFPAGE | accepted[i].flag, NO_FD,
			       (unsigned long)self->source);
		ASSERT_NE(MAP_FAILED, map)
			TH_LOG("%s: %s", accepted[i].name, strerror(errno));
		EXPECT_CONTENT(map, self->len, SEED)
			TH_LOG("%s", accepted[i].name);
		EXPECT_TRUE(refpage_vmflag(map, REFPAGE_VMFLAG));
		ASSERT_EQ(0, munmap(map, self->len));
	}
}

/* Every combination of the accepted flags. */
TEST_F(refpage_abi, accepted_flags_combined)
{
	unsigned long flags;
	unsigned int set, i;
	char *map;

	for (set = 0; set < 1U << ARRAY_SIZE(accepted); set++) {
		flags = MAP_REFPAGE;
		for (i = 0; i < ARRAY_SIZE(accepted); i++)
			if (set & 1U << i)
				flags |= accepted[i].flag;
		ASSERT_EQ(0, munmap(self->target, self->len));
		map = raw_mmap(self->target, self->len, RW, flags, NO_FD,
			       (unsigned long)self->source);
		ASSERT_NE(MAP_FAILED, map)
			TH_LOG("flags %#lx: %s", flags, strerror(errno));
		if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
			ASSERT_EQ(self->target, map);
		ASSERT_CONTENT(map, self->len, SEED)
			TH_LOG("flags %#lx", flags);
		ASSERT_EQ(0, munmap(map, self->len));
	}
}

/* Every bit that is not in the list, one by one, and with others. */
TEST_F(refpage_abi, refused_flags)
{
	unsigned long mask = accepted_mask(), flag;
	unsigned int bit;

	for (bit = 4; bit < 8 * sizeof(long); bit++) {
		flag = 1UL << bit;
		if (flag & mask)
			continue;
		EXPECT_REFUSED(EINVAL, self->len, RW, MAP_REFPAGE | flag, NO_FD,
			       (unsigned long)self->source);
		EXPECT_REFUSED(EINVAL, self->len, RW,
			       MAP_REFPAGE | MAP_ANONYMOUS | flag, NO_FD,
			       (unsigned long)self->source);
		EXPECT_REFUSED(EINVAL, self->len, RW,
			       MAP_REFPAGE | MAP_ANONYMOUS | MAP_NORESERVE |
			       MAP_POPULATE | flag, NO_FD,
			       (unsigned long)self->source);
	}
}

/* The flags a caller may try in good faith, by name. */
TEST_F(refpage_abi, refused_named_flags)
{
	static const struct named_flag refused[] = {
		{ "MAP_HUGETLB",	MAP_HUGETLB },
		{ "MAP_HUGETLB 2 MiB",	MAP_HUGETLB | MAP_HUGE_2MB },
		{ "MAP_HUGE_2MB",	MAP_HUGE_2MB },
		{ "MAP_GROWSDOWN",	MAP_GROWSDOWN },
		{ "MAP_SYNC",		MAP_SYNC },
		{ "MAP_UNINITIALIZED",	MAP_UNINITIALIZED },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		TH_LOG("%s", refused[i].name);
		EXPECT_REFUSED(EINVAL, self->len, RW,
			       MAP_REFPAGE | refused[i].flag, NO_FD,
			       (unsigned long)self->source);
	}
}

/*
 * The type is one number: what is next to it is another type, or none.  With
 * MAP_ANONYMOUS, where no file descriptor gets in the way of the answer.
 */
TEST_F(refpage_abi, neighbouring_types)
{
	static const unsigned long types[] = { 0x0b, 0x0e, 0x0f };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		EXPECT_REFUSED(EINVAL, self->len, RW, types[i] | MAP_ANONYMOUS,
			       NO_FD, (unsigned long)self->source);
}

/* Types that existed before give what they gave: zeros, whatever the offset. */
TEST_F(refpage_abi, other_types_unchanged)
{
	static const unsigned long types[] = { MAP_PRIVATE, MAP_SHARED };
	unsigned int i;
	char *map;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		map = raw_mmap(NULL, self->len, RW, types[i] | MAP_ANONYMOUS,
			       NO_FD, (unsigned long)self->source);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_CONTENT(map, self->len, REFPAGE_ZEROS);
		EXPECT_FALSE(refpage_vmflag(map, REFPAGE_VMFLAG));
		ASSERT_EQ(0, munmap(map, self->len));
	}
}

/* fd must be -1, and is compared as an int. */
TEST_F(refpage_abi, file_descriptor)
{
	int fds[2], i;
	char *map;

	ASSERT_EQ(0, pipe(fds));
	for (i = 0; i < 2; i++) {
		unsigned long anon = i ? MAP_ANONYMOUS : 0;

		EXPECT_REFUSED(EINVAL, self->len, RW, MAP_REFPAGE | anon, 0,
			       (unsigned long)self->source);
		EXPECT_REFUSED(EINVAL, self->len, RW, MAP_REFPAGE | anon,
			       fds[0], (unsigned long)self->source);
		EXPECT_REFUSED(EINVAL, self->len, RW, MAP_REFPAGE | anon,
			       (unsigned long)-2, (unsigned long)self->source);
		EXPECT_REFUSED(EINVAL, self->len, RW, MAP_REFPAGE | anon,
			       INT32_MAX, (unsigned long)self->source);
		map = raw_mmap(NULL, self->len, RW, MAP_REFPAGE | anon,
			       UINT32_MAX, (unsigned long)self->source);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_CONTENT(map, self->len, SEED);
		ASSERT_EQ(0, munmap(map, self->len));
	}
	close(fds[0]);
	close(fds[1]);
}

/* The reference is a page: no offset in it is one. */
TEST_F(refpage_abi, unaligned_reference)
{
	unsigned long source = (unsigned long)self->source;

	EXPECT_REFUSED(EINVAL, self->len, RW, MAP_REFPAGE, NO_FD, source + 1);
	EXPECT_REFUSED(EINVAL, self->len, RW, MAP_REFPAGE, NO_FD, source + 8);
	EXPECT_REFUSED(EINVAL, self->len, RW, MAP_REFPAGE, NO_FD,
		       source + self->page / 2);
	EXPECT_REFUSED(EINVAL, self->len, RW, MAP_REFPAGE, NO_FD,
		       source + self->page - 1);
}

/* Addresses at which the caller can have no page. */
TEST_F(refpage_abi, impossible_reference)
{
	const unsigned long addresses[] = {
		0,
		1UL << 47,			/* first past 4-level user */
		1UL << 56,			/* first past 5-level user */
		1UL << 62,			/* in the hole */
		0xffff800000000000UL,		/* kernel */
		0xffffffffff600000UL,		/* vsyscall on x86 */
		-self->page,			/* the last page */
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(addresses); i++) {
		TH_LOG("reference %#lx", addresses[i]);
		EXPECT_REFUSED(EFAULT, self->len, RW, MAP_REFPAGE, NO_FD,
			       addresses[i]);
	}
}

/* A hole, and memory that is there but may not be read. */
TEST_F(refpage_abi, unreadable_reference)
{
	char *hole = refpage_source(SEED), *closed = refpage_source(SEED);

	ASSERT_EQ(0, munmap(hole, self->page));
	EXPECT_REFUSED(EFAULT, self->len, RW, MAP_REFPAGE, NO_FD,
		       (unsigned long)hole);
	ASSERT_EQ(0, mprotect(closed, self->page, PROT_NONE));
	EXPECT_REFUSED(EFAULT, self->len, RW, MAP_REFPAGE, NO_FD,
		       (unsigned long)closed);
}

/* The reference that would be refused is not looked at if flags are wrong. */
TEST_F(refpage_abi, flags_before_reference)
{
	EXPECT_REFUSED(EINVAL, self->len, RW, MAP_REFPAGE | MAP_HUGETLB, NO_FD,
		       0);
	EXPECT_REFUSED(EINVAL, self->len, RW, MAP_REFPAGE, 0, 0);
}

TEST_F(refpage_abi, length)
{
	unsigned long source = (unsigned long)self->source;
	char *map;

	EXPECT_REFUSED(EINVAL, 0, RW, MAP_REFPAGE, NO_FD, source);
	EXPECT_REFUSED(ENOMEM, ~0UL, RW, MAP_REFPAGE, NO_FD, source);
	EXPECT_REFUSED(ENOMEM, 1UL << 62, RW, MAP_REFPAGE, NO_FD, source);

	/* Rounded up to pages, as ever: the last page is whole. */
	map = raw_mmap(NULL, self->page + 1, RW, MAP_REFPAGE, NO_FD, source);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_CONTENT(map, 2 * self->page, SEED);
	ASSERT_EQ(0, munmap(map, 2 * self->page));
}

/* The highest pages of a file would overflow this offset; an address cannot. */
TEST_F(refpage_abi, offset_is_no_file_offset)
{
	size_t len = 1UL << 40;
	char *map;

	map = raw_mmap(NULL, len, RW, MAP_REFPAGE | MAP_NORESERVE, NO_FD,
		       (unsigned long)self->source);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_CONTENT(map, self->page, SEED);
	EXPECT_CONTENT(map + len - self->page, self->page, SEED);
	ASSERT_EQ(0, munmap(map, len));
}

TEST_F(refpage_abi, target_address)
{
	char *map;

	map = raw_mmap(self->target + 1, self->len, RW, MAP_REFPAGE | MAP_FIXED,
		       NO_FD, (unsigned long)self->source);
	EXPECT_EQ(MAP_FAILED, map);
	EXPECT_EQ(EINVAL, errno);
	EXPECT_UNTOUCHED();

	/* A hint that is taken is not over what is there. */
	map = raw_mmap(self->target, self->len, RW, MAP_REFPAGE, NO_FD,
		       (unsigned long)self->source);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_CONTENT(map, self->len, SEED);
	EXPECT_UNTOUCHED();
}

TEST_F(refpage_abi, protections)
{
	static const int prots[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_EXEC,
		PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE | PROT_EXEC,
		PROT_WRITE, PROT_EXEC,
	};
	unsigned int i;
	char *map;

	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		map = refpage_mmap(NULL, self->len, prots[i], 0, self->source);
		ASSERT_NE(MAP_FAILED, map)
			TH_LOG("prot %#x: %s", prots[i], strerror(errno));
		ASSERT_EQ(0, mprotect(map, self->len, RW));
		EXPECT_CONTENT(map, self->len, SEED)
			TH_LOG("prot %#x", prots[i]);
		map[0] = 1;
		ASSERT_EQ(0, munmap(map, self->len));
	}
}

/* The source is under the new mapping: whole, at its head, at its tail. */
TEST_F(refpage_abi, fixed_over_source)
{
	size_t at;
	char *map;

	for (at = 0; at < COUNT; at++) {
		char *source = self->target + at * self->page;

		refpage_fill(source, self->page, TAIL + at);
		map = refpage_mmap(self->target, self->len, RW, MAP_FIXED,
				   source);
		ASSERT_EQ(self->target, map);
		EXPECT_CONTENT(map, self->len, TAIL + at);
		EXPECT_PRIVATE(map, self->len, 0);
	}

	refpage_fill(self->target, self->page, SEED);
	map = refpage_mmap(self->target, self->page, RW, MAP_FIXED,
			   self->target);
	ASSERT_EQ(self->target, map);
	EXPECT_CONTENT(map, self->page, SEED);
	EXPECT_CONTENT(map + self->page, self->len - self->page,
		       TAIL + COUNT - 1);

	EXPECT_CONTENT(self->area, FIRST * self->page, VICTIM);
	EXPECT_CONTENT(self->target + self->len,
		       (NPAGES - FIRST - COUNT) * self->page, VICTIM);
}

/* Head and tail of the target replaced by what is in the other. */
TEST_F(refpage_abi, fixed_over_neighbour)
{
	char *map;

	refpage_fill(self->target, self->page, TAIL);
	map = refpage_mmap(self->target + self->page, self->len - self->page,
			   RW, MAP_FIXED, self->target);
	ASSERT_EQ(self->target + self->page, map);
	EXPECT_CONTENT(self->target, self->len, TAIL);
	EXPECT_CONTENT(self->area, FIRST * self->page, VICTIM);
}

TEST_F(refpage_abi, fixed_noreplace)
{
	EXPECT_REFUSED(EINVAL, self->len, RW,
		       MAP_REFPAGE | MAP_FIXED_NOREPLACE | MAP_HUGETLB, NO_FD,
		       (unsigned long)self->source);

	EXPECT_EQ(MAP_FAILED,
		  refpage_mmap(self->target, self->len, RW,
			       MAP_FIXED_NOREPLACE, self->source));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(MAP_FAILED,
		  refpage_mmap(self->source, self->page, RW,
			       MAP_FIXED_NOREPLACE, self->source));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_UNTOUCHED();

	ASSERT_EQ(0, munmap(self->target, self->len));
	EXPECT_EQ(self->target,
		  refpage_mmap(self->target, self->len, RW,
			       MAP_FIXED_NOREPLACE, self->source));
	EXPECT_CONTENT(self->target, self->len, SEED);
}

#ifdef MAP_32BIT
TEST_F(refpage_abi, map_32bit)
{
	char *map = refpage_mmap(NULL, self->len, RW, MAP_32BIT, self->source);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_LT((unsigned long)map, 1UL << 31);
	EXPECT_CONTENT(map, self->len, SEED);
}
#endif

#ifdef MAP_ABOVE4G
TEST_F(refpage_abi, map_above4g)
{
	char *map = refpage_mmap(NULL, self->len, RW, MAP_ABOVE4G,
				 self->source);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_GE((unsigned long)map, 1UL << 32);
	EXPECT_CONTENT(map, self->len, SEED);
}
#endif

/* x86: with LAM, the address of the reference may carry a tag. */
#ifdef __x86_64__
#define ARCH_ENABLE_TAGGED_ADDR	0x4002
#define TAG_BITS		6
#define TAG_SHIFT		57

TEST_F(refpage_abi, tagged_reference)
{
	unsigned long source = (unsigned long)self->source;
	char *map;

	EXPECT_REFUSED(EFAULT, self->len, RW, MAP_REFPAGE, NO_FD,
		       source | 0x2aUL << TAG_SHIFT);
	if (syscall(__NR_arch_prctl, ARCH_ENABLE_TAGGED_ADDR, TAG_BITS))
		SKIP(return, "no linear address masking: %s", strerror(errno));

	map = raw_mmap(self->target, self->len, RW, MAP_REFPAGE | MAP_FIXED,
		       NO_FD, source | 0x2aUL << TAG_SHIFT);
	ASSERT_EQ(self->target, map);
	EXPECT_CONTENT(map, self->len, SEED);
}
#endif

static int become_nobody(void)
{
	return setresuid(65534, 65534, 65534);
}

static int limit(int resource, rlim_t value)
{
	struct rlimit rlimit = { .rlim_cur = value, .rlim_max = value };

	return setrlimit(resource, &rlimit);
}

TEST_F(refpage_abi, memlock_limit)
{
	unsigned long source = (unsigned long)self->source;

	ASSERT_EQ(0, limit(RLIMIT_MEMLOCK, self->page));
	if (!geteuid())
		ASSERT_EQ(0, become_nobody());
	EXPECT_REFUSED(EAGAIN, self->len, RW, MAP_REFPAGE | MAP_LOCKED, NO_FD,
		       source);
	ASSERT_EQ(0, limit(RLIMIT_MEMLOCK, 0));
	EXPECT_REFUSED(EPERM, self->len, RW, MAP_REFPAGE | MAP_LOCKED, NO_FD,
		       source);
}

/* Bytes of address space that the process has now. */
static rlim_t address_space(void)
{
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "r");

	if (statm) {
		if (fscanf(statm, "%lu", &pages) != 1)
			pages = 0;
		fclose(statm);
	}
	return (rlim_t)pages * psize();
}

TEST_F(refpage_abi, address_space_limit)
{
	size_t len = 64 << 20;
	rlim_t now = address_space();

	ASSERT_NE(0, now);
	ASSERT_EQ(0, limit(RLIMIT_AS, now + len / 2));
	EXPECT_REFUSED(ENOMEM, len, RW, MAP_REFPAGE, NO_FD,
		       (unsigned long)self->source);
}

/* Writable private memory is data, whatever it reads as. */
TEST_F(refpage_abi, data_limit)
{
	size_t len = 64 << 20;

	ASSERT_EQ(0, limit(RLIMIT_DATA, len / 2));
	EXPECT_REFUSED(ENOMEM, len, RW, MAP_REFPAGE, NO_FD,
		       (unsigned long)self->source);
	EXPECT_NE(MAP_FAILED,
		  refpage_mmap(NULL, len, PROT_READ, 0, self->source));
}

/* Commit is charged as for zero-filled memory. */
TEST_F(refpage_abi, overcommit)
{
	unsigned long mode = read_num("/proc/sys/vm/overcommit_memory");
	size_t len = 32UL << 40;
	char *map;

	if (mode == OVERCOMMIT_ALWAYS)
		SKIP(return, "vm.overcommit_memory is 1");
	EXPECT_REFUSED(ENOMEM, len, RW, MAP_REFPAGE, NO_FD,
		       (unsigned long)self->source);
	if (mode == OVERCOMMIT_NEVER)
		return;
	map = refpage_mmap(NULL, len, RW, MAP_NORESERVE, self->source);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_CONTENT(map + len / 2, self->page, SEED);
	ASSERT_EQ(0, munmap(map, len));

	map = refpage_mmap(NULL, len, PROT_READ, 0, self->source);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, mprotect(map, len, RW));
	EXPECT_EQ(ENOMEM, errno);
	ASSERT_EQ(0, munmap(map, len));
}

TEST_F(refpage_abi, strict_overcommit)
{
	const char *knob = "/proc/sys/vm/overcommit_memory";
	unsigned long mode = read_num(knob);
	size_t len = 32UL << 40;

	if (write_sysfs(knob, OVERCOMMIT_NEVER))
		SKIP(return, "cannot set vm.overcommit_memory");
	EXPECT_REFUSED(ENOMEM, len, RW, MAP_REFPAGE | MAP_NORESERVE, NO_FD,
		       (unsigned long)self->source);
	write_num(knob, mode);
}

/*
 * Mappings until the kernel has no more: the call that fails leaves what is
 * there, and every mapping made keeps its content.
 */
TEST_F(refpage_abi, map_count)
{
	const char *knob = "/proc/sys/vm/max_map_count";
	unsigned long max = read_num(knob);
	size_t len = 512 * self->page, i;
	char *area = refpage_carveout(len), *map;

	if (write_sysfs(knob, 256))
		SKIP(return, "cannot set vm.max_map_count");
	for (i = 0; i < 512; i++) {
		refpage_fill(self->source, self->page, SEED + i % 2);
		map = refpage_mmap(area + i * self->page, self->page, RW,
				   MAP_FIXED, self->source);
		if (map == MAP_FAILED)
			break;
	}
	EXPECT_EQ(ENOMEM, errno);
	write_num(knob, max);

	EXPECT_GT(i, 128);
	EXPECT_LT(i, 512);
	while (i--)
		EXPECT_CONTENT(area + i * self->page, self->page, SEED + i % 2);
	EXPECT_CONTENT(self->area, NPAGES * self->page, VICTIM);
}

/* Memory-deny-write-execute takes it for the anonymous memory it is. */
TEST_F(refpage_abi, deny_write_execute)
{
	char *map;

	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))
		SKIP(return, "no PR_SET_MDWE: %s", strerror(errno));
	EXPECT_REFUSED(EACCES, self->len, RW | PROT_EXEC, MAP_REFPAGE, NO_FD,
		       (unsigned long)self->source);
	map = refpage_mmap(NULL, self->len, PROT_READ | PROT_EXEC, 0,
			   self->source);
	ASSERT_NE(MAP_FAILED, map);
	map = refpage_mmap(NULL, self->len, RW, 0, self->source);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, mprotect(map, self->len, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
}

REFPAGE_TEST_MAIN
