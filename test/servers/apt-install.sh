#!/bin/sh
# Installs the Debian packages given as arguments, with whatever they need, and leaves nothing started or enabled:
# services are refused a start while dpkg works (policy-rc.d), no PostgreSQL cluster is created, and what the packages
# enabled is disabled again. However this ends, what was there before is put back.
set -eu

policy=/usr/sbin/policy-rc.d
kept_policy=$policy.before-holdfast
mark='temporary, of the Holdfast test servers'
cluster_folder=/etc/postgresql-common/createcluster.d
cluster_setting=$cluster_folder/holdfast-temporary.conf

restore() {
  trap '' INT TERM HUP
  if grep -qs "$mark" "$policy"; then rm -f "$policy"; fi
  if [ -e "$kept_policy" ]; then mv -f "$kept_policy" "$policy"; fi
  rm -f "$cluster_setting"
  rmdir "$cluster_folder" /etc/postgresql-common 2>/dev/null || true
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# If the terminal goes, or whoever started us, the installation is still brought to its end.
trap '' HUP

enabled_units() {
  find /etc/systemd/system/*.wants -type l 2>/dev/null | sort
}
init_scripts() {
  find /etc/init.d -type f 2>/dev/null | sort
}
disable_new() {
  enabled_units | while read -r link; do
    case "$units_before" in *"$link"*) continue ;; esac
    unit=$(basename "$link")
    # The second does it where systemd is not installed; it wants to be called by dpkg.
    systemctl disable "$unit" >/dev/null 2>&1 ||
      DPKG_MAINTSCRIPT_PACKAGE=holdfast deb-systemd-helper disable "$unit" >/dev/null 2>&1 || true
  done
  init_scripts | while read -r script; do
    case "$scripts_before" in *"$script"*) continue ;; esac
    update-rc.d "$(basename "$script")" disable >/dev/null 2>&1 || true
  done
}

units_before=$(enabled_units)
scripts_before=$(init_scripts)

# A file of ours that a killed run left is no policy worth keeping.
if [ -e "$policy" ] && ! grep -q "$mark" "$policy"; then mv "$policy" "$kept_policy"; fi
printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" >"$policy"
chmod 755 "$policy"
mkdir -p "$cluster_folder"
echo 'create_main_cluster = false' >"$cluster_setting"

export DEBIAN_FRONTEND=noninteractive
# Another apt-get may be at work; five minutes of waiting for it are better than a failure.
apt-get -q -o DPkg::Lock::Timeout=300 update
apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold install --no-install-recommends "$@"
disable_new
