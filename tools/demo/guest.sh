#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the demonstration in the guest and prints one line of JSON for each measurement.
# Usage: guest.sh PROGRAMS INPUTS [ITERATIONS]
#   PROGRAMS   folder with microbench, pdfbench and librefheap.so
#   INPUTS     folder that fetch.sh filled
#   ITERATIONS of each row of the microbenchmark (1000)
# WAYS, when set, is the list of ways, so that a kernel without the feature can run the others.

set -eu

[ $# -ge 2 ] || {
	echo "guest.sh: give the folder of the programs and the folder of the inputs" >&2
	exit 1
}
programs=$1 inputs=$2 iterations=${3:-1000} ways=${WAYS:-memset none refpage}

pdf() {
	LD_PRELOAD=$programs/librefheap.so REFHEAP_MODE=$1 \
		"$programs/pdfbench" --library "$inputs/libpdfium.so" "$inputs/document.pdf"
}

thp=/sys/kernel/mm/transparent_hugepage/enabled
echo "{\"bench\":\"machine\",\"kernel\":\"$(uname -r)\",\"thp\":\"$(cat $thp 2>/dev/null || echo none)\"}"

# Not measured: reads library and document from the disk, and lets the work that follows a boot end.
pdf none >/dev/null

"$programs/microbench" --iterations "$iterations" --ways "$(echo "$ways" | tr ' ' ',')"
for way in $ways; do
	pdf "$way"
done
