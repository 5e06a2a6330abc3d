// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MAP_REFPAGE under userfaultfd: a page that was never written is missing as
 * one of anonymous memory is, what the monitor puts there stays, and only what
 * nobody wrote reads as the reference content.
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include <asm-generic/mman.h> /* Force the import of the tools version. */
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "refpage_sys.h"
#include "refpage_util.h"

#define NR_PAGES	8
#define SEED		0x51
#define OTHER_SEED	0x52
#define STORED		0x5a
#define EVENT_TIMEOUT	20000
#define SPLIT_DEBUGFS	"/sys/kernel/debug/split_huge_pages"

FIXTURE(refpage_uffd)
{
	size_t page;
	size_t size;
	char *area;
	char *other;
	int uffd;
	int kmsg;
};

FIXTURE_SETUP(refpage_uffd)
{
	self->kmsg = refpage_kmsg_open();
	refpage_base_pages();
	self->uffd = -1;
	self->page = psize();
	self->size = NR_PAGES * self->page;
	self->area = refpage_map(self->size, SEED);
	ASSERT_NE(MAP_FAILED, self->area);
	self->other = refpage_source(OTHER_SEED);
}

FIXTURE_TEARDOWN(refpage_uffd)
{
	if (self->uffd >= 0)
		close(self->uffd);
	munmap(self->area, self->size);
	munmap(self->other, self->page);
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

static int uffd_api(__u64 *features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = *features };
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd < 0)
		return -1;
	if (ioctl(uffd, UFFDIO_API, &api)) {
		close(uffd);
		return -1;
	}
	*features = api.features;
	return uffd;
}

/* A userfaultfd with these features, -1 where the kernel lacks one of them. */
static int uffd_open(__u64 features)
{
	__u64 known = 0;
	int probe = uffd_api(&known);

	if (probe < 0)
		return -1;
	close(probe);
	if ((known & features) != features)
		return -1;
	return uffd_api(&features);
}

#define UFFD_OPEN_OR_SKIP(features) do {				\
	self->uffd = uffd_open(features);				\
	if (self->uffd < 0)						\
		SKIP(return, "no userfaultfd with the features that this needs"); \
} while (0)

static int uffd_watch(int uffd, void *addr, size_t len, __u64 mode)
{
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)addr, .len = len },
		.mode = mode,
	};

	return ioctl(uffd, UFFDIO_REGISTER, &reg) ? -errno : 0;
}

static int uffd_copy(int uffd, void *dst, const void *src, size_t len,
		     __u64 mode)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)dst,
		.src = (uintptr_t)src,
		.len = len,
		.mode = mode,
	};

	return ioctl(uffd, UFFDIO_COPY, &copy) ? -errno : 0;
}

static int uffd_zeropage(int uffd, void *addr, size_t len)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)addr, .len = len },
	};

	return ioctl(uffd, UFFDIO_ZEROPAGE, &zero) ? -errno : 0;
}

static int uffd_move(int uffd, void *dst, void *src, size_t len)
{
	struct uffdio_move move = {
		.dst = (uintptr_t)dst,
		.src = (uintptr_t)src,
		.len = len,
		.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES,
	};

	return ioctl(uffd, UFFDIO_MOVE, &move) ? -errno : 0;
}

static int uffd_wp(int uffd, void *addr, size_t len, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = (uintptr_t)addr, .len = len },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(uffd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
}

static int uffd_rwp(int uffd, void *addr, size_t len, bool on)
{
	struct uffdio_rwprotect rwp = {
		.range = { .start = (uintptr_t)addr, .len = len },
		.mode = on ? UFFDIO_RWPROTECT_MODE_RWP : 0,
	};

	return ioctl(uffd, UFFDIO_RWPROTECT, &rwp) ? -errno : 0;
}

static int uffd_poison(int uffd, void *addr, size_t len)
{
	struct uffdio_poison poison = {
		.range = { .start = (uintptr_t)addr, .len = len },
	};

	return ioctl(uffd, UFFDIO_POISON, &poison) ? -errno : 0;
}

static bool uffd_pending(int uffd, int timeout)
{
	struct pollfd pfd = { .fd = uffd, .events = POLLIN };

	return poll(&pfd, 1, timeout) == 1;
}

/*
 * Waits for the page fault event at @addr.  Its flags, -1 if something else
 * came or nothing did.
 */
