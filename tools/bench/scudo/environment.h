// SPDX-License-Identifier: GPL-2.0

// What the environment asks for, and how this library refuses.

#ifndef REFSCUDO_ENVIRONMENT_H_
#define REFSCUDO_ENVIRONMENT_H_

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

namespace environment {

// Exit statuses of sysexits.h: the environment asks for nonsense, the machine cannot do what is asked.
constexpr int BadUsage = 64;
constexpr int Unavailable = 69;

// Says one sentence without a heap, and ends the process: exit handlers might allocate.
[[noreturn]] void fail(int Status, const char *Format, ...) __attribute__((format(printf, 2, 3)));

// Which of the names is the value of a variable: the first one where it is not set.
template <size_t N> size_t choice(const char *Variable, const char *const (&Names)[N], const char *Known) {
  const char *Value = getenv(Variable);
  if (!Value)
    return 0;
  for (size_t I = 0; I < N; I++)
    if (!strcmp(Value, Names[I]))
      return I;
  fail(BadUsage, "refscudo: %s: set it to %s\n", Variable, Known);
}

} // namespace environment

#endif // REFSCUDO_ENVIRONMENT_H_
