//! Where a browser shows the token.

use std::sync::Arc;

use axum::extract::{Form, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;

use super::layout;
use super::refused;
use crate::access::{Access, COOKIE};

/// What the form has.
#[derive(Deserialize)]
pub(super) struct Shown {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    token: String,
}

pub(super) async fn form(State(access): State<Arc<Access>>) -> Response {
    if access.token.is_none() {
        return Redirect::to("/").into_response();
    }
    ask(&access, None)
}

fn ask(access: &Access, wrong: Option<&str>) -> Response {
    let content = html! {
        div.login {
            h1 { "Matins" }
            p.lead { "This scheduler is shown to those who have its token." }
            @if let Some(wrong) = wrong { p.alert-box role="alert" { (wrong) } }
            form method="post" action="/login" {
                input type="hidden" name="csrf" value=(access.form_secret);
                label for="token" { "Token" }
                input id="token" name="token" type="password" required autocomplete="current-password";
                button.main type="submit" { "Show" }
            }
        }
    };
    let status = if wrong.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    (status, layout::frame("Token", html! {}, content, html! {})).into_response()
}

pub(super) async fn check(State(access): State<Arc<Access>>, Form(shown): Form<Shown>) -> Response {
    if !access.is_own_form(&shown.csrf) {
        return refused(super::forms::foreign());
    }
    let is_right = access.token.as_ref().is_some_and(|token| token.is(shown.token.trim().as_bytes()));
    if !is_right {
        return ask(&access, Some("This is not the token."));
    }
    let mut response = Redirect::to("/").into_response();
    let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", access.session);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
