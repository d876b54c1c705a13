#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the kernel of `./dev vm kernel` from Debian's sources: one that has what
# Debian's own kernels have not (tests/vm/kernel.config), and the module of the tests.
#
#   tests/vm/kernel.sh DIRECTORY
#
# Needs root for the packages. It leaves DIRECTORY/RELEASE with kernel (an ELF file) and
# modules; how a machine boots them is a matter of what LIBCONTAINER_VMTEST names.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
[ $# = 1 ] || { printf 'usage: %s DIRECTORY\n' "$0" >&2; exit 2; }
mkdir -p "$1"
cd "$1"

readonly version=6.12
apt-get -qq install --no-install-recommends gcc make bc flex bison libelf-dev \
    "linux-source-$version" </dev/null >&2
[ -d "linux-source-$version" ] || tar xf "/usr/src/linux-source-$version.tar.xz"

build() { make -s -C "linux-source-$version" "$@"; }

build allnoconfig KCONFIG_ALLCONFIG="$here/kernel.config" >/dev/null
while read -r option; do
    grep -qxF "$option" "linux-source-$version/.config" ||
        { printf 'kernel: the sources do not take %s\n' "$option" >&2; exit 1; }
done < <(grep '^CONFIG_' "$here/kernel.config")
build -j"$(nproc)" vmlinux modules

mkdir -p module
cp "$here/misc_stand_in.c" module/
echo 'obj-m := misc_stand_in.o' >module/Kbuild
build M="$PWD/module" modules
release=$(build kernelrelease)
rm -rf "$release"
build INSTALL_MOD_PATH="$PWD/$release/tree" modules_install
build INSTALL_MOD_PATH="$PWD/$release/tree" M="$PWD/module" modules_install
mv "$release/tree/lib/modules/$release" "$release/modules"
rm -rf "$release/tree"
cp "linux-source-$version/vmlinux" "$release/kernel"
printf '%s\n' "$PWD/$release"
