/* Registers of the Arm AN386 (CMSDK UART 0 and timer 0) and of the Cortex-M4, semihosting, and what happens before main.
 *
 * Interrupts stay masked: they end a sleep, and what they are about is then polled.
 */

#include "board.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART_DATA REGISTER(0x40004000)
#define UART_STATE REGISTER(0x40004004)
#define UART_CONTROL REGISTER(0x40004008)
#define UART_INTERRUPT REGISTER(0x4000400c)
#define UART_BAUD REGISTER(0x40004010)
#define TIMER_CONTROL REGISTER(0x40000000)
#define TIMER_VALUE REGISTER(0x40000004)
#define TIMER_RELOAD REGISTER(0x40000008)
#define SYSTICK_CONTROL REGISTER(0xe000e010)
#define SYSTICK_RELOAD REGISTER(0xe000e014)
#define SYSTICK_VALUE REGISTER(0xe000e018)
#define NVIC_ENABLE REGISTER(0xe000e100)
#define NVIC_CLEAR REGISTER(0xe000e280)
#define ICSR REGISTER(0xe000ed04)

enum { TX_FULL = 1, RX_FULL = 2, TICKS_PER_MS = 25000, NAP = 500000 };
enum { SYS_OPEN = 1, SYS_WRITEC = 3, SYS_WRITE0 = 4, SYS_READ = 6, SYS_TIME = 0x11, SYS_EXIT = 0x18 };

extern uint32_t image_data[], data_begin[], data_end[], bss_begin[], bss_end[], stack_end[], stack_top[];

int main(void);

static int32_t debugger(uint32_t operation, const volatile void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const volatile void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

static void reset(void) {
    __asm__ volatile("cpsid i");
    for (uint32_t *from = image_data, *to = data_begin; to < data_end;) *to++ = *from++;
    for (uint32_t *to = bss_begin; to < bss_end;) *to++ = 0;
    UART_BAUD = 16;
    UART_CONTROL = 1 | 2 | 8; /* both ways, and an interrupt for what arrives */
    TIMER_RELOAD = TIMER_VALUE = 0xffffffff;
    TIMER_CONTROL = 1;
    SYSTICK_RELOAD = NAP;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 7;
    NVIC_ENABLE = 1;
    board_exit(main() == 0);
}

static void fault(void) { board_exit(false); }

__attribute__((section(".vectors"), used)) static void (*const vectors[16 + 32])(void) = {
    (void (*)(void))stack_top, reset, fault, fault, fault, fault, fault,
};

void board_idle(void) {
    if (!(UART_STATE & RX_FULL)) __asm__ volatile("wfi");
    UART_INTERRUPT = 3;
    NVIC_CLEAR = 1;
    ICSR = 1u << 25;
}

bool board_receive(uint8_t *byte) {
    if (!(UART_STATE & RX_FULL)) return false;
    *byte = (uint8_t)UART_DATA;
    return true;
}

void board_send(uint8_t byte) {
    while (UART_STATE & TX_FULL) {
    }
    UART_DATA = byte;
}

uint32_t board_ticks(void) { return ~TIMER_VALUE; }

/* Asked far more often than the timer takes to come round, which is once in 171 s. */
uint64_t board_millis(void) {
    static uint64_t ticks;
    static uint32_t last;
    uint32_t now = board_ticks();
    ticks += now - last;
    last = now;
    return ticks / TICKS_PER_MS;
}

int64_t board_date(void) { return (uint32_t)debugger(SYS_TIME, NULL); }

bool board_random(uint8_t *out, size_t len) {
    static const char name[] = "/dev/urandom";
    static int32_t file = -1;
    if (file < 0) {
        const uint32_t open[3] = {(uint32_t)name, 1, sizeof name - 1}; /* "rb" */
        file = debugger(SYS_OPEN, open);
    }
    const uint32_t read[3] = {(uint32_t)file, (uint32_t)out, len};
    return file >= 0 && debugger(SYS_READ, read) == 0; /* how many bytes were not read */
}

void board_say(const char *text) { debugger(SYS_WRITE0, text); }

void board_say_number(uint32_t number) {
    char text[11];
    size_t at = sizeof text - 1;
    text[at] = 0;
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    board_say(text + at);
}

void board_say_hex(const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        const char text[3] = {"0123456789abcdef"[bytes[i] >> 4], "0123456789abcdef"[bytes[i] & 15], 0};
        board_say(text);
    }
}

static uint32_t *painted_from;

static inline uint32_t *stack_pointer(void) {
    uint32_t *sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return sp;
}

void board_paint(void) {
    painted_from = stack_pointer();
    for (volatile uint32_t *at = stack_end; at < painted_from - 16; at++) *at = 0xdeadbeef;
}

uint32_t board_painted(void) {
    const volatile uint32_t *at = stack_end;
    while (at < painted_from && *at == 0xdeadbeef) at++;
    return (uint32_t)((const volatile uint8_t *)painted_from - (const volatile uint8_t *)at);
}

_Noreturn void board_exit(bool well) {
    debugger(SYS_EXIT, (const void *)(uintptr_t)(well ? 0x20026 : 0x20023));
    for (;;) {
    }
}
