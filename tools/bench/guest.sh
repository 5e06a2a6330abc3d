#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Prepares the guest and runs the benchmark, which prints one line of JSON for each value.
# Usage: guest.sh PROGRAM [OPTION...]

set -eu

mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
# Without this, memory that waits to be merged into huge pages would cost time that belongs to no row.
echo 0 >/sys/kernel/mm/transparent_hugepage/khugepaged/defrag
echo madvise >/sys/kernel/mm/transparent_hugepage/enabled

exec "$@"
