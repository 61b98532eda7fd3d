//! `ormdb user`: who may log in to a database.

use ormdb::{Access, User};

use crate::args::UserCommand;
use crate::exit::Result;
use crate::output;
use crate::password;
use crate::target::{Missing, Target};

/// Runs `ormdb user`.
pub(crate) fn run(command: UserCommand) -> Result<()> {
    match command {
        UserCommand::Add { target, name, read_only } => {
            let access = if read_only { Access::ReadOnly } else { Access::ReadWrite };
            let user = User { name, access };
            user.check_name()?;
            let mut target = Target::open(&target, Missing::Fails)?;
            target.add_user(&user, &password::new(&user.name)?)?;
            output::print(&format!("user `{}` added: {}", user.name, what_of(access)))
        }
        UserCommand::List { target } => {
            let users = Target::open(&target, Missing::Fails)?.users()?;
            if users.is_empty() {
                return output::print("no users: a server lets everybody in who reaches it");
            }
            users
                .iter()
                .try_for_each(|user| output::print(&format!("{}  {}", user.name, what_of(user.access))))
        }
        UserCommand::Password { target, name } => {
            let mut target = Target::open(&target, Missing::Fails)?;
            target.set_password(&name, &password::new(&name)?)?;
            output::print(&format!("user `{name}` has another password"))
        }
        UserCommand::Drop { target, name } => {
            Target::open(&target, Missing::Fails)?.drop_user(&name)?;
            output::print(&format!("user `{name}` dropped"))
        }
    }
}

const fn what_of(access: Access) -> &'static str {
    match access {
        Access::ReadWrite => "reads and writes",
        Access::ReadOnly => "reads only",
    }
}
