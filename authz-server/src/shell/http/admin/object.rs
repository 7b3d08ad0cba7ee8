//! The body of an administrator's request: a JSON object. A struct of serde's would take an array as well, by position.

use std::fmt;
use std::marker::PhantomData;

use actix_web::web::Json;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::AdminError;

/// A body as it comes to a handler.
pub(super) type Posted<T> = Result<Json<Object<T>>, actix_web::Error>;

/// What was posted, or what is wrong with it.
pub(super) fn object<T>(posted: Posted<T>) -> Result<T, AdminError> {
    posted.map(|Json(Object(it))| it).map_err(|cause| AdminError::Wrong(cause.to_string()))
}

pub(super) struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Members(PhantomData))
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}
