//! Which attachment is to be evicted.

use crate::http_api::served::client::served;
use crate::http_api::sessions::create;

#[tokio::test]
async fn evict_what_is_not_there_then_the_reason() {
    let api = served();
    create(&api, "busy1").await;
    for (path, code) in [
        (
            "/v1/sessions/busy1/attachments/99/evict",
            "no_such_attachment",
        ),
        (
            "/v1/sessions/busy1/attachments/one/evict",
            "invalid_request",
        ),
        ("/v1/sessions/busy1/attachments/-1/evict", "invalid_request"),
        ("/v1/sessions/none/attachments/1/evict", "no_such_session"),
        ("/v1/sessions/none/evict", "no_such_session"),
    ] {
        assert_eq!(api.ask("POST", path, None).await.code(), code, "{path}");
    }
}
