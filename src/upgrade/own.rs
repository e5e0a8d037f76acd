//! The container that Refit itself runs in.

use std::fs;

/// Whether this process runs in the container of this full ID, as far as the process can tell:
/// its ID stands in the paths of the mounts and control groups that the engine made for it.
pub(super) fn is_own(id: &str) -> bool {
    texts().any(|text| mentions(&text, id))
}

/// The full ID of the container that this process runs in, if it runs in one.
pub(super) fn container() -> Option<String> {
    texts().find_map(|text| {
        let words = text.split(|letter: char| !letter.is_ascii_hexdigit());
        let mut ids = words.filter(|word| word.len() == 64);
        ids.find(|id| mentions(&text, id)).map(str::to_owned)
    })
}

fn texts() -> impl Iterator<Item = String> {
    let files = ["/proc/self/mountinfo", "/proc/self/cgroup"];
    files
        .into_iter()
        .filter_map(|file| fs::read_to_string(file).ok())
}

/// Mounts of *other* containers show on a host, too; what is our own ends in one of the files
/// that every container gets, or in the ID itself.
fn mentions(text: &str, id: &str) -> bool {
    let own = [
        format!("/containers/{id}/hostname "),
        format!("/containers/{id}/resolv.conf "),
        format!("/docker/{id}"),
        format!("/docker-{id}.scope"),
    ];
    text.lines().any(|line| {
        own.iter()
            .any(|path| format!("{line} ").contains(path.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f0c1b8e9d1b4f0c1b8e9d1b4f0c1b8e9d1b4f0c1b8e9d1b4f0c1b8e9d1bffff";

    #[test]
    fn the_own_container_is_told_by_its_mounts_or_control_group() {
        let mounts = format!("1 2 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw");
        assert!(mentions(&mounts, ID));
        assert!(mentions(&format!("4:memory:/docker/{ID}"), ID));
        assert!(mentions(&format!("0::/system.slice/docker-{ID}.scope"), ID));
    }

    #[test]
    fn other_containers_on_the_same_host_are_not_the_own_one() {
        let shm = format!("9 8 0:4 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm");
        assert!(!mentions(&shm, ID));
        assert!(!mentions("4:memory:/user.slice", ID));
    }
}
