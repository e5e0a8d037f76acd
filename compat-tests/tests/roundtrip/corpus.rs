//! The corpus: lines of `docker run`, sorted by what they are about.

use crate::line::{Line, line};

const MAC: &str = "the client sends none below API 1.44";

/// Every line, with its number.
pub fn corpus() -> Vec<(usize, Line)> {
    let lines = [
        processes(),
        resources(),
        security(),
        namespaces(),
        logs_and_health(),
        volumes(),
        mounts(),
        networks(),
        connections(),
        ports(),
    ];
    (100..).zip(lines.into_iter().flatten()).collect()
}

/// What runs in it, and how it is started and stopped; and what the client alone reads.
fn processes() -> Vec<Line> {
    vec![
        line(""),
        line("IMAGE sh -c 'stay \"quotes\"  and   blanks'"),
        line("--rm -v /anonymous -v {}-data:/data -e MINE=1"),
        line("--entrypoint stay"),
        line("--entrypoint stay IMAGE stay"),
        // The image's own.
        line("--entrypoint env IMAGE stay"),
        line("--entrypoint '' IMAGE stay"),
        line("-e LEVEL=debug -e MINE=1 --env EMPTY= --env 'BLANKS=a b' -e GONE -e NEVER_WAS"),
        line("-e PATH=/usr/bin:/bin -e TWICE=1 -e TWICE=2"),
        line("--env-file {folder}/env -e LEVEL=trace -l owner=alice -l kind=mine --label empty"),
        line("--label-file {folder}/labels"),
        line("--annotation io.example.note=kept").since((24, 0), "it came with API 1.43"),
        // As the image has it; alone, because the client mixes up the order of several.
        line("-e LEVEL=info -u 1000:1000 -w / --group-add 7 --group-add 8"),
        line("--user 0 --workdir /srv/new --hostname db-2.example.org"),
        line("-h db-1 --domainname example.org --init --stop-signal SIGTERM --stop-timeout 7"),
        line("--stop-signal 15 --stop-timeout 0 --restart always"),
        line("-i -t"),
        line("--interactive --tty --init --restart unless-stopped"),
        // `-d` refuses it.
        line("-a stdout -a stderr").created(),
        line("--attach stdin -i").created(),
        line("--restart on-failure --runtime io.containerd.runc.v2"),
        line("--restart on-failure:7 --runtime runc --platform linux/amd64 --isolation default"),
        line(
            "--cidfile {folder}/cid --detach --detach-keys ctrl-a --disable-content-trust \
             --pull never --quiet --sig-proxy=false",
        ),
    ]
}

/// Limits.
fn resources() -> Vec<Line> {
    const REAL_TIME: &str = "needs a kernel with real-time group scheduling, and time left";
    const WINDOWS: &str = "Windows only";
    vec![
        line(
            "-m 64m --memory-swap 128m --memory-reservation 32m -c 512 --cpuset-cpus 0 \
             --cpuset-mems 0 --pids-limit 200 --cgroup-parent /refit-test --cgroupns private",
        ),
        line(
            "--memory 64m --memory-swap -1 --oom-kill-disable --oom-score-adj 500 --cpu-shares 256 \
             --cpu-period 50000 --cpu-quota 25000 --pids-limit -1",
        ),
        line("-m 64m --memory-swappiness 50").kernel("control groups v2 have none"),
        line("--kernel-memory 64m").kernel("control groups v1 of some kernels have it"),
        line("--cpus 0.5 --ulimit nofile=1000:2000 --ulimit core=0 --shm-size 32m"),
        line("--cpu-rt-period 1000000").kernel(REAL_TIME),
        line("--cpu-rt-runtime 950000").kernel(REAL_TIME),
        line(
            "--blkio-weight 300 --blkio-weight-device {block}:200 --device-read-bps {block}:1mb \
             --device-write-bps {block}:2mb --device-read-iops {block}:100 \
             --device-write-iops {block}:200",
        ),
        line("--storage-opt size=1G").kernel("needs a file system with project quotas"),
        line("--cpu-count 1").refused(WINDOWS),
        line("--cpu-percent 50").refused(WINDOWS),
        line("--io-maxbandwidth 1m").refused(WINDOWS),
        line("--io-maxiops 5").refused(WINDOWS),
    ]
}

