# packages.sh: read in by board/build: Debian packages, fetched and checked -> $stage, unpacked without root, with a list
# of each one's files; for another architecture than this machine's also $sysroot, which its programs are compiled with.
#
# A list of packages has a line "URI NAME SHA256:SUM" for each package file. The sums come from apt, which has checked
# the signature of Debian's index; a list that --packages names stands for itself. A board's `components` come from the
# mirrors that this machine has for main.

apt_open() {
  local taken="main${components:+ $components}" component
  apt_folder=$cache/apt-$architecture
  mkdir -p "$apt_folder"/{lists/partial,archives/partial}
  : >"$apt_folder/status"
  if [ -n "${PIXPOP_DEBIAN:-}" ]; then
    printf 'Types: deb\nURIs: %s\nSuites: bookworm\nComponents: %s\nSigned-By: %s\n' "$PIXPOP_DEBIAN" "$taken" "$keyring"
  else
    apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
      sort -u | while read -r uri suite; do
        printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n\n' "$uri" "$suite" "$taken" "$keyring"
      done
  fi >"$apt_folder/debian.sources"
  [ -s "$apt_folder/debian.sources" ] || fail "apt knows no Debian mirror here; run 'apt-get update' first"
  cat >"$apt_folder/apt.conf" <<C
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Install-Recommends "0";
APT::Sandbox::User "";
Acquire::ForceHash "SHA256";
Dir::Etc::SourceList "$apt_folder/debian.sources";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$apt_folder/lists";
Dir::State::status "$apt_folder/status";
Dir::Cache "$apt_folder";
C
  APT_CONFIG=$apt_folder/apt.conf apt-get -q update >"$apt_folder/log" 2>&1 ||
    complain "$apt_folder/log" "apt could not read its mirrors' lists"
  # Of a component that a mirror does not have apt only warns.
  for component in $taken; do
    compgen -G "$apt_folder/lists/*_${component}_binary-*" >/dev/null || fail "the mirror has no component $component"
  done
}

# names_of FILE: the words before the comments.
names_of() { sed 's/#.*//' "$1" | xargs; }

# wanted_debs: those of shared/packages with what they depend on, kernel and GRUB alone.
wanted_debs() {
  local kernel_name
  kernel_name=$(apt-cache depends "$kernel" | awk '/ Depends: linux-image-/ && !count++ { print $2 }') || return
  apt-get install -y --print-uris $(names_of "$shared/packages") ${board_packages:-} || return
  (cd "$apt_folder" && apt-get download --print-uris "${kernel_name:-$kernel}" ${grub_packages:-})
}

# development_packages: what this machine has from tools/packages.txt, for another architecture.
development_packages() {
  awk '/^\[/ { section = $1 } section == "[build]" && $1 ~ /-dev$/ && $1 !~ /^(libclang|dpkg)/ { print $1 }' "$source_root/tools/packages.txt" | xargs
}
wanted_sysroot_debs() { apt-get install -y --print-uris libc6-dev $(development_packages); }

# make_list LIST WHAT COMMAND: asks COMMAND for the packages; not again as long as it would be asked for the same ones.
make_list() {
  local list=$1 what=$2 command=$3 key
  if [ -n "$packages" ]; then
    sed -n "s/^$what //p" "$packages" >"$list"
    [ -s "$list" ] || fail "$packages has no lines '$what URI NAME SHA256:SUM'"
    return
  fi
  key="# $(packages_key)"
  if [ -s "$list" ] && [ -z "$is_refresh" ] && [ "$(head -n 1 "$list")" = "$key" ]; then return; fi
  say "asking the Debian mirror for the packages of the $what ($architecture)"
  [ -n "${apt_folder:-}" ] || apt_open
  APT_CONFIG=$apt_folder/apt.conf $command >"$list.uris" 2>"$apt_folder/log" || complain "$apt_folder/log" "apt does not know all packages"
  { echo "$key"; awk -F "[' ]+" '/^.http/ { print $2, $3, $5 }' "$list.uris" | sort -u; } >"$list.new"
  rm "$list.uris"
  mv "$list.new" "$list"
}

# list_lines LIST: without comments.
list_lines() { sed '/^#/d' "$1"; }

