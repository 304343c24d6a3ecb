//! Applications and plugs on a HAT: set up there before they write.

use serde::Deserialize;

use crate::domain::Id;

use super::ask::{Ask, json};
use super::error::{Fault, HatError};
use super::token::Session;

const SHOW: &str = "GET /api/v2.6/applications/{id}";
const SETUP: &str = "GET /api/v2.6/applications/{id}/setup";

/// How an application stands on a HAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Standing {
    /// It was set up once.
    pub setup: bool,
    /// It may work now; false after its owner disabled it.
    pub enabled: bool,
}

impl Session {
    /// How a plug or application stands there.
    ///
    /// # Errors
    /// [`HatError`]; [`Fault::Status`] 404 when the HAT does not know it.
    pub async fn application(&self, id: &Id) -> Result<Standing, HatError> {
        let path = format!("/api/v2.6/applications/{id}");
        let answer = self.ask("", Ask::get(SHOW, &path)).await?;
        json(&answer.body, "the application").map_err(|fault| self.error(SHOW, fault))
    }

    /// Sets a plug or application up: afterwards it is enabled there. The original's API does it by GET;
    /// doing it again changes nothing.
    ///
    /// # Errors
    /// [`HatError`].
    pub async fn set_up(&self, id: &Id) -> Result<Standing, HatError> {
        let path = format!("/api/v2.6/applications/{id}/setup");
        let answer = self.ask("", Ask::get(SETUP, &path)).await?;
        let standing: Standing = json(&answer.body, "the application").map_err(|fault| self.error(SETUP, fault))?;
        if standing.setup && standing.enabled {
            Ok(standing)
        } else {
            Err(self.error(SETUP, Fault::Form("the application is not enabled after its set-up")))
        }
    }
}
