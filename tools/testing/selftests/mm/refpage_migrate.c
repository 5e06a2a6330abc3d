// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MAP_REFPAGE and page frames that are moved or lost: NUMA calls, NUMA
 * balancing, memory failure.  Private pages move; a clean page has nothing to
 * move, and is never taken for a page of zeros.
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include <asm-generic/mman.h> /* Force the import of the tools version. */
#include <linux/mempolicy.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include "refpage_sys.h"
#include "refpage_util.h"

#define NR_PAGES	16
#define SEED		0x91
#define PATTERN		REFPAGE_REPEAT(SEED, 16)
#define OTHER_SEED	0x92
#define STORED		0x5a
#define SCHED		"/sys/kernel/debug/sched/numa_balancing/"

/* Pages in turn: never touched, clean, private. */
enum state { UNTOUCHED, CLEAN, PRIVATE, NR_STATES };

FIXTURE(refpage_migrate)
{
	size_t page;
	size_t size;
	char *area;
	char *model;
	int kmsg;
};

FIXTURE_SETUP(refpage_migrate)
{
	self->kmsg = refpage_kmsg_open();
	refpage_base_pages();
	self->page = psize();
	self->size = NR_PAGES * self->page;
	self->area = refpage_map(self->size, SEED);
	ASSERT_NE(MAP_FAILED, self->area);
	self->model = refpage_model(self->size, SEED);
	for (int i = 0; i < NR_PAGES; i++) {
		if (i % NR_STATES == CLEAN)
			FORCE_READ(self->area[i * self->page]);
		if (i % NR_STATES != PRIVATE)
			continue;
		refpage_fill(self->model + i * self->page, self->page,
			     OTHER_SEED);
		self->model[i * self->page + i] = STORED;
		memcpy(self->area + i * self->page,
		       self->model + i * self->page, self->page);
	}
}

FIXTURE_TEARDOWN(refpage_migrate)
{
	munmap(self->area, self->size);
	free(self->model);
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

#define EXPECT_AS_MODEL() \
	EXPECT_EQ(-1, refpage_diff(self->area, self->model, self->size))

/* One byte to each page: nothing else changes. */
#define EXPECT_STORES_WORK() do {					\
	for (size_t at = 5; at < self->size; at += self->page) {	\
		self->area[at] = ~STORED;				\
		self->model[at] = ~STORED;				\
	}								\
	EXPECT_AS_MODEL();						\
} while (0)

static int last_node(void)
{
	char online[64];
	char *dash;

	if (refpage_read_text("/sys/devices/system/node/online", online,
			      sizeof(online)) <= 0)
		return -1;
	dash = strrchr(online, '-');
	return dash ? atoi(dash + 1) : 0;
}

static long move_pages(unsigned long count, void **pages, const int *nodes,
		       int *status, int flags)
{
	return syscall(__NR_move_pages, 0, count, pages, nodes, status, flags);
}

/* A clean page is "no such page", as if it were not there; no byte changes. */
TEST_F(refpage_migrate, move_pages)
{
	int status[NR_PAGES], nodes[NR_PAGES], i, node = last_node();
	void *pages[NR_PAGES];

	for (i = 0; i < NR_PAGES; i++) {
		pages[i] = self->area + i * self->page;
		nodes[i] = node;
	}
	if (move_pages(NR_PAGES, pages, NULL, status, 0) && errno == ENOSYS)
		SKIP(return, "no NUMA");
	for (i = 0; i < NR_PAGES; i++) {
		if (i % NR_STATES == PRIVATE) {
			EXPECT_LE(0, status[i]);
		} else {
			EXPECT_EQ(-ENOENT, status[i]);
		}
	}

	EXPECT_EQ(0, move_pages(NR_PAGES, pages, nodes, status, MPOL_MF_MOVE));
	for (i = 0; i < NR_PAGES; i++)
		EXPECT_EQ(i % NR_STATES == PRIVATE ? node : -ENOENT, status[i]);
	EXPECT_AS_MODEL();
	EXPECT_STORES_WORK();
}

