// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MAP_REFPAGE under random operations, each checked against a model in ordinary
 * memory, and under threads that fault while the mapping is replaced.
 *
 * REFPAGE_SEED and REFPAGE_OPS in the environment repeat a run; REFPAGE_VERBOSE
 * prints each operation.
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include <asm-generic/mman.h> /* Force the import of the tools version. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include "hugepage_settings.h"
#include "refpage_sys.h"
#include "refpage_util.h"

#define NR_PAGES	128
#define MAX_RANGE	24
#define DEFAULT_OPS	3000
#define CHILD_OPS	25
#define CHECK_EVERY	100

/* What the model knows of a page, besides its bytes. */
struct page_state {
	int prot;
	bool mapped;
	bool refpage;
	bool freed;	/* MADV_FREE: may have become the base content */
	bool guard;
	bool locked;
	bool nofork;	/* MADV_DONTFORK */
};

struct world {
	__u64 random;
	unsigned long seed;
	unsigned long op;
	size_t page;
	char *arena;
	char *source;
	char *now;	/* what each page holds */
	char *base;	/* what it holds if nobody wrote to it */
	struct page_state state[NR_PAGES];
	struct procmap_fd procmap;
	int mem;
	bool child;
	bool verbose;
	const char *failed;
};

struct range {
	int first;
	int count;
};

static __u64 rnd(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random * 0x2545f4914f6cdd1dULL >> 16;
}

static unsigned int below(struct world *w, unsigned int n)
{
	return rnd(w) % n;
}

static bool one_in(struct world *w, unsigned int n)
{
	return !below(w, n);
}

static char *arena_at(struct world *w, int i)
{
	return w->arena + i * w->page;
}

static char *now_at(struct world *w, int i)
{
	return w->now + i * w->page;
}

static char *base_at(struct world *w, int i)
{
	return w->base + i * w->page;
}

static bool fail(struct world *w, const char *what, int i)
{
	if (!w->failed)
		ksft_print_msg("op %lu%s, page %d: %s\n", w->op,
			       w->child ? " of a child" : "", i, what);
	w->failed = what;
	return false;
}

static bool fail_call(struct world *w, const char *call, int i)
{
	ksft_print_msg("%s: %s\n", call, strerror(errno));
	return fail(w, call, i);
}

static void log_op(struct world *w, const char *name, struct range r)
{
	if (w->verbose)
		ksft_print_msg("op %lu%s: %s %d+%d\n", w->op,
			       w->child ? " of a child" : "", name, r.first,
			       r.count);
}

static struct range any_range(struct world *w)
{
	struct range r = { .first = below(w, NR_PAGES) };
	int most = NR_PAGES - r.first;

	r.count = 1 + below(w, most < MAX_RANGE ? most : MAX_RANGE);
	return r;
}

/* A range of pages that all pass @ok, of no pages if chance finds none. */
static struct range range_of(struct world *w,
			     bool (*ok)(const struct page_state *s))
{
	struct range r;
	int tries, n;

	for (tries = 0; tries < 8; tries++) {
		r = any_range(w);
		for (n = 0; n < r.count && ok(&w->state[r.first + n]); n++)
			;
		r.count = n;
		if (n)
			break;
	}
	return r;
}

static bool is_mapped(const struct page_state *s)
{
	return s->mapped;
}

static bool is_plain(const struct page_state *s)
{
	return s->mapped && !s->locked && !s->guard;
}

static bool is_unlocked(const struct page_state *s)
{
	return s->mapped && !s->locked;
}

static bool is_readable(const struct page_state *s)
{
	return s->mapped && !s->guard && (s->prot & PROT_READ);
}

static bool is_writable(const struct page_state *s)
{
	return is_readable(s) && (s->prot & PROT_WRITE);
}

/* Nothing was ever written, or all of it was dropped. */
static void model_drop(struct world *w, int i)
{
	memcpy(now_at(w, i), base_at(w, i), w->page);
	w->state[i].freed = false;
}

/* A page with MADV_FREE is one thing or the other; from here on it is known. */
static bool settle(struct world *w, int i, const char *seen)
{
	if (!memcmp(seen, now_at(w, i), w->page))
		return true;
	if (!w->state[i].freed || memcmp(seen, base_at(w, i), w->page))
		return false;
	model_drop(w, i);
	return true;
}

