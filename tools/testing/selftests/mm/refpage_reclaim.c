// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MAP_REFPAGE under memory pressure: what was stored comes back from swap, what
 * was dropped reads as the reference content, clean pages cost nothing, and
 * captured pages are charged to who asked for them.
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include <asm-generic/mman.h> /* Force the import of the tools version. */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "refpage_sys.h"
#include "refpage_util.h"

#define NR_PAGES	32
#define SEED		0xa1
#define OTHER_SEED	0xa2
#define STORED		0x5a

/* Pages in turn: never touched, clean, private. */
enum state { UNTOUCHED, CLEAN, PRIVATE, NR_STATES };

static void mix(char *area, size_t size, char *model)
{
	size_t page = psize(), at;

	refpage_fill(model, size, SEED);
	for (at = 0; at < size; at += page) {
		if (at / page % NR_STATES == CLEAN)
			FORCE_READ(area[at]);
		if (at / page % NR_STATES != PRIVATE)
			continue;
		refpage_fill(model + at, page, OTHER_SEED);
		memcpy(model + at, &at, sizeof(at));
		memcpy(area + at, model + at, page);
	}
}

static long nr_private(size_t size)
{
	return size / psize() / NR_STATES;
}

/* One byte to each page. */
static void store_all(char *area, size_t size, char *model)
{
	for (size_t at = 11; at < size; at += psize()) {
		area[at] = STORED;
		model[at] = STORED;
	}
}

static bool swap_is_on(void)
{
	return refpage_keyed("/proc/meminfo", "SwapFree") > 1024;
}

FIXTURE(refpage_swap)
{
	size_t page;
	size_t size;
	char *area;
	char *model;
	int pagemap;
	int kmsg;
};

FIXTURE_SETUP(refpage_swap)
{
	self->kmsg = refpage_kmsg_open();
	refpage_base_pages();
	self->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	self->page = psize();
	self->size = NR_PAGES * self->page;
	self->area = refpage_map(self->size, SEED);
	ASSERT_NE(MAP_FAILED, self->area);
	self->model = malloc(self->size);
	mix(self->area, self->size, self->model);
}

FIXTURE_TEARDOWN(refpage_swap)
{
	munmap(self->area, self->size);
	free(self->model);
	close(self->pagemap);
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

#define EXPECT_AS_MODEL() \
	EXPECT_EQ(-1, refpage_diff(self->area, self->model, self->size))

/* Sends every private page to swap; false if not all of them went there. */
static bool page_out(FIXTURE_DATA(refpage_swap) *self)
{
	long pages = nr_private(self->size);

	/* Advice: a page that another CPU is about to list stays for now. */
	for (int tries = 0; tries < 20; tries++) {
		if (madvise(self->area, self->size, MADV_PAGEOUT))
			return false;
		if (refpage_smaps_pages(self->area, self->size, "Swap:") == pages)
			return true;
		usleep(50 * 1000);
	}
	return false;
}

#define PAGE_OUT_OR_SKIP() do {						\
	if (!swap_is_on())						\
		SKIP(return, "needs swap");				\
	ASSERT_TRUE(page_out(self));					\
} while (0)

/* MADV_DONTNEED: the reference content, for private pages too. */
TEST_F(refpage_swap, dontneed)
{
	EXPECT_AS_MODEL();
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_DONTNEED));
	EXPECT_PRIVATE(self->area, self->size, 0);
	EXPECT_CONTENT(self->area, self->size, SEED);
}

TEST_F(refpage_swap, dontneed_locked)
{
	if (mlock(self->area, self->size))
		SKIP(return, "not allowed to lock memory");
	EXPECT_AS_MODEL();
	ASSERT_EQ(-1, madvise(self->area, self->size, MADV_DONTNEED));
	EXPECT_AS_MODEL();
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_DONTNEED_LOCKED));
	EXPECT_CONTENT(self->area, self->size, SEED);
}

/* Private pages come back from swap as they were; others do not go there. */
TEST_F(refpage_swap, pageout)
{
	PAGE_OUT_OR_SKIP();
	EXPECT_PRIVATE(self->area, self->size, 0);
	EXPECT_EQ(nr_private(self->size),
		  refpage_smaps_pages(self->area, self->size, "SwapPss:"));
	EXPECT_AS_MODEL();
	EXPECT_PRIVATE(self->area, self->size, nr_private(self->size));
}

