//! The docker CLI over long scripts: each of its commands says the same directly and through Refit.
//!
//! A line of a script is the exit code that is expected (two, where engines differ), and the
//! command's arguments as a shell takes them. In these, `@` begins every name, `%label` is the
//! label by which all of it is cleaned up, `%folder` a folder with a `file` in it, `%since` when
//! the script began, `%now` the time of the command, `%private` is the private registry, and
//! `%registry` a place in the open one that is this process's own: all engines share what it holds.

use std::{
    fs, process,
    time::{SystemTime, UNIX_EPOCH},
};

use compat_tests::{
    Scenario,
    same::{Said, Side},
    variable,
};
use regex::Regex;

/// Containers, from create to prune.
const CONTAINERS: &str = r#"
0 create --label %label --name @box --hostname box -e WORD=word -p 127.0.0.1::7000 -w /tmp -v @data:/data --restart on-failure:2 --tmpfs /scratch --cap-drop ALL --init=false busybox sh -c 'trap "echo ends; exit 0" TERM; trap "echo usr1" USR1; echo stays; echo aside >&2; while :; do sleep 0.1; done'
0 ps -a --filter name=@ --format '{{.Names}} {{.State}} {{.Image}} {{.Command}} {{.Labels}}'
0 ps -q --filter name=@
0 inspect @box
0 inspect --format '{{json .Config.Env}} {{.HostConfig.RestartPolicy.Name}} {{.State.Status}}' @box
0 inspect --size --type container --format '{{.SizeRw}}' @box
0 create --label %label --name @ends busybox sh -c 'echo attached'
0 create --label %label --name @fails --interactive busybox sh -c 'cat; exit 5'
0 start @box
0 start @box
0 inspect @box
0 port @box
0 port @box 7000/tcp
0 logs --tail 0 @box
0 stats --no-stream --format '{{.Name}}' @box @ends
0 exec @box sh -c 'echo $WORD; pwd; hostname'
0 exec -e A=b -w / -u 7:8 @box sh -c 'echo $A; pwd; id -u; id -g'
3 exec @box sh -c 'echo out; echo err >&2; exit 3'
0 exec -d @box sh -c 'echo detached >/tmp/detached'
0 exec -i @box sh -c 'cat; echo made >/tmp/made'
126/127 exec @box /no/such/program
126 exec @box /etc
0 exec @box sh -c 'n=0; until [ -s /tmp/detached ] || [ $n = 300 ]; do sleep 0.1; n=$((n + 1)); done; cat /tmp/detached'
0 cp %folder/file @box:/tmp/copied
0 exec @box cat /tmp/copied
0 cp @box:/tmp/made %folder/made
1 cp @box:/no/such/file %folder/none
1 cp %folder/none @box:/tmp/none
0 diff @box
0 pause @box
1 pause @box
1 exec @box true
0 ps --filter name=@ --filter status=paused --format '{{.Names}}'
0 unpause @box
1 unpause @box
0 kill --signal USR1 @box
0 rename @box @renamed
1 inspect --type container @box
0 update --memory 64m --memory-swap 64m --cpu-shares 512 --restart no @renamed
0 inspect --format '{{.HostConfig.Memory}} {{.HostConfig.CpuShares}} {{.HostConfig.RestartPolicy.Name}}' @renamed
0 restart -t 20 @renamed
0 commit --change 'CMD ["true"]' --message why --author somebody @renamed @committed
0 export --output %folder/exported @renamed
1 rm @renamed
0 stop -t 20 @renamed
0 stop @renamed
0 wait @renamed
0 logs @renamed
0 logs --timestamps --details @renamed
0 logs --tail 1 @renamed
0 logs --since 2020-01-02 --until 2020-01-03 @renamed
1 exec @renamed true
0 inspect --format '{{json .State}}' @renamed
0 start --attach @ends
5 start --attach --interactive @fails
0 ps -a --filter name=@ --filter exited=5 --format '{{.Names}} {{.State}}'
0 ps -a --last 1 --no-trunc --format '{{.Names}}'
0 events --since %since --until %now --filter label=%label --filter event=create --filter event=die --filter event=pause --filter event=unpause --filter event=rename
0 events --since %since --until %now --filter container=@ends --format '{{.Action}} {{.Actor.Attributes.name}}'
0 rm --volumes @renamed
0 container prune --force --filter label=%label
0 ps -aq --filter label=%label
"#;

