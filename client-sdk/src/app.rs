//! The app: signs a person in, keeps their permissions, opens their doors.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use latchwork_ace::TokenResponse;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::browser::Browser;
use crate::clock::now;
use crate::door::{Door, Permission, Standing};
use crate::encoding::base64url;
use crate::error::Error;
use crate::key::PopKey;
use crate::open::{Opened, Session};
use crate::server::{Connection, Server};
use crate::sign_in::{SignIn, Tokens};
use crate::store::TokenStore;

/// One installation of the app.
///
/// Methods take `&self` and may run at the same time; refreshes and openings of one door wait for each other.
pub struct App {
    connection: Connection,
    key: Arc<dyn PopKey>,
    store: Arc<dyn TokenStore>,
    state: Mutex<State>,
    /// Live OSCORE contexts by audience. They end with the program: what a context has used up must never be used again.
    sessions: Mutex<HashMap<String, Session>>,
}

/// What survives a restart.
#[derive(Default, Serialize, Deserialize)]
struct State {
    refresh_token: Option<String>,
    doors: Vec<Door>,
    permissions: BTreeMap<String, Permission>,
}

/// What a door does for this person at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// A valid token is here: the door opens without any network.
    Ready,
    /// There is no valid token; the app has to ask the server first.
    Online,
    /// The person has to sign in for this door.
    SignIn,
    /// The same, and its owner has to agree.
    OwnerConsent,
}

impl App {
    /// Takes up where the last run ended.
    pub fn new(server: Server, key: Arc<dyn PopKey>, store: Arc<dyn TokenStore>) -> Result<Self, Error> {
        let state = match store.load()? {
            Some(saved) => serde_json::from_slice(&saved).map_err(|_| Error::Nonsense("the app's own state"))?,
            None => State::default(),
        };
        Ok(Self {
            connection: Connection::new(server)?,
            key,
            store,
            state: Mutex::new(state),
            sessions: Mutex::new(HashMap::new()),
        })
    }

    /// Signs in at the company's provider and fetches the list of doors.
    ///
    /// `audiences` names doors that need more than policy allows by itself: their owners are asked while the person waits.
    /// Empty means every door that is open to this person already.
    pub async fn sign_in(&self, browser: &dyn Browser, audiences: &[String]) -> Result<Vec<Door>, Error> {
        let sign_in = SignIn { connection: &self.connection, key: &*self.key };
        let Tokens { api_token, refresh_token } = sign_in.run(browser, audiences).await?;
        let mut state = self.state.lock().await;
        *state = State { refresh_token: Some(refresh_token), ..State::default() };
        self.save(&state)?;
        self.sessions.lock().await.clear();
        state.doors = self.list(&api_token).await?;
        self.save(&state)?;
        Ok(state.doors.clone())
    }

    /// The doors as of the last [`App::sign_in`] or [`App::update`], each with what it needs.
    pub async fn doors(&self) -> Vec<(Door, Readiness)> {
        let state = self.state.lock().await;
        let ready = |door: &Door| match state.permissions.get(&door.audience) {
            Some(permission) if permission.is_valid(now()) => Readiness::Ready,
            _ => match door.standing {
                Standing::Granted => Readiness::Online,
                Standing::Available => Readiness::SignIn,
                Standing::NeedsConsent => Readiness::OwnerConsent,
            },
        };
        state.doors.iter().map(|door| (door.clone(), ready(door))).collect()
    }

    /// Fetches the list of doors anew.
    pub async fn update(&self) -> Result<Vec<Door>, Error> {
        let mut state = self.state.lock().await;
        let audience = self.connection.url("/api/v1");
        let answer = self.refresh(&mut state, &audience, "application/json").await?;
        let Tokens { api_token, refresh_token } = Tokens::from_json(&answer)?;
        state.refresh_token = Some(refresh_token);
        self.save(&state)?;
        state.doors = self.list(&api_token).await?;
        self.save(&state)?;
        Ok(state.doors.clone())
    }

    /// Gets a new permission for a door, ahead of the moment when it is needed.
    pub async fn fetch(&self, door: &str) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        let audience = state.door(door)?.audience.clone();
        let answer = self.refresh(&mut state, &audience, "application/ace+cbor").await?;
        let response = TokenResponse::decode(&answer).map_err(|_| Error::Nonsense("a token response"))?;
        let successor = response.refresh_token.ok_or(Error::Nonsense("a refresh without a successor"))?;
        state.refresh_token = Some(base64url(successor));
        state.permissions.insert(audience, Permission::granted(&response, now())?);
        self.save(&state)
    }

    /// Opens a door. No server is asked where a valid permission is here.
    pub async fn open(&self, door: &str) -> Result<Opened, Error> {
        let (door, permission) = {
            let state = self.state.lock().await;
            let door = state.door(door)?.clone();
            let permission = state.permissions.get(&door.audience).filter(|p| p.is_valid(now())).cloned();
            (door, permission)
        };
        let permission = match permission {
            Some(permission) => permission,
            None => {
                self.fetch(&door.name).await?;
                let state = self.state.lock().await;
                state.permissions.get(&door.audience).cloned().ok_or(Error::NoToken)?
            }
        };
        let mut sessions = self.sessions.lock().await;
        crate::open::open(&mut sessions, &door, &permission).await
    }

    async fn refresh(&self, state: &mut State, audience: &str, accept: &str) -> Result<Vec<u8>, Error> {
        let token = state.refresh_token.as_deref().ok_or(Error::SignedOut)?;
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &self.connection.server.client_id),
            ("refresh_token", token),
            ("audience", audience),
        ];
        self.connection.token(&*self.key, accept, &form).await
    }

    async fn list(&self, api_token: &str) -> Result<Vec<Door>, Error> {
        let answer = self.connection.get(&*self.key, "/api/v1/doors", api_token).await?;
        serde_json::from_slice(&answer).map_err(|_| Error::Nonsense("the list of doors"))
    }

    fn save(&self, state: &State) -> Result<(), Error> {
        let saved = serde_json::to_vec(state).map_err(|_| Error::Nonsense("the app's own state"))?;
        Ok(self.store.save(&saved)?)
    }
}

impl State {
    fn door(&self, name: &str) -> Result<&Door, Error> {
        self.doors.iter().find(|door| door.name == name).ok_or(Error::UnknownDoor)
    }
}
