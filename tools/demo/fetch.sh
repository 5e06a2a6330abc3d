#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Gets the inputs of the demonstration (inputs.env) into a folder: libpdfium.so and document.pdf.
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

# Debian drops old versions: another one serves as well, but its figures are not to be compared.
fetch_pdf() {
	hash_is "$dest/document.pdf" "$PDF_SHA256" && return

	echo "fetch.sh: $PDF_PACKAGE $PDF_VERSION (10 MB)" >&2
	(cd "$work" && apt-get --quiet --quiet -o APT::Sandbox::User=root download "$PDF_PACKAGE" >&2) ||
		fail "cannot download $PDF_PACKAGE: run apt-get update and try again"
	dpkg-deb -x "$work/$PDF_PACKAGE"_*.deb "$work/pdf"
	[ -f "$work/pdf/$PDF_MEMBER" ] || fail "$PDF_PACKAGE no longer has $PDF_MEMBER: choose another file in inputs.env"
	hash_is "$work/pdf/$PDF_MEMBER" "$PDF_SHA256" ||
		echo "fetch.sh: the document is not that of $PDF_PACKAGE $PDF_VERSION: do not compare figures with recorded ones" >&2
	cp "$work/pdf/$PDF_MEMBER" "$dest/document.pdf"
}

[ $# -eq 1 ] || fail "give one argument, the folder for the inputs"
mkdir -p "$1" || fail "cannot make $1: name a folder that can be written"
dest=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch_pdfium
fetch_pdf
