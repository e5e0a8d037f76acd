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
    let generations = Lineage::of(&latest).generations;
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

/// A container of its own, with this limit of memory.
fn limited(number: usize, marker: Option<&Marker>) -> Container {
    let Container { mut document, .. } = container(number, marker);
    document["HostConfig"] = json!({ "Memory": number });
    Container::from_document(document).expect("a container")
}

#[test]
fn a_marker_remembers_what_the_last_ten_were_made_of() {
    let mut latest = limited(0, None);
    for number in 1..=12 {
        let marker = Marker::after(&latest);
        latest = limited(number, Some(&marker));
    }
    let Lineage {
        generations,
        specifications,
        ..
    } = Lineage::of(&latest);
    assert_eq!((generations.len(), specifications.len()), (10, 10));
    for (at, (generation, known)) in generations.iter().zip(&specifications).enumerate() {
        let number = 11 - at;
        assert!(generation.replaced_at.is_some_and(|at| at > 1_700_000_000));
        let known = known.as_ref().expect("it is known");
        assert_eq!(known["Id"], format!("{number:064x}"));
        assert_eq!(known["Image"], format!("sha256:{number}"));
        assert_eq!(known["HostConfig"]["Memory"], number);
        assert_eq!(known["Config"]["Labels"].get(MARKER_LABEL), None);
    }
    let label = Marker::of(&latest).expect("a marker").to_label();
    assert!(!label.contains("HostConfig"), "{label}");
}

#[test]
fn what_came_back_from_its_stand_in_has_the_lineage_of_its_original() {
    let mut latest = limited(0, None);
    for number in 1..=3 {
        latest = limited(number, Some(&Marker::after(&latest)));
    }
    let revival = Marker::after(&latest).with_role(Role::Revival);
    let revived = Lineage::of(&limited(4, Some(&revival)));
    let before = Lineage::of(&latest);
    assert_eq!(revived.generations, before.generations);
    assert_eq!(revived.specifications, before.specifications);
    assert_eq!(revived.older, [format!("{:064x}", 3)]);
}

#[test]
fn an_earlier_or_damaged_marker_is_read_without_specifications() {
    let marker = Marker::after(&limited(1, Some(&Marker::after(&limited(0, None)))));
    let whole: serde_json::Value = serde_json::from_str(&marker.to_label()).expect("JSON");
    let mut earlier = whole.clone();
    for new in ["ReplacedAt", "Specifications"] {
        let label = earlier.as_object_mut().expect("an object");
        assert!(label.shift_remove(new).is_some(), "{new}");
    }
    let mut damaged = vec![(earlier, None)];
    for packed in [json!("!"), json!(7), json!(null), json!(["H4sI"])] {
        let mut label = whole.clone();
        label["Specifications"] = packed;
        damaged.push((label, marker.replaced_at));
    }
    for (label, replaced_at) in damaged {
        let labels = json!({ MARKER_LABEL: label.to_string() });
        let mut document = container(2, None).document;
        document["Config"]["Labels"] = labels;
        let container = Container::from_document(document).expect("a container");
        let read = Marker::of(&container).expect("a marker");
        assert_eq!(
            (&read.original, read.replaced_at),
            (&marker.original, replaced_at)
        );
        let lineage = Lineage::of(&container);
        assert_eq!(lineage.generations.len(), 2);
        assert_eq!(lineage.specifications, [None, None], "{label}");
        // The next generation is known again, in its place.
        let next = Lineage::of(&limited(3, Some(&Marker::after(&container))));
        assert_eq!(next.generations.len(), 3);
        assert!(next.specifications[0].is_none(), "it has no HostConfig");
    }
}

#[test]
fn placeholders_and_companions_are_not_told_what_the_original_was_made_of() {
    let marker = Marker::after(&limited(1, None));
    assert!(marker.to_label().contains("Specifications"));
    let label = marker.to_placeholder_label();
    assert!(!label.contains("Specifications"), "{label}");
}
