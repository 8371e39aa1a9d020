#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Inside the virtual robot: a real NetworkManager on one simulated radio, access points on the others.
#   air.sh start FOLDER         FOLDER: of tools/vm_wifi.sh; three radios are there (mac80211_hwsim)
#   air.sh ap DEVICE NET SSID_HEX [PASSWORD]   an access point with DHCP for 10.NET.0.0; its pid is in
#                                              /run/avatar/ap-DEVICE.pid
set -eu
export PATH=$PATH:/usr/sbin:/sbin

case $1 in
start)
    # Through links as they are here: packages say /lib where this machine has a link. The libraries
    # are found without ldconfig, which takes minutes here: they are where the loader looks anyway.
    tar -C "$2" --exclude=./complete -cf - . | tar -C / --keep-directory-symlink -xf -
    echo unpacked
    mkdir -p /run/dbus /etc/NetworkManager/conf.d /etc/NetworkManager/system-connections
    cat > /etc/NetworkManager/NetworkManager.conf <<EOF
[main]
plugins=keyfile
dns=none
[keyfile]
unmanaged-devices=except:interface-name:wlan0
[device]
wifi.scan-rand-mac-address=no
[logging]
level=INFO
EOF
    modprobe ccm 2> /dev/null || true
    ip link set lo up
    # The access points are elsewhere: in a network of their own.
    ip netns add air
    for device in wlan1 wlan2; do
        iw phy "$(basename "$(readlink -f /sys/class/net/$device/phy80211)")" set netns name air
    done
    dbus-uuidgen --ensure
    dbus-daemon --system --fork
    echo 'dbus runs'
    NetworkManager --debug > /run/avatar/NetworkManager.log 2>&1 &
    echo 'NetworkManager was started'
    for _ in $(seq 100); do
        nmcli -t -f STATE general > /dev/null 2>&1 && break
        sleep 0.2
    done
    nmcli -t -f RUNNING,STATE general
    ;;
ap)
    device=$2 net=$3
    {
        printf 'interface=%s\ndriver=nl80211\nssid2=%s\nutf8_ssid=1\nhw_mode=g\nchannel=%s\n' \
            "$device" "$4" "$((net % 11 + 1))"
        [ $# -lt 5 ] || printf 'wpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_passphrase=%s\n' "$5"
    } > "/run/avatar/ap-$device.conf"
    ip netns exec air ip link set lo up
    ip netns exec air ip address replace "10.$net.0.1/24" dev "$device"
    ip netns exec air hostapd -B -P "/run/avatar/ap-$device.pid" "/run/avatar/ap-$device.conf"
    ip netns exec air dnsmasq --no-resolv --no-hosts --port=0 --bind-interfaces --interface="$device" \
        --except-interface=lo --dhcp-range="10.$net.0.10,10.$net.0.100,1h" --user=root \
        --pid-file="/run/avatar/dhcp-$device.pid" --dhcp-leasefile="/run/avatar/dhcp-$device.leases"
    ;;
gone)
    # As if its plug was pulled.
    kill -9 "$(cat "/run/avatar/ap-$2.pid")" "$(cat "/run/avatar/dhcp-$2.pid")"
    ip netns exec air ip link set "$2" down
    ;;
esac