TEST_F(refpage_swap, pageout_then_store)
{
	PAGE_OUT_OR_SKIP();
	store_all(self->area, self->size, self->model);
	EXPECT_AS_MODEL();
	EXPECT_PRIVATE(self->area, self->size, NR_PAGES);
}

TEST_F(refpage_swap, cold)
{
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_COLD));
	EXPECT_AS_MODEL();
	EXPECT_PRIVATE(self->area, self->size, nr_private(self->size));
}

/* A fork shares what is in swap; stores on either side stay there. */
TEST_F(refpage_swap, fork)
{
	int status;
	pid_t pid;

	PAGE_OUT_OR_SKIP();
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		EXPECT_AS_MODEL();
		store_all(self->area, self->size, self->model);
		EXPECT_AS_MODEL();
		_exit(_metadata->exit_code);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_AS_MODEL();
	store_all(self->area, self->size, self->model);
	EXPECT_AS_MODEL();
}

/* What is dropped while in swap reads as the reference content. */
TEST_F(refpage_swap, dontneed_swapped)
{
	PAGE_OUT_OR_SKIP();
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_DONTNEED));
	EXPECT_EQ(0, refpage_smaps_pages(self->area, self->size, "Swap:"));
	EXPECT_CONTENT(self->area, self->size, SEED);
}

TEST_F(refpage_swap, free_swapped)
{
	PAGE_OUT_OR_SKIP();
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_FREE));
	EXPECT_EQ(0, refpage_smaps_pages(self->area, self->size, "Swap:"));
	EXPECT_CONTENT(self->area, self->size, SEED);
}

TEST_F(refpage_swap, move_swapped)
{
	char *moved;

	PAGE_OUT_OR_SKIP();
	moved = mremap(self->area, self->size, 2 * self->size, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, moved);
	self->area = moved;
	EXPECT_AS_MODEL();
	EXPECT_CONTENT(moved + self->size, self->size, SEED);
	munmap(moved + self->size, self->size);
}

/* Freed pages that reclaim took read as the reference content, others as was. */
TEST_F(refpage_swap, free)
{
	long taken = 0;

	ASSERT_EQ(0, madvise(self->area, self->size, MADV_FREE));
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_PAGEOUT));
	for (size_t at = 0; at < self->size; at += self->page) {
		bool old = !memcmp(self->area + at, self->model + at,
				   self->page);

		if (old)
			continue;
		taken++;
		EXPECT_CONTENT(self->area + at, self->page, SEED);
	}
	EXPECT_LT(0, taken);
}

/* A store takes a page back from MADV_FREE. */
TEST_F(refpage_swap, free_then_store)
{
	ASSERT_EQ(0, madvise(self->area, self->size, MADV_FREE));
	store_all(self->area, self->size, self->model);
	madvise(self->area, self->size, MADV_PAGEOUT);
	EXPECT_AS_MODEL();
}

/*
 * A control group of the test's own.
 */
#define CGROUP_ROOT	"/sys/fs/cgroup"

FIXTURE(refpage_memcg)
{
	size_t page;
	char dir[64];
	char path[128];
	int kmsg;
};

static const char *group_file(FIXTURE_DATA(refpage_memcg) *self,
			      const char *name)
{
	snprintf(self->path, sizeof(self->path), "%s/%s", self->dir, name);
	return self->path;
}

FIXTURE_SETUP(refpage_memcg)
{
	self->kmsg = refpage_kmsg_open();
	refpage_base_pages();
	self->page = psize();
	refpage_write_text(CGROUP_ROOT "/cgroup.subtree_control", "+memory");
	snprintf(self->dir, sizeof(self->dir), CGROUP_ROOT "/refpage-%d",
		 getpid());
	if (mkdir(self->dir, 0755))
		SKIP(return, "needs root and cgroup v2 at " CGROUP_ROOT);
	if (access(group_file(self, "memory.max"), W_OK)) {
		rmdir(self->dir);
		SKIP(return, "needs the memory controller of cgroup v2");
	}
}

