//! In the texts here, `@` is a reference that is replaced, and `$` the same word where it is none.

use proptest::prelude::*;

use super::*;

const OLD: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// `template` as a client writes it that says `old`, and as the engine is to see it.
fn written(template: &str, old: &str) -> [String; 2] {
    let asked = template.replace('$', old);
    [asked.replace('@', old), asked.replace('@', NEW)]
}

fn identified(old: &str) -> Identified {
    Identified::from([(old.to_owned(), NEW.to_owned())])
}

fn target(method: &str, target: &str, old: &str) -> String {
    let places = in_target(method, target);
    let replaced = replace(target.as_bytes(), &places, &identified(old));
    String::from_utf8(replaced.unwrap_or_else(|| target.into())).expect("a text")
}

fn body(kind: Body, body: &str, old: &str) -> String {
    let places = kind.places(body.as_bytes());
    let replaced = replace(body.as_bytes(), &places, &identified(old));
    String::from_utf8(replaced.unwrap_or_else(|| body.into())).expect("a text")
}

#[test]
fn a_target_refers_to_containers_in_these_places() {
    let cases = [
        ("GET", "/containers/@/json"),
        ("HEAD", "/containers/@/archive?path=%2F$"),
        ("PUT", "/v1.41/containers/@/archive?path=/"),
        ("POST", "/v1.51/containers/@/start"),
        ("POST", "/containers/@/rename?name=$"),
        ("POST", "/containers/@/attach?logs=1&stream=1"),
        ("GET", "/containers/@/attach/ws"),
        ("DELETE", "/containers/@?force=1"),
        ("DELETE", "/containers/@/checkpoints/$"),
        ("POST", "http://docker/containers/@/exec"),
        ("POST", "/%63ontainers/@/stop"),
        ("POST", "/commit?author=$&container=@&repo=$"),
        ("POST", "/v1.41/commit?repo=r&c%6Fntainer=@"),
        ("GET", "/containers/json?all=1&before=@&since=@&limit=$"),
        ("POST", "/build?t=$&networkmode=container:@"),
        ("POST", "/build?networkmode=container%3A@"),
        (
            "GET",
            r#"/containers/json?filters={"id":["@","other"],"name":["$"],"before":["@"]}"#,
        ),
        (
            "GET",
            "/containers/json?filters=%7B%22id%22%3A%7B%22@%22%3Atrue%7D%2C+%22since%22%3A%7B%22@%22:true%7D%7D",
        ),
    ];
    for (method, template) in cases {
        for old in [OLD, &OLD[..12], &OLD[..3]] {
            let [asked, expected] = written(template, old);
            assert_eq!(target(method, &asked, old), expected, "{method} {asked}");
        }
    }
    // However its digits are written.
    let asked = format!("/containers/%30%31{}/json", &OLD[2..]);
    assert_eq!(
        target("GET", &asked, OLD),
        format!("/containers/{NEW}/json")
    );
}

#[test]
fn nothing_else_in_a_target_is_a_reference() {
    for (method, template) in [
        ("GET", "/containers/json?filters={\"name\":[\"$\"]}"),
        ("GET", "/containers/json?filters={\"ID\":[\"$\"]}"),
        ("GET", "/containers/json?filters={\"id\":\"$\"}"),
        ("GET", "/containers/json?filters={\"id\":[\"$\"]"),
        ("POST", "/containers/create?name=$"),
        ("GET", "/containers/a/$/json"),
        ("GET", "/containers/$/a/json"),
        ("GET", "/containers/%2F$/json"),
        ("GET", "//containers/$/json"),
        ("GET", "/containers//$/json"),
        ("GET", "/vx/containers/$/json"),
        ("GET", "/images/$/json"),
        ("GET", "/networks/$"),
        ("GET", "/exec/$/json"),
        ("POST", "/commit?container=a$&container"),
        ("GET", "/events?since=$"),
        ("GET", "/images/json?filters={\"before\":[\"$\"]}"),
        ("POST", "/build?networkmode=$"),
        ("POST", "/containers/a%FFb/stop?x=$"),
        ("OPTIONS", "*"),
        ("GET", "http://docker"),
        ("GET", ""),
    ] {
        let [asked, _] = written(template, OLD);
        assert_eq!(target(method, &asked, OLD), asked, "{method} {asked}");
    }
}

#[test]
fn events_of_an_earlier_generation_are_asked_for_beside_those_of_the_present_one() {
    let list = format!(r#"/events?filters={{"type":["container"],"container":["web","{OLD}"]}}"#);
    let beside = list.replace(&format!("\"{OLD}"), &format!("%22{NEW}%22%2C\"{OLD}"));
    assert_eq!(target("GET", &list, OLD), beside);
    let map = format!("/v1.24/events?filters=%7B%22container%22%3A%7B%22{OLD}%22%3Atrue%7D%7D");
    let beside = map.replace(
        &format!("%22{OLD}"),
        &format!("%22{NEW}%22%3Atrue%2C%22{OLD}"),
    );
    assert_eq!(target("GET", &map, OLD), beside);
}

const CREATE: &str = r#"{"Image": "$", "Env": ["A=$", "container:$"], "Hostname":"$",
 "hostConfig" : {"NetworkMode":"container:@", "IpcMode" :"container:@","pidmode": "container:@",
  "Links":["@:db", "@", "other:$"], "VolumesFrom":[ "@:ro" , "@"], "UTSMode": "container:$",
  "Binds": ["$:/data"]}, "Labels": {"$": "container:$", "b\u0026c": "\""},
 "NetworkingConfig":{"EndpointsConfig":{"app":{"Links":["@:db"],"Aliases":["$"]}, "b": {"links": ["@:$"]}}},
 "HostConfig": {"NetworkMode": "container:@", "Memory": 1.0e9}, "Links": ["$:a"]}"#;