static long uffd_event(int uffd, const void *addr)
{
	struct uffd_msg msg;
	__u64 page = (uintptr_t)addr & ~((__u64)psize() - 1);

	if (!uffd_pending(uffd, EVENT_TIMEOUT) ||
	    read(uffd, &msg, sizeof(msg)) != sizeof(msg) ||
	    msg.event != UFFD_EVENT_PAGEFAULT ||
	    msg.arg.pagefault.address != page)
		return -1;
	return msg.arg.pagefault.flags;
}

/* One access by another thread, which the test's own thread resolves. */
struct access {
	pthread_t thread;
	char *addr;
	bool write;
	char seen;
};

static void *access_thread(void *arg)
{
	struct access *a = arg;

	if (a->write)
		*(volatile char *)a->addr = STORED;
	else
		a->seen = *(volatile char *)a->addr;
	return NULL;
}

static int access_start(struct access *a, char *addr, bool write)
{
	*a = (struct access) { .addr = addr, .write = write };
	return pthread_create(&a->thread, NULL, access_thread, a);
}

static sigjmp_buf sigbus_env;

static void on_sigbus(int sig)
{
	siglongjmp(sigbus_env, 1);
}

static bool read_gets_sigbus(const char *addr)
{
	struct sigaction action = { .sa_handler = on_sigbus }, old;
	bool caught = true;

	sigaction(SIGBUS, &action, &old);
	if (!sigsetjmp(sigbus_env, 1)) {
		FORCE_READ(*addr);
		caught = false;
	}
	sigaction(SIGBUS, &old, NULL);
	return caught;
}

/* The page has the content of @seed but for one stored byte. */
static bool one_store(const char *page, size_t at, unsigned int seed)
{
	char want[psize()];

	refpage_fill(want, psize(), seed);
	want[at] = STORED;
	return !memcmp(page, want, psize());
}

#define EXPECT_ONE_STORE(page, at, seed) \
	EXPECT_TRUE(one_store(page, at, seed))

/* A load from a page that was never written is an event, not yet a page. */
TEST_F(refpage_uffd, missing_read)
{
	struct access a;

	UFFD_OPEN_OR_SKIP(0);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, access_start(&a, self->area + self->page + 5, false));
	EXPECT_EQ(0, uffd_event(self->uffd, a.addr));
	ASSERT_EQ(0, uffd_copy(self->uffd, self->area + self->page,
			       self->other, self->page, 0));
	ASSERT_EQ(0, pthread_join(a.thread, NULL));

	EXPECT_EQ(self->other[5], a.seen);
	EXPECT_CONTENT(self->area + self->page, self->page, OTHER_SEED);
	ASSERT_EQ(0, uffd_unregister(self->uffd, self->area, self->size));
	EXPECT_CONTENT(self->area, self->page, SEED);
	EXPECT_CONTENT(self->area + 2 * self->page, self->page, SEED);
}

/* A store to a page that was never written is a write event. */
TEST_F(refpage_uffd, missing_write)
{
	struct access a;

	UFFD_OPEN_OR_SKIP(0);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, access_start(&a, self->area + 7, true));
	EXPECT_EQ(UFFD_PAGEFAULT_FLAG_WRITE, uffd_event(self->uffd, a.addr));
	ASSERT_EQ(0, uffd_copy(self->uffd, self->area, self->other,
			       self->page, 0));
	ASSERT_EQ(0, pthread_join(a.thread, NULL));

	EXPECT_ONE_STORE(self->area, 7, OTHER_SEED);
}

/* The monitor lets go: the waiting store copies from the reference page. */
TEST_F(refpage_uffd, missing_write_unregister)
{
	struct access a;

	UFFD_OPEN_OR_SKIP(0);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, access_start(&a, self->area + 9, true));
	EXPECT_EQ(UFFD_PAGEFAULT_FLAG_WRITE, uffd_event(self->uffd, a.addr));
	ASSERT_EQ(0, uffd_unregister(self->uffd, self->area, self->size));
	ASSERT_EQ(0, pthread_join(a.thread, NULL));

	EXPECT_ONE_STORE(self->area, 9, SEED);
	EXPECT_CONTENT(self->area + self->page, self->size - self->page, SEED);
	EXPECT_PRIVATE(self->area, self->size, 1);
}