packages_key() {
  echo "$architecture $kernel ${grub_packages:-} ${board_packages:-}${components:+ from $components} ${PIXPOP_DEBIAN:-} $(names_of "$shared/packages") $(development_packages)" |
    sha256sum | cut -c 1-16
}

# fetch_debs LIST: those that are not in the cache yet. Each is checked again whenever a list is made or unpacked.
fetch_debs() {
  local uri name sum count=0
  mkdir -p "$cache/debs"
  while read -r uri name sum; do
    [ ! -s "$cache/debs/$name" ] || continue
    [ $((count++)) -gt 0 ] || say "fetching packages"
    fetch_deb "$uri" "$name" "$sum"
  done < <(list_lines "$1")
}

fetch_deb() {
  local uri=$1 name=$2 sum=$3 part=$cache/debs/$2.$$
  curl -fsSL --retry 3 -o "$part" "$uri" ||
    { [ -n "${PIXPOP_DEBIAN:-}" ] && curl -fsSL --retry 3 -o "$part" "$PIXPOP_DEBIAN/pool/${uri#*/pool/}"; } ||
    { rm -f "$part"; fail "$uri could not be fetched (PIXPOP_DEBIAN may name a mirror that still has it)"; }
  check_deb "$part" "$name" "$sum"
  mv "$part" "$cache/debs/$name"
}

# check_deb FILE NAME SUM: refuses, and removes the file, so that the next try fetches it again.
check_deb() {
  local is
  [[ $3 =~ ^SHA256:[0-9a-f]{64}$ ]] || fail "the list gives no SHA-256 of $2"
  is=$(sha256sum <"$1" | cut -d ' ' -f 1)
  [ "SHA256:$is" = "$3" ] && return
  rm -f "$1"
  fail "$2 is not what the list says: SHA-256 $is instead of ${3#SHA256:}"
}

# unpack_debs LIST FOLDER: merged /usr; .packages/ has a list of files for each package. Of the documents only the
# copyright files.
unpack_debs() {
  local list=$1 folder=$2 stamp uri name sum
  stamp=$(list_lines "$list" | cut -d ' ' -f 2- | sha256sum)
  [ "$(cat "$folder/.stamp" 2>/dev/null)" != "$stamp" ] || return 0
  fetch_debs "$list"
  say "unpacking $(list_lines "$list" | wc -l) packages"
  rm -rf "$folder"
  mkdir -p "$folder"/usr/{bin,sbin,lib,lib64} "$folder/.packages"
  for name in bin sbin lib lib64; do ln -s "usr/$name" "$folder/$name"; done
  while read -r uri name sum; do
    check_deb "$cache/debs/$name" "$name" "$sum"
    dpkg-deb --fsys-tarfile "$cache/debs/$name" |
      tar -x -v -C "$folder" --keep-directory-symlink --no-same-owner --exclude './usr/share/doc/*/[!c]*' \
        --exclude './usr/share/doc/*/c[!o]*' --exclude './usr/share/man/*' --exclude './usr/share/locale/*' --exclude './dev/*' |
      sed 's/^\.//' >"$folder/.packages/${name%.deb}"
  done < <(list_lines "$list")
  echo "$stamp" >"$folder/.stamp"
}

make_stage() {
  make_list "$out/$board/system.list" system wanted_debs
  unpack_debs "$out/$board/system.list" "$stage"
}

# make_sysroot: only its libraries and headers are used, so links that lead to / are made relative.
make_sysroot() {
  local link
  make_list "$out/$board/sysroot.list" sysroot wanted_sysroot_debs
  unpack_debs "$out/$board/sysroot.list" "$sysroot"
  find "$sysroot/usr/lib" -lname '/*' | while read -r link; do
    ln -sfr "$sysroot$(readlink "$link")" "$link"
  done
}

# package_lists: what another machine needs to build the same again (--packages); the last line is for readers alone.
package_lists() {
  echo "# Packages of pixpop $version for $board, as board/build --packages takes them. Programs were compiled with"
  echo "# $("$(compiler)" --version | head -n 1)"
  list_lines "$out/$board/system.list" | sed 's/^/system /'
  [ ! -e "$out/$board/sysroot.list" ] || list_lines "$out/$board/sysroot.list" | sed 's/^/sysroot /'
  [ -z "$mesa_version" ] || echo "source mesa $mesa_version tools/sources.txt"
}
