#!/bin/bash
# An archive of a small Debian with systemd and Python, that machines are made of. Root only.
#   root.sh ARCHIVE
set -euo pipefail
mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null \
    | awk '/^URIs:|^deb /{for (i = 2; i <= NF; i++) if ($i ~ "://") {print $i; exit}}' || :)
mmdebstrap --quiet --variant=minbase \
    --include=systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,iproute2 \
    --customize-hook='cp /usr/local/share/ca-certificates/*.crt "$1/usr/local/share/ca-certificates/" 2>/dev/null || :
        chroot "$1" update-ca-certificates >/dev/null 2>&1
        cp /etc/resolv.conf /etc/hosts "$1/etc/"
        if [ -e /etc/pip.conf ]; then cp /etc/pip.conf "$1/etc/"; fi' \
    bookworm "$1" "$mirror"
