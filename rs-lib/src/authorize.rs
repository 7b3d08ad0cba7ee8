//! From a holder and a request to a decision (RFC 9200 §5.10.2).

use crate::check::refuse_unless;
use crate::proof::ProvenKey;
use crate::replay::Flash;
use crate::session::{Holder, Sessions, Subject};
use crate::trust::Trust;
use latchwork_ace::aif::{Aif, Methods};
use latchwork_ace::registry::Method;
use latchwork_coap::{Code, Message};

/// This holder may do what it asks for with this request. Only [`authorize`] makes one; what moves a bolt takes it as
/// an argument.
///
/// ```compile_fail,E0451
/// fn forge(holder: &latchwork_rs_lib::Holder) -> latchwork_rs_lib::Allowed<'_> {
///     latchwork_rs_lib::Allowed { holder }
/// }
/// ```
pub struct Allowed<'s> {
    holder: &'s Holder,
}

impl Allowed<'_> {
    /// Who it is, as far as a lock knows: its token.
    pub fn holder(&self) -> &Holder {
        self.holder
    }
}

/// Why not. Only who is authenticated learns it; everyone else gets hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The token says nothing about this resource.
    Resource,
    /// It permits other methods on this resource.
    Method,
    /// The session has ended between proof and decision.
    NoSession,
    /// Permitted, but flash did not take the number of its token.
    NotWritten,
}

impl Denied {
    /// RFC 9200 §5.10.2.
    pub fn code(self) -> Code {
        match self {
            Self::Resource => Code::FORBIDDEN,
            Self::Method => Code::METHOD_NOT_ALLOWED,
            Self::NoSession => Code::UNAUTHORIZED,
            Self::NotWritten => Code::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A resource that somebody created here (RFC 9237 §2.3).
#[derive(Clone, Copy, Debug)]
pub struct Created<'r> {
    /// Who did: [`Holder::subject`] when it happened.
    pub by: Subject,
    /// The path where it was created; the Dynamic bits of the entry for that path count.
    pub at: &'r str,
}

/// Decides whether whoever proved this key may have this request served. Both the token and the ceiling of its issuer
/// must permit it, byte for byte as RFC 9237 §2.2 compares. `created` tells of a resource that was not always there: who
/// created it has the Dynamic methods on it too. Before the first request is allowed on a token that counts from receipt, its
/// number is in `flash` (§5.10.3 of RFC 9200); one that is denied writes nothing.
pub fn authorize<'s, const N: usize, const P: usize, const I: usize>(
    key: &ProvenKey,
    request: &Message<'_>,
    sessions: &'s mut Sessions<N, P, I>,
    flash: &mut dyn Flash,
    trust: &Trust<'_>,
    created: Option<Created<'_>>,
) -> Result<Allowed<'s>, Denied> {
    let session = key.session(sessions).ok_or(Denied::NoSession)?;
    let holder = &session.holder;
    let issuer = trust.issuer(holder.key.issuer).ok_or(Denied::NoSession)?;
    let scope = holder.scope.aif().ok_or(Denied::Resource)?;
    let ceiling = issuer.ceiling.filter(|_| !cfg!(latchwork_disable = "ceiling"));
    for permits in [Some(scope), ceiling].into_iter().flatten() {
        let created = created.filter(|created| holder.subject() == Some(created.by));
        let methods = methods(&permits, request).and(dynamic(&permits, created));
        refuse_unless!("resource", methods != Methods::NONE, Denied::Resource);
        let permitted = methods.contains(Method(request.code.0));
        refuse_unless!("method", permitted, Denied::Method);
    }
    refuse_unless!("exi-write", sessions.start(key.seat, flash).is_ok(), Denied::NotWritten);
    let session = key.session(sessions).ok_or(Denied::NoSession)?;
    Ok(Allowed { holder: &session.holder })
}

fn dynamic(aif: &Aif<'_>, created: Option<Created<'_>>) -> Methods {
    let here = aif.iter().filter(|(path, _)| created.is_some_and(|created| created.at == *path));
    here.fold(Methods::NONE, |all, (_, methods)| all.and(methods.dynamic()))
}

pub(crate) fn methods(aif: &Aif<'_>, request: &Message<'_>) -> Methods {
    aif.methods_at_options(request.options.uri_path(), request.options.uri_query())
}
