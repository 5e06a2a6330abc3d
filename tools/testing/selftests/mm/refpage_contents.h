/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A MAP_REFPAGE mapping per kind of content, for tests that store to pages of
 * it and compare all of it with a model after each step.
 */
#ifndef _MM_REFPAGE_CONTENTS_H
#define _MM_REFPAGE_CONTENTS_H

#include <sys/wait.h>
#include "refpage_util.h"

#define SEED	0x6du
#define OTHER	0x1eu

#define NPAGES	8
#define RW	(PROT_READ | PROT_WRITE)

/* NPAGES pages in a VMA of their own, and a model to apply the stores to. */
FIXTURE(refpage_contents)
{
	int kmsg;
	int pagemap;
	size_t page;
	size_t len;
	char *map;
	char *model;
};

/* The kernel fills contents in different ways. */
FIXTURE_VARIANT(refpage_contents)
{
	unsigned int seed;
};

FIXTURE_VARIANT_ADD(refpage_contents, arbitrary)
{
	.seed = SEED,
};

FIXTURE_VARIANT_ADD(refpage_contents, repeat1)
{
	.seed = REFPAGE_REPEAT(SEED, 1),
};

FIXTURE_VARIANT_ADD(refpage_contents, repeat2)
{
	.seed = REFPAGE_REPEAT(SEED, 2),
};

FIXTURE_VARIANT_ADD(refpage_contents, repeat4)
{
	.seed = REFPAGE_REPEAT(SEED, 4),
};

FIXTURE_VARIANT_ADD(refpage_contents, repeat8)
{
	.seed = REFPAGE_REPEAT(SEED, 8),
};

FIXTURE_VARIANT_ADD(refpage_contents, repeat16)
{
	.seed = REFPAGE_REPEAT(SEED, 16),
};

FIXTURE_VARIANT_ADD(refpage_contents, zeros)
{
	.seed = REFPAGE_ZEROS,
};

FIXTURE_SETUP(refpage_contents)
{
	self->kmsg = refpage_kmsg_open();
	self->page = psize();
	self->len = NPAGES * self->page;
	refpage_base_pages();
	self->map = refpage_map_at(refpage_carveout(self->len), self->len, RW,
				   MAP_FIXED, variant->seed);
	ASSERT_NE(MAP_FAILED, self->map);
	self->model = refpage_model(self->len, variant->seed);
	self->pagemap = open("/proc/self/pagemap", O_RDONLY);
	ASSERT_GE(self->pagemap, 0);
}

FIXTURE_TEARDOWN(refpage_contents)
{
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
	close(self->pagemap);
	free(self->model);
}

/* Stores @n bytes that differ from the content, in the model as well. */
static inline void store(FIXTURE_DATA(refpage_contents) * self, size_t at,
			 size_t n)
{
	while (n--) {
		self->model[at] ^= 0x5a;
		self->map[at] = self->model[at];
		at++;
	}
}

/* The range reads as the content again, so does its model. */
static inline void discarded(FIXTURE_DATA(refpage_contents) * self, size_t at,
			     size_t n, unsigned int seed)
{
	refpage_fill(self->model + at, n, seed);
}

#define EXPECT_MODEL()							\
	EXPECT_EQ(-1, refpage_diff(self->map, self->model, self->len))

/* One page of each kind: 0 never touched, 1 read, 2 and the last written. */
static inline void mix(FIXTURE_DATA(refpage_contents) * self)
{
	FORCE_READ(self->map[self->page]);
	store(self, 2 * self->page + 100, 50);
	store(self, self->len - 1, 1);
}

#define MIX_PRIVATE	2

/* Runs @body in a child; the asserts in it count. */
#define IN_CHILD(body) do {						\
	pid_t in_child = fork();					\
	int status;							\
									\
	ASSERT_GE(in_child, 0);						\
	if (!in_child) {						\
		body;							\
		_exit(0);						\
	}								\
	ASSERT_EQ(in_child, waitpid(in_child, &status, 0));		\
	EXPECT_EQ(0, status);						\
} while (0)

/* A system call's own access, which tells by errno where a signal would. */
static inline int probe_read(const char *at)
{
	int fds[2], err;

	if (pipe(fds))
		return errno;
	err = write(fds[1], at, 1) == 1 ? 0 : errno;
	close(fds[0]);
	close(fds[1]);
	return err;
}

static inline int probe_write(char *at)
{
	int fds[2], err;

	if (pipe(fds))
		return errno;
	err = write(fds[1], "w", 1) == 1 && read(fds[0], at, 1) == 1 ? 0
								     : errno;
	close(fds[0]);
	close(fds[1]);
	return err;
}

#endif /* _MM_REFPAGE_CONTENTS_H */