static long set_policy(char *addr, size_t len, int mode, unsigned long nodes,
		       int flags)
{
	return syscall(__NR_mbind, addr, len, mode, nodes ? &nodes : NULL,
		       nodes ? 8 * sizeof(nodes) : 0, flags);
}

/* Clean pages are no obstacle to MPOL_MF_STRICT; the middle has a policy. */
TEST_F(refpage_migrate, mbind)
{
	size_t third = self->size / 4;
	int node = last_node();
	long ret;

	ret = set_policy(self->area + third, 2 * third, MPOL_BIND, 1UL << node,
			 MPOL_MF_STRICT | MPOL_MF_MOVE);
	if (ret && errno == ENOSYS)
		SKIP(return, "no NUMA");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(3, refpage_count_vmas(self->area, self->size));
	EXPECT_AS_MODEL();
	EXPECT_STORES_WORK();

	ASSERT_EQ(0, set_policy(self->area, self->size, MPOL_DEFAULT, 0, 0));
	EXPECT_EQ(1, refpage_count_vmas(self->area, self->size));
	EXPECT_AS_MODEL();
}

TEST_F(refpage_migrate, migrate_pages)
{
	unsigned long from = 1, to = 1UL << last_node();
	long ret;

	ret = syscall(__NR_migrate_pages, 0, 8 * sizeof(from), &from, &to);
	if (ret < 0 && errno == ENOSYS)
		SKIP(return, "no NUMA");
	ASSERT_EQ(0, ret);
	EXPECT_AS_MODEL();
	ret = syscall(__NR_migrate_pages, 0, 8 * sizeof(from), &to, &from);
	ASSERT_EQ(0, ret);
	EXPECT_AS_MODEL();
	EXPECT_STORES_WORK();
}

/* Compaction moves private pages while clean ones stay. */
TEST_F(refpage_migrate, compact)
{
	if (refpage_write_text("/proc/sys/vm/compact_memory", "1"))
		SKIP(return, "needs root and compaction");
	EXPECT_AS_MODEL();
	EXPECT_STORES_WORK();
}

/* Touched again and again while NUMA balancing takes and gives back access. */
#define BALANCE_SECONDS	20

TEST_F_TIMEOUT(refpage_migrate, numa_balancing, 120)
{
	struct refpage_setting enabled = {}, delay = {}, period = {};
	long updates = refpage_vmstat("numa_pte_updates");
	time_t until = time(NULL) + BALANCE_SECONDS;
	bool scanned = false;
	int status = 0;
	pid_t pid;

	if (updates < 0 ||
	    refpage_set(&enabled, "/proc/sys/kernel/numa_balancing", "1"))
		SKIP(return, "needs NUMA balancing, and root to turn it on");
	refpage_set(&delay, SCHED "scan_delay_ms", "1");
	refpage_set(&period, SCHED "scan_period_min_ms", "10");

	/* A new task, for which the scan starts with these settings. */
	pid = fork();
	if (!pid) {
		while (!scanned && time(NULL) < until) {
			EXPECT_AS_MODEL();
			scanned = refpage_vmstat("numa_pte_updates") > updates;
		}
		EXPECT_STORES_WORK();
		_exit(_metadata->exit_code ? 2 : !scanned);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	refpage_restore(&period);
	refpage_restore(&delay);
	refpage_restore(&enabled);
	ASSERT_NE(-1, pid);
	ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == 1)
		SKIP(return, "NUMA balancing does not scan: one node?");
	EXPECT_EQ(0, status);
	EXPECT_AS_MODEL();
}

/*
 * Memory failure.  The content is of this process alone, so that no other page
 * is marked; the mark stays with the frame until the test gives it back.
 */
static sigjmp_buf sigbus_env;

static void on_sigbus(int sig)
{
	siglongjmp(sigbus_env, 1);
}

