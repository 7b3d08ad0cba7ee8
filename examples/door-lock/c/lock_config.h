/* What enrolment tells a lock; this one is that of the tests. A real one has its own, with keys that nobody else knows. */
#ifndef LOCK_CONFIG_H
#define LOCK_CONFIG_H

#include "latchwork.h"

#define TEXT(text) {(const uint8_t *)(text), sizeof(text) - 1}

static const uint8_t door_open[] = {0x81, 0x82, 0x65, '/', 'd', 'o', 'o', 'r', 2}; /* [["/door", 2]]: POST */

static const uint8_t server_key[] = { /* x and y */
    0x07, 0x81, 0x0e, 0xa9, 0x74, 0xce, 0xa5, 0x77, 0x3e, 0x63, 0xb8, 0x97, 0xf3, 0x7e, 0x3b, 0xe9,
    0xa0, 0x9e, 0x7a, 0x5f, 0xe9, 0xb9, 0x71, 0xa4, 0x4d, 0x10, 0x65, 0xac, 0x2a, 0x3a, 0x93, 0x11,
    0x63, 0x7e, 0x47, 0xa4, 0xf9, 0x94, 0x64, 0xa0, 0xfd, 0xce, 0x44, 0xa8, 0x8e, 0xc7, 0xd7, 0x03,
    0xa9, 0x18, 0x3c, 0x1d, 0x06, 0x55, 0x2d, 0x9e, 0x2d, 0x6b, 0x76, 0x06, 0x94, 0x81, 0xc5, 0x77,
};

static const LatchworkKey keys[] = {
    {.kind = LATCHWORK_KEY_KIND_AES_CCM, .kid = TEXT("front-1"), .key = TEXT("the lock's key..")},
    {.kind = LATCHWORK_KEY_KIND_ES256, .kid = TEXT("sign-1"), .key = {server_key, sizeof server_key}},
};

static const LatchworkIssuer issuers[] = {
    {.name = TEXT("https://as.example"), .token_uri = TEXT("https://as.example/token"), .keys = keys, .keys_len = 2},
};

static const LatchworkScope scopes[] = {
    {.name = TEXT("door:open"), .grants = {door_open, sizeof door_open}},
};

static const LatchworkBytes paths[] = {TEXT("/door")};

static const LatchworkConfig lock_config = {
    .audience = TEXT("urn:latchwork:lock:front"),
    .issuers = issuers,
    .issuers_len = 1,
    .scopes = scopes,
    .scopes_len = 1,
    .paths = paths,
    .paths_len = 1,
};

#endif
