// SPDX-License-Identifier: GPL-2.0

// Memory tags of large blocks, which Scudo leaves without: storing them makes all of a block resident. Small blocks have
// those that Scudo gives them.

#ifndef REFSCUDO_TAGS_H_
#define REFSCUDO_TAGS_H_

#include "common.h"

namespace tags {

using scudo::u8;
using scudo::uptr;

// Reads the environment, and ends the process with one sentence where it makes no sense. To be called after
// fresh::init(), while there is one thread.
void init();

// All of a large block is in memory that can have tags; else what its header does not need is apart.
bool everywhere();

// Draws a tag for a large block: another one than it had before, and than large blocks have that were mapped or unmapped
// last, for these are its neighbours or were at its place. 0, which is none, where large blocks get no tags.
u8 next(u8 Previous);

// To be told of the tag of memory that goes back to the kernel: what is mapped next may lie there.
void retire(u8 Tag);

// A new mapping with a tag has it in all of its pages; else the allocator has to store it.
bool byKernel();

// A block that is used again gets its tag by stores: always if not by the kernel, and where most of it is resident, which
// a new mapping would drop. Stores make the rest resident.
bool storesAgain(uptr Base, uptr Size);

// The page whose copies a mapping with this tag consists of; null where it needs none.
const void *reference(u8 Tag);

} // namespace tags

#endif // REFSCUDO_TAGS_H_