/// Images, from import to prune.
const IMAGES: &str = r#"
0 create --label %label --name @box busybox sh -c 'exit 4'
0 export --output %folder/exported @box
0 import --change 'LABEL %label' --change 'ENV A=b' --change 'CMD ["cat", "/etc/passwd"]' --message imported %folder/exported @image:one
0 run --rm --label %label @image:one
0 images --filter reference=@image --format '{{.Repository}}:{{.Tag}} {{.Size}}'
0 images --filter label=%label --quiet --no-trunc
0 image inspect @image:one
0 image inspect --format '{{json .Config.Env}} {{.Comment}} {{.Architecture}}' @image:one
0 history --no-trunc --format '{{.CreatedBy}}|{{.Comment}}|{{.Size}}' @image:one
0 history --quiet @image:one
0 tag @image:one @image:two
0 tag @image:one %registry/@pushed:one
0 push --quiet %registry/@pushed:one
0 rmi %registry/@pushed:one
0 pull --quiet %registry/@pushed:one
1 pull --quiet %registry/@pushed:two
1 pull --quiet %registry/@none
1 push %registry/@none
1 login --username refit --password wrong %private
1 pull %private/private/redis:8.0
0 image inspect --format '{{.RepoTags}} {{.RepoDigests}}' %registry/@pushed:one
0 save --output %folder/saved @image:one @image:two
0 rmi @image:one @image:two %registry/@pushed:one
1 rmi @image:one
0 load --input %folder/saved
1 load --input %folder/file
0 images --filter label=%label --format '{{.Repository}}:{{.Tag}}'
0 commit @box @committed
0 run --name @holds --label %label @image:one true
1 rmi @image:two @image:one
0 rmi --force @image:one
0 rm @box @holds
0 rmi @committed
0 image prune --force --filter label=%label
0 images --quiet --filter label=%label
0 events --since %since --until %now --filter type=image --filter image=@image:one --format '{{.Action}} {{.Actor.Attributes.name}}'
1 import %folder/none
1 save @none
1 save --output %folder/none @none
1 history @none
1 tag @none @other
1 tag busybox Not:A:Reference
125 run --rm --pull never @none
1 image inspect @none
"#;

