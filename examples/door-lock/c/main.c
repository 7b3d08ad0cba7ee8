/* A door lock in C on a Cortex-M4: the static library of rs-lib/capi, a serial line, a bolt that says what it does.
 *
 * What is said on the line is what the lock in Rust says (examples/door-lock/slip): UDP in IPv4 in SLIP. So is the console: after
 * each datagram, what happened and what it cost.
 */

#include "board.h"
#include "line.h"
#include "latchwork.h"
#include <lock_config.h> /* of the directory that `link` was given, not the one beside this file */
#ifdef ACCELERATED
#include "accelerator.h"
#endif

/* All memory of the lock. */
static _Alignas(LATCHWORK_ALIGN) uint8_t memory[LATCHWORK_SIZE];

static uint64_t relocks; /* when the bolt goes back, in ms since boot; 0 if it is locked */

/* Also at the start: the power may have gone while the door was open. */
static void lock_bolt(void) {
    relocks = 0;
    board_say("bolt locked\n");
}

static bool fill(void *context, uint8_t *out, size_t len) {
    (void)context;
    return board_random(out, len);
}

static uint64_t uptime(void *context) {
    (void)context;
    return board_millis();
}

static bool date(void *context, int64_t *earliest, int64_t *latest) {
    (void)context;
    *earliest = *latest = board_date();
    return *earliest > 0;
}

/* Only ever called for a holder whose token permits it. */
static void serve(void *context, const LatchworkRequest *request, LatchworkResponse *response) {
    (void)context;
    if (request->path != 0) {
        response->code = 0x84; /* 4.04 */
    } else if (request->method == 2) {
        relocks = board_millis() + 5000;
        board_say("bolt unlocked ");
        board_say_hex(request->token, sizeof request->token);
        board_say("\n");
        response->code = 0x44; /* 2.04 */
    } else if (request->method == 1) {
        const char *state = relocks ? "unlocked" : "locked";
        while (state[response->payload_len] && response->payload_len < response->payload_size) {
            response->payload[response->payload_len] = (uint8_t)state[response->payload_len];
            response->payload_len++;
        }
        response->code = 0x45; /* 2.05 */
        response->format = 0;
        response->max_age = 0;
    } else {
        response->code = 0x85; /* 4.05 */
    }
}

static const LatchworkBoard functions = {
    .random = fill,
    .uptime = uptime,
    .clock = date,
    .serve = serve,
#ifdef ACCELERATED
    .hardware = &accelerator,
#endif
};

/* By LatchworkEventKind. */
static const char *const events[] = {
    "repeated", "uploaded", "updated", "refused", "unauthorized", "lapsed", "not-verified",     "denied",           "served",
    "other",    "other",    "other",   "flash-failed", "begun",   "other",  "handshake-failed", "other",
};

static void say_cost(const char *what, uint32_t ticks, uint32_t stack) {
    board_say("did ");
    board_say(what);
    board_say(" ticks ");
    board_say_number(ticks);
    board_say(" stack ");
    board_say_number(stack);
    board_say(" held ");
    board_say_number(latchwork_size());
#ifdef ACCELERATED
    board_say(" hardware");
    for (size_t i = 0; i < 4; i++) {
        board_say(" ");
        board_say_number(accelerator_calls[i]);
    }
#endif
    board_say("\n");
}

int main(void) {
    static uint8_t frame[LINE_FRAME], answer[LINE_HEADERS + LATCHWORK_DATAGRAM];
    LatchworkLock *lock;
    board_paint();
    uint32_t before = board_ticks();
    LatchworkStatus status = latchwork_start(memory, sizeof memory, &lock_config, &functions, &lock);
    uint32_t ticks = board_ticks() - before, stack = board_painted();
    if (status != LATCHWORK_STATUS_OK) {
        board_say("the lock does not start: ");
        board_say_number(status);
        board_say("\n");
        return 1;
    }
    say_cost("start", ticks, stack);
    lock_bolt();
    board_say("locked, and waiting\n");
    for (;;) {
        uint64_t peer;
        size_t len, out_len;
        LatchworkEvent event;
        board_idle();
        latchwork_tick(lock);
        if (relocks && relocks <= board_millis()) lock_bolt();
        const uint8_t *datagram = line_receive(frame, &len, &peer);
        if (!datagram) continue;
        board_paint();
        before = board_ticks();
        status = latchwork_receive(lock, peer, datagram, len, answer + LINE_HEADERS, LATCHWORK_DATAGRAM, &out_len, &event);
        ticks = board_ticks() - before, stack = board_painted();
        if (status == LATCHWORK_STATUS_OK) line_answer(frame, answer, out_len);
        if (status <= LATCHWORK_STATUS_SILENT) say_cost(events[event.kind], ticks, stack);
    }
}

/* No code leads here; the linker wants to know what would be done. */
void latchwork_panicked(void) {
    board_say("a panic, which must not be\n");
    board_exit(false);
}