/* A page that was loaded from is there: no event, and nothing to copy to. */
TEST_F(refpage_uffd, mapped_clean_is_not_missing)
{
	UFFD_OPEN_OR_SKIP(0);
	force_read_pages(self->area, NR_PAGES, self->page);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_CONTENT(self->area, self->size, SEED);
	EXPECT_EQ(-EEXIST, uffd_copy(self->uffd, self->area, self->other,
				     self->page, 0));
	EXPECT_EQ(-EEXIST, uffd_zeropage(self->uffd, self->area, self->page));
	self->area[3] = STORED;
	EXPECT_FALSE(uffd_pending(self->uffd, 0));
	EXPECT_ONE_STORE(self->area, 3, SEED);
}

/* Only what is loaded from gets mapped, though the loads are in a row. */
TEST_F(refpage_uffd, no_load_ahead)
{
	unsigned char present;
	int i;

	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_WP));
	for (i = 0; i < NR_PAGES - 1; i++) {
		FORCE_READ(self->area[i * self->page]);
		ASSERT_EQ(0, mincore(self->area + (i + 1) * self->page,
				     self->page, &present));
		EXPECT_EQ(0, present & 1);
	}
}

/* MADV_DONTNEED makes the page missing again. */
TEST_F(refpage_uffd, dontneed_is_missing)
{
	struct access a;

	UFFD_OPEN_OR_SKIP(0);
	refpage_fill(self->area, self->size, OTHER_SEED);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, madvise(self->area, self->page, MADV_DONTNEED));
	ASSERT_EQ(0, access_start(&a, self->area, false));
	EXPECT_EQ(0, uffd_event(self->uffd, a.addr));
	ASSERT_EQ(0, uffd_unregister(self->uffd, self->area, self->size));
	ASSERT_EQ(0, pthread_join(a.thread, NULL));

	EXPECT_EQ((char)refpage_byte(0, SEED), a.seen);
	EXPECT_CONTENT(self->area, self->page, SEED);
	EXPECT_CONTENT(self->area + self->page, self->size - self->page,
		       OTHER_SEED);
}

/* SIGBUS in place of an event, for loads of never-written pages alone. */
TEST_F(refpage_uffd, missing_sigbus)
{
	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_SIGBUS);
	FORCE_READ(self->area[0]);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_FALSE(read_gets_sigbus(self->area));
	EXPECT_TRUE(read_gets_sigbus(self->area + self->page));
	ASSERT_EQ(0, uffd_unregister(self->uffd, self->area, self->size));
	EXPECT_CONTENT(self->area, self->size, SEED);
}

/* A system call that reads a never-written page waits for the monitor too. */
static void *pipe_thread(void *arg)
{
	struct access *a = arg;
	int fds[2];

	if (pipe(fds))
		return NULL;
	if (write(fds[1], a->addr, 1) == 1 && read(fds[0], &a->seen, 1) != 1)
		a->seen = 0;
	close(fds[0]);
	close(fds[1]);
	return NULL;
}

TEST_F(refpage_uffd, missing_in_syscall)
{
	struct access a = { .addr = self->area + self->page + 11 };

	UFFD_OPEN_OR_SKIP(0);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, pthread_create(&a.thread, NULL, pipe_thread, &a));
	EXPECT_EQ(0, uffd_event(self->uffd, a.addr));
	ASSERT_EQ(0, uffd_copy(self->uffd, self->area + self->page,
			       self->other, self->page, 0));
	ASSERT_EQ(0, pthread_join(a.thread, NULL));
	EXPECT_EQ(self->other[11], a.seen);
}

/* What UFFDIO_COPY put there is private memory, to the byte and in the RSS. */
TEST_F(refpage_uffd, copy)
{
	UFFD_OPEN_OR_SKIP(0);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, uffd_copy(self->uffd, self->area + 2 * self->page,
			       self->other, self->page, 0));
	ASSERT_EQ(0, uffd_unregister(self->uffd, self->area, self->size));
	self->area[2 * self->page + 1] = STORED;

	EXPECT_ONE_STORE(self->area + 2 * self->page, 1, OTHER_SEED);
	EXPECT_CONTENT(self->area, 2 * self->page, SEED);
	EXPECT_CONTENT(self->area + 3 * self->page, self->size - 3 * self->page,
		       SEED);
	EXPECT_PRIVATE(self->area, self->size, 1);
}

