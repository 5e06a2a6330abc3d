// SPDX-License-Identifier: GPL-2.0

#include "fresh.h"

#include "environment.h"
#include "tags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_REFPAGE
#define MAP_REFPAGE 0x0a
#endif

namespace fresh {

namespace {

using environment::BadUsage;
using environment::choice;
using environment::fail;
using environment::Unavailable;

enum class Mode { None, Memset, Refpage };

constexpr const char *ModeNames[] = {"none", "memset", "refpage"};

Mode TheMode = Mode::None;
// calloc() takes memory with the pattern too, and clears it.
bool CallocClears = false;
bool WatchPeak = false;
bool Seeded = false;
uint64_t RandomState;
// A page that reads as the pattern and is never written. In a mapping of its own kind, so that the kernel knows at once
// which page it is.
void *Reference;

struct {
  uint64_t Mappings;
  uint64_t Fresh;
  uint64_t Cleared;
  uint64_t PeakPages;
  uint64_t Looks;
} Counts;

void add(uint64_t &Count, uint64_t Number) {
  __atomic_fetch_add(&Count, Number, __ATOMIC_RELAXED);
}

uint64_t get(const uint64_t &Count) {
  return __atomic_load_n(&Count, __ATOMIC_RELAXED);
}

void readSeed() {
  const char *Value = getenv("REFSCUDO_SEED");
  if (!Value)
    return;
  char *End;
  errno = 0;
  RandomState = strtoull(Value, &End, 10);
  if (errno || End == Value || *End)
    fail(BadUsage, "refscudo: REFSCUDO_SEED: set it to a number\n");
  Seeded = true;
}

// Where MAP_REFPAGE looks for the page to take.
off_t offset(const void *Page) { return static_cast<off_t>(reinterpret_cast<uptr>(Page)); }

void makeReference() {
  const uptr PageSize = scudo::getPageSizeCached();
  void *Page = mmap(nullptr, PageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (Page == MAP_FAILED)
    fail(Unavailable, "refscudo: mmap of the first page failed: raise the memory limit\n");
  memset(Page, scudo::PatternFillByte, PageSize);
  Reference = capture(Page, PROT_READ, "REFSCUDO_MODE to memset or none");
}

// Resident pages of this process, exactly: the second number of the file.
uint64_t residentPages() {
  char Text[128];
  const int File = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (File < 0)
    return 0;
  const ssize_t Length = read(File, Text, sizeof(Text) - 1);
  close(File);
  if (Length <= 0)
    return 0;
  Text[Length] = '\0';
  const char *Second = strchr(Text, ' ');
  return Second ? strtoull(Second, nullptr, 10) : 0;
}

void look() {
  const uint64_t Pages = residentPages();
  add(Counts.Looks, 1);
  uint64_t Peak = get(Counts.PeakPages);
  while (Pages > Peak &&
         !__atomic_compare_exchange_n(&Counts.PeakPages, &Peak, Pages, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    ;
}

void report() {
  const char *Path = getenv("REFSCUDO_REPORT");
  if (!Path)
    return;
  if (WatchPeak)
    look();
  const int File = open(Path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (File < 0) {
    fprintf(stderr, "refscudo: REFSCUDO_REPORT: name a file that can be written\n");
    return;
  }
  char Line[512];
  const int Length = snprintf(
      Line, sizeof(Line),
      "{\"bench\":\"refscudo\",\"way\":\"%s\",\"mappings\":%llu,\"fresh_bytes\":%llu,\"cleared_bytes\":%llu,"
      "\"looks\":%llu,\"peak_rss_kib\":%llu}\n",
      ModeNames[static_cast<int>(TheMode)], static_cast<unsigned long long>(get(Counts.Mappings)),
      static_cast<unsigned long long>(get(Counts.Fresh)), static_cast<unsigned long long>(get(Counts.Cleared)),
      static_cast<unsigned long long>(get(Counts.Looks)),
      static_cast<unsigned long long>(get(Counts.PeakPages) * (scudo::getPageSizeCached() / 1024)));
  if (write(File, Line, static_cast<size_t>(Length)) != Length)
    fprintf(stderr, "refscudo: REFSCUDO_REPORT: the disk is full: make room\n");
  close(File);
}

// Makes the heap ready. The compiler would leave out a block that nobody looks at.
void useHeap() {
  void *volatile Block = malloc(1);
  free(Block);
}

// So that nonsense in the environment shows even in a program that never allocates.
__attribute__((constructor)) void atStart() { useHeap(); }

__attribute__((destructor)) void atEnd() { report(); }

} // namespace

void init() {
  static constexpr const char *CallocNames[] = {"map", "clear"};
  static constexpr const char *Switch[] = {"0", "1"};
  TheMode = static_cast<Mode>(choice("REFSCUDO_MODE", ModeNames, "none, memset or refpage"));
  CallocClears = choice("REFSCUDO_CALLOC", CallocNames, "map or clear") == 1;
  WatchPeak = choice("REFSCUDO_PEAK", Switch, "0 or 1") == 1;
  readSeed();
  if (TheMode == Mode::Refpage)
    makeReference();
}

bool hasPattern() { return TheMode != Mode::None; }

void *capture(void *Page, int Prot, const char *Else) {
  const uptr PageSize = scudo::getPageSizeCached();
  void *Captured = mmap(nullptr, PageSize, Prot, MAP_PRIVATE | MAP_REFPAGE, -1, offset(Page));
  if (Captured == MAP_FAILED)
    fail(Unavailable,
         "refscudo: this kernel has no MAP_REFPAGE: boot the patched kernel with CONFIG_REFPAGE=y, or set %s\n", Else);
  // The new mapping has what it needs.
  munmap(Page, PageSize);
  return Captured;
}

void *map(void *Addr, uptr Size, int Prot, int MmapFlags, bool Zeroed, scudo::MapPlatformData *Data) {
  const bool Filled = TheMode != Mode::None && !(Zeroed && !CallocClears);
  const bool ByKernel = Filled && TheMode == Mode::Refpage;
  const void *Tagged = Data ? tags::reference(Data->Tag) : nullptr;
  const void *Page = ByKernel ? Reference : Tagged;
  if (Page)
    MmapFlags |= MAP_REFPAGE;
  void *P = mmap(Addr, Size, Prot, MmapFlags, -1, Page ? offset(Page) : 0);
  if (P == MAP_FAILED)
    return P;
  if (Filled && !ByKernel)
    memset(P, scudo::PatternFillByte, Size);
  if (Data) {
    Data->Filled = Filled;
    Data->FilledWhenClean = ByKernel;
  }
  add(Counts.Mappings, 1);
  add(Counts.Fresh, Size);
  return P;
}

void clear(void *Ptr, uptr Size) {
  memset(Ptr, 0, Size);
  add(Counts.Cleared, Size);
}

void beforeRelease() {
  if (!WatchPeak)
    return;
  const int Saved = errno;
  look();
  errno = Saved;
}

bool random(void *Buffer, uptr Size) {
  if (!Seeded)
    return false;
  // An affine step and a mix of its bits; who draws first does not matter, as all draw from one sequence.
  char *To = static_cast<char *>(Buffer);
  for (uptr I = 0; I < Size; I++) {
    uint64_t Bits = __atomic_add_fetch(&RandomState, 0x9e3779b97f4a7c15, __ATOMIC_RELAXED);
    Bits = (Bits ^ (Bits >> 29)) * 0xbf58476d1ce4e5b9;
    To[I] = static_cast<char>(Bits >> 56);
  }
  return true;
}

// What a preloaded allocator says of itself to programs that ask: HeapReport of the crate refmap.
struct HeapReport {
  const char *Mode;
  uint32_t Pattern;
  uint32_t Check;
  uint64_t Granularity;
  uint64_t Fresh;
  uint64_t Checked;
  uint64_t PatternSeen;
};

} // namespace fresh

extern "C" __attribute__((visibility("default"))) fresh::HeapReport refheap_report() {
  fresh::useHeap();
  return {fresh::ModeNames[static_cast<int>(fresh::TheMode)], scudo::PatternFillByte, 0, 0,
          fresh::get(fresh::Counts.Fresh), 0, 0};
}
