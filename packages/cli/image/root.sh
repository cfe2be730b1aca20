#!/bin/sh
# root.sh DIRECTORY: makes the image's root of the files of this machine and of the checkout it is run in: below
# DIRECTORY/system Node, a shell, env, setpriv and the libraries these are linked with, which other versions of the
# commands share; below DIRECTORY/commands the commands.
set -eu
system=$1/system
lib=$1/commands/usr/lib/clusterf

put() { install -D "$1" "$system$2"; }

node=$(command -v node)
setpriv=$(command -v setpriv)
put "$node" /usr/bin/node
put /bin/sh /bin/sh
put /usr/bin/env /usr/bin/env
put "$setpriv" /usr/lib/clusterf/setpriv
linked=$(ldd "$node" /bin/sh /usr/bin/env "$setpriv")
for library in $(echo "$linked" | sed -n 's/.*[[:space:]]\(\/[^ ]*\) (0x.*/\1/p' | sort -u); do
  put "$library" "$library"
done
# What these are distributed under.
for package in libc6 libgcc-s1 libstdc++6 libcap-ng0 dash coreutils util-linux; do
  copyright=/usr/share/doc/$package/copyright
  if [ -e "$copyright" ]; then put "$copyright" "$copyright"; fi
done
if [ -e "${node%/bin/node}/LICENSE" ]; then put "${node%/bin/node}/LICENSE" /usr/share/doc/node/LICENSE; fi

mkdir -p "$system/etc" "$system/run"
echo 'hosts: files dns' >"$system/etc/nsswitch.conf"
echo 'root:x:0:0:root:/:/bin/sh
clusterf:x:65532:65532:clusterf:/:/bin/sh' >"$system/etc/passwd"
echo 'root:x:0:
clusterf:x:65532:' >"$system/etc/group"
# Last, since a change of owner or content takes it away. Permitted only, not effective: so the program starts also where
# the container lacks the capability.
setcap cap_net_admin=p "$system/usr/lib/clusterf/setpriv"

cli=packages/cli
mkdir -p "$lib"
cp -R "$cli/bin" "$cli/bundles" "$cli/start.cjs" "$cli/image/healthcheck.cjs" "$lib"
install "$cli/image/command.sh" "$lib/command"
mkdir -p "$1/commands/usr/bin"
for bin in "$cli"/bin/*.cjs; do
  ln -s ../lib/clusterf/command "$1/commands/usr/bin/$(basename "$bin" .cjs)"
done
netlink=node_modules/netlink
prebuilds=$netlink/prebuilds/linux-$(node -p process.arch)
mkdir -p "$lib/$netlink/prebuilds"
cp "$netlink/package.json" "$lib/$netlink"
cp -R "$prebuilds" "$lib/$netlink/prebuilds"