/*
 * Zeros asked for are zeros for good.  These put zeros into pages 0 to 3 and
 * then do what used to treat "the zero page" and "never written" alike.
 */
#define NR_ZEROED	4

FIXTURE(refpage_zeroed)
{
	size_t page;
	size_t size;
	char *room;
	char *area;
	int uffd;
	int kmsg;
};

FIXTURE_SETUP(refpage_zeroed)
{
	self->kmsg = refpage_kmsg_open();
	self->page = psize();
	self->size = NR_PAGES * self->page;
	self->uffd = -1;
	self->room = refpage_carveout(2 * self->size);
	self->area = refpage_map_at(self->room, self->size,
				    PROT_READ | PROT_WRITE, MAP_FIXED, SEED);
	ASSERT_EQ(self->room, self->area);
	UFFD_OPEN_OR_SKIP(0);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, uffd_zeropage(self->uffd, self->area,
				   NR_ZEROED * self->page));
	ASSERT_EQ(0, uffd_unregister(self->uffd, self->area, self->size));
}

FIXTURE_TEARDOWN(refpage_zeroed)
{
	if (self->uffd >= 0)
		close(self->uffd);
	munmap(self->area, self->size);
	munmap(self->room, 2 * self->size);
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

#define EXPECT_ZEROED(area) do {					\
	EXPECT_CONTENT(area, NR_ZEROED * self->page, REFPAGE_ZEROS);	\
	EXPECT_CONTENT((area) + NR_ZEROED * self->page,			\
		       (NR_PAGES - NR_ZEROED) * self->page, SEED);	\
} while (0)

/* Stores to the first zeroed page: the rest of it stays zeros. */
#define EXPECT_ZEROS_AFTER_STORE(area) do {				\
	(area)[13] = STORED;						\
	EXPECT_ONE_STORE(area, 13, REFPAGE_ZEROS);			\
	EXPECT_CONTENT((area) + self->page,				\
		       (NR_ZEROED - 1) * self->page, REFPAGE_ZEROS);	\
} while (0)

TEST_F(refpage_zeroed, store)
{
	EXPECT_ZEROED(self->area);
	EXPECT_ZEROS_AFTER_STORE(self->area);
	EXPECT_CONTENT(self->area + NR_ZEROED * self->page,
		       (NR_PAGES - NR_ZEROED) * self->page, SEED);
}

/* No clean page of the kernel's zeros: each is a page of its own. */
TEST_F(refpage_zeroed, are_private)
{
	EXPECT_ZEROED(self->area);
	EXPECT_PRIVATE(self->area, self->size, NR_ZEROED);
}

