# Raspberry Pi 5: described, not built; README.md beside it says what is missing.
architecture=none
not_buildable="there is no image for it yet: Debian 12's kernels have no drivers for its storage and network.
  A kernel of its vendor and a boot-loader interface for tryboot are needed: board/rpi5/README.md"
