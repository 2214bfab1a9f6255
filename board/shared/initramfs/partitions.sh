# partitions.sh: to be read in: which disk is this box's.
# Builtins of the shell where they do: every start waits for this.
# A disk is one of ours when it has all seven partitions by name; names are never taken from two disks.

# list_disks: a line "PARENT PARTNAME DEVNAME" for each partition of ours that there is.
list_disks() {
  for event in "${sys:-/sys}"/class/block/*/uevent; do
    DEVNAME= PARTNAME=
    while IFS='=' read -r key value; do
      case $key in DEVNAME) DEVNAME=$value ;; PARTNAME) PARTNAME=$value ;; esac
    done <"$event"
    case $PARTNAME in
      bootenv | bootA | bootB | rootA | rootB | data | esp)
        cd -P "${event%/uevent}/.." || continue
        echo "${PWD##*/} $PARTNAME $DEVNAME"
        ;;
    esac
  done
  cd /
}

# whole_disks: sets disks: names of those with all seven.
whole_disks() {
  disks= found=
  while read -r parent name device; do found="$found $parent/$name "; done </run/partitions
  while read -r parent name device; do
    case " $disks " in *" $parent "*) continue ;; esac
    for name in bootenv bootA bootB rootA rootB data esp; do
      case $found in *" $parent/$name "*) ;; *) continue 2 ;; esac
    done
    disks=${disks:+$disks }$parent
  done </run/partitions
}

# has_count DISK: the boot loader that started us has just stored pixpop.count=SEQUENCE.TRIES on it: as its counters, or,
# when it had nothing to count, the state has them.
has_count() {
  while read -r parent name device; do
    [ "$parent $name" != "$1 bootenv" ] || bootenv=$device
  done </run/partitions
  dd if="${dev:-/dev}/$bootenv" bs=65536 count=1 2>/dev/null | tr '\000' '\n' |
    grep -qxE "TWIN=(${count%.*}\\.${count#*.}|[AB]\\.[a-z]+\\.[a-z]+\\.${count#*.}\\.${count%.*})"
}

# find_disk IS_LAST: sets disk. Of several the one that the boot loader counted on; until IS_LAST only that one, too, if
# the boot loader says its count, since it may be late.
find_disk() {
  disk=
  list_disks >/run/partitions
  whole_disks
  if [ -n "$count" ]; then
    for one in $disks; do
      has_count "$one" || continue
      [ -z "$disk" ] || { disk= && return 1; }  # two that are alike
      disk=$one
    done
    [ -z "$disk" ] || return 0
    [ -n "$1" ] || return 1
  fi
  case $disks in '' | *[[:space:]]*) return 1 ;; esac
  disk=$disks
}

# name_partitions: by-partlabel/NAME for each of that disk.
name_partitions() {
  mkdir -p "${dev:-/dev}/disk/by-partlabel"
  while read -r parent name device; do
    [ "$parent" = "$disk" ] && ln -sfn "/dev/$device" "${dev:-/dev}/disk/by-partlabel/$name"
  done </run/partitions
  true
}

wait_for_disk() {
  is_last= round=0
  while [ "$round" -lt 150 ]; do  # 15 s: USB disks take their time
    [ "$round" -lt 50 ] || is_last=1
    find_disk $is_last && name_partitions && return 0
    sleep 0.1
    round=$((round + 1))
  done
  [ -z "$disks" ] || say "these disks are all pixpop's, take the wrong one out:" $disks
  return 1
}