static bool check_page(struct world *w, int i)
{
	if (!is_readable(&w->state[i]) || settle(w, i, arena_at(w, i)))
		return true;
	ksft_print_msg("page %d differs at byte %zd, %s mapping\n", i,
		       refpage_diff(arena_at(w, i), now_at(w, i), w->page),
		       w->state[i].refpage ? "reference" : "ordinary");
	return fail(w, "wrong bytes", i);
}

static bool check_all(struct world *w)
{
	bool ok = true;

	for (int i = 0; i < NR_PAGES; i++)
		ok &= check_page(w, i);
	return ok;
}

static int any_prot(struct world *w)
{
	static const int prots[] = {
		PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE,
	};

	return prots[below(w, ARRAY_SIZE(prots))];
}

static void model_map(struct world *w, struct range r, int prot, bool refpage,
		      const char *content)
{
	for (int i = r.first; i < r.first + r.count; i++) {
		w->state[i] = (struct page_state) {
			.mapped = true,
			.prot = prot,
			.refpage = refpage,
		};
		memcpy(base_at(w, i), content, w->page);
		model_drop(w, i);
	}
}

/* A reference page: one of a few contents, or any page of the arena. */
static const char *any_source(struct world *w)
{
	static const unsigned int seeds[] = {
		1, 2, 3, REFPAGE_ZEROS, REFPAGE_REPEAT(4, 1),
		REFPAGE_REPEAT(5, 8), REFPAGE_REPEAT(6, 16),
	};
	struct range r = range_of(w, is_readable);

	if (r.count && one_in(w, 4)) {
		check_page(w, r.first);
		if (!w->state[r.first].freed)
			return arena_at(w, r.first);
	}
	refpage_fill(w->source, w->page, seeds[below(w, ARRAY_SIZE(seeds))]);
	return w->source;
}

static bool op_map(struct world *w)
{
	struct range r = any_range(w);
	const char *source = any_source(w);
	char content[w->page];
	int prot = any_prot(w), flags = MAP_FIXED;

	if (one_in(w, 8))
		flags |= MAP_POPULATE;
	if (one_in(w, 8))
		flags |= MAP_NORESERVE;
	memcpy(content, source, w->page);
	log_op(w, "map", r);
	if (refpage_mmap(arena_at(w, r.first), r.count * w->page, prot, flags,
			 source) == MAP_FAILED)
		return fail_call(w, "mmap", r.first);
	model_map(w, r, prot, true, content);
	/* The capture is over: this must change nothing. */
	memset(w->source, 0xee, w->page);
	return true;
}