/// What it may do, and which devices it sees.
fn security() -> Vec<Line> {
    const ALL: &str = "20.10 asks for each that the kernel knows, had or not";
    vec![
        line("--cap-add NET_ADMIN --cap-add SYS_PTRACE --cap-drop MKNOD"),
        line("--cap-drop ALL --cap-add CAP_KILL --security-opt no-new-privileges"),
        line("--privileged --cgroupns host").surely_since((26, 1), ALL),
        line(
            "--device /dev/null:/dev/nothing --device /dev/zero:/dev/zeros:r \
             --device-cgroup-rule 'c 42:* rmw' --device-cgroup-rule 'b 7:0 r'",
        ),
        line("--cap-add ALL").surely_since((26, 1), ALL),
        line("--gpus all").refused("needs a GPU with its driver"),
        line("--security-opt seccomp=unconfined --security-opt apparmor=unconfined"),
        line("--security-opt seccomp={folder}/seccomp.json --security-opt label=disable"),
        line(
            "--security-opt systempaths=unconfined --security-opt label=user:alice \
             --security-opt label=level:s0",
        ),
    ]
}

/// Namespaces, shared and not.
fn namespaces() -> Vec<Line> {
    const OTHER: &str = "run -d --name {}-other --ipc shareable refit-test/before";
    vec![
        line("--ipc private --userns host"),
        line("--ipc none --no-healthcheck"),
        line("--ipc shareable --sysctl net.core.somaxconn=512 --sysctl kernel.msgmax=4096"),
        line("--ipc container:{}-other --pid container:{}-other").first(OTHER),
        line("--uts host"),
        line("--network host"),
        line("--network host -h db-3 --ipc host --pid host"),
        line("--network host --uts host"),
        line("--network none"),
        line("--network none --mac-address 02:42:0a:d4:00:01").since((25, 0), MAC),
        line("--network bridge"),
        line("--network default"),
        line("--network container:{}-other").first(OTHER),
        line("--network container:{}-other --pid container:{}-other --ipc container:{}-other")
            .first(OTHER),
    ]
}

/// Log drivers and health checks.
fn logs_and_health() -> Vec<Line> {
    vec![
        line(
            "--log-driver json-file --log-opt max-size=1m --log-opt max-file=3 --log-opt tag=t \
             --log-opt mode=non-blocking --log-opt max-buffer-size=1m",
        ),
        line("--log-driver local --log-opt max-size=2m --log-opt compress=false"),
        line("--log-driver none"),
        line("--log-driver syslog --log-opt syslog-address=udp://127.0.0.1:514"),
        line("--log-driver gelf --log-opt gelf-address=udp://127.0.0.1:12201"),
        line("--log-driver fluentd --log-opt fluentd-async=true --log-opt labels=kind"),
        line("--log-driver journald").kernel("needs systemd's journal"),
        line(
            "--health-cmd true --health-interval 200ms --health-timeout 2s --health-retries 4 \
             --health-start-period 5s",
        ),
        line(
            "--health-cmd 'test -e /which' --health-interval 30s --health-start-period 10s \
             --health-start-interval 200ms",
        )
        .since((25, 0), "the start interval came with API 1.44"),
        // Without a command there is no check.
        line("--health-interval 1s --health-retries 2"),
    ]
}

