# slot.sh: read in by board/build: unpacked packages and programs -> a slot: boot.img (FAT) and root.img (squashfs, verity).

kernel_release() { basename "$(ls -d "$stage"/usr/lib/modules/*)"; }

# copy_modules TARGET NAMES...: kernel modules with what they need, and their index.
copy_modules() {
  local target=$1 release file name
  shift
  release=$(kernel_release)
  [ -e "$stage/usr/lib/modules/$release/modules.dep" ] || depmod -b "$stage" "$release"
  for name in "$@"; do
    modprobe -d "$stage" -S "$release" --show-depends "$name" | awk '$1 == "insmod" { print $2 }'
  done | sort -u | while read -r file; do
    file=/usr/lib/modules/${file#*/lib/modules/}
    install -D -m 644 "$stage$file" "$target$file"
  done
  mkdir -p "$target/usr/lib/modules/$release"
  cp "$stage/usr/lib/modules/$release"/modules.{builtin,order} "$target/usr/lib/modules/$release/"
  [ ! -e "$stage/usr/lib/modules/$release/modules.builtin.modinfo" ] ||
    cp "$stage/usr/lib/modules/$release/modules.builtin.modinfo" "$target/usr/lib/modules/$release/"
  depmod -b "$target" "$release"
  rm -f "$target/usr/lib/modules/$release"/*.bin  # busybox reads the text forms
  [ ! -e "$board_folder/aliases" ] || limit_aliases "$target/usr/lib/modules/$release/modules.alias"
}

# limit_aliases FILE: the modules that the board's `aliases` names ("MODULE ALIAS") answer to nothing else.
limit_aliases() {
  awk '
    FILENAME == ARGV[1] { sub(/#.*/, ""); if (NF) aliases[$1] = aliases[$1] "alias " $2 " " $1 "\n"; next }
    !($3 in aliases) { print; next }
    !($3 in done) { printf "%s", aliases[$3]; done[$3] = 1 }' "$board_folder/aliases" "$1" >"$1.new"
  grep -q '^alias ' "$1.new" || fail "no device would have a driver: ${1##*/} has no alias"
  mv "$1.new" "$1"
}

