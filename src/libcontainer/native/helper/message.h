// SPDX-License-Identifier: Apache-2.0
// Messages between processes of one container, over SOCK_SEQPACKET sockets. The
// monitor, a program of its own, has this as well.
#ifndef LC_MESSAGE_H
#define LC_MESSAGE_H

#include "plan.h"
#include "sys.h"

// Send one message, with fd unless that is -1.
int message_pass(int socket, struct lc_message *message, int fd, int flags);

// Receive one message of at most *size* bytes; gives its length, -EPIPE when the other
// side is gone. *count*: at most as many fds may come with it; then how many have.
int message_receive(int socket, void *data, size_t size, int32_t *fds,
                    uint32_t *count);

// Wait for LC_GO with exactly *count* fds, at most LC_MAX_TAKEN; -EPIPE when the other
// side is gone, -EPROTO after anything else.
int message_take(int socket, int32_t *fds, uint32_t count);

#endif
