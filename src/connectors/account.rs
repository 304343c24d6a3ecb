//! One HAT's account at a source: what the worker has resolved for one job.

use std::collections::BTreeMap;

use crate::http::secret::Secret;

/// What a URL's variables stand for, and the credentials. Nothing of it is shown by `Debug` but the variables' names.
#[derive(Clone, Default)]
pub struct Account {
    /// Values of the variables in templates, by name.
    pub vars: BTreeMap<String, String>,
    /// Token of `bearer`, and key of `api-key` without a reference.
    pub bearer: Option<Secret>,
    /// Name and password of `basic` without a reference.
    pub basic: Option<(String, Secret)>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("vars", &self.vars.keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}