# firmware_for TARGET: of the firmware that the modules in TARGET ask for, what the board's `firmware` takes: the last
# line that matches decides.
firmware_for() {
  local name pattern is_taken patterns=()
  [ -e "$board_folder/firmware" ] || return 0
  mapfile -t patterns < <(sed 's/ *#.*//; /^$/d' "$board_folder/firmware")
  find "$1/usr/lib/modules" -name '*.ko' -exec modinfo -F firmware {} + | sort -u | while read -r name; do
    is_taken=
    for pattern in "${patterns[@]}"; do
      # shellcheck disable=SC2254
      case $name in ${pattern#!}) case $pattern in !*) is_taken= ;; *) is_taken=1 ;; esac ;; esac
    done
    [ -z "$is_taken" ] || echo "/usr/lib/firmware/$name"
  done
}

# busybox_links TARGET: a link for each applet that no real program stands for.
busybox_links() {
  local applet
  busybox --list | while read -r applet; do
    [ -e "$1/usr/bin/$applet" ] || [ -e "$1/usr/sbin/$applet" ] || ln -s busybox "$1/usr/bin/$applet"
  done
  for applet in init reboot poweroff halt; do ln -sf ../bin/busybox "$1/usr/sbin/$applet"; rm -f "$1/usr/bin/$applet"; done
}

# empty_tree TARGET: the folders of merged /usr.
empty_tree() {
  local name
  rm -rf "$1"
  mkdir -p "$1"/usr/{bin,sbin,lib,lib64,share} "$1"/{proc,sys,dev,run,tmp,data,etc,var}
  for name in bin sbin lib lib64; do ln -s "usr/$name" "$1/$name"; done
}

files_for() {
  local driver
  find "$shared/files" "$board_folder" -name files -exec sed -n "s/^$1 //p" {} + | sed "s/@TRIPLET@/$triplet/g"
  if [ "$1" = initramfs ]; then return; fi
  for driver in $vulkan; do
    echo "/usr/lib/$triplet/libvulkan_$driver.so"
    echo "/usr/share/vulkan/icd.d/${driver}_icd.$machine.json"
  done
}

# board_file: what the update agent and the rescue system know the slot by.
board_file() { printf 'board %s\nversion %s\nfloor %s\n' "$board" "$version" "$floor"; }

make_initramfs() {
  local target=$work/initramfs name
  empty_tree "$target"
  mkdir -p "$target/etc/pixpop/update-keys"
  copy_modules "$target" $initramfs_modules ${initramfs_hardware:-}
  { files_for initramfs && firmware_for "$target"; } | "$shared/collect.py" "$stage" "$target" "$triplet" >"$work/initramfs.packages"
  install -m 755 "$shared/initramfs/init" "$target/init"
  install -m 755 "$shared/initramfs/format-data" "$target/usr/bin/format-data"
  install -D -m 644 -t "$target/usr/lib/pixpop" "$shared"/{initramfs/{partitions,data},root/usr/lib/pixpop/console}.sh
  for name in verity-open watchdog-arm; do
    install -m 755 "$work/$name" "$target/usr/bin/$name"
    "$strip" "$target/usr/bin/$name"
  done
  if [ -x "$programs_folder/bin/pixpop-rescue" ]; then
    install -m 755 "$programs_folder/bin/pixpop-rescue" "$target/usr/bin/pixpop-rescue"
    "$strip" "$target/usr/bin/pixpop-rescue"
  fi
  echo $initramfs_modules >"$target/etc/modules"
  [ -z "${coldplug:-}" ] || : >"$target/etc/coldplug"
  echo "board=$board" >"$target/etc/pixpop/board.sh"
  board_file >"$target/etc/pixpop/board"
  cp "$keys_folder"/*.pem "$target/etc/pixpop/update-keys/"
  busybox_links "$target"
  find "$target" -exec touch -h -d "@$epoch" {} +
  (cd "$target" && find . -print0 | LC_ALL=C sort -z | cpio --quiet --null -o -H newc -R 0:0 --reproducible) |
    zstd -q -$((compression < 15 ? compression : 19)) -T1 -f -o "$work/initrd.img"
}

# package_names: those that gave a file to root or initramfs, and what is taken from them without collect.py; the source
# package of what was compiled.
package_names() {
  {
    cat "$work/root.packages" "$work/initramfs.packages" && ls "$stage/.packages" | grep -E '^(linux-image|grub|ca-certificates)[-_]'
    [ -z "$mesa_version" ] || echo "mesa_${mesa_version}_source"
  } | sort -u
}

make_root() {
  local target=$work/root name
  empty_tree "$target"
  mkdir -p "$target/usr/lib/pixpop" "$target/var/lib"
  for name in $programs; do install -m 755 "$programs_folder/bin/$name" "$target/usr/lib/pixpop/$name"; "$strip" "$target/usr/lib/pixpop/$name"; done
  mv "$target/usr/lib/pixpop/pixpop" "$target/usr/bin/pixpop"
  if [ -x "$programs_folder/bin/pixpop-rescue" ]; then
    install -m 755 "$programs_folder/bin/pixpop-rescue" "$target/usr/lib/pixpop/pixpop-rescue"
    "$strip" "$target/usr/lib/pixpop/pixpop-rescue"
  fi
  copy_modules "$target" $initramfs_modules ${initramfs_hardware:-} ${system_modules:-} ${system_hardware:-}
  {
    files_for root
    firmware_for "$target"
    install_graphics "$target"
    for name in $programs; do [ "$name" = pixpop ] || echo "=/usr/lib/pixpop/$name"; done
    echo =/usr/bin/pixpop
  } | "$shared/collect.py" "$stage" "$target" "$triplet" >"$work/root.packages"
  cp -r "$shared/root/." "$target/"
  if [ -d "$board_folder/root" ]; then cp -r "$board_folder/root/." "$target/"; fi
  package_names >"$target/etc/pixpop/packages"
  board_file >"$target/etc/pixpop/board"
  echo "$epoch" >"$target/etc/pixpop/made"
  echo "${system_modules:-}" >"$target/etc/pixpop/modules"
  [ -z "${coldplug:-}" ] || : >"$target/etc/pixpop/coldplug"
  mkdir -p "$target/etc/pixpop/update-keys"
  cp "$keys_folder"/*.pem "$target/etc/pixpop/update-keys/"
  mkdir -p "$target/etc/ssl/certs"
  find "$stage/usr/share/ca-certificates/mozilla" -name '*.crt' | LC_ALL=C sort | xargs cat >"$target/etc/ssl/certs/ca-certificates.crt"
  link_services "$target"
  [ -z "${settings:-}" ] || echo "$settings" >>"$target/etc/pixpop/pixpop.conf"
  [ -z "${system_options:-}" ] || echo "$system_options" >"$target/etc/pixpop/system-options"
  [ -z "$is_shell" ] || echo "$(sed 's/.*console=\(tty[SA][A-Z]*[0-9]\).*/\1/' <<<"$arguments")::respawn:-/bin/sh" >>"$target/etc/inittab"
  ln -s /run/resolv.conf "$target/etc/resolv.conf"
  ln -s /proc/self/mounts "$target/etc/mtab"
  ln -s /run "$target/var/run"
  ln -s /run/avahi-autoipd "$target/var/lib/avahi-autoipd"
  busybox_links "$target"
  if [ -n "$overlay" ]; then cp -r "$overlay/." "$target/"; fi
  chmod -R go-w,a+rX "$target"
}

# link_services TARGET: each service gets the same log; services of programs that are not in the image go; runit's own
# folders lie in /run. What the first page waits for is started first (root/usr/lib/pixpop/late starts the others).
link_services() {
  local service when
  [ -e "$1/usr/lib/pixpop/pixpop-system" ] || rm -rf "$1/etc/sv/system"
  [ -e "$1/usr/lib/pixpop/pixpop-rescue" ] || rm -rf "$1/etc/sv/rescue"
  mkdir -p "$1"/etc/runit/{first,late}
  for service in "$1"/etc/sv/*; do
    service=${service##*/}
    ln -s "/run/sv/$service" "$1/etc/sv/$service/supervise"
    install -D -m 755 "$shared/log-run" "$1/etc/sv/$service/log/run"
    ln -s "/run/sv/$service.log" "$1/etc/sv/$service/log/supervise"
    case $service in network | pixpopd) when=first ;; *) when=late ;; esac
    ln -s "../../sv/$service" "$1/etc/runit/$when/$service"
  done
}

