# PCs with x86-64: NVMe, SATA, USB and eMMC disks, wired network of Intel, Realtek, Broadcom and Aquantia, graphics of Intel
# and AMD, hardware watchdogs; also virtual machines. No lavapipe: without graphics that work, the CPU resamples.
architecture=amd64
kernel=linux-image-amd64
# Firmware that is not free: `firmware` chooses from it, `aliases` keeps amdgpu from chips whose files are not there.
components='non-free-firmware'
board_packages='firmware-amd-graphics firmware-misc-nonfree firmware-realtek'
grub='i386-pc x86_64-efi'
grub_packages='grub-pc-bin grub-efi-amd64-bin'
arguments='console=ttyS0,115200 console=tty0 net.ifnames=0 cryptomgr.notests'
# Modules: loaded in the initramfs; and those that are there for the hardware which asks for them (coldplug). What is
# found on USB and on card slots comes a while after its controller, when nobody asks any more: their drivers wait for it.
coldplug=1
initramfs_modules='crc32c_generic crc32c_intel sha256_ssse3 squashfs dm_verity ext4 af_packet sd_mod
  usb_storage uas mmc_block r8152 asix ax88179_178a'
initramfs_hardware='nvme vmd ahci ata_piix xhci_pci ehci_pci sdhci_pci sdhci_acpi rtsx_pci_sdmmc rtsx_usb_sdmmc
  e1000 e1000e igb igc ixgbe r8169 realtek tg3 atlantic alx sky2
  virtio_pci virtio_blk virtio_scsi virtio_net virtio_rng vmw_pvscsi vmxnet3
  iTCO_wdt i2c_i801 lpc_ich sp5100_tco i6300esb wdat_wdt'
# Of those i2c_i801 and lpc_ich are where Intel's watchdog is found. softdog, Linux's own one, where there is none.
system_hardware='i915 amdgpu softdog virtio_balloon
  button evdev thermal fan acpi_cpufreq coretemp k10temp'
vulkan='intel intel_hasvk'
vulkan_without_llvm='radeon'
