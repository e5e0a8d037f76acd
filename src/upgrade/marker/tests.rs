use serde_json::json;

use super::*;

fn container(number: usize, marker: Option<&Marker>) -> Container {
    let labels = marker.map(|marker| json!({ MARKER_LABEL: marker.to_label() }));
    Container::from_document(json!({
        "Id": format!("{number:064x}"), "Name": "/web", "Image": format!("sha256:{number}"),
        "State": { "Status": "running" }, "Config": { "Image": "web:1", "Labels": labels },
    }))
    .expect("a container")
}

#[test]
fn a_marker_remembers_every_earlier_id_and_the_images_of_the_latest() {
    let mut latest = container(0, None);
    for number in 1..=1013 {
        let marker = Marker::after(&latest);
        latest = container(number, Some(&marker));
    }
    let marker = Marker::of(&latest).expect("a marker");
    let earlier: Vec<_> = marker.earlier().collect();
    let ids: Vec<_> = (2..1013).rev().map(|n| format!("{n:064x}")).collect();
    assert_eq!(earlier, ids, "all but the two oldest");
    let generations = Generation::before(&latest);
    assert_eq!(generations.len(), 10);
    assert_eq!(generations[9].id, ids[9]);
    assert_eq!(generations[9].image_id, "sha256:1003");
    assert!(marker.to_label().len() < 80_000);
}

#[test]
fn a_marker_without_older_ids_is_read() {
    let marker = Marker::after(&container(1, None));
    let label = marker.to_label();
    assert!(!label.contains("Older"), "{label}");
    let read: Marker = serde_json::from_str(&label).expect("a marker");
    assert_eq!(read, marker);
    assert_eq!(read.earlier().collect::<Vec<_>>(), [format!("{:064x}", 1)]);
}

#[test]
fn whatever_bears_a_name_of_ours_is_known_for_its_container() {
    let [new, old] = names("web");
    for name in [new, old, helper_name("web")] {
        assert!(is_ours(&name), "{name}");
        assert_eq!(final_name(&name), "web");
    }
    for name in ["web", "web.refit", "refit-helper"] {
        assert!(!is_ours(name), "{name}");
        assert_eq!(final_name(name), name);
    }
}
