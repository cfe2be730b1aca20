# What a machine of the kind `uml` does its own way: a whole kernel, which sees the host's files by hostfs.

before_root() {
  mount -t proc proc /proc
  # modprobe wants lib/modules; the package keeps the modules elsewhere.
  mkdir -p "$directory/layer/modules/lib"
  ln -s /usr/lib/uml/modules "$directory/layer/modules/lib/modules"
  modprobe -d "$directory/layer/modules" overlay
}

share_writable() { mount -t hostfs none "$2" -o "$1"; }
share() { mount -t hostfs none "$2" -o "ro,$1"; }

in_root() {
  # Here the kernel's own helper, /sbin/modprobe, finds the modules without being told.
  mkdir -p lib/modules
  ln -sfn "/usr/lib/uml/modules/$(uname -r)" "lib/modules/$(uname -r)"
  # This kernel's nf_tables knows no address families: every rule goes through the older tables.
  for tool in iptables ip6tables; do
    for verb in '' -save -restore; do
      ln -sfn "/usr/sbin/$tool-legacy$verb" "etc/alternatives/$tool$verb"
    done
  done
}

mount_devices() {
  # Everything else comes when it is asked for; these two bring sysctls that are looked for before.
  modprobe -a ipv6 ip_vs
  mount -t devtmpfs devtmpfs /dev
  mkdir -p /dev/pts /dev/shm
  mount -t devpts devpts /dev/pts -o newinstance,ptmxmode=0666
  mount -t tmpfs tmpfs /dev/shm
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  for link in 'fd' 'stdin 0' 'stdout 1' 'stderr 2'; do
    set -- $link
    ln -sfn "/proc/self/fd${2:+/$2}" "/dev/$1"
  done
}

# The serial line's end is the end of the process that started the machine.
orders() {
  exec </dev/ttyS0
  stty raw -echo
}

power_off() {
  echo o >/proc/sysrq-trigger
  while :; do sleep 1; done
}
