# console.sh: to be read in: what somebody at the box shall see, on every console that the kernel has, and on the screen.
console_say() {
  consoles=console
  [ ! -r /sys/class/tty/console/active ] || read -r consoles </sys/class/tty/console/active
  case " $consoles" in
    *' tty'[0-9]*) ;;
    *) [ ! -e /dev/tty0 ] || consoles="$consoles tty0" ;;
  esac
  for console in $consoles; do printf '%s\r\n' "$*" >>"/dev/$console"; done 2>/dev/null
}

# console_lines: says what comes in, line by line, to its end.
console_lines() {
  while IFS= read -r line || [ -n "$line" ]; do console_say "$line"; done
}