TEST_F(refpage_zeroed, fork)
{
	int status;
	pid_t pid = fork();

	ASSERT_NE(-1, pid);
	if (!pid) {
		EXPECT_ZEROED(self->area);
		EXPECT_ZEROS_AFTER_STORE(self->area);
		_exit(_metadata->exit_code);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_ZEROED(self->area);
	EXPECT_ZEROS_AFTER_STORE(self->area);
}

TEST_F(refpage_zeroed, dontneed)
{
	ASSERT_EQ(0, madvise(self->area, self->page, MADV_DONTNEED));
	EXPECT_CONTENT(self->area, self->page, SEED);
	EXPECT_CONTENT(self->area + self->page, (NR_ZEROED - 1) * self->page,
		       REFPAGE_ZEROS);
}

TEST_F(refpage_zeroed, mprotect)
{
	ASSERT_EQ(0, mprotect(self->area, self->size, PROT_READ));
	EXPECT_ZEROED(self->area);
	ASSERT_EQ(0, mprotect(self->area, self->size, PROT_READ | PROT_WRITE));
	EXPECT_ZEROS_AFTER_STORE(self->area);
}

TEST_F(refpage_zeroed, mremap)
{
	char *moved = mremap(self->area, self->size, 2 * self->size,
			     MREMAP_MAYMOVE);

	ASSERT_NE(MAP_FAILED, moved);
	self->area = moved;
	EXPECT_ZEROED(moved);
	EXPECT_ZEROS_AFTER_STORE(moved);
	EXPECT_CONTENT(moved + self->size, self->size, SEED);
	munmap(moved + self->size, self->size);
}

/* The mapping becomes part of a larger one of the same content. */
TEST_F(refpage_zeroed, merge)
{
	char *next = self->area + self->size;

	ASSERT_EQ(next, refpage_map_at(next, self->size, PROT_READ | PROT_WRITE,
				       MAP_FIXED, SEED));
	ASSERT_EQ(1, refpage_count_vmas(self->area, 2 * self->size));
	EXPECT_ZEROED(self->area);
	EXPECT_ZEROS_AFTER_STORE(self->area);
	EXPECT_CONTENT(next, self->size, SEED);
}

/* Whatever MADV_COLLAPSE answers, no byte changes. */
TEST(refpage_zeroed_collapse)
{
	size_t page = psize(), huge = read_pmd_pagesize();
	char *room, *area;
	int uffd;

	if (!huge)
		SKIP(return, "no transparent huge pages");
	uffd = uffd_open(0);
	if (uffd < 0)
		SKIP(return, "no userfaultfd");
	room = refpage_carveout(2 * huge);
	ASSERT_NE(MAP_FAILED, room);
	area = (char *)(((uintptr_t)room + huge - 1) & ~(huge - 1));
	ASSERT_EQ(area, refpage_map_at(area, huge, PROT_READ | PROT_WRITE,
				       MAP_FIXED, SEED));
	ASSERT_EQ(0, uffd_watch(uffd, area, huge, UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, uffd_zeropage(uffd, area + 2 * page, 3 * page));
	ASSERT_EQ(0, uffd_unregister(uffd, area, huge));
	refpage_fill(area + 8 * page, page, OTHER_SEED);

	madvise(area, huge, MADV_COLLAPSE);
	EXPECT_CONTENT(area, 2 * page, SEED);
	EXPECT_CONTENT(area + 2 * page, 3 * page, REFPAGE_ZEROS);
	EXPECT_CONTENT(area + 5 * page, 3 * page, SEED);
	EXPECT_CONTENT(area + 8 * page, page, OTHER_SEED);
	EXPECT_CONTENT(area + 9 * page, huge - 9 * page, SEED);
	area[2 * page] = STORED;
	EXPECT_ONE_STORE(area + 2 * page, 0, REFPAGE_ZEROS);
	close(uffd);
	munmap(room, 2 * huge);
}

/* UFFDIO_MOVE: a hole would change its meaning, so no page moves at all. */
TEST_F(refpage_uffd, move_into)
{
	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_MOVE);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_EQ(-EINVAL, uffd_move(self->uffd, self->area, self->other,
				     self->page));
	EXPECT_CONTENT(self->other, self->page, OTHER_SEED);
	ASSERT_EQ(0, uffd_unregister(self->uffd, self->area, self->size));
	EXPECT_CONTENT(self->area, self->size, SEED);
}

TEST_F(refpage_uffd, move_out_of)
{
	char *anon = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, anon);
	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_MOVE);
	refpage_fill(self->area, self->page, OTHER_SEED);
	FORCE_READ(self->area[self->page]);
	ASSERT_EQ(0, uffd_watch(self->uffd, anon, self->size,
				UFFDIO_REGISTER_MODE_MISSING));
	/* A private, a clean and a never-written page. */
	for (size_t at = 0; at < 3 * self->page; at += self->page)
		EXPECT_EQ(-EINVAL, uffd_move(self->uffd, anon + at,
					     self->area + at, self->page));
	EXPECT_CONTENT(self->area, self->page, OTHER_SEED);
	EXPECT_CONTENT(self->area + self->page, self->size - self->page, SEED);
	ASSERT_EQ(0, uffd_unregister(self->uffd, anon, self->size));
	EXPECT_CONTENT(anon, self->size, REFPAGE_ZEROS);
	munmap(anon, self->size);
}

/* The same call between ordinary mappings works: the refusals are ours. */
TEST_F(refpage_uffd, move_of_others)
{
	char *anon = mmap(NULL, self->page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, anon);
	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_MOVE);
	ASSERT_EQ(0, uffd_watch(self->uffd, anon, self->page,
				UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, uffd_move(self->uffd, anon, self->other, self->page));
	EXPECT_CONTENT(anon, self->page, OTHER_SEED);
	munmap(anon, self->page);
}