static bool op_map_plain(struct world *w)
{
	struct range r = any_range(w);
	char content[w->page];
	int prot = any_prot(w);

	memset(content, 0, w->page);
	log_op(w, "map plain", r);
	if (mmap(arena_at(w, r.first), r.count * w->page, prot, MAP_FIXED |
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		return fail_call(w, "mmap of ordinary memory", r.first);
	model_map(w, r, prot, false, content);
	return true;
}

static bool op_unmap(struct world *w)
{
	struct range r = any_range(w);

	log_op(w, "unmap", r);
	if (munmap(arena_at(w, r.first), r.count * w->page))
		return fail_call(w, "munmap", r.first);
	memset(&w->state[r.first], 0, r.count * sizeof(w->state[0]));
	return true;
}

static bool op_protect(struct world *w)
{
	struct range r = range_of(w, is_mapped);
	int prot = any_prot(w);

	if (!r.count)
		return true;
	log_op(w, "protect", r);
	if (mprotect(arena_at(w, r.first), r.count * w->page, prot))
		return fail_call(w, "mprotect", r.first);
	for (int i = r.first; i < r.first + r.count; i++)
		w->state[i].prot = prot;
	return true;
}

/* Stores within a page; one with MADV_FREE may have become either. */
static bool store(struct world *w, int i, bool remote)
{
	char saved[w->page], dropped[w->page];
	size_t at = below(w, w->page - 16), len = 1 + below(w, 16);
	__u64 bytes[2] = { rnd(w), rnd(w) };
	char *to = arena_at(w, i) + at;

	memcpy(saved, now_at(w, i), w->page);
	memcpy(dropped, base_at(w, i), w->page);
	memcpy(saved + at, bytes, len);
	memcpy(dropped + at, bytes, len);
	if (!remote)
		memcpy(to, bytes, len);
	else if (pwrite(w->mem, bytes, len, (uintptr_t)to) != len)
		return fail_call(w, "write by /proc/self/mem", i);
	memcpy(now_at(w, i), w->state[i].freed &&
	       !memcmp(arena_at(w, i), dropped, w->page) ? dropped : saved,
	       w->page);
	w->state[i].freed = false;
	return check_page(w, i);
}

static bool op_store(struct world *w)
{
	struct range r = range_of(w, is_writable);
	bool remote = one_in(w, 3);

	log_op(w, remote ? "store by mem" : "store", r);
	for (int i = r.first; i < r.first + r.count; i++)
		if (!store(w, i, remote))
			return false;
	return true;
}

static bool op_read(struct world *w)
{
	struct range r = range_of(w, is_readable);
	char seen[w->page];

	log_op(w, "read", r);
	for (int i = r.first; i < r.first + r.count; i++) {
		if (pread(w->mem, seen, w->page, (uintptr_t)arena_at(w, i)) !=
		    w->page)
			return fail_call(w, "read by /proc/self/mem", i);
		if (!settle(w, i, seen))
			return fail(w, "wrong bytes by /proc/self/mem", i);
	}
	return true;
}

/* Advice that changes no byte, whatever it answers. */
static bool op_advise(struct world *w)
{
	static const int hints[] = {
		MADV_COLD, MADV_PAGEOUT, MADV_MERGEABLE, MADV_UNMERGEABLE,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLLAPSE,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_WILLNEED,
		MADV_DONTDUMP, MADV_DODUMP,
	};
	struct range r = range_of(w, is_mapped);

	log_op(w, "advise", r);
	if (r.count)
		madvise(arena_at(w, r.first), r.count * w->page,
			hints[below(w, ARRAY_SIZE(hints))]);
	return true;
}

static bool op_drop(struct world *w)
{
	struct range r = range_of(w, is_unlocked);

	if (!r.count)
		return true;
	log_op(w, "drop", r);
	if (madvise(arena_at(w, r.first), r.count * w->page, MADV_DONTNEED))
		return fail_call(w, "MADV_DONTNEED", r.first);
	for (int i = r.first; i < r.first + r.count; i++)
		model_drop(w, i);
	return true;
}

static bool op_free(struct world *w)
{
	struct range r = range_of(w, is_unlocked);

	if (!r.count)
		return true;
	log_op(w, "free", r);
	if (madvise(arena_at(w, r.first), r.count * w->page, MADV_FREE))
		return fail_call(w, "MADV_FREE", r.first);
	for (int i = r.first; i < r.first + r.count; i++)
		w->state[i].freed = true;
	return true;
}

static bool op_guard(struct world *w)
{
	struct range r = range_of(w, is_unlocked);
	bool install = one_in(w, 2);

	if (!r.count)
		return true;
	log_op(w, install ? "guard" : "unguard", r);
	if (madvise(arena_at(w, r.first), r.count * w->page,
		    install ? MADV_GUARD_INSTALL : MADV_GUARD_REMOVE))
		return fail_call(w, "MADV_GUARD", r.first);
	for (int i = r.first; i < r.first + r.count; i++) {
		if (install)
			model_drop(w, i);
		w->state[i].guard = install;
	}
	return true;
}

/*
 * Not MADV_WIPEONFORK: in the child, a VMA that was written and moved before
 * has no anon_vma but an old offset, which trips assert_sane_pgoff() when it
 * is split. Plain anonymous memory does the same.
 */
static bool op_fork_advice(struct world *w)
{
	struct range r = range_of(w, is_mapped);
	bool on = one_in(w, 3);
	int advice = on ? MADV_DONTFORK : MADV_DOFORK;

	if (!r.count)
		return true;
	log_op(w, "advise for fork", r);
	if (madvise(arena_at(w, r.first), r.count * w->page, advice))
		return fail_call(w, "advice for fork", r.first);
	for (int i = r.first; i < r.first + r.count; i++)
		w->state[i].nofork = on;
	return true;
}

static bool op_lock(struct world *w)
{
	struct range r = range_of(w, is_mapped);
	bool lock = one_in(w, 3);

	if (!r.count)
		return true;
	log_op(w, lock ? "lock" : "unlock", r);
	/* Of pages that cannot be populated mlock() complains, and locks. */
	if (lock)
		mlock(arena_at(w, r.first), r.count * w->page);
	else if (munlock(arena_at(w, r.first), r.count * w->page))
		return fail_call(w, "munlock", r.first);
	for (int i = r.first; i < r.first + r.count; i++)
		w->state[i].locked = lock;
	return true;
}

/* A part of one VMA without locked or guarded pages; of no pages if none. */
static struct range movable_range(struct world *w)
{
	struct range r = range_of(w, is_plain);
	int most;

	if (!r.count)
		return r;
	if (!find_vma_procmap(&w->procmap, arena_at(w, r.first))) {
		fail(w, "no VMA where one was mapped", r.first);
		r.count = 0;
		return r;
	}
	most = (w->procmap.query.vma_end - (uintptr_t)arena_at(w, r.first)) /
	       w->page;
	if (r.count > most)
		r.count = most;
	return r;
}

static bool overlap(struct range a, struct range b)
{
	return a.first < b.first + b.count && b.first < a.first + a.count;
}

/* Moves what the model knows; pages beyond the old size are as new. */
static void model_move(struct world *w, struct range from, struct range to,
		       bool keep)
{
	for (int i = 0; i < to.count; i++) {
		int old = from.first + (i < from.count ? i : 0);
		int new = to.first + i;

		w->state[new] = w->state[old];
		memcpy(base_at(w, new), base_at(w, old), w->page);
		memcpy(now_at(w, new), now_at(w, old), w->page);
		if (i >= from.count)
			model_drop(w, new);
	}
	for (int i = from.first; i < from.first + from.count; i++) {
		if (keep)
			model_drop(w, i);
		else
			w->state[i] = (struct page_state) {};
	}
}

static bool op_move(struct world *w)
{
	struct range from = movable_range(w), to = any_range(w);
	bool keep = one_in(w, 3);
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;

	if (keep || to.count < from.count)
		to.count = from.count;
	if (!from.count || to.first + to.count > NR_PAGES || overlap(from, to))
		return !w->failed;
	if (keep)
		flags |= MREMAP_DONTUNMAP;
	log_op(w, "move from", from);
	log_op(w, keep ? "move, keep, to" : "move to", to);
	if (mremap(arena_at(w, from.first), from.count * w->page,
		   to.count * w->page, flags, arena_at(w, to.first)) ==
	    MAP_FAILED)
		return fail_call(w, "mremap", from.first);
	model_move(w, from, to, keep);
	return true;
}

static bool one_op(struct world *w);

static int child_main(struct world *w, __u64 random)
{
	w->child = true;
	w->random = random;
	for (int i = 0; i < NR_PAGES; i++) {
		struct page_state *s = &w->state[i];

		s->locked = false;
		if (s->nofork)
			*s = (struct page_state) {};
	}
	close(w->mem);
	close_procmap(&w->procmap);
	w->mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (w->mem < 0 || open_self_procmap(&w->procmap))
		return 1;
	check_all(w);
	for (w->op = 0; w->op < CHILD_OPS && !w->failed; w->op++)
		one_op(w);
	check_all(w);
	return w->failed ? 1 : 0;
}

static bool op_fork(struct world *w)
{
	__u64 random = rnd(w) | 1;
	bool exec = one_in(w, 4);
	int status;
	pid_t pid;

	if (w->child)
		return true;
	log_op(w, exec ? "fork and exec" : "fork", (struct range) {});
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return fail_call(w, "fork", -1);
	if (!pid && exec) {
		execl("/proc/self/exe", "refpage_stress", "exit", NULL);
		_exit(1);
	}
	if (!pid) {
		status = child_main(w, random);
		fflush(stdout);
		_exit(status);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		return fail(w, "child", -1);
	return check_all(w);
}

static bool one_op(struct world *w)
{
	static bool (* const ops[])(struct world *w) = {
		op_map, op_map, op_map, op_map_plain, op_unmap, op_protect,
		op_protect, op_store, op_store, op_store, op_store, op_read,
		op_advise, op_advise, op_drop, op_free, op_guard, op_move,
		op_move, op_lock, op_fork_advice, op_fork,
	};

	return ops[below(w, ARRAY_SIZE(ops))](w);
}

static unsigned long number_from_env(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

static char *anonymous(size_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

REFPAGE_FIXTURE(refpage_stress)

TEST_F_TIMEOUT(refpage_stress, model, 600)
{
	static struct world w;
	unsigned long ops = number_from_env("REFPAGE_OPS", DEFAULT_OPS);
	long alive = refpage_vmstat("nr_refpage");
	size_t size = NR_PAGES * psize();

	ASSERT_LE(0, alive);
	w.seed = number_from_env("REFPAGE_SEED", time(NULL) ^ getpid() << 16);
	w.random = w.seed * 0x9e3779b97f4a7c15ULL | 1;
	w.verbose = getenv("REFPAGE_VERBOSE");
	w.page = psize();
	w.arena = refpage_carveout(size);
	w.now = anonymous(size);
	w.base = anonymous(size);
	w.source = anonymous(w.page);
	w.mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, w.mem);
	ASSERT_EQ(0, open_self_procmap(&w.procmap));
	ASSERT_EQ(0, munmap(w.arena, size));
	ksft_print_msg("REFPAGE_SEED=%lu REFPAGE_OPS=%lu\n", w.seed, ops);

	for (w.op = 0; w.op < ops && !w.failed; w.op++) {
		one_op(&w);
		if (w.op % CHECK_EVERY == 0)
			check_all(&w);
	}
	check_all(&w);
	EXPECT_EQ(NULL, w.failed);
	munmap(w.arena, size);
	EXPECT_EQ(alive, refpage_vmstat("nr_refpage"));
}

/*
 * Threads: loads, stores and advice while the mapping is replaced by one of
 * another reference page, taken away for a moment, or inherited by a child.
 * Each word that is read is of one of the two contents, or was stored by these
 * threads.
 */
#define NR_WORKERS	4
#define AREA_PAGES	32
#define FORK_EVERY	8
#define THP_ENABLED	"/sys/kernel/mm/transparent_hugepage/enabled"
#define SEED_A		0xb1
#define SEED_B		0xb2
#define SEED_STORED	0xb3

static struct race {
	pthread_barrier_t start;
	unsigned long *words[3];	/* one page of each content */
	unsigned long *area;
	size_t page;
	size_t size;
	bool huge;
	bool stop;
	int wrong;
	unsigned long loads;
	unsigned long faults;
} race;

static __thread sigjmp_buf fault_env;

static void on_fault(int sig)
{
	siglongjmp(fault_env, 1);
}

static bool is_known(unsigned long word, size_t in_page)
{
	for (int i = 0; i < ARRAY_SIZE(race.words); i++)
		if (word == race.words[i][in_page])
			return true;
	return false;
}

static bool all_known(void)
{
	size_t per_page = race.page / sizeof(long);

	for (size_t i = 0; i < race.size / sizeof(long); i++)
		if (!is_known(race.area[i], i % per_page))
			return false;
	return true;
}

/* All of the area: dropped, or collapsed to a huge page now and then. */
static void race_advise(struct world *w)
{
	madvise(race.area, race.size,
		one_in(w, 8) ? MADV_COLLAPSE : MADV_DONTNEED);
}

/*
 * One access at random; false for a word that nobody can have put there.  A huge
 * page comes from a store where nothing is, so those are the most then.
 */
static bool race_access(struct world *w)
{
	size_t per_page = race.page / sizeof(long);
	size_t i = below(w, race.size / sizeof(long));
	volatile unsigned long *at = race.area + i;
	unsigned int op = below(w, 32);

	if (op < (race.huge ? 24 : 8)) {
		*at = race.words[2][i % per_page];
		return true;
	}
	if (op < (race.huge ? 25 : 12)) {
		madvise((char *)race.area + i / per_page * race.page,
			race.page, MADV_DONTNEED);
		return true;
	}
	if (op < 26 && race.huge) {
		race_advise(w);
		return true;
	}
	__atomic_fetch_add(&race.loads, 1, __ATOMIC_RELAXED);
	return is_known(*at, i % per_page);
}

static void *race_worker(void *arg)
{
	struct world w = { .random = (uintptr_t)arg * 0x9e3779b97f4a7c15ULL | 1 };

	pthread_barrier_wait(&race.start);
	while (!__atomic_load_n(&race.stop, __ATOMIC_RELAXED)) {
		/* The mask is not saved: the handler runs with SA_NODEFER. */
		if (sigsetjmp(fault_env, 0)) {
			__atomic_fetch_add(&race.faults, 1, __ATOMIC_RELAXED);
			continue;
		}
		if (!race_access(&w))
			__atomic_fetch_add(&race.wrong, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Nobody changes the mapping of a child: all of it is there to be looked at. */
static int race_child(void)
{
	signal(SIGSEGV, SIG_DFL);
	if (!all_known())
		return 1;
	for (size_t at = 0; at < race.size; at += race.page)
		memcpy((char *)race.area + at, race.words[2], race.page / 2);
	return all_known() ? 0 : 2;
}

/* The exit status of a child that inherits the mapping, -1 if there is none. */
static int race_fork(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(race_child());
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static bool race_map(int content)
{
	return refpage_mmap(race.area, race.size, PROT_READ | PROT_WRITE,
			    MAP_FIXED, race.words[content]) == race.area;
}

FIXTURE(refpage_threads)
{
	struct refpage_setting thp;
	char *room;
	long alive;
	int kmsg;
};

FIXTURE_VARIANT(refpage_threads)
{
	bool huge;
	int remaps;
};

FIXTURE_VARIANT_ADD(refpage_threads, base_pages)
{
	.remaps = 1500,
};

FIXTURE_VARIANT_ADD(refpage_threads, huge_pages)
{
	.huge = true,
	.remaps = 400,
};

FIXTURE_SETUP(refpage_threads)
{
	static const unsigned int seeds[] = { SEED_A, SEED_B, SEED_STORED };
	uintptr_t at;
	int i;

	self->kmsg = refpage_kmsg_open();
	self->thp.path[0] = '\0';
	race.page = psize();
	race.huge = variant->huge;
	race.size = AREA_PAGES * race.page;
	if (race.huge) {
		race.size = thp_available() ? read_pmd_pagesize() : 0;
		if (!race.size || race.size > REFPAGE_MAX_HUGE)
			SKIP(return, "huge pages of %zu bytes", race.size);
		if (refpage_set(&self->thp, THP_ENABLED, "always"))
			SKIP(return, "needs root, to turn huge pages on");
	}
	self->alive = refpage_vmstat("nr_refpage");
	ASSERT_LE(0, self->alive);
	self->room = refpage_carveout(2 * race.size);
	at = (uintptr_t)self->room + race.size - 1;
	race.area = (unsigned long *)(at - at % race.size);
	for (i = 0; i < ARRAY_SIZE(seeds); i++)
		race.words[i] = (unsigned long *)refpage_source(seeds[i]);
	ASSERT_TRUE(race_map(0));
}

FIXTURE_TEARDOWN(refpage_threads)
{
	munmap(self->room, 2 * race.size);
	refpage_restore(&self->thp);
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

TEST_F_TIMEOUT(refpage_threads, remap, 300)
{
	const struct sigaction action = {
		.sa_handler = on_fault,
		.sa_flags = SA_NODEFER,
	};
	long huge = refpage_vmstat("thp_fault_alloc");
	pthread_t workers[NR_WORKERS];
	int i;

	ASSERT_EQ(0, sigaction(SIGSEGV, &action, NULL));
	ASSERT_EQ(0, pthread_barrier_init(&race.start, NULL, NR_WORKERS + 1));
	for (i = 0; i < NR_WORKERS; i++) {
		ASSERT_EQ(0, pthread_create(&workers[i], NULL, race_worker,
					    (void *)(uintptr_t)(i + 1)));
	}

	pthread_barrier_wait(&race.start);
	for (i = 0; i < variant->remaps; i++) {
		if (i % 5 == 4) {
			ASSERT_EQ(0, munmap(race.area, race.size));
		}
		ASSERT_TRUE(race_map(i % 2));
		if (i % FORK_EVERY == 0) {
			EXPECT_EQ(0, race_fork());
		}
	}
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < NR_WORKERS; i++)
		pthread_join(workers[i], NULL);

	EXPECT_EQ(0, race.wrong);
	EXPECT_LT(0, race.loads);
	huge = refpage_vmstat("thp_fault_alloc") - huge;
	if (variant->huge) {
		EXPECT_LT(0, huge);
	}
	ksft_print_msg("%lu loads, %lu accesses to no mapping, %ld huge faults\n",
		       race.loads, race.faults, huge);
	munmap(race.area, race.size);
	EXPECT_EQ(self->alive, refpage_vmstat("nr_refpage"));
}

int main(int argc, char **argv)
{
	/* What the children of the model execute. */
	if (argc == 2 && !strcmp(argv[1], "exit"))
		return 0;
	refpage_require();
	return test_harness_run(argc, argv);
}
