//! Programs that a task needs and a machine may lack. Debian's packages of them are asked for.

use std::process::Command;

use crate::stages::passes;

/// Whether something is there, if need be after its packages were installed.
pub(crate) fn installed(name: &str, packages: &[&str], is_there: impl Fn() -> bool) -> bool {
    if is_there() {
        return true;
    }
    println!("{name} is missing; asking apt-get for it");
    let install = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    for args in [&["update"][..], &install] {
        let mut command = as_root("apt-get");
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        if !passes(&mut command) {
            break;
        }
    }
    let installed = is_there();
    if !installed {
        println!("{name} cannot be installed here: apt-get install {}", packages.join(" "));
    }
    installed
}

/// The command as root runs it: as it is where this is root, else by `sudo`, which must not ask for a password.
fn as_root(program: &str) -> Command {
    let user = Command::new("id").arg("-u").output();
    if user.is_ok_and(|output| output.stdout.trim_ascii() == b"0") {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", "-E", program]);
    command
}