/*
 * Write protection of a clean, a private and a never-written page.  The store
 * waits, and then changes one byte of what was there.
 */
#define CLEAN		0
#define PRIVATE		1
#define UNTOUCHED	2

static void prepare_states(char *area)
{
	FORCE_READ(area[CLEAN * psize()]);
	refpage_fill(area + PRIVATE * psize(), psize(), OTHER_SEED);
}

static unsigned int state_seed(int state)
{
	return state == PRIVATE ? OTHER_SEED : SEED;
}

TEST_F(refpage_uffd, wp_sync)
{
	struct access a;
	char *at;
	int state;

	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			  UFFD_FEATURE_WP_UNPOPULATED);
	prepare_states(self->area);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_wp(self->uffd, self->area, self->size, true));

	for (state = CLEAN; state <= UNTOUCHED; state++) {
		at = self->area + state * self->page;
		ASSERT_EQ(0, access_start(&a, at + 17, true));
		EXPECT_EQ(UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE,
			  uffd_event(self->uffd, a.addr));
		EXPECT_CONTENT(at, self->page, state_seed(state));
		ASSERT_EQ(0, uffd_wp(self->uffd, at, self->page, false));
		ASSERT_EQ(0, pthread_join(a.thread, NULL));
		EXPECT_ONE_STORE(at, 17, state_seed(state));
	}
	EXPECT_CONTENT(self->area + 3 * self->page, self->size - 3 * self->page,
		       SEED);
}

/* A load does not lift the protection of a page that was never written. */
TEST_F(refpage_uffd, wp_unpopulated_read_first)
{
	struct access a;

	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			  UFFD_FEATURE_WP_UNPOPULATED);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_wp(self->uffd, self->area, self->size, true));
	EXPECT_CONTENT(self->area, self->size, SEED);
	EXPECT_FALSE(uffd_pending(self->uffd, 0));

	ASSERT_EQ(0, access_start(&a, self->area + 21, true));
	EXPECT_EQ(UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE,
		  uffd_event(self->uffd, a.addr));
	ASSERT_EQ(0, uffd_wp(self->uffd, self->area, self->page, false));
	ASSERT_EQ(0, pthread_join(a.thread, NULL));
	EXPECT_ONE_STORE(self->area, 21, SEED);
	EXPECT_PRIVATE(self->area, self->size, 1);
}

/* Without WP_UNPOPULATED only what is mapped is protected. */
TEST_F(refpage_uffd, wp_populated_only)
{
	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_wp(self->uffd, self->area, self->size, true));
	self->area[UNTOUCHED * self->page] = STORED;
	EXPECT_FALSE(uffd_pending(self->uffd, 0));
	EXPECT_ONE_STORE(self->area + UNTOUCHED * self->page, 0, SEED);
}

/* UFFDIO_COPY can put a protected page where nothing was. */
TEST_F(refpage_uffd, wp_copy)
{
	struct access a;

	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_MISSING |
				UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_copy(self->uffd, self->area, self->other, self->page,
			       UFFDIO_COPY_MODE_WP));
	ASSERT_EQ(0, access_start(&a, self->area + 23, true));
	EXPECT_EQ(UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE,
		  uffd_event(self->uffd, a.addr));
	EXPECT_CONTENT(self->area, self->page, OTHER_SEED);
	ASSERT_EQ(0, uffd_wp(self->uffd, self->area, self->page, false));
	ASSERT_EQ(0, pthread_join(a.thread, NULL));
	EXPECT_ONE_STORE(self->area, 23, OTHER_SEED);
}

/* Pages of the range that were written since the protection, by PAGEMAP_SCAN. */
static long pages_in_category(char *area, size_t size, __u64 category)
{
	struct page_region regions[NR_PAGES];
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = (uintptr_t)area,
		.end = (uintptr_t)area + size,
		.vec = (uintptr_t)regions,
		.vec_len = NR_PAGES,
		.category_mask = category,
		.return_mask = category,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	long pages = 0;
	int i, n;

	n = ioctl(fd, PAGEMAP_SCAN, &arg);
	close(fd);
	if (n < 0)
		return -errno;
	for (i = 0; i < n; i++)
		pages += (regions[i].end - regions[i].start) / psize();
	return pages;
}