static bool gets_sigbus(char *at, bool write)
{
	struct sigaction action = { .sa_handler = on_sigbus }, old;
	volatile bool caught = true;

	sigaction(SIGBUS, &action, &old);
	if (!sigsetjmp(sigbus_env, 1)) {
		if (write)
			*(volatile char *)at = STORED;
		else
			FORCE_READ(*at);
		caught = false;
	}
	sigaction(SIGBUS, &old, NULL);
	return caught;
}

static unsigned long frame_of(char *addr)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned long pfn = pagemap_get_pfn(pagemap, addr);

	close(pagemap);
	return pfn;
}

/* The error of the call, 0 if it worked; then SIGBUS may come at once. */
static int poison(char *addr, int advice)
{
	struct sigaction action = { .sa_handler = on_sigbus }, old;
	volatile int err = 0;

	sigaction(SIGBUS, &action, &old);
	if (!sigsetjmp(sigbus_env, 1))
		err = madvise(addr, psize(), advice) ? errno : 0;
	sigaction(SIGBUS, &old, NULL);
	return err;
}

#define POISON_OR_SKIP(addr, advice) ({					\
	int ret = poison(addr, advice);					\
									\
	if (ret == EPERM || ret == EINVAL)				\
		SKIP(return, "needs root and memory failure handling");	\
	ret;								\
})

/* Reads as a debugger does, where the kernel looks up the page. */
static bool read_by_gup(void *addr)
{
	char buffer[64];
	struct iovec local = { buffer, sizeof(buffer) };
	struct iovec remote = { addr, sizeof(buffer) };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) ==
	       sizeof(buffer);
}

/*
 * The captured page is lost.  The kernel cannot take it from its users, so it
 * refuses, but gives it to nobody any more.
 */
TEST_F(refpage_migrate, hwpoison_clean)
{
	long alive = refpage_vmstat("nr_refpage");
	char *other = refpage_map(self->page, OTHER_SEED);
	char *clean = self->area + CLEAN * self->page;
	unsigned long pfn = frame_of(clean);

	ASSERT_LE(1, alive);
	ASSERT_NE(MAP_FAILED, other);
	ASSERT_NE(0, POISON_OR_SKIP(clean, MADV_HWPOISON));
	EXPECT_EQ(pfn, frame_of(clean));
	EXPECT_TRUE(gets_sigbus(self->area + UNTOUCHED * self->page, false));
	EXPECT_TRUE(gets_sigbus(self->area + self->page *
				(NR_STATES + UNTOUCHED), true));
	EXPECT_TRUE(gets_sigbus(clean, true));
	EXPECT_EQ(-1, refpage_diff(self->area + PRIVATE * self->page,
				   self->model + PRIVATE * self->page,
				   self->page));
	EXPECT_CONTENT(other, self->page, OTHER_SEED);
	munmap(other, self->page);
	EXPECT_FALSE(read_by_gup(self->area + self->page *
				 (NR_STATES + CLEAN)));

	/* Only the page is lost: a mapping made from now on has its own. */
	other = refpage_map(self->page, SEED);
	ASSERT_NE(MAP_FAILED, other);
	EXPECT_CONTENT(other, self->page, SEED);
	munmap(other, self->page);

	/* Without users it is forgotten. */
	ASSERT_EQ(0, munmap(self->area, self->size));
	EXPECT_EQ(alive - 1, refpage_vmstat("nr_refpage"));
	unpoison_memory(pfn);
	self->area = refpage_map(self->size, SEED);
	ASSERT_NE(MAP_FAILED, self->area);
	EXPECT_CONTENT(self->area, self->size, SEED);
}

