/* UDP in IPv4 in SLIP (RFC 1055), as little of it as two ends of one line need. */
#ifndef LINE_H
#define LINE_H

#include <stddef.h>
#include <stdint.h>

#define LINE_HEADERS 28                  /* of IPv4 and UDP */
#define LINE_FRAME (LINE_HEADERS + 1152) /* the longest frame */

/* Takes what has come on the line into `frame`. When a whole datagram is there: where it is, its length, and who sent it. */
const uint8_t *line_receive(uint8_t *frame, size_t *len, uint64_t *peer);

/* Sends a datagram of `len` bytes, which stands in `answer` behind LINE_HEADERS free ones, back to the sender of `frame`. */
void line_answer(const uint8_t *frame, uint8_t *answer, size_t len);

#endif
