#!/bin/bash
# First process of a machine: lays a writable layer over the host's root, so that nothing written inside
# reaches the host, moves into it and goes on with machine.sh. What the machine is stands in `environment`,
# what differs between kinds in uml.sh and native.sh, all beside this file.
set -e
directory=${0%/*}
. "$directory/environment"
. "$directory/$KIND.sh"

mount -t tmpfs tmpfs "$directory/layer"
before_root
mkdir "$directory/layer/upper" "$directory/layer/work" "$directory/layer/root"
mount -t overlay -o "lowerdir=/,upperdir=$directory/layer/upper,workdir=$directory/layer/work" \
  overlay "$directory/layer/root"
cd "$directory/layer/root"
for memory in run tmp var/lib/docker; do
  mkdir -p "$memory"
  mount -t tmpfs tmpfs "$memory"
done
chmod 1777 tmp
# The host's dockerd may keep a key there that only its root can read.
if [ -d etc/docker ]; then mount -t tmpfs tmpfs etc/docker; fi

# The layer keeps what it has read, so directories that change while the machine runs are mounted past it.
mkdir -p run/lab ".$PROJECT"
share_writable "$directory" run/lab
share "$PROJECT" ".$PROJECT"
if [ -n "$CACHE" ]; then share_writable "$CACHE" ".$CACHE"; fi
in_root

mkdir -p .host
pivot_root . .host
exec chroot . /bin/bash /run/lab/machine.sh
