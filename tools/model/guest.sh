#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the model checker in the guest: with a memory cgroup of its own, and a block device for direct I/O.
# Usage: guest.sh HELPERS PROGRAM [ARGUMENT...]
#   HELPERS   folder of the script that prepares guests for the selftests
#   PROGRAM   the model checker

set -eu

[ $# -ge 2 ] || {
	echo "guest.sh: give the folder of the helpers and the program" >&2
	exit 1
}
helpers=$1 program=$2
shift 2

sh "$helpers/setup"

mkdir -p /sys/fs/cgroup/model
echo $$ >/sys/fs/cgroup/model/cgroup.procs

# In memory, with sectors of 512 bytes.
file=$(mktemp /dev/shm/disk.XXXXXX)
truncate -s 1M "$file"
disk=$(losetup -f --show "$file")

exec "$program" --disk "$disk" "$@"
