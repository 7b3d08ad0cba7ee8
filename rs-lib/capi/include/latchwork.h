/* Latchwork, an ACE resource server (RFC 9200, RFC 9203) for firmware in C. Made from rs-lib/capi by cbindgen; do not edit.
 *
 * Give it memory, a config and a board; give it every datagram that arrives; send what it answers; move the bolt in `serve`.
 * examples/door-lock/c is a whole lock. Nothing here is safe to be called from two threads, or from an interrupt, at a time.
 */

#ifndef LATCHWORK_H
#define LATCHWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 Bytes of memory that are enough for a lock on any processor. `latchwork_size` says how many it really takes.
 */
#define LATCHWORK_SIZE (20 * 1024)

/*
 An alignment that is enough for a lock on any processor, in bytes.
 */
#define LATCHWORK_ALIGN 16

/*
 The longest datagram that a lock takes and sends, in bytes.
 */
#define LATCHWORK_DATAGRAM 1152

/*
 A token is named by this many bytes: SHA-256 as RFC 9770 §4 hashes it, without the leading 0x01.
 */
#define LATCHWORK_HASH 32

/*
 `Request::path` of a resource that is none of `Config::paths`.
 */
#define LATCHWORK_NO_PATH 4294967295

/*
 How many authorization servers a lock can trust.
 */
#define LATCHWORK_ISSUERS 4

/*
 How many keys all of them can have together.
 */
#define LATCHWORK_KEYS 8

/*
 How many groups, scopes and paths a lock can have of each.
 */
#define LATCHWORK_NAMES 8

/*
 How a call ended.
 */
enum LatchworkStatus
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   Well.
   */
  LATCHWORK_STATUS_OK = 0,
  /*
   Well, and there is nothing to send.
   */
  LATCHWORK_STATUS_SILENT = 1,
  /*
   A pointer is null that must not be.
   */
  LATCHWORK_STATUS_NULL = 2,
  /*
   The memory is smaller than `latchwork_size`, or not aligned to `latchwork_align`.
   */
  LATCHWORK_STATUS_BAD_MEMORY = 3,
  /*
   The board lacks a function that it must have: one of those that must not be null, half of a pair, or AES where the library has none.
   */
  LATCHWORK_STATUS_BAD_BOARD = 4,
  /*
   The config has a text that is no UTF-8, a key of the wrong length, an AIF that is none, no issuer, too many of something, or an own
   key that nobody can use.
   */
  LATCHWORK_STATUS_BAD_CONFIG = 5,
  /*
   There were no random numbers.
   */
  LATCHWORK_STATUS_NO_RANDOM = 6,
  /*
   Called from within a callback of the same lock.
   */
  LATCHWORK_STATUS_NESTED = 7,
  /*
   The flash failed; what was to be written is over until the next reboot only.
   */
  LATCHWORK_STATUS_FLASH_FAILED = 8,
  /*
   `out` is too small for the answer, which is lost.
   */
  LATCHWORK_STATUS_NO_ROOM = 9,
  /*
   The payload is not what it should be.
   */
  LATCHWORK_STATUS_BAD_PAYLOAD = 10,
  /*
   The config has no issuer at this position.
   */
  LATCHWORK_STATUS_NO_ISSUER = 11,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum LatchworkStatus LatchworkStatus;
#else
typedef uint8_t LatchworkStatus;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What happened to a datagram.
 */
