#!/bin/bash
# The machine's first process, once it stands in its own root: finishes the machine and takes orders,
# one a line: `run ID` starts /run/lab/jobs/ID/command, `kill ID` kills all that it started.
# Standard input ends with the process that started the machine, and the machine ends with it.
. /run/lab/environment
. "/run/lab/$KIND.sh"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount_devices
umount -l /.host
echo "$NAME" >/proc/sys/kernel/hostname
printf '127.0.0.1 localhost %s\n::1 localhost\n' "$NAME" >/etc/hosts
ip link set lo up

run() {
  local job=/run/lab/jobs/$1
  CLUSTERF_LAB_JOB=$1 setsid --wait /bin/bash "$job/command" >"$job/stdout" 2>"$job/stderr" </dev/null
  echo $? >"$job/status"
}

# Daemons leave their session and their parent; what they keep is the environment they were started with.
kill_job() {
  local marked
  while marked=$(grep -lzx "CLUSTERF_LAB_JOB=$1" /proc/[0-9]*/environ 2>/dev/null); do
    marked=${marked//\/proc\//}
    kill -KILL ${marked//\/environ/} 2>/dev/null
  done
}

orders
echo ready >/run/lab/ready
while read -r order id; do
  case $order in
    run) run "$id" & ;;
    kill) kill_job "$id" & ;;
    stop) break ;;
  esac
done
power_off