FIXTURE_TEARDOWN(refpage_memcg)
{
	EXPECT_EQ(0, rmdir(self->dir));
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

static long group_stat(FIXTURE_DATA(refpage_memcg) *self, const char *key)
{
	return refpage_keyed(group_file(self, "memory.stat"), key);
}

/* In a child: a member from here on. */
static void join_group(FIXTURE_DATA(refpage_memcg) *self)
{
	if (refpage_write_text(group_file(self, "cgroup.procs"), "0"))
		_exit(1);
}

/* Reclaims until the group gives nothing more; no byte changes by it. */
#define RECLAIM_PAGES	1024

TEST_F_TIMEOUT(refpage_memcg, reclaim, 120)
{
	size_t size = RECLAIM_PAGES * self->page;
	int status;
	pid_t pid;

	if (!swap_is_on())
		SKIP(return, "needs swap");
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		char *area, *model = malloc(size);

		join_group(self);
		area = refpage_map(size, SEED);
		mix(area, size, model);
		for (int i = 0; i < 4; i++) {
			refpage_write_text(group_file(self, "memory.reclaim"),
					   "4M");
			EXPECT_EQ(-1, refpage_diff(area, model, size));
		}
		EXPECT_LT(0, group_stat(self, "pswpout"));
		store_all(area, size, model);
		refpage_write_text(group_file(self, "memory.reclaim"), "4M");
		EXPECT_EQ(-1, refpage_diff(area, model, size));
		_exit(_metadata->exit_code);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* The most memory that the group may have, in bytes. */
static int limit_group(FIXTURE_DATA(refpage_memcg) *self, size_t size)
{
	char limit[32];

	snprintf(limit, sizeof(limit), "%zu", size);
	return refpage_write_text(group_file(self, "memory.max"), limit);
}

/* Twice as much is stored as the group may have: the rest goes to swap. */
#define PRESSURE_LIMIT	(8UL << 20)

TEST_F_TIMEOUT(refpage_memcg, pressure, 180)
{
	int status;
	pid_t pid;

	if (!swap_is_on())
		SKIP(return, "needs swap");
	ASSERT_EQ(0, limit_group(self, PRESSURE_LIMIT));
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		size_t size = 2 * PRESSURE_LIMIT, at;
		unsigned char tag;
		char *area;

		join_group(self);
		area = refpage_map(size, SEED);
		for (at = 0; at < size; at += self->page)
			area[at + at / self->page % 256] =
				~refpage_byte(at / self->page % 256, SEED);
		for (at = 0; at < size; at += self->page) {
			tag = at / self->page;
			area[at + tag] = ~area[at + tag];
			EXPECT_CONTENT(area + at, self->page, SEED);
		}
		_exit(_metadata->exit_code);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_LT(0, group_stat(self, "pswpout"));
}

/*
 * Captured pages count against memory.max: when no more fit mmap() says so, the
 * mappings there are stay right, and all is given back at exit.  The address
 * space is prepared first, so that nearly all that is charged are captures.
 */
#define CAPTURE_LIMIT	512	/* Pages */
#define MAX_CAPTURES	1024	/* CONFIG_DEBUG_VM looks at each VMA each time */

/*
 * In a child, which is a member of the group only while it asks: anything else
 * that it does may need memory, too.  The VMA of a mapping is charged like any
 * other, and that may call the OOM killer, which must not find anybody.
 */
static int join_group_unkillable(FIXTURE_DATA(refpage_memcg) *self)
{
	int leave = open(CGROUP_ROOT "/cgroup.procs", O_WRONLY | O_CLOEXEC);

	if (leave < 0 || refpage_write_text("/proc/self/oom_score_adj", "-1000"))
		_exit(1);
	join_group(self);
	return leave;
}

static void leave_group(int leave)
{
	if (write(leave, "0", 1) != 1)
		_exit(2);
	close(leave);
}

/* In the child: replaces page by page; how many captures there was room for. */
/* Bytes of kernel memory. The counter lags for some seconds: waits for @size. */
static long kernel_at_least(FIXTURE_DATA(refpage_memcg) *self, long size)
{
	long kernel;

	for (int tries = 0; tries < 50; tries++) {
		kernel = group_stat(self, "kernel");
		if (kernel >= size)
			break;
		usleep(100 * 1000);
	}
	return kernel;
}

static int capture_until_full(FIXTURE_DATA(refpage_memcg) *self, char *room,
			      int *err)
{
	unsigned long *source = (unsigned long *)refpage_source(SEED);
	int i, leave = join_group_unkillable(self);

	for (i = 0; i < MAX_CAPTURES; i++) {
		source[3] = i;
		if (refpage_mmap(room + i * self->page, self->page,
				 PROT_READ | PROT_WRITE, MAP_FIXED,
				 source) == MAP_FAILED)
			break;
	}
	*err = errno;
	leave_group(leave);
	return i;
}

static bool captures_are_right(char *room, size_t page, int n)
{
	char want[page];

	refpage_fill(want, page, SEED);
	for (int i = 0; i < n; i++) {
		memcpy(want + 3 * sizeof(long), &(unsigned long){ i },
		       sizeof(long));
		if (memcmp(room + i * page, want, page))
			return false;
	}
	return true;
}

TEST_F_TIMEOUT(refpage_memcg, captures_are_charged, 180)
{
	long alive = refpage_vmstat("nr_refpage"), kernel;
	int to_parent[2], status, captured = 0;
	pid_t pid;

	ASSERT_LE(0, alive);
	ASSERT_EQ(0, limit_group(self, CAPTURE_LIMIT * self->page));
	ASSERT_EQ(0, pipe(to_parent));
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		char *room = refpage_carveout(MAX_CAPTURES * self->page);
		int i, err, n;

		/* A VMA and a page of tables for each, before the limit. */
		for (i = 0; i < MAX_CAPTURES; i += 2)
			mprotect(room + i * self->page, self->page, PROT_READ);
		for (i = 0; i < MAX_CAPTURES; i += 2)
			FORCE_READ(room[i * self->page]);
		n = capture_until_full(self, room, &err);
		EXPECT_EQ(ENOMEM, err);
		EXPECT_LT(MAX_CAPTURES / 4, n);
		EXPECT_GT(MAX_CAPTURES, n);
		EXPECT_LE(alive + n, refpage_vmstat("nr_refpage"));
		EXPECT_LE(n * self->page, kernel_at_least(self,
							  n * self->page));
		EXPECT_TRUE(captures_are_right(room, self->page, n));
		if (write(to_parent[1], &n, sizeof(n)) != sizeof(n))
			_exit(1);
		_exit(_metadata->exit_code);
	}
	close(to_parent[1]);
	EXPECT_EQ(sizeof(captured), read(to_parent[0], &captured,
					 sizeof(captured)));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, refpage_keyed(group_file(self, "memory.events"),
				   "oom_kill"));
	EXPECT_EQ(alive, refpage_vmstat("nr_refpage"));
	kernel = refpage_memcg_kernel(self->dir, captured * self->page / 16);
	EXPECT_GT(captured * self->page / 16, kernel);
	close(to_parent[0]);
}

