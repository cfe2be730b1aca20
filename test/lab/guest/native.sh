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

# Seen from the machine's own control groups, into which enter-native.sh has put it.
mount_devices() {
  if [ -e /.host/sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    # A group that has processes may have no groups with limits below it.
    mkdir /sys/fs/cgroup/machine
    echo 0 >/sys/fs/cgroup/machine/cgroup.procs
    return
  fi
  mount -t tmpfs tmpfs /sys/fs/cgroup
  while read -r _ point type options _; do
    case $type in
      cgroup2) controllers= ;;
      cgroup) controllers=$(tr , '\n' <<<"$options" | grep -xE "name=.*|$(cut -f1 /proc/cgroups | paste -sd'|')" | paste -sd,) ;;
      *) continue ;;
    esac
    mkdir -p "${point#/.host}"
    mount -t "$type" ${controllers:+-o "$controllers"} "$type" "${point#/.host}"
  done < <(grep ' /\.host/sys/fs/cgroup/' /proc/self/mounts)
}

orders() { exec <&3 3<&-; }

# The first process of a process namespace takes all others with it.
power_off() { exit 0; }
