# programs.sh: read in by board/build: keys, and pixpop's own programs for the board's architecture.

make_keys() {
  local key
  if [ ${#signing_keys[@]} -eq 0 ]; then
    mkdir -p -m 700 "$out/keys"
    if [ ! -s "$out/keys/development.key" ]; then
      say "making a development key (boxes with it take updates from this machine): $out/keys"
      openssl ecparam -name prime256v1 -genkey -noout -out "$out/keys/development.key" 2>/dev/null
    fi
    signing_keys=("$out/keys/development.key")
  fi
  rm -f "$keys_folder"/*.pem
  if [ -n "$trust" ]; then
    cp "$trust"/*.pem "$keys_folder/" || fail "there is no *.pem in $trust"
    return
  fi
  for key in "${signing_keys[@]}"; do
    openssl ec -in "$key" -pubout -out "$keys_folder/$(basename "${key%.*}").pem" 2>/dev/null ||
      fail "$key is no private key on a curve"
  done
}

# make_programs: all of the image, and what makes it.
make_programs() {
  local log=$out/programs.log
  local room=$source_root/firmware/base
  "$(compiler)" -std=c11 -D_GNU_SOURCE -O2 -static -o "$work/verity-open" "$shared/verity-open.c"
  "$(compiler)" -std=c11 -D_GNU_SOURCE -O2 -static -I "$room/include" -o "$work/watchdog-arm" "$shared/watchdog-arm.c" \
    "$room/watchdog_device.c"
  if [ -n "$programs_from" ]; then
    take_programs
    if [ "$architecture" = amd64 ]; then host_programs=$programs_from; else make_host_programs "$log"; fi
    return
  fi
  say "programs ($architecture, release; log: $log)"
  configure "$programs_folder" "$architecture" >"$log" 2>&1 || complain "$log" "cmake does not configure the programs"
  programs='pixpopd pixpop decoder pixpop-system pixpop-probe pixpop-slots'
  nice ninja -C "$programs_folder" $programs pixpop-rescue >>"$log" 2>&1 || complain "$log" "the programs do not build"
  if [ "$architecture" != amd64 ]; then make_host_programs "$log"; fi
}

# make_host_programs LOG: those that make the image and its bundle, for this machine.
make_host_programs() {
  { configure "$host_programs" amd64 && nice ninja -C "$host_programs" pixpop pixpop-slots; } >>"$1" 2>&1 ||
    complain "$1" "the tools of this machine do not build"
}

# take_programs: those of a build folder, as they are. An image lives on none of them but with all: without the agent no
# slot ever becomes good, without the probe every update rolls back, without the rescue system a box restarts for ever.
take_programs() {
  local target
  programs=
  for target in pixpopd pixpop decoder pixpop-system pixpop-probe pixpop-slots pixpop-rescue; do
    if [ ! -x "$programs_from/bin/$target" ]; then
      [ -n "$is_partial" ] || fail "there is no $target in $programs_from/bin (--partial leaves it out)"
      say "left out: no $target in $programs_from/bin"
    elif [ "$target" != pixpop-rescue ]; then
      programs="$programs $target"
    fi
  done
}

compiler() { if [ "$architecture" = amd64 ]; then echo gcc; else echo aarch64-linux-gnu-gcc; fi; }

# configure FOLDER ARCHITECTURE: anew when the packages of the sysroot are others.
configure() {
  local options=() launcher=() stamp=$architecture
  if [ "$2" != amd64 ]; then
    stamp=$(cat "$sysroot/.stamp")
    options=(--toolchain "$source_root/tools/cmake/Arm64.cmake" "-DCMAKE_SYSROOT=$sysroot")
  fi
  if [ -e "$1/build.ninja" ]; then
    if [ "$2" = amd64 ] || [ "$(cat "$1/.sysroot" 2>/dev/null)" = "$stamp" ]; then return 0; fi
    rm -rf "$1"
  fi
  if command -v ccache; then launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  (cd "$source_root" && cmake --preset release -B "$1" "${options[@]}" "${launcher[@]}") && echo "$stamp" >"$1/.sysroot"
}

make_bundle() {
  local words=() key
  for key in "${signing_keys[@]}"; do words+=("key=$key"); done
  rm -f "$out/$board/$name.pixpop"
  "$host_programs/bin/pixpop" bundle make "$out/$board/$name.pixpop" board="$board" version="$version" floor="$floor" \
    created="$epoch" boot="$work/boot.img" root="$work/root.img" "${words[@]}"
}

# inputs: a sum of all that goes into the image.
inputs() {
  {
    echo "$board $version $floor $overlay $is_shell $epoch $compression"
    echo "${graphics##*/}"
    cat "$stage/.stamp" "$keys_folder"/*.pem
    for key in "${signing_keys[@]}"; do sha256sum <"$key"; done
    find "$shared" "$board_folder" ${overlay:+"$overlay"} "$programs_folder/bin" -type f -exec sha256sum {} + | sort
  } | sha256sum
}