/// Volumes, by all the ways to have one.
fn volumes() -> Vec<Line> {
    vec![
        line("-v /anonymous -v /data"),
        line("--mount type=volume,dst=/anonymous --mount type=volume,dst=/data"),
        line("-v {}-named:/data:ro -v {}-two:/two:nocopy -v {}-three:/three:ro,z"),
        line("--volume-driver local -v {}-named:/named -v /anonymous --volume /trailing/"),
        line("-v {}-named:/one -v {}-named:/two:ro -v {}-named:/one/below"),
        line(
            "--mount type=volume,src={}-named,dst=/named,volume-nocopy \
             --mount type=volume,src={}-two,dst=/data,readonly",
        ),
        line(
            "--mount 'type=volume,src={}-named,dst=/named,volume-driver=local,volume-label=a=b,\
             volume-opt=type=tmpfs,volume-opt=device=tmpfs,\"volume-opt=o=size=1m,uid=1000\"'",
        ),
        line(
            "--mount type=volume,dst=/anonymous,volume-label=a=b,volume-opt=type=tmpfs,\
             volume-opt=device=tmpfs",
        ),
        line("--mount type=volume,src={}-named,dst=/part,volume-subpath=sub/part")
            // 20.10 ignores the path.
            .first("run --rm -v {}-named:/v busybox mkdir -p /v/sub/part"),
        line("--volumes-from {}-other").first(
            "run -d --name {}-other -v /from -v {}-named:/named:ro -v /srv:/srv:ro \
             refit-test/before",
        ),
        line("--volumes-from {}-other:ro --volumes-from {}-more -v {}-mine:/from")
            .first("run -d --name {}-other -v /from -v {}-named:/named refit-test/before")
            .first(
                "run -d --name {}-more --mount type=volume,dst=/more --tmpfs /not-handed-on \
                 refit-test/before",
            ),
    ]
}

/// What else is mounted.
fn mounts() -> Vec<Line> {
    vec![
        line("-v /srv:/host -v /srv:/host-ro:ro -v /etc/hostname:/etc/hostname:ro"),
        line(
            "-v /tmp/{}:/shared:rshared -v /tmp/{}:/slave:ro,rslave \
             --mount type=bind,src=/tmp/{},dst=/another,bind-propagation=slave",
        )
        .host(
            "mkdir /tmp/{} && mount -t tmpfs {} /tmp/{} && mount --make-shared /tmp/{}",
            "umount /tmp/{} && rmdir /tmp/{}",
        ),
        line(
            "-v /srv:/private:private -v /srv:/rprivate:rprivate,ro -v /srv:/z:z \
             --mount type=bind,src=/srv,dst=/ro,readonly \
             --mount type=bind,src=/srv,dst=/p,bind-propagation=private",
        ),
        line(
            "--mount type=bind,src=/srv,dst=/plain,bind-recursive=disabled \
             --mount type=bind,src=/srv,dst=/deep,readonly,bind-recursive=readonly,\
             bind-propagation=rprivate",
        )
        .since((25, 0), "recursive read-only mounts came with API 1.44"),
        line("--mount type=image,src=busybox,dst=/image,image-subpath=bin")
            .since((28, 0), "image mounts came with API 1.48"),
        line("--read-only --tmpfs /scratch:rw,size=1m,mode=1770,noexec --tmpfs /data"),
        line(
            "--mount type=tmpfs,dst=/scratch,tmpfs-size=1m,tmpfs-mode=1770 \
             --mount type=tmpfs,dst=/data",
        ),
        line("--use-api-socket").host(
            "ln -sf /run/refit/docker.sock /run/docker.sock",
            "rm /run/docker.sock",
        ),
    ]
}

const NET: &str = "network create --subnet 10.212.{n}.0/24 {}-net";
const MORE: &str = "network create --subnet 10.213.{n}.0/24 {}-more";
const SIX: &str =
    "network create --ipv6 --subnet 10.212.{n}.0/24 --subnet fd00:212:{n}::/64 {}-net";
const OTHER: &str = "run -d --name {}-other --network {}-net --ip 10.212.{n}.100 refit-test/before";

