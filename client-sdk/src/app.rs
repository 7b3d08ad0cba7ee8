//! The app: signs a person in, keeps their permissions, opens their doors.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use latchwork_ace::registry::GrantType;
use latchwork_ace::{Cnf, EdhocInfo, TokenRequest, TokenResponse};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::browser::Browser;
use crate::clock::now;
use crate::door::{Door, Permission, Standing};
use crate::encoding::{base64url, from_base64url};
use crate::error::Error;
use crate::key::{Named, PopKey};
use crate::open::{Opened, Session, Source};
use crate::server::{ACE_CBOR, Connection, Server};
use crate::sign_in::{SignIn, Tokens};
use crate::store::TokenStore;

/// One installation of the app.
///
/// Methods take `&self` and may run at the same time, on any tokio runtime with IO and time enabled. Requests to the server
/// wait for each other, and so do openings of one door; a door with a valid permission opens while the server is being asked.
/// One store belongs to one `App`: two that share it use up each other's refresh token.
pub struct App {
    connection: Connection,
    key: Arc<dyn PopKey>,
    store: Arc<dyn TokenStore>,
    /// Never held while somebody is waited for.
    state: Mutex<State>,
    /// Held while the server is asked: its answer uses up the refresh token.
    turn: Mutex<()>,
    sessions: Mutex<Sessions>,
}

/// Live OSCORE contexts by audience. They end with the program: what a context has used up must never be used again.
type Sessions = HashMap<String, Arc<Mutex<Option<Session>>>>;

/// What survives a restart.
#[derive(Default, Serialize, Deserialize, ZeroizeOnDrop)]
struct State {
    /// Whose tokens these are: no other server is shown them.
    #[serde(default)]
    issuer: String,
    refresh_token: Option<String>,
    #[zeroize(skip)]
    doors: Vec<Door>,
    /// Each wipes itself.
    #[zeroize(skip)]
    permissions: BTreeMap<String, Permission>,
    /// Counts sign-ins and sign-outs, so that what was asked for one person is not kept for the next.
    #[serde(skip)]
    reign: u64,
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
    /// Takes up where the last run ended. What the store holds of another server is not used.
    pub fn new(server: Server, key: Arc<dyn PopKey>, store: Arc<dyn TokenStore>) -> Result<Self, Error> {
        let saved: Option<State> = match store.load()?.map(Zeroizing::new) {
            Some(saved) => Some(serde_json::from_slice(&saved).map_err(|_| Error::Nonsense("the app's own state"))?),
            None => None,
        };
        let state = saved.filter(|saved| saved.issuer == server.issuer).unwrap_or_default();
        Ok(Self {
            connection: Connection::new(server)?,
            key,
            store,
            state: Mutex::new(state),
            turn: Mutex::default(),
            sessions: Mutex::default(),
        })
    }

    /// Signs in at the company's provider and fetches the list of doors.
    ///
    /// `audiences` names doors that need more than policy allows by itself: their owners are asked while the person waits.
    /// Empty means every door that is open to this person already. Waits for the person as long as it takes: drop the future
    /// to give up. Until it succeeds, the sign-in before stays.
    pub async fn sign_in(&self, browser: &dyn Browser, audiences: &[String]) -> Result<Vec<Door>, Error> {
        let sign_in = SignIn { connection: &self.connection, key: &*self.key };
        let Tokens { api_token, refresh_token } = sign_in.run(browser, audiences).await?;
        let reign = self.begin(Some(refresh_token.to_string())).await?;
        self.list(&api_token, reign).await
    }

    /// Forgets the person: refresh token, permissions and doors. The server is not told.
    pub async fn sign_out(&self) -> Result<(), Error> {
        self.begin(None).await.map(drop)
    }

    /// The doors as of the last [`App::sign_in`] or [`App::update`], each with what it needs.
    pub async fn doors(&self) -> Vec<(Door, Readiness)> {
        let state = self.state.lock().await;
        let ready = |door: &Door| match state.permission(door) {
            Some(_) => Readiness::Ready,
            None => match door.standing {
                Standing::Granted => Readiness::Online,
                Standing::Available => Readiness::SignIn,
                Standing::NeedsConsent => Readiness::OwnerConsent,
            },
        };
        state.doors.iter().map(|door| (door.clone(), ready(door))).collect()
    }

    /// Fetches the list of doors anew.
    pub async fn update(&self) -> Result<Vec<Door>, Error> {
        let (reign, api_token) = {
            let _turn = self.turn.lock().await;
            let reign = self.state.lock().await.reign;
            let answer = self.refresh(&self.connection.url("/api/v1"), "application/json", None).await?;
            let Tokens { api_token, refresh_token } = Tokens::from_json(&answer)?;
            self.succeed(refresh_token.to_string()).await?;
            (reign, api_token)
        };
        self.list(&api_token, reign).await
    }

