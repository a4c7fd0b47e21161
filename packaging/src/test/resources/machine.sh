#!/bin/bash
# A machine of its own, in the network namespace it is started in: the files of this one, of which it keeps its
# changes to itself and in memory; its own processes, and a real systemd that starts nothing but what it is told.
#
#   machine.sh EXCHANGE       runs until systemd (the only child's child) is killed; EXCHANGE is its /mnt
set -euo pipefail

readonly NAME=slt-machine-$$
exchange=$1

# Where systemd may divide its processes: one tree of the second version, or, beside controllers of the first
# version, which are left alone, a named one and a second that has none.
hierarchies() {
  if grep -q ':name=systemd:' /proc/self/cgroup; then
    echo systemd unified
  else
    echo unified
  fi
}

mount_hierarchy() {
  case $1 in
    systemd) mount -t cgroup -o none,name=systemd cgroup "$2" ;;
    unified) mount -t cgroup2 cgroup2 "$2" ;;
  esac
}

inside() {
  set -euo pipefail
  local root=/mnt/root hierarchy
  mount --make-rprivate /
  mount -t tmpfs -o mode=755 machine /mnt
  mkdir /mnt/{root,changes,work,exchange}
  mount --bind "$exchange" /mnt/exchange
  mount -t overlay machine -o lowerdir=/,upperdir=/mnt/changes,workdir=/mnt/work $root
  mount --bind /mnt/exchange $root/mnt

  mount -t proc proc $root/proc
  # Parameters that are not those of a network namespace are everybody's; systemd would raise some.
  mount --bind $root/proc/sys $root/proc/sys
  mount --bind $root/proc/sys/net $root/proc/sys/net
  mount -o remount,bind,ro $root/proc/sys
  mount -t sysfs sysfs $root/sys
  mount --rbind /dev $root/dev
  mount -t tmpfs -o mode=755 run $root/run
  mkdir -p $root/run/lock $root/run/systemd/system
  if [ "$(hierarchies)" = unified ]; then
    mount_hierarchy unified $root/sys/fs/cgroup
  else
    mount -t tmpfs -o mode=755 cgroup $root/sys/fs/cgroup
    for hierarchy in $(hierarchies); do
      mkdir $root/sys/fs/cgroup/"$hierarchy"
      mount_hierarchy "$hierarchy" $root/sys/fs/cgroup/"$hierarchy"
    done
  fi

  # No service but the log, and what is installed later; and no trace of what is installed here.
  rm -rf $root/{lib,usr/lib,etc}/systemd/system/*.{wants,requires}
  cat >$root/etc/systemd/system/machine.target <<'UNIT'
[Unit]
Wants=systemd-journald.service
UNIT
  # Installing may start services; an index of all manual pages would take longer than everything else.
  rm -f $root/usr/sbin/policy-rc.d $root/var/lib/man-db/auto-update
  echo force-unsafe-io >$root/etc/dpkg/dpkg.cfg.d/machine
  cd $root
  mkdir -p old
  pivot_root . old
  umount --lazy old
  # As systemd has it where it is not in a container.
  mount --make-rshared /
  exec env -i container=sluice-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=machine.target --log-target=journal --show-status=false
}

trees=$(mktemp -d)
for hierarchy in $(hierarchies); do
  mkdir "$trees/$hierarchy"
  mount_hierarchy "$hierarchy" "$trees/$hierarchy"
  mkdir "$trees/$hierarchy/$NAME"
  echo $$ >"$trees/$hierarchy/$NAME/cgroup.procs"
done
code=0
export exchange
export -f inside hierarchies mount_hierarchy
unshare --mount --pid --cgroup --uts --ipc --fork --kill-child bash -c inside || code=$?
for hierarchy in $(hierarchies); do
  echo $$ >"$trees/$hierarchy/cgroup.procs"
  # The last to end may be counted for a moment longer.
  for _ in {1..100}; do
    [ -d "$trees/$hierarchy/$NAME" ] || break
    find "$trees/$hierarchy/$NAME" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
  done
  umount "$trees/$hierarchy"
done
rm -r "$trees"
exit $code
