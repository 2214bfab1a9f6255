# console.sh: to be read in: what somebody at the box shall see, on every console that the kernel has.
console_say() {
  read -r consoles </sys/class/tty/console/active
  for console in $consoles; do printf '%s\r\n' "$*" >"/dev/$console" 2>/dev/null; done
}
