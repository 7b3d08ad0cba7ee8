//! The way datagrams come in and go out: the one that the image was built for.

#[cfg(feature = "ethernet")]
pub(crate) use crate::ethernet::Line;
#[cfg(not(feature = "ethernet"))]
pub(crate) use crate::serial::Line;
