# QEMU's "virt" machine on arm64 with UEFI and virtio devices: what the tests boot. Lavapipe resamples.
architecture=arm64
kernel=linux-image-cloud-arm64
grub='arm64-efi'
grub_packages='grub-efi-arm64-bin'
arguments='console=tty0 console=ttyAMA0,115200 net.ifnames=0 cryptomgr.notests'
# Modules: loaded in the initramfs, and (with what they need) by the system.
initramfs_modules='virtio_pci virtio_blk virtio_scsi virtio_net virtio_rng sha2_ce sha256_arm64 squashfs dm_verity ext4 af_packet
  softdog'  # the watchdog: this kernel drives none that QEMU has
# shellcheck source=/dev/null
. "$shared/qemu.sh"
# An emulated arm64 takes minutes for its first variant.
system_options='--probe-timeout 240s --gate 900s'
