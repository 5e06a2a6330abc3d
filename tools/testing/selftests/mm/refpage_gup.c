// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Those who take hold of user pages: direct I/O, vmsplice(), long-term pins and
 * futexes find the content in a page that was never written, keep hold of it
 * when the mapping goes, and see later stores where they are to see them.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <linux/loop.h>
#include <mm/gup_test.h>
#include "refpage_util.h"
#include "local_config.h_gen"
#ifdef LOCAL_CONFIG_HAVE_LIBURING
#include <liburing.h>
#endif

#define SEED	0x74u
#define OTHER	0xb9u

#define NPAGES	8
#define RW	(PROT_READ | PROT_WRITE)

/*
 * Page 0 untouched, page 1 read, page 2 written, and so on; the model has the
 * bytes.
 */
FIXTURE(refpage_gup)
{
	int kmsg;
	size_t page;
	size_t len;
	char *map;
	char *model;
};

#define WRITTEN		2	/* of NPAGES */

FIXTURE_SETUP(refpage_gup)
{
	size_t i;

	self->kmsg = refpage_kmsg_open();
	self->page = psize();
	self->len = NPAGES * self->page;
	refpage_base_pages();
	self->map = refpage_map_at(refpage_carveout(self->len), self->len, RW,
				   MAP_FIXED, SEED);
	ASSERT_NE(MAP_FAILED, self->map);
	/* Aligned, for the files that this is written to. */
	self->model = mmap(NULL, self->len, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0);
	ASSERT_NE(MAP_FAILED, self->model);
	refpage_fill(self->model, self->len, SEED);
	for (i = 0; i < NPAGES; i++) {
		if (i % 3 == 1)
			FORCE_READ(self->map[i * self->page]);
		if (i % 3 == 2) {
			self->model[i * self->page + i] ^= 0x5a;
			self->map[i * self->page + i] ^= 0x5a;
		}
	}
}

FIXTURE_TEARDOWN(refpage_gup)
{
	EXPECT_FALSE(refpage_kmsg_complaint(self->kmsg));
	close(self->kmsg);
}

#define EXPECT_MODEL()							\
	EXPECT_EQ(-1, refpage_diff(self->map, self->model, self->len))

/*
 * A block device for direct I/O, over memory: no file system has to be there.
 * An fd opened with O_DIRECT, or -1.
 */
