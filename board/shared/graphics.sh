# graphics.sh: read in by board/build: Mesa's Vulkan drivers that a board takes without LLVM (vulkan_without_llvm; so far
# radeon, for AMD), compiled from Debian's source package. Debian's own links LLVM, 35 MB of a slot; shaders for pictures
# are compiled by Mesa's own ACO either way.

# Nothing but the driver: no window system, no OpenGL, no cache of shaders on the disk (pixpop keeps its own).
graphics_options=(
  --prefix=/usr --libdir="lib/$triplet" --buildtype=release --auto-features=disabled -Doptimization=2 -Db_ndebug=true
  -Dvulkan-drivers=amd -Dgallium-drivers= -Dvulkan-layers= -Dplatforms= -Dvideo-codecs= -Dllvm=disabled -Dopengl=false
  -Dshader-cache=disabled -Dzstd=disabled -Dbuild-tests=false -Dgallium-va=disabled -Dgallium-vdpau=disabled
  -Dgallium-xa=disabled -Degl=disabled -Dgbm=disabled -Dgles1=disabled -Dgles2=disabled -Dglx=disabled -Ddri3=disabled
  -Dshared-glapi=disabled -Dlibunwind=disabled -Dlmsensors=disabled -Dvalgrind=disabled
)
# libelf serves a profiler alone; whether the machine has it must not count.
graphics_compile='-g0 -fstack-protector-strong -D_FORTIFY_SOURCE=2 -UUSE_LIBELF'
graphics_link='-Wl,-z,relro,-z,now,--as-needed,--build-id=sha1'

# make_graphics: $mesa_version, and $graphics, a folder with libvulkan_radeon.so and radeon_icd.MACHINE.json; compiled once,
# then kept until its source, its options or the packages that it is compiled with are others.
make_graphics() {
  local log=$out/graphics.log needed versions missing key
  case ${vulkan_without_llvm:-} in '') return ;; radeon) ;; *) fail "vulkan_without_llvm knows radeon alone" ;; esac
  [ "$architecture" = amd64 ] || fail "vulkan_without_llvm is for amd64 alone"
  needed=$(awk '/^\[/ { section = $1 } section == "[graphics]" && /^[a-z]/ { print $1 }' "$source_root/tools/packages.txt" | xargs)
  # shellcheck disable=SC2086,SC2016
  versions=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n' $needed gcc g++ binutils libc6-dev glslang-tools zlib1g-dev 2>&1) || true
  missing=$(grep -v '^installed ' <<<"$versions") || true
  [ -z "$missing" ] || fail "Mesa's driver is compiled with packages that are missing: run tools/setup --board
$missing"
  "$source_root/tools/fetch-source" mesa >"$log" 2>&1 || complain "$log" "Mesa's source could not be fetched"
  mesa_source=$(sed -n 's/^mesa .* \(is in\|unpacked to\) //p' "$log")
  read -r mesa_version <"$mesa_source/.pixpop-version"
  key=$({ cat "$mesa_source/.pixpop-version" && declare -p graphics_options graphics_compile graphics_link versions && gcc --version; } |
    sha256sum | cut -c 1-16)
  graphics=$cache/graphics-$architecture-$key
  [ -s "$graphics/libvulkan_radeon.so" ] || compile_graphics "$log"
}

# compile_graphics LOG: one build at a time, in a folder of Mesa's own, so that no path of this machine gets into the driver;
# folders of builds that were broken off go. Debian's Python, since it has the modules; nothing of the caller's settings.
compile_graphics() {
  local lock
  exec {lock}>"$mesa_source.lock"
  flock -n "$lock" || { say "waiting for another build to have compiled Mesa's driver" && flock "$lock"; }
  if [ ! -s "$graphics/libvulkan_radeon.so" ]; then
    say "compiling Mesa's driver for AMD, some minutes, once (log: $1)"
    rm -rf "$mesa_source"/build-* "$graphics.new"
    (compile_radeon {lock}>&-) >"$1" 2>&1 || complain "$1" "Mesa's driver for AMD does not compile"
  fi
  exec {lock}>&-
}

# compile_radeon: ends the shell.
compile_radeon() {
  local icd=radeon_icd.$machine.json library=src/amd/vulkan/libvulkan_radeon.so
  folder=$(mktemp -d "$mesa_source/build-XXXXXX") || exit
  trap 'rm -rf "$folder"' EXIT  # a local one would be gone by then
  unset CC CXX CPP CC_LD CXX_LD CPPFLAGS PKG_CONFIG PKG_CONFIG_PATH PKG_CONFIG_LIBDIR
  export PATH=/usr/sbin:/usr/bin CFLAGS=$graphics_compile CXXFLAGS=$graphics_compile LDFLAGS=$graphics_link
  cd "$folder" && meson setup . .. "${graphics_options[@]}" && nice ninja "$library" "src/amd/vulkan/$icd" || exit
  mkdir -p "$graphics.new" && "$strip" -o "$graphics.new/libvulkan_radeon.so" "$library" &&
    cp "src/amd/vulkan/$icd" "$graphics.new/$icd" && mv -T "$graphics.new" "$graphics"
  exit
}

# install_graphics TARGET: and the names of what needs its libraries, for collect.py.
install_graphics() {
  [ -n "${vulkan_without_llvm:-}" ] || return 0
  install -D -m 644 -t "$1/usr/lib/$triplet" "$graphics/libvulkan_radeon.so"
  install -D -m 644 -t "$1/usr/share/vulkan/icd.d" "$graphics/radeon_icd.$machine.json"
  echo "=/usr/lib/$triplet/libvulkan_radeon.so"
}