/*
 * 10,000 different pages against memory.max, by processes that hold on to what
 * they got and go on asking: each call succeeds or fails with ENOMEM, nobody is
 * killed, and all is given back in the end.
 */
#define NR_TAKERS	10
#define PAGES_EACH	1000	/* CONFIG_DEBUG_VM looks at each VMA each time */
#define TAKERS_LIMIT	8192	/* Pages */

/* What a taker got; written where no page has to be allocated for it. */
struct taken {
	int pages;
	int refused;
	int other_error;
	int wrong;
};

/* In the child. */
static void take(FIXTURE_DATA(refpage_memcg) *self, char *room, int taker,
		 struct taken *taken)
{
	unsigned long *source = (unsigned long *)refpage_source(SEED);
	bool got[PAGES_EACH];
	char want[self->page];
	int i, leave;

	/* What is written below is no longer shared with the parent. */
	memset(got, 0, sizeof(got));
	memset(taken, 0, sizeof(*taken));
	errno = 0;
	leave = join_group_unkillable(self);
	for (i = 0; i < PAGES_EACH; i++) {
		source[3] = taker * PAGES_EACH + i;
		got[i] = refpage_mmap(room + i * self->page, self->page,
				      PROT_READ | PROT_WRITE, MAP_FIXED,
				      source) != MAP_FAILED;
		taken->pages += got[i];
		taken->refused += !got[i] && errno == ENOMEM;
		taken->other_error += !got[i] && errno != ENOMEM;
	}
	leave_group(leave);
	for (i = 0; i < PAGES_EACH; i++) {
		source[3] = taker * PAGES_EACH + i;
		memcpy(want, source, self->page);
		taken->wrong += got[i] &&
				memcmp(room + i * self->page, want, self->page);
	}
}

/* A process that stops when it has what it wants, and ends when it may. */
static pid_t start_taker(FIXTURE_DATA(refpage_memcg) *self, int taker,
			 struct taken *taken)
{
	pid_t pid = fork();
	char *room;
	int i;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	room = refpage_carveout(PAGES_EACH * self->page);
	/* Each page a VMA, and page tables for all of them, outside the group. */
	for (i = 0; i < PAGES_EACH; i += 2)
		mprotect(room + i * self->page, self->page, PROT_READ);
	for (i = 0; i < PAGES_EACH; i += 2)
		FORCE_READ(room[i * self->page]);
	take(self, room, taker, taken);
	raise(SIGSTOP);
	_exit(0);
}