/// Addresses and names.
fn networks() -> Vec<Line> {
    vec![
        line("--network {}-net --dns-search . --dns 1.1.1.1").first("network create {}-net"),
        line("--net {}-net --ip 10.212.{n}.9 --network-alias cache --net-alias db").first(NET),
        line("--mac-address 02:42:0a:d4:00:09").since((25, 0), MAC),
        line("--network {}-net --ip6 fd00:212:{n}::9").first(SIX),
        line(
            "--network {}-net --ip 10.212.{n}.9 --link-local-ip 169.254.8.8 \
             --link-local-ip 169.254.8.9",
        )
        .first(NET),
        line("--link {}-other:db --link {}-more")
            .first("run -d --name {}-other refit-test/before")
            .first("run -d --name {}-more refit-test/before"),
        line("--network {}-net --link {}-other:db --link {}-other:store")
            .first(NET)
            .first(OTHER),
        line(
            "--add-host db:10.0.0.1 --add-host six:fd00::1 --add-host gateway:host-gateway \
             --dns 10.0.0.53 --dns 10.0.0.54 --dns-option ndots:2 --dns-opt rotate \
             --dns-search example.org",
        ),
    ]
}

/// Several networks, and the long form of one.
fn connections() -> Vec<Line> {
    const SEVERAL: &str = "one network alone in create below API 1.44";
    vec![
        line(
            "--network name={}-net,alias=cache,alias=db,ip=10.212.{n}.9,driver-opt=com.example.a=b",
        )
        .first(NET),
        line("--network name={}-net,ip=10.212.{n}.9,mac-address=02:42:0a:d4:00:0a")
            .first(NET)
            .since((25, 0), MAC),
        line(
            "--network name={}-net,driver-opt=com.docker.network.endpoint.sysctls=\
             net.ipv4.conf.IFNAME.log_martians=1",
        )
        .first(NET),
        line("--network {}-net --network {}-more")
            .first(NET)
            .first(MORE)
            .since((25, 0), SEVERAL),
        line(
            "--network name={}-more,alias=back,ip=10.213.{n}.7,gw-priority=1 \
             --network name={}-net,alias=front,ip=10.212.{n}.9,driver-opt=com.example.a=b",
        )
        .first(NET)
        .first(MORE)
        .since((25, 0), SEVERAL),
        line("--network {}-net --network name={}-more,mac-address=02:42:0a:d4:00:0b")
            .first(NET)
            .first(MORE)
            .since((25, 0), SEVERAL),
        line("--network {}-net --ip 10.212.{n}.9")
            .first(NET)
            .first(MORE)
            .then("network connect --alias front --alias web --ip 10.213.{n}.7 {}-more {}"),
        line("--network {}-more --network-alias back")
            .first(NET)
            .first(MORE)
            .first(OTHER)
            .then("network connect --link {}-other:db --driver-opt com.example.a=b {}-net {}"),
        line("")
            .first(NET)
            .then("network connect --ip 10.212.{n}.9 {}-net {}"),
        line("--network {}-net")
            .first(NET)
            .first(MORE)
            .then("network connect {}-more {}")
            .then("network disconnect {}-net {}"),
        line("--network none")
            .first(NET)
            .then("network disconnect none {}")
            .then("network connect {}-net {}"),
    ]
}

/// Published ports.
fn ports() -> Vec<Line> {
    vec![
        line(
            "-p 21{n}:80 -p 22{n}:53/udp -p 127.0.0.1:23{n}:80/tcp --expose 9000 \
             --expose 9100-9102/udp",
        ),
        line("-p 127.0.0.1::7000").ephemeral(),
        line("-p 80").ephemeral(),
        line("--publish 7000 -p 7001/udp -p 80").ephemeral(),
        line("-p 80 -p 80")
            .ephemeral()
            .before((28, 0), "28.5 finds the second address in use"),
        line("-P").ephemeral(),
        line("--publish-all -p 21{n}:7000 --expose 8000-8001").ephemeral(),
        line("-p 41000-41002:8000-8002 -p 41020-41029:80 -p 127.0.0.1:41030-41031:81-82/udp"),
        line("-p '[::1]:21{n}:80' -p 0.0.0.0:22{n}:80 -p '[::]:23{n}:81'"),
    ]
}
