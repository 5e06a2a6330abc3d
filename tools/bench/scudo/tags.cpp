// SPDX-License-Identifier: GPL-2.0

#include "tags.h"

#include "environment.h"
#include "fresh.h"
#include "memtag.h"

#include <sys/mman.h>

#ifndef PROT_MTE
#define PROT_MTE 0x20
#endif

namespace tags {

namespace {

enum class Way { None, Small, Zero, Stores, Refpages };

constexpr const char *WayNames[] = {"none", "small", "zero", "stores", "refpages"};
constexpr uptr Count = 16;
// Tags that are not drawn again at once, 4 bits each.
constexpr uptr Remembered = 4;
// Pages of the largest block that Scudo keeps, unless it is told otherwise.
constexpr uptr PagesOfKept = 128;

Way TheWay = Way::None;
uptr Recent = 0;
// For each tag but 0 a page of zeros with this tag.
void *References[Count];

void makeReference(uptr Tag) {
  const uptr Size = scudo::getPageSizeCached();
  void *Page = mmap(nullptr, Size, PROT_READ | PROT_WRITE | PROT_MTE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (Page == MAP_FAILED)
    environment::fail(environment::Unavailable, "refscudo: mmap of a page with tags failed: raise the memory limit\n");
  const uptr Begin = scudo::addFixedTag(reinterpret_cast<uptr>(Page), Tag);
  scudo::storeTags(Begin, Begin + Size);
  References[Tag] = fresh::capture(Page, PROT_READ | PROT_MTE, "REFSCUDO_TAGS to stores or small");
}

void enableChecks() {
  if (scudo::archSupportsMemoryTagging() && scudo::systemSupportsMemoryTagging()) {
    scudo::enableSystemMemoryTaggingTestOnly();
    if (scudo::systemDetectsMemoryTagFaultsTestOnly())
      return;
  }
  environment::fail(environment::Unavailable, "refscudo: this machine has no memory tags: leave out REFSCUDO_TAGS\n");
}

void remember(uptr Tag) {
  // Of two threads at once one may be forgotten, which does no harm.
  const uptr Old = __atomic_load_n(&Recent, __ATOMIC_RELAXED);
  __atomic_store_n(&Recent, (Old << 4 | Tag) & ((1UL << 4 * Remembered) - 1), __ATOMIC_RELAXED);
}

bool tagged() { return TheWay == Way::Stores || TheWay == Way::Refpages; }

bool mostlyResident(uptr Base, uptr Size) {
  const uptr Pages = Size / scudo::getPageSizeCached();
  unsigned char Resident[PagesOfKept];
  if (Pages > PagesOfKept || mincore(reinterpret_cast<void *>(Base), Size, Resident))
    return false;
  uptr Sum = 0;
  for (uptr I = 0; I < Pages; I++)
    Sum += Resident[I] & 1;
  return 2 * Sum > Pages;
}

} // namespace

void init() {
  TheWay = static_cast<Way>(environment::choice("REFSCUDO_TAGS", WayNames, "none, small, zero, stores or refpages"));
  if (TheWay == Way::None)
    return;
  enableChecks();
  if (tagged() && fresh::hasPattern())
    environment::fail(environment::BadUsage, "refscudo: REFSCUDO_TAGS: set REFSCUDO_MODE to none, there are no tags "
                                             "beside a pattern\n");
  if (TheWay == Way::Refpages)
    for (uptr Tag = 1; Tag < Count; Tag++)
      makeReference(Tag);
}

bool everywhere() { return TheWay == Way::Zero || tagged(); }

u8 next(u8 Previous) {
  if (!tagged())
    return 0;
  uptr Exclude = 1UL << Previous;
  for (uptr Old = __atomic_load_n(&Recent, __ATOMIC_RELAXED); Old; Old >>= 4)
    Exclude |= 1UL << (Old & (Count - 1));
  const u8 Tag = scudo::extractTag(scudo::selectRandomTag(0, Exclude));
  remember(Tag);
  return Tag;
}

void retire(u8 Tag) {
  if (Tag)
    remember(Tag);
}

bool byKernel() { return TheWay == Way::Refpages; }

bool storesAgain(uptr Base, uptr Size) {
  return TheWay == Way::Stores || (TheWay == Way::Refpages && mostlyResident(Base, Size));
}

const void *reference(u8 Tag) { return References[Tag]; }

} // namespace tags
