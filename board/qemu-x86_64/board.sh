# QEMU with virtio devices on x86-64: what the tests boot. Lavapipe resamples, since there is no graphics card.
architecture=amd64
kernel=linux-image-cloud-amd64
grub='i386-pc x86_64-efi'
grub_packages='grub-pc-bin grub-efi-amd64-bin'
arguments='console=tty0 console=ttyS0,115200 net.ifnames=0 cryptomgr.notests'
# Modules: loaded in the initramfs, and (with what they need) by the system.
initramfs_modules='virtio_pci virtio_blk virtio_scsi virtio_net virtio_rng squashfs dm_verity ext4 af_packet
  softdog'  # the watchdog: this kernel drives none that QEMU has
# shellcheck source=/dev/null
. "$shared/qemu.sh"
