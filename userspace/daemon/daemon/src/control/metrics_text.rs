//! The text of the metrics: made once for all that ask within its time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use onair_api::{Problem, ProblemCode};
use onair_settings::diagnostics::exposition::Exposition;
use tokio::sync::Mutex;

/// Greatest age of the text: making it walks over all sessions on the control thread. A Prometheus that asks each
/// second gets another one each time.
const AGE: Duration = Duration::from_millis(900);

/// The last text. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct MetricsText(Arc<Mutex<Option<(Instant, Bytes)>>>);

impl MetricsText {
    /// The text, at most a second old. Of several that need a new one, the first has it made of what `collect`
    /// returns.
    ///
    /// # Errors
    /// Those of `collect`; `internal`.
    pub(super) async fn get(
        &self,
        collect: impl Future<Output = Result<Exposition, Problem>>,
    ) -> Result<Bytes, Problem> {
        let mut last = self.0.lock().await;
        if let Some((made_at, text)) = &*last
            && made_at.elapsed() < AGE
        {
            return Ok(text.clone());
        }
        let made_at = Instant::now();
        let text = collect.await?.text();
        let text = text.map_err(|e| Problem::new(ProblemCode::Internal, e.to_string()))?;
        let text = Bytes::from(text);
        *last = Some((made_at, text.clone()));
        Ok(text)
    }
}
