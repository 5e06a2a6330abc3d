// SPDX-License-Identifier: GPL-2.0

// The memory that Scudo's blocks lie in: where it comes from, and what it holds before anyone writes to it.

#ifndef REFSCUDO_FRESH_H_
#define REFSCUDO_FRESH_H_

#include "common.h"

namespace fresh {

using scudo::uptr;

// Maps memory of blocks, as mmap() with an address, or none, does. With Zeroed the caller needs zeros. Data has the tag
// of the memory, and is told what it holds. Gives MAP_FAILED, and errno, where mmap() does.
void *map(void *Addr, uptr Size, int Prot, int MmapFlags, bool Zeroed, scudo::MapPlatformData *Data);

// Reads the environment, and ends the process with one sentence where it makes no sense. To be called before anything
// is mapped, while there is one thread.
void init();

// Fresh memory holds a pattern.
bool hasPattern();

// Captures a page, content and tags, and unmaps it. Gives a mapping of one clean page, so that the kernel knows at once
// which page it is. Else says what to set in the environment where the kernel has no reference pages.
void *capture(void *Page, int Prot, const char *Else);

// Clears memory that Scudo takes for zeros and that is none, for calloc().
void clear(void *Ptr, uptr Size);

// To be called before any memory is given back, when the process may be at its greatest.
void beforeRelease();

// Where there is a seed, fills the buffer from it and gives true: then every run lays out its heap alike.
bool random(void *Buffer, uptr Size);

} // namespace fresh

#endif // REFSCUDO_FRESH_H_
