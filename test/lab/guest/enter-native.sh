#!/bin/sh
# enter-native.sh COMMAND...: puts itself into control groups of the machine's own, on the host, before it becomes
# the command, which enters the namespaces: what is grouped inside stays below them.
directory=${0%/*}
while read -r _ point type _; do
  case $type in cgroup | cgroup2) ;; *) continue ;; esac
  group=$point/${directory##*/}
  mkdir "$group" 2>/dev/null || continue
  # In the older hierarchies a group takes no process before it knows its processors and memory.
  for limit in cpuset.cpus cpuset.mems; do
    if [ -e "$group/$limit" ] && [ -e "$point/$limit" ]; then cat "$point/$limit" >"$group/$limit"; fi
  done
  echo $$ >"$group/cgroup.procs"
done </proc/self/mounts
exec "$@"
