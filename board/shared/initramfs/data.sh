# data.sh: to be read in: the data partition, which is $data.

# backups: bytes at which ext4 has its first backup superblock: block 8193 of 1 KiB (below 512 MiB), 32768 of 4 KiB.
backups='8389632 134217728'

# read_zeros COUNT: the first COUNT times 64 KiB are zeros. 1: they are not. 2: they can not be read.
read_zeros() {
  dd if="$data" bs=65536 count="$1" >/run/data-head 2>/dev/null || return 2
  [ "$(wc -c </run/data-head)" -eq $(($1 * 65536)) ] || return 2
  [ "$(tr -d '\000' </run/data-head | wc -c)" -eq 0 ]
  zeros=$?
  : >/run/data-head
  return $zeros
}

# is_blank: as an image brings it (15 MiB of zeros), or as a factory reset leaves it (64 KiB, no backup superblock).
# 1: it is not, also when only its start is gone, since the medium has forgotten that. 2: nobody knows.
is_blank() {
  read_zeros 1 || return $?
  if read_zeros 240; then return 0; fi
  for at in $backups; do
    dd if="$data" bs=512 skip=$((at / 512)) count=1 >/run/data-head 2>/dev/null || return 2
    # magic number (0xef53) and revision 1
    [ "$(dd if=/run/data-head bs=1 skip=56 count=2 2>/dev/null | od -An -tx2 | tr -d ' ')" != ef53 ] || return 1
  done
}

# format_data [OPTION...] (of mke2fs, by its path: the shell would take busybox's own): what was there is gone, also from
# the medium if it can discard. A power cut in the middle leaves a file system that says "factory reset" still, or a blank
# start: the next boot goes on with it.
format_data() {
  umount /data 2>/dev/null
  for at in $backups; do
    dd if=/dev/zero of="$data" bs=512 seek=$((at / 512)) count=2 conv=fsync,notrunc 2>/dev/null
  done
  dd if=/dev/zero of="$data" bs=65536 count=1 conv=fsync,notrunc 2>/dev/null
  /usr/sbin/mke2fs -q -F -t ext4 -L data -m 1 -e remount-ro "$@" "$data" >/run/mke2fs.log 2>&1
}

# How a first start makes it: there is nothing to hide, and some cards take minutes to discard (usr/lib/pixpop/trim does it
# later) or write slowly: the kernel fills in the tables of inodes later, and knows old blocks in the journal by their
# checksums.
gently='-E nodiscard,lazy_itable_init=1,lazy_journal_init=1'

# check_data: mends what it can.
check_data() {
  e2fsck -p "$data" >/run/e2fsck.log 2>&1
  [ $? -lt 4 ] || e2fsck -y "$data" >/run/e2fsck.log 2>&1
}

# With an error in the file system nothing more is written until the next start, which checks it.
mount_data() { mount -t ext4 -o nosuid,nodev,noexec,noatime,errors=remount-ro "$data" /data 2>/run/mount.log; }

# file_system_bytes: what its superblock says: words 1 and 84 are blocks, 6 the log of their size in KiB.
file_system_bytes() {
  set -- $(dd if="$data" bs=512 skip=2 count=1 2>/dev/null | od -An -v -tu4)
  [ $# -eq 128 ] && echo $(((${85} << 32 | $2) * (1024 << $7)))
}

# is_small BYTES: the file system has not got what a partition of so many bytes has, since it was never grown, or not to
# the end.
is_small() {
  has_bytes=$(file_system_bytes) && [ "$has_bytes" -lt $(($1 - (16 << 20))) ]
}
