//! Passwords: from the environment, from the terminal, or from standard input; from the command line only in a URL, with a warning.

use std::io::{self, BufRead, IsTerminal};

use ormdb_client::{Address, Credentials};

use crate::exit::{Failure, Result};
use crate::output;

/// The variable that has the password of a login.
const LOGIN_VARIABLE: &str = "ORMDB_PASSWORD";
/// The variable that has the password of a new user.
const NEW_VARIABLE: &str = "ORMDB_NEW_PASSWORD";

/// An address whose user has a password: the one of the address, or that of the environment, or what the person says.
pub(crate) fn of_login(address: Address) -> Result<Address> {
    let Some(Credentials { user, password }) = address.credentials() else { return Ok(address) };
    if !password.is_empty() {
        output::diagnose(&format!(
            "warning: other users of this machine can see the password on the command line; {LOGIN_VARIABLE} hides it"
        ));
        return Ok(address);
    }
    let password = match std::env::var(LOGIN_VARIABLE) {
        Ok(password) => password,
        Err(_) if io::stdin().is_terminal() => ask(&format!("Password of {user}: "))?,
        Err(_) => {
            let message = format!("the user `{user}` needs a password: set {LOGIN_VARIABLE}");
            return Err(Failure::Request(message));
        }
    };
    let credentials = Credentials { user: user.clone(), password };
    Ok(address.with_credentials(credentials))
}

/// The new password of a user.
pub(crate) fn new(user: &str) -> Result<String> {
    if let Ok(password) = std::env::var(NEW_VARIABLE) {
        return Ok(password);
    }
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        read.map_err(|error| Failure::File { name: "standard input".to_owned(), error })?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let password = ask(&format!("New password of {user}: "))?;
    if password != ask("Again: ")? {
        return Err(Failure::Request("the passwords differ".to_owned()));
    }
    Ok(password)
}

fn ask(prompt: &str) -> Result<String> {
    let asked = rpassword::prompt_password(prompt);
    asked.map_err(|error| Failure::File { name: "the terminal".to_owned(), error })
}