enum LatchworkEventKind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   Nothing: a repetition of what was answered before, or no request at all.
   */
  LATCHWORK_EVENT_KIND_NONE = 0,
  /*
   A token was good; a session waits for its holder, or by EDHOC is there. `token` names it.
   */
  LATCHWORK_EVENT_KIND_UPLOADED = 1,
  /*
   A live session got the rights of a new token. `token` names it.
   */
  LATCHWORK_EVENT_KIND_UPDATED = 2,
  /*
   A token was refused. `code` is the answer.
   */
  LATCHWORK_EVENT_KIND_REFUSED = 3,
  /*
   A request without protection, or for a session that is not there; it got hints.
   */
  LATCHWORK_EVENT_KIND_UNAUTHORIZED = 4,
  /*
   The session was over; it got hints.
   */
  LATCHWORK_EVENT_KIND_LAPSED = 5,
  /*
   A protected request did not verify.
   */
  LATCHWORK_EVENT_KIND_NOT_VERIFIED = 6,
  /*
   A holder asked for more than its token grants. `token` names it, `code` is the answer.
   */
  LATCHWORK_EVENT_KIND_DENIED = 7,
  /*
   `serve` was called for a holder. `token` names it, `code` is the answer.
   */
  LATCHWORK_EVENT_KIND_SERVED = 8,
  /*
   Something that cannot be processed: a method, an option, a block. `code` is the answer where it is known.
   */
  LATCHWORK_EVENT_KIND_BAD_REQUEST = 9,
  /*
   One block of a longer message came or went.
   */
  LATCHWORK_EVENT_KIND_BLOCK = 10,
  /*
   All sessions are in use.
   */
  LATCHWORK_EVENT_KIND_BUSY = 11,
  /*
   The flash did not take the number of a token, so a request on it was not allowed.
   */
  LATCHWORK_EVENT_KIND_FLASH_FAILED = 12,
  /*
   Somebody began an EDHOC handshake.
   */
  LATCHWORK_EVENT_KIND_BEGUN = 13,
  /*
   Message_3 for a handshake that is not there: it took too long, was pushed out, or there was a reboot.
   */
  LATCHWORK_EVENT_KIND_NO_HANDSHAKE = 14,
  /*
   An EDHOC handshake ended with an error.
   */
  LATCHWORK_EVENT_KIND_HANDSHAKE_FAILED = 15,
  /*
   Somebody says that a handshake is over. It may be anybody.
   */
  LATCHWORK_EVENT_KIND_GIVEN_UP = 16,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum LatchworkEventKind LatchworkEventKind;
#else
typedef uint8_t LatchworkEventKind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What a key is good for.
 */
enum LatchworkKeyKind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   AES-CCM-16-128-128, 16 bytes, shared by the lock and its server. Copied at the start.
   */
  LATCHWORK_KEY_KIND_AES_CCM = 1,
  /*
   The server's public ES256 key: x and y, 32 bytes each, big-endian.
   */
  LATCHWORK_KEY_KIND_ES256 = 2,
  /*
   The server's public EdDSA key, 32 bytes.
   */
  LATCHWORK_KEY_KIND_ED_DSA = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum LatchworkKeyKind LatchworkKeyKind;
#else
typedef uint8_t LatchworkKeyKind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 A lock. What is in it is nobody's business; `latchwork_start` makes it.
 */
typedef struct LatchworkLock LatchworkLock;

/*
 Bytes that somebody else owns; text is UTF-8 without a zero at the end. May be null if there are none.
 */
typedef struct LatchworkBytes {
  /*
   The first of them.
   */
  const uint8_t *data;
  /*
   How many.
   */
  size_t len;
} LatchworkBytes;

/*
 A key that tokens are protected with.
 */
typedef struct LatchworkKey {
  /*
   What it is good for: a `KeyKind`.
   */
  uint8_t kind;
  /*
   The rotation is over: tokens under this key are refused.
   */
  bool retired;
  /*
   The name by which tokens refer to it.
   */
  struct LatchworkBytes kid;
  /*
   The key.
   */
  struct LatchworkBytes key;
} LatchworkKey;

/*
 An authorization server.
 */
typedef struct LatchworkIssuer {
  /*
   Its `iss`; text.
   */
  struct LatchworkBytes name;
  /*
   Where to ask for tokens; goes into hints; text.
   */
  struct LatchworkBytes token_uri;
  /*
   Every key that it protects tokens with: during a rotation both the old one and the new.
   */
  const struct LatchworkKey *keys;
  /*
   How many.
   */
  size_t keys_len;
  /*
   The most that its tokens may grant here, as AIF in CBOR (RFC 9237); empty for whatever they say.
   */
  struct LatchworkBytes ceiling;
} LatchworkIssuer;

