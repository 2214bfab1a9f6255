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

# make_programs: those that the image cannot do without; then those that this version may have.
make_programs() {
  local log=$out/programs.log target
  say "programs ($architecture, release; log: $log)"
  configure "$programs_folder" "$architecture" >"$log" 2>&1 || complain "$log" "cmake does not configure the programs"
  nice ninja -C "$programs_folder" pixpopd pixpop decoder >>"$log" 2>&1 || complain "$log" "the programs do not build"
  programs='pixpopd pixpop decoder'
  for target in pixpop-system pixpop-rescue pixpop-slots; do
    ninja -C "$programs_folder" -t targets all | grep -q "^$target:" || { say "left out: this version has no $target"; continue; }
    if nice ninja -C "$programs_folder" "$target" >>"$log" 2>&1; then
      [ "$target" = pixpop-rescue ] || programs="$programs $target"
    else
      rm -f "$programs_folder/bin/$target"
      say "left out: $target does not build (see the log)"
    fi
  done
  "$(compiler)" -std=c11 -D_GNU_SOURCE -O2 -static -o "$programs_folder/verity-open" "$shared/verity-open.c"
  if [ "$architecture" != amd64 ]; then
    configure "$host_programs" amd64 >>"$log" 2>&1 && nice ninja -C "$host_programs" pixpop pixpop-slots >>"$log" 2>&1 ||
      complain "$log" "the tools of this machine do not build"
  fi
}

compiler() { if [ "$architecture" = amd64 ]; then echo gcc; else echo aarch64-linux-gnu-gcc; fi; }

# configure FOLDER ARCHITECTURE
configure() {
  [ ! -e "$1/build.ninja" ] || return 0
  local launcher=()
  if command -v ccache; then launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  (cd "$source_root" && cmake --preset release -B "$1" "${launcher[@]}")
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
    cat "$stage/.stamp" "$keys_folder"/*.pem
    for key in "${signing_keys[@]}"; do sha256sum <"$key"; done
    find "$shared" "$board_folder" ${overlay:+"$overlay"} "$programs_folder/bin" -type f -exec sha256sum {} + | sort
  } | sha256sum
}
