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
   The board lacks a function that it must have.
   */
  LATCHWORK_STATUS_BAD_BOARD = 4,
  /*
   The config has a text that is no UTF-8, a key of the wrong length, an AIF that is none, no issuer, or too many of something.
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
   A token was good; a session waits for its holder. `token` names it.
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
 What a lock was told when it was enrolled. It and all that it points to stay as they are while the lock is used; only
 AES keys may be wiped after the start.
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
   Milliseconds since boot; never goes back. Must not be null.
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
   Writes a number in the place of the last one of its series, which was smaller. True once a power cut can no longer
   undo it; cut short, it leaves the old number or the new one to be read.
   */
  bool (*flash_write)(void *context, const uint8_t *series, uint64_t number);
  /*
   Serves a request whose sender is allowed to make it: what moves the bolt is called from here, and from nowhere else.
   Both pointers are good until it returns. Must not be null.
   */
  void (*serve)(void *context, const struct LatchworkRequest *request, struct LatchworkResponse *response);
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
 of `board`, which is copied, can be called until then. `lock` is a place for a pointer. None of them is shared with another thread or an interrupt.
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
 What time brings about: sessions and pending uploads end. To be called every few seconds.

 # Safety
 `lock` is one that was started and not stopped.
 */
LatchworkStatus latchwork_tick(struct LatchworkLock *lock);

/*
 A token was revoked (RFC 9770 §11.1): its sessions end, and it is refused from now on. `token` is `LATCHWORK_HASH` bytes: its
 hash, without the leading 0x01.

 # Safety
 `lock` is one that was started and not stopped; `token` points to that many bytes.
 */
LatchworkStatus latchwork_revoke(struct LatchworkLock *lock,
                                 const uint8_t *token);

/*
 Ends a lock and wipes every key in it. Its memory is the firmware's again.

 # Safety
 `lock` is one that was started and not stopped.
 */
LatchworkStatus latchwork_stop(struct LatchworkLock *lock);

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
 of `board`, which is copied, can be called until then. `lock` is a place for a pointer. None of them is shared with another thread or an interrupt.
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
 What time brings about: sessions and pending uploads end. To be called every few seconds.

 # Safety
 `lock` is one that was started and not stopped.
 */
LatchworkStatus latchwork_tick(struct LatchworkLock *lock);

/*
 A token was revoked (RFC 9770 §11.1): its sessions end, and it is refused from now on. `token` is `LATCHWORK_HASH` bytes: its
 hash, without the leading 0x01.

 # Safety
 `lock` is one that was started and not stopped; `token` points to that many bytes.
 */
LatchworkStatus latchwork_revoke(struct LatchworkLock *lock,
                                 const uint8_t *token);

/*
 Ends a lock and wipes every key in it. Its memory is the firmware's again.

 # Safety
 `lock` is one that was started and not stopped.
 */
LatchworkStatus latchwork_stop(struct LatchworkLock *lock);

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