const CONNECT: &str = r#" {"Force":true,"Container":"@","EndpointConfig" : {"Links": ["@:web","$x"],"IPAddress":"$"}} "#;

#[test]
fn a_body_refers_to_containers_in_these_places() {
    for (kind, template) in [(Body::Create, CREATE), (Body::Connect, CONNECT)] {
        for old in [OLD, &OLD[..12], "0"] {
            let [asked, expected] = written(template, old);
            assert_eq!(body(kind, &asked, old), expected);
            assert_eq!(body(kind, &asked, "another"), asked);
        }
    }
    for broken in [
        "",
        "null",
        "[\"$\"]",
        "{\"Container\":\"$\"",
        "{\"Container\":{\"$\":1}}",
    ] {
        let [asked, _] = written(broken, OLD);
        assert_eq!(body(Body::Connect, &asked, OLD), asked);
        assert_eq!(body(Body::Create, &asked, OLD), asked);
    }
    assert_eq!(Body::Connect.places(b"{\"Container\":\"\xff\"}"), []);
}

#[test]
fn bodies_that_refer_to_containers() {
    for (method, target, kind) in [
        ("POST", "/containers/create", Some(Body::Create)),
        (
            "POST",
            "/v1.41/containers/create?name=web",
            Some(Body::Create),
        ),
        ("POST", "/networks/app/connect", Some(Body::Connect)),
        (
            "POST",
            "http://d/v1.51/networks/app/disconnect",
            Some(Body::Connect),
        ),
        ("POST", "/networks/a%2Fb/conn%65ct", Some(Body::Connect)),
        ("GET", "/containers/create", None),
        ("POST", "/networks/create", None),
        ("POST", "/containers/web/start", None),
        ("POST", "/images/create", None),
        ("POST", "*", None),
    ] {
        assert_eq!(Body::of(method, target), kind, "{method} {target}");
    }
}

/// Writes JSON anew, with other white space.
fn respaced(json: &str, spaces: &[&'static str]) -> String {
    let (mut spaces, mut in_text, mut escaped) = (spaces.iter().cycle(), false, false);
    let mut written = String::new();
    for character in json.chars() {
        let is_mark = !in_text && "{}[]:,".contains(character);
        if in_text || !character.is_whitespace() {
            written.push(character);
        }
        if is_mark {
            written.push_str(spaces.next().expect("a cycle"));
        }
        in_text ^= character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
    }
    written
}

proptest! {
    #[test]
    fn only_references_change_in_a_body(
        spaces in prop::collection::vec(prop::sample::select(vec!["", " ", "\n", "\t \r\n"]), 1..9),
        len in 1_usize..65,
    ) {
        for (kind, template) in [(Body::Create, CREATE), (Body::Connect, CONNECT)] {
            let [asked, expected] = written(&respaced(template, &spaces), &OLD[..len]);
            prop_assert_eq!(body(kind, &asked, &OLD[..len]), expected);
        }
    }

    #[test]
    fn only_references_change_in_a_target(
        written_as in prop::collection::vec(0_u8..3, 200),
        len in 1_usize..65,
    ) {
        let old = &OLD[..len];
        let filters = format!(r#"{{"label":["a=b c"],"id":["{old}","x"],"since":{{"{old}":true}}}}"#);
        let mut how = written_as.iter().cycle();
        let (mut asked, mut expected) = (String::new(), String::new());
        for (n, part) in filters.split(old).enumerate() {
            // Of the reference, the engine sees the new one's plain digits.
            for byte in if n == 0 { "" } else { old }.bytes() {
                asked.push_str(&escape(byte, *how.next().expect("a cycle")));
            }
            expected.push_str(if n == 0 { "" } else { NEW });
            for byte in part.bytes() {
                let written = escape(byte, *how.next().expect("a cycle"));
                asked.push_str(&written);
                expected.push_str(&written);
            }
        }
        let path = "/v1.41/containers/json?all=1&filters=";
        prop_assert_eq!(target("GET", &format!("{path}{asked}&x"), old), format!("{path}{expected}&x"));
    }

    #[test]
    fn any_text_is_looked_at_without_harm(
        method in "GET|POST",
        path in "(/v1.4[0-9])?/(containers|events|commit|build|networks)(/[ -~]{0,9}){0,2}",
        query in "(\\?(filters|container|before|networkmode)=[ -~]{0,30})?",
        text in "[{}\\[\\]\":, a-zA-Z\\\\é]{0,60}",
    ) {
        let asked = path + &query;
        for place in in_target(&method, &asked) {
            prop_assert!(place.at.end <= asked.len());
            let again = target(&method, &asked, &place.reference);
            prop_assert!(again.contains(NEW), "{}", again);
        }
        for kind in [Body::Create, Body::Connect] {
            prop_assert!(kind.places(text.as_bytes()).len() <= text.len());
        }
    }
}

/// A byte of a query in one of the ways that there are to write it.
fn escape(byte: u8, how: u8) -> String {
    match (byte, how) {
        (b' ', 0) => "+".to_owned(),
        (b' ' | b'=' | b'&', _) | (_, 1) => format!("%{byte:02X}"),
        (_, 2) => format!("%{byte:02x}"),
        _ => char::from(byte).to_string(),
    }
}
