/* What stands in for a crypto accelerator on a board that has none: AES-128 and P-256, as short as they can be said.
 *
 * It shows the shape of the functions and counts their calls. It is no model to copy: its time depends on its keys.
 */

#include "accelerator.h"
#include "board.h"

uint32_t accelerator_calls[4];

/* --- AES-128 (FIPS 197) --- */

static uint8_t twice(uint8_t a) { return (uint8_t)(a << 1 ^ (a >> 7) * 0x1b); }

static uint8_t sbox(uint8_t a) {
    uint8_t inverse = 1, power = a; /* a^254 */
    for (int bit = 1; bit < 8; bit++) {
        uint8_t square = 0, product = 0;
        for (int i = 0; i < 8; i++) square = (uint8_t)(twice(square) ^ (power >> (7 - i) & 1) * power);
        power = square;
        for (int i = 0; i < 8; i++) product = (uint8_t)(twice(product) ^ (power >> (7 - i) & 1) * inverse);
        inverse = product;
    }
    uint8_t out = 0x63;
    for (int i = 0; i < 5; i++) out ^= (uint8_t)(inverse << i | inverse >> (8 - i));
    return out;
}

static bool aes128(void *context, const uint8_t *key, uint8_t *block) {
    (void)context;
    static uint8_t box[256];
    if (!box[0]) for (int i = 0; i < 256; i++) box[i] = sbox((uint8_t)i);
    accelerator_calls[0]++;
    uint8_t round_key[16], rcon = 1, row[16];
    for (int i = 0; i < 16; i++) block[i] ^= round_key[i] = key[i];
    for (int round = 1; round <= 10; round++, rcon = twice(rcon)) {
        for (int i = 0; i < 4; i++) round_key[i] ^= box[round_key[12 + (i + 1) % 4]] ^ (i ? 0 : rcon);
        for (int i = 4; i < 16; i++) round_key[i] ^= round_key[i - 4];
        for (int i = 0; i < 16; i++) row[i] = box[block[(i + 4 * (i % 4)) % 16]];
        for (int i = 0; i < 16; i++) {
            const uint8_t *column = row + (i & 12), all = column[0] ^ column[1] ^ column[2] ^ column[3];
            uint8_t mixed = (uint8_t)(row[i] ^ all ^ twice((uint8_t)(row[i] ^ column[(i + 1) & 3])));
            block[i] = (round < 10 ? mixed : row[i]) ^ round_key[i];
        }
    }
    return true;
}

/* --- numbers of 256 bits, the lowest word first, and Montgomery's multiplication by a modulus --- */

typedef uint32_t num[8];
typedef struct {
    num m;
    uint32_t inverse; /* of -m, by 2^32 */
} modulus;

static const modulus P = {{~0u, ~0u, ~0u, 0, 0, 0, 1, ~0u}, 1};
static const modulus N = {
    {0xfc632551, 0xf3b9cac2, 0xa7179e84, 0xbce6faad, ~0u, ~0u, 0, ~0u}, 0xee00bc4f};
static const num B = {0x27d2604b, 0x3bce3c3e, 0xcc53b0f6, 0x651d06b0, 0x769886bc, 0xb3ebbd55, 0xaa3a93e7, 0x5ac635d8};
static const num GX = {0xd898c296, 0xf4a13945, 0x2deb33a0, 0x77037d81, 0x63a440f2, 0xf8bce6e5, 0xe12c4247, 0x6b17d1f2};
static const num GY = {0x37bf51f5, 0xcbb64068, 0x6b315ece, 0x2bce3357, 0x7c0f9e16, 0x8ee7eb4a, 0xfe1a7f9b, 0x4fe342e2};

static void copy(num to, const num from) {
    for (int i = 0; i < 8; i++) to[i] = from[i];
}

static bool is_zero(const num a) {
    uint32_t all = 0;
    for (int i = 0; i < 8; i++) all |= a[i];
    return all == 0;
}

