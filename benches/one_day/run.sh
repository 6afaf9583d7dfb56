#!/usr/bin/env bash
# Runs the ten jobs through both days and puts what happened into the book: `just one-day`.
#
# Each day is a virtual machine with Debian, in which all six schedulers run. QEMU computes the machine's clock from the number of
# instructions (`-icount`), and skips the time in which the processor sleeps (`sleep=off`). So a day takes minutes, and neither the
# kernel nor the schedulers need to be changed. The disk is in the machine's memory (an NVDIMM): a disk of the host would answer
# in the host's time.
#
# It needs root and the Debian packages qemu-system-x86, debootstrap and e2fsprogs, and takes two gigabytes in target/one-day.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${ONE_DAY_DIRECTORY:-$root/target/one-day}
release=bookworm
mkdir -p "$work"

cargo build --release --manifest-path "$root/Cargo.toml" -p matins-cli --bin matins
cargo build --release --manifest-path "$root/Cargo.toml" -p matins-benches --bin one-day
built=${CARGO_TARGET_DIR:-$root/target}/release

# Debian, once.
base=$work/base
if ! [ -e "$work/base-is-ready" ]; then
    rm -rf "$base"
    debootstrap --variant=minbase \
        --include=systemd-sysv,udev,kmod,cron,python3,linux-image-amd64,initramfs-tools,tzdata "$release" "$base"
    printf '%s\n' libnvdimm nfit nd_pmem ext4 >>"$base/etc/initramfs-tools/modules"
    chroot "$base" update-initramfs -u
    # The machine's own timers, and those of its packages, would wake it.
    rm -f "$base"/etc/systemd/system/timers.target.wants/* "$base"/etc/cron.d/* "$base"/etc/cron.daily/*
    touch "$work/base-is-ready"
fi
if ! [ -e "$work/python/apscheduler" ]; then
    python3 -m pip install --quiet --only-binary :all: --python-version 3.11 --target "$work/python" 'APScheduler>=3.11,<4' 'SQLAlchemy>=2,<3'
fi

day_of() { python3 -c 'import json, sys; day = json.load(open(sys.argv[1]))["days"][int(sys.argv[2])]; print(day[sys.argv[3]])' "$here/plan.json" "$1" "$2"; }

unit() {
    local name=$1 command=$2
    cat >"$tree/etc/systemd/system/$name.service" <<END
[Service]
ExecStart=$command
Environment=PYTHONPATH=/opt/one-day/python
[Install]
WantedBy=multi-user.target
END
    ln -sf "../$name.service" "$tree/etc/systemd/system/multi-user.target.wants/$name.service"
}

timer() {
    local job=$1 lines=$2 retry=''
    # A unit that has failed is started again after a minute, twice.
    [ "$job" = failing ] && retry=$'[Unit]\nStartLimitIntervalSec=10min\nStartLimitBurst=3\n[Service]\nRestart=on-failure\nRestartSec=60'
    cat >"$tree/etc/systemd/system/$job.service" <<END
[Unit]
StartLimitIntervalSec=0
[Service]
Type=oneshot
ExecStart=/opt/one-day/job systemd $job
$retry
END
    # A run may come up to a minute late by default, so that the machine wakes less often.
    cat >"$tree/etc/systemd/system/$job.timer" <<END
[Timer]
$(tr '|' '\n' <<<"$lines")
AccuracySec=1s
Persistent=true
[Install]
WantedBy=timers.target
END
    mkdir -p "$tree/etc/systemd/system/timers.target.wants"
    ln -sf "../$job.timer" "$tree/etc/systemd/system/timers.target.wants/$job.timer"
}

boot() {
    timeout "${ONE_DAY_LIMIT:-3600}" qemu-system-x86_64 -nodefaults -no-reboot -display none -monitor none -serial "file:$out/$2.serial" \
        -machine q35,nvdimm=on,accel=tcg -cpu max -smp 1 -m 1G,slots=1,maxmem=4G \
        -object "memory-backend-file,id=disk,share=on,mem-path=$work/disk,size=2G" -device nvdimm,id=nvdimm,memdev=disk \
        -icount shift=2,sleep=off -rtc "base=${1%Z},clock=vm" \
        -kernel "$(echo "$base"/boot/vmlinuz-*)" -initrd "$(echo "$base"/boot/initrd.img-*)" \
        -append 'root=/dev/pmem0 rw console=ttyS0 quiet panic=-1 tsc=reliable nowatchdog'
}

for number in ${ONE_DAY_DAYS:-0 1}; do
    name=$(day_of "$number" name)
    date=$(day_of "$number" date)
    tree=$work/tree
    out=$work/$name
    rm -rf "$tree" "$out" "$work/disk"
    cp -a "$base" "$tree"
    mkdir -p "$out" "$tree/opt/one-day" "$tree/var/lib/one-day"
    ln -sf /usr/share/zoneinfo/Europe/Berlin "$tree/etc/localtime"
    echo Europe/Berlin >"$tree/etc/timezone"
    cp "$here"/guest/* "$built/matins" "$built/one-day" "$tree/opt/one-day/"
    cp -r "$work/python" "$tree/opt/one-day/python"
    sed -i "s/@DATE@/$date/" "$tree"/opt/one-day/{matins.toml,apscheduler_day.py,timers}
    chmod +x "$tree/opt/one-day/job"
    python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1]))["days"][int(sys.argv[2])]))' \
        "$here/plan.json" "$number" >"$tree/opt/one-day/day.json"
    cp "$here/guest/crontab" "$tree/etc/cron.d/one-day"
    unit conductor '/usr/bin/python3 /opt/one-day/conductor.py'
    unit apscheduler '/usr/bin/python3 /opt/one-day/apscheduler_day.py'
    unit tokio-cron-scheduler "/opt/one-day/one-day peer tokio-cron-scheduler $date"
    unit apalis-cron "/opt/one-day/one-day peer apalis-cron $date"
    unit matins '/opt/one-day/matins run /opt/one-day/matins.toml'
    while IFS='|' read -r job lines; do
        case $job in '' | '#'*) continue ;; esac
        timer "$job" "$lines"
    done <"$tree/opt/one-day/timers"
    truncate -s 2G "$work/disk"
    mke2fs -q -t ext4 -d "$tree" "$work/disk"
    for start in on on_again; do
        boot "$(day_of "$number" "$start")" "$start"
    done
    e2fsck -fy "$work/disk" >"$out/e2fsck" || true
    debugfs -R "rdump /var/lib/one-day $out" "$work/disk"
    {
        chroot "$base" dpkg-query -W -f '${Package}\t${Version}\n' cron systemd tzdata python3.11
        chroot "$base" dpkg-query -W -f '${source:Package}\t${Version}\n' 'linux-image-*-amd64'
        echo "qemu	$(qemu-system-x86_64 --version | sed -n 's/^QEMU emulator version \([^ ]*\).*/\1/p')"
        for package in "$work"/python/*.dist-info; do basename "$package" .dist-info | tr '-' '\t'; done
    } >"$out/versions"
    rm -rf "$tree" "$work/disk"
done

"$built/one-day" take "$work"
