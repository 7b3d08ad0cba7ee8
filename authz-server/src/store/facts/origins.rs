//! Whose pages may read our answers.

use super::index;
use super::{Name, Records};
use crate::core::names::{ClientId, Origin};
use crate::core::records::Client;
use crate::store::StoreError;

impl Records {
    /// Whether a client that is here gave this origin.
    pub async fn is_origin(&self, origin: &Origin) -> Result<bool, StoreError> {
        for name in self.names_under(&index::clients_at(origin)).await? {
            let Some(id) = std::str::from_utf8(&name).ok().and_then(|id| id.parse::<ClientId>().ok()) else { continue };
            let client = self.find::<Client>(&Name::Client(id)).await?;
            if client.is_some_and(|(client, _)| client.origins.contains(origin)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