/* a - b; whether b was larger. */
static bool minus(num out, const num a, const num b) {
    int64_t carry = 0;
    for (int i = 0; i < 8; i++) {
        carry += (int64_t)a[i] - b[i];
        out[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return carry != 0;
}

static bool plus(num out, const num a, const num b) {
    uint64_t carry = 0;
    for (int i = 0; i < 8; i++) {
        carry += (uint64_t)a[i] + b[i];
        out[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return carry != 0;
}

static bool is_below(const num a, const num b) {
    num ignored;
    return minus(ignored, a, b);
}

static void add(num out, const num a, const num b, const modulus *of) {
    bool over = plus(out, a, b);
    if (over || !is_below(out, of->m)) minus(out, out, of->m);
}

static void sub(num out, const num a, const num b, const modulus *of) {
    if (minus(out, a, b)) plus(out, out, of->m);
}

static void mul(num out, const num a, const num b, const modulus *of) {
    uint32_t t[10] = {0};
    for (int i = 0; i < 8; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 8; j++) {
            carry += (uint64_t)a[i] * b[j] + t[j];
            t[j] = (uint32_t)carry;
            carry >>= 32;
        }
        carry += t[8];
        t[8] = (uint32_t)carry;
        t[9] = (uint32_t)(carry >> 32);
        uint32_t q = t[0] * of->inverse;
        carry = ((uint64_t)q * of->m[0] + t[0]) >> 32;
        for (int j = 1; j < 8; j++) {
            carry += (uint64_t)q * of->m[j] + t[j];
            t[j - 1] = (uint32_t)carry;
            carry >>= 32;
        }
        carry += t[8];
        t[7] = (uint32_t)carry;
        t[8] = t[9] + (uint32_t)(carry >> 32);
    }
    if (t[8] || !is_below(t, of->m)) minus(t, t, of->m);
    copy(out, t);
}

/* Into Montgomery's form: times 2^256. */
static void enter(num out, const num a, const modulus *of) {
    num square = {1};
    for (int i = 0; i < 512; i++) add(square, square, square, of);
    mul(out, a, square, of);
}

static void leave(num out, const num a, const modulus *of) {
    static const num one = {1};
    mul(out, a, one, of);
}

/* a^e, both a and the result in Montgomery's form. */
static void power(num out, const num a, const num e, const modulus *of) {
    num result;
    static const num one = {1};
    enter(result, one, of);
    for (int bit = 255; bit >= 0; bit--) {
        mul(result, result, result, of);
        if (e[bit / 32] >> bit % 32 & 1) mul(result, result, a, of);
    }
    copy(out, result);
}

static void invert(num out, const num a, const modulus *of) {
    static const num two = {2};
    num e;
    minus(e, of->m, two);
    power(out, a, e, of);
}

static void read(num out, const uint8_t *bytes) {
    for (int i = 0; i < 8; i++) {
        const uint8_t *at = bytes + 28 - 4 * i;
        out[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    }
}

static void write(uint8_t *bytes, const num a) {
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)(a[7 - i / 4] >> (24 - 8 * (i % 4)));
}

/* --- points of P-256: x / z^2 and y / z^3, in Montgomery's form; z is 0 at infinity --- */

typedef struct {
    num x, y, z;
} point;

static void doubled(point *out, const point *a) {
    num delta, gamma, beta, alpha, t, u;
    mul(delta, a->z, a->z, &P);
    mul(gamma, a->y, a->y, &P);
    mul(beta, a->x, gamma, &P);
    sub(t, a->x, delta, &P);
    add(u, a->x, delta, &P);
    mul(t, t, u, &P);
    add(alpha, t, t, &P);
    add(alpha, alpha, t, &P);
    add(u, a->y, a->z, &P);
    mul(u, u, u, &P);
    sub(u, u, gamma, &P);
    sub(out->z, u, delta, &P);
    add(beta, beta, beta, &P);
    add(beta, beta, beta, &P);
    mul(t, alpha, alpha, &P);
    sub(t, t, beta, &P);
    sub(out->x, t, beta, &P);
    sub(t, beta, out->x, &P);
    mul(t, alpha, t, &P);
    mul(u, gamma, gamma, &P);
    for (int i = 0; i < 3; i++) add(u, u, u, &P);
    sub(out->y, t, u, &P);
}

static void sum(point *out, const point *a, const point *b) {
    if (is_zero(a->z) || is_zero(b->z)) {
        *out = is_zero(a->z) ? *b : *a;
        return;
    }
    num u1, s1, h, r, t, hh, hhh;
    mul(t, b->z, b->z, &P);
    mul(u1, a->x, t, &P);
    mul(t, t, b->z, &P);
    mul(s1, a->y, t, &P);
    mul(t, a->z, a->z, &P);
    mul(h, b->x, t, &P);
    sub(h, h, u1, &P);
    mul(t, t, a->z, &P);
    mul(r, b->y, t, &P);
    sub(r, r, s1, &P);
    if (is_zero(h) && is_zero(r)) {
        doubled(out, a);
        return;
    }
    mul(hh, h, h, &P);
    mul(hhh, hh, h, &P);
    mul(u1, u1, hh, &P);
    mul(t, a->z, b->z, &P);
    mul(out->z, t, h, &P);
    mul(t, r, r, &P);
    sub(t, t, hhh, &P);
    sub(t, t, u1, &P);
    sub(out->x, t, u1, &P);
    sub(t, u1, out->x, &P);
    mul(t, r, t, &P);
    mul(s1, s1, hhh, &P);
    sub(out->y, t, s1, &P);
}

static void times(point *out, const num scalar, const point *a) {
    point result = {{0}, {0}, {0}};
    for (int bit = 255; bit >= 0; bit--) {
        doubled(&result, &result);
        if (scalar[bit / 32] >> bit % 32 & 1) sum(&result, &result, a);
    }
    *out = result;
}

/* x of a point that is not at infinity. */
static bool affine_x(num x, const point *a) {
    if (is_zero(a->z)) return false;
    num t;
    invert(t, a->z, &P);
    mul(t, t, t, &P);
    mul(t, a->x, t, &P);
    leave(x, t, &P);
    return true;
}

/* The point with these coordinates, or either of the two with this x. False if there is none. */
static bool on_curve(point *out, const uint8_t *x, const uint8_t *y) {
    static const num one = {1};
    num square, t;
    read(out->x, x);
    if (!is_below(out->x, P.m)) return false;
    enter(out->x, out->x, &P);
    enter(out->z, one, &P);
    mul(square, out->x, out->x, &P);
    for (int i = 0; i < 3; i++) sub(square, square, out->z, &P);
    mul(square, square, out->x, &P);
    enter(t, B, &P);
    add(square, square, t, &P);
    if (y) {
        read(out->y, y);
        if (!is_below(out->y, P.m)) return false;
        enter(out->y, out->y, &P);
    } else {
        static const num quarter = {0, 0, 0x40000000, 0, 0, 0x40000000, 0xc0000000, 0x3fffffff}; /* (p + 1) / 4 */
        power(out->y, square, quarter, &P);
    }
    mul(t, out->y, out->y, &P);
    sub(t, t, square, &P);
    return is_zero(t);
}

static bool is_scalar(const num a) { return !is_zero(a) && is_below(a, N.m); }

static void base_point(point *out) {
    static const num one = {1};
    enter(out->x, GX, &P);
    enter(out->y, GY, &P);
    enter(out->z, one, &P);
}

static int32_t p256_verify(void *context, const uint8_t *public_key, const uint8_t *digest, const uint8_t *signature) {
    (void)context;
    accelerator_calls[1]++;
    num r, s, e, x;
    point key, base;
    read(r, signature);
    read(s, signature + 32);
    read(e, digest);
    if (!is_scalar(r) || !is_scalar(s) || !on_curve(&key, public_key, public_key + 32)) return 0;
    enter(s, s, &N);
    invert(s, s, &N);
    mul(e, e, s, &N); /* of one in the form and one not: out of the form */
    mul(s, r, s, &N);
    base_point(&base);
    times(&base, e, &base);
    times(&key, s, &key);
    sum(&key, &key, &base);
    if (!affine_x(x, &key)) return 0;
    if (!is_below(x, N.m)) minus(x, x, N.m);
    minus(x, x, r);
    return is_zero(x);
}

static bool p256_generate(void *context, uint8_t *private_key, uint8_t *public_x) {
    (void)context;
    accelerator_calls[2]++;
    num scalar, x;
    point base;
    do {
        if (!board_random(private_key, 32)) return false;
        read(scalar, private_key);
    } while (!is_scalar(scalar));
    base_point(&base);
    times(&base, scalar, &base);
    if (!affine_x(x, &base)) return false;
    write(public_x, x);
    return true;
}

static int32_t p256_agree(
    void *context, const uint8_t *private_key, const uint8_t *peer_x, const uint8_t *peer_y, uint8_t *shared_x) {
    (void)context;
    accelerator_calls[3]++;
    num scalar, x;
    point peer;
    if (!private_key) return -1; /* it keeps none */
    read(scalar, private_key);
    if (!is_scalar(scalar)) return -1;
    if (!on_curve(&peer, peer_x, peer_y)) return 0;
    times(&peer, scalar, &peer);
    if (!affine_x(x, &peer)) return -1;
    write(shared_x, x);
    return 1;
}

const LatchworkHardware accelerator = {
    .aes128 = aes128,
    .p256_verify = p256_verify,
    .p256_generate = p256_generate,
    .p256_agree = p256_agree,
};