/// Volumes and networks.
const VOLUMES_AND_NETWORKS: &str = r#"
0 volume create --label %label --label which=one @one
0 volume create --label %label @one
0 volume create --label %label --opt type=tmpfs --opt device=tmpfs --opt o=size=1m @memory
0 volume ls --filter name=@ --format '{{.Name}} {{.Driver}} {{.Label "which"}}'
0 volume ls --quiet --filter label=which=one
0 volume inspect @one @memory
1 volume inspect @none
1 volume rm @none
0 run --rm --label %label -v @one:/data busybox sh -c 'echo kept >/data/file'
0 run --rm --label %label -v @one:/data:ro busybox cat /data/file
1 run --rm --label %label -v @one:/data:ro busybox touch /data/file
0 run --rm --label %label --mount type=volume,source=@memory,target=/memory busybox df -P /memory
125 run --rm --label %label --mount type=bind,source=/no/such/folder,target=/none busybox true
125 run --rm --label %label -v @one:/data:maybe busybox true
0 create --label %label --name @holds -v @one:/data busybox
1 volume rm @one
0 volume ls --quiet --filter name=@ --filter dangling=true
0 network create --label %label --subnet 10.254.77.0/24 --gateway 10.254.77.1 --opt com.docker.network.bridge.name=refit-commands @net
1 network create --label %label --subnet 10.254.78.0/24 @net
1 network create --label %label --subnet 10.254.77.0/25 @overlapping
1 network create --subnet nonsense @nonsense
0 network ls --filter label=%label --format '{{.Name}} {{.Driver}} {{.Scope}}'
0 network inspect @net
0 run --detach --label %label --name @box --network @net --ip 10.254.77.9 --network-alias alias busybox sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'
0 run --rm --label %label --network @net busybox sh -c 'ping -c 1 -W 20 alias >/dev/null && echo reached'
0 network inspect --verbose --format '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}' @net
0 network disconnect @net @box
1 network disconnect @net @box
0 network connect --ip 10.254.77.10 --alias again @net @box
1 network connect @net @box
0 inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}}{{end}}' @box
1 network rm @net
1 network rm @none
1 network connect @none @box
125 run --rm --label %label --network @none busybox true
1 network rm bridge
0 rm --force @box @holds
0 events --since %since --until %now --filter type=volume --filter volume=@one --format '{{.Action}} {{.Actor.ID}}'
0 events --since %since --until %now --filter type=network --filter network=@net --filter event=create --filter event=connect --filter event=disconnect --format '{{.Action}} {{.Actor.Attributes.name}}'
0 network prune --force --filter label=%label
0 volume prune --force --filter label=%label --filter label!=which=one
0 volume rm --force @one @memory
0 network ls --quiet --filter label=%label
0 volume ls --quiet --filter label=%label
"#;

/// The engine itself, and whatever is not there or not allowed.
const MISTAKES: &str = r"
0 version --format '{{.Server.Version}} {{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Server.Os}}'
0 info --format '{{.ServerVersion}} {{.Driver}} {{.CgroupDriver}} {{.Name}} {{.Images}} {{.Containers}} {{json .Plugins}}'
0 system df --format '{{.Type}} {{.Active}}'
0 create --label %label --name @box busybox sh -c 'exit 0'
1 create --label %label --name @box busybox
1 create --label %label --name 'not a name' busybox
1 start @none
1 stop @none
1 kill @none
1 kill @box
1 kill --signal NOPE @box
1 restart @none
1 pause @none
1 unpause @none
1 rename @none @other
1 rename @box @box
1 exec @none true
1 exec @box true
1 attach @none
1 attach @box
1 logs @none
1 top @none
1 top @box
1 stats --no-stream @none
1 port @none
1 port @box 80
1 diff @none
1 commit @none
1 export --output %folder/none @none
1 export --output %folder/none/none @box
1 cp @none:/etc %folder
1 update --restart sometimes @box
1 update --memory 64m @none
1 wait @none
0 rm --force @none
1 rm @none
1 inspect @none
1 inspect --type image @box
1 inspect --format '{{.NoSuchField}}' @box
1 ps --filter status=nonsense
1 ps --filter nonsense=1
1 images --filter nonsense=1
1 events --since nonsense --until %now
125 run --rm --no-such-flag busybox
125 run --rm --label %label --memory 1k busybox true
125 run --rm --label %label --cpus 1000000 busybox true
125 run --rm --label %label --restart always busybox true
125 run --rm --label %label --network container:@none busybox true
125 run --rm --label %label --volumes-from @none busybox true
125 run --rm --label %label --user nobody-there busybox true
125 run --rm --label %label --runtime nonsense busybox true
127 run --rm --label %label --device /dev/nonsense busybox true
125 run --rm --label %label --publish 70000:80 busybox true
127 run --rm --label %label busybox /no/such/program
126 run --rm --label %label busybox /etc
1 node ls
1 service ls
1 swarm leave
1 secret ls
1 plugin inspect @none
1 plugin disable @none
1 context use @none
1 no-such-command
0 rm --volumes @box
";

