// SPDX-License-Identifier: GPL-2.0

#include "environment.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

namespace environment {

void fail(int Status, const char *Format, ...) {
  char Line[256];
  va_list Args;
  va_start(Args, Format);
  int Length = vsnprintf(Line, sizeof(Line), Format, Args);
  va_end(Args);
  if (Length > 0 && write(STDERR_FILENO, Line, strnlen(Line, sizeof(Line))) < 0)
    _exit(Status);
  _exit(Status);
}

} // namespace environment
