//! Messages 2, 3 and 4 as bytes: one byte string each, around a plaintext.

use latchwork_cbor::{Reader, Writer};

use crate::{
    ead::{Ead, Eads},
    error::Error,
    id_cred::IdCred,
    identifier::ConnectionId,
    item::{Item, bytes_len},
};

/// The content of a message that is one byte string, to be decrypted in place.
pub(crate) fn content(message: &mut [u8]) -> Result<&mut [u8], Error> {
    let mut cbor = Reader::new(message);
    let length = cbor.bytes()?.len();
    cbor.end()?;
    let head = message.len().checked_sub(length).ok_or(Error::Malformed)?;
    message.get_mut(head..).ok_or(Error::Malformed)
}

/// Makes a message of one byte string that has `length` bytes, and gives the whole and its content.
pub(crate) fn with_content(
    out: &mut [u8],
    length: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<(), Error>,
) -> Result<&[u8], Error> {
    let head = Item::bytes_head(length);
    let whole = head.len().checked_add(length).and_then(|whole| out.get_mut(..whole)).ok_or(Error::NoRoom)?;
    let (start, content) = whole.split_at_mut_checked(head.len()).ok_or(Error::NoRoom)?;
    copy(head.as_bytes(), start);
    // What was begun is no ciphertext yet: it must not stay in a buffer that is about to be sent.
    if let Err(error) = fill(content) {
        content.fill(0);
        return Err(error);
    }
    Ok(whole)
}

/// Copies as much as both have.
pub(crate) fn copy(from: &[u8], to: &mut [u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// PLAINTEXT_2 with its C_R, or PLAINTEXT_3 without.
pub(crate) struct Plaintext<'m> {
    pub(crate) id_cred: IdCred<'m>,
    pub(crate) signature_or_mac: &'m [u8],
    pub(crate) eads: Eads<'m>,
}

impl<'m> Plaintext<'m> {
    /// Reads what stands behind C_R to the end.
    pub(crate) fn read(cbor: &mut Reader<'m>, proof_len: usize, known: &[u32]) -> Result<Self, Error> {
        let id_cred = IdCred::read(cbor)?;
        let signature_or_mac = cbor.bytes()?;
        if signature_or_mac.len() != proof_len {
            return Err(Error::Malformed);
        }
        Ok(Self { id_cred, signature_or_mac, eads: Eads::read(cbor, known)? })
    }
}

/// A plaintext of ours, before its proof is made.
#[derive(Clone, Copy)]
pub(crate) struct Draft<'d> {
    pub(crate) c_r: Option<ConnectionId>,
    pub(crate) id_cred: IdCred<'d>,
    pub(crate) proof_len: usize,
    pub(crate) eads: &'d [Ead<'d>],
}

impl Draft<'_> {
    pub(crate) fn encoded_len(&self) -> usize {
        let c_r = self.c_r.map_or(0, |id| id.encoded().len());
        let eads = self.eads.iter().map(Ead::encoded_len).fold(0, usize::saturating_add);
        [c_r, self.id_cred.encoded_len(), bytes_len(self.proof_len), eads].into_iter().fold(0, usize::saturating_add)
    }

    /// Writes everything, and lets `prove` fill the place of the proof from the encoded items behind it.
    pub(crate) fn write(
        &self,
        text: &mut [u8],
        prove: impl FnOnce(&[u8], &mut [u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut cbor = Writer::new(text);
        if let Some(c_r) = self.c_r {
            c_r.write(&mut cbor)?;
        }
        self.id_cred.write(&mut cbor)?;
        cbor.bytes_head(self.proof_len)?;
        let proof_at = cbor.len();
        let (_, rest) = text.split_at_mut_checked(proof_at).ok_or(Error::NoRoom)?;
        let (proof, eads) = rest.split_at_mut_checked(self.proof_len).ok_or(Error::NoRoom)?;
        let mut cbor = Writer::new(eads);
        for ead in self.eads {
            ead.write(&mut cbor)?;
        }
        prove(cbor.written(), proof)
    }
}

/// Writes the items of EAD_1 or EAD_4.
pub(crate) fn write_eads(eads: &[Ead<'_>], cbor: &mut Writer<'_>) -> Result<(), Error> {
    eads.iter().try_for_each(|ead| ead.write(cbor)).map_err(Error::from)
}
