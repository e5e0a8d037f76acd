//! The container that Refit itself runs in.

use std::fs;

use super::look::text;
use crate::engine::Container;

/// Which of these containers this process runs in, as far as the process can tell. What counts for
/// most comes first: whoever joins another's network has that one's `/etc/hostname`, too.
pub(super) fn among(containers: &[&Container]) -> Option<usize> {
    let (mounts, groups) = (read(MOUNTS), read(GROUPS));
    let find = |is_it: &dyn Fn(&Container) -> bool| containers.iter().position(|c| is_it(c));
    let written = |container: &Container| {
        let folder = text(&container.document, "/GraphDriver/Data/UpperDir");
        has_root(&mounts, folder)
    };
    find(&written)
        .or_else(|| find(&|container| mentions(&groups, &container.id)))
        .or_else(|| find(&|container| mentions(&mounts, &container.id)))
}

/// Whether this process runs in this container, as [`among`] tells.
pub(super) fn is_own(container: &Container) -> bool {
    among(&[container]).is_some()
}

/// The full ID of the container that this process runs in, if it runs in one.
pub(super) fn container() -> Option<String> {
    let texts = [MOUNTS, GROUPS].map(read);
    texts.into_iter().find_map(|text| {
        let words = text.split(|letter: char| !letter.is_ascii_hexdigit());
        let mut ids = words.filter(|word| word.len() == 64);
        ids.find(|id| mentions(&text, id)).map(str::to_owned)
    })
}

const MOUNTS: &str = "/proc/self/mountinfo";
const GROUPS: &str = "/proc/self/cgroup";

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// Whether the root of these mounts is written to this folder of the engine's (its overlay's upper
/// one). An engine may have mounted it by a relative path.
fn has_root(mounts: &str, folder: &str) -> bool {
    let root = mounts
        .lines()
        .find(|line| line.split(' ').nth(4) == Some("/"));
    let upper = root.and_then(|root| {
        let mut options = root.rsplit(' ').next()?.split(',');
        options.find_map(|option| option.strip_prefix("upperdir="))
    });
    upper.is_some_and(|upper| !upper.is_empty() && folder.ends_with(upper))
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
    fn the_own_root_is_told_by_the_folder_that_it_is_written_to() {
        let folder = "/var/lib/docker/overlay2/4f0c/diff";
        let options = |upper: &str| format!("rw,lowerdir=l/A:l/B,upperdir={upper},workdir=w");
        let mounts = |upper: &str| {
            let root = format!("1 2 0:9 / / rw - overlay overlay {}", options(upper));
            format!(
                "{root}\n3 1 0:9 / /data rw - overlay overlay {}",
                options(folder)
            )
        };
        assert!(has_root(&mounts(folder), folder));
        assert!(has_root(&mounts("4f0c/diff"), folder));
        assert!(!has_root(
            &mounts("/var/lib/docker/overlay2/5f0c/diff"),
            folder
        ));
        assert!(!has_root("1 2 8:1 / / rw - ext4 /dev/vda rw", folder));
        assert!(!has_root("", ""));
    }

    #[test]
    fn other_containers_on_the_same_host_are_not_the_own_one() {
        let shm = format!("9 8 0:4 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm");
        assert!(!mentions(&shm, ID));
        assert!(!mentions("4:memory:/user.slice", ID));
    }
}
