# qemu.sh: read in by the board.sh of boards that QEMU is: lavapipe resamples, since there is no graphics card.
system_hardware='virtio_balloon button evdev'
vulkan='lvp'
# Nothing is compiled or measured before it is needed: under emulation that alone takes a minute.
settings='
[render]
resampler = vulkan
warm_up = off
gpu_timeout_ms = 300000

[decoder]
timeout_ms = 120000'