    /// Gets a new permission for a door, ahead of the moment when it is needed.
    ///
    /// A lock without a clock has to be asked first, so its permission comes with [`App::open`]; here the server refuses it as
    /// `invalid_request`.
    ///
    /// Where this app is inside already, by a token that is still good, the new one changes the rights and the session stays: the next
    /// [`App::open`] brings it to the lock (draft-ietf-ace-edhoc-oscore-profile §4.6).
    pub async fn fetch(&self, door: &str) -> Result<(), Error> {
        let (door, known, reign) = {
            let state = self.state.lock().await;
            let door = state.door(door)?.clone();
            let known = state.permission(&door).cloned();
            (door, known, state.reign)
        };
        let living = match known {
            Some(known) => self.lives_by(&door, &known).await.then_some(known),
            None => None,
        };
        let mut asking = Asking { app: self, reign };
        match living {
            Some(living) => asking.update(&door, None, &living).await.map(drop),
            None => asking.permission(&door, None).await.map(drop),
        }
    }

    /// Opens a door. No server is asked where a valid permission is here and the lock takes it; where the lock does not, the
    /// server is asked for another one, once.
    pub async fn open(&self, door: &str) -> Result<Opened, Error> {
        let (door, known, reign) = {
            let state = self.state.lock().await;
            let door = state.door(door)?.clone();
            let known = state.permission(&door).cloned();
            (door, known, state.reign)
        };
        let session = Arc::clone(self.sessions.lock().await.entry(door.audience.clone()).or_default());
        let mut session = session.lock().await;
        let mut asking = Asking { app: self, reign };
        let before = known.as_ref().map(|known| Zeroizing::new(known.token.clone()));
        let (opened, permission) =
            crate::open::open(&mut session, &door, known, &mut asking, Some(Named::installation(&*self.key))).await?;
        asking.keep(&door.audience, permission, replaces(before.as_deref().map(Vec::as_slice))).await?;
        Ok(opened)
    }

    /// Whether there is a session with the lock that this permission, or an elder one of its series, began.
    async fn lives_by(&self, door: &Door, known: &Permission) -> bool {
        let session = self.sessions.lock().await.get(&door.audience).cloned();
        match session {
            Some(session) => session.lock().await.as_ref().is_some_and(|session| session.goes_on_with(known)),
            None => false,
        }
    }

    /// A new person, or none.
    async fn begin(&self, refresh_token: Option<String>) -> Result<u64, Error> {
        let _turn = self.turn.lock().await;
        let mut state = self.state.lock().await;
        let (issuer, reign) = (self.connection.server.issuer.clone(), state.reign + 1);
        *state = State { issuer, refresh_token, doors: Vec::new(), permissions: BTreeMap::new(), reign };
        self.sessions.lock().await.clear();
        self.save(&state)?;
        Ok(reign)
    }

    /// Uses the refresh token up. The caller has the turn.
    async fn refresh(&self, audience: &str, accept: &str, cnonce: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, Error> {
        let token = self.state.lock().await.refresh_token.clone().map(Zeroizing::new).ok_or(Error::SignedOut)?;
        let cnonce = cnonce.map(base64url);
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("client_id", &self.connection.server.client_id),
            ("refresh_token", &token),
            ("audience", audience),
        ];
        form.extend(cnonce.as_deref().map(|cnonce| ("cnonce", cnonce)));
        self.connection.token(&*self.key, accept, &form).await
    }

    /// The same for a token that is bound to the installation key: profile of EDHOC and OSCORE, which speaks CBOR alone
    /// (draft-ietf-ace-edhoc-oscore-profile §3.1).
    ///
    /// With a `series` it is for an update of that series' rights: it names the series in the place of the key (§3.1).
    async fn refresh_in_cbor(
        &self,
        audience: &str,
        cnonce: Option<&[u8]>,
        series: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let token = self.state.lock().await.refresh_token.clone().map(Zeroizing::new).ok_or(Error::SignedOut)?;
        let token = from_base64url(&token).map(Zeroizing::new).ok_or(Error::Nonsense("the app's own state"))?;
        let ccs = Named::installation(&*self.key).ccs()?;
        let request = TokenRequest {
            grant_type: Some(GrantType::REFRESH_TOKEN),
            client_id: Some(&self.connection.server.client_id),
            refresh_token: Some(&token),
            audience: Some(audience),
            req_cnf: series.is_none().then_some(Cnf::Kccs(&ccs)),
            edhoc_info: series.map(EdhocInfo::series),
            cnonce,
            ..TokenRequest::default()
        };
        let mut payload = Zeroizing::new(vec![0; 1024]);
        let length = request.encode(&mut payload).map_err(|_| Error::Nonsense("a request that is too long"))?.len();
        payload.truncate(length);
        self.connection.token_in_cbor(&*self.key, &payload).await
    }