/*
 A scope as people say it, and what it stands for.
 */
typedef struct LatchworkScope {
  /*
   For example `door:open`; text.
   */
  struct LatchworkBytes name;
  /*
   What tokens carry for it: AIF in CBOR (RFC 9237).
   */
  struct LatchworkBytes grants;
} LatchworkScope;

/*
 The lock's own key, for EDHOC (RFC 9528) by methods 1 and 3 of suite 2: whoever opens shows a token in EAD_3 and proves the key
 that the token names (draft-ietf-ace-edhoc-oscore-profile).
 */
typedef struct LatchworkOwnKey {
  /*
   Its credential, byte for byte as the server knows it: a CWT Claims Set with a P-256 `COSE_Key` in its `cnf` (RFC 9528 §3.5.2). By
   the `kid` of that key it is referred to; without one it is sent whole.
   */
  struct LatchworkBytes credential;
  /*
   The private half: a scalar of 32 bytes, big-endian. Copied at the start. Empty where it never leaves the hardware: then
   `Hardware::p256_agree` is called with a null key.
   */
  struct LatchworkBytes private_key;
} LatchworkOwnKey;

/*
 What a lock was told when it was enrolled. It and all that it points to stay as they are while the lock is used; only
 AES keys and the private key may be wiped after the start.
 */
typedef struct LatchworkConfig {
  /*
   The audience that names this lock and no other; text.
   */
  struct LatchworkBytes audience;
  /*
   Further audiences that it shares with others; they count in signed tokens only. Text.
   */
  const struct LatchworkBytes *groups;
  /*
   How many.
   */
  size_t groups_len;
  /*
   Whom it trusts.
   */
  const struct LatchworkIssuer *issuers;
  /*
   How many.
   */
  size_t issuers_len;
  /*
   What hints suggest to ask for.
   */
  const struct LatchworkScope *scopes;
  /*
   How many.
   */
  size_t scopes_len;
  /*
   The absolute paths that exist here, `/door` say; text. A token whose scope mentions none of them is refused.
   */
  const struct LatchworkBytes *paths;
  /*
   How many.
   */
  size_t paths_len;
  /*
   For a lock without a clock, which wants its own nonce back in every token (RFC 9200 §5.3.1): how many seconds a client
   may take to fetch a token. 0 for a lock that goes by what tokens say: `exp` by the clock, `exi` by the flash.
   */
  uint64_t nonce_fresh;
  /*
   How many seconds rights last that rest on a nonce, from the making of the nonce.
   */
  uint64_t nonce_rights;
  /*
   The lock's own key; null for a lock that speaks no EDHOC. Needs a library with the feature `edhoc`, and somebody who computes on
   P-256: its feature `ecdh-p256` or `es256-cortex-m4`, or `Hardware`.
   */
  const struct LatchworkOwnKey *own_key;
} LatchworkConfig;

/*
 A request whose sender is allowed to make it.
 */
typedef struct LatchworkRequest {
  /*
   The method as CoAP writes it: GET 1, POST 2, PUT 3, DELETE 4, FETCH 5, PATCH 6, iPATCH 7.
   */
  uint8_t method;
  /*
   Which of `Config::paths` it is for, counted from 0; `LATCHWORK_NO_PATH` if none.
   */
  size_t path;
  /*
   The payload, whole.
   */
  struct LatchworkBytes payload;
  /*
   The name of the token that allows it, for the log.
   */
  uint8_t token[LATCHWORK_HASH];
  /*
   For `latchwork_request_option`.
   */
  const void *message;
} LatchworkRequest;

/*
 The answer to a request. It comes as 5.00 without anything, so that what is forgotten is no success.
 */
typedef struct LatchworkResponse {
  /*
   The response code as CoAP writes it: 0x44 for 2.04, 0x45 for 2.05.
   */
  uint8_t code;
  /*
   The Content-Format of the payload, or -1.
   */
  int32_t format;
  /*
   For how many seconds it holds (Max-Age), or -1.
   */
  int64_t max_age;
  /*
   Where to write the payload.
   */
  uint8_t *payload;
  /*
   How many bytes it may have.
   */
  size_t payload_size;
  /*
   How many it has.
   */
  size_t payload_len;
} LatchworkResponse;

