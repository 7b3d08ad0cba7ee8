//! Methods and response codes (RFC 7252 §12.1).

/// A method or response code, `class.detail` in one byte (RFC 7252 §3, §12.1). A struct, so that unknown ones round-trip.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u8);

/// Makes a code from its class and detail.
const fn code(class: u8, detail: u8) -> Code {
    Code(class << 5 | detail)
}

#[allow(missing_docs)] // the names are the documentation
impl Code {
    pub const EMPTY: Self = code(0, 0);

    pub const GET: Self = code(0, 1);
    pub const POST: Self = code(0, 2);
    pub const PUT: Self = code(0, 3);
    pub const DELETE: Self = code(0, 4);
    pub const FETCH: Self = code(0, 5);
    pub const PATCH: Self = code(0, 6);
    pub const IPATCH: Self = code(0, 7);

    pub const CREATED: Self = code(2, 1);
    pub const DELETED: Self = code(2, 2);
    pub const VALID: Self = code(2, 3);
    pub const CHANGED: Self = code(2, 4);
    pub const CONTENT: Self = code(2, 5);
    pub const CONTINUE: Self = code(2, 31);

    pub const BAD_REQUEST: Self = code(4, 0);
    pub const UNAUTHORIZED: Self = code(4, 1);
    pub const BAD_OPTION: Self = code(4, 2);
    pub const FORBIDDEN: Self = code(4, 3);
    pub const NOT_FOUND: Self = code(4, 4);
    pub const METHOD_NOT_ALLOWED: Self = code(4, 5);
    pub const NOT_ACCEPTABLE: Self = code(4, 6);
    pub const REQUEST_ENTITY_INCOMPLETE: Self = code(4, 8);
    pub const CONFLICT: Self = code(4, 9);
    pub const PRECONDITION_FAILED: Self = code(4, 12);
    pub const REQUEST_ENTITY_TOO_LARGE: Self = code(4, 13);
    pub const UNSUPPORTED_CONTENT_FORMAT: Self = code(4, 15);
    pub const UNPROCESSABLE_ENTITY: Self = code(4, 22);
    pub const TOO_MANY_REQUESTS: Self = code(4, 29);

    pub const INTERNAL_SERVER_ERROR: Self = code(5, 0);
    pub const NOT_IMPLEMENTED: Self = code(5, 1);
    pub const BAD_GATEWAY: Self = code(5, 2);
    pub const SERVICE_UNAVAILABLE: Self = code(5, 3);
    pub const GATEWAY_TIMEOUT: Self = code(5, 4);
    pub const PROXYING_NOT_SUPPORTED: Self = code(5, 5);
    pub const HOP_LIMIT_REACHED: Self = code(5, 8);
}

impl Code {
    /// 0 request, 2 success, 4 client error, 5 server error; the rest is reserved.
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// The part behind the dot.
    pub const fn detail(self) -> u8 {
        self.0 & 0x1f
    }

    /// A method, known or not.
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.detail() != 0
    }

    /// A response of any class that is not reserved (RFC 7252 §4.2 reserves 1, 6 and 7).
    pub const fn is_response(self) -> bool {
        matches!(self.class(), 2..=5)
    }

    /// 2.xx
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }
}

impl core::fmt::Display for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.detail())
    }
}

impl core::fmt::Debug for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}