    /// Keeps the successor of the refresh token before anything else can go wrong: its predecessor is good for nothing.
    async fn succeed(&self, refresh_token: String) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        state.refresh_token.replace(refresh_token).map(Zeroizing::new);
        self.save(&state)
    }

    async fn list(&self, api_token: &str, reign: u64) -> Result<Vec<Door>, Error> {
        let answer = self.connection.get(&*self.key, "/api/v1/doors", api_token).await?;
        let doors: Vec<Door> =
            serde_json::from_slice(&answer).map_err(|_| Error::Nonsense("the server's list of doors"))?;
        let mut state = self.state.lock().await;
        if state.reign == reign {
            state.doors.clone_from(&doors);
            self.save(&state)?;
        }
        Ok(doors)
    }

    fn save(&self, state: &State) -> Result<(), Error> {
        let saved = serde_json::to_vec(state).map_err(|_| Error::Nonsense("the app's own state"))?;
        Ok(self.store.save(&Zeroizing::new(saved))?)
    }
}

/// The app, asking for the person who was signed in when it began.
struct Asking<'a> {
    app: &'a App,
    reign: u64,
}

impl Source for Asking<'_> {
    /// Uses the refresh token up.
    async fn ask(
        &mut self,
        door: &Door,
        cnonce: Option<&[u8]>,
        living: Option<&Permission>,
    ) -> Result<Permission, Error> {
        let living = living.and_then(|living| Some((living, living.series()?)));
        let permission = {
            let _turn = self.app.turn.lock().await;
            let answer = if door.is_for_edhoc() {
                self.app.refresh_in_cbor(&door.audience, cnonce, living.map(|(_, series)| series)).await?
            } else {
                self.app.refresh(&door.audience, ACE_CBOR, cnonce).await?
            };
            let response = TokenResponse::decode(&answer).map_err(|_| Error::Nonsense("a token response"))?;
            let successor = response.refresh_token.ok_or(Error::Nonsense("a refresh without a successor"))?;
            self.app.succeed(base64url(successor)).await?;
            match living {
                Some((living, _)) => living.updated(&response, now())?,
                None => Permission::granted(&response, door, now())?,
            }
        };
        // Anybody can send a cnonce in a lock's name. A token with it takes the place of another once it opened the door.
        if cnonce.is_none() {
            self.keep(&door.audience, permission.clone(), |_| true).await?;
        }
        Ok(permission)
    }
}

impl Asking<'_> {
    /// Keeps a permission where `gives_way` says so of the one that is there.
    async fn keep(
        &self,
        audience: &str,
        permission: Permission,
        gives_way: impl FnOnce(Option<&Permission>) -> bool,
    ) -> Result<(), Error> {
        let mut state = self.app.state.lock().await;
        let there = state.permissions.get(audience);
        if state.reign != self.reign || there.is_some_and(|there| there.token == permission.token) || !gives_way(there)
        {
            return Ok(());
        }
        state.permissions.insert(audience.to_owned(), permission);
        self.app.save(&state)
    }
}

/// Gives way: the token that an opening began with. A newer one that another call put there meanwhile stays.
fn replaces(before: Option<&[u8]>) -> impl FnOnce(Option<&Permission>) -> bool {
    move |there| there.map(|there| &*there.token) == before
}

impl State {
    fn door(&self, name: &str) -> Result<&Door, Error> {
        self.doors.iter().find(|door| door.name == name).ok_or(Error::UnknownDoor)
    }

    /// What opens `door` now, as far as our clock knows.
    fn permission(&self, door: &Door) -> Option<&Permission> {
        self.permissions.get(&door.audience).filter(|permission| permission.is_valid(now()) && permission.fits(door))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileStore, SoftwareKey};

    fn permission(token: &str) -> Permission {
        let token = base64url(token.as_bytes());
        serde_json::from_value(serde_json::json!({
            "token": token, "id": "MA", "master_secret": "MDEyMzQ1Njc4OWFiY2RlZg", "salt": null, "context_id": null,
            "expires": 99_999_999_999_u64,
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn a_slow_opening_leaves_what_is_newer() {
        let directory = tempfile::tempdir().unwrap();
        let server = Server { issuer: "https://as.example".into(), client_id: "phone".into(), certificate: None };
        let store = FileStore::new(directory.path().join("tokens.json"));
        let app = App::new(server, Arc::new(SoftwareKey::generate().unwrap()), Arc::new(store)).unwrap();
        let asking = Asking { app: &app, reign: 0 };
        for (there, token, before, kept) in [
            (None, "mine", None, "mine"),
            (Some("old"), "mine", Some("old"), "mine"),
            (Some("newer"), "mine", Some("old"), "newer"),
            (Some("newer"), "mine", None, "newer"),
        ] {
            app.state.lock().await.permissions =
                there.map(|there| ("front".to_owned(), permission(there))).into_iter().collect();
            let before = before.map(|before| permission(before).token.clone());
            asking.keep("front", permission(token), replaces(before.as_deref())).await.unwrap();
            assert_eq!(app.state.lock().await.permissions["front"].token, permission(kept).token);
        }
    }
}
