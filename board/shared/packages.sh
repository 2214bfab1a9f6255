# packages.sh: read in by board/build: Debian packages -> $stage, unpacked without root, with a list of each one's files.

apt_open() {
  apt_folder=$cache/apt-$architecture
  mkdir -p "$apt_folder"/{lists/partial,archives/partial}
  : >"$apt_folder/status"
  if [ -n "${PIXPOP_DEBIAN:-}" ]; then
    printf 'Types: deb\nURIs: %s\nSuites: bookworm\nComponents: main\nSigned-By: %s\n' "$PIXPOP_DEBIAN" "$keyring"
  else
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
      sort -u | while read -r uri suite component; do
        printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n\n' "$uri" "$suite" "$component" "$keyring"
      done
  fi >"$apt_folder/debian.sources"
  [ -s "$apt_folder/debian.sources" ] || fail "apt knows no Debian mirror here; run 'apt-get update' first"
  cat >"$apt_folder/apt.conf" <<C
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Install-Recommends "0";
APT::Sandbox::User "";
Dir::Etc::SourceList "$apt_folder/debian.sources";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$apt_folder/lists";
Dir::State::status "$apt_folder/status";
Dir::Cache "$apt_folder";
C
  export APT_CONFIG=$apt_folder/apt.conf
  apt-get -q update >"$apt_folder/log" 2>&1 || complain "$apt_folder/log" "apt could not read its mirrors' lists"
}

# names_of FILE: the words before the comments.
names_of() { sed 's/#.*//' "$1" | xargs; }

# wanted_debs: "URI name" of each package file: those of shared/packages with what they depend on, kernel and GRUB alone.
wanted_debs() {
  local kernel_name
  kernel_name=$(apt-cache depends "$kernel" | awk '/ Depends: linux-image-/ { print $2; exit }')
  apt-get install -y --print-uris $(names_of "$shared/packages") ${board_packages:-}
  (cd "$apt_folder" && apt-get download --print-uris "${kernel_name:-$kernel}" ${grub_packages:-})
}

make_stage() {
  local list=$work/debs.txt stamp deb name
  if [ -s "$list" ] && [ -z "$is_refresh" ] && [ "$(head -n 1 "$list")" = "# $(packages_key)" ]; then
    say "Debian packages are there ($(($(wc -l <"$list") - 1)); --refresh asks the mirror for newer ones)"
  else
    say "asking the Debian mirror for packages ($architecture)"
    apt_open
    { echo "# $(packages_key)"; wanted_debs | awk -F "[' ]+" '/^.http/ { print $2, $3, $5 }' | sort -u; } >"$list.new"
    mv "$list.new" "$list"
  fi
  mkdir -p "$cache/debs"
  local missing=()
  while read -r uri name sum; do
    [ -s "$cache/debs/$name" ] || missing+=("$uri $name")
  done < <(tail -n +2 "$list")
  if [ ${#missing[@]} -gt 0 ]; then
    say "fetching ${#missing[@]} packages"
    for deb in "${missing[@]}"; do fetch_deb $deb; done
  fi
  stamp=$(sha256sum <"$list")
  [ "$(cat "$stage/.stamp" 2>/dev/null)" != "$stamp" ] || return 0
  say "unpacking"
  rm -rf "$stage"
  mkdir -p "$stage"/usr/{bin,sbin,lib,lib64} "$stage/.packages"
  for name in bin sbin lib lib64; do ln -s "usr/$name" "$stage/$name"; done
  while read -r uri name sum; do
    dpkg-deb --fsys-tarfile "$cache/debs/$name" |
      tar -x -v -C "$stage" --keep-directory-symlink --no-same-owner --exclude './usr/share/doc/*' \
        --exclude './usr/share/man/*' --exclude './usr/share/locale/*' --exclude './dev/*' |
      sed 's/^\.//' >"$stage/.packages/${name%.deb}"
  done < <(tail -n +2 "$list")
  echo "$stamp" >"$stage/.stamp"
}

packages_key() { echo "$architecture $kernel ${grub_packages:-} ${board_packages:-} ${PIXPOP_DEBIAN:-} $(names_of "$shared/packages")" | sha256sum | cut -c 1-16; }

# fetch_deb URI NAME: apt's own fetching, which checks its list's sums.
fetch_deb() {
  local uri=$1 name=$2
  curl -fsSL --retry 3 -o "$cache/debs/$name.part" "$uri" || fail "$uri could not be fetched"
  mv "$cache/debs/$name.part" "$cache/debs/$name"
}