TEST_F_TIMEOUT(refpage_memcg, ten_thousand_captures, 600)
{
	long alive = refpage_vmstat("nr_refpage"), bound;
	struct taken *taken, sum = {};
	pid_t pids[NR_TAKERS];
	int i, status;

	taken = mmap(NULL, NR_TAKERS * sizeof(*taken), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, taken);
	ASSERT_LE(0, alive);
	ASSERT_EQ(0, limit_group(self, TAKERS_LIMIT * self->page));
	for (i = 0; i < NR_TAKERS; i++) {
		pids[i] = start_taker(self, i, &taken[i]);
		ASSERT_LT(0, pids[i]);
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, WUNTRACED));
		EXPECT_TRUE(WIFSTOPPED(status));
		sum.pages += taken[i].pages;
		sum.refused += taken[i].refused;
		sum.other_error += taken[i].other_error;
		sum.wrong += taken[i].wrong;
	}

	ksft_print_msg("%d pages, %d refused\n", sum.pages, sum.refused);
	EXPECT_EQ(0, sum.other_error);
	EXPECT_EQ(0, sum.wrong);
	EXPECT_EQ(NR_TAKERS * PAGES_EACH, sum.pages + sum.refused);
	EXPECT_LT(NR_TAKERS * PAGES_EACH / 2, sum.pages);
	EXPECT_LT(NR_TAKERS * PAGES_EACH / 10, sum.refused);
	EXPECT_EQ(alive + sum.pages, refpage_vmstat("nr_refpage"));

	for (i = 0; i < NR_TAKERS; i++) {
		kill(pids[i], SIGCONT);
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(0, refpage_keyed(group_file(self, "memory.events"),
				   "oom_kill"));
	EXPECT_EQ(alive, refpage_vmstat("nr_refpage"));
	bound = sum.pages * self->page / 256;
	EXPECT_GT(bound, refpage_memcg_kernel(self->dir, bound));
	munmap(taken, NR_TAKERS * sizeof(*taken));
}

/*
 * Everything that makes and drops references on a captured page, over and over,
 * with thousands of contents: not one slab object each may be left.
 */
#define LIFE_ROUNDS	400
#define LIFE_CONTENTS	16
#define LIFE_FORK_EVERY	16
#define LIFE_BOUND	(LIFE_ROUNDS * LIFE_CONTENTS * 16)

static bool live_a_round(char *room, size_t page, unsigned long *source,
			 int round)
{
	const int prot = PROT_READ | PROT_WRITE;
	bool ok = true;
	char *at;

	for (int i = 0; i < LIFE_CONTENTS; i++) {
		at = room + 4 * i * page;
		source[3] = round * LIFE_CONTENTS + i;
		ok &= refpage_mmap(at, page, prot, MAP_FIXED, source) == at;
		/* The same content: shared, and merged with its neighbour. */
		ok &= refpage_mmap(at + page, 2 * page, prot, MAP_FIXED,
				   source) == at + page;
		FORCE_READ(at[0]);
		at[page] = STORED;
		ok &= !mprotect(at + page, page, PROT_READ);
		ok &= !munmap(at + 2 * page, page);
		ok &= mremap(at, page, page, MREMAP_MAYMOVE | MREMAP_FIXED,
			     at + 3 * page) == at + 3 * page;
		/* Refused: not mapped, and not aligned. */
		ok &= refpage_mmap(at, page, prot, MAP_FIXED, at) == MAP_FAILED;
		ok &= refpage_mmap(at, page, prot, MAP_FIXED,
				   (char *)source + 1) == MAP_FAILED;
	}
	madvise(room, 4 * page, MADV_WIPEONFORK);
	if (round % LIFE_FORK_EVERY == 0) {
		pid_t pid = fork();
		int status;

		if (!pid)
			_exit(0);
		ok &= pid > 0 && waitpid(pid, &status, 0) == pid && !status;
	}
	return !munmap(room, 4 * LIFE_CONTENTS * page) && ok;
}

