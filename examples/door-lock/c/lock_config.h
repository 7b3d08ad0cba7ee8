/* What enrolment tells a lock; this one is that of the tests. A real one has its own, with keys that nobody else knows. */
#ifndef LOCK_CONFIG_H
#define LOCK_CONFIG_H

#include "latchwork.h"

#define TEXT(text) {(const uint8_t *)(text), sizeof(text) - 1}

static const uint8_t door_open[] = {0x81, 0x82, 0x65, '/', 'd', 'o', 'o', 'r', 2}; /* [["/door", 2]]: POST */

static const LatchworkKey keys[] = {
    {.kind = LATCHWORK_KEY_KIND_AES_CCM, .kid = TEXT("front-1"), .key = TEXT("the lock's key..")},
};

static const LatchworkIssuer issuers[] = {
    {.name = TEXT("https://as.example"), .token_uri = TEXT("https://as.example/token"), .keys = keys, .keys_len = 1},
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
