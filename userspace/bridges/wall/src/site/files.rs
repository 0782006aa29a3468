//! The page's own files, which are in the program.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use super::Site;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const ICON: &str = "image/svg+xml";

macro_rules! files {
    ($($path:literal $file:literal $kind:ident;)+) => {
        pub(super) fn router() -> Router<Site> {
            Router::new()$(.route($path, get(async || {
                file($kind, include_str!(concat!("../../web/", $file)))
            })))+
        }
    };
}

files! {
    "/" "index.html" HTML;
    "/wall.css" "wall.css" CSS;
    "/icon.svg" "icon.svg" ICON;
    "/main.js" "main.js" SCRIPT;
    "/dom.js" "dom.js" SCRIPT;
    "/store.js" "store.js" SCRIPT;
    "/looks.js" "looks.js" SCRIPT;
    "/tiles.js" "tiles.js" SCRIPT;
    "/session.js" "session.js" SCRIPT;
    "/charts.js" "charts.js" SCRIPT;
    "/actions.js" "actions.js" SCRIPT;
    "/kept.js" "kept.js" SCRIPT;
    "/recordings.js" "recordings.js" SCRIPT;
    "/play.js" "play.js" SCRIPT;
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind)], text)
}