TEST_F_TIMEOUT(refpage_memcg, nothing_stays, 300)
{
	long alive = refpage_vmstat("nr_refpage");
	int status;
	pid_t pid;

	ASSERT_LE(0, alive);
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		unsigned long *source = (unsigned long *)refpage_source(SEED);
		char *room = refpage_carveout(4 * LIFE_CONTENTS * self->page);

		join_group(self);
		for (int i = 0; i < LIFE_ROUNDS; i++)
			ASSERT_TRUE(live_a_round(room, self->page, source, i));
		EXPECT_EQ(alive, refpage_vmstat("nr_refpage"));
		_exit(_metadata->exit_code);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(alive, refpage_vmstat("nr_refpage"));
	EXPECT_GT(LIFE_BOUND, refpage_memcg_kernel(self->dir, LIFE_BOUND));
}

/*
 * Multi-generational LRU: the aging walk reads the page tables of everybody.
 */
#define LRU_GEN_DEBUGFS	"/sys/kernel/debug/lru_gen"
#define MAX_LRUVECS	256
#define AGING_ROUNDS	3

struct lruvec_id {
	unsigned long long memcg;
	unsigned int node;
	unsigned long max_seq;
};

static int read_lruvecs(struct lruvec_id *vecs)
{
	unsigned long long memcg = 0;
	FILE *f = fopen(LRU_GEN_DEBUGFS, "re");
	unsigned long seq, age;
	unsigned int node;
	char line[4352];
	int n = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "memcg %llu", &memcg) == 1)
			continue;
		if (sscanf(line, " node %u", &node) == 1) {
			if (n == MAX_LRUVECS)
				break;
			vecs[n].memcg = memcg;
			vecs[n++].node = node;
		} else if (n && sscanf(line, "%lu %lu", &seq, &age) == 2) {
			vecs[n - 1].max_seq = seq;
		}
	}
	fclose(f);
	return n;
}

/* Starts a generation in each list; how many of them it did. */
static int age_all(void)
{
	static struct lruvec_id vecs[MAX_LRUVECS];
	int i, aged = 0, n = read_lruvecs(vecs);
	char command[96];

	for (i = 0; i < n; i++) {
		snprintf(command, sizeof(command), "+ %llu %u %lu 100 1",
			 vecs[i].memcg, vecs[i].node, vecs[i].max_seq);
		aged += !refpage_write_text(LRU_GEN_DEBUGFS, command);
	}
	return aged;
}

TEST_F_TIMEOUT(refpage_swap, lru_gen_aging, 120)
{
	struct refpage_setting enabled = {};

	if (access(LRU_GEN_DEBUGFS, W_OK) ||
	    refpage_set(&enabled, "/sys/kernel/mm/lru_gen/enabled", "7"))
		SKIP(return, "needs root, LRU_GEN and debugfs");
	for (int i = 0; i < AGING_ROUNDS; i++) {
		EXPECT_AS_MODEL();
		EXPECT_LT(0, age_all());
		EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	}
	EXPECT_AS_MODEL();
	EXPECT_PRIVATE(self->area, self->size, nr_private(self->size));
	refpage_restore(&enabled);
}

/*
 * process_mrelease(), as the OOM reaper: memory that was taken from a dying
 * process reads as nothing at all.  The process is held at its exit.
 */
static ssize_t peek(int mem, const char *addr, char *buf)
{
	ssize_t n = pread(mem, buf, psize(), (uintptr_t)addr);

	return n < 0 ? -errno : n;
}

TEST_F(refpage_swap, mrelease)
{
	int status, mem, pidfd, kept = 0;
	char path[64], buf[psize()];
	pid_t pid = fork();
	size_t at;

	ASSERT_NE(-1, pid);
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT));
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, mem);
	pidfd = syscall(__NR_pidfd_open, pid, 0);
	ASSERT_LE(0, pidfd);

	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(SIGTRAP | PTRACE_EVENT_EXIT << 8, status >> 8);
	for (at = 0; at < self->size; at += self->page) {
		ASSERT_EQ(self->page, peek(mem, self->area + at, buf));
		kept += !memcmp(buf, self->model + at, self->page);
	}
	EXPECT_EQ(NR_PAGES, kept);

	ASSERT_EQ(0, syscall(__NR_process_mrelease, pidfd, 0));
	for (at = 0; at < self->size; at += self->page) {
		errno = 0;
		EXPECT_EQ(-EIO, peek(mem, self->area + at, buf));
		ptrace(PTRACE_PEEKDATA, pid, self->area + at, 0);
		EXPECT_EQ(EIO, errno);
	}
	ASSERT_EQ(0, ptrace(PTRACE_CONT, pid, 0, 0));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	close(mem);
	close(pidfd);
	EXPECT_AS_MODEL();
}

REFPAGE_TEST_MAIN
