/* The serial line: frames, and the headers in them. */

#include "line.h"
#include "board.h"

enum { END = 0xc0, ESC = 0xdb, ESC_END = 0xdc, ESC_ESC = 0xdd, IP = 20, UDP = 17 };

static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static void put16(uint8_t *at, size_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* RFC 1071, over a header of 20 bytes; 0 if the sum in it is right. */
static uint16_t checksum(const uint8_t *header) {
    uint32_t sum = 0;
    for (size_t i = 0; i < IP; i += 2) sum += get16(header + i);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

const uint8_t *line_receive(uint8_t *frame, size_t *len, uint64_t *peer) {
    static size_t at;
    static bool escaped, lost;
    uint8_t byte;
    while (board_receive(&byte)) {
        if (byte == END) {
            size_t length = at;
            bool whole = !lost && !escaped;
            at = 0;
            lost = escaped = false;
            if (!whole || length < LINE_HEADERS || frame[0] != 0x45 || frame[9] != UDP || checksum(frame)) continue;
            size_t udp = get16(frame + IP + 4);
            if (get16(frame + 2) > length || get16(frame + 6) & 0x3fff || udp < 8 || udp > length - IP) continue;
            *len = udp - 8;
            *peer = 0;
            for (size_t i = 12; i < 16; i++) *peer = *peer << 8 | frame[i];
            *peer = *peer << 16 | get16(frame + IP);
            return frame + LINE_HEADERS;
        }
        if (escaped) {
            lost |= byte != ESC_END && byte != ESC_ESC;
            byte = byte == ESC_END ? END : ESC;
            escaped = false;
        } else if (byte == ESC) {
            escaped = true;
            continue;
        }
        if (at < LINE_FRAME) {
            frame[at++] = byte;
        } else {
            lost = true;
        }
    }
    return NULL;
}

void line_answer(const uint8_t *frame, uint8_t *answer, size_t len) {
    static const uint8_t header[12] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, UDP, 0, 0};
    for (size_t i = 0; i < 12; i++) answer[i] = header[i];
    for (size_t i = 0; i < 4; i++) {
        answer[12 + i] = frame[16 + i];
        answer[16 + i] = frame[12 + i];
    }
    put16(answer + 2, LINE_HEADERS + len);
    put16(answer + 10, checksum(answer));
    put16(answer + IP, get16(frame + IP + 2));
    put16(answer + IP + 2, get16(frame + IP));
    put16(answer + IP + 4, 8 + len);
    put16(answer + IP + 6, 0);
    board_send(END);
    for (size_t i = 0; i < LINE_HEADERS + len; i++) {
        uint8_t byte = answer[i];
        if (byte == END || byte == ESC) {
            board_send(ESC);
            byte = byte == END ? ESC_END : ESC_ESC;
        }
        board_send(byte);
    }
    board_send(END);
}
