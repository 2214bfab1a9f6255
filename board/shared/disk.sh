# disk.sh: read in by board/build: a slot -> the disk's image: GPT, GRUB for BIOS and UEFI, slot A.

partition_start() { sfdisk -d "$1" | sed -n "s/.*start= *\([0-9]*\),.*name=\"$2\".*/\1/p"; }
put() { dd if="$2" of="$1" bs=512 seek="$(partition_start "$1" "$3")" conv=notrunc,sparse status=none; }

# grub_modules PLATFORM: of shared/grub-modules.txt.
grub_modules() { sed -n "s/^all: //p; s/^$1: //p" "$shared/grub-modules.txt" | xargs; }

make_grub() {
  local platform
  for platform in $grub; do
    case $platform in
      i386-pc) prefix='(,gpt2)/grub' ;;
      *) prefix=/grub ;;
    esac
    grub-mkimage -d "$stage/usr/lib/grub/$platform" -O "$platform" -o "$work/grub.$platform" -p "$prefix" \
      $(grub_modules "$platform")
  done
}

make_esp() {
  local image=$work/esp.img name
  rm -f "$image"
  truncate -s 64M "$image"
  mformat -i "$image" -F -v ESP -N 50495851 ::
  mkdir -p "$work/esp/EFI/BOOT" "$work/esp/grub"
  cp "$shared/grub.cfg" "$work/esp/grub/grub.cfg"
  cp "$board_folder/grub-board.cfg" "$work/esp/grub/board.cfg"
  [ ! -e "$work/grub.x86_64-efi" ] || cp "$work/grub.x86_64-efi" "$work/esp/EFI/BOOT/BOOTX64.EFI"
  [ ! -e "$work/grub.arm64-efi" ] || cp "$work/grub.arm64-efi" "$work/esp/EFI/BOOT/BOOTAA64.EFI"
  find "$work/esp" -exec touch -d "@$epoch" {} +
  mcopy -s -m -i "$image" "$work/esp/EFI" "$work/esp/grub" ::
}

# make_bios DISK: GRUB's first sector and its core, which is found by sector numbers.
make_bios() {
  python3 - "$1" "$stage/usr/lib/grub/i386-pc/boot.img" "$work/grub.i386-pc" "$(partition_start "$1" biosboot)" <<'P'
import struct, sys
disk, boot, core, start = sys.argv[1:4] + [int(sys.argv[4])]
boot, core = bytearray(open(boot, "rb").read()), bytearray(open(core, "rb").read())
boot[0x5c:0x64] = struct.pack("<Q", start)  # where the core's first sector is
boot[0x66:0x68] = b"\x90\x90"  # the drive is the one that the BIOS started
core[0x1f4:0x1fc] = struct.pack("<Q", start + 1)  # where the rest of the core is
with open(disk, "r+b") as stream:
    stream.write(boot[:440])
    stream.seek(start * 512)
    stream.write(core)
P
}

make_disk() {
  local image=$work/disk.img id=50495850-0000-4000-8000
  rm -f "$image"
  truncate -s $((1 + 1 + 64 + 1 + 2 * 64 + 2 * root_mib + 16 + 1))M "$image"
  {
    printf 'label: gpt\nlabel-id: %s-000000000000\n' "$id"
    case $grub in
      *i386-pc*) echo "1: size=1MiB, type=21686148-6449-6E6F-744E-656564454649, name=biosboot, uuid=$id-000000000001" ;;
    esac
    echo "2: size=64MiB, type=U, name=esp, uuid=$id-000000000002"
    echo "3: size=1MiB, type=L, name=bootenv, uuid=$id-000000000003"
    echo "4: size=64MiB, type=L, name=bootA, uuid=$id-000000000004"
    echo "5: size=64MiB, type=L, name=bootB, uuid=$id-000000000005"
    echo "6: size=${root_mib}MiB, type=L, name=rootA, uuid=$id-000000000006"
    echo "7: size=${root_mib}MiB, type=L, name=rootB, uuid=$id-000000000007"
    echo "8: type=L, name=data, uuid=$id-000000000008"
  } | sfdisk -q "$image"
  make_grub
  make_esp
  rm -f "$work/bootenv.img"
  truncate -s 1M "$work/bootenv.img"
  "$host_programs/bin/pixpop-slots" "$work/bootenv.img" reset >/dev/null
  "$host_programs/bin/pixpop-slots" "$work/bootenv.img" written A "$version" >/dev/null
  put "$image" "$work/esp.img" esp
  put "$image" "$work/bootenv.img" bootenv
  put "$image" "$work/boot.img" bootA
  put "$image" "$work/root.img" rootA
  case $grub in *i386-pc*) make_bios "$image" ;; esac
}
