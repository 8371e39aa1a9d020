/* SPDX-License-Identifier: Apache-2.0
 *
 * Shifts the calendar clock of one process, as NTP does on a robot without a battery clock,
 * and leaves the clock of the machine alone. Preloaded by tests/test_faults.py; the shift is
 * read from the file AVATAR_CLOCK_STEP, whole seconds as text. CLOCK_MONOTONIC is not touched.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long shift(void)
{
  static const char * path;
  char text[32] = {0};
  if (!path && !(path = getenv("AVATAR_CLOCK_STEP"))) {
    return 0;
  }
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return 0;
  }
  ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  return size > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec * now)
{
  int result = syscall(SYS_clock_gettime, clock, now);
  if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    now->tv_sec += shift();
  }
  return result;
}

int gettimeofday(struct timeval * now, void * zone)
{
  (void)zone;
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t * where)
{
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (where) {
    *where = exact.tv_sec;
  }
  return exact.tv_sec;
}