static int direct_device(size_t len, int *backing)
{
	struct loop_config config = {
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int control = open("/dev/loop-control", O_RDWR), fd = -1, number;
	char path[32];

	*backing = memfd_create("refpage", 0);
	if (control < 0 || *backing < 0 || ftruncate(*backing, len))
		return -1;
	number = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	if (number >= 0)
		fd = open(path, O_RDWR | O_DIRECT);
	config.fd = *backing;
	if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Bytes @from.. of the backing file against @want. */
static ssize_t file_diff(int file, const void *want, size_t len)
{
	char *copy = malloc(len);
	ssize_t diff = -2;

	if (pread(file, copy, len, 0) == (ssize_t)len)
		diff = refpage_diff(copy, want, len);
	free(copy);
	return diff;
}

TEST_F(refpage_gup, direct_write)
{
	int file, device = direct_device(self->len, &file);

	if (device < 0)
		SKIP(return, "no loop device: %s", strerror(errno));
	ASSERT_EQ(self->len, pwrite(device, self->map, self->len, 0));
	ASSERT_EQ(0, fsync(device));
	EXPECT_EQ(-1, file_diff(file, self->model, self->len));
	EXPECT_MODEL();
	/* Reading for a write of the file makes nothing private. */
	EXPECT_PRIVATE(self->map, self->len, WRITTEN);
	close(device);
	close(file);
}

TEST_F(refpage_gup, direct_read)
{
	int file, device = direct_device(self->len, &file);
	char *content = refpage_model(self->page, OTHER);

	if (device < 0)
		SKIP(return, "no loop device: %s", strerror(errno));
	ASSERT_EQ(self->page, pwrite(file, content, self->page, 0));
	/* 512 bytes in the middle of a page, then a page. */
	ASSERT_EQ(512, pread(device, self->map + 1024, 512, 0));
	memcpy(self->model + 1024, content, 512);
	EXPECT_MODEL();
	ASSERT_EQ(self->page, pread(device, self->map + 4 * self->page,
				    self->page, 0));
	memcpy(self->model + 4 * self->page, content, self->page);
	EXPECT_MODEL();
	EXPECT_PRIVATE(self->map, self->len, WRITTEN + 2);
	close(device);
	close(file);
	free(content);
}

/* The mapping goes while a write of its pages is under way. */
TEST_F(refpage_gup, direct_write_and_munmap)
{
	int file, device = direct_device(self->len, &file), i;
	struct iocb iocb = {
		.aio_lio_opcode = IOCB_CMD_PWRITE,
		.aio_fildes = device,
		.aio_buf = (uintptr_t)self->map,
		.aio_nbytes = self->len,
	}, *list = &iocb;
	aio_context_t context = 0;
	struct io_event event;
	char *noise;

	if (device < 0)
		SKIP(return, "no loop device: %s", strerror(errno));
	if (syscall(__NR_io_setup, 1, &context))
		SKIP(return, "no asynchronous I/O: %s", strerror(errno));
	ASSERT_EQ(1, syscall(__NR_io_submit, context, 1, &list));
	ASSERT_EQ(0, munmap(self->map, self->len));
	/* A page that is freed too early is used again at once. */
	for (i = 0; i < 16; i++) {
		noise = refpage_map(self->len, OTHER + i);
		ASSERT_NE(MAP_FAILED, noise);
		refpage_fill(noise, self->len, OTHER);
	}
	ASSERT_EQ(1, syscall(__NR_io_getevents, context, 1, 1, &event, NULL));
	ASSERT_EQ(self->len, event.res);
	EXPECT_EQ(-1, file_diff(file, self->model, self->len));
	ASSERT_EQ(0, syscall(__NR_io_destroy, context));
	close(device);
	close(file);
}

static ssize_t splice_in(int pipe, void *from, size_t len)
{
	struct iovec iov = { from, len };

	return vmsplice(pipe, &iov, 1, 0);
}

static bool read_all(int fd, char *to, size_t len)
{
	ssize_t n;

	for (; len; to += n, len -= n) {
		n = read(fd, to, len);
		if (n <= 0)
			return false;
	}
	return true;
}

/* Pages in a pipe outlive the mapping and the process. */
TEST_F(refpage_gup, vmsplice_and_exit)
{
	char *copy = malloc(self->len), *noise;
	int fds[2], status;
	pid_t pid;

	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(0, munmap(self->map, self->len));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		char *map = refpage_map(self->len, SEED);

		if (map == MAP_FAILED)
			_exit(1);
		FORCE_READ(map[self->page]);
		if (splice_in(fds[1], map, self->len) != (ssize_t)self->len)
			_exit(2);
		_exit(munmap(map, self->len) ? 3 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	noise = refpage_map(64 * self->page, OTHER);
	ASSERT_NE(MAP_FAILED, noise);
	refpage_fill(noise, 64 * self->page, OTHER);
	ASSERT_TRUE(read_all(fds[0], copy, self->len));
	EXPECT_CONTENT(copy, self->len, SEED);
	free(copy);
	close(fds[0]);
	close(fds[1]);
}

/* What is in the pipe is the clean page, whatever is stored afterwards. */
TEST_F(refpage_gup, vmsplice_and_store)
{
	char *copy = malloc(self->page);
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(self->page, splice_in(fds[1], self->map, self->page));
	memset(self->map, 0x11, self->page);
	memset(self->model, 0x11, self->page);
	ASSERT_TRUE(read_all(fds[0], copy, self->page));
	EXPECT_CONTENT(copy, self->page, SEED);
	EXPECT_MODEL();
	free(copy);
	close(fds[0]);
	close(fds[1]);
}

/* A private page in the pipe, of which the mapping is discarded. */
TEST_F(refpage_gup, vmsplice_and_discard)
{
	size_t at = 2 * self->page;
	char *copy = malloc(self->page);
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(self->page, splice_in(fds[1], self->map + at, self->page));
	ASSERT_EQ(0, madvise(self->map, self->len, MADV_DONTNEED));
	EXPECT_CONTENT(self->map, self->len, SEED);
	ASSERT_TRUE(read_all(fds[0], copy, self->page));
	EXPECT_EQ(-1, refpage_diff(copy, self->model + at, self->page));
	free(copy);
	close(fds[0]);
	close(fds[1]);
}

/*
 * A long-term pin, for reading or writing, is of a page that is the mapping's
 * own: it sees what is stored later.
 */
static void pin_and_store(struct __test_metadata *_metadata,
			  FIXTURE_DATA(refpage_gup) * self, unsigned int flags)
{
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR);
	struct pin_longterm_test pin = {
		.addr = (uintptr_t)self->map,
		.size = self->len,
		.flags = flags,
	};
	char *copy = malloc(self->len);
	uint64_t to = (uintptr_t)copy;
	size_t i;

	if (fd < 0)
		SKIP(return, "no gup_test: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(fd, PIN_LONGTERM_TEST_START, &pin));
	EXPECT_PRIVATE(self->map, self->len, NPAGES);
	ASSERT_EQ(0, ioctl(fd, PIN_LONGTERM_TEST_READ, &to));
	EXPECT_EQ(-1, refpage_diff(copy, self->model, self->len));
	EXPECT_MODEL();
	for (i = 0; i < self->len; i += self->page / 2 + 8) {
		self->map[i] ^= 0x5a;
		self->model[i] ^= 0x5a;
	}
	EXPECT_MODEL();
	ASSERT_EQ(0, ioctl(fd, PIN_LONGTERM_TEST_READ, &to));
	EXPECT_EQ(-1, refpage_diff(copy, self->model, self->len));
	ASSERT_EQ(0, ioctl(fd, PIN_LONGTERM_TEST_STOP));
	EXPECT_MODEL();
	close(fd);
	free(copy);
}

TEST_F(refpage_gup, longterm_pin)
{
	pin_and_store(_metadata, self, 0);
}

TEST_F(refpage_gup, longterm_pin_fast)
{
	pin_and_store(_metadata, self, PIN_LONGTERM_TEST_FLAG_USE_FAST);
}

TEST_F(refpage_gup, longterm_pin_write)
{
	pin_and_store(_metadata, self, PIN_LONGTERM_TEST_FLAG_USE_WRITE);
}

TEST_F(refpage_gup, longterm_pin_write_fast)
{
	pin_and_store(_metadata, self, PIN_LONGTERM_TEST_FLAG_USE_WRITE |
				       PIN_LONGTERM_TEST_FLAG_USE_FAST);
}

/* Pins of a mapping that the process may not write. */
TEST_F(refpage_gup, longterm_pin_read_only)
{
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR);
	struct pin_longterm_test pin = {
		.addr = (uintptr_t)self->map,
		.size = self->len,
	};
	char *copy = malloc(self->len);
	uint64_t to = (uintptr_t)copy;

	if (fd < 0)
		SKIP(return, "no gup_test: %s", strerror(errno));
	ASSERT_EQ(0, mprotect(self->map, self->len, PROT_READ));
	ASSERT_EQ(0, ioctl(fd, PIN_LONGTERM_TEST_START, &pin));
	ASSERT_EQ(0, mprotect(self->map, self->len, RW));
	self->map[0] ^= 0x5a;
	self->model[0] ^= 0x5a;
	ASSERT_EQ(0, ioctl(fd, PIN_LONGTERM_TEST_READ, &to));
	EXPECT_EQ(-1, refpage_diff(copy, self->model, self->len));
	ASSERT_EQ(0, ioctl(fd, PIN_LONGTERM_TEST_STOP));
	EXPECT_MODEL();
	close(fd);
	free(copy);
}

#ifdef LOCAL_CONFIG_HAVE_LIBURING
static int ring_do(struct io_uring *ring, struct io_uring_sqe *sqe)
{
	struct io_uring_cqe *cqe;
	int ret = -1;

	sqe->user_data = 1;
	if (io_uring_submit(ring) == 1 && !io_uring_wait_cqe(ring, &cqe)) {
		ret = cqe->res;
		io_uring_cqe_seen(ring, cqe);
	}
	return ret;
}

/* Fixed buffers: later stores go out, and what comes in is seen. */
TEST_F(refpage_gup, io_uring_fixed_buffer)
{
	struct iovec iov = { self->map, self->len };
	char *content = refpage_model(self->page, OTHER);
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int file, ret;

	ret = io_uring_queue_init(4, &ring, 0);
	if (ret)
		SKIP(return, "no io_uring: %s", strerror(-ret));
	ASSERT_EQ(0, io_uring_register_buffers(&ring, &iov, 1));
	EXPECT_MODEL();
	EXPECT_PRIVATE(self->map, self->len, NPAGES);
	self->map[self->page + 3] ^= 0x5a;
	self->model[self->page + 3] ^= 0x5a;

	file = memfd_create("refpage", 0);
	ASSERT_GE(file, 0);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_write_fixed(sqe, file, self->map, self->len, 0, 0);
	ASSERT_EQ(self->len, ring_do(&ring, sqe));
	EXPECT_EQ(-1, file_diff(file, self->model, self->len));

	ASSERT_EQ(self->page, pwrite(file, content, self->page, 0));
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read_fixed(sqe, file, self->map + 3 * self->page,
				 self->page, 0, 0);
	ASSERT_EQ(self->page, ring_do(&ring, sqe));
	memcpy(self->model + 3 * self->page, content, self->page);
	EXPECT_MODEL();
	io_uring_queue_exit(&ring);
	EXPECT_MODEL();
	close(file);
	free(content);
}
#endif

static int futex(void *word, int op, uint32_t value)
{
	struct timespec soon = { .tv_nsec = 1000000 };

	return syscall(__NR_futex, word, op, value, &soon, NULL, 0);
}

/* The words of the content are what a futex call compares with. */
TEST_F(refpage_gup, futex_compares)
{
	static const int privates[] = { 0, FUTEX_PRIVATE_FLAG };
	size_t page, at;
	unsigned int i;
	uint32_t word;

	for (i = 0; i < ARRAY_SIZE(privates); i++) {
		for (page = 0; page < 3; page++) {
			at = page * self->page + 64;
			memcpy(&word, self->model + at, sizeof(word));
			EXPECT_EQ(-1, futex(self->map + at,
					    FUTEX_WAIT | privates[i], ~word));
			EXPECT_EQ(EAGAIN, errno);
			EXPECT_EQ(-1, futex(self->map + at,
					    FUTEX_WAIT | privates[i], word));
			EXPECT_EQ(ETIMEDOUT, errno);
			EXPECT_EQ(0, futex(self->map + at,
					   FUTEX_WAKE | privates[i], 1));
		}
	}
	EXPECT_MODEL();
}

/* Read-only and never written: as with plain anonymous memory. */
TEST_F(refpage_gup, futex_read_only)
{
	char *plain = mmap(NULL, self->page, PROT_READ,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret, err;

	ASSERT_NE(MAP_FAILED, plain);
	ASSERT_EQ(0, mprotect(self->map, self->len, PROT_READ));
	FORCE_READ(plain[0]);
	FORCE_READ(self->map[0]);
	errno = 0;
	ret = futex(plain, FUTEX_WAKE, 1);
	err = errno;
	errno = 0;
	EXPECT_EQ(ret, futex(self->map, FUTEX_WAKE, 1));
	EXPECT_EQ(err, errno);
	EXPECT_EQ(0, futex(self->map, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1));
	EXPECT_MODEL();
}

struct sleeper {
	uint32_t *word;
	uint32_t value;
	int op;
	int ret;
};

static void *sleep_on(void *arg)
{
	struct sleeper *s = arg;
	struct timespec limit = { .tv_sec = 30 };

	do {
		s->ret = syscall(__NR_futex, s->word, s->op, s->value, &limit,
				 NULL, 0);
	} while (s->ret && errno == EINTR);
	return NULL;
}

/* A thread sleeps on a word of a clean page; a store to the page, a wake. */
TEST_F(refpage_gup, futex_wakes)
{
	static const int privates[] = { 0, FUTEX_PRIVATE_FLAG };
	struct sleeper s;
	pthread_t thread;
	unsigned int i;
	int woken;

	for (i = 0; i < ARRAY_SIZE(privates); i++) {
		s.word = (uint32_t *)(self->map + i * self->page + 128);
		s.op = FUTEX_WAIT | privates[i];
		memcpy(&s.value, self->model + i * self->page + 128,
		       sizeof(s.value));
		ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_on, &s));
		self->map[i * self->page] ^= 0x5a;
		self->model[i * self->page] ^= 0x5a;
		do {
			woken = futex(s.word, FUTEX_WAKE | privates[i], 1);
		} while (!woken && usleep(1000) == 0 &&
			 pthread_tryjoin_np(thread, NULL));
		EXPECT_EQ(1, woken);
		if (woken == 1)
			pthread_join(thread, NULL);
		EXPECT_EQ(0, s.ret);
		EXPECT_MODEL();
	}
}

REFPAGE_TEST_MAIN
