#!/bin/sh
# Prints a new folder for what tests make and drop: in memory, where 3 GB of it are free and programs run from there.
set -eu
memory=/dev/shm
free=$(df -Pk "$memory" 2>/dev/null | awk 'END { print $4 }')
available=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo 2>/dev/null || true)
if [ "${free:-0}" -gt 3000000 ] && [ "${available:-0}" -gt 6000000 ]; then
  folder=$(mktemp -d "$memory/t.XXXXXX")
  printf '#!/bin/sh\n' >"$folder/program"
  chmod +x "$folder/program"
  if "$folder/program" 2>/dev/null; then
    rm "$folder/program"
    echo "$folder"
    exit
  fi
  rm -r "$folder"
fi
mktemp -d "${TMPDIR:-/tmp}/t.XXXXXX"
