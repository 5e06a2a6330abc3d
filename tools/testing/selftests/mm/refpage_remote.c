// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Another process reads and writes a MAP_REFPAGE mapping: ptrace(),
 * /proc/PID/mem and process_vm_readv/writev.  The caller has other bytes at the
 * same address, so that a kernel that takes the wrong address space shows.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "refpage_util.h"

#define SEED	0x39u
#define POISON	0xd2u

#define NPAGES	6

enum touch { NONE, READ, WRITTEN };

/* The target is a child, which compares and counts when it is told to. */
FIXTURE(refpage_remote)
{
	int kmsg;
	int mem;
	int to_child;
	int from_child;
	pid_t child;
	size_t page;
	size_t len;
	char *map;
	char *model;
};

FIXTURE_VARIANT(refpage_remote)
{
	int prot;
	enum touch touch;
	unsigned int seed;
};

#define RW	(PROT_READ | PROT_WRITE)

FIXTURE_VARIANT_ADD(refpage_remote, untouched)
{
	.prot = RW,
	.touch = NONE,
	.seed = SEED,
};

FIXTURE_VARIANT_ADD(refpage_remote, clean)
{
	.prot = RW,
	.touch = READ,
	.seed = SEED,
};

FIXTURE_VARIANT_ADD(refpage_remote, written)
{
	.prot = RW,
	.touch = WRITTEN,
	.seed = SEED,
};

FIXTURE_VARIANT_ADD(refpage_remote, read_only_untouched)
{
	.prot = PROT_READ,
	.touch = NONE,
	.seed = SEED,
};

FIXTURE_VARIANT_ADD(refpage_remote, read_only_clean)
{
	.prot = PROT_READ,
	.touch = READ,
	.seed = SEED,
};

FIXTURE_VARIANT_ADD(refpage_remote, read_only_written)
{
	.prot = PROT_READ,
	.touch = WRITTEN,
	.seed = SEED,
};

FIXTURE_VARIANT_ADD(refpage_remote, uniform_untouched)
{
	.prot = RW,
	.touch = NONE,
	.seed = REFPAGE_REPEAT(SEED, 1),
};

FIXTURE_VARIANT_ADD(refpage_remote, uniform_clean)
{
	.prot = RW,
	.touch = READ,
	.seed = REFPAGE_REPEAT(SEED, 8),
};

FIXTURE_VARIANT_ADD(refpage_remote, closed)
{
	.prot = PROT_NONE,
	.touch = READ,
	.seed = SEED,
};

static bool prepare(FIXTURE_DATA(refpage_remote) * self,
		    const FIXTURE_VARIANT(refpage_remote) * variant)
{
	char *map = refpage_map_at(self->map, self->len, RW, MAP_FIXED,
				   variant->seed);
	size_t i;

	if (map != self->map)
		return false;
	for (i = 0; i < self->len && variant->touch == READ; i += self->page)
		FORCE_READ(map[i]);
	for (i = 0; i < self->len && variant->touch == WRITTEN;
	     i += self->page)
		map[i] = self->model[i];
	return !mprotect(map, self->len, variant->prot);
}

/* Commands: 'c' compares with the model, 'r' counts the private pages. */
static void target(FIXTURE_DATA(refpage_remote) * self,
		   const FIXTURE_VARIANT(refpage_remote) * variant, int in,
		   int out)
{
	char command;
	long answer;

	if (!prepare(self, variant))
		_exit(1);
	answer = 0;
	if (write(out, &answer, sizeof(answer)) < 0)
		_exit(1);
	while (read(in, &command, 1) == 1) {
		if (command == 'c') {
			mprotect(self->map, self->len, PROT_READ);
			answer = refpage_diff(self->map, self->model,
					      self->len);
			mprotect(self->map, self->len, variant->prot);
		} else {
			answer = refpage_smaps_pages(self->map, self->len,
						     "Rss:");
		}
		if (write(out, &answer, sizeof(answer)) < 0)
			_exit(1);
	}
	_exit(0);
}

