//! The placeholders' image, made here: one program of some hundred bytes that only waits.

use std::io;

use crate::{
    engine::{Engine, EngineError},
    upgrade::marker::PLACEHOLDER_LABEL,
};

/// The repository of all such images.
const REPOSITORY: &str = "refit-placeholder";

/// The program's name in the image.
const PROGRAM: &str = "pause";

/// The architectures that there is a program for, as Go calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Architecture {
    Amd64,
    Arm64,
}

impl Architecture {
    fn named(name: &str) -> Option<Self> {
        match name {
            "amd64" => Some(Self::Amd64),
            "arm64" => Some(Self::Arm64),
            _ => None,
        }
    }

    /// What ELF calls it.
    fn machine(self) -> u16 {
        match self {
            Self::Amd64 => 62,
            Self::Arm64 => 183,
        }
    }

    /// The machine code: a system call that waits for a signal, in an endless loop.
    fn code(self) -> &'static [u8] {
        match self {
            Self::Amd64 => &[
                0xb8, 34, 0, 0, 0, // mov eax, SYS_pause
                0x0f, 0x05, // syscall
                0xeb, 0xf7, // jmp to the beginning
            ],
            // It has no pause: ppoll of nothing, without a limit.
            Self::Arm64 => &[
                0x00, 0x00, 0x80, 0xd2, // mov x0, 0
                0x01, 0x00, 0x80, 0xd2, // mov x1, 0
                0x02, 0x00, 0x80, 0xd2, // mov x2, 0
                0x03, 0x00, 0x80, 0xd2, // mov x3, 0
                0x28, 0x09, 0x80, 0xd2, // mov x8, SYS_ppoll
                0x01, 0x00, 0x00, 0xd4, // svc 0
                0xfa, 0xff, 0xff, 0x17, // b to the beginning
            ],
        }
    }
}

/// Where the program is loaded.
const BASE: u64 = 0x40_0000;

/// Its alignment: pages of 64 KiB are the largest that there are.
const ALIGNMENT: u64 = 0x1_0000;

/// The sizes of the file's header and of its one program header.
const HEADER: u16 = 64;
const PROGRAM_HEADER: u16 = 56;

/// The program: an ELF file whose one segment, the whole file, is readable and executable.
fn program(architecture: Architecture) -> Vec<u8> {
    let code = architecture.code();
    let entry = BASE + u64::from(HEADER + PROGRAM_HEADER);
    let size = u64::from(HEADER + PROGRAM_HEADER) + code.len() as u64;
    // 64 bits, the low byte first, version 1, no particular system.
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    let (executable, machine, version) = (2_u16, architecture.machine(), 1_u32);
    file.extend(executable.to_le_bytes());
    file.extend(machine.to_le_bytes());
    file.extend(version.to_le_bytes());
    let (program_headers, section_headers, flags) = (u64::from(HEADER), 0_u64, 0_u32);
    file.extend(entry.to_le_bytes());
    file.extend(program_headers.to_le_bytes());
    file.extend(section_headers.to_le_bytes());
    file.extend(flags.to_le_bytes());
    // The headers' sizes and counts; there are no sections.
    for field in [HEADER, PROGRAM_HEADER, 1, 0, 0, 0] {
        file.extend(field.to_le_bytes());
    }
    let (load, readable_executable) = (1_u32, 5_u32);
    file.extend(load.to_le_bytes());
    file.extend(readable_executable.to_le_bytes());
    // Where it is in the file and in memory, how long in both, its alignment.
    for field in [0, BASE, BASE, size, size, ALIGNMENT] {
        file.extend(field.to_le_bytes());
    }
    file.extend(code);
    file
}

/// The program, as its image's only file.
fn tar(architecture: Architecture) -> io::Result<Vec<u8>> {
    let program = program(architecture);
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(program.len() as u64);
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(&mut header, PROGRAM, program.as_slice())?;
    tar.into_inner()
}

/// What the image of a transaction is called.
pub(super) fn reference(transaction: &str) -> String {
    format!("{REPOSITORY}:{transaction}")
}

