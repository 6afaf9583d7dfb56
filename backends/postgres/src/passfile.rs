//! Passwords from a file in the format of PostgreSQL's own clients,
//! <https://www.postgresql.org/docs/current/libpq-pgpass.html>.

/// What a password is looked up for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) database: &'a str,
    pub(crate) user: &'a str,
}

/// Returns the password of the first line that fits: `host:port:database:user:password`, where `*` fits anything and `\` takes the
/// meaning from a colon or a backslash.
pub(crate) fn password(text: &str, server: Server<'_>) -> Option<String> {
    let port = server.port.to_string();
    let wanted = [server.host, &port, server.database, server.user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let (fields, password) = fields(line)?;
        let fits = fields.iter().zip(wanted).all(|(field, wanted)| field == "*" || *field == wanted);
        fits.then_some(password)
    })
}

fn fields(line: &str) -> Option<([String; 4], String)> {
    let mut fields = [const { String::new() }; 4];
    let mut rest = line.chars();
    for field in &mut fields {
        loop {
            match rest.next()? {
                ':' => break,
                '\\' => field.push(rest.next()?),
                other => field.push(other),
            }
        }
    }
    let mut password = String::new();
    while let Some(next) = rest.next() {
        password.push(if next == '\\' { rest.next()? } else { next });
    }
    Some((fields, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text = "# comment\nwrong\ndb:5433:*:ada:one\ndb:*:jobs:ada:t\\:w\\\\o\n*:*:*:*:any:thing\n";
        let of = |host, port, database, user| password(text, Server { host, port, database, user });
        assert_eq!(of("db", 5433, "x", "ada").unwrap(), "one");
        assert_eq!(of("db", 5432, "jobs", "ada").unwrap(), "t:w\\o");
        assert_eq!(of("db", 5432, "other", "ada").unwrap(), "any:thing");
        assert_eq!(
            password(
                "db:5432:jobs:ada:one",
                Server { host: "other", port: 5432, database: "jobs", user: "ada" }
            ),
            None
        );
    }
}