# make_slot: root.img first, since the boot partition carries its hash.
make_slot() {
  local blocks hash
  rm -f "$work/root.squashfs"
  # The option says it too, and mksquashfs takes one of both only.
  env -u SOURCE_DATE_EPOCH mksquashfs "$work/root" "$work/root.squashfs" -comp zstd -Xcompression-level "$compression" -b 256K -noappend -quiet -no-progress \
    -all-root -all-time "$epoch" -mkfs-time "$epoch" -no-xattrs
  truncate -s %4096 "$work/root.squashfs"
  blocks=$(($(stat -c %s "$work/root.squashfs") / 4096))
  mv "$work/root.squashfs" "$work/root.img"
  hash=$(veritysetup format --no-superblock --salt="$salt" --hash-offset=$((blocks * 4096)) "$work/root.img" "$work/root.img" |
    awk '/^Root hash:/ { print $3 }')
  [ ${#hash} -eq 64 ] || fail "veritysetup gave no root hash"
  [ "$(stat -c %s "$work/root.img")" -le $((root_mib << 20)) ] || fail "the root is larger than its partition ($root_mib MiB)"
  echo "set slot_args=\"$arguments panic=3 oops=panic quiet pixpop.verity=$blocks:$hash:$salt\"" >"$work/slot.cfg"
  cp "$stage"/boot/vmlinuz-"$(kernel_release)" "$work/vmlinuz"
  make_fat "$work/boot.img" BOOT $(($(du -cb "$work"/{vmlinuz,initrd.img,slot.cfg} | awk 'END { print $1 }') / 1048576 + 2)) \
    vmlinuz initrd.img slot.cfg
}

# make_fat IMAGE LABEL MIB FILES...: of $work, with fixed times and serial number.
make_fat() {
  local image=$1 label=$2 mib=$3 name
  shift 3
  rm -f "$image"
  truncate -s "${mib}M" "$image"
  mformat -i "$image" -v "$label" -N 50495850 ::
  for name in "$@"; do
    touch -d "@$epoch" "$work/$name"
    mcopy -m -i "$image" "$work/$name" "::$name"
  done
}