/// Now, as `events` takes it.
fn now() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time");
    format!("{}.{:09}", now.as_secs(), now.subsec_nanos())
}

/// A command of a script, and what it said.
#[derive(PartialEq, Debug)]
struct Step {
    line: &'static str,
    said: Said,
}

/// Performs a script on both sides, and asserts that each command said the same on both, and ended
/// as is expected.
fn perform(name: &str, script: &'static str) {
    let scenario = Scenario::new(name);
    let direct = take(&scenario, &scenario.directly(), script);
    let through = take(&scenario, &scenario.through(), script);
    // Of so many commands, only those are shown.
    let different: Vec<_> = direct
        .iter()
        .zip(&through)
        .filter(|(one, other)| one != other)
        .collect();
    assert!(
        different.is_empty(),
        "direct and through Refit: {different:#?}"
    );
    let surprises: Vec<&Step> = through
        .iter()
        .filter(|step| {
            let expected = step.line.split(' ').next().unwrap_or_default();
            let code = step.said.code.map(|code| code.to_string());
            !expected.split('/').any(|one| Some(one) == code.as_deref())
        })
        .collect();
    assert!(surprises.is_empty(), "{surprises:#?}");
    assert!(through.len() > 40, "{} commands", through.len());
}

/// Performs a script on one side.
fn take(scenario: &Scenario, at: &Side, script: &'static str) -> Vec<Step> {
    // The CLI tells it, so it is the same one on both sides.
    let folder = scenario.folder().join("commands");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("file"), "a file\n").expect("a file");
    let since = now();
    let registry = format!("{}/{}", variable("REFIT_REGISTRY"), process::id());
    let fill = |word: &str| {
        word.replace('@', &scenario.named(""))
            .replace("%label", scenario.label().trim_start_matches("--label="))
            .replace("%folder", folder.to_str().expect("a path"))
            .replace("%since", &since)
            .replace("%now", &now())
            .replace("%registry", &registry)
            .replace("%private", &variable("REFIT_PRIVATE_REGISTRY"))
    };
    let lines = script.lines().filter(|line| !line.is_empty());
    let steps = lines
        .map(|line| {
            let words = shlex::split(line).expect("words as of a shell");
            let words: Vec<String> = words[1..].iter().map(|word| fill(word)).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let said = calm(&at.docker(&words).said().masked());
            // What has changed, an engine tells in any order.
            let said = if words[0] == "diff" {
                said.sorted()
            } else {
                said
            };
            Step { line, said }
        })
        .collect();
    fs::remove_dir_all(&folder).expect("the folder");
    steps
}

/// Without what else an engine makes up: processes' numbers, generated addresses and ports, and
/// seconds.
fn calm(said: &Said) -> Said {
    let made_up = [
        (r#"("Pid": |"Pid":)\d+"#, "$1<pid>"),
        (r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "<MAC address>"),
        (r"(\d+\.\d+\.\d+\.\d+):\d{5}\b", "$1:<port>"),
        (r#"("HostPort": )"\d{5}""#, "$1<port>"),
        (r"execDuration=\d+", "execDuration=<seconds>"),
    ]
    .map(|(pattern, word)| (Regex::new(pattern).expect("a pattern"), word));
    let calm = |text: String| {
        let calm = made_up.iter().fold(text, |text, (pattern, word)| {
            pattern.replace_all(&text, *word).into_owned()
        });
        calm.into_bytes()
    };
    Said {
        code: said.code,
        stdout: calm(said.out()),
        stderr: calm(said.err()),
    }
}

#[test]
fn containers_live_alike() {
    perform("commands-containers", CONTAINERS);
}

#[test]
fn images_come_and_go_alike() {
    perform("commands-images", IMAGES);
}

#[test]
fn volumes_and_networks_come_and_go_alike() {
    perform("commands-volumes", VOLUMES_AND_NETWORKS);
}

#[test]
fn mistakes_are_told_alike() {
    perform("commands-mistakes", MISTAKES);
}
