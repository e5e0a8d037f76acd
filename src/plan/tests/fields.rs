//! The table of fields, against the API's own models.

use std::collections::HashSet;

use bollard::models::{ContainerConfig, EndpointSettings, HostConfig};
use serde_aux::prelude::serde_introspect;

use super::*;

/// Fields of versions before the models' own.
const GONE: [(Part, &str); 3] = [
    (Part::Config, "MacAddress"),
    (Part::HostConfig, "KernelMemory"),
    (Part::HostConfig, "KernelMemoryTCP"),
];

/// The further parts of a create body, which `Config`'s model does not have.
const PARTS: [(Part, &str); 2] = [
    (Part::Config, "HostConfig"),
    (Part::Config, "NetworkingConfig"),
];

#[test]
fn the_table_has_the_fields_of_the_api_and_no_others() {
    let models = [
        (Part::Config, serde_introspect::<ContainerConfig>()),
        (Part::HostConfig, serde_introspect::<HostConfig>()),
        (Part::Endpoint, serde_introspect::<EndpointSettings>()),
    ];
    for (part, fields) in models {
        assert!(fields.len() > 10, "{part:?}");
        let named: HashSet<&str> = fields.iter().copied().collect();
        let others = GONE.iter().chain(&PARTS).filter(|(of, _)| *of == part);
        let expected: HashSet<&str> = others.map(|(_, name)| *name).chain(named).collect();
        let rows: Vec<&str> = part.table().iter().map(|(name, ..)| *name).collect();
        assert_eq!(rows.iter().copied().collect::<HashSet<_>>(), expected);
        assert_eq!(rows.len(), expected.len(), "a row stands twice in {part:?}");
    }
}

#[test]
fn a_field_without_a_row_is_carried_over() {
    assert_eq!(policy(Part::HostConfig, "Memory"), Some(Policy::Kept));
    assert_eq!(policy(Part::Config, "Env"), Some(Policy::Variables));
    assert_eq!(policy(Part::Endpoint, "FromTheFuture"), None);
    let endpoint = json!({
        "NetworkID": "a1", "IPAddress": "10.0.0.2", "FromTheFuture": { "a": [null] },
    });
    let case = Case::new()
        .mine("FromTheFuture", json!({ "a": null }))
        .host("FromTheFuture", json!([null, 1.5]))
        .host("NetworkMode", json!("app"))
        .container("/NetworkSettings/Networks", json!({ "app": endpoint }));
    assert_eq!(case.create("/FromTheFuture"), json!({ "a": null }));
    assert_eq!(case.create("/HostConfig/FromTheFuture"), json!([null, 1.5]));
    assert_eq!(
        case.create("/NetworkingConfig/EndpointsConfig/app"),
        json!({ "FromTheFuture": { "a": [null] } })
    );
}
