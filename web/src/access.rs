//! Who may do what: asked before every request, whatever its path.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use matins_control::ProblemKind;
use subtle::ConstantTimeEq;

use crate::Token;
use crate::peer::Peer;
use crate::problem::Refusal;

/// The cookie of a browser that has shown the token.
pub(crate) const COOKIE: &str = "matins_session";

/// The headers of every answer: nothing is loaded from elsewhere, there are no frames, and no referrer is sent.
const HEADERS: [(header::HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Who may do what.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) token: Option<Token>,
    pub(crate) hosts: Vec<String>,
    pub(crate) is_read_only: bool,
    /// What the page's forms carry, so that no other page can send them.
    pub(crate) form_secret: String,
    /// What the cookie of those has who have shown the token.
    pub(crate) session: String,
}

/// Who asks, for the history.
#[derive(Debug, Clone)]
pub(crate) struct Who(pub(crate) String);

impl Access {
    /// Returns whether a form is one of this server's own.
    pub(crate) fn is_own_form(&self, secret: &str) -> bool {
        self.form_secret.as_bytes().ct_eq(secret.as_bytes()).into()
    }

    /// Refuses a name that another site may have given to this address: a browser would then take this server for that site.
    fn check_host(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        // Browsers always send one.
        let Some(host) = headers.get(header::HOST) else { return Ok(()) };
        let host = host.to_str().unwrap_or_default().to_ascii_lowercase();
        if self.is_own_name(name_of(&host)) {
            return Ok(());
        }
        let message = format!(
            "this server is not called {:?}; use its address or localhost, or allow the name with --http-host",
            name_of(&host)
        );
        Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, ProblemKind::Forbidden, message))
    }

    fn is_own_name(&self, name: &str) -> bool {
        let ip = name.trim_start_matches('[').trim_end_matches(']');
        name.is_empty()
            || name == "localhost"
            || ip.parse::<std::net::IpAddr>().is_ok()
            || self.hosts.iter().any(|host| host == name)
    }

    fn who(&self, peer: Option<&Peer>, headers: &HeaderMap) -> Result<Who, Refusal> {
        let from = match peer {
            Some(Peer::Own(name) | Peer::Other(name)) => name.clone(),
            Some(Peer::Remote(address)) => address.ip().to_string(),
            None => "an unknown client".to_owned(),
        };
        let Some(token) = &self.token else {
            return match peer {
                Some(Peer::Own(name)) => Ok(Who(format!("{name}, by HTTP"))),
                _ => Err(Refusal::forbidden(format!(
                    "only the user of this scheduler and root may use it without a token, and you are {from}"
                ))),
            };
        };
        if shows(token, &self.session, headers) {
            return Ok(Who(format!("a client with the token, from {from}, by HTTP")));
        }
        let message = "this server needs its token, as `Authorization: Bearer TOKEN`";
        Err(Refusal::new(StatusCode::UNAUTHORIZED, ProblemKind::Forbidden, message))
    }

    /// Refuses a change, unless it comes from this server's own page, or from a program.
    fn check_change(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.is_read_only && uri.path() != "/login" {
            return Err(Refusal::forbidden("this server shows, and changes nothing: it is read-only"));
        }
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let site = text(header::HeaderName::from_static("sec-fetch-site"));
        let own = |origin: &str| {
            let host = text(header::HOST).unwrap_or_default();
            origin.split_once("://").is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host))
        };
        if text(header::ORIGIN).is_some_and(|origin| !own(origin))
            || site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
        {
            return Err(Refusal::forbidden("this request was made by a page of another site"));
        }
        let is_form = text(header::CONTENT_TYPE).is_some_and(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            matches!(
                kind.as_str(),
                "application/x-www-form-urlencoded" | "multipart/form-data" | "text/plain"
            )
        });
        if is_form && uri.path().starts_with("/api/") {
            let message = "the API takes application/json, which no page of another site can send";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ProblemKind::BadRequest, message));
        }
        Ok(())
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

fn shows(token: &Token, session: &str, headers: &HeaderMap) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let bearer = bearer.and_then(|value| value.split_at_checked(7));
    if let Some((scheme, shown)) = bearer {
        return scheme.eq_ignore_ascii_case(b"bearer ") && token.is(shown);
    }
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut cookies =
        cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    cookies.any(|(name, value)| name == COOKIE && bool::from(value.as_bytes().ct_eq(session.as_bytes())))
}

/// What everybody may see: that the process answers, and what the page that asks for the token is made of.
fn is_open(path: &str, has_token: bool) -> bool {
    matches!(path, "/health" | "/ready" | "/style.css" | "/live.js" | "/icon.svg" | "/login")
        || (path == "/metrics" && !has_token)
}

/// Lets a request pass, or answers it.
pub(crate) async fn guard(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path().to_owned();
    let checked = access.check_host(request.headers()).and_then(|()| {
        if changes {
            access.check_change(request.uri(), request.headers())?;
        }
        if is_open(&path, access.token.is_some()) {
            return Ok(None);
        }
        access.who(request.extensions().get::<Peer>(), request.headers()).map(Some)
    });
    let mut response = match checked {
        Ok(who) => {
            request.extensions_mut().extend(
                who.map(|who| {
                    let mut extensions = axum::http::Extensions::new();
                    extensions.insert(who);
                    extensions
                })
                .unwrap_or_default(),
            );
            next.run(request).await
        }
        Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED && is_for_people(&path) && !changes => {
            Redirect::to("/login").into_response()
        }
        Err(refusal) if is_for_people(&path) => crate::page::refused(refusal),
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(no_store);
    response
}

fn is_for_people(path: &str) -> bool {
    !(path.starts_with("/api/") || path == "/metrics")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_separated_from_its_port() {
        let names = ["a:80", "a", "[::1]:80", "[::1]", "127.0.0.1:8080", "::1"];
        assert_eq!(names.map(name_of), ["a", "a", "[::1]", "[::1]", "127.0.0.1", "::1"]);
    }
}