static long ask(FIXTURE_DATA(refpage_remote) * self, char command)
{
	long answer;

	if (write(self->to_child, &command, 1) != 1 ||
	    read(self->from_child, &answer, sizeof(answer)) != sizeof(answer))
		return -2;
	return answer;
}

FIXTURE_SETUP(refpage_remote)
{
	int in[2], out[2];
	char path[64];
	long ready;

	self->kmsg = refpage_kmsg_open();
	self->page = psize();
	self->len = NPAGES * self->page;
	refpage_base_pages();
	self->map = refpage_carveout(self->len);
	self->model = mmap(NULL, self->len, RW, MAP_SHARED | MAP_ANONYMOUS, -1,
			   0);
	ASSERT_NE(MAP_FAILED, self->model);
	refpage_fill(self->model, self->len, variant->seed);

	ASSERT_EQ(0, pipe2(in, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(out, O_CLOEXEC));
	self->child = fork();
	ASSERT_GE(self->child, 0);
	if (!self->child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		target(self, variant, in[0], out[1]);
	}
	close(out[1]);
	self->to_child = in[1];
	self->from_child = out[0];
	ASSERT_EQ(sizeof(ready), read(out[0], &ready, sizeof(ready)));
	snprintf(path, sizeof(path), "/proc/%d/mem", self->child);
	self->mem = open(path, O_RDWR);
	ASSERT_GE(self->mem, 0);

	ASSERT_EQ(self->map,
		  mmap(self->map, self->len, RW,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	refpage_fill(self->map, self->len, POISON);
}

FIXTURE_TEARDOWN(refpage_remote)
{
	/* The caller's own bytes are where they were. */
	EXPECT_CONTENT(self->map, self->len, POISON);
	kill(self->child, SIGKILL);
	waitpid(self->child, NULL, 0);
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

/* Private pages of the target before any access to it. */
static long written_pages(const FIXTURE_VARIANT(refpage_remote) * variant)
{
	return variant->touch == WRITTEN ? NPAGES : 0;
}

/* The target and a read of it through /proc agree with the model. */
#define EXPECT_TARGET(pages) do {					\
	char *copy = malloc(self->len);					\
									\
	EXPECT_EQ(-1, ask(self, 'c'));					\
	EXPECT_EQ(pages, ask(self, 'r'));				\
	EXPECT_EQ(self->len, pread(self->mem, copy, self->len,		\
				   (off_t)self->map));			\
	EXPECT_EQ(-1, refpage_diff(copy, self->model, self->len));	\
	free(copy);							\
} while (0)

/* A store of one byte makes one page private, if it was not. */
static long one_more(const FIXTURE_VARIANT(refpage_remote) * variant)
{
	return variant->touch == WRITTEN ? NPAGES : 1;
}

static ssize_t vm_read(FIXTURE_DATA(refpage_remote) * self, void *to, size_t at,
		       size_t n)
{
	struct iovec local = { to, n }, remote = { self->map + at, n };

	return process_vm_readv(self->child, &local, 1, &remote, 1, 0);
}

static ssize_t vm_write(FIXTURE_DATA(refpage_remote) * self, const void *from,
			size_t at, size_t n)
{
	struct iovec remote = { self->map + at, n };
	struct iovec local = { (void *)from, n };

	return process_vm_writev(self->child, &local, 1, &remote, 1, 0);
}

TEST_F(refpage_remote, process_vm_readv)
{
	char *copy = malloc(self->len);

	memset(copy, 0xaa, self->len);
	if (!(variant->prot & PROT_READ)) {
		EXPECT_EQ(-1, vm_read(self, copy, 0, self->len));
		EXPECT_EQ(EFAULT, errno);
		return;
	}
	EXPECT_EQ(self->len, vm_read(self, copy, 0, self->len));
	EXPECT_EQ(-1, refpage_diff(copy, self->model, self->len));
	/* Reading makes nothing private. */
	EXPECT_TARGET(written_pages(variant));
	free(copy);
}

TEST_F(refpage_remote, process_vm_writev)
{
	size_t at = 2 * self->page + 123;
	char byte = ~self->model[at];

	if (!(variant->prot & PROT_WRITE)) {
		EXPECT_EQ(-1, vm_write(self, &byte, at, 1));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_TARGET(written_pages(variant));
		return;
	}
	ASSERT_EQ(1, vm_write(self, &byte, at, 1));
	self->model[at] = byte;
	EXPECT_TARGET(one_more(variant));

	/* All of the range, from the middle of one page to that of another. */
	at = self->page / 2;
	memset(self->model + at, 0x42, self->len - self->page);
	ASSERT_EQ(self->len - self->page,
		  vm_write(self, self->model + at, at, self->len - self->page));
	EXPECT_TARGET(NPAGES);
}

TEST_F(refpage_remote, proc_mem_read)
{
	EXPECT_TARGET(written_pages(variant));
}

/* A write through /proc/PID/mem goes past the protection of the mapping. */
TEST_F(refpage_remote, proc_mem_write)
{
	size_t at = 3 * self->page + 77;
	char byte = ~self->model[at];

	if (pwrite(self->mem, &byte, 1, (off_t)(self->map + at)) != 1) {
		ASSERT_FALSE(variant->prot & PROT_WRITE);
		SKIP(return, "writes are not forced here: %s", strerror(errno));
	}
	self->model[at] = byte;
	EXPECT_TARGET(one_more(variant));

	/* Across the border of two pages. */
	at = 5 * self->page - 3;
	memcpy(self->model + at, "border", 6);
	ASSERT_EQ(6, pwrite(self->mem, "border", 6, (off_t)(self->map + at)));
	EXPECT_TARGET(variant->touch == WRITTEN ? NPAGES : 3);
}

static bool attach(FIXTURE_DATA(refpage_remote) * self)
{
	int status;

	return !ptrace(PTRACE_ATTACH, self->child, NULL, NULL) &&
	       waitpid(self->child, &status, 0) == self->child &&
	       WIFSTOPPED(status);
}

TEST_F(refpage_remote, ptrace_peek)
{
	/* The last is a word of two pages. */
	size_t offsets[] = { 0, 24, self->page - 8, self->page - 4 };
	size_t page, at, i;
	long word;

	ASSERT_TRUE(attach(self));
	for (page = 0; page < NPAGES - 1; page++) {
		for (i = 0; i < ARRAY_SIZE(offsets); i++) {
			at = page * self->page + offsets[i];
			errno = 0;
			word = ptrace(PTRACE_PEEKDATA, self->child,
				      self->map + at, NULL);
			ASSERT_EQ(0, errno);
			EXPECT_EQ(0, memcmp(&word, self->model + at,
					    sizeof(word)))
				TH_LOG("offset %zu", at);
		}
	}
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->child, NULL, NULL));
	EXPECT_TARGET(written_pages(variant));
}

TEST_F(refpage_remote, ptrace_poke)
{
	size_t at = 4 * self->page + 40;
	long word = 0x6b6f702e65676170;

	ASSERT_TRUE(attach(self));
	ASSERT_EQ(0, ptrace(PTRACE_POKEDATA, self->child, self->map + at,
			    word));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->child, NULL, NULL));
	memcpy(self->model + at, &word, sizeof(word));
	EXPECT_TARGET(one_more(variant));
}

/* The writer has such a mapping at the same address, and keeps its own. */
TEST_F(refpage_remote, same_mapping_in_caller)
{
	size_t at = self->page + 9;
	char byte = ~self->model[at];
	char *map;

	map = refpage_map_at(self->map, self->len, RW, MAP_FIXED, POISON);
	ASSERT_EQ(self->map, map);
	if (variant->prot & PROT_WRITE) {
		ASSERT_EQ(1, vm_write(self, &byte, at, 1));
		self->model[at] = byte;
		EXPECT_TARGET(one_more(variant));
	} else {
		EXPECT_EQ(-1, vm_write(self, &byte, at, 1));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_TARGET(written_pages(variant));
	}
	EXPECT_CONTENT(map, self->len, POISON);
	EXPECT_EQ(0, refpage_smaps_pages(map, self->len, "Rss:"));
}

REFPAGE_TEST_MAIN