/*
 A token that only its server understands: a reference, or one under a key that the lock does not have (RFC 9200 §5.9).
 */
typedef struct LatchworkQuestion {
  /*
   The token, as it came.
   */
  const uint8_t *token;
  /*
   How many bytes it has.
   */
  size_t token_len;
  /*
   Its name: by it the firmware finds the answer when the same question comes again.
   */
  uint8_t hash[LATCHWORK_HASH];
} LatchworkQuestion;

/*
 What the server said.
 */
typedef struct LatchworkAnswer {
  /*
   Which of `Config::issuers` was asked, counted from 0.
   */
  size_t issuer;
  /*
   Where to write the payload of its answer, a CBOR map (RFC 9200 §5.9.2), just as it came.
   */
  uint8_t *payload;
  /*
   How many bytes it may have.
   */
  size_t payload_size;
  /*
   How many it has.
   */
  size_t payload_len;
} LatchworkAnswer;

/*
 What a crypto accelerator does. Each function gets the context of the board as its first argument, may fail, and may not call
 back into the lock. One that is null is done by the library, if it was built with the software for it: so a firmware whose
 accelerator does all of these links neither AES nor P-256.

 All numbers are 32 bytes, big-endian. What is secret is for the function alone: nothing of it may stay anywhere.
 */
typedef struct LatchworkHardware {
  /*
   AES-128: encrypts the 16 bytes of `block` in place under the 16 bytes of `key`. False if it failed. AES-CCM, which calls it
   many times under one key, is made of it. Without it the library must have the feature `aes`.
   */
  bool (*aes128)(void *context, const uint8_t *key, uint8_t *block);
  /*
   ECDSA on P-256 (FIPS 186-5 §6.4.2): 1 if `signature`, r and s, is one of the SHA-256 `digest` under `public_key`, x and y; 0 if
   it is not, which r or s being zero or not below n makes it, and a public key that is not on the curve; any other value if it
   failed. Without it the library must have a feature `es256-…`, or ES256 is refused.
   */
  int32_t (*p256_verify)(void *context,
                         const uint8_t *public_key,
                         const uint8_t *digest,
                         const uint8_t *signature);
  /*
   A new key pair on P-256 for one handshake, which nobody can predict: 32 bytes that `p256_agree` is then given, a scalar or
   what stands for one, and the x coordinate of the public half. False if it failed. Null if and only if `p256_agree` is.
   */
  bool (*p256_generate)(void *context, uint8_t *private_key, uint8_t *public_x);
  /*
   ECDH on P-256 (SP 800-56A §5.7.1.2): writes the x coordinate of the shared point. 1 if it did; 0 if the peer's is not a point
   of the curve, *which must be checked*: whoever comes chooses it, and one that is not gives the private key away; any other
   value if it failed.

   `private_key` is what `p256_generate` made, or the one of `Config::own_key`, or null for the lock's own where that never leaves
   the hardware. `peer_y` may be null: only x was sent (RFC 9528 §3.7), and either of the two points gives the same secret.
   */
  int32_t (*p256_agree)(void *context,
                        const uint8_t *private_key,
                        const uint8_t *peer_x,
                        const uint8_t *peer_y,
                        uint8_t *shared_x);
} LatchworkHardware;

/*
 The functions of a board. Each gets `context` as its first argument. None may call back into the lock.
 */
