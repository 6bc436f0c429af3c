#!/bin/sh
# What the tests need beside Python: a browser, gettext for the check of translations, one font.
set -eu
missing=""
command -v chromium >/dev/null || missing="$missing chromium"
command -v xgettext >/dev/null || missing="$missing gettext"
command -v msgmerge >/dev/null || missing="$missing gettext"
ls /usr/share/fonts/truetype/*/*.ttf >/dev/null 2>&1 || missing="$missing fonts-liberation"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "These programs are missing:$missing. Install them (as root: apt-get install$missing), then try again." >&2
    exit 1
fi
echo "Installing$missing ..."
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
