#!/bin/sh
# release.sh DIRECTORY: removes what a machine that has ended leaves on the host: its directory, and, of a native one,
# its control groups, which are empty by now and bear the directory's name.
directory=$1
while read -r _ point type _; do
  case $type in cgroup | cgroup2)
    if [ -d "$point/${directory##*/}" ]; then find "$point/${directory##*/}" -depth -type d -exec rmdir {} ';'; fi
    ;;
  esac
done </proc/self/mounts
rm -rf "$directory"
