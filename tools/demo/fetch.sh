#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Gets the inputs of the demonstration (inputs.env) into a folder: libpdfium.so and document.pdf. With the word `heap`
# also those of the benchmark's workload heap: music.pdf and the tests of CPython.
# Installs nothing. Runs as root in the Debian 13 root file system.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/inputs.env"

fail() {
	echo "fetch.sh: $*" >&2
	exit 1
}

# hash_is FILE SHA256
hash_is() {
	echo "$2  $1" | sha256sum --check --status 2>/dev/null
}

fetch_pdfium() {
	arch=$(uname -m)
	eval "want=\${PDFIUM_WHEEL_SHA256_$arch:-}"
	[ -n "$want" ] || fail "no wheel of $PDFIUM_PACKAGE is known for $arch: add its hash to inputs.env"
	[ -f "$dest/libpdfium.so" ] && [ "$(cat "$dest/libpdfium.from" 2>/dev/null)" = "$want" ] && return

	echo "fetch.sh: $PDFIUM_PACKAGE $PDFIUM_VERSION (4 MB)" >&2
	python3 -m pip --version >/dev/null 2>&1 || fail "pip is missing: install python3-pip"
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
		--dest "$work" "$PDFIUM_PACKAGE==$PDFIUM_VERSION" >&2 ||
		fail "cannot download $PDFIUM_PACKAGE $PDFIUM_VERSION: connect this machine to the package index of Python"
	set -- "$work"/*.whl
	hash_is "$1" "$want" || fail "$(basename "$1") has another hash than inputs.env says: check it and record the new one"
	python3 -m zipfile -e "$1" "$work/wheel"
	cp "$work/wheel/$PDFIUM_MEMBER" "$dest/libpdfium.so"
	echo "$want" >"$dest/libpdfium.from"
}

# fetch_package PACKAGE: unpacks it into a folder of its name in $work.
fetch_package() {
	echo "fetch.sh: $1" >&2
	(cd "$work" && apt-get --quiet --quiet -o APT::Sandbox::User=root download "$1" >&2) ||
		fail "cannot download $1: run apt-get update and try again"
	dpkg-deb -x "$work/$1"_*.deb "$work/$1"
}

# fetch_pdf NAME PACKAGE VERSION MEMBER SHA256
# Debian drops old versions: another one serves as well, but its figures are not to be compared.
fetch_pdf() {
	hash_is "$dest/$1" "$5" && return
	fetch_package "$2"
	[ -f "$work/$2/$4" ] || fail "$2 no longer has $4: choose another file in inputs.env"
	hash_is "$work/$2/$4" "$5" ||
		echo "fetch.sh: $1 is not that of $2 $3: do not compare figures with recorded ones" >&2
	cp "$work/$2/$4" "$dest/$1"
}

# The package has what the standard library leaves out of its package `test`.
fetch_tests() {
	version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	want=$(dpkg-query --show "python$version-minimal")
	[ "$(cat "$dest/python.from" 2>/dev/null)" = "$want" ] && return
	fetch_package "libpython$version-testsuite"
	rm -rf "$dest/python"
	mkdir "$dest/python"
	cp -R "/usr/lib/python$version/test" "$work/libpython$version-testsuite/usr/lib/python$version/test" "$dest/python"
	echo "$want" >"$dest/python.from"
}

[ $# -eq 1 ] || [ "$# ${2:-}" = "2 heap" ] || fail "give the folder for the inputs, and heap for those of the benchmark"
mkdir -p "$1" || fail "cannot make $1: name a folder that can be written"
dest=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch_pdfium
fetch_pdf document.pdf "$PDF_PACKAGE" "$PDF_VERSION" "$PDF_MEMBER" "$PDF_SHA256"
[ $# -eq 1 ] || {
	fetch_pdf music.pdf "$MUSIC_PACKAGE" "$MUSIC_VERSION" "$MUSIC_MEMBER" "$MUSIC_SHA256"
	fetch_tests
}
