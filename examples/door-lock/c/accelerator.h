/* A crypto accelerator, as the library wants one. */
#ifndef ACCELERATOR_H
#define ACCELERATOR_H

#include "latchwork.h"

extern const LatchworkHardware accelerator;
extern uint32_t accelerator_calls[4]; /* of aes128, p256_verify, p256_generate and p256_agree */

#endif