/// Sees that the engine has the image of a transaction; why not, where it cannot have one.
pub(super) async fn obtain(
    engine: &dyn Engine,
    transaction: &str,
) -> Result<Option<String>, EngineError> {
    let reference = reference(transaction);
    match engine.inspect_image(&reference).await {
        Err(error) if error.is_not_found() => {}
        found => return found.map(|_| None),
    }
    let name = engine.architecture().await?;
    let Some(architecture) = Architecture::named(&name) else {
        return Ok(Some(format!("Refit has no placeholder for {name}")));
    };
    let changes = [
        format!("CMD [\"/{PROGRAM}\"]"),
        format!("LABEL {PLACEHOLDER_LABEL}={transaction}"),
    ];
    let tar = tar(architecture).map_err(EngineError::unknown)?;
    engine.import_image(&reference, &changes, &tar).await?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::{
        env::consts::ARCH,
        fs::{self, Permissions},
        io::ErrorKind,
        os::unix::{fs::PermissionsExt, process::ExitStatusExt},
        path::Path,
        process::{Child, Command},
        thread::sleep,
        time::{Duration, Instant},
    };

    use object::{
        Architecture as Parsed, Object, ObjectKind, ObjectSegment, SegmentFlags, elf, read::File,
    };

    use super::*;

    const BOTH: [Architecture; 2] = [Architecture::Amd64, Architecture::Arm64];

    #[test]
    fn it_is_an_executable_for_its_machine() {
        for architecture in BOTH {
            let program = program(architecture);
            let file = File::parse(program.as_slice()).expect("an ELF file");
            let machine = match architecture {
                Architecture::Amd64 => Parsed::X86_64,
                Architecture::Arm64 => Parsed::Aarch64,
            };
            assert_eq!(file.architecture(), machine);
            assert_eq!(file.kind(), ObjectKind::Executable);
            let segments: Vec<_> = file.segments().collect();
            let [segment] = segments.as_slice() else {
                panic!("{} segments", segments.len());
            };
            let loaded = SegmentFlags::Elf {
                p_type: elf::PT_LOAD,
                p_flags: elf::PF_R | elf::PF_X,
            };
            assert_eq!(segment.flags(), loaded);
            assert_eq!(segment.data().expect("its data"), program);
            // Nothing but the code is entered.
            let entry = usize::try_from(file.entry() - segment.address()).expect("an offset");
            assert_eq!(&program[entry..], architecture.code());
        }
    }

    #[test]
    fn the_image_has_one_file_that_can_be_executed() {
        for architecture in BOTH {
            let tar = tar(architecture).expect("a tar");
            let mut archive = tar::Archive::new(tar.as_slice());
            let entries = archive.entries().expect("its entries");
            let entries: Vec<_> = entries.map(|entry| entry.expect("an entry")).collect();
            let [entry] = entries.as_slice() else {
                panic!("{} entries", entries.len());
            };
            assert_eq!(entry.path().expect("its path"), Path::new(PROGRAM));
            assert_eq!(entry.header().mode().expect("its mode"), 0o755);
            assert_eq!(entry.size(), program(architecture).len() as u64);
        }
    }

    /// Waits until a process waits in this system call.
    fn until_in(child: &Child, call: u32) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let is_in = |now: &str| now.split(' ').next() == Some(call.to_string().as_str());
        let path = format!("/proc/{}/syscall", child.id());
        while !is_in(&fs::read_to_string(&path).expect("it runs")) {
            assert!(Instant::now() < deadline, "it does something else");
            sleep(Duration::from_millis(10));
        }
    }

    /// The other machine's by `QEMU`, where it is there; `compat-tests/run.sh` sees to that.
    #[test]
    fn it_waits_until_it_is_killed() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut waited = 0;
        for (architecture, machine, call) in [
            (Architecture::Amd64, "x86_64", 34),
            (Architecture::Arm64, "aarch64", 73),
        ] {
            let path = folder.path().join(machine);
            fs::write(&path, program(architecture)).expect("write it");
            fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("its mode");
            let (mut command, call) = if machine == ARCH {
                (Command::new(&path), call)
            } else {
                // It makes the system call of this machine's: ppoll, on both.
                let mut qemu = Command::new(format!("qemu-{machine}"));
                qemu.arg(&path);
                (qemu, if ARCH == "x86_64" { 271 } else { 73 })
            };
            let mut child = match command.spawn() {
                Err(error) if error.kind() == ErrorKind::NotFound && machine != ARCH => {
                    eprintln!("not run for {machine}: there is no qemu-{machine}");
                    continue;
                }
                child => child.expect("it starts"),
            };
            until_in(&child, call);
            child.kill().expect("kill it");
            assert_eq!(child.wait().expect("reap it").signal(), Some(9));
            waited += 1;
        }
        assert!(waited > 0, "none was run");
    }
}