/* The kernel lifts the protection itself; no event, no byte lost. */
TEST_F(refpage_uffd, wp_async)
{
	int state;

	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED);
	prepare_states(self->area);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_wp(self->uffd, self->area, self->size, true));
	EXPECT_EQ(0, pages_in_category(self->area, self->size, PAGE_IS_WRITTEN));
	EXPECT_CONTENT(self->area, self->page, SEED);

	for (state = CLEAN; state <= UNTOUCHED; state++) {
		self->area[state * self->page + 29] = STORED;
		EXPECT_ONE_STORE(self->area + state * self->page, 29,
				 state_seed(state));
		EXPECT_EQ(state + 1, pages_in_category(self->area, self->size,
						       PAGE_IS_WRITTEN));
	}
	EXPECT_FALSE(uffd_pending(self->uffd, 0));
	EXPECT_CONTENT(self->area + 3 * self->page, self->size - 3 * self->page,
		       SEED);
	EXPECT_EQ(3, pages_in_category(self->area, self->size, PAGE_IS_WRITTEN));
}

/* Protected stays protected, also where a split makes pages clean again. */
TEST(refpage_uffd_wp_split)
{
	size_t page = psize(), huge = read_pmd_pagesize();
	char *room, *area, *model;
	char command[64];
	int uffd;

	if (!huge || access(SPLIT_DEBUGFS, W_OK))
		SKIP(return, "no huge pages, or nothing that splits them");
	if (huge > REFPAGE_MAX_HUGE)
		SKIP(return, "huge pages of %zu bytes", huge);
	uffd = uffd_open(UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED);
	if (uffd < 0)
		SKIP(return, "no userfaultfd with the features that this needs");
	room = refpage_carveout(2 * huge);
	ASSERT_NE(MAP_FAILED, room);
	area = (char *)(((uintptr_t)room + huge - 1) & ~(huge - 1));
	ASSERT_EQ(area, refpage_map_at(area, huge, PROT_READ | PROT_WRITE,
				       MAP_FIXED, SEED));
	model = refpage_model(huge, SEED);
	area[7] = STORED;
	model[7] = STORED;
	ASSERT_EQ(0, madvise(area, huge, MADV_COLLAPSE));
	EXPECT_PRIVATE(area, huge, huge / page);

	ASSERT_EQ(0, uffd_watch(uffd, area, huge, UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_wp(uffd, area, huge, true));
	snprintf(command, sizeof(command), "%d,%#lx,%#lx,0", getpid(),
		 (unsigned long)area, (unsigned long)area + huge);
	ASSERT_EQ(0, refpage_write_text(SPLIT_DEBUGFS, command));
	EXPECT_EQ(0, refpage_smaps_kb(area, huge, "AnonHugePages:"));
	EXPECT_EQ(0, pages_in_category(area, huge, PAGE_IS_WRITTEN));
	area[11 * page] = STORED;
	model[11 * page] = STORED;
	EXPECT_EQ(1, pages_in_category(area, huge, PAGE_IS_WRITTEN));
	EXPECT_EQ(-1, refpage_diff(area, model, huge));
	close(uffd);
	free(model);
	munmap(room, 2 * huge);
}

/* The child inherits the contents; protected or not, a store changes a byte. */
TEST_F(refpage_uffd, wp_fork)
{
	int state, status;
	pid_t pid;

	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			  UFFD_FEATURE_WP_UNPOPULATED);
	prepare_states(self->area);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_wp(self->uffd, self->area, self->size, true));
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		for (state = CLEAN; state <= UNTOUCHED; state++) {
			self->area[state * self->page + 31] = STORED;
			EXPECT_ONE_STORE(self->area + state * self->page, 31,
					 state_seed(state));
		}
		_exit(_metadata->exit_code);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	for (state = CLEAN; state <= UNTOUCHED; state++)
		EXPECT_CONTENT(self->area + state * self->page, self->page,
			       state_seed(state));
}