typedef struct LatchworkBoard {
  /*
   Whatever the functions need.
   */
  void *context;
  /*
   Fills all of `out` with `len` bytes that nobody can predict, or returns false. Must not be null.
   */
  bool (*random)(void *context, uint8_t *out, size_t len);
  /*
   Milliseconds since boot; never goes back, and goes on while the library computes, which measures by it what strangers may
   take. Must not be null.
   */
  uint64_t (*uptime)(void *context);
  /*
   The date, in seconds since 1970: not before `earliest`, not after `latest`. False if it is not known. Null on a board
   that has no clock.
   */
  bool (*clock)(void *context, int64_t *earliest, int64_t *latest);
  /*
   Reads the number that was last written for the series that 8 bytes name: 1 if there is one, 0 if none ever was, any
   other value if the flash cannot be read. Null on a board without flash, which takes no tokens that count from receipt (`exi`).
   */
  int32_t (*flash_read)(void *context, const uint8_t *series, uint64_t *number);
  /*
   Writes a number in the place of the last one of its series, which was not greater. True once a power cut can no longer
   undo it; cut short, it leaves the old number or the new one to be read.
   */
  bool (*flash_write)(void *context, const uint8_t *series, uint64_t number);
  /*
   Serves a request whose sender is allowed to make it: what moves the bolt is called from here, and from nowhere else.
   Both pointers are good until it returns. Must not be null.
   */
  void (*serve)(void *context, const struct LatchworkRequest *request, struct LatchworkResponse *response);
  /*
   What is known of a token that only its server understands: 1 if the server said something, which is then in `answer`; 0 if it was
   asked, or will be, so that the client shall come again in two seconds (5.03 with Max-Age); any other value if it cannot be asked,
   which refuses the token. Must not wait: it notes the question, and the firmware asks once the call is over. Anybody can send
   bytes that are no token, and each is a question: keep few, and none for long. Null on a lock that asks nobody.
   */
  int32_t (*introspect)(void *context,
                        const struct LatchworkQuestion *question,
                        struct LatchworkAnswer *answer);
  /*
   The peripherals for cryptography, copied at the start; null where there are none.
   */
  const struct LatchworkHardware *hardware;
} LatchworkBoard;

/*
 What happened to a datagram. Holds nothing secret.
 */
typedef struct LatchworkEvent {
  /*
   What.
   */
  LatchworkEventKind kind;
  /*
   A response code as CoAP writes it (RFC 7252 §3), 0x81 for 4.01; 0 if it is not known.
   */
  uint8_t code;
  /*
   The name of the token, or zeros.
   */
  uint8_t token[LATCHWORK_HASH];
} LatchworkEvent;

/*
 A revoked token: all that a reboot must not lose of it.
 */
typedef struct LatchworkRevoked {
  /*
   Its hash, without the leading 0x01.
   */
  uint8_t token[LATCHWORK_HASH];
  /*
   Which of `Config::issuers` revoked it, counted from 0.
   */
  uint8_t issuer;
  /*
   It was seen, and counts from its receipt (`exi`).
   */
  bool is_numbered;
  /*
   The number in its `cti`, if `is_numbered`: over for good once the lock forgets the hash.
   */
  uint64_t number;
} LatchworkRevoked;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 How many bytes of memory a lock takes on this processor.
 */
size_t latchwork_size(void);

/*
 To how many bytes that memory has to be aligned.
 */
size_t latchwork_align(void);

/*
 Makes a lock in `memory`, with nobody inside; once per boot. On `Ok`, `lock` is where it is.

 # Safety
 `memory` points to `size` bytes that are the lock's until `latchwork_stop`. `config` keeps its promises until then, all functions
 of `board`, which is copied as its `hardware` is, can be called until then. `lock` is a place for a pointer. None of them is shared with another thread or an interrupt.
 */
LatchworkStatus latchwork_start(void *memory,
                                size_t size,
                                const struct LatchworkConfig *config,
                                const struct LatchworkBoard *board,
                                struct LatchworkLock **lock);

/*
 Takes in a datagram of `len` bytes from `peer`, whatever number the firmware gives to an address. On `Ok`, `out_len` bytes of
 `out` are to be sent back to it. `event`, if not null, says what happened.

 # Safety
 `lock` is one that was started and not stopped. `datagram` points to `len` bytes, `out` to `out_size` others;
 `LATCHWORK_DATAGRAM` are enough for any answer. `out_len` is a place for a number, `event` null or a place for one.
 */
