//! What arrives for no session.

use crate::http_api::served::client::served;

#[tokio::test]
async fn arriving_asked_for_then_a_list_of_one_port_or_of_all() {
    let api = served();
    for path in ["/v1/arriving", "/v1/arriving?port=b"] {
        let list = api.get(path).await.json();
        assert!(list["arriving"].is_array(), "{path}: {list}");
    }
    for path in ["/v1/arriving?nix=1", "/v1/arriving?port=b&port=c"] {
        assert_eq!(api.get(path).await.code(), "invalid_request", "{path}");
    }
}