/* A protected clean page, loaded from and then stored to. */
TEST_F(refpage_uffd, rwp_sync)
{
	struct access a;
	char *at;
	int state;

	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_RWP);
	prepare_states(self->area);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_RWP));
	ASSERT_EQ(0, uffd_rwp(self->uffd, self->area, self->size, true));

	for (state = CLEAN; state <= PRIVATE; state++) {
		at = self->area + state * self->page;
		ASSERT_EQ(0, access_start(&a, at + 37, false));
		EXPECT_EQ(UFFD_PAGEFAULT_FLAG_RWP,
			  uffd_event(self->uffd, a.addr));
		ASSERT_EQ(0, uffd_rwp(self->uffd, at, self->page, false));
		ASSERT_EQ(0, pthread_join(a.thread, NULL));
		EXPECT_EQ((char)refpage_byte(37, state_seed(state)), a.seen);
		EXPECT_CONTENT(at, self->page, state_seed(state));

		ASSERT_EQ(0, uffd_rwp(self->uffd, at, self->page, true));
		ASSERT_EQ(0, access_start(&a, at + 37, true));
		EXPECT_EQ(UFFD_PAGEFAULT_FLAG_RWP | UFFD_PAGEFAULT_FLAG_WRITE,
			  uffd_event(self->uffd, a.addr));
		ASSERT_EQ(0, uffd_rwp(self->uffd, at, self->page, false));
		ASSERT_EQ(0, pthread_join(a.thread, NULL));
		EXPECT_ONE_STORE(at, 37, state_seed(state));
	}
	/* Nothing is there to protect: no event. */
	at = self->area + UNTOUCHED * self->page;
	at[37] = STORED;
	EXPECT_FALSE(uffd_pending(self->uffd, 0));
	EXPECT_ONE_STORE(at, 37, SEED);
	EXPECT_PRIVATE(self->area, self->size, 3);
}

TEST_F(refpage_uffd, rwp_async)
{
	int state;

	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_RWP | UFFD_FEATURE_RWP_ASYNC);
	prepare_states(self->area);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_RWP));
	for (state = CLEAN; state <= UNTOUCHED; state++) {
		char *at = self->area + state * self->page;

		ASSERT_EQ(0, uffd_rwp(self->uffd, self->area, self->size, true));
		EXPECT_CONTENT(at, self->page, state_seed(state));
		ASSERT_EQ(0, uffd_rwp(self->uffd, self->area, self->size, true));
		at[41] = STORED;
		EXPECT_ONE_STORE(at, 41, state_seed(state));
	}
	EXPECT_FALSE(uffd_pending(self->uffd, 0));
	EXPECT_PRIVATE(self->area, self->size, 3);
}

/* Protection outlives a round trip to PROT_NONE, and so do the contents. */
TEST_F(refpage_uffd, rwp_mprotect)
{
	int state;

	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_RWP | UFFD_FEATURE_RWP_ASYNC);
	prepare_states(self->area);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_RWP));
	ASSERT_EQ(0, uffd_rwp(self->uffd, self->area, self->size, true));
	ASSERT_EQ(0, mprotect(self->area, self->size, PROT_NONE));
	ASSERT_EQ(0, mprotect(self->area, self->size, PROT_READ | PROT_WRITE));
	for (state = CLEAN; state <= UNTOUCHED; state++)
		EXPECT_CONTENT(self->area + state * self->page, self->page,
			       state_seed(state));
	EXPECT_PRIVATE(self->area, self->size, 1);
}

/* A poisoned page is SIGBUS, here and in a child, until it is dropped. */
TEST_F(refpage_uffd, poison)
{
	int status;
	pid_t pid;

	UFFD_OPEN_OR_SKIP(UFFD_FEATURE_POISON);
	FORCE_READ(self->area[self->page]);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->area, self->size,
				UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, uffd_poison(self->uffd, self->area, self->page));
	EXPECT_EQ(-EEXIST, uffd_poison(self->uffd, self->area + self->page,
				       self->page));
	ASSERT_EQ(0, uffd_unregister(self->uffd, self->area, self->size));

	EXPECT_TRUE(read_gets_sigbus(self->area));
	EXPECT_CONTENT(self->area + self->page, self->size - self->page, SEED);
	/* Nor is there anything to capture. */
	EXPECT_EQ(MAP_FAILED, refpage_mmap(NULL, self->page, PROT_READ, 0,
					   self->area));
	EXPECT_EQ(EFAULT, errno);
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid)
		_exit(read_gets_sigbus(self->area) ? 0 : 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);

	ASSERT_EQ(0, madvise(self->area, self->page, MADV_DONTNEED));
	EXPECT_CONTENT(self->area, self->page, SEED);
}

REFPAGE_TEST_MAIN
