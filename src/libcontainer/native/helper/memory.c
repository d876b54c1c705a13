// SPDX-License-Identifier: Apache-2.0
// The two functions a compiler may call for struct copies and zeroing even where
// there is no C library.

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *to, int byte, size_t size);

// The empty statements keep the loops from being recognised and turned into calls
// of the very functions they implement.
void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        __asm__ volatile("");
        ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
    }
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        __asm__ volatile("");
        ((unsigned char *)to)[i] = (unsigned char)byte;
    }
    return to;
}