/* A content that the kernel knows without the captured page survives it. */
TEST_F(refpage_migrate, hwpoison_clean_pattern)
{
	char *map = refpage_map(2 * self->page, PATTERN);
	char *model = refpage_model(2 * self->page, PATTERN);
	unsigned long pfn;

	ASSERT_NE(MAP_FAILED, map);
	FORCE_READ(map[0]);
	pfn = frame_of(map);
	ASSERT_NE(0, POISON_OR_SKIP(map, MADV_HWPOISON));
	EXPECT_TRUE(gets_sigbus(map + self->page, false));
	map[7] = STORED;
	map[self->page + 7] = STORED;
	model[7] = STORED;
	model[self->page + 7] = STORED;
	EXPECT_EQ(-1, refpage_diff(map, model, 2 * self->page));
	ASSERT_EQ(0, munmap(map, 2 * self->page));
	unpoison_memory(pfn);
	free(model);
}

/* No huge page is filled from what is lost; private pages in the way stay. */
TEST_F(refpage_migrate, hwpoison_clean_huge)
{
	size_t huge = read_pmd_pagesize(), stored = 5 * self->page + 7;
	char *room, *area, *other;
	unsigned long pfn;

	if (!huge || huge > REFPAGE_MAX_HUGE)
		SKIP(return, "huge pages of %zu bytes", huge);
	room = refpage_carveout(4 * huge);
	ASSERT_NE(MAP_FAILED, room);
	area = (char *)(((uintptr_t)room + huge - 1) & ~(huge - 1));
	other = area + 2 * huge;
	ASSERT_EQ(area, refpage_map_at(area, 2 * huge, PROT_READ | PROT_WRITE,
				       MAP_FIXED, OTHER_SEED));
	ASSERT_EQ(other, refpage_map_at(other, huge, PROT_READ | PROT_WRITE,
					MAP_FIXED, SEED));
	area[stored] = STORED;
	FORCE_READ(area[0]);
	pfn = frame_of(area);
	ASSERT_NE(0, POISON_OR_SKIP(area, MADV_HWPOISON));

	/* Memory as it would be, */
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	ASSERT_EQ(0, madvise(area, 3 * huge, MADV_HUGEPAGE));
	other[0] = STORED;
	EXPECT_PRIVATE(other, huge, huge / self->page);
	/* and as it must not. */
	EXPECT_EQ(-1, madvise(area, huge, MADV_COLLAPSE));
	EXPECT_EQ(STORED, area[stored]);
	EXPECT_TRUE(gets_sigbus(area + huge, true));
	EXPECT_PRIVATE(area, 2 * huge, 1);
	ASSERT_EQ(0, munmap(room, 4 * huge));
	unpoison_memory(pfn);
}

/* A private page is lost alone; dropped, it reads as the reference content. */
TEST_F(refpage_migrate, hwpoison_private)
{
	char *page = self->area + PRIVATE * self->page;
	unsigned long pfn = frame_of(page);

	ASSERT_EQ(0, POISON_OR_SKIP(page, MADV_HWPOISON));
	EXPECT_TRUE(gets_sigbus(page, false));
	EXPECT_EQ(-1, refpage_diff(self->area, self->model,
				   PRIVATE * self->page));
	EXPECT_EQ(-1, refpage_diff(page + self->page,
				   self->model + (PRIVATE + 1) * self->page,
				   self->size - (PRIVATE + 1) * self->page));
	ASSERT_EQ(0, madvise(page, self->page, MADV_DONTNEED));
	EXPECT_CONTENT(page, self->page, SEED);
	unpoison_memory(pfn);
}

/* Taking a frame out of service: a clean page cannot, a private one moves. */
TEST_F(refpage_migrate, soft_offline)
{
	char *clean = self->area + CLEAN * self->page;
	char *private = self->area + PRIVATE * self->page;
	unsigned long clean_pfn = frame_of(clean), pfn = frame_of(private);

	POISON_OR_SKIP(clean, MADV_SOFT_OFFLINE);
	EXPECT_EQ(clean_pfn, frame_of(clean));
	EXPECT_AS_MODEL();
	ASSERT_EQ(0, madvise(private, self->page, MADV_SOFT_OFFLINE));
	EXPECT_NE(pfn, frame_of(private));
	EXPECT_AS_MODEL();
	EXPECT_STORES_WORK();
	unpoison_memory(pfn);
}

REFPAGE_TEST_MAIN
