/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the refpage_* tests ask of the system around the mappings: counters of
 * /proc/vmstat, and settings of /sys and /proc that are put back afterwards.
 */
#ifndef _MM_REFPAGE_SYS_H
#define _MM_REFPAGE_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Base pages of 64 KiB have huge pages of 512 MiB, too large to test with. */
#define REFPAGE_MAX_HUGE	(32UL << 20)

/* Number of bytes read, a string; -1 and errno. */
static inline ssize_t refpage_read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

/* 0 or -errno. */
static inline int refpage_write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	err = errno;
	close(fd);
	return n < 0 ? -err : 0;
}

/* The number after @key in a file of "key number" lines, -1 without it. */
static inline long refpage_keyed(const char *path, const char *key)
{
	size_t len = strlen(key);
	char line[512];
	long value = -1;
	FILE *f = fopen(path, "re");

	if (!f)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && strchr(" \t:", line[len]))
			value = strtol(line + len + 1, NULL, 10);
	fclose(f);
	return value;
}

/* A counter of /proc/vmstat, the share of each CPU included; -1 without it. */
static inline long refpage_vmstat(const char *name)
{
	char none[2];

	refpage_read_text("/proc/sys/vm/stat_refresh", none, sizeof(none));
	return refpage_keyed("/proc/vmstat", name);
}

/* What KASAN keeps in its quarantine stays charged, until the cache shrinks. */
static inline void refpage_shrink_slab_caches(void)
{
	glob_t found;

	if (glob("/sys/kernel/slab/*/shrink", 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		refpage_write_text(found.gl_pathv[i], "1");
	globfree(&found);
}

/*
 * Bytes of kernel memory that a control group is charged for, -1 if it does not
 * tell.  RCU gives some of them back late: waits for less than @bound.
 */
static inline long refpage_memcg_kernel(const char *dir, long bound)
{
	char path[PATH_MAX];
	long kernel;

	snprintf(path, sizeof(path), "%s/memory.stat", dir);
	for (int tries = 0; tries < 50; tries++) {
		refpage_shrink_slab_caches();
		kernel = refpage_keyed(path, "kernel");
		if (kernel < bound)
			break;
		usleep(100 * 1000);
	}
	return kernel;
}

/* A file of /sys or /proc and what it held. */
struct refpage_setting {
	char path[128];
	char old[256];
};

/*
 * Remembers what @path holds, of a list of words the chosen [one], and writes
 * @text.  0 or -errno; nothing is to be put back if it failed.
 */
static inline int refpage_set(struct refpage_setting *s, const char *path,
			      const char *text)
{
	char *open_bracket, *close_bracket;
	int ret;

	s->path[0] = '\0';
	if (refpage_read_text(path, s->old, sizeof(s->old)) < 0)
		return -errno;
	open_bracket = strchr(s->old, '[');
	close_bracket = strchr(s->old, ']');
	if (open_bracket && close_bracket) {
		*close_bracket = '\0';
		memmove(s->old, open_bracket + 1, close_bracket - open_bracket);
	}
	ret = refpage_write_text(path, text);
	if (!ret)
		snprintf(s->path, sizeof(s->path), "%s", path);
	return ret;
}

static inline void refpage_restore(struct refpage_setting *s)
{
	if (s->path[0])
		refpage_write_text(s->path, s->old);
	s->path[0] = '\0';
}

#endif /* _MM_REFPAGE_SYS_H */
