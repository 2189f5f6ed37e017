#!/bin/sh
# Installs the Debian packages given as arguments and leaves nothing started or enabled: services are refused a start
# while dpkg works (policy-rc.d), no PostgreSQL cluster is created, what a package enabled is disabled again.
# What was there before is put back however this ends; apt-get itself is never interrupted half-way.
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
trap '' HUP

# A file of ours that a killed run left is no policy worth keeping.
if [ -e "$policy" ] && ! grep -q "$mark" "$policy"; then mv "$policy" "$kept_policy"; fi
printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" >"$policy"
chmod 755 "$policy"
mkdir -p "$cluster_folder"
echo 'create_main_cluster = false' >"$cluster_setting"

export DEBIAN_FRONTEND=noninteractive
# Another apt-get may be at work; a minute or five is no reason to fail.
apt-get -q -o DPkg::Lock::Timeout=300 update
apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold install --no-install-recommends "$@"

for package in "$@"; do
  case $package in
    rabbitmq-server) units='rabbitmq-server.service epmd.service epmd.socket' ;;
    *) units="$package.service" ;;
  esac
  for unit in $units; do
    if command -v systemctl >/dev/null; then systemctl disable "$unit" >/dev/null 2>&1 || true; fi
  done
  if command -v update-rc.d >/dev/null; then update-rc.d "$package" disable >/dev/null 2>&1 || true; fi
done
