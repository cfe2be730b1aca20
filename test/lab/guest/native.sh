# What a machine of the kind `native` does its own way: namespaces of the host's kernel, entered by unshare.

before_root() { :; }

share_writable() { mount --bind "$1" "$2"; }
share() {
  mount --bind "$1" "$2"
  mount -o remount,ro,bind "$2"
}

# An overlay shows one file system: the host's others that hold files are brought in one by one.
in_root() {
  while read -r _ point _; do
    point=$(printf '%b' "$point")
    case $point/ in
      // | /proc/* | /sys/* | /dev/* | /run/* | /tmp/* | /var/lib/docker/* | "$directory"/*) continue ;;
    esac
    if [ -d ".$point" ] && ! mountpoint -q ".$point"; then share "$point" ".$point"; fi
  done </proc/self/mounts
  mount --rbind /dev dev
  mount -t tmpfs tmpfs dev/shm
}

mount_devices() { mount --rbind /.host/sys/fs/cgroup /sys/fs/cgroup; }

orders() { exec <&3 3<&-; }

# The first process of a process namespace takes all others with it.
power_off() { exit 0; }