LatchworkStatus latchwork_receive(struct LatchworkLock *lock,
                                  uint64_t peer,
                                  const uint8_t *datagram,
                                  size_t len,
                                  uint8_t *out,
                                  size_t out_size,
                                  size_t *out_len,
                                  struct LatchworkEvent *event);

/*
 What time brings about: sessions, pending uploads and handshakes end. To be called every few seconds.

 # Safety
 `lock` is one that was started and not stopped.
 */
LatchworkStatus latchwork_tick(struct LatchworkLock *lock);

/*
 Ends a lock and wipes every key in it. Its memory is the firmware's again.

 # Safety
 `lock` is one that was started and not stopped.
 */
LatchworkStatus latchwork_stop(struct LatchworkLock *lock);

/*
 Writes the payload that asks a server about a token, for `POST /introspect` in Content-Format 19 (RFC 9200 §5.9.1), into `out`, and
 its length into `out_len`. To be sent over a channel that proves the server and hides what is said: the answer may hold a key.

 # Safety
 `token` points to `token_len` bytes, `out` to `out_size` others; `out_len` is a place for a number.
 */
LatchworkStatus latchwork_introspection_request(const uint8_t *token,
                                                size_t token_len,
                                                uint8_t *out,
                                                size_t out_size,
                                                size_t *out_len);

/*
 The issuer at this position of `Config::issuers`, counted from 0, revoked a token of its own (RFC 9770 §11.1): its sessions end, and it is refused from now on. `token` is
 `LATCHWORK_HASH` bytes: its hash, without the leading 0x01. `NoIssuer` if there is none at this position; then nothing has changed. What the lock knows is gone after a
 reboot: `latchwork_revoked` tells what to hand in to `latchwork_revoke_again`.

 # Safety
 `lock` is one that was started and not stopped; `token` points to that many bytes.
 */
LatchworkStatus latchwork_revoke(struct LatchworkLock *lock,
                                 uint8_t issuer,
                                 const uint8_t *token);

/*
 Takes in what a server's list of revoked tokens says: `payload` is the answer to a GET of its `/trl`, in Content-Format 262, of a
 full or a diff query (RFC 9770 §7, §8), and `issuer` the position of that server in the configuration, counted from 0: its list ends only
 tokens of its own. `BadPayload` if it is none, `NoIssuer` if there is none at this position; then nothing has changed.

 # Safety
 `lock` is one that was started and not stopped; `payload` points to `len` bytes.
 */
LatchworkStatus latchwork_learn(struct LatchworkLock *lock,
                                uint8_t issuer,
                                const uint8_t *payload,
                                size_t len);

/*
 The `index`-th revoked token that the lock keeps, counted from 0 in the order in which they came, into `revoked`; `Silent` if there are no
 more. To be written down where they shall outlive a reboot: after `latchwork_revoke` and `latchwork_learn`, and after an upload that was
 refused, since a revoked token that comes tells its number.

 # Safety
 `lock` is one that was started and not stopped; `revoked` is a place for one.
 */
LatchworkStatus latchwork_revoked(struct LatchworkLock *lock,
                                  size_t index,
                                  struct LatchworkRevoked *revoked);

/*
 Revokes again what `latchwork_revoked` told before a reboot: after the start, one after the other in the same order, before the first datagram.
 `NoIssuer` if there is none at that position; then nothing has changed.

 # Safety
 `lock` is one that was started and not stopped; `revoked` points to one.
 */
LatchworkStatus latchwork_revoke_again(struct LatchworkLock *lock,
                                       const struct LatchworkRevoked *revoked);

/*
 Finds the `index`-th option of this number in a request, counted from 0, and borrows its value until `serve` returns.
 False if there is none. Options of block-wise transfer are none of the firmware's business.

 # Safety
 `request` is the one that `serve` was called with, which has not returned; `value` is null or a place for bytes.
 */
bool latchwork_request_option(const struct LatchworkRequest *request,
                              uint16_t number,
                              size_t index,
                              struct LatchworkBytes *value);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LATCHWORK_H */
