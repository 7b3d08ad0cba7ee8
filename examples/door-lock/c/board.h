/* What the board does: QEMU's mps2-an386, with its debugger for console, date and random numbers. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void board_idle(void);                          /* sleeps until something arrives, or for 20 ms */
bool board_receive(uint8_t *byte);              /* the next byte from the line, if there is one */
void board_send(uint8_t byte);                  /* puts a byte on the line */
uint32_t board_ticks(void);                     /* 25 MHz; with -icount shift=0 a tick is 40 instructions */
uint64_t board_millis(void);                    /* since boot */
int64_t board_date(void);                       /* seconds since 1970 */
bool board_random(uint8_t *out, size_t len);    /* of the host; a real board has a source of its own */
void board_say(const char *text);               /* on the debugger's console */
void board_say_number(uint32_t number);
void board_say_hex(const uint8_t *bytes, size_t len);
void board_paint(void);                         /* fills the free stack with a pattern */
uint32_t board_painted(void);                   /* how many bytes of it were used since, below the caller */
_Noreturn void board_exit(bool well);

#endif
