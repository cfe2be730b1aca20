#!/bin/sh
# root.sh DIRECTORY: makes the image's root of the files of this machine and of the checkout it is run in: Node, a shell,
# env, setpriv, the libraries these are linked with, and the commands.
set -eu
root=$1
lib=$root/usr/lib/clusterf

put() { install -D "$1" "$root$2"; }

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

cli=packages/cli
cp -R "$cli/bin" "$cli/bundles" "$cli/start.cjs" image/healthcheck.cjs "$lib"
install -D image/command.sh "$lib/command"
mkdir -p "$root/usr/bin"
for bin in "$cli"/bin/*.cjs; do
  ln -s ../lib/clusterf/command "$root/usr/bin/$(basename "$bin" .cjs)"
done
netlink=node_modules/netlink
prebuilt=prebuilds/linux-$(node -p process.arch)
mkdir -p "$lib/$netlink/prebuilds"
cp "$netlink/package.json" "$lib/$netlink"
cp -R "$netlink/$prebuilt" "$lib/$netlink/prebuilds"

mkdir -p "$root/etc" "$root/run"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
echo 'root:x:0:0:root:/:/bin/sh
clusterf:x:65532:65532:clusterf:/:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:
clusterf:x:65532:' >"$root/etc/group"

# Last, since a change of owner or content takes it away. Permitted only, not effective: the program then starts where
# the container lacks the capability too.
setcap cap_net_admin=p "$lib/setpriv"
